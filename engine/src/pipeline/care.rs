//! Who can be reached, people who come while an incident is open, and the cry for help of a device that is bound to
//! nobody.

use std::collections::BTreeSet;

use alerting::reach::TaskChange;
use model::record::Observed;
use model::registry::WearerMode;
use model::{
    Actor, Attempt, Change, Contact, Decision, DeviceId, Entity, EventKind, Explain, Finding, Incident, IncidentId,
    IncidentKind, OrgPath, PersonId, Plan, Priority, Problem, ProblemCode, RegistryChange, Reply, Report, ReportBody,
    Role, TaskId, Thresholds, Timestamp, Wearer, WearerId,
};

use super::{Directory, Pipeline};

/// Who may order campaigns and see to tasks.
pub(super) const STAFF: &[Role] = &[
    Role::Admin,
    Role::Operator,
    Role::Desk,
    Role::GridWorker,
    Role::Street,
    Role::Department,
    Role::Integration,
    Role::Doctor,
];
/// The longest note on a task, in bytes.
const NOTE_BYTES_MAX: usize = 2_000;

/// How the wearer of a device that nobody wears is called in incidents.
const UNBOUND_PREFIX: &str = "device:";

/// People who are not as they were before the registry was written.
#[derive(Default)]
pub(super) struct People<'a> {
    /// They were not there.
    new: BTreeSet<&'a PersonId>,
    /// They are there with something else.
    changed: BTreeSet<&'a PersonId>,
}

impl People<'_> {
    fn has(&self, person: &PersonId) -> bool {
        self.new.contains(person) || self.changed.contains(person)
    }
}

impl Pipeline {
    /// Whether an incident is open about who wears a device: then a report may better its position.
    pub(super) fn is_open_about(&self, device: &DeviceId, wearer: Option<&WearerId>) -> bool {
        match wearer {
            Some(wearer) => self.alerting.has_open(wearer),
            None => self.alerting.has_open(&nobodys_id(device)),
        }
    }

    /// An SOS or a fall of a device that is bound to nobody, or to somebody who is not known, is the desk's: of the
    /// organisation whose device it last was, else of the topmost one that has a desk.
    pub(super) fn find_unbound(
        &mut self,
        device: &DeviceId,
        report: &Report,
        observed: &Observed,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) {
        let is_known = |wearer: &WearerId| self.directory.wearers.get(wearer).is_some();
        if observed.wearer.as_ref().is_some_and(is_known) {
            return;
        }
        let (kind, rule, zh, en) = match report.body {
            ReportBody::Sos { .. } => (IncidentKind::Sos, "sos_unbound", "按下了求救键", "The SOS button was pressed"),
            // Nobody is known who could be asked for a sign of life, so none is waited for.
            ReportBody::Fall { .. } => {
                (IncidentKind::Fall, "fall_unbound", "设备报告跌倒", "The device reported a fall")
            }
            _ => {
                // A better position, for the one that is open about it.
                if let Some(located) = observed.located.filter(|_| !observed.late) {
                    self.locate(&nobodys_id(device), located.position, at, decisions);
                }
                return;
            }
        };
        let wearer = self.nobody(device);
        let finding = Finding {
            kind,
            change: Change::Raised,
            wearer: wearer.id.clone(),
            device: device.clone(),
            priority: Priority::High,
            at,
            measured: observed.measured,
            late: observed.late,
            confirmed: true,
            position: observed.located.map(|located| located.position),
            explain: Explain {
                rule: rule.into(),
                rule_version: 1,
                readings: Vec::new(),
                zh: format!("{zh}。该设备未绑定佩戴者，请核实使用人。"),
                en: format!("{en}. The device is bound to nobody; find out who uses it."),
            },
        };
        self.tell_local_time(at);
        let Pipeline { alerting, directory, casework, counters, .. } = self;
        let household = || directory.household(&wearer, casework);
        let input = alerting::Input::Finding { finding: &finding, household: &household };
        let outputs = alerting.handle(input, at, counters);
        decisions.push(Decision::Finding(Box::new(finding)));
        self.respond(outputs, at, decisions);
    }

