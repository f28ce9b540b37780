//! The community case (工单): filed by itself for an SOS or a fall, or by somebody for an incident, a report or a
//! patrol; taken through the table of `model::case` by people, and whistled upward by itself when a stage is late.
//!
//! Pure: time and counters come from the caller. Every change comes out as the full state of the case, so that
//! applying the outputs in order ([`Casework::apply_case`]) rebuilds exactly the state that decided them.

mod action;
mod book;
mod calendar;
mod check;
mod duty;
mod filing;
mod place;
mod receipt;
mod sla;
mod story;

use compact_str::CompactString;
use model::case::{CaseFiling, CaseRequest, Joined, PatrolOrder, Receipt, WhistleLevel};
use model::erasure::{Erasure, Names};
use model::registry::WeeklyWindow;
use model::{
    Actor, Case, CaseId, Counters, DutyRoster, EventKind, Incident, IncidentId, OrgPath, Patrol, PersonId, Problem,
    Timestamp, WearerId,
};

pub use book::{ENDED_KEPT_SECONDS, Snapshot};
pub use calendar::Calendar;
pub use check::{FALSE_ALARM, STEPS_MAX, seen_to};
pub use filing::{PATROL_VISITS_MAX, Visited};
pub use place::{CHECK_IN_ACCURACY_M_MAX, CHECK_IN_RADIUS_M};
pub use sla::{Limit, Sla, StageLimits};
pub use story::{LATE_AND_FULL_SECONDS, LATE_AT_THE_TOP_SECONDS};

use book::Book;

