//! Campaigns of welfare and test calls.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::Response;
use model::campaign::{CampaignCall, CampaignKind, CampaignOrder};
use model::registry::DailyWindow;
use model::{Actor, Campaign, CampaignId, StaffCommand, Timestamp, WearerId};
use serde::{Deserialize, Serialize};
use store::Page;

use super::commands::entity_answer;
use super::incidents::{after_id, checked_text};
use super::tasks::STAFF;
use crate::auth::{Caller, only};
use crate::body::Json;
use crate::headers::{CommandHeaders, IdempotencyKey};
use crate::page::{Listing, Paging, checked_limit, respond};
use crate::params::{Params, Segments, counted};
use crate::problem::Fault;
use crate::scope::{sees_about, visible_to};
use crate::shared::{Shared, tagged};

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 100;
/// The longest text, in bytes: about a minute of speech.
const TEXT_BYTES_MAX: usize = 600;
/// The most wearers of one order; `alerting` calls no more people than this.
const WEARERS_MAX: usize = 500;
const TRIES_DEFAULT: u8 = 3;
const GAP_SECONDS_DEFAULT: u32 = 1_800;
/// How long a campaign runs unless its order says otherwise, and at most, in seconds.
const LASTS_SECONDS_DEFAULT: u32 = 86_400;
const LASTS_SECONDS_MAX: u32 = 30 * 86_400;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CampaignBody {
    kind: CampaignKind,
    name: String,
    /// With `{name}` for the name; without: the usual words.
    text: Option<String>,
    /// `09:00-11:00`.
    window: Option<String>,
    tries: Option<u8>,
    gap_s: Option<u32>,
    lasts_s: Option<u32>,
    wearers: Vec<String>,
}

impl CampaignBody {
    fn order(self, now: Timestamp) -> Result<CampaignOrder, Fault> {
        checked_text("/name", Some(&self.name), NAME_BYTES_MAX)?;
        checked_text("/text", self.text.as_deref(), TEXT_BYTES_MAX)?;
        if self.name.trim().is_empty() {
            return Err(Fault::invalid("/name", "say what it is called", "请填写名称"));
        }
        if self.wearers.is_empty() || self.wearers.len() > WEARERS_MAX {
            let detail = format!("1 to {WEARERS_MAX} wearers are taken");
            return Err(Fault::invalid("/wearers", detail, format!("须有 1 至 {WEARERS_MAX} 名佩戴者")));
        }
        let lasts = within("/lasts_s", self.lasts_s.unwrap_or(LASTS_SECONDS_DEFAULT), 60, LASTS_SECONDS_MAX)?;
        let tries = within("/tries", self.tries.map_or(u32::from(TRIES_DEFAULT), u32::from), 1, 10)?;
        Ok(CampaignOrder {
            kind: self.kind,
            name: self.name.trim().to_owned(),
            text: self.text.unwrap_or_default(),
            window: self.window.as_deref().map(window).transpose()?,
            tries: tries as u8,
            gap_seconds: within("/gap_s", self.gap_s.unwrap_or(GAP_SECONDS_DEFAULT), 60, 86_400)?,
            until: now.plus_seconds(lasts),
            wearers: self.wearers.iter().map(|id| WearerId::new(id)).collect(),
        })
    }
}

fn within(pointer: &str, number: u32, least: u32, most: u32) -> Result<u32, Fault> {
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(Fault::invalid(pointer, format!("must be {least} to {most}"), format!("须为 {least} 至 {most}")))
}

fn window(text: &str) -> Result<DailyWindow, Fault> {
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2)?;
        let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let parsed = text.split_once('-').and_then(|(from, to)| minute(from).zip(minute(to)));
    let parsed = parsed.filter(|(from, to)| from != to);
    parsed.map(|(from_minute, to_minute)| DailyWindow { from_minute, to_minute }).ok_or_else(|| {
        Fault::invalid("/window", "no window of the day like \"09:00-11:00\"", "时段应形如 \"09:00-11:00\"")
    })
}

/// Begins a campaign of welfare or test calls.
#[utoipa::path(
    post,
    path = "/api/v1/campaigns",
    tag = "campaigns",
    params(IdempotencyKey),
    request_body = CampaignBody,
    responses((status = 200, description = "As committed.", body = Campaign)),
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    headers: CommandHeaders,
    Json(body): Json<CampaignBody>,
) -> Result<Response, Fault> {
    only(&caller.actor, STAFF)?;
    let order = body.order(shared.host.now())?;
    let command = StaffCommand::StartCampaign(Box::new(order));
    Ok(entity_answer(shared.decide(&caller.actor, headers.idempotency_key, command).await?))
}

/// Campaigns.
#[utoipa::path(
    get,
    path = "/api/v1/campaigns",
    tag = "campaigns",
    params(Paging),
    responses((status = 200, description = "As asked.", body = Listing<Campaign>)),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Response, Fault> {
    only(&caller.actor, STAFF)?;
    let limit = checked_limit(paging.limit)?;
    let after = after_id::<CampaignId>(paging.after.as_deref())?;
    let as_of = shared.newest_cursor().await?;
    let listing = shared
        .read(move |view| {
            view.campaigns(Page { after, limit }, &|campaign| visible_to(&caller.actor, Some(&campaign.org)))
        })
        .await?;
    let next = listing.next(|number| CampaignId::from_raw(number).to_string());
    Ok(respond("/api/v1/campaigns", &[], limit, listing.items, next, as_of))
}

/// One campaign.
#[utoipa::path(
    get,
    path = "/api/v1/campaigns/{id}",
    tag = "campaigns",
    params(("id" = String, Path, description = "Campaign.")),
    responses((status = 200, description = "As asked.", body = Campaign)),
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Response, Fault> {
    let campaign = visible(&shared, &caller.actor, &id).await?;
    Ok(tagged(&campaign, campaign.version))
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Calls {
    data: Vec<CampaignCall>,
}

/// Everybody of a campaign with their answer.
#[utoipa::path(
    get,
    path = "/api/v1/campaigns/{id}/calls",
    tag = "campaigns",
    params(("id" = String, Path, description = "Campaign.")),
    responses((status = 200, description = "As asked.", body = Calls)),
)]
pub(crate) async fn calls(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Answer<Calls>, Fault> {
    let campaign = visible(&shared, &caller.actor, &id).await?.id;
    let data = shared
        .read(move |view| {
            let mut calls = view.campaign_calls(campaign)?;
            calls.retain(|call| sees_about(view, &caller.actor, Some(&call.org), Some(&call.wearer)));
            Ok(calls)
        })
        .await?;
    Ok(Answer(Calls { data }))
}

async fn visible(shared: &Shared, actor: &Actor, id: &str) -> Result<Campaign, Fault> {
    only(actor, STAFF)?;
    let wanted = counted::<CampaignId>(id, "campaign")?;
    shared
        .find(move |view| view.campaign(wanted))
        .await?
        .filter(|campaign| visible_to(actor, Some(&campaign.org)))
        .ok_or_else(|| Fault::not_found(&format!("campaign {wanted}")))
}
