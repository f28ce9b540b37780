//! How a case begins: by itself for an emergency, by somebody for an incident, a report or a patrol.

use model::case::{CaseFiling, CasePlace, PatrolOrder, WhistleLevel};
use model::{
    Actor, Case, CaseAction, CaseId, CaseKind, CaseState, CaseStep, Counters, Incident, IncidentId, OrgPath, Patrol,
    Priority, Problem, ProblemCode, Role, Timestamp, WearerId,
};

use crate::Output;
use crate::book::Book;
use crate::sla::Sla;
use crate::story::{by_itself, filed, settle};

/// How many visits one patrol begins at most: what one record of the journal takes.
pub const PATROL_VISITS_MAX: usize = 500;
/// How a case ends whose elder was erased.
const ERASED: &str = "erased";
/// Who may begin patrols.
const PATROLLERS: &[Role] =
    &[Role::Admin, Role::Operator, Role::Desk, Role::Street, Role::Department, Role::Integration];

/// Somebody whom a patrol visits.
#[derive(Debug, Clone, PartialEq)]
pub struct Visited {
    /// Who.
    pub wearer: WearerId,
    /// Where they belong.
    pub org: OrgPath,
    /// Where they live, if known.
    pub place: Option<CasePlace>,
}

/// Opens a case for an incident with an SOS or a fall that has none, or whose case is closed while it goes on.
pub(crate) fn file(
    book: &mut Book,
    sla: &Sla,
    incident: &Incident,
    now: Timestamp,
    counters: &mut Counters,
) -> Vec<Output> {
    if !incident.is_emergency() || book.case_of(incident.id).and_then(|case| book.goes_on_in(case)).is_some() {
        return Vec::new();
    }
    let step = by_itself(CaseAction::File, CaseState::Filed, now, None);
    let mut case = new_case(counters, incident.kind.into(), incident.org.clone(), step, now);
    take_incident(&mut case, incident);
    vec![begin(book, sla, case, now)]
}

/// Hands an incident to the community, once: a second time gives the case that there is, and changes nothing.
pub(crate) fn file_for(
    book: &mut Book,
    sla: &Sla,
    actor: &Actor,
    incident: &Incident,
    text: &str,
    now: Timestamp,
    counters: &mut Counters,
) -> Vec<Output> {
    if incident.case.is_some() || book.case_of(incident.id).is_some() {
        return Vec::new();
    }
    let step = signed(actor, now);
    let mut case = new_case(counters, incident.kind.into(), incident.org.clone(), step, now);
    take_incident(&mut case, incident);
    case.text = text.trim().to_owned();
    vec![begin(book, sla, case, now)]
}

/// Opens a case from a person's report (随手拍). Where it belongs has been found out.
pub(crate) fn file_report(
    book: &mut Book,
    sla: &Sla,
    actor: &Actor,
    filing: &CaseFiling,
    org: &OrgPath,
    now: Timestamp,
    counters: &mut Counters,
) -> Vec<Output> {
    if filing.text.trim().is_empty() {
        let problem = Problem::new(ProblemCode::Invalid, "say what was seen", "请填写情况说明");
        return vec![Output::Refused(problem.at("/text", "required: what was seen", "必填：情况说明"))];
    }
    let mut case = new_case(counters, filing.kind, org.clone(), signed(actor, now), now);
    case.priority = if filing.kind.is_emergency() { Priority::High } else { filing.priority };
    case.wearer.clone_from(&filing.wearer);
    case.text = filing.text.trim().to_owned();
    case.place.clone_from(&filing.place);
    vec![begin(book, sla, case, now)]
}

/// Begins a patrol: one visit for each who has none open.
pub(crate) fn patrol(
    book: &mut Book,
    sla: &Sla,
    actor: &Actor,
    order: &PatrolOrder,
    visited: Vec<Visited>,
    now: Timestamp,
    counters: &mut Counters,
) -> Vec<Output> {
    if let Some(problem) = refusal(actor, order, visited.len()) {
        return vec![Output::Refused(problem)];
    }
    let id = counters.next_patrol();
    let (mut cases, mut outputs, mut passed_over) = (Vec::new(), Vec::new(), 0);
    for one in visited {
        let is_awaited = |case: &Case| case.kind == CaseKind::Patrol && case.wearer.as_ref() == Some(&one.wearer);
        if book.open_cases().any(is_awaited) {
            passed_over += 1;
            continue;
        }
        let mut case = new_case(counters, CaseKind::Patrol, one.org, signed(actor, now), now);
        case.priority = Priority::Low;
        case.wearer = Some(one.wearer);
        case.text.clone_from(&order.name);
        case.place = one.place;
        case.patrol = Some(id);
        case.form.clone_from(&order.form);
        cases.push(case.id);
        outputs.push(begin(book, sla, case, now));
    }
    let by = actor.person.clone();
    let mut order = order.clone();
    // Who was visited stands in the cases.
    order.wearers.clear();
    outputs.insert(0, Output::Patrol(Patrol { id, version: 1, order, cases, passed_over, by, created_at: now }));
    outputs
}

