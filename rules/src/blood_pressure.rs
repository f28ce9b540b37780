//! Blood pressure: a reading that is too high or too low waits for its repeat (clinical.md).
//!
//! - Two readings that are both high confirm each other. If one is and the other is not, the mean decides; if they
//!   differ by more than 10 mmHg a third one is waited for, and at the window's end the mean of what there is decides.
//! - No repeat: raised anyway, unconfirmed.
//! - At once: systolic 220 and more, or high together with an SOS, a fall that nobody cancelled, or an abnormal heart
//!   rate, within ten minutes.
//! - Low is raised only when repeated.
//! - Readings whose cuff flags say moved, loose or wrongly placed are *unreliable*: such a one can ask for a repeat
//!   and be raised unconfirmed, but neither confirms, nor clears, nor is a crisis by itself. One that says nothing
//!   else asks again, too.
//! - What a device on the wrist measures is trusted less than a cuff: it contradicts no cuff, and a crisis that rests
//!   on it alone is called for, but unconfirmed.

use model::{DeviceId, Finding, Timestamp};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    Context, Findings, Placement, Subject, WearerState, heart_rate, irregular_pulse, pressure_drop, pressure_watch,
    sustained,
};

mod told;

use told::{cleared, found};

const RULE: &str = "blood_pressure";
const RULE_VERSION: u16 = 2;

/// A reading that is older on arrival, in seconds, is history: it raises nothing.
pub const BLOOD_PRESSURE_HORIZON_SECONDS: i64 = 3600;

/// mmHg: grade 3 of the Chinese guideline, and the common definition of low.
const SYSTOLIC_HIGH: u16 = 180;
const DIASTOLIC_HIGH: u16 = 110;
const SYSTOLIC_LOW: u16 = 90;
/// One reading is enough (NEWS2).
const SYSTOLIC_CRISIS: u16 = 220;
/// How long a repeat is waited for.
const REPEAT_WITHIN_SECONDS: u32 = 300;
/// Readings that differ by more want a third.
const SPREAD_MAX: u16 = 10;
const READINGS_MAX: usize = 3;
/// What was late already waits at least so long for what comes behind it.
const LATE_WAIT_SECONDS: u32 = 30;
/// High within this of an SOS or a fall is one emergency.
const TOGETHER_SECONDS: i64 = 600;
/// Cleared only when it is so far from what raised it, mmHg.
const SYSTOLIC_CLEAR_GAP: u16 = 10;
const DIASTOLIC_CLEAR_GAP: u16 = 5;
/// An unreliable reading is asked to be repeated again only after this.
const ASK_AGAIN_SECONDS: u32 = 3600;
/// Bits of 2A35 that make a reading unreliable: body moved, cuff loose, wrong position.
const UNRELIABLE_FLAGS: u16 = 0b10_0011;

/// What is pending of one wearer's blood pressure, and what was raised.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Pressure {
    pending: Option<Pending>,
    raised: Option<Raised>,
    /// The last reliable reading that was neither too high nor too low: it may turn out to be the repeat of one that
    /// is still on its way.
    unremarkable: Option<Cuff>,
    /// The last unreliable reading since which no reliable one came: which device, and when it was asked.
    unreliable: Option<(DeviceId, Timestamp)>,
    pub(crate) watch: pressure_watch::Watch,
    pub(crate) postures: pressure_drop::Postures,
    pub(crate) irregular: irregular_pulse::Irregular,
}

/// One reading as it was reported; see [`model::ReportBody::BloodPressure`].
pub(crate) struct Measurement {
    pub(crate) systolic: u16,
    pub(crate) diastolic: u16,
    pub(crate) pulse: Option<u16>,
    pub(crate) flags: u16,
}

impl Measurement {
    pub(crate) fn is_reliable(&self) -> bool {
        self.flags & UNRELIABLE_FLAGS == 0
    }

    fn is_pulse_abnormal(&self) -> bool {
        self.pulse.is_some_and(|pulse| pulse >= heart_rate::SEVERE_HIGH || pulse <= heart_rate::SEVERE_LOW)
    }
}

/// A blood pressure that is to be measured again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat<'a> {
    /// Which device measured it.
    pub device: &'a DeviceId,
    /// Since when that is known.
    pub since: Timestamp,
}

/// What was raised, until a reading says that it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Raised {
    side: Side,
    measured: Timestamp,
    is_wrist: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pending {
    side: Side,
    device: DeviceId,
    /// When it began to wait.
    since: Timestamp,
    due: Timestamp,
    /// The earliest reading that asks for a repeat.
    first: Cuff,
    /// The reliable ones.
    readings: SmallVec<[Cuff; READINGS_MAX]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Side {
    High,
    Low,
}

/// One reading, or the mean of some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Cuff {
    systolic: u16,
    diastolic: u16,
    measured: Timestamp,
    late: bool,
    /// Whether it was measured on the wrist.
    is_wrist: bool,
}

