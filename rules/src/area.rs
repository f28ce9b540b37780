//! Mass silence: when many fall silent together it is the cell or the carrier, not the elders. Silence waits here for
//! its neighbours; who falls silent in company is folded into one finding about the area.
//!
//! What fails together is looked for in what is known: the community, which is as large as a cell, and, where devices
//! are registered with their `carrier`, those of one carrier in each organisation above it. (No report of ours carries
//! a cell.) Where a carrier fails in a whole city, the first few in any of its communities are enough for the city.
//!
//! Pure, with the three verbs of every timed core. It takes findings of [`IncidentKind::Silence`] and says what is to
//! be told instead, and when.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use model::{Change, DeviceId, Finding, IncidentKind, OrgPath, Priority, Timestamp, WearerId};
use serde::{Deserialize, Serialize};

use crate::explain::{Told, explain, reading, span};

const RULE: &str = "mass_silence";
const RULE_VERSION: u16 = 2;

/// How long one silence waits for others, seconds: with silence's own 23 minutes it makes the 25 of clinical.md.
pub const HOLD_SECONDS: u32 = 120;
/// So many make an area.
pub const MEMBERS_MIN: usize = 5;
/// Who falls silent within so long of each other falls silent together, seconds: one heartbeat and a little. Who is
/// silent still when the others are back is waited for as long.
pub const TOGETHER_SECONDS: u32 = 600;
/// An area is over when no more than one of so many of it are silent still, or one in all.
const SILENT_STILL_ONE_OF: usize = 10;
/// Devices of one carrier fall silent here and there all day. It is the carrier when there are communities of them,
/// and of all that are silent most became so just now: so many times those who have been for longer.
const COMMUNITIES_MIN: usize = 2;
const JUST_NOW_TIMES: usize = 2;

/// Who is silent, and with whom. Empty where everybody is heard.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Area {
    silent: BTreeMap<WearerId, Silent>,
    /// Who may fail together, as far as somebody of them is silent.
    groups: BTreeMap<Group, Members>,
    /// When somebody has waited long enough.
    due: BTreeSet<(Timestamp, WearerId)>,
}

/// Devices that may fail together: all of one community, or those of one carrier in an organisation and below.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Group {
    org: OrgPath,
    carrier: Option<CompactString>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Members {
    /// Those who are silent, but for who was folded into another group.
    silent: BTreeSet<WearerId>,
    mass: Option<Mass>,
}

/// A group was found to have failed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Mass {
    since: Timestamp,
    folded: usize,
    folded_max: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Silent {
    finding: Finding,
    org: OrgPath,
    carrier: Option<CompactString>,
    state: Telling,
}

/// Whether a silence waits here for neighbours, is an area's, or was told by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Telling {
    Held,
    Folded(Group),
    /// Its area is over: it is about to come back, too, or is missed alone.
    Lingering,
    Told,
}

impl Silent {
    fn due(&self) -> Option<Timestamp> {
        match self.state {
            Telling::Held => Some(self.finding.at.plus_seconds(HOLD_SECONDS)),
            Telling::Lingering => Some(self.finding.at.plus_seconds(TOGETHER_SECONDS)),
            Telling::Folded(_) | Telling::Told => None,
        }
    }

    /// With whom it may have failed, the nearest first.
    fn groups(&self) -> Vec<Group> {
        let mut groups = vec![Group { org: self.org.clone(), carrier: None }];
        if self.carrier.is_some() {
            let above = std::iter::successors(self.org.parent(), OrgPath::parent);
            groups.extend(above.map(|org| Group { org, carrier: self.carrier.clone() }));
        }
        groups
    }
}

/// What the id of a wearer begins with who stands for an area; the path that follows holds slashes, which no id of a
/// wearer's own may. Behind its last slash stands the carrier, if it is about one.
const AREA: &str = "area:";

/// The wearer in whose name an area's finding is made: there is nobody whom it is about.
#[must_use]
pub fn wearer_of(org: &OrgPath, carrier: Option<&str>) -> WearerId {
    WearerId::new(&format!("{AREA}{org}{}", carrier.unwrap_or_default()))
}

/// The area for which such a wearer stands: the organisation, and the carrier if it is about one.
#[must_use]
pub fn area_of(wearer: &WearerId) -> Option<(OrgPath, Option<&str>)> {
    let area = wearer.as_str().strip_prefix(AREA)?;
    let (path, carrier) = area.split_at(area.rfind('/')? + 1);
    let org = Some(OrgPath::new(path)).filter(OrgPath::is_well_formed)?;
    Some((org, Some(carrier).filter(|carrier| !carrier.is_empty())))
}

