//! Everybody and everything that the registry knows, with the hot state of wearers and devices beside them.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use geofence::{CompiledFence, Tracker};
use model::registry::{Binding, Desk};
use model::{
    Contact, Destination, Device, DeviceId, Located, Org, OrgPath, Person, PersonId, RegistryChange, Timestamp, Wearer,
    WearerId,
};
use smallvec::SmallVec;

use super::slots::Slots;

/// The registry as the pipeline needs it.
#[derive(Debug, Default)]
pub struct Directory {
    /// Organisations by path.
    pub orgs: BTreeMap<OrgPath, Org>,
    /// People.
    pub people: Slots<PersonId, Person>,
    /// Wearers with what is known about them from moment to moment.
    pub wearers: Slots<WearerId, WearerEntry>,
    /// Devices with what is known about them.
    pub devices: Slots<DeviceId, DeviceEntry>,
    /// The wearers whose guardians' numbers are tried by test calls.
    pub tested: BTreeSet<WearerId>,
    /// The people who run the house: the last desk of all.
    pub operators: BTreeSet<PersonId>,
}

/// A wearer, their fences ready for use, and their hot state.
#[derive(Debug)]
pub struct WearerEntry {
    /// As registered.
    pub wearer: Wearer,
    /// As registered, compiled; in the same order.
    pub fences: Vec<CompiledFence>,
    /// What changes with every report.
    pub hot: WearerHot,
}

/// What changes with every report of a wearer.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct WearerHot {
    /// One for each fence, in the same order.
    pub trackers: SmallVec<[Tracker; 2]>,
    /// What the rules remember.
    pub rules: rules::WearerState,
    /// The newest fix by time of measurement.
    pub last_fix: Option<(Timestamp, Located)>,
    /// When the rules want to be asked again; mirrors the timer index.
    pub due: Option<Timestamp>,
}

/// A device and its hot state.
#[derive(Debug)]
pub struct DeviceEntry {
    /// As registered.
    pub device: Device,
    /// What changes with every report.
    pub hot: DeviceHot,
}

/// What changes with every report of a device.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct DeviceHot {
    /// The repeat window.
    pub admission: ingest::Admission,
    /// Whether a session is there.
    pub online: bool,
    /// The last level that it reported, percent.
    pub battery_percent: Option<u8>,
}

impl Directory {
    /// Writes registry entries. They were validated before: a fence that does not compile any more (a checkpoint
    /// of an older version) is left out, and counted in the result.
    pub fn apply(&mut self, change: &RegistryChange, zone: Tz) -> usize {
        let mut broken_fences = 0;
        for org in &change.orgs {
            self.orgs.insert(org.path.clone(), org.clone());
        }
        for person in &change.people {
            self.note_person(person);
            match self.people.get_mut(&person.id) {
                Some(known) => *known = person.clone(),
                None => {
                    self.people.insert(person.id.clone(), person.clone());
                }
            }
        }
        for wearer in &change.wearers {
            self.note_wearer(wearer);
            match self.wearers.get_mut(&wearer.id) {
                Some(entry) => broken_fences += entry.replace(wearer, zone),
                None => {
                    let (entry, broken) = WearerEntry::new(wearer.clone(), WearerHot::default(), zone);
                    broken_fences += broken;
                    self.wearers.insert(wearer.id.clone(), entry);
                }
            }
        }
        for device in &change.devices {
            match self.devices.get_mut(&device.id) {
                Some(entry) => entry.device = device.clone(),
                None => {
                    let entry = DeviceEntry { device: device.clone(), hot: DeviceHot::default() };
                    self.devices.insert(device.id.clone(), entry);
                }
            }
        }
        broken_fences
    }

    /// Keeps the index of who runs the house.
    pub fn note_person(&mut self, person: &Person) {
        if person.role == model::Role::Operator && person.phone.is_some() {
            self.operators.insert(person.id.clone());
        } else {
            self.operators.remove(&person.id);
        }
    }

    /// Keeps the index of whose guardians' numbers are tried.
    pub fn note_wearer(&mut self, wearer: &Wearer) {
        if wearer.plan.test_calls_every_days > 0 {
            self.tested.insert(wearer.id.clone());
        } else {
            self.tested.remove(&wearer.id);
        }
    }

    /// Completes a change with the dated bindings that follow from what is there now.
    pub fn complete_bindings(&self, change: &mut RegistryChange, at: Timestamp) {
        for device in &mut change.devices {
            let known = self.devices.get(&device.id).map(|entry| &entry.device);
            device.bindings = known.map(|k| k.bindings.clone()).unwrap_or_default();
            if device.bindings.last().is_none_or(|last| last.wearer != device.wearer) {
                device.bindings.push(Binding { wearer: device.wearer.clone(), from: at });
            }
        }
    }

