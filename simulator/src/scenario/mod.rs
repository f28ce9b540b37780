//! A scenario: who lives there, what befalls them, what must come of it, and what must not. A TOML file; what it can
//! say stands in the structures below, and an unknown key is an error that names its line.

mod check;
mod deed;
mod expect;
pub mod shipped;

use std::path::Path;

use anyhow::{Context, bail};
use model::{Datum, Timestamp};
use serde::Deserialize;
use serde_json::Value;

pub use check::DURATION_SECONDS_MAX;
pub(crate) use check::{DESKS_MAX, FAMILIES, PHONES_MAX, UNNAMED_GUARDIANS, channel_name};
pub use deed::{Act, Backfill, Deed, Gait, ProviderFault};
pub use expect::{Expect, Never, Thresholds};

/// The most elders: what one import of the registry takes.
pub const ELDERS_MAX: u32 = 20_000;

/// A whole scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without `.toml`.
    #[serde(skip)]
    pub name: String,
    /// One line, English.
    pub title: String,
    /// One line, Chinese.
    pub title_zh: String,
    /// When it begins, RFC 3339.
    #[serde(default = "morning")]
    pub start: Timestamp,
    /// How long it lasts, virtual seconds.
    pub duration_s: u32,
    /// Everybody who is not named.
    #[serde(default)]
    pub town: TownPlan,
    /// Those to whom something happens.
    #[serde(default, rename = "elder")]
    pub elders: Vec<ElderPlan>,
    /// What happens.
    #[serde(default, rename = "act")]
    pub acts: Vec<Act>,
    /// What must come of it.
    #[serde(default, rename = "expect")]
    pub expects: Vec<Expect>,
    /// What must not.
    #[serde(default, rename = "never")]
    pub nevers: Vec<Never>,
    /// Figures that are broken when they are exceeded.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Somebody at the desk who sees to what was raised.
    #[serde(default)]
    pub staff: Option<Staff>,
}

/// Everybody who is not named.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TownPlan {
    /// How many; `--devices` overrides it.
    pub elders: u32,
    /// Whether things happen to them by themselves, by their persona and the seed.
    pub incidents: bool,
    /// The share whose carrier delays, repeats and reorders what they send.
    pub bad_cells: f64,
    /// How they report.
    pub rhythm: Rhythm,
    /// In how many communities they live; 1–26.
    pub communities: u32,
    /// The carriers among which they are divided, in every community; none: the registry names none.
    pub carriers: Vec<String>,
}

impl Default for TownPlan {
    fn default() -> TownPlan {
        TownPlan {
            elders: 0,
            incidents: false,
            bad_cells: 0.1,
            rhythm: Rhythm::Normal,
            communities: 2,
            carriers: Vec::new(),
        }
    }
}

/// How devices report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rhythm {
    /// Fixes every quarter of a minute on the way and every five at home, the heart every minute.
    #[default]
    Normal,
    /// One sign of life every six minutes: for a scenario of thousands that is about something else.
    Sparse,
}

/// Somebody to whom something happens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElderPlan {
    /// `w1`…
    pub id: String,
    /// How they live.
    #[serde(default)]
    pub persona: Habitude,
    /// The fence around the home, metres.
    #[serde(default = "usual_radius")]
    pub fence_radius_m: f64,
    /// Their guardians in the order of calling, by what they do with a phone.
    #[serde(default = "one_who_answers")]
    pub guardians: Vec<PhoneHabit>,
    /// Whether the family doctor is known.
    #[serde(default)]
    pub doctor: bool,
    /// In which of the communities; 0 is the first.
    #[serde(default)]
    pub community: u32,
    /// The datum of the bracelet.
    #[serde(default = "wgs84")]
    pub datum: Datum,
    /// The bracelet's carrier, as the registry names it.
    #[serde(default)]
    pub carrier: Option<String>,
    /// What they do with a phone of their own, if they have one: 1 is "I am well", 2 "I need help".
    #[serde(default)]
    pub phone: Option<PhoneHabit>,
    /// The battery at the beginning, percent.
    #[serde(default)]
    pub battery: Option<f64>,
    /// What differs from the default plan, as in the registry.
    #[serde(default)]
    pub plan: Option<Value>,
    /// What differs from the default thresholds, as in the registry.
    #[serde(default)]
    pub thresholds: Option<Value>,
}