impl Area {
    /// Takes a finding about silence of somebody in a community, by a device of a carrier if it is known. What comes
    /// out is to be told now.
    pub fn handle(
        &mut self,
        finding: &Finding,
        org: &OrgPath,
        carrier: Option<&CompactString>,
        now: Timestamp,
    ) -> Vec<Finding> {
        if finding.kind != IncidentKind::Silence {
            return vec![finding.clone()];
        }
        match finding.change {
            Change::Raised => self.fell_silent(finding, org, carrier, now),
            // Who has moved meanwhile was missed where they lived.
            Change::Cleared => self.was_heard(finding, now),
        }
    }

    /// When a silence has waited long enough.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What has waited long enough and stayed alone: of at most so many wearers; ask again while [`Area::next_due`] is
    /// not after `now`.
    pub fn advance(&mut self, now: Timestamp, wearers_max: usize) -> Vec<Finding> {
        let mut told = Vec::new();
        for _ in 0..wearers_max {
            let Some((_, wearer)) = self.due.first().filter(|(at, _)| *at <= now).cloned() else { break };
            self.due.pop_first();
            if let Some(silent) = self.silent.get_mut(&wearer) {
                silent.state = Telling::Told;
                told.push(Finding { at: now, ..silent.finding.clone() });
            }
        }
        told
    }

    /// Forgets somebody who was erased. An area that had nobody else is told over by nobody: its incident is closed by hand.
    pub fn erase(&mut self, wearer: &WearerId) {
        let Some(Telling::Folded(group)) = self.forget(wearer).map(|silent| silent.state) else { return };
        if let Some(members) = self.groups.get_mut(&group) {
            members.mass = members.mass.filter(|mass| mass.folded > 0);
        }
        self.tidy(&group);
    }

    fn fell_silent(
        &mut self,
        finding: &Finding,
        org: &OrgPath,
        carrier: Option<&CompactString>,
        now: Timestamp,
    ) -> Vec<Finding> {
        let wearer = &finding.wearer;
        // Silent again without having been heard: with another device, or from another community.
        let mut told = Vec::from_iter(self.forget(wearer).and_then(|silent| self.end(&silent, now)));
        let silent =
            Silent { finding: finding.clone(), org: org.clone(), carrier: carrier.cloned(), state: Telling::Held };
        let groups = silent.groups();
        self.silent.insert(wearer.clone(), silent);
        let failed = groups.iter().find(|group| self.groups.get(group).is_some_and(|members| members.mass.is_some()));
        if let Some(group) = failed {
            self.fold(wearer, group);
            return told;
        }
        self.wait(wearer);
        for group in &groups {
            self.groups.entry(group.clone()).or_default().silent.insert(wearer.clone());
        }
        let Some((group, together)) = groups.iter().find_map(|group| Some((group, self.together(group, now)?))) else {
            return told;
        };
        let members = self.groups.entry(group.clone()).or_default();
        members.mass = Some(Mass { since: now, folded: 0, folded_max: 0 });
        for member in members.silent.clone() {
            if self.silent.get(&member).is_some_and(|silent| silent.state == Telling::Held) {
                self.fold(&member, group);
            }
        }
        told.push(raised(group, together, now));
        told
    }

    /// It is looked at again when it has waited long enough.
    fn wait(&mut self, wearer: &WearerId) {
        let due = self.silent.get(wearer).and_then(Silent::due);
        self.due.extend(due.map(|due| (due, wearer.clone())));
    }

    /// How many of a group fell silent together, if these are enough to say that it failed.
    fn together(&self, group: &Group, now: Timestamp) -> Option<usize> {
        let wearers = &self.groups.get(group)?.silent;
        let members = || wearers.iter().filter_map(|wearer| self.silent.get(wearer));
        let is_recent = |silent: &&Silent| {
            silent.state != Telling::Lingering && silent.finding.at.plus_seconds(TOGETHER_SECONDS) >= now
        };
        let recent = members().filter(is_recent).count();
        let is_clear = group.carrier.is_none() || {
            let communities = BTreeSet::from_iter(members().filter(is_recent).map(|silent| &silent.org));
            communities.len() >= COMMUNITIES_MIN && recent >= JUST_NOW_TIMES * (members().count() - recent)
        };
        (recent >= MEMBERS_MIN && is_clear).then_some(recent)
    }

    /// Somebody who is silent is a group's, and no other's.
    fn fold(&mut self, wearer: &WearerId, group: &Group) {
        let Some(silent) = self.silent.get_mut(wearer) else { return };
        if let Some(due) = silent.due() {
            self.due.remove(&(due, wearer.clone()));
        }
        silent.state = Telling::Folded(group.clone());
        for other in silent.groups() {
            if other != *group {
                self.leave(wearer, &other);
            }
        }
        let members = self.groups.entry(group.clone()).or_default();
        members.silent.insert(wearer.clone());
        if let Some(mass) = &mut members.mass {
            mass.folded += 1;
            mass.folded_max = mass.folded_max.max(mass.folded);
        }
    }

