//! What a scenario may not say although it can be read: what cannot be, and what would hold whatever happens. A slip in
//! the name of a phone makes a `never` that is always kept; so such things are told of and not run.

use anyhow::{Context, ensure};
use model::{Channel, Timestamp};

use super::{Deed, ELDERS_MAX, ElderPlan, Expect, Never, Scenario};

/// The longest scenario, seconds: a year.
pub const DURATION_SECONDS_MAX: u32 = 366 * 86_400;
/// There are only a hundred invented phone numbers.
pub(crate) const PHONES_MAX: usize = 100;
/// So many desks are hired at most; further communities share them.
pub(crate) const DESKS_MAX: u32 = 8;
/// Families among which the unnamed share their phones.
pub(crate) const FAMILIES: u32 = 20;
/// Guardians of an unnamed elder.
pub(crate) const UNNAMED_GUARDIANS: usize = 2;

/// Scenarios begin between these: far from where times end.
const START: (&str, &str) = ("2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
/// How often anything is repeated at most.
const TIMES_MAX: u32 = 1_000;
/// How often somebody is tried in a round of calls at most.
const TRIES_MAX: u32 = 100;
/// The farthest that anybody goes or jumps, metres.
const METRES_MAX: f64 = 1_000_000.0;
/// The most by which a clock is wrong, seconds.
const SKEW_SECONDS_MAX: f64 = 10.0 * 366.0 * 86_400.0;

impl Scenario {
    /// Whether all of it can be.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            (1..=DURATION_SECONDS_MAX).contains(&self.duration_s),
            "duration_s: between 1 and {DURATION_SECONDS_MAX}"
        );
        let [first, last] = [START.0, START.1].map(|time| Timestamp::parse(time).unwrap_or_default());
        ensure!((first..=last).contains(&self.start), "start: between {} and {}", START.0, START.1);
        ensure!(self.town.elders <= ELDERS_MAX, "town.elders: at most {ELDERS_MAX}");
        ensure!((1..=26).contains(&self.town.communities), "town.communities: 1–26");
        ensure!((0.0..=1.0).contains(&self.town.bad_cells), "town.bad_cells: a share, 0–1");
        for (place, elder) in self.elders.iter().enumerate() {
            let is_new = self.elders[..place].iter().all(|other| other.id != elder.id);
            ensure!(model::id::is_well_formed(&elder.id), "elder.id {:?}: letters, digits, - _ . :", elder.id);
            ensure!(is_new, "elder.id {:?} stands twice", elder.id);
            ensure!(elder.community < self.town.communities, "elder {}: there is no such community", elder.id);
            let battery = elder.battery.unwrap_or(100.0);
            ensure!((0.0..=100.0).contains(&battery), "elder {}: battery: percent, 0–100", elder.id);
        }
        let phones = self.phones_wanted();
        ensure!(
            phones <= PHONES_MAX,
            "the people of this scenario need {phones} phones, and there are {PHONES_MAX} invented numbers: name fewer \
             guardians, or move elders to whom nothing happens to [town]"
        );
        for act in &self.acts {
            self.check_act(act).with_context(|| format!("act at {} s", act.at_s))?;
        }
        for expect in &self.expects {
            self.check_expect(expect).with_context(|| format!("expect of {}", expect.who))?;
        }
        for never in &self.nevers {
            self.check_never(never).context("never")?;
        }
        Ok(())
    }

    fn check_act(&self, act: &super::Act) -> anyhow::Result<()> {
        let who = &act.who;
        let one = || self.elders.iter().any(|elder| elder.id == *who);
        ensure!(
            self.knows(who) || act.deed.is_about_the_house() || who == "town" || self.has_carrier(who),
            "nobody is called {who:?}; name an elder, `town` (the unnamed), `carrier:NAME` or `all`"
        );
        if matches!(act.deed, Deed::Forge | Deed::SpeakFor { .. }) {
            ensure!(one(), "who: this is about one elder by name, and {who:?} is none");
        }
        let end = f64::from(self.duration_s);
        // Not a number is in no range either.
        ensure!((0.0..=end).contains(&act.at_s), "at_s: between 0 and {end}, when the scenario is over");
        ensure!((0.0..=1.0).contains(&act.share), "share: 0–1");
        ensure!((0.0..=end).contains(&act.spread_s), "spread_s: between 0 and {end}");
        match &act.deed {
            Deed::Sos { times, gap_s } => {
                within("times", f64::from(*times), 1.0, f64::from(TIMES_MAX))?;
                seconds("gap_s", *gap_s)
            }
            Deed::FalseFall { cancel_after_s } => seconds("cancel_after_s", *cancel_after_s),
            Deed::Walk { to_m, direction, .. } => {
                within("to_m", *to_m, 0.0, METRES_MAX)?;
                within("direction", *direction, -360.0, 360.0)
            }
            Deed::Measure { sys, dia, .. } => {
                within("sys", f64::from(*sys), 1.0, 300.0)?;
                within("dia", f64::from(*dia), 1.0, 300.0)
            }
            Deed::Heart { bpm, for_s } => {
                within("bpm", *bpm, 1.0, 300.0)?;
                seconds("for_s", *for_s)
            }
            Deed::Oxygen { percent, for_s } => {
                within("percent", *percent, 1.0, 100.0)?;
                seconds("for_s", *for_s)
            }
            Deed::Temperature { celsius, for_s } => {
                within("celsius", *celsius, 20.0, 45.0)?;
                seconds("for_s", *for_s)
            }
            Deed::Battery { percent } => within("percent", *percent, 0.0, 100.0),
            Deed::WelfareCalls { tries, gap_s } => {
                within("tries", f64::from(*tries), 1.0, f64::from(TRIES_MAX))?;
                seconds("gap_s", *gap_s)
            }
            Deed::Jump { by_m, fixes } => {
                within("by_m", *by_m, -METRES_MAX, METRES_MAX)?;
                within("fixes", f64::from(*fixes), 1.0, f64::from(TIMES_MAX))
            }
            Deed::Clock { skew_s } => within("skew_s", *skew_s, -SKEW_SECONDS_MAX, SKEW_SECONDS_MAX),
            Deed::Repeat { times, for_s } => {
                within("times", f64::from(*times), 1.0, f64::from(TIMES_MAX))?;
                seconds("for_s", *for_s)
            }
            Deed::SpeakFor { other } => {
                ensure!(self.elders.iter().any(|elder| elder.id == *other), "other: no elder is called {other:?}");
                Ok(())
            }
            Deed::Crowd { to_m, for_s } => {
                within("to_m", *to_m, 0.0, METRES_MAX)?;
                seconds("for_s", *for_s)
            }
            Deed::Restart { down_s } => seconds("down_s", *down_s),
            Deed::LieStill { for_s }
            | Deed::TakeOff { for_s }
            | Deed::Charge { for_s }
            | Deed::NoCoverage { for_s, .. }
            | Deed::NoFix { for_s }
            | Deed::Provider { for_s, .. }
            | Deed::DiskNearlyFull { for_s } => seconds("for_s", *for_s),
            Deed::Fall | Deed::Stumble | Deed::Home | Deed::Bedside { .. } | Deed::Case { .. } | Deed::Forge => Ok(()),
        }
    }

    fn check_expect(&self, expect: &Expect) -> anyhow::Result<()> {
        let who = &expect.who;
        ensure!(self.knows(who) || who.starts_with("area:"), "nobody is called {who:?}");
        let times = [
            ("after_s", Some(expect.after_s)),
            ("by_s", Some(expect.by_s)),
            ("told_by_s", expect.told_by_s),
            ("state_by_s", expect.state_by_s),
            ("case_by_s", expect.case_by_s),
        ];
        times.into_iter().try_for_each(|(key, time)| time.map_or(Ok(()), |time| self.in_time(key, time)))?;
        ensure!(expect.after_s <= expect.by_s, "after_s comes later than by_s");
        expect.told.iter().try_for_each(|told| self.check_told(told))
    }

    fn check_never(&self, never: &Never) -> anyhow::Result<()> {
        if let Some(who) = &never.who {
            ensure!(self.knows(who) || who.starts_with("area:"), "nobody is called {who:?}");
        }
        self.in_time("from_s", never.from_s)?;
        if let Some(to) = never.to_s {
            self.in_time("to_s", to)?;
            ensure!(never.from_s < to, "from_s comes later than to_s: nothing is forbidden");
        }
        never.told.iter().try_for_each(|told| self.check_told(told))
    }

    /// `person channel`, or a person by themselves: is there such a phone?
    fn check_told(&self, told: &str) -> anyhow::Result<()> {
        let (person, channel) = told.split_once(' ').map_or((told, None), |(person, channel)| (person, Some(channel)));
        if let Some(channel) = channel {
            let names: Vec<&str> = Channel::ALL.iter().map(|channel| channel_name(*channel)).collect();
            ensure!(names.contains(&channel), "told {told:?}: the channel is one of {}", names.join(", "));
        }
        let (desks, family) =
            (self.town.communities.min(DESKS_MAX), (0..FAMILIES).map(|family| format!("f{family:02}")));
        let is_desk = (0..desks).any(|desk| person == format!("desk{desk}"));
        let is_family = family.flat_map(|name| letters(UNNAMED_GUARDIANS).map(move |l| format!("{name}{l}")));
        let belongs = |elder: &ElderPlan| {
            let mut guardians = letters(elder.guardians.len()).map(|letter| format!("{}{letter}", elder.id));
            guardians.any(|guardian| guardian == person) || (elder.phone.is_some() && elder.id == person)
        };
        ensure!(
            person == "doctor"
                || is_desk
                || is_family.into_iter().any(|id| id == person)
                || self.elders.iter().any(belongs),
            "told {told:?}: nobody with a phone is called {person:?}; the guardians of w1 are w1a, w1b… as many as it has, \
             those of the unnamed f00a to f{:02}b, and there are desk0{} and doctor",
            FAMILIES - 1,
            if desks > 1 { format!(" to desk{}", desks - 1) } else { String::new() }
        );
        Ok(())
    }

    /// A time that the scenario sees.
    fn in_time(&self, key: &str, time: f64) -> anyhow::Result<()> {
        let end = f64::from(self.duration_s);
        ensure!((0.0..=end).contains(&time), "{key}: between 0 and {end}, when the scenario is over");
        Ok(())
    }

    fn knows(&self, who: &str) -> bool {
        who == "all" || self.elders.iter().any(|elder| elder.id == who)
    }

    /// Whether `carrier:NAME` names one.
    fn has_carrier(&self, who: &str) -> bool {
        let named = self.elders.iter().filter_map(|elder| elder.carrier.as_ref());
        let mut carriers = named.chain(&self.town.carriers);
        who.strip_prefix("carrier:").is_some_and(|name| carriers.any(|carrier| carrier == name))
    }

    /// Of those with a name of their own. The unnamed take what is left: when that is nothing, they have nobody.
    fn phones_wanted(&self) -> usize {
        let own = |elder: &ElderPlan| elder.guardians.len() + usize::from(elder.phone.is_some());
        let named: usize = self.elders.iter().map(own).sum();
        let families = self.town.elders.min(FAMILIES) as usize * UNNAMED_GUARDIANS;
        self.town.communities.min(DESKS_MAX) as usize + 1 + named + families
    }
}

