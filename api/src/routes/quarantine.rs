//! Payloads that were refused.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{DeviceId, RejectReason, Role, Timestamp};
use serde::Serialize;
use store::Quarantined;

use super::incidents::after_id;
use super::registry::org_of_device;
use crate::auth::{Caller, only};
use crate::look;
use crate::page::{Listing, Paging, checked_limit, respond};
use crate::params::Params;
use crate::problem::Fault;
use crate::scope::visible_to;
use crate::shared::Shared;

/// Who may read what devices sent.
const READERS: &[Role] = &[Role::Admin, Role::Operator, Role::Integration];

/// A refused payload as outsiders see it.
#[derive(Serialize, utoipa::ToSchema)]
struct Entry {
    seq: u64,
    at: Timestamp,
    device: Option<DeviceId>,
    topic: String,
    reason: RejectReason,
    detail: String,
    /// How many bytes came; the payload below is their beginning.
    payload_bytes: u64,
    payload_base64: String,
    /// The same as text, where it is UTF-8.
    payload_text: Option<String>,
}

impl From<Quarantined> for Entry {
    fn from(quarantined: Quarantined) -> Entry {
        let reject = quarantined.reject;
        Entry {
            seq: quarantined.seq,
            at: quarantined.at,
            device: quarantined.device,
            topic: quarantined.topic.into(),
            reason: reject.reason,
            detail: reject.detail.into(),
            payload_bytes: reject.payload_bytes,
            payload_base64: STANDARD.encode(&reject.payload),
            payload_text: String::from_utf8(reject.payload).ok(),
        }
    }
}

/// Payloads that were refused, and why.
#[utoipa::path(
    get,
    path = "/api/v1/quarantine",
    tag = "quarantine",
    params(Paging),
    responses((status = 200, description = "As asked.", body = Listing<Entry>)),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Response, Fault> {
    only(&caller.actor, READERS)?;
    let limit = checked_limit(paging.limit)?;
    let after = after_id::<u64>(paging.after.as_deref())?.unwrap_or(0);
    let as_of = shared.newest_cursor().await?;
    let actor = caller.actor.clone();
    let (entries, next) = shared
        .read(move |view| {
            let listing = view.quarantine(after, limit)?;
            let next = listing.items.last().filter(|_| listing.has_more).map(|entry| entry.seq);
            let mut entries = Vec::with_capacity(listing.items.len());
            for quarantined in listing.items {
                let org = match &quarantined.device {
                    Some(device) => org_of_device(view, device)?,
                    None => None,
                };
                if visible_to(&actor, org.as_ref()) {
                    entries.push(Entry::from(quarantined));
                }
            }
            Ok((entries, next))
        })
        .await?;
    if let Some(subject) = look::subject_of("quarantine", entries.iter().map(|entry| entry.seq)) {
        look::record(&shared, &caller.actor, &subject, look::PAYLOAD_FIELDS, None).await?;
    }
    Ok(respond("/api/v1/quarantine", &[], limit, entries, next.map(|seq| seq.to_string()), as_of))
}
