//! Who may be rung, and in which order: who can be called first, gaps, and how often what is no emergency may ring.

use model::escalation::OpenCall;
use model::{Contact, Destination, Timestamp};

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
    /// then the others, each in the registered order.
    pub(crate) fn round_order(&self) -> Vec<u16> {
        let (mut can, mut cannot) = (Vec::new(), Vec::new());
        for (index, contact) in self.calling.guardians.iter().enumerate() {
            let list = if can_be_called(contact, self.time) { &mut can } else { &mut cannot };
            list.push(index as u16);
        }
        can.append(&mut cannot);
        can
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

    /// Whether what is neither an SOS nor a fall has rung this number as often as it may, whatever for. Only its
    /// provider's refusal stops an SOS or a fall.
    pub(crate) fn is_used_up(&self, phone: &Destination) -> bool {
        let is_emergency = self.incident.occurrences.iter().any(|occurrence| occurrence.kind.opens_case());
        let since = self.now().plus_millis(-i64::from(CALLS_WINDOW_SECONDS) * 1000);
        !is_emergency && self.book.rung_since(phone, since, ROUTINE_CALLS_MAX) == ROUTINE_CALLS_MAX
    }
}

/// Whether a person can be called at this hour.
pub(crate) fn can_be_called(contact: &Contact, time: LocalTime) -> bool {
    let (weekday, minute) = time.weekday_and_minute();
    contact.available.is_empty() || contact.available.iter().any(|window| window.contains(weekday, minute))
}