/// A channel as a scenario names it.
pub(crate) fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "sms",
        Channel::Voice => "voice",
        Channel::Push => "push",
        Channel::Email => "email",
        Channel::Robot => "robot",
    }
}

fn letters(count: usize) -> impl Iterator<Item = char> {
    ('a'..).take(count)
}

fn seconds(key: &str, value: f64) -> anyhow::Result<()> {
    within(key, value, 0.0, f64::from(DURATION_SECONDS_MAX))
}

/// Not a number is within nothing.
fn within(key: &str, value: f64, least: f64, most: f64) -> anyhow::Result<()> {
    ensure!((least..=most).contains(&value), "{key}: {value} is not between {least} and {most}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "title = \"T\"\ntitle_zh = \"T\"\nduration_s = 600\n[[elder]]\nid = \"w1\"\n[[elder]]\nid = \"w2\"\n";

    fn said(rest: &str) -> String {
        match Scenario::parse("mine", &format!("{HEAD}{rest}")) {
            Ok(_) => String::new(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn what_cannot_be_is_refused_and_named() {
        let act = |rest: &str| said(&format!("[[act]]\nwho = \"w1\"\n{rest}"));
        for (rest, named) in [
            ("at_s = -1\ndoes = \"sos\"", "at_s"),
            ("at_s = nan\ndoes = \"sos\"", "at_s"),
            ("at_s = 601\ndoes = \"sos\"", "the scenario is over"),
            ("at_s = 1\nshare = 7\ndoes = \"sos\"", "share"),
            ("at_s = 1\nspread_s = -3\ndoes = \"sos\"", "spread_s"),
            ("at_s = 1\ndoes = \"sos\"\ntimes = 4000000000", "times"),
            ("at_s = 1\ndoes = \"sos\"\ntimes = 0", "times"),
            ("at_s = 1\ndoes = \"walk\"\nto_m = 1e300", "to_m"),
            ("at_s = 1\ndoes = \"heart\"\nbpm = -50\nfor_s = 9", "bpm"),
            ("at_s = 1\ndoes = \"heart\"\nbpm = 150\nfor_s = -9", "for_s"),
            ("at_s = 1\ndoes = \"oxygen\"\npercent = 400\nfor_s = 9", "percent"),
            ("at_s = 1\ndoes = \"clock\"\nskew_s = 1e18", "skew_s"),
            ("at_s = 1\ndoes = \"speak_for\"\nother = \"w9\"", "w9"),
        ] {
            let said = act(rest);
            assert!(said.contains("act at") && said.contains(named), "{rest}: {said:?}");
        }
        assert!(said("[[act]]\nat_s = 1\nwho = \"all\"\ndoes = \"forge\"").contains("one elder by name"));
        assert_eq!(act("at_s = 600\ndoes = \"sos\""), "");
        let far = HEAD.replace("duration_s", "start = \"9999-12-31T23:59:00Z\"\nduration_s");
        assert!(format!("{:#}", Scenario::parse("far", &far).unwrap_err()).contains("start"));
        assert!(said("battery = 400").contains("elder w2: battery"));
    }

    #[test]
    fn a_line_that_would_hold_whatever_happens_is_refused() {
        for (line, named) in [
            ("[[never]]\ntold = \"w1z voice\"", "w1z"),
            ("[[never]]\ntold = \"w1a telepathy\"", "sms, voice"),
            ("[[never]]\ntold = \"w1\"", "\"w1\""),
            ("[[never]]\nfrom_s = 700", "from_s"),
            ("[[never]]\nfrom_s = 500\nto_s = 100", "nothing is forbidden"),
            ("[[expect]]\nwho = \"w1\"\nkind = \"sos\"\nby_s = 90\ntold = [\"w1b voice\"]", "w1b"),
            ("[[expect]]\nwho = \"w1\"\nkind = \"sos\"\nby_s = 5000", "by_s"),
            ("[[expect]]\nwho = \"w1\"\nkind = \"sos\"\nafter_s = 90\nby_s = 50", "after_s"),
        ] {
            assert!(said(line).contains(named), "{line}: {:?}", said(line));
        }
        for line in ["told = \"w1a\"", "told = \"desk1 voice\"", "told = \"doctor sms\"", "told = \"f19b voice\""] {
            assert_eq!(said(&format!("[[never]]\n{line}")), "", "{line}");
        }
    }

    #[test]
    fn nobody_is_left_without_a_phone_in_silence() {
        let many = |elders: usize| {
            let elder = |n| format!("[[elder]]\nid = \"n{n}\"\nguardians = [\"answers\", \"answers\", \"busy\"]\n");
            said(&(0..elders).map(elder).collect::<String>())
        };
        assert_eq!(many(31), "");
        assert!(many(32).contains("101 phones"), "{}", many(32));
    }
}
