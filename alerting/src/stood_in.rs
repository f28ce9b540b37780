//! What the watchdog sent of its own while the engine was silent. It is told like everything that was sent, whoever was
//! called by it is left alone as after any call, and what the engine was about to send is not sent twice.

use model::escalation::OpenCall;
use model::{Attempt, AttemptState, Channel, Counters, EventKind, IncidentId, IncidentState, Purpose};

use crate::Output;
use crate::book::Book;
use crate::turn::Turn;
use crate::wording::LocalTime;

/// Takes one in. Twice the same changes nothing.
pub(crate) fn take(
    book: &mut Book,
    counters: &mut Counters,
    time: LocalTime,
    incident: IncidentId,
    sent: &Attempt,
) -> Vec<Output> {
    if book.attempt(sent.id).is_some() || sent.wants_sending() {
        return Vec::new();
    }
    counters.has_counted(sent.id);
    let Some(mut turn) = Turn::open(book, counters, time, incident) else { return Vec::new() };
    let own = turn.the_same_unsent(sent).map(|own| own.id);
    let was_its_turn = own.is_some() && turn.calling.turn == own;
    if let Some(own) = own {
        turn.cancel(own);
    }
    turn.take_in(sent);
    if was_its_turn {
        turn.calling.turn = Some(sent.id);
        if sent.state.is_over() {
            turn.call_next();
        }
    }
    turn.finish()
}

impl Turn<'_> {
    /// What the engine was about to send and need not any more: the same message, or a call to a phone that has hardly
    /// stopped ringing.
    fn the_same_unsent(&self, sent: &Attempt) -> Option<&Attempt> {
        let is_recent = sent.created_at.plus_seconds(self.calling.plan.gap_seconds) > self.now();
        let comes_again = sent.channel == Channel::Voice || sent.purpose == Purpose::Reminder;
        let same = |own: &&Attempt| own.channel == sent.channel && own.to == sent.to && own.purpose == sent.purpose;
        self.book.unsent_of(self.incident.id).filter(|_| is_recent || !comes_again).find(same)
    }

    fn take_in(&mut self, sent: &Attempt) {
        let calls = matches!(self.incident.state, IncidentState::Notifying | IncidentState::Exhausted);
        let mut attempt = Attempt { incident: Some(self.incident.id), version: 1, ..sent.clone() };
        attempt.changed_at = self.now();
        if attempt.channel == Channel::Voice && !attempt.state.is_over() && !calls {
            // Somebody goes already: it is hung up where the provider allows it.
            attempt.state = AttemptState::Cancelled;
        }
        self.is_told(&attempt.callee, attempt.purpose);
        if attempt.channel == Channel::Voice {
            self.has_rung(&attempt);
        }
        self.book.put_attempt(attempt.clone());
        self.push(Output::Attempt { kind: EventKind::AttemptStarted, attempt, changed: Vec::new() });
    }

    /// The phone is left alone for as long as after a call of the engine's, and listened to as long as it may ring.
    fn has_rung(&mut self, attempt: &Attempt) {
        let is_its = |guardian: &model::Contact| guardian.phone.as_ref() == Some(&attempt.to);
        let guardian = self.calling.guardians.iter().position(is_its);
        if let Some(last_rung) = guardian.and_then(|index| self.calling.last_rung.get_mut(index)) {
            *last_rung = (*last_rung).max(Some(attempt.created_at));
        }
        if !attempt.state.is_over() {
            let answered = attempt.state == AttemptState::Answered;
            let until = attempt.created_at.plus_seconds(self.calling.plan.ring_seconds.max(1));
            let until = until.max(self.now().plus_seconds(1));
            self.calling.calls.push(OpenCall { attempt: attempt.id, guardian, until, answered, given_up: false });
        }
    }
}
