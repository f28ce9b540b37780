//! `/healthz`, `/readyz`, `/metrics`: for machines on the same network, without a token; they name no person.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::host::Check;
use crate::shared::Shared;

/// Whether the process is worth keeping.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "health",
    security(()),
    responses(
        (status = 200, description = "Worth keeping.", body = Report),
        (status = 503, description = "Not so; each reason is given.", body = Report),
    ),
)]
pub(crate) async fn live(State(shared): State<Arc<Shared>>) -> Response {
    report(shared.host.health().live)
}

/// Whether it does its work.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    security(()),
    responses(
        (status = 200, description = "It does its work.", body = Report),
        (status = 503, description = "Not so; each reason is given.", body = Report),
    ),
)]
pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    report(shared.host.health().ready)
}

/// The metrics.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    security(()),
    responses(
        (status = 200, description = "Prometheus text.", body = String, content_type = "text/plain"),
    ),
)]
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shared.host.metrics()).into_response()
}

#[derive(Serialize, utoipa::ToSchema)]
struct Report {
    /// `ok`; `degraded`: it works, with a warning; `failing`.
    status: &'static str,
    /// What is not well, by name.
    failing: Vec<&'static str>,
    checks: Vec<Check>,
}

fn report(checks: Vec<Check>) -> Response {
    let failing: Vec<&'static str> = checks.iter().filter(|check| !check.ok).map(|check| check.name).collect();
    let (status, code) = match (failing.is_empty(), checks.iter().any(|check| check.warning)) {
        (true, false) => ("ok", StatusCode::OK),
        (true, true) => ("degraded", StatusCode::OK),
        (false, _) => ("failing", StatusCode::SERVICE_UNAVAILABLE),
    };
    (code, Json(Report { status, failing, checks })).into_response()
}
