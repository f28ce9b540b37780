//! What happens to a case without anybody's command: it is filed, hears that its incident ended, and whistles.

use compact_str::CompactString;
use model::case::WhistleLevel;
use model::{Case, CaseAction, CaseId, CaseState, CaseStep, Counters, EventKind, Incident, IncidentId, Timestamp};

use crate::Output;
use crate::book::Book;
use crate::check::STEPS_MAX;
use crate::sla::Sla;

/// How often a stage that is late whistles again once the case is at the highest level, at the least.
pub const LATE_AT_THE_TOP_SECONDS: u32 = 3_600;

/// Opens a case for an incident with an SOS or a fall, unless it has one.
pub(crate) fn file(
    book: &mut Book,
    sla: &Sla,
    incident: &Incident,
    now: Timestamp,
    counters: &mut Counters,
) -> Vec<Output> {
    let calls_for_one = incident.kind.opens_case() || incident.occurrences.iter().any(|o| o.kind.opens_case());
    if !calls_for_one || incident.case.is_some() || book.case_of(incident.id).is_some() {
        return Vec::new();
    }
    let case = Case {
        id: counters.next_case(),
        version: 1,
        incident: Some(incident.id),
        wearer: incident.wearer.clone(),
        org: incident.org.clone(),
        kind: incident.kind,
        priority: incident.priority,
        state: CaseState::Filed,
        level: WhistleLevel::Community,
        handler: None,
        filed_at: now,
        changed_at: now,
        due_at: sla.seconds(incident.kind, CaseState::Filed).map(|seconds| now.plus_seconds(seconds)),
        steps: vec![by_itself(CaseAction::File, CaseState::Filed, now, None)],
        notes: Vec::new(),
        disposition: None,
        rating: None,
    };
    book.put(case.clone());
    vec![Output::Case { kind: EventKind::CaseFiled, case, changed: Vec::new() }]
}

/// The incident was ended; the case goes on until somebody closes it.
pub(crate) fn note_resolved(book: &mut Book, incident: IncidentId, now: Timestamp) -> Vec<Output> {
    let takes_it = |case: &&Case| case.state.is_open() && case.steps.len() < STEPS_MAX;
    let Some(case) = book.case_of(incident).filter(takes_it) else { return Vec::new() };
    let mut case = case.clone();
    let remark = format!("事件 {incident} 已结束 / incident {incident} resolved");
    case.steps.push(by_itself(CaseAction::Note, case.state, now, Some(remark)));
    vec![write(book, case, EventKind::CaseNoted, now)]
}

/// A stage is late: the next level joins the case, and the clock runs on.
pub(crate) fn whistle_late(book: &mut Book, sla: &Sla, id: CaseId, now: Timestamp) -> Option<Output> {
    let mut case = book.case(id)?.clone();
    let seconds = sla.seconds(case.kind, case.state);
    let next = match level_above(case.level) {
        Some(level) => {
            case.level = level;
            seconds
        }
        None => seconds.map(|seconds| seconds.max(LATE_AT_THE_TOP_SECONDS)),
    };
    // A case that whistled a thousand times is not helped by another whistle; it stays open and late.
    case.due_at = next.filter(|_| case.steps.len() < STEPS_MAX).map(|seconds| now.plus_seconds(seconds.max(1)));
    let remark = format!("{}逾期 / stage is late", stage(case.state));
    case.steps.push(by_itself(CaseAction::Whistle, case.state, now, Some(remark)));
    Some(write(book, case, EventKind::CaseWhistled, now))
}

/// Writes a changed case down and tells it.
pub(crate) fn write(book: &mut Book, mut case: Case, kind: EventKind, now: Timestamp) -> Output {
    let changed = book.case(case.id).map(|before| changes(before, &case)).unwrap_or_default();
    case.version += 1;
    case.changed_at = now;
    book.put(case.clone());
    Output::Case { kind, case, changed }
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

fn by_itself(action: CaseAction, state: CaseState, at: Timestamp, note: Option<String>) -> CaseStep {
    CaseStep { action, state, by: None, role: None, at, note }
}

/// The names of the members that differ.
fn changes(before: &Case, after: &Case) -> Vec<CompactString> {
    let differing = [
        ("state", before.state != after.state),
        ("level", before.level != after.level),
        ("handler", before.handler != after.handler),
        ("due_at", before.due_at != after.due_at),
        ("steps", before.steps != after.steps),
        ("notes", before.notes != after.notes),
        ("disposition", before.disposition != after.disposition),
        ("rating", before.rating != after.rating),
    ];
    differing.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| CompactString::const_new(name)).collect()
}
