//! Whether those who are called for a wearer were ever reached: told before the alarm, not after.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use model::{PersonId, Timestamp};
use serde::Serialize;

use super::tasks::STAFF;
use super::wearers::visible_wearer;
use crate::auth::{Caller, only};
use crate::params::Segments;
use crate::problem::Fault;
use crate::shared::Shared;

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Reached {
    /// The guardians in the order of calling.
    data: Vec<ReachedJson>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ReachedJson {
    person: PersonId,
    /// When somebody last picked up or answered at their present number; `null`: never.
    reached_at: Option<Timestamp>,
}

/// When a wearer's guardians were last reached by a call.
#[utoipa::path(
    get,
    path = "/api/v1/wearers/{id}/reach",
    tag = "registry",
    params(("id" = String, Path, description = "Wearer.")),
    responses((status = 200, description = "As asked.", body = Reached)),
)]
pub(crate) async fn of_wearer(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Answer<Reached>, Fault> {
    only(&caller.actor, STAFF)?;
    let guardians = visible_wearer(&shared, &caller.actor, &id).await?.guardians;
    let people = shared
        .read(move |view| {
            guardians
                .into_iter()
                .map(|id| Ok((view.person(&id)?.and_then(|one| one.phone), id)))
                .collect::<Result<Vec<_>, _>>()
        })
        .await?;
    let reached = |(phone, person): (Option<_>, PersonId)| {
        let reached_at = phone.and_then(|phone: compact_str::CompactString| shared.host.reached_at(&person, &phone));
        ReachedJson { person, reached_at }
    };
    Ok(Answer(Reached { data: people.into_iter().map(reached).collect() }))
}
