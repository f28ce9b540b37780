//! Mass silence: when many of one community fall silent together it is the cell, not the elders. Silence waits here for
//! its neighbours; who falls silent in company is folded into one finding about the area.
//!
//! Pure, with the three verbs of every timed core. It takes findings of [`IncidentKind::Silence`] and says what is to
//! be told instead, and when.

use std::collections::{BTreeMap, BTreeSet};

use model::{Change, DeviceId, Finding, IncidentKind, OrgPath, Priority, Timestamp, WearerId};
use serde::{Deserialize, Serialize};

use crate::explain::{Told, explain, reading, span};

const RULE: &str = "mass_silence";
const RULE_VERSION: u16 = 1;

/// How long one silence waits for others, seconds: with silence's own 23 minutes it makes the 25 of clinical.md.
pub const HOLD_SECONDS: u32 = 120;
/// So many make an area.
pub const MEMBERS_MIN: usize = 5;
/// Who falls silent within so long of each other falls silent together, seconds: one heartbeat and a little.
pub const TOGETHER_SECONDS: u32 = 600;
/// An area is over when no more than this many of it are silent still.
const MEMBERS_OVER: usize = 1;

/// Who is silent in each community. Not there where everybody is heard.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Area {
    communities: BTreeMap<OrgPath, Community>,
    /// When somebody has waited long enough, and where: the first of each community.
    due: BTreeSet<(Timestamp, OrgPath)>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Community {
    silent: BTreeMap<WearerId, Silent>,
    /// When it was found to be the area's.
    mass_since: Option<Timestamp>,
    /// Its entry among those that are due.
    due: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Silent {
    finding: Finding,
    /// Whether it waits here for neighbours, is the area's, or was told by itself.
    state: Telling,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Telling {
    Held,
    Folded,
    Told,
}

impl Silent {
    fn tell(&mut self, now: Timestamp) -> Finding {
        self.state = Telling::Told;
        Finding { at: now, ..self.finding.clone() }
    }

    fn due(&self) -> Option<Timestamp> {
        (self.state == Telling::Held).then(|| self.finding.at.plus_seconds(HOLD_SECONDS))
    }
}

/// What the id of a wearer begins with who stands for an area; the path that follows holds slashes, which no id of a
/// wearer's own may.
const AREA: &str = "area:";

/// The wearer in whose name an area's finding is made: there is nobody whom it is about.
#[must_use]
pub fn wearer_of(org: &OrgPath) -> WearerId {
    WearerId::new(&format!("{AREA}{org}"))
}

/// The area for which such a wearer stands.
#[must_use]
pub fn org_of(wearer: &WearerId) -> Option<OrgPath> {
    wearer.as_str().strip_prefix(AREA).map(OrgPath::new).filter(OrgPath::is_well_formed)
}

impl Area {
    /// Takes a finding about silence in a community. What comes out is to be told now.
    pub fn handle(&mut self, finding: &Finding, org: &OrgPath, now: Timestamp) -> Vec<Finding> {
        if finding.kind != IncidentKind::Silence {
            return vec![finding.clone()];
        }
        // Who has moved meanwhile is missed where they lived.
        let lived = |(_, community): &(&OrgPath, &Community)| community.silent.contains_key(&finding.wearer);
        let is_known =
            self.communities.get(org).is_some_and(|community| community.silent.contains_key(&finding.wearer));
        let is_asked = finding.change == Change::Cleared && !is_known;
        let moved = is_asked.then(|| self.communities.iter().find(lived).map(|(org, _)| org.clone())).flatten();
        let org = moved.as_ref().unwrap_or(org);
        if finding.change == Change::Cleared && !self.communities.contains_key(org) {
            return vec![finding.clone()];
        }
        let community = self.communities.entry(org.clone()).or_default();
        let told = match finding.change {
            Change::Raised => community.fell_silent(finding, org, now),
            Change::Cleared => community.was_heard(finding, org, now),
        };
        self.schedule(org);
        told
    }

    /// When a silence has waited long enough.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What has waited long enough and stayed alone: of at most so many communities; ask again while
    /// [`Area::next_due`] is not after `now`.
    pub fn advance(&mut self, now: Timestamp, communities_max: usize) -> Vec<Finding> {
        let mut told = Vec::new();
        for _ in 0..communities_max {
            let Some((_, org)) = self.due.first().filter(|(at, _)| *at <= now).cloned() else { break };
            self.due.pop_first();
            if let Some(community) = self.communities.get_mut(&org) {
                let due = community.silent.values_mut().filter(|silent| silent.due().is_some_and(|due| due <= now));
                told.extend(due.map(|silent| silent.tell(now)));
            }
            self.schedule(&org);
        }
        told
    }

    /// Brings the entry of a community that changed into line; one where everybody is heard is forgotten.
    fn schedule(&mut self, org: &OrgPath) {
        let Some(community) = self.communities.get_mut(org) else { return };
        let due = community.next_due();
        if let Some(before) = std::mem::replace(&mut community.due, due) {
            self.due.remove(&(before, org.clone()));
        }
        if let Some(due) = due {
            self.due.insert((due, org.clone()));
        }
        if community.silent.is_empty() {
            self.communities.remove(org);
        }
    }
}

impl Community {
    fn next_due(&self) -> Option<Timestamp> {
        self.silent.values().filter_map(Silent::due).min()
    }

    fn fell_silent(&mut self, finding: &Finding, org: &OrgPath, now: Timestamp) -> Vec<Finding> {
        let state = if self.mass_since.is_some() { Telling::Folded } else { Telling::Held };
        self.silent.insert(finding.wearer.clone(), Silent { finding: finding.clone(), state });
        let is_recent = |silent: &&Silent| silent.finding.at.plus_seconds(TOGETHER_SECONDS) >= now;
        let recent = self.silent.values().filter(is_recent).count();
        if self.mass_since.is_some() || recent < MEMBERS_MIN {
            return Vec::new();
        }
        self.mass_since = Some(now);
        for silent in self.silent.values_mut().filter(|silent| silent.state == Telling::Held) {
            silent.state = Telling::Folded;
        }
        vec![self.raised(org, recent, now)]
    }

    fn was_heard(&mut self, finding: &Finding, org: &OrgPath, now: Timestamp) -> Vec<Finding> {
        let Some(silent) = self.silent.remove(&finding.wearer) else { return vec![finding.clone()] };
        // Where nobody was told, nobody has to hear that it is over.
        let mut told: Vec<Finding> = (silent.state == Telling::Told).then(|| finding.clone()).into_iter().collect();
        if let Some(since) = self.mass_since.filter(|_| self.silent.len() <= MEMBERS_OVER) {
            self.mass_since = None;
            told.push(self.cleared(org, since, now));
            // Who is silent still is so alone, unless they are about to come back, too.
            for silent in self.silent.values_mut().filter(|silent| silent.state == Telling::Folded) {
                silent.state = Telling::Held;
                silent.finding.at = now;
            }
        }
        told
    }

    fn raised(&self, org: &OrgPath, members: usize, now: Timestamp) -> Finding {
        let (zh, en) = span(i64::from(TOGETHER_SECONDS) * 1000);
        let told = Told {
            rule: RULE,
            rule_version: RULE_VERSION,
            readings: vec![
                reading("members", members as f64, "", Some(now)),
                reading("threshold", MEMBERS_MIN as f64, "", None),
                reading("together", f64::from(TOGETHER_SECONDS), "s", None),
            ],
            zh: format!(
                "本区域 {members} 台设备在 {zh}内相继失联（警戒线 {MEMBERS_MIN} 台），可能是基站或运营商故障。"
            ),
            en: format!(
                "{members} devices of this area fell silent within {en} (limit {MEMBERS_MIN}): likely the cell or the carrier."
            ),
        };
        about(org, Change::Raised, Priority::Medium, now, told)
    }

    fn cleared(&self, org: &OrgPath, since: Timestamp, now: Timestamp) -> Finding {
        let (zh, en) = span(now.millis_since(since));
        let told = Told {
            rule: RULE,
            rule_version: RULE_VERSION,
            readings: vec![reading("members", self.silent.len() as f64, "", Some(now))],
            zh: format!("本区域设备在 {zh}后恢复联系，仍失联 {} 台。", self.silent.len()),
            en: format!("The devices of this area are heard again after {en}; {} still silent.", self.silent.len()),
        };
        about(org, Change::Cleared, Priority::Low, now, told)
    }
}

fn about(org: &OrgPath, change: Change, priority: Priority, now: Timestamp, told: Told) -> Finding {
    Finding {
        kind: IncidentKind::MassSilence,
        change,
        wearer: wearer_of(org),
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
