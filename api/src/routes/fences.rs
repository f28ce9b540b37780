//! A wearer's fences as others read them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use model::Role;
use serde::Deserialize;

use super::wearers::visible_wearer;
use crate::auth::Caller;
use crate::host::FenceFormat;
use crate::look;
use crate::openapi::FeatureCollection;
use crate::params::{Params, Segments};
use crate::problem::{Code, Fault};
use crate::shared::Shared;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FenceParams {
    #[serde(default)]
    #[param(inline)]
    format: FenceFormat,
    #[serde(default)]
    #[param(inline)]
    datum: DrawnIn,
}

/// In which coordinates fences are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum DrawnIn {
    /// As GeoJSON asks.
    #[default]
    Wgs84,
    /// As each was drawn.
    Own,
}

/// Fences as rows of an import.
#[derive(utoipa::ToSchema)]
#[allow(dead_code)] // described, not built: the engine draws them
struct FenceRows {
    data: Vec<FenceRow>,
}

#[derive(utoipa::ToSchema)]
#[allow(dead_code)]
struct FenceRow {
    id: String,
    /// The shape as well-known text; a circle stands as `circle`.
    wkt: Option<String>,
}

/// A wearer's fences in WGS-84. The look is on record.
#[utoipa::path(
    get,
    path = "/api/v1/wearers/{id}/fences",
    tag = "history",
    params(("id" = String, Path, description = "Wearer."), FenceParams),
    responses(
        (status = 200, description = "GeoJSON, or rows as in an import, with `wkt`.", content((FeatureCollection = "application/geo+json"), (FenceRows = "application/json"))),
    ),
)]
pub(crate) async fn export(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(params): Params<FenceParams>,
) -> Result<Response, Fault> {
    let wearer = visible_wearer(&shared, &caller.actor, &id).await?;
    // Fences are drawn around homes: a volunteer sees the place of the case that they took, and nobody's home.
    if caller.actor.role == Role::Volunteer {
        return Err(Fault::new(
            Code::NotAllowed,
            "fences show where people live: a volunteer sees the place of the case that they took",
            "围栏会显示住址：志愿者仅可查看所接案件的地点",
        ));
    }
    let subject = format!("wearers/{}/fences", wearer.id);
    look::record(&shared, &caller.actor, &subject, look::FENCE_FIELDS, None).await?;
    let drawn = shared.host.draw(&wearer.fences, params.format, params.datum == DrawnIn::Wgs84);
    let content_type = match params.format {
        FenceFormat::GeoJson => "application/geo+json",
        FenceFormat::Wkt => "application/json",
    };
    Ok(([(CONTENT_TYPE, content_type)], drawn.to_string()).into_response())
}
