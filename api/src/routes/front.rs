//! `GET /`: what this is and where to look; for a browser, the console.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Response};

use model::Role;
use model::case::CASE_TABLE;
use model::incident::{INCIDENT_TABLE, Transition};
use serde::Serialize;
use serde_json::{Value, json};

use crate::host::ConsoleSettings;
use crate::shared::Shared;

const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(feature = "console")]
pub(crate) async fn page(headers: axum::http::HeaderMap) -> Response {
    match crate::console::is_browser(&headers) {
        true => axum::response::Redirect::temporary(crate::console::HOME).into_response(),
        false => overview(),
    }
}

#[cfg(not(feature = "console"))]
pub(crate) async fn page() -> Response {
    overview()
}

/// What the console is to show of this house.
#[utoipa::path(
    get,
    path = "/api/v1/console",
    tag = "description",
    security(()),
    responses((status = 200, description = "As asked.", body = Settings)),
)]
pub(crate) async fn settings(State(shared): State<Arc<Shared>>) -> Json<Settings> {
    Json(Settings { house: shared.host.console(), incident: rows(INCIDENT_TABLE), case: rows(CASE_TABLE) })
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Settings {
    #[serde(flatten)]
    house: ConsoleSettings,
    /// What people may do with an incident in which state: the console offers no more and no less.
    incident: Vec<TableRow>,
    /// Likewise with a case.
    case: Vec<TableRow>,
}

/// In this state, these roles may do this.
#[derive(Serialize, utoipa::ToSchema)]
struct TableRow {
    #[schema(value_type = String)]
    from: Value,
    #[schema(value_type = String)]
    action: Value,
    #[schema(value_type = Vec<Role>)]
    who: &'static [Role],
}

/// The rows that are open to people.
fn rows<S: Serialize + Copy, A: Serialize + Copy>(table: &[Transition<S, A>]) -> Vec<TableRow> {
    let row = |row: &Transition<S, A>| TableRow { from: json!(row.from), action: json!(row.action), who: row.who };
    table.iter().filter(|row| !row.who.is_empty()).map(row).collect()
}

fn overview() -> Response {
    let mut response = Html(include_str!("front.html")).into_response();
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
