//! Windows of the day and the week, as people write them.

use model::registry::{DailyWindow, EVERY_DAY, WeeklyWindow};
use serde_json::Value;

use crate::config::document::{Faults, Object, quote};

const DAY_MINUTES: u16 = 1_440;
/// From Monday; read in any case.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `mon-fri 08:00-18:00`, `sat,sun 09:00-24:00`, `22:00-07:00`.
pub(crate) fn parse_weekly(text: &str) -> Option<WeeklyWindow> {
    let text = text.trim();
    let (days, times) = match text.rsplit_once(char::is_whitespace) {
        Some((days, times)) => (parse_days(days.trim())?, times),
        None => (EVERY_DAY, text),
    };
    let (from_minute, to_minute) = parse_window(times)?;
    Some(WeeklyWindow { days, from_minute, to_minute })
}

/// `mon-fri`, `sat,sun`, `fri-mon`: bit 0 is Monday.
fn parse_days(text: &str) -> Option<u8> {
    let number = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name.trim()));
    let mut days = 0;
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (number(from)?, number(to)?);
        days |= 1 << day;
        while day != last {
            day = (day + 1) % DAYS.len();
            days |= 1 << day;
        }
    }
    Some(days)
}

/// `HH:MM-HH:MM` as minutes; the end may be 24:00, and both are different.
pub(super) fn parse_window(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    (from < DAY_MINUTES && from != to).then_some((from, to))
}

/// A window as it is kept; `None` for the whole day, which is the same as none.
pub(super) fn daily(from_minute: u16, to_minute: u16) -> Option<DailyWindow> {
    let is_whole = (from_minute, to_minute) == (0, DAY_MINUTES);
    (!is_whole).then_some(DailyWindow { from_minute, to_minute: to_minute % DAY_MINUTES })
}

/// A member that is a window of the day; the whole day is the same as none.
pub(super) fn daily_window(object: &mut Object<'_>, name: &'static str, faults: &mut Faults) -> Option<DailyWindow> {
    let text = object.text(name, faults)?;
    if let Some((from, to)) = parse_window(text) {
        return daily(from, to);
    }
    let quoted = quote(&Value::String(text.to_owned()));
    faults.add(
        object.at(name),
        format!("{quoted} is no window of the day like \"06:00-22:00\" (over midnight: \"22:00-05:00\"; always: leave it out)"),
        format!("{quoted} 不是合法时段，应形如 \"06:00-22:00\"（跨午夜：\"22:00-05:00\"；全天有效则省略）"),
    );
    None
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two = |digits: &str| {
        let plausible = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plausible.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    (minute < 60 && (hour < 24 || (hour == 24 && minute == 0))).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_the_week_are_read_as_people_write_them() {
        for (text, expected) in [
            ("mon-fri 08:00-18:00", Some((0b001_1111, 480, 1_080))),
            ("sat,sun 09:00-24:00", Some((0b110_0000, 540, 1_440))),
            ("fri-mon 00:00-06:00", Some((0b111_0001, 0, 360))),
            ("22:00-07:00", Some((0b111_1111, 1_320, 420))),
            ("wed, sat 10:00-11:00", Some((0b010_0100, 600, 660))),
            ("mon-fri", None),
            ("monday 08:00-18:00", None),
            ("08:00-08:00", None),
            ("24:00-08:00", None),
            ("8-18", None),
            ("", None),
        ] {
            let read = parse_weekly(text).map(|w| (w.days, w.from_minute, w.to_minute));
            assert_eq!(read, expected, "{text}");
        }
    }
}
