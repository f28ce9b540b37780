//! One wearer's fixes against all fences that are theirs: the trail of what is believed, a tracker for each fence, and
//! the distance that they may go before any of the fences need be looked at again.

use std::sync::Arc;

use model::{Crossing, FenceKind, Located, OrgPath, Timestamp};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::fence::CompiledFence;
use crate::tracker::{Evidence, Standing, Tracker};
use crate::trail::{Mark, Scale, Spot, Step, Trail};
use crate::zones::{ZoneKey, Zones};

/// The fastest that somebody is taken to have walked, metres a second: a fix that only a vehicle can have reached is
/// not confirmed by time alone, for it may have been a jump.
const FOOT_METRES_PER_SECOND_MAX: f32 = 15.0;
/// A straight line between two fixes farther apart in time than this is not taken for the way.
const WAY_MILLIS_MAX: i64 = 300_000;
/// Shared exclusions farther off than this are not looked at.
const ZONE_METRES: f64 = 1000.0;
/// The most that somebody may go without being looked at, metres.
const QUIET_METRES_MAX: f64 = 5000.0;
/// What is left of a quiet distance for the flatness of maps and for rounding.
const QUIET_SHARE: f64 = 0.9;
const QUIET_SPARE_METRES: f64 = 1.0;

/// The fences that are somebody's: their own and inherited ones, each with a tracker at the same index in [`Watch`],
/// and the exclusions that their organisation shares.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// Fences that are always followed.
    pub fences: &'a [Arc<CompiledFence>],
    /// Fences that are followed while somebody is near.
    pub zones: &'a Zones,
    /// To whom the shared ones must belong.
    pub org: &'a OrgPath,
}

/// Where one wearer stands. [`Watch::default`] knows nothing. Part of the hot state: checkpointed, and there may be
/// millions. What nearly every fix asks for stands first; where the trackers are, few look.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[repr(C)]
pub struct Watch {
    trail: Trail,
    quiet: Quiet,
    trackers: Vec<Tracker>,
    /// Those of shared exclusions that say more than that nobody is there.
    zones: Vec<(ZoneKey, Tracker)>,
}

/// Around where, how far, and until when nothing that is heard changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Quiet {
    around: Spot,
    scale: Scale,
    square_metres: f32,
    until: Timestamp,
}

/// A fix that is believed, with the one before it, ready to be held against each fence.
#[derive(Clone, Copy)]
struct Pace<'a> {
    before: Option<Mark>,
    located: &'a Located,
    spot: Spot,
    measured: Timestamp,
    now: Timestamp,
    is_by_foot: bool,
}

impl Watch {
    /// Takes a fix, `measured` as admitted and `now` when it is decided on. The crossings that it makes sure are
    /// appended in the order of the fences.
    #[inline]
    pub fn handle(
        &mut self,
        ground: &Ground<'_>,
        located: &Located,
        measured: Timestamp,
        now: Timestamp,
        crossings: &mut Vec<Crossing>,
    ) {
        if !self.pass(located, measured, now) {
            self.look(ground, located, measured, now, crossings);
        }
    }

    /// Takes a fix by which nothing can have changed, as mostly, without asking for the fences. `false`: it is none, and
    /// for [`Watch::handle`].
    #[inline]
    pub fn pass(&mut self, located: &Located, measured: Timestamp, now: Timestamp) -> bool {
        let spot = Spot::new(located);
        self.quiet.covers(spot, now) && self.trail.go_on(spot, measured, now, self.quiet.scale)
    }

    /// Looks at what [`Watch::pass`] will look at, and returns something that means nothing: whoever will ask many has
    /// them fetched side by side.
    #[must_use]
    pub fn foresee(&self) -> u64 {
        self.trail.foresee() ^ self.quiet.until.millis() as u64
    }

    /// When it wants to be asked, if nothing is heard.
    #[must_use]
    #[inline]
    pub fn next_due(&self) -> Option<Timestamp> {
        (self.quiet.until < Timestamp::LATEST).then_some(self.quiet.until)
    }