    /// The organisation of a device's present wearer.
    pub fn org_of_device(&self, device: &DeviceId) -> Option<&OrgPath> {
        let wearer = self.devices.get(device)?.device.wearer.as_ref()?;
        self.wearers.get(wearer).map(|entry| &entry.wearer.org)
    }

    /// A person as they can be reached.
    pub fn contact(&self, id: &PersonId) -> Option<Contact> {
        let person = self.people.get(id)?;
        Some(Contact {
            person: person.id.clone(),
            name: person.name.clone(),
            phone: person.phone.clone().map(Destination),
            push: person
                .push
                .as_ref()
                .map(|push| Destination(compact_str::format_compact!("{}:{}", push.kind, push.topic))),
            email: person.email.clone().map(Destination),
            lang: person.lang,
            available: Vec::new(),
        })
    }

    /// A guardian of a wearer, with the hours in which they can be called.
    pub fn guardian(&self, wearer: &Wearer, id: &PersonId) -> Option<Contact> {
        let mut contact = self.contact(id)?;
        if let Some(hours) = wearer.availability.iter().find(|hours| hours.person == *id) {
            contact.available = hours.windows.clone();
        }
        Some(contact)
    }

    fn has_phone(&self, id: &PersonId) -> bool {
        self.people.get(id).is_some_and(|person| person.phone.is_some())
    }

    /// The nearest desk up the tree that has anybody to call.
    pub fn desk_of(&self, org: &OrgPath) -> Option<&Desk> {
        let mut path = Some(org.clone());
        while let Some(here) = path {
            if let Some(desk) = self.orgs.get(&here).and_then(|o| o.desk.as_ref())
                && (desk.phone.is_some() || desk.people.iter().any(|id| self.has_phone(id)))
            {
                return Some(desk);
            }
            path = here.parent();
        }
        None
    }

    /// Who is on the desk for an organisation: the nearest one up the tree, else the operators.
    fn desk_contacts(&self, org: &OrgPath) -> Vec<Contact> {
        let Some(desk) = self.desk_of(org) else {
            return self.operators.iter().filter_map(|id| self.contact(id)).collect();
        };
        let phone = desk.phone.clone().map(|phone| Contact {
            person: PersonId::new("desk"),
            name: self.orgs.get(org).map_or_else(String::new, |org| org.name.clone()),
            phone: Some(Destination(phone)),
            push: None,
            email: None,
            lang: model::Language::default(),
            available: Vec::new(),
        });
        phone.into_iter().chain(desk.people.iter().filter_map(|id| self.contact(id))).collect()
    }

    /// Whom an incident of this wearer concerns, as they are now.
    pub fn household<'a>(&'a self, wearer: &'a Wearer) -> alerting::Household<'a> {
        alerting::Household {
            wearer,
            community_name: self.orgs.get(&wearer.org).map_or("", |org| org.name.as_str()),
            guardians: wearer.guardians.iter().filter_map(|id| self.guardian(wearer, id)).collect(),
            doctor: wearer.doctor.as_ref().and_then(|id| self.contact(id)),
            desk: self.desk_contacts(&wearer.org),
        }
    }
}

impl WearerEntry {
    /// A wearer with their fences compiled, and how many of these did not compile.
    pub fn new(wearer: Wearer, mut hot: WearerHot, zone: Tz) -> (WearerEntry, usize) {
        let fences = compile(&wearer, zone);
        let broken = wearer.fences.len() - fences.len();
        hot.trackers.resize(fences.len(), Tracker::default());
        (WearerEntry { wearer, fences, hot }, broken)
    }

    /// Takes over a new registration. A tracker goes on where its fence did not change.
    fn replace(&mut self, wearer: &Wearer, zone: Tz) -> usize {
        let before: Vec<_> = self
            .fences
            .iter()
            .zip(&self.hot.trackers)
            .filter_map(|(fence, tracker)| {
                let same = |f: &&model::Fence| f.id == *fence.id() && wearer.fences.contains(f);
                self.wearer.fences.iter().find(same).map(|f| (f.id.clone(), *tracker))
            })
            .collect();
        self.fences = compile(wearer, zone);
        self.hot.trackers = self
            .fences
            .iter()
            .map(|fence| before.iter().find(|(id, _)| id == fence.id()).map_or_else(Tracker::default, |(_, t)| *t))
            .collect();
        self.wearer = wearer.clone();
        self.wearer.fences.len() - self.fences.len()
    }
}

fn compile(wearer: &Wearer, zone: Tz) -> Vec<CompiledFence> {
    wearer.fences.iter().filter_map(|fence| CompiledFence::compile(fence, zone).ok()).collect()
}
