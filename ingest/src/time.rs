//! The time of a report, as text or as a number.

use model::Timestamp;

/// Before this a device's clock cannot have been set: 2015-01-01T00:00:00Z, in ms. Receivers without a fix and
/// clocks after a change of battery say 1970, 1980 or 2000.
pub(crate) const CLOCK_SET_MILLIS_MIN: i64 = 1_420_070_400_000;

const DAY_SECONDS: i64 = 86_400;

/// Milliseconds since 1970 that RFC 3339 could write as well.
pub(crate) fn from_millis(value: f64) -> Option<Timestamp> {
    let latest = Timestamp::LATEST.millis() as f64;
    (0.0..=latest).contains(&value).then(|| Timestamp::from_millis(value as i64))
}

/// RFC 3339 with any offset, down to milliseconds. The usual spelling is read here, everything else by chrono,
/// which takes ten times as long.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    usual_spelling(text.as_bytes()).or_else(|| Timestamp::parse(text))
}

/// `2026-11-22T08:00:00[.120]` followed by `Z` or `+08:00`; `None` for what is not spelled so, or has a 60th second.
fn usual_spelling(text: &[u8]) -> Option<Timestamp> {
    let (head, tail) = text.split_first_chunk::<19>()?;
    let separators = [head[4], head[7], head[10], head[13], head[16]];
    if separators != *b"--T::" {
        return None;
    }
    let century_year = (two_digits(head, 0)?, two_digits(head, 2)?);
    let year = century_year.0 * 100 + century_year.1;
    let (month, day) = (two_digits(head, 5)?, two_digits(head, 8)?);
    let (hour, minute, second) = (two_digits(head, 11)?, two_digits(head, 14)?, two_digits(head, 17)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_of_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (millis, tail) = fraction(tail)?;
    let offset_seconds = offset(tail)?;
    let seconds = days_since_1970(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    let millis = (seconds - offset_seconds) * 1000 + millis;
    let time = Timestamp::from_millis(millis);
    (time.millis() == millis).then_some(time)
}

fn two_digits(text: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then_some(i64::from(tens) * 10 + i64::from(ones))
}

/// The milliseconds of `.120…`, if there is a fraction, and what follows it. Digits beyond the third are cut off.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || length > 9 {
        return None;
    }
    let millis = (0..3).fold(0, |millis, at| millis * 10 + if at < length { i64::from(digits[at] - b'0') } else { 0 });
    Some((millis, &digits[length..]))
}

/// The seconds that `Z`, `+08:00` or `-05:30` is ahead of UTC.
fn offset(text: &[u8]) -> Option<i64> {
    let sign = match text {
        b"Z" => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (two_digits(text, 1)?, two_digits(text, 4)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days of the proleptic Gregorian calendar, counted in years that begin in March (Howard Hinnant,
/// "chrono-compatible low-level date algorithms", `days_from_civil`).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_as_devices_write_them() {
        for (text, expected) in [
            ("2026-11-22T08:00:00+08:00", Some("2026-11-22T00:00:00.000Z")),
            ("2026-11-22T08:00:00.120+08:00", Some("2026-11-22T00:00:00.120Z")),
            ("2026-11-22T00:00:00.1239999Z", Some("2026-11-22T00:00:00.123Z")),
            ("2024-02-29T23:59:59-05:30", Some("2024-03-01T05:29:59.000Z")),
            ("2026-11-22 08:00:00Z", Some("2026-11-22T08:00:00.000Z")),
            ("2026-11-22t08:00:00z", Some("2026-11-22T08:00:00.000Z")),
            ("2025-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-22T08:00:00", None),
            ("2026-11-22T08:00:00.Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("22.11.2026 08:00", None),
            ("２０２６-11-22T08:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(parse_rfc3339(text).map(|t| t.to_string()).as_deref(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn chrono_says_the_same(millis in 0..=Timestamp::LATEST.millis()) {
            let text = Timestamp::from_millis(millis).to_string();
            prop_assert_eq!(usual_spelling(text.as_bytes()), Timestamp::parse(&text));
        }

        #[test]
        fn chrono_says_the_same_of_what_looks_like_a_time(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?(Z|[+-][0-2][0-9]:[0-6][0-9])"
        ) {
            if let Some(time) = usual_spelling(text.as_bytes()) {
                prop_assert_eq!(Some(time), Timestamp::parse(&text));
            }
        }
    }
}
