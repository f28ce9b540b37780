//! A cuff that felt an irregular pulse: kept, and a finding of its own for the doctor, at most once a day. A reading that
//! is unreliable otherwise says so unconfirmed: who moves the arm may feel irregular.

use model::{Change, Finding, IncidentKind, Priority, Timestamp};
use serde::{Deserialize, Serialize};

use crate::blood_pressure::Measurement;
use crate::explain::{Told, finding, reading};
use crate::{Context, Findings};

const RULE: &str = "irregular_pulse";
const RULE_VERSION: u16 = 1;

/// The bit of 2A35.
const FLAG_IRREGULAR: u16 = 1 << 2;
/// Not told again before this.
const AGAIN_SECONDS: i64 = 86_400;

/// Of when the last one that was told is; [`Timestamp::EPOCH`]: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Irregular {
    told: Timestamp,
}

/// A reading came.
pub(crate) fn measured(
    irregular: &mut Irregular,
    context: &Context<'_>,
    measurement: &Measurement,
    findings: &mut Findings,
) {
    let measured = context.measured;
    let is_told =
        irregular.told != Timestamp::EPOCH && measured.millis_since(irregular.told).abs() < AGAIN_SECONDS * 1000;
    if measurement.flags & FLAG_IRREGULAR == 0 || is_told {
        return;
    }
    irregular.told = irregular.told.max(measured);
    let pulse = measurement.pulse.map(|pulse| reading("pulse", f64::from(pulse), "/min", Some(measured)));
    let told = Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: pulse
            .into_iter()
            .chain([reading("flags", f64::from(measurement.flags), "", Some(measured))])
            .collect(),
        zh: "脉搏不齐：测血压时由血压计发现，请医生关注。".to_owned(),
        en: "Irregular pulse: felt by the cuff while the blood pressure was taken; for the doctor to look at."
            .to_owned(),
    };
    let times = (measured, context.late, context.now);
    let found = finding(context.subject, IncidentKind::IrregularPulse, Change::Raised, Priority::Low, times, told);
    findings.push(Finding { confirmed: measurement.is_reliable(), ..found });
}
