//! When somebody is known to have gone out of a fence or come back, and not before (clinical.md, fence).
//!
//! - The first fix that says something only seeds.
//! - *Out*: outside by more than the margin and more than the fix's accuracy, twice running, or once and then beyond
//!   the margin for a minute; or once, and then nothing is heard for a minute and until the next fix is overdue. *Back*:
//!   inside the edge, surely or twice.
//! - Of a fence that is to be stayed out of, "inside" is where one is to be: anywhere else. *Out* is within its edge,
//!   twice or for a minute, or on the other side of it with nothing but the area between; *back* is beyond its margin.
//! - While the fence does not hold, the tracker follows in silence; when it holds again, what stands is looked at.
//! - No fix is never outside.

use model::{Crossing, CrossingDirection, FenceKind, Located, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fence::CompiledFence;

/// So many sure fixes outside in a row are an exit, so many inside a return.
const FIXES: u8 = 2;
/// Or one, and then so long.
const DWELL_MILLIS: i64 = 60_000;
/// If nothing else is heard, it is waited for the next fix so long beyond when it could be expected, and in all no longer
/// than that: a device that reports every five minutes is not silent after one.
const OVERDUE_MILLIS: i64 = 30_000;
const SILENCE_MILLIS_MAX: i64 = 600_000;
/// A fix with a worse accuracy says nothing about an inside that is nearer to the edge than that.
const VAGUE_ACCURACY_METRES: f64 = 200.0;
/// An exclusion may be narrower than a fix is exact: up to this accuracy, a place within its edge counts as it is.
const EXACT_ACCURACY_METRES: f64 = 50.0;
/// What was heard longer ago says nothing about where somebody stands when a schedule opens.
const STANDING_MILLIS_MAX: i64 = 3_600_000;

/// Where one wearer stands with regard to one fence. The default knows nothing. Part of the hot state: copied,
/// checkpointed, and there may be millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tracker {
    phase: Phase,
    /// How many fixes in a row agreed that it left, or is back.
    fixes: u8,
    /// Outside: somebody was told.
    is_told: bool,
    /// Outside: the fence began to hold, and what stands was not looked at since.
    has_opened: bool,
    /// Leaving and returning: when the first of these fixes was measured.
    since: Timestamp,
    /// When it wants to be asked, if nothing is heard; `LATEST`: not at all.
    due: Timestamp,
}

/// The states. For a fence that is to be stayed out of, read inside as where one is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Phase {
    #[default]
    Unknown,
    Inside,
    /// One fix was outside.
    Leaving,
    Outside,
    /// One fix was inside, but not surely.
    Returning,
}

/// Where a wearer stands with regard to a fence, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No fix has said anything about it yet.
    Unknown,
    /// Where they are to be, or not surely out of it yet.
    Inside,
    /// Out of it, or not surely back yet.
    Outside,
}

/// What one fix says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Inside, by more than the accuracy.
    Inside,
    /// Inside the edge.
    Within,
    /// Outside the edge, within the margin.
    Edge,
    /// Outside the margin, but not by more than the accuracy.
    Beyond,
    /// Outside by more than margin and accuracy.
    Outside,
    /// Nothing.
    Vague,
}

/// A believed fix, as one fence sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'a> {
    pub(crate) fence: &'a CompiledFence,
    pub(crate) located: &'a Located,
    pub(crate) measured: Timestamp,
    pub(crate) now: Timestamp,
    /// Signed metres to the edge.
    pub(crate) distance_m: f64,
    /// How long after the fix before it was measured; 0 for the first.
    pub(crate) pause_millis: i64,
    /// Whether a walker may have come here from the fix before, so that time alone can confirm it.
    pub(crate) is_by_foot: bool,
    /// Whether the way from the fix before led through the area.
    pub(crate) is_through: bool,
}

impl Default for Tracker {
    fn default() -> Tracker {
        Tracker {
            phase: Phase::Unknown,
            fixes: 0,
            is_told: false,
            has_opened: false,
            since: Timestamp::EPOCH,
            due: Timestamp::LATEST,
        }
    }
}

impl Tracker {
    /// One that knows that its wearer was nowhere near an exclusion.
    pub(crate) fn clear() -> Tracker {
        Tracker { phase: Phase::Inside, ..Tracker::default() }
    }

