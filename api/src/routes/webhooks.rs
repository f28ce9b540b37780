//! Subscriptions of other systems: Standard Webhooks 1.0. What is sent, and when again, is the engine's business.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use compact_str::CompactString;
use model::webhook::{Delivery, Waiting, WebhookAct, WebhookOrder, WebhookState};
use model::{Actor, OrgPath, PersonId, Role, StaffCommand, Timestamp, Webhook, WebhookId};
use serde::{Deserialize, Serialize};

use super::events::kinds_of;
use super::incidents::{after_id, checked_text};
use crate::auth::{Caller, only};
use crate::body::Json;
use crate::cursor::Cursor;
use crate::headers::{CommandHeaders, IdempotencyKey, IfMatch};
use crate::page::{Listing, Paging, checked_limit, respond};
use crate::params::{Params, Segments, shortened};
use crate::problem::Fault;
use crate::scope::visible_to;
use crate::shared::{Shared, tagged};

/// Who may subscribe other systems.
const KEEPERS: &[Role] = &[Role::Admin, Role::Operator, Role::Integration];
/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// How many patterns of types one subscription may have.
const TYPES_MAX: usize = 32;
/// How many random bytes are in an id.
const ID_RANDOM_BYTES: usize = 8;

/// What a new subscription says.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookBody {
    /// What it is called, in metrics too.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// Where to: `https://`, and an address of the public internet unless the operator's configuration allows it.
    #[schema(max_length = 2048)]
    url: String,
    /// Patterns of event types, e.g. `case.*`; all without.
    #[serde(default)]
    types: Vec<String>,
    /// The part of the tree that it is told of; the maker's own by default.
    scope: Option<String>,
}

/// What is changed; what is not there stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookChange {
    #[schema(min_length = 1, max_length = 64)]
    name: Option<String>,
    #[schema(max_length = 2048)]
    url: Option<String>,
    types: Option<Vec<String>>,
    /// `true`: nothing is told until it is `false` again; then what happened meanwhile is.
    paused: Option<bool>,
}

/// What is sent again: one event, or everything after a cursor.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayBody {
    /// The `seq` of one event.
    event: Option<u64>,
    /// A cursor of the feed.
    after: Option<String>,
}

/// A subscription, without its secret.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookJson {
    id: WebhookId,
    version: u32,
    name: String,
    url: String,
    types: Vec<String>,
    scope: OrgPath,
    state: WebhookState,
    by: PersonId,
    created_at: Timestamp,
    /// Until when the secret before the last rotation signs too.
    rotated_until: Option<Timestamp>,
    /// Every event up to here was taken, waits below, or was not for it.
    cursor: String,
    /// How many events behind the newest one that is, those that are not for it included.
    lag_events: u64,
    waiting: Vec<Waiting>,
    /// How many deliveries were tried.
    deliveries: u64,
}

impl WebhookJson {
    fn of(webhook: Webhook, newest: Cursor) -> WebhookJson {
        WebhookJson {
            id: webhook.id,
            version: webhook.version,
            name: webhook.order.name.into(),
            url: webhook.order.url,
            types: webhook.order.types.into_iter().map(String::from).collect(),
            scope: webhook.scope,
            state: webhook.state,
            by: webhook.by,
            created_at: webhook.created_at,
            rotated_until: webhook.rotated_until,
            cursor: Cursor { seq: webhook.cursor, ..newest }.to_string(),
            lag_events: newest.seq.saturating_sub(webhook.cursor),
            waiting: webhook.waiting,
            deliveries: webhook.deliveries,
        }
    }
}

/// A subscription with its secret, `whsec_` and base64.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct NewWebhook {
    #[serde(flatten)]
    webhook: WebhookJson,
    /// Shown here and never again; rotate it to have another.
    secret: String,
}

