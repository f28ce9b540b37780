//! The daily rhythm of an elder, and what befalls them by their persona: the truth before any scenario's deed.

use std::f64::consts::TAU;

use crate::dice::Dice;
use crate::neighbourhood::Offset;
use crate::scenario::{ElderPlan, Habitude, Scenario};

use super::truth::{BUCKET, HOUR, Happens, Level, MINUTE, Moment, Ms, Path, Reading, SECOND, Spans, Truth};

/// East of UTC, minutes: where the town stands.
const UTC_OFFSET_MINUTES: i64 = 480;
/// Who gets up, minute of the day.
const UP_MINUTE: i64 = 5 * 60 + 30;
/// Who goes to bed.
const BED_MINUTE: i64 = 22 * 60;
/// Walks begin within these, minute of the day.
const WALKS: std::ops::Range<i64> = 6 * 60..20 * 60;
/// What charging brings, percent an hour.
const CHARGE_PER_HOUR: f64 = 45.0;
/// Below this a bracelet is dead, percent.
const DEAD_PERCENT: f64 = 1.0;
/// How long before and after what befalls somebody they do not walk, so that one story is one.
const APART: Ms = 25 * MINUTE;

/// What a day is made from.
pub struct Day<'a> {
    plan: &'a ElderPlan,
    /// Milliseconds since 1970 of the beginning.
    start: i64,
    duration: Ms,
    /// Whether anything happens by itself.
    befalls: bool,
}

/// The minute of the day, 0–1 439.
#[must_use]
pub fn local_minute(start_millis: i64, at: Ms) -> i64 {
    ((start_millis + at).div_euclid(MINUTE) + UTC_OFFSET_MINUTES).rem_euclid(1440)
}

/// Whether most are asleep.
#[must_use]
pub fn is_asleep(start_millis: i64, at: Ms) -> bool {
    !(UP_MINUTE..BED_MINUTE).contains(&local_minute(start_millis, at))
}

