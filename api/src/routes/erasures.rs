//! Who was erased, and what of them is still on disk somewhere.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use compact_str::CompactString;
use model::erasure::ErasedKind;
use model::staff::Known;
use model::{Actor, Entity, Erasure, Reply, Role, StaffCommand, Timestamp};
use serde::Serialize;

use crate::auth::{Caller, only};
use crate::host::Remains;
use crate::params::{Segments, shortened};
use crate::problem::Fault;
use crate::scope::visible_to;
use crate::shared::Shared;

/// Who erases, and sees how far it is. No other system decides that somebody is to be forgotten.
pub(super) const ERASERS: &[Role] = &[Role::Admin, Role::Operator];

/// How long the answer waits until nothing shows them; a feed of millions takes some seconds to be looked through. The
/// erasure stands either way, and `remains` says that it goes on.
const ERASURE_WAIT_SECONDS: u64 = 60;

/// Somebody who was erased. Only ids are kept of them.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ErasureReport)]
pub(crate) struct ErasureJson {
    /// Counts them, from 1.
    id: u32,
    kind: ErasedKind,
    /// Their id, which is given to nobody again.
    #[schema(value_type = String)]
    subject: CompactString,
    /// When.
    at: Timestamp,
    /// Who asked for it.
    by: String,
    status: ErasureStatus,
    /// Where they still stand on disk; empty once it is complete.
    remains: Vec<Remains>,
}

/// How far it is. Nothing shows them any more in either case.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ErasureStatus {
    /// Something on disk is older than the erasure.
    Pending,
    /// The last older segment, checkpoint, export and known backup is gone.
    Complete,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Erasures {
    /// Oldest first.
    data: Vec<ErasureJson>,
}

/// Everybody who was erased.
#[utoipa::path(
    get,
    path = "/api/v1/erasures",
    tag = "registry",
    responses((status = 200, description = "As asked.", body = Erasures)),
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>, caller: Caller) -> Result<Answer<Erasures>, Fault> {
    only(&caller.actor, ERASERS)?;
    let mut data = Vec::new();
    for (seq, erasure) in visible(&shared, &caller.actor).await? {
        data.push(shown(&shared, seq, erasure).await);
    }
    Ok(Answer(Erasures { data }))
}

/// One erasure: whether it is complete, and what it waits for.
#[utoipa::path(
    get,
    path = "/api/v1/erasures/{id}",
    tag = "registry",
    params(("id" = String, Path, description = "Erasure.")),
    responses((status = 200, description = "As asked.", body = ErasureJson)),
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Answer<ErasureJson>, Fault> {
    only(&caller.actor, ERASERS)?;
    let mut found = visible(&shared, &caller.actor).await?;
    let place = found.iter().position(|(_, erasure)| erasure.id.to_string() == id);
    let (seq, erasure) = place
        .map(|place| found.swap_remove(place))
        .ok_or_else(|| Fault::not_found(&format!("erasures/{:?}", shortened(&id))))?;
    Ok(Answer(shown(&shared, seq, erasure).await))
}

/// Erases somebody; the answer says what of them is still on disk.
pub(super) async fn erase(
    shared: &Shared,
    actor: &Actor,
    (kind, subject): (ErasedKind, &str),
    known: Known,
    idempotency_key: Option<CompactString>,
) -> Result<Response, Fault> {
    only(actor, ERASERS)?;
    let command = StaffCommand::Erase { kind, subject: subject.into(), known, again: false };
    let committed = shared.host.command(actor.clone(), idempotency_key, command).await?;
    let seq = committed.seq;
    let reply = shared.seen(committed).await?;
    let wait = Duration::from_secs(ERASURE_WAIT_SECONDS);
    if tokio::time::timeout(wait, shared.host.erased_through(seq)).await.is_err() {
        tracing::warn!(seq, "somebody is still being taken out of the state: the answer to it did not wait");
    }
    let Reply::Done(Some(Entity::Erasure(erasure))) = reply else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let id = erasure.id;
    let found = shared.read(|view| view.erasures()).await?;
    let seq = found.into_iter().find(|(_, known)| known.id == id).map_or(u64::MAX, |(seq, _)| seq);
    let mut response = (StatusCode::ACCEPTED, Answer(shown(shared, seq, *erasure).await)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/erasures/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn visible(shared: &Shared, actor: &Actor) -> Result<Vec<(u64, Erasure)>, Fault> {
    let mut found = shared.read(|view| view.erasures()).await?;
    found.retain(|(_, erasure)| visible_to(actor, erasure.org.as_ref()));
    Ok(found)
}

async fn shown(shared: &Shared, seq: u64, erasure: Erasure) -> ErasureJson {
    let (host, at) = (Arc::clone(&shared.host), erasure.at);
    let remains = tokio::task::spawn_blocking(move || host.remains(seq, at)).await.unwrap_or_else(|_| {
        vec![Remains {
            place: "unknown".to_owned(),
            detail: "the disk could not be looked through; ask again".to_owned(),
            detail_zh: "暂时无法检查磁盘，请稍后再试".to_owned(),
            until: None,
        }]
    });
    let Erasure { id, kind, subject, at, by, .. } = erasure;
    let status = if remains.is_empty() { ErasureStatus::Complete } else { ErasureStatus::Pending };
    ErasureJson { id, kind, subject, at, by: by.to_string(), status, remains }
}
