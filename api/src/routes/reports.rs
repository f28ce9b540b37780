//! Report figures: how fast alarms are answered and attended, and what becomes of cases; by organisation and period.

mod figures;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use model::{Actor, OrgPath, Timestamp};
use serde::{Deserialize, Serialize};
use store::StoreError;
use utoipa::ToSchema;

use self::figures::Figures;
use super::case_bodies::checked_org;
use super::tasks::STAFF;
use crate::auth::{Caller, only};
use crate::params::{Params, bad_parameter, time_of};
use crate::problem::Fault;
use crate::scope::visible_to;
use crate::shared::Shared;

const DAY_MILLIS: i64 = 86_400_000;
const MINUTE_MILLIS: i64 = 60_000;
/// How far back a report begins unless asked.
const SPAN_DEFAULT_MILLIS: i64 = 30 * DAY_MILLIS;
/// The longest span of a report: what one query may read.
const SPAN_MILLIS_MAX: i64 = 3 * 366 * DAY_MILLIS;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportParams {
    /// A part of the tree; without: all that the caller sees.
    org: Option<String>,
    /// RFC 3339; without: 30 days before `to`.
    from: Option<String>,
    /// RFC 3339, not included; without: now.
    to: Option<String>,
    /// One row for each `day`, `week` (from Monday) or `month` in the configured zone; without: one for the whole span.
    #[param(inline)]
    period: Option<Period>,
    /// Which alarms: `emergencies` (SOS and falls; the default) or `all`.
    #[param(inline)]
    of: Option<Of>,
    /// `json` or `csv`; without: what `Accept` says.
    #[param(inline)]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Period {
    Day,
    Week,
    Month,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Of {
    #[default]
    Emergencies,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    Json,
    Csv,
}

/// What was asked for, checked.
struct Asked {
    org: OrgPath,
    from: Timestamp,
    to: Timestamp,
    period: Option<Period>,
    of: Of,
    offset_millis: i64,
}

#[derive(Serialize, ToSchema)]
struct ResponseReport {
    org: OrgPath,
    from: Timestamp,
    to: Timestamp,
    of: Of,
    /// One for each organisation, and period, in which there was anything.
    rows: Vec<ReportRow>,
    total: figures::Shown,
}

#[derive(Serialize, ToSchema)]
struct ReportRow {
    org: OrgPath,
    /// The first day of the period, `2026-11-22`; `None`: the whole span.
    period: Option<String>,
    #[serde(flatten)]
    figures: figures::Shown,
}

/// How quickly and how well it was answered.
#[utoipa::path(
    get,
    path = "/api/v1/reports/response",
    tag = "reports",
    params(ReportParams),
    responses((status = 200, description = "JSON, or CSV.", content((ResponseReport = "application/json"), (String = "text/csv")))),
)]
pub(crate) async fn response(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<ReportParams>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    only(&caller.actor, STAFF)?;
    let format = params.format.unwrap_or_else(|| accepted(&headers));
    let asked = checked(&shared, &caller.actor, params).await?;
    let actor = caller.actor.clone();
    let report = shared.read(move |view| report(view, &actor, &asked)).await?;
    Ok(match format {
        Format::Json => Answer(report).into_response(),
        Format::Csv => csv(&report),
    })
}

fn accepted(headers: &HeaderMap) -> Format {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.split(',').any(|part| part.trim().starts_with("text/csv")) { Format::Csv } else { Format::Json }
}

async fn checked(shared: &Shared, actor: &Actor, params: ReportParams) -> Result<Asked, Fault> {
    let now = shared.host.now();
    let to = time_of("to", params.to.as_deref())?.unwrap_or(now);
    let from = time_of("from", params.from.as_deref())?.unwrap_or_else(|| to.plus_millis(-SPAN_DEFAULT_MILLIS));
    if from >= to || to.millis_since(from) > SPAN_MILLIS_MAX {
        return Err(bad_parameter(
            "`from` must be before `to`, and not more than three years",
            "`from` 须早于 `to`，且不超过三年",
        ));
    }
    let org = match params.org.as_deref() {
        None => actor.scope.clone(),
        Some("/") => OrgPath::new("/"),
        Some(path) => checked_org("/org", path)?,
    };
    if !visible_to(actor, Some(&org)) {
        return Err(Fault::not_found(&format!("organisation {org}")));
    }
    let offset_millis = i64::from(shared.host.utc_offset_minutes(to)) * MINUTE_MILLIS;
    Ok(Asked { org, from, to, period: params.period, of: params.of.unwrap_or_default(), offset_millis })
}

