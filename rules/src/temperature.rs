//! Body temperature: at or above 39.1 °C by one reading, at or below 35.0 °C by two in a row, for skin that was out in
//! the cold is the commonest cause of a low one (NEWS2).

use model::{IncidentKind, Priority, Thresholds, Timestamp};
use smallvec::smallvec;

use crate::explain::{Told, reading};
use crate::sustained::{AGAIN_SECONDS, Bound, Level, Limits, Met};

const RULE: &str = "temperature";
const RULE_VERSION: u16 = 1;

/// °C, two and three points of NEWS2.
const HIGH: f32 = 39.1;
const LOW: f32 = 35.0;
const READINGS_LOW: u16 = 2;
/// Over only when so far from what raises it, °C.
const CLEAR_GAP: f32 = 0.5;

pub(crate) fn limits(own: &Thresholds) -> Limits {
    let (high, low) = (own.temperature_high.unwrap_or(HIGH), own.temperature_low.unwrap_or(LOW));
    let level = |kind, bound, readings| Level {
        kind,
        priority: Priority::Medium,
        bound,
        readings,
        sustain_seconds: 0,
        only_at_rest: false,
    };
    Limits {
        levels: smallvec![
            level(IncidentKind::TemperatureHigh, Bound::AtLeast(high), 1),
            level(IncidentKind::TemperatureLow, Bound::AtMost(low), READINGS_LOW),
        ],
        calm: low + CLEAR_GAP..=high - CLEAR_GAP,
        calm_seconds: 0,
        again_seconds: AGAIN_SECONDS,
    }
}

pub(crate) fn tell(met: &Met) -> Told {
    let (value, limit) = (tenths(met.value), tenths(met.level.bound.limit()));
    let (zh, en) = match met.level.kind {
        IncidentKind::TemperatureHigh => ("体温过高", "high"),
        _ => ("体温过低", "low"),
    };
    Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![
            reading("temperature", value, "°C", Some(met.measured)),
            reading("threshold", limit, "°C", None),
            reading("readings", f64::from(met.readings), "", None),
        ],
        zh: format!("{zh}：{value:.1} °C（警戒线 {limit:.1}）。"),
        en: format!("Temperature {value:.1} °C, too {en} (limit {limit:.1})."),
    }
}

pub(crate) fn tell_over(value: f32, measured: Timestamp) -> Told {
    let value = tenths(value);
    Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![reading("temperature", value, "°C", Some(measured))],
        zh: format!("体温已恢复：{value:.1} °C。"),
        en: format!("Temperature is back at {value:.1} °C."),
    }
}

/// 39.1 as it was written, not as the nearest float of half the width.
fn tenths(celsius: f32) -> f64 {
    (f64::from(celsius) * 10.0).round() / 10.0
}
