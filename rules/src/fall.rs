//! A fall waits for a sign of life: `fall_cancel`, or steps taken since. No data counts as lying still, so at the
//! window's end it is raised (clinical.md, fall). A fall that comes to us after its window is raised at once, and so is
//! a hard one from a device whose battery is low or that had fallen silent.
//!
//! A way between two fixes is no sign of life here: it may be a jump of the receiver's, or somebody carries them.
//!
//! The window runs from when the fall was measured, not from when it came, and a cancel counts whether it comes
//! after its fall or before: within the window the order of arrival makes no difference.

use model::{Change, DeviceId, Finding, IncidentKind, Position, Priority, Timestamp};
use serde::{Deserialize, Serialize};

use crate::explain::{explain, lateness, reading};
use crate::{Context, Findings, Subject, WearerState, immobility, motion, sustained};

const RULE: &str = "fall";
const RULE_VERSION: u16 = 1;

/// A cancel that came before its fall counts for falls up to so long before it, seconds, or for the fall window if
/// that is longer.
const CANCEL_REACH_SECONDS: u32 = 60;
/// A cancel counts for a fall that is said to be so much later: the two may have been stamped by different clocks.
const CANCEL_TOLERANCE_MILLIS: i64 = 2000;
/// A cancel that comes after the alarm clears its condition up to so long after the fall, seconds.
const CLEAR_REACH_SECONDS: u32 = 3600;
/// So many steps since the fall are a sign of life.
const STEPS_MIN: u32 = 10;
/// Nobody takes more steps a second: what may have been walked before the fall does not count.
const STEPS_PER_SECOND_MAX: f64 = 3.0;
/// More falls than this do not wait at a time: the next is raised at once.
const FALLS_PENDING_MAX: usize = 8;
/// A fall that the device is so sure of is a hard one.
const HARD_CONFIDENCE_MIN: f32 = 0.9;
/// How many cancels are remembered, of all devices: those that were measured last.
const CANCELS_KEPT: usize = 16;

/// The falls of one wearer that are not over and done with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Falls {
    /// By when they are due, then in the order in which they were measured.
    pending: Vec<PendingFall>,
    /// The last cancels, in the order in which they were measured: their falls may be yet to come.
    cancels: Vec<Signal>,
    /// The last fall that was raised, until it is cancelled.
    raised: Option<Signal>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PendingFall {
    fall: Signal,
    due: Timestamp,
    late: bool,
    confidence: Option<f32>,
    position: Option<Position>,
    /// The count of steps that was measured first after the fall, and when.
    steps_after: Option<(u32, Timestamp)>,
}

/// Which device said something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signal {
    device: DeviceId,
    measured: Timestamp,
}

/// The last count of steps that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Steps {
    device: DeviceId,
    count: u32,
    measured: Timestamp,
}

impl Falls {
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.pending.first().map(|fall| fall.due)
    }

    /// Whether a fall that nobody cancelled was measured within so long of a time.
    pub(crate) fn any_within(&self, at: Timestamp, within_seconds: i64) -> bool {
        let falls = self.pending.iter().map(|pending| &pending.fall).chain(&self.raised);
        falls.into_iter().any(|fall| fall.measured.millis_since(at).abs() <= within_seconds * 1000)
    }
}

impl Steps {
    pub(crate) fn measured(&self) -> Timestamp {
        self.measured
    }
}

