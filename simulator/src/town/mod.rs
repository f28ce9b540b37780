//! A town: as many elders as asked for, each with a day of their own, decided by the seed and their device.
//!
//! First comes the truth ([`truth`]), whole, from the persona's rhythm (`day`) and the scenario's deeds (`deeds`). Then
//! devices measure it through their faults (`gadget`).

pub mod day;
pub(crate) mod deeds;
pub mod gadget;
mod registry;
pub mod truth;

use model::{Datum, Position, Timestamp};

use crate::dice::Dice;
use crate::neighbourhood::Offset;
use crate::phones::{CallScript, Entry, TextScript};
use crate::scenario::{
    DESKS_MAX, ElderPlan, FAMILIES, Habitude, PHONES_MAX, PhoneHabit, Rhythm, Scenario, UNNAMED_GUARDIANS,
};

use truth::{Ms, Truth};

/// Where the homes stand: a part of Hefei, WGS-84.
const CENTRE: Position = Position { lat: 31.8706, lon: 117.2572 };
/// How far apart two homes stand, metres.
const PLOT_M: f64 = 60.0;
/// The role of those who are no contacts: elders with a phone of their own.
const ELDER: &str = "elder";

/// A town, decided by its seed.
#[derive(Debug, Clone)]
pub struct Town {
    /// What decided it.
    pub seed: u64,
    /// When it begins.
    pub start: Timestamp,
    /// The named ones come first.
    pub elders: Vec<Elder>,
    /// Everybody with a phone.
    pub people: Vec<Person>,
    /// `/yl/a/`, `/yl/b/`…
    pub orgs: Vec<String>,
}

/// An elder of a town.
#[derive(Debug, Clone)]
pub struct Elder {
    /// Their id.
    pub id: String,
    /// How they live.
    pub persona: Habitude,
    /// Where, in WGS-84.
    pub home: Position,
    /// The fence around it, metres.
    pub fence_radius_m: f64,
    /// Their community's path.
    pub org: String,
    /// The bracelet's carrier, as in the registry.
    pub carrier: Option<String>,
    /// What they do with a phone of their own: its number stands with [`Town::people`], under their own id.
    pub phone: Option<PhoneHabit>,
    /// Ids of their guardians, in the order of calling.
    pub guardians: Vec<String>,
    /// Their doctor's id.
    pub doctor: Option<String>,
    /// As in the registry.
    pub plan: Option<serde_json::Value>,
    /// As in the registry.
    pub thresholds: Option<serde_json::Value>,
    /// On the wrist.
    pub bracelet: Device,
    /// On the table.
    pub cuff: Device,
    /// How the bracelet reports.
    pub rhythm: Rhythm,
    /// Whether the carrier's cell is a bad one.
    pub has_bad_cell: bool,
    /// Whether something happens to them by the scenario.
    pub is_named: bool,
    /// What is so.
    pub truth: Truth,
    /// What the device and its way to us do wrong.
    pub faults: Faults,
}

/// What a device and its way to us do wrong.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// From when on the clock is ahead by how much, ms.
    pub skew: Vec<(Ms, Ms)>,
    /// From when on so many fixes lie so far beside the truth.
    pub jumps: Vec<(Ms, f64, u32)>,
    /// From, to, how often everything is sent.
    pub repeats: Vec<(Ms, Ms, u32)>,
    /// How the device forwards what it stored.
    pub backfill: crate::scenario::Backfill,
}

/// A bracelet or cuff of a town.
#[derive(Debug, Clone)]
pub struct Device {
    /// Also its MQTT client id.
    pub id: String,
    /// Its MQTT password.
    pub secret: String,
    /// The datum of its fixes.
    pub datum: Datum,
}

/// Somebody with a phone.
#[derive(Debug, Clone)]
pub struct Person {
    /// `w1a`, `f03b`, `desk0`, `doctor`; an elder's own id.
    pub id: String,
    /// `guardian`, `doctor`, `desk`, `elder`.
    pub role: &'static str,
    /// One of the invented numbers.
    pub phone: String,
    /// What they do with it.
    pub habit: PhoneHabit,
}

impl Town {
    /// Builds the town of a scenario. `elders` overrides how many unnamed there are.
    #[must_use]
    pub fn build(scenario: &Scenario, seed: u64, elders: Option<u32>) -> Town {
        let orgs: Vec<String> =
            (b'a'..).take(scenario.town.communities as usize).map(|c| format!("/yl/{}/", char::from(c))).collect();
        let unnamed = elders.map_or(scenario.town.elders, |all| all.saturating_sub(scenario.elders.len() as u32));
        let mut town = Town { seed, start: scenario.start, elders: Vec::new(), people: Vec::new(), orgs };
        town.hire(scenario, unnamed);
        for plan in &scenario.elders {
            town.move_in(scenario, plan, true);
        }
        for number in 0..unnamed {
            let plan = unnamed_plan(number, scenario, seed);
            town.move_in(scenario, &plan, false);
        }
        deeds::befall(&mut town, scenario);
        town
    }

    /// The phones with their owners' habits.
    #[must_use]
    pub fn phones(&self) -> Vec<Entry> {
        let entry = |person: &Person| {
            let (calls, texts) = scripts(person.habit);
            Entry {
                number: person.phone.clone(),
                person: person.id.clone(),
                name: person.id.clone(),
                relation: [String::new(), String::new()],
                family: String::new(),
                call_scripts: vec![calls],
                text_script: texts,
            }
        };
        self.people.iter().map(entry).collect()
    }

    /// The registry document that `/api/v1/import` takes.
    #[must_use]
    pub fn registry(&self) -> serde_json::Value {
        registry::document(self)
    }

