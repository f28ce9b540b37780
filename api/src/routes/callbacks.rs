//! `POST /api/v1/callbacks/{attempt}/{token}`: what providers report. The address is a capability: who knows it may
//! speak about this attempt, and nobody else may.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use model::AttemptId;
use serde::Serialize;

use crate::body;
use crate::params::Segments;
use crate::problem::{Code, Fault};
use crate::shared::Shared;

/// What a gateway posts.
#[derive(utoipa::ToSchema)]
#[allow(dead_code)] // described, not read: the engine parses it
pub(crate) struct CallbackBody {
    /// The attempt's id, as it was handed over.
    attempt: String,
    outcome: model::AttemptOutcome,
    /// For `key`: what was pressed.
    key: Option<String>,
    /// For `reply`: what was written.
    text: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Taken {
    status: &'static str,
}

/// What a gateway reports about a message. The address is the authentication.
#[utoipa::path(
    post,
    path = "/api/v1/callbacks/{attempt}/{token}",
    tag = "callbacks",
    security(()),
    params(("attempt" = String, Path, description = "Attempt."), ("token" = String, Path, description = "Its capability.")),
    request_body(content = CallbackBody, description = "`{\"attempt\",\"outcome\",\"key\"?,\"text\"?}`", content_type = "application/json"),
    responses((status = 200, description = "Saved.", body = Taken)),
)]
pub(crate) async fn take(
    State(shared): State<Arc<Shared>>,
    Segments((attempt, token)): Segments<(String, String)>,
    request: Request,
) -> Result<Json<Taken>, Fault> {
    let id = attempt.parse::<AttemptId>().ok().filter(|id| shared.host.verify_callback(*id, &token));
    let Some(id) = id else {
        metrics::counter!("api_callbacks_refused_total", "reason" => "token").increment(1);
        // The same words for an attempt that is not there and a token that is wrong.
        return Err(Fault::new(Code::NotFound, "this callback address is not known", "回调地址无效"));
    };
    let body = body::read(request, shared.config.body_bytes_max).await?;
    let callback = shared.host.parse_callback(&body).map_err(|detail| {
        metrics::counter!("api_callbacks_refused_total", "reason" => "body").increment(1);
        Fault::new(Code::Invalid, &detail, format!("回调内容无效：{detail}"))
    })?;
    if callback.attempt != id {
        metrics::counter!("api_callbacks_refused_total", "reason" => "attempt").increment(1);
        return Err(Fault::invalid(
            "/attempt",
            format!("this address is for attempt {id}"),
            format!("此地址仅用于 {id}"),
        ));
    }
    let committed = shared.host.callback(callback).await?;
    shared.seen(committed).await?;
    Ok(Json(Taken { status: "saved" }))
}
