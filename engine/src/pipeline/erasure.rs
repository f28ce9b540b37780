//! Erasing somebody from everything that the pipeline remembers. What is on disk is the business of the view, of exports,
//! and of the journal's retention; all of them are told by the same tombstone.

use std::collections::BTreeMap;

use compact_str::{CompactString, format_compact};
use model::erasure::{ERASED, ErasedKind, Erasure, Names, Worn};
use model::registry::fingerprint;
use model::staff::Known;
use model::{
    AccountChange, AccountState, Actor, Decision, Device, DeviceId, Entity, EventKind, OrgPath, PersonId, Problem,
    ProblemCode, RegistryChange, Reply, Role, Timestamp, Wearer, WearerId,
};
use serde::{Deserialize, Serialize};

use super::Pipeline;
use super::respond::not_allowed;

/// Who may erase somebody: what is gone is gone, and no other system decides that.
const ERASERS: &[Role] = &[Role::Admin, Role::Operator];

/// Everybody who was erased. Their ids are never given away again: else a backup of an older time could not be told
/// from news.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Erased {
    tombstones: BTreeMap<(ErasedKind, CompactString), Erasure>,
}

/// What is said of a registry entry with the id of somebody who was erased.
pub(crate) const ERASED_ID: &str =
    "this id belonged to somebody who was erased: take them out of the source; a new person gets a new id";
/// The same in Chinese.
pub(crate) const ERASED_ID_ZH: &str = "该编号属于已被彻底清除的人员：请从来源数据中移除；新登记人员请使用新编号";

/// Where the first id stands that belonged to somebody who was erased, as a JSON pointer.
pub(crate) fn erased_id(
    change: &RegistryChange,
    was_erased: impl Fn(ErasedKind, &str) -> bool,
) -> Option<CompactString> {
    let wearers = change.wearers.iter().position(|wearer| was_erased(ErasedKind::Wearer, wearer.id.as_str()));
    let people = || change.people.iter().position(|person| was_erased(ErasedKind::Person, person.id.as_str()));
    let wearer = wearers.map(|index| format_compact!("/wearers/{index}/id"));
    wearer.or_else(|| people().map(|index| format_compact!("/people/{index}/id")))
}

/// Who is to be erased.
pub(super) struct Request<'a> {
    pub(super) kind: ErasedKind,
    pub(super) subject: &'a CompactString,
    pub(super) known: Known,
    pub(super) again: bool,
}

impl Erased {
    fn find(&self, kind: ErasedKind, subject: &str) -> Option<&Erasure> {
        self.tombstones.get(&(kind, CompactString::from(subject)))
    }
}

impl Pipeline {
    /// Everybody who was erased.
    pub fn erased(&self) -> impl Iterator<Item = &Erasure> {
        self.erased.tombstones.values()
    }

