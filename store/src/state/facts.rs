//! Facts into changes of the view.

use model::webhook::{DELIVERIES_KEPT_MAX, Delivery, WebhookState};
use model::{
    Attempt, AuditEntry, Campaign, CampaignCall, Case, Decision, DownCommand, Entity, Erasure, Event, EventKind,
    Incident, Record, RegistryChange, Task, Timestamp, Webhook,
};

use super::keys;
use super::registry::{hint_at_device, hint_at_wearer};
use super::tree::Changes;
use crate::codec::encode_value;
use crate::error::StoreError;

/// Changes that facts make, gathered over some records.
#[derive(Default)]
pub(crate) struct FactChanges {
    pub(crate) changes: Changes,
    /// Who is erased by the last record that was taken: once its changes are in the view.
    pub(crate) erased: Vec<Erasure>,
    /// The newest event among them; 0: there is none.
    pub(crate) newest_event: u64,
}

/// What is stored of an event beside itself, readable without decoding all of it: its time.
pub(crate) struct EventOffset;

impl EventOffset {
    /// An event's value: its time, then itself.
    pub(crate) fn value(event: &Event) -> Result<Vec<u8>, StoreError> {
        let mut value = event.at.millis().to_be_bytes().to_vec();
        value.extend_from_slice(&encode_value(event)?);
        Ok(value)
    }

    /// The time and the encoded event.
    pub(crate) fn split(value: &[u8]) -> Option<(Timestamp, &[u8])> {
        let (millis, event) = value.split_first_chunk()?;
        Some((Timestamp::from_millis(i64::from_be_bytes(*millis)), event))
    }
}

impl FactChanges {
    /// Takes the facts of a record. Whatever is written carries its full state, so taking it again changes nothing.
    pub(crate) fn take(&mut self, record: &Record) -> Result<(), StoreError> {
        for decision in &record.decisions {
            match decision {
                Decision::Event(event) => {
                    self.newest_event = self.newest_event.max(event.seq);
                    self.changes.put(&keys::number(keys::EVENT, event.seq), EventOffset::value(event)?);
                    self.take_entity(&event.entity)?;
                    self.take_response(event)?;
                }
                Decision::Registry(change) => self.take_registry(change)?,
                Decision::Audit(entry) => self.take_audit(entry)?,
                Decision::Token(token) => {
                    self.changes.put(&keys::text(keys::TOKEN, token.id.as_str()), encode_value(token)?);
                }
                Decision::Webhook(webhook) => self.take_webhook(webhook)?,
                Decision::Delivery(delivery) => self.take_delivery(delivery)?,
                Decision::Erased(erasure) => self.erased.push((**erasure).clone()),
                Decision::Observed(_)
                | Decision::Repeated
                | Decision::Finding(_)
                | Decision::Escalation(_)
                | Decision::Reply(_)
                // The engine holds these: they are asked for with every request.
                | Decision::Account(_)
                | Decision::Session(_)
                | Decision::Glass(_)
                | Decision::StepUp(_)
                | Decision::Watch(_) => {}
            }
        }
        Ok(())
    }

    fn take_entity(&mut self, entity: &Entity) -> Result<(), StoreError> {
        match entity {
            Entity::Incident(incident) => self.take_incident(incident),
            Entity::Case(case) => self.take_case(case),
            Entity::Attempt(attempt) => self.take_attempt(attempt),
            Entity::DownCommand(command) => self.take_down_command(command),
            Entity::Task(task) => self.take_task(task),
            Entity::Campaign(campaign) => self.take_campaign(campaign),
            Entity::CampaignCall(call) => self.take_campaign_call(call),
            Entity::Patrol(patrol) => {
                self.changes.put(&keys::number(keys::PATROL, patrol.id.raw()), encode_value(patrol)?);
                Ok(())
            }
            Entity::Duty(roster) => {
                self.changes.put(&keys::text(keys::DUTY, roster.org.as_str()), encode_value(roster)?);
                Ok(())
            }
            // Connection and battery are read from the latest values and the feed; the registry has its own decision.
            Entity::Device(_) | Entity::Registry(_) | Entity::Erasure(_) => Ok(()),
        }
    }

    fn take_incident(&mut self, incident: &Incident) -> Result<(), StoreError> {
        let id = incident.id.raw();
        self.changes.put(&keys::number(keys::INCIDENT, id), encode_value(incident)?);
        self.changes.put(&keys::incident_of(&incident.wearer, incident.id), Vec::new());
        self.mark(&keys::number(keys::INCIDENT_OPEN, id), incident.state.is_open());
        Ok(())
    }

