//! Whether somebody may do what they ask of a case, and why not.

use compact_str::CompactString;
use model::case::{CHECK_INS_MAX, CaseRequest, PHOTOS_MAX, QuestionKind, RECORDS_MAX, RecordKind, WhistleLevel};
use model::incident::{NOTES_MAX, Transition};
use model::registry::Role;
use model::{Actor, Case, CaseAction, CaseKind, CaseState, Fault, Problem, ProblemCode, Timestamp};

use crate::action::Asked;
use crate::book::Book;
use crate::place;
use crate::story::level_above;

/// How many steps a case holds; beyond it nothing is taken that leads back or to and fro.
pub const STEPS_MAX: usize = 1_000;
/// The disposition of a false alarm (误报).
pub const FALSE_ALARM: &str = "false_alarm";
/// The longest remark, in bytes.
const NOTE_BYTES_MAX: usize = 2_000;
/// The longest disposition, in bytes.
const DISPOSITION_BYTES_MAX: usize = 64;

/// With whom somebody spoke, in bytes.
const WITH_BYTES_MAX: usize = 100;
/// The longest answer of a form, in bytes.
const ANSWER_BYTES_MAX: usize = 500;

/// The row of the table that the request follows.
pub(crate) fn check(
    book: &Book,
    case: &Case,
    asked: Asked<'_>,
    now: Timestamp,
) -> Result<&'static Transition<CaseState, CaseAction>, Problem> {
    let action = asked.request.action;
    let row = action.in_state(case.state).ok_or_else(|| illegal(case, asked))?;
    check_role(case, action, asked.actor)?;
    check_holder(case, asked)?;
    if !asked.by_receipt {
        check_version(case, asked)?;
    }
    check_members(case, asked.request, now)?;
    check_limits(case, asked.request)?;
    let has_handled = case.was_handled_by(&asked.actor.person);
    match action {
        CaseAction::Verify if has_handled => {
            Err(not_the_handler("who handled a case does not verify it", "核查人不能是处理过该工单的人"))
        }
        CaseAction::Close if has_handled && case.state != CaseState::Verified => Err(not_the_handler(
            "who handled a case closes it only after another verified it",
            "处理过该工单的人结案前，须由他人核查",
        )),
        CaseAction::Close | CaseAction::Reject if case.kind.is_emergency() && seen_to(case).is_none() => {
            Err(Problem::new(
                ProblemCode::Invalid,
                "an SOS or a fall ends only with an on-site or voice confirmation on record: `arrive` or `check_in` at the \
             place, or `voice` with whom you spoke and what was said",
                "SOS 或跌倒工单须有现场（到场、打卡）或语音确认（voice：与谁通话、所述内容）记录，方可结束",
            ))
        }
        CaseAction::Arrive => check_distance(case, asked.request).map(|()| row),
        CaseAction::Merge => check_target(book, case, asked).map(|()| row),
        CaseAction::Reopen => check_nothing_newer(book, case).map(|()| row),
        CaseAction::Whistle if level_above(case.level).is_none() => Err(Problem::new(
            ProblemCode::IllegalInState,
            "the case is at the highest level already",
            "工单已在最高层级",
        )),
        _ => Ok(row),
    }
}

/// Whether a role may do this to a case as it stands. What is not in the table is another matter.
pub(crate) fn check_role(case: &Case, action: CaseAction, actor: &Actor) -> Result<(), Problem> {
    if action.in_state(case.state).is_none_or(|row| row.who.contains(&actor.role)) {
        return Ok(());
    }
    let detail = "your role may not do this to a case";
    let mut problem = Problem::new(ProblemCode::NotAllowed, detail, "您的角色无权执行此操作");
    problem.allowed_actions = allowed(case, actor);
    Err(problem)
}

fn not_the_handler(detail: &str, detail_zh: &str) -> Problem {
    Problem::new(ProblemCode::NotAllowed, detail, detail_zh)
}

/// Workers and volunteers act on what they hold; what was given to another is the other's.
fn check_holder(case: &Case, asked: Asked<'_>) -> Result<(), Problem> {
    if !is_anothers(case, asked.actor) || !is_of_the_holder(asked.request.action) {
        return Ok(());
    }
    let holder = case.handler.as_ref().map_or_else(String::new, ToString::to_string);
    let detail = format!("the case is with {holder}");
    let mut problem = Problem::new(ProblemCode::IllegalInState, detail, format!("工单由 {holder} 处理"));
    problem.allowed_actions = vec![CaseAction::Whistle.name().into(), CaseAction::Note.name().into()];
    problem.holder = case.handler.clone();
    Err(problem)
}

