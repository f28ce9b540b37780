//! Everybody and everything that the registry knows, with the hot state of wearers and devices beside them.

use std::collections::{BTreeMap, BTreeSet};

use casework::Casework;
use chrono_tz::Tz;
use geofence::Zones;
use model::registry::{Binding, Desk, TEST_MODE_SECONDS_MAX, ThresholdsSet, WearerMode, WeeklyWindow, fingerprint};
use model::staff::Known;
use model::{
    Actor, Contact, Destination, Device, DeviceId, Org, OrgPath, Person, PersonId, Position, Problem, ProblemCode,
    RegistryChange, Timestamp, Wearer, WearerId,
};

use super::entries::{DeviceEntry, DeviceHot, WearerEntry, WearerHot, compile};
use super::mentions::Mentions;
use super::slots::{Found, Slots};

/// How many devices are looked at together: more than a processor has looks under way at once.
pub(super) const FORESEEN_TOGETHER: usize = 32;

/// The registry as the pipeline needs it.
#[derive(Debug, Default)]
pub struct Directory {
    /// Organisations by path.
    pub orgs: BTreeMap<OrgPath, Org>,
    /// The fences of the organisations, compiled.
    pub zones: Zones,
    /// People.
    pub people: Slots<PersonId, Person>,
    /// Wearers with what is known about them from moment to moment.
    pub wearers: Slots<WearerId, WearerEntry>,
    /// Devices with what is known about them.
    pub devices: Slots<DeviceId, DeviceEntry>,
    /// Which wearers name whom, and live where.
    mentions: Mentions,
    /// The wearers whose guardians' numbers are tried by test calls.
    pub tested: BTreeSet<WearerId>,
    /// The people who run the house: the last desk of all.
    pub operators: BTreeSet<PersonId>,
}

/// Of the desks below an area that has none above, so many contacts are called.
const DESKS_BELOW_CONTACTS_MAX: usize = 8;

impl Directory {
    /// Writes registry entries. They were validated before: a fence that does not compile any more (a checkpoint
    /// of an older version) is left out, and counted in the result. `seq` is the record's in a recovery, else the
    /// highest: wearers that hold it have arranged themselves already.
    pub fn apply(&mut self, change: &RegistryChange, zone: Tz, seq: u64) -> usize {
        let mut broken_fences = 0;
        let is_new = |org: &&Org| org.fences != self.orgs.get(&org.path).map_or(&[][..], |known| &known.fences);
        let fenced_anew: Vec<&OrgPath> = change.orgs.iter().filter(is_new).map(|org| &org.path).collect();
        for org in &change.orgs {
            self.orgs.insert(org.path.clone(), org.clone());
        }
        if !fenced_anew.is_empty() {
            broken_fences += self.share_fences(zone);
            let touched: BTreeSet<u32> = fenced_anew.into_iter().flat_map(|org| self.mentions.under(org)).collect();
            for slot in touched {
                let is_arranged = self.wearers.holds(slot, seq);
                let Some(entry) = self.wearers.at_mut(slot) else { continue };
                entry.inherit(&self.zones, is_arranged);
            }
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
            match self.wearers.slot(&wearer.id).and_then(|slot| Some((slot, self.wearers.at_mut(slot)?))) {
                Some((slot, entry)) => {
                    self.mentions.forget(&self.people, slot, &entry.wearer);
                    self.mentions.note(&self.people, slot, wearer);
                    entry.register(wearer.clone());
                    let (own, broken) = compile(wearer, zone);
                    entry.arrange(own, &self.zones, false);
                    broken_fences += broken;
                }
                None => {
                    let (entry, broken) = WearerEntry::new(wearer.clone(), WearerHot::default(), &self.zones, zone);
                    broken_fences += broken;
                    let slot = self.wearers.insert(wearer.id.clone(), entry);
                    self.mentions.note(&self.people, slot, wearer);
                }
            }
            self.note_tested(wearer);
        }
        for device in &change.devices {
            match self.devices.get_mut(&device.id) {
                Some(entry) => *entry = DeviceEntry::new(device.clone(), std::mem::take(&mut entry.hot)),
                None => {
                    let entry = DeviceEntry::new(device.clone(), DeviceHot::default());
                    self.devices.insert(device.id.clone(), entry);
                }
            }
        }
        broken_fences
    }

