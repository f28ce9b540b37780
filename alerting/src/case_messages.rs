//! Staff hear of a case: whoever it is given to, and whoever a whistle brings into one that no open incident stands behind
//! (a person's report, a visit, an alarm that has ended). While an incident is open it tells whoever joins itself, with
//! everybody else whom it concerns.
//!
//! To whom an SOS or a fall is given while it is on is rung, too: they are counted on, and a text is read when somebody
//! looks. A key, or a reply, takes the case or gives it back. A call that nobody takes is repeated, as long as the case
//! waits for them; what comes after is the case's own clock, which whistles. Whoever was told that it is theirs hears when
//! it is not any more: two must not go where one is sent.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use model::attempt::CalleeRole;
use model::case::{CasePlace, WhistleLevel};
use model::record::SendResult;
use model::{
    Attempt, AttemptId, AttemptOutcome, AttemptState, Callee, Case, CaseAction, CaseId, CaseState, Channel, Contact,
    Counters, Erasure, EventKind, Lane, PersonId, Priority, Purpose, Timestamp, WearerId,
};

use crate::book::ATTEMPTS_KEPT_SECONDS;
use crate::calling::LISTEN_SECONDS_MAX;
use crate::evidence::{
    MESSAGE_SENDS_MAX, PROVIDER_WAIT_SECONDS_MAX, REMARK_CHARS_MAX, Sent, VOICE_SENDS_MAX, backoff_seconds,
};
use crate::grammar::{self, Answer};
use crate::texting::ways;
use crate::turn::{attempt_changes, usable_phone};
use crate::wording::{self, CaseFacts, LocalTime, Message};
use crate::{Output, UTC_OFFSET_MINUTES_DEFAULT};

/// How often somebody is rung for a case that was given to them, as long as they do not take it.
pub const HANDLER_CALLS_MAX: u16 = 3;
/// How long after a call that nobody took the next one rings.
pub const HANDLER_GAP_SECONDS: u32 = 60;
/// How long nothing may be heard of a call that a provider took, before it counts as one that nobody took: it rings for a
/// minute. Once somebody picked up it is [`LISTEN_SECONDS_MAX`].
pub const HANDLER_RING_SECONDS_MAX: u32 = 90;

/// The messages and calls on their way, and for a while those that were.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseMessages {
    attempts: BTreeMap<AttemptId, Attempt>,
    /// When the first call of which nothing is heard counts as missed.
    next_due: Option<Timestamp>,
    utc_offset_minutes: i32,
}

/// A case, with what its messages need to know beside it.
#[derive(Debug, Clone)]
pub struct Told<'a> {
    /// Which.
    pub case: &'a Case,
    /// Whether an incident that nobody has ended stands behind it.
    pub is_on: bool,
    /// The community's name.
    pub community_name: String,
    /// About whom; of a case about a place, in whose name an area's incident is.
    pub wearer: WearerId,
    /// Their name; empty for a place.
    pub wearer_name: String,
}

/// What somebody answered to a message or a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseAnswer {
    /// About which case.
    pub case: CaseId,
    /// Who.
    pub person: PersonId,
    /// What.
    pub said: Said,
}

/// What follows a call that nobody took.
#[derive(Debug, Clone, PartialEq)]
pub enum Missed {
    /// Another one.
    RingsAgain(Output),
    /// Nothing: they were rung as often as anybody is.
    GivenUp(PersonId),
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// They take it.
    Takes,
    /// They cannot.
    CannotTake,
    /// Something else, in their words.
    Remark(String),
}

impl Default for CaseMessages {
    fn default() -> CaseMessages {
        CaseMessages { attempts: BTreeMap::new(), next_due: None, utc_offset_minutes: UTC_OFFSET_MINUTES_DEFAULT }
    }
}

impl CaseMessages {
    /// With which offset the messages tell the time of day, in minutes east of UTC (−1 080 to 1 080).
    pub fn set_utc_offset_minutes(&mut self, minutes: i32) {
        self.utc_offset_minutes = minutes.clamp(-1080, 1080);
    }

