//! The device was taken off and stays off: half an hour for a shower, longer while it is being charged (silence's
//! grace). Armed again when it is put on.

use model::{Change, IncidentKind, Priority, Timestamp};
use serde::{Deserialize, Serialize};

use crate::explain::{Told, finding, reading, span};
use crate::{Context, Findings, Subject, WearerState};

const RULE: &str = "removed";
const RULE_VERSION: u16 = 1;

const AFTER_SECONDS: u32 = 1800;
/// While it is being charged.
const CHARGING_GRACE_SECONDS: u32 = 3 * 3600;

/// What was said about the device being worn; at first it is taken to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Wear {
    /// When the newest report was measured.
    newest: Timestamp,
    /// Off since when, if it is.
    since: Timestamp,
    is_off: bool,
    is_raised: bool,
}

impl Wear {
    pub(crate) fn is_off(&self) -> bool {
        self.is_off
    }
}

/// Put on or taken off. An older report changes only since when.
pub(crate) fn worn(state: &mut WearerState, context: &Context<'_>, on: bool, findings: &mut Findings) {
    let wear = &mut state.wear;
    if context.measured < wear.newest {
        if on && wear.is_off && context.measured >= wear.since {
            wear.since = wear.newest;
        }
        return;
    }
    wear.newest = context.measured;
    if !on {
        wear.since = if wear.is_off { wear.since } else { context.measured };
        wear.is_off = true;
        return;
    }
    wear.is_off = false;
    if std::mem::take(&mut wear.is_raised) {
        let told = Told {
            rule: RULE,
            rule_version: RULE_VERSION,
            readings: Vec::new(),
            zh: "设备已重新佩戴。".to_owned(),
            en: "The device is worn again.".to_owned(),
        };
        let times = (context.measured, context.late, context.now);
        let (kind, change) = (IncidentKind::DeviceRemoved, Change::Cleared);
        findings.push(finding(context.subject, kind, change, Priority::Low, times, told));
    }
}

/// When it has been off for too long.
pub(crate) fn due(state: &WearerState, subject: &Subject<'_>) -> Option<Timestamp> {
    let wear = &state.wear;
    (wear.is_off && !wear.is_raised)
        .then(|| subject.watched_from(IncidentKind::DeviceRemoved, wear.since).plus_seconds(allowed(state, subject)))
}

/// It is due.
pub(crate) fn advance(state: &mut WearerState, subject: &Subject<'_>, now: Timestamp, findings: &mut Findings) {
    state.wear.is_raised = true;
    let (off_millis, allowed) = (now.millis_since(state.wear.since), allowed(state, subject));
    let (zh, en) = span(off_millis);
    let (allowed_zh, allowed_en) = span(i64::from(allowed) * 1000);
    let told = Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![
            reading("off", (off_millis / 1000) as f64, "s", Some(state.wear.since)),
            reading("allowed", f64::from(allowed), "s", None),
        ],
        zh: format!("设备已取下 {zh}（允许 {allowed_zh}），期间无法守护。"),
        en: format!("The device has been off for {en} ({allowed_en} allowed): nothing is watched over meanwhile."),
    };
    let times = (state.wear.since, false, now);
    findings.push(finding(subject, IncidentKind::DeviceRemoved, Change::Raised, Priority::Low, times, told));
}

fn allowed(state: &WearerState, subject: &Subject<'_>) -> u32 {
    let own = subject.thresholds;
    let after = own.removed_after_seconds.unwrap_or(AFTER_SECONDS);
    if state.is_charging {
        after.max(own.silence_charging_grace_seconds.unwrap_or(CHARGING_GRACE_SECONDS))
    } else {
        after
    }
}
