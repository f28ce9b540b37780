//! After a restart: what was decided is applied, the hot state is rebuilt from the inputs, and nothing is decided again.

use model::{Decision, Entity, EventKind, Finding, Input, Record, StaffCommand, Timestamp};

use super::directory::Directory;
use super::{FIRED_TOGETHER_MAX, Pipeline};

impl Pipeline {
    /// Recovery: brings in one record of the journal, in order. Nothing is decided.
    pub fn apply(&mut self, seq: u64, record: &Record) {
        let mut thrown_away = Vec::new();
        self.quiet_until = Timestamp::EPOCH;
        if let Input::Resumed { at } = record.input {
            self.listening_since = self.listening_since.max(at);
        }
        // Everything that fell due before this record; at its own instant, if it is a firing itself, one firing.
        let has_area = seq > self.loaded_through;
        loop {
            let area = self.area.next_due().filter(|_| has_area);
            let due = self.rule_timers.next_due().into_iter().chain(area).min();
            let Some(instant) = due.map(|due| due.max(self.last_at)).filter(|at| *at <= record.at) else { break };
            if has_area {
                self.area.advance(instant, FIRED_TOGETHER_MAX);
            }
            self.sense_advance(instant, &mut thrown_away);
            if matches!(record.input, Input::Tick) && instant == record.at {
                break;
            }
        }
        self.last_at = self.last_at.max(record.at);
        self.rebuild_hot(seq, record);
        for decision in &record.decisions {
            self.apply_decision(seq, decision, record);
        }
    }

    fn rebuild_hot(&mut self, seq: u64, record: &Record) {
        match &record.input {
            Input::Report { device, report } => {
                if let Some(slot) = self.directory.devices.slot(device)
                    && !self.directory.devices.holds(slot, seq)
                    && let Some(entry) = self.directory.devices.at_mut(slot)
                {
                    entry.hot.admission.admit(report, record.at);
                    if let model::ReportBody::Battery { percent } = report.body {
                        entry.hot.battery_percent = Some(percent);
                    }
                }
                let Some(Decision::Observed(observed)) = record.decisions.first() else { return };
                let source = self.source(device);
                if let Some(wearer) = &observed.wearer
                    && let Some(slot) = self.directory.wearers.slot(wearer)
                    && !self.directory.wearers.holds(slot, seq)
                {
                    self.observe(slot, source, report, observed, record.at, &mut Vec::<Finding>::new());
                }
            }
            Input::Connection { device, online } => {
                if let Some(entry) = self.directory.devices.get_mut(device) {
                    entry.hot.online = *online;
                }
            }
            Input::Started { .. } => self.forget_connections(),
            Input::Command { command: StaffCommand::Observe(note), .. } => {
                let Some(Decision::Observed(observed)) = record.decisions.first() else { return };
                let Directory { wearers, .. } = &self.directory;
                if wearers.slot(&note.wearer).is_some_and(|slot| !wearers.holds(slot, seq)) {
                    self.note_bedside(note, observed.measured, record.at, &mut Vec::new());
                }
            }
            _ => {}
        }
    }

