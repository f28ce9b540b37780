//! Writing one entry of the registry: whole (`PUT`) or in part (`PATCH`, RFC 7396), against the state of it that the
//! caller saw. The same rules as the import's: the entry is checked as an import of one row.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use model::erasure::ErasedKind;
use model::staff::Known;
use model::{Actor, Problem, ProblemCode, RegistryChange, Role, StaffCommand};
use serde_json::{Map, Value, json};

use super::erasures::{self, ErasureJson};
use super::import::IMPORTERS;
use super::registry_entry::{Noun, find, nobody, read, tagged};
use crate::auth::{Caller, only};
use crate::body::Json;
use crate::headers::{CommandHeaders, EntryMatch, IdempotencyKey};
use crate::host::RowError;
use crate::params::{Segments, shortened};
use crate::problem::{Code, Fault};
use crate::registry_json::{DeviceJson, DeviceRow, OrgJson, OrgRow, PersonJson, PersonRow, WearerJson, WearerRow};
use crate::shared::Shared;

/// What the caller knows of the entry: `If-Match: "…"`, `If-None-Match: *`, or nothing.
fn known(headers: &HeaderMap) -> Result<Known, Fault> {
    let wrong = |detail: &str, zh: &str| Err(Fault::new(Code::BadHeader, detail, zh));
    match (headers.get(IF_MATCH), headers.get(IF_NONE_MATCH)) {
        (None, None) => Ok(Known::Nothing),
        (None, Some(any)) if any == "*" => Ok(Known::Absent),
        (Some(tag), None) => {
            let text = tag.to_str().unwrap_or_default().trim();
            let digits = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
            let is_tag = digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            match u64::from_str_radix(digits, 16) {
                Ok(number) if is_tag => Ok(Known::Fingerprint(number)),
                _ => wrong(
                    "If-Match must be the entry's ETag as it was given, e.g. \"0123456789abcdef\"",
                    "If-Match 须为返回过的 ETag，例如 \"0123456789abcdef\"",
                ),
            }
        }
        _ => wrong(
            "either If-Match with the entry's ETag, or If-None-Match: *",
            "请使用 If-Match（条目的 ETag）或 If-None-Match: * 之一",
        ),
    }
}

struct Request {
    noun: Noun,
    segment: String,
    known: Known,
    headers: CommandHeaders,
    given: Map<String, Value>,
    is_patch: bool,
}

async fn write(shared: &Shared, actor: &Actor, request: Request) -> Result<Response, Fault> {
    let Request { noun, segment, known, headers, given, is_patch } = request;
    // A doctor sets the thresholds of their patients, who are all that they see, and nothing else of them.
    let sets_thresholds = noun == Noun::Wearers && is_patch && given.len() == 1 && given.contains_key("thresholds");
    if !(actor.role == Role::Doctor && sets_thresholds) {
        only(actor, IMPORTERS)?;
    }
    let standing = find(shared, actor, noun, &segment).await?;
    if standing.as_ref().is_some_and(|standing| !standing.is_visible) || (is_patch && standing.is_none()) {
        return Err(nobody(noun, &segment));
    }
    let base = match (&standing, is_patch) {
        // A patch says something about what the caller saw: without that there is nothing to say it about.
        (Some(standing), true) => match known {
            Known::Fingerprint(seen) if seen == standing.fingerprint => standing.whole.clone(),
            Known::Nothing => return Err(unseen(ProblemCode::VersionRequired)),
            Known::Fingerprint(_) | Known::Absent => return Err(unseen(ProblemCode::Stale)),
        },
        _ => json!({}),
    };
    let key = noun.key_of(&segment);
    let change = checked(shared, noun, &key, merged(base, given, is_patch)).await?;
    let command = StaffCommand::Write { change: Box::new(change), known };
    shared.decide(actor, headers.idempotency_key, command).await?;
    let status = if standing.is_none() { StatusCode::CREATED } else { StatusCode::OK };
    let written = find(shared, actor, noun, &segment).await?.ok_or_else(|| nobody(noun, &segment))?;
    Ok(tagged(status, &written))
}

/// The caller did not say what they saw, or saw something else.
fn unseen(code: ProblemCode) -> Fault {
    let (detail, zh) = match code {
        ProblemCode::Stale => ("it was changed since you saw it: read it again", "条目已被更改，请重新读取"),
        _ => ("say which state of it you saw: If-Match with its ETag", "请以 If-Match（条目的 ETag）说明所见状态"),
    };
    Fault::from(Problem::new(code, detail, zh))
}

