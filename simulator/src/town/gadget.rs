//! A bracelet: it measures the truth through its faults and puts it into JSON reports. Receivers that drift and jump,
//! rooms without a fix, hearts that a swinging arm disturbs, clocks that are wrong.

use std::f64::consts::TAU;

use model::Datum;

use super::day::is_asleep;
use super::truth::{HOUR, Happens, MINUTE, Ms, Reading, SECOND};
use super::{Elder, Town};
use crate::dice::Dice;
use crate::neighbourhood::{Offset, shown_in};
use crate::scenario::{Habitude, Rhythm};

/// Between two fixes on the way.
pub const FIX_ON_THE_WAY: Ms = 15 * SECOND;
/// Between two looks at home.
pub const FIX_AT_HOME: Ms = 5 * MINUTE;
/// Between two heart rates by day.
pub const HEART_BY_DAY: Ms = MINUTE;
/// Between two heart rates by night.
pub const HEART_BY_NIGHT: Ms = 5 * MINUTE;
/// Between two counts of steps.
pub const STEPS: Ms = 5 * MINUTE;
/// Between two battery levels.
pub const BATTERY: Ms = 10 * MINUTE;
/// Between two readings of oxygen and temperature while they are special, else half an hour.
pub const VITALS_SPECIAL: Ms = MINUTE;
/// A sign of life of those who only do that.
pub const SPARSE: Ms = 6 * MINUTE;
/// How long after setting out the bracelet notices.
const NOTICES_WALK: Ms = 5 * SECOND;
/// Beyond this from home one is outdoors, metres.
const OUTDOORS_M: f64 = 25.0;
/// How often a fix indoors is none.
const NO_FIX_INDOORS: f64 = 0.6;
/// How often a fix is a wild one.
const JUMPS: f64 = 1.0 / 1_500.0;
/// How often a heart rate on the way is a wild one.
const SPIKES: f64 = 1.0 / 150.0;

/// What a bracelet measures, each in its own rhythm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sensor {
    /// Where.
    Fix,
    /// Heart rate.
    Heart,
    /// Steps.
    Steps,
    /// Battery, and whether it is worn.
    Battery,
    /// Oxygen and temperature.
    Vitals,
    /// Only that it is there.
    Alive,
}

/// One device's state of measuring.
#[derive(Debug)]
pub struct Gadget {
    dice: Dice,
    run: u64,
    count: u32,
    drift: Offset,
    jumps_done: usize,
    jumps_left: u32,
    jump: Offset,
    spiked: bool,
    worn: bool,
}

impl Gadget {
    /// One that has measured nothing.
    #[must_use]
    pub fn new(town: &Town, elder: &Elder) -> Gadget {
        Gadget {
            dice: Dice::new(town.seed, &format!("gadget {}", elder.bracelet.id)),
            run: town.seed,
            count: 0,
            drift: Offset::default(),
            jumps_done: 0,
            jumps_left: 0,
            jump: Offset::default(),
            spiked: false,
            worn: true,
        }
    }

    /// When each sensor measures first: nobody's devices are in step with another's.
    pub fn first(&mut self, elder: &Elder) -> Vec<(Sensor, Ms)> {
        let mut within = |most: Ms| self.dice.between(0.02, 1.0).mul_add(most as f64, 0.0) as Ms;
        if elder.rhythm == Rhythm::Sparse {
            return vec![(Sensor::Alive, within(SPARSE))];
        }
        let mut sensors = vec![
            (Sensor::Fix, within(MINUTE)),
            (Sensor::Heart, within(HEART_BY_DAY)),
            (Sensor::Steps, within(STEPS)),
            (Sensor::Battery, within(MINUTE)),
        ];
        if measures_vitals(elder) {
            sensors.push((Sensor::Vitals, within(MINUTE)));
        }
        sensors
    }