    fn apply_decision(&mut self, seq: u64, decision: &Decision, record: &Record) {
        if let Decision::Registry(change) = decision {
            self.apply_registry(seq, change);
        }
        if let Decision::Erased(erasure) = decision {
            self.apply_erased(erasure, seq > self.loaded_through);
        }
        if seq <= self.loaded_through {
            return;
        }
        match decision {
            Decision::Event(event) => {
                self.counters.event = self.counters.event.max(event.seq);
                self.apply_entity(event.kind, &event.entity);
            }
            Decision::Escalation(escalation) => self.alerting.apply_escalation((**escalation).clone()),
            Decision::Token(token) => {
                self.tokens.insert(token.id.clone(), token.clone());
            }
            Decision::Audit(entry) => self.audit.apply(entry),
            Decision::Glass(glass) => self.audit.apply_glass((**glass).clone()),
            Decision::StepUp(step_up) => self.step_ups.apply((**step_up).clone(), record.at),
            Decision::Watch(watch) => self.alerting.apply_watch((**watch).clone(), record.at),
            Decision::Account(account) => self.accounts.apply((**account).clone()),
            Decision::Session(session) => self.accounts.apply_session(session.clone(), record.at),
            Decision::Reply(reply) => {
                if let Input::Command { actor, idempotency_key: Some(key), command } = &record.input {
                    let import = record.decisions.iter().find_map(|d| match d {
                        Decision::Registry(change) => Some(StaffCommand::Import(change.clone())),
                        _ => None,
                    });
                    self.replies.keep(&actor.person, key, import.as_ref().unwrap_or(command), reply);
                }
            }
            Decision::Finding(finding) => {
                if let Some(entry) = self.directory.wearers.get(&finding.wearer) {
                    let carrier = self.directory.carrier_of(&finding.device);
                    self.area.handle(finding, &entry.wearer.org, carrier, record.at);
                }
            }
            Decision::Webhook(webhook) => self.webhooks.apply(webhook),
            Decision::Registry(_)
            | Decision::Erased(_)
            | Decision::Delivery(_)
            | Decision::Observed(_)
            | Decision::Repeated => {}
        }
    }

    fn apply_entity(&mut self, kind: EventKind, entity: &Entity) {
        match entity {
            Entity::Incident(incident) => {
                count(&mut self.counters.incident, incident.id.raw());
                self.alerting.apply_incident((**incident).clone());
            }
            Entity::Case(case) => {
                count(&mut self.counters.case, case.id.raw());
                self.casework.apply_case((**case).clone());
            }
            Entity::Attempt(attempt) => {
                count(&mut self.counters.attempt, attempt.id.raw());
                self.reach.note(kind, attempt);
                match (attempt.campaign, attempt.case) {
                    (Some(_), _) => self.rounds.apply_attempt((**attempt).clone()),
                    (None, Some(_)) => self.case_messages.apply_attempt((**attempt).clone()),
                    (None, None) => self.alerting.apply_attempt((**attempt).clone()),
                }
            }
            Entity::DownCommand(command) => {
                count(&mut self.counters.down_command, command.id.raw());
                self.down_commands.apply((**command).clone());
            }
            Entity::Device(_) | Entity::Registry(_) | Entity::Erasure(_) => {}
            Entity::Task(task) => {
                count(&mut self.counters.task, task.id.raw());
                self.reach.apply_task((**task).clone());
            }
            Entity::Campaign(campaign) => {
                count(&mut self.counters.campaign, campaign.id.raw());
                self.rounds.apply_campaign((**campaign).clone());
            }
            Entity::CampaignCall(call) => self.rounds.apply_call((**call).clone()),
            Entity::Patrol(patrol) => count(&mut self.counters.patrol, patrol.id.raw()),
            Entity::Duty(roster) => self.casework.apply_roster((**roster).clone()),
        }
    }

    /// A change may meet a directory of which some slices were written down after it: those keep what they have.
    fn apply_registry(&mut self, seq: u64, change: &model::RegistryChange) {
        if seq > self.loaded_through && !self.directory.holds_any(seq) {
            self.faults += self.directory.apply(change, self.zone, seq) as u64;
            return;
        }
        let mut change = change.clone();
        let Directory { people, wearers, devices, .. } = &self.directory;
        change.people.retain(|p| people.slot(&p.id).is_none_or(|slot| !people.holds(slot, seq)));
        change.wearers.retain(|w| wearers.slot(&w.id).is_none_or(|slot| !wearers.holds(slot, seq)));
        change.devices.retain(|d| devices.slot(&d.id).is_none_or(|slot| !devices.holds(slot, seq)));
        if seq <= self.loaded_through {
            change.orgs.clear();
        }
        self.faults += self.directory.apply(&change, self.zone, seq) as u64;
    }
}

/// A counter has at least counted this id.
fn count(counter: &mut u64, raw: u64) {
    *counter = (*counter).max(raw & ((1 << 56) - 1));
}
