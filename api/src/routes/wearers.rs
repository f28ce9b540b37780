//! Wearers, as the import writes them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use model::{Actor, Wearer, WearerId};
use store::Page;

use crate::auth::Caller;
use crate::look;
use crate::page::{Listing, Paging, checked_limit, respond};
use crate::params::{Params, shortened};
use crate::problem::Fault;
use crate::registry_json::WearerJson;
use crate::scope::{sees_among, sees_wearer};
use crate::shared::Shared;

/// Elders that the caller may see.
#[utoipa::path(
    get,
    path = "/api/v1/wearers",
    tag = "registry",
    params(Paging),
    responses((status = 200, description = "As asked.", body = Listing<WearerJson>)),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Response, Fault> {
    let limit = checked_limit(paging.limit)?;
    let after = paging.after.as_deref().map(WearerId::new);
    let as_of = shared.newest_cursor().await?;
    let actor = caller.actor.clone();
    let listing = shared
        .read(move |view| {
            let (page, keep) = (Page { after, limit }, |wearer: &Wearer| sees_wearer(&actor, wearer));
            match sees_among(&actor) {
                Some(among) => view.wearers_among(among, page, &keep),
                None => view.wearers(page, &keep),
            }
        })
        .await?;
    // Fences are drawn around homes.
    if let Some(subject) = look::subject_of("wearers", listing.items.iter().map(|wearer| &wearer.id)) {
        look::record(&shared, &caller.actor, &subject, look::FENCE_FIELDS, None).await?;
    }
    let next = listing.next_name();
    let role = caller.actor.role;
    let data: Vec<WearerJson> = listing.items.into_iter().map(|wearer| WearerJson::for_role(wearer, role)).collect();
    Ok(respond("/api/v1/wearers", &[], limit, data, next, as_of))
}

/// A wearer that the caller may see.
pub(super) async fn visible_wearer(shared: &Shared, actor: &Actor, id: &str) -> Result<Wearer, Fault> {
    let wanted = WearerId::new(id);
    shared
        .find(move |view| view.wearer(&wanted))
        .await?
        .filter(|wearer| sees_wearer(actor, wearer))
        .ok_or_else(|| Fault::not_found(&format!("wearer {:?}", shortened(id))))
}
