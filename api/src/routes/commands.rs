//! Commands to devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use compact_str::CompactString;
use model::{DownCommand, DownCommandId, DownCommandKind, Entity, Reply, Role, StaffCommand};
use serde::{Deserialize, Serialize};

use super::incidents::checked_text;
use super::registry::visible_device;
use crate::auth::{Caller, only};
use crate::body::Json;
use crate::headers::{CommandHeaders, IdempotencyKey};
use crate::page::LIMIT_MAX;
use crate::params::{Segments, counted};
use crate::problem::Fault;
use crate::shared::{Shared, tagged};

/// How often a device may be told to report, in seconds: at least and at most.
const INTERVAL_SECONDS: std::ops::RangeInclusive<u32> = 10..=86_400;
/// How long a command may be worth delivering, in seconds.
const TIME_TO_LIVE_SECONDS: std::ops::RangeInclusive<u32> = 1..=30 * 86_400;
/// The longest text that a device is to show, in bytes.
const TEXT_BYTES_MAX: usize = 256;
/// How many settings one command may carry, and how long their names and values may be, in bytes.
const SETTINGS_MAX: usize = 32;
const SETTING_NAME_BYTES_MAX: usize = 64;
const SETTING_VALUE_BYTES_MAX: usize = 256;
/// What is shown when `help_is_coming` brings no text of its own.
const HELP_IS_COMING: &str = "有人正在赶来";

/// Who may make a device say where it is, ring or measure.
const ASKERS: &[Role] = &[
    Role::Admin,
    Role::Operator,
    Role::Desk,
    Role::Doctor,
    Role::Street,
    Role::Department,
    Role::GridWorker,
    Role::Guardian,
    Role::Integration,
];
/// Who may change how a device works.
const CONFIGURERS: &[Role] = &[Role::Admin, Role::Operator, Role::Integration];

/// `{"kind":"set_interval","seconds":60}`: the members beside `kind` and `time_to_live_seconds` are the kind's own.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandBody {
    kind: Kind,
    seconds: Option<u32>,
    text: Option<String>,
    settings: Option<BTreeMap<String, String>>,
    time_to_live_seconds: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CommandKind)]
enum Kind {
    Locate,
    SetInterval,
    MeasureAgain,
    Ring,
    HelpIsComing,
    Configuration,
}

