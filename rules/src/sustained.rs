//! What heart rate, oxygen, temperature and battery have in common: readings that go beyond a level raise when they
//! are enough and last long enough, and one episode ends only when readings are well on the good side again.
//!
//! - A reading is settled [`ORDER_SECONDS`] after it came, in the order in which readings were measured: whatever
//!   arrives within that of its place makes no difference. What was measured before something that is settled, or
//!   more than [`VITALS_HORIZON_SECONDS`] before it came, is history and raises nothing.
//! - A level is met by so many readings in a row (N), over so long. A timer meets it without the last reading if
//!   there were readings in both halves of the time.
//! - While an episode lasts it is told again when it becomes graver, and every hour (battery: every day):
//!   alerting writes that down beneath the open incident.

use std::ops::RangeInclusive;

use model::{Change, DeviceId, Finding, IncidentKind, Priority, Timestamp};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::explain::{Told, finding};
use crate::motion::Motion;
use crate::{Context, Findings, Subject, WearerState, battery, heart_rate, spo2, temperature};

/// Within this, seconds, readings may arrive in any order. A delay of 15 s also cuts SpO2 alarms by 60 %
/// (clinical.md, alarm fatigue).
pub const ORDER_SECONDS: u32 = 15;
/// A reading that is older on arrival, seconds, is history.
pub const VITALS_HORIZON_SECONDS: i64 = 3600;
/// Two readings that are further apart, seconds, are not in a row.
const GAP_SECONDS_MAX: i64 = 3600;
/// How often an episode of a vital sign that goes on is told again, seconds.
pub(crate) const AGAIN_SECONDS: u32 = 3600;
/// How many readings wait at a time.
const WAITING_MAX: usize = 16;
/// A reading says that the wearer sits still only if there was no motion so long before it, seconds.
const STILL_SECONDS: i64 = 300;
const LEVELS_MAX: usize = 4;
const VITALS: usize = 4;

/// Which sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vital {
    HeartRate,
    Spo2,
    Temperature,
    Battery,
}

/// Beyond what, how often and how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Level {
    pub(crate) kind: IncidentKind,
    pub(crate) priority: Priority,
    pub(crate) bound: Bound,
    pub(crate) readings: u16,
    pub(crate) sustain_seconds: u32,
    /// Readings that were taken while moving do not count.
    pub(crate) only_at_rest: bool,
}

/// What counts as beyond.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    Above(f32),
    AtLeast(f32),
    Below(f32),
    AtMost(f32),
}

impl Bound {
    fn is_beyond(self, value: f32) -> bool {
        match self {
            Bound::Above(limit) => value > limit,
            Bound::AtLeast(limit) => value >= limit,
            Bound::Below(limit) => value < limit,
            Bound::AtMost(limit) => value <= limit,
        }
    }

    pub(crate) fn limit(self) -> f32 {
        let (Bound::Above(limit) | Bound::AtLeast(limit) | Bound::Below(limit) | Bound::AtMost(limit)) = self;
        limit
    }
}

/// The levels of a sign for one wearer, graver ones after lighter ones, and what ends an episode.
pub(crate) struct Limits {
    pub(crate) levels: SmallVec<[Level; LEVELS_MAX]>,
    pub(crate) calm: RangeInclusive<f32>,
    pub(crate) calm_seconds: i64,
    /// How often an episode that goes on is told again.
    pub(crate) again_seconds: u32,
}

/// A level that was met.
pub(crate) struct Met {
    pub(crate) level: Level,
    pub(crate) value: f32,
    pub(crate) measured: Timestamp,
    pub(crate) readings: u16,
    /// From the first of them to the last, or to the timer.
    pub(crate) lasted_seconds: i64,
}

impl Vital {
    const ALL: [Vital; VITALS] = [Vital::HeartRate, Vital::Spo2, Vital::Temperature, Vital::Battery];

    fn limits(self, subject: &Subject<'_>) -> Limits {
        match self {
            Vital::HeartRate => heart_rate::limits(subject.thresholds),
            Vital::Spo2 => spo2::limits(subject.thresholds),
            Vital::Temperature => temperature::limits(subject.thresholds),
            Vital::Battery => battery::limits(subject.thresholds),
        }
    }

