//! What providers and people say about an attempt, and what follows from it for the incident.

use model::attempt::CalleeRole;
use model::record::SendResult;
use model::{
    Attempt, AttemptId, AttemptOutcome, AttemptState, Channel, Counters, EventKind, IncidentState, PersonId, Priority,
    Purpose, Timestamp,
};

use crate::Output;
use crate::book::Book;
use crate::calling::LISTEN_SECONDS_MAX;
use crate::grammar::{self, Answer, Reply};
use crate::turn::Turn;
use crate::which;
use crate::wording::{LocalTime, Lost};

/// How often a text message or push is handed to its provider before it counts as failed: with the growing waits
/// about half an hour.
pub const MESSAGE_SENDS_MAX: u16 = 14;
/// How often a call is handed to its provider, when it is not known whether it was taken; then it has failed.
pub const VOICE_SENDS_MAX: u16 = 2;
/// The longest wait before a message is handed over again, unless the provider itself asks for a longer one.
pub const RESEND_WAIT_SECONDS_MAX: u32 = 300;
/// The longest wait that a provider may ask for.
pub(crate) const PROVIDER_WAIT_SECONDS_MAX: u32 = 3_600;
/// How much of a reply is kept as a remark, in characters.
pub(crate) const REMARK_CHARS_MAX: usize = 500;

/// What came of handing an attempt over, to whom, and whether anybody else could take it.
pub(crate) struct Sent<'a> {
    pub(crate) result: &'a SendResult,
    pub(crate) provider: &'a str,
    pub(crate) others_left: bool,
    pub(crate) reference: Option<&'a str>,
}

/// Takes in what was said about an attempt. Of an attempt that nobody knows nothing comes.
pub(crate) fn callback(
    book: &mut Book,
    counters: &mut Counters,
    time: LocalTime,
    id: AttemptId,
    outcome: AttemptOutcome,
    key: Option<&str>,
    text: Option<&str>,
) -> Vec<Output> {
    if outcome == AttemptOutcome::Reply {
        return replied(book, counters, time, id, text.unwrap_or_default());
    }
    let Some((mut turn, attempt)) = open(book, counters, time, id) else { return Vec::new() };
    match outcome {
        AttemptOutcome::Delivered => {
            turn.move_on(id, AttemptState::Delivered, Some(outcome), EventKind::AttemptDelivered);
        }
        AttemptOutcome::Answered => turn.answered(&attempt),
        AttemptOutcome::NoAnswer | AttemptOutcome::Busy | AttemptOutcome::Unreachable | AttemptOutcome::Failed => {
            turn.over(&attempt, AttemptState::Failed, outcome, EventKind::AttemptFailed);
        }
        AttemptOutcome::Ended => turn.over(&attempt, AttemptState::Ended, outcome, EventKind::AttemptEnded),
        AttemptOutcome::Declined => turn.over(&attempt, AttemptState::Declined, outcome, EventKind::AttemptDeclined),
        AttemptOutcome::Key => turn.key(&attempt, key.unwrap_or_default()),
        // That was read above.
        AttemptOutcome::Reply => {}
    }
    turn.finish()
}

/// Takes in the reply to a text message. A code in it names the alarm that is meant, whichever message was the newest on
/// that phone; without one, where more than one alarm there waits for an answer, it is asked for, and nothing is taken as
/// answered meanwhile.
fn replied(book: &mut Book, counters: &mut Counters, time: LocalTime, id: AttemptId, text: &str) -> Vec<Output> {
    let Some(told) = book.attempt(id).cloned() else { return Vec::new() };
    let Reply { answer, code } = grammar::read(text);
    let named = code.as_ref().map(|code| which::named(book, &told, code));
    let (meant, answer) = match named {
        None => (told, answer),
        Some(Some(named)) => (named, answer),
        Some(None) => (told, Answer::Remark),
    };
    let waiting = match (answer, &code) {
        (Answer::Going, None) => which::waiting_beside(book, &meant, time.now),
        _ => Vec::new(),
    };
    let Some(incident) = meant.incident else { return Vec::new() };
    let Some(mut turn) = Turn::open(book, counters, time, incident) else { return Vec::new() };
    if waiting.is_empty() {
        turn.reply(&meant, answer, text);
        return turn.finish();
    }
    turn.remark(&meant, text);
    let mut outputs = turn.finish();
    // A phone that answers every text by itself is not asked about its answer to a question.
    let ask = waiting.into_iter().filter(|_| !which::asks_which(&meant));
    for id in ask {
        if let Some(mut turn) = Turn::open(book, counters, time, id) {
            turn.ask_which(&meant);
            outputs.append(&mut turn.finish());
        }
    }
    outputs
}

