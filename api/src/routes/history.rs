//! Where a wearer is and was, and how they are: audited reads.

mod buckets;

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use model::registry::ConsentTo;
use model::{DeviceId, Position, ReportBody, ReportKind, Timestamp, WearerId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{TrackPoint, Vital};

use super::glass::{behind_glass, may_locate, may_read_vitals};
use super::wearers::visible_wearer;
use crate::auth::Caller;
use crate::look;
use crate::params::{Params, Segments, bad_parameter, time_of};
use crate::problem::Fault;
use crate::shared::Shared;
use buckets::Bucket;

/// How many fixes or readings one answer has at most; `truncated_at` says where the next begins.
const POINTS_MAX: usize = 20_000;
/// How many readings go into the buckets of one answer at most.
const BUCKETED_READINGS_MAX: usize = 500_000;
const PERIOD: Reach = Reach { days_default: 1, days_max: 92 };
/// The longest purpose that is kept with a look, in bytes.
const PURPOSE_BYTES_MAX: usize = 200;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LatestParams {
    purpose: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct LatestJson {
    wearer: WearerId,
    /// When anything of the wearer was last measured; `null`: never.
    seen: Option<Timestamp>,
    device: Option<DeviceId>,
    position: Option<PointJson>,
    vitals: Vec<Value>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct PointJson {
    #[serde(flatten)]
    position: Position,
    accuracy_m: f32,
    measured: Timestamp,
    late: bool,
}

/// Where a wearer was last, and how they were. The look is on record.
#[utoipa::path(
    get,
    path = "/api/v1/wearers/{id}/latest",
    tag = "history",
    params(("id" = String, Path, description = "Wearer."), LatestParams),
    responses((status = 200, description = "As asked.", body = LatestJson)),
)]
pub(crate) async fn latest(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(params): Params<LatestParams>,
) -> Result<Answer<LatestJson>, Fault> {
    let purpose = checked_purpose(params.purpose)?;
    let elder = visible_wearer(&shared, &caller.actor, &id).await?;
    let wearer = elder.id.clone();
    let wanted = wearer.clone();
    let mut found = shared.read(move |view| view.latest(&wanted)).await?;
    if !may_locate(&shared, &caller.actor, &elder).await?
        && let Some(found) = &mut found
    {
        found.position = None;
    }
    if !may_read_vitals(&shared, &caller.actor, &elder).await?
        && let Some(found) = &mut found
    {
        found.vitals.clear();
    }
    let subject = format!("wearers/{wearer}/latest");
    look::record(&shared, &caller.actor, &subject, look::LATEST_FIELDS, purpose.as_deref()).await?;
    Ok(Answer(match found {
        None => LatestJson { wearer, seen: None, device: None, position: None, vitals: Vec::new() },
        Some(found) => LatestJson {
            wearer,
            // Of somebody whom only the bedside knows there is no device.
            seen: Some(found.seen).filter(|seen| *seen != Timestamp::EPOCH),
            device: Some(found.device).filter(|device| !device.as_str().is_empty()),
            position: found.position.map(|point| PointJson {
                position: point.located.position,
                accuracy_m: point.located.accuracy_m,
                measured: point.measured,
                late: point.late,
            }),
            vitals: found.vitals.iter().map(vital_json).collect(),
        },
    }))
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum TrackFormat {
    #[default]
    GeoJson,
    Gpx,
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TrackParams {
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    #[param(inline)]
    format: TrackFormat,
    purpose: Option<String>,
}

/// Where a wearer was. The look is on record.
#[utoipa::path(
    get,
    path = "/api/v1/wearers/{id}/track",
    tag = "history",
    params(("id" = String, Path, description = "Wearer."), TrackParams),
    responses(
        (status = 200, description = "GeoJSON, or GPX.", content((crate::openapi::FeatureCollection = "application/geo+json"), (String = "application/gpx+xml"))),
    ),
)]
pub(crate) async fn track(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(params): Params<TrackParams>,
) -> Result<Response, Fault> {
    let purpose = checked_purpose(params.purpose)?;
    let period = Period::new(params.from.as_deref(), params.to.as_deref(), shared.host.now(), PERIOD)?;
    let elder = visible_wearer(&shared, &caller.actor, &id).await?;
    if !may_locate(&shared, &caller.actor, &elder).await? {
        return Err(behind_glass(&shared, &caller.actor, &elder, ConsentTo::Location));
    }
    let wearer = elder.id;
    let wanted = wearer.clone();
    let mut points = shared.read(move |view| view.fixes(&wanted, period.from, period.to, POINTS_MAX + 1)).await?;
    let truncated_at = points.get(POINTS_MAX).map(|point| point.measured);
    points.truncate(POINTS_MAX);
    let subject = format!("wearers/{wearer}/track {period}");
    look::record(&shared, &caller.actor, &subject, look::TRACK_FIELDS, purpose.as_deref()).await?;
    Ok(match params.format {
        TrackFormat::GeoJson => {
            let body = geojson(&wearer, &period, &points, truncated_at);
            ([(CONTENT_TYPE, "application/geo+json")], body.to_string()).into_response()
        }
        TrackFormat::Gpx => ([(CONTENT_TYPE, "application/gpx+xml")], gpx(&points, truncated_at)).into_response(),
    })
}

/// RFC 7946: one point a fix, in WGS-84.
fn geojson(wearer: &WearerId, period: &Period, points: &[TrackPoint], truncated_at: Option<Timestamp>) -> Value {
    let features: Vec<Value> = points
        .iter()
        .map(|point| {
            let Position { lat, lon } = point.located.position;
            json!({
                "type": "Feature",
                "geometry": { "type": "Point", "coordinates": [lon, lat] },
                "properties": {
                    "measured": point.measured, "accuracy_m": point.located.accuracy_m, "late": point.late,
                },
            })
        })
        .collect();
    json!({
        "type": "FeatureCollection",
        "wearer": wearer,
        "from": period.from,
        "to": period.to,
        "truncated_at": truncated_at,
        "features": features,
    })
}

/// GPX 1.1; numbers and times only, so there is nothing to escape.
fn gpx(points: &[TrackPoint], truncated_at: Option<Timestamp>) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <gpx version=\"1.1\" creator=\"yinling\" xmlns=\"http://www.topografix.com/GPX/1/1\">\n",
    );
    if let Some(at) = truncated_at {
        text.push_str(&format!("<metadata><desc>cut; there is more from {at} on</desc></metadata>\n"));
    }
    text.push_str("<trk><trkseg>\n");
    for point in points {
        let Position { lat, lon } = point.located.position;
        text.push_str(&format!("<trkpt lat=\"{lat}\" lon=\"{lon}\"><time>{}</time></trkpt>\n", point.measured));
    }
    text.push_str("</trkseg></trk>\n</gpx>\n");
    text
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VitalParams {
    kind: ReportKind,
    from: Option<String>,
    to: Option<String>,
    /// `1m`, `5m`, `15m`, `1h`, `6h` or `1d`: instead of readings, one entry for each such stretch that has any.
    bucket: Option<String>,
    purpose: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Vitals {
    wearer: WearerId,
    kind: ReportKind,
    from: Timestamp,
    to: Timestamp,
    /// Where to go on, when there is more.
    truncated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    buckets: Option<Vec<Bucket>>,
}

/// What was measured. The look is on record.
#[utoipa::path(
    get,
    path = "/api/v1/wearers/{id}/vitals",
    tag = "history",
    params(("id" = String, Path, description = "Wearer."), VitalParams),
    responses((status = 200, description = "As asked.", body = Vitals)),
)]
pub(crate) async fn vitals(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(params): Params<VitalParams>,
) -> Result<Answer<Vitals>, Fault> {
    let purpose = checked_purpose(params.purpose)?;
    let kind = params.kind;
    if kind == ReportKind::Location {
        return Err(bad_parameter("positions are at …/track", "位置请使用 …/track 接口"));
    }
    let period = Period::new(params.from.as_deref(), params.to.as_deref(), shared.host.now(), PERIOD)?;
    let bucket_millis = params.bucket.as_deref().map(|name| buckets::millis_of(name, kind)).transpose()?;
    let most = if bucket_millis.is_some() { BUCKETED_READINGS_MAX } else { POINTS_MAX };
    let elder = visible_wearer(&shared, &caller.actor, &id).await?;
    if !may_read_vitals(&shared, &caller.actor, &elder).await? {
        return Err(behind_glass(&shared, &caller.actor, &elder, ConsentTo::VitalSigns));
    }
    let wearer = elder.id;
    let wanted = wearer.clone();
    let mut found = shared.read(move |view| view.vitals(&wanted, kind, period.from, period.to, most + 1)).await?;
    let truncated_at = found.get(most).map(|vital| vital.measured);
    found.truncate(most);
    let subject = format!("wearers/{wearer}/vitals {period}");
    look::record(&shared, &caller.actor, &subject, look::VITAL_FIELDS, purpose.as_deref()).await?;
    let buckets = bucket_millis.map(|millis| buckets::fill(&found, period.from, millis));
    let data = buckets.is_none().then(|| found.iter().map(vital_json).collect());
    Ok(Answer(Vitals { wearer, kind, from: period.from, to: period.to, truncated_at, data, buckets }))
}