/// A fall was reported. `false` if it had been cancelled before it came.
pub(crate) fn fell(
    state: &mut WearerState,
    context: &Context<'_>,
    confidence: Option<f32>,
    findings: &mut Findings,
) -> bool {
    let is_hard = confidence.is_some_and(|confidence| confidence >= HARD_CONFIDENCE_MIN);
    // Who falls hard while the device is about to fail, or was not heard before, may never be heard again.
    let has_no_window = is_hard && (sustained::is_battery_low(state) || state.is_silent);
    let window_seconds = if has_no_window { 0 } else { context.subject.fall_window_seconds };
    let fall = signal(context);
    let falls = state.falls.get_or_insert_default();
    if falls.cancels.iter().any(|cancel| cancels(cancel, &fall, window_seconds)) {
        return false;
    }
    let due = context.measured.plus_seconds(window_seconds);
    let is_overdue = due <= context.now;
    let late = context.late || (is_overdue && window_seconds > 0);
    let position = context.located.map(|located| located.position);
    let mut pending = PendingFall { fall, due, late, confidence, position, steps_after: None };
    if is_overdue || falls.pending.len() >= FALLS_PENDING_MAX {
        let is_waited_for = is_overdue && !has_no_window;
        raise(falls, &pending, context.subject, is_waited_for, context.now, findings);
        return true;
    }
    // Steps that were measured after the fall may have come before it.
    if let Some(steps) = state.steps.as_deref().filter(|steps| steps.device == pending.fall.device)
        && steps.measured > pending.fall.measured
    {
        pending.steps_after = Some((steps.count, steps.measured));
    }
    let order = |fall: &PendingFall| (fall.due, fall.fall.measured);
    let place = falls.pending.partition_point(|other| order(other) <= order(&pending));
    falls.pending.insert(place, pending);
    true
}

/// "It was no fall", or "I am well".
pub(crate) fn cancelled(state: &mut WearerState, context: &Context<'_>, findings: &mut Findings) {
    let window_seconds = context.subject.fall_window_seconds;
    let cancel = signal(context);
    let falls = state.falls.get_or_insert_default();
    falls.pending.retain(|pending| !cancels(&cancel, &pending.fall, window_seconds));
    let ends_raised = |raised: &mut Signal| reaches(&cancel, raised, CLEAR_REACH_SECONDS);
    if falls.raised.take_if(ends_raised).is_some() {
        findings.push(cleared(context));
    }
    let place = falls.cancels.partition_point(|other| other.measured <= cancel.measured);
    falls.cancels.insert(place, cancel);
    if falls.cancels.len() > CANCELS_KEPT {
        falls.cancels.remove(0);
    }
}

/// A count of steps: whoever walks does not lie still.
pub(crate) fn walked(state: &mut WearerState, context: &Context<'_>, count: u32, findings: &mut Findings) {
    let steps = Steps { device: context.subject.device.clone(), count, measured: context.measured };
    if let Some(falls) = state.falls.as_mut() {
        let before = state.steps.as_deref();
        falls.pending.retain_mut(|pending| !shows_life(pending, &steps, before));
    }
    let is_walk = state.steps.as_deref().is_some_and(|before| {
        before.device == steps.device && before.measured < steps.measured && motion::is_walk(before.count, count)
    });
    match state.steps.as_deref_mut() {
        Some(known) => *known = steps,
        None => state.steps = Some(Box::new(steps)),
    }
    if is_walk && !context.late {
        immobility::moved(state, context, findings);
    } else if !context.late {
        state.motion.watched(context.measured);
    }
}

/// Raises what is due by `due`.
pub(crate) fn advance(
    state: &mut WearerState,
    subject: &Subject<'_>,
    due: Timestamp,
    now: Timestamp,
    findings: &mut Findings,
) {
    let Some(falls) = state.falls.as_mut() else {
        return;
    };
    let count = falls.pending.partition_point(|pending| pending.due <= due);
    let overdue: Vec<PendingFall> = falls.pending.drain(..count).collect();
    for pending in &overdue {
        raise(falls, pending, subject, true, now, findings);
    }
}

/// Whether a cancel belongs to a fall.
fn cancels(cancel: &Signal, fall: &Signal, window_seconds: u32) -> bool {
    reaches(cancel, fall, window_seconds.max(CANCEL_REACH_SECONDS))
}

/// Whether a cancel comes from the same device and was measured within so long after the fall.
fn reaches(cancel: &Signal, fall: &Signal, reach_seconds: u32) -> bool {
    let after_millis = cancel.measured.millis_since(fall.measured);
    cancel.device == fall.device && (-CANCEL_TOLERANCE_MILLIS..=i64::from(reach_seconds) * 1000).contains(&after_millis)
}

