//! Where an elder is, when nothing has happened: behind glass, which breaks with a reason, for a while, and whose
//! breaking is told to the guardians.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use model::registry::{ConsentTo, Consented};
use model::{Actor, Role, StaffCommand, Timestamp, Wearer, WearerId};
use serde::{Deserialize, Serialize};
use store::{CaseFilter, IncidentFilter, Page};

use super::incidents::checked_text;
use super::wearers::visible_wearer;
use crate::auth::Caller;
use crate::body::Json;
use crate::headers::CommandHeaders;
use crate::params::Segments;
use crate::problem::{Code, Fault};
use crate::shared::Shared;

/// Who sees an exact position only on account of something.
const BEHIND_GLASS: &[Role] =
    &[Role::Operator, Role::Desk, Role::Doctor, Role::Street, Role::Department, Role::GridWorker, Role::Volunteer];
/// Those among them who see it only while the case is theirs.
const HOLDERS_ONLY: &[Role] = &[Role::GridWorker, Role::Volunteer];
/// Who can break the glass; the engine says the same.
const BREAKERS: &[Role] =
    &[Role::Admin, Role::Operator, Role::Desk, Role::Doctor, Role::Street, Role::Department, Role::GridWorker];
/// The longest reason, in bytes.
const REASON_BYTES_MAX: usize = 500;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GlassBody {
    reason: String,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Broken {
    wearer: WearerId,
    /// Until when the position shows.
    until: Option<Timestamp>,
}

/// Leave to see where a wearer is although nothing has happened; its guardians can see it.
#[utoipa::path(
    post,
    path = "/api/v1/wearers/{id}/break-glass",
    tag = "history",
    params(
        ("id" = String, Path, description = "Wearer."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer."),
    ),
    request_body(content = GlassBody, description = "The reason."),
    responses((status = 200, description = "Until when.", body = Broken)),
)]
pub(crate) async fn break_it(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: CommandHeaders,
    Json(body): Json<GlassBody>,
) -> Result<Answer<Broken>, Fault> {
    checked_text("/reason", Some(&body.reason), REASON_BYTES_MAX)?;
    let wearer = visible_wearer(&shared, &caller.actor, &id).await?.id;
    let command = StaffCommand::BreakGlass { wearer: wearer.clone(), reason: body.reason };
    shared.decide(&caller.actor, headers.idempotency_key, command).await?;
    let until = shared.host.glass(&caller.actor.person, &wearer);
    Ok(Answer(Broken { wearer, until }))
}

/// Whether somebody may see how a wearer is: whoever may see them, but a grid worker or volunteer only on account of
/// something that they see to. Who took their consent back is seen by their doctor, and by others while something is open.
pub(crate) async fn may_read_vitals(shared: &Shared, actor: &Actor, wearer: &Wearer) -> Result<bool, Fault> {
    if actor.role == Role::Doctor {
        return Ok(true);
    }
    if has_withdrawn(shared, wearer, ConsentTo::VitalSigns) && !is_excused(shared, actor, &wearer.id).await? {
        return Ok(false);
    }
    Ok(!HOLDERS_ONLY.contains(&actor.role) || may_locate(shared, actor, wearer).await?)
}

/// Whether a consent was taken back. Where none was ever written down, the operator answers for having asked.
fn has_withdrawn(shared: &Shared, wearer: &Wearer, to: ConsentTo) -> bool {
    wearer.consent(to, shared.host.now()) == Consented::Withdrawn
}

/// Whether something outweighs that a consent was taken back: an open incident, or broken glass.
async fn is_excused(shared: &Shared, actor: &Actor, wearer: &WearerId) -> Result<bool, Fault> {
    if shared.host.glass(&actor.person, wearer).is_some() {
        return Ok(true);
    }
    let wearer = wearer.clone();
    shared.read(move |view| has_open(view, wearer)).await
}

fn has_open(view: &store::State, wearer: WearerId) -> Result<bool, store::StoreError> {
    let filter = IncidentFilter { open_only: true, wearer: Some(wearer) };
    Ok(!view.incidents(&filter, Page { after: None, limit: 1 }, &|_| true)?.items.is_empty())
}

/// Whether somebody may see exactly where a wearer is, or was, now.
pub(crate) async fn may_locate(shared: &Shared, actor: &Actor, wearer: &Wearer) -> Result<bool, Fault> {
    let has_withdrawn = has_withdrawn(shared, wearer, ConsentTo::Location);
    let wearer = &wearer.id;
    if has_withdrawn && !is_excused(shared, actor, wearer).await? {
        return Ok(false);
    }
    if !BEHIND_GLASS.contains(&actor.role) || shared.host.glass(&actor.person, wearer).is_some() {
        return Ok(true);
    }
    let (role, person, wearer) = (actor.role, actor.person.clone(), wearer.clone());
    shared
        .read(move |view| {
            if HOLDERS_ONLY.contains(&role) {
                let filter = CaseFilter { open_only: true, wearer: Some(wearer) };
                let held = view
                    .cases(&filter, Page { after: None, limit: 1 }, &|case| case.handler.as_ref() == Some(&person))?;
                return Ok(!held.items.is_empty());
            }
            has_open(view, wearer)
        })
        .await
}

/// The refusal of a position that stays behind glass.
pub(crate) fn behind_glass(shared: &Shared, actor: &Actor, wearer: &Wearer, to: ConsentTo) -> Fault {
    let is_withdrawn = has_withdrawn(shared, wearer, to);
    let wearer = &wearer.id;
    if is_withdrawn && !BREAKERS.contains(&actor.role) {
        let (what, what_zh) = match to {
            ConsentTo::Location => ("where they are", "位置"),
            ConsentTo::VitalSigns => ("how they are", "生命体征"),
        };
        return Fault::new(
            Code::NoConsent,
            format!("the consent to see {what} was taken back: {wearer} is shown again while something has happened"),
            format!("已撤回查看{what_zh}的同意：{wearer} 仅在有未结束的事件时可见"),
        );
    }
    if !BREAKERS.contains(&actor.role) {
        return Fault::new(
            Code::NotAllowed,
            format!(
                "nothing has happened to {wearer} that you see to: where they are shows while a case of theirs is yours"
            ),
            format!("{wearer} 目前没有由您处理的案件：接单后方可在处理期间查看位置"),
        );
    }
    Fault::new(
        Code::BehindGlass,
        format!(
            "nothing has happened to {wearer} that you see to: say why you need to know where they are, with \
             POST /api/v1/wearers/{wearer}/break-glass {{\"reason\"}}; it is told to their guardians"
        ),
        format!(
            "{wearer} 目前没有由您处理的事件：查看位置须说明事由，POST /api/v1/wearers/{wearer}/break-glass \
             {{\"reason\"}}；该操作会告知其监护人"
        ),
    )
}
