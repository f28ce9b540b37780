//! Incidents, their attempts, and what is done to them.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::Response;
use model::{
    Actor, Attempt, AttemptId, Entity, Incident, IncidentAction, IncidentId, IncidentKind, IncidentState, PersonId,
    Reply, StaffCommand, WearerId,
};
use serde::{Deserialize, Serialize};
use store::{IncidentFilter, Page};

use super::commands::entity_answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::headers::{CommandHeaders, IdempotencyKey, IfMatch};
use crate::page::{Listing, checked_limit, respond};
use crate::params::{Params, Segments, bad_parameter, counted, shortened};
use crate::problem::{Code, Fault};
use crate::scope::sees_about;
use crate::shared::{Shared, tagged};
use crate::{exact, look};

/// What callers may do; the table's other actions are the engine's own.
const ACTIONS: &[IncidentAction] = &[
    IncidentAction::Acknowledge,
    IncidentAction::Extend,
    IncidentAction::Arrive,
    IncidentAction::Resolve,
    IncidentAction::Escalate,
    IncidentAction::Reopen,
    IncidentAction::Note,
    IncidentAction::TakeOrder,
];
/// The longest remark, in bytes.
pub(super) const NOTE_BYTES_MAX: usize = 2_000;
/// The longest disposition, in bytes.
pub(super) const DISPOSITION_BYTES_MAX: usize = 64;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct IncidentParams {
    /// The key that the last page ended with.
    after: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `open`, or one state.
    state: Option<String>,
    kind: Option<IncidentKind>,
    wearer: Option<String>,
}

/// Incidents that the caller may see.
#[utoipa::path(
    get,
    path = "/api/v1/incidents",
    tag = "incidents",
    params(IncidentParams),
    responses((status = 200, description = "As asked.", body = Listing<Incident>)),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<IncidentParams>,
) -> Result<Response, Fault> {
    let limit = checked_limit(params.limit)?;
    let after = after_id::<IncidentId>(params.after.as_deref())?;
    let (open_only, state) = state_filter::<IncidentState>(params.state.as_deref())?;
    let filter = IncidentFilter { open_only, wearer: params.wearer.as_deref().map(WearerId::new) };
    let (actor, kind) = (caller.actor.clone(), params.kind);
    // Before the list is read: what changes meanwhile is told by the feed after this cursor.
    let as_of = shared.newest_cursor().await?;
    let listing = shared
        .read(move |view| {
            view.incidents(&filter, Page { after, limit }, &|incident| {
                sees_about(view, &actor, Some(&incident.org), Some(&incident.wearer))
                    && kind.is_none_or(|kind| kind == incident.kind)
                    && state.is_none_or(|state| state == incident.state)
            })
        })
        .await?;
    if let Some(subject) = look::subject_of("incidents", listing.items.iter().map(|incident| incident.id)) {
        look::record(&shared, &caller.actor, &subject, look::INCIDENT_FIELDS, None).await?;
    }
    let next = listing.next(|number| IncidentId::from_raw(number).to_string());
    let items = exactly(&shared, listing.items, &caller.actor).await?;
    let query: Vec<(&str, String)> = [("state", params.state), ("kind", kind.map(name_of)), ("wearer", params.wearer)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    Ok(respond("/api/v1/incidents", &query, limit, items, next, as_of))
}

/// One incident.
#[utoipa::path(
    get,
    path = "/api/v1/incidents/{id}",
    tag = "incidents",
    params(("id" = String, Path, description = "Incident.")),
    responses((status = 200, description = "As asked.", body = Incident)),
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Response, Fault> {
    let incident = visible(&shared, &caller.actor, &id).await?;
    let subject = format!("incidents/{}", incident.id);
    look::record(&shared, &caller.actor, &subject, look::INCIDENT_FIELDS, None).await?;
    let incident = exactly(&shared, vec![incident], &caller.actor).await?.remove(0);
    Ok(tagged(&incident, incident.version))
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Attempts {
    data: Vec<Attempt>,
}

/// Who was called for an incident, and what came of it.
#[utoipa::path(
    get,
    path = "/api/v1/incidents/{id}/attempts",
    tag = "incidents",
    params(("id" = String, Path, description = "Incident.")),
    responses((status = 200, description = "As asked.", body = Attempts)),
)]
pub(crate) async fn attempts(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Answer<Attempts>, Fault> {
    let incident = visible(&shared, &caller.actor, &id).await?.id;
    let found = shared.read(move |view| view.attempts_of(incident)).await?;
    let subject = format!("incidents/{incident}/attempts");
    look::record(&shared, &caller.actor, &subject, look::ATTEMPT_FIELDS, None).await?;
    Ok(Answer(Attempts { data: told(&shared, found, &caller.actor).await? }))
}

/// One attempt to reach somebody.
#[utoipa::path(
    get,
    path = "/api/v1/attempts/{id}",
    tag = "incidents",
    params(("id" = String, Path, description = "Attempt.")),
    responses((status = 200, description = "As asked.", body = Attempt)),
)]
pub(crate) async fn attempt(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Response, Fault> {
    let wanted = counted::<AttemptId>(&id, "attempt")?;
    let actor = caller.actor.clone();
    let attempt = shared
        .find(move |view| {
            let found = view.attempt(wanted)?;
            Ok(found.filter(|it| sees_about(view, &actor, Some(&it.org), Some(&it.wearer))))
        })
        .await?
        .ok_or_else(|| Fault::not_found(&format!("attempt {wanted}")))?;
    look::record(&shared, &caller.actor, &format!("attempts/{wanted}"), look::ATTEMPT_FIELDS, None).await?;
    let attempt = told(&shared, vec![attempt], &caller.actor).await?.remove(0);
    Ok(tagged(&attempt, attempt.version))
}

#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IncidentActionBody {
    note: Option<String>,
    disposition: Option<String>,
    on_behalf_of: Option<String>,
}

