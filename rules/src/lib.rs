//! What a report means for its wearer: one rule per file, each with its thresholds and the sentence that explains it.
//!
//! The rules are pure and remember, per wearer, only what is pending. What they find goes to `alerting`; a finding
//! that begins something is *raised*, one that ends a condition (never the response) is *cleared*. While an episode
//! lasts it is raised again only when it becomes graver, or after a long while: alerting writes that down beneath the
//! open incident.
//!
//! | clinical.md | file | raised as | and within which order of arrival it converges |
//! | --- | --- | --- | --- |
//! | BP high (watch) | `pressure_watch.rs` | notice to the doctor | any |
//! | BP grade 3, crisis, low | `blood_pressure.rs` | high or medium | [`BLOOD_PRESSURE_HORIZON_SECONDS`], two readings |
//! | BP drop after standing | `pressure_drop.rs` | notice to the doctor | any, within its ten minutes |
//! | cuff flags: unreliable | `blood_pressure.rs` | asks again, see [`awaits_repeat`] | – |
//! | cuff flags: irregular pulse | `irregular_pulse.rs` | notice to the doctor | any |
//! | heart rate | `heart_rate.rs` | high or medium | [`ORDER_SECONDS`] |
//! | SpO2 | `spo2.rs` | high or medium | [`ORDER_SECONDS`] |
//! | temperature | `temperature.rs` | medium | [`ORDER_SECONDS`] |
//! | NEWS2 total | `news2.rs` | high or medium | any: the newest of each |
//! | NEWS2, else single parameters | `news2.rs` (breathing, consciousness), `heart_rate.rs`, `spo2.rs`, `temperature.rs`, `blood_pressure.rs` | medium or high | as theirs |
//! | fall | `fall.rs` | high | any |
//! | SOS | `sos.rs` | high | any |
//! | silence | `silence.rs` | low (technical) | any: only when it came counts |
//! | mass silence (cell: the community; carrier) | `area.rs` | medium, to the desk | any |
//! | fence | `fence_exit.rs` (and `geofence`) | medium | as `geofence` says |
//! | wandering | `wandering.rs` | high by night, medium by day | as `geofence` says |
//! | battery (devices.md) | `battery.rs` | low (technical) | [`ORDER_SECONDS`] |
//! | removed (devices.md) | `removed.rs` | low (technical) | any |
//! | immobility | `immobility.rs` with `motion.rs` | medium | any |
//! | suspension, restart, graces | [`Subject`] | – | – |
//! | alarm fatigue: raise ≠ clear, N of M, again | `sustained.rs` | – | – |
//!
//! What arrives later than a rule's horizon is history; an SOS or a fall never is, and comes marked late.

pub mod area;
mod battery;
mod blood_pressure;
mod explain;
mod fall;
mod fence_exit;
mod ground;
mod heart_rate;
mod immobility;
mod irregular_pulse;
mod local;
mod motion;
mod news2;
mod pressure_drop;
mod pressure_watch;
mod removed;
mod silence;
mod sos;
mod spo2;
mod sustained;
mod temperature;
mod wandering;

use model::report::Consciousness;
use model::{
    Crossing, DeviceId, Finding, IncidentKind, Located, Position, Report, ReportBody, Suspension, Thresholds,
    Timestamp, WearerId,
};
use serde::{Deserialize, Serialize};

pub use blood_pressure::{BLOOD_PRESSURE_HORIZON_SECONDS, Repeat};
pub use sustained::{ORDER_SECONDS, VITALS_HORIZON_SECONDS};
pub use wandering::Home;

use sustained::Vital;

/// About whom, and what is known of them beside the rules' own state.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The wearer.
    pub wearer: &'a WearerId,
    /// The device that reports. In [`advance`] nobody reports: the state remembers the device of what is pending.
    pub device: &'a DeviceId,
    /// Where that device is kept.
    pub placement: Placement,
    /// What differs from the defaults for this wearer.
    pub thresholds: &'a Thresholds,
    /// When most of what would be found is expected.
    pub suspension: Option<&'a Suspension>,
    /// How long a fall waits for a sign of life, seconds; 0 waits for none.
    pub fall_window_seconds: u32,
    /// The last known position.
    pub position: Option<Position>,
    /// The fix before this report, and when it was measured.
    pub fix_before: Option<(Timestamp, Located)>,
    /// The wearer's home.
    pub home: Option<&'a Home>,
    /// The wearer's time of day, minutes east of UTC.
    pub utc_offset_minutes: i32,
    /// Since when somebody has been listening: what did not come before that is nobody's absence.
    pub listening_since: Timestamp,
}

