//! Somebody at the desk who sees to what was raised: stands at the door, and ends it.

use std::collections::BTreeSet;

use model::{Entity, Event, EventKind, IncidentId};

use crate::scenario::Scenario;
use crate::town::truth::{Ms, SECOND};

/// How long before the end somebody stands at the door.
const AT_THE_DOOR: Ms = 60 * SECOND;

/// The desk, if the scenario has one that acts.
#[derive(Debug)]
pub(super) struct Staffing {
    resolve_after: Option<Ms>,
    seen: BTreeSet<IncidentId>,
}

impl Staffing {
    pub(super) fn new(scenario: &Scenario) -> Staffing {
        let resolve_after = scenario.staff.map(|staff| Ms::from(staff.resolve_after_s) * SECOND);
        Staffing { resolve_after, seen: BTreeSet::new() }
    }

    /// What the desk will do about an event: after how long, to which incident, and whether that ends it.
    pub(super) fn notice(&mut self, event: &Event) -> Vec<(Ms, IncidentId, bool)> {
        let (Some(after), Entity::Incident(incident)) = (self.resolve_after, &event.entity) else { return Vec::new() };
        if event.kind != EventKind::IncidentRaised || !self.seen.insert(incident.id) {
            return Vec::new();
        }
        vec![((after - AT_THE_DOOR).max(0), incident.id, false), (after, incident.id, true)]
    }
}
