//! Community cases, and what is done to them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::IntoResponse;
use axum::response::Response;
use compact_str::CompactString;
use model::{Actor, Case, CaseAction, CaseId, CaseKind, CaseState, Entity, PersonId, Reply, StaffCommand, WearerId};
use serde::{Deserialize, Serialize};
use store::{CaseFilter, Page};

use super::case_bodies::{CaseActionBody, FilingBody, ReceiptBody};
use super::commands::entity_answer;
use super::incidents::{action_named, after_id, name_of, state_filter};
use crate::auth::Caller;
use crate::body::Json;
use crate::headers::{CommandHeaders, IdempotencyKey, IfMatch};
use crate::page::{Listing, checked_limit, respond};
use crate::params::{Params, Segments, counted};
use crate::problem::Fault;
use crate::scope::sees_about;
use crate::shared::{Shared, tagged};
use crate::{exact, look};

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CaseParams {
    /// The key that the last page ended with.
    after: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `open`, or one state.
    state: Option<String>,
    kind: Option<CaseKind>,
    wearer: Option<String>,
    handler: Option<String>,
}

/// Community cases that the caller may see.
#[utoipa::path(
    get,
    path = "/api/v1/cases",
    tag = "cases",
    params(CaseParams),
    responses((status = 200, description = "As asked.", body = Listing<Case>)),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<CaseParams>,
) -> Result<Response, Fault> {
    let limit = checked_limit(params.limit)?;
    let after = after_id::<CaseId>(params.after.as_deref())?;
    let (open_only, state) = state_filter::<CaseState>(params.state.as_deref())?;
    let filter = CaseFilter { open_only, wearer: params.wearer.as_deref().map(WearerId::new) };
    let (kind, handler) = (params.kind, params.handler.as_deref().map(PersonId::new));
    let as_of = shared.newest_cursor().await?;
    let actor = caller.actor.clone();
    let mut listing = shared
        .read(move |view| {
            view.cases(&filter, Page { after, limit }, &|case| {
                sees_about(view, &actor, Some(&case.org), case.wearer.as_ref())
                    && kind.is_none_or(|kind| kind == case.kind)
                    && state.is_none_or(|state| state == case.state)
                    && (handler.is_none() || handler == case.handler)
            })
        })
        .await?;
    listing.items = listing.items.into_iter().map(|case| exact::case(case, &caller.actor)).collect();
    let placed = listing.items.iter().filter(|case| case.place.is_some()).map(|case| case.id);
    if let Some(subject) = look::subject_of("cases", placed) {
        look::record(&shared, &caller.actor, &subject, look::CASE_FIELDS, None).await?;
    }
    let next = listing.next(|number| CaseId::from_raw(number).to_string());
    let query: Vec<(&str, String)> =
        [("state", params.state), ("kind", kind.map(name_of)), ("wearer", params.wearer), ("handler", params.handler)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
    Ok(respond("/api/v1/cases", &query, limit, listing.items, next, as_of))
}

/// One case.
#[utoipa::path(
    get,
    path = "/api/v1/cases/{id}",
    tag = "cases",
    params(("id" = String, Path, description = "Case.")),
    responses((status = 200, description = "As asked.", body = Case)),
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Response, Fault> {
    let case = visible(&shared, &caller.actor, &id).await?;
    look_at(&shared, &caller.actor, &case).await?;
    Ok(shown(case, &caller.actor))
}

/// A case as its reader sees it, with what they may do to it now.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    case: Case,
    allowed_actions: Vec<CompactString>,
}

fn shown(case: Case, actor: &Actor) -> Response {
    let mut actions = CaseAction::allowed(case.state, actor.role);
    actions.retain(|action| action.is_command());
    let allowed_actions = actions.into_iter().map(|action| action.name().into()).collect();
    let version = case.version;
    tagged(&Shown { case: exact::case(case, actor), allowed_actions }, version)
}

async fn look_at(shared: &Shared, actor: &Actor, case: &Case) -> Result<(), Fault> {
    if case.place.is_some() {
        look::record(shared, actor, &format!("cases/{}", case.id), look::CASE_FIELDS, None).await?;
    }
    Ok(())
}

