//! `GET /api/v1/audit`: who looked, and who did what.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use model::{Actor, AuditEntry, PersonId, Role, Timestamp, WearerId};
use serde::{Deserialize, Serialize};
use store::{AuditFilter, State as View, StoreError};

use crate::auth::{Caller, only, role_name};
use crate::look;
use crate::page::checked_limit;
use crate::params::{Params, time_of};
use crate::problem::Fault;
use crate::scope::{sees_everything, visible_to};
use crate::shared::Shared;

/// Who reads it.
const READERS: &[Role] = &[Role::Admin, Role::Operator];
/// How many looks a guardian is shown.
const LOOKS_SHOWN_MAX: usize = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditParams {
    wearer: Option<String>,
    actor: Option<String>,
    from: Option<String>,
    to: Option<String>,
    /// The number that the last page ended with.
    after: Option<u64>,
    limit: Option<usize>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct AuditList {
    /// Newest first.
    data: Vec<EntryJson>,
    /// `after` of the next page; `null`: there is none.
    next: Option<u64>,
}

/// An entry, its hashes as hexadecimal digits.
#[derive(Serialize, utoipa::ToSchema)]
struct EntryJson {
    number: u64,
    at: Timestamp,
    person: PersonId,
    role: String,
    scope: model::OrgPath,
    action: String,
    subject: String,
    wearers: Vec<WearerId>,
    fields: Vec<String>,
    period: Option<String>,
    /// Why; `null` also when whom it was about was erased.
    purpose: Option<String>,
    /// What stands for the purpose in the chain.
    purpose_hash: Option<String>,
    incident: Option<model::IncidentId>,
    case: Option<model::CaseId>,
    result: String,
    previous: String,
    hash: String,
}

impl From<AuditEntry> for EntryJson {
    fn from(entry: AuditEntry) -> EntryJson {
        let hex = |hash: [u8; 32]| hash.iter().map(|byte| format!("{byte:02x}")).collect();
        EntryJson {
            number: entry.number,
            at: entry.at,
            person: entry.person,
            role: role_name(entry.role),
            scope: entry.scope,
            action: entry.action.into(),
            subject: entry.subject.into(),
            wearers: entry.wearers,
            fields: entry.fields.into_iter().map(String::from).collect(),
            period: entry.period.map(String::from),
            purpose: entry.purpose.map(String::from),
            purpose_hash: entry.purpose_hash.map(hex),
            incident: entry.incident,
            case: entry.case,
            result: entry.result.into(),
            previous: hex(entry.previous),
            hash: hex(entry.hash),
        }
    }
}

/// Who asked for what, and what came of it.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    tag = "audit",
    params(
        ("wearer" = Option<String>, Query, description = "About whom."),
        ("actor" = Option<String>, Query, description = "Who did it."),
        ("from" = Option<String>, Query, description = "RFC 3339."),
        ("to" = Option<String>, Query, description = "RFC 3339."),
        ("after" = Option<String>, Query, description = "The key that the last page ended with."),
        ("limit" = Option<u16>, Query, description = "How many at most, 1 to 500."),
    ),
    responses((status = 200, description = "As asked.", body = AuditList)),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<AuditParams>,
) -> Result<Answer<AuditList>, Fault> {
    only(&caller.actor, READERS)?;
    let limit = checked_limit(params.limit)?;
    let filter = AuditFilter {
        wearer: params.wearer.as_deref().map(WearerId::new),
        from: time_of("from", params.from.as_deref())?,
        to: time_of("to", params.to.as_deref())?,
    };
    look::record(&shared, &caller.actor, "audit", &["audit"], None).await?;
    let (actor, person) = (caller.actor, params.actor.as_deref().map(PersonId::new));
    let page = shared
        .read(move |view| {
            view.audit(&filter, params.after, limit, &|entry| {
                is_visible(&actor, entry) && person.as_ref().is_none_or(|person| *person == entry.person)
            })
        })
        .await?;
    Ok(Answer(AuditList { next: page.more_below, data: page.entries.into_iter().map(EntryJson::from).collect() }))
}

/// Whoever sees the part of the tree in which it was done, or in which those live whom it was about.
fn is_visible(actor: &Actor, entry: &AuditEntry) -> bool {
    sees_everything(actor) || visible_to(actor, Some(&entry.scope)) || visible_to(actor, entry.org.as_ref())
}

/// A look, as a guardian is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct LookJson {
    pub(crate) at: Timestamp,
    /// Their name, where they have one.
    pub(crate) who: String,
    pub(crate) role: String,
    /// `look`, or `glass.break`.
    pub(crate) action: String,
    pub(crate) fields: Vec<String>,
    pub(crate) purpose: Option<String>,
}

/// Who looked at a wearer's data, newest first, the guardian themself left out.
pub(crate) fn looks_at(view: &View, wearer: &WearerId, but: &PersonId) -> Result<Vec<LookJson>, StoreError> {
    let filter = AuditFilter { wearer: Some(wearer.clone()), ..AuditFilter::default() };
    let is_look = |entry: &AuditEntry| matches!(entry.action.as_str(), "look" | "glass.break") && entry.person != *but;
    let page = view.audit(&filter, None, LOOKS_SHOWN_MAX, &is_look)?;
    let mut names: BTreeMap<PersonId, String> = BTreeMap::new();
    let mut looks = Vec::new();
    for entry in page.entries {
        let name = match names.get(&entry.person) {
            Some(name) => name.clone(),
            None => {
                let name = view.person(&entry.person)?.map_or_else(|| entry.person.to_string(), |person| person.name);
                names.insert(entry.person.clone(), name.clone());
                name
            }
        };
        looks.push(LookJson {
            at: entry.at,
            who: name,
            role: role_name(entry.role),
            action: entry.action.into(),
            fields: entry.fields.into_iter().map(String::from).collect(),
            purpose: entry.purpose.map(String::from),
        });
    }
    Ok(looks)
}