/// Takes in what came of handing an attempt to its provider. What was heard of it in between counts more.
pub(crate) fn sent(
    book: &mut Book,
    counters: &mut Counters,
    time: LocalTime,
    id: AttemptId,
    sent: &Sent<'_>,
) -> Vec<Output> {
    let Some((mut turn, attempt)) = open(book, counters, time, id) else { return Vec::new() };
    if !attempt.wants_sending() {
        return Vec::new();
    }
    let sends = attempt.sends.saturating_add(1);
    // How often the providers before this one may have been tried.
    let before = (attempt.passed_over.len() as u16).saturating_mul(VOICE_SENDS_MAX);
    let may_repeat = sends < before.saturating_add(VOICE_SENDS_MAX);
    let is_voice = attempt.channel == Channel::Voice;
    match sent.result {
        SendResult::Accepted | SendResult::Shown => turn.accepted(&attempt, sends, sent.reference),
        // Its provider was asked and does not know either: once more to the same one, which knows the attempt's id.
        SendResult::Unknown { .. } if is_voice && may_repeat => turn.send_again(id, sends, 1),
        SendResult::Unknown { .. } if !is_voice && may_repeat && sent.others_left => {
            turn.send_again(id, sends, 1);
        }
        _ if sent.others_left && sends < MESSAGE_SENDS_MAX => turn.pass_over(id, sends, sent.provider),
        SendResult::Unknown { .. } if !is_voice && sends < MESSAGE_SENDS_MAX => {
            turn.send_again(id, sends, backoff_seconds(sends));
        }
        // One that was passed over may have refused it for now only: it is asked again.
        SendResult::Final { .. } if !is_voice && !attempt.passed_over.is_empty() && sends < MESSAGE_SENDS_MAX => {
            turn.send_again(id, sends, backoff_seconds(sends));
        }
        SendResult::Retry { after_seconds, .. } if !is_voice && sends < MESSAGE_SENDS_MAX => {
            let asked = (*after_seconds).min(PROVIDER_WAIT_SECONDS_MAX);
            turn.send_again(id, sends, asked.max(backoff_seconds(sends)));
        }
        // A call that its provider does not take is bad news at once: the next phone matters more than this one.
        SendResult::Unknown { .. } | SendResult::Retry { .. } | SendResult::Final { .. } => {
            // Where only the answer was lost nobody said that it failed: it may ring all the same.
            let is_said = !is_voice || !matches!(sent.result, SendResult::Unknown { .. });
            turn.change(id, EventKind::AttemptFailed, |attempt| {
                attempt.state = AttemptState::Failed;
                attempt.outcome = is_said.then_some(AttemptOutcome::Failed);
                attempt.sends = sends;
            });
            turn.hand_over(id);
            // Of the desk's phones nobody may be next, and the page would rest because a provider was away for a second.
            if is_voice && !matches!(sent.result, SendResult::Final { .. }) {
                turn.ring_again(&attempt);
            }
        }
    }
    turn.finish()
}

/// 1, 2, 4 … seconds after the first, second, third send.
pub(crate) fn backoff_seconds(sends: u16) -> u32 {
    2u32.saturating_pow(u32::from(sends.saturating_sub(1))).min(RESEND_WAIT_SECONDS_MAX)
}

fn open<'a>(
    book: &'a mut Book,
    counters: &'a mut Counters,
    time: LocalTime,
    id: AttemptId,
) -> Option<(Turn<'a>, Attempt)> {
    let attempt = book.attempt(id)?.clone();
    Some((Turn::open(book, counters, time, attempt.incident?)?, attempt))
}

