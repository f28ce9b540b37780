//! A wearer's fences as others read them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::wearers::visible_wearer;
use crate::auth::Caller;
use crate::host::FenceFormat;
use crate::look;
use crate::params::{Params, Segments};
use crate::problem::Fault;
use crate::shared::Shared;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FenceParams {
    #[serde(default)]
    format: FenceFormat,
    #[serde(default)]
    datum: DrawnIn,
}

/// In which coordinates fences are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DrawnIn {
    /// As GeoJSON asks.
    #[default]
    Wgs84,
    /// As each was drawn.
    Own,
}

/// A wearer's fences in WGS-84. The look is on record.
#[utoipa::path(
    get,
    path = "/api/v1/wearers/{id}/fences",
    tag = "history",
    params(
        ("id" = String, Path, description = "Wearer."),
        ("format" = Option<String>, Query, description = "`geojson` or `wkt`."),
    ),
    responses((status = 200, description = "GeoJSON, or WKT.", content((Object = "application/geo+json"), (String = "text/plain")))),
)]
pub(crate) async fn export(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(params): Params<FenceParams>,
) -> Result<Response, Fault> {
    let wearer = visible_wearer(&shared, &caller.actor, &id).await?;
    // Fences are drawn around homes.
    let subject = format!("wearers/{}/fences", wearer.id);
    look::record(&shared, &caller.actor, &subject, look::FENCE_FIELDS, None).await?;
    let drawn = shared.host.draw(&wearer.fences, params.format, params.datum == DrawnIn::Wgs84);
    let content_type = match params.format {
        FenceFormat::GeoJson => "application/geo+json",
        FenceFormat::Wkt => "application/json",
    };
    Ok(([(CONTENT_TYPE, content_type)], drawn.to_string()).into_response())
}
