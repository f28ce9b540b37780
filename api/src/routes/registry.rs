//! Devices, people and organisations, as the import writes them and without what is secret.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use model::{Account, AccountState, Actor, Device, DeviceId, OrgPath, PersonId, Role, Wearer, WearerId};
use serde::Deserialize;
use store::{Among, Page, State as View, StoreError};

use crate::auth::Caller;
use crate::page::{Listing, Paging, checked_limit, respond};
use crate::params::{Params, shortened};
use crate::problem::Fault;
use crate::registry_json::{DeviceJson, OrgJson, PersonJson};
use crate::scope::{sees_among, sees_device, sees_wearer, visible_to};
use crate::shared::Shared;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeviceParams {
    /// The key that the last page ended with.
    after: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    wearer: Option<String>,
}

/// Devices on wearers that the caller may see.
#[utoipa::path(
    get,
    path = "/api/v1/devices",
    tag = "registry",
    params(DeviceParams),
    responses((status = 200, description = "As asked.", body = Listing<DeviceJson>)),
)]
pub(crate) async fn devices(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<DeviceParams>,
) -> Result<Response, Fault> {
    let limit = checked_limit(params.limit)?;
    let after = params.after.as_deref().map(DeviceId::new);
    let wearer = params.wearer.as_deref().map(WearerId::new);
    let as_of = shared.newest_cursor().await?;
    let actor = caller.actor.clone();
    let listing = shared
        .read(move |view| {
            let page = Page { after, limit };
            let keep =
                |device: &Device| (wearer.is_none() || wearer == device.wearer) && sees_device(view, &actor, device);
            match (&wearer, sees_among(&actor)) {
                (Some(wearer), _) => view.devices_of(wearer, page, &keep),
                (None, Some(among)) => view.devices_among(among, page, &keep),
                (None, None) => view.devices(page, &keep),
            }
        })
        .await?;
    let next = listing.next_name();
    let query: Vec<(&str, String)> = params.wearer.into_iter().map(|wearer| ("wearer", wearer)).collect();
    let data: Vec<DeviceJson> =
        listing.items.into_iter().map(|device| DeviceJson::for_actor(device, &caller.actor)).collect();
    Ok(respond("/api/v1/devices", &query, limit, data, next, as_of))
}

/// A device that the caller may see.
pub(super) async fn visible_device(shared: &Shared, actor: &Actor, id: &str) -> Result<Device, Fault> {
    let (wanted, asking) = (DeviceId::new(id), actor.clone());
    let found = shared
        .find(move |view| {
            let Some(device) = view.device(&wanted)? else { return Ok(None) };
            Ok(sees_device(view, &asking, &device).then_some(device))
        })
        .await?;
    found.ok_or_else(|| Fault::not_found(&format!("device {:?}", shortened(id))))
}

/// Whose a device is: its wearer's organisation, `None` for an unknown or unbound one.
pub(super) fn org_of_device(view: &View, id: &DeviceId) -> Result<Option<OrgPath>, StoreError> {
    match view.device(id)? {
        Some(device) => org_of(view, &device),
        None => Ok(None),
    }
}

fn org_of(view: &View, device: &Device) -> Result<Option<OrgPath>, StoreError> {
    match &device.wearer {
        Some(wearer) => Ok(view.wearer(wearer)?.map(|wearer| wearer.org)),
        None => Ok(None),
    }
}

