//! Who is texted, and over what.

use std::collections::BTreeSet;

use model::attempt::CalleeRole;
use model::escalation::DESK_PERSON;
use model::{Category, Channel, Contact, Destination, Priority, Purpose};

use crate::calling::purpose_of;
use crate::turn::{Turn, usable_phone};
use crate::wording;

impl Turn<'_> {
    /// Texts and pushes to everybody whom the incident concerns at its beginning: all guardians, the desk, and the
    /// doctor for what concerns doctors. For low priority the guardians only, for a notice the doctor only.
    pub(crate) fn text_everybody(&mut self, purpose: Purpose) {
        let mut reached = BTreeSet::new();
        let is_notice = self.incident.kind.category() == Category::Notice;
        if let Some(doctor) = self.calling.doctor.clone().filter(|_| is_notice) {
            let message = wording::alert_text(doctor.lang, &self.facts(), false);
            self.text(CalleeRole::Doctor, &doctor, purpose, &message, &mut reached);
            return;
        }
        self.calling.position_told = self.incident.position.map(|position| (position, self.now()));
        self.text_guardians(purpose, &mut reached);
        if self.incident.priority == Priority::Low {
            self.text_group(purpose, &mut reached, |lang, facts| wording::alert_text(lang, facts, false));
            return;
        }
        // The desk's own phone, where it has none the people on it (on duty), and whoever of them was told before.
        let is_own = |contact: &Contact| contact.person.as_str() == DESK_PERSON && usable_phone(contact).is_some();
        let has_own = self.calling.desk.iter().any(is_own);
        let told = |c: &Contact| self.calling.told.iter().any(|t| t.role == CalleeRole::Desk && t.person == c.person);
        let first = self.desk_by_turns().0;
        let desk = self.calling.desk.iter().filter(|c| is_own(c) || told(c) || (!has_own && first.contains(c)));
        for contact in desk.cloned().collect::<Vec<_>>() {
            let message = wording::alert_text(contact.lang, &self.facts(), true);
            self.text(CalleeRole::Desk, &contact, purpose, &message, &mut reached);
        }
        self.text_doctor(purpose, &mut reached);
        self.text_group(purpose, &mut reached, |lang, facts| wording::alert_text(lang, facts, false));
    }

    /// The doctor hears of what concerns doctors, unless they took the order, and is reminded of what is theirs.
    pub(crate) fn text_doctor(&mut self, purpose: Purpose, reached: &mut BTreeSet<(Channel, Destination)>) {
        let concerned = self.incident.occurrences.iter().any(|occurrence| occurrence.kind.concerns_doctor());
        if let Some(doctor) = self.calling.doctor.clone().filter(|_| concerned) {
            let message = wording::doctor_text(doctor.lang, &self.facts());
            self.text(CalleeRole::Doctor, &doctor, purpose, &message, reached);
            self.begin_reminding();
        }
    }

    pub(crate) fn text_guardians(&mut self, purpose: Purpose, reached: &mut BTreeSet<(Channel, Destination)>) {
        for contact in self.calling.guardians.clone() {
            let message = wording::alert_text(contact.lang, &self.facts(), true);
            self.text(CalleeRole::Guardian, &contact, purpose, &message, reached);
        }
    }

    /// An SMS, and a push for who has one; a mail for the doctor and for whoever has no number; for the community's group
    /// what its robot says. To each number, topic, address and group once, however many people share it.
    pub(crate) fn text(
        &mut self,
        role: CalleeRole,
        contact: &Contact,
        purpose: Purpose,
        message: &wording::Message,
        reached: &mut BTreeSet<(Channel, Destination)>,
    ) {
        for (channel, to) in ways(role, contact) {
            if let Some(to) = to
                && reached.insert((channel, to.clone()))
            {
                self.start(channel, role, contact, to, purpose, message.clone());
            }
        }
    }

    /// The community's group hears what its robot says, if it has one.
    fn text_group(
        &mut self,
        purpose: Purpose,
        reached: &mut BTreeSet<(Channel, Destination)>,
        render: impl Fn(model::Language, &wording::Facts<'_>) -> wording::Message,
    ) {
        if let Some(group) = self.calling.group.clone() {
            let message = render(group.lang, &self.facts());
            self.text(CalleeRole::Group, &group, purpose, &message, reached);
        }
    }

    /// Texts these of the desk, and the group. Says who hears of it in this moment, before or by this.
    pub(crate) fn text_desk(&mut self, contacts: &[Contact], again: bool) -> BTreeSet<(Channel, Destination)> {
        let mut reached = self.alerted_now();
        self.text_contacts(contacts, again, &mut reached);
        self.text_group(purpose_of(again), &mut reached, |lang, facts| wording::desk_text(lang, facts, again));
        reached
    }

    pub(crate) fn text_contacts(
        &mut self,
        contacts: &[Contact],
        again: bool,
        reached: &mut BTreeSet<(Channel, Destination)>,
    ) {
        for contact in contacts {
            let message = wording::desk_text(contact.lang, &self.facts(), again);
            self.text(CalleeRole::Desk, contact, purpose_of(again), &message, reached);
        }
    }

    /// Who hears of it in this very moment already.
    pub(crate) fn alerted_now(&self) -> BTreeSet<(Channel, Destination)> {
        let unsent = self.book.unsent_of(self.incident.id);
        let now = unsent.filter(|attempt| attempt.created_at == self.now() && attempt.purpose == Purpose::Alert);
        now.map(|attempt| (attempt.channel, attempt.to.clone())).collect()
    }
}

/// Over what somebody is told of it. Mail is never the first that an emergency is told by where anything else is: it
/// goes to who has no number, and to the doctor, who judges what they can read at leisure.
pub(crate) fn ways(role: CalleeRole, contact: &Contact) -> [(Channel, Option<&Destination>); 4] {
    let phone = usable_phone(contact);
    let mail = contact.email.as_ref().filter(|_| phone.is_none() || role == CalleeRole::Doctor);
    [
        (Channel::Sms, phone),
        (Channel::Push, contact.push.as_ref()),
        (Channel::Email, mail),
        (Channel::Robot, contact.robot.as_ref()),
    ]
}
