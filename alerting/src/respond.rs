//! What people's answers do to an incident: somebody goes, somebody is there, it has ended.

use std::collections::BTreeSet;

use model::incident::{Note, Resolution};
use model::{
    Acknowledgement, Callee, Channel, Contact, Destination, DeviceId, DownCommandKind, EventKind, IncidentState,
    PersonId, Priority, Purpose,
};

use crate::Output;
use crate::calling::LOW_LEASE_SECONDS;
use crate::turn::{Turn, usable_phone};
use crate::wording::{self, HELP_IS_COMING, Taken};

/// How an incident ends whose elder was erased.
const ERASED: &str = "erased";
/// So long after an arrival whoever arrived is taken to be still there: who left and did not say so must not stand between
/// the elder and the next alarm. The number is ours.
pub const ON_SITE_SECONDS: u32 = 1_800;

impl Turn<'_> {
    /// Somebody says "I am going": it is theirs until the lease ends, nobody else is called, and everybody who was
    /// told hears who goes.
    pub(crate) fn acknowledge(&mut self, person: &PersonId, channel: Option<Channel>) {
        self.incident.state = IncidentState::Acknowledged;
        self.incident.unreachable = false;
        self.incident.acknowledged_by = Some(Acknowledgement {
            person: person.clone(),
            channel,
            at: self.now(),
            until: self.now().plus_seconds(self.lease_seconds()),
        });
        self.tell(EventKind::IncidentAcknowledged);
        self.stop(|purpose| matches!(purpose, Purpose::Alert | Purpose::Reminder));
        let holder = self.name_of(person);
        self.text_the_told(Purpose::Taken, Some(person), |lang, facts| {
            wording::taken(lang, facts, Taken::Going(&holder))
        });
        self.tell_devices();
    }

    /// The holder needs longer.
    pub(crate) fn extend(&mut self) {
        let until = self.now().plus_seconds(self.lease_seconds());
        if let Some(by) = &mut self.incident.acknowledged_by {
            by.until = until;
        }
        self.tell(EventKind::IncidentAcknowledged);
    }

    /// A person stands at the door: nothing happens by itself any more. If nobody had said that they were going,
    /// the others hear it now.
    pub(crate) fn arrive(&mut self, person: &PersonId) {
        let was_expected = self.incident.acknowledged_by.is_some();
        self.incident.state = IncidentState::OnSite;
        self.incident.unreachable = false;
        self.incident.on_site_by = Some(person.clone());
        self.tell(EventKind::IncidentOnSite);
        self.stop(|purpose| matches!(purpose, Purpose::Alert | Purpose::Reminder));
        self.calling.next_step_at = Some(self.now().plus_seconds(ON_SITE_SECONDS));
        if !was_expected {
            let holder = self.name_of(person);
            self.text_the_told(Purpose::Taken, Some(person), |lang, facts| {
                wording::taken(lang, facts, Taken::Arrived(&holder))
            });
        }
    }

    /// It has ended, and everybody who was told hears how.
    pub(crate) fn resolve(&mut self, by: &PersonId, disposition: &str, note: &str) {
        self.incident.state = IncidentState::Resolved;
        self.calling.doctor_next_at = None;
        self.incident.unreachable = false;
        self.incident.resolution = Some(Resolution {
            by: by.clone(),
            at: self.now(),
            disposition: disposition.to_owned(),
            note: note.to_owned(),
        });
        self.tell(EventKind::IncidentResolved);
        self.stop(|purpose| purpose != Purpose::Ended);
        self.text_the_told(Purpose::Ended, None, |lang, facts| wording::ended(lang, facts, disposition));
    }

    /// Whom it was about was erased: it ends without a word to anybody.
    pub(crate) fn erased(&mut self, by: &PersonId) {
        self.incident.state = IncidentState::Resolved;
        self.calling.doctor_next_at = None;
        self.incident.unreachable = false;
        let (by, at) = (by.clone(), self.now());
        self.incident.resolution = Some(Resolution { by, at, disposition: ERASED.to_owned(), note: String::new() });
        self.tell(EventKind::IncidentResolved);
        self.stop(|_| true);
    }

    /// It was not over: everybody is told and called as at the beginning.
    pub(crate) fn reopen(&mut self) {
        self.incident.state = IncidentState::Notifying;
        self.incident.resolution = None;
        self.incident.acknowledged_by = None;
        self.incident.on_site_by = None;
        self.incident.doctor_order = None;
        self.incident.test = false;
        self.tell(EventKind::IncidentReopened);
        self.cancel_unsent(|_| true);
        self.text_everybody(Purpose::Alert);
        self.begin_calling();
    }

    /// Staff who take part without being in the plan are known by name in what the others are told; nobody rings or texts
    /// them for it.
    pub(crate) fn know(&mut self, person: &PersonId, name: &str) {
        let calling = &self.calling;
        let mut known = calling.guardians.iter().chain(&calling.doctor).chain(&calling.desk);
        if !name.is_empty() && !known.any(|contact| contact.person == *person) {
            self.calling.desk.push(Contact::named(person, name));
        }
    }

    /// A remark. Beyond the number that an incident keeps, the oldest gives way; the feed has them all.
    pub(crate) fn note(&mut self, by: &PersonId, text: String) {
        let notes = &mut self.incident.notes;
        if notes.len() >= model::incident::NOTES_MAX {
            notes.remove(0);
        }
        notes.push(Note { by: by.clone(), at: self.time.now, text });
    }

    /// Somebody acknowledges what another holds: they hear who that is.
    pub(crate) fn tell_holder(&mut self, callee: &Callee) {
        let Some(holder) = self.holder().cloned().filter(|holder| *holder != callee.person) else { return };
        let Some(contact) = self.contact(callee).cloned() else { return };
        let message = wording::taken(contact.lang, &self.facts(), Taken::Already(&self.name_of(&holder)));
        if let Some((channel, to)) = one_way(&contact) {
            self.start(channel, callee.role, &contact, to, Purpose::Taken, message);
        }
    }

    fn lease_seconds(&self) -> u32 {
        match self.incident.priority {
            Priority::Low => LOW_LEASE_SECONDS,
            Priority::Medium | Priority::High => self.calling.plan.lease_seconds.max(1),
        }
    }

    /// A message to everybody who was told that it happened.
    fn text_the_told(
        &mut self,
        purpose: Purpose,
        except: Option<&PersonId>,
        render: impl Fn(model::Language, &wording::Facts<'_>) -> wording::Message,
    ) {
        let mut reached = BTreeSet::new();
        for callee in self.calling.told.clone() {
            if except == Some(&callee.person) {
                continue;
            }
            let Some(contact) = self.contact(&callee).cloned() else { continue };
            let message = render(contact.lang, &self.facts());
            if let Some((channel, to)) = one_way(&contact)
                && reached.insert((channel, to.clone()))
            {
                self.start(channel, callee.role, &contact, to, purpose, message);
            }
        }
    }

    /// The devices that reported it show that somebody comes.
    fn tell_devices(&mut self) {
        let devices: BTreeSet<DeviceId> = {
            // What no device said, a welfare call for one, has none to answer to.
            let named = self.incident.occurrences.iter().filter(|o| !o.device.as_str().is_empty());
            named.map(|o| o.device.clone()).collect()
        };
        if self.incident.priority == Priority::Low {
            return;
        }
        for device in devices {
            let kind = DownCommandKind::HelpIsComing { text: HELP_IS_COMING.to_owned() };
            self.push(Output::Down { device, kind });
        }
    }
}

/// How somebody hears what needs no answer: by text message, by push who has no number, by mail who has neither; a
/// group by its robot.
fn one_way(contact: &Contact) -> Option<(Channel, &Destination)> {
    let phone = usable_phone(contact).map(|phone| (Channel::Sms, phone));
    let push = || contact.push.as_ref().map(|topic| (Channel::Push, topic));
    let mail = || contact.email.as_ref().map(|address| (Channel::Email, address));
    phone.or_else(push).or_else(mail).or_else(|| contact.robot.as_ref().map(|group| (Channel::Robot, group)))
}
