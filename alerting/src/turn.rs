//! One incident's turn: it is taken out as it stands, changed, and what changed is written down and told.

use compact_str::CompactString;
use model::attempt::CalleeRole;
use model::explain::FENCE_ENTRY;
use model::{
    Attempt, AttemptId, AttemptOutcome, AttemptState, Callee, Channel, Contact, Counters, Destination, Escalation,
    EventKind, Incident, IncidentId, IncidentKind, IncidentState, Lane, PersonId, Priority, Purpose, Timestamp,
};

use crate::Output;
use crate::book::Book;
use crate::wording::{Facts, LocalTime, Message};

pub(crate) struct Turn<'a> {
    pub(crate) book: &'a mut Book,
    counters: &'a mut Counters,
    pub(crate) time: LocalTime,
    pub(crate) incident: Incident,
    pub(crate) calling: Escalation,
    outputs: Vec<Output>,
}

impl<'a> Turn<'a> {
    /// The turn of an incident that is held.
    pub(crate) fn open(
        book: &'a mut Book,
        counters: &'a mut Counters,
        time: LocalTime,
        id: IncidentId,
    ) -> Option<Turn<'a>> {
        let (incident, calling) = (book.incident(id)?.clone(), book.escalation(id)?.clone());
        Some(Turn { book, counters, time, incident, calling, outputs: Vec::new() })
    }

    /// The turn of an incident that begins.
    pub(crate) fn begin(
        book: &'a mut Book,
        counters: &'a mut Counters,
        time: LocalTime,
        incident: Incident,
        calling: Escalation,
    ) -> Turn<'a> {
        Turn { book, counters, time, incident, calling, outputs: Vec::new() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.time.now
    }

    /// Writes the incident down as it stands now and tells it.
    pub(crate) fn tell(&mut self, kind: EventKind) {
        let changed = self.book.incident(self.incident.id).map(|before| incident_changes(before, &self.incident));
        self.incident.version += 1;
        self.incident.changed_at = self.time.now;
        self.book.put_incident(self.incident.clone());
        let incident = self.incident.clone();
        self.outputs.push(Output::Incident { kind, incident, changed: changed.unwrap_or_default() });
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.outputs.push(output);
    }

    /// Writes the calling down, if it changed, and ends the turn.
    pub(crate) fn finish(mut self) -> Vec<Output> {
        self.calling.next_due = self.next_due();
        if self.book.escalation(self.incident.id) != Some(&self.calling) {
            self.book.put_escalation(self.calling.clone());
            self.outputs.push(Output::Escalation(self.calling));
        }
        self.outputs
    }

    /// When something happens by itself next.
    fn next_due(&self) -> Option<Timestamp> {
        let response = match self.incident.state {
            IncidentState::Resolved => None,
            // A phone that rings beside whoever is there: another press.
            IncidentState::OnSite => self.calling.calls.iter().map(|call| call.until).min(),
            IncidentState::Acknowledged => self.incident.acknowledged_by.as_ref().map(|by| by.until),
            IncidentState::Raised | IncidentState::Notifying | IncidentState::Exhausted => {
                self.calling.calls.iter().map(|call| call.until).chain(self.calling.next_step_at).min()
            }
        };
        let doctor = self.calling.doctor_next_at.filter(|_| self.incident.state.is_open());
        response.into_iter().chain(doctor).min()
    }

    /// When a message may go: at once, but what may wait waits for the end of the quiet hours.
    fn not_before(&self) -> Timestamp {
        let quiet = self.calling.plan.quiet.filter(|_| self.incident.priority == Priority::Low);
        quiet.and_then(|window| self.time.end_of(window)).unwrap_or(self.time.now)
    }

    /// Decides on an attempt.
    pub(crate) fn start(
        &mut self,
        channel: Channel,
        role: CalleeRole,
        contact: &Contact,
        to: &Destination,
        purpose: Purpose,
        message: Message,
    ) -> AttemptId {
        let now = self.time.now;
        let text = message.said_over(channel);
        let params = self.params_of(purpose, message.params);
        let callee = Callee { person: contact.person.clone(), role };
        self.is_told(&callee, purpose);
        let attempt = Attempt {
            id: self.counters.next_attempt(),
            version: 1,
            incident: Some(self.incident.id),
            campaign: None,
            case: None,
            kind: self.incident.kind.into(),
            priority: self.incident.priority,
            wearer: self.incident.wearer.clone(),
            org: self.incident.org.clone(),
            channel,
            callee,
            to: to.clone(),
            lang: contact.lang,
            purpose,
            lane: if self.incident.priority == Priority::High { Lane::Alarm } else { Lane::Routine },
            cycle: self.calling.cycle.max(1),
            text,
            params,
            state: AttemptState::Pending,
            outcome: None,
            created_at: now,
            changed_at: now,
            not_before: self.not_before(),
            sends: 0,
            passed_over: Vec::new(),
            reference: None,
        };
        let id = attempt.id;
        self.book.put_attempt(attempt.clone());
        self.outputs.push(Output::Attempt { kind: EventKind::AttemptStarted, attempt, changed: Vec::new() });
        id
    }

    /// Has the call that was just decided on wait until then.
    pub(crate) fn put_off(&mut self, id: AttemptId, until: Timestamp) {
        let ring_seconds = self.calling.plan.ring_seconds.max(1);
        self.set_call(id, |call| call.until = until.plus_seconds(ring_seconds));
        if let Some(Output::Attempt { attempt, .. }) = self.outputs.last_mut()
            && attempt.id == id
        {
            attempt.not_before = until;
            self.book.put_attempt(attempt.clone());
        }
    }

    /// Whoever is told that something happened hears who goes, and how it ends.
    pub(crate) fn is_told(&mut self, callee: &Callee, purpose: Purpose) {
        if matches!(purpose, Purpose::Alert | Purpose::Reminder) && !self.calling.told.contains(callee) {
            self.calling.told.push(callee.clone());
        }
    }

    /// What asks for an answer has the incident's code: who answers for several says by it which one they mean.
    fn params_of(&self, purpose: Purpose, mut params: Vec<(CompactString, String)>) -> Vec<(CompactString, String)> {
        if matches!(purpose, Purpose::Alert | Purpose::Reminder | Purpose::Position) {
            params.push((CompactString::const_new("code"), self.incident.id.to_string()));
        }
        params
    }

    /// Changes an attempt, writes it down and tells it.
    pub(crate) fn change(&mut self, id: AttemptId, kind: EventKind, change: impl FnOnce(&mut Attempt)) {
        let Some(before) = self.book.attempt(id) else { return };
        let mut attempt = before.clone();
        change(&mut attempt);
        let changed = attempt_changes(before, &attempt);
        attempt.version += 1;
        attempt.changed_at = self.time.now;
        self.book.put_attempt(attempt.clone());
        self.outputs.push(Output::Attempt { kind, attempt, changed });
    }

    /// Moves an attempt on, unless it is as far already: late receipts never move it backwards. Says whether it
    /// moved.
    pub(crate) fn move_on(
        &mut self,
        id: AttemptId,
        state: AttemptState,
        outcome: Option<AttemptOutcome>,
        kind: EventKind,
    ) -> bool {
        let moves = self.book.attempt(id).is_some_and(|attempt| state.rank() > attempt.state.rank());
        if moves {
            self.change(id, kind, |attempt| {
                attempt.state = state;
                attempt.outcome = outcome.or(attempt.outcome);
            });
        }
        moves
    }

    /// What the messages tell.
    pub(crate) fn facts(&self) -> Facts<'_> {
        // The gravest occurrence gave the incident its kind; of equals the last one is what people are called for.
        let newest = self.incident.occurrences.iter().rev().find(|o| o.kind == self.incident.kind);
        let fell = || self.incident.occurrences.iter().any(|occurrence| occurrence.kind == IncidentKind::Fall);
        Facts {
            kind: self.incident.kind,
            asked_for_help: self.incident.priority == Priority::High,
            entered: newest.is_some_and(|occurrence| occurrence.explain.rule == FENCE_ENTRY),
            and_fell: self.incident.kind != IncidentKind::Fall && fell(),
            wearer_name: &self.calling.wearer_name,
            community_name: &self.calling.community_name,
            happened_at: newest.map_or(self.incident.raised_at, |o| o.measured),
            position: self.incident.position,
            explain: &self.incident.explain,
            explain_en: &self.incident.explain_en,
            time: self.time,
        }
    }

    /// The contact behind a callee.
    pub(crate) fn contact(&self, callee: &Callee) -> Option<&Contact> {
        contact_in(&self.calling, callee)
    }

    /// A person's name, as far as the snapshot knows it; their id otherwise.
    pub(crate) fn name_of(&self, person: &PersonId) -> String {
        name_in(&self.calling, person)
    }

    /// Who holds the incident: who stands at the door, or who said that they are going.
    pub(crate) fn holder(&self) -> Option<&PersonId> {
        holder_of(&self.incident)
    }
}