/// Whether and how a finding is sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    /// By so many readings.
    Repeated(usize),
    /// One reading that is enough by itself.
    Crisis,
    /// One reading, with an SOS, a fall or an abnormal heart rate.
    Together,
    /// One reading, and no repeat came.
    Unconfirmed,
}

/// The wearer's thresholds, with the defaults where there are none.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    systolic_high: u16,
    diastolic_high: u16,
    systolic_low: u16,
    repeat_within_seconds: u32,
}

impl Bounds {
    fn of(subject: &Subject<'_>) -> Bounds {
        let own = subject.thresholds;
        Bounds {
            systolic_high: own.blood_pressure_systolic_high.unwrap_or(SYSTOLIC_HIGH),
            diastolic_high: own.blood_pressure_diastolic_high.unwrap_or(DIASTOLIC_HIGH),
            systolic_low: own.blood_pressure_systolic_low.unwrap_or(SYSTOLIC_LOW),
            repeat_within_seconds: own.blood_pressure_repeat_within_seconds.unwrap_or(REPEAT_WITHIN_SECONDS),
        }
    }

    fn side(&self, cuff: &Cuff) -> Option<Side> {
        if cuff.systolic >= self.systolic_high || cuff.diastolic >= self.diastolic_high {
            Some(Side::High)
        } else if cuff.systolic < self.systolic_low {
            Some(Side::Low)
        } else {
            None
        }
    }

    /// Whether a condition is over: by more than a hair.
    fn is_over(&self, side: Side, cuff: &Cuff) -> bool {
        match side {
            Side::High => {
                cuff.systolic.saturating_add(SYSTOLIC_CLEAR_GAP) <= self.systolic_high
                    && cuff.diastolic.saturating_add(DIASTOLIC_CLEAR_GAP) <= self.diastolic_high
            }
            Side::Low => cuff.systolic >= self.systolic_low.saturating_add(SYSTOLIC_CLEAR_GAP),
        }
    }

    /// Whether this reading waits for another, or is another to the one that waits.
    fn are_one_measurement(&self, a: &Cuff, b: &Cuff) -> bool {
        a.measured.millis_since(b.measured).abs() <= i64::from(self.repeat_within_seconds) * 1000
    }
}

impl Pressure {
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.pending.as_ref().map(|pending| pending.due)
    }

    pub(crate) fn awaits_repeat(&self) -> Option<Repeat<'_>> {
        // Once in an episode: whoever was told of it sees to it.
        let is_news = |pending: &&Pending| self.raised.is_none_or(|raised| raised.side != pending.side);
        let pending = self
            .pending
            .as_ref()
            .filter(is_news)
            .map(|pending| Repeat { device: &pending.device, since: pending.since });
        pending.or_else(|| self.unreliable.as_ref().map(|(device, since)| Repeat { device, since: *since }))
    }

    /// One reading more that can or cannot be relied on.
    fn rely(&mut self, context: &Context<'_>, is_reliable: bool) {
        let known = self.unreliable.as_ref().filter(|(_, since)| context.now < since.plus_seconds(ASK_AGAIN_SECONDS));
        if is_reliable {
            self.unreliable = None;
        } else if known.is_none() {
            self.unreliable = Some((context.subject.device.clone(), context.now));
        }
    }
}

/// A reading came.
pub(crate) fn measured(
    state: &mut WearerState,
    context: &Context<'_>,
    measurement: &Measurement,
    findings: &mut Findings,
) {
    if context.now.millis_since(context.measured) > BLOOD_PRESSURE_HORIZON_SECONDS * 1000 {
        return;
    }
    let Measurement { systolic, diastolic, .. } = *measurement;
    let is_wrist = context.subject.placement == Placement::Worn;
    let cuff = Cuff { systolic, diastolic, measured: context.measured, late: context.late, is_wrist };
    let bounds = Bounds::of(context.subject);
    let is_reliable = measurement.is_reliable();
    let is_together = measurement.is_pulse_abnormal() || is_with_alarm(state, cuff.measured);
    let is_crisis = systolic >= SYSTOLIC_CRISIS;
    let pressure = state.pressure.get_or_insert_default();
    pressure.rely(context, is_reliable);
    if is_reliable && bounds.side(&cuff) == Some(Side::High) && (is_crisis || is_together) {
        pressure.pending = None;
        let certainty = if is_crisis { Certainty::Crisis } else { Certainty::Together };
        let device = context.subject.device;
        findings.push(pressure.raise(context.subject, device, Side::High, cuff, certainty, context.now));
    } else {
        pressure.weigh(context, &bounds, cuff, is_reliable, findings);
        let is_over = |raised: &mut Raised| {
            raised.measured < cuff.measured && raised.is_wrist >= is_wrist && bounds.is_over(raised.side, &cuff)
        };
        if is_reliable && let Some(raised) = pressure.raised.take_if(is_over) {
            findings.push(cleared(context, raised.side, cuff));
        }
    }
    let is_high = bounds.side(&cuff) == Some(Side::High);
    pressure_watch::measured(&mut pressure.watch, context, measurement, is_high, findings);
    pressure_drop::measured(&mut pressure.postures, context, measurement, findings);
    irregular_pulse::measured(&mut pressure.irregular, context, measurement, findings);
    tidy(state);
}

