//! NEWS2, the early-warning score of the Royal College of Physicians: only when every one of its seven inputs is there
//! and fresh, for a score with a hole in it reads low. The single parameters of three points stand alone: `heart_rate`,
//! `spo2`, `temperature`, `blood_pressure`, and here, where no other rule is about them, breathing (8 and less, 25 and
//! more) and consciousness: an urgent review, whatever the rest is or is not.
//!
//! Breathing and consciousness are what hardly a bracelet measures: they come from somebody at the bedside
//! ([`crate::Observation::Bedside`]) or from a device that reports them, and until the first of these nothing is
//! remembered here.

use model::{Change, IncidentKind, Priority, Reading, ReportBody, Timestamp};
use serde::{Deserialize, Serialize};

use crate::explain::{Told, finding, reading};
use crate::{Bedside, Context, Findings, WearerState};

const RULE: &str = "news2";
const RULE_VERSION: u16 = 2;

/// From so many points on: urgent review, and emergency.
const MEDIUM_POINTS: u8 = 5;
const HIGH_POINTS: u8 = 7;
/// So many points of one parameter alone: urgent review.
const SINGLE_POINTS: u8 = 3;
/// Over from so many points down.
const OVER_POINTS: u8 = 3;
/// The oldest of the inputs is no older than this beside the newest, seconds.
const FRESH_SECONDS: i64 = 3600;

/// The newest of each input, with when it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct News {
    respiration: Option<(f32, Timestamp)>,
    spo2: Option<(f32, Timestamp)>,
    systolic: Option<(f32, Timestamp)>,
    pulse: Option<(f32, Timestamp)>,
    /// 1: alert, 0: not.
    alert: Option<(f32, Timestamp)>,
    temperature: Option<(f32, Timestamp)>,
    raised: Option<Priority>,
    /// Raised for a single parameter, not for the total.
    is_single: bool,
}

/// Somebody at the bedside noted something.
pub(crate) fn noted(state: &mut WearerState, context: &Context<'_>, bedside: &Bedside<'_>, findings: &mut Findings) {
    let news = state.news.get_or_insert_default();
    for (measured, body) in bedside.known.iter().filter(|(measured, _)| *measured <= context.measured) {
        news.take(body, *measured);
    }
    put(&mut news.respiration, bedside.respiration_per_minute.map(f32::from), context.measured);
    put(&mut news.alert, bedside.is_alert.map(|is_alert| f32::from(u8::from(is_alert))), context.measured);
    news.weigh(context, findings);
}

/// A device reported something.
pub(crate) fn reported(state: &mut WearerState, context: &Context<'_>, body: &ReportBody, findings: &mut Findings) {
    let Some(news) = state.news.as_mut() else { return };
    if news.take(body, context.measured) {
        news.weigh(context, findings);
    }
}

/// The newest stands, in whichever order they come.
fn put(input: &mut Option<(f32, Timestamp)>, value: Option<f32>, measured: Timestamp) {
    if let Some(value) = value
        && input.is_none_or(|(_, known)| known <= measured)
    {
        *input = Some((value, measured));
    }
}

impl News {
    /// Takes a vital sign; `false` for what is not part of the score.
    fn take(&mut self, body: &ReportBody, measured: Timestamp) -> bool {
        let (input, value) = match body {
            ReportBody::Spo2 { percent } => (&mut self.spo2, f32::from(*percent)),
            ReportBody::HeartRate { bpm } => (&mut self.pulse, f32::from(*bpm)),
            ReportBody::BloodPressure { systolic, .. } => (&mut self.systolic, f32::from(*systolic)),
            ReportBody::Temperature { celsius } => (&mut self.temperature, *celsius),
            _ => return false,
        };
        put(input, Some(value), measured);
        true
    }

