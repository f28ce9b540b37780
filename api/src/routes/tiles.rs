//! Map tiles through this server: the pages ask nobody else.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::step_up::Guardian;
use crate::auth::Caller;
use crate::params::Segments;
use crate::problem::Fault;
use crate::shared::Shared;

/// A browser keeps a tile for a day; what streets there are is nobody's secret.
const KEPT: &str = "private, max-age=86400";

/// A map tile of the operator's provider, where one is configured (`[http] tiles_url`).
#[utoipa::path(
    get,
    path = "/api/v1/tiles/{z}/{x}/{y}",
    tag = "description",
    params(
        ("z" = u8, Path, description = "Zoom, web Mercator."),
        ("x" = u32, Path, description = "Column."),
        ("y" = u32, Path, description = "Row, from the north."),
    ),
    responses((status = 200, description = "The picture.", content((String = "image/png"), (String = "image/jpeg")))),
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    Segments(place): Segments<(String, String, String)>,
) -> Result<Response, Fault> {
    tile(&shared, place).await
}

/// The same for a guardian who has entered their code.
#[utoipa::path(
    get,
    path = "/api/v1/guardian/{token}/tiles/{z}/{x}/{y}",
    tag = "guardian",
    security(()),
    params(
        ("token" = String, Path, description = "The link's; the browser has entered its code."),
        ("z" = u8, Path, description = "Zoom, web Mercator."),
        ("x" = u32, Path, description = "Column."),
        ("y" = u32, Path, description = "Row, from the north."),
    ),
    responses((status = 200, description = "The picture.", content((String = "image/png"), (String = "image/jpeg")))),
)]
pub(crate) async fn guardians(
    State(shared): State<Arc<Shared>>,
    Segments((token, z, x, y)): Segments<(String, String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    Guardian::known(&shared, &token, &headers).await?;
    tile(&shared, (z, x, y)).await
}

async fn tile(shared: &Shared, (z, x, y): (String, String, String)) -> Result<Response, Fault> {
    let nothing = || Fault::not_found("the map tile");
    let (zoom, x, y) = (z.parse().ok(), x.parse().ok(), y.parse().ok());
    let (Some(zoom), Some(x), Some(y)) = (zoom, x, y) else { return Err(nothing()) };
    let tile = shared.host.tile(zoom, x, y).await.ok_or_else(nothing)?;
    Ok(([(CONTENT_TYPE, tile.kind), (CACHE_CONTROL, KEPT)], tile.bytes).into_response())
}
