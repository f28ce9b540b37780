//! A worn device's battery that is low: a notice, and over only when that device has been charged well beyond it. What
//! is put away between measurements is not watched over.

use model::{IncidentKind, Priority, Thresholds, Timestamp};
use smallvec::smallvec;

use crate::explain::{Told, reading};
use crate::sustained::{Bound, Level, Limits, Met};
use crate::{Context, WearerState};

const RULE: &str = "battery";
const RULE_VERSION: u16 = 1;

/// Percent: a day's worth of most bracelets.
const LOW: u8 = 15;
/// Charged at least so much beyond it, percent.
const CLEAR_GAP: u8 = 15;

/// Remembers the level, and whether it is rising: who is charged may be silent.
pub(crate) fn charged(state: &mut WearerState, context: &Context<'_>, percent: u8) {
    if context.late {
        return;
    }
    if let Some(before) = state.battery.replace(percent) {
        state.is_charging = percent > before || (percent == before && state.is_charging);
    }
}

pub(crate) fn limits(own: &Thresholds) -> Limits {
    let low = own.battery_low.unwrap_or(LOW);
    Limits {
        levels: smallvec![Level {
            kind: IncidentKind::BatteryLow,
            priority: Priority::Low,
            bound: Bound::AtMost(f32::from(low)),
            readings: 1,
            sustain_seconds: 0,
            only_at_rest: false,
        }],
        calm: f32::from(low.saturating_add(CLEAR_GAP).min(95))..=f32::MAX,
        calm_seconds: 0,
        again_seconds: 86_400,
    }
}

pub(crate) fn tell(met: &Met) -> Told {
    let (value, limit) = (met.value, met.level.bound.limit());
    Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![
            reading("battery", f64::from(value), "%", Some(met.measured)),
            reading("threshold", f64::from(limit), "%", None),
        ],
        zh: format!("设备电量剩余 {value}%，请尽快充电（警戒线 {limit}%）。"),
        en: format!("The device's battery is at {value} %; charge it soon (limit {limit} %)."),
    }
}

pub(crate) fn tell_over(value: f32, measured: Timestamp) -> Told {
    Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![reading("battery", f64::from(value), "%", Some(measured))],
        zh: format!("设备已充电至 {value}%。"),
        en: format!("The device is charged to {value} %."),
    }
}