    /// Tells whoever joined by a whistle, each over every way that they have, and each number once.
    pub fn whistled(
        &mut self,
        told: &Told<'_>,
        level: WhistleLevel,
        joined: &[Contact],
        now: Timestamp,
        counters: &mut Counters,
    ) -> Vec<Output> {
        let (facts, mut outputs, mut reached) = (self.facts(told, now), Vec::new(), BTreeSet::new());
        for contact in joined {
            let message = wording::case_whistled(contact.lang, &facts, level);
            let callee = (CalleeRole::Desk, contact, Purpose::Alert);
            for (channel, to) in ways(CalleeRole::Desk, contact) {
                if to.is_some_and(|to| reached.insert((channel, to.clone()))) {
                    outputs.extend(self.start(told, callee, channel, &message, now, counters));
                }
            }
        }
        outputs
    }

    /// Tells somebody that the case is theirs, over every way that they have; rings them, if it is an emergency's that is on
    /// and waits for them to take it.
    pub fn given(
        &mut self,
        told: &Told<'_>,
        contact: &Contact,
        now: Timestamp,
        counters: &mut Counters,
    ) -> Vec<Output> {
        let facts = self.facts(told, now);
        let is_rung = told.is_on && told.case.kind.is_emergency() && waits_for(told.case, &contact.person);
        let message = wording::case_given(contact.lang, &facts, told.case.state == CaseState::Dispatched);
        let mut outputs = self.text(told, (contact, Purpose::Alert), &message, now, counters);
        if is_rung {
            let spoken = wording::case_given_voice(contact.lang, &facts);
            let callee = (CalleeRole::Handler, contact, Purpose::Alert);
            outputs.extend(self.start(told, callee, Channel::Voice, &spoken, now, counters));
        }
        outputs
    }

    /// Tells somebody that a case is not theirs any more, unless they are about to be told. `holder`: the name of whose it is
    /// now; empty: nobody's.
    pub fn released(
        &mut self,
        told: &Told<'_>,
        contact: &Contact,
        holder: &str,
        now: Timestamp,
        counters: &mut Counters,
    ) -> Vec<Output> {
        let is_it = |a: &Attempt| a.purpose == Purpose::Taken && a.callee.person == contact.person && a.wants_sending();
        if self.attempts.values().any(|attempt| attempt.case == Some(told.case.id) && is_it(attempt)) {
            return Vec::new();
        }
        let message = wording::case_released(contact.lang, &self.facts(told, now), holder);
        self.text(told, (contact, Purpose::Taken), &message, now, counters)
    }

    /// The alarm of a case has ended: nobody is rung for it any more.
    pub fn hush(&mut self, case: CaseId, now: Timestamp) -> Vec<Output> {
        let rings = |a: &&Attempt| a.case == Some(case) && a.channel == Channel::Voice && !a.state.is_over();
        let ringing: Vec<Attempt> = self.attempts.values().filter(rings).cloned().collect();
        self.cancel(ringing, now)
    }

    fn cancel(&mut self, attempts: Vec<Attempt>, now: Timestamp) -> Vec<Output> {
        let cancelled = |attempt| Attempt { state: AttemptState::Cancelled, ..attempt };
        attempts.into_iter().map(|a| self.change(cancelled(a), EventKind::AttemptCancelled, now)).collect()
    }

    /// Tells whoever a case is with that its alarm has ended.
    pub fn alarm_ended(
        &mut self,
        told: &Told<'_>,
        contact: &Contact,
        disposition: &str,
        now: Timestamp,
        counters: &mut Counters,
    ) -> Vec<Output> {
        let message = wording::case_alarm_ended(contact.lang, &self.facts(told, now), disposition);
        self.text(told, (contact, Purpose::Ended), &message, now, counters)
    }

    /// Writes to a handler, over every way that they have.
    fn text(
        &mut self,
        told: &Told<'_>,
        (contact, purpose): (&Contact, Purpose),
        message: &Message,
        now: Timestamp,
        counters: &mut Counters,
    ) -> Vec<Output> {
        let callee = (CalleeRole::Handler, contact, purpose);
        let ways = ways(CalleeRole::Handler, contact).into_iter().filter(|(_, to)| to.is_some());
        ways.filter_map(|(channel, _)| self.start(told, callee, channel, message, now, counters)).collect()
    }

