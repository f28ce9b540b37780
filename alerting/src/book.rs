//! What alerting holds, with the indexes that make every question cheap. Deciding and recovery write through the
//! same functions, in the same order, so they cannot come apart.

use std::collections::{BTreeMap, BTreeSet};

use model::erasure::{Erasure, Names};
use model::{
    Attempt, AttemptId, Channel, Destination, Escalation, Incident, IncidentId, IncidentState, OrgPath, PersonId,
    Timestamp, Watch, WearerId,
};
use serde::{Deserialize, Serialize};

/// How long a resolved incident is held, so that it can be reopened and remarked on.
pub const RESOLVED_KEPT_SECONDS: u32 = 7 * 86_400;
/// How long the attempts of a resolved incident are held, for late receipts and the retries of last messages.
pub const ATTEMPTS_KEPT_SECONDS: u32 = 3_600;
/// How many attempts of one incident are held; beyond it the oldest that nothing is expected of gives way.
pub const ATTEMPTS_PER_INCIDENT_MAX: usize = 512;

/// How many incidents move on in one step: what comes of them is one record of the journal, which is not to grow
/// without end when a quiet night ends for a whole city at once.
pub const ADVANCED_TOGETHER_MAX: usize = 128;

/// Everything, as a checkpoint holds it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    incidents: Vec<Incident>,
    escalations: Vec<Escalation>,
    attempts: Vec<Attempt>,
    watches: Vec<Watch>,
}

