//! Oxygen saturation, for two minutes: at or below 91 % high, 92–93 % medium (NEWS2, scale 1). For those whose target
//! is 88–92 % (COPD, by a doctor's order) scale 2: at or below 83 % high, 84–87 % medium. What scale 2 says about too
//! much oxygen belongs to those who are given some, under the eyes of a nurse.

use model::{IncidentKind, Priority, Thresholds, Timestamp};
use smallvec::smallvec;

use crate::explain::{Told, reading, span};
use crate::sustained::{AGAIN_SECONDS, Bound, Level, Limits, Met};

const RULE: &str = "spo2";
const RULE_VERSION: u16 = 1;

/// Percent, at and below: high priority and medium, on each scale.
const SCALE_1: (u8, u8) = (91, 93);
const SCALE_2: (u8, u8) = (83, 87);
const SUSTAIN_SECONDS: u32 = 120;
const READINGS_MIN: u16 = 2;
/// Over only when so far above, and for so long. (A limit that is 2 points lower cuts alarms by 63 %.)
const CLEAR_GAP: u8 = 2;
const CALM_SECONDS: i64 = 120;

pub(crate) fn limits(own: &Thresholds) -> Limits {
    let (low, watch) = if own.spo2_scale_2 { SCALE_2 } else { SCALE_1 };
    let low = own.spo2_low.unwrap_or(low);
    // A doctor who wants to hear at 94 hears no later than that; one who allows 88 is not asked to look at 93.
    let watch = own.spo2_watch.unwrap_or(if own.spo2_low.is_some() { low.saturating_add(2) } else { watch }).max(low);
    let sustain_seconds = own.spo2_sustain_seconds.unwrap_or(SUSTAIN_SECONDS);
    let level = |priority, percent| Level {
        kind: IncidentKind::Spo2Low,
        priority,
        bound: Bound::AtMost(f32::from(percent)),
        readings: READINGS_MIN,
        sustain_seconds,
        only_at_rest: false,
    };
    let calm = f32::from(watch.saturating_add(CLEAR_GAP).min(99));
    Limits {
        levels: smallvec![level(Priority::Medium, watch), level(Priority::High, low)],
        calm: calm..=f32::MAX,
        calm_seconds: CALM_SECONDS,
        again_seconds: AGAIN_SECONDS,
    }
}

pub(crate) fn tell(met: &Met) -> Told {
    let (value, limit, count) = (met.value, met.level.bound.limit(), met.readings);
    let (span_zh, span_en) = span(met.lasted_seconds * 1000);
    Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![
            reading("spo2", f64::from(value), "%", Some(met.measured)),
            reading("threshold", f64::from(limit), "%", None),
            reading("readings", f64::from(count), "", None),
            reading("lasted", met.lasted_seconds as f64, "s", None),
        ],
        zh: format!("血氧过低：{value}%，已持续 {span_zh}（警戒线 {limit}%，{count} 次测量）。"),
        en: format!("Oxygen saturation {value} %, too low for {span_en} (limit {limit} %, {count} readings)."),
    }
}

pub(crate) fn tell_over(value: f32, measured: Timestamp) -> Told {
    Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![reading("spo2", f64::from(value), "%", Some(measured))],
        zh: format!("血氧已恢复：{value}%。"),
        en: format!("Oxygen saturation is back at {value} %."),
    }
}
