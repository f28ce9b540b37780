//! Community cases, and what is done to them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use model::{Actor, Case, CaseAction, CaseId, CaseState, IncidentKind, PersonId, StaffCommand, WearerId};
use serde::Deserialize;
use store::{CaseFilter, Page};

use super::commands::entity_answer;
use super::incidents::{
    DISPOSITION_BYTES_MAX, NOTE_BYTES_MAX, action_named, after_id, checked_id, checked_text, name_of, state_filter,
};
use crate::auth::Caller;
use crate::body::Json;
use crate::headers::{CommandHeaders, IdempotencyKey, IfMatch};
use crate::page::{Listing, checked_limit, respond};
use crate::params::{Params, Segments, counted};
use crate::problem::Fault;
use crate::scope::visible_to;
use crate::shared::{Shared, tagged};

/// What callers may do. `file` makes a case and is not an action on one.
const ACTIONS: &[CaseAction] = &[
    CaseAction::Reject,
    CaseAction::Dispatch,
    CaseAction::Accept,
    CaseAction::Reassign,
    CaseAction::Arrive,
    CaseAction::Feedback,
    CaseAction::Return,
    CaseAction::Verify,
    CaseAction::Close,
    CaseAction::Reopen,
    CaseAction::Merge,
    CaseAction::Whistle,
    CaseAction::Note,
    CaseAction::Rate,
];

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
    kind: Option<IncidentKind>,
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
    let listing = shared
        .read(move |view| {
            view.cases(&filter, Page { after, limit }, &|case| {
                visible_to(&caller.actor, Some(&case.org))
                    && kind.is_none_or(|kind| kind == case.kind)
                    && state.is_none_or(|state| state == case.state)
                    && (handler.is_none() || handler == case.handler)
            })
        })
        .await?;
    let next = listing.items.last().filter(|_| listing.has_more).map(|case| case.id.to_string());
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
    Ok(tagged(&case, case.version))
}

#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseActionBody {
    note: Option<String>,
    handler: Option<String>,
    disposition: Option<String>,
    into: Option<CaseId>,
    rating: Option<u8>,
}

/// Does something to a case; `If-Match` is required where a stale view could harm.
#[utoipa::path(
    post,
    path = "/api/v1/cases/{id}/actions/{action}",
    tag = "cases",
    params(("id" = String, Path, description = "Case."), ("action" = inline(crate::openapi::CaseActions), Path, description = "What is done."), IdempotencyKey, IfMatch),
    request_body = CaseActionBody,
    responses((status = 200, description = "As committed.", body = Case)),
)]
pub(crate) async fn act(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments((id, action)): Segments<(String, String)>,
    headers: CommandHeaders,
    Json(body): Json<CaseActionBody>,
) -> Result<Response, Fault> {
    let action = action_named(ACTIONS, CaseAction::name, &action)?;
    checked_text("/note", body.note.as_deref(), NOTE_BYTES_MAX)?;
    checked_text("/disposition", body.disposition.as_deref(), DISPOSITION_BYTES_MAX)?;
    let handler = checked_id("/handler", body.handler.as_deref())?.map(PersonId::new);
    if body.rating.is_some_and(|rating| !(1..=5).contains(&rating)) {
        return Err(Fault::invalid("/rating", "a rating is 1 to 5", "评分须为 1 至 5"));
    }
    let id = visible(&shared, &caller.actor, &id).await?.id;
    if let Some(into) = body.into {
        visible(&shared, &caller.actor, &into.to_string()).await?;
    }
    let command = StaffCommand::Case {
        id,
        action,
        if_match: headers.if_match,
        note: body.note,
        handler,
        disposition: body.disposition,
        into: body.into,
        rating: body.rating,
    };
    Ok(entity_answer(shared.decide(&caller.actor, headers.idempotency_key, command).await?))
}

async fn visible(shared: &Shared, actor: &Actor, id: &str) -> Result<Case, Fault> {
    let wanted = counted::<CaseId>(id, "case")?;
    shared
        .find(move |view| view.case(wanted))
        .await?
        .filter(|case| visible_to(actor, Some(&case.org)))
        .ok_or_else(|| Fault::not_found(&format!("case {wanted}")))
}