/// Where a device is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// On the wrist or round the neck, day and night: it is missed when it is silent.
    Worn,
    /// Taken up to measure, and put away.
    PutAway,
}

impl Placement {
    /// By the kind of the registry. What is not known is worn.
    #[must_use]
    pub fn of_kind(kind: &str) -> Placement {
        match kind {
            "cuff" | "oximeter" | "thermometer" | "scale" | "gateway" | "tablet" => Placement::PutAway,
            _ => Placement::Worn,
        }
    }
}

impl Subject<'_> {
    /// Whether this kind of finding is expected now.
    fn is_suspended(&self, kind: IncidentKind, now: Timestamp) -> bool {
        self.suspension.is_some_and(|suspension| suspension.covers(kind, now))
    }

    /// From when on an absence that began then counts: not before somebody listened, nor during a suspension.
    fn watched_from(&self, kind: IncidentKind, began: Timestamp) -> Timestamp {
        let began = began.max(self.listening_since);
        let covering = self.suspension.filter(|suspension| suspension.covers(kind, began));
        covering.map_or(began, |suspension| suspension.until)
    }
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
    /// Somebody at the bedside noted what no device measures.
    Bedside(&'a Bedside<'a>),
}

/// What somebody at the bedside noted; `None` where they did not look.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bedside<'a> {
    /// Breaths a minute.
    pub respiration_per_minute: Option<u8>,
    /// Alert (A of ACVPU), or newly confused, or worse.
    pub is_alert: Option<bool>,
    /// The newest vital signs by device, with when they were measured: nobody remembers them here before the first note.
    pub known: &'a [(Timestamp, ReportBody)],
}

/// What was found, in the order in which it is to be told.
pub type Findings = Vec<Finding>;

/// What the rules remember of a wearer. Part of the hot state: checkpointed, and small where nothing is pending. What every
/// report asks for stands first, in a line and a half of memory; of a million wearers none is near the processor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[repr(C)]
pub struct WearerState {
    falls: Option<Box<fall::Falls>>,
    pressure: Option<Box<blood_pressure::Pressure>>,
    vitals: Option<Box<sustained::Vitals>>,
    place: Option<Box<wandering::Place>>,
    news: Option<Box<news2::News>>,
    /// When a worn device was last heard, and which; [`Timestamp::EPOCH`]: never.
    heard: Timestamp,
    heard_of: DeviceId,
    /// When to look whether somebody is silent, has the device off, or does not move. A report only moves the real
    /// time away from it: looked at too early, it is set anew. [`Timestamp::EPOCH`]: nobody is missed.
    look_at: Timestamp,
    is_silent: bool,
    is_charging: bool,
    /// The last level, percent, and whether it was rising.
    battery: Option<u8>,
    stillness: immobility::Stillness,
    wear: removed::Wear,
    motion: motion::Motion,
    steps: Option<Box<fall::Steps>>,
    /// When the last SOS was measured; [`Timestamp::EPOCH`]: never.
    sos: Timestamp,
    quiet: sustained::Quiet,
}

impl WearerState {
    /// Looks at what a plain report asks for, and returns something that means nothing: whoever will ask many has them
    /// fetched side by side.
    #[must_use]
    pub fn foresee(&self) -> u64 {
        u64::from(self.falls.is_some()) ^ u64::from(self.is_silent)
    }
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
            wandering::crossed(state, &context, crossing, &mut findings);
            return findings;
        }
        Observation::Bedside(bedside) => {
            let context = Context { subject, measured, late, now, located: None };
            if !subject.is_suspended(IncidentKind::News2High, now) {
                news2::noted(state, &context, bedside, &mut findings);
            }
            return findings;
        }
    };
    let context = Context { subject, measured, late, now, located };
    judge(state, &context, report, &mut findings);
    if subject.placement == Placement::Worn {
        // Only these two can bring forward when somebody is missed.
        let is_news = matches!(report.body, ReportBody::Wear { .. } | ReportBody::Battery { .. });
        hear(state, &context, is_news, &mut findings);
    }
    findings
}

