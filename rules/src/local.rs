//! The time of day where the wearer lives.

use model::Timestamp;
use model::registry::DailyWindow;

const MINUTES_PER_DAY: i64 = 1440;
const MILLIS_PER_MINUTE: i64 = 60_000;

/// The day, counted from 1970, and the minute of it.
pub(crate) fn day_and_minute(at: Timestamp, utc_offset_minutes: i32) -> (i64, i64) {
    let minutes = at.millis().div_euclid(MILLIS_PER_MINUTE) + i64::from(utc_offset_minutes);
    (minutes.div_euclid(MINUTES_PER_DAY), minutes.rem_euclid(MINUTES_PER_DAY))
}

/// Whether a time lies in a window of the day; one that ends before it begins runs over midnight.
pub(crate) fn is_within(window: DailyWindow, at: Timestamp, utc_offset_minutes: i32) -> bool {
    let (_, minute) = day_and_minute(at, utc_offset_minutes);
    let (from, to) = (i64::from(window.from_minute), i64::from(window.to_minute));
    if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to }
}

/// The next time, `at` itself included, at which the clock shows this minute of the day.
pub(crate) fn next(minute_of_day: u16, at: Timestamp, utc_offset_minutes: i32) -> Timestamp {
    let (_, minute) = day_and_minute(at, utc_offset_minutes);
    let wait = (i64::from(minute_of_day) - minute).rem_euclid(MINUTES_PER_DAY);
    if wait == 0 {
        return at;
    }
    let this_minute = at.millis().div_euclid(MILLIS_PER_MINUTE) * MILLIS_PER_MINUTE;
    Timestamp::from_millis(this_minute + wait * MILLIS_PER_MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nights_in_shanghai() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let night = DailyWindow { from_minute: 22 * 60, to_minute: 5 * 60 };
        for (time, is_night) in [("21:59:59", false), ("22:00:00", true), ("00:00:00", true), ("05:00:00", false)] {
            assert_eq!(is_within(night, at(&format!("2026-11-22T{time}+08:00")), 480), is_night, "{time}");
        }
        let from = at("2026-11-22T22:30:10+08:00");
        assert_eq!(next(22 * 60, from, 480), at("2026-11-23T22:00:00+08:00"));
        assert_eq!(next(23 * 60, from, 480), at("2026-11-22T23:00:00+08:00"));
        assert_eq!(next(22 * 60 + 30, from, 480), from);
    }
}