/// Does something to an incident; what may be done when, and by whom, is in the table `x-transitions`.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/actions/{action}",
    tag = "incidents",
    params(("id" = String, Path, description = "Incident."), ("action" = inline(crate::openapi::IncidentActions), Path, description = "What is done."), IdempotencyKey, IfMatch),
    request_body = IncidentActionBody,
    responses((status = 200, description = "As committed.", body = Incident)),
)]
pub(crate) async fn act(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments((id, action)): Segments<(String, String)>,
    headers: CommandHeaders,
    Json(body): Json<IncidentActionBody>,
) -> Result<Response, Fault> {
    let action = action_named(ACTIONS, IncidentAction::name, &action)?;
    checked_text("/note", body.note.as_deref(), NOTE_BYTES_MAX)?;
    checked_text("/disposition", body.disposition.as_deref(), DISPOSITION_BYTES_MAX)?;
    let on_behalf_of = checked_id("/on_behalf_of", body.on_behalf_of.as_deref())?.map(PersonId::new);
    let id = visible(&shared, &caller.actor, &id).await?.id;
    let command = StaffCommand::Incident {
        id,
        action,
        if_match: headers.if_match,
        note: body.note,
        disposition: body.disposition,
        on_behalf_of,
    };
    // The answer shows the incident, its position included. The look comes first: were it refused after the command
    // was carried out, the caller would be told of a failure that is none.
    look::record(&shared, &caller.actor, &format!("incidents/{id}"), look::INCIDENT_FIELDS, None).await?;
    let reply = shared.decide(&caller.actor, headers.idempotency_key, command).await?;
    let Reply::Done(Some(Entity::Incident(incident))) = reply else { return Ok(entity_answer(reply)) };
    let incident = exactly(&shared, vec![*incident], &caller.actor).await?.remove(0);
    Ok(tagged(&incident, incident.version))
}

/// Incidents as somebody may see them: exactly where, or about where.
async fn exactly(shared: &Shared, incidents: Vec<Incident>, actor: &Actor) -> Result<Vec<Incident>, Fault> {
    if exact::is_for(actor) {
        return Ok(incidents);
    }
    let actor = actor.clone();
    shared
        .read(move |view| {
            let shown = incidents.into_iter().map(|incident| {
                let case = incident.case.map(|id| view.case(id)).transpose()?.flatten();
                Ok(exact::incident(incident, case.as_ref(), &actor))
            });
            shown.collect()
        })
        .await
}