/// The contact behind a callee.
pub(crate) fn contact_in<'c>(calling: &'c Escalation, callee: &Callee) -> Option<&'c Contact> {
    let mut contacts = match callee.role {
        CalleeRole::Guardian => calling.guardians.iter(),
        CalleeRole::Desk => calling.desk.iter(),
        CalleeRole::Doctor => calling.doctor.as_slice().iter(),
        CalleeRole::Group => calling.group.as_slice().iter(),
        CalleeRole::Wearer | CalleeRole::Handler => [].iter(),
    };
    contacts.find(|contact| contact.person == callee.person)
}

/// Who holds an incident: who stands at the door, or who said that they are going.
pub(crate) fn holder_of(incident: &Incident) -> Option<&PersonId> {
    incident.on_site_by.as_ref().or_else(|| incident.acknowledged_by.as_ref().map(|by| &by.person))
}

/// A person's name, as far as the snapshot knows it; their id otherwise.
pub(crate) fn name_in(calling: &Escalation, person: &PersonId) -> String {
    let everybody = calling.guardians.iter().chain(&calling.doctor).chain(&calling.desk);
    let mut named = everybody.filter(|contact| contact.person == *person && !contact.name.is_empty());
    named.next().map_or_else(|| person.to_string(), |contact| contact.name.clone())
}