/// Subscribes another system: what happens from now on is POSTed to it, signed.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks",
    tag = "webhooks",
    params(IdempotencyKey),
    request_body = WebhookBody,
    responses((status = 201, description = "Shown with its secret, here and never again.", body = NewWebhook)),
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    headers: CommandHeaders,
    Json(body): Json<WebhookBody>,
) -> Result<Response, Fault> {
    only(&caller.actor, KEEPERS)?;
    let order = checked(
        &shared,
        WebhookOrder {
            name: body.name.into(),
            url: body.url,
            types: body.types.into_iter().map(CompactString::from).collect(),
        },
    )?;
    let scope = body.scope.map_or_else(|| caller.actor.scope.clone(), |scope| OrgPath::new(&scope));
    if !(scope.as_str() == "/" || scope.is_well_formed()) || !caller.actor.scope.contains(&scope) {
        let detail = format!("a scope is a path like /luyang/xinghua/ within yours, {}", caller.actor.scope);
        let zh = format!("范围须为您的范围 {} 之内的路径，例如 /luyang/xinghua/", caller.actor.scope);
        return Err(Fault::invalid("/scope", detail, zh));
    }
    let id = new_id(&shared, headers.idempotency_key.as_deref(), &caller.actor);
    act(&shared, &caller.actor, headers.idempotency_key, (&id, None), WebhookAct::Create { order, scope }).await?;
    let webhook = visible(&shared, &caller.actor, id.as_str()).await?;
    let location = HeaderValue::from_str(&format!("/api/v1/webhooks/{id}"));
    let mut response = (StatusCode::CREATED, with_secret(&shared, webhook).await?).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// An id nobody guesses; the same one for a repeat, so that a repeat makes no second subscription.
fn new_id(shared: &Shared, key: Option<&str>, actor: &Actor) -> WebhookId {
    let mut bytes = [0; ID_RANDOM_BYTES];
    match key {
        Some(key) => {
            let digest = crate::token::sha256(&format!("webhook\0{}\0{key}", actor.person));
            bytes.copy_from_slice(&digest[..ID_RANDOM_BYTES]);
        }
        None => shared.host.random(&mut bytes),
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    WebhookId::new(&format!("wh_{hex}"))
}

/// Subscriptions, without their secrets.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks",
    tag = "webhooks",
    responses((status = 200, description = "As asked.", body = Listing<WebhookJson>)),
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>, caller: Caller) -> Result<Response, Fault> {
    only(&caller.actor, KEEPERS)?;
    let as_of = shared.newest_cursor().await?;
    let webhooks = shared.read(|view| view.webhooks()).await?;
    let visible = webhooks.into_iter().filter(|webhook| visible_to(&caller.actor, Some(&webhook.scope)));
    let data: Vec<WebhookJson> = visible.map(|webhook| WebhookJson::of(webhook, as_of)).collect();
    Ok(respond("/api/v1/webhooks", &[], crate::page::LIMIT_MAX, data, None, as_of))
}

/// One subscription.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "Webhook.")),
    responses((status = 200, description = "As asked.", body = WebhookJson)),
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Response, Fault> {
    only(&caller.actor, KEEPERS)?;
    let webhook = visible(&shared, &caller.actor, &id).await?;
    shown(&shared, webhook).await
}

/// Changes what is there; `paused` holds it and lets it go on, after a 410 too.
#[utoipa::path(
    patch,
    path = "/api/v1/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "Webhook."), IdempotencyKey, IfMatch),
    request_body = WebhookChange,
    responses((status = 200, description = "As committed.", body = WebhookJson)),
)]
pub(crate) async fn change(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: CommandHeaders,
    Json(body): Json<WebhookChange>,
) -> Result<Response, Fault> {
    only(&caller.actor, KEEPERS)?;
    let webhook = visible(&shared, &caller.actor, &id).await?;
    let says_something = body.name.is_some() || body.url.is_some() || body.types.is_some();
    let order = checked(
        &shared,
        WebhookOrder {
            name: body.name.map_or(webhook.order.name, CompactString::from),
            url: body.url.unwrap_or(webhook.order.url),
            types: body.types.map_or(webhook.order.types, |types| types.into_iter().map(CompactString::from).collect()),
        },
    );
    let order = if says_something { Some(order?) } else { None };
    let change = WebhookAct::Change { order, paused: body.paused };
    act(&shared, &caller.actor, headers.idempotency_key, (&webhook.id, headers.if_match), change).await?;
    let webhook = visible(&shared, &caller.actor, &id).await?;
    shown(&shared, webhook).await
}

/// Ends a subscription.
#[utoipa::path(
    delete,
    path = "/api/v1/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "Webhook."), IdempotencyKey, IfMatch),
    responses((status = 204, description = "Ended.")),
)]
pub(crate) async fn end(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: CommandHeaders,
) -> Result<StatusCode, Fault> {
    only(&caller.actor, KEEPERS)?;
    let id = visible(&shared, &caller.actor, &id).await?.id;
    act(&shared, &caller.actor, headers.idempotency_key, (&id, headers.if_match), WebhookAct::Delete).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives it another secret; for a day both sign.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{id}/rotate",
    tag = "webhooks",
    params(("id" = String, Path, description = "Webhook."), IdempotencyKey),
    responses((status = 200, description = "Shown with its new secret, here and never again.", body = NewWebhook)),
)]
pub(crate) async fn rotate(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: CommandHeaders,
) -> Result<Response, Fault> {
    only(&caller.actor, KEEPERS)?;
    let id = visible(&shared, &caller.actor, &id).await?.id;
    act(&shared, &caller.actor, headers.idempotency_key, (&id, None), WebhookAct::Rotate).await?;
    let webhook = visible(&shared, &caller.actor, id.as_str()).await?;
    Ok(with_secret(&shared, webhook).await?.into_response())
}

/// Sends it a `webhook.test`.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{id}/test",
    tag = "webhooks",
    params(("id" = String, Path, description = "Webhook."), IdempotencyKey),
    responses((status = 200, description = "It is on its way; the log tells what came of it.", body = WebhookJson)),
)]
pub(crate) async fn test(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: CommandHeaders,
) -> Result<Response, Fault> {
    only(&caller.actor, KEEPERS)?;
    let id = visible(&shared, &caller.actor, &id).await?.id;
    act(&shared, &caller.actor, headers.idempotency_key, (&id, None), WebhookAct::Test).await?;
    let webhook = visible(&shared, &caller.actor, id.as_str()).await?;
    shown(&shared, webhook).await
}

