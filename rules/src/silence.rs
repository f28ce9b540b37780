//! Nothing was heard of a worn device for three heartbeats (23 minutes; `area` waits two more for the neighbours, which
//! makes the 25 of clinical.md). A device that is being charged or is not worn may be silent for longer, and so may
//! one that was last seen where there is known to be no signal.
//!
//! A restart of ours counts as a sign of life: what was not heard while nobody listened is left out, and everybody
//! has three heartbeats to be heard again. Any report counts, however old what it says is.

use model::{Change, IncidentKind, Priority, Timestamp};

use crate::explain::{Told, finding, reading, span};
use crate::ground::metres_between;
use crate::{Context, Findings, Subject, WearerState};

const RULE: &str = "silence";
const RULE_VERSION: u16 = 1;

/// Vendors' heartbeats are 5–8 minutes.
const HEARTBEAT_SECONDS: u32 = 460;
const HEARTBEATS: u32 = 3;
const CHARGING_GRACE_SECONDS: u32 = 3 * 3600;
const SHADOW_GRACE_SECONDS: u32 = 2 * 3600;

/// A worn device was heard.
pub(crate) fn heard(state: &mut WearerState, context: &Context<'_>, findings: &mut Findings) {
    let silent_since = std::mem::replace(&mut state.heard, context.now);
    if !state.is_silent {
        return;
    }
    state.is_silent = false;
    let silent_millis = context.now.millis_since(silent_since);
    let (zh, en) = span(silent_millis);
    let told = Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![reading("silent", (silent_millis / 1000) as f64, "s", None)],
        zh: format!("设备失联 {zh}后恢复联系。"),
        en: format!("The device is heard again after {en}."),
    };
    let times = (context.now, false, context.now);
    findings.push(finding(context.subject, IncidentKind::Silence, Change::Cleared, Priority::Low, times, told));
}

/// When it is silent if nothing else comes.
pub(crate) fn due(state: &WearerState, subject: &Subject<'_>) -> Option<Timestamp> {
    let is_watched = state.heard != Timestamp::EPOCH && !state.is_silent;
    is_watched.then(|| subject.watched_from(IncidentKind::Silence, state.heard).plus_seconds(allowed(state, subject)))
}

/// It is due.
pub(crate) fn advance(state: &mut WearerState, subject: &Subject<'_>, now: Timestamp, findings: &mut Findings) {
    state.is_silent = true;
    let (silent_millis, allowed) = (now.millis_since(state.heard), allowed(state, subject));
    let (zh, en) = span(silent_millis);
    let (allowed_zh, allowed_en) = span(i64::from(allowed) * 1000);
    let told = Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![
            reading("silent", (silent_millis / 1000) as f64, "s", Some(state.heard)),
            reading("allowed", f64::from(allowed), "s", None),
        ],
        zh: format!("设备已 {zh}没有任何消息（允许 {allowed_zh}）。"),
        en: format!("Nothing was heard of the device for {en} ({allowed_en} allowed)."),
    };
    let times = (state.heard, false, now);
    findings.push(finding(subject, IncidentKind::Silence, Change::Raised, Priority::Low, times, told));
}

/// Three heartbeats, and the grace for what is known about the device.
fn allowed(state: &WearerState, subject: &Subject<'_>) -> u32 {
    let own = subject.thresholds;
    let heartbeats = own.silence_heartbeat_seconds.unwrap_or(HEARTBEAT_SECONDS).saturating_mul(HEARTBEATS);
    let charging = own.silence_charging_grace_seconds.unwrap_or(CHARGING_GRACE_SECONDS);
    let shadow = own.silence_shadow_grace_seconds.unwrap_or(SHADOW_GRACE_SECONDS);
    let is_in_shadow = subject.position.is_some_and(|position| {
        let mut shadows = own.silence_shadows.iter();
        shadows.any(|shadow| metres_between(shadow.centre, position) <= f64::from(shadow.radius_m))
    });
    let charging = if state.is_charging || state.wear.is_off() { charging } else { 0 };
    heartbeats.saturating_add(charging.max(if is_in_shadow { shadow } else { 0 }))
}
