//! What a guardian sees once they entered the code: where their elder is and has been, how they are, the fences, which
//! they draw, and who looked.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use model::registry::fingerprint;
use model::{PersonId, RegistryChange, Role, StaffCommand, Timestamp, Wearer, WearerId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::audit::{LookJson, looks_at};
use super::glass::may_locate;
use super::guardian_clock::Clock;
use super::guardian_page::{self, Elder};
use super::history::{self, LatestParams, TrackParams, VitalParams};
use super::registry_write::{CommandKey, checked_wearer, seen_before};
use super::step_up::Guardian;
use crate::body::Json;
use crate::host::FenceFormat;
use crate::look;
use crate::openapi::FeatureCollection;
use crate::params::{Params, Segments};
use crate::problem::Fault;
use crate::registry_json::WearerJson;
use crate::shared::Shared;

/// What the code opens.
#[derive(Serialize, ToSchema)]
pub(crate) struct ElderJson {
    wearer: ElderName,
    /// Until when the pages are open.
    until: Timestamp,
    latest: history::LatestJson,
    /// As in an import.
    fences: Vec<Value>,
    #[schema(value_type = FeatureCollection)]
    drawn: Value,
    /// Who looked, newest first.
    looks: Vec<LookJson>,
}

#[derive(Serialize, ToSchema)]
struct ElderName {
    id: WearerId,
    name: String,
    /// What differs from the defaults, in the import's sections.
    thresholds: Value,
}

/// The fences as committed.
#[derive(Serialize, ToSchema)]
pub(crate) struct DrawnJson {
    /// As in an import.
    fences: Vec<Value>,
    #[schema(value_type = FeatureCollection)]
    drawn: Value,
}

/// The elder as their guardian sees them.
#[utoipa::path(
    get,
    path = "/api/v1/guardian/{token}/elder",
    tag = "guardian",
    security(()),
    params(("token" = String, Path, description = "The link's; the browser has entered its code.")),
    responses((status = 200, description = "Where they are, the fences (`drawn` in WGS-84), who looked.", body = ElderJson)),
)]
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    Segments(token): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let guardian = Guardian::known(&shared, &token, &headers).await?;
    let id = guardian.wearer.id.to_string();
    let latest =
        history::latest(State(Arc::clone(&shared)), guardian.caller(), Segments(id), Params(LatestParams::default()));
    let Answer(latest) = latest.await?;
    let looks = looks(&shared, &guardian).await?;
    let wearer = &guardian.wearer;
    let drawn = shared.host.draw(&wearer.fences, FenceFormat::GeoJson, true);
    let (fences, thresholds) = WearerJson::for_role(wearer.clone(), Role::Admin).drawn();
    let name = ElderName { id: wearer.id.clone(), name: wearer.name.clone(), thresholds };
    let until = guardian.until(&shared);
    Ok(tagged(wearer, ElderJson { wearer: name, until, latest, fences, drawn, looks }))
}

/// Where they were.
#[utoipa::path(
    get,
    path = "/api/v1/guardian/{token}/track",
    tag = "guardian",
    security(()),
    params(("token" = String, Path, description = "The link's; the browser has entered its code."), TrackParams),
    responses((status = 200, description = "As of a wearer's track.", content((FeatureCollection = "application/geo+json"), (String = "application/gpx+xml")))),
)]
pub(crate) async fn track(
    State(shared): State<Arc<Shared>>,
    Segments(token): Segments<String>,
    headers: HeaderMap,
    params: Params<TrackParams>,
) -> Result<Response, Fault> {
    let guardian = Guardian::known(&shared, &token, &headers).await?;
    let id = guardian.wearer.id.to_string();
    history::track(State(shared), guardian.caller(), Segments(id), params).await
}

/// How they are.
#[utoipa::path(
    get,
    path = "/api/v1/guardian/{token}/vitals",
    tag = "guardian",
    security(()),
    params(("token" = String, Path, description = "The link's; the browser has entered its code."), VitalParams),
    responses((status = 200, description = "As of a wearer's vitals.", body = history::Vitals)),
)]
pub(crate) async fn vitals(
    State(shared): State<Arc<Shared>>,
    Segments(token): Segments<String>,
    headers: HeaderMap,
    params: Params<VitalParams>,
) -> Result<Answer<history::Vitals>, Fault> {
    let guardian = Guardian::known(&shared, &token, &headers).await?;
    let id = guardian.wearer.id.to_string();
    history::vitals(State(shared), guardian.caller(), Segments(id), params).await
}