impl Snapshot {
    /// Every attempt that is remembered.
    pub fn into_attempts(self) -> Vec<Attempt> {
        self.attempts
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Book {
    incidents: BTreeMap<IncidentId, Incident>,
    escalations: BTreeMap<IncidentId, Escalation>,
    attempts: BTreeMap<AttemptId, Attempt>,
    attempts_of: BTreeMap<IncidentId, BTreeSet<AttemptId>>,
    open_of: BTreeSet<(WearerId, IncidentId)>,
    unsent: BTreeSet<AttemptId>,
    /// The calls to each number, by the time at which they were decided on.
    rung: BTreeMap<Destination, BTreeSet<(Timestamp, AttemptId)>>,
    due: BTreeSet<(Timestamp, IncidentId)>,
    /// Resolved incidents whose attempts are still held, by the time of resolution.
    fading: BTreeSet<(Timestamp, IncidentId)>,
    /// All resolved incidents, by the time of resolution.
    resolved: BTreeSet<(Timestamp, IncidentId)>,
    /// Who watches a console.
    watches: BTreeMap<PersonId, Watch>,
}

impl Book {
    pub(crate) fn incident(&self, id: IncidentId) -> Option<&Incident> {
        self.incidents.get(&id)
    }

    pub(crate) fn escalation(&self, id: IncidentId) -> Option<&Escalation> {
        self.escalations.get(&id)
    }

    pub(crate) fn attempt(&self, id: AttemptId) -> Option<&Attempt> {
        self.attempts.get(&id)
    }

    pub(crate) fn open_incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values().filter(|incident| incident.state.is_open())
    }

    /// The open incidents of a wearer, oldest first.
    pub(crate) fn open_of(&self, wearer: &WearerId) -> impl Iterator<Item = &Incident> {
        let from = (wearer.clone(), IncidentId::from_raw(0));
        let to = (wearer.clone(), IncidentId::from_raw(u64::MAX));
        self.open_of.range(from..=to).filter_map(|(_, id)| self.incidents.get(id))
    }

    /// The open incidents of everybody.
    pub(crate) fn open_ids(&self) -> impl Iterator<Item = IncidentId> {
        self.open_of.iter().map(|(_, id)| *id)
    }

    /// The attempts of an incident, oldest first.
    pub(crate) fn attempts_of(&self, incident: IncidentId) -> impl DoubleEndedIterator<Item = &Attempt> {
        let ids = self.attempts_of.get(&incident).into_iter().flatten();
        ids.filter_map(|id| self.attempts.get(id))
    }

    /// The text messages of an incident to a number, the newest first.
    pub(crate) fn texts_to<'a>(
        &'a self,
        incident: IncidentId,
        phone: &'a Destination,
    ) -> impl Iterator<Item = &'a Attempt> {
        self.attempts_of(incident).rev().filter(move |a| a.channel == Channel::Sms && a.to == *phone)
    }

    /// Whether there are any; nearly always nobody has.
    pub(crate) fn has_open(&self, wearer: &WearerId) -> bool {
        !self.open_of.is_empty() && self.open_of(wearer).next().is_some()
    }

    /// The attempts of an incident that no provider has taken, oldest first.
    pub(crate) fn unsent_of(&self, incident: IncidentId) -> impl Iterator<Item = &Attempt> {
        let ids = self.attempts_of.get(&incident);
        ids.into_iter().flatten().filter(|id| self.unsent.contains(id)).filter_map(|id| self.attempts.get(id))
    }

    /// How many calls to a number, of whatever incident but an SOS or a fall, were handed to a provider or are about to be
    /// since a time; counted up to `most`.
    pub(crate) fn rung_for_routine_since(&self, phone: &Destination, since: Timestamp, most: usize) -> usize {
        let from = (since, AttemptId::from_raw(0));
        let calls = self.rung.get(phone).map(|calls| calls.range(from..)).into_iter().flatten();
        let is_emergency = |attempt: &Attempt| {
            attempt.incident.and_then(|id| self.incidents.get(&id)).is_some_and(Incident::is_emergency)
        };
        let counts = |attempt: &&Attempt| (attempt.sends > 0 || attempt.wants_sending()) && !is_emergency(attempt);
        calls.filter_map(|(_, id)| self.attempts.get(id)).filter(counts).take(most).count()
    }

    pub(crate) fn pending_attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.unsent.iter().filter_map(|id| self.attempts.get(id))
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The incidents that are due, the longest overdue first.
    pub(crate) fn due_by(&self, now: Timestamp) -> Vec<IncidentId> {
        self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).take(ADVANCED_TOGETHER_MAX).collect()
    }

    pub(crate) fn put_incident(&mut self, incident: Incident) {
        let now = incident.changed_at;
        self.hold_incident(incident);
        self.forget(now);
    }

    fn hold_incident(&mut self, incident: Incident) {
        let id = incident.id;
        if let Some(resolution) = self.incidents.get(&id).and_then(|before| before.resolution.as_ref()) {
            self.fading.remove(&(resolution.at, id));
            self.resolved.remove(&(resolution.at, id));
        }
        match &incident.resolution {
            Some(resolution) if incident.state == IncidentState::Resolved => {
                self.fading.insert((resolution.at, id));
                self.resolved.insert((resolution.at, id));
                self.open_of.remove(&(incident.wearer.clone(), id));
            }
            _ => {
                self.open_of.insert((incident.wearer.clone(), id));
            }
        }
        self.incidents.insert(id, incident);
    }

    pub(crate) fn put_escalation(&mut self, escalation: Escalation) {
        let id = escalation.incident;
        if let Some(at) = self.escalations.get(&id).and_then(|before| before.next_due) {
            self.due.remove(&(at, id));
        }
        if let Some(at) = escalation.next_due {
            self.due.insert((at, id));
        }
        self.escalations.insert(id, escalation);
    }

    pub(crate) fn put_attempt(&mut self, attempt: Attempt) {
        let (id, Some(incident)) = (attempt.id, attempt.incident) else { return };
        if attempt.wants_sending() {
            self.unsent.insert(id);
        } else {
            self.unsent.remove(&id);
        }
        if attempt.channel == Channel::Voice {
            self.rung.entry(attempt.to.clone()).or_default().insert((attempt.created_at, id));
        }
        self.attempts.insert(id, attempt);
        let ids = self.attempts_of.entry(incident).or_default();
        ids.insert(id);
        if ids.len() > ATTEMPTS_PER_INCIDENT_MAX {
            let attempts = &self.attempts;
            let expects_nothing = |id: &&AttemptId| attempts.get(id).is_none_or(expects_nothing);
            if let Some(oldest) = ids.iter().find(expects_nothing).copied() {
                ids.remove(&oldest);
                self.drop_attempt(oldest);
            }
        }
    }

    /// Lets go of what was resolved long before `now`. Hangs on nothing but what is put, so that recovery forgets
    /// what was forgotten.
    fn forget(&mut self, now: Timestamp) {
        while let Some(&(at, id)) = self.fading.first()
            && at.plus_seconds(ATTEMPTS_KEPT_SECONDS) <= now
        {
            self.fading.remove(&(at, id));
            self.drop_attempts(id);
        }
        while let Some(&(at, id)) = self.resolved.first()
            && at.plus_seconds(RESOLVED_KEPT_SECONDS) <= now
        {
            self.resolved.remove(&(at, id));
            self.drop_attempts(id);
            self.incidents.remove(&id);
            if let Some(at) = self.escalations.remove(&id).and_then(|escalation| escalation.next_due) {
                self.due.remove(&(at, id));
            }
        }
    }

    /// Takes in somebody's watch; those that have run out by `at` go.
    pub(crate) fn put_watch(&mut self, watch: Watch, at: Timestamp) {
        self.watches.retain(|_, known| at < known.until);
        if at < watch.until {
            self.watches.insert(watch.person.clone(), watch);
        } else {
            self.watches.remove(&watch.person);
        }
    }

    pub(crate) fn watches(&self) -> impl Iterator<Item = &Watch> {
        self.watches.values()
    }

    /// Whether somebody watches a console over an organisation.
    pub(crate) fn is_watched(&self, org: &OrgPath, at: Timestamp) -> bool {
        self.watches.values().any(|watch| watch.covers(org, at))
    }

    fn drop_attempts(&mut self, incident: IncidentId) {
        for id in self.attempts_of.remove(&incident).unwrap_or_default() {
            self.drop_attempt(id);
        }
    }

    fn drop_attempt(&mut self, id: AttemptId) {
        self.unsent.remove(&id);
        let Some(attempt) = self.attempts.remove(&id) else { return };
        if let Some(calls) = self.rung.get_mut(&attempt.to) {
            calls.remove(&(attempt.created_at, id));
            if calls.is_empty() {
                self.rung.remove(&attempt.to);
            }
        }
    }

    /// Forgets an erased wearer's incidents, and an erased person in everybody else's.
    pub(crate) fn erase(&mut self, erasure: &Erasure, names: &Names) {
        let theirs = self.incidents.values().filter(|incident| erasure.is_wearer(&incident.wearer));
        for id in theirs.map(|incident| incident.id).collect::<Vec<_>>() {
            self.drop_attempts(id);
            self.open_of.retain(|(_, open)| *open != id);
            self.fading.retain(|(_, resolved)| *resolved != id);
            self.resolved.retain(|(_, resolved)| *resolved != id);
            self.due.retain(|(_, due)| *due != id);
            self.escalations.remove(&id);
            self.incidents.remove(&id);
        }
        let to_them = self.attempts.values().filter(|attempt| erasure.is_person(&attempt.callee.person));
        for (id, incident) in to_them.map(|attempt| (attempt.id, attempt.incident)).collect::<Vec<_>>() {
            if let Some(ids) = incident.and_then(|incident| self.attempts_of.get_mut(&incident)) {
                ids.remove(&id);
            }
            self.drop_attempt(id);
        }
        self.incidents.values_mut().for_each(|incident| erasure.redact_incident(incident, names));
        self.escalations.values_mut().for_each(|calling| erasure.redact_calling(calling));
        self.watches.retain(|person, _| !erasure.is_person(person));
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            incidents: self.incidents.values().cloned().collect(),
            escalations: self.escalations.values().cloned().collect(),
            attempts: self.attempts.values().cloned().collect(),
            watches: self.watches.values().cloned().collect(),
        }
    }

    pub(crate) fn restore(snapshot: Snapshot) -> Book {
        let mut book = Book::default();
        let latest = snapshot.incidents.iter().map(|incident| incident.changed_at).max();
        for incident in snapshot.incidents {
            book.hold_incident(incident);
        }
        book.forget(latest.unwrap_or_default());
        for escalation in snapshot.escalations {
            book.put_escalation(escalation);
        }
        for attempt in snapshot.attempts {
            book.put_attempt(attempt);
        }
        book.watches = snapshot.watches.into_iter().map(|watch| (watch.person.clone(), watch)).collect();
        book
    }
}

/// Whether no provider or person is expected to say anything that matters about this attempt.
fn expects_nothing(attempt: &Attempt) -> bool {
    attempt.state.is_over() || (attempt.channel != Channel::Voice && !attempt.wants_sending())
}