fn report(view: &store::State, actor: &Actor, asked: &Asked) -> Result<ResponseReport, StoreError> {
    let mut rows: BTreeMap<(Option<i64>, OrgPath), Figures> = BTreeMap::new();
    let is_asked = |org: &OrgPath| asked.org.contains(org) && visible_to(actor, Some(org));
    let begin = |at: Timestamp| asked.period.map(|period| first_day(period, at, asked.offset_millis));
    let mut alarms = Vec::new();
    view.for_each_incident_between(asked.from, asked.to, &mut |incident| {
        let counts = asked.of == Of::All || incident.occurrences.iter().any(|o| o.kind.opens_case());
        if !incident.test && counts && is_asked(&incident.org) {
            alarms.push(incident);
        }
    })?;
    for incident in alarms {
        let story = view.responses_to(incident.id)?;
        let case = incident.case.map(|id| view.case(id)).transpose()?.flatten();
        let key = (begin(incident.raised_at), incident.org.clone());
        rows.entry(key).or_default().alarm(&incident, &story, case.as_ref());
    }
    view.for_each_case_between(asked.from, asked.to, &mut |case| {
        if is_asked(&case.org) {
            rows.entry((begin(case.filed_at), case.org.clone())).or_default().case(&case);
        }
    })?;
    let mut total = Figures::default();
    rows.values().for_each(|figures| total.add(figures));
    let row = |((day, org), figures): ((Option<i64>, OrgPath), Figures)| ReportRow {
        org,
        period: day.map(date),
        figures: figures.shown(),
    };
    Ok(ResponseReport {
        org: asked.org.clone(),
        from: asked.from,
        to: asked.to,
        of: asked.of,
        rows: rows.into_iter().map(row).collect(),
        total: total.shown(),
    })
}

/// The first day of the period in which a time lies, in days since 1970 by the zone's calendar.
fn first_day(period: Period, at: Timestamp, offset_millis: i64) -> i64 {
    let day = (at.millis() + offset_millis).div_euclid(DAY_MILLIS);
    match period {
        Period::Day => day,
        // 1970-01-01 was a Thursday.
        Period::Week => day - (day + 3).rem_euclid(7),
        Period::Month => {
            let text = date(day);
            let of_month: i64 = text.get(8..10).and_then(|text| text.parse().ok()).unwrap_or(1);
            day - (of_month - 1)
        }
    }
}

/// `2026-11-22`.
fn date(day: i64) -> String {
    let text = Timestamp::from_millis(day * DAY_MILLIS).to_utc().to_rfc3339();
    text.get(..10).unwrap_or_default().to_owned()
}

/// RFC 4180, with the mark by which spreadsheets know UTF-8. Nothing in it is anybody's own text.
fn csv(report: &ResponseReport) -> Response {
    let mut text = String::from("\u{feff}org,period");
    for (name, _) in report.total.columns() {
        text.push(',');
        text.push_str(&name);
    }
    text.push_str("\r\n");
    let total = std::iter::once((report.org.as_str(), "total", &report.total));
    let rows =
        report.rows.iter().map(|row| (row.org.as_str(), row.period.as_deref().unwrap_or_default(), &row.figures));
    for (org, period, figures) in rows.chain(total) {
        text.push_str(&format!("{org},{period}"));
        for (_, value) in figures.columns() {
            text.push(',');
            text.push_str(&value);
        }
        text.push_str("\r\n");
    }
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"response.csv\""));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_at_midnight_of_the_zone() {
        let offset = 480 * MINUTE_MILLIS;
        for (at, day, week, month) in [
            ("2026-11-22T15:59:59Z", "2026-11-22", "2026-11-16", "2026-11-01"),
            ("2026-11-22T16:00:00Z", "2026-11-23", "2026-11-23", "2026-11-01"),
            ("2026-12-31T16:00:00Z", "2027-01-01", "2026-12-28", "2027-01-01"),
        ] {
            let at = Timestamp::parse(at).unwrap();
            let begin = |period| date(first_day(period, at, offset));
            assert_eq!([begin(Period::Day), begin(Period::Week), begin(Period::Month)], [day, week, month]);
        }
    }
}
