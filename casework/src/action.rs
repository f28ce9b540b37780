//! What people do to a case, after the table.

use model::incident::Note;
use model::registry::Role;
use model::{Actor, Case, CaseAction, CaseId, CaseState, CaseStep, EventKind, PersonId, Problem, Timestamp};

use crate::Output;
use crate::book::Book;
use crate::check::check;
use crate::filing::{level_above, write};
use crate::sla::Sla;

/// What is asked.
pub(crate) struct Request<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) action: CaseAction,
    pub(crate) if_match: Option<u32>,
    pub(crate) note: Option<&'a str>,
    pub(crate) handler: Option<&'a PersonId>,
    pub(crate) disposition: Option<&'a str>,
    pub(crate) into: Option<CaseId>,
    pub(crate) rating: Option<u8>,
}

/// Does it, or says why not.
pub(crate) fn act(book: &mut Book, sla: &Sla, id: CaseId, request: &Request<'_>, now: Timestamp) -> Vec<Output> {
    let visible = book.case(id).filter(|case| request.actor.scope.contains(&case.org));
    let Some(case) = visible else { return vec![Output::Refused(Problem::not_found("the case"))] };
    let row = match check(book, case, request) {
        Ok(row) => row,
        Err(problem) => return vec![Output::Refused(problem)],
    };
    let mut case = case.clone();
    take(&mut case, request, now);
    if row.from != row.to || request.action == CaseAction::Reassign {
        case.due_at = sla.seconds(case.kind, row.to).map(|seconds| now.plus_seconds(seconds.max(1)));
    }
    case.state = row.to;
    if request.action != CaseAction::Note {
        case.steps.push(step(request, row.to, said(request), now));
    }
    let mut outputs = vec![write(book, case, row.event.unwrap_or(EventKind::CaseNoted), now)];
    if request.action == CaseAction::Merge
        && let Some(target) = request.into.and_then(|into| book.case(into)).cloned()
    {
        outputs.push(take_over(book, target, id, request, now));
    }
    outputs
}

/// What the action does to the case's members, beside its state, clock and steps.
fn take(case: &mut Case, request: &Request<'_>, now: Timestamp) {
    match request.action {
        CaseAction::Dispatch | CaseAction::Reassign => case.handler = request.handler.cloned(),
        CaseAction::Accept => case.handler = Some(acceptor(case, request)),
        CaseAction::Return if case.state == CaseState::Accepted || case.state == CaseState::Dispatched => {
            case.handler = None;
        }
        CaseAction::Close => case.disposition = request.disposition.map(|text| text.trim().to_owned()),
        CaseAction::Reopen => {
            case.handler = None;
            case.disposition = None;
            case.rating = None;
        }
        CaseAction::Rate => case.rating = request.rating,
        CaseAction::Whistle => case.level = level_above(case.level).unwrap_or(case.level),
        CaseAction::Note => {
            let text = said(request).unwrap_or_default();
            case.notes.push(Note { by: request.actor.person.clone(), at: now, text });
        }
        CaseAction::File
        | CaseAction::Reject
        | CaseAction::Arrive
        | CaseAction::Feedback
        | CaseAction::Return
        | CaseAction::Verify
        | CaseAction::Merge => {}
    }
}

/// Whose the case is after an acceptance: a worker or volunteer takes it themselves; staff may name who does, and
/// otherwise answer for whom it was dispatched to.
fn acceptor(case: &Case, request: &Request<'_>) -> PersonId {
    let own = matches!(request.actor.role, Role::GridWorker | Role::Volunteer);
    let named = request.handler.filter(|_| !own).or(case.handler.as_ref().filter(|_| !own));
    named.unwrap_or(&request.actor.person).clone()
}

/// The case that another was merged into notes it.
fn take_over(book: &mut Book, mut target: Case, merged: CaseId, request: &Request<'_>, now: Timestamp) -> Output {
    let remark = match said(request) {
        Some(reason) => format!("{merged} 并入 / merged: {reason}"),
        None => format!("{merged} 并入 / merged"),
    };
    target.steps.push(step(request, target.state, Some(remark), now));
    write(book, target, EventKind::CaseNoted, now)
}

fn step(request: &Request<'_>, state: CaseState, note: Option<String>, at: Timestamp) -> CaseStep {
    let (by, role) = (Some(request.actor.person.clone()), Some(request.actor.role));
    CaseStep { action: request.action, state, by, role, at, note }
}

fn said(request: &Request<'_>) -> Option<String> {
    request.note.map(str::trim).filter(|note| !note.is_empty()).map(str::to_owned)
}
