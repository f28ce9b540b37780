//! The auditor: what was committed about every open incident, looked at from outside the loop that decides.

use std::collections::BTreeMap;

use model::{Escalation, Incident, IncidentId, IncidentState, Timestamp};

/// A step that is overdue by more than this is an alarm, in milliseconds.
pub const STEP_OVERDUE_MS_MAX: i64 = 5_000;

/// Keeps, of every open incident, whether it has a next step and when. Fed with what was committed, asked on a thread
/// of its own: a timer that was lost and a loop that stands still both show.
#[derive(Debug, Clone, Default)]
pub struct Auditor {
    open: BTreeMap<IncidentId, Step>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    state: IncidentState,
    due: Option<Timestamp>,
    has_calling: bool,
}

/// What is wrong with an open incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Nothing will ever happen by itself, and nobody stands at the door.
    NoNextStep(IncidentId),
    /// What should have happened has not.
    Overdue {
        /// Of which incident.
        incident: IncidentId,
        /// For how long, in milliseconds.
        by_ms: i64,
    },
}

impl Auditor {
    /// Takes note of an incident as committed.
    pub fn incident(&mut self, incident: &Incident) {
        if !incident.state.is_open() {
            self.open.remove(&incident.id);
            return;
        }
        let step = Step { state: incident.state, due: None, has_calling: false };
        self.open.entry(incident.id).or_insert(step).state = incident.state;
    }

    /// Takes note of an incident's calling as committed.
    pub fn escalation(&mut self, escalation: &Escalation) {
        self.step(escalation.incident, escalation.next_due);
    }

    /// The same, by what it says about the next step.
    pub fn step(&mut self, incident: IncidentId, next_due: Option<Timestamp>) {
        if let Some(step) = self.open.get_mut(&incident) {
            step.due = next_due;
            step.has_calling = true;
        }
    }

    /// Everything that is wrong at this time, by incident.
    #[must_use]
    pub fn look(&self, now: Timestamp) -> Vec<Finding> {
        let fault = |(id, step): (&IncidentId, &Step)| match step.due {
            _ if step.state == IncidentState::OnSite => None,
            None => step.has_calling.then_some(Finding::NoNextStep(*id)),
            Some(due) => {
                let by_ms = now.millis_since(due);
                (by_ms > STEP_OVERDUE_MS_MAX).then_some(Finding::Overdue { incident: *id, by_ms })
            }
        };
        self.open.iter().filter_map(fault).collect()
    }

    /// How many incidents are open that nobody goes to: not acknowledged, and nobody is there.
    #[must_use]
    pub fn untaken(&self) -> usize {
        use IncidentState::{Acknowledged, OnSite};
        self.open.values().filter(|step| !matches!(step.state, Acknowledged | OnSite)).count()
    }

    /// How many incidents are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }
}
