//! Who can be reached, campaigns of welfare and test calls, people who come while an incident is open, and the cry
//! for help of a device that is bound to nobody.

use std::collections::{BTreeMap, BTreeSet};

use alerting::reach::TaskChange;
use alerting::rounds::{CAMPAIGN_PEOPLE_MAX, CAMPAIGNS_RUNNING_MAX, RoundInput, RoundOutput, Target};
use chrono::{Datelike, TimeZone};
use model::campaign::{CampaignKind, CampaignOrder};
use model::record::{Input as Recorded, Observed};
use model::registry::{DailyWindow, WearerMode};
use model::{
    Actor, Attempt, Change, Contact, Decision, Destination, DeviceId, Entity, EventKind, Explain, Fault, Finding,
    Incident, IncidentId, IncidentKind, OrgPath, PersonId, Plan, Priority, Problem, ProblemCode, RegistryChange, Reply,
    Report, ReportBody, Role, TaskId, Thresholds, Timestamp, Wearer, WearerId,
};

use super::{Directory, Pipeline};

/// Who may order campaigns and see to tasks.
const STAFF: &[Role] = &[
    Role::Admin,
    Role::Operator,
    Role::Desk,
    Role::GridWorker,
    Role::Street,
    Role::Department,
    Role::Integration,
    Role::Doctor,
];
/// At which minute of the day the plans' test calls begin: 10:00.
const TESTS_AT_MINUTE: u32 = 600;
/// When test calls may ring: nobody is woken and nobody is at table.
const TESTS_WINDOW: DailyWindow = DailyWindow { from_minute: 600, to_minute: 1_140 };
/// How often a number is tried by one round of test calls, and how long after a vain try the next one comes.
const TEST_TRIES: u8 = 3;
/// How many numbers are tried on one day: about what the calls at a time manage in the window, and no more than one
/// record of the journal takes.
const TESTS_A_DAY_MAX: usize = 10_000;
const TEST_GAP_SECONDS: u32 = 3_600;
const DAY_SECONDS: u32 = 86_400;
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
            name: format!("未绑定设备{device}的使用人"),
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
        if !people.changed.is_empty() {
            let theirs = |wearer: &Wearer| wearer.guardians.iter().any(|person| people.changed.contains(person));
            touched.extend(wearers.iter().filter(|(_, entry)| theirs(&entry.wearer)).map(|(slot, _)| slot));
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
            let outputs = alerting.handle(alerting::Input::Household { incident, household: &household }, at, counters);
            self.respond(outputs, at, decisions);
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

    /// Somebody orders a campaign.
    pub(super) fn start_campaign(
        &mut self,
        actor: &Actor,
        order: &CampaignOrder,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        if !STAFF.contains(&actor.role) {
            return Reply::Refused(super::respond::not_allowed("only staff order campaigns"));
        }
        if self.rounds.running() >= CAMPAIGNS_RUNNING_MAX {
            return Reply::Refused(Problem::new(
                ProblemCode::LimitReached,
                "as many campaigns run as may; wait until one ends",
                "正在进行的外呼活动已达上限，请等待其中一个结束",
            ));
        }
        let people = match self.targets(actor, order) {
            Ok(people) => people,
            Err(problem) => return Reply::Refused(problem),
        };
        if order.until <= at {
            return Reply::Refused(invalid("/until", "lies in the past", "早于当前时间"));
        }
        let input = RoundInput::Start { order, by: Some(&actor.person), org: &actor.scope, people: &people };
        let outputs = self.rounds.handle(input, at, &mut self.counters);
        let begun = outputs.iter().find_map(|output| match output {
            RoundOutput::Campaign { campaign, .. } => Some(Entity::Campaign(Box::new(campaign.clone()))),
            _ => None,
        });
        self.tell_rounds(outputs, at, decisions);
        Reply::Done(begun)
    }

    /// Whom an order is about: the wearers themselves, or their guardians, each number once.
    fn targets(&self, actor: &Actor, order: &CampaignOrder) -> Result<Vec<Target>, Problem> {
        let (mut people, mut numbers, mut errors) = (Vec::new(), BTreeSet::new(), Vec::new());
        for (index, id) in order.wearers.iter().enumerate() {
            let entry = self.directory.wearers.get(id).filter(|entry| actor.scope.contains(&entry.wearer.org));
            let Some(entry) = entry else {
                errors.push(Fault::new(
                    format!("/wearers/{index}"),
                    "not there, or not visible to you",
                    "不存在或无权查看",
                ));
                continue;
            };
            let before = people.len();
            for contact in self.to_call(&entry.wearer, order.kind) {
                if contact.phone.clone().is_some_and(|phone| numbers.insert(phone)) {
                    people.push(self.target(&entry.wearer, contact));
                }
            }
            if people.len() == before && order.kind == CampaignKind::Welfare {
                errors.push(Fault::new(format!("/wearers/{index}"), "has no phone of their own", "本人没有电话"));
            }
        }
        if people.len() > CAMPAIGN_PEOPLE_MAX {
            errors.push(Fault::new(
                "/wearers",
                format!("more than {CAMPAIGN_PEOPLE_MAX} people; make two of it"),
                format!("超过 {CAMPAIGN_PEOPLE_MAX} 人，请分为两次"),
            ));
        }
        if people.is_empty() && errors.is_empty() {
            errors.push(Fault::new("/wearers", "nobody to call", "没有可外呼的人员"));
        }
        if errors.is_empty() {
            return Ok(people);
        }
        let mut problem = Problem::new(ProblemCode::Invalid, "not everybody can be called", "部分人员无法外呼");
        problem.errors = errors;
        Err(problem)
    }

    fn to_call(&self, wearer: &Wearer, kind: CampaignKind) -> Vec<Contact> {
        match kind {
            CampaignKind::Test => wearer.guardians.iter().filter_map(|id| self.directory.contact(id)).collect(),
            CampaignKind::Welfare => vec![Contact {
                person: PersonId::new(wearer.id.as_str()),
                name: wearer.name.clone(),
                phone: wearer.phone.clone().map(Destination),
                push: None,
                email: None,
                robot: None,
                lang: model::Language::default(),
                available: Vec::new(),
            }],
        }
    }

    fn target(&self, wearer: &Wearer, contact: Contact) -> Target {
        Target {
            wearer: wearer.id.clone(),
            org: wearer.org.clone(),
            community_name: self.directory.orgs.get(&wearer.org).map_or("", |org| org.name.as_str()).into(),
            wearer_name: wearer.name.as_str().into(),
            contact,
        }
    }

    /// When the plans' test calls begin next, if any plan has them.
    pub(super) fn next_tests(&self) -> Option<Timestamp> {
        if self.directory.tested.is_empty() {
            return None;
        }
        let local = self.last_at.to_utc().with_timezone(&self.zone);
        let today = self.zone.with_ymd_and_hms(local.year(), local.month(), local.day(), TESTS_AT_MINUTE / 60, 0, 0);
        let today = Timestamp::from_millis(today.earliest()?.timestamp_millis());
        Some(if today > self.last_at { today } else { today.plus_seconds(DAY_SECONDS) })
    }

    /// The numbers that nobody was reached under for as long as their wearers' plans allow are tried, one campaign
    /// for each organisation.
    fn begin_tests(&mut self, at: Timestamp, decisions: &mut Vec<Decision>) {
        let (mut due, mut numbers) = (Vec::new(), BTreeSet::new());
        for id in &self.directory.tested {
            let Some(entry) = self.directory.wearers.get(id) else { continue };
            // Half a day of grace, so that a weekly test stays on its day.
            let seconds = u32::from(entry.wearer.plan.test_calls_every_days) * DAY_SECONDS - DAY_SECONDS / 2;
            for contact in self.to_call(&entry.wearer, CampaignKind::Test) {
                let verified = self.reach.verified_at(&contact);
                let is_due = verified.is_none_or(|verified| verified.plus_seconds(seconds) <= at);
                if is_due && contact.phone.clone().is_some_and(|phone| numbers.insert(phone)) {
                    due.push((verified, entry.wearer.org.clone(), self.target(&entry.wearer, contact)));
                }
            }
        }
        // Who has waited longest; the others are still due tomorrow.
        due.sort_by_key(|(verified, ..)| *verified);
        due.truncate(TESTS_A_DAY_MAX);
        let mut by_org: BTreeMap<OrgPath, Vec<Target>> = BTreeMap::new();
        for (_, org, target) in due {
            by_org.entry(org).or_default().push(target);
        }
        for (org, people) in by_org {
            for people in people.chunks(CAMPAIGN_PEOPLE_MAX) {
                let order = CampaignOrder {
                    kind: CampaignKind::Test,
                    name: "例行测试电话".to_owned(),
                    text: String::new(),
                    window: Some(TESTS_WINDOW),
                    tries: TEST_TRIES,
                    gap_seconds: TEST_GAP_SECONDS,
                    until: at.plus_seconds(DAY_SECONDS),
                    wearers: Vec::new(),
                };
                let input = RoundInput::Start { order: &order, by: None, org: &org, people };
                let outputs = self.rounds.handle(input, at, &mut self.counters);
                self.tell_rounds(outputs, at, decisions);
            }
        }
    }

    /// What campaigns do by themselves. `tests_due`: when the plans' test calls were to begin.
    pub(super) fn rounds_advance(
        &mut self,
        tests_due: Option<Timestamp>,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) {
        if tests_due.is_some_and(|due| due <= at) {
            self.begin_tests(at, decisions);
        }
        let outputs = self.rounds.advance(at, &mut self.counters);
        self.tell_rounds(outputs, at, decisions);
    }

    /// What providers and people say about a campaign's call. Says whether it is one.
    pub(super) fn rounds_evidence(&mut self, input: &Recorded, at: Timestamp, decisions: &mut Vec<Decision>) -> bool {
        let input = match input {
            Recorded::Callback { attempt, outcome, key, .. } if self.rounds.holds(*attempt) => {
                RoundInput::Callback { attempt: *attempt, outcome: *outcome, key: key.as_deref() }
            }
            Recorded::Sent { attempt, result, provider, others_left, reference } if self.rounds.holds(*attempt) => {
                RoundInput::Sent {
                    attempt: *attempt,
                    result,
                    provider,
                    others_left: *others_left,
                    reference: reference.as_deref(),
                }
            }
            _ => return false,
        };
        let outputs = self.rounds.handle(input, at, &mut self.counters);
        self.tell_rounds(outputs, at, decisions);
        true
    }

    fn tell_rounds(&mut self, outputs: Vec<RoundOutput>, at: Timestamp, decisions: &mut Vec<Decision>) {
        let mut findings = Vec::new();
        for output in outputs {
            match output {
                RoundOutput::Campaign { kind, campaign } => {
                    let org = campaign.org.clone();
                    self.tell(kind, Entity::Campaign(Box::new(campaign)), Some(org), Vec::new(), at, decisions);
                }
                RoundOutput::Call(call) => {
                    let org = call.org.clone();
                    let entity = Entity::CampaignCall(Box::new(call));
                    self.tell(EventKind::CampaignCalled, entity, Some(org), Vec::new(), at, decisions);
                }
                RoundOutput::Attempt { kind, attempt, changed } => {
                    let org = attempt.org.clone();
                    let entity = Entity::Attempt(Box::new(attempt.clone()));
                    self.tell(kind, entity, Some(org), changed, at, decisions);
                    self.note_reach(kind, &attempt, at, decisions);
                }
                RoundOutput::Finding(finding) => findings.push(*finding),
            }
        }
        self.find(findings, at, decisions);
    }
}

fn nobodys_id(device: &DeviceId) -> WearerId {
    WearerId::new(&format!("{UNBOUND_PREFIX}{device}"))
}

fn invalid(pointer: &str, what: &str, zh: &str) -> Problem {
    Problem::new(ProblemCode::Invalid, "the request cannot be carried out", "请求无法执行").at(pointer, what, zh)
}
