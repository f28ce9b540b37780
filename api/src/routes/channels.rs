//! How people are reached: the providers, what is set for them and where that stands, and how they are. No credential is
//! ever in here.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use model::Role;
use serde::Serialize;

use crate::auth::{Caller, only};
use crate::host::ChannelState;
use crate::problem::Fault;
use crate::shared::Shared;

const READERS: &[Role] = &[Role::Admin, Role::Operator];

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ChannelList {
    data: Vec<ChannelState>,
}

/// The channels with their providers.
#[utoipa::path(
    get,
    path = "/api/v1/channels",
    tag = "house",
    responses((status = 200, description = "As they are now.", body = ChannelList)),
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>, caller: Caller) -> Result<Answer<ChannelList>, Fault> {
    only(&caller.actor, READERS)?;
    Ok(Answer(ChannelList { data: shared.host.channels() }))
}