/// Whether steps were taken after the fall: between two counts that were both measured since, or more since the
/// last count before it than anybody could have taken until the fall.
fn shows_life(pending: &mut PendingFall, steps: &Steps, before: Option<&Steps>) -> bool {
    if steps.device != pending.fall.device || steps.measured <= pending.fall.measured {
        return false;
    }
    if let Some((count, measured)) = pending.steps_after {
        let (earlier, later) = if measured <= steps.measured { (count, steps.count) } else { (steps.count, count) };
        if later >= earlier.saturating_add(STEPS_MIN) {
            return true;
        }
    }
    let is_earlier = pending.steps_after.is_none_or(|(_, measured)| steps.measured < measured);
    if is_earlier {
        pending.steps_after = Some((steps.count, steps.measured));
    }
    before.is_some_and(|before| {
        let seconds = pending.fall.measured.millis_since(before.measured) as f64 / 1000.0;
        let before_fall = (seconds * STEPS_PER_SECOND_MAX).ceil();
        before.device == steps.device
            && seconds >= 0.0
            && f64::from(steps.count) >= f64::from(before.count) + before_fall + f64::from(STEPS_MIN)
    })
}

fn signal(context: &Context<'_>) -> Signal {
    Signal { device: context.subject.device.clone(), measured: context.measured }
}

fn raise(
    falls: &mut Falls,
    pending: &PendingFall,
    subject: &Subject<'_>,
    window_is_over: bool,
    now: Timestamp,
    findings: &mut Findings,
) {
    if falls.raised.as_ref().is_none_or(|raised| raised.measured <= pending.fall.measured) {
        falls.raised = Some(pending.fall.clone());
    }
    let mut readings = Vec::new();
    let (mut zh, mut en) = ("检测到跌倒".to_owned(), "A fall was detected".to_owned());
    if let Some(confidence) = pending.confidence {
        let percent = f64::from(confidence * 100.0).round();
        readings.push(reading("confidence", percent, "%", Some(pending.fall.measured)));
        zh += &format!("（把握 {percent}%）");
        en += &format!(" ({percent} % sure)");
    }
    let window_seconds = subject.fall_window_seconds;
    if pending.late || !window_is_over || window_seconds == 0 {
        zh += "。";
        en += ".";
    } else {
        readings.push(reading("window", f64::from(window_seconds), "s", None));
        zh += &format!("，{window_seconds} 秒内没有取消，也没有走动。");
        en += &format!("; within {window_seconds} s nobody cancelled it or walked.");
    }
    let (late_zh, late_en) = lateness(pending.late, pending.fall.measured, now, &mut readings);
    findings.push(Finding {
        kind: IncidentKind::Fall,
        change: Change::Raised,
        wearer: subject.wearer.clone(),
        device: pending.fall.device.clone(),
        priority: Priority::High,
        at: now,
        measured: pending.fall.measured,
        late: pending.late,
        confirmed: true,
        position: pending.position.or(subject.position),
        explain: explain(RULE, RULE_VERSION, readings, zh + &late_zh, en + &late_en),
    });
}

fn cleared(context: &Context<'_>) -> Finding {
    let mut readings = Vec::new();
    let (late_zh, late_en) = lateness(context.late, context.measured, context.now, &mut readings);
    let zh = format!("佩戴者取消了跌倒报警。{late_zh}");
    let en = format!("The wearer cancelled the fall.{late_en}");
    Finding {
        kind: IncidentKind::Fall,
        change: Change::Cleared,
        wearer: context.subject.wearer.clone(),
        device: context.subject.device.clone(),
        priority: Priority::Low,
        at: context.now,
        measured: context.measured,
        late: context.late,
        confirmed: true,
        position: context.position(),
        explain: explain(RULE, RULE_VERSION, readings, zh, en),
    }
}