/// All the fences that there are to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FencesBody {
    /// Each as in an import.
    fences: Vec<Value>,
}

/// Draws the fences anew: all of them, as in an import, in the place of those that the guardian saw.
#[utoipa::path(
    put,
    path = "/api/v1/guardian/{token}/fences",
    tag = "guardian",
    security(()),
    params(
        ("token" = String, Path, description = "The link's; the browser has entered its code."),
        crate::headers::IdempotencyKey,
        crate::headers::EntryMatch,
    ),
    request_body(content = FencesBody, description = "`{\"fences\": […]}`, each as in an import."),
    responses((status = 200, description = "As committed.", body = DrawnJson)),
)]
pub(crate) async fn draw(
    State(shared): State<Arc<Shared>>,
    Segments(token): Segments<String>,
    headers: HeaderMap,
    CommandKey { known, headers: command }: CommandKey,
    Json(body): Json<FencesBody>,
) -> Result<Response, Fault> {
    let guardian = Guardian::known(&shared, &token, &headers).await?;
    seen_before(known)?;
    let standing = guardian.wearer.clone();
    let mut entry = json!(WearerJson::for_role(standing.clone(), Role::Admin));
    entry["fences"] = Value::Array(body.fences);
    // Checked as an import of the whole row, with places in the list that was sent; nothing but the fences is taken.
    let fences = checked_wearer(&shared, standing.id.as_str(), entry).await?.fences;
    let change = RegistryChange { wearers: vec![Wearer { fences, ..standing.clone() }], ..RegistryChange::default() };
    let write = StaffCommand::Write { change: Box::new(change), known };
    shared.decide(&guardian.actor(), command.idempotency_key, write).await?;
    let wanted = standing.id.clone();
    let written = shared.find(move |view| view.wearer(&wanted)).await?.unwrap_or(standing);
    let drawn = shared.host.draw(&written.fences, FenceFormat::GeoJson, true);
    let (fences, _) = WearerJson::for_role(written.clone(), Role::Admin).drawn();
    Ok(tagged(&written, DrawnJson { fences, drawn }))
}

/// The same as a page, which a script makes live where there is one.
pub(super) async fn page(shared: &Arc<Shared>, token: &str, guardian: &Guardian) -> Result<Response, Fault> {
    let (wearer, actor) = (&guardian.wearer, guardian.actor());
    let is_shown = may_locate(shared, &actor, wearer).await?;
    let (wanted, person): (_, PersonId) = (wearer.id.clone(), actor.person.clone());
    let (latest, you) = shared.read(move |view| Ok((view.latest(&wanted)?, view.person(&person)?))).await?;
    let latest = latest.filter(|_| is_shown);
    let looks = looks(shared, guardian).await?;
    let subject = format!("wearers/{}/latest", wearer.id);
    look::record(shared, &actor, &subject, look::LATEST_FIELDS, Some("guardian link")).await?;
    let place = latest.and_then(|latest| latest.position).map(|point| (point.located, point.measured));
    let elder = Elder {
        lang: you.map_or(guardian.link.attempt.lang, |you| you.lang),
        wearer,
        place,
        until: guardian.until(shared),
        looks: &looks,
        community: &guardian.link.community,
    };
    Ok(guardian_page::elder(token, &elder, Clock::of(shared)))
}

async fn looks(shared: &Shared, guardian: &Guardian) -> Result<Vec<LookJson>, Fault> {
    let (wearer, person) = (guardian.wearer.id.clone(), guardian.link.actor.person.clone());
    shared.read(move |view| looks_at(view, &wearer, &person)).await
}

fn tagged(wearer: &Wearer, body: impl Serialize) -> Response {
    ([(ETAG, format!("\"{:016x}\"", fingerprint(wearer)))], Answer(body)).into_response()
}

impl Guardian {
    /// Until when the pages are open: as long as the code opened them, and not beyond the link.
    fn until(&self, shared: &Shared) -> Timestamp {
        let known = shared.host.step_ups(&self.link.actor.person, &self.wearer.id);
        let opened = known.iter().filter_map(|one| one.opened.as_ref()).find(|one| self.is_opened_by(one));
        opened.map_or(self.link.expires_at, |opened| opened.until.min(self.link.expires_at))
    }
}