    /// Whether it says no more than [`Tracker::clear`].
    pub(crate) fn is_clear(&self) -> bool {
        self.phase == Phase::Inside
    }

    pub(crate) fn due(&self) -> Timestamp {
        self.due
    }

    pub(crate) fn standing(&self) -> Standing {
        match self.phase {
            Phase::Unknown => Standing::Unknown,
            Phase::Inside | Phase::Leaving => Standing::Inside,
            Phase::Outside | Phase::Returning => Standing::Outside,
        }
    }

    /// Follows a believed fix. A crossing, if this makes it sure.
    pub(crate) fn handle(&mut self, evidence: &Evidence<'_>) -> Option<Crossing> {
        if matches!(self.phase, Phase::Outside | Phase::Returning) && self.due <= evidence.now {
            self.open(evidence.fence, evidence.now);
        }
        let place = evidence.place();
        match self.phase {
            Phase::Unknown => {
                match place {
                    Place::Inside | Place::Within | Place::Edge => self.phase = Phase::Inside,
                    Place::Outside => self.go_out(evidence, false),
                    Place::Beyond | Place::Vague => {}
                }
                None
            }
            Phase::Inside => self.follow_inside(evidence, place),
            Phase::Leaving => self.follow_leaving(evidence, place),
            Phase::Outside | Phase::Returning => self.follow_outside(evidence, place),
        }
    }

    /// What is due by `now`, the last believed fix being `evidence`.
    pub(crate) fn advance(&mut self, evidence: &Evidence<'_>) -> Option<Crossing> {
        if self.due > evidence.now {
            return None;
        }
        self.due = Timestamp::LATEST;
        let place = evidence.place();
        match self.phase {
            Phase::Leaving if matches!(place, Place::Outside | Place::Beyond) => self.exit(evidence),
            Phase::Outside | Phase::Returning => {
                self.open(evidence.fence, evidence.now);
                let is_standing = evidence.now.millis_since(evidence.measured) <= STANDING_MILLIS_MAX;
                if is_standing && place == Place::Outside { self.tell_opened(evidence, evidence.now) } else { None }
            }
            _ => None,
        }
    }

    /// How far somebody can go from here before this tracker has anything to say; 0 where each fix counts.
    pub(crate) fn quiet_m(&self, fence: &CompiledFence, distance_m: f64) -> f64 {
        let (out_m, back_m) = thresholds(fence);
        let excess_m = excess(fence, distance_m);
        match self.phase {
            Phase::Inside => out_m - excess_m,
            Phase::Outside if !self.has_opened => excess_m - back_m,
            _ => 0.0,
        }
    }

    fn follow_inside(&mut self, evidence: &Evidence<'_>, place: Place) -> Option<Crossing> {
        if evidence.is_through {
            self.fixes = FIXES;
            return self.exit(evidence);
        }
        if place == Place::Outside {
            self.phase = Phase::Leaving;
            (self.fixes, self.since) = (1, evidence.measured);
            // By the server's time: a device whose clock runs behind is waited for, too.
            let wait = (evidence.pause_millis + OVERDUE_MILLIS).clamp(DWELL_MILLIS, SILENCE_MILLIS_MAX);
            self.due = if evidence.is_by_foot { evidence.now.plus_millis(wait) } else { Timestamp::LATEST };
        }
        None
    }

    fn follow_leaving(&mut self, evidence: &Evidence<'_>, place: Place) -> Option<Crossing> {
        let has_dwelt = evidence.measured.millis_since(self.since) >= DWELL_MILLIS;
        match place {
            Place::Inside | Place::Within | Place::Edge => *self = Tracker::clear(),
            Place::Outside => self.fixes = self.fixes.saturating_add(1),
            Place::Beyond | Place::Vague => {}
        }
        let is_out = self.fixes >= FIXES || (has_dwelt && place == Place::Beyond);
        if self.phase == Phase::Leaving && is_out { self.exit(evidence) } else { None }
    }

