//! Whether the wearer moves: minutes in which steps were taken or a way was covered. A set of minutes, so that the
//! order of arrival makes no difference.

use model::{Located, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ground::{is_surely_within, metres_between};

/// So many steps between two counts are motion.
const STEPS_MIN: u32 = 10;
/// A way between two fixes counts from here on, metres, and only beyond what both fixes leave open.
const WAY_METRES_MIN: f64 = 30.0;
/// Two fixes that are further apart in time say nothing about when the way was covered, seconds.
const FIX_GAP_SECONDS_MAX: i64 = 600;
/// How many minutes are remembered, the newest included.
const MINUTES_KEPT: u32 = u64::BITS;

/// The newest minutes with motion; before the first, since when one would have been noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Motion {
    /// The newest minute with motion, since 1970; while there is none, the first in which steps were counted; 0: none.
    newest: u32,
    /// Bit n: there was motion n minutes before the newest. 0: there was none.
    minutes: u64,
}

impl Motion {
    pub(crate) fn moved(&mut self, at: Timestamp) {
        let minute = minute_of(at);
        if self.minutes == 0 {
            (self.newest, self.minutes) = (minute, 1);
        } else if minute >= self.newest {
            self.minutes = self.minutes.checked_shl(minute - self.newest).unwrap_or(0) | 1;
            self.newest = minute;
        } else if self.newest - minute < MINUTES_KEPT {
            self.minutes |= 1 << (self.newest - minute);
        }
    }

    /// Steps were counted, none of them new: whoever does not move from now on does not move.
    pub(crate) fn watched(&mut self, at: Timestamp) {
        if self.minutes == 0 && (self.newest == 0 || minute_of(at) < self.newest) {
            self.newest = minute_of(at);
        }
    }

    /// Whether there was motion in a minute from that of `from` to the one before that of `to`: what belongs to the
    /// present minute may still be on its way.
    pub(crate) fn any_before(&self, from: Timestamp, to: Timestamp) -> bool {
        if self.minutes == 0 {
            return false;
        }
        let (from, to) = (minute_of(from), minute_of(to));
        let oldest = self.newest.saturating_sub(MINUTES_KEPT - 1);
        (from.max(oldest)..to.min(self.newest + 1)).any(|minute| self.minutes >> (self.newest - minute) & 1 == 1)
    }

    /// The beginning of the newest minute with motion, or of the one since when none was noticed.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        (self.newest != 0).then(|| Timestamp::from_millis(i64::from(self.newest) * 60_000))
    }
}

fn minute_of(at: Timestamp) -> u32 {
    u32::try_from(at.millis() / 60_000).unwrap_or(u32::MAX)
}

/// Whether a count of steps has grown, or begun anew at midnight and grown.
pub(crate) fn is_walk(before: u32, now: u32) -> bool {
    let taken = if now >= before { now - before } else { now };
    taken >= STEPS_MIN
}

/// Whether a way was covered between two fixes.
pub(crate) fn is_way(before: (Timestamp, Located), now: (Timestamp, Located)) -> bool {
    let ((earlier, from), (later, to)) = (before, now);
    let gap_seconds = later.millis_since(earlier) / 1000;
    if !(0..=FIX_GAP_SECONDS_MAX).contains(&gap_seconds) {
        return false;
    }
    let open = (f64::from(from.accuracy_m) + f64::from(to.accuracy_m)).max(WAY_METRES_MIN);
    !is_surely_within(from.position, to.position, open) && metres_between(from.position, to.position) >= open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis((1_000_000 + minute) * 60_000 + 7)
    }

    #[test]
    fn minutes_in_any_order() {
        let mut orders = [[3, 70, 69, 5], [70, 5, 3, 69], [5, 3, 69, 70], [69, 70, 5, 3]].map(|minutes| {
            let mut motion = Motion::default();
            minutes.into_iter().for_each(|minute| motion.moved(at(minute)));
            motion
        });
        // What lies further back than is kept is forgotten, in whichever order it came.
        orders.iter_mut().for_each(|motion| motion.moved(at(80)));
        assert!(orders.windows(2).all(|two| two[0] == two[1]));
        let motion = orders[0];
        assert!(motion.any_before(at(69), at(70)) && motion.any_before(at(60), at(90)));
        assert!(!motion.any_before(at(71), at(80)) && !motion.any_before(at(70), at(70)));
        assert!(!motion.any_before(at(0), at(17)));
        assert_eq!(motion.last(), Some(Timestamp::from_millis((1_000_000 + 80) * 60_000)));
    }
}
