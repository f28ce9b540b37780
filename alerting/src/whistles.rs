//! Whoever a whistle brings into a case that no open incident stands behind is told of it: a person's report, a visit,
//! an alarm that has ended. While an incident is open it tells them itself, with everybody else whom it concerns.
//!
//! Nobody is rung here and nobody has to answer: it is a message to staff, sent until a provider takes it.

use std::collections::{BTreeMap, BTreeSet};

use model::attempt::CalleeRole;
use model::case::{CasePlace, WhistleLevel};
use model::record::SendResult;
use model::{
    Attempt, AttemptId, AttemptOutcome, AttemptState, Callee, Case, Contact, Counters, Erasure, EventKind, Lane,
    Priority, Purpose, Timestamp, WearerId,
};

use crate::book::ATTEMPTS_KEPT_SECONDS;
use crate::evidence::{MESSAGE_SENDS_MAX, PROVIDER_WAIT_SECONDS_MAX, Sent, backoff_seconds};
use crate::texting::ways;
use crate::turn::attempt_changes;
use crate::wording::{self, CaseFacts, LocalTime};
use crate::{Output, UTC_OFFSET_MINUTES_DEFAULT};

/// The messages on their way, and for a while those that were sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Whistles {
    attempts: BTreeMap<AttemptId, Attempt>,
    utc_offset_minutes: i32,
}

/// A case was whistled upward.
#[derive(Debug, Clone, Copy)]
pub struct Whistle<'a> {
    /// Which.
    pub case: &'a Case,
    /// To which level.
    pub level: WhistleLevel,
    /// The community's name.
    pub community_name: &'a str,
    /// About whom; of a case about a place, in whose name an area's incident is.
    pub wearer: &'a WearerId,
    /// Their name; empty for a place.
    pub wearer_name: &'a str,
    /// Who is told.
    pub joined: &'a [Contact],
}

impl Default for Whistles {
    fn default() -> Whistles {
        Whistles { attempts: BTreeMap::new(), utc_offset_minutes: UTC_OFFSET_MINUTES_DEFAULT }
    }
}

impl Whistles {
    /// With which offset the messages tell the time of day, in minutes east of UTC (−1 080 to 1 080).
    pub fn set_utc_offset_minutes(&mut self, minutes: i32) {
        self.utc_offset_minutes = minutes.clamp(-1080, 1080);
    }

    /// Tells whoever joined, each over every way that they have, and each number once.
    pub fn tell(&mut self, whistle: &Whistle<'_>, now: Timestamp, counters: &mut Counters) -> Vec<Output> {
        let place = whistle.case.place.as_ref();
        let facts = CaseFacts {
            kind: whistle.case.kind,
            wearer_name: whistle.wearer_name,
            community_name: whistle.community_name,
            filed_at: whistle.case.filed_at,
            position: place.and_then(|place: &CasePlace| place.position),
            place: place.map_or("", |place| place.text.as_str()),
            text: &whistle.case.text,
            time: LocalTime { now, utc_offset_minutes: self.utc_offset_minutes },
        };
        let (mut outputs, mut reached) = (Vec::new(), BTreeSet::new());
        for contact in whistle.joined {
            let message = wording::case_whistled(contact.lang, &facts, whistle.level);
            for (channel, to) in ways(CalleeRole::Desk, contact) {
                let Some(to) = to.filter(|to| reached.insert((channel, (*to).clone()))) else { continue };
                let attempt = Attempt {
                    id: counters.next_attempt(),
                    version: 1,
                    incident: None,
                    campaign: None,
                    case: Some(whistle.case.id),
                    kind: whistle.case.kind,
                    priority: whistle.case.priority,
                    wearer: whistle.wearer.clone(),
                    org: whistle.case.org.clone(),
                    channel,
                    callee: Callee { person: contact.person.clone(), role: CalleeRole::Desk },
                    to: to.clone(),
                    lang: contact.lang,
                    purpose: Purpose::Alert,
                    lane: if whistle.case.priority == Priority::High { Lane::Alarm } else { Lane::Routine },
                    cycle: 1,
                    text: message.said_over(channel),
                    params: message.params.clone(),
                    state: AttemptState::Pending,
                    outcome: None,
                    created_at: now,
                    changed_at: now,
                    not_before: now,
                    sends: 0,
                    passed_over: Vec::new(),
                    reference: None,
                };
                self.apply_attempt(attempt.clone());
                outputs.push(Output::Attempt { kind: EventKind::AttemptStarted, attempt, changed: Vec::new() });
            }
        }
        outputs
    }

    /// Whether this is such a message.
    #[must_use]
    pub fn holds(&self, attempt: AttemptId) -> bool {
        self.attempts.contains_key(&attempt)
    }

