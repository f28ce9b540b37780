//! Heart rate. Above 120 or below 40 for ten minutes without moving (Apple's rule): somebody should look. At or above
//! 131, or at or below 40, in two readings in a row with the device on the wrist: at once (NEWS2's three points).

use model::{IncidentKind, Priority, Thresholds, Timestamp};

use crate::explain::{Told, reading, span};
use crate::sustained::{AGAIN_SECONDS, Bound, Level, Limits, Met};

const RULE: &str = "heart_rate";
const RULE_VERSION: u16 = 1;

/// Beats a minute: Apple's choices are 100–150 and 40–50.
const HIGH: u16 = 120;
const LOW: u16 = 40;
const SUSTAIN_SECONDS: u32 = 600;
/// Three points of NEWS2.
pub(crate) const SEVERE_HIGH: u16 = 131;
pub(crate) const SEVERE_LOW: u16 = 40;
const SEVERE_READINGS: u16 = 2;
/// Over only when so far from what raises it, and for so long.
const CLEAR_GAP: u16 = 5;
const CALM_SECONDS: i64 = 120;

pub(crate) fn limits(own: &Thresholds) -> Limits {
    let (high, low) = (own.heart_rate_high.unwrap_or(HIGH), own.heart_rate_low.unwrap_or(LOW));
    let sustain_seconds = own.heart_rate_sustain_seconds.unwrap_or(SUSTAIN_SECONDS);
    // A doctor who allows 140 does not want to be called at 131.
    let severe_high = own.heart_rate_severe_high.unwrap_or(SEVERE_HIGH.max(high.saturating_add(1)));
    let severe_low = own.heart_rate_severe_low.unwrap_or(SEVERE_LOW.min(low));
    let level = |kind, priority, bound| Level {
        kind,
        priority,
        bound,
        readings: SEVERE_READINGS,
        sustain_seconds: if priority == Priority::High { 0 } else { sustain_seconds },
        only_at_rest: priority != Priority::High,
    };
    let levels = [
        level(IncidentKind::HeartRateHigh, Priority::Medium, Bound::Above(f32::from(high))),
        level(IncidentKind::HeartRateLow, Priority::Medium, Bound::Below(f32::from(low))),
        level(IncidentKind::HeartRateHigh, Priority::High, Bound::AtLeast(f32::from(severe_high))),
        level(IncidentKind::HeartRateLow, Priority::High, Bound::AtMost(f32::from(severe_low))),
    ];
    let calm_low = low.max(severe_low).saturating_add(CLEAR_GAP);
    let calm = f32::from(calm_low)..=f32::from(high.min(severe_high).saturating_sub(CLEAR_GAP));
    Limits { levels: levels.into(), calm, calm_seconds: CALM_SECONDS, again_seconds: AGAIN_SECONDS }
}

pub(crate) fn tell(met: &Met) -> Told {
    let (value, limit) = (met.value, met.level.bound.limit());
    let mut readings = vec![
        reading("heart_rate", f64::from(value), "/min", Some(met.measured)),
        reading("threshold", f64::from(limit), "/min", None),
        reading("readings", f64::from(met.readings), "", None),
    ];
    let is_high = met.level.kind == IncidentKind::HeartRateHigh;
    let (too_zh, too_en) = if is_high { ("心率过快", "fast") } else { ("心率过慢", "slow") };
    let count = met.readings;
    let (zh, en) = if met.level.sustain_seconds == 0 {
        (
            format!("{too_zh}：{value} 次/分，连续 {count} 次达到警戒线 {limit}。"),
            format!(
                "Heart rate {value}/min, too {too_en}: {count} readings in a row at the limit of {limit} or beyond."
            ),
        )
    } else {
        readings.push(reading("lasted", met.lasted_seconds as f64, "s", None));
        let (span_zh, span_en) = span(met.lasted_seconds * 1000);
        (
            format!("{too_zh}：{value} 次/分，静止状态下已持续 {span_zh}（警戒线 {limit}，{count} 次测量）。"),
            format!(
                "Heart rate {value}/min, too {too_en} for {span_en} without moving (limit {limit}, {count} readings)."
            ),
        )
    };
    Told { rule: RULE, rule_version: RULE_VERSION, readings, zh, en }
}

pub(crate) fn tell_over(value: f32, measured: Timestamp) -> Told {
    Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![reading("heart_rate", f64::from(value), "/min", Some(measured))],
        zh: format!("心率已恢复：{value} 次/分。"),
        en: format!("Heart rate is back at {value}/min."),
    }
}