impl<'a> Day<'a> {
    /// Of one elder in a scenario. To those whom it names nothing happens that it does not say.
    #[must_use]
    pub fn new(plan: &'a ElderPlan, scenario: &Scenario, is_named: bool) -> Day<'a> {
        let befalls = scenario.town.incidents && !is_named;
        Day { plan, start: scenario.start.millis(), duration: scenario.duration_ms(), befalls }
    }

    /// Throws the dice for all of it.
    pub fn live(&self, dice: &mut Dice) -> Truth {
        let mut truth = Truth {
            path: Path::new(at_home(dice)),
            heart: Level::new(dice.between(60.0, 80.0)),
            oxygen: Level::new(dice.between(96.0, 98.5)),
            temperature: Level::new(dice.between(36.2, 36.8)),
            off_wrist: Spans::default(),
            charging: Spans::default(),
            unheard: Spans::default(),
            dead: Spans::default(),
            no_fix: Spans::default(),
            still: Spans::default(),
            pottering: Vec::new(),
            battery: Vec::new(),
            moments: Vec::new(),
        };
        let mut busy = Spans::default();
        if self.befalls {
            self.befall(&mut truth, &mut busy, dice);
        }
        self.walk(&mut truth, &busy, dice);
        self.measure(&mut truth, dice);
        self.charge(&mut truth, dice);
        self.potter(&mut truth, dice);
        truth.moments.sort_by_key(|moment| moment.at);
        truth
    }

    /// What happens by itself, at most one thing to one elder: 1 in 8 on a day.
    fn befall(&self, truth: &mut Truth, busy: &mut Spans, dice: &mut Dice) {
        let days = self.duration as f64 / (24.0 * HOUR as f64);
        if self.duration < 3 * HOUR || !dice.chance((0.125 * days).min(0.8)) {
            return;
        }
        let at = dice.between(HOUR as f64, (self.duration - 2 * HOUR) as f64) as Ms;
        busy.add(at - APART, at + HOUR + APART);
        let moment = |what| Moment { at, what };
        let high = |dice: &mut Dice| Reading {
            systolic: dice.between(188.0, 205.0) as u16,
            diastolic: dice.between(100.0, 116.0) as u16,
            badly: false,
            irregular: false,
            standing: false,
            sitting: false,
        };
        match (self.plan.persona, dice.below(10)) {
            (Habitude::Wanderer, 0..=6) => {
                let direction = dice.between(0.0, TAU);
                let away = Offset::polar(self.plan.fence_radius_m + dice.between(150.0, 500.0), direction);
                let home = at_home(dice);
                let there = truth.path.go(at, away, dice.between(0.9, 1.4));
                let back = there + dice.between(5.0, 20.0) as Ms * MINUTE;
                let end = truth.path.go(back, home, 1.2);
                busy.add(at, end + APART);
            }
            (Habitude::Cardiac, 0..=5) => truth.heart.set(at, at + 25 * MINUTE, dice.between(134.0, 150.0)),
            (Habitude::Cardiac, 6) => truth.oxygen.set(at, at + 15 * MINUTE, dice.between(84.0, 88.0)),
            (Habitude::Hypertensive, 0..=6) => {
                truth.moments.push(moment(Happens::Cuff(high(dice))));
                truth.moments.push(Moment { at: at + 100 * SECOND, what: Happens::Cuff(high(dice)) });
            }
            (Habitude::CarelessCharger, 0..=6) => truth.off_wrist.add(at, at + 50 * MINUTE),
            (_, 7) => truth.moments.push(moment(Happens::Press)),
            (_, 8) => {
                truth.still.add(at, at + 30 * MINUTE);
                truth.moments.push(moment(Happens::Fall));
            }
            (_, 9) => truth.moments.push(moment(Happens::FalseFall { cancelled_after: Some(15 * SECOND) })),
            _ => truth.unheard.add(at, at + dice.between(4.0, 55.0) as Ms * MINUTE),
        }
    }

    /// Rounds for pleasure, within the fence, some of them along its very edge.
    fn walk(&self, truth: &mut Truth, busy: &Spans, dice: &mut Dice) {
        let (per_hour, reach) = match self.plan.persona {
            Habitude::Walker => (0.3, 0.97),
            Habitude::Hypertensive | Habitude::Wanderer => (0.12, 0.7),
            Habitude::Cardiac | Habitude::CarelessCharger => (0.08, 0.6),
            Habitude::Homebody => (0.04, 0.4),
        };
        let mut hour = 0;
        while hour < self.duration {
            let at = hour + dice.between(0.0, HOUR as f64) as Ms;
            hour += HOUR;
            let sets_out = dice.chance(per_hour);
            let is_day = WALKS.contains(&local_minute(self.start, at));
            if !sets_out || !is_day || at < truth.path.end() || busy.touches(at - APART, at + HOUR + APART) {
                continue;
            }
            let speed = dice.between(0.7, 1.2);
            let turn = dice.between(0.0, TAU);
            let mut time = at;
            for corner in 0..3 + dice.below(4) {
                let distance = dice.between(0.3, reach) * self.plan.fence_radius_m;
                time = truth.path.go(time, Offset::polar(distance, turn + 0.8 * corner as f64), speed);
            }
            truth.path.go(time, at_home(dice), speed);
        }
    }

    /// Morning and evening, whoever has a pressure to watch.
    fn measure(&self, truth: &mut Truth, dice: &mut Dice) {
        if self.plan.persona != Habitude::Hypertensive {
            return;
        }
        let mut at = dice.between(5.0, 40.0) as Ms * MINUTE;
        while at < self.duration {
            let minute = local_minute(self.start, at);
            if (7 * 60..9 * 60).contains(&minute) || (19 * 60..21 * 60).contains(&minute) {
                let reading = Reading {
                    systolic: dice.around(136.0, 5.0).clamp(118.0, 160.0) as u16,
                    diastolic: dice.around(80.0, 3.0).clamp(66.0, 92.0) as u16,
                    badly: false,
                    irregular: false,
                    standing: false,
                    sitting: false,
                };
                truth.moments.push(Moment { at, what: Happens::Cuff(reading) });
                at += 8 * HOUR;
            }
            at += 30 * MINUTE;
        }
    }

    /// Bracelets are charged in the evening; the careless forget it, and forget to put them on again.
    fn charge(&self, truth: &mut Truth, dice: &mut Dice) {
        let careless = self.plan.persona == Habitude::CarelessCharger && self.befalls;
        let per_hour = if careless { 4.0 } else { 1.4 };
        let mut level = self.plan.battery.unwrap_or(if careless { dice.between(15.0, 90.0) } else { 85.0 });
        let (mut at, mut until) = (0, 0);
        let share = BUCKET as f64 / HOUR as f64;
        while at <= self.duration + BUCKET {
            truth.battery.push(level);
            let minute = local_minute(self.start, at);
            let is_time = (20 * 60..21 * 60).contains(&minute) && level < 80.0;
            if at >= until && is_time && !(careless && dice.chance(0.6)) {
                until = at + HOUR;
                truth.charging.add(at, until);
                truth.off_wrist.add(at, until);
            }
            let is_charged = truth.charging.contains(at);
            level = (level + share * if is_charged { CHARGE_PER_HOUR } else { -per_hour }).clamp(0.0, 100.0);
            at += BUCKET;
        }
        settle_power(truth, self.duration);
    }

    /// A few steps about the house in most quarters of an hour by day, hardly any by night.
    fn potter(&self, truth: &mut Truth, dice: &mut Dice) {
        let (mut at, mut steps) = (0, dice.between(100.0, 900.0).floor());
        while at <= self.duration + BUCKET {
            truth.pottering.push(steps);
            let often = if is_asleep(self.start, at) { 0.03 } else { 0.75 };
            let moves = dice.chance(often);
            let taken = dice.between(25.0, 160.0).floor();
            if moves && !truth.still.touches(at, at + BUCKET) && !truth.off_wrist.touches(at, at + BUCKET) {
                steps += taken;
            }
            at += BUCKET;
        }
    }
}

/// From the battery's table: when the bracelet has no power, and so is not heard.
pub(super) fn settle_power(truth: &mut Truth, duration: Ms) {
    let mut at = 0;
    while at < duration {
        if truth.battery(at) < DEAD_PERCENT {
            truth.dead.add(at, at + BUCKET);
            truth.unheard.add(at, at + BUCKET);
        }
        at += BUCKET;
    }
}

/// Somewhere in the house.
fn at_home(dice: &mut Dice) -> Offset {
    Offset::polar(dice.between(0.0, 8.0), dice.between(0.0, TAU))
}