/// What a report says about the wearer.
fn judge(state: &mut WearerState, context: &Context<'_>, report: &Report, findings: &mut Findings) {
    // In hospital others watch over the vital signs.
    let is_watched = |kind| !context.subject.is_suspended(kind, context.now);
    // What lies on the table measures nobody.
    let is_on = |state: &WearerState| context.subject.placement == Placement::PutAway || !state.wear.is_off();
    match &report.body {
        ReportBody::Sos { .. } => {
            findings.push(sos::found(context));
            state.sos = state.sos.max(context.measured);
            blood_pressure::urge(state, context.subject, context.measured, context.now, findings);
        }
        ReportBody::Fall { confidence, .. } => {
            if fall::fell(state, context, *confidence, findings) {
                blood_pressure::urge(state, context.subject, context.measured, context.now, findings);
            }
        }
        ReportBody::FallCancel => fall::cancelled(state, context, findings),
        ReportBody::Steps { count } => fall::walked(state, context, *count, findings),
        ReportBody::BloodPressure { .. } if !is_watched(IncidentKind::BloodPressureHigh) => {}
        ReportBody::BloodPressure { systolic, diastolic, pulse, flags } => {
            let measurement = blood_pressure::Measurement {
                systolic: *systolic,
                diastolic: *diastolic,
                pulse: *pulse,
                flags: *flags,
            };
            blood_pressure::measured(state, context, &measurement, findings);
        }
        ReportBody::HeartRate { bpm } if is_on(state) && is_watched(IncidentKind::HeartRateHigh) => {
            sustained::measured(state, context, Vital::HeartRate, f32::from(*bpm), findings);
        }
        ReportBody::Spo2 { percent } if is_on(state) && is_watched(IncidentKind::Spo2Low) => {
            sustained::measured(state, context, Vital::Spo2, f32::from(*percent), findings);
        }
        ReportBody::Temperature { celsius } if is_on(state) && is_watched(IncidentKind::TemperatureHigh) => {
            sustained::measured(state, context, Vital::Temperature, *celsius, findings);
        }
        ReportBody::Battery { percent } if context.subject.placement == Placement::Worn => {
            battery::charged(state, context, *percent);
            if is_watched(IncidentKind::BatteryLow) {
                sustained::measured(state, context, Vital::Battery, f32::from(*percent), findings);
            }
        }
        ReportBody::Respiration { per_minute } if is_on(state) && is_watched(IncidentKind::News2High) => {
            let bedside = Bedside { respiration_per_minute: Some(*per_minute), ..Bedside::default() };
            news2::noted(state, context, &bedside, findings);
        }
        ReportBody::Consciousness { level } if is_on(state) && is_watched(IncidentKind::News2High) => {
            let bedside = Bedside { is_alert: Some(*level == Consciousness::Alert), ..Bedside::default() };
            news2::noted(state, context, &bedside, findings);
        }
        ReportBody::Wear { on } if context.subject.placement == Placement::Worn => {
            removed::worn(state, context, *on, findings);
        }
        // Kept in the history; only that it came counts.
        ReportBody::Location(_)
        | ReportBody::HeartRate { .. }
        | ReportBody::Spo2 { .. }
        | ReportBody::Temperature { .. }
        | ReportBody::Battery { .. }
        | ReportBody::Wear { .. }
        | ReportBody::Respiration { .. }
        | ReportBody::Consciousness { .. }
        | ReportBody::Alive
        | ReportBody::Unknown { .. } => {}
    }
    if state.news.is_some() && is_on(state) && is_watched(IncidentKind::News2High) {
        news2::reported(state, context, &report.body, findings);
    }
    if let Some(located) = context.located.as_ref().filter(|_| !context.late) {
        let before = context.subject.fix_before;
        if before.is_some_and(|before| motion::is_way(before, (context.measured, *located))) {
            immobility::moved(state, context, findings);
        }
        wandering::located(state, context, located, findings);
    }
}

