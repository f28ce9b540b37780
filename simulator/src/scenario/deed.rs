//! What can befall an elder, a device, a carrier, a provider, or the house itself.

use model::{CaseAction, Channel};
use serde::Deserialize;

/// One thing that happens.
#[derive(Debug, Clone, Deserialize)]
pub struct Act {
    /// When, seconds from the beginning.
    pub at_s: f64,
    /// To whom: an elder's id, `town` (everybody unnamed), `carrier:NAME` (whose devices are in its network), `all`; of no meaning for what happens to the house.
    #[serde(default)]
    pub who: String,
    /// The share of them, 0–1, chosen by the seed.
    #[serde(default = "all_of_them")]
    pub share: f64,
    /// Everybody at once (0), or spread evenly over so many seconds.
    #[serde(default)]
    pub spread_s: f64,
    /// What.
    #[serde(flatten)]
    pub deed: Deed,
}

/// The things that happen. Seconds and metres.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "does", rename_all = "snake_case", deny_unknown_fields)]
pub enum Deed {
    /// Presses the button.
    Sos {
        /// How often.
        #[serde(default = "once")]
        times: u32,
        /// How far apart.
        #[serde(default = "ten_seconds")]
        gap_s: f64,
    },
    /// Falls and lies still.
    Fall,
    /// The bracelet believes in a fall; its wearer says that it was none.
    FalseFall {
        /// How long that takes.
        cancel_after_s: f64,
    },
    /// The bracelet believes in a fall; its wearer walks on.
    Stumble,
    /// Walks (or rides) so far from home, and stays there.
    Walk {
        /// Metres from home.
        to_m: f64,
        /// Degrees, from east towards north.
        #[serde(default)]
        direction: f64,
        /// How.
        #[serde(default)]
        gait: Gait,
    },
    /// Walks home.
    Home,
    /// Measures the blood pressure.
    Measure {
        /// What the arteries hold, mmHg.
        sys: u16,
        /// The same, diastolic.
        dia: u16,
        /// Whether the cuff sits wrong: it shows forty more, and says so.
        #[serde(default)]
        badly: bool,
        /// Whether the pulse is irregular.
        #[serde(default)]
        irregular: bool,
        /// Taken after standing up.
        #[serde(default)]
        standing: bool,
        /// Taken sitting or lying.
        #[serde(default)]
        sitting: bool,
    },
    /// The heart beats at this rate for so long.
    Heart {
        /// Beats a minute.
        bpm: f64,
        /// How long.
        for_s: f64,
    },
    /// The blood holds so much oxygen for so long.
    Oxygen {
        /// Percent.
        percent: f64,
        /// How long.
        for_s: f64,
    },
    /// The body is so warm for so long.
    Temperature {
        /// Degrees Celsius.
        celsius: f64,
        /// How long.
        for_s: f64,
    },
    /// Somebody at the bedside counts breaths and looks whether they are awake and clear; the device there says so.
    Bedside {
        /// Breaths a minute.
        per_minute: u8,
        /// Newly confused, or worse.
        #[serde(default)]
        confused: bool,
    },
    /// The house calls them, on phones of their own, and asks how they are.
    WelfareCalls {
        /// How often each is tried.
        #[serde(default = "once")]
        tries: u32,
        /// How long after a vain try the next one comes.
        #[serde(default = "a_minute")]
        gap_s: f64,
    },
    /// Somebody of the community takes the case that was opened for them a step further: the desk, or who it is given to.
    Case {
        /// Which step.
        action: CaseAction,
    },
    /// Lies or sits still.
    LieStill {
        /// How long.
        for_s: f64,
    },
    /// Takes the bracelet off.
    TakeOff {
        /// How long.
        for_s: f64,
    },
    /// Puts the bracelet on the charger.
    Charge {
        /// How long.
        for_s: f64,
    },
    /// The battery is at this level from now on.
    Battery {
        /// Percent.
        percent: f64,
    },
    /// No coverage: the device stores and forwards.
    NoCoverage {
        /// How long.
        for_s: f64,
        /// How it forwards.
        #[serde(default)]
        backfill: Backfill,
    },
    /// The receiver sees no satellite: signs of life without a place.
    NoFix {
        /// How long.
        for_s: f64,
    },
    /// So many fixes in a row lie so far beside the truth.
    Jump {
        /// Metres.
        by_m: f64,
        /// How many fixes.
        #[serde(default = "once")]
        fixes: u32,
    },
    /// The clock runs so much ahead (or behind).
    Clock {
        /// Seconds ahead; negative: behind.
        skew_s: f64,
    },
    /// Whatever is sent is sent so often.
    Repeat {
        /// How often in all.
        times: u32,
        /// How long this lasts.
        for_s: f64,
    },
    /// Somebody else publishes an SOS in the name of this device, with a secret that is not its own.
    Forge,
    /// This device publishes an SOS on another's topic.
    SpeakFor {
        /// Whose.
        other: String,
    },
    /// Everybody of `who` gathers in one place and goes home again.
    Crowd {
        /// So many metres from the first one's home.
        to_m: f64,
        /// How long they stay.
        for_s: f64,
    },
    /// The house dies and comes back.
    Restart {
        /// How long it is down.
        down_s: f64,
    },
    /// A provider misbehaves.
    Provider {
        /// Of which channel.
        channel: Channel,
        /// How.
        fault: ProviderFault,
        /// How long.
        for_s: f64,
    },
    /// The disk is nearly full: the door refuses what is no alarm, and devices keep it.
    DiskNearlyFull {
        /// How long.
        for_s: f64,
    },
}

impl Deed {
    /// Whether it happens to the house and not to an elder.
    #[must_use]
    pub fn is_about_the_house(&self) -> bool {
        matches!(self, Deed::Restart { .. } | Deed::Provider { .. } | Deed::DiskNearlyFull { .. })
    }
}

/// How somebody gets about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gait {
    /// 0.8 m/s.
    Slowly,
    /// 1.3 m/s.
    #[default]
    Briskly,
    /// By bus, 9 m/s.
    Bus,
}

impl Gait {
    /// Metres a second.
    #[must_use]
    pub fn metres_per_second(self) -> f64 {
        match self {
            Gait::Slowly => 0.8,
            Gait::Briskly => 1.3,
            Gait::Bus => 9.0,
        }
    }
}

/// In which order a device sends what it stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backfill {
    /// As it was measured.
    #[default]
    OldestFirst,
    /// The other way round.
    NewestFirst,
    /// Anyhow.
    Shuffled,
}

/// How a provider misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderFault {
    /// 503: nobody's phone rings.
    Down,
    /// It rings, but the answer is lost: nobody knows.
    AnswerLost,
    /// Refuses for good.
    Refuses,
}

fn all_of_them() -> f64 {
    1.0
}

fn once() -> u32 {
    1
}

fn a_minute() -> f64 {
    60.0
}

fn ten_seconds() -> f64 {
    10.0
}