/// All open cases and the recently ended ones, and who is on duty.
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
    /// An incident's elder belongs to another organisation now.
    IncidentMoved(&'a Incident),
    /// An incident was ended: noted on its case, which goes on until somebody closes it.
    IncidentResolved(IncidentId),
    /// An elder is about to be erased, again, from a backup of when cases were open about them.
    Erasing(&'a WearerId),
    /// What the engine itself has to say about a case: written down, if it is open.
    Remark {
        /// Which.
        case: CaseId,
        /// What.
        text: &'a str,
    },
    /// Somebody hands an incident of any kind to the community: once, a second time changes nothing.
    FileFor {
        /// Who.
        actor: &'a Actor,
        /// Which.
        incident: &'a Incident,
        /// What they add.
        text: &'a str,
    },
    /// Somebody reports something (随手拍).
    Report {
        /// Who.
        actor: &'a Actor,
        /// What.
        filing: &'a CaseFiling,
        /// Where it belongs: their own or the wearer's; `None`: that is not known.
        org: Option<&'a OrgPath>,
    },
    /// Somebody asked for something.
    Action {
        /// On which case.
        id: CaseId,
        /// Who.
        actor: &'a Actor,
        /// The version that they saw; required for `dispatch`, `close`, `reassign` and `hand_off`.
        if_match: Option<u32>,
        /// What.
        request: &'a CaseRequest,
    },
    /// Another system says how far it is.
    Receipt {
        /// With which case.
        id: CaseId,
        /// Who speaks for it.
        actor: &'a Actor,
        /// What it says.
        receipt: &'a Receipt,
    },
    /// Somebody writes a duty roster.
    Duty {
        /// Who.
        actor: &'a Actor,
        /// The version that they saw; required to replace one.
        if_match: Option<u32>,
        /// The roster.
        roster: &'a DutyRoster,
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
        case: Box<Case>,
        /// Which members changed; empty for a new one.
        changed: Vec<CompactString>,
    },
    /// A patrol began. Its visits follow.
    Patrol(Patrol),
    /// A duty roster was written.
    Duty(DutyRoster),
    /// It was refused and nothing changed. Stands alone.
    Refused(Problem),
}

impl Casework {
    /// With other limits than the default ones. Cases that are open keep the due times that they have.
    pub fn set_sla(&mut self, sla: Sla) {
        self.sla = sla;
    }

    /// Working time and duty are in the configured zone.
    pub fn set_utc_offset_minutes(&mut self, minutes: i32) {
        self.sla.calendar.utc_offset_minutes = minutes;
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input<'_>, now: Timestamp, counters: &mut Counters) -> Vec<Output> {
        let Casework { book, sla } = self;
        match input {
            Input::Incident(incident) => filing::file(book, sla, incident, now, counters),
            Input::IncidentMoved(incident) => filing::follow(book, incident, now),
            Input::Erasing(wearer) => filing::erasing(book, wearer, now),
            Input::Remark { case, text } => filing::remark(book, case, text.to_owned(), now),
            Input::IncidentResolved(incident) => filing::note_resolved(book, incident, now),
            Input::FileFor { actor, incident, text } => {
                filing::file_for(book, sla, actor, incident, text, now, counters)
            }
            Input::Report { actor, filing, org } => match org {
                Some(org) if actor.scope.contains(org) => {
                    filing::file_report(book, sla, actor, filing, org, now, counters)
                }
                _ => vec![Output::Refused(filing::nowhere())],
            },
            Input::Action { id, actor, if_match, request } => {
                action::act(book, sla, id, action::Asked { actor, if_match, request, by_receipt: false }, now)
            }
            Input::Receipt { id, actor, receipt } => receipt::take(book, sla, id, actor, receipt, now),
            Input::Duty { actor, if_match, roster } => duty::set(book, actor, if_match, roster, now),
        }
    }

    /// Begins a patrol: one visit for each who has none open. The patrol comes first, then its visits.
    pub fn patrol(
        &mut self,
        actor: &Actor,
        order: &PatrolOrder,
        visited: Vec<Visited>,
        now: Timestamp,
        counters: &mut Counters,
    ) -> Vec<Output> {
        filing::patrol(&mut self.book, &self.sla, actor, order, visited, now, counters)
    }

    /// When a stage is late next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.book.next_due()
    }

    /// Whistles every case upward whose stage is late by `now`, each once. Costs as many steps as cases are due.
    pub fn advance(&mut self, now: Timestamp, _counters: &mut Counters) -> Vec<Output> {
        let due = self.book.due_by(now);
        due.into_iter().filter_map(|id| story::whistle_late(&mut self.book, &self.sla, id, now)).collect()
    }

    /// Recovery: a case as it was decided.
    pub fn apply_case(&mut self, case: Case) {
        self.book.put(case);
    }

    /// Recovery: a duty roster as it was written.
    pub fn apply_roster(&mut self, roster: DutyRoster) {
        self.book.put_roster(roster);
    }

    /// Forgets somebody who was erased. Deciding and recovery do this alike.
    pub fn erase(&mut self, erasure: &Erasure, names: &Names) {
        self.book.erase(erasure, names);
    }

    /// Whether a case is open about an erased wearer, or held by an erased person: which.
    #[must_use]
    pub fn open_about(&self, erasure: &Erasure) -> Option<CaseId> {
        let is_theirs = |case: &&Case| {
            case.wearer.as_ref().is_some_and(|wearer| erasure.is_wearer(wearer))
                || case.handler.as_ref().is_some_and(|handler| erasure.is_person(handler))
        };
        self.book.open_cases().find(is_theirs).map(|case| case.id)
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

    /// The cases that were merged into one, the newest first, and then those that were merged into them.
    #[must_use]
    pub fn merged_into(&self, case: &Case) -> Vec<&Case> {
        self.book.merged_into(case)
    }

    /// The open case in which the case of an incident goes on: that one, or the one that it was merged into.
    #[must_use]
    pub fn goes_on_in(&self, incident: IncidentId) -> Option<&Case> {
        self.book.case_of(incident).and_then(|case| self.book.goes_on_in(case))
    }

    /// Every case in which somebody still has to do something, oldest first.
    pub fn open_cases(&self) -> impl Iterator<Item = &Case> {
        self.book.open_cases()
    }

    /// Who would join a case of an organisation at a level now.
    #[must_use]
    pub fn on_duty(&self, org: &OrgPath, level: WhistleLevel, now: Timestamp) -> Joined {
        duty::join(&self.book, &self.sla.calendar, org, level, now)
    }

    /// Who is on the roster of an organisation's desk, with their hours: of its departments those that join first, and
    /// none of the district's (民政, 卫健), which see to cases and not to alarms.
    #[must_use]
    pub fn desk_roster(&self, org: &OrgPath) -> Vec<(PersonId, Vec<WeeklyWindow>)> {
        duty::of_desk(&self.book, org)
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