    /// Measures. What is to be sent, and when this sensor measures next.
    pub fn measure(&mut self, elder: &Elder, start: i64, sensor: Sensor, at: Ms) -> (Vec<String>, Ms) {
        if elder.truth.dead.contains(at) {
            return (Vec::new(), at + 5 * MINUTE);
        }
        let truth = &elder.truth;
        let asleep = is_asleep(start, at);
        match sensor {
            Sensor::Fix => self.measure_place(elder, start, at),
            Sensor::Heart => {
                let said = if truth.is_worn(at) {
                    let bpm = self.heart_rate(truth.heart_rate(at, asleep), truth.path.is_moving(at));
                    vec![self.report(elder, start, at, "heart_rate", &format!(r#","bpm":{bpm}"#))]
                } else {
                    Vec::new()
                };
                (said, at + if asleep { HEART_BY_NIGHT } else { HEART_BY_DAY })
            }
            Sensor::Steps => {
                let count = truth.steps(at).floor();
                (vec![self.report(elder, start, at, "steps", &format!(r#","count":{count}"#))], at + STEPS)
            }
            Sensor::Battery => self.measure_battery(elder, start, at),
            Sensor::Vitals => self.measure_vitals(elder, start, at),
            Sensor::Alive => (vec![self.report(elder, start, at, "alive", "")], at + SPARSE),
        }
    }

    /// What the bracelet says about a moment, and what it says of it later.
    pub fn tell(&mut self, elder: &Elder, start: i64, at: Ms, what: Happens) -> Vec<(Ms, String)> {
        match what {
            Happens::Press => vec![(at, self.alarm(elder, start, at, "sos", ""))],
            Happens::Fall => vec![(at, self.alarm(elder, start, at, "fall", r#","confidence":0.8"#))],
            Happens::FalseFall { cancelled_after } => {
                let mut said = vec![(at, self.alarm(elder, start, at, "fall", r#","confidence":0.5"#))];
                if let Some(after) = cancelled_after {
                    said.push((at + after, self.report(elder, start, at + after, "fall_cancel", "")));
                } else {
                    // A bracelet that believed in a fall counts steps at once, to tell whether it was one.
                    for after in [20 * SECOND, 40 * SECOND] {
                        let count = elder.truth.steps(at + after).floor();
                        let text = self.report(elder, start, at + after, "steps", &format!(r#","count":{count}"#));
                        said.push((at + after, text));
                    }
                }
                said
            }
            Happens::Cuff(reading) => vec![(at, self.cuff(elder, start, at, &reading))],
            Happens::Bedside { per_minute, confused } => {
                let level = if confused { "confused" } else { "alert" };
                vec![
                    (at, self.report(elder, start, at, "respiration", &format!(r#","rpm":{per_minute}"#))),
                    (at, self.report(elder, start, at, "consciousness", &format!(r#","level":"{level}""#))),
                ]
            }
        }
    }

    fn measure_place(&mut self, elder: &Elder, start: i64, at: Ms) -> (Vec<String>, Ms) {
        let truth = &elder.truth;
        let place = truth.path.at(at);
        let moving = truth.path.is_moving(at);
        let outdoors = moving || place.length() > OUTDOORS_M;
        let next = if outdoors {
            at + FIX_ON_THE_WAY
        } else {
            let noticed = truth.path.next_departure(at).map_or(Ms::MAX, |departure| departure + NOTICES_WALK);
            (at + FIX_AT_HOME).min(noticed.max(at + SECOND))
        };
        let jumps = self.jump_at(elder, at, outdoors);
        let blind = truth.no_fix.contains(at) || (!outdoors && self.dice.chance(NO_FIX_INDOORS));
        if blind && !jumps {
            return (vec![self.report(elder, start, at, "alive", "")], next);
        }
        let (seen, accuracy) = self.seen(place, outdoors, jumps);
        let members = position(elder, seen, accuracy);
        (vec![self.report(elder, start, at, "location", &members)], next)
    }

    /// Whether this fix is a wild one, by the scenario or by itself.
    fn jump_at(&mut self, elder: &Elder, at: Ms, outdoors: bool) -> bool {
        if let Some(&(from, by_m, fixes)) = elder.faults.jumps.get(self.jumps_done)
            && from <= at
        {
            self.jumps_done += 1;
            self.jumps_left = fixes;
            self.jump = Offset::polar(by_m, self.dice.between(0.0, TAU));
        }
        if self.jumps_left > 0 {
            self.jumps_left -= 1;
            return true;
        }
        let jumps = self.dice.chance(if outdoors { JUMPS } else { JUMPS / 2.0 });
        if jumps {
            self.jump = Offset::polar(self.dice.between(400.0, 3_000.0), self.dice.between(0.0, TAU));
        }
        jumps
    }

    /// Where the receiver believes to be, and how exactly it believes so.
    fn seen(&mut self, place: Offset, outdoors: bool, jumps: bool) -> (Offset, f64) {
        // Errors of one receiver are alike from one fix to the next: they drift.
        let (spread, memory) = if outdoors { (1.8, 0.9) } else { (9.0, 0.7) };
        self.drift = Offset {
            east: self.drift.east * memory + self.dice.around(0.0, spread),
            north: self.drift.north * memory + self.dice.around(0.0, spread),
        };
        let accuracy = if outdoors { self.dice.between(4.0, 12.0) } else { self.dice.between(25.0, 60.0) };
        let jump = if jumps { self.jump } else { Offset::default() };
        // A wild fix under a roof is the cell's, and says how vague it is; under the sky it is an echo, and does not.
        let accuracy = if jumps && !outdoors { jump.length() * 1.2 } else { accuracy };
        let seen = Offset {
            east: place.east + self.drift.east + jump.east,
            north: place.north + self.drift.north + jump.north,
        };
        (seen, accuracy)
    }

    fn heart_rate(&mut self, truly: f64, moving: bool) -> u16 {
        let disturbed = moving && !self.spiked && self.dice.chance(SPIKES);
        self.spiked = disturbed;
        let noise = self.dice.around(0.0, 1.5).clamp(-4.0, 4.0);
        (truly + noise + if disturbed { 55.0 } else { 0.0 }).clamp(25.0, 230.0).round() as u16
    }

    fn measure_battery(&mut self, elder: &Elder, start: i64, at: Ms) -> (Vec<String>, Ms) {
        let mut said = Vec::new();
        let worn = !elder.truth.off_wrist.contains(at);
        if worn != self.worn {
            self.worn = worn;
            said.push(self.report(elder, start, at, "wear", &format!(r#","on":{worn}"#)));
        }
        let percent = elder.truth.battery(at).round();
        said.push(self.report(elder, start, at, "battery", &format!(r#","pct":{percent}"#)));
        // Taking it off is noticed at once.
        let edges = elder.truth.off_wrist.iter().flat_map(|(from, to)| [from, to]);
        let edge = edges.filter(|edge| *edge > at).min().map_or(Ms::MAX, |edge| edge + 2 * SECOND);
        (said, (at + BATTERY).min(edge))
    }

    fn measure_vitals(&mut self, elder: &Elder, start: i64, at: Ms) -> (Vec<String>, Ms) {
        let (oxygen, temperature) = (&elder.truth.oxygen, &elder.truth.temperature);
        let mut said = Vec::new();
        if elder.truth.is_worn(at) {
            let percent =
                (oxygen.special(at).unwrap_or(oxygen.usual) + self.dice.around(0.0, 0.4)).clamp(50.0, 100.0).round();
            said.push(self.report(elder, start, at, "spo2", &format!(r#","pct":{percent}"#)));
            let celsius = temperature.special(at).unwrap_or(temperature.usual) + self.dice.around(0.0, 0.05);
            let celsius = (celsius * 10.0).round() / 10.0;
            said.push(self.report(elder, start, at, "temperature", &format!(r#","celsius":{celsius}"#)));
        }
        // It watches closely from when something is odd.
        let odd = |from: Ms, to: Ms| from <= at + VITALS_SPECIAL && at < to + 5 * MINUTE;
        let closely = oxygen.specials().chain(temperature.specials()).any(|(from, to, _)| odd(from, to));
        let begins = oxygen.specials().chain(temperature.specials()).map(|(from, _, _)| from).filter(|f| *f > at).min();
        let next = at + if closely { VITALS_SPECIAL } else { HOUR / 2 };
        (said, next.min(begins.map_or(Ms::MAX, |begins| begins.max(at + SECOND))))
    }

    fn cuff(&mut self, elder: &Elder, start: i64, at: Ms, reading: &Reading) -> String {
        let noise = self.dice.around(0.0, 0.8).clamp(-2.0, 2.0);
        let more = if reading.badly { 40.0 } else { 0.0 };
        let systolic = (f64::from(reading.systolic) + noise + more).round();
        let diastolic = (f64::from(reading.diastolic) + noise / 2.0 + more / 2.0).round();
        let pulse = elder.truth.heart_rate(at, false).round();
        let bits =
            [(reading.badly, 1 | 2 | 32), (reading.irregular, 4), (reading.standing, 256), (reading.sitting, 512)];
        let flags: u16 = bits.iter().filter(|(is, _)| *is).map(|(_, bits)| bits).sum();
        let members = format!(r#","sys":{systolic},"dia":{diastolic},"pulse":{pulse},"flags":{flags}"#);
        self.report(elder, start, at, "blood_pressure", &members)
    }

    /// An alarm carries the place if there is one.
    fn alarm(&mut self, elder: &Elder, start: i64, at: Ms, kind: &str, members: &str) -> String {
        let place = elder.truth.path.at(at);
        if elder.truth.no_fix.contains(at) {
            return self.report(elder, start, at, kind, members);
        }
        let (seen, accuracy) = self.seen(place, place.length() > OUTDOORS_M, false);
        self.report(elder, start, at, kind, &format!("{members}{}", position(elder, seen, accuracy)))
    }

    fn report(&mut self, elder: &Elder, start: i64, at: Ms, kind: &str, members: &str) -> String {
        self.count += 1;
        let time = start + at + skew(elder, at);
        format!(r#"{{"type":"{kind}","id":"{}-{}","t":{time}{members}}}"#, self.run, self.count)
    }
}

/// Whether oxygen and temperature are measured: of who has a restless heart, and of whom something befalls.
#[must_use]
pub fn measures_vitals(elder: &Elder) -> bool {
    let is_special = elder.truth.oxygen.specials().chain(elder.truth.temperature.specials()).next().is_some();
    elder.persona == Habitude::Cardiac || is_special
}

/// How much the clock is ahead at a time.
#[must_use]
pub fn skew(elder: &Elder, at: Ms) -> Ms {
    elder.faults.skew.iter().rev().find(|(from, _)| *from <= at).map_or(0, |(_, skew)| *skew)
}

fn position(elder: &Elder, seen: Offset, accuracy: f64) -> String {
    let datum = elder.bracelet.datum;
    let shown = shown_in(seen.from_home(elder.home), datum);
    let datum = if datum == Datum::Wgs84 { "" } else { r#","datum":"gcj02""# };
    format!(r#","lat":{:.6},"lon":{:.6},"acc":{accuracy:.0}{datum}"#, shown.lat, shown.lon)
}
