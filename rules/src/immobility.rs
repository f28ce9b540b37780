//! No sign of motion for hours by day (07:00–22:00), from a device that counts steps, is worn and is heard. It is watched
//! for since the last motion, or, for somebody who has not been seen to move, since the first count of steps. A device
//! that has fallen silent is silence's, one that lies on the table is `removed`'s; nights do not count.

use model::registry::DailyWindow;
use model::{Change, IncidentKind, Priority, Timestamp};
use serde::{Deserialize, Serialize};

use crate::explain::{Told, finding, reading, span};
use crate::{Context, Findings, Subject, WearerState, local};

const RULE: &str = "immobility";
const RULE_VERSION: u16 = 1;

/// Care practice: longer than a nap and a film.
const AFTER_SECONDS: u32 = 6 * 3600;
const DAY: DailyWindow = DailyWindow { from_minute: 7 * 60, to_minute: 22 * 60 };

/// How far the rule has got since the last motion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Stillness {
    #[default]
    Watched,
    /// It was due, and there was a reason not to raise it.
    LookedAt,
    Raised,
}

/// There was motion.
pub(crate) fn moved(state: &mut WearerState, context: &Context<'_>, findings: &mut Findings) {
    state.motion.moved(context.measured);
    if std::mem::take(&mut state.stillness) != Stillness::Raised {
        return;
    }
    let told = Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: Vec::new(),
        zh: "佩戴者又有活动。".to_owned(),
        en: "The wearer moves again.".to_owned(),
    };
    let times = (context.measured, context.late, context.now);
    findings.push(finding(context.subject, IncidentKind::Immobility, Change::Cleared, Priority::Low, times, told));
}

/// When it has been still for too long.
pub(crate) fn due(state: &WearerState, subject: &Subject<'_>) -> Option<Timestamp> {
    let last = state.motion.last().filter(|_| state.stillness == Stillness::Watched)?;
    let offset = subject.utc_offset_minutes;
    let after = subject.thresholds.immobility_after_seconds.unwrap_or(AFTER_SECONDS);
    let begin =
        |from| if local::is_within(DAY, from, offset) { from } else { local::next(DAY.from_minute, from, offset) };
    let from = begin(subject.watched_from(IncidentKind::Immobility, last));
    let due = from.plus_seconds(after);
    // The evening is too short for it: the morning begins anew. What is longer than a day is not.
    let fits = local::next(DAY.to_minute, from, offset) >= due;
    let is_possible = after <= 60 * u32::from(DAY.to_minute - DAY.from_minute);
    Some(if fits || !is_possible { due } else { local::next(DAY.from_minute, from, offset).plus_seconds(after) })
}

/// It is due: raised if steps were counted meanwhile, none of them new, and the device is worn and heard.
pub(crate) fn advance(state: &mut WearerState, subject: &Subject<'_>, now: Timestamp, findings: &mut Findings) {
    state.stillness = Stillness::LookedAt;
    let Some(last) = state.motion.last() else { return };
    let after = subject.thresholds.immobility_after_seconds.unwrap_or(AFTER_SECONDS);
    let half = now.plus_millis(-i64::from(after) * 500);
    let is_counted = state.steps.as_ref().is_some_and(|steps| steps.measured() >= half);
    if state.is_silent || state.wear.is_off() || state.is_charging || !is_counted {
        return;
    }
    state.stillness = Stillness::Raised;
    let still_millis = now.millis_since(last);
    let (zh, en) = span(still_millis);
    let (after_zh, after_en) = span(i64::from(after) * 1000);
    let told = Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![
            reading("still", (still_millis / 1000) as f64, "s", Some(last)),
            reading("threshold", f64::from(after), "s", None),
        ],
        zh: format!("已 {zh}没有活动迹象（白天警戒线 {after_zh}）。"),
        en: format!("No sign of motion for {en} (limit by day {after_en})."),
    };
    findings.push(finding(
        subject,
        IncidentKind::Immobility,
        Change::Raised,
        Priority::Medium,
        (last, false, now),
        told,
    ));
}
