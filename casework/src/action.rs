//! What people do to a case, after the table.

use model::case::{Answer, CaseRecord, CaseRequest, CheckIn, External, RecordKind};
use model::incident::Note;
use model::registry::Role;
use model::{Actor, Case, CaseAction, CaseId, CaseStep, EventKind, PersonId, Problem, Timestamp};

use crate::Output;
use crate::book::Book;
use crate::check::{check, check_role};
use crate::place;
use crate::sla::Sla;
use crate::story::{level_above, rise, settle};

/// Who asks for what.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) if_match: Option<u32>,
    pub(crate) request: &'a CaseRequest,
    /// Whether another system speaks, through a receipt: it has no version to show.
    pub(crate) by_receipt: bool,
}

/// Does it, or says why not.
pub(crate) fn act(book: &mut Book, sla: &Sla, id: CaseId, asked: Asked<'_>, now: Timestamp) -> Vec<Output> {
    let visible = book.case(id).filter(|case| asked.actor.scope.contains(&case.org));
    let Some(case) = visible else { return vec![Output::Refused(Problem::not_found("the case"))] };
    if let Err(problem) = check_role(case, asked.request.action, asked.actor) {
        return vec![Output::Refused(problem)];
    }
    if is_done_already(case, asked.request) {
        return Vec::new();
    }
    let (after, kind) = match step_on(book, sla, case, asked, now) {
        Ok(done) => done,
        Err(problem) => return vec![Output::Refused(problem)],
    };
    let mut outputs = vec![settle(case, after, kind, now)];
    if asked.request.action == CaseAction::Merge
        && let Some(target) = asked.request.into.and_then(|into| book.case(into))
    {
        outputs.push(take_over(target, id, asked, now));
    }
    outputs.iter().for_each(|output| output.put_into(book));
    outputs
}

/// Whether the request asks for what is so already: a photo that is there, a system that has it.
fn is_done_already(case: &Case, request: &CaseRequest) -> bool {
    match request.action {
        CaseAction::Photo => {
            request.photo.as_ref().is_some_and(|photo| case.photos.iter().any(|there| there.hash == photo.hash))
        }
        CaseAction::HandOff => {
            let with = case.external.as_ref().map(|external| &external.system);
            with.is_some()
                && with == request.system.as_ref()
                && case.handler.as_ref().map(PersonId::as_str) == with.map(|s| s.as_str())
        }
        _ => false,
    }
}

/// The case after the action. Nothing is written down.
pub(crate) fn step_on(
    book: &Book,
    sla: &Sla,
    case: &Case,
    asked: Asked<'_>,
    now: Timestamp,
) -> Result<(Case, EventKind), Problem> {
    let row = check(book, case, asked, now)?;
    let request = asked.request;
    let mut case = case.clone();
    take(&mut case, asked, now);
    if let Some(handler) = case.handler.clone().filter(|handler| !case.handlers.contains(handler)) {
        case.handlers.push(handler);
    }
    if request.action == CaseAction::Whistle
        && let Some(level) = level_above(case.level)
    {
        rise(book, sla, &mut case, level, now);
    }
    if row.from != row.to || matches!(request.action, CaseAction::Reassign | CaseAction::HandOff) {
        case.due_at = sla.due(case.kind, row.to, now);
    }
    case.state = row.to;
    if request.action != CaseAction::Note {
        case.steps.push(step(asked, row.to, said(request), now));
    }
    Ok((case, row.event.unwrap_or(EventKind::CaseNoted)))
}