impl Pressure {
    /// Lets a reading wait, or join what waits, and raises what that decides.
    fn weigh(
        &mut self,
        context: &Context<'_>,
        bounds: &Bounds,
        cuff: Cuff,
        is_reliable: bool,
        findings: &mut Findings,
    ) {
        let (subject, now) = (context.subject, context.now);
        let side = bounds.side(&cuff);
        let is_another = |pending: &mut Pending| !bounds.are_one_measurement(&pending.first, &cuff);
        if let Some(other) = self.pending.take_if(is_another) {
            // Two measurements, hours apart, of which at least one was late: neither waits for the other.
            let alone = side.map(|side| Pending::new(context, bounds, side, cuff, is_reliable));
            let (older, newer) =
                if other.first.measured < cuff.measured { (Some(other), alone) } else { (alone, Some(other)) };
            findings.extend(older.and_then(|pending| self.conclude(pending, subject, now)));
            self.pending = newer;
            return;
        }
        let repeat = if let Some(pending) = self.pending.as_mut() {
            let is_repeat = side == Some(pending.side) || pending.first.measured < cuff.measured;
            let is_trusted = side.is_some() || pending.first.is_wrist || !cuff.is_wrist;
            (is_reliable && is_repeat && is_trusted).then_some(cuff)
        } else {
            self.pending = side.map(|side| Pending::new(context, bounds, side, cuff, is_reliable));
            self.unremarkable
                .filter(|repeat| cuff.measured < repeat.measured && bounds.are_one_measurement(&cuff, repeat))
        };
        if is_reliable && side.is_none() && self.unremarkable.is_none_or(|last| last.measured < cuff.measured) {
            self.unremarkable = Some(cuff);
        }
        if let Some(repeat) = repeat {
            self.repeated(context, bounds, repeat, findings);
        }
    }

    /// Joins a reliable reading to the one that waits, if one does, and raises what that decides.
    fn repeated(&mut self, context: &Context<'_>, bounds: &Bounds, cuff: Cuff, findings: &mut Findings) {
        let Some(pending) = self.pending.as_mut() else {
            return;
        };
        pending.add(cuff, bounds);
        match pending.verdict(bounds) {
            Verdict::Wait => {}
            Verdict::Raise(mean) => {
                let (side, device, count) = (pending.side, pending.device.clone(), pending.readings.len());
                self.pending = None;
                let certainty = Certainty::Repeated(count);
                findings.push(self.raise(context.subject, &device, side, mean, certainty, context.now));
            }
            Verdict::Drop => {
                // What contradicts one side may itself be too far on the other.
                let other = bounds.side(&cuff).filter(|side| *side != pending.side);
                self.pending = other.map(|side| Pending::new(context, bounds, side, cuff, true));
            }
        }
    }

    /// What becomes of a measurement for which no more readings are waited.
    fn conclude(&mut self, pending: Pending, subject: &Subject<'_>, now: Timestamp) -> Option<Finding> {
        let mean = pending.mean();
        let is_still_high = Bounds::of(subject).side(&mean) == Some(Side::High);
        let certainty = match pending.readings.len() {
            0 | 1 => Certainty::Unconfirmed,
            count => Certainty::Repeated(count),
        };
        (pending.side == Side::High && is_still_high)
            .then(|| self.raise(subject, &pending.device, Side::High, mean, certainty, now))
    }

    fn raise(
        &mut self,
        subject: &Subject<'_>,
        device: &DeviceId,
        side: Side,
        cuff: Cuff,
        certainty: Certainty,
        now: Timestamp,
    ) -> Finding {
        self.raised = Some(Raised { side, measured: cuff.measured, is_wrist: cuff.is_wrist });
        found(subject, device, side, cuff, certainty, now)
    }
}

/// What the readings that there are come to.
enum Verdict {
    Wait,
    Raise(Cuff),
    Drop,
}