/// What people were told, as somebody may see it: the message says where, and how somebody is.
async fn told(shared: &Shared, attempts: Vec<Attempt>, actor: &Actor) -> Result<Vec<Attempt>, Fault> {
    if exact::is_for(actor) {
        return Ok(attempts);
    }
    let actor = actor.clone();
    shared
        .read(move |view| {
            let shown = attempts.into_iter().map(|attempt| {
                let incident = attempt.incident.map(|id| view.incident(id)).transpose()?.flatten();
                let case = incident.and_then(|it| it.case).map(|id| view.case(id)).transpose()?.flatten();
                Ok(exact::attempt(attempt, case.as_ref(), &actor))
            });
            shown.collect()
        })
        .await
}

async fn visible(shared: &Shared, actor: &Actor, id: &str) -> Result<Incident, Fault> {
    let wanted = counted::<IncidentId>(id, "incident")?;
    let actor = actor.clone();
    shared
        .find(move |view| {
            let found = view.incident(wanted)?;
            Ok(found.filter(|it| sees_about(view, &actor, Some(&it.org), Some(&it.wearer))))
        })
        .await?
        .ok_or_else(|| Fault::not_found(&format!("incident {wanted}")))
}

/// The action of a path's last segment.
pub(super) fn action_named<A: Copy>(actions: &[A], name_of: fn(A) -> &'static str, name: &str) -> Result<A, Fault> {
    actions.iter().copied().find(|action| name_of(*action) == name).ok_or_else(|| {
        let names: Vec<&str> = actions.iter().copied().map(name_of).collect();
        let (name, names) = (shortened(name), names.join(", "));
        Fault::new(
            Code::NoSuchPath,
            format!("there is no action {name:?}; there are {names}"),
            format!("没有名为 {name:?} 的操作；可用操作：{names}"),
        )
    })
}

/// A text of at most `bytes_max` bytes without control characters other than line breaks and tabs.
pub(super) fn checked_text(pointer: &str, text: Option<&str>, bytes_max: usize) -> Result<(), Fault> {
    let Some(text) = text else { return Ok(()) };
    if text.len() > bytes_max {
        return Err(Fault::invalid(
            pointer,
            format!("{} bytes, at most {bytes_max} are taken", text.len()),
            format!("长度为 {} 字节，最多 {bytes_max} 字节", text.len()),
        ));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Fault::invalid(pointer, "control characters are not taken", "不能包含控制字符"));
    }
    Ok(())
}

/// An identifier in a body.
pub(super) fn checked_id<'a>(pointer: &str, id: Option<&'a str>) -> Result<Option<&'a str>, Fault> {
    match id {
        Some(id) if !model::id::is_well_formed(id) => Err(Fault::invalid(
            pointer,
            "an id is 1 to 64 ASCII letters, digits, - _ . :",
            "标识须为 1 至 64 个 ASCII 字母、数字或 - _ . :",
        )),
        id => Ok(id),
    }
}

/// The key after which a page begins.
pub(super) fn after_id<T: std::str::FromStr>(text: Option<&str>) -> Result<Option<T>, Fault> {
    text.map(str::parse).transpose().map_err(|_| {
        bad_parameter("`after` must be the id that the last page ended with", "`after` 须为上一页最后一项的标识")
    })
}

/// `open`, or one state by its name.
pub(super) fn state_filter<S: for<'de> Deserialize<'de>>(text: Option<&str>) -> Result<(bool, Option<S>), Fault> {
    match text {
        None => Ok((false, None)),
        Some("open") => Ok((true, None)),
        Some(name) => serde_json::from_value(name.into()).map(|state| (false, Some(state))).map_err(|error| {
            bad_parameter(format!("state: `open`, or {error}"), format!("state：可用 open 或单个状态；{error}"))
        }),
    }
}

/// A word of the model as JSON names it.
pub(super) fn name_of<T: Serialize>(word: T) -> String {
    serde_json::to_value(word).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