/// What the action does to the case's members, beside its state, level, clock and steps.
fn take(case: &mut Case, asked: Asked<'_>, now: Timestamp) {
    let Asked { actor, request, .. } = asked;
    match request.action {
        CaseAction::Dispatch | CaseAction::Reassign => case.handler.clone_from(&request.handler),
        CaseAction::Accept => case.handler = Some(acceptor(case, asked)),
        CaseAction::Return if !matches!(case.state, model::CaseState::Feedback | model::CaseState::Verified) => {
            case.handler = None;
        }
        CaseAction::Close => case.disposition = request.disposition.as_deref().map(|text| text.trim().to_owned()),
        CaseAction::Reject => case.disposition = request.disposition.as_deref().map(|text| text.trim().to_owned()),
        CaseAction::Reopen => {
            case.handler = None;
            case.external = None;
            case.disposition = None;
            case.rating = None;
        }
        CaseAction::Rate => case.rating = request.rating,
        CaseAction::Note => {
            let text = said(request).unwrap_or_default();
            case.notes.push(Note { by: actor.person.clone(), at: now, text });
        }
        CaseAction::CheckIn => case.check_ins.push(check_in(case, asked, now)),
        CaseAction::Arrive if request.spot.is_some() => case.check_ins.push(check_in(case, asked, now)),
        CaseAction::Voice | CaseAction::HandOver => case.records.push(record(asked, now)),
        CaseAction::Photo => {
            if let Some(mut photo) = request.photo.clone() {
                photo.by = actor.person.clone();
                photo.at = now;
                case.photos.push(photo);
            }
        }
        CaseAction::HandOff => {
            let system = request.system.clone().unwrap_or_default();
            case.handler = Some(PersonId::new(&system));
            case.external = Some(External { system, external_case_id: None, status: None, at: now });
        }
        CaseAction::Feedback => {
            let found = |id| request.answers.iter().find(|answer: &&Answer| answer.id == id);
            case.answers = case.form.iter().filter_map(|question| found(question.id.clone())).cloned().collect();
        }
        CaseAction::File
        | CaseAction::Arrive
        | CaseAction::Return
        | CaseAction::Verify
        | CaseAction::Merge
        | CaseAction::Receipt
        | CaseAction::Whistle => {}
    }
}

fn check_in(case: &Case, asked: Asked<'_>, now: Timestamp) -> CheckIn {
    let spot = asked.request.spot;
    let distance = spot.and_then(|spot| place::distance_m(case, spot));
    let is_there = spot.zip(distance).map(|(spot, metres)| place::is_there(spot, metres));
    let distance_m = distance.map(|metres| metres.round() as u32);
    CheckIn { by: asked.actor.person.clone(), at: now, spot, distance_m, is_there }
}

fn record(asked: Asked<'_>, now: Timestamp) -> CaseRecord {
    let request = asked.request;
    CaseRecord {
        kind: if request.action == CaseAction::Voice { RecordKind::Voice } else { RecordKind::HandOver },
        by: asked.actor.person.clone(),
        role: asked.actor.role,
        at: now,
        happened_at: request.happened_at.unwrap_or(now),
        with: request.with.as_deref().unwrap_or_default().trim().to_owned(),
        said: said(request).unwrap_or_default(),
    }
}

/// Whose the case is after an acceptance: a worker or volunteer takes it themselves; staff may name who does, and
/// otherwise answer for whom it was dispatched to.
fn acceptor(case: &Case, asked: Asked<'_>) -> PersonId {
    let own = matches!(asked.actor.role, Role::GridWorker | Role::Volunteer);
    let named = asked.request.handler.as_ref().filter(|_| !own).or(case.handler.as_ref().filter(|_| !own));
    named.unwrap_or(&asked.actor.person).clone()
}

/// The case that another was merged into notes it, and [`taken_over`] reads which.
fn take_over(target: &Case, merged: CaseId, asked: Asked<'_>, now: Timestamp) -> Output {
    let remark = match said(asked.request) {
        Some(reason) => format!("{merged} 并入：{reason} / {merged} merged: {reason}"),
        None => format!("{merged} 并入 / {merged} merged"),
    };
    let mut after = target.clone();
    after.steps.push(step(asked, target.state, Some(remark), now));
    settle(target, after, EventKind::CaseNoted, now)
}

/// Which case was merged into the one that has this step, if it tells of that. A case has no member for it.
pub(crate) fn taken_over(step: &CaseStep) -> Option<CaseId> {
    // The step of the one that was merged says why, in somebody's words.
    let tells = step.action == CaseAction::Merge && step.state != model::CaseState::Merged;
    let remark = step.note.as_deref().filter(|_| tells)?;
    remark.split(' ').next()?.parse().ok()
}

fn step(asked: Asked<'_>, state: model::CaseState, note: Option<String>, at: Timestamp) -> CaseStep {
    let (by, role) = (Some(asked.actor.person.clone()), Some(asked.actor.role));
    CaseStep { action: asked.request.action, state, by, role, at, note }
}

pub(crate) fn said(request: &CaseRequest) -> Option<String> {
    request.note.as_deref().map(str::trim).filter(|note| !note.is_empty()).map(str::to_owned)
}
