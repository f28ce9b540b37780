//! One phone, several alarms: which of them does a bare "1" mean? It is asked for, alarm by alarm with its code, and until
//! that is answered nothing counts as answered: an alarm that was taken for another one would be nobody's.

use compact_str::CompactString;
use model::attempt::CalleeRole;
use model::{
    Attempt, AttemptId, Channel, Contact, Destination, IncidentId, IncidentState, Priority, Purpose, Timestamp,
};

use crate::book::Book;
use crate::turn::{Turn, contact_in};
use crate::wording;

/// About how many alarms a phone is asked at a time, the gravest first.
pub const ASKED_MAX: usize = 4;
/// What is of low priority stands beside an alarm only for so long after its last text: it stays open for days, and nobody
/// who answers an SOS means last week's battery.
pub const LOW_FRESH_SECONDS: u32 = 600;
/// The parameter that marks a question.
const MARK: &str = "asks_which";

/// Whether this text asks which alarm is meant.
pub(crate) fn asks_which(attempt: &Attempt) -> bool {
    attempt.params.iter().any(|(name, _)| name == MARK)
}

/// The message of ours that a code names: an attempt, or the newest text about an incident, to the phone that answers.
/// `None`: nothing that this phone was told of.
pub(crate) fn named(book: &Book, told: &Attempt, code: &str) -> Option<Attempt> {
    if let Ok(id) = code.parse::<AttemptId>() {
        return book.attempt(id).filter(|attempt| attempt.to == told.to).cloned();
    }
    book.texts_to(code.parse().ok()?, &told.to).next().cloned()
}

/// Every alarm that waits for an answer of this phone, the gravest first, unless the one that was answered is all of them:
/// an answer to "somebody goes already" may be meant for the other alarm. Empty: it is clear which one is meant.
pub(crate) fn waiting_beside(book: &Book, told: &Attempt, now: Timestamp) -> Vec<IncidentId> {
    let waits = |id: &IncidentId| {
        let is_fresh = || book.texts_to(*id, &told.to).next().is_some_and(|text| is_fresh(text, now));
        book.incident(*id).is_some_and(|incident| {
            waits_for(book, *id, told)
                && (Some(*id) == told.incident || incident.priority > Priority::Low || is_fresh())
        })
    };
    let mut waiting: Vec<IncidentId> = book.open_ids().filter(waits).collect();
    if told.incident.is_none_or(|incident| waiting == [incident]) {
        return Vec::new();
    }
    let gravity = |id: &IncidentId| book.incident(*id).map(|incident| (incident.priority, *id));
    waiting.sort_by_key(|id| std::cmp::Reverse(gravity(id)));
    waiting.truncate(ASKED_MAX);
    waiting
}

fn is_fresh(text: &Attempt, now: Timestamp) -> bool {
    text.created_at.plus_seconds(LOW_FRESH_SECONDS) >= now
}

/// Whether this phone was told of an incident, and its answer would be one: "I am going", or of a doctor the order.
fn waits_for(book: &Book, id: IncidentId, told: &Attempt) -> bool {
    let (Some(incident), Some(calling)) = (book.incident(id), book.escalation(id)) else { return false };
    let is_doctor = told.callee.role == CalleeRole::Doctor;
    let waits = if is_doctor {
        incident.doctor_order.is_none() && incident.occurrences.iter().any(|occurrence| occurrence.kind.is_for_doctor())
    } else {
        matches!(incident.state, IncidentState::Raised | IncidentState::Notifying | IncidentState::Exhausted)
    };
    let has_this = |contact: &Contact| contact.phone.as_ref() == Some(&told.to);
    let mut theirs = calling.told.iter().filter(|callee| (callee.role == CalleeRole::Doctor) == is_doctor);
    waits && theirs.any(|callee| contact_in(calling, callee).is_some_and(has_this))
}

impl Turn<'_> {
    /// Asks the phone that answered whether this is the alarm that was meant.
    pub(crate) fn ask_which(&mut self, answered: &Attempt) {
        let is_doctor = answered.callee.role == CalleeRole::Doctor;
        let phone: &Destination = &answered.to;
        let is_theirs = |callee: &&model::Callee| {
            (callee.role == CalleeRole::Doctor) == is_doctor
                && self.contact(callee).is_some_and(|contact| contact.phone.as_ref() == Some(phone))
        };
        let Some(callee) = self.calling.told.iter().find(is_theirs).cloned() else { return };
        let Some(contact) = self.contact(&callee).cloned() else { return };
        let mut message = wording::which(contact.lang, &self.facts(), &self.incident.id.to_string(), is_doctor);
        message.params.push((CompactString::const_new(MARK), "1".to_owned()));
        self.start(Channel::Sms, callee.role, &contact, phone, Purpose::Reminder, message);
    }
}