/// How an elder lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Habitude {
    /// Stays in and around the house.
    #[default]
    Homebody,
    /// Walks a round several times a day, now and then to the very edge of the fence.
    Walker,
    /// Sometimes does not know the way back.
    Wanderer,
    /// Has a restless heart.
    Cardiac,
    /// Measures a high blood pressure twice a day.
    Hypertensive,
    /// Forgets the charger, and the bracelet on it.
    CarelessCharger,
}

impl Habitude {
    /// All of them, in the order in which the unnamed take turns.
    pub const ALL: [Habitude; 6] = [
        Habitude::Homebody,
        Habitude::Walker,
        Habitude::Wanderer,
        Habitude::Cardiac,
        Habitude::Hypertensive,
        Habitude::CarelessCharger,
    ];
}

/// What the owner of a phone does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneHabit {
    /// Answers after five seconds and presses 1.
    Answers,
    /// Answers and presses 2: cannot come.
    CannotCome,
    /// Lets it ring.
    NoAnswer,
    /// Talks to somebody else.
    Busy,
    /// Is switched off.
    Off,
    /// Rejects the call.
    Declines,
    /// Answers, listens, and presses nothing.
    Listens,
    /// A mailbox answers.
    Mailbox,
    /// Does not answer calls, but writes back "1".
    TextsBack,
}

/// Somebody at the desk who sees to what was raised.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staff {
    /// How long after it was raised an incident is ended, seconds; somebody stood at the door before.
    pub resolve_after_s: u32,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// Not TOML, an unknown key, or something that cannot be: the message names the place.
    pub fn parse(name: &str, text: &str) -> anyhow::Result<Scenario> {
        Scenario::read(name, text).with_context(|| format!("scenario {name}"))
    }

    fn read(name: &str, text: &str) -> anyhow::Result<Scenario> {
        let mut scenario: Scenario = toml::from_str(text)?;
        scenario.name = name.to_owned();
        scenario.check()?;
        Ok(scenario)
    }

    /// A scenario that is shipped, or a file.
    ///
    /// # Errors
    /// There is no such scenario, or it cannot be read.
    pub fn open(name_or_path: &str) -> anyhow::Result<Scenario> {
        let short = name_or_path.strip_suffix(".toml").unwrap_or(name_or_path);
        if let Some((name, text)) = shipped::ALL.iter().find(|(name, _)| *name == short) {
            return Scenario::parse(name, text);
        }
        let path = Path::new(name_or_path);
        if !path.exists() {
            let alike = |name: &str| (likeness(name, short), std::cmp::Reverse(name.len().abs_diff(short.len())));
            let near = shipped::ALL.iter().map(|(name, _)| *name).max_by_key(|name| alike(name));
            let near = near.filter(|name| likeness(name, short) >= LIKENESS_MIN);
            bail!(
                "there is no scenario and no file {name_or_path:?}; `yinling-sim ls` lists them{}",
                near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default()
            );
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("scenario");
        // By its path: two files in two folders may have one name.
        Scenario::read(name, &text).with_context(|| path.display().to_string())
    }

    /// Its length in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> i64 {
        i64::from(self.duration_s) * 1000
    }
}

/// Three letters of the beginning.
const LIKENESS_MIN: usize = 6;

/// How much of the beginning and how many letters two names share: enough for "did you mean".
fn likeness(name: &str, other: &str) -> usize {
    let start = name.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    start * 2 + other.split('_').filter(|word| word.len() > 2 && name.contains(word)).count() * 5
}

fn morning() -> Timestamp {
    Timestamp::parse("2026-11-22T09:00:00+08:00").unwrap_or_default()
}

fn usual_radius() -> f64 {
    300.0
}

fn one_who_answers() -> Vec<PhoneHabit> {
    vec![PhoneHabit::Answers]
}

fn wgs84() -> Datum {
    Datum::Wgs84
}
