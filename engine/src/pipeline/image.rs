//! The pipeline's state, written down portion by portion between batches and put together again at a start.
//!
//! Each section carries the sequence number of the last record that had been decided when it was taken. A start
//! loads the newest complete set and applies the journal from the lowest of these numbers on; what a section
//! already holds is not brought in twice.

use std::collections::BTreeMap;

use alerting::Alerting;
use casework::Casework;
use chrono_tz::Tz;
use model::staff::ApiToken;
use model::{Counters, Device, DownCommand, Org, OrgPath, Person, Timestamp, TokenId, Wearer};
use serde::{Deserialize, Serialize};

use super::accounts::Accounts;
use super::audit::Audit;
use super::entries::{DeviceEntry, DeviceHot, WearerEntry, WearerHot};
use super::erasure::Erased;
use super::links::StepUps;
use super::slots::PORTION_SLOTS;
use super::webhooks::Webhooks;
use super::{Pipeline, Replies, RuleTimers};

/// Which part of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SectionId {
    /// Everything but the people, wearers and devices.
    Core,
    /// A portion of the people.
    People(u32),
    /// A portion of the wearers with their hot state.
    Wearers(u32),
    /// A portion of the devices with their hot state.
    Devices(u32),
}

/// How many portions one section was, when sections had 1 024 slots.
const PORTIONS_AT_ONCE: u32 = (1024 / PORTION_SLOTS) as u32;

impl SectionId {
    /// The number under which it stands in the file.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            SectionId::Core => 0,
            SectionId::People(portion) => (4 << 28) | portion,
            SectionId::Wearers(portion) => (5 << 28) | portion,
            SectionId::Devices(portion) => (6 << 28) | portion,
        }
    }

    /// From the number in the file, with how many portions its section is. (1 to 3 are of the time when a section had
    /// 1 024 slots.)
    #[must_use]
    pub fn from_number(number: u32) -> Option<(SectionId, u32)> {
        let portion = number & ((1 << 28) - 1);
        let at_once = portion.saturating_mul(PORTIONS_AT_ONCE);
        match number >> 28 {
            0 if portion == 0 => Some((SectionId::Core, 1)),
            1 => Some((SectionId::People(at_once), PORTIONS_AT_ONCE)),
            2 => Some((SectionId::Wearers(at_once), PORTIONS_AT_ONCE)),
            3 => Some((SectionId::Devices(at_once), PORTIONS_AT_ONCE)),
            4 => Some((SectionId::People(portion), 1)),
            5 => Some((SectionId::Wearers(portion), 1)),
            6 => Some((SectionId::Devices(portion), 1)),
            _ => None,
        }
    }
}

/// A section of a checkpoint as it is loaded.
#[derive(Debug)]
pub struct Loaded {
    /// Which part; of several portions the first.
    pub id: SectionId,
    /// How many portions it is.
    pub portions: u32,
    /// The sequence number that it was taken at.
    pub seq: u64,
    /// Its content.
    pub section: Section,
}

/// One part of the state, as it is written down. The variants' contents are the format of version 1 of the file.
#[derive(Debug, Serialize, Deserialize)]
pub enum Section {
    /// Everything but the people, wearers and devices.
    Core(Box<Core>),
    /// People with their slots.
    People(Vec<(u32, Person)>),
    /// Wearers with their slots.
    Wearers(Vec<(u32, Wearer, WearerHot)>),
    /// Devices with their slots.
    Devices(Vec<(u32, Device, DeviceHot)>),
}

/// Everything but the people, wearers and devices.
#[derive(Debug, Serialize, Deserialize)]
pub struct Core {
    last_at: Timestamp,
    counters: Counters,
    orgs: BTreeMap<OrgPath, Org>,
    alerting: alerting::Snapshot,
    casework: casework::Snapshot,
    reach: alerting::reach::ReachSnapshot,
    rounds: alerting::rounds::RoundsSnapshot,
    case_messages: Vec<model::Attempt>,
    down_commands: Vec<DownCommand>,
    replies: Replies,
    tokens: BTreeMap<TokenId, ApiToken>,
    accounts: Accounts,
    audit: Audit,
    webhooks: Webhooks,
    listening_since: Timestamp,
    area: rules::area::Area,
    erased: Erased,
    step_ups: StepUps,
}

impl Pipeline {
    /// The sections to write down, in order. What is added to the registry after this is in the journal only.
    #[must_use]
    pub fn sections(&self) -> Vec<SectionId> {
        let numbers = |portions: usize| 0..portions as u32;
        std::iter::once(SectionId::Core)
            .chain(numbers(self.directory.people.portions()).map(SectionId::People))
            .chain(numbers(self.directory.wearers.portions()).map(SectionId::Wearers))
            .chain(numbers(self.directory.devices.portions()).map(SectionId::Devices))
            .collect()
    }

