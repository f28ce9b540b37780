//! Everybody and everything that the registry knows, with the hot state of wearers and devices beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use casework::Casework;
use chrono_tz::Tz;
use geofence::{CompiledFence, Ground, Watch, Zones};
use model::registry::{
    Binding, Desk, Shape, TEST_MODE_SECONDS_MAX, ThresholdsSet, WearerMode, WeeklyWindow, fingerprint,
};
use model::staff::Known;
use model::{
    Actor, Contact, Datum, Destination, Device, DeviceId, Located, Org, OrgPath, Person, PersonId, Position, Problem,
    ProblemCode, RegistryChange, Thresholds, Timestamp, Wearer, WearerId,
};

use super::slots::{Found, SLICE_SLOTS, Slots};

/// How many devices are looked at together: more than a processor has looks under way at once.
pub(super) const FORESEEN_TOGETHER: usize = 32;
/// The id of the fence that is home, if one has it.
const HOME_FENCE: &str = "home";

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
    /// The wearers whose guardians' numbers are tried by test calls.
    pub tested: BTreeSet<WearerId>,
    /// The people who run the house: the last desk of all.
    pub operators: BTreeSet<PersonId>,
}

/// A wearer, their fences ready for use, and their hot state.
///
/// Among a million wearers, what a report costs is how many lines of memory it looks at. So everything that a plain
/// report needs stands here side by side, in this order, and [`Directory::foresee`] has it fetched; what is as long as a
/// page and hardly ever asked for, the registration and the fences, stands elsewhere.
#[derive(Debug)]
#[repr(C)]
pub struct WearerEntry {
    near: Near,
    /// The fence by which their nights are measured.
    pub home: Option<rules::Home>,
    /// As registered.
    pub wearer: Box<Wearer>,
    /// What changes with every report.
    pub hot: WearerHot,
    /// Their fences, compiled, and after them what they inherit to stay in; in the order of [`WearerHot::watch`].
    pub fences: Vec<Arc<CompiledFence>>,
    /// How many of these are their own.
    own_fences: usize,
}

/// Of a wearer's registration what every report asks for, and where their device was found last.
#[derive(Debug)]
struct Near {
    fall_window_seconds: u32,
    /// The slot of the device that was heard last, to be looked at first.
    heard_slot: u32,
    has_thresholds: bool,
    has_suspension: bool,
}

/// What changes with every report of a wearer.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[repr(C)]
pub struct WearerHot {
    /// When the rules want to be asked again; mirrors the timer index.
    pub due: Option<Timestamp>,
    /// The device whose fix the watch waits on: a slot.
    pub watched_device: Option<u32>,
    /// The newest fix by time of measurement.
    pub last_fix: Option<(Timestamp, Located)>,
    /// Where they stand with regard to their fences.
    pub watch: Watch,
    /// What the rules remember.
    pub rules: rules::WearerState,
}