    /// What came of handing one to its provider: it is sent again, by another one or later, until it was taken or has
    /// been tried often enough.
    pub fn sent(
        &mut self,
        id: AttemptId,
        result: &SendResult,
        (provider, others_left, reference): (&str, bool, Option<&str>),
        now: Timestamp,
    ) -> Vec<Output> {
        let Some(attempt) = self.attempts.get(&id).filter(|attempt| attempt.wants_sending()) else { return Vec::new() };
        let sends = attempt.sends.saturating_add(1);
        let sent = Sent { result, provider, others_left, reference };
        let is_hopeless = matches!(result, SendResult::Final { .. }) && attempt.passed_over.is_empty();
        let mut after = attempt.clone();
        after.sends = sends;
        let kind = match sent.result {
            SendResult::Accepted | SendResult::Shown => {
                after.state = AttemptState::Accepted;
                after.reference = sent.reference.map(Into::into);
                EventKind::AttemptAccepted
            }
            _ if sent.others_left && sends < MESSAGE_SENDS_MAX => {
                after.passed_over.push(sent.provider.into());
                after.not_before = now;
                EventKind::AttemptRetrying
            }
            _ if sends >= MESSAGE_SENDS_MAX || is_hopeless => {
                (after.state, after.outcome) = (AttemptState::Failed, Some(AttemptOutcome::Failed));
                EventKind::AttemptFailed
            }
            SendResult::Retry { .. } | SendResult::Unknown { .. } | SendResult::Final { .. } => {
                let asked = if let SendResult::Retry { after_seconds, .. } = sent.result { *after_seconds } else { 0 };
                let wait = asked.min(PROVIDER_WAIT_SECONDS_MAX).max(backoff_seconds(sends));
                after.passed_over.clear();
                after.not_before = now.plus_seconds(wait);
                EventKind::AttemptRetrying
            }
        };
        vec![self.change(after, kind, now)]
    }

    /// What a provider said of one later; what is older than what is known changes nothing.
    pub fn callback(&mut self, id: AttemptId, outcome: AttemptOutcome, now: Timestamp) -> Vec<Output> {
        let (state, kind) = match outcome {
            AttemptOutcome::Delivered => (AttemptState::Delivered, EventKind::AttemptDelivered),
            AttemptOutcome::Failed | AttemptOutcome::Unreachable => (AttemptState::Failed, EventKind::AttemptFailed),
            AttemptOutcome::Answered
            | AttemptOutcome::NoAnswer
            | AttemptOutcome::Busy
            | AttemptOutcome::Declined
            | AttemptOutcome::Ended
            | AttemptOutcome::Key
            | AttemptOutcome::Reply => return Vec::new(),
        };
        let Some(attempt) = self.attempts.get(&id).filter(|attempt| state.rank() > attempt.state.rank()) else {
            return Vec::new();
        };
        let after = Attempt { state, outcome: Some(outcome), ..attempt.clone() };
        vec![self.change(after, kind, now)]
    }

    /// Messages that no provider has taken.
    pub fn pending_attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.values().filter(|attempt| attempt.wants_sending())
    }

    /// Takes one in as it was decided: deciding and recovery do this alike. What was sent a while ago goes.
    pub fn apply_attempt(&mut self, attempt: Attempt) {
        let now = attempt.changed_at;
        let is_kept =
            |known: &Attempt| known.wants_sending() || known.changed_at.plus_seconds(ATTEMPTS_KEPT_SECONDS) > now;
        self.attempts.retain(|_, known| is_kept(known));
        self.attempts.insert(attempt.id, attempt);
    }

    /// Forgets what is about, or goes to, somebody who was erased.
    pub fn erase(&mut self, erasure: &Erasure) {
        let is_theirs = |a: &Attempt| erasure.is_wearer(&a.wearer) || erasure.is_person(&a.callee.person);
        self.attempts.retain(|_, attempt| !is_theirs(attempt));
    }

    /// Everything, for the checkpoint.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Attempt> {
        self.attempts.values().cloned().collect()
    }

    /// From a checkpoint; the offset is the default one.
    #[must_use]
    pub fn restore(snapshot: Vec<Attempt>) -> Whistles {
        let attempts = snapshot.into_iter().map(|attempt| (attempt.id, attempt)).collect();
        Whistles { attempts, ..Whistles::default() }
    }

    fn change(&mut self, mut after: Attempt, kind: EventKind, now: Timestamp) -> Output {
        (after.version, after.changed_at) = (after.version + 1, now);
        let changed = self.attempts.get(&after.id).map(|before| attempt_changes(before, &after)).unwrap_or_default();
        self.apply_attempt(after.clone());
        Output::Attempt { kind, attempt: after, changed }
    }
}
