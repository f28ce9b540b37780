//! The community case (工单): filed by itself for an SOS or a fall, taken through the table of `model::case` by
//! people, and whistled upward by itself when a stage is late.
//!
//! Pure: time and counters come from the caller. Every change comes out as the full state of the case, so that
//! applying the outputs in order ([`Casework::apply_case`]) rebuilds exactly the state that decided them.

mod action;
mod book;
mod check;
mod filing;
mod sla;

use compact_str::CompactString;
use model::{Actor, Case, CaseAction, CaseId, Counters, EventKind, Incident, IncidentId, PersonId, Problem, Timestamp};

pub use book::{ENDED_KEPT_SECONDS, Snapshot};
pub use check::{STEPS_MAX, VOICE_CONFIRMATIONS, is_voice_confirmation};
pub use filing::LATE_AT_THE_TOP_SECONDS;
pub use sla::{Sla, StageLimits};

use book::Book;

/// All open cases and the recently ended ones.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Casework {
    book: Book,
    sla: Sla,
}

/// What casework is told.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// An incident was raised or changed. One with an SOS or a fall gets a case, once; others get none.
    Incident(&'a Incident),
    /// An incident was ended: noted on its case, which goes on until somebody closes it.
    IncidentResolved(IncidentId),
    /// Somebody asked for something.
    Action {
        /// On which case.
        id: CaseId,
        /// Who.
        actor: &'a Actor,
        /// What.
        action: CaseAction,
        /// The version that they saw; required for `dispatch`, `close` and `reassign`.
        if_match: Option<u32>,
        /// Remark or reason, at most 2 000 bytes.
        note: Option<&'a str>,
        /// For `dispatch`, `reassign` and, by a member of staff, `accept`: who.
        handler: Option<&'a PersonId>,
        /// For `close`: what it was, 1–64 bytes.
        disposition: Option<&'a str>,
        /// For `merge`: into which.
        into: Option<CaseId>,
        /// For `rate`: 1–5.
        rating: Option<u8>,
    },
}

/// What casework decided.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A case was filed or changed.
    Case {
        /// How the feed tells it.
        kind: EventKind,
        /// The case after the change.
        case: Case,
        /// Which members changed; empty for a new one.
        changed: Vec<CompactString>,
    },
    /// An action was refused and nothing changed. Stands alone.
    Refused(Problem),
}

impl Casework {
    /// With other limits than the default ones. Cases that are open keep the due times that they have.
    pub fn set_sla(&mut self, sla: Sla) {
        self.sla = sla;
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input<'_>, now: Timestamp, counters: &mut Counters) -> Vec<Output> {
        match input {
            Input::Incident(incident) => filing::file(&mut self.book, &self.sla, incident, now, counters),
            Input::IncidentResolved(incident) => filing::note_resolved(&mut self.book, incident, now),
            Input::Action { id, actor, action, if_match, note, handler, disposition, into, rating } => {
                let request = action::Request { actor, action, if_match, note, handler, disposition, into, rating };
                action::act(&mut self.book, &self.sla, id, &request, now)
            }
        }
    }

    /// When a stage is late next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.book.next_due()
    }

    /// Whistles every case upward whose stage is late by `now`, each once. Costs as many steps as cases are due.
    pub fn advance(&mut self, now: Timestamp, _counters: &mut Counters) -> Vec<Output> {
        let due = self.book.due_by(now);
        due.into_iter().filter_map(|id| filing::whistle_late(&mut self.book, &self.sla, id, now)).collect()
    }

    /// Recovery: a case as it was decided.
    pub fn apply_case(&mut self, case: Case) {
        self.book.put(case);
    }

    /// A case that is open or ended within [`ENDED_KEPT_SECONDS`].
    #[must_use]
    pub fn case(&self, id: CaseId) -> Option<&Case> {
        self.book.case(id)
    }

    /// The case of an incident.
    #[must_use]
    pub fn case_of(&self, incident: IncidentId) -> Option<&Case> {
        self.book.case_of(incident)
    }

    /// Every case in which somebody still has to do something, oldest first.
    pub fn open_cases(&self) -> impl Iterator<Item = &Case> {
        self.book.open_cases()
    }

    /// Everything, for the checkpoint.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.book.snapshot()
    }

    /// From a checkpoint; the limits are the default ones.
    #[must_use]
    pub fn restore(snapshot: Snapshot) -> Casework {
        Casework { book: Book::restore(snapshot), sla: Sla::default() }
    }
}
