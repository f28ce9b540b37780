//! How an elder lives: where they walk, how their heart beats, what their devices say about it. A timed core: the
//! driver asks when something is due, and gets the reports.

use model::{Datum, Timestamp};
use serde_json::{Value, json};

use super::{Act, Elder, Offset, Persona, shown_in};
use crate::dice::Dice;

/// Seconds between two fixes on a walk.
const FIX_WALKING_SECONDS: u32 = 5;
/// Seconds between two fixes at home.
const FIX_RESTING_SECONDS: u32 = 30;
/// Seconds between two heart rates.
const HEART_SECONDS: u32 = 15;
/// Seconds between two step counts.
const STEPS_SECONDS: u32 = 60;
/// Seconds between two battery levels.
const BATTERY_SECONDS: u32 = 300;
/// How far a step carries an elder, metres.
const STEP_M: f64 = 0.55;
/// How fast somebody walks who walks away, metres a second.
const HURRIED_M_PER_S: f64 = 1.5;
/// The share of the fence's radius within which a walk for pleasure stays.
const STROLL_SHARE: f64 = 0.65;

/// A report that a device is to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Whether the cuff says it; otherwise the bracelet.
    pub by_cuff: bool,
    /// The device's own name for it.
    pub id: String,
    /// The JSON report.
    pub report: Value,
}

/// What an elder's life consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Wake,
    Fix,
    Heart,
    Steps,
    Battery,
    Cuff,
    Decide,
    Act(usize),
}

/// One elder's life, decided by the seed.
#[derive(Debug)]
pub struct Life {
    elder: Elder,
    dice: Dice,
    run: i64,
    count: u32,
    due: Vec<(Timestamp, Event)>,
    place: Offset,
    moved_at: Timestamp,
    route: Vec<Offset>,
    metres_per_second: f64,
    steps: f64,
    battery: f64,
    heart_at_rest: f64,
}