/// Files a case: for an incident, once, or from a person's report.
#[utoipa::path(
    post,
    path = "/api/v1/cases",
    tag = "cases",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer."),
    ),
    request_body(content = FilingBody, description = "An incident, or a person's report."),
    responses((status = 200, description = "As committed.", body = Case), (status = 201, description = "New, as committed.", body = Case)),
)]
pub(crate) async fn file(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    headers: CommandHeaders,
    Json(body): Json<FilingBody>,
) -> Result<Response, Fault> {
    let filing = body.filing()?;
    let mut there = None;
    if let Some(id) = filing.incident {
        let actor = caller.actor.clone();
        let visible = shared.find(move |view| {
            let found = view.incident(id)?;
            Ok(found.filter(|it| sees_about(view, &actor, Some(&it.org), Some(&it.wearer))))
        });
        there = visible.await?.ok_or_else(|| Fault::not_found(&format!("incident {id}")))?.case;
    }
    let command = StaffCommand::FileCase(Box::new(filing));
    let reply = shared.decide(&caller.actor, headers.idempotency_key, command).await?;
    let Reply::Done(Some(Entity::Case(case))) = reply else { return Ok(entity_answer(reply)) };
    let location = HeaderValue::from_str(&format!("/api/v1/cases/{}", case.id)).ok();
    let status = if there.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = (status, shown(*case, &caller.actor)).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Does something to a case; `If-Match` is required where a stale view could harm.
#[utoipa::path(
    post,
    path = "/api/v1/cases/{id}/actions/{action}",
    tag = "cases",
    params(("id" = String, Path, description = "Case."), ("action" = inline(crate::openapi::CaseActions), Path, description = "What is done."), IdempotencyKey, IfMatch),
    request_body(content = CaseActionBody, description = "What there is to say about it, by the action."),
    responses((status = 200, description = "As committed.", body = Case)),
)]
pub(crate) async fn act(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments((id, action)): Segments<(String, String)>,
    headers: CommandHeaders,
    Json(body): Json<CaseActionBody>,
) -> Result<Response, Fault> {
    let commands: Vec<CaseAction> = CaseAction::ALL.iter().copied().filter(|action| action.is_command()).collect();
    let action = action_named(&commands, CaseAction::name, &action)?;
    let into = body.into;
    let request = body.request(action)?;
    let case = visible(&shared, &caller.actor, &id).await?;
    if let Some(into) = into {
        visible(&shared, &caller.actor, &into.to_string()).await?;
    }
    // The answer shows where the case is. The look comes first: were it refused after the command was carried out, the
    // caller would be told of a failure that is none.
    look_at(&shared, &caller.actor, &case).await?;
    let command = StaffCommand::Case { id: case.id, if_match: headers.if_match, request: Box::new(request) };
    answer(&caller.actor, shared.decide(&caller.actor, headers.idempotency_key, command).await?)
}

/// Another system says how far it is with a case.
#[utoipa::path(
    post,
    path = "/api/v1/cases/{id}/receipts",
    tag = "cases",
    params(
        ("id" = String, Path, description = "Case."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer."),
    ),
    request_body(content = ReceiptBody, description = "`{system, external_case_id, status}`"),
    responses((status = 200, description = "As committed.", body = Case)),
)]
pub(crate) async fn receipt(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: CommandHeaders,
    Json(body): Json<ReceiptBody>,
) -> Result<Response, Fault> {
    let receipt = Box::new(body.receipt()?);
    let case = visible(&shared, &caller.actor, &id).await?;
    look_at(&shared, &caller.actor, &case).await?;
    let command = StaffCommand::CaseReceipt { id: case.id, receipt };
    answer(&caller.actor, shared.decide(&caller.actor, headers.idempotency_key, command).await?)
}

pub(super) fn answer(actor: &Actor, reply: Reply) -> Result<Response, Fault> {
    match reply {
        Reply::Done(Some(Entity::Case(case))) => Ok(shown(*case, actor)),
        other => Ok(entity_answer(other)),
    }
}

pub(super) async fn visible(shared: &Shared, actor: &Actor, id: &str) -> Result<Case, Fault> {
    let wanted = counted::<CaseId>(id, "case")?;
    let actor = actor.clone();
    shared
        .find(move |view| {
            let found = view.case(wanted)?;
            Ok(found.filter(|case| sees_about(view, &actor, Some(&case.org), case.wearer.as_ref())))
        })
        .await?
        .ok_or_else(|| Fault::not_found(&format!("case {wanted}")))
}
