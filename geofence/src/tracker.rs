//! When somebody is known to have gone out of a fence or come back, and not before (clinical.md, fence).
//!
//! - The first fix that says something only seeds.
//! - *Out*: outside by more than the margin and more than the fix's accuracy, twice running, or once and then
//!   beyond the margin for a minute. *Back*: inside the edge.
//! - A jump that no vehicle makes discredits that one fix; if the next one agrees with it, both are believed.
//! - A fix measured before the last one never counts, and neither does backfill: a fix that is much older on arrival
//!   than the last one was. (Much older *than the last one*: a device whose clock runs behind is still followed.)
//! - While the fence does not hold, the tracker follows in silence; when it holds again, somebody who stands outside
//!   is told of. No fix is never outside.

use model::{Crossing, CrossingDirection, Located, Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fence::CompiledFence;

/// So many sure fixes outside in a row are an exit.
const EXIT_FIXES: u8 = 2;
/// Or one, and then so long beyond the margin.
const EXIT_DWELL_MILLIS: u32 = 60_000;
/// The fastest that a wearer travels: a train on the high-speed line, metres a second.
const SPEED_METRES_PER_SECOND_MAX: f64 = 100.0;
/// A fix with a worse accuracy says nothing about an inside that is nearer to the edge than that.
const VAGUE_ACCURACY_METRES: f64 = 200.0;
/// A fix that is so much older on arrival than the last one was is backfill.
const BACKFILL_SECONDS: u32 = 300;

/// Where one wearer stands with regard to one fence. The default knows nothing. Part of the hot state: copied,
/// checkpointed, and there may be millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tracker {
    /// When the last believed fix was measured.
    measured: Timestamp,
    believed: Spot,
    /// A fix that nobody could have got to, and how long after the believed one it was measured.
    doubted: Spot,
    doubted_after_millis: u32,
    /// How old the last fix was when it came, seconds.
    lag_seconds: u32,
    /// How long ago, at the believed fix, the present run of fixes outside began.
    run_millis: u32,
    run_fixes: u8,
    phase: Phase,
    has_doubt: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Phase {
    #[default]
    Unknown,
    Inside,
    /// Outside since the first fix: nobody is told.
    SeededOutside,
    /// Outside, while the fence does not hold: told when it holds again.
    SilentOutside,
    /// Outside, and told.
    ToldOutside,
    /// Told, then the fence ceased to hold: told again when it holds again.
    LapsedOutside,
}

/// A place with its accuracy, packed: 10⁻⁷ degrees are a centimetre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Spot {
    lat_e7: i32,
    lon_e7: i32,
    accuracy_metres: u16,
}

/// What one fix says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Inside,
    /// Outside the edge, within the margin.
    Edge,
    /// Outside the margin, but not by more than the accuracy.
    Beyond,
    /// Outside by more than margin and accuracy.
    Outside,
    /// Nothing.
    Vague,
}

/// A fix with what it says.
#[derive(Debug, Clone, Copy)]
struct Evidence {
    located: Located,
    measured: Timestamp,
    distance_m: f64,
    place: Place,
}

impl Tracker {
    /// Takes a fix, `measured` as admitted and `now` when it is decided on. A crossing, if this fix makes it sure.
    pub fn handle(
        &mut self,
        fence: &CompiledFence,
        located: &Located,
        measured: Timestamp,
        now: Timestamp,
    ) -> Option<Crossing> {
        let measured = measured.min(now);
        let lag_seconds = u32::try_from(now.millis_since(measured) / 1000).unwrap_or(u32::MAX);
        let evidence = Evidence::new(fence, *located, measured);
        if self.phase == Phase::Unknown {
            self.seed(fence, &evidence, lag_seconds);
            return None;
        }
        if measured <= self.last_measured() || lag_seconds > self.lag_seconds.saturating_add(BACKFILL_SECONDS) {
            return None;
        }
        self.lag_seconds = lag_seconds;
        let after_believed = measured.millis_since(self.measured);
        if self.believed.reaches(located, after_believed, fence) {
            self.has_doubt = false;
            return self.believe(fence, &evidence);
        }
        let doubted = self.has_doubt.then_some((self.doubted, self.last_measured()));
        match doubted {
            Some((spot, at)) if spot.reaches(located, measured.millis_since(at), fence) => {
                self.has_doubt = false;
                let first = self.believe(fence, &Evidence::new(fence, spot.located(), at));
                let second = self.believe(fence, &evidence);
                // Out with the one and back with the other: nobody needs to hear of either.
                if first.is_some() && second.is_some() { None } else { second.or(first) }
            }
            _ => {
                self.has_doubt = true;
                self.doubted = Spot::new(located);
                self.doubted_after_millis = u32::try_from(after_believed).unwrap_or(u32::MAX);
                None
            }
        }
    }

    fn last_measured(&self) -> Timestamp {
        let after = if self.has_doubt { i64::from(self.doubted_after_millis) } else { 0 };
        self.measured.plus_millis(after)
    }