impl Turn<'_> {
    fn accepted(&mut self, attempt: &Attempt, sends: u16, reference: Option<&str>) {
        self.change(attempt.id, EventKind::AttemptAccepted, |attempt| {
            attempt.state = AttemptState::Accepted;
            attempt.sends = sends;
            attempt.reference = reference.map(Into::into);
        });
        // A phone rings from the moment at which the provider took the call.
        let until = self.now().plus_seconds(self.calling.plan.ring_seconds.max(1));
        self.set_call(attempt.id, |call| {
            if !call.answered {
                call.until = until;
            }
        });
    }

    fn send_again(&mut self, id: AttemptId, sends: u16, after_seconds: u32) {
        let not_before = self.now().plus_seconds(after_seconds.max(1));
        self.change(id, EventKind::AttemptRetrying, |attempt| {
            attempt.sends = sends;
            attempt.not_before = not_before;
            // After a wait every provider is asked again, from the first.
            if after_seconds > 1 {
                attempt.passed_over.clear();
            }
        });
    }

    /// This provider does not take it: the next one has it at once.
    fn pass_over(&mut self, id: AttemptId, sends: u16, provider: &str) {
        let now = self.now();
        self.change(id, EventKind::AttemptRetrying, |attempt| {
            attempt.sends = sends;
            attempt.not_before = now;
            if !attempt.passed_over.iter().any(|name| name == provider) {
                attempt.passed_over.push(provider.into());
            }
        });
    }

    /// Somebody, or a machine, picked up. It acknowledges nothing, but the call is listened to.
    fn answered(&mut self, attempt: &Attempt) {
        if attempt.channel != Channel::Voice {
            return;
        }
        self.move_on(attempt.id, AttemptState::Answered, Some(AttemptOutcome::Answered), EventKind::AttemptAnswered);
        let until = self.now().plus_seconds(LISTEN_SECONDS_MAX);
        self.set_call(attempt.id, |call| {
            if !call.answered {
                call.answered = true;
                call.until = until;
            }
        });
    }

    /// An attempt is over without an answer. A text message does not ring: there only its failure counts.
    fn over(&mut self, attempt: &Attempt, state: AttemptState, outcome: AttemptOutcome, kind: EventKind) {
        if attempt.channel != Channel::Voice && state != AttemptState::Failed {
            return;
        }
        let moved = self.move_on(attempt.id, state, Some(outcome), kind);
        if !moved && still_speaks(attempt, self.now()) {
            // The person pressed 2 and then hung up: from now on no key can come from this call.
            self.change(attempt.id, EventKind::AttemptEnded, |a| a.outcome = Some(outcome));
        }
        self.hand_over(attempt.id);
        if moved && outcome == AttemptOutcome::Busy {
            self.ring_again(attempt);
        }
    }

    /// A key was pressed, or a button tapped.
    fn key(&mut self, attempt: &Attempt, key: &str) {
        let listened_to = self.calling.calls.iter().any(|call| call.attempt == attempt.id);
        let is_call = attempt.channel == Channel::Voice;
        let takes_back = key.trim() == "2" && self.is_counted_on(&attempt.callee.person);
        if is_call && !listened_to && !takes_back && !still_speaks(attempt, self.now()) {
            return;
        }
        match key.trim() {
            "1" => self.goes(attempt, AttemptOutcome::Key),
            "2" => self.cannot_go(attempt, AttemptOutcome::Key),
            // Any other key: somebody is there, and listens again.
            _ => self.answered(attempt),
        }
    }

    fn reply(&mut self, attempt: &Attempt, answer: Answer, text: &str) {
        match answer {
            // A doctor's "received" is no "I am going": it ends nobody's calls.
            Answer::Going if attempt.callee.role != CalleeRole::Doctor => {
                if self.incident.state.is_open() {
                    self.goes(attempt, AttemptOutcome::Reply);
                    return;
                }
            }
            // It takes the order (接单), and stops nobody else's calls.
            Answer::Going if self.incident.state.is_open() && self.incident.doctor_order.is_none() => {
                self.confirm(attempt.id, AttemptOutcome::Reply);
                self.take_order(&attempt.callee.person.clone());
                return;
            }
            Answer::CannotGo => self.cannot_go(attempt, AttemptOutcome::Reply),
            Answer::Going | Answer::Remark => {}
        }
        self.remark(attempt, text);
    }

    /// What somebody wrote is kept for whoever looks at the incident.
    fn remark(&mut self, attempt: &Attempt, text: &str) {
        let remark: String = text.trim().chars().take(REMARK_CHARS_MAX).collect();
        if !remark.is_empty() {
            self.note(&attempt.callee.person.clone(), remark);
            self.tell(EventKind::IncidentNoted);
        }
    }

    /// Somebody says "I am going" through an attempt.
    fn goes(&mut self, attempt: &Attempt, outcome: AttemptOutcome) {
        match self.incident.state {
            IncidentState::Notifying | IncidentState::Exhausted | IncidentState::Raised => {
                self.confirm(attempt.id, outcome);
                self.acknowledge(&attempt.callee.person, Some(attempt.channel));
            }
            IncidentState::Acknowledged | IncidentState::OnSite => {
                // Told once for each alert: a phone that answers every text by itself must not make a circle of us.
                let asked = matches!(attempt.purpose, Purpose::Alert | Purpose::Reminder);
                if self.confirm(attempt.id, outcome) && asked {
                    self.tell_holder(&attempt.callee);
                }
            }
            IncidentState::Resolved => {}
        }
    }

    /// Somebody says "I cannot go" through an attempt: whatever rings them for this stops, and the next phone rings at once;
    /// who was not rung yet has had their turn in this round.
    fn cannot_go(&mut self, attempt: &Attempt, outcome: AttemptOutcome) {
        self.move_on(attempt.id, AttemptState::Declined, Some(outcome), EventKind::AttemptDeclined);
        if attempt.callee.role == CalleeRole::Guardian {
            self.turn_is_spent(&attempt.callee.person);
        }
        if self.is_counted_on(&attempt.callee.person) {
            // A wrong key or button, a car that does not start: nobody else is called as long as they are counted on.
            let was_there = self.incident.state == IncidentState::OnSite;
            self.end_lease(if was_there { Lost::NotThere } else { Lost::CannotGo });
            return;
        }
        let rings_them = |id: &AttemptId| {
            *id != attempt.id && self.book.attempt(*id).is_some_and(|call| call.callee.person == attempt.callee.person)
        };
        let theirs: Vec<AttemptId> = self.calling.calls.iter().map(|call| call.attempt).filter(rings_them).collect();
        for call in theirs {
            self.move_on(call, AttemptState::Cancelled, None, EventKind::AttemptCancelled);
            self.hand_over(call);
        }
        self.hand_over(attempt.id);
        let waits_for_a_gap = self.incident.state == IncidentState::Notifying && self.calling.turn.is_none();
        if waits_for_a_gap && self.incident.priority > Priority::Low {
            // Nobody is rung in this moment, and they may have been the last of whom anything was hoped.
            self.call_next();
        }
    }

    /// Whether it is this person who is counted on: who said that they are going, or that they are there.
    pub(crate) fn is_counted_on(&self, person: &PersonId) -> bool {
        match self.incident.state {
            IncidentState::Acknowledged => {
                self.incident.acknowledged_by.as_ref().is_some_and(|by| by.person == *person)
            }
            IncidentState::OnSite => self.incident.on_site_by.as_ref() == Some(person),
            _ => false,
        }
    }

    fn confirm(&mut self, id: AttemptId, outcome: AttemptOutcome) -> bool {
        self.calling.calls.retain(|call| call.attempt != id);
        self.move_on(id, AttemptState::Confirmed, Some(outcome), EventKind::AttemptConfirmed)
    }
}

/// Whether a call that we count as over may still be on the line, so that a key from it counts: nobody said that it
/// ended, we only gave up on it (also because its provider's answers were lost), or the person pressed 2 and may think
/// better of it.
fn still_speaks(attempt: &Attempt, now: Timestamp) -> bool {
    let unknown = attempt.state == AttemptState::Failed && attempt.outcome.is_none();
    let given_up = attempt.state == AttemptState::Cancelled || unknown;
    let pressed_two = attempt.state == AttemptState::Declined && attempt.outcome == Some(AttemptOutcome::Key);
    (given_up || pressed_two) && attempt.changed_at.plus_seconds(LISTEN_SECONDS_MAX) > now
}
