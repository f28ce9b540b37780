//! Invented elders, their families and their devices: who they are ([`Neighbourhood`]), how they live (`life`), what
//! befalls them (`plot`), and the bracelets that report it over real MQTT (`bracelet`, `living`).
//!
//! Nobody here exists: names are drawn from lists, numbers are from `+861380000 00xx`, homes are points on a map.

pub mod bracelet;
mod cast;
mod ground;
pub mod life;
pub mod living;
pub mod plot;
mod registry;

use model::{Datum, Position, Role};

use crate::dice::Dice;
use crate::phones::{CallScript, Entry, TextScript};

pub use ground::{Offset, shown_in};
pub use living::Living;
pub use plot::{Act, Plot};

/// The fewest elders that a neighbourhood can have: those to whom something happens.
pub const ELDERS_MIN: u16 = 8;
/// The most: there are only a hundred invented numbers.
pub const ELDERS_MAX: u16 = 40;

/// A neighbourhood, decided by its seed.
#[derive(Debug, Clone)]
pub struct Neighbourhood {
    /// What decided it.
    pub seed: u64,
    /// The elders; those to whom something happens come first.
    pub elders: Vec<Elder>,
    /// Guardians, doctors and staff.
    pub people: Vec<Person>,
    /// A bracelet that nobody of ours switches on: for the person at the keyboard.
    pub spare: Device,
}

/// An elder.
#[derive(Debug, Clone)]
pub struct Elder {
    /// `w01`…
    pub id: String,
    /// An invented name.
    pub name: String,
    /// Year of birth.
    pub birth_year: u16,
    /// Their community's path.
    pub org: &'static str,
    /// How they live.
    pub persona: Persona,
    /// Where, in WGS-84.
    pub home: Position,
    /// The fence around it, metres.
    pub fence_radius_m: f64,
    /// Whether a second, wider fence is drawn as a polygon on an AMap map.
    pub outline: bool,
    /// Ids of their guardians, in the order of calling.
    pub guardians: Vec<String>,
    /// Id of their family doctor.
    pub doctor: &'static str,
    /// What differs from the default plan: `(key, seconds or count)`.
    pub plan: Vec<(&'static str, u32)>,
    /// What differs from the default thresholds for blood pressure: seconds to wait for a repeat.
    pub repeat_within_s: Option<u32>,
    /// On their wrist.
    pub bracelet: Device,
    /// On their table, if they measure their blood pressure.
    pub cuff: Option<Device>,
    /// What befalls them, if anything does.
    pub plot: Vec<Plot>,
}

/// How an elder lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Persona {
    /// Stays in and around the house.
    Homebody,
    /// Walks a round several times a day.
    Walker,
    /// Walks far, and sometimes does not know the way back.
    Wanderer,
    /// Measures a high blood pressure twice a day.
    Hypertensive,
    /// Has a restless heart.
    Cardiac,
}

/// A bracelet or cuff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Also its MQTT client id and user name.
    pub id: String,
    /// `bracelet` or `cuff`.
    pub kind: &'static str,
    /// Its MQTT password.
    pub secret: String,
    /// The datum of its fixes.
    pub datum: Datum,
}

/// A guardian, doctor or member of staff.
#[derive(Debug, Clone)]
pub struct Person {
    /// `g01a`, `d1`, `s1`…
    pub id: String,
    /// What they are.
    pub role: Role,
    /// An invented name.
    pub name: String,
    /// One of the invented numbers.
    pub phone: String,
    /// Who they are to whom, in both languages.
    pub relation: [String; 2],
    /// Whose family; empty for staff.
    pub family: String,
    /// Whether push messages reach them too.
    pub push: bool,
    /// How they take calls.
    pub calls: Vec<CallScript>,
    /// How they take texts.
    pub texts: TextScript,
}

/// An organisation of the neighbourhood.
pub(crate) struct Org {
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    /// The desk's phone, and who sits at it.
    pub(crate) desk: Option<(&'static str, &'static str)>,
}

/// The organisations, from the district down.
pub(crate) const ORGS: &[Org] = &[
    Org { path: "/luyang/", name: "庐阳区", desk: None },
    Org { path: "/luyang/xinghua/", name: "杏花街道", desk: Some(("+8613800000007", "s3")) },
    Org { path: "/luyang/xinghua/yinxing/", name: "银杏社区", desk: Some(("+8613800000008", "s1")) },
    Org { path: "/luyang/xinghua/guihua/", name: "桂花社区", desk: Some(("+8613800000009", "s2")) },
];

/// Where the invented homes stand: a part of Hefei, WGS-84.
const CENTRE: Position = Position { lat: 31.8706, lon: 117.2572 };

impl Neighbourhood {
    /// Invents `elders` elders (between [`ELDERS_MIN`] and [`ELDERS_MAX`]) and everybody around them.
    #[must_use]
    pub fn invent(seed: u64, elders: u16) -> Neighbourhood {
        let mut neighbourhood = Neighbourhood {
            seed,
            elders: Vec::new(),
            people: cast::staff(),
            spare: Device {
                id: "spare-bracelet".to_owned(),
                kind: "bracelet",
                secret: "spare-secret".to_owned(),
                datum: Datum::Wgs84,
            },
        };
        let mut numbers = 11_u8..100;
        for index in 0..usize::from(elders.clamp(ELDERS_MIN, ELDERS_MAX)) {
            neighbourhood.move_in(index, &mut numbers);
        }
        neighbourhood
    }

