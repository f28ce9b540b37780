//! What another system says about a case drives its state, along the table and never backwards.

use model::case::{CaseRequest, External, Receipt, ReceiptStatus};
use model::{Actor, Case, CaseAction, CaseId, CaseState, EventKind, PersonId, Problem, ProblemCode, Timestamp};

use crate::Output;
use crate::action::{Asked, step_on};
use crate::book::Book;
use crate::check::check_role;
use crate::sla::Sla;
use crate::story::settle;

/// What the other system's end is called when it does not say.
const CLOSED_ELSEWHERE: &str = "closed_by_external_system";

/// Takes a receipt in: all of what it leads to, or nothing. One that says nothing new changes nothing.
pub(crate) fn take(
    book: &mut Book,
    sla: &Sla,
    id: CaseId,
    actor: &Actor,
    receipt: &Receipt,
    now: Timestamp,
) -> Vec<Output> {
    let visible = book.case(id).filter(|case| actor.scope.contains(&case.org));
    let Some(case) = visible else { return vec![Output::Refused(Problem::not_found("the case"))] };
    match follow(book, sla, case, actor, receipt, now) {
        Err(problem) => vec![Output::Refused(problem)],
        Ok(outputs) => {
            outputs.iter().for_each(|output| output.put_into(book));
            outputs
        }
    }
}

fn follow(
    book: &Book,
    sla: &Sla,
    case: &Case,
    actor: &Actor,
    receipt: &Receipt,
    now: Timestamp,
) -> Result<Vec<Output>, Problem> {
    check_role(case, CaseAction::Receipt, actor)?;
    let known = case.external.as_ref();
    if let Some(external) = known {
        check_same(case, external, receipt)?;
        let last = external.status.filter(|_| external.external_case_id.is_some());
        // What comes twice, or late, never moves it backwards.
        if last.is_some_and(|last| last >= receipt.status && last != ReceiptStatus::Returned) {
            return Ok(Vec::new());
        }
    }
    let theirs = PersonId::new(&receipt.system);
    if case.handler.as_ref().is_some_and(|handler| *handler != theirs) && receipt.status != ReceiptStatus::Received {
        let holder = case.handler.clone();
        let mut problem =
            Problem::new(ProblemCode::IllegalInState, "the case is with somebody else", "工单由他人处理中");
        problem.holder = holder;
        return Err(problem);
    }
    let is_begun = matches!(case.state, CaseState::OnSite | CaseState::Feedback | CaseState::Verified);
    if receipt.status == ReceiptStatus::Returned && is_begun {
        let mut problem = Problem::new(
            ProblemCode::IllegalInState,
            "what was begun on site is not given back; send feedback or closed",
            "已到场办理的工单不能退回，请反馈或结案",
        );
        problem.holder.clone_from(&case.handler);
        return Err(problem);
    }
    let mut request = CaseRequest::new(CaseAction::Receipt);
    request.note = Some(remark(receipt));
    let asked = Asked { actor, if_match: None, request: &request, by_receipt: true };
    let (mut after, kind) = step_on(book, sla, case, asked, now)?;
    after.external = Some(External {
        system: receipt.system.clone(),
        external_case_id: Some(receipt.external_case_id.clone()),
        status: Some(receipt.status),
        at: now,
    });
    let mut outputs = vec![settle(case, after, kind, now)];
    for action in way(case.state, receipt.status) {
        let mut request = CaseRequest::new(*action);
        request.note.clone_from(&receipt.note);
        request.handler = Some(theirs.clone());
        if *action == CaseAction::Close {
            request.disposition = Some(receipt.disposition.clone().unwrap_or_else(|| CLOSED_ELSEWHERE.to_owned()));
        }
        let asked = Asked { actor, if_match: None, request: &request, by_receipt: true };
        let Some(Output::Case { case: before, .. }) = outputs.last() else { break };
        let before = (**before).clone();
        let (after, kind): (Case, EventKind) = step_on(book, sla, &before, asked, now)?;
        outputs.push(settle(&before, after, kind, now));
    }
    Ok(outputs)
}

/// The actions that lead from a state to where the other system is.
fn way(state: CaseState, status: ReceiptStatus) -> &'static [CaseAction] {
    use CaseAction as A;
    use CaseState as S;
    use ReceiptStatus as R;
    match (status, state) {
        (R::Accepted, S::Filed | S::Dispatched) => &[A::Accept],
        (R::OnSite, S::Filed | S::Dispatched) => &[A::Accept, A::Arrive],
        (R::OnSite, S::Accepted) => &[A::Arrive],
        (R::Feedback, S::Filed | S::Dispatched) => &[A::Accept, A::Feedback],
        (R::Feedback, S::Accepted | S::OnSite) => &[A::Feedback],
        (R::Closed, S::Filed | S::Dispatched) => &[A::Accept, A::Feedback, A::Close],
        (R::Closed, S::Accepted) => &[A::Feedback, A::Close],
        (R::Closed, S::OnSite | S::Feedback | S::Verified) => &[A::Close],
        (R::Returned, S::Dispatched | S::Accepted) => &[A::Return],
        // It is there already, or has ended: the receipt is written down and moves nothing.
        (R::Received | R::Accepted | R::OnSite | R::Feedback | R::Closed | R::Returned, _) => &[],
    }
}

/// A case is with one system, under one name there.
fn check_same(case: &Case, external: &External, receipt: &Receipt) -> Result<(), Problem> {
    let (detail, detail_zh) = if external.system != receipt.system {
        (format!("the case was handed to {}", external.system), format!("工单已移交 {}", external.system))
    } else if external.external_case_id.as_ref().is_some_and(|known| *known != receipt.external_case_id) {
        ("it is known there under another external_case_id".to_owned(), "external_case_id 与此前不一致".to_owned())
    } else {
        return Ok(());
    };
    let mut problem = Problem::new(ProblemCode::IllegalInState, detail, detail_zh);
    problem.holder = case.handler.clone();
    Err(problem)
}

fn remark(receipt: &Receipt) -> String {
    let said = receipt.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
    let status = match receipt.status {
        ReceiptStatus::Received => "received",
        ReceiptStatus::Accepted => "accepted",
        ReceiptStatus::OnSite => "on_site",
        ReceiptStatus::Feedback => "feedback",
        ReceiptStatus::Closed => "closed",
        ReceiptStatus::Returned => "returned",
    };
    // A remark has its limit; the note of a receipt has its own, lower one.
    format!("{} {} {status}{said}", receipt.system, receipt.external_case_id)
}