    /// How an incident was responded to, step by step: kept when the feed has long let go of its events.
    fn take_response(&mut self, event: &Event) -> Result<(), StoreError> {
        let is_step = matches!(
            event.kind,
            EventKind::IncidentAcknowledged | EventKind::IncidentOnSite | EventKind::IncidentResolved
        );
        if let (Entity::Incident(incident), true) = (&event.entity, is_step) {
            self.changes.put(&keys::response(incident.id, event.seq), encode_value(&(event.kind, event.at))?);
        }
        Ok(())
    }

    fn take_case(&mut self, case: &Case) -> Result<(), StoreError> {
        let id = case.id.raw();
        self.changes.put(&keys::number(keys::CASE, id), encode_value(case)?);
        if let Some(wearer) = &case.wearer {
            self.changes.put(&keys::case_of(wearer, case.id), Vec::new());
        }
        for photo in &case.photos {
            self.changes.put(&keys::text_number(keys::PHOTO, &photo.hash, id), Vec::new());
        }
        self.mark(&keys::number(keys::CASE_OPEN, id), case.state.is_open());
        Ok(())
    }

    fn take_attempt(&mut self, attempt: &Attempt) -> Result<(), StoreError> {
        self.changes.put(&keys::number(keys::ATTEMPT, attempt.id.raw()), encode_value(attempt)?);
        if let Some(incident) = attempt.incident {
            self.changes.put(&keys::attempt_of(incident, attempt.id), Vec::new());
        }
        Ok(())
    }

    fn take_webhook(&mut self, webhook: &Webhook) -> Result<(), StoreError> {
        let key = keys::text(keys::WEBHOOK, webhook.id.as_str());
        if webhook.state == WebhookState::Deleted {
            self.changes.delete(&key);
            let oldest = webhook.deliveries.saturating_sub(DELIVERIES_KEPT_MAX);
            for number in oldest..=webhook.deliveries {
                self.changes.delete(&keys::text_number(keys::DELIVERY, webhook.id.as_str(), number));
            }
        } else {
            self.changes.put(&key, encode_value(webhook)?);
        }
        Ok(())
    }

    fn take_delivery(&mut self, delivery: &Delivery) -> Result<(), StoreError> {
        let key = |number| keys::text_number(keys::DELIVERY, delivery.webhook.as_str(), number);
        self.changes.put(&key(delivery.number), encode_value(delivery)?);
        if let Some(forgotten) = delivery.number.checked_sub(DELIVERIES_KEPT_MAX) {
            self.changes.delete(&key(forgotten));
        }
        Ok(())
    }

    fn take_task(&mut self, task: &Task) -> Result<(), StoreError> {
        let id = task.id.raw();
        self.changes.put(&keys::number(keys::TASK, id), encode_value(task)?);
        self.mark(&keys::number(keys::TASK_OPEN, id), task.state == model::TaskState::Open);
        Ok(())
    }

    fn take_campaign(&mut self, campaign: &Campaign) -> Result<(), StoreError> {
        self.changes.put(&keys::number(keys::CAMPAIGN, campaign.id.raw()), encode_value(campaign)?);
        Ok(())
    }

    fn take_campaign_call(&mut self, call: &CampaignCall) -> Result<(), StoreError> {
        self.changes.put(&keys::campaign_call(call.campaign, call.place), encode_value(call)?);
        Ok(())
    }

    fn take_down_command(&mut self, command: &DownCommand) -> Result<(), StoreError> {
        self.changes.put(&keys::number(keys::DOWN_COMMAND, command.id.raw()), encode_value(command)?);
        self.changes.put(&keys::down_command_of(&command.device, command.id), Vec::new());
        Ok(())
    }

    fn take_audit(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.changes.put(&keys::number(keys::AUDIT, entry.number), encode_value(entry)?);
        for wearer in &entry.wearers {
            let key = keys::text_number(keys::AUDIT_OF_WEARER, wearer.as_str(), entry.number);
            self.changes.put(&key, Vec::new());
        }
        Ok(())
    }

    fn take_registry(&mut self, change: &RegistryChange) -> Result<(), StoreError> {
        for org in &change.orgs {
            self.changes.put(&keys::text(keys::ORG, org.path.as_str()), encode_value(org)?);
        }
        for person in &change.people {
            self.changes.put(&keys::text(keys::PERSON, person.id.as_str()), encode_value(person)?);
        }
        for wearer in &change.wearers {
            self.changes.put(&keys::text(keys::WEARER, wearer.id.as_str()), encode_value(wearer)?);
            hint_at_wearer(&mut self.changes, wearer);
        }
        for device in &change.devices {
            self.changes.put(&keys::text(keys::DEVICE, device.id.as_str()), encode_value(device)?);
            hint_at_device(&mut self.changes, device);
        }
        Ok(())
    }

    fn mark(&mut self, key: &[u8], is_set: bool) {
        if is_set {
            self.changes.put(key, Vec::new());
        } else {
            self.changes.delete(key);
        }
    }
}
