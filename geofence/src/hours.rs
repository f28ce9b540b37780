//! The hours at which a fence holds.

use chrono::{Datelike, Days, NaiveTime, TimeZone, Timelike, Weekday};
use chrono_tz::Tz;
use model::registry::{DailyWindow, EVERY_DAY};
use model::{Schedule, Timestamp};

use crate::error::FenceError;

const DAY_MINUTES: u16 = 1440;
/// A schedule opens within a week, and a day more.
const DAYS_AHEAD_MAX: u64 = 8;

/// A schedule in its time zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hours {
    window: DailyWindow,
    weekdays: u8,
    zone: Tz,
}

impl Hours {
    pub(crate) fn new(schedule: &Schedule, zone: Tz) -> Result<Hours, FenceError> {
        let Schedule { window, weekdays, zone: own } = schedule;
        if window.from_minute >= DAY_MINUTES || window.to_minute >= DAY_MINUTES {
            return Err(FenceError::Window);
        }
        if *weekdays == 0 || *weekdays > EVERY_DAY {
            return Err(FenceError::Weekdays);
        }
        let zone = match own {
            None => zone,
            Some(name) => name.parse().map_err(|_| FenceError::Zone)?,
        };
        Ok(Hours { window: *window, weekdays: *weekdays, zone })
    }

    /// Whether a fence with these hours holds at a time. A window over midnight belongs to the day it begins on.
    pub(crate) fn hold(&self, at: Timestamp) -> bool {
        let local = at.to_utc().with_timezone(&self.zone);
        let minute = (local.hour() * 60 + local.minute()) as u16;
        let (from, to) = (self.window.from_minute, self.window.to_minute);
        if from < to {
            return (from..to).contains(&minute) && self.begins_on(local.weekday());
        }
        (minute >= from && self.begins_on(local.weekday())) || (minute < to && self.begins_on(local.weekday().pred()))
    }

    /// When a fence with these hours begins to hold next, after a time.
    pub(crate) fn next_opening(&self, after: Timestamp) -> Option<Timestamp> {
        let today = after.to_utc().with_timezone(&self.zone).date_naive();
        let (hour, minute) = (u32::from(self.window.from_minute) / 60, u32::from(self.window.from_minute) % 60);
        let time = NaiveTime::from_hms_opt(hour, minute, 0)?;
        let openings = (0..=DAYS_AHEAD_MAX).filter_map(|days| {
            let date = today.checked_add_days(Days::new(days)).filter(|date| self.begins_on(date.weekday()))?;
            // A time that a summer time skips opens an hour later by the clock: at the same instant.
            let local = self.zone.from_local_datetime(&date.and_time(time)).earliest();
            let local = local.or_else(|| {
                self.zone.from_local_datetime(&(date.and_time(time) + chrono::TimeDelta::hours(1))).earliest()
            })?;
            Some(Timestamp::from_millis(local.timestamp_millis()))
        });
        openings.into_iter().find(|opening| *opening > after && !self.hold(opening.plus_millis(-1)))
    }

    fn begins_on(&self, day: Weekday) -> bool {
        self.weekdays >> day.num_days_from_monday() & 1 == 1
    }
}