    /// A stand-in for whoever uses a device that is bound to nobody.
    fn nobody(&self, device: &DeviceId) -> Wearer {
        let bindings = self.directory.devices.get(device).map(|entry| entry.device.bindings.as_slice());
        let before = bindings.unwrap_or_default().iter().rev().filter_map(|binding| binding.wearer.as_ref());
        let mut orgs = before.filter_map(|id| self.directory.wearers.get(id)).map(|entry| entry.wearer.org.clone());
        let has_desk = |path: &&OrgPath| self.directory.has_desk(path, &self.casework);
        let topmost = || self.directory.orgs.keys().find(has_desk).cloned();
        Wearer {
            id: nobodys_id(device),
            name: name_of_nobody(device.as_str()),
            org: orgs.next().or_else(topmost).unwrap_or_else(|| OrgPath::new("/")),
            birth_year: None,
            consents: Vec::new(),
            lives_alone: false,
            phone: None,
            guardians: Vec::new(),
            doctor: None,
            fences: Vec::new(),
            thresholds: Thresholds::default(),
            plan: Plan::default(),
            suspension: None,
            availability: Vec::new(),
            mode: WearerMode::Normal,
        }
    }

    /// Of the people of a change those who are not as they were: about anybody else nothing is to be looked at again. Asked
    /// before it is applied.
    pub(super) fn news_of_people<'a>(&self, change: &'a RegistryChange) -> People<'a> {
        let mut people = People::default();
        for person in &change.people {
            match self.directory.people.get(&person.id) {
                None => drop(people.new.insert(&person.id)),
                Some(known) if known != person => drop(people.changed.insert(&person.id)),
                Some(_) => {}
            }
        }
        people
    }

    /// The registry was written: open incidents pick up who is new, and tasks are opened and ended.
    pub(super) fn after_import(
        &mut self,
        change: &RegistryChange,
        people: &People<'_>,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) {
        let Directory { wearers, .. } = &self.directory;
        let mut touched: BTreeSet<u32> = change.wearers.iter().filter_map(|wearer| wearers.slot(&wearer.id)).collect();
        // Nobody was registered with a guardian who was not there: that they are new concerns only who comes with them. So a
        // city that is imported in parts is not gone through once for each part.
        for person in &people.changed {
            let theirs = self.directory.who_name(person);
            touched.extend(theirs.filter(|(_, entry)| entry.wearer.guardians.contains(person)).map(|(slot, _)| slot));
        }
        let of_desk = |org: &OrgPath| {
            change.orgs.iter().any(|o| o.path.contains(org))
                || self.directory.desk_contacts(org, &self.casework).iter().any(|c| people.has(&c.person))
        };
        let of_theirs = |wearer: &Wearer| {
            wearers.slot(&wearer.id).is_some_and(|slot| touched.contains(&slot))
                || wearer.doctor.as_ref().is_some_and(|doctor| people.has(doctor))
        };
        let open = self.open_about(|incident, wearer| of_theirs(wearer) || of_desk(&incident.org));
        self.pick_up_who_is_new(open, at, decisions);
        for slot in touched {
            self.look_at_reach(slot, at, decisions);
        }
    }

    /// The open incidents that fit, with whom they are about.
    pub(super) fn open_about(&self, fits: impl Fn(&Incident, &Wearer) -> bool) -> Vec<(IncidentId, Wearer)> {
        let open = self.alerting.open_incidents().filter_map(|incident| {
            let entry = self.directory.wearers.get(&incident.wearer);
            let wearer = entry.map_or_else(
                || incident.wearer.as_str().strip_prefix(UNBOUND_PREFIX).map(|id| self.nobody(&DeviceId::new(id))),
                |entry| Some(Wearer::clone(&entry.wearer)),
            )?;
            fits(incident, &wearer).then_some((incident.id, wearer))
        });
        open.collect()
    }

    /// Open incidents pick up who is new, and who is on duty when.
    pub(super) fn pick_up_who_is_new(
        &mut self,
        open: Vec<(IncidentId, Wearer)>,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) {
        for (incident, wearer) in open {
            let Pipeline { alerting, directory, casework, counters, .. } = self;
            let household = || directory.household(&wearer, casework);
            let case = casework.case_of(incident).map(|case| case.org.clone());
            let before = (alerting.incident(incident).map(|incident| incident.org.clone()), case);
            let outputs = alerting.handle(alerting::Input::Household { incident, household: &household }, at, counters);
            self.respond(outputs, at, decisions);
            self.tell_who_is_left(incident, before, at, decisions);
        }
    }

    /// The community that an elder has left in the middle of an alarm hears where it went: its pages follow the feed, and
    /// what they show could not be acted on there any more.
    fn tell_who_is_left(
        &mut self,
        id: IncidentId,
        (incident, case): (Option<OrgPath>, Option<OrgPath>),
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) {
        let changed = vec!["org".into()];
        if let (Some(before), Some(now)) = (incident, self.alerting.incident(id))
            && before != now.org
        {
            let entity = Entity::Incident(Box::new(now.clone()));
            self.tell(EventKind::IncidentUpdated, entity, Some(before), changed.clone(), at, decisions);
        }
        if let (Some(before), Some(now)) = (case, self.casework.case_of(id))
            && before != now.org
        {
            let entity = Entity::Case(Box::new(now.clone()));
            self.tell(EventKind::CaseNoted, entity, Some(before), changed, at, decisions);
        }
    }

    /// Opens and ends the tasks about the guardians of the wearer in a slot.
    fn look_at_reach(&mut self, wearer: u32, at: Timestamp, decisions: &mut Vec<Decision>) {
        let Some(entry) = self.directory.wearers.at(wearer) else { return };
        let contact = |id| self.directory.contact(id);
        let guardians: Vec<Contact> = entry.wearer.guardians.iter().filter_map(contact).collect();
        let Wearer { id, org, .. } = &*entry.wearer;
        let changes = self.reach.look(id, org, &guardians, at, &mut self.counters);
        changes.into_iter().for_each(|change| self.tell_task(change, at, decisions));
    }

    fn tell_task(&mut self, change: TaskChange, at: Timestamp, decisions: &mut Vec<Decision>) {
        let org = change.task.org.clone();
        let changed = match change.kind {
            EventKind::TaskOpened => Vec::new(),
            _ => vec!["state".into(), "done_by".into(), "note".into()],
        };
        self.tell(change.kind, Entity::Task(Box::new(change.task)), Some(org), changed, at, decisions);
    }

    /// What a call to a guardian shows about their number.
    pub(super) fn note_reach(
        &mut self,
        kind: EventKind,
        attempt: &Attempt,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) {
        self.reach.note(kind, attempt);
        let is_news = matches!(
            kind,
            EventKind::AttemptFailed
                | EventKind::AttemptAnswered
                | EventKind::AttemptConfirmed
                | EventKind::AttemptDeclined
        );
        if is_news
            && attempt.channel == model::Channel::Voice
            && let Some(wearer) = self.directory.wearers.slot(&attempt.wearer)
        {
            self.look_at_reach(wearer, at, decisions);
        }
    }

    /// Somebody says that a task was seen to.
    pub(super) fn finish_task(
        &mut self,
        actor: &Actor,
        id: TaskId,
        note: &str,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        if !self.reach.task(id).is_some_and(|task| actor.scope.contains(&task.org)) {
            return Reply::Refused(Problem::not_found("the open task"));
        }
        if !STAFF.contains(&actor.role) {
            return Reply::Refused(super::respond::not_allowed("only staff see to tasks"));
        }
        if note.len() > NOTE_BYTES_MAX {
            return Reply::Refused(invalid("/note", "longer than 2 000 bytes", "超过 2000 字节"));
        }
        let Some(change) = self.reach.finish(id, &actor.person, note.trim(), at) else {
            return Reply::Refused(Problem::not_found("the open task"));
        };
        let task = change.task.clone();
        self.tell_task(change, at, decisions);
        Reply::Done(Some(Entity::Task(Box::new(task))))
    }
}

fn name_of_nobody(device: &str) -> String {
    format!("未绑定设备{device}的使用人")
}

/// How somebody is called who is not in the registry, if they use a device that is bound to nobody.
pub(super) fn name_of_stranger(wearer: &WearerId) -> Option<String> {
    wearer.as_str().strip_prefix(UNBOUND_PREFIX).map(name_of_nobody)
}

fn nobodys_id(device: &DeviceId) -> WearerId {
    WearerId::new(&format!("{UNBOUND_PREFIX}{device}"))
}

pub(super) fn invalid(pointer: &str, what: &str, zh: &str) -> Problem {
    Problem::new(ProblemCode::Invalid, "the request cannot be carried out", "请求无法执行").at(pointer, what, zh)
}
