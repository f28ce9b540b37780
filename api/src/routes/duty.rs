//! Duty rosters: the departments of an organisation, who is on duty when, and who is now.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use compact_str::CompactString;
use model::case::WhistleLevel;
use model::duty::{DutyUnit, Shift};
use model::registry::WeeklyWindow;
use model::{DutyRoster, Entity, OrgPath, PersonId, Reply, Role, StaffCommand, Timestamp};
use serde::{Deserialize, Serialize};

use super::case_bodies::checked_org;
use super::commands::entity_answer;
use super::incidents::{checked_id, checked_text};
use super::tasks::STAFF;
use crate::auth::{Caller, only};
use crate::body::Json;
use crate::headers::CommandHeaders;
use crate::params::{Params, bad_parameter};
use crate::problem::Fault;
use crate::scope::visible_to;
use crate::shared::Shared;

/// Who writes rosters; casework says the same.
const WRITERS: &[Role] = &[Role::Admin, Role::Operator, Role::Desk, Role::Street, Role::Department, Role::Integration];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES_OF_DAY: u16 = 1_440;
const DAY_MILLIS: i64 = 86_400_000;
const MINUTE_MILLIS: i64 = 60_000;
/// 1970-01-01 was a Thursday.
const WEEKDAY_OF_DAY_ZERO: i64 = 3;
/// The longest name of a department, in bytes.
const NAME_BYTES_MAX: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DutyParams {
    org: Option<String>,
}

impl DutyParams {
    fn org(&self) -> Result<OrgPath, Fault> {
        let path = self.org.as_deref().ok_or_else(|| {
            bad_parameter("say whose: ?org=/district/street/community/", "请指明组织：?org=/区/街道/社区/")
        })?;
        checked_org("/org", path)
    }
}

/// A roster as it is read and written. Times are in the configured zone.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct RosterJson {
    org: OrgPath,
    version: u32,
    units: Vec<UnitJson>,
    /// Who is on duty now, department by department.
    on_duty: Vec<OnDuty>,
    changed_by: Option<PersonId>,
    changed_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct OnDuty {
    #[schema(value_type = String)]
    unit: CompactString,
    level: WhistleLevel,
    people: Vec<PersonId>,
}

#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnitJson {
    id: String,
    name: String,
    level: WhistleLevel,
    shifts: Vec<ShiftJson>,
}

#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShiftJson {
    people: Vec<String>,
    /// `mon` … `sun`.
    days: Vec<String>,
    /// `08:00`.
    from: String,
    /// `20:00`, `24:00`; at or before `from`: on the next day.
    to: String,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RosterBody {
    units: Vec<UnitJson>,
}

/// An organisation's duty roster.
#[utoipa::path(
    get,
    path = "/api/v1/duty",
    tag = "duty",
    params(
        ("org" = String, Query, description = "The organisation's path."),
    ),
    responses((status = 200, description = "As asked.", body = RosterJson)),
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<DutyParams>,
) -> Result<Response, Fault> {
    only(&caller.actor, STAFF)?;
    let org = params.org()?;
    let wanted = org.clone();
    let found = shared.read(move |view| Ok((view.org(&wanted)?, view.duty(&wanted)?))).await?;
    let (Some(_), roster) = found else { return Err(not_there(&org)) };
    if !visible_to(&caller.actor, Some(&org)) {
        return Err(not_there(&org));
    }
    let roster = roster.unwrap_or_else(|| empty(org));
    Ok(answer(&shared, &roster))
}

/// Writes an organisation's duty roster.
#[utoipa::path(
    put,
    path = "/api/v1/duty",
    tag = "duty",
    params(
        ("org" = String, Query, description = "The organisation's path."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer."),
        ("If-Match" = Option<String>, Header, description = "The entity's `ETag`."),
    ),
    request_body(content = RosterBody, description = "The roster."),
    responses((status = 200, description = "As committed.", body = RosterJson)),
)]
pub(crate) async fn write(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<DutyParams>,
    headers: CommandHeaders,
    Json(body): Json<RosterBody>,
) -> Result<Response, Fault> {
    only(&caller.actor, WRITERS)?;
    let org = params.org()?;
    if !visible_to(&caller.actor, Some(&org)) {
        return Err(not_there(&org));
    }
    let units = body.units.iter().enumerate().map(|(place, unit)| checked_unit(place, unit));
    let roster = DutyRoster { units: units.collect::<Result<_, _>>()?, ..empty(org) };
    let command = StaffCommand::SetDuty { if_match: headers.if_match, roster: Box::new(roster) };
    match shared.decide(&caller.actor, headers.idempotency_key, command).await? {
        Reply::Done(Some(Entity::Duty(roster))) => Ok(answer(&shared, &roster)),
        other => Ok(entity_answer(other)),
    }
}