    /// The elder with an id.
    #[must_use]
    pub fn elder(&self, id: &str) -> Option<&Elder> {
        self.elders.iter().find(|elder| elder.id == id)
    }

    /// The desks, the doctor, and the families that the unnamed share.
    fn hire(&mut self, scenario: &Scenario, unnamed: u32) {
        let mut numbers = (0..PHONES_MAX).map(|number| format!("+86138000000{number:02}"));
        let mut hire = |id: String, role, habit| {
            // A scenario that names too many is refused; `--devices` may bring more families than there are numbers.
            if let Some(phone) = numbers.next() {
                self.people.push(Person { id, role, phone, habit });
            }
        };
        for desk in 0..scenario.town.communities.min(DESKS_MAX) {
            hire(format!("desk{desk}"), "desk", PhoneHabit::Answers);
        }
        hire("doctor".to_owned(), "doctor", PhoneHabit::Answers);
        for elder in &scenario.elders {
            for (letter, habit) in ('a'..).zip(&elder.guardians) {
                hire(format!("{}{letter}", elder.id), "guardian", *habit);
            }
            if let Some(habit) = elder.phone {
                hire(elder.id.clone(), ELDER, habit);
            }
        }
        for family in 0..unnamed.min(FAMILIES) {
            for (letter, habit) in ('a'..).zip([PhoneHabit::NoAnswer, PhoneHabit::Answers]).take(UNNAMED_GUARDIANS) {
                hire(format!("f{family:02}{letter}"), "guardian", habit);
            }
        }
    }

    fn move_in(&mut self, scenario: &Scenario, plan: &ElderPlan, is_named: bool) {
        let number = self.elders.len();
        let bracelet = format!("86{number:013}");
        let mut dice = Dice::new(self.seed, &bracelet);
        // Homes stand in rows, so that nobody's fence is another's home by accident of the seed.
        let home = Offset { east: (number % 100) as f64 * PLOT_M, north: (number / 100) as f64 * PLOT_M };
        let (bracelet_secret, cuff_secret) = (secret(&mut dice), secret(&mut dice));
        let truth = day::Day::new(plan, scenario, is_named).live(&mut dice);
        let prefix = if is_named { plan.id.clone() } else { format!("f{:02}", number as u32 % FAMILIES) };
        let guardians: Vec<String> = ('a'..)
            .take(plan.guardians.len())
            .map(|letter| format!("{prefix}{letter}"))
            .filter(|id| self.people.iter().any(|person| person.id == *id))
            .collect();
        self.elders.push(Elder {
            id: plan.id.clone(),
            persona: plan.persona,
            home: home.from_home(CENTRE),
            fence_radius_m: plan.fence_radius_m,
            org: self.orgs[plan.community as usize % self.orgs.len()].clone(),
            carrier: plan.carrier.clone(),
            phone: plan.phone,
            guardians,
            doctor: plan.doctor.then(|| "doctor".to_owned()),
            plan: plan.plan.clone(),
            thresholds: plan.thresholds.clone(),
            bracelet: Device { id: bracelet, secret: bracelet_secret, datum: plan.datum },
            cuff: Device { id: format!("cuff{number:05}"), secret: cuff_secret, datum: Datum::Wgs84 },
            rhythm: if is_named { Rhythm::Normal } else { scenario.town.rhythm },
            has_bad_cell: dice.chance(scenario.town.bad_cells),
            is_named,
            truth,
            faults: Faults { skew: vec![(0, dice.around(0.0, 600.0) as Ms)], ..Faults::default() },
        });
    }
}

fn unnamed_plan(number: u32, scenario: &Scenario, seed: u64) -> ElderPlan {
    let mut dice = Dice::new(seed, &format!("plan{number}"));
    ElderPlan {
        id: format!("e{number:05}"),
        persona: Habitude::ALL[number as usize % Habitude::ALL.len()],
        fence_radius_m: *dice.pick(&[150.0, 200.0, 300.0, 300.0, 500.0]),
        guardians: vec![PhoneHabit::NoAnswer, PhoneHabit::Answers],
        doctor: number.is_multiple_of(2),
        community: number % scenario.town.communities,
        carrier: {
            let carriers = &scenario.town.carriers;
            carriers.get((number / scenario.town.communities) as usize % carriers.len().max(1)).cloned()
        },
        phone: None,
        datum: if number % 5 == 4 { Datum::Gcj02 } else { Datum::Wgs84 },
        battery: None,
        plan: None,
        thresholds: None,
    }
}

fn secret(dice: &mut Dice) -> String {
    format!("{:016x}{:016x}", dice.throw(), dice.throw())
}

fn scripts(habit: PhoneHabit) -> (CallScript, TextScript) {
    let reads = TextScript::Reads;
    match habit {
        PhoneHabit::Answers => (CallScript::presses_1_after(5), reads),
        PhoneHabit::CannotCome => (CallScript::presses_2_after(5), reads),
        PhoneHabit::NoAnswer => (CallScript::no_answer_after(25), reads),
        PhoneHabit::Busy => (CallScript::Busy, reads),
        PhoneHabit::Off => (CallScript::Unreachable, TextScript::Fails),
        PhoneHabit::Declines => (CallScript::Declines { after_ms: 3_000 }, reads),
        PhoneHabit::Listens => (CallScript::AnswersWithoutKey { after_ms: 4_000, ends_after_ms: 8_000 }, reads),
        PhoneHabit::Mailbox => (CallScript::Voicemail { after_ms: 4_000, ends_after_ms: 8_000 }, reads),
        PhoneHabit::TextsBack => {
            (CallScript::no_answer_after(25), TextScript::Replies { text: "1".to_owned(), after_ms: 20_000 })
        }
    }
}