    /// One section as it is now.
    #[must_use]
    pub fn section(&self, id: SectionId) -> Section {
        let directory = &self.directory;
        match id {
            SectionId::Core => Section::Core(Box::new(Core {
                last_at: self.last_at,
                counters: self.counters,
                orgs: directory.orgs.clone(),
                alerting: self.alerting.snapshot(),
                casework: self.casework.snapshot(),
                reach: self.reach.snapshot(),
                rounds: self.rounds.snapshot(),
                case_messages: self.case_messages.snapshot(),
                down_commands: self.down_commands.open().cloned().collect(),
                replies: self.replies.clone(),
                tokens: self.tokens.clone(),
                accounts: self.accounts.clone(),
                audit: self.audit.clone(),
                webhooks: self.webhooks.clone(),
                listening_since: self.listening_since,
                area: self.area.clone(),
                erased: self.erased.clone(),
                step_ups: self.step_ups.clone(),
            })),
            SectionId::People(portion) => {
                Section::People(directory.people.portion(portion as usize).map(|(slot, p)| (slot, p.clone())).collect())
            }
            SectionId::Wearers(portion) => Section::Wearers(
                directory
                    .wearers
                    .portion(portion as usize)
                    .map(|(slot, entry)| (slot, Wearer::clone(&entry.wearer), entry.hot.clone()))
                    .collect(),
            ),
            SectionId::Devices(portion) => Section::Devices(
                directory
                    .devices
                    .portion(portion as usize)
                    .map(|(slot, entry)| (slot, Device::clone(&entry.device), entry.hot.clone()))
                    .collect(),
            ),
        }
    }

    /// Puts the sections of a checkpoint together, each with the sequence number that it was taken at. The journal
    /// is to be applied from the lowest of these numbers on, which is returned beside.
    #[must_use]
    pub fn load(zone: Tz, sections: impl IntoIterator<Item = Loaded>) -> (Pipeline, u64) {
        let mut pipeline = Pipeline::new(zone);
        let mut lowest = u64::MAX;
        for loaded in sections {
            lowest = lowest.min(loaded.seq);
            pipeline.load_section(loaded);
        }
        pipeline.rule_timers = RuleTimers::default();
        pipeline.rule_timers.load(&pipeline.directory);
        (pipeline, if lowest == u64::MAX { 0 } else { lowest })
    }

    fn load_section(&mut self, loaded: Loaded) {
        let Loaded { id, portions, seq, section } = loaded;
        let all = |first: u32| first as usize..(first + portions) as usize;
        let directory = &mut self.directory;
        match section {
            Section::Core(core) => {
                self.last_at = core.last_at;
                self.counters = core.counters;
                directory.orgs = core.orgs;
                self.faults += directory.share_fences(self.zone) as u64;
                self.alerting = Alerting::restore(core.alerting);
                self.casework = Casework::restore(core.casework);
                self.reach = alerting::Reach::restore(core.reach);
                self.rounds = alerting::Rounds::restore(core.rounds);
                self.case_messages = alerting::CaseMessages::restore(core.case_messages);
                core.down_commands.into_iter().for_each(|command| self.down_commands.apply(command));
                self.replies = core.replies;
                self.tokens = core.tokens;
                self.accounts = core.accounts;
                self.audit = core.audit;
                self.webhooks = core.webhooks;
                self.listening_since = core.listening_since;
                self.area = core.area;
                self.erased = core.erased;
                self.step_ups = core.step_ups;
                self.loaded_through = seq;
            }
            Section::People(people) => {
                for (slot, person) in people {
                    directory.note_person(&person);
                    directory.people.put_back(slot, person.id.clone(), person);
                }
            }
            Section::Wearers(wearers) => {
                for (slot, wearer, hot) in wearers {
                    let (entry, broken) = WearerEntry::new(wearer, hot, &directory.zones, self.zone);
                    self.faults += broken as u64;
                    directory.put_back(slot, entry);
                }
            }
            Section::Devices(devices) => {
                for (slot, device, hot) in devices {
                    directory.devices.put_back(slot, device.id.clone(), DeviceEntry::new(device, hot));
                }
            }
        }
        match id {
            SectionId::Core => {}
            SectionId::People(first) => directory.people.set_loaded_through(all(first), seq),
            SectionId::Wearers(first) => directory.wearers.set_loaded_through(all(first), seq),
            SectionId::Devices(first) => directory.devices.set_loaded_through(all(first), seq),
        }
    }
}
