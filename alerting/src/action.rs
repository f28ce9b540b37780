//! What people ask of an incident over the API: checked against the table, then done.

use model::incident::{IncidentAction, IncidentState, NOTES_MAX};
use model::registry::Role;
use model::{Actor, Counters, Escalation, EventKind, Incident, IncidentId, PersonId, Problem, ProblemCode, Purpose};

use crate::Output;
use crate::book::Book;
use crate::turn::{Turn, holder_of, name_in};
use crate::wording::LocalTime;

/// The longest disposition, in bytes.
pub(crate) const DISPOSITION_BYTES_MAX: usize = 64;
/// The longest remark, in bytes.
pub(crate) const NOTE_BYTES_MAX: usize = 2_000;

/// What is asked.
pub(crate) struct Request<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) action: IncidentAction,
    pub(crate) if_match: Option<u32>,
    pub(crate) note: Option<&'a str>,
    pub(crate) disposition: Option<&'a str>,
    pub(crate) on_behalf_of: Option<&'a PersonId>,
    pub(crate) name: &'a str,
}

/// Does it, or says why not.
pub(crate) fn act(
    book: &mut Book,
    counters: &mut Counters,
    time: LocalTime,
    id: IncidentId,
    request: &Request<'_>,
) -> Vec<Output> {
    if let Err(problem) = check(book, id, request) {
        return vec![Output::Refused(problem)];
    }
    let Some(mut turn) = Turn::open(book, counters, time, id) else {
        return vec![Output::Refused(Problem::not_found("the incident"))];
    };
    let who = request.on_behalf_of.unwrap_or(&request.actor.person);
    if matches!(request.action, IncidentAction::Acknowledge | IncidentAction::Arrive) {
        turn.know(who, request.name);
    }
    let remark = remark(&turn, request);
    if let Some(remark) = remark
        && request.action != IncidentAction::Resolve
    {
        turn.note(&request.actor.person, remark);
    }
    match request.action {
        IncidentAction::Acknowledge => turn.acknowledge(who, None),
        IncidentAction::Extend => turn.extend(),
        IncidentAction::Arrive => turn.arrive(who),
        IncidentAction::Resolve => {
            let disposition = request.disposition.unwrap_or_default().trim();
            turn.resolve(&request.actor.person, disposition, request.note.unwrap_or_default().trim());
        }
        IncidentAction::Escalate => {
            turn.cancel_unsent(|purpose| purpose == Purpose::Taken);
            turn.exhaust(IncidentAction::Escalate);
        }
        IncidentAction::Reopen => turn.reopen(),
        IncidentAction::Note => turn.tell(EventKind::IncidentNoted),
        IncidentAction::TakeOrder => turn.take_order(&request.actor.person),
        // Of the engine itself; the table lets nobody ask for them.
        IncidentAction::Notify | IncidentAction::ExpireLease | IncidentAction::Exhaust | IncidentAction::Recur => {}
    }
    turn.finish()
}

/// What is written down beside the action: the remark, and on whose behalf it was done.
fn remark(turn: &Turn<'_>, request: &Request<'_>) -> Option<String> {
    let said = request.note.map(str::trim).filter(|note| !note.is_empty());
    let goes = request.on_behalf_of.filter(|person| **person != request.actor.person);
    match (goes, said) {
        (Some(person), Some(said)) => Some(format!("代 {} 确认：{said}", turn.name_of(person))),
        (Some(person), None) => Some(format!("代 {} 确认", turn.name_of(person))),
        (None, said) => said.map(str::to_owned),
    }
}

fn check(book: &Book, id: IncidentId, request: &Request<'_>) -> Result<(), Problem> {
    let not_found = || Problem::not_found("the incident");
    let incident = book.incident(id).ok_or_else(not_found)?;
    let calling = book.escalation(id).ok_or_else(not_found)?;
    if !is_visible_to(request.actor, incident, calling) {
        return Err(not_found());
    }
    let row = request.action.in_state(incident.state).ok_or_else(|| illegal(incident, calling, request))?;
    if !row.who.contains(&request.actor.role) {
        let mut problem =
            Problem::new(ProblemCode::NotAllowed, "your role may not do this to an incident", "您的角色无权执行此操作");
        problem.allowed_actions = allowed(incident, request.actor);
        return Err(problem);
    }
    if !is_theirs(incident, request.actor, request.action) {
        return Err(illegal(incident, calling, request));
    }
    check_version(incident, request)?;
    check_texts(incident, request)?;
    if request.action == IncidentAction::Reopen {
        check_nothing_newer(book, incident)?;
    }
    Ok(())
}

/// Whom it concerns: guardians only of this elder, everybody else by their part of the tree.
fn is_visible_to(actor: &Actor, incident: &Incident, calling: &Escalation) -> bool {
    let cares = actor.role != Role::Guardian || calling.guardians.iter().any(|g| g.person == actor.person);
    cares && actor.scope.contains(&incident.org)
}