impl Life {
    /// A life that begins at `start`.
    #[must_use]
    pub fn new(elder: &Elder, seed: u64, start: Timestamp) -> Life {
        let mut dice = Dice::new(seed, &elder.bracelet.id);
        let wanders = elder.persona == Persona::Wanderer;
        let from_home = elder.fence_radius_m * if wanders { 0.8 } else { dice.between(0.0, 0.2) };
        let direction = dice.between(0.0, std::f64::consts::TAU);
        let mut due = vec![(start, Event::Wake)];
        for (event, seconds) in [
            (Event::Fix, FIX_WALKING_SECONDS),
            (Event::Heart, HEART_SECONDS),
            (Event::Steps, STEPS_SECONDS),
            (Event::Battery, BATTERY_SECONDS),
            (Event::Decide, 40),
        ] {
            // Nobody's devices are in step with another's.
            due.push((start.plus_millis((dice.between(0.05, 1.0) * f64::from(seconds) * 1000.0) as i64), event));
        }
        if elder.cuff.is_some() {
            due.push((start.plus_seconds(300).plus_millis(dice.between(0.0, 600_000.0) as i64), Event::Cuff));
        }
        due.extend(elder.plot.iter().enumerate().map(|(at, plot)| (start.plus_seconds(plot.after_s), Event::Act(at))));
        Life {
            run: start.millis() / 1000,
            count: 0,
            place: Offset::polar(from_home, direction),
            moved_at: start,
            route: Vec::new(),
            metres_per_second: 1.0,
            steps: dice.between(200.0, 2500.0).floor(),
            battery: dice.between(35.0, 98.0),
            heart_at_rest: dice.between(62.0, 80.0),
            elder: elder.clone(),
            dice,
            due,
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn elder(&self) -> &Elder {
        &self.elder
    }

    /// Where they truly are, without the noise of any receiver: what an oracle compares with.
    #[must_use]
    pub fn place(&self) -> Offset {
        self.place
    }

    /// When something happens next; a life has always something ahead.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.iter().map(|(due, _)| *due).min()
    }

    /// Lives until `now`; what the devices say on the way.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some(at) = self.due.iter().position(|(due, _)| Some(*due) == self.next_due() && *due <= now) {
            let (due, event) = self.due.swap_remove(at);
            self.walk_on(due);
            self.happen(event, due, &mut said);
        }
        said
    }

    fn happen(&mut self, event: Event, at: Timestamp, said: &mut Vec<Said>) {
        let again = |seconds: u32| Some(at.plus_seconds(seconds));
        let next = match event {
            Event::Wake => {
                self.say(said, at, json!({"type": "wear", "on": true}));
                self.say_battery(said, at);
                None
            }
            Event::Fix => {
                let report = self.fix("location", at);
                self.say(said, at, report);
                again(if self.route.is_empty() { FIX_RESTING_SECONDS } else { FIX_WALKING_SECONDS })
            }
            Event::Heart => {
                let bpm = self.heart_rate();
                self.say(said, at, json!({"type": "heart_rate", "bpm": bpm}));
                again(HEART_SECONDS)
            }
            Event::Steps => {
                self.say(said, at, json!({"type": "steps", "count": self.steps.floor()}));
                again(STEPS_SECONDS)
            }
            Event::Battery => {
                self.battery = (self.battery - 0.2).max(16.0);
                self.say_battery(said, at);
                again(BATTERY_SECONDS)
            }
            Event::Cuff => {
                let high = if self.elder.persona == Persona::Hypertensive { 18.0 } else { 0.0 };
                let systolic = self.dice.around(132.0 + high, 5.0).min(172.0) as u16;
                let diastolic = self.dice.around(78.0 + high / 3.0, 4.0).min(98.0) as u16;
                self.say_cuff(said, at, systolic, diastolic);
                again(600 + u32::try_from(self.dice.below(300)).unwrap_or(0))
            }
            Event::Decide => {
                self.decide();
                again(60 + u32::try_from(self.dice.below(120)).unwrap_or(0))
            }
            Event::Act(number) => {
                self.act(self.elder.plot[number].act, at, said);
                None
            }
        };
        self.due.extend(next.map(|next| (next, event)));
    }

    fn act(&mut self, act: Act, at: Timestamp, said: &mut Vec<Said>) {
        match act {
            Act::Sos => {
                let report = self.fix("sos", at);
                self.say(said, at, report);
            }
            Act::Fall => {
                // Who lies on the floor walks nowhere and counts no steps.
                self.route.clear();
                let mut report = self.fix("fall", at);
                report["confidence"] = json!(0.9);
                self.say(said, at, report);
            }
            Act::FallCancel => self.say(said, at, json!({"type": "fall_cancel"})),
            Act::Cuff { systolic, diastolic } => self.say_cuff(said, at, systolic, diastolic),
            Act::WalkAway { metres } => {
                let direction = self.place.north.atan2(self.place.east);
                self.route = vec![Offset::polar(metres, direction)];
                self.metres_per_second = HURRIED_M_PER_S;
                self.fix_soon(at);
            }
            Act::WalkHome => {
                self.route = vec![Offset::default()];
                self.metres_per_second = HURRIED_M_PER_S;
                self.fix_soon(at);
            }
        }
    }

    /// A bracelet that notices a walk does not wait for the slow rhythm of resting.
    fn fix_soon(&mut self, at: Timestamp) {
        self.due.retain(|(_, event)| *event != Event::Fix);
        self.due.push((at.plus_seconds(1), Event::Fix));
    }

    /// Whether to go for a walk now: a round of a few corners, well inside the fence.
    fn decide(&mut self) {
        let likes_walking = match self.elder.persona {
            Persona::Walker => 0.6,
            Persona::Hypertensive | Persona::Cardiac => 0.2,
            Persona::Homebody => 0.08,
            Persona::Wanderer => 0.0, // walks by the plot only, or there would be two stories at once
        };
        let fell = self.elder.plot.iter().any(|plot| plot.act == Act::Fall);
        if !self.route.is_empty() || fell || !self.dice.chance(likes_walking) {
            return;
        }
        let reach = self.elder.fence_radius_m * STROLL_SHARE;
        let turn = self.dice.between(0.0, std::f64::consts::TAU);
        let corners = 3 + self.dice.below(4);
        self.route = (0..corners)
            .map(|corner| Offset::polar(self.dice.between(0.3, 1.0) * reach, turn + 0.9 * corner as f64))
            .chain([Offset::default()])
            .collect();
        self.metres_per_second = self.dice.between(0.7, 1.2);
    }

    /// Moves along the route for the time since the last look.
    fn walk_on(&mut self, now: Timestamp) {
        let mut metres = self.metres_per_second * now.millis_since(self.moved_at).max(0) as f64 / 1000.0;
        self.moved_at = self.moved_at.max(now);
        while metres > 0.0 && !self.route.is_empty() {
            let leg = self.place.to(self.route[0]).min(metres);
            self.place = self.place.towards(self.route[0], metres);
            self.steps += leg / STEP_M;
            metres -= leg;
            if self.place == self.route[0] {
                self.route.remove(0);
            }
        }
    }

    /// A report with a position as a receiver shows it: noisy, worse indoors, in the device's datum.
    fn fix(&mut self, kind: &str, at: Timestamp) -> Value {
        let outdoors = !self.route.is_empty() || self.place.length() > 30.0;
        let (noise_m, accuracy_m) =
            if outdoors { (2.5, self.dice.between(5.0, 12.0)) } else { (5.0, self.dice.between(15.0, 40.0)) };
        let seen = Offset {
            east: self.dice.around(self.place.east, noise_m),
            north: self.dice.around(self.place.north, noise_m),
        };
        let datum = self.elder.bracelet.datum;
        let shown = shown_in(seen.from_home(self.elder.home), datum);
        let digits = |degrees: f64| (degrees * 1e6).round() / 1e6;
        let mut report =
            json!({"type": kind, "lat": digits(shown.lat), "lon": digits(shown.lon), "acc": accuracy_m.round()});
        if datum != Datum::Wgs84 {
            report["datum"] = json!(datum);
        }
        report["t"] = json!(at);
        report
    }

    fn heart_rate(&mut self) -> u16 {
        let effort = if self.route.is_empty() { 0.0 } else { 24.0 };
        let restlessness = if self.elder.persona == Persona::Cardiac { 9.0 } else { 3.0 };
        self.dice.around(self.heart_at_rest + effort, restlessness).clamp(48.0, 116.0) as u16
    }

    fn say_battery(&mut self, said: &mut Vec<Said>, at: Timestamp) {
        let percent = self.battery.round();
        self.say(said, at, json!({"type": "battery", "pct": percent}));
    }

    fn say_cuff(&mut self, said: &mut Vec<Said>, at: Timestamp, systolic: u16, diastolic: u16) {
        let pulse = self.heart_rate();
        self.say(said, at, json!({"type": "blood_pressure", "sys": systolic, "dia": diastolic, "pulse": pulse}));
        if let Some(last) = said.last_mut() {
            last.by_cuff = self.elder.cuff.is_some();
        }
    }

    fn say(&mut self, said: &mut Vec<Said>, at: Timestamp, mut report: Value) {
        self.count += 1;
        let id = format!("{}-{}", self.run, self.count);
        report["id"] = json!(id);
        report["t"] = json!(at);
        said.push(Said { by_cuff: false, id, report });
    }
}