/// Whether somebody who acts on what they hold only has to leave it to another.
fn is_anothers(case: &Case, actor: &Actor) -> bool {
    let works = matches!(actor.role, Role::GridWorker | Role::Volunteer);
    works && case.handler.as_ref().is_some_and(|handler| *handler != actor.person)
}

fn is_of_the_holder(action: CaseAction) -> bool {
    matches!(
        action,
        CaseAction::Accept
            | CaseAction::Arrive
            | CaseAction::CheckIn
            | CaseAction::Feedback
            | CaseAction::Return
            | CaseAction::Close
    )
}

fn check_version(case: &Case, asked: Asked<'_>) -> Result<(), Problem> {
    let action = asked.request.action;
    let required =
        matches!(action, CaseAction::Dispatch | CaseAction::Close | CaseAction::Reassign | CaseAction::HandOff);
    // What only adds to the case harms nobody whose view is old.
    let indifferent = matches!(
        action,
        CaseAction::Note
            | CaseAction::Whistle
            | CaseAction::CheckIn
            | CaseAction::Photo
            | CaseAction::Voice
            | CaseAction::HandOver
    );
    match asked.if_match {
        None if required => {
            let detail = "If-Match with the version that you saw is required here";
            let mut problem = Problem::new(ProblemCode::VersionRequired, detail, "此操作须带 If-Match 版本号");
            problem.version = Some(case.version);
            Err(problem)
        }
        Some(seen) if seen != case.version && !indifferent => {
            let detail = format!("you saw version {seen}, it is at {} now; look again", case.version);
            let detail_zh = format!("您看到的是版本 {seen}，现为 {}，请刷新后再操作", case.version);
            let mut problem = Problem::new(ProblemCode::Stale, detail, detail_zh);
            problem.version = Some(case.version);
            problem.holder = case.handler.clone();
            Err(problem)
        }
        _ => Ok(()),
    }
}

/// Whether what the action needs is there and fits.
fn check_members(case: &Case, request: &CaseRequest, now: Timestamp) -> Result<(), Problem> {
    let action = request.action;
    let note = request.note.as_deref().unwrap_or_default();
    let says_something = !note.trim().is_empty();
    let disposition = request.disposition.as_deref().unwrap_or_default().trim();
    let with = request.with.as_deref().unwrap_or_default().trim();
    let records = matches!(action, CaseAction::Voice | CaseAction::HandOver);
    let faults = [
        ("/note", "longer than 2 000 bytes", "超过 2000 字节", note.len() > NOTE_BYTES_MAX),
        ("/note", "required: the reason", "必填：事由", action.needs_reason() && !says_something),
        ("/note", "required", "必填", action == CaseAction::Note && !says_something),
        ("/note", "required: what was said", "必填：所述内容", records && !says_something),
        (
            "/note",
            "required: why it was a false alarm",
            "必填：误报原因",
            action == CaseAction::Close && disposition == FALSE_ALARM && !says_something,
        ),
        ("/with", "required: with whom", "必填：与谁", records && with.is_empty()),
        ("/with", "longer than 100 bytes", "超过 100 字节", with.len() > WITH_BYTES_MAX),
        ("/happened_at", "lies in the future", "晚于当前时间", request.happened_at.is_some_and(|at| at > now)),
        (
            "/handler",
            "required: to whom",
            "必填：交给谁",
            matches!(action, CaseAction::Dispatch | CaseAction::Reassign) && request.handler.is_none(),
        ),
        (
            "/handler",
            "holds it already",
            "已由其处理",
            action == CaseAction::Reassign && request.handler.is_some() && request.handler == case.handler,
        ),
        (
            "/system",
            "required: to which system",
            "必填：交给哪个系统",
            action == CaseAction::HandOff && request.system.is_none(),
        ),
        (
            "/disposition",
            "required: what it was",
            "必填：处置结果",
            action == CaseAction::Close && disposition.is_empty(),
        ),
        ("/disposition", "longer than 64 bytes", "超过 64 字节", disposition.len() > DISPOSITION_BYTES_MAX),
        (
            "/into",
            "required: another case",
            "必填：另一工单",
            action == CaseAction::Merge && request.into.is_none_or(|id| id == case.id),
        ),
        (
            "/rating",
            "required: 1 to 5",
            "必填：1 至 5",
            action == CaseAction::Rate && !request.rating.is_some_and(|rating| (1..=5).contains(&rating)),
        ),
    ];
    let mut errors: Vec<Fault> = faults
        .into_iter()
        .filter(|(_, _, _, is_fault)| *is_fault)
        .map(|(pointer, what, zh, _)| Fault::new(pointer, what, zh))
        .collect();
    check_answers(case, request, &mut errors);
    if errors.is_empty() {
        return Ok(());
    }
    let mut problem = Problem::new(ProblemCode::Invalid, "the request is not complete", "请求内容不符合要求，详见各项");
    problem.errors = errors;
    Err(problem)
}