/// A reading in the words of the JSON report.
fn vital_json(vital: &Vital) -> Value {
    let mut value = match &vital.body {
        ReportBody::HeartRate { bpm } => json!({ "type": "heart_rate", "bpm": bpm }),
        ReportBody::BloodPressure { systolic, diastolic, pulse, flags } => {
            json!({ "type": "blood_pressure", "sys": systolic, "dia": diastolic, "pulse": pulse, "flags": flags })
        }
        ReportBody::Spo2 { percent } => json!({ "type": "spo2", "pct": percent }),
        ReportBody::Temperature { celsius } => json!({ "type": "temperature", "celsius": celsius }),
        ReportBody::Steps { count } => json!({ "type": "steps", "count": count }),
        ReportBody::Battery { percent } => json!({ "type": "battery", "pct": percent }),
        ReportBody::Wear { on } => json!({ "type": "wear", "on": on }),
        ReportBody::Fall { confidence, .. } => json!({ "type": "fall", "confidence": confidence }),
        ReportBody::FallCancel => json!({ "type": "fall_cancel" }),
        ReportBody::Sos { .. } => json!({ "type": "sos" }),
        ReportBody::Alive => json!({ "type": "alive" }),
        ReportBody::Respiration { per_minute } => json!({ "type": "respiration", "rpm": per_minute }),
        ReportBody::Consciousness { level } => json!({ "type": "consciousness", "level": level }),
        ReportBody::Location(_) => json!({ "type": "location" }),
        ReportBody::Unknown { kind, .. } => json!({ "type": kind }),
    };
    if let Value::Object(members) = &mut value {
        members.insert("measured".to_owned(), json!(vital.measured));
        members.insert("late".to_owned(), json!(vital.late));
    }
    value
}

