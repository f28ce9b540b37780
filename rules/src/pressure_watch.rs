//! A blood pressure that is somewhat high (140/90 and more) on separate days: a notice to the doctor's inbox, no call
//! (Chinese guideline 2018/2024, grade 1). One day, however many readings, is a bad day.

use model::{Change, IncidentKind, Priority, Timestamp};
use serde::{Deserialize, Serialize};

use crate::blood_pressure::Measurement;
use crate::explain::{Told, finding, reading};
use crate::{Context, Findings, local};

const RULE: &str = "blood_pressure_watch";
const RULE_VERSION: u16 = 1;

/// mmHg.
const SYSTOLIC: u16 = 140;
const DIASTOLIC: u16 = 90;
/// Two such days that are further apart have nothing to do with each other.
const WITHIN_DAYS: i64 = 30;
/// The doctor is not told again before this.
const AGAIN_SECONDS: u32 = 7 * 86_400;

/// The last day on which it was high, and when the doctor was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Watch {
    high: Option<(Timestamp, u16, u16)>,
    told: Timestamp,
}

/// A reading came. One that is so high that it has been raised, or waits for that, counts as well.
pub(crate) fn measured(
    watch: &mut Watch,
    context: &Context<'_>,
    measurement: &Measurement,
    is_grade_3: bool,
    findings: &mut Findings,
) {
    let own = context.subject.thresholds;
    let systolic_limit = own.blood_pressure_watch_systolic.unwrap_or(SYSTOLIC);
    let diastolic_limit = own.blood_pressure_watch_diastolic.unwrap_or(DIASTOLIC);
    let Measurement { systolic, diastolic, .. } = *measurement;
    if !measurement.is_reliable() || (systolic < systolic_limit && diastolic < diastolic_limit) {
        return;
    }
    let measured = context.measured;
    let Some((before, systolic_before, diastolic_before)) = watch.high else {
        watch.high = Some((measured, systolic, diastolic));
        return;
    };
    let day = |at| local::day_and_minute(at, context.subject.utc_offset_minutes).0;
    let apart_days = (day(measured) - day(before)).abs();
    if measured > before {
        watch.high = Some((measured, systolic, diastolic));
    }
    let is_told = watch.told != Timestamp::EPOCH && measured < watch.told.plus_seconds(AGAIN_SECONDS);
    if is_grade_3 || is_told || !(1..=WITHIN_DAYS).contains(&apart_days) {
        return;
    }
    watch.told = measured;
    let told = Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![
            reading("systolic", f64::from(systolic), "mmHg", Some(measured)),
            reading("diastolic", f64::from(diastolic), "mmHg", Some(measured)),
            reading("systolic_before", f64::from(systolic_before), "mmHg", Some(before)),
            reading("diastolic_before", f64::from(diastolic_before), "mmHg", Some(before)),
            reading("systolic_threshold", f64::from(systolic_limit), "mmHg", None),
            reading("diastolic_threshold", f64::from(diastolic_limit), "mmHg", None),
        ],
        zh: format!(
            "血压偏高：{systolic}/{diastolic} mmHg，{apart_days} 天前 {systolic_before}/{diastolic_before}（关注线 {systolic_limit}/{diastolic_limit}），请医生关注。"
        ),
        en: format!(
            "Blood pressure {systolic}/{diastolic} mmHg, {apart_days} day(s) apart from {systolic_before}/{diastolic_before} (watch level {systolic_limit}/{diastolic_limit}): for the doctor to look at."
        ),
    };
    let times = (measured, context.late, context.now);
    let (kind, change) = (IncidentKind::BloodPressureWatch, Change::Raised);
    findings.push(finding(context.subject, kind, change, Priority::Low, times, told));
}