    /// Erases somebody, once.
    pub(super) fn erase(
        &mut self,
        actor: &Actor,
        request: &Request<'_>,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        if !ERASERS.contains(&actor.role) {
            return Reply::Refused(not_allowed("only an administrator or an operator erases somebody"));
        }
        if let Some(done) = self.erased.find(request.kind, request.subject) {
            let is_visible = done.org.as_ref().map_or(actor.scope.as_str() == "/", |org| actor.scope.contains(org));
            if !is_visible {
                return Reply::Refused(Problem::not_found(&done.resource()));
            }
            return Reply::Done(Some(Entity::Erasure(Box::new(done.clone()))));
        }
        let mut erasure = Erasure {
            id: self.erased.tombstones.len() as u32 + 1,
            kind: request.kind,
            subject: request.subject.clone(),
            org: None,
            at,
            by: actor.person.clone(),
            worn: self.worn(request, at),
        };
        // Of a backup that was brought back: whoever is not in it is to stay away all the same.
        let is_there = self.orgs_about(&erasure);
        if !request.again
            && let Err(problem) = self.check_erasable(actor, request, &erasure, is_there.as_deref())
        {
            return Reply::Refused(problem);
        }
        if erasure.kind == ErasedKind::Wearer {
            // Whoever is erased for the first time has nothing open; a backup may be from when they had.
            let wearer = WearerId::new(&erasure.subject);
            // Its case first: whoever goes for one is told when an alarm ends, and of this one nobody hears.
            let outputs = self.casework.handle(casework::Input::Erasing(&wearer), at, &mut self.counters);
            self.tell_cases(outputs, at, decisions);
            let ending = alerting::Input::Erasing { wearer: &wearer, by: &actor.person };
            let outputs = self.alerting.handle(ending, at, &mut self.counters);
            self.respond(outputs, at, decisions);
        }
        let change = self.without(&erasure);
        erasure.org = is_there.as_deref().and_then(common);
        for account in self.accounts.all().filter(|account| erasure.is_person(&account.person)) {
            let removed = AccountChange {
                name: Some(String::new()),
                state: Some(AccountState::Removed),
                ..AccountChange::default()
            };
            decisions.push(Decision::Account(Box::new(account.changed(&removed, at))));
        }
        for decision in decisions.iter() {
            if let Decision::Account(account) = decision {
                self.accounts.apply((**account).clone());
            }
        }
        let people = self.news_of_people(&change);
        self.faults += self.directory.apply(&change, self.zone, u64::MAX) as u64;
        decisions.push(Decision::Registry(Box::new(change.clone())));
        self.apply_erased(&erasure, true);
        let org = erasure.org.clone();
        decisions.push(Decision::Erased(Box::new(erasure.clone())));
        let entity = Entity::Erasure(Box::new(erasure));
        self.tell(EventKind::RegistryErased, entity.clone(), org, Vec::new(), at, decisions);
        self.after_import(&change, &people, at, decisions);
        Reply::Done(Some(entity))
    }

    /// Forgets somebody. `is_news`: everything outside the directory does not know of it yet.
    pub(super) fn apply_erased(&mut self, erasure: &Erasure, is_news: bool) {
        let names = self.names_of(erasure);
        if is_news {
            self.alerting.erase(erasure, &names);
            self.casework.erase(erasure, &names);
            self.reach.erase(erasure);
            self.rounds.erase(erasure);
            self.case_messages.erase(erasure);
            self.replies.erase(erasure, &names);
            self.audit.erase(erasure, &names);
            if erasure.kind == ErasedKind::Wearer {
                self.area.erase(&WearerId::new(&erasure.subject));
            }
            self.erased.tombstones.insert((erasure.kind, erasure.subject.clone()), erasure.clone());
        }
        match erasure.kind {
            ErasedKind::Wearer => {
                let id = WearerId::new(&erasure.subject);
                if let Some((slot, entry)) = self.directory.remove(&id) {
                    self.rule_timers.forget(&entry.hot, slot);
                }
            }
            ErasedKind::Person => {
                let id = PersonId::new(&erasure.subject);
                self.directory.people.remove(&id);
                self.directory.operators.remove(&id);
            }
        }
    }

    /// A registry entry that is, or names, somebody who was erased.
    pub(super) fn erased_in(&self, change: &RegistryChange) -> Option<Problem> {
        let pointer = erased_id(change, |kind, id| self.erased.find(kind, id).is_some())?;
        let problem = Problem::new(ProblemCode::Invalid, ERASED_ID, ERASED_ID_ZH);
        Some(problem.at(pointer, "was erased", "已被彻底清除"))
    }

    fn names_of(&self, erasure: &Erasure) -> Names {
        match erasure.kind {
            ErasedKind::Wearer => self
                .directory
                .wearers
                .get(&WearerId::new(&erasure.subject))
                .map(|entry| Names::of_wearer(&entry.wearer)),
            ErasedKind::Person => self.directory.people.get(&PersonId::new(&erasure.subject)).map(Names::of_person),
        }
        .unwrap_or_default()
    }

    /// Which organisations it concerns: a wearer's own, those of whom a person cares for. `None`: they are not there.
    fn orgs_about(&self, erasure: &Erasure) -> Option<Vec<OrgPath>> {
        match erasure.kind {
            ErasedKind::Wearer => {
                let entry = self.directory.wearers.get(&WearerId::new(&erasure.subject))?;
                Some(vec![entry.wearer.org.clone()])
            }
            ErasedKind::Person => {
                let id = PersonId::new(&erasure.subject);
                self.directory.people.get(&id)?;
                let cared_for = self.directory.who_name(&id);
                let desks = self.directory.orgs.values().filter(|org| is_on_desk(org, &id)).map(|org| org.path.clone());
                Some(cared_for.map(|(_, entry)| entry.wearer.org.clone()).chain(desks).collect())
            }
        }
    }

    fn check_erasable(
        &self,
        actor: &Actor,
        request: &Request<'_>,
        erasure: &Erasure,
        orgs: Option<&[OrgPath]>,
    ) -> Result<(), Problem> {
        let is_whole = actor.scope.as_str() == "/";
        // A person who belongs to nobody's part of the tree is for those who see everything.
        let is_visible = |orgs: &&[OrgPath]| is_whole || orgs.iter().any(|org| actor.scope.contains(org));
        let Some(orgs) = orgs.filter(is_visible) else { return Err(Problem::not_found(&erasure.resource())) };
        if !is_whole && !orgs.iter().all(|org| actor.scope.contains(org)) {
            return Err(not_allowed("they also care for somebody outside the part of the tree that you may write"));
        }
        let there = match request.kind {
            ErasedKind::Wearer => {
                self.directory.wearers.get(&WearerId::new(request.subject)).map(|entry| fingerprint(&*entry.wearer))
            }
            ErasedKind::Person => self.directory.people.get(&PersonId::new(request.subject)).map(fingerprint),
        };
        match request.known {
            Known::Fingerprint(seen) if there == Some(seen) => {}
            Known::Nothing => {
                return Err(Problem::new(
                    ProblemCode::VersionRequired,
                    "say which state of it you saw: If-Match with its ETag",
                    "请以 If-Match（其 ETag）说明所见状态",
                ));
            }
            Known::Fingerprint(_) | Known::Absent => {
                return Err(Problem::new(
                    ProblemCode::Stale,
                    "it was changed since you saw it: read it again",
                    "条目已被更改，请重新读取",
                ));
            }
        }
        let incident = self.alerting.open_about(erasure).map(|id| format!("incidents/{id}"));
        let case = || self.casework.open_about(erasure).map(|id| format!("cases/{id}"));
        let campaign = || self.rounds.open_about(erasure).map(|id| format!("campaigns/{id}"));
        match incident.or_else(case).or_else(campaign) {
            None => Ok(()),
            Some(open) => Err(Problem::new(
                ProblemCode::IllegalInState,
                format!("{open} is open and concerns them: bring it to its end first"),
                format!("{open} 尚未结束且与其有关：请先处理完毕"),
            )),
        }
    }

    /// When the devices of a wearer were theirs.
    fn worn(&self, request: &Request<'_>, at: Timestamp) -> Vec<Worn> {
        if request.kind != ErasedKind::Wearer {
            return Vec::new();
        }
        let id = WearerId::new(request.subject);
        let mut worn = Vec::new();
        for (_, entry) in self.directory.devices.iter() {
            let Device { id: device, bindings, .. } = &*entry.device;
            for (index, binding) in bindings.iter().enumerate().filter(|(_, b)| b.wearer.as_ref() == Some(&id)) {
                // Before the first binding a device was whoever's was first.
                let from = if index == 0 { Timestamp::EPOCH } else { binding.from };
                let until = bindings.get(index + 1).map_or(at, |next| next.from);
                worn.push(Worn { device: device.clone(), from, until: Some(until) });
            }
        }
        worn
    }

    /// The entries that name them, without them.
    fn without(&self, erasure: &Erasure) -> RegistryChange {
        let mut change = RegistryChange::default();
        if erasure.kind == ErasedKind::Wearer {
            let theirs: std::collections::BTreeSet<&DeviceId> = erasure.worn.iter().map(|worn| &worn.device).collect();
            for device in theirs.into_iter().filter_map(|id| self.directory.devices.get(id)) {
                let mut device = Device::clone(&device.device);
                let is_theirs = |wearer: &Option<WearerId>| wearer.as_ref().is_some_and(|id| erasure.is_wearer(id));
                for binding in device.bindings.iter_mut().filter(|binding| is_theirs(&binding.wearer)) {
                    binding.wearer = None;
                }
                if is_theirs(&device.wearer) {
                    device.wearer = None;
                }
                change.devices.push(device);
            }
            return change;
        }
        let id = PersonId::new(&erasure.subject);
        for (_, entry) in self.directory.who_name(&id) {
            let mut wearer = Wearer::clone(&entry.wearer);
            wearer.guardians.retain(|guardian| *guardian != id);
            wearer.availability.retain(|hours| hours.person != id);
            wearer.doctor = wearer.doctor.filter(|doctor| *doctor != id);
            // That it was agreed to stays, and that whoever did is erased.
            for consent in wearer.consents.iter_mut().filter(|consent| consent.by.as_ref() == Some(&id)) {
                consent.by = None;
                consent.note = ERASED.to_owned();
            }
            change.wearers.push(wearer);
        }
        for org in self.directory.orgs.values().filter(|org| is_on_desk(org, &id)) {
            let mut org = org.clone();
            if let Some(desk) = &mut org.desk {
                desk.people.retain(|person| *person != id);
            }
            change.orgs.push(org);
        }
        change
    }
}

fn is_on_desk(org: &model::Org, person: &PersonId) -> bool {
    org.desk.as_ref().is_some_and(|desk| desk.people.contains(person))
}

/// The lowest organisation that holds all of them; `None` when there are none.
fn common(orgs: &[OrgPath]) -> Option<OrgPath> {
    let mut above = orgs.first()?.clone();
    for org in orgs {
        while !above.contains(org) {
            above = above.parent().unwrap_or_else(|| OrgPath::new("/"));
        }
    }
    Some(above)
}
