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

pub(crate) async fn live(State(shared): State<Arc<Shared>>) -> Response {
    report(shared.host.health().live)
}

pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    report(shared.host.health().ready)
}

pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shared.host.metrics()).into_response()
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    /// What is not well, by name.
    failing: Vec<&'static str>,
    checks: Vec<Check>,
}

fn report(checks: Vec<Check>) -> Response {
    let failing: Vec<&'static str> = checks.iter().filter(|check| !check.ok).map(|check| check.name).collect();
    let (status, code) =
        if failing.is_empty() { ("ok", StatusCode::OK) } else { ("failing", StatusCode::SERVICE_UNAVAILABLE) };
    (code, Json(Report { status, failing, checks })).into_response()
}
