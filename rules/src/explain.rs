//! Helpers for the sentences that explain a finding. They are made from readings and thresholds only, so that they
//! come out the same whenever they are regenerated, and they name no person.

use compact_str::CompactString;
use model::{Change, Explain, Finding, IncidentKind, Priority, Reading, Timestamp};

use crate::Subject;

/// A number that a decision rests on, by name, with its unit.
pub(crate) fn reading(name: &str, value: f64, unit: &str, at: Option<Timestamp>) -> Reading {
    Reading { name: CompactString::new(name), value, unit: CompactString::new(unit), at }
}

/// The whole explanation.
pub(crate) fn explain(rule: &str, rule_version: u16, readings: Vec<Reading>, zh: String, en: String) -> Explain {
    Explain { rule: CompactString::new(rule), rule_version, readings, zh, en }
}

/// What a rule has to say: an explanation before the delay of its report is added.
pub(crate) struct Told {
    pub(crate) rule: &'static str,
    pub(crate) rule_version: u16,
    pub(crate) readings: Vec<Reading>,
    pub(crate) zh: String,
    pub(crate) en: String,
}

/// A finding by the subject's device and at its last position, sure of itself: when it was measured, whether that was
/// late, and when it is decided.
pub(crate) fn finding(
    subject: &Subject<'_>,
    kind: IncidentKind,
    change: Change,
    priority: Priority,
    (measured, late, now): (Timestamp, bool, Timestamp),
    told: Told,
) -> Finding {
    let Told { rule, rule_version, mut readings, zh, en } = told;
    let (late_zh, late_en) = lateness(late, measured, now, &mut readings);
    Finding {
        kind,
        change,
        wearer: subject.wearer.clone(),
        device: subject.device.clone(),
        priority,
        at: now,
        measured,
        late,
        confirmed: true,
        position: subject.position,
        explain: explain(rule, rule_version, readings, zh + &late_zh, en + &late_en),
    }
}

/// A span of time in Chinese and English, as coarse as it may be: seconds, minutes, hours or days.
pub(crate) fn span(millis: i64) -> (String, String) {
    let seconds = (millis / 1000).max(0);
    let (count, zh, en) = match seconds {
        0..120 => (seconds, "秒", "s"),
        120..7200 => (seconds / 60, "分钟", "min"),
        7200..172_800 => (seconds / 3600, "小时", "h"),
        _ => (seconds / 86_400, "天", "days"),
    };
    (format!("{count} {zh}"), format!("{count} {en}"))
}

/// How late a report came, as a clause to follow a sentence; empty for one that was not late. The delay joins the
/// readings.
pub(crate) fn lateness(
    late: bool,
    measured: Timestamp,
    now: Timestamp,
    readings: &mut Vec<Reading>,
) -> (String, String) {
    if !late {
        return (String::new(), String::new());
    }
    let delay_millis = now.millis_since(measured);
    readings.push(reading("delay", (delay_millis / 1000) as f64, "s", None));
    let (zh, en) = span(delay_millis);
    (format!("报告晚到了 {zh}。"), format!(" The report came {en} late."))
}
