//! People who come into the registry while an incident is open are picked up, and nothing begins anew. Who is taken out of
//! the guardians is not reached any more, unless nobody else could be; an elder who moves takes the incident along.

use std::collections::BTreeSet;

use model::attempt::CalleeRole;
use model::case::WhistleLevel;
use model::{Contact, Counters, Escalation, EventKind, IncidentId, IncidentState, PersonId, Priority, Purpose};

use crate::book::Book;
use crate::raise::contacts_to_fix;
use crate::turn::{Turn, usable_phone};
use crate::wording::{self, LocalTime};
use crate::{Household, Output};

/// Takes the present household into one open incident.
pub(crate) fn refresh(
    book: &mut Book,
    counters: &mut Counters,
    time: LocalTime,
    id: IncidentId,
    household: &Household<'_>,
) -> Vec<Output> {
    let Some(mut turn) = Turn::open(book, counters, time, id) else { return Vec::new() };
    if !turn.incident.state.is_open() {
        return Vec::new();
    }
    let calling = &mut turn.calling;
    let new_guardians = pick_up(&mut calling.guardians, &household.guardians);
    let new_desk = pick_up(&mut calling.desk, &household.desk);
    let left = let_go(calling, household);
    // Whoever is off the desk is on duty there no more; they stay in the plan, after the others.
    let is_off = |known: &&mut Contact| household.desk.iter().all(|contact| contact.person != known.person);
    calling.desk.iter_mut().filter(is_off).for_each(|known| known.available.clear());
    let new_doctor = match (&mut calling.doctor, &household.doctor) {
        (none @ None, Some(doctor)) => {
            *none = Some(doctor.clone());
            true
        }
        (Some(known), Some(doctor)) if known.person == doctor.person => put_right(known, doctor),
        _ => false,
    };
    if household.group.is_some() {
        calling.group.clone_from(&household.group);
    }
    calling.last_rung.resize(calling.guardians.len(), None);
    let known = calling.order.len() as u16;
    calling.order.extend(known..calling.guardians.len() as u16);
    let to_fix = contacts_to_fix(household);
    let has_moved = turn.incident.org != household.wearer.org;
    if has_moved {
        turn.incident.org.clone_from(&household.wearer.org);
        household.community_name.clone_into(&mut turn.calling.community_name);
    }
    if has_moved || turn.incident.contacts_to_fix != to_fix {
        turn.incident.contacts_to_fix = to_fix;
        turn.tell(EventKind::IncidentUpdated);
    }
    let unsent = turn.book.unsent_of(id).filter(|attempt| left.contains(&attempt.callee.person));
    for attempt in unsent.map(|attempt| attempt.id).collect::<Vec<_>>() {
        turn.cancel(attempt);
    }
    turn.tell_the_new(&new_guardians, &new_desk, new_doctor);
    turn.finish()
}

/// Those whom a whistle has brought into an incident's case: they are told what happened, and belong to its desk from
/// now on, so that they hear who goes and how it ends. Whoever is on it already has heard.
pub(crate) fn whistle(
    book: &mut Book,
    counters: &mut Counters,
    time: LocalTime,
    id: IncidentId,
    level: WhistleLevel,
    joined: &[Contact],
) -> Vec<Output> {
    let Some(mut turn) = Turn::open(book, counters, time, id) else { return Vec::new() };
    if !turn.incident.state.is_open() || turn.incident.test {
        return Vec::new();
    }
    let mut reached = BTreeSet::new();
    for contact in joined {
        let has_heard = |known: &Contact| known.person == contact.person && !known.is_name_only();
        if turn.calling.desk.iter().any(has_heard) {
            continue;
        }
        turn.calling.desk.retain(|known| known.person != contact.person);
        turn.calling.desk.push(contact.clone());
        let message = wording::whistled(contact.lang, &turn.facts(), level);
        turn.text(CalleeRole::Desk, contact, Purpose::Alert, &message, &mut reached);
    }
    turn.finish()
}

/// Adds who is new, and puts right the numbers of who is known. Says at which places somebody can be reached who
/// could not before.
fn pick_up(known: &mut Vec<Contact>, now: &[Contact]) -> Vec<usize> {
    let mut new = Vec::new();
    for contact in now {
        match known.iter().position(|k| k.person == contact.person) {
            Some(place) => {
                if known.get_mut(place).is_some_and(|k| put_right(k, contact)) {
                    new.push(place);
                }
            }
            None => {
                known.push(contact.clone());
                new.push(known.len() - 1);
            }
        }
    }
    new
}

/// Whoever is no guardian any more stays in the plan by name only; whose phone rings is not hung up on. Says who that is.
/// Where no guardian is left who has a number they stay as they are: an import that forgot them must not leave an elder alone.
fn let_go(calling: &mut Escalation, household: &Household<'_>) -> Vec<PersonId> {
    let is_guardian = |contact: &Contact| household.guardians.iter().any(|now| now.person == contact.person);
    let has_number = |contact: &Contact| usable_phone(contact).is_some();
    if !household.guardians.iter().any(has_number) {
        return Vec::new();
    }
    let gone = calling.guardians.iter_mut().filter(|contact| !is_guardian(contact) && !contact.is_name_only());
    gone.map(|contact| {
        *contact = Contact::named(&contact.person, &contact.name);
        contact.person.clone()
    })
    .collect()
}

/// Takes over how a person is reached. Says whether that makes them reachable otherwise than before.
fn put_right(known: &mut Contact, contact: &Contact) -> bool {
    let is_other = usable_phone(contact).is_some() && usable_phone(known) != usable_phone(contact);
    *known = contact.clone();
    is_other
}

impl Turn<'_> {
    /// Whoever is new hears of it, unless it is held; where calling stands still for want of anybody, it goes on.
    fn tell_the_new(&mut self, guardians: &[usize], desk: &[usize], doctor: bool) {
        if !matches!(self.incident.state, IncidentState::Notifying | IncidentState::Exhausted) {
            return;
        }
        let mut reached = BTreeSet::new();
        for contact in
            guardians.iter().filter_map(|place| self.calling.guardians.get(*place).cloned()).collect::<Vec<_>>()
        {
            let message = wording::alert_text(contact.lang, &self.facts(), true);
            self.text(CalleeRole::Guardian, &contact, Purpose::Alert, &message, &mut reached);
        }
        if self.incident.priority == Priority::Low {
            return;
        }
        if doctor {
            self.text_doctor(Purpose::Alert, &mut reached);
        }
        match self.incident.state {
            IncidentState::Exhausted => {
                for place in guardians {
                    if self.free_at(*place).is_some_and(|at| at <= self.now()) {
                        self.ring_guardian(*place);
                        self.calling.turn = None;
                    }
                }
                if !desk.is_empty() {
                    self.incident.unreachable = !self.has_desk();
                    self.tell(EventKind::IncidentUpdated);
                    self.page_desk(false);
                }
            }
            // Without anybody to ring, calling had nothing to wait for but a gap.
            _ if self.calling.turn.is_none() && !guardians.is_empty() => self.call_next(),
            _ => {
                for contact in
                    desk.iter().filter_map(|place| self.calling.desk.get(*place).cloned()).collect::<Vec<_>>()
                {
                    let message = wording::alert_text(contact.lang, &self.facts(), true);
                    self.text(CalleeRole::Desk, &contact, Purpose::Alert, &message, &mut reached);
                }
            }
        }
    }
}
