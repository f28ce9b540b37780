//! What a report means for its wearer: one rule per file, each with its thresholds and the sentence that explains it.
//!
//! The rules are pure and remember, per wearer, only what is pending. What they find goes to `alerting`; a finding
//! that begins something is *raised*, one that ends a condition (never the response) is *cleared*.
//!
//! Whatever the order in which SOS and falls arrive, and however often, the same is found. Blood pressure converges
//! as long as a reading is no older than [`BLOOD_PRESSURE_HORIZON_SECONDS`] on arrival; older ones are history.

mod blood_pressure;
mod explain;
mod fall;
mod fence_exit;
mod sos;

use model::{Crossing, DeviceId, Finding, Located, Position, Report, ReportBody, Thresholds, Timestamp, WearerId};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use blood_pressure::BLOOD_PRESSURE_HORIZON_SECONDS;

/// About whom, and what is known of them beside the rules' own state.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The wearer.
    pub wearer: &'a WearerId,
    /// The device that reports. In [`advance`] nobody reports: the state remembers the device of what is pending.
    pub device: &'a DeviceId,
    /// What differs from the defaults for this wearer.
    pub thresholds: &'a Thresholds,
    /// How long a fall waits for a sign of life, seconds; 0 waits for none.
    pub fall_window_seconds: u32,
    /// The last known position.
    pub position: Option<Position>,
}

/// Something that was seen of a wearer.
#[derive(Debug, Clone, Copy)]
pub enum Observation<'a> {
    /// A report that is news, with its position in WGS-84 if it carries one.
    Report {
        /// The report.
        report: &'a Report,
        /// Where it was made.
        located: Option<Located>,
    },
    /// A fence's edge was crossed.
    Crossing(&'a Crossing),
}

/// What was found, in the order in which it is to be told.
pub type Findings = SmallVec<[Finding; 1]>;

/// What the rules remember of a wearer. Part of the hot state: checkpointed, and small where nothing is pending.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WearerState {
    falls: Option<Box<fall::Falls>>,
    pressure: Option<Box<blood_pressure::Pressure>>,
    steps: Option<fall::Steps>,
    /// When the last SOS or fall was measured; [`Timestamp::EPOCH`]: never.
    alarmed: Timestamp,
}

/// One observation, as every rule sees it.
#[derive(Clone, Copy)]
struct Context<'a> {
    subject: &'a Subject<'a>,
    measured: Timestamp,
    late: bool,
    now: Timestamp,
    located: Option<Located>,
}

impl Context<'_> {
    /// Where the report was made, else where the wearer was last.
    fn position(&self) -> Option<Position> {
        self.located.map(|located| located.position).or(self.subject.position)
    }
}

/// What an observation means. `measured` and `late` are as admitted, `now` is when it is decided.
pub fn handle(
    state: &mut WearerState,
    subject: &Subject<'_>,
    observation: Observation<'_>,
    measured: Timestamp,
    late: bool,
    now: Timestamp,
) -> Findings {
    let mut findings = Findings::new();
    let (report, located) = match observation {
        Observation::Report { report, located } => (report, located),
        Observation::Crossing(crossing) => {
            let context = Context { subject, measured, late, now, located: Some(crossing.located) };
            findings.push(fence_exit::found(&context, crossing));
            return findings;
        }
    };
    let context = Context { subject, measured, late, now, located };
    match &report.body {
        ReportBody::Sos { .. } => {
            findings.push(sos::found(&context));
            alarmed(state, &context, &mut findings);
        }
        ReportBody::Fall { confidence, .. } => {
            if fall::fell(state, &context, *confidence, &mut findings) {
                alarmed(state, &context, &mut findings);
            }
        }
        ReportBody::FallCancel => fall::cancelled(state, &context, &mut findings),
        ReportBody::Steps { count } => fall::walked(state, &context, *count),
        ReportBody::BloodPressure { systolic, diastolic, pulse: _, flags } => {
            blood_pressure::measured(state, &context, (*systolic, *diastolic), *flags, &mut findings);
        }
        // Kept in the history; their rules are to come.
        ReportBody::Location(_)
        | ReportBody::HeartRate { .. }
        | ReportBody::Spo2 { .. }
        | ReportBody::Temperature { .. }
        | ReportBody::Battery { .. }
        | ReportBody::Wear { .. }
        | ReportBody::Alive
        | ReportBody::Unknown { .. } => {}
    }
    findings
}

/// When something is due by itself, if nothing else comes.
#[must_use]
pub fn next_due(state: &WearerState) -> Option<Timestamp> {
    let fall = state.falls.as_ref().and_then(|falls| falls.next_due());
    let pressure = state.pressure.as_ref().and_then(|pressure| pressure.next_due());
    fall.into_iter().chain(pressure).min()
}

/// What is due by `now`, in the order in which it fell due.
pub fn advance(state: &mut WearerState, subject: &Subject<'_>, now: Timestamp) -> Findings {
    let mut findings = Findings::new();
    while let Some(due) = next_due(state).filter(|due| *due <= now) {
        fall::advance(state, subject, due, now, &mut findings);
        blood_pressure::advance(state, subject, due, now, &mut findings);
    }
    findings
}

/// The device that is to be asked to measure the blood pressure again: a reading waits for its repeat.
#[must_use]
pub fn awaits_repeat(state: &WearerState) -> Option<&DeviceId> {
    state.pressure.as_ref().and_then(|pressure| pressure.awaits_repeat())
}

/// An SOS or a fall was reported: what else is pending becomes urgent.
fn alarmed(state: &mut WearerState, context: &Context<'_>, findings: &mut Findings) {
    state.alarmed = state.alarmed.max(context.measured);
    blood_pressure::alarmed(state, context, findings);
}
