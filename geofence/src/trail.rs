//! Which of a wearer's fixes are believed, whatever the fences.
//!
//! - A jump that no vehicle makes discredits that one fix; if the next one agrees with it, both are believed.
//! - A fix measured before the last one never counts, and neither does backfill: a fix that is much older on arrival
//!   than the last one was. (Much older *than the last one*: a device whose clock runs behind is still followed.)

use model::{Located, Position, Timestamp};
use serde::{Deserialize, Serialize};

/// The fastest that a wearer travels: a train on the high-speed line, metres a second.
const SPEED_METRES_PER_SECOND_MAX: f32 = 100.0;
/// A fix that is so much older on arrival than the last one was is backfill.
const BACKFILL_SECONDS: u32 = 300;
/// Metres of 10⁻⁷ degrees of latitude at the poles, where they are longest; along the equator they are less.
const METRES_PER_E7_MAX: f32 = 0.011_17;
const DEGREE_E7: f64 = 1e7;

/// A place with its accuracy, packed: 10⁻⁷ degrees are a centimetre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Spot {
    lat_e7: i32,
    lon_e7: i32,
    accuracy_metres: u16,
}

/// The fixes of one wearer, as far as they are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Trail {
    /// When the last believed fix was measured.
    measured: Timestamp,
    believed: Spot,
    /// A fix that nobody could have got to, and how long after the believed one it was measured.
    doubted: Spot,
    doubted_after_millis: u32,
    /// How old the last fix was when it came, seconds.
    lag_seconds: u32,
    has_doubt: bool,
    has_begun: bool,
}

/// What became of a fix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    /// It is history, or doubted.
    Nothing,
    /// It is the first.
    First,
    /// It is believed, and follows this one.
    Next(Mark),
    /// It is believed, and the one that was doubted before it too; that one follows the first of these.
    Both(Mark, Mark),
}

/// A believed fix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mark {
    pub(crate) spot: Spot,
    pub(crate) measured: Timestamp,
}

impl Trail {
    /// Takes a fix if nothing is special about it: newer than the last, within reach of it, none in doubt, and not
    /// backfill. Otherwise it is for [`Trail::take`].
    #[inline]
    pub(crate) fn go_on(&mut self, spot: Spot, measured: Timestamp, now: Timestamp, scale: Scale) -> bool {
        let (after_believed, lag_millis) = (measured.millis_since(self.measured), now.millis_since(measured));
        let is_plain = self.has_begun
            & !self.has_doubt
            & (after_believed > 0)
            & (lag_millis >= 0)
            & (lag_millis < i64::from(self.lag_seconds.saturating_add(BACKFILL_SECONDS)) * 1000);
        if !is_plain || !self.believed.reaches(spot, after_believed, SPEED_METRES_PER_SECOND_MAX, scale) {
            return false;
        }
        self.lag_seconds = (lag_millis as u64 / 1000) as u32;
        (self.measured, self.believed) = (measured, spot);
        true
    }

    pub(crate) fn foresee(&self) -> u64 {
        self.measured.millis() as u64
    }

    /// Takes a fix. `scale` is for the neighbourhood of the last believed one.
    pub(crate) fn take(&mut self, located: &Located, measured: Timestamp, now: Timestamp, scale: Scale) -> Step {
        let measured = measured.min(now);
        let lag_seconds = u32::try_from(now.millis_since(measured) / 1000).unwrap_or(u32::MAX);
        let spot = Spot::new(located);
        if !self.has_begun {
            *self = Trail { measured, believed: spot, lag_seconds, has_begun: true, ..Trail::default() };
            return Step::First;
        }
        if measured <= self.last_measured() || lag_seconds > self.lag_seconds.saturating_add(BACKFILL_SECONDS) {
            return Step::Nothing;
        }
        self.lag_seconds = lag_seconds;
        let after_believed = measured.millis_since(self.measured);
        let before = self.last();
        if self.believed.reaches(spot, after_believed, SPEED_METRES_PER_SECOND_MAX, scale) {
            self.believe(spot, measured);
            return Step::Next(before);
        }
        if self.has_doubt {
            let (doubted, at) = (self.doubted, self.last_measured());
            if doubted.reaches(spot, measured.millis_since(at), SPEED_METRES_PER_SECOND_MAX, scale) {
                self.believe(spot, measured);
                return Step::Both(before, Mark { spot: doubted, measured: at });
            }
        }
        self.has_doubt = true;
        self.doubted = spot;
        self.doubted_after_millis = u32::try_from(after_believed).unwrap_or(u32::MAX);
        Step::Nothing
    }