    /// The elder whose phones wait for the person at the page; the spare bracelet is theirs too.
    #[must_use]
    pub fn yours(&self) -> &Elder {
        &self.elders[cast::YOURS]
    }

    /// The phones of everybody, as the demo phones want them.
    #[must_use]
    pub fn phones(&self) -> Vec<Entry> {
        let people = self.people.iter().map(|person| Entry {
            number: person.phone.clone(),
            person: person.id.clone(),
            name: person.name.clone(),
            relation: person.relation.clone(),
            family: person.family.clone(),
            call_scripts: person.calls.clone(),
            text_script: person.texts.clone(),
        });
        let desks = ORGS.iter().filter_map(|org| org.desk.map(|(number, _)| desk_phone(org.name, number)));
        people.chain(desks).collect()
    }

    /// The registry document that `/api/v1/import` takes.
    #[must_use]
    pub fn registry(&self) -> serde_json::Value {
        registry::document(self)
    }

    /// Every device that lives by itself, with its elder.
    pub fn devices(&self) -> impl Iterator<Item = (&Elder, &Device)> {
        self.elders.iter().flat_map(|elder| {
            [Some(&elder.bracelet), elder.cuff.as_ref()].into_iter().flatten().map(move |d| (elder, d))
        })
    }

    /// The name behind an id, of an elder or a person.
    #[must_use]
    pub fn name_of(&self, id: &str) -> Option<&str> {
        let elder = self.elders.iter().find(|elder| elder.id == id).map(|elder| elder.name.as_str());
        elder.or_else(|| self.people.iter().find(|person| person.id == id).map(|person| person.name.as_str()))
    }

    fn move_in(&mut self, index: usize, numbers: &mut impl Iterator<Item = u8>) {
        let id = format!("w{:02}", index + 1);
        let mut dice = Dice::new(self.seed, &id);
        let role = cast::role(index, &mut dice);
        let mut secret = || format!("{:016x}{:016x}", dice.throw(), dice.throw());
        let (bracelet_secret, cuff_secret) = (secret(), secret());
        let home = Offset { east: dice.between(-700.0, 700.0), north: dice.between(-500.0, 500.0) }.from_home(CENTRE);
        let datum = if index % 5 == 4 { Datum::Gcj02 } else { Datum::Wgs84 };
        let mut guardians = Vec::new();
        for (letter, guardian) in ('a'..).zip(role.guardians) {
            // A child of two elders has one phone: when the numbers run out, the last family cares for these too.
            let Some(number) = numbers.next() else { break };
            let person = format!("g{:02}{letter}", index + 1);
            guardians.push(person.clone());
            self.people.push(Person {
                id: person,
                role: Role::Guardian,
                name: guardian.name,
                phone: format!("+86138000000{number:02}"),
                relation: [
                    format!("{}的{}", role.name, guardian.relation[0]),
                    format!("{} of {}", guardian.relation[1], role.name),
                ],
                family: role.name.clone(),
                push: letter == 'a',
                calls: guardian.calls,
                texts: guardian.texts,
            });
        }
        if guardians.is_empty() {
            guardians.extend(self.elders.last().into_iter().flat_map(|elder| elder.guardians.clone()));
        }
        self.elders.push(Elder {
            name: role.name,
            birth_year: role.birth_year,
            org: if index.is_multiple_of(3) { "/luyang/xinghua/guihua/" } else { "/luyang/xinghua/yinxing/" },
            persona: role.persona,
            home,
            fence_radius_m: role.fence_radius_m,
            outline: index % 4 == 3,
            guardians,
            doctor: if index.is_multiple_of(2) { "d1" } else { "d2" },
            plan: role.plan,
            repeat_within_s: role.repeat_within_s,
            bracelet: Device {
                id: format!("8600000000000{:02}", index + 1),
                kind: "bracelet",
                secret: bracelet_secret,
                datum,
            },
            cuff: role.persona.measures_blood_pressure().then(|| Device {
                id: format!("cuff-{:02}", index + 1),
                kind: "cuff",
                secret: cuff_secret,
                datum: Datum::Wgs84,
            }),
            plot: role.plot,
            id,
        });
    }
}

impl Persona {
    /// Whether there is a cuff on the table.
    #[must_use]
    pub fn measures_blood_pressure(self) -> bool {
        matches!(self, Persona::Hypertensive | Persona::Cardiac)
    }
}

fn desk_phone(name: &str, number: &str) -> Entry {
    Entry {
        number: number.to_owned(),
        person: format!("desk{}", &number[number.len() - 1..]),
        name: format!("{name}值班电话"),
        relation: ["24 小时值守".to_owned(), "desk phone".to_owned()],
        family: String::new(),
        call_scripts: vec![CallScript::presses_1_after(5)],
        text_script: TextScript::Reads,
    }
}

#[cfg(test)]
mod tests;