/// The names of the members that differ, in the order given.
macro_rules! changes {
    ($before:expr, $after:expr, [$($member:ident),* $(,)?]) => {{
        let differing = [$(($before.$member != $after.$member).then_some(stringify!($member))),*];
        differing.into_iter().flatten().map(CompactString::const_new).collect()
    }};
}

fn incident_changes(before: &Incident, after: &Incident) -> Vec<CompactString> {
    changes!(
        before,
        after,
        [
            kind,
            priority,
            state,
            condition,
            org,
            position,
            explain,
            explain_en,
            occurrences,
            occurrence_count,
            acknowledged_by,
            on_site_by,
            resolution,
            case,
            unreachable,
            contacts_to_fix,
            notes,
            doctor_order,
            test,
        ]
    )
}

pub(crate) fn attempt_changes(before: &Attempt, after: &Attempt) -> Vec<CompactString> {
    changes!(before, after, [state, outcome, not_before, sends, passed_over, reference])
}

/// The number to call or to text, if it can be one: E.164, a plus and 5 to 15 digits, as an import takes it.
pub(crate) fn usable_phone(contact: &Contact) -> Option<&Destination> {
    contact.phone.as_ref().filter(|phone| {
        let digits = phone.0.strip_prefix('+').unwrap_or("");
        (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
    })
}