/// Whether a patrol's form is answered: what is required, as it is to be answered, and nothing else.
fn check_answers(case: &Case, request: &CaseRequest, errors: &mut Vec<Fault>) {
    let mut fault = |pointer: String, what: &str, zh: &str| errors.push(Fault::new(pointer, what, zh));
    for (place, answer) in request.answers.iter().enumerate() {
        let at = format!("/answers/{place}");
        let question = case.form.iter().find(|question| question.id == answer.id);
        let Some(question) = question.filter(|_| request.action == CaseAction::Feedback) else {
            fault(at, "the form does not ask for this", "表单中没有此项");
            continue;
        };
        let value = answer.value.trim();
        let fits = match question.kind {
            QuestionKind::YesNo => matches!(value, "true" | "false"),
            QuestionKind::Choice => question.choices.iter().any(|choice| choice == value),
            QuestionKind::Number => value.parse::<f64>().is_ok_and(f64::is_finite),
            QuestionKind::Text => !value.is_empty() && value.len() <= ANSWER_BYTES_MAX,
        };
        if !fits {
            fault(at, "does not answer the question", "答案不符合该题要求");
        } else if request.answers.iter().take(place).any(|before| before.id == answer.id) {
            fault(at, "answers a question twice", "同一题重复作答");
        }
    }
    if request.action != CaseAction::Feedback || case.kind != CaseKind::Patrol {
        return;
    }
    for question in case.form.iter().filter(|question| question.required) {
        if !request.answers.iter().any(|answer| answer.id == question.id) {
            fault(format!("/answers/{}", question.id), "required", "必填");
        }
    }
}

fn check_limits(case: &Case, request: &CaseRequest) -> Result<(), Problem> {
    // What leads to and fro, or only adds, must end some time; what leads on to the end never does.
    let adds_a_step = matches!(
        request.action,
        CaseAction::Return
            | CaseAction::Reassign
            | CaseAction::HandOff
            | CaseAction::Reopen
            | CaseAction::Whistle
            | CaseAction::Receipt
    );
    let (held, most) = match request.action {
        CaseAction::Note => (case.notes.len(), NOTES_MAX),
        CaseAction::CheckIn => (case.check_ins.len(), CHECK_INS_MAX),
        CaseAction::Photo => (case.photos.len(), PHOTOS_MAX),
        CaseAction::Voice | CaseAction::HandOver => (case.records.len(), RECORDS_MAX),
        _ if adds_a_step => (case.steps.len(), STEPS_MAX),
        _ => return Ok(()),
    };
    if held < most {
        return Ok(());
    }
    let detail = format!("the case holds {most} of these, as many as it may; it can only go on to its end");
    let detail_zh = format!("此类记录已达上限 {most} 条，只能继续办理至结案");
    Err(Problem::new(ProblemCode::LimitReached, detail, detail_zh))
}

