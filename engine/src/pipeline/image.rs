//! The pipeline's state, written down slice by slice between batches and put together again at a start.
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
use super::webhooks::Webhooks;
use super::{Pipeline, Replies, RuleTimers};

/// Which part of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SectionId {
    /// Everything but the people, wearers and devices.
    Core,
    /// A slice of the people.
    People(u32),
    /// A slice of the wearers with their hot state.
    Wearers(u32),
    /// A slice of the devices with their hot state.
    Devices(u32),
}

impl SectionId {
    /// The number under which it stands in the file.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            SectionId::Core => 0,
            SectionId::People(slice) => (1 << 28) | slice,
            SectionId::Wearers(slice) => (2 << 28) | slice,
            SectionId::Devices(slice) => (3 << 28) | slice,
        }
    }

    /// From the number in the file.
    #[must_use]
    pub fn from_number(number: u32) -> Option<SectionId> {
        let slice = number & ((1 << 28) - 1);
        match number >> 28 {
            0 if slice == 0 => Some(SectionId::Core),
            1 => Some(SectionId::People(slice)),
            2 => Some(SectionId::Wearers(slice)),
            3 => Some(SectionId::Devices(slice)),
            _ => None,
        }
    }
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
    whistles: Vec<model::Attempt>,
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
        let numbers = |slices: usize| 0..slices as u32;
        std::iter::once(SectionId::Core)
            .chain(numbers(self.directory.people.slices()).map(SectionId::People))
            .chain(numbers(self.directory.wearers.slices()).map(SectionId::Wearers))
            .chain(numbers(self.directory.devices.slices()).map(SectionId::Devices))
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
                whistles: self.whistles.snapshot(),
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
            SectionId::People(slice) => {
                Section::People(directory.people.slice(slice as usize).map(|(slot, p)| (slot, p.clone())).collect())
            }
            SectionId::Wearers(slice) => Section::Wearers(
                directory
                    .wearers
                    .slice(slice as usize)
                    .map(|(slot, entry)| (slot, Wearer::clone(&entry.wearer), entry.hot.clone()))
                    .collect(),
            ),
            SectionId::Devices(slice) => Section::Devices(
                directory
                    .devices
                    .slice(slice as usize)
                    .map(|(slot, entry)| (slot, Device::clone(&entry.device), entry.hot.clone()))
                    .collect(),
            ),
        }
    }

    /// Puts the sections of a checkpoint together, each with the sequence number that it was taken at. The journal
    /// is to be applied from the lowest of these numbers on, which is returned beside.
    #[must_use]
    pub fn load(zone: Tz, sections: impl IntoIterator<Item = (SectionId, u64, Section)>) -> (Pipeline, u64) {
        let mut pipeline = Pipeline::new(zone);
        let mut lowest = u64::MAX;
        for (id, seq, section) in sections {
            lowest = lowest.min(seq);
            pipeline.load_section(id, seq, section);
        }
        pipeline.rule_timers = RuleTimers::default();
        pipeline.rule_timers.load(&pipeline.directory);
        (pipeline, if lowest == u64::MAX { 0 } else { lowest })
    }

    fn load_section(&mut self, id: SectionId, seq: u64, section: Section) {
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
                self.whistles = alerting::Whistles::restore(core.whistles);
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
                    let name = wearer.id.clone();
                    directory.note_wearer(&wearer);
                    let (entry, broken) = WearerEntry::new(wearer, hot, &directory.zones, self.zone);
                    self.faults += broken as u64;
                    directory.wearers.put_back(slot, name, entry);
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
            SectionId::People(slice) => directory.people.set_loaded_through(slice as usize, seq),
            SectionId::Wearers(slice) => directory.wearers.set_loaded_through(slice as usize, seq),
            SectionId::Devices(slice) => directory.devices.set_loaded_through(slice as usize, seq),
        }
    }
}
