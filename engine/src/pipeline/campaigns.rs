//! Campaigns: welfare calls that somebody orders, and the test calls that the plans ask for.

use std::collections::{BTreeMap, BTreeSet};

use alerting::rounds::{CAMPAIGN_PEOPLE_MAX, CAMPAIGNS_RUNNING_MAX, RoundInput, RoundOutput, Target};
use chrono::{Datelike, TimeZone};
use model::campaign::{CampaignKind, CampaignOrder};
use model::record::Input as Recorded;
use model::registry::DailyWindow;
use model::{
    Actor, Contact, Decision, Destination, Entity, EventKind, Fault, OrgPath, PersonId, Problem, ProblemCode, Reply,
    Timestamp, Wearer,
};

use super::Pipeline;
use super::care::{STAFF, invalid};

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

impl Pipeline {
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
