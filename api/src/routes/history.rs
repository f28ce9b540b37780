//! Where a wearer is and was, and how they are: audited reads.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use model::{DeviceId, Position, ReportBody, ReportKind, Timestamp, WearerId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{TrackPoint, Vital};

use super::wearers::visible_wearer;
use crate::auth::Caller;
use crate::look;
use crate::params::{Params, Segments, bad_parameter};
use crate::problem::Fault;
use crate::shared::Shared;

/// How many fixes or readings one answer has at most; `truncated_at` says where the next begins.
const POINTS_MAX: usize = 20_000;
/// How far back an answer goes when no `from` is given.
const PERIOD_MILLIS_DEFAULT: i64 = 24 * 3_600_000;
/// The longest period.
const PERIOD_DAYS_MAX: i64 = 92;
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
    let wearer = visible_wearer(&shared, &caller.actor, &id).await?.id;
    let wanted = wearer.clone();
    let found = shared.read(move |view| view.latest(&wanted)).await?;
    let subject = format!("wearers/{wearer}/latest");
    look::record(&shared, &caller.actor, &subject, look::LATEST_FIELDS, purpose.as_deref()).await?;
    Ok(Answer(match found {
        None => LatestJson { wearer, seen: None, device: None, position: None, vitals: Vec::new() },
        Some(found) => LatestJson {
            wearer,
            seen: Some(found.seen),
            device: Some(found.device),
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
        (status = 200, description = "GeoJSON, or GPX.", content((Object = "application/geo+json"), (String = "application/gpx+xml"))),
    ),
)]
pub(crate) async fn track(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(params): Params<TrackParams>,
) -> Result<Response, Fault> {
    let purpose = checked_purpose(params.purpose)?;
    let period = Period::new(params.from.as_deref(), params.to.as_deref(), shared.host.now())?;
    let wearer = visible_wearer(&shared, &caller.actor, &id).await?.id;
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
        TrackFormat::Gpx => ([(CONTENT_TYPE, "application/gpx+xml")], gpx(&points)).into_response(),
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
fn gpx(points: &[TrackPoint]) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <gpx version=\"1.1\" creator=\"yinling\" xmlns=\"http://www.topografix.com/GPX/1/1\">\n<trk><trkseg>\n",
    );
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
    data: Vec<Value>,
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
    let period = Period::new(params.from.as_deref(), params.to.as_deref(), shared.host.now())?;
    let wearer = visible_wearer(&shared, &caller.actor, &id).await?.id;
    let wanted = wearer.clone();
    let mut found = shared.read(move |view| view.vitals(&wanted, kind, period.from, period.to, POINTS_MAX + 1)).await?;
    let truncated_at = found.get(POINTS_MAX).map(|vital| vital.measured);
    found.truncate(POINTS_MAX);
    let subject = format!("wearers/{wearer}/vitals {period}");
    look::record(&shared, &caller.actor, &subject, look::VITAL_FIELDS, purpose.as_deref()).await?;
    let data = found.iter().map(vital_json).collect();
    Ok(Answer(Vitals { wearer, kind, from: period.from, to: period.to, truncated_at, data }))
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
        ReportBody::Location(_) => json!({ "type": "location" }),
        ReportBody::Unknown { kind, .. } => json!({ "type": kind }),
    };
    if let Value::Object(members) = &mut value {
        members.insert("measured".to_owned(), json!(vital.measured));
        members.insert("late".to_owned(), json!(vital.late));
    }
    value
}

/// `from <= t < to`.
#[derive(Debug, Clone, Copy)]
struct Period {
    from: Timestamp,
    to: Timestamp,
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.from, self.to)
    }
}

impl Period {
    /// The last day until now, unless said otherwise.
    fn new(from: Option<&str>, to: Option<&str>, now: Timestamp) -> Result<Period, Fault> {
        let read = |name: &str, text: Option<&str>| match text {
            None => Ok(None),
            Some(text) => Timestamp::parse(text).map(Some).ok_or_else(|| {
                bad_parameter(
                    format!("`{name}` must be RFC 3339, e.g. 2026-11-22T08:00:00Z (a + in it is written %2B)"),
                    format!("`{name}` 须为 RFC 3339 时间,例如 2026-11-22T08:00:00Z(其中的 + 须写作 %2B)"),
                )
            }),
        };
        let to = read("to", to)?.unwrap_or_else(|| now.plus_millis(1));
        let from = read("from", from)?.unwrap_or_else(|| to.plus_millis(-PERIOD_MILLIS_DEFAULT));
        let millis = to.millis_since(from);
        if millis <= 0 {
            return Err(bad_parameter("`from` must lie before `to`", "`from` 须早于 `to`"));
        }
        if millis > PERIOD_DAYS_MAX * 86_400_000 {
            return Err(bad_parameter(
                format!("at most {PERIOD_DAYS_MAX} days at a time"),
                format!("单次最多 {PERIOD_DAYS_MAX} 天"),
            ));
        }
        Ok(Period { from, to })
    }
}

fn checked_purpose(purpose: Option<String>) -> Result<Option<String>, Fault> {
    match purpose {
        Some(text) if text.len() > PURPOSE_BYTES_MAX || text.chars().any(char::is_control) => Err(bad_parameter(
            format!("`purpose` is at most {PURPOSE_BYTES_MAX} bytes of plain text"),
            format!("`purpose` 最多 {PURPOSE_BYTES_MAX} 字节纯文本"),
        )),
        purpose => Ok(purpose),
    }
}