/// A worn device was heard, and may be missed from now on.
fn hear(state: &mut WearerState, context: &Context<'_>, is_news: bool, findings: &mut Findings) {
    silence::heard(state, context, findings);
    if state.heard_of != *context.subject.device {
        state.heard_of.clone_from(context.subject.device);
    }
    let is_watched = state.look_at != Timestamp::EPOCH;
    if (!is_watched || is_news)
        && let Some(due) = absence_due(state, context.subject)
        && (!is_watched || due < state.look_at)
    {
        state.look_at = due;
    }
}

fn absence_due(state: &WearerState, subject: &Subject<'_>) -> Option<Timestamp> {
    let dues = [silence::due(state, subject), removed::due(state, subject), immobility::due(state, subject)];
    dues.into_iter().flatten().min()
}

/// When something is due by itself, if nothing else comes.
#[must_use]
pub fn next_due(state: &WearerState) -> Option<Timestamp> {
    let absence = Some(state.look_at).filter(|look_at| *look_at != Timestamp::EPOCH);
    let fall = state.falls.as_ref().and_then(|falls| falls.next_due());
    let pressure = state.pressure.as_ref().and_then(|pressure| pressure.next_due());
    let place = state.place.as_ref().and_then(|place| place.next_due());
    earlier(earlier(earlier(absence, fall), earlier(pressure, place)), sustained::next_due(state))
}

/// The earlier of two. (An iterator over all of them costs as much as the rules themselves, for every report.)
fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        _ => one.or(other),
    }
}

/// What is due by `now`, in the order in which it fell due.
pub fn advance(state: &mut WearerState, subject: &Subject<'_>, now: Timestamp) -> Findings {
    let mut findings = Findings::new();
    while let Some(due) = next_due(state).filter(|due| *due <= now) {
        fall::advance(state, subject, due, now, &mut findings);
        let before = findings.len();
        sustained::advance(state, subject, now, &mut findings);
        let abnormal = findings[before..].iter().find(|finding| {
            finding.change == model::Change::Raised
                && matches!(finding.kind, IncidentKind::HeartRateHigh | IncidentKind::HeartRateLow)
        });
        if let Some(measured) = abnormal.map(|finding| finding.measured) {
            blood_pressure::urge(state, subject, measured, now, &mut findings);
        }
        blood_pressure::advance(state, subject, due, now, &mut findings);
        wandering::advance(state, subject, now, &mut findings);
        miss(state, subject, now, &mut findings);
    }
    findings
}

/// Looks whether somebody is missed, and says when to look again.
fn miss(state: &mut WearerState, subject: &Subject<'_>, now: Timestamp, findings: &mut Findings) {
    if state.look_at == Timestamp::EPOCH || state.look_at > now {
        return;
    }
    let device = state.heard_of.clone();
    let subject = &Subject { device: &device, ..*subject };
    let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= now);
    if is_due(silence::due(state, subject)) {
        silence::advance(state, subject, now, findings);
    }
    if is_due(removed::due(state, subject)) {
        removed::advance(state, subject, now, findings);
    }
    if is_due(immobility::due(state, subject)) {
        immobility::advance(state, subject, now, findings);
    }
    state.look_at = absence_due(state, subject).unwrap_or(Timestamp::EPOCH);
}

/// The worn device that would be missed.
#[must_use]
pub fn watched_device(state: &WearerState) -> Option<&DeviceId> {
    (state.heard != Timestamp::EPOCH).then_some(&state.heard_of)
}

/// The device that was watched is not this wearer's any more: nobody misses it.
pub fn let_go(state: &mut WearerState) {
    (state.heard, state.look_at) = (Timestamp::EPOCH, Timestamp::EPOCH);
    state.wear = removed::Wear::default();
    (state.is_silent, state.is_charging) = (false, false);
}

/// The reading for which a repeat is waited, and whose device is to be asked to measure again: once, while this stays
/// the same.
#[must_use]
pub fn awaits_repeat(state: &WearerState) -> Option<Repeat<'_>> {
    state.pressure.as_ref().and_then(|pressure| pressure.awaits_repeat())
}
