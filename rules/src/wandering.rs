//! Wandering: outside the home fence between 22:00 and 05:00, or walking away for twenty minutes beyond the usual
//! radius (care practice).
//!
//! Being outside is a standing state: whoever is out when the night begins, or when a suspension ends, is found then,
//! without another fix. *Walking away* is at a walker's pace and farther from home fix by fix; a bus begins it anew.
//! Fixes are taken in the order in which they were measured, an older one than the last is history.

use model::registry::DailyWindow;
use model::{
    Change, Crossing, CrossingDirection, DeviceId, FenceId, Finding, IncidentKind, Located, Position, Priority,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::explain::{Told, finding, reading, span};
use crate::ground::{is_surely_within, metres_between};
use crate::{Context, Findings, Subject, WearerState, fence_exit, local};

const RULE: &str = "wandering";
const RULE_VERSION: u16 = 1;

const NIGHT: DailyWindow = DailyWindow { from_minute: 22 * 60, to_minute: 5 * 60 };
const USUAL_RADIUS_M: u32 = 1500;
const AFTER_SECONDS: u32 = 1200;
/// Farther by at least so much after that time, metres.
const AWAY_METRES_MIN: f64 = 300.0;
/// Nobody walks faster, metres a second.
const WALKING_METRES_PER_SECOND_MAX: f64 = 2.5;
/// Nearer to home than the farthest fix by more than this, metres, is no walking away.
const BACK_METRES: f64 = 100.0;
/// Fixes that are further apart, seconds, do not make one way.
const FIX_GAP_SECONDS_MAX: i64 = 600;

/// Where home is: the fence by which a wearer's nights are measured.
#[derive(Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Home {
    /// Its middle, in WGS-84, if it has one. Every fix asks for it: it stands first.
    pub centre: Option<Position>,
    /// The fence.
    pub fence: FenceId,
}

/// What is pending of where one wearer is. Not there for whom everything is as usual.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The exits that have not been followed by a return, one of each fence.
    outside: Vec<Outside>,
    away: Option<Away>,
    due: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Outside {
    exit: Crossing,
    device: DeviceId,
    late: bool,
    is_exit_told: bool,
    is_night_told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Away {
    since: Timestamp,
    from_m: f64,
    farthest_m: f64,
    last: Timestamp,
    last_m: f64,
    is_told: bool,
}

impl Place {
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due
    }
}

/// A fence's edge was crossed.
pub(crate) fn crossed(state: &mut WearerState, context: &Context<'_>, crossing: &Crossing, findings: &mut Findings) {
    let place = state.place.get_or_insert_default();
    let known = place.outside.iter().position(|outside| outside.exit.fence == crossing.fence);
    let before = known.map(|at| place.outside.remove(at));
    match crossing.direction {
        CrossingDirection::Exit | CrossingDirection::Enter => {
            let device = context.subject.device.clone();
            place.outside.push(Outside {
                exit: crossing.clone(),
                device,
                late: context.late,
                is_exit_told: false,
                is_night_told: false,
            });
            look(place, context.subject, context.now, findings);
        }
        CrossingDirection::Return | CrossingDirection::Leave => {
            if before.as_ref().is_none_or(|outside| outside.is_exit_told) {
                findings.push(fence_exit::found(context, crossing));
            }
            if before.is_some_and(|outside| outside.is_night_told) {
                findings.push(home_again(context, crossing.distance_m));
            }
            schedule(place, context.subject, context.now);
        }
    }
    tidy(state);
}

/// The night begins, or a suspension ends.
pub(crate) fn advance(state: &mut WearerState, subject: &Subject<'_>, now: Timestamp, findings: &mut Findings) {
    if let Some(place) = state.place.as_mut().filter(|place| place.due.is_some_and(|due| due <= now)) {
        look(place, subject, now, findings);
    }
}

/// Finds what is so now and was not told.
fn look(place: &mut Place, subject: &Subject<'_>, now: Timestamp, findings: &mut Findings) {
    for outside in &mut place.outside {
        let own = Subject { device: &outside.device, position: Some(outside.exit.located.position), ..*subject };
        let context =
            Context { subject: &own, measured: outside.exit.measured, late: outside.late, now, located: None };
        let is_urgent = !outside.is_night_told && is_home(subject, &outside.exit.fence) && is_night(subject, now);
        if !outside.is_exit_told && !subject.is_suspended(IncidentKind::FenceExit, now) {
            outside.is_exit_told = true;
            // By night this is as urgent as what follows, and one incident with it.
            let found = fence_exit::found(&context, &outside.exit);
            findings.push(Finding { priority: if is_urgent { Priority::High } else { found.priority }, ..found });
        }
        if is_urgent {
            outside.is_night_told = true;
            findings.push(out_at_night(&context, &outside.exit));
        }
    }
    schedule(place, subject, now);
}

fn is_home(subject: &Subject<'_>, fence: &FenceId) -> bool {
    subject.home.is_some_and(|home| home.fence == *fence)
}

fn is_night(subject: &Subject<'_>, now: Timestamp) -> bool {
    let night = subject.thresholds.wandering_night.unwrap_or(NIGHT);
    local::is_within(night, now, subject.utc_offset_minutes) && !subject.is_suspended(IncidentKind::Wandering, now)
}

