//! How a change of a case is told, and the whistle that a late stage blows by itself.

use compact_str::CompactString;
use model::case::WhistleLevel;
use model::{Case, CaseAction, CaseId, CaseState, CaseStep, EventKind, Timestamp};

use crate::Output;
use crate::book::Book;
use crate::check::STEPS_MAX;
use crate::duty;
use crate::sla::Sla;

/// How often a stage that is late whistles again once the case is at the highest level, at the least.
pub const LATE_AT_THE_TOP_SECONDS: u32 = 3_600;
/// The same for a case that holds as many steps as it may: it stays open and late, and is told once a day.
pub const LATE_AND_FULL_SECONDS: u32 = 86_400;

/// A stage is late: the next level joins the case, and the clock runs on.
pub(crate) fn whistle_late(book: &mut Book, sla: &Sla, id: CaseId, now: Timestamp) -> Option<Output> {
    let before = book.case(id)?;
    let mut case = before.clone();
    let is_full = case.steps.len() >= STEPS_MAX;
    let wait = match level_above(case.level) {
        Some(level) => {
            rise(book, sla, &mut case, level, now);
            0
        }
        None => LATE_AT_THE_TOP_SECONDS,
    };
    case.due_at = sla.due_after(case.kind, case.state, now, if is_full { LATE_AND_FULL_SECONDS } else { wait });
    if !is_full {
        let remark = format!("{}逾期 / stage is late", stage(case.state));
        case.steps.push(by_itself(CaseAction::Whistle, case.state, now, Some(remark)));
    }
    let output = settle(before, case, EventKind::CaseWhistled, now);
    output.put_into(book);
    Some(output)
}

/// A level and those on duty there join a case.
pub(crate) fn rise(book: &Book, sla: &Sla, case: &mut Case, level: WhistleLevel, now: Timestamp) {
    case.level = level;
    case.joined.retain(|joined| joined.level != level);
    case.joined.push(duty::join(book, &sla.calendar, &case.org, level, now));
}

/// A case that was just filed.
pub(crate) fn filed(case: Case) -> Output {
    Output::Case { kind: EventKind::CaseFiled, case: Box::new(case), changed: Vec::new() }
}

/// A changed case with its next version, and what changed. Nothing is written down yet.
pub(crate) fn settle(before: &Case, mut after: Case, kind: EventKind, now: Timestamp) -> Output {
    let changed = changes(before, &after);
    after.version = before.version + 1;
    after.changed_at = now;
    Output::Case { kind, case: Box::new(after), changed }
}

impl Output {
    /// Writes a case or roster down.
    pub(crate) fn put_into(&self, book: &mut Book) {
        match self {
            Output::Case { case, .. } => book.put((**case).clone()),
            Output::Duty(roster) => book.put_roster(roster.clone()),
            Output::Patrol(_) | Output::Refused(_) => {}
        }
    }
}

/// The level that a whistle reaches next; `None` at the top.
pub(crate) fn level_above(level: WhistleLevel) -> Option<WhistleLevel> {
    match level {
        WhistleLevel::Community => Some(WhistleLevel::Street),
        WhistleLevel::Street => Some(WhistleLevel::Department),
        WhistleLevel::Department => None,
    }
}

fn stage(state: CaseState) -> &'static str {
    match state {
        CaseState::Filed => "派遣",
        CaseState::Dispatched => "接单",
        CaseState::Accepted => "到场",
        CaseState::OnSite => "处理反馈",
        CaseState::Feedback => "核查",
        CaseState::Verified => "结案",
        CaseState::Rejected | CaseState::Closed | CaseState::Rated | CaseState::Merged => "办理",
    }
}

pub(crate) fn by_itself(action: CaseAction, state: CaseState, at: Timestamp, note: Option<String>) -> CaseStep {
    CaseStep { action, state, by: None, role: None, at, note }
}

/// The names of the members that differ.
fn changes(before: &Case, after: &Case) -> Vec<CompactString> {
    let differing = [
        ("org", before.org != after.org),
        ("state", before.state != after.state),
        ("level", before.level != after.level),
        ("joined", before.joined != after.joined),
        ("handler", before.handler != after.handler),
        ("handlers", before.handlers != after.handlers),
        ("due_at", before.due_at != after.due_at),
        ("steps", before.steps != after.steps),
        ("notes", before.notes != after.notes),
        ("check_ins", before.check_ins != after.check_ins),
        ("records", before.records != after.records),
        ("photos", before.photos != after.photos),
        ("external", before.external != after.external),
        ("answers", before.answers != after.answers),
        ("disposition", before.disposition != after.disposition),
        ("rating", before.rating != after.rating),
    ];
    differing.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| CompactString::const_new(name)).collect()
}