    /// Whether some slice was written down after the record `seq`.
    pub fn holds_any(&self, seq: u64) -> bool {
        self.people.holds_any(seq) || self.wearers.holds_any(seq) || self.devices.holds_any(seq)
    }

    /// Compiles the fences of the organisations anew; how many did not compile.
    pub fn share_fences(&mut self, zone: Tz) -> usize {
        let (zones, broken) = Zones::new(self.orgs.iter().map(|(path, org)| (path, org.fences.as_slice())), zone);
        self.zones = zones;
        broken
    }

    /// Keeps the index of who runs the house.
    pub fn note_person(&mut self, person: &Person) {
        if person.role == model::Role::Operator && person.phone.is_some() {
            self.operators.insert(person.id.clone());
        } else {
            self.operators.remove(&person.id);
        }
    }

    /// Puts a wearer back into the slot that a checkpoint named; people come before.
    pub fn put_back(&mut self, slot: u32, entry: WearerEntry) {
        self.mentions.note(&self.people, slot, &entry.wearer);
        self.note_tested(&entry.wearer);
        self.wearers.put_back(slot, entry.wearer.id.clone(), entry);
    }

    /// Takes a wearer out: their slot, and what was there.
    pub fn remove(&mut self, wearer: &WearerId) -> Option<(u32, WearerEntry)> {
        let slot = self.wearers.slot(wearer)?;
        let entry = self.wearers.remove(wearer)?;
        self.mentions.forget(&self.people, slot, &entry.wearer);
        self.tested.remove(wearer);
        Some((slot, entry))
    }