    /// The crossings that are sure by `now`, nothing having been heard.
    pub fn advance(&mut self, ground: &Ground<'_>, now: Timestamp, crossings: &mut Vec<Crossing>) {
        let Some(mark) = self.trail.believed() else { return };
        let located = mark.spot.located();
        let pace =
            Pace { before: None, located: &located, spot: mark.spot, measured: mark.measured, now, is_by_foot: true };
        let mut quiet_m = QUIET_METRES_MAX;
        for (fence, tracker) in ground.fences.iter().zip(&mut self.trackers) {
            let evidence = pace.evidence(fence);
            if tracker.due() <= now {
                crossings.extend(tracker.advance(&evidence));
            }
            quiet_m = quiet_m.min(tracker.quiet_m(fence, evidence.distance_m));
        }
        for (key, tracker) in &mut self.zones {
            match ground.zones.get(*key, ground.org) {
                Some(fence) if tracker.due() <= now => crossings.extend(tracker.advance(&pace.evidence(fence))),
                Some(_) => {}
                None => *tracker = Tracker::clear(),
            }
        }
        self.zones.retain(|(_, tracker)| !tracker.is_clear());
        self.settle(ground, &pace, quiet_m);
    }

    /// Where the wearer stands with regard to one of [`Ground::fences`].
    #[must_use]
    pub fn standing(&self, fence: usize) -> Standing {
        self.trackers.get(fence).map_or(Standing::Unknown, Tracker::standing)
    }

    /// Makes room for the fences that there are now. `before` says which one each of them was, if it is one that was
    /// there and has not changed: its tracker goes on.
    pub fn arrange(&mut self, before: impl IntoIterator<Item = Option<usize>>) {
        let trackers = before.into_iter().map(|index| index.and_then(|i| self.trackers.get(i).copied()));
        self.trackers = trackers.map(Option::unwrap_or_default).collect();
        self.look_again();
    }

    /// The next fix is held against every fence: the shared ones were edited.
    pub fn look_again(&mut self) {
        self.quiet = Quiet { scale: self.quiet.scale, until: self.quiet.until, ..Quiet::default() };
    }

    fn look(
        &mut self,
        ground: &Ground<'_>,
        located: &Located,
        measured: Timestamp,
        now: Timestamp,
        crossings: &mut Vec<Crossing>,
    ) {
        let step = self.trail.take(located, measured, now, self.quiet.scale);
        let Some(mark) = self.trail.believed() else { return };
        let pace = |before: Option<Mark>, located, mark: Mark| {
            let reaches = |before: Mark| {
                let millis = mark.measured.millis_since(before.measured);
                before.spot.reaches(mark.spot, millis, FOOT_METRES_PER_SECOND_MAX, self.quiet.scale)
            };
            let is_by_foot = before.is_none_or(reaches);
            Pace { before, located, spot: mark.spot, measured: mark.measured, now, is_by_foot }
        };
        match step {
            Step::Nothing => {}
            Step::First => self.follow(ground, &[pace(None, located, mark)], crossings),
            Step::Next(before) => self.follow(ground, &[pace(Some(before), located, mark)], crossings),
            Step::Both(before, doubted) => {
                let there = doubted.spot.located();
                let paces = [pace(Some(before), &there, doubted), pace(Some(doubted), located, mark)];
                self.follow(ground, &paces, crossings);
            }
        }
    }

