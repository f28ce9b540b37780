//! What somebody saw at a wearer's bedside and no bracelet measures.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use model::staff::BedsideNote;
use model::{Consciousness, ReportBody, Role, StaffCommand, Timestamp};
use serde::Deserialize;

use super::commands::entity_answer;
use super::wearers::visible_wearer;
use crate::auth::{Caller, only};
use crate::body::Json;
use crate::headers::CommandHeaders;
use crate::params::Segments;
use crate::problem::Fault;
use crate::shared::Shared;

/// Breaths a minute that somebody may have counted.
const BREATHS: std::ops::RangeInclusive<u8> = 1..=80;
/// Who may be at a bedside.
const OBSERVERS: &[Role] = &[Role::Admin, Role::Doctor, Role::Desk, Role::GridWorker, Role::Street, Role::Integration];

/// `{"respiration":18,"consciousness":"alert","measured":"2026-11-22T08:00:00+08:00"}`: one of the first two at least;
/// without `measured` it is now.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteBody {
    measured: Option<String>,
    respiration: Option<u8>,
    consciousness: Option<String>,
}

/// Writes down what somebody saw at the bedside.
#[utoipa::path(
    post,
    path = "/api/v1/wearers/{id}/observations",
    tag = "history",
    params(
        ("id" = String, Path, description = "Wearer."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer."),
    ),
    request_body(content = NoteBody, description = "What was seen at the bedside."),
    responses((status = 204, description = "Noted.")),
)]
pub(crate) async fn note(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: CommandHeaders,
    Json(body): Json<NoteBody>,
) -> Result<Response, Fault> {
    only(&caller.actor, OBSERVERS)?;
    if body.respiration.is_none() && body.consciousness.is_none() {
        let detail = "note at least one of `respiration` (breaths a minute) and `consciousness`";
        return Err(Fault::invalid("", detail, "请至少填写 `respiration`（每分钟呼吸次数）或 `consciousness`"));
    }
    if body.respiration.is_some_and(|breaths| !BREATHS.contains(&breaths)) {
        return Err(Fault::invalid("/respiration", "must be 1 to 80 breaths a minute", "须为每分钟 1 至 80 次"));
    }
    let level = |text: &String| {
        Consciousness::named(text).ok_or_else(|| {
            let detail = "must be one of alert, confused, voice, pain, unresponsive";
            Fault::invalid("/consciousness", detail, "须为 alert、confused、voice、pain、unresponsive 之一")
        })
    };
    let consciousness = body.consciousness.as_ref().map(level).transpose()?;
    let time = |text: &String| {
        Timestamp::parse(text).ok_or_else(|| {
            let detail = "must be RFC 3339, e.g. 2026-11-22T08:00:00+08:00";
            Fault::invalid("/measured", detail, "须为 RFC 3339 时间，例如 2026-11-22T08:00:00+08:00")
        })
    };
    let measured = body.measured.as_ref().map(time).transpose()?;
    let wearer = visible_wearer(&shared, &caller.actor, &id).await?.id;
    // The score rests on what devices measured, too; the rules do not remember it before the first note.
    let wanted = wearer.clone();
    let latest = shared.read(move |view| view.latest(&wanted)).await?;
    let vitals = latest.into_iter().flat_map(|latest| latest.vitals);
    let known = vitals.filter(|vital| is_scored(&vital.body)).map(|vital| (vital.measured, vital.body)).collect();
    let note = BedsideNote { wearer, measured, respiration_per_minute: body.respiration, consciousness, known };
    let reply = shared.decide(&caller.actor, headers.idempotency_key, StaffCommand::Observe(note)).await?;
    Ok(entity_answer(reply))
}

fn is_scored(body: &ReportBody) -> bool {
    use ReportBody as B;
    matches!(body, B::HeartRate { .. } | B::BloodPressure { .. } | B::Spo2 { .. } | B::Temperature { .. })
}
