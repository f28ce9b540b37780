//! What a guardian does by the link in a message: has it sent again, has a code sent to their own phone, enters it, and
//! then draws fences.

use model::step_up::{CODE_TRIES_MAX, Opened, STEP_UP_SECONDS};
use model::{
    Actor, Attempt, AttemptId, AttemptState, Channel, Decision, Destination, Entity, EventKind, Problem, ProblemCode,
    Purpose, RegistryChange, Reply, Role, StepUp, Timestamp, Wearer, WearerId,
};
use serde::{Deserialize, Serialize};

use super::Pipeline;
use super::respond::not_allowed;

/// Codes on their way, and what they opened.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StepUps(Vec<StepUp>);

impl StepUps {
    pub(super) fn all(&self) -> impl Iterator<Item = &StepUp> {
        self.0.iter()
    }

    pub(super) fn wearer_of(&self, code: AttemptId) -> Option<WearerId> {
        self.0.iter().find(|known| known.code == code).map(|known| known.wearer.clone())
    }

    /// Takes in one as it was decided; what is over by then goes.
    pub(super) fn apply(&mut self, step_up: StepUp, at: Timestamp) {
        self.0.retain(|known| !known.is_over(at) && !step_up.replaces(known));
        self.0.push(step_up);
    }

    /// Somebody entered a code. Tries at the same time come here one after the other, and all of them count.
    pub(super) fn enter(
        &mut self,
        actor: &Actor,
        (code, is_right): (AttemptId, bool),
        secret_sha256: [u8; 32],
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        let known = self.0.iter().find(|known| known.code == code && known.person == actor.person);
        let Some(known) = known.filter(|known| known.takes_a_code(at)) else {
            return Reply::Refused(Problem::new(
                ProblemCode::LimitReached,
                "this code holds no more: have another one sent",
                "验证码已失效，请重新获取",
            ));
        };
        let tried = match is_right {
            true => StepUp {
                opened: Some(Opened { secret_sha256, until: at.plus_seconds(STEP_UP_SECONDS) }),
                ..known.clone()
            },
            false => StepUp { wrong_tries: known.wrong_tries + 1, ..known.clone() },
        };
        let left = CODE_TRIES_MAX - tried.wrong_tries;
        self.apply(tried.clone(), at);
        decisions.push(Decision::StepUp(Box::new(tried)));
        if is_right {
            return Reply::Done(None);
        }
        let (detail, detail_zh) =
            (format!("not this code; {left} more tries"), format!("验证码不正确，还可尝试 {left} 次"));
        let problem = Problem::new(ProblemCode::Invalid, detail, detail_zh);
        Reply::Refused(problem.at("/code", "not the code that was sent", "与发送的验证码不符"))
    }
}

impl Pipeline {
    /// Codes on their way, and what they opened.
    pub fn step_ups(&self) -> impl Iterator<Item = &StepUp> {
        self.step_ups.all()
    }

    /// The same message once more, under a number of its own: to the same guardian, where they are registered now.
    pub(super) fn send_link(
        &mut self,
        actor: &Actor,
        old: &Attempt,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        match self.message(actor, old, at) {
            Err(problem) => Reply::Refused(problem),
            Ok(message) => {
                self.send(Attempt { purpose: Purpose::Reminder, ..message }, at, decisions);
                Reply::Done(None)
            }
        }
    }

    /// A code to the guardian's own phone. What it is stands nowhere: it is reckoned from the attempt when it is sent.
    pub(super) fn send_code(
        &mut self,
        actor: &Actor,
        link: &Attempt,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        let message = match self.message(actor, link, at) {
            Err(problem) => return Reply::Refused(problem),
            Ok(message) => message,
        };
        let community = message.params.iter().find(|(name, _)| name == "community").cloned();
        let message = Attempt {
            purpose: Purpose::Code,
            text: alerting::wording::code(message.lang).to_owned(),
            params: community.into_iter().collect(),
            ..message
        };
        let step_up = StepUp {
            code: message.id,
            person: actor.person.clone(),
            wearer: message.wearer.clone(),
            sent_at: at,
            wrong_tries: 0,
            opened: None,
        };
        self.step_ups.apply(step_up.clone(), at);
        decisions.push(Decision::StepUp(Box::new(step_up)));
        self.send(message, at, decisions);
        Reply::Done(None)
    }

    /// A message to the guardian to whom an earlier one went, to the number that is registered now.
    fn message(&mut self, actor: &Actor, old: &Attempt, at: Timestamp) -> Result<Attempt, Problem> {
        let incident = old.incident.and_then(|id| self.alerting.incident(id));
        let wearer = incident.and_then(|incident| self.directory.wearers.get(&incident.wearer));
        let is_guardian = wearer.is_some_and(|entry| entry.wearer.guardians.contains(&actor.person));
        let person = self.directory.people.get(&actor.person).filter(|_| is_guardian);
        if actor.role != Role::Guardian || old.callee.person != actor.person {
            return Err(not_allowed("a link is sent again to the guardian whose it was"));
        }
        let phone = person.and_then(|person| person.phone.clone()).ok_or_else(|| Problem::not_found("the incident"))?;
        Ok(Attempt {
            id: self.counters.next_attempt(),
            version: 1,
            channel: Channel::Sms,
            to: Destination(phone),
            state: AttemptState::Pending,
            outcome: None,
            created_at: at,
            changed_at: at,
            not_before: at,
            sends: 0,
            passed_over: Vec::new(),
            ..old.clone()
        })
    }

    fn send(&mut self, message: Attempt, at: Timestamp, decisions: &mut Vec<Decision>) {
        self.alerting.apply_attempt(message.clone());
        let org = message.org.clone();
        self.tell(EventKind::AttemptStarted, Entity::Attempt(Box::new(message)), Some(org), Vec::new(), at, decisions);
    }

    /// Whether this is a guardian who draws the fences of somebody whom they care for, and writes nothing else.
    pub(super) fn draws_own_fences(&self, actor: &Actor, change: &RegistryChange) -> bool {
        let [drawn] = change.wearers.as_slice() else { return false };
        let Some(known) = self.directory.wearers.get(&drawn.id).map(|entry| &*entry.wearer) else { return false };
        actor.role == Role::Guardian
            && known.guardians.contains(&actor.person)
            && *change == RegistryChange { wearers: vec![drawn.clone()], ..RegistryChange::default() }
            && *known == Wearer { fences: known.fences.clone(), ..drawn.clone() }
    }

    /// Whether a doctor sets the thresholds of one patient of theirs and nothing else.
    pub(super) fn sets_patients_thresholds(&self, actor: &Actor, change: &RegistryChange) -> bool {
        let [set] = change.wearers.as_slice() else { return false };
        let Some(known) = self.directory.wearers.get(&set.id).map(|entry| &*entry.wearer) else { return false };
        actor.role == Role::Doctor
            && known.doctor.as_ref() == Some(&actor.person)
            && *change == RegistryChange { wearers: vec![set.clone()], ..RegistryChange::default() }
            && *known == Wearer { thresholds: known.thresholds.clone(), ..set.clone() }
    }
}
