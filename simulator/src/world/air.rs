//! The way from a bracelet to the house: coverage that comes and goes, what was stored meanwhile, cells that delay,
//! repeat and reorder.

use crate::dice::Dice;
use crate::scenario::Backfill;
use crate::town::truth::{Ms, SECOND};
use crate::town::{Elder, Town};

/// How many reports a bracelet stores; of telemetry the oldest goes first, an alarm never.
const STORED_MAX: usize = 5_000;
/// Between two stored reports that are forwarded.
const FORWARD_EVERY: Ms = 5;
/// How often a bad cell holds a report back.
const DELAYED: f64 = 0.1;
/// For how long at most.
const DELAY_MAX: Ms = 80 * SECOND;
/// An alarm is sent again until it is acknowledged: held back no longer than this.
const ALARM_DELAY_MAX: Ms = 4 * SECOND;
/// How often any cell repeats a report, and how often a bad one.
const REPEATED: (f64, f64) = (0.004, 0.03);

/// A report on its way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parcel {
    /// Whose.
    pub elder: usize,
    /// Whether the cuff says it, else the bracelet.
    pub by_cuff: bool,
    /// Whether it is an alarm.
    pub alarm: bool,
    /// The JSON report.
    pub payload: String,
}

/// The air around one elder.
#[derive(Debug)]
pub struct Air {
    dice: Dice,
    stored: Vec<Parcel>,
}

impl Air {
    /// As the seed has it.
    #[must_use]
    pub fn new(town: &Town, elder: &Elder) -> Air {
        Air { dice: Dice::new(town.seed, &format!("air {}", elder.bracelet.id)), stored: Vec::new() }
    }

    /// A report leaves the device. When it arrives, as often as it does; nothing while it is stored.
    pub fn send(&mut self, elder: &Elder, parcel: Parcel, at: Ms) -> Vec<(Ms, Parcel)> {
        if elder.truth.unheard.contains(at) {
            if self.stored.len() >= STORED_MAX
                && let Some(oldest) = self.stored.iter().position(|stored| !stored.alarm)
            {
                self.stored.remove(oldest);
            }
            self.stored.push(parcel);
            return Vec::new();
        }
        let mut way = self.dice.between(60.0, 350.0) as Ms;
        if elder.has_bad_cell && self.dice.chance(DELAYED) {
            way += self.dice.between(0.0, if parcel.alarm { ALARM_DELAY_MAX } else { DELAY_MAX } as f64) as Ms;
        }
        let repeated = self.dice.chance(if elder.has_bad_cell { REPEATED.1 } else { REPEATED.0 });
        let again = elder.faults.repeats.iter().find(|(from, to, _)| (*from..*to).contains(&at));
        let times = again.map_or(1 + u32::from(repeated), |(_, _, times)| *times);
        let mut arrivals = Vec::with_capacity(times as usize);
        for time in 0..times {
            let later = if time == 0 { 0 } else { self.dice.between(500.0, 60_000.0) as Ms };
            arrivals.push((at + way + later, parcel.clone()));
        }
        arrivals
    }

    /// Coverage is back: everything that was stored, in the order that this device likes.
    pub fn forward(&mut self, elder: &Elder, at: Ms) -> Vec<(Ms, Parcel)> {
        let mut stored = std::mem::take(&mut self.stored);
        match elder.faults.backfill {
            Backfill::OldestFirst => {}
            Backfill::NewestFirst => stored.reverse(),
            Backfill::Shuffled => {
                for place in (1..stored.len()).rev() {
                    stored.swap(place, self.dice.below(place + 1));
                }
            }
        }
        let begin = at + self.dice.between(200.0, 2_000.0) as Ms;
        let every = |(number, parcel)| (begin + number as Ms * FORWARD_EVERY, parcel);
        stored.into_iter().enumerate().map(every).collect()
    }
}