    fn was_heard(&mut self, finding: &Finding, now: Timestamp) -> Vec<Finding> {
        let Some(silent) = self.forget(&finding.wearer) else { return vec![finding.clone()] };
        if silent.state == Telling::Told {
            return vec![finding.clone()];
        }
        // Where nobody was told, nobody has to hear that it is over.
        Vec::from_iter(self.end(&silent, now))
    }

    /// The area is over if this one, who is not silent any more, was the last that it took.
    fn end(&mut self, heard: &Silent, now: Timestamp) -> Option<Finding> {
        let Telling::Folded(group) = &heard.state else { return None };
        let is_over = |mass: &mut Mass| mass.folded <= (mass.folded_max / SILENT_STILL_ONE_OF).max(1);
        let members = self.groups.get_mut(group)?;
        let mass = members.mass.take_if(is_over)?;
        for wearer in members.silent.clone() {
            let Some(silent) = self.silent.get_mut(&wearer) else { continue };
            if silent.state != heard.state {
                continue;
            }
            (silent.state, silent.finding.at) = (Telling::Lingering, now);
            for group in silent.groups() {
                self.groups.entry(group).or_default().silent.insert(wearer.clone());
            }
            self.wait(&wearer);
        }
        self.tidy(group);
        Some(cleared(group, &mass, now))
    }

    /// Takes somebody out everywhere.
    fn forget(&mut self, wearer: &WearerId) -> Option<Silent> {
        let silent = self.silent.remove(wearer)?;
        if let Some(due) = silent.due() {
            self.due.remove(&(due, wearer.clone()));
        }
        if let Telling::Folded(group) = &silent.state
            && let Some(mass) = self.groups.get_mut(group).and_then(|members| members.mass.as_mut())
        {
            mass.folded -= 1;
        }
        for group in silent.groups() {
            self.leave(wearer, &group);
        }
        Some(silent)
    }

    fn leave(&mut self, wearer: &WearerId, group: &Group) {
        if let Some(members) = self.groups.get_mut(group) {
            members.silent.remove(wearer);
        }
        self.tidy(group);
    }

    /// A group of which everybody is heard is forgotten.
    fn tidy(&mut self, group: &Group) {
        if self.groups.get(group).is_some_and(|members| members.silent.is_empty() && members.mass.is_none()) {
            self.groups.remove(group);
        }
    }
}

fn raised(group: &Group, members: usize, now: Timestamp) -> Finding {
    let (zh, en) = span(i64::from(TOGETHER_SECONDS) * 1000);
    let (zh, en) = match &group.carrier {
        None => (
            format!("本区域 {members} 台设备在 {zh}内相继失联（警戒线 {MEMBERS_MIN} 台），可能是基站或运营商故障。"),
            format!(
                "{members} devices of this area fell silent within {en} (limit {MEMBERS_MIN}): likely the cell or the carrier."
            ),
        ),
        Some(carrier) => (
            format!(
                "本区域多个社区共 {members} 台 {carrier} 设备在 {zh}内相继失联（警戒线 {MEMBERS_MIN} 台），可能是该运营商故障。"
            ),
            format!(
                "{members} devices of {carrier} in several communities of this area fell silent within {en} (limit {MEMBERS_MIN}): likely this carrier."
            ),
        ),
    };
    let readings = vec![
        reading("members", members as f64, "", Some(now)),
        reading("threshold", MEMBERS_MIN as f64, "", None),
        reading("together", f64::from(TOGETHER_SECONDS), "s", None),
    ];
    let told = Told { rule: RULE, rule_version: RULE_VERSION, readings, zh, en };
    about(group, Change::Raised, Priority::Medium, now, told)
}

fn cleared(group: &Group, mass: &Mass, now: Timestamp) -> Finding {
    let (zh, en) = span(now.millis_since(mass.since));
    let told = Told {
        rule: RULE,
        rule_version: RULE_VERSION,
        readings: vec![reading("members", mass.folded as f64, "", Some(now))],
        zh: format!("本区域设备在 {zh}后恢复联系，仍失联 {} 台。", mass.folded),
        en: format!("The devices of this area are heard again after {en}; {} still silent.", mass.folded),
    };
    about(group, Change::Cleared, Priority::Low, now, told)
}

fn about(group: &Group, change: Change, priority: Priority, now: Timestamp, told: Told) -> Finding {
    Finding {
        kind: IncidentKind::MassSilence,
        change,
        wearer: wearer_of(&group.org, group.carrier.as_deref()),
        device: DeviceId::default(),
        priority,
        at: now,
        measured: now,
        late: false,
        confirmed: true,
        position: None,
        explain: explain(told.rule, told.rule_version, told.readings, told.zh, told.en),
    }
}
