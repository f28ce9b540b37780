//! Readings in stretches of time: how many, the least, the mean, the greatest.

use model::{ReportBody, ReportKind, Timestamp};
use serde::Serialize;
use store::Vital;

use crate::params::{bad_parameter, shortened};
use crate::problem::Fault;

const SIZES: [(&str, i64); 6] =
    [("1m", 60_000), ("5m", 300_000), ("15m", 900_000), ("1h", 3_600_000), ("6h", 21_600_000), ("1d", 86_400_000)];

/// One stretch. Of blood pressure the numbers are the systolic ones.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Bucket {
    /// When it begins; stretches are counted from the period's `from`.
    #[schema(value_type = String, format = DateTime)]
    t: Timestamp,
    #[serde(flatten)]
    values: Spread,
    #[serde(skip_serializing_if = "Option::is_none")]
    dia: Option<Spread>,
    /// Of those readings that had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pulse: Option<Spread>,
}

#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
struct Spread {
    n: u32,
    min: f64,
    mean: f64,
    max: f64,
}

impl Spread {
    /// Of at least one value; hundredths are enough for a mean.
    fn of(values: &[f64]) -> Option<Spread> {
        let least = values.iter().copied().reduce(f64::min)?;
        let most = values.iter().copied().reduce(f64::max)?;
        let hundredths = |value: f64| (value * 100.0).round() / 100.0;
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Some(Spread { n: values.len() as u32, min: hundredths(least), mean: hundredths(mean), max: hundredths(most) })
    }
}

/// The length of a stretch, and whether a kind has numbers at all.
pub(super) fn millis_of(name: &str, kind: ReportKind) -> Result<i64, Fault> {
    let has_numbers = matches!(
        kind,
        ReportKind::HeartRate
            | ReportKind::BloodPressure
            | ReportKind::Spo2
            | ReportKind::Temperature
            | ReportKind::Respiration
            | ReportKind::Steps
            | ReportKind::Battery
    );
    if !has_numbers {
        let detail = "this kind has no numbers to take a mean of; leave `bucket` out";
        return Err(bad_parameter(detail, "该类型没有可统计的数值；请去掉 `bucket`"));
    }
    let size = SIZES.iter().find(|(size, _)| *size == name).map(|(_, millis)| *millis);
    size.ok_or_else(|| {
        let (all, name) = (SIZES.map(|(size, _)| size).join(", "), shortened(name));
        bad_parameter(format!("`bucket` {name:?} is none of {all}"), format!("`bucket` {name:?} 不在可选值 {all} 之中"))
    })
}

/// The stretches that have readings, ascending; the readings are.
pub(super) fn fill(readings: &[Vital], from: Timestamp, millis: i64) -> Vec<Bucket> {
    let number = |vital: &Vital| vital.measured.millis_since(from) / millis;
    let filled = readings.chunk_by(|one, next| number(one) == number(next)).filter_map(|readings| {
        let values: Vec<f64> = readings.iter().filter_map(|vital| value(&vital.body)).collect();
        let of = |part: fn(&ReportBody) -> Option<u16>| {
            Spread::of(&readings.iter().filter_map(|vital| part(&vital.body)).map(f64::from).collect::<Vec<f64>>())
        };
        Some(Bucket {
            t: from.plus_millis(number(readings.first()?) * millis),
            values: Spread::of(&values)?,
            dia: of(|body| match body {
                ReportBody::BloodPressure { diastolic, .. } => Some(*diastolic),
                _ => None,
            }),
            pulse: of(|body| match body {
                ReportBody::BloodPressure { pulse, .. } => *pulse,
                _ => None,
            }),
        })
    });
    filled.collect()
}

fn value(body: &ReportBody) -> Option<f64> {
    match body {
        ReportBody::HeartRate { bpm } => Some(f64::from(*bpm)),
        ReportBody::BloodPressure { systolic, .. } => Some(f64::from(*systolic)),
        ReportBody::Spo2 { percent } | ReportBody::Battery { percent } => Some(f64::from(*percent)),
        // As it was written, not as the nearest float of half the width prints in full width.
        ReportBody::Temperature { celsius } => Some((f64::from(*celsius) * 100.0).round() / 100.0),
        ReportBody::Respiration { per_minute } => Some(f64::from(*per_minute)),
        ReportBody::Steps { count } => Some(f64::from(*count)),
        _ => None,
    }
}