    fn weigh(&mut self, context: &Context<'_>, findings: &mut Findings) {
        let own = context.subject.thresholds;
        let (on_oxygen, scale_2) = (own.news2_on_oxygen, own.spo2_scale_2);
        let (total, single) = (self.score(on_oxygen, scale_2), self.single());
        let points = total.as_ref().map(|(points, _)| *points);
        let by_total = match points {
            Some(HIGH_POINTS..) => Some(Priority::High),
            Some(MEDIUM_POINTS..) => Some(Priority::Medium),
            _ => None,
        };
        let priority = by_total.max(single.as_ref().map(|_| Priority::Medium));
        let before = self.raised;
        // That the others are no longer known does not mean that they are well.
        let is_over = single.is_none() && points.map_or(self.is_single, |points| points <= OVER_POINTS);
        if priority.is_some() == before.is_some() && priority <= before || (priority.is_none() && !is_over) {
            return;
        }
        self.raised = priority;
        self.is_single = priority.is_some() && by_total.is_none();
        let (change, shown) = match priority {
            Some(priority) => (Change::Raised, priority),
            None => (Change::Cleared, Priority::Low),
        };
        let (points, readings) = match (total, single) {
            (_, Some((told, readings))) if self.is_single => {
                return findings.push(single_found(context, told, readings));
            }
            (Some(total), _) => total,
            (None, _) => (0, Vec::new()),
        };
        let (zh, en) = if readings.is_empty() {
            let en = "Breathing and consciousness are no longer at three points (NEWS2).";
            ("呼吸和意识单项评分（NEWS2）已低于 3 分。".to_owned(), en.to_owned())
        } else if change == Change::Raised {
            (
                format!("早期预警评分（NEWS2）{points} 分（警戒线 {MEDIUM_POINTS} 分，紧急 {HIGH_POINTS} 分）。"),
                format!("Early-warning score (NEWS2) {points} (limit {MEDIUM_POINTS}, emergency {HIGH_POINTS})."),
            )
        } else {
            (
                format!("早期预警评分（NEWS2）降至 {points} 分。"),
                format!("Early-warning score (NEWS2) is down to {points}."),
            )
        };
        let told = Told { rule: RULE, rule_version: RULE_VERSION, readings, zh, en };
        let times = (context.measured, context.late, context.now);
        findings.push(finding(context.subject, IncidentKind::News2High, change, shown, times, told));
    }

    /// What no other rule is about and is worth three points by itself: in words, and what these rest on.
    fn single(&self) -> Option<((String, String), Vec<Reading>)> {
        let (mut zh, mut en, mut readings) = (Vec::new(), Vec::new(), Vec::new());
        if let Some((value, at)) = self.respiration.filter(|(value, _)| respiration(*value) >= SINGLE_POINTS) {
            zh.push(format!("呼吸 {value} 次/分"));
            en.push(format!("Breathing {value}/min"));
            readings.push(reading("respiration", f64::from(value), "/min", Some(at)));
        }
        if let Some((_, at)) = self.alert.filter(|(alert, _)| *alert == 0.0) {
            zh.push("意识不清".to_owned());
            en.push(if en.is_empty() { "Not alert" } else { "not alert" }.to_owned());
            readings.push(reading("alert", 0.0, "", Some(at)));
        }
        readings.push(reading("threshold", f64::from(SINGLE_POINTS), "", None));
        (!zh.is_empty()).then(|| ((zh.join("，"), en.join(", ")), readings))
    }

    /// The points, and what they rest on. `None` unless everything is there and fresh.
    fn score(&self, on_oxygen: bool, scale_2: bool) -> Option<(u8, Vec<Reading>)> {
        let inputs = [
            ("respiration", "/min", self.respiration?),
            ("spo2", "%", self.spo2?),
            ("systolic", "mmHg", self.systolic?),
            ("heart_rate", "/min", self.pulse?),
            ("alert", "", self.alert?),
            ("temperature", "°C", self.temperature?),
        ];
        let times = inputs.map(|(_, _, (_, at))| at);
        let newest = times.iter().max()?;
        if times.iter().any(|at| newest.millis_since(*at) > FRESH_SECONDS * 1000) {
            return None;
        }
        let value = |place: usize| inputs[place].2.0;
        let points = respiration(value(0))
            + oxygen(value(1), on_oxygen, scale_2)
            + if on_oxygen { 2 } else { 0 }
            + systolic(value(2))
            + pulse(value(3))
            + if value(4) > 0.0 { 0 } else { 3 }
            + temperature(value(5));
        let tenths = |value: f32| (f64::from(value) * 10.0).round() / 10.0;
        let mut readings: Vec<Reading> =
            inputs.iter().map(|(name, unit, (value, at))| reading(name, tenths(*value), unit, Some(*at))).collect();
        readings.push(reading("on_oxygen", f64::from(u8::from(on_oxygen)), "", None));
        readings.push(reading("points", f64::from(points), "", None));
        readings.push(reading("threshold", f64::from(MEDIUM_POINTS), "", None));
        Some((points, readings))
    }
}