/// A device and its hot state; what a report needs stands side by side, as with [`WearerEntry`].
#[derive(Debug)]
#[repr(C)]
pub struct DeviceEntry {
    /// From when on who wears it is who wears it now.
    bound_from: Timestamp,
    /// Who that is, once they were looked up.
    bound_to: Found,
    /// What changes with every report.
    pub hot: DeviceHot,
    /// As registered.
    pub device: Box<Device>,
    /// Where it is kept.
    pub placement: rules::Placement,
    /// Of its fixes.
    pub datum: Datum,
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

/// Of the desks below an area that has none above, so many contacts are called.
const DESKS_BELOW_CONTACTS_MAX: usize = 8;

impl Directory {
    /// Writes registry entries. They were validated before: a fence that does not compile any more (a checkpoint
    /// of an older version) is left out, and counted in the result. `seq` is the record's in a recovery, else the
    /// highest: wearers that hold it have arranged themselves already.
    pub fn apply(&mut self, change: &RegistryChange, zone: Tz, seq: u64) -> usize {
        let mut broken_fences = 0;
        let is_new = |org: &Org| org.fences != self.orgs.get(&org.path).map_or(&[][..], |known| &known.fences);
        let have_fences_changed = change.orgs.iter().any(is_new);
        for org in &change.orgs {
            self.orgs.insert(org.path.clone(), org.clone());
        }
        if have_fences_changed {
            broken_fences += self.share_fences(zone);
            for slot in 0..(self.wearers.slices() * SLICE_SLOTS) as u32 {
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
            self.note_wearer(wearer);
            match self.wearers.get_mut(&wearer.id) {
                Some(entry) => {
                    entry.register(wearer.clone());
                    let (own, broken) = compile(wearer, zone);
                    entry.arrange(own, &self.zones, false);
                    broken_fences += broken;
                }
                None => {
                    let (entry, broken) = WearerEntry::new(wearer.clone(), WearerHot::default(), &self.zones, zone);
                    broken_fences += broken;
                    self.wearers.insert(wearer.id.clone(), entry);
                }
            }
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

    /// Keeps the index of whose guardians' numbers are tried.
    pub fn note_wearer(&mut self, wearer: &Wearer) {
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
        let Some(entry) = self.devices.at(slot) else { return 0 };
        u64::from(entry.hot.online) ^ entry.bound_from.millis() as u64
    }

    /// Looks at a wearer's lines, as far as a plain report does.
    pub fn foresee_wearer(&self, slot: u32) -> u64 {
        let Some(WearerEntry { near, hot, home, .. }) = self.wearers.at(slot) else { return 0 };
        let fix = hot.last_fix.map_or(0, |(measured, _)| measured.millis() as u64);
        u64::from(near.heard_slot) ^ fix ^ hot.watch.foresee() ^ hot.rules.foresee() ^ u64::from(home.is_some())
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
        let slot = self.devices.slot_from(entry.near.heard_slot, watched);
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
            person: PersonId::new("desk"),
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

impl DeviceEntry {
    /// A device whose wearer has yet to be found.
    pub fn new(device: Device, hot: DeviceHot) -> DeviceEntry {
        let bound_from = match device.bindings.as_slice() {
            [] => Timestamp::from_millis(i64::MIN),
            [.., last] if last.wearer != device.wearer => Timestamp::from_millis(i64::MAX),
            [_] => Timestamp::from_millis(i64::MIN),
            [.., last] => last.from,
        };
        DeviceEntry {
            bound_from,
            bound_to: Found::default(),
            hot,
            placement: rules::Placement::of_kind(&device.kind),
            datum: device.datum,
            device: Box::new(device),
        }
    }
}

impl WearerEntry {
    /// A wearer with their fences compiled, and how many of these did not compile. `hot` is arranged for them.
    pub fn new(wearer: Wearer, hot: WearerHot, zones: &Zones, zone: Tz) -> (WearerEntry, usize) {
        let (own, broken) = compile(&wearer, zone);
        let (near, home, wearer) = (Near::of(&wearer), home(&wearer), Box::new(wearer));
        let mut entry = WearerEntry { near, hot, home, wearer, fences: Vec::new(), own_fences: 0 };
        entry.arrange(own, zones, true);
        (entry, broken)
    }

    /// They are registered anew.
    fn register(&mut self, wearer: Wearer) {
        self.near = Near { heard_slot: self.near.heard_slot, ..Near::of(&wearer) };
        self.home = home(&wearer);
        *self.wearer = wearer;
    }

    /// The slot of the device that was heard last.
    pub fn heard_slot(&self) -> u32 {
        self.near.heard_slot
    }

    /// A worn device is heard, which will be missed.
    pub fn note_heard(&mut self, device_slot: u32) {
        self.near.heard_slot = device_slot;
    }

    /// The wearer for the rules and on the ground, and their hot state. Who asks says which device reports.
    pub fn watched<'a>(
        &'a mut self,
        zones: &'a Zones,
        nobody: &'a DeviceId,
        utc_offset_minutes: i32,
        listening_since: Timestamp,
    ) -> (rules::Subject<'a>, impl Fn() -> Ground<'a>, &'a mut WearerHot) {
        let WearerEntry { near, hot, home, wearer, fences, .. } = self;
        let (wearer, fences): (&Wearer, &Vec<Arc<CompiledFence>>) = (wearer, fences);
        let subject = rules::Subject {
            wearer: &wearer.id,
            device: nobody,
            placement: rules::Placement::Worn,
            // Only their own are where nothing else is that is asked for.
            thresholds: if near.has_thresholds { &wearer.thresholds } else { &USUAL },
            suspension: if near.has_suspension { wearer.suspension.as_ref() } else { None },
            fall_window_seconds: near.fall_window_seconds,
            position: hot.last_fix.map(|(_, located)| located.position),
            fix_before: None,
            home: home.as_ref(),
            utc_offset_minutes,
            listening_since,
        };
        // Only asked for where a fence may have been crossed.
        let ground = move || Ground { fences, zones, org: &wearer.org };
        (subject, ground, hot)
    }

    /// Takes over the organisations' fences; their own stay as they are.
    fn inherit(&mut self, zones: &Zones, is_arranged: bool) {
        let own = self.fences[..self.own_fences].to_vec();
        self.arrange(own, zones, is_arranged);
    }

    /// Puts their own fences and the inherited ones in order. A tracker goes on where its fence did not change.
    fn arrange(&mut self, own: Vec<Arc<CompiledFence>>, zones: &Zones, is_arranged: bool) {
        self.own_fences = own.len();
        let mut fences = own;
        fences.extend(zones.inclusions_of(&self.wearer.org).cloned());
        if !is_arranged {
            let before = |fence: &Arc<CompiledFence>| self.fences.iter().position(|known| known == fence);
            self.hot.watch.arrange(fences.iter().map(before));
        }
        self.fences = fences;
    }
}

/// The thresholds of nearly everybody.
static USUAL: LazyLock<Thresholds> = LazyLock::new(Thresholds::default);

impl Near {
    fn of(wearer: &Wearer) -> Near {
        Near {
            fall_window_seconds: wearer.plan.fall_window_seconds,
            heard_slot: u32::MAX,
            has_thresholds: wearer.thresholds != *USUAL,
            has_suspension: wearer.suspension.is_some(),
        }
    }
}

/// A wearer's own fences, and how many did not compile.
fn compile(wearer: &Wearer, zone: Tz) -> (Vec<Arc<CompiledFence>>, usize) {
    let compiled = wearer.fences.iter().filter_map(|fence| CompiledFence::recompile(fence, zone).ok());
    let fences: Vec<Arc<CompiledFence>> = compiled.map(Arc::new).collect();
    let broken = wearer.fences.len() - fences.len();
    (fences, broken)
}

/// The fence to stay in that is called home, else the first of these. Its middle is that of a circle, or the mean of an outline's corners.
fn home(wearer: &Wearer) -> Option<rules::Home> {
    let mut to_stay_in = wearer.fences.iter().filter(|fence| fence.kind == model::FenceKind::Inclusion);
    let first = to_stay_in.clone().next();
    let fence = to_stay_in.find(|fence| fence.id.as_str() == HOME_FENCE).or(first)?;
    let middle = match &fence.shape {
        Shape::Circle { lon, lat, .. } => Position::new(*lat, *lon),
        // The last corner of a ring is the first again.
        Shape::Polygon { rings } => rings.first().and_then(|ring| middle(ring.get(1..)?)),
        Shape::MultiPolygon { polygons } => {
            polygons.first().and_then(|rings| rings.first()).and_then(|ring| middle(ring.get(1..)?))
        }
        Shape::Corridor { line, .. } => middle(line),
    };
    let centre = middle.map(|position| geofence::datum::to_wgs84(position, fence.datum));
    Some(rules::Home { fence: fence.id.clone(), centre })
}

/// The mean of corners.
fn middle(corners: &[[f64; 2]]) -> Option<Position> {
    let mean = |axis: usize| corners.iter().map(|corner| corner[axis]).sum::<f64>() / corners.len() as f64;
    Position::new(mean(1), mean(0))
}
