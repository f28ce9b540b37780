//! The hours at which a fence holds.

use model::registry::{DailyWindow, EVERY_DAY};
use model::{Fence, Schedule, Timestamp};

use crate::{between, circle, compile};

const MONDAY_TO_FRIDAY: u8 = 0b001_1111;
const SUNDAY: u8 = 0b100_0000;

fn is_active(schedule: Option<Schedule>, time: &str) -> bool {
    let fence = compile(&Fence { active: schedule, ..circle(300.0) }).unwrap();
    fence.is_active(Timestamp::parse(time).unwrap())
}

#[test]
fn windows_of_the_day() {
    let day = between(6 * 60, 22 * 60);
    let night = between(22 * 60, 6 * 60);
    for (time, in_day) in
        [("05:59:59", false), ("06:00:00", true), ("21:59:59", true), ("22:00:00", false), ("00:00:00", false)]
    {
        let time = format!("2026-11-22T{time}+08:00");
        assert_eq!(is_active(day.clone(), &time), in_day, "{time}");
        assert_eq!(is_active(night.clone(), &time), !in_day, "{time}");
        assert!(is_active(None, &time) && is_active(between(480, 480), &time), "{time}");
    }
}

#[test]
fn days_of_the_week() {
    let on = |weekdays, from_minute, to_minute| {
        Some(Schedule { window: DailyWindow { from_minute, to_minute }, weekdays, zone: None })
    };
    // The 22nd of November 2026 is a Sunday.
    for (schedule, time, expected) in [
        (on(MONDAY_TO_FRIDAY, 480, 1080), "2026-11-22T12:00:00+08:00", false),
        (on(MONDAY_TO_FRIDAY, 480, 1080), "2026-11-23T12:00:00+08:00", true),
        // The night belongs to the day on which it begins.
        (on(SUNDAY, 1320, 360), "2026-11-22T03:00:00+08:00", false),
        (on(SUNDAY, 1320, 360), "2026-11-22T23:00:00+08:00", true),
        (on(SUNDAY, 1320, 360), "2026-11-23T03:00:00+08:00", true),
        (on(SUNDAY, 0, 0), "2026-11-22T23:59:59+08:00", true),
        (on(SUNDAY, 0, 0), "2026-11-23T00:00:00+08:00", false),
    ] {
        assert_eq!(is_active(schedule.clone(), time), expected, "{schedule:?} {time}");
    }
}

#[test]
fn a_zone_of_its_own() {
    let window = DailyWindow { from_minute: 480, to_minute: 1200 };
    let schedule = |zone: &str| Some(Schedule { window, weekdays: EVERY_DAY, zone: Some(zone.into()) });
    // Ürümqi is two hours behind.
    assert!(!is_active(schedule("Asia/Urumqi"), "2026-11-22T09:00:00+08:00"));
    assert!(is_active(schedule("Asia/Urumqi"), "2026-11-22T21:00:00+08:00"));
    let error = |schedule| compile(&Fence { active: schedule, ..circle(300.0) }).unwrap_err().to_string();
    assert!(error(schedule("Asia/Hefei")).contains("no such time zone"));
    assert!(error(Some(Schedule { window, weekdays: 0, zone: None })).contains("at least one day"));
}
