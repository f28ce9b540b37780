//! The family doctor: told by the kind of incident, reminded until they take the order (接单), and nobody's stand-in
//! at the door.

use model::attempt::CalleeRole;
use model::incident::DoctorOrder;
use model::{EventKind, PersonId, Priority, Purpose};

use crate::turn::Turn;
use crate::wording;

/// How often the doctor is reminded of an order that nobody took.
pub const DOCTOR_REMINDER_SECONDS: u32 = 1_800;
/// How often at most: after a day and more it is for the desk to ask.
pub const DOCTOR_REMINDERS_MAX: u16 = 16;

impl Turn<'_> {
    /// From now on the doctor is reminded, if the incident is of a kind that is theirs and they know of it.
    pub(crate) fn begin_reminding(&mut self) {
        let theirs = self.incident.occurrences.iter().any(|occurrence| occurrence.kind.is_for_doctor());
        let waits = self.calling.doctor.is_some() && self.incident.doctor_order.is_none();
        if theirs && waits && self.incident.priority > Priority::Low && self.calling.doctor_next_at.is_none() {
            self.calling.doctor_next_at = Some(self.now().plus_seconds(DOCTOR_REMINDER_SECONDS));
            self.calling.doctor_reminders = 0;
        }
    }

    /// The doctor hears again that an order waits, if it is time.
    pub(crate) fn remind_doctor(&mut self) {
        if self.calling.doctor_next_at.is_none_or(|at| at > self.now()) {
            return;
        }
        self.calling.doctor_next_at = None;
        let Some(doctor) = self.calling.doctor.clone().filter(|_| self.incident.doctor_order.is_none()) else { return };
        self.calling.doctor_reminders = self.calling.doctor_reminders.saturating_add(1);
        if self.calling.doctor_reminders < DOCTOR_REMINDERS_MAX {
            self.calling.doctor_next_at = Some(self.now().plus_seconds(DOCTOR_REMINDER_SECONDS));
        }
        let message = wording::order_waits(doctor.lang, &self.facts());
        self.text(CalleeRole::Doctor, &doctor, Purpose::Reminder, &message, &mut Default::default());
    }

    /// A doctor takes the order. Their reminders end; the guardians' calls do not.
    pub(crate) fn take_order(&mut self, person: &PersonId) {
        self.calling.doctor_next_at = None;
        self.incident.doctor_order = Some(DoctorOrder { by: person.clone(), at: self.now() });
        self.tell(EventKind::IncidentOrderTaken);
        let unsent = self.book.unsent_of(self.incident.id);
        let reminders = unsent.filter(|a| a.callee.role == CalleeRole::Doctor && a.purpose == Purpose::Reminder);
        for id in reminders.map(|attempt| attempt.id).collect::<Vec<_>>() {
            self.cancel(id);
        }
    }
}