/// Sends a command to a device.
#[utoipa::path(
    post,
    path = "/api/v1/devices/{id}/commands",
    tag = "devices",
    params(("id" = String, Path, description = "Device."), IdempotencyKey),
    request_body = CommandBody,
    responses(
        (status = 201, description = "Queued; it is delivered when the device is there.", body = DownCommand),
    ),
)]
pub(crate) async fn send(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: CommandHeaders,
    Json(body): Json<CommandBody>,
) -> Result<Response, Fault> {
    let changes = matches!(body.kind, Kind::SetInterval | Kind::Configuration);
    only(&caller.actor, if changes { CONFIGURERS } else { ASKERS })?;
    let time_to_live_seconds = body.time_to_live_seconds;
    if time_to_live_seconds.is_some_and(|seconds| !TIME_TO_LIVE_SECONDS.contains(&seconds)) {
        return Err(out_of_range("/time_to_live_seconds", &TIME_TO_LIVE_SECONDS));
    }
    let kind = checked_kind(body)?;
    let device = visible_device(&shared, &caller.actor, &id).await?.id;
    let command = StaffCommand::Device { device, kind, time_to_live_seconds };
    let reply = shared.decide(&caller.actor, headers.idempotency_key, command).await?;
    let Reply::Done(Some(Entity::DownCommand(command))) = reply else { return Ok(entity_answer(reply)) };
    let mut response = (StatusCode::CREATED, tagged(&*command, command.version)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/commands/{}", command.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Commands {
    /// Newest first.
    data: Vec<DownCommand>,
}

/// The commands to a device, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/devices/{id}/commands",
    tag = "devices",
    params(("id" = String, Path, description = "Device.")),
    responses((status = 200, description = "As asked.", body = Commands)),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Answer<Commands>, Fault> {
    let device = visible_device(&shared, &caller.actor, &id).await?.id;
    let data = shared.read(move |view| view.down_commands(&device, LIMIT_MAX)).await?;
    Ok(Answer(Commands { data }))
}

/// One command.
#[utoipa::path(
    get,
    path = "/api/v1/commands/{id}",
    tag = "devices",
    params(("id" = String, Path, description = "Command.")),
    responses((status = 200, description = "As asked.", body = DownCommand)),
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Response, Fault> {
    let wanted = counted::<DownCommandId>(&id, "command")?;
    let not_found = || Fault::not_found(&format!("command {wanted}"));
    let command = shared.find(move |view| view.down_command(wanted)).await?.ok_or_else(not_found)?;
    // Whose the command is follows from its device.
    visible_device(&shared, &caller.actor, command.device.as_str()).await.map_err(|_| not_found())?;
    Ok(tagged(&command, command.version))
}

fn checked_kind(body: CommandBody) -> Result<DownCommandKind, Fault> {
    let CommandBody { kind, seconds, text, settings, .. } = body;
    let strangers = [
        ("/seconds", seconds.is_some() && kind != Kind::SetInterval),
        ("/text", text.is_some() && kind != Kind::HelpIsComing),
        ("/settings", settings.is_some() && kind != Kind::Configuration),
    ];
    if let Some((pointer, _)) = strangers.iter().find(|(_, is_stranger)| *is_stranger) {
        return Err(Fault::invalid(pointer, "this does not belong to this kind of command", "该字段不适用于此类指令"));
    }
    match kind {
        Kind::Locate => Ok(DownCommandKind::Locate),
        Kind::MeasureAgain => Ok(DownCommandKind::MeasureAgain),
        Kind::Ring => Ok(DownCommandKind::Ring),
        Kind::SetInterval => match seconds {
            Some(seconds) if INTERVAL_SECONDS.contains(&seconds) => Ok(DownCommandKind::SetInterval { seconds }),
            _ => Err(out_of_range("/seconds", &INTERVAL_SECONDS)),
        },
        Kind::HelpIsComing => {
            checked_text("/text", text.as_deref(), TEXT_BYTES_MAX)?;
            let text = text.filter(|text| !text.is_empty()).unwrap_or_else(|| HELP_IS_COMING.to_owned());
            Ok(DownCommandKind::HelpIsComing { text })
        }
        Kind::Configuration => checked_settings(settings.unwrap_or_default()),
    }
}

fn checked_settings(settings: BTreeMap<String, String>) -> Result<DownCommandKind, Fault> {
    if settings.is_empty() || settings.len() > SETTINGS_MAX {
        return Err(Fault::invalid(
            "/settings",
            format!("1 to {SETTINGS_MAX} settings are taken"),
            format!("须有 1 至 {SETTINGS_MAX} 项设置"),
        ));
    }
    for (name, value) in &settings {
        let pointer = format!("/settings/{}", name.replace('~', "~0").replace('/', "~1"));
        if name.is_empty() || name.len() > SETTING_NAME_BYTES_MAX {
            return Err(Fault::invalid(
                &pointer,
                format!("a name has 1 to {SETTING_NAME_BYTES_MAX} bytes"),
                format!("名称须为 1 至 {SETTING_NAME_BYTES_MAX} 字节"),
            ));
        }
        checked_text(&pointer, Some(name), SETTING_NAME_BYTES_MAX)?;
        checked_text(&pointer, Some(value), SETTING_VALUE_BYTES_MAX)?;
    }
    let settings = settings.into_iter().map(|(name, value)| (CompactString::from(name), CompactString::from(value)));
    Ok(DownCommandKind::Configuration { settings: settings.collect() })
}

fn out_of_range(pointer: &str, range: &std::ops::RangeInclusive<u32>) -> Fault {
    let (least, most) = (range.start(), range.end());
    Fault::invalid(pointer, format!("must be {least} to {most} seconds"), format!("须为 {least} 至 {most} 秒"))
}

/// The entity as committed, with its version as `ETag`; 204 when the command was about none.
pub(super) fn entity_answer(reply: Reply) -> Response {
    match reply {
        Reply::Done(Some(Entity::Incident(incident))) => tagged(&*incident, incident.version),
        Reply::Done(Some(Entity::Case(case))) => tagged(&*case, case.version),
        Reply::Done(Some(Entity::Attempt(attempt))) => tagged(&*attempt, attempt.version),
        Reply::Done(Some(Entity::DownCommand(command))) => tagged(&*command, command.version),
        Reply::Done(Some(Entity::Device(device))) => Answer(device).into_response(),
        Reply::Done(Some(Entity::Registry(summary))) => Answer(summary).into_response(),
        Reply::Done(Some(Entity::Task(task))) => tagged(&*task, task.version),
        Reply::Done(Some(Entity::Campaign(campaign))) => tagged(&*campaign, campaign.version),
        Reply::Done(Some(Entity::CampaignCall(call))) => Answer(*call).into_response(),
        Reply::Done(Some(Entity::Patrol(patrol))) => tagged(&*patrol, patrol.version),
        Reply::Done(Some(Entity::Duty(roster))) => tagged(&*roster, roster.version),
        Reply::Done(Some(Entity::Erasure(erasure))) => Answer(*erasure).into_response(),
        Reply::Done(None) => StatusCode::NO_CONTENT.into_response(),
        Reply::Refused(problem) => Fault::from(problem).into_response(),
    }
}