impl Pending {
    fn new(context: &Context<'_>, bounds: &Bounds, side: Side, cuff: Cuff, is_reliable: bool) -> Pending {
        let within = bounds.repeat_within_seconds;
        let due = if cuff.late {
            cuff.measured.plus_seconds(within).max(context.now.plus_seconds(LATE_WAIT_SECONDS))
        } else {
            context.now.plus_seconds(within)
        };
        let readings = if is_reliable { SmallVec::from_slice(&[cuff]) } else { SmallVec::new() };
        Pending { side, device: context.subject.device.clone(), since: context.now, due, first: cuff, readings }
    }

    fn add(&mut self, cuff: Cuff, bounds: &Bounds) {
        if bounds.side(&cuff) == Some(self.side) && cuff.measured < self.first.measured {
            self.first = cuff;
        }
        self.readings.push(cuff);
    }

    /// While the window is open.
    fn verdict(&self, bounds: &Bounds) -> Verdict {
        let mean = self.mean();
        let are_all_so = self.readings.iter().all(|cuff| bounds.side(cuff) == Some(self.side));
        let is_mean_so = bounds.side(&mean) == Some(self.side);
        match (self.readings.len(), self.side) {
            // The one that waits is unreliable: this is the first that counts.
            (0 | 1, _) if are_all_so => Verdict::Wait,
            (0 | 1, _) => Verdict::Drop,
            (_, _) if are_all_so => Verdict::Raise(mean),
            (_, Side::Low) => Verdict::Drop,
            (count, Side::High) if count < READINGS_MAX && self.spread() > SPREAD_MAX => Verdict::Wait,
            (_, Side::High) if is_mean_so => Verdict::Raise(mean),
            (_, Side::High) => Verdict::Drop,
        }
    }

    /// The mean of the reliable readings, rounded up, or the unreliable one.
    fn mean(&self) -> Cuff {
        let count = self.readings.len() as u32;
        if count == 0 {
            return self.first;
        }
        let mean = |value: fn(&Cuff) -> u16| {
            let sum: u32 = self.readings.iter().map(|cuff| u32::from(value(cuff))).sum();
            u16::try_from(sum.div_ceil(count)).unwrap_or(u16::MAX)
        };
        let last = self.readings.iter().max_by_key(|cuff| cuff.measured).unwrap_or(&self.first);
        Cuff { systolic: mean(|cuff| cuff.systolic), diastolic: mean(|cuff| cuff.diastolic), ..*last }
    }

    /// How far the readings are apart.
    fn spread(&self) -> u16 {
        let spread = |value: fn(&Cuff) -> u16| {
            let values = self.readings.iter().map(value);
            values.clone().max().unwrap_or(0) - values.min().unwrap_or(0)
        };
        spread(|cuff| cuff.systolic).max(spread(|cuff| cuff.diastolic))
    }
}

/// An SOS, a fall or an abnormal heart rate came: what waits on the high side waits no longer.
pub(crate) fn urge(
    state: &mut WearerState,
    subject: &Subject<'_>,
    measured: Timestamp,
    now: Timestamp,
    findings: &mut Findings,
) {
    let Some(pressure) = state.pressure.as_mut() else {
        return;
    };
    let is_urgent = |pending: &mut Pending| {
        let apart_millis = pending.first.measured.millis_since(measured).abs();
        pending.side == Side::High && !pending.readings.is_empty() && apart_millis <= TOGETHER_SECONDS * 1000
    };
    if let Some(pending) = pressure.pending.take_if(is_urgent) {
        let gravest = *pending.readings.iter().max_by_key(|cuff| cuff.systolic).unwrap_or(&pending.first);
        findings.push(pressure.raise(subject, &pending.device, Side::High, gravest, Certainty::Together, now));
    }
}

/// The window is over.
pub(crate) fn advance(
    state: &mut WearerState,
    subject: &Subject<'_>,
    due: Timestamp,
    now: Timestamp,
    findings: &mut Findings,
) {
    let Some(pressure) = state.pressure.as_mut() else {
        return;
    };
    if let Some(pending) = pressure.pending.take_if(|pending| pending.due <= due) {
        findings.extend(pressure.conclude(pending, subject, now));
    }
    tidy(state);
}

/// Nothing pending, nothing raised: nothing to remember.
fn tidy(state: &mut WearerState) {
    state.pressure.take_if(|pressure| **pressure == Pressure::default());
}

/// Whether there was an SOS, a fall that nobody cancelled, or an abnormal heart rate, not long before or after.
fn is_with_alarm(state: &WearerState, measured: Timestamp) -> bool {
    let is_sos = state.sos != Timestamp::EPOCH && state.sos.millis_since(measured).abs() <= TOGETHER_SECONDS * 1000;
    is_sos
        || state.falls.as_ref().is_some_and(|falls| falls.any_within(measured, TOGETHER_SECONDS))
        || sustained::is_heart_rate_abnormal(state, measured, TOGETHER_SECONDS)
}
