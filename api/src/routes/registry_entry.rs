//! One entry of the registry as it stands, and as the caller may see it.

use axum::http::header::ETAG;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use model::registry::fingerprint;
use model::{Account, Actor, DeviceId, OrgPath, PersonId, Role, WearerId};
use serde_json::{Value, json};
use store::{State as View, StoreError};

use super::registry::knows;
use crate::look;
use crate::params::shortened;
use crate::problem::Fault;
use crate::registry_json::{DeviceJson, OrgJson, PersonJson, WearerJson};
use crate::scope::{sees_device, sees_wearer, visible_to};
use crate::shared::Shared;

/// One of the four lists of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noun {
    Orgs,
    People,
    Wearers,
    Devices,
}

/// An entry as it stands.
pub(crate) struct Standing {
    /// As an import writes it, with every number in it.
    pub(super) whole: Value,
    /// As the caller may see it.
    pub(super) shown: Value,
    pub(super) fingerprint: u64,
    pub(super) is_visible: bool,
}

impl Noun {
    pub(super) fn name(self) -> &'static str {
        match self {
            Noun::Orgs => "orgs",
            Noun::People => "people",
            Noun::Wearers => "wearers",
            Noun::Devices => "devices",
        }
    }

    /// The member that names the entry.
    pub(super) fn key(self) -> &'static str {
        if self == Noun::Orgs { "path" } else { "id" }
    }

    /// The entry's name as it stands in its key: an organisation's path has a slash at both ends.
    pub(super) fn key_of(self, segment: &str) -> String {
        match self {
            Noun::Orgs => format!("/{}/", segment.trim_matches('/')),
            _ => segment.to_owned(),
        }
    }

    fn standing(
        self,
        view: &View,
        key: &str,
        actor: &Actor,
        accounts: &[Account],
    ) -> Result<Option<Standing>, StoreError> {
        let (full, role) = (Role::Admin, actor.role);
        Ok(match self {
            Noun::Orgs => view.org(&OrgPath::new(key))?.map(|org| {
                let (fingerprint, is_visible) = (fingerprint(&org), visible_to(actor, Some(&org.path)));
                let whole = json!(OrgJson::from(org));
                Standing { shown: whole.clone(), whole, fingerprint, is_visible }
            }),
            Noun::People => match view.person(&PersonId::new(key))? {
                None => None,
                Some(person) => Some(Standing {
                    is_visible: knows(view, actor, accounts, &person.id)?,
                    fingerprint: fingerprint(&person),
                    whole: json!(PersonJson::for_role(person.clone(), full)),
                    shown: json!(PersonJson::for_role(person, role)),
                }),
            },
            Noun::Wearers => view.wearer(&WearerId::new(key))?.map(|wearer| Standing {
                is_visible: sees_wearer(actor, &wearer),
                fingerprint: fingerprint(&wearer),
                whole: json!(WearerJson::for_role(wearer.clone(), full)),
                shown: json!(WearerJson::for_role(wearer, role)),
            }),
            Noun::Devices => match view.device(&DeviceId::new(key))? {
                None => None,
                Some(device) => Some(Standing {
                    is_visible: sees_device(view, actor, &device),
                    fingerprint: fingerprint(&device),
                    whole: json!({
                        "id": device.id, "kind": device.kind, "wearer": device.wearer, "datum": device.datum,
                        "carrier": device.carrier,
                    }),
                    shown: json!(DeviceJson::for_actor(device, actor)),
                }),
            },
        })
    }
}

/// An entry with its `ETag`.
pub(crate) async fn read(shared: &Shared, actor: &Actor, noun: Noun, segment: &str) -> Result<Response, Fault> {
    let accounts = shared.host.accounts();
    let standing = find_with(shared, actor, noun, segment, accounts).await?.filter(|standing| standing.is_visible);
    let standing = standing.ok_or_else(|| nobody(noun, segment))?;
    if noun == Noun::Wearers {
        let subject = format!("wearers/{}", noun.key_of(segment));
        look::record(shared, actor, &subject, look::FENCE_FIELDS, None).await?;
    }
    Ok(tagged(StatusCode::OK, &standing))
}

/// As whoever writes it sees it: to know a colleague is not to write them.
pub(super) async fn find(shared: &Shared, actor: &Actor, noun: Noun, segment: &str) -> Result<Option<Standing>, Fault> {
    find_with(shared, actor, noun, segment, Vec::new()).await
}

async fn find_with(
    shared: &Shared,
    actor: &Actor,
    noun: Noun,
    segment: &str,
    accounts: Vec<Account>,
) -> Result<Option<Standing>, Fault> {
    let (key, actor) = (noun.key_of(segment), actor.clone());
    shared.find(move |view| noun.standing(view, &key, &actor, &accounts)).await
}

pub(super) fn nobody(noun: Noun, segment: &str) -> Fault {
    Fault::not_found(&format!("{}/{:?}", noun.name(), shortened(segment)))
}

pub(super) fn tagged(status: StatusCode, standing: &Standing) -> Response {
    let mut response = (status, axum::Json(&standing.shown)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{:016x}\"", standing.fingerprint)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