/// Sends again, under the same `webhook-id`.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{id}/replay",
    tag = "webhooks",
    params(("id" = String, Path, description = "Webhook."), IdempotencyKey),
    request_body = ReplayBody,
    responses((status = 200, description = "It is on its way; the log tells what came of it.", body = WebhookJson)),
)]
pub(crate) async fn replay(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: CommandHeaders,
    Json(body): Json<ReplayBody>,
) -> Result<Response, Fault> {
    only(&caller.actor, KEEPERS)?;
    let id = visible(&shared, &caller.actor, &id).await?.id;
    let again = match (body.event, body.after) {
        (Some(event), None) => WebhookAct::Replay { event },
        (None, Some(after)) => {
            let cursor = super::events::start(&shared, Some(&after), None).await?;
            WebhookAct::ReplayAfter { event: cursor.seq }
        }
        _ => {
            let detail = "say either `event`, the seq of one, or `after`, a cursor";
            return Err(Fault::invalid("", detail, "请提供 `event`（单个事件的 seq）或 `after`（游标）之一"));
        }
    };
    act(&shared, &caller.actor, headers.idempotency_key, (&id, None), again).await?;
    let webhook = visible(&shared, &caller.actor, id.as_str()).await?;
    shown(&shared, webhook).await
}

/// What was sent and what came of it, newest first; the last thousand.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{id}/deliveries",
    tag = "webhooks",
    params(("id" = String, Path, description = "Webhook."), Paging),
    responses((status = 200, description = "As asked.", body = Listing<Delivery>)),
)]
pub(crate) async fn deliveries(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(paging): Params<Paging>,
) -> Result<Response, Fault> {
    only(&caller.actor, KEEPERS)?;
    let limit = checked_limit(paging.limit)?;
    let after = after_id::<u64>(paging.after.as_deref())?;
    let id = visible(&shared, &caller.actor, &id).await?.id;
    let as_of = shared.newest_cursor().await?;
    let wanted = id.clone();
    let listing = shared.read(move |view| view.deliveries(&wanted, store::Page { after, limit })).await?;
    let next = listing.next(|number| number.to_string());
    Ok(respond(&format!("/api/v1/webhooks/{id}/deliveries"), &[], limit, listing.items, next, as_of))
}

fn checked(shared: &Shared, order: WebhookOrder) -> Result<WebhookOrder, Fault> {
    if order.name.trim().is_empty() {
        return Err(Fault::invalid("/name", "say what it is called", "请填写名称"));
    }
    checked_text("/name", Some(&order.name), NAME_BYTES_MAX)?;
    if order.types.len() > TYPES_MAX {
        let detail = format!("at most {TYPES_MAX} patterns");
        return Err(Fault::invalid("/types", detail, format!("最多 {TYPES_MAX} 个类型")));
    }
    for (place, pattern) in order.types.iter().enumerate() {
        if pattern.contains(',') || kinds_of(pattern).is_err() {
            let shown = shortened(pattern);
            let detail = format!("no event is called {shown:?}; take e.g. incident.* or case.filed");
            let zh = format!("没有名为 {shown:?} 的事件类型，可用例如 incident.* 或 case.filed");
            return Err(Fault::invalid(&format!("/types/{place}"), detail, zh));
        }
    }
    shared.host.check_outward_url(&order.url).map_err(|(detail, zh)| Fault::invalid("/url", detail, zh))?;
    Ok(order)
}

async fn act(
    shared: &Shared,
    actor: &Actor,
    key: Option<CompactString>,
    (id, if_match): (&WebhookId, Option<u32>),
    act: WebhookAct,
) -> Result<(), Fault> {
    let command = StaffCommand::Webhook { id: id.clone(), if_match, act };
    shared.decide(actor, key, command).await.map(drop)
}

async fn visible(shared: &Shared, actor: &Actor, id: &str) -> Result<Webhook, Fault> {
    let wanted = WebhookId::new(id);
    shared
        .find(move |view| view.webhook(&wanted))
        .await?
        .filter(|webhook| visible_to(actor, Some(&webhook.scope)))
        .ok_or_else(|| Fault::not_found(&format!("webhook {:?}", shortened(id))))
}

async fn shown(shared: &Shared, webhook: Webhook) -> Result<Response, Fault> {
    let version = webhook.version;
    Ok(tagged(&WebhookJson::of(webhook, shared.newest_cursor().await?), version))
}

async fn with_secret(shared: &Shared, webhook: Webhook) -> Result<(HeaderMap, Answer<NewWebhook>), Fault> {
    let secret = shared.host.webhook_secret(&webhook.id, webhook.secret_generation);
    let mut headers = HeaderMap::new();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", webhook.version)) {
        headers.insert(ETAG, tag);
    }
    let webhook = WebhookJson::of(webhook, shared.newest_cursor().await?);
    Ok((headers, Answer(NewWebhook { webhook, secret })))
}
