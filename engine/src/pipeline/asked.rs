//! What a pipeline is asked: by the loop, by a start, by a watchdog. Nothing here decides or changes anything.

use alerting::{Alerting, Reach};
use model::staff::ApiToken;
use model::{
    Attempt, Decision, DeviceId, DownCommand, Entity, Event, EventKind, OrgPath, RegistryChange, Timestamp, WearerId,
};

use super::{Accounts, Directory, Pipeline};

impl Pipeline {
    /// Calling, and who watches.
    #[must_use]
    pub fn alerting(&self) -> &Alerting {
        &self.alerting
    }

    /// Who was reached.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The time of the last decision.
    #[must_use]
    pub fn last_at(&self) -> Timestamp {
        self.last_at
    }

    /// How many things happened that must never happen: a timer that does not move on, a fence that was accepted
    /// and does not compile.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// Attempts that were decided and have no outcome yet: after a start they are sent (again).
    pub fn unsent_attempts(&self) -> impl Iterator<Item = &Attempt> {
        let of_cases = self.case_messages.pending_attempts();
        self.alerting.pending_attempts().chain(self.rounds.pending_attempts()).chain(of_cases)
    }

    /// An attempt that is kept.
    #[must_use]
    pub fn attempt(&self, id: model::AttemptId) -> Option<&Attempt> {
        self.alerting.attempt(id)
    }

    /// The auditor's first look: every open incident with its next step.
    #[must_use]
    pub fn auditor(&self) -> alerting::Auditor {
        let mut auditor = alerting::Auditor::default();
        for incident in self.alerting.open_incidents() {
            auditor.incident(incident);
            if let Some(calling) = self.alerting.escalation(incident.id) {
                auditor.escalation(calling);
            }
        }
        auditor
    }

    /// Attempts that a provider was handed and may still speak of, oldest first. Only for a start: it copies them.
    pub fn handed_over_attempts(&self) -> Vec<Attempt> {
        let mut attempts = self.alerting.snapshot().into_attempts();
        attempts.extend(self.case_messages.snapshot());
        attempts.extend(self.rounds.attempts().cloned());
        attempts.retain(|attempt| !attempt.wants_sending() || attempt.sends > 0);
        attempts.sort_by_key(|attempt| attempt.changed_at);
        attempts
    }

    /// Every open incident with its attempts and its calling, as if they were decided now. Only for a start: it copies
    /// them.
    #[must_use]
    pub fn open_as_decided(&self) -> Vec<Decision> {
        let event = |kind, at, org: &OrgPath, entity| {
            let (org, changed) = (Some(org.clone()), Vec::new());
            Decision::Event(Box::new(Event { seq: 0, kind, at, org, entity, changed }))
        };
        let mut decisions = Vec::new();
        for incident in self.alerting.open_incidents() {
            let entity = Entity::Incident(Box::new(incident.clone()));
            decisions.push(event(EventKind::IncidentUpdated, incident.changed_at, &incident.org, entity));
            decisions.extend(self.alerting.escalation(incident.id).cloned().map(Box::new).map(Decision::Escalation));
        }
        for attempt in self.alerting.snapshot().into_attempts() {
            let (at, org) = (attempt.changed_at, attempt.org.clone());
            decisions.push(event(EventKind::AttemptStarted, at, &org, Entity::Attempt(Box::new(attempt))));
        }
        decisions
    }

    /// What the registry says about a device and its wearer, or a wearer, and about everybody who is called for them.
    #[must_use]
    pub fn household_of(&self, device: Option<&DeviceId>, wearer: Option<&WearerId>) -> RegistryChange {
        self.directory.household_of(device, wearer)
    }

    /// The incidents that are open.
    pub fn open_incidents(&self) -> impl Iterator<Item = &model::Incident> {
        self.alerting.open_incidents()
    }

    /// What waits for a device, oldest first.
    pub fn commands_for(&self, device: &DeviceId) -> impl Iterator<Item = &DownCommand> {
        self.down_commands.waiting_for(device)
    }

    /// The registry.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Every subscription of another system.
    pub fn webhooks(&self) -> impl Iterator<Item = &model::Webhook> {
        self.webhooks.iter()
    }

    /// Every API token, revoked ones included.
    pub fn tokens(&self) -> impl Iterator<Item = &ApiToken> {
        self.tokens.values()
    }

    /// Who may sign in, and who is signed in.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }
}