    /// Whoever believes that a case is theirs to go for, and need not: they were told so, did not decline, and the case is
    /// somebody else's by now or over before they were there.
    #[must_use]
    pub fn misled(&self, case: &Case) -> Vec<PersonId> {
        let mut last: BTreeMap<&PersonId, &Attempt> = BTreeMap::new();
        for attempt in
            self.attempts.values().filter(|a| a.case == Some(case.id) && a.callee.role == CalleeRole::Handler)
        {
            let is_said = attempt.purpose == Purpose::Taken || !attempt.wants_sending();
            if is_said && !matches!(attempt.state, AttemptState::Cancelled | AttemptState::Failed) {
                last.insert(&attempt.callee.person, attempt);
            }
        }
        let was_there = |person| {
            case.steps.iter().any(|step| step.action == CaseAction::Arrive && step.by.as_ref() == Some(person))
        };
        let is_theirs = |person| case.handler.as_ref() == Some(person) && (case.state.is_open() || was_there(person));
        // Whoever rejects a call has said nothing.
        let says_no = |a: &Attempt| a.state == AttemptState::Declined && a.outcome != Some(AttemptOutcome::Declined);
        let believes = |attempt: &Attempt| attempt.purpose != Purpose::Taken && !says_no(attempt);
        let misled = last.into_iter().filter(|(person, attempt)| believes(attempt) && !is_theirs(person));
        misled.map(|(person, _)| person.clone()).collect()
    }