    fn tell(self, met: &Met) -> Told {
        match self {
            Vital::HeartRate => heart_rate::tell(met),
            Vital::Spo2 => spo2::tell(met),
            Vital::Temperature => temperature::tell(met),
            Vital::Battery => battery::tell(met),
        }
    }

    fn tell_over(self, value: f32, measured: Timestamp) -> Told {
        match self {
            Vital::HeartRate => heart_rate::tell_over(value, measured),
            Vital::Spo2 => spo2::tell_over(value, measured),
            Vital::Temperature => temperature::tell_over(value, measured),
            Vital::Battery => battery::tell_over(value, measured),
        }
    }
}

/// What is pending or raised of one wearer's vital signs. Not there for whom nothing is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Vitals {
    tracks: [Track; VITALS],
}

/// For each sign the last reading that had nothing to say while nothing was pending: when it was measured, and its
/// value. One that was measured before it may still be on its way.
pub(crate) type Quiet = ([Timestamp; VITALS], [f32; VITALS]);

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Track {
    /// In the order in which they were measured.
    waiting: SmallVec<[Sample; 1]>,
    /// The newest one that was settled.
    settled: Timestamp,
    device: DeviceId,
    value: f32,
    /// One for each level.
    runs: [Run; LEVELS_MAX],
    raised: Option<Raised>,
    /// Since when readings have been on the good side.
    calm_since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sample {
    measured: Timestamp,
    ready: Timestamp,
    late: bool,
    value: f32,
    device: DeviceId,
}

/// Readings in a row beyond a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Run {
    count: u16,
    late: bool,
    since: Timestamp,
    last: Timestamp,
    /// When it is met without another reading.
    due: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Raised {
    kind: IncidentKind,
    priority: Priority,
    told: Timestamp,
    /// The last reading beyond a level.
    seen: Timestamp,
}

/// A reading came.
pub(crate) fn measured(
    state: &mut WearerState,
    context: &Context<'_>,
    vital: Vital,
    value: f32,
    findings: &mut Findings,
) {
    let (measured, now) = (context.measured, context.now);
    if now.millis_since(measured) > VITALS_HORIZON_SECONDS * 1000 {
        return;
    }
    let limits = vital.limits(context.subject);
    let (quiet, quiet_value) = (&mut state.quiet.0[vital as usize], &mut state.quiet.1[vital as usize]);
    let is_idle = state.vitals.as_ref().is_none_or(|vitals| vitals.tracks[vital as usize].is_idle());
    let is_beyond = limits.levels.iter().any(|level| level.bound.is_beyond(value));
    if is_idle && !is_beyond {
        // One that comes from the past says nothing about the present: what was measured before may be behind it.
        if now.millis_since(measured) <= i64::from(ORDER_SECONDS) * 1000 && measured >= *quiet {
            (*quiet, *quiet_value) = (measured, value);
        }
        return;
    }
    let track = &mut state.vitals.get_or_insert_default().tracks[vital as usize];
    let device = context.subject.device;
    // That another device is charged does not help the one that is not.
    if vital == Vital::Battery && track.raised.is_some() && !is_beyond && track.device != *device {
        return;
    }
    if is_idle && measured < *quiet {
        if quiet.plus_seconds(ORDER_SECONDS) <= now {
            return tidy(state);
        }
        let ready = quiet.plus_seconds(ORDER_SECONDS);
        let value = *quiet_value;
        track.wait(Sample { measured: *quiet, ready, late: false, value, device: device.clone() });
    }
    if measured >= track.settled {
        let ready = now.plus_seconds(ORDER_SECONDS);
        track.wait(Sample { measured, ready, late: context.late, value, device: device.clone() });
    }
    if track.waiting.len() > WAITING_MAX {
        let first = track.waiting.remove(0);
        let mut teller = Teller { vital, subject: context.subject, limits: &limits, now, findings };
        track.take(&first, &mut teller, &state.motion);
    }
    tidy(state);
}

/// When something is settled or met next.
pub(crate) fn next_due(state: &WearerState) -> Option<Timestamp> {
    let tracks = state.vitals.as_ref()?.tracks.iter();
    tracks.flat_map(|t| t.waiting.iter().map(|s| s.ready).chain(t.runs.iter().filter_map(|run| run.due))).min()
}

/// Settles what came long enough ago, and meets what has lasted long enough.
pub(crate) fn advance(state: &mut WearerState, subject: &Subject<'_>, now: Timestamp, findings: &mut Findings) {
    let Some(vitals) = state.vitals.as_mut() else { return };
    for (vital, track) in Vital::ALL.into_iter().zip(&mut vitals.tracks) {
        if track.is_idle() {
            continue;
        }
        let limits = vital.limits(subject);
        let mut teller = Teller { vital, subject, limits: &limits, now, findings };
        let ready = track.waiting.iter().rposition(|sample| sample.ready <= now).map_or(0, |last| last + 1);
        track.settle(ready, &mut teller, &state.motion);
        track.meet(&mut teller, &state.motion);
    }
    tidy(state);
}

/// Whether an abnormal heart rate was raised of which a reading lies within so long of a time.
pub(crate) fn is_heart_rate_abnormal(state: &WearerState, at: Timestamp, within_seconds: i64) -> bool {
    let raised = state.vitals.as_ref().and_then(|vitals| vitals.tracks[Vital::HeartRate as usize].raised);
    raised.is_some_and(|raised| raised.seen.millis_since(at).abs() <= within_seconds * 1000)
}

/// Whether the battery is known to be low.
pub(crate) fn is_battery_low(state: &WearerState) -> bool {
    state.vitals.as_ref().is_some_and(|vitals| vitals.tracks[Vital::Battery as usize].raised.is_some())
}

/// What rests is forgotten, up to when it was settled.
fn tidy(state: &mut WearerState) {
    if let Some(vitals) = state.vitals.take_if(|vitals| vitals.tracks.iter().all(Track::is_idle)) {
        for ((quiet, value), track) in state.quiet.0.iter_mut().zip(&mut state.quiet.1).zip(&vitals.tracks) {
            if *quiet < track.settled {
                (*quiet, *value) = (track.settled, track.value);
            }
        }
    }
}

/// Where what is found goes.
struct Teller<'a, 's> {
    vital: Vital,
    subject: &'a Subject<'s>,
    limits: &'a Limits,
    now: Timestamp,
    findings: &'a mut Findings,
}

impl Teller<'_, '_> {
    fn raise(&mut self, met: &Met, device: &DeviceId, late: bool) {
        let Teller { vital, subject, now, .. } = *self;
        let told = vital.tell(met);
        self.findings.push(Finding {
            device: device.clone(),
            ..finding(subject, met.level.kind, Change::Raised, met.level.priority, (met.measured, late, now), told)
        });
    }

    fn clear(&mut self, kind: IncidentKind, value: f32, measured: Timestamp, device: &DeviceId, late: bool) {
        let told = self.vital.tell_over(value, measured);
        self.findings.push(Finding {
            device: device.clone(),
            ..finding(self.subject, kind, Change::Cleared, Priority::Low, (measured, late, self.now), told)
        });
    }
}

impl Track {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.raised.is_none() && self.runs.iter().all(|run| run.count == 0)
    }

    fn wait(&mut self, sample: Sample) {
        let place = self.waiting.partition_point(|other| other.measured <= sample.measured);
        self.waiting.insert(place, sample);
    }

    /// So many readings in order.
    fn settle(&mut self, count: usize, teller: &mut Teller<'_, '_>, motion: &Motion) {
        let samples: SmallVec<[Sample; 1]> = self.waiting.drain(..count).collect();
        for sample in &samples {
            self.take(sample, teller, motion);
        }
    }

    /// The next reading in order.
    fn take(&mut self, sample: &Sample, teller: &mut Teller<'_, '_>, motion: &Motion) {
        let measured = sample.measured;
        self.settled = measured;
        self.device.clone_from(&sample.device);
        self.value = sample.value;
        let mut met = None;
        for (level, run) in teller.limits.levels.iter().zip(&mut self.runs) {
            let is_beyond = level.bound.is_beyond(sample.value);
            let before = measured.plus_millis(-STILL_SECONDS * 1000);
            let still_from = if run.count > 0 { before.min(run.last) } else { before };
            if !is_beyond || (level.only_at_rest && motion.any_before(still_from, measured)) {
                *run = Run::default();
                continue;
            }
            run.add(measured, sample.late, level);
            let lasted_seconds = run.last.millis_since(run.since) / 1000;
            if run.count >= level.readings && lasted_seconds >= i64::from(level.sustain_seconds) {
                met = Some((*level, *run, lasted_seconds));
            }
        }
        if let Some((level, run, lasted_seconds)) = met {
            self.met(level, run, lasted_seconds, teller);
        }
        self.calm(sample, teller);
    }

    /// Levels that are met because time went by.
    fn meet(&mut self, teller: &mut Teller<'_, '_>, motion: &Motion) {
        for place in (0..teller.limits.levels.len()).rev() {
            let (level, run) = (teller.limits.levels[place], self.runs[place]);
            if run.due.is_none_or(|due| due > teller.now) {
                continue;
            }
            // Whatever was measured until then has come by now.
            let until = run.since.plus_seconds(level.sustain_seconds);
            let come = self.waiting.partition_point(|sample| sample.measured <= until);
            self.settle(come, teller, motion);
            let run = self.runs[place];
            let is_due = run.due.is_some_and(|due| due <= teller.now);
            self.runs[place].due = None;
            if !is_due {
                continue;
            }
            if level.only_at_rest && motion.any_before(run.last, until) {
                self.runs[place] = Run::default();
                continue;
            }
            self.met(level, run, i64::from(level.sustain_seconds), teller);
        }
        // What a change of thresholds took away.
        self.runs[teller.limits.levels.len()..].fill(Run::default());
    }

    fn met(&mut self, level: Level, run: Run, lasted_seconds: i64, teller: &mut Teller<'_, '_>) {
        let seen = run.last;
        if let Some(raised) = self.raised.as_mut().filter(|raised| raised.kind == level.kind) {
            raised.seen = seen;
            if raised.priority >= level.priority && seen < raised.told.plus_seconds(teller.limits.again_seconds) {
                return;
            }
        } else if let Some(other) = self.raised.take() {
            teller.clear(other.kind, self.value, seen, &self.device, run.late);
        }
        let priority = self.raised.map_or(level.priority, |raised| raised.priority.max(level.priority));
        self.raised = Some(Raised { kind: level.kind, priority, told: seen, seen });
        let met = Met { level, value: self.value, measured: seen, readings: run.count, lasted_seconds };
        teller.raise(&met, &self.device, run.late);
    }

    fn calm(&mut self, sample: &Sample, teller: &mut Teller<'_, '_>) {
        if !teller.limits.calm.contains(&sample.value) {
            self.calm_since = None;
            return;
        }
        let Some(raised) = self.raised else { return };
        let since = *self.calm_since.get_or_insert(sample.measured);
        if sample.measured.millis_since(since) >= teller.limits.calm_seconds * 1000 {
            self.raised = None;
            self.calm_since = None;
            teller.clear(raised.kind, sample.value, sample.measured, &sample.device, sample.late);
        }
    }
}

impl Run {
    fn add(&mut self, measured: Timestamp, late: bool, level: &Level) {
        if self.count == 0 || measured.millis_since(self.last) > GAP_SECONDS_MAX * 1000 {
            *self = Run { since: measured, ..Run::default() };
        }
        self.count = self.count.saturating_add(1);
        self.last = measured;
        self.late |= late;
        let lasted_millis = measured.millis_since(self.since);
        let sustain_millis = i64::from(level.sustain_seconds) * 1000;
        let is_in_second_half = lasted_millis < sustain_millis && lasted_millis * 2 >= sustain_millis;
        let is_enough = self.count >= level.readings.max(2);
        self.due = (is_enough && is_in_second_half)
            .then(|| self.since.plus_seconds(level.sustain_seconds).plus_seconds(ORDER_SECONDS));
    }
}
