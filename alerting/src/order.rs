//! Who may be rung, and in which order: who can be called first, gaps, and how often what is no emergency may ring.

use model::escalation::OpenCall;
use model::{Attempt, AttemptOutcome, AttemptState, Channel, Contact, Destination, PersonId, Purpose, Timestamp};

use crate::calling::{LISTEN_SECONDS_MAX, TALK_SECONDS_MAX};
use crate::turn::{Turn, usable_phone};
use crate::wording::LocalTime;

/// How many calls to one number within [`CALLS_WINDOW_SECONDS`] what is neither an SOS nor a fall may use: providers
/// cap them (five an hour is common), and the rest is for emergencies.
pub const ROUTINE_CALLS_MAX: usize = 2;
/// Over how long calls to one number are counted.
pub const CALLS_WINDOW_SECONDS: u32 = 3_600;

impl Turn<'_> {
    /// The guardians by index, as they would be called if a round began now: who can be called at this hour first,
    /// then the others, at last who said that they cannot go, each in the registered order.
    pub(crate) fn round_order(&self) -> Vec<u16> {
        let (mut can, mut cannot, mut declined) = (Vec::new(), Vec::new(), Vec::new());
        for (index, contact) in self.calling.guardians.iter().enumerate() {
            let list = match contact {
                contact if self.has_declined(contact) => &mut declined,
                contact if can_be_called(contact, self.time) => &mut can,
                _ => &mut cannot,
            };
            list.push(index as u16);
        }
        can.append(&mut cannot);
        can.append(&mut declined);
        can
    }

    /// Who says that they cannot go before it is their turn has had it: in this round they are not rung any more.
    pub(crate) fn turn_is_spent(&mut self, person: &PersonId) {
        let mut order = self.present_order();
        let next = self.calling.next_guardian;
        let is_theirs = |index: &u16| {
            self.calling.guardians.get(usize::from(*index)).is_some_and(|contact| contact.person == *person)
        };
        if let Some(place) = order.iter().skip(next).position(is_theirs) {
            let index = order.remove(next + place);
            order.insert(next, index);
            self.calling.order = order;
            self.calling.next_guardian = next + 1;
        }
    }

    /// Whether a guardian said that they cannot go, by a key or a reply, and was not told anew since: by a message about
    /// another press, or that a lease ran out. That somebody rejected a call says nothing.
    pub(crate) fn has_declined(&self, contact: &Contact) -> bool {
        let (mut asked, mut declined) = (Timestamp::EPOCH, None);
        for attempt in self.book.attempts_of(self.incident.id) {
            if is_text(attempt)
                && (attempt.callee.person == contact.person || Some(&attempt.to) == contact.phone.as_ref())
            {
                asked = asked.max(attempt.created_at);
            }
            let says_no = attempt.state == AttemptState::Declined && attempt.outcome != Some(AttemptOutcome::Declined);
            if says_no && attempt.callee.person == contact.person {
                declined = declined.max(Some(attempt.changed_at));
            }
        }
        declined.is_some_and(|at| at >= asked)
    }

    /// Whether everybody who can be rung said that they cannot go.
    pub(crate) fn all_declined(&self) -> bool {
        let mut can_be_rung =
            (0..self.calling.guardians.len()).filter(|index| self.free_at(*index).is_some()).peekable();
        let has_declined =
            |index: usize| self.calling.guardians.get(index).is_some_and(|contact| self.has_declined(contact));
        can_be_rung.peek().is_some() && can_be_rung.all(has_declined)
    }

    /// The order of this round; of a snapshot that has none, the one of now.
    pub(crate) fn present_order(&self) -> Vec<u16> {
        if self.calling.order.len() == self.calling.guardians.len() {
            self.calling.order.clone()
        } else {
            self.round_order()
        }
    }

    /// When a guardian may be rung: after the gap since that phone last began to ring, and not while they are on
    /// the phone with us. `None`: not at all, for want of a usable number or because it was rung too often for what
    /// is no emergency; that contact is passed over.
    pub(crate) fn free_at(&self, index: usize) -> Option<Timestamp> {
        let phone = usable_phone(self.calling.guardians.get(index)?)?;
        if self.is_used_up(phone) {
            return None;
        }
        // Two guardians may share a phone: the gap is the phone's.
        let same_phone = |i: &usize| self.calling.guardians.get(*i).and_then(usable_phone) == Some(phone);
        let rung = (0..self.calling.guardians.len()).filter(same_phone);
        let last_rung = rung.filter_map(|i| self.calling.last_rung.get(i).copied().flatten()).max();
        let rested = last_rung.map_or(Timestamp::EPOCH, |at| at.plus_seconds(self.calling.plan.gap_seconds));
        let on_the_phone = |call: &&OpenCall| call.guardian.is_some_and(|i| same_phone(&i)) && !call.given_up;
        let talking = self.calling.calls.iter().filter(on_the_phone).filter(|call| !self.was_never_sent(call.attempt));
        let talk_is_over = |call: &OpenCall| {
            let spare = if call.answered { LISTEN_SECONDS_MAX - TALK_SECONDS_MAX } else { 0 };
            call.until.plus_millis(-i64::from(spare) * 1000)
        };
        Some(talking.map(talk_is_over).fold(rested, Timestamp::max))
    }

    /// Whether what is neither an SOS nor a fall has rung this number as often as it may. The calls of an SOS or a fall use
    /// nothing of that up, and only its provider's refusal stops them.
    pub(crate) fn is_used_up(&self, phone: &Destination) -> bool {
        let since = self.now().plus_millis(-i64::from(CALLS_WINDOW_SECONDS) * 1000);
        !self.incident.is_emergency()
            && self.book.rung_for_routine_since(phone, since, ROUTINE_CALLS_MAX) == ROUTINE_CALLS_MAX
    }
}

/// Whether this tells somebody that they are needed, to be read.
fn is_text(attempt: &Attempt) -> bool {
    attempt.channel != Channel::Voice && matches!(attempt.purpose, Purpose::Alert | Purpose::Reminder)
}

/// Whether a person can be called at this hour.
pub(crate) fn can_be_called(contact: &Contact, time: LocalTime) -> bool {
    let (weekday, minute) = time.weekday_and_minute();
    contact.available.is_empty() || contact.available.iter().any(|window| window.contains(weekday, minute))
}
