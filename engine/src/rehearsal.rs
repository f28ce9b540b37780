//! The engine without its edges, for whoever drives the time: a door that knows its devices, the decoder, the pure
//! pipeline, and a journal in memory to start again from. No socket, no disk, no clock: a virtual day takes seconds.
//!
//! What it leaves out is what happens between machines: connections, syncs, HTTP. What it decides is what the shipped
//! binary decides.

use chrono_tz::Tz;
use model::campaign::{CampaignKind, CampaignOrder};
use model::{
    Actor, Attempt, AttemptId, Decision, DeviceId, Event, IncidentAction, IncidentId, Input, OrgPath, PersonId, Record,
    Role, StaffCommand, Timestamp, WearerId,
};

use crate::authority::{Authority, DeviceCheck};
use crate::pipeline::Pipeline;
use crate::registry::{self, ImportContext, RowError};
use crate::secrets::Secrets;

/// The keys of a house that nobody else enters.
const PEPPER: [u8; 32] = [7; 32];

/// The engine's decisions, driven by hand. All verbs take the time at which something happens; it must not run
/// backwards.
pub struct Rehearsal {
    zone: Tz,
    pipeline: Pipeline,
    authority: Authority,
    secrets: Secrets,
    /// Everything that was decided, if a restart is to be possible.
    journal: Option<Vec<Record>>,
    records: Vec<Record>,
}

/// What the door says to a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is acknowledged; so many of its items were not readable and are in the quarantine.
    Taken {
        /// How many.
        rejected: usize,
    },
    /// The device is not who it says it is, or speaks for another: nothing was taken.
    NotAuthorised,
}

impl Rehearsal {
    /// An empty house whose hours are those of the default configuration (Asia/Shanghai). `remembers`: whether it
    /// keeps its journal, so that [`Rehearsal::restart`] is possible.
    #[must_use]
    pub fn new(remembers: bool) -> Rehearsal {
        let zone = Tz::Asia__Shanghai;
        Rehearsal {
            zone,
            pipeline: Pipeline::new(zone),
            authority: Authority::new(),
            secrets: Secrets::from_keys(&PEPPER, &PEPPER),
            journal: remembers.then(Vec::new),
            records: Vec::new(),
        }
    }

    /// Takes in a registry document, as `POST /api/v1/import` does. Every part must stand for itself.
    ///
    /// # Errors
    /// Every fault of the document, with the place at which it stands.
    pub fn import(&mut self, document: &[u8], at: Timestamp) -> Result<(), Vec<RowError>> {
        let change = {
            let secrets = &self.secrets;
            let context = ImportContext::new(registry::Nothing, |secret| secrets.device_secret_hmac(secret), self.zone);
            registry::validate(document, &context)?.change
        };
        self.authority.apply(&change);
        self.command(Role::Admin, StaffCommand::Import(Box::new(change)), at);
        Ok(())
    }

    /// A device that says it is `client` publishes on the topic of `device`.
    pub fn publish(&mut self, client: (&str, &str), device: &str, payload: &[u8], at: Timestamp) -> Answer {
        let (id, secret) = client;
        let check = self.authority.check_device(id, &self.secrets.device_secret_hmac(secret.as_bytes()));
        let DeviceCheck::Known(known) = check else { return Answer::NotAuthorised };
        if id != device {
            return Answer::NotAuthorised;
        }
        let mut rejected = 0;
        for item in ingest::decode(ingest::Format::Json, payload, &ingest::Limits::default()) {
            let input = match item {
                Ok(report) => Input::Report { device: known.clone(), report },
                Err(reject) => {
                    rejected += 1;
                    Input::Reject { device: Some(known.clone()), topic: "rehearsal".into(), reject }
                }
            };
            self.decide(input, at);
        }
        Answer::Taken { rejected }
    }

    /// A device's session begins or ends.
    pub fn connect(&mut self, device: &str, online: bool, at: Timestamp) {
        self.decide(Input::Connection { device: DeviceId::new(device), online }, at);
    }

    /// Anything else that comes in: what a provider says, what became of a sending.
    pub fn decide(&mut self, input: Input, at: Timestamp) {
        self.pipeline.decide(input, at, &mut self.records);
    }

    /// Somebody on the staff acts on an incident.
    pub fn act(&mut self, id: IncidentId, action: IncidentAction, note: &str, at: Timestamp) {
        let text = || Some(note.to_owned());
        let command = StaffCommand::Incident {
            id,
            action,
            if_match: None,
            note: text(),
            disposition: (action == IncidentAction::Resolve).then(|| "helped".to_owned()),
            on_behalf_of: None,
        };
        self.command(Role::Operator, command, at);
    }