/// Guardians, doctors and staff in the circle of the caller.
#[utoipa::path(
    get,
    path = "/api/v1/people",
    tag = "registry",
    params(Paging),
    responses((status = 200, description = "As asked.", body = Listing<PersonJson>)),
)]
pub(crate) async fn people(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Response, Fault> {
    let limit = checked_limit(paging.limit)?;
    let after = paging.after.as_deref().map(PersonId::new);
    let as_of = shared.newest_cursor().await?;
    let (actor, accounts) = (caller.actor.clone(), shared.host.accounts());
    let listing = shared
        .read(move |view| {
            let page = Page { after, limit };
            match circle(view, &actor, &accounts)? {
                Some(people) => view.people_named(&people, page),
                None => view.people(page, &|_| true),
            }
        })
        .await?;
    let next = listing.next_name();
    let data: Vec<PersonJson> =
        listing.items.into_iter().map(|person| PersonJson::for_role(person, caller.actor.role)).collect();
    Ok(respond("/api/v1/people", &[], limit, data, next, as_of))
}

/// Who works with others: they are to be sent, and named for what they did.
const COLLEAGUES: &[Role] =
    &[Role::Admin, Role::Operator, Role::Integration, Role::Desk, Role::GridWorker, Role::Street, Role::Department];

/// The people that a caller may see; `None`: everybody. A person belongs to no organisation: whoever cares for a wearer in
/// the caller's scope, or sits on a desk in it, is in their circle; for those who work together also whoever is on a roster
/// there, and whoever has an account for it, for a part of it, or for more.
fn circle(view: &View, actor: &Actor, accounts: &[Account]) -> Result<Option<BTreeSet<PersonId>>, StoreError> {
    let Some(among) = sees_among(actor) else { return Ok(None) };
    let mut people = colleagues(view, actor, accounts)?;
    view.each_wearer_among(among, &mut |wearer: Wearer| {
        if sees_wearer(actor, &wearer) {
            people.extend(wearer.guardians);
            people.extend(wearer.doctor);
        }
    })?;
    Ok(Some(people))
}

/// Whether a person is in the caller's circle.
pub(super) fn knows(view: &View, actor: &Actor, accounts: &[Account], person: &PersonId) -> Result<bool, StoreError> {
    if sees_among(actor).is_none() {
        return Ok(true);
    }
    let mut is_known = false;
    view.each_wearer_among(Among::Person(person), &mut |wearer| is_known |= sees_wearer(actor, &wearer))?;
    Ok(is_known || colleagues(view, actor, accounts)?.contains(person))
}

/// Whom a caller knows beside those who care for wearers.
fn colleagues(view: &View, actor: &Actor, accounts: &[Account]) -> Result<BTreeSet<PersonId>, StoreError> {
    let mut people = BTreeSet::from([actor.person.clone()]);
    let mut orgs = Vec::new();
    view.for_each_org(&mut |org| {
        if visible_to(actor, Some(&org.path)) {
            people.extend(org.desk.into_iter().flat_map(|desk| desk.people));
            orgs.push(org.path);
        }
    })?;
    if COLLEAGUES.contains(&actor.role) {
        for org in &orgs {
            let units = view.duty(org)?.map(|roster| roster.units).unwrap_or_default();
            people.extend(units.into_iter().flat_map(|unit| unit.shifts).flat_map(|shift| shift.people));
        }
        let meets = |scope: &OrgPath| scope.contains(&actor.scope) || actor.scope.contains(scope);
        let active = accounts.iter().filter(|one| one.state == AccountState::Active && meets(&one.scope));
        people.extend(active.map(|account| account.person.clone()));
    }
    Ok(people)
}

/// Organisations.
#[utoipa::path(
    get,
    path = "/api/v1/orgs",
    tag = "registry",
    params(Paging),
    responses((status = 200, description = "As asked.", body = Listing<OrgJson>)),
)]
pub(crate) async fn orgs(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Response, Fault> {
    let limit = checked_limit(paging.limit)?;
    let after = paging.after.as_deref().map(OrgPath::new);
    let as_of = shared.newest_cursor().await?;
    let listing = shared
        .read(move |view| view.orgs(Page { after, limit }, &|org| visible_to(&caller.actor, Some(&org.path))))
        .await?;
    let next = listing.next_name();
    let data: Vec<OrgJson> = listing.items.into_iter().map(OrgJson::from).collect();
    Ok(respond("/api/v1/orgs", &[], limit, data, next, as_of))
}