    /// The wearers who name a person as who cares for them or agreed for them, with their slots, in order.
    pub fn who_name<'a>(&'a self, person: &'a PersonId) -> impl Iterator<Item = (u32, &'a WearerEntry)> {
        let slots = self.people.slot(person).into_iter().flat_map(|slot| self.mentions.of_person(slot));
        let entries = slots.filter_map(|slot| Some((slot, self.wearers.at(slot)?)));
        entries.filter(|(_, entry)| names(&entry.wearer, person))
    }

    /// The wearers of an organisation and all below it, in the order of their slots.
    pub fn wearers_under(&self, org: &OrgPath) -> impl Iterator<Item = &Wearer> {
        let slots: BTreeSet<u32> = self.mentions.under(org).collect();
        let wearers = slots.into_iter().filter_map(|slot| self.wearers.at(slot)).map(|entry| &*entry.wearer);
        wearers.filter(|wearer| org.contains(&wearer.org))
    }

    /// Keeps the index of whose guardians' numbers are tried.
    fn note_tested(&mut self, wearer: &Wearer) {
        if wearer.plan.test_calls_every_days > 0 {
            self.tested.insert(wearer.id.clone());
        } else {
            self.tested.remove(&wearer.id);
        }
    }

    /// Whether the writer of an entry knows the one that it replaces.
    ///
    /// # Errors
    /// 428 where there is one and nothing is known of it, 412 where it is another.
    pub fn check_known(&self, change: &RegistryChange, known: Known) -> Result<(), Problem> {
        let org = change.orgs.iter().map(|org| self.orgs.get(&org.path).map(fingerprint));
        let person = change.people.iter().map(|person| self.people.get(&person.id).map(fingerprint));
        let wearer =
            change.wearers.iter().map(|wearer| self.wearers.get(&wearer.id).map(|entry| fingerprint(&*entry.wearer)));
        let device =
            change.devices.iter().map(|device| self.devices.get(&device.id).map(|entry| fingerprint(&*entry.device)));
        for there in org.chain(person).chain(wearer).chain(device) {
            let (code, detail, zh) = match (known, there) {
                (Known::Nothing | Known::Absent, None) => continue,
                (Known::Fingerprint(seen), Some(there)) if seen == there => continue,
                (Known::Nothing, Some(_)) => (
                    ProblemCode::VersionRequired,
                    "there is one already: say which state of it you saw, If-Match with its ETag",
                    "条目已存在：请以 If-Match（其 ETag）说明所见状态",
                ),
                (Known::Absent, Some(_)) => (ProblemCode::Stale, "there is one already", "条目已存在"),
                (Known::Fingerprint(_), _) => {
                    (ProblemCode::Stale, "it was changed since you saw it: read it again", "条目已被更改，请重新读取")
                }
            };
            return Err(Problem::new(code, detail, zh));
        }
        Ok(())
    }

    /// Completes a change with the dated bindings that follow from what is there now.
    pub fn complete_bindings(&self, change: &mut RegistryChange, at: Timestamp) {
        for device in &mut change.devices {
            let known = self.devices.get(&device.id).map(|entry| &*entry.device);
            device.bindings = known.map(|k| k.bindings.clone()).unwrap_or_default();
            if device.bindings.last().is_none_or(|last| last.wearer != device.wearer) {
                device.bindings.push(Binding { wearer: device.wearer.clone(), from: at });
            }
        }
    }

    /// Completes a change with who set the thresholds that are new in it, and when.
    pub fn complete_thresholds(&self, change: &mut RegistryChange, actor: &Actor, at: Timestamp) {
        for wearer in &mut change.wearers {
            let known = self.wearers.get(&wearer.id).map(|entry| entry.wearer.thresholds.clone()).unwrap_or_default();
            wearer.thresholds.set.clone_from(&known.set);
            if wearer.thresholds != known {
                wearer.thresholds.set = Some(ThresholdsSet { by: actor.person.clone(), at });
            }
        }
    }

    /// Completes a change with the end of what must end by itself.
    pub fn complete_modes(change: &mut RegistryChange, at: Timestamp) {
        for wearer in &mut change.wearers {
            if let WearerMode::Test { until, .. } = &mut wearer.mode {
                *until = (*until).min(at.plus_seconds(TEST_MODE_SECONDS_MAX));
            }
        }
    }

    /// Looks at what deciding on reports of these devices will look at, and returns something that means nothing. What
    /// is found by what was found before comes a round later: within a round no look waits for another.
    pub fn foresee<'a>(&self, mut devices: impl Iterator<Item = &'a DeviceId>) -> u64 {
        let mut slots = [u32::MAX; FORESEEN_TOGETHER];
        let mut looks = 0;
        loop {
            let (count, looked) = self.devices.foresee(devices.by_ref(), &mut slots);
            let slots = &slots[..count];
            looks ^= looked;
            looks = slots.iter().fold(looks, |looks, slot| looks ^ self.foresee_device(*slot));
            for entry in slots.iter().filter_map(|slot| self.devices.at(*slot)) {
                looks ^= entry.hot.admission.foresee_first() ^ self.foresee_wearer(entry.bound_to.slot());
            }
            if count < FORESEEN_TOGETHER {
                return looks;
            }
        }
    }

    /// Looks at a device's lines.
    pub fn foresee_device(&self, slot: u32) -> u64 {
        self.devices.at(slot).map_or(0, DeviceEntry::foresee)
    }

    /// Looks at a wearer's lines, as far as a plain report does.
    pub fn foresee_wearer(&self, slot: u32) -> u64 {
        self.wearers.at(slot).map_or(0, WearerEntry::foresee)
    }

    /// Which wearer reported something that a device measured then: who they are, and their slot if they are registered.
    pub fn whose(&mut self, device_slot: u32, measured: Timestamp) -> (Option<WearerId>, Option<u32>) {
        let Directory { devices, wearers, .. } = self;
        let Some(entry) = devices.at_mut(device_slot) else { return (None, None) };
        let is_present = measured >= entry.bound_from;
        if let Some((slot, name)) = wearers.still(entry.bound_to).filter(|_| is_present) {
            return (Some(name.clone()), Some(slot));
        }
        let wearer = entry.device.wearer_at(measured).cloned();
        let found = wearer.as_ref().and_then(|wearer| wearers.found(wearer));
        if let Some(found) = found.filter(|_| is_present) {
            entry.bound_to = found;
        }
        (wearer, found.map(Found::slot))
    }

    /// Whether the device that a wearer's silence is measured by is theirs; `true` if there is none.
    pub fn has_watched_device(&self, wearer_slot: u32) -> bool {
        let Some(entry) = self.wearers.at(wearer_slot) else { return false };
        let Some(watched) = rules::watched_device(&entry.hot.rules) else { return true };
        let slot = self.devices.slot_from(entry.heard_slot(), watched);
        let Some(device) = slot.and_then(|slot| self.devices.at(slot)) else { return false };
        match self.wearers.still(device.bound_to) {
            Some((slot, _)) => slot == wearer_slot,
            None => device.device.wearer.as_ref() == Some(&entry.wearer.id),
        }
    }

    /// The organisation of a device's present wearer.
    pub fn org_of_device(&self, device: &DeviceId) -> Option<&OrgPath> {
        let wearer = self.devices.get(device)?.device.wearer.as_ref()?;
        self.wearers.get(wearer).map(|entry| &entry.wearer.org)
    }

    /// The middle of a wearer's home fence.
    pub fn home_of(&self, wearer: &WearerId) -> Option<Position> {
        self.wearers.get(wearer)?.home.as_ref()?.centre
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
            robot: None,
            lang: person.lang,
            available: Vec::new(),
        })
    }

    /// A person's name; empty for whom nobody registered.
    pub fn name_of(&self, id: &PersonId) -> String {
        self.people.get(id).map_or_else(String::new, |person| person.name.clone())
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

    /// Whether a desk up the tree has anybody to call: by its phone, its people, or its duty roster.
    pub fn has_desk(&self, org: &OrgPath, casework: &Casework) -> bool {
        let has_anybody = |desk: &Desk| desk.phone.is_some() || desk.people.iter().any(|id| self.has_phone(id));
        std::iter::successors(Some(org.clone()), OrgPath::parent).any(|path| {
            self.orgs.get(&path).and_then(|org| org.desk.as_ref()).is_some_and(has_anybody)
                || casework.desk_roster(&path).iter().any(|(person, _)| self.has_phone(person))
        })
    }

    /// The carrier of a device, if it is known.
    pub fn carrier_of(&self, device: &DeviceId) -> Option<&compact_str::CompactString> {
        self.devices.get(device)?.device.carrier.as_ref()
    }

    /// In whose name an area's incident is: the organisation itself, which nobody but its desk is called for. `None`
    /// for the id of a wearer.
    pub fn area(&self, id: &WearerId) -> Option<Wearer> {
        let (org, carrier) = rules::area::area_of(id)?;
        let name = self.orgs.get(&org).map_or_else(|| org.to_string(), |org| org.name.clone());
        Some(Wearer {
            id: id.clone(),
            name: carrier.map_or(name.clone(), |carrier| format!("{name} · {carrier}")),
            org,
            birth_year: None,
            consents: Vec::new(),
            lives_alone: false,
            guardians: Vec::new(),
            doctor: None,
            fences: Vec::new(),
            thresholds: model::Thresholds::default(),
            plan: model::Plan::default(),
            suspension: None,
            availability: Vec::new(),
            mode: WearerMode::Normal,
            phone: None,
        })
    }

    /// Who is on the desk for an organisation: the nearest one up the tree that has anybody to call, else the operators,
    /// else those below: what an area above all of them is about is theirs.
    pub fn desk_contacts(&self, org: &OrgPath, casework: &Casework) -> Vec<Contact> {
        let paths = std::iter::successors(Some(org.clone()), OrgPath::parent);
        let mut desks = paths.map(|path| self.desk_at(&path, org, casework));
        if let Some(desk) = desks.find(|desk| desk.iter().any(|contact| contact.phone.is_some())) {
            return desk;
        }
        let operators: Vec<Contact> = self.operators.iter().filter_map(|id| self.contact(id)).collect();
        if !operators.is_empty() {
            return operators;
        }
        let below = self.orgs.keys().filter(|path| org.contains(path));
        below.flat_map(|path| self.desk_at(path, path, casework)).take(DESKS_BELOW_CONTACTS_MAX).collect()
    }

    /// The desk of one organisation, under the name of another: its phone, its people, and whoever is on its duty roster.
    fn desk_at(&self, path: &OrgPath, name_of: &OrgPath, casework: &Casework) -> Vec<Contact> {
        let desk = self.orgs.get(path).and_then(|org| org.desk.as_ref());
        let people = desk.map_or_else(Vec::new, |desk| self.people_of(desk, name_of));
        self.with_hours(people, casework.desk_roster(path))
    }

    /// The people on a desk, and whoever else is on its roster, with their hours of duty.
    fn with_hours(&self, mut desk: Vec<Contact>, roster: Vec<(PersonId, Vec<WeeklyWindow>)>) -> Vec<Contact> {
        for (person, hours) in roster {
            let known = desk.iter_mut().find(|contact| contact.person == person);
            match (known, self.contact(&person)) {
                (Some(known), _) => known.available = hours,
                (None, Some(contact)) => desk.push(Contact { available: hours, ..contact }),
                (None, None) => {}
            }
        }
        desk
    }

    fn people_of(&self, desk: &Desk, org: &OrgPath) -> Vec<Contact> {
        let phone = desk.phone.clone().map(|phone| Contact {
            person: PersonId::new(model::escalation::DESK_PERSON),
            name: self.orgs.get(org).map_or_else(String::new, |org| org.name.clone()),
            phone: Some(Destination(phone)),
            push: None,
            email: None,
            robot: None,
            lang: model::Language::default(),
            available: Vec::new(),
        });
        phone.into_iter().chain(desk.people.iter().filter_map(|id| self.contact(id))).collect()
    }

    /// The group that a robot tells about an organisation: that of the nearest one up the tree that has any.
    fn group_of(&self, org: &OrgPath) -> Option<Contact> {
        let named = |path: OrgPath| self.orgs.get(&path).and_then(|org| Some((org.robot.clone()?, org.name.clone())));
        let (robot, name) = std::iter::successors(Some(org.clone()), OrgPath::parent).find_map(named)?;
        Some(Contact {
            person: PersonId::new("group"),
            name,
            phone: None,
            push: None,
            email: None,
            robot: Some(Destination(robot)),
            lang: model::Language::default(),
            available: Vec::new(),
        })
    }

    /// What is registered about a device and its wearer, or a wearer, and about everybody who is called for them.
    pub fn household_of(&self, device: Option<&DeviceId>, wearer: Option<&WearerId>) -> RegistryChange {
        let device = device.and_then(|id| self.devices.get(id)).map(|entry| Device::clone(&entry.device));
        let wearer = wearer.or(device.as_ref().and_then(|device| device.wearer.as_ref()));
        let wearer = wearer.and_then(|id| self.wearers.get(id)).map(|entry| Wearer::clone(&entry.wearer));
        let org = wearer.as_ref().map_or_else(|| OrgPath::new("/"), |wearer| wearer.org.clone());
        let paths = std::iter::successors(Some(org), OrgPath::parent);
        let orgs: Vec<Org> = paths.filter_map(|path| self.orgs.get(&path).cloned()).collect();
        let called = wearer.iter().flat_map(|wearer| wearer.guardians.iter().chain(&wearer.doctor));
        let desks = orgs.iter().filter_map(|org| org.desk.as_ref()).flat_map(|desk| &desk.people);
        let people: BTreeSet<&PersonId> = called.chain(desks).chain(&self.operators).collect();
        let people = people.into_iter().filter_map(|id| self.people.get(id).cloned()).collect();
        RegistryChange { orgs, people, wearers: wearer.into_iter().collect(), devices: device.into_iter().collect() }
    }

    /// Whom an incident of this wearer concerns, as they are now.
    pub fn household<'a>(&'a self, wearer: &'a Wearer, casework: &Casework) -> alerting::Household<'a> {
        alerting::Household {
            wearer,
            community_name: self.orgs.get(&wearer.org).map_or("", |org| org.name.as_str()),
            guardians: wearer.guardians.iter().filter_map(|id| self.guardian(wearer, id)).collect(),
            doctor: wearer.doctor.as_ref().and_then(|id| self.contact(id)),
            desk: self.desk_contacts(&wearer.org, casework),
            group: self.group_of(&wearer.org),
        }
    }
}

/// Whether a registration names a person: to care for a wearer, or as having agreed for them.
fn names(wearer: &Wearer, person: &PersonId) -> bool {
    let has_agreed = wearer.consents.iter().any(|consent| consent.by.as_ref() == Some(person));
    wearer.guardians.contains(person) || wearer.doctor.as_ref() == Some(person) || has_agreed
}