/// When somebody was on site or spoke to the wearer, last, since the case was last opened.
#[must_use]
pub fn seen_to(case: &Case) -> Option<Timestamp> {
    let reopened = case.steps.iter().rposition(|step| step.action == CaseAction::Reopen);
    let steps = case.steps.get(reopened.unwrap_or(0)..).unwrap_or_default();
    let since = reopened.and_then(|place| case.steps.get(place)).map(|step| step.at);
    let arrivals = steps.iter().filter(|step| step.action == CaseAction::Arrive).map(|step| step.at);
    let there = case.check_ins.iter().filter(|check_in| check_in.is_there == Some(true)).map(|check_in| check_in.at);
    let spoken = case.records.iter().filter(|record| record.kind == RecordKind::Voice);
    let of_this_time = there.map(|at| (at, at)).chain(spoken.map(|record| (record.at, record.happened_at)));
    let of_this_time = of_this_time.filter(|(at, _)| since.is_none_or(|since| *at > since));
    arrivals.chain(of_this_time.map(|(_, happened_at)| happened_at)).max()
}

/// Who arrives with a place must be there; who has none can say so in words.
fn check_distance(case: &Case, request: &CaseRequest) -> Result<(), Problem> {
    let Some((spot, metres)) = request.spot.and_then(|spot| Some((spot, place::distance_m(case, spot)?))) else {
        return Ok(());
    };
    if place::is_there(spot, metres) {
        return Ok(());
    }
    let metres = metres.round();
    let problem = Problem::new(
        ProblemCode::Invalid,
        format!("that is {metres} m from the case's place; arrive without a place if the wearer is somewhere else"),
        format!("距工单地点 {metres} 米；若老人在别处，请不带定位提交到场"),
    );
    Err(problem.at("/position", format!("{metres} m away"), format!("相距 {metres} 米")))
}

/// One open case an incident: what happened since the case was closed has a case of its own.
fn check_nothing_newer(book: &Book, case: &Case) -> Result<(), Problem> {
    let of_it = case.incident.and_then(|incident| book.case_of(incident));
    match of_it.filter(|newer| newer.id != case.id && newer.state.is_open()) {
        None => Ok(()),
        Some(newer) => Err(Problem::new(
            ProblemCode::IllegalInState,
            format!("case {} of the same incident is open; act on that one", newer.id),
            format!("同一事件已有工单 {} 正在处理，请在该工单上操作", newer.id),
        )),
    }
}

fn check_target(book: &Book, case: &Case, asked: Asked<'_>) -> Result<(), Problem> {
    let target = asked.request.into.and_then(|id| book.case(id));
    let Some(target) = target.filter(|target| asked.actor.scope.contains(&target.org)) else {
        let problem = Problem::new(ProblemCode::Invalid, "the case to merge into is not there", "要并入的工单不存在");
        return Err(problem.at("/into", "not there, or not visible to you", "不存在或无权查看"));
    };
    if case.kind.is_emergency() && !target.kind.is_emergency() {
        let problem = Problem::new(
            ProblemCode::Invalid,
            "an SOS or a fall is not merged into what is none; merge the other one into this",
            "SOS 或跌倒工单不能并入其他类型工单，请反向合并",
        );
        return Err(problem.at("/into", "no SOS and no fall", "不是 SOS 或跌倒工单"));
    }
    if target.state.is_open() && target.id != case.id {
        return Ok(());
    }
    let mut problem =
        Problem::new(ProblemCode::IllegalInState, "the case to merge into has ended", "要并入的工单已结束");
    problem.holder.clone_from(&target.handler);
    Err(problem)
}

fn illegal(case: &Case, asked: Asked<'_>) -> Problem {
    let holder = case.handler.as_ref().filter(|_| case.state.is_open());
    let action = asked.request.action.name();
    let (detail, detail_zh) = match holder {
        Some(holder) => {
            (format!("{action} is not possible now; the case is with {holder}"), format!("工单由 {holder} 处理中"))
        }
        None => (format!("{action} is not possible now"), "工单当前状态下不能执行此操作".to_owned()),
    };
    let mut problem = Problem::new(ProblemCode::IllegalInState, detail, detail_zh);
    problem.allowed_actions = allowed(case, asked.actor);
    problem.holder = holder.cloned();
    problem
}

/// What somebody may do to a case now, at `POST /cases/{id}/actions/{action}`.
fn allowed(case: &Case, actor: &Actor) -> Vec<CompactString> {
    let mut actions = CaseAction::allowed(case.state, actor.role);
    actions.retain(|action| action.is_command() && !(is_of_the_holder(*action) && is_anothers(case, actor)));
    if case.level == WhistleLevel::Department {
        actions.retain(|action| *action != CaseAction::Whistle);
    }
    actions.into_iter().map(|action| action.name().into()).collect()
}
