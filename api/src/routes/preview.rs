//! What other thresholds or fences would have found in a wearer's last 30 days, beside what was found.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use model::registry::ConsentTo;
use model::{Finding, Incident, IncidentId, IncidentKind, Occurrence, Timestamp, Wearer, WearerId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::{IncidentFilter, Page};

use super::glass::{behind_glass, may_read_vitals};
use super::history::{Period, Reach, checked_purpose};
use super::wearers::visible_wearer;
use crate::auth::Caller;
use crate::body::Json;
use crate::host::{PreviewFault, PreviewRequest};
use crate::look;
use crate::params::Segments;
use crate::problem::{Code, Fault};
use crate::shared::{PREVIEWS_MAX, Shared};

/// How far back a preview goes, at most and unless said otherwise: what history keeps of positions.
const PERIOD: Reach = Reach { days_default: 30, days_max: 30 };
/// How many of a wearer's newest incidents are looked through for what was raised.
const INCIDENTS_MAX: usize = 2_000;
/// How many of what was raised are told; further ones are counted.
const WAS_MAX: usize = 2_000;

/// What is not gone through again, in the answer's own words.
const NOTES: [(&str, &str); 3] = [
    (
        "it begins with nothing remembered: the first fix only tells where the wearer is, and what had begun before is not known",
        "回放从空白状态开始：首个定位仅用于确定位置，此前已开始的情况不计",
    ),
    (
        "silence stands alone: whether a whole area was silent is not looked at",
        "失联按个人计算，不判断是否为整片区域失联",
    ),
    ("a suspension (hospital, journey) is left out", "不考虑暂停（住院、出行）"),
];

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewBody {
    from: Option<String>,
    to: Option<String>,
    purpose: Option<String>,
    thresholds: Option<Value>,
    fences: Option<Value>,
    plan: Option<Value>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PreviewJson {
    wearer: WearerId,
    from: Timestamp,
    to: Timestamp,
    /// What was raised.
    was: Vec<Value>,
    /// What would have been.
    would: Vec<Value>,
    summary: Value,
}

/// What would have been found with other fences and thresholds.
#[utoipa::path(
    post,
    path = "/api/v1/wearers/{id}/preview",
    tag = "history",
    params(
        ("id" = String, Path, description = "Wearer."),
    ),
    request_body(content = PreviewBody, description = "A period, and the fences and thresholds to try."),
    responses((status = 200, description = "As asked.", body = PreviewJson)),
)]
pub(crate) async fn preview(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    Json(body): Json<PreviewBody>,
) -> Result<Answer<PreviewJson>, Fault> {
    let purpose = checked_purpose(body.purpose)?;
    let period = Period::new(body.from.as_deref(), body.to.as_deref(), shared.host.now(), PERIOD)?;
    let wearer = visible_wearer(&shared, &caller.actor, &id).await?;
    if !may_read_vitals(&shared, &caller.actor, &wearer).await? {
        return Err(behind_glass(&shared, &caller.actor, &wearer, ConsentTo::VitalSigns));
    }
    let given = [("thresholds", body.thresholds), ("fences", body.fences), ("plan", body.plan)];
    let change: Map<String, Value> =
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let subject = format!("wearers/{}/preview {period}", wearer.id);
    let place = Arc::clone(&shared.previews).try_acquire_owned().map_err(|_| {
        Fault::new(
            Code::LimitReached,
            format!("{PREVIEWS_MAX} previews are under way already; try again in a few seconds"),
            format!("已有 {PREVIEWS_MAX} 个预览正在进行；请稍后重试"),
        )
    })?;
    let request =
        PreviewRequest { wearer: wearer.clone(), change: Value::Object(change), from: period.from, to: period.to };
    let host = Arc::clone(&shared.host);
    let gone_through = tokio::task::spawn_blocking(move || {
        // Held by the thread and not by the request: whoever hangs up does not make room for another one.
        let _place = place;
        host.preview(request)
    });
    let found = match gone_through.await {
        Ok(Ok(found)) => found,
        Ok(Err(PreviewFault::Invalid(errors))) => {
            let fault =
                Fault::new(Code::Invalid, "the change is not valid; errors say where", "改动内容有误，详见 errors");
            return Err(fault.with_errors(errors));
        }
        Ok(Err(PreviewFault::Unreadable(error))) => return Err(unreadable(&error)),
        Err(error) => return Err(unreadable(&error.to_string())),
    };
    let was = was(&shared, &wearer, period).await?;
    look::record(&shared, &caller.actor, &subject, look::PREVIEW_FIELDS, purpose.as_deref()).await?;
    let summary = json!({
        "was": was.by_kind,
        "would": by_kind(found.would.iter().map(|finding| finding.kind)),
        "was_count": was.count,
        "would_count": found.would_count,
        "was_helped": was.helped,
        "was_false_alarm": was.false_alarm,
        "reports": found.reports,
        "replayed_from": found.from,
        "notes": NOTES.map(|(en, _)| en),
        "notes_zh": NOTES.map(|(_, zh)| zh),
    });
    let would = found.would.iter().map(finding_json).collect();
    let Period { from, to } = period;
    Ok(Answer(PreviewJson { wearer: wearer.id, from, to, was: was.told, would, summary }))
}

