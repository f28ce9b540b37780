//! A blood pressure that drops by 20/10 and more on standing up, from readings that are tagged with the posture (bits 8
//! and 9 of the flags): a notice to the doctor, for it makes people fall (the common definition).

use model::{Change, IncidentKind, Priority, Timestamp};
use serde::{Deserialize, Serialize};

use crate::blood_pressure::Measurement;
use crate::explain::{Told, finding, reading};
use crate::{Context, Findings};

const RULE: &str = "orthostatic_drop";
const RULE_VERSION: u16 = 1;

/// Bits of the flags, of our own beside those of 2A35.
const FLAG_STANDING: u16 = 1 << 8;
const FLAG_SEATED: u16 = 1 << 9;
/// mmHg.
const SYSTOLIC_DROP: u16 = 20;
const DIASTOLIC_DROP: u16 = 10;
/// From sitting or lying to standing, seconds: three minutes and the time that a cuff takes.
const WITHIN_SECONDS: i64 = 600;

/// The newest reading in each posture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Postures {
    seated: Option<(Timestamp, u16, u16)>,
    standing: Option<(Timestamp, u16, u16)>,
}

/// A reading came; the two may come in either order.
pub(crate) fn measured(
    postures: &mut Postures,
    context: &Context<'_>,
    measurement: &Measurement,
    findings: &mut Findings,
) {
    let Measurement { systolic, diastolic, flags, .. } = *measurement;
    let posture = match (flags & FLAG_SEATED != 0, flags & FLAG_STANDING != 0) {
        (true, false) => &mut postures.seated,
        (false, true) => &mut postures.standing,
        _ => return,
    };
    if !measurement.is_reliable() || posture.is_some_and(|(newest, ..)| newest > context.measured) {
        return;
    }
    *posture = Some((context.measured, systolic, diastolic));
    let (Some(seated), Some(standing)) = (postures.seated, postures.standing) else { return };
    let ((from, systolic_from, diastolic_from), (to, systolic_to, diastolic_to)) = (seated, standing);
    let is_close = (0..=WITHIN_SECONDS * 1000).contains(&to.millis_since(from));
    let is_drop = systolic_from.saturating_sub(systolic_to) >= SYSTOLIC_DROP
        || diastolic_from.saturating_sub(diastolic_to) >= DIASTOLIC_DROP;
    if !is_close || !is_drop {
        return;
    }
    *postures = Postures::default();
    let told = Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![
            reading("systolic_seated", f64::from(systolic_from), "mmHg", Some(from)),
            reading("diastolic_seated", f64::from(diastolic_from), "mmHg", Some(from)),
            reading("systolic_standing", f64::from(systolic_to), "mmHg", Some(to)),
            reading("diastolic_standing", f64::from(diastolic_to), "mmHg", Some(to)),
            reading("systolic_drop_threshold", f64::from(SYSTOLIC_DROP), "mmHg", None),
            reading("diastolic_drop_threshold", f64::from(DIASTOLIC_DROP), "mmHg", None),
        ],
        zh: format!(
            "站立后血压下降：{systolic_from}/{diastolic_from} → {systolic_to}/{diastolic_to} mmHg（警戒线 {SYSTOLIC_DROP}/{DIASTOLIC_DROP}），注意防跌倒。"
        ),
        en: format!(
            "Blood pressure dropped on standing: {systolic_from}/{diastolic_from} to {systolic_to}/{diastolic_to} mmHg (limit {SYSTOLIC_DROP}/{DIASTOLIC_DROP}); mind falls."
        ),
    };
    let (kind, change) = (IncidentKind::OrthostaticDrop, Change::Raised);
    findings.push(finding(context.subject, kind, change, Priority::Low, (to, context.late, context.now), told));
}