/// A write that replaces something says which state of it was seen.
pub(super) fn seen_before(known: Known) -> Result<(), Fault> {
    match known {
        Known::Fingerprint(_) => Ok(()),
        Known::Nothing => Err(unseen(ProblemCode::VersionRequired)),
        Known::Absent => Err(unseen(ProblemCode::Stale)),
    }
}

/// A wearer's row, checked as an import of it.
pub(super) async fn checked_wearer(shared: &Shared, id: &str, row: Value) -> Result<model::Wearer, Fault> {
    let change = checked(shared, Noun::Wearers, id, merged(row, Map::new(), true)).await?;
    change.wearers.into_iter().next().ok_or_else(|| nobody(Noun::Wearers, id))
}

fn merged(mut base: Value, given: Map<String, Value>, is_patch: bool) -> Map<String, Value> {
    if !is_patch {
        return given;
    }
    merge(&mut base, Value::Object(given));
    match base {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// RFC 7396: `null` takes a member away, an object goes on inside, anything else stands in its place.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(members) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// The entry as an import of one row; what is wrong with it is told with the place in the entry.
async fn checked(
    shared: &Shared,
    noun: Noun,
    key: &str,
    mut entry: Map<String, Value>,
) -> Result<RegistryChange, Fault> {
    let named = entry.entry(noun.key()).or_insert_with(|| json!(key));
    if named.as_str() != Some(key) {
        let detail = format!("this address is that of {:?}", shortened(key));
        let zh = format!("此地址对应 {:?}", shortened(key));
        return Err(Fault::invalid(&format!("/{}", noun.key()), detail, zh));
    }
    let body = json!({ noun.name(): [entry] }).to_string().into_bytes();
    let host = Arc::clone(&shared.host);
    let answer = tokio::task::spawn_blocking(move || host.validate_import(&body, "application/json")).await;
    let prefix = format!("/{}/0", noun.name());
    let own = |error: RowError| RowError {
        pointer: error.pointer.strip_prefix(&prefix).map_or(error.pointer.clone(), str::to_owned),
        ..error
    };
    match answer {
        Ok(Ok(import)) => Ok(import.change),
        Ok(Err(errors)) => Err(super::import::refused(errors.into_iter().map(own).collect())),
        Err(error) => {
            tracing::error!(%error, "an entry's check ended early");
            Err(Fault::new(Code::Unavailable, "the check was broken off", "校验被中断"))
        }
    }
}

/// Erases a wearer or a person; a device or an organisation is nobody.
async fn erase(
    shared: &Shared,
    actor: &Actor,
    noun: Noun,
    segment: &str,
    headers: CommandKey,
) -> Result<Response, Fault> {
    let kind = match noun {
        Noun::Wearers => ErasedKind::Wearer,
        Noun::People => ErasedKind::Person,
        Noun::Devices | Noun::Orgs => return refuse_erasure(shared, actor, noun, segment).await,
    };
    let CommandKey { known, headers } = headers;
    erasures::erase(shared, actor, (kind, &noun.key_of(segment)), known, headers.idempotency_key).await
}

async fn refuse_erasure(shared: &Shared, actor: &Actor, noun: Noun, segment: &str) -> Result<Response, Fault> {
    only(actor, IMPORTERS)?;
    let standing = find(shared, actor, noun, segment).await?.filter(|standing| standing.is_visible);
    standing.ok_or_else(|| nobody(noun, segment))?;
    let (detail, zh) = match noun {
        Noun::Devices => (
            "a device is not deleted: what it reported belongs to somebody's history; PATCH it with \"wearer\": null",
            "设备不可删除：其上报属于佩戴者的历史记录；请以 PATCH 将 \"wearer\" 设为 null",
        ),
        _ => (
            "an organisation is not deleted: what happened in it belongs to it; PATCH its wearers to another one",
            "机构不可删除：其中发生的记录归其所有；请以 PATCH 将佩戴者改到其他机构",
        ),
    };
    Err(Fault::new(Code::ErasureNotOffered, detail, zh))
}

macro_rules! verbs {
    ($noun:ident, $path:literal, $id:literal, $json:ty, $row:ty,
     $one:ident $shows:literal, $put:ident $writes:literal, $patch:ident $changes:literal, $delete:ident $erases:literal) => {
        #[utoipa::path(
            get,
            path = $path,
            tag = "registry",
            summary = $shows,
            params(($id = String, Path, description = "As the list names it; a slash is written `%2F`.")),
            responses((status = 200, description = "As asked.", body = $json)),
        )]
        pub(crate) async fn $one(
            State(shared): State<Arc<Shared>>,
            caller: Caller,
            Segments(id): Segments<String>,
        ) -> Result<Response, Fault> {
            read(&shared, &caller.actor, Noun::$noun, &id).await
        }

        #[utoipa::path(
            put,
            path = $path,
            tag = "registry",
            summary = $writes,
            params(
                ($id = String, Path, description = "As the list names it; a slash is written `%2F`."),
                IdempotencyKey,
                EntryMatch,
            ),
            request_body(content = $row, description = "As an import's row; what is not there has its default."),
            responses(
                (status = 200, description = "As committed.", body = $json),
                (status = 201, description = "New, as committed.", body = $json),
            ),
        )]
        pub(crate) async fn $put(
            State(shared): State<Arc<Shared>>,
            caller: Caller,
            Segments(segment): Segments<String>,
            headers: CommandKey,
            Json(given): Json<Map<String, Value>>,
        ) -> Result<Response, Fault> {
            let CommandKey { known, headers } = headers;
            let noun = Noun::$noun;
            let request = Request { noun, segment, known, headers, given, is_patch: false };
            write(&shared, &caller.actor, request).await
        }

        #[utoipa::path(
            patch,
            path = $path,
            tag = "registry",
            summary = $changes,
            params(
                ($id = String, Path, description = "As the list names it; a slash is written `%2F`."),
                IdempotencyKey,
                EntryMatch,
            ),
            request_body(content = $row, description = "The members that change."),
            responses((status = 200, description = "As committed.", body = $json)),
        )]
        pub(crate) async fn $patch(
            State(shared): State<Arc<Shared>>,
            caller: Caller,
            Segments(segment): Segments<String>,
            headers: CommandKey,
            Json(given): Json<Map<String, Value>>,
        ) -> Result<Response, Fault> {
            let CommandKey { known, headers } = headers;
            let noun = Noun::$noun;
            let request = Request { noun, segment, known, headers, given, is_patch: true };
            write(&shared, &caller.actor, request).await
        }

        #[utoipa::path(
            delete,
            path = $path,
            tag = "registry",
            summary = $erases,
            params(
                ($id = String, Path, description = "As the list names it; a slash is written `%2F`."),
                IdempotencyKey,
                EntryMatch,
            ),
            responses((
                status = 202,
                description = "Nothing shows them any more; `remains` says what of them is still on disk, and until when.",
                body = ErasureJson,
            )),
        )]
        pub(crate) async fn $delete(
            State(shared): State<Arc<Shared>>,
            caller: Caller,
            Segments(id): Segments<String>,
            headers: CommandKey,
        ) -> Result<Response, Fault> {
            erase(&shared, &caller.actor, Noun::$noun, &id, headers).await
        }
    };
}