fn unreadable(error: &str) -> Fault {
    tracing::error!(error, "a preview ended early");
    Fault::new(Code::StateUnavailable, "the history cannot be read at the moment", "历史数据暂时无法读取")
}

#[derive(Default)]
struct Was {
    told: Vec<Value>,
    by_kind: BTreeMap<IncidentKind, usize>,
    count: usize,
    helped: usize,
    false_alarm: usize,
}

/// What was raised in a period: the occurrences of the wearer's incidents, oldest first.
async fn was(shared: &Shared, wearer: &Wearer, period: Period) -> Result<Was, Fault> {
    let filter = IncidentFilter { open_only: false, wearer: Some(wearer.id.clone()) };
    let incidents: Vec<Incident> = shared
        .read(move |view| {
            let (mut incidents, mut after): (Vec<Incident>, Option<IncidentId>) = (Vec::new(), None);
            loop {
                let page = Page { after, limit: INCIDENTS_MAX - incidents.len() };
                let listing = view.incidents(&filter, page, &|_| true)?;
                after = listing.items.last().map(|incident| incident.id);
                incidents.extend(listing.items);
                if !listing.has_more || after.is_none() || incidents.len() >= INCIDENTS_MAX {
                    return Ok(incidents);
                }
            }
        })
        .await?;
    let (mut was, mut raised) = (Was::default(), Vec::new());
    for incident in &incidents {
        let within = |occurrence: &&Occurrence| period.from <= occurrence.at && occurrence.at < period.to;
        let before = raised.len();
        raised.extend(incident.occurrences.iter().filter(within).map(|occurrence| (incident, occurrence)));
        if raised.len() > before {
            let disposition = incident.resolution.as_ref().map(|resolution| resolution.disposition.as_str());
            was.helped += usize::from(disposition == Some("helped"));
            was.false_alarm += usize::from(disposition == Some("false_alarm"));
        }
    }
    raised.sort_by_key(|(incident, occurrence)| (occurrence.at, incident.id));
    was.count = raised.len();
    was.by_kind = by_kind(raised.iter().map(|(_, occurrence)| occurrence.kind));
    was.told =
        raised.iter().take(WAS_MAX).map(|(incident, occurrence)| occurrence_json(incident, occurrence)).collect();
    Ok(was)
}

fn by_kind(kinds: impl Iterator<Item = IncidentKind>) -> BTreeMap<IncidentKind, usize> {
    let mut counts = BTreeMap::new();
    kinds.for_each(|kind| *counts.entry(kind).or_default() += 1);
    counts
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "at": finding.at, "kind": finding.kind, "priority": finding.priority, "measured": finding.measured,
        "late": finding.late, "confirmed": finding.confirmed, "position": finding.position,
        "explain": finding.explain.zh, "explain_en": finding.explain.en, "readings": finding.explain.readings,
    })
}

fn occurrence_json(incident: &Incident, occurrence: &Occurrence) -> Value {
    json!({
        "at": occurrence.at, "kind": occurrence.kind, "priority": occurrence.priority,
        "measured": occurrence.measured, "late": occurrence.late, "confirmed": occurrence.confirmed,
        "position": occurrence.position, "explain": occurrence.explain.zh, "explain_en": occurrence.explain.en,
        "readings": occurrence.explain.readings, "incident": incident.id,
        "disposition": incident.resolution.as_ref().map(|resolution| &resolution.disposition),
    })
}