fn single_found(context: &Context<'_>, (zh, en): (String, String), readings: Vec<Reading>) -> model::Finding {
    let told = Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings,
        zh: format!("{zh}：早期预警（NEWS2）单项达 {SINGLE_POINTS} 分，请尽快查看。"),
        en: format!("{en}: {SINGLE_POINTS} points of the early-warning score (NEWS2) alone, look soon."),
    };
    let times = (context.measured, context.late, context.now);
    finding(context.subject, IncidentKind::News2High, Change::Raised, Priority::Medium, times, told)
}

// The chart of the Royal College of Physicians (2017).

fn respiration(per_minute: f32) -> u8 {
    match per_minute {
        ..=8.0 => 3,
        ..=11.0 => 1,
        ..=20.0 => 0,
        ..=24.0 => 2,
        _ => 3,
    }
}

fn oxygen(percent: f32, on_oxygen: bool, scale_2: bool) -> u8 {
    match (scale_2, percent) {
        (false, ..=91.0) | (true, ..=83.0) => 3,
        (false, ..=93.0) | (true, ..=85.0) => 2,
        (false, ..=95.0) | (true, ..=87.0) => 1,
        (false, _) | (true, ..=92.0) => 0,
        (true, _) if !on_oxygen => 0,
        (true, ..=94.0) => 1,
        (true, ..=96.0) => 2,
        (true, _) => 3,
    }
}

fn systolic(pressure: f32) -> u8 {
    match pressure {
        ..=90.0 => 3,
        ..=100.0 => 2,
        ..=110.0 => 1,
        ..=219.0 => 0,
        _ => 3,
    }
}

fn pulse(per_minute: f32) -> u8 {
    match per_minute {
        ..=40.0 => 3,
        ..=50.0 => 1,
        ..=90.0 => 0,
        ..=110.0 => 1,
        ..=130.0 => 2,
        _ => 3,
    }
}

fn temperature(celsius: f32) -> u8 {
    match celsius {
        ..=35.0 => 3,
        ..=36.0 => 1,
        ..=38.0 => 0,
        ..=39.0 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart() {
        let rows = |score: fn(f32) -> u8, values: &[f32]| values.iter().map(|v| score(*v)).collect::<Vec<_>>();
        assert_eq!(rows(respiration, &[8.0, 9.0, 11.0, 12.0, 20.0, 21.0, 24.0, 25.0]), [3, 1, 1, 0, 0, 2, 2, 3]);
        assert_eq!(rows(systolic, &[90.0, 91.0, 100.0, 101.0, 110.0, 111.0, 219.0, 220.0]), [3, 2, 2, 1, 1, 0, 0, 3]);
        assert_eq!(
            rows(pulse, &[40.0, 41.0, 50.0, 51.0, 90.0, 91.0, 110.0, 111.0, 130.0, 131.0]),
            [3, 1, 1, 0, 0, 1, 1, 2, 2, 3]
        );
        assert_eq!(rows(temperature, &[35.0, 35.1, 36.0, 36.1, 38.0, 38.1, 39.0, 39.1]), [3, 1, 1, 0, 0, 1, 1, 2]);
        assert_eq!(rows(|v| oxygen(v, false, false), &[91.0, 92.0, 93.0, 94.0, 95.0, 96.0]), [3, 2, 2, 1, 1, 0]);
        assert_eq!(
            rows(|v| oxygen(v, true, true), &[83.0, 84.0, 85.0, 86.0, 87.0, 88.0, 92.0, 93.0, 94.0, 95.0, 96.0, 97.0]),
            [3, 2, 2, 1, 1, 0, 0, 1, 1, 2, 2, 3]
        );
        assert_eq!(oxygen(99.0, false, true), 0);
    }
}
