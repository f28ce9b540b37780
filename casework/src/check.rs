//! Whether somebody may do what they ask of a case, and why not.

use compact_str::CompactString;
use model::case::WhistleLevel;
use model::incident::{NOTES_MAX, Transition};
use model::registry::Role;
use model::{Case, CaseAction, CaseState, Problem, ProblemCode};

use crate::action::Request;
use crate::book::Book;
use crate::filing::level_above;

/// How many steps a case holds; beyond it nothing is taken that leads back or to and fro.
pub const STEPS_MAX: usize = 1_000;
/// A remark that begins like this is the record of a telephone call that confirmed how the wearer is.
pub const VOICE_CONFIRMATIONS: &[&str] = &["电话确认", "语音确认", "voice confirmation"];
/// The longest remark, in bytes.
const NOTE_BYTES_MAX: usize = 2_000;
/// The longest disposition, in bytes.
const DISPOSITION_BYTES_MAX: usize = 64;

/// Whether a remark records that the wearer was spoken to over the telephone.
#[must_use]
pub fn is_voice_confirmation(note: &str) -> bool {
    let note = note.trim().to_lowercase();
    VOICE_CONFIRMATIONS.iter().any(|beginning| note.starts_with(beginning))
}

/// The row of the table that the request follows.
pub(crate) fn check(
    book: &Book,
    case: &Case,
    request: &Request<'_>,
) -> Result<&'static Transition<CaseState, CaseAction>, Problem> {
    let (action, role) = (request.action, request.actor.role);
    let row = action.in_state(case.state).ok_or_else(|| illegal(case, request))?;
    if !row.who.contains(&role) {
        let detail = "your role may not do this to a case";
        let mut problem = Problem::new(ProblemCode::NotAllowed, detail, "您的角色无权执行此操作");
        problem.allowed_actions = allowed(case.state, role);
        return Err(problem);
    }
    check_holder(case, request)?;
    check_version(case, request)?;
    check_members(case, request)?;
    check_limits(case, request)?;
    match action {
        CaseAction::Verify if case.handler.as_ref() == Some(&request.actor.person) => Err(Problem::new(
            ProblemCode::NotAllowed,
            "who handled a case does not verify it",
            "核查人不能是处理人本人",
        )),
        CaseAction::Close if case.kind.opens_case() && !is_seen_to(case, request) => Err(Problem::new(
            ProblemCode::Invalid,
            "an SOS or a fall is closed after somebody was on site, or with a note that begins with \
             'voice confirmation'",
            "SOS 或跌倒工单须有到场记录,或备注以“电话确认”开头的电话确认记录,方可结案",
        )),
        CaseAction::Merge => check_target(book, case, request).map(|()| row),
        CaseAction::Whistle if level_above(case.level).is_none() => Err(Problem::new(
            ProblemCode::IllegalInState,
            "the case is at the highest level already",
            "工单已在最高层级",
        )),
        _ => Ok(row),
    }
}

/// Workers and volunteers act on what they hold; what was given to another is the other's.
fn check_holder(case: &Case, request: &Request<'_>) -> Result<(), Problem> {
    let is_theirs = case.handler.as_ref().is_none_or(|handler| *handler == request.actor.person);
    let works = matches!(request.actor.role, Role::GridWorker | Role::Volunteer);
    let of_the_holder = matches!(
        request.action,
        CaseAction::Accept | CaseAction::Arrive | CaseAction::Feedback | CaseAction::Return | CaseAction::Close
    );
    if is_theirs || !works || !of_the_holder {
        return Ok(());
    }
    let holder = case.handler.as_ref().map_or_else(String::new, ToString::to_string);
    let detail = format!("the case is with {holder}");
    let mut problem = Problem::new(ProblemCode::IllegalInState, detail, format!("工单由 {holder} 处理"));
    problem.allowed_actions = vec![CaseAction::Whistle.name().into(), CaseAction::Note.name().into()];
    problem.holder = case.handler.clone();
    Err(problem)
}

fn check_version(case: &Case, request: &Request<'_>) -> Result<(), Problem> {
    let required = matches!(request.action, CaseAction::Dispatch | CaseAction::Close | CaseAction::Reassign);
    let indifferent = matches!(request.action, CaseAction::Note | CaseAction::Whistle);
    match request.if_match {
        None if required => {
            let detail = "If-Match with the version that you saw is required here";
            let mut problem = Problem::new(ProblemCode::VersionRequired, detail, "此操作须带 If-Match 版本号");
            problem.version = Some(case.version);
            Err(problem)
        }
        Some(seen) if seen != case.version && !indifferent => {
            let detail = format!("you saw version {seen}, it is at {} now; look again", case.version);
            let detail_zh = format!("您看到的是版本 {seen},现为 {},请刷新后再操作", case.version);
            let mut problem = Problem::new(ProblemCode::Stale, detail, detail_zh);
            problem.version = Some(case.version);
            problem.holder = case.handler.clone();
            Err(problem)
        }
        _ => Ok(()),
    }
}

