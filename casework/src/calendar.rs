//! When work is done: hours of the day, days of the week, days off and days on.

use std::collections::BTreeSet;

use model::Timestamp;

const DAY_MILLIS: i64 = 86_400_000;
const MINUTE_MILLIS: i64 = 60_000;
/// How many days ahead working time is looked for; beyond, the clock on the wall counts.
const DAYS_AHEAD_MAX: i64 = 3_660;
/// 1970-01-01 was a Thursday.
const WEEKDAY_OF_DAY_ZERO: i64 = 3;

/// When work is done, in the configured zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// First minute of work, 0–1 439.
    pub from_minute: u16,
    /// First minute after it, 1–1 440, above `from_minute`.
    pub to_minute: u16,
    /// On which days of the week: bit 0 is Monday, bit 6 Sunday.
    pub weekdays: u8,
    /// Days off whatever the day of the week (节假日), as days since 1970-01-01.
    pub days_off: BTreeSet<i32>,
    /// Days of work whatever the day of the week (调休), as days since 1970-01-01.
    pub days_on: BTreeSet<i32>,
    /// Minutes east of UTC; the caller keeps it right.
    pub utc_offset_minutes: i32,
}

impl Default for Calendar {
    /// Monday to Friday, 08:30–17:30, in China.
    fn default() -> Calendar {
        Calendar {
            from_minute: 510,
            to_minute: 1_050,
            weekdays: 0b001_1111,
            days_off: BTreeSet::new(),
            days_on: BTreeSet::new(),
            utc_offset_minutes: 480,
        }
    }
}

impl Calendar {
    /// When so many seconds of work have passed from `now` on. If there is no work for ten years, the clock on the
    /// wall counts.
    #[must_use]
    pub fn plus_working_seconds(&self, now: Timestamp, seconds: u32) -> Timestamp {
        let offset = i64::from(self.utc_offset_minutes) * MINUTE_MILLIS;
        let local = now.millis() + offset;
        let today = local.div_euclid(DAY_MILLIS);
        let mut left = i64::from(seconds) * 1_000;
        for day in today..today + DAYS_AHEAD_MAX {
            if !self.is_working(day) {
                continue;
            }
            let begin = (day * DAY_MILLIS + i64::from(self.from_minute) * MINUTE_MILLIS).max(local);
            let end = day * DAY_MILLIS + i64::from(self.to_minute) * MINUTE_MILLIS;
            if begin + left <= end {
                return Timestamp::from_millis(begin + left - offset);
            }
            left -= (end - begin).max(0);
        }
        now.plus_seconds(seconds)
    }

    /// The day of the week (0 is Monday) and the minute of the day.
    #[must_use]
    pub fn weekday_and_minute(&self, now: Timestamp) -> (u8, u16) {
        let local = now.millis() + i64::from(self.utc_offset_minutes) * MINUTE_MILLIS;
        let weekday = (local.div_euclid(DAY_MILLIS) + WEEKDAY_OF_DAY_ZERO).rem_euclid(7);
        (weekday as u8, (local.rem_euclid(DAY_MILLIS) / MINUTE_MILLIS) as u16)
    }

    fn is_working(&self, day: i64) -> bool {
        let number = i32::try_from(day).unwrap_or(i32::MAX);
        let weekday = (day + WEEKDAY_OF_DAY_ZERO).rem_euclid(7);
        self.days_on.contains(&number) || (self.weekdays & (1 << weekday) != 0 && !self.days_off.contains(&number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_time_stands_still_by_night_at_weekends_and_on_days_off() {
        let mut calendar = Calendar::default();
        // 2026-11-23, a Monday.
        let monday = Timestamp::parse("2026-11-23T00:00:00+08:00").unwrap().millis() / DAY_MILLIS + 1;
        calendar.days_off.insert(monday as i32 + 2);
        calendar.days_on.insert(monday as i32 + 5);
        for (from, hours, expected) in [
            ("2026-11-23T09:00:00+08:00", 2, "2026-11-23T11:00:00+08:00"),
            ("2026-11-23T16:30:00+08:00", 2, "2026-11-24T09:30:00+08:00"),
            ("2026-11-23T03:00:00+08:00", 1, "2026-11-23T09:30:00+08:00"),
            ("2026-11-23T17:30:00+08:00", 9, "2026-11-24T17:30:00+08:00"),
            // Wednesday is off, Saturday is on, Sunday is Sunday.
            ("2026-11-24T17:00:00+08:00", 1, "2026-11-26T09:00:00+08:00"),
            ("2026-11-27T17:00:00+08:00", 1, "2026-11-28T09:00:00+08:00"),
            ("2026-11-28T17:00:00+08:00", 1, "2026-11-30T09:00:00+08:00"),
        ] {
            let due = calendar.plus_working_seconds(Timestamp::parse(from).unwrap(), hours * 3_600);
            assert_eq!(Some(due), Timestamp::parse(expected), "{hours} h from {from}");
        }
        assert_eq!(calendar.weekday_and_minute(Timestamp::parse("2026-11-22T23:59:00+08:00").unwrap()), (6, 1_439));
        let never = Calendar { weekdays: 0, ..Calendar::default() };
        let now = Timestamp::parse("2026-11-23T09:00:00+08:00").unwrap();
        assert_eq!(never.plus_working_seconds(now, 60), now.plus_seconds(60));
    }
}
