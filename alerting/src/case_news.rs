//! What becomes of an incident's case, as far as it concerns the incident: whoever says at the case that they go, are there
//! or are done has said it of the alarm, too. Nobody's phone rings for what somebody stands at the door for.

use model::{Counters, EventKind, IncidentId, IncidentState, PersonId, Timestamp};

use crate::Output;
use crate::book::Book;
use crate::turn::Turn;
use crate::wording::{LocalTime, Lost};

/// What became of a case.
#[derive(Debug, Clone, Copy)]
pub enum CaseNews<'a> {
    /// Somebody took it and goes there themselves.
    Accepted,
    /// Somebody is there.
    Arrived,
    /// It is with this person no longer; whether they gave it back themselves.
    TakenFrom {
        /// Else it was given to somebody else.
        gave_back: bool,
    },
    /// It was closed, as this, with this remark. `seen_to`: when somebody was there or spoke to the wearer, last.
    Closed {
        /// What it was, 1–64 bytes.
        disposition: &'a str,
        /// The remark.
        note: &'a str,
        /// When somebody was there or spoke to the wearer, last.
        seen_to: Timestamp,
    },
}

/// Takes it in; what does not fit the incident as it stands changes nothing.
pub(crate) fn heard(
    book: &mut Book,
    counters: &mut Counters,
    time: LocalTime,
    id: IncidentId,
    (person, name): (&PersonId, &str),
    news: CaseNews<'_>,
) -> Vec<Output> {
    let Some(mut turn) = Turn::open(book, counters, time, id) else { return Vec::new() };
    let waits = matches!(turn.incident.state, IncidentState::Notifying | IncidentState::Exhausted);
    match news {
        CaseNews::Accepted if waits => {
            turn.know(person, name);
            turn.acknowledge(person, None);
        }
        CaseNews::Arrived if waits || turn.incident.state == IncidentState::Acknowledged => {
            turn.know(person, name);
            turn.arrive(person);
        }
        CaseNews::TakenFrom { gave_back }
            if turn.incident.state == IncidentState::Acknowledged && turn.is_counted_on(person) =>
        {
            turn.end_lease(if gave_back { Lost::CannotGo } else { Lost::Relieved });
        }
        CaseNews::Closed { disposition, note, seen_to } if turn.incident.state.is_open() => {
            let incident = &turn.incident;
            let is_whole = incident.occurrence_count as usize <= incident.occurrences.len();
            if is_whole && incident.occurrences.iter().all(|occurrence| occurrence.at <= seen_to) {
                turn.know(person, name);
                turn.resolve(person, disposition, note);
            } else {
                let remark =
                    "工单已结案；此后又有报警，事件未随之结束 / its case was closed; what happened since is open";
                turn.note(person, remark.to_owned());
                turn.tell(EventKind::IncidentNoted);
            }
        }
        CaseNews::Accepted | CaseNews::Arrived | CaseNews::TakenFrom { .. } | CaseNews::Closed { .. } => {}
    }
    turn.finish()
}