/// A stale view does no harm to "I am going"; it may to "somebody is there" and "it is over".
fn check_version(incident: &Incident, request: &Request<'_>) -> Result<(), Problem> {
    let could_harm =
        matches!(request.action, IncidentAction::Arrive | IncidentAction::Resolve | IncidentAction::Reopen);
    match request.if_match {
        Some(seen) if could_harm && seen != incident.version => {
            let detail = format!("you saw version {seen}, it is at {} now; look again", incident.version);
            let detail_zh = format!("您看到的是版本 {seen}，现为 {}，请刷新后再操作", incident.version);
            let mut problem = Problem::new(ProblemCode::Stale, detail, detail_zh);
            problem.version = Some(incident.version);
            Err(problem)
        }
        _ => Ok(()),
    }
}

fn check_texts(incident: &Incident, request: &Request<'_>) -> Result<(), Problem> {
    let mut errors: Vec<(&str, &str, &str)> = Vec::new();
    if request.note.is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
        errors.push(("/note", "longer than 2 000 bytes", "超过 2000 字节"));
    }
    if request.action == IncidentAction::Note && request.note.is_none_or(|note| note.trim().is_empty()) {
        errors.push(("/note", "required", "必填"));
    }
    if request.action == IncidentAction::Resolve {
        match request.disposition.map(str::trim) {
            None | Some("") => errors.push((
                "/disposition",
                "required: what it was, e.g. helped, false_alarm",
                "必填：处置结果，如 helped、false_alarm",
            )),
            Some(text) if text.len() > DISPOSITION_BYTES_MAX => {
                errors.push(("/disposition", "longer than 64 bytes", "超过 64 字节"));
            }
            Some(_) => {}
        }
    }
    if !errors.is_empty() {
        let problem = Problem::new(ProblemCode::Invalid, "the request is not complete", "请求内容不符合要求，详见各项");
        return Err(errors.into_iter().fold(problem, |problem, (pointer, what, zh)| problem.at(pointer, what, zh)));
    }
    if request.action == IncidentAction::Note && incident.notes.len() >= NOTES_MAX {
        return Err(Problem::new(
            ProblemCode::LimitReached,
            "the incident holds as many remarks as it may",
            "该事件的备注数量已达上限",
        ));
    }
    Ok(())
}

/// One open incident per wearer and kind: what happened since goes on under its own number.
fn check_nothing_newer(book: &Book, incident: &Incident) -> Result<(), Problem> {
    match book.open_of(&incident.wearer).find(|other| other.kind == incident.kind) {
        None => Ok(()),
        Some(newer) => Err(Problem::new(
            ProblemCode::IllegalInState,
            format!("incident {} of the same kind is open for this wearer; act on that one", newer.id),
            format!("该老人已有同类事件 {} 正在处理，请在该事件上操作", newer.id),
        )),
    }
}

fn illegal(incident: &Incident, calling: &Escalation, request: &Request<'_>) -> Problem {
    let holder = holder_of(incident).filter(|_| incident.state.is_open());
    let (detail, detail_zh) = match (incident.state, holder) {
        (IncidentState::Acknowledged, Some(holder)) => {
            let name = name_in(calling, holder);
            (format!("already acknowledged by {name}"), format!("已由 {name} 确认"))
        }
        (IncidentState::OnSite, Some(holder)) => {
            let name = name_in(calling, holder);
            (format!("{name} is on site"), format!("{name} 已到场"))
        }
        (IncidentState::Resolved, _) => ("the incident is resolved".to_owned(), "事件已结束".to_owned()),
        _ => {
            let action = request.action.name();
            (format!("{action} is not possible now"), "当前状态下不能执行此操作".to_owned())
        }
    };
    let mut problem = Problem::new(ProblemCode::IllegalInState, detail, detail_zh);
    problem.allowed_actions = allowed(incident, request.actor);
    problem.holder = holder.cloned();
    problem
}

/// A guardian arrives, or asks for more time, only where they said that they go: it is what calling stops for, and a link
/// may have been passed on.
fn is_theirs(incident: &Incident, actor: &Actor, action: IncidentAction) -> bool {
    actor.role != Role::Guardian
        || !matches!(action, IncidentAction::Arrive | IncidentAction::Extend)
        || incident.acknowledged_by.as_ref().is_some_and(|going| going.person == actor.person)
}

fn allowed(incident: &Incident, actor: &Actor) -> Vec<compact_str::CompactString> {
    let actions = IncidentAction::allowed(incident.state, actor.role).into_iter();
    actions.filter(|action| is_theirs(incident, actor, *action)).map(|action| action.name().into()).collect()
}
