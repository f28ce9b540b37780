//! Who watches a console with its sound on (开始值班). A console gives a sign of life every 15 to 30 seconds; whoever gives
//! none for a minute does not watch any more.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use model::{Actor, Role, StaffCommand, Watch};
use serde::{Deserialize, Serialize};

use super::tasks::STAFF;
use crate::auth::{Caller, only};
use crate::body::Json;
use crate::headers::CommandHeaders;
use crate::problem::Fault;
use crate::shared::Shared;

/// Who can take an alarm at a console; the engine says the same.
const WATCHERS: &[Role] = &[Role::Admin, Role::Operator, Role::Desk, Role::GridWorker, Role::Street, Role::Department];

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WatchBody {
    /// Whether the console watches on.
    on: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Watching {
    /// Whose consoles show what the caller's shows, or a part of it, or more; the longest first.
    data: Vec<Watch>,
}

/// Who watches now.
#[utoipa::path(
    get,
    path = "/api/v1/duty/watch",
    tag = "duty",
    responses((status = 200, description = "As of now.", body = Watching)),
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>, caller: Caller) -> Result<Answer<Watching>, Fault> {
    only(&caller.actor, STAFF)?;
    Ok(watching(&shared, &caller.actor))
}

/// A sign of life of a console with its sound on, or the end of a watch.
#[utoipa::path(
    post,
    path = "/api/v1/duty/watch",
    tag = "duty",
    params(crate::headers::IdempotencyKey),
    request_body(content = WatchBody, description = "Whether the console watches on."),
    responses((status = 200, description = "Who watches now.", body = Watching)),
)]
pub(crate) async fn set(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    headers: CommandHeaders,
    Json(body): Json<WatchBody>,
) -> Result<Answer<Watching>, Fault> {
    only(&caller.actor, WATCHERS)?;
    shared.decide(&caller.actor, headers.idempotency_key, StaffCommand::Watch { on: body.on }).await?;
    Ok(watching(&shared, &caller.actor))
}

fn watching(shared: &Shared, actor: &Actor) -> Answer<Watching> {
    let mut data = shared.host.watches();
    data.retain(|watch| watch.org.contains(&actor.scope) || actor.scope.contains(&watch.org));
    Answer(Watching { data })
}