fn refusal(actor: &Actor, order: &PatrolOrder, count: usize) -> Option<Problem> {
    if !actor.scope.contains(&order.org) {
        return Some(Problem::not_found("the organisation"));
    }
    if !PATROLLERS.contains(&actor.role) {
        return Some(Problem::new(ProblemCode::NotAllowed, "your role may not begin patrols", "您的角色无权发起巡访"));
    }
    if count == 0 {
        return Some(Problem::new(ProblemCode::Invalid, "there is nobody to visit", "没有需要巡访的对象"));
    }
    (count > PATROL_VISITS_MAX).then(|| {
        Problem::new(
            ProblemCode::LimitReached,
            format!("{count} people; a patrol visits at most {PATROL_VISITS_MAX}: begin one for each smaller part"),
            format!("共 {count} 人，单次巡访最多 {PATROL_VISITS_MAX} 人，请按更小的片区分次发起"),
        )
    })
}

/// The incident was ended; the case goes on until somebody closes it.
pub(crate) fn note_resolved(book: &mut Book, incident: IncidentId, now: Timestamp) -> Vec<Output> {
    let Some(id) = book.case_of(incident).map(|case| case.id) else { return Vec::new() };
    remark(book, id, format!("报警 {incident} 已结束 / incident {incident} resolved"), now)
}

/// Whom these cases are about is about to be erased: they end as they are.
pub(crate) fn erasing(book: &mut Book, wearer: &WearerId, now: Timestamp) -> Vec<Output> {
    let open = book.open_cases().filter(|case| case.wearer.as_ref() == Some(wearer)).cloned().collect::<Vec<_>>();
    let ended = open.into_iter().map(|before| {
        let mut case = before.clone();
        (case.state, case.due_at, case.disposition) = (CaseState::Closed, None, Some(ERASED.to_owned()));
        case.steps.push(by_itself(CaseAction::Close, case.state, now, None));
        let output = settle(&before, case, model::EventKind::CaseClosed, now);
        output.put_into(book);
        output
    });
    ended.collect()
}

/// What the engine itself has to say about an open case.
pub(crate) fn remark(book: &mut Book, id: CaseId, text: String, now: Timestamp) -> Vec<Output> {
    let takes_it = |case: &&Case| case.state.is_open() && case.steps.len() < crate::STEPS_MAX;
    let Some(before) = book.case(id).filter(takes_it) else { return Vec::new() };
    let mut case = before.clone();
    case.steps.push(by_itself(CaseAction::Note, case.state, now, Some(text)));
    let output = settle(before, case, model::EventKind::CaseNoted, now);
    output.put_into(book);
    vec![output]
}

/// The elder of an incident moved: a case that nobody holds yet goes along, to those who see the incident now.
pub(crate) fn follow(book: &mut Book, incident: &Incident, now: Timestamp) -> Vec<Output> {
    let goes_along = |case: &&Case| case.state == CaseState::Filed && case.org != incident.org;
    let Some(before) = book.case_of(incident.id).filter(goes_along) else { return Vec::new() };
    let mut case = before.clone();
    case.org.clone_from(&incident.org);
    let output = settle(before, case, model::EventKind::CaseNoted, now);
    output.put_into(book);
    vec![output]
}

fn take_incident(case: &mut Case, incident: &Incident) {
    // A fall that joined an SOS makes the case one of an emergency, and the other way round.
    let gravest = incident.occurrences.iter().map(|o| o.kind).find(|kind| kind.opens_case());
    case.kind = gravest.filter(|_| !incident.kind.opens_case()).unwrap_or(incident.kind).into();
    case.incident = Some(incident.id);
    case.wearer = Some(incident.wearer.clone());
    case.priority = incident.priority;
    case.place = incident.position.map(|position| CasePlace { position: Some(position), text: String::new() });
}

fn begin(book: &mut Book, sla: &Sla, mut case: Case, now: Timestamp) -> Output {
    case.due_at = sla.due(case.kind, CaseState::Filed, now);
    book.put(case.clone());
    filed(case)
}

fn signed(actor: &Actor, at: Timestamp) -> CaseStep {
    let (by, role) = (Some(actor.person.clone()), Some(actor.role));
    CaseStep { action: CaseAction::File, state: CaseState::Filed, by, role, at, note: None }
}

fn new_case(counters: &mut Counters, kind: CaseKind, org: OrgPath, step: CaseStep, now: Timestamp) -> Case {
    Case {
        id: counters.next_case(),
        version: 1,
        incident: None,
        wearer: None,
        org,
        kind,
        text: String::new(),
        place: None,
        priority: Priority::Medium,
        state: CaseState::Filed,
        level: WhistleLevel::Community,
        joined: Vec::new(),
        handler: None,
        handlers: Vec::new(),
        filed_at: now,
        changed_at: now,
        due_at: None,
        steps: vec![step],
        notes: Vec::new(),
        check_ins: Vec::new(),
        records: Vec::new(),
        photos: Vec::new(),
        external: None,
        patrol: None,
        form: Vec::new(),
        answers: Vec::new(),
        disposition: None,
        rating: None,
    }
}

/// Why a filing without an incident cannot be taken: where it belongs is not known.
pub(crate) fn nowhere() -> Problem {
    let problem = Problem::new(
        ProblemCode::Invalid,
        "say where it belongs: an organisation, or a wearer who is registered",
        "请填写所属组织，或已登记的老人",
    );
    problem.at("/org", "not there, or not visible to you", "不存在或无权查看")
}