/// How far back an answer goes: when no `from` is given, and at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    pub(super) days_default: i64,
    pub(super) days_max: i64,
}

const DAY_MILLIS: i64 = 86_400_000;

/// `from <= t < to`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.from, self.to)
    }
}

impl Period {
    /// Until now, unless said otherwise.
    pub(super) fn new(
        from: Option<&str>,
        to: Option<&str>,
        now: Timestamp,
        Reach { days_default, days_max }: Reach,
    ) -> Result<Period, Fault> {
        let to = time_of("to", to)?.unwrap_or_else(|| now.plus_millis(1));
        let from = time_of("from", from)?.unwrap_or_else(|| to.plus_millis(-days_default * DAY_MILLIS));
        let millis = to.millis_since(from);
        if millis <= 0 {
            return Err(bad_parameter("`from` must lie before `to`", "`from` 须早于 `to`"));
        }
        if millis > days_max * DAY_MILLIS + 1 {
            return Err(bad_parameter(format!("at most {days_max} days at a time"), format!("单次最多 {days_max} 天")));
        }
        Ok(Period { from, to })
    }
}

pub(super) fn checked_purpose(purpose: Option<String>) -> Result<Option<String>, Fault> {
    match purpose {
        Some(text) if text.len() > PURPOSE_BYTES_MAX || text.chars().any(char::is_control) => Err(bad_parameter(
            format!("`purpose` is at most {PURPOSE_BYTES_MAX} bytes of plain text"),
            format!("`purpose` 最多 {PURPOSE_BYTES_MAX} 字节纯文本"),
        )),
        purpose => Ok(purpose),
    }
}