    /// The case changed: whoever it waits for no longer is not rung for it any more, and what was not yet sent and does not
    /// hold any more is not sent.
    pub fn settle(&mut self, case: &Case, now: Timestamp) -> Vec<Output> {
        let holds = |attempt: &Attempt| {
            let is_theirs = case.state.is_open() && case.handler.as_ref() == Some(&attempt.callee.person);
            match (attempt.purpose, attempt.channel) {
                (Purpose::Taken, _) => !is_theirs,
                (_, Channel::Voice) => waits_for(case, &attempt.callee.person),
                _ => is_theirs,
            }
        };
        let is_unwanted = |attempt: &&Attempt| {
            let may_still_ring = attempt.channel == Channel::Voice && !attempt.state.is_over();
            let of_it = attempt.case == Some(case.id) && attempt.callee.role == CalleeRole::Handler;
            of_it && (attempt.wants_sending() || may_still_ring) && !holds(attempt)
        };
        let unwanted: Vec<Attempt> = self.attempts.values().filter(is_unwanted).cloned().collect();
        self.cancel(unwanted, now)
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
        let is_call = attempt.channel == Channel::Voice;
        let sends_max = if is_call { VOICE_SENDS_MAX } else { MESSAGE_SENDS_MAX };
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
            _ if sends >= sends_max || is_hopeless => {
                (after.state, after.outcome) = (AttemptState::Failed, Some(AttemptOutcome::Failed));
                EventKind::AttemptFailed
            }
            SendResult::Retry { .. } | SendResult::Unknown { .. } | SendResult::Final { .. } => {
                // A call does not wait for as long as a provider may like.
                let asked = match sent.result {
                    SendResult::Retry { after_seconds, .. } if !is_call => *after_seconds,
                    _ => 0,
                };
                let wait = asked.min(PROVIDER_WAIT_SECONDS_MAX).max(backoff_seconds(sends));
                after.passed_over.clear();
                after.not_before = now.plus_seconds(wait);
                EventKind::AttemptRetrying
            }
        };
        vec![self.change(after, kind, now)]
    }

    /// What a provider, or somebody through it, said of one later. What is older than what is known changes nothing; what
    /// somebody answers is for the case, whatever is known.
    pub fn callback(
        &mut self,
        id: AttemptId,
        outcome: AttemptOutcome,
        (key, text): (Option<&str>, Option<&str>),
        now: Timestamp,
    ) -> (Vec<Output>, Option<CaseAnswer>) {
        use AttemptOutcome as O;
        let Some(attempt) = self.attempts.get(&id).cloned() else { return (Vec::new(), None) };
        let is_call = attempt.channel == Channel::Voice;
        let said = match outcome {
            O::Key => match key.map(str::trim) {
                Some("1") => Some(Said::Takes),
                Some("2") => Some(Said::CannotTake),
                _ => None,
            },
            O::Reply => Some(answer_in(text.unwrap_or_default(), &attempt)),
            _ => None,
        };
        let step = match (outcome, &said) {
            (O::Delivered, _) => Some((AttemptState::Delivered, EventKind::AttemptDelivered)),
            (O::Failed | O::Unreachable, _) => Some((AttemptState::Failed, EventKind::AttemptFailed)),
            (O::NoAnswer | O::Busy, _) if is_call => Some((AttemptState::Failed, EventKind::AttemptFailed)),
            (O::Ended, _) if is_call => Some((AttemptState::Ended, EventKind::AttemptEnded)),
            (O::Declined, _) if is_call => Some((AttemptState::Declined, EventKind::AttemptDeclined)),
            (O::Answered, _) if is_call => Some((AttemptState::Answered, EventKind::AttemptAnswered)),
            (_, Some(Said::Takes)) => Some((AttemptState::Confirmed, EventKind::AttemptConfirmed)),
            (_, Some(Said::CannotTake)) => Some((AttemptState::Declined, EventKind::AttemptDeclined)),
            _ => None,
        };
        let moved = step.filter(|(state, _)| state.rank() > attempt.state.rank());
        let outputs = moved.map(|(state, kind)| {
            let after = Attempt { state, outcome: Some(outcome), ..attempt.clone() };
            self.change(after, kind, now)
        });
        let answer = |case| said.map(|said| CaseAnswer { case, person: attempt.callee.person.clone(), said });
        (outputs.into_iter().collect(), attempt.case.and_then(answer))
    }

    /// What follows a call about a case that is over now and that nobody took, if the case still waits for them, and if nothing
    /// followed yet: providers say more than once that one is over, and some only when it counts as missed already.
    pub fn missed(&mut self, id: AttemptId, case: &Case, now: Timestamp, counters: &mut Counters) -> Option<Missed> {
        let is_missed = |attempt: &&Attempt| {
            let over = matches!(attempt.state, AttemptState::Failed | AttemptState::Ended | AttemptState::Declined);
            attempt.channel == Channel::Voice && over
        };
        let missed = self.attempts.get(&id).filter(is_missed)?;
        let of_it = |a: &Attempt| a.channel == Channel::Voice && a.case == missed.case && a.callee == missed.callee;
        let is_followed = self.attempts.values().any(|a| of_it(a) && a.created_at > missed.created_at);
        if is_followed || !waits_for(case, &missed.callee.person) {
            return None;
        }
        if missed.cycle >= HANDLER_CALLS_MAX {
            return Some(Missed::GivenUp(missed.callee.person.clone()));
        }
        let attempt = Attempt {
            id: counters.next_attempt(),
            version: 1,
            cycle: missed.cycle + 1,
            state: AttemptState::Pending,
            outcome: None,
            created_at: now,
            changed_at: now,
            not_before: now.plus_seconds(HANDLER_GAP_SECONDS),
            sends: 0,
            passed_over: Vec::new(),
            reference: None,
            ..missed.clone()
        };
        Some(Missed::RingsAgain(self.begin(attempt)))
    }

    /// A message or call that is held.
    #[must_use]
    pub fn attempt(&self, id: AttemptId) -> Option<&Attempt> {
        self.attempts.get(&id)
    }

    /// Messages and calls that no provider has taken.
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
        self.next_due = self.first_due();
    }

    fn first_due(&self) -> Option<Timestamp> {
        self.attempts.values().filter_map(silent_until).min()
    }

    /// When a call of which nothing is heard counts as missed next; `None`: none is out.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.next_due
    }

    /// Calls of which nothing was heard for too long count as missed: not every provider says how one ended.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Output> {
        let is_due = |attempt: &&Attempt| silent_until(attempt).is_some_and(|due| due <= now);
        let silent: Vec<Attempt> = self.attempts.values().filter(is_due).cloned().collect();
        let missed =
            |attempt| Attempt { state: AttemptState::Failed, outcome: Some(AttemptOutcome::NoAnswer), ..attempt };
        silent.into_iter().map(|attempt| self.change(missed(attempt), EventKind::AttemptFailed, now)).collect()
    }

    /// Forgets what is about, or goes to, somebody who was erased.
    pub fn erase(&mut self, erasure: &Erasure) {
        let is_theirs = |a: &Attempt| erasure.is_wearer(&a.wearer) || erasure.is_person(&a.callee.person);
        self.attempts.retain(|_, attempt| !is_theirs(attempt));
        self.next_due = self.first_due();
    }

    /// Everything, for the checkpoint.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Attempt> {
        self.attempts.values().cloned().collect()
    }

    /// From a checkpoint; the offset is the default one.
    #[must_use]
    pub fn restore(snapshot: Vec<Attempt>) -> CaseMessages {
        let attempts = snapshot.into_iter().map(|attempt| (attempt.id, attempt)).collect();
        let mut messages = CaseMessages { attempts, ..CaseMessages::default() };
        messages.next_due = messages.first_due();
        messages
    }

    fn facts<'a>(&self, told: &'a Told<'_>, now: Timestamp) -> CaseFacts<'a> {
        let place = told.case.place.as_ref();
        CaseFacts {
            kind: told.case.kind,
            is_on: told.is_on,
            wearer_name: &told.wearer_name,
            community_name: &told.community_name,
            filed_at: told.case.filed_at,
            position: place.and_then(|place: &CasePlace| place.position),
            place: place.map_or("", |place| place.text.as_str()),
            text: &told.case.text,
            time: LocalTime { now, utc_offset_minutes: self.utc_offset_minutes },
        }
    }

    /// Decides on one, if the person can be reached so.
    fn start(
        &mut self,
        told: &Told<'_>,
        (role, contact, purpose): (CalleeRole, &Contact, Purpose),
        channel: Channel,
        message: &Message,
        now: Timestamp,
        counters: &mut Counters,
    ) -> Option<Output> {
        let to = match channel {
            Channel::Voice => usable_phone(contact),
            _ => ways(role, contact).into_iter().find_map(|(way, to)| to.filter(|_| way == channel)),
        }?;
        let case = told.case;
        let mut params = message.params.clone();
        params.push((CompactString::const_new("code"), case.id.to_string()));
        Some(self.begin(Attempt {
            id: counters.next_attempt(),
            version: 1,
            incident: None,
            campaign: None,
            case: Some(case.id),
            kind: case.kind,
            priority: case.priority,
            wearer: told.wearer.clone(),
            org: case.org.clone(),
            channel,
            callee: Callee { person: contact.person.clone(), role },
            to: to.clone(),
            lang: contact.lang,
            purpose,
            lane: if case.priority == Priority::High { Lane::Alarm } else { Lane::Routine },
            cycle: 1,
            text: message.said_over(channel),
            params,
            state: AttemptState::Pending,
            outcome: None,
            created_at: now,
            changed_at: now,
            not_before: now,
            sends: 0,
            passed_over: Vec::new(),
            reference: None,
        }))
    }

    fn begin(&mut self, attempt: Attempt) -> Output {
        self.apply_attempt(attempt.clone());
        Output::Attempt { kind: EventKind::AttemptStarted, attempt, changed: Vec::new() }
    }

    fn change(&mut self, mut after: Attempt, kind: EventKind, now: Timestamp) -> Output {
        (after.version, after.changed_at) = (after.version + 1, now);
        let changed = self.attempts.get(&after.id).map(|before| attempt_changes(before, &after)).unwrap_or_default();
        self.apply_attempt(after.clone());
        Output::Attempt { kind, attempt: after, changed }
    }
}