fn not_there(org: &OrgPath) -> Fault {
    Fault::not_found(&format!("organisation {org}"))
}

fn empty(org: OrgPath) -> DutyRoster {
    DutyRoster { org, version: 0, units: Vec::new(), changed_by: PersonId::new("-"), changed_at: Timestamp::EPOCH }
}

fn answer(shared: &Shared, roster: &DutyRoster) -> Response {
    let now = shared.host.now();
    let local = now.millis() + i64::from(shared.host.utc_offset_minutes(now)) * MINUTE_MILLIS;
    let weekday = (local.div_euclid(DAY_MILLIS) + WEEKDAY_OF_DAY_ZERO).rem_euclid(7) as u8;
    let minute = (local.rem_euclid(DAY_MILLIS) / MINUTE_MILLIS) as u16;
    let on_duty =
        |unit: &DutyUnit| OnDuty { unit: unit.id.clone(), level: unit.level, people: unit.on_duty(weekday, minute) };
    let is_written = roster.version > 0;
    let json = RosterJson {
        org: roster.org.clone(),
        version: roster.version,
        units: roster.units.iter().map(unit_json).collect(),
        on_duty: roster.units.iter().map(on_duty).filter(|unit| !unit.people.is_empty()).collect(),
        changed_by: is_written.then(|| roster.changed_by.clone()),
        changed_at: is_written.then_some(roster.changed_at),
    };
    ([(ETAG, format!("\"{}\"", roster.version))], Answer(json)).into_response()
}

fn unit_json(unit: &DutyUnit) -> UnitJson {
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let shift = |shift: &Shift| ShiftJson {
        people: shift.people.iter().map(ToString::to_string).collect(),
        days: (0..7).filter(|day| shift.window.days & (1 << day) != 0).map(|day| DAYS[day].to_owned()).collect(),
        from: time(shift.window.from_minute),
        to: time(shift.window.to_minute),
    };
    UnitJson {
        id: unit.id.to_string(),
        name: unit.name.clone(),
        level: unit.level,
        shifts: unit.shifts.iter().map(shift).collect(),
    }
}

fn checked_unit(place: usize, unit: &UnitJson) -> Result<DutyUnit, Fault> {
    let at = format!("/units/{place}");
    checked_id(&format!("{at}/id"), Some(&unit.id))?;
    checked_text(&format!("{at}/name"), Some(&unit.name), NAME_BYTES_MAX)?;
    let shifts =
        unit.shifts.iter().enumerate().map(|(index, shift)| checked_shift(&format!("{at}/shifts/{index}"), shift));
    Ok(DutyUnit {
        id: unit.id.as_str().into(),
        name: unit.name.trim().to_owned(),
        level: unit.level,
        shifts: shifts.collect::<Result<_, _>>()?,
    })
}

fn checked_shift(at: &str, shift: &ShiftJson) -> Result<Shift, Fault> {
    let mut people = Vec::new();
    for (place, id) in shift.people.iter().enumerate() {
        checked_id(&format!("{at}/people/{place}"), Some(id))?;
        people.push(PersonId::new(id));
    }
    if people.is_empty() {
        return Err(Fault::invalid(&format!("{at}/people"), "at least one person", "至少选择一人"));
    }
    let mut days = 0u8;
    for (place, name) in shift.days.iter().enumerate() {
        let day = DAYS.iter().position(|day| day == name).ok_or_else(|| {
            let pointer = format!("{at}/days/{place}");
            Fault::invalid(&pointer, format!("days are {}", DAYS.join(", ")), format!("可用 {}", DAYS.join("、")))
        })?;
        days |= 1 << day;
    }
    if days == 0 {
        return Err(Fault::invalid(&format!("{at}/days"), "at least one day", "至少选择一天"));
    }
    let from_minute = minute(&format!("{at}/from"), &shift.from).map(|minute| minute % MINUTES_OF_DAY)?;
    let to_minute = match minute(&format!("{at}/to"), &shift.to)? {
        0 => MINUTES_OF_DAY,
        minute => minute,
    };
    Ok(Shift { people, window: WeeklyWindow { days, from_minute, to_minute } })
}

/// `08:00` … `24:00`.
fn minute(pointer: &str, text: &str) -> Result<u16, Fault> {
    let parts = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2);
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let parsed = parts.and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)));
    match parsed {
        Some((hour, minute)) if minute < 60 && hour * 60 + minute <= MINUTES_OF_DAY => Ok(hour * 60 + minute),
        _ => Err(Fault::invalid(pointer, "no time like \"08:00\"", "时间应形如 \"08:00\"")),
    }
}