    /// Holds one or two fixes against every fence.
    fn follow(&mut self, ground: &Ground<'_>, paces: &[Pace<'_>], crossings: &mut Vec<Crossing>) {
        self.trackers.resize(ground.fences.len(), Tracker::default());
        let mut quiet_m = QUIET_METRES_MAX;
        for (fence, tracker) in ground.fences.iter().zip(&mut self.trackers) {
            let (crossing, distance_m) = run(tracker, fence, paces);
            crossings.extend(crossing);
            quiet_m = quiet_m.min(tracker.quiet_m(fence, distance_m));
        }
        if !ground.zones.is_empty() || !self.zones.is_empty() {
            self.follow_zones(ground, paces, crossings);
        }
        if let Some(last) = paces.last() {
            self.settle(ground, last, quiet_m);
        }
    }

    fn follow_zones(&mut self, ground: &Ground<'_>, paces: &[Pace<'_>], crossings: &mut Vec<Crossing>) {
        for (key, tracker) in &mut self.zones {
            // One that was taken away, or does not hold for this wearer any more, is forgotten.
            match ground.zones.get(*key, ground.org) {
                Some(fence) => crossings.extend(run(tracker, fence, paces).0),
                None => *tracker = Tracker::clear(),
            }
        }
        let mut seen: SmallVec<[ZoneKey; 8]> = self.zones.iter().map(|(key, _)| *key).collect();
        for pace in paces {
            let from = pace.before.map_or(pace.located.position, |before| before.spot.located().position);
            for (key, fence) in ground.zones.near(ground.org, (from, pace.located.position), ZONE_METRES) {
                if seen.contains(&key) {
                    continue;
                }
                seen.push(key);
                let is_first = paces[0].before.is_none();
                let mut tracker = if is_first { Tracker::default() } else { Tracker::clear() };
                crossings.extend(run(&mut tracker, fence, paces).0);
                if !tracker.is_clear() {
                    self.zones.push((key, tracker));
                }
            }
        }
        self.zones.retain(|(_, tracker)| !tracker.is_clear());
    }

    /// How far from here, at most `quiet_m`, and until when, nothing can change.
    fn settle(&mut self, ground: &Ground<'_>, last: &Pace<'_>, mut quiet_m: f64) {
        let position = last.located.position;
        let mut until = self.trackers.iter().map(Tracker::due).fold(Timestamp::LATEST, Timestamp::min);
        if !self.zones.is_empty() {
            quiet_m = 0.0;
            until = self.zones.iter().map(|(_, tracker)| tracker.due()).fold(until, Timestamp::min);
        } else if !ground.zones.is_empty() {
            quiet_m = quiet_m.min(ZONE_METRES);
            for (_, fence) in ground.zones.near(ground.org, (position, position), ZONE_METRES) {
                quiet_m = quiet_m.min(Tracker::clear().quiet_m(fence, fence.signed_distance_m(position)));
            }
        }
        let quiet_m = (quiet_m * QUIET_SHARE - QUIET_SPARE_METRES) as f32;
        let square_metres = if quiet_m > 0.0 { quiet_m * quiet_m } else { -1.0 };
        self.quiet = Quiet { around: last.spot, scale: Scale::at(position), square_metres, until };
    }
}

impl Quiet {
    #[inline]
    fn covers(&self, spot: Spot, now: Timestamp) -> bool {
        self.around.square_metres(spot, self.scale) < self.square_metres && now < self.until
    }
}

/// Knows nothing yet: every fix counts.
impl Default for Quiet {
    fn default() -> Quiet {
        Quiet { around: Spot::default(), scale: Scale::default(), square_metres: -1.0, until: Timestamp::LATEST }
    }
}

impl Eq for Quiet {}

impl<'a> Pace<'a> {
    fn evidence(&self, fence: &'a CompiledFence) -> Evidence<'a> {
        let Pace { located, measured, now, is_by_foot, .. } = *self;
        let distance_m = fence.signed_distance_m(located.position);
        let is_through = fence.kind() == FenceKind::Exclusion && self.led_through(fence, distance_m);
        let pause_millis = self.before.map_or(0, |before| measured.millis_since(before.measured));
        Evidence { fence, located, measured, now, distance_m, pause_millis, is_by_foot, is_through }
    }

    /// Whether both ends of the way are surely outside of an exclusion, and it lies between them.
    fn led_through(&self, fence: &CompiledFence, distance_m: f64) -> bool {
        let Some(before) = self.before else { return false };
        let from = before.spot.located();
        let way_m = f64::from(before.spot.square_metres(self.spot, Scale::at(from.position)).sqrt());
        // Who goes less far than the area is off does not get there and away again.
        distance_m > f64::from(self.located.accuracy_m)
            && way_m > distance_m
            && self.measured.millis_since(before.measured) <= WAY_MILLIS_MAX
            && fence.signed_distance_m(from.position) > f64::from(from.accuracy_m)
            && fence.lies_between(from.position, self.located.position)
    }
}

/// What one fence's tracker makes of one or two fixes, and the distance of the last. Out with the one and back with the
/// other: nobody needs to hear of either.
fn run(tracker: &mut Tracker, fence: &CompiledFence, paces: &[Pace<'_>]) -> (Option<Crossing>, f64) {
    let (mut found, mut distance_m) = (None, f64::NAN);
    for pace in paces {
        let evidence = pace.evidence(fence);
        distance_m = evidence.distance_m;
        found = match (found, tracker.handle(&evidence)) {
            (Some(_), Some(_)) => None,
            (before, after) => after.or(before),
        };
    }
    (found, distance_m)
}