/// Whether a case was given to somebody who has not taken it yet.
fn waits_for(case: &Case, person: &PersonId) -> bool {
    case.state == CaseState::Dispatched && case.handler.as_ref() == Some(person)
}

/// Until when something has to be heard of a call; `None`: nothing has.
fn silent_until(attempt: &Attempt) -> Option<Timestamp> {
    let seconds = match attempt.state {
        AttemptState::Accepted | AttemptState::Delivered => HANDLER_RING_SECONDS_MAX,
        AttemptState::Answered => LISTEN_SECONDS_MAX,
        _ => return None,
    };
    (attempt.channel == Channel::Voice).then(|| attempt.changed_at.plus_seconds(seconds))
}

/// What a reply says of its case. One with a code is about whatever the code names.
fn answer_in(text: &str, told: &Attempt) -> Said {
    let reply = grammar::read(text);
    let is_this = |code: &String| code.parse() == Ok(told.id) || told.case.is_some_and(|case| code.parse() == Ok(case));
    match reply.answer {
        Answer::Going if reply.code.as_ref().is_none_or(is_this) => Said::Takes,
        Answer::CannotGo if reply.code.as_ref().is_none_or(is_this) => Said::CannotTake,
        _ => Said::Remark(text.trim().chars().take(REMARK_CHARS_MAX).collect()),
    }
}