/// Whether what the action needs is there and fits.
fn check_members(case: &Case, request: &Request<'_>) -> Result<(), Problem> {
    let action = request.action;
    let says_something = request.note.is_some_and(|note| !note.trim().is_empty());
    let disposition = request.disposition.map(str::trim).unwrap_or_default();
    let faults = [
        ("/note", "longer than 2 000 bytes", request.note.is_some_and(|note| note.len() > NOTE_BYTES_MAX)),
        ("/note", "required: the reason", action.needs_reason() && !says_something),
        ("/note", "required", action == CaseAction::Note && !says_something),
        (
            "/note",
            "required: why it was a false alarm",
            action == CaseAction::Close && disposition == "false_alarm" && !says_something,
        ),
        (
            "/handler",
            "required: to whom",
            matches!(action, CaseAction::Dispatch | CaseAction::Reassign) && request.handler.is_none(),
        ),
        (
            "/handler",
            "holds it already",
            action == CaseAction::Reassign && request.handler.is_some() && request.handler == case.handler.as_ref(),
        ),
        ("/disposition", "required: what it was", action == CaseAction::Close && disposition.is_empty()),
        ("/disposition", "longer than 64 bytes", disposition.len() > DISPOSITION_BYTES_MAX),
        ("/into", "required: another case", action == CaseAction::Merge && request.into.is_none_or(|id| id == case.id)),
        (
            "/rating",
            "required: 1 to 5",
            action == CaseAction::Rate && !request.rating.is_some_and(|rating| (1..=5).contains(&rating)),
        ),
    ];
    let errors: Vec<(CompactString, String)> = faults
        .into_iter()
        .filter(|(_, _, is_fault)| *is_fault)
        .map(|(pointer, what, _)| (pointer.into(), what.to_owned()))
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    let mut problem = Problem::new(ProblemCode::Invalid, "the request is not complete", "请求内容不完整或过长");
    problem.errors = errors;
    Err(problem)
}

fn check_limits(case: &Case, request: &Request<'_>) -> Result<(), Problem> {
    let leads_back =
        matches!(request.action, CaseAction::Return | CaseAction::Reassign | CaseAction::Reopen | CaseAction::Whistle);
    let full = match request.action {
        CaseAction::Note => case.notes.len() >= NOTES_MAX,
        _ => leads_back && case.steps.len() >= STEPS_MAX,
    };
    if !full {
        return Ok(());
    }
    let detail = "the case holds as many steps or remarks as it may; it can only go on to its end";
    Err(Problem::new(ProblemCode::LimitReached, detail, "工单步骤或备注数量已达上限,只能继续办理至结案"))
}

/// Whether, since the case was last opened, somebody was on site or spoke to the wearer.
fn is_seen_to(case: &Case, request: &Request<'_>) -> bool {
    let opens = |action| matches!(action, CaseAction::File | CaseAction::Reopen);
    let begin = case.steps.iter().rposition(|step| opens(step.action)).unwrap_or(0);
    let since = case.steps.get(begin).map(|step| step.at).unwrap_or(case.filed_at);
    let steps = case.steps.get(begin..).unwrap_or_default();
    let spoken = |note: &str| is_voice_confirmation(note);
    steps.iter().any(|step| step.action == CaseAction::Arrive || step.note.as_deref().is_some_and(spoken))
        || case.notes.iter().any(|note| note.at > since && spoken(&note.text))
        || request.note.is_some_and(spoken)
}

fn check_target(book: &Book, case: &Case, request: &Request<'_>) -> Result<(), Problem> {
    let target = request.into.and_then(|id| book.case(id)).filter(|target| request.actor.scope.contains(&target.org));
    let Some(target) = target else {
        let mut problem =
            Problem::new(ProblemCode::Invalid, "the case to merge into is not there", "要并入的工单不存在");
        problem.errors.push(("/into".into(), "not there, or not visible to you".to_owned()));
        return Err(problem);
    };
    if target.state.is_open() && target.id != case.id {
        return Ok(());
    }
    let mut problem =
        Problem::new(ProblemCode::IllegalInState, "the case to merge into has ended", "要并入的工单已结束");
    problem.holder = target.handler.clone();
    Err(problem)
}

fn illegal(case: &Case, request: &Request<'_>) -> Problem {
    let holder = case.handler.as_ref().filter(|_| case.state.is_open());
    let action = request.action.name();
    let (detail, detail_zh) = match holder {
        Some(holder) => {
            (format!("{action} is not possible now; the case is with {holder}"), format!("工单由 {holder} 处理中"))
        }
        None => (format!("{action} is not possible now"), "工单当前状态下不能执行此操作".to_owned()),
    };
    let mut problem = Problem::new(ProblemCode::IllegalInState, detail, detail_zh);
    problem.allowed_actions = allowed(case.state, request.actor.role);
    if case.level == WhistleLevel::Department {
        problem.allowed_actions.retain(|name| name != CaseAction::Whistle.name());
    }
    problem.holder = holder.cloned();
    problem
}

fn allowed(state: CaseState, role: Role) -> Vec<CompactString> {
    CaseAction::allowed(state, role).into_iter().map(|action| action.name().into()).collect()
}