    /// Somebody on the staff has these elders called, from now on for a day at most: how are you?
    pub fn call_round<'a>(
        &mut self,
        wearers: impl Iterator<Item = &'a str>,
        tries: u8,
        gap_seconds: u32,
        at: Timestamp,
    ) {
        let order = CampaignOrder {
            kind: CampaignKind::Welfare,
            name: "rehearsal".to_owned(),
            text: String::new(),
            window: None,
            tries,
            gap_seconds,
            until: at.plus_seconds(86_400),
            wearers: wearers.map(WearerId::new).collect(),
        };
        self.command(Role::Operator, StaffCommand::StartCampaign(Box::new(order)), at);
    }

    fn command(&mut self, role: Role, command: StaffCommand, at: Timestamp) {
        let actor = Actor { person: PersonId::new("rehearsal"), role, scope: OrgPath::new("/") };
        self.decide(Input::Command { actor, idempotency_key: None, command }, at);
    }

    /// Lets fire what is due by `now`.
    pub fn advance(&mut self, now: Timestamp) {
        self.pipeline.advance(now, &mut self.records);
    }

    /// When something fires by itself next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.pipeline.next_due()
    }

    /// How many things happened that must never happen; see [`Pipeline::faults`].
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.pipeline.faults()
    }

    /// What happened since the last call, as the feed tells it, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        let is_event = |decision: &Decision| match decision {
            Decision::Event(event) => Some((**event).clone()),
            _ => None,
        };
        let events = self.records.iter().flat_map(|record| record.decisions.iter().filter_map(is_event)).collect();
        match &mut self.journal {
            Some(journal) => journal.append(&mut self.records),
            None => self.records.clear(),
        }
        events
    }

    /// The process died and starts again: everything but the journal is lost. Returns the attempts that are to be
    /// sent (again). Without a journal nothing happens.
    pub fn restart(&mut self, at: Timestamp) -> Vec<Attempt> {
        let Some(journal) = &mut self.journal else { return Vec::new() };
        journal.append(&mut self.records);
        let down_since = self.pipeline.last_at();
        self.pipeline = Pipeline::new(self.zone);
        for (seq, record) in (1..).zip(journal.iter()) {
            self.pipeline.apply(seq, record);
        }
        self.decide(Input::Started { down_since: Some(down_since) }, at);
        self.pipeline.unsent_attempts().cloned().collect()
    }

    /// The attempt behind the id that a phone was told.
    #[must_use]
    pub fn attempt_id(text: &str) -> Option<AttemptId> {
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use model::{Entity, EventKind, Timestamp};
    use serde_json::json;

    use super::{Answer, Rehearsal};

    #[test]
    fn an_sos_calls_and_a_restart_forgets_nothing() {
        let start = Timestamp::from_millis(1_795_305_600_000);
        let registry = json!({
            "orgs": [{"path": "/a/b/", "name": "b", "desk": {"phone": "+8613800000010", "people": []}}],
            "people": [{"id": "g1", "role": "guardian", "name": "g", "phone": "+8613800000001"}],
            "wearers": [{"id": "w1", "name": "w", "org": "/a/b/", "guardians": ["g1"]}],
            "devices": [{"id": "b1", "kind": "bracelet", "wearer": "w1", "secret": "s"}],
        });
        let mut house = Rehearsal::new(true);
        house.import(registry.to_string().as_bytes(), start).unwrap();
        let sos = br#"{"type":"sos","id":"1"}"#;
        assert_eq!(house.publish(("b1", "wrong"), "b1", sos, start), Answer::NotAuthorised);
        assert_eq!(house.publish(("b1", "s"), "b2", sos, start), Answer::NotAuthorised);
        assert_eq!(house.publish(("b1", "s"), "b1", sos, start), Answer::Taken { rejected: 0 });
        let events = house.take_events();
        assert!(events.iter().any(|event| event.kind == EventKind::IncidentRaised));
        let called = events.iter().filter(|event| matches!(event.entity, Entity::Attempt(_))).count();
        assert!(called >= 2, "a text and a call: {called}");
        let unsent = house.restart(start.plus_seconds(3));
        assert_eq!(unsent.len(), called, "nothing had been handed over");
        assert_eq!(
            house.publish(("b1", "s"), "b1", br#"{"type":"fall"}"#, start.plus_seconds(4)),
            Answer::Taken { rejected: 0 }
        );
        assert!(house.next_due().is_some());
        assert_eq!(house.faults(), 0);
    }
}