    fn follow_outside(&mut self, evidence: &Evidence<'_>, place: Place) -> Option<Crossing> {
        match place {
            Place::Inside => return self.come_back(evidence, 1),
            Place::Within if self.phase == Phase::Returning => return self.come_back(evidence, FIXES),
            Place::Within => self.phase = Phase::Returning,
            Place::Edge | Place::Beyond | Place::Outside => self.phase = Phase::Outside,
            Place::Vague => {}
        }
        if place == Place::Outside { self.tell_opened(evidence, evidence.measured) } else { None }
    }

    fn exit(&mut self, evidence: &Evidence<'_>) -> Option<Crossing> {
        let fixes = self.fixes;
        let is_told = evidence.fence.is_active(evidence.measured);
        self.go_out(evidence, is_told);
        is_told.then(|| evidence.crossing(false, fixes))
    }

    fn go_out(&mut self, evidence: &Evidence<'_>, is_told: bool) {
        let Evidence { fence, measured, now, .. } = *evidence;
        // It may have begun to hold while the fix was on its way.
        let has_opened = !is_told && !fence.is_active(measured) && fence.is_active(now);
        let due = next_opening(fence, now);
        *self = Tracker { phase: Phase::Outside, is_told, has_opened, due, ..Tracker::default() };
    }

    fn come_back(&mut self, evidence: &Evidence<'_>, fixes: u8) -> Option<Crossing> {
        let was_told = self.is_told;
        *self = Tracker::clear();
        was_told.then(|| evidence.crossing(true, fixes))
    }

    fn open(&mut self, fence: &CompiledFence, now: Timestamp) {
        self.has_opened = true;
        self.due = next_opening(fence, now);
    }

    /// Tells that somebody stands outside of a fence that began to hold, unless it ceased to in the meantime.
    fn tell_opened(&mut self, evidence: &Evidence<'_>, at: Timestamp) -> Option<Crossing> {
        if !std::mem::take(&mut self.has_opened) || !evidence.fence.is_active(at) {
            return None;
        }
        self.is_told = true;
        Some(evidence.crossing(false, 1))
    }
}

impl Evidence<'_> {
    fn place(&self) -> Place {
        let accuracy_m = f64::from(self.located.accuracy_m);
        let (out_m, back_m) = thresholds(self.fence);
        let excess_m = excess(self.fence, self.distance_m);
        if excess_m > out_m {
            let is_exact = self.fence.kind() == FenceKind::Exclusion && accuracy_m <= EXACT_ACCURACY_METRES;
            return if is_exact || excess_m > accuracy_m { Place::Outside } else { Place::Beyond };
        }
        if accuracy_m > VAGUE_ACCURACY_METRES && self.distance_m.abs() < accuracy_m {
            Place::Vague
        } else if excess_m >= back_m {
            Place::Edge
        } else if self.distance_m.abs() > accuracy_m {
            Place::Inside
        } else {
            Place::Within
        }
    }

    fn crossing(&self, is_back: bool, fixes: u8) -> Crossing {
        let direction = match (self.fence.kind(), is_back) {
            (FenceKind::Inclusion, false) => CrossingDirection::Exit,
            (FenceKind::Inclusion, true) => CrossingDirection::Return,
            (FenceKind::Exclusion, false) => CrossingDirection::Enter,
            (FenceKind::Exclusion, true) => CrossingDirection::Leave,
        };
        Crossing {
            fence: self.fence.id().clone(),
            direction,
            distance_m: self.distance_m,
            margin_m: self.fence.margin_m(),
            fixes: u16::from(fixes),
            located: *self.located,
            measured: self.measured,
        }
    }
}

/// Above which excess one is out, and below which one is back, metres.
fn thresholds(fence: &CompiledFence) -> (f64, f64) {
    match fence.kind() {
        FenceKind::Inclusion => (fence.margin_m(), 0.0),
        FenceKind::Exclusion => (0.0, -fence.margin_m()),
    }
}

/// How far somebody is where they are not to be, metres; negative where they are to be.
fn excess(fence: &CompiledFence, distance_m: f64) -> f64 {
    match fence.kind() {
        FenceKind::Inclusion => distance_m,
        FenceKind::Exclusion => -distance_m,
    }
}

fn next_opening(fence: &CompiledFence, after: Timestamp) -> Timestamp {
    fence.hours.and_then(|hours| hours.next_opening(after)).unwrap_or(Timestamp::LATEST)
}