    /// The last believed fix, to the centimetre; `None` before the first.
    pub(crate) fn believed(&self) -> Option<Mark> {
        self.has_begun.then(|| self.last())
    }

    fn last(&self) -> Mark {
        Mark { spot: self.believed, measured: self.measured }
    }

    fn believe(&mut self, spot: Spot, measured: Timestamp) {
        self.measured = measured;
        self.believed = spot;
        self.has_doubt = false;
    }

    fn last_measured(&self) -> Timestamp {
        if self.has_doubt { self.measured.plus_millis(i64::from(self.doubted_after_millis)) } else { self.measured }
    }
}

impl Spot {
    #[inline]
    pub(crate) fn new(located: &Located) -> Spot {
        // Added to so large a number, what stands below the point is rounded away, and the lowest bits are the integer.
        const LAST_BIT_IS_ONE: f64 = 6_755_399_441_055_744.0;
        let e7 = |degrees: f64| (degrees * DEGREE_E7 + LAST_BIT_IS_ONE).to_bits() as i32;
        Spot {
            lat_e7: e7(located.position.lat),
            lon_e7: e7(located.position.lon),
            accuracy_metres: (located.accuracy_m + 0.999) as u16,
        }
    }

    pub(crate) fn located(self) -> Located {
        let position = Position { lat: f64::from(self.lat_e7) / DEGREE_E7, lon: f64::from(self.lon_e7) / DEGREE_E7 };
        Located { position, accuracy_m: f32::from(self.accuracy_metres) }
    }

    /// Whether one gets from here to there in time at a speed; less than a second counts as one, both accuracies as
    /// way that need not be gone.
    #[inline]
    pub(crate) fn reaches(self, there: Spot, millis: i64, metres_per_second: f32, scale: Scale) -> bool {
        let seconds = if millis > 1000 { millis as f32 / 1000.0 } else { 1.0 };
        let blur = f32::from(self.accuracy_metres) + f32::from(there.accuracy_metres);
        let way = metres_per_second * seconds + blur;
        self.square_metres(there, scale) <= way * way
    }

    /// The square of the way from here to there, at most 1 % too short or too long anywhere between.
    #[inline]
    pub(crate) fn square_metres(self, there: Spot, scale: Scale) -> f32 {
        const ROUND_E7: i64 = 3_600_000_000;
        let mut lon_e7 = i64::from(there.lon_e7) - i64::from(self.lon_e7);
        if lon_e7.abs() > ROUND_E7 / 2 {
            lon_e7 -= lon_e7.signum() * ROUND_E7;
        }
        let north = (i64::from(there.lat_e7) - i64::from(self.lat_e7)) as f32 * METRES_PER_E7_MAX;
        let east = lon_e7 as f32 * scale.metres_per_e7_east;
        north * north + east * east
    }
}

/// How long 10⁻⁷ degrees of longitude are in some place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scale {
    metres_per_e7_east: f32,
}

impl Scale {
    pub(crate) fn at(position: Position) -> Scale {
        Scale { metres_per_e7_east: METRES_PER_E7_MAX * position.lat.to_radians().cos() as f32 }
    }
}

impl Default for Scale {
    fn default() -> Scale {
        Scale { metres_per_e7_east: METRES_PER_E7_MAX }
    }
}
