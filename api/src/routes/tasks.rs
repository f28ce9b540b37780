//! Tasks: what somebody has to put right about an elder's protection.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use model::{Role, StaffCommand, Task, TaskId, TaskState};
use serde::Deserialize;
use store::Page;

use super::commands::entity_answer;
use super::incidents::{NOTE_BYTES_MAX, after_id, checked_text, state_filter};
use crate::auth::{Caller, only};
use crate::body::Json;
use crate::headers::{CommandHeaders, IdempotencyKey};
use crate::page::{Listing, checked_limit, respond};
use crate::params::{Params, Segments, counted};
use crate::problem::Fault;
use crate::scope::sees_about;
use crate::shared::{Shared, tagged};

/// Who sees tasks and campaigns: those who can see to them.
pub(super) const STAFF: &[Role] = &[
    Role::Admin,
    Role::Operator,
    Role::Desk,
    Role::GridWorker,
    Role::Street,
    Role::Department,
    Role::Integration,
    Role::Doctor,
];

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TaskParams {
    /// The key that the last page ended with.
    after: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `open` or `done`.
    state: Option<String>,
}

/// What somebody has to put right.
#[utoipa::path(
    get,
    path = "/api/v1/tasks",
    tag = "tasks",
    params(TaskParams),
    responses((status = 200, description = "As asked.", body = Listing<Task>)),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<TaskParams>,
) -> Result<Response, Fault> {
    only(&caller.actor, STAFF)?;
    let limit = checked_limit(params.limit)?;
    let after = after_id::<TaskId>(params.after.as_deref())?;
    let (open_only, state) = state_filter::<TaskState>(params.state.as_deref())?;
    let as_of = shared.newest_cursor().await?;
    let listing = shared
        .read(move |view| {
            view.tasks(open_only, Page { after, limit }, &|task| {
                sees_about(view, &caller.actor, Some(&task.org), Some(&task.wearer))
                    && state.is_none_or(|state| state == task.state)
            })
        })
        .await?;
    let next = listing.next(|number| TaskId::from_raw(number).to_string());
    let query: Vec<(&str, String)> = params.state.map(|state| ("state", state)).into_iter().collect();
    Ok(respond("/api/v1/tasks", &query, limit, listing.items, next, as_of))
}

/// One task.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{id}",
    tag = "tasks",
    params(("id" = String, Path, description = "Task.")),
    responses((status = 200, description = "As asked.", body = Task)),
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Response, Fault> {
    only(&caller.actor, STAFF)?;
    let wanted = counted::<TaskId>(&id, "task")?;
    let task = shared
        .find(move |view| {
            let found = view.task(wanted)?;
            Ok(found.filter(|it| sees_about(view, &caller.actor, Some(&it.org), Some(&it.wearer))))
        })
        .await?
        .ok_or_else(|| Fault::not_found(&format!("task {wanted}")))?;
    Ok(tagged(&task, task.version))
}

#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskBody {
    note: Option<String>,
}

/// Says that a task was seen to.
#[utoipa::path(
    post,
    path = "/api/v1/tasks/{id}/actions/done",
    tag = "tasks",
    params(("id" = String, Path, description = "Task."), IdempotencyKey),
    request_body = TaskBody,
    responses((status = 200, description = "As committed.", body = Task)),
)]
pub(crate) async fn done(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: CommandHeaders,
    Json(body): Json<TaskBody>,
) -> Result<Response, Fault> {
    only(&caller.actor, STAFF)?;
    checked_text("/note", body.note.as_deref(), NOTE_BYTES_MAX)?;
    let id = counted::<TaskId>(&id, "task")?;
    let command = StaffCommand::FinishTask { id, note: body.note };
    Ok(entity_answer(shared.decide(&caller.actor, headers.idempotency_key, command).await?))
}