fn schedule(place: &mut Place, subject: &Subject<'_>, now: Timestamp) {
    let night = subject.thresholds.wandering_night.unwrap_or(NIGHT);
    let ends = |kind| subject.suspension.filter(|suspension| suspension.covers(kind, now)).map(|s| s.until);
    let exits = || place.outside.iter().filter(|outside| !outside.is_exit_told);
    let at_home = |outside: &&Outside| !outside.is_night_told && is_home(subject, &outside.exit.fence);
    let exit = exits().next().and_then(|_| ends(IncidentKind::FenceExit));
    let nights = place.outside.iter().find(at_home).map(|_| {
        let begins = local::next(night.from_minute, now.plus_millis(1), subject.utc_offset_minutes);
        ends(IncidentKind::Wandering).map_or(begins, |end| end.min(begins))
    });
    place.due = exit.into_iter().chain(nights).min().map(|due| due.max(now.plus_millis(1)));
}

/// A fix that is not late: is the wearer walking away?
pub(crate) fn located(state: &mut WearerState, context: &Context<'_>, located: &Located, findings: &mut Findings) {
    let subject = context.subject;
    let Some(home) = subject.home.and_then(|home| home.centre) else { return };
    let radius_m = f64::from(subject.thresholds.wandering_radius_m.unwrap_or(USUAL_RADIUS_M));
    let is_away = state.place.as_ref().is_some_and(|place| place.away.is_some());
    if !is_away && is_surely_within(home, located.position, radius_m) {
        return;
    }
    let distance_m = metres_between(home, located.position) - f64::from(located.accuracy_m);
    if !is_away && distance_m <= radius_m {
        return;
    }
    let place = state.place.get_or_insert_default();
    if distance_m <= radius_m || subject.is_suspended(IncidentKind::Wandering, context.now) {
        if place.away.take().is_some_and(|away| away.is_told) {
            findings.push(home_again(context, distance_m - radius_m));
        }
        return tidy(state);
    }
    let begin = Away {
        since: context.measured,
        from_m: distance_m,
        farthest_m: distance_m,
        last: context.measured,
        last_m: distance_m,
        is_told: false,
    };
    let away = place.away.get_or_insert(begin);
    let gap_seconds = context.measured.millis_since(away.last) as f64 / 1000.0;
    if gap_seconds < 0.0 {
        return;
    }
    let is_walk = gap_seconds <= FIX_GAP_SECONDS_MAX as f64
        && distance_m - away.last_m <= gap_seconds * WALKING_METRES_PER_SECOND_MAX + f64::from(located.accuracy_m)
        && distance_m >= away.farthest_m - BACK_METRES;
    if !is_walk {
        *away = Away { is_told: away.is_told, ..begin };
    }
    away.farthest_m = away.farthest_m.max(distance_m);
    (away.last, away.last_m) = (context.measured, distance_m);
    let walked_seconds = context.measured.millis_since(away.since) / 1000;
    let after_seconds = subject.thresholds.wandering_after_seconds.unwrap_or(AFTER_SECONDS);
    let is_long = walked_seconds >= i64::from(after_seconds) && distance_m - away.from_m >= AWAY_METRES_MIN;
    if is_long && !away.is_told {
        away.is_told = true;
        findings.push(walked_away(context, (distance_m, radius_m), (walked_seconds, after_seconds)));
    }
}

fn tidy(state: &mut WearerState) {
    state.place.take_if(|place| place.outside.is_empty() && place.away.is_none());
}

fn out_at_night(context: &Context<'_>, exit: &Crossing) -> Finding {
    let offset = context.subject.utc_offset_minutes;
    let (_, minute) = local::day_and_minute(context.now, offset);
    let clock = format!("{:02}:{:02}", minute / 60, minute % 60);
    let (out_zh, out_en) = span(context.now.millis_since(exit.measured));
    let distance_m = exit.distance_m.abs();
    let told = Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![
            reading("distance", exit.distance_m, "m", Some(exit.measured)),
            reading("minute_of_day", minute as f64, "min", None),
        ],
        zh: format!("夜间 {clock} 仍在家庭围栏“{}”外：离开时界外 {distance_m:.0} 米，已离开 {out_zh}。", exit.fence),
        en: format!(
            "Outside the home fence \"{}\" at {clock}: {distance_m:.0} m outside when leaving, {out_en} ago.",
            exit.fence
        ),
    };
    let times = (exit.measured, context.late, context.now);
    finding(context.subject, IncidentKind::Wandering, Change::Raised, Priority::High, times, told)
}

fn walked_away(context: &Context<'_>, (distance_m, radius_m): (f64, f64), (walked, after): (i64, u32)) -> Finding {
    let (walked_zh, walked_en) = span(walked * 1000);
    let told = Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![
            reading("distance", distance_m, "m", Some(context.measured)),
            reading("usual_radius", radius_m, "m", None),
            reading("walked", walked as f64, "s", None),
            reading("threshold", f64::from(after), "s", None),
        ],
        zh: format!("在常去范围（{radius_m:.0} 米）外持续走远 {walked_zh}，离家 {distance_m:.0} 米。"),
        en: format!(
            "Walking away for {walked_en} beyond the usual radius of {radius_m:.0} m, {distance_m:.0} m from home."
        ),
    };
    let times = (context.measured, context.late, context.now);
    let found = finding(context.subject, IncidentKind::Wandering, Change::Raised, Priority::Medium, times, told);
    Finding { position: context.position(), ..found }
}

fn home_again(context: &Context<'_>, distance_m: f64) -> Finding {
    let told = Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![reading("distance", distance_m, "m", Some(context.measured))],
        zh: "已回到家附近。".to_owned(),
        en: "Near home again.".to_owned(),
    };
    let times = (context.measured, context.late, context.now);
    let found = finding(context.subject, IncidentKind::Wandering, Change::Cleared, Priority::Low, times, told);
    Finding { position: context.position(), ..found }
}