    fn seed(&mut self, fence: &CompiledFence, evidence: &Evidence, lag_seconds: u32) {
        self.phase = match evidence.place {
            Place::Inside | Place::Edge => Phase::Inside,
            Place::Outside if fence.is_active(evidence.measured) => Phase::SeededOutside,
            Place::Outside => Phase::SilentOutside,
            Place::Beyond | Place::Vague => return,
        };
        self.lag_seconds = lag_seconds;
        self.settle(evidence);
    }

    /// Follows a fix that is believed.
    fn believe(&mut self, fence: &CompiledFence, evidence: &Evidence) -> Option<Crossing> {
        let since_last = u32::try_from(evidence.measured.millis_since(self.measured)).unwrap_or(u32::MAX);
        self.settle(evidence);
        if self.phase == Phase::Inside {
            self.follow_inside(fence, evidence, since_last)
        } else {
            self.follow_outside(fence, evidence)
        }
    }

    fn settle(&mut self, evidence: &Evidence) {
        self.measured = evidence.measured;
        self.believed = Spot::new(&evidence.located);
    }

    fn follow_inside(&mut self, fence: &CompiledFence, evidence: &Evidence, since_last: u32) -> Option<Crossing> {
        if self.run_fixes > 0 {
            self.run_millis = self.run_millis.saturating_add(since_last);
        }
        match evidence.place {
            Place::Inside | Place::Edge => self.end_run(),
            Place::Outside => self.run_fixes = self.run_fixes.saturating_add(1),
            Place::Beyond | Place::Vague => {}
        }
        let has_dwelt = self.run_fixes > 0 && self.run_millis >= EXIT_DWELL_MILLIS;
        let is_out = self.run_fixes >= EXIT_FIXES || (has_dwelt && evidence.place != Place::Vague);
        if !is_out {
            return None;
        }
        let fixes = self.run_fixes;
        self.end_run();
        if fence.is_active(evidence.measured) {
            self.phase = Phase::ToldOutside;
            Some(evidence.crossing(fence, CrossingDirection::Exit, fixes))
        } else {
            self.phase = Phase::SilentOutside;
            None
        }
    }

    fn follow_outside(&mut self, fence: &CompiledFence, evidence: &Evidence) -> Option<Crossing> {
        if evidence.place == Place::Inside {
            let was_told = matches!(self.phase, Phase::ToldOutside | Phase::LapsedOutside);
            self.phase = Phase::Inside;
            return was_told.then(|| evidence.crossing(fence, CrossingDirection::Return, 1));
        }
        let is_active = fence.is_active(evidence.measured);
        match self.phase {
            Phase::SeededOutside if !is_active => self.phase = Phase::SilentOutside,
            Phase::ToldOutside if !is_active => self.phase = Phase::LapsedOutside,
            Phase::SilentOutside | Phase::LapsedOutside if is_active && evidence.place == Place::Outside => {
                self.phase = Phase::ToldOutside;
                return Some(evidence.crossing(fence, CrossingDirection::Exit, 1));
            }
            _ => {}
        }
        None
    }

    fn end_run(&mut self) {
        self.run_fixes = 0;
        self.run_millis = 0;
    }
}

impl Evidence {
    fn new(fence: &CompiledFence, located: Located, measured: Timestamp) -> Evidence {
        let distance_m = fence.signed_distance_m(located.position);
        let accuracy_m = f64::from(located.accuracy_m);
        let place = if distance_m > fence.margin_m() {
            if distance_m > accuracy_m { Place::Outside } else { Place::Beyond }
        } else if accuracy_m > VAGUE_ACCURACY_METRES && distance_m.abs() < accuracy_m {
            Place::Vague
        } else if distance_m < 0.0 {
            Place::Inside
        } else {
            Place::Edge
        };
        Evidence { located, measured, distance_m, place }
    }

    fn crossing(&self, fence: &CompiledFence, direction: CrossingDirection, fixes: u8) -> Crossing {
        Crossing {
            fence: fence.id().clone(),
            direction,
            distance_m: self.distance_m,
            margin_m: fence.margin_m(),
            fixes: u16::from(fixes),
            located: self.located,
            measured: self.measured,
        }
    }
}

impl Spot {
    fn new(located: &Located) -> Spot {
        Spot {
            lat_e7: (located.position.lat * 1e7).round() as i32,
            lon_e7: (located.position.lon * 1e7).round() as i32,
            accuracy_metres: located.accuracy_m.ceil() as u16,
        }
    }

    fn located(self) -> Located {
        let position = Position { lat: f64::from(self.lat_e7) / 1e7, lon: f64::from(self.lon_e7) / 1e7 };
        Located { position, accuracy_m: f32::from(self.accuracy_metres) }
    }

    /// Whether a vehicle gets from here to there in time; less than a second counts as one, both accuracies as way
    /// that need not be gone.
    fn reaches(self, there: &Located, millis: i64, fence: &CompiledFence) -> bool {
        let here = self.located();
        let metres = fence.frame.distance_m(here.position, there.position);
        let seconds = (millis as f64 / 1000.0).max(1.0);
        metres - f64::from(here.accuracy_m) - f64::from(there.accuracy_m) <= SPEED_METRES_PER_SECOND_MAX * seconds
    }
}