verbs!(
    Orgs, "/api/v1/orgs/{path}", "path", OrgJson, OrgRow,
    org "One organisation, with its `ETag`.",
    put_org "Writes a whole organisation, as an import of one row; `If-Match` where there is one already.",
    patch_org "Changes members of a organisation (RFC 7396: `null` takes one away).",
    delete_org "Says (409) that an organisation is not erased, and what to do instead."
);
verbs!(
    People, "/api/v1/people/{id}", "id", PersonJson, PersonRow,
    person "One person, with its `ETag`.",
    put_person "Writes a whole person, as an import of one row; `If-Match` where there is one already.",
    patch_person "Changes members of a person (RFC 7396: `null` takes one away).",
    delete_person "Erases a person, once and for good: refused while anything that calls them is open."
);
verbs!(
    Wearers, "/api/v1/wearers/{id}", "id", WearerJson, WearerRow,
    wearer "One wearer, with its `ETag`.",
    put_wearer "Writes a whole wearer, as an import of one row; `If-Match` where there is one already.",
    patch_wearer "Changes members of a wearer (RFC 7396: `null` takes one away).",
    delete_wearer "Erases a wearer, once and for good: refused while an incident or case of theirs is open."
);
verbs!(
    Devices, "/api/v1/devices/{id}", "id", DeviceJson, DeviceRow,
    device "One device, with its `ETag`.",
    put_device "Writes a whole device, as an import of one row; `If-Match` where there is one already.",
    patch_device "Changes members of a device (RFC 7396: `null` takes one away).",
    delete_device "Says (409) that a device is not erased, and what to do instead."
);

/// The headers of a write.
pub(crate) struct CommandKey {
    pub(super) known: Known,
    pub(super) headers: CommandHeaders,
}

impl<S: Sync> axum::extract::FromRequestParts<S> for CommandKey {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<CommandKey, Fault> {
        let headers = CommandHeaders::key_only(&parts.headers)?;
        Ok(CommandKey { known: known(&parts.headers)?, headers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_merges_as_rfc_7396_has_it() {
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, patch.clone());
            assert_eq!(merged, expected, "{target} with {patch}");
        }
    }
}
