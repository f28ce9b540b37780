//! The API described by itself: OpenAPI 3.1, collected from the handlers' annotations, and a page to read it.
//!
//! What is the same for every operation is said here once: the bearer token, the problem document, the table of what
//! may be done to an entity.

mod page;

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{Html, IntoResponse, Response};
use model::case::{CASE_TABLE, Patrol};
use model::duty::DutyRoster;
use model::event::{DeviceStatus, RegistrySummary};
use model::incident::INCIDENT_TABLE;
use model::{
    Attempt, Campaign, CampaignCall, Case, CaseAction, DownCommand, Erasure, EventKind, Incident, IncidentAction, Role,
    Task,
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::problem;

const DESCRIPTION: &str = "\
What other systems build on. Errors are problem documents (RFC 9457) with `code` and both languages. A list has \
`as_of_cursor`: the feed from there on tells what changed since. Commands take `Idempotency-Key`; `If-Match` takes an \
entity's `ETag`.

其他系统对接所用的接口。错误为 RFC 9457 文档，含 `code` 与中英文说明；列表含 `as_of_cursor`，可据此从事件流续读；\
写操作可带 `Idempotency-Key`;`If-Match` 为实体的 `ETag`。";

/// Where the page's own styles and nothing else may come from.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What every description begins with; [`routes`](crate::routes) adds the handlers'.
pub(crate) fn frame() -> OpenApi {
    let info =
        InfoBuilder::new().title("Yinling 银铃").version(env!("CARGO_PKG_VERSION")).description(Some(DESCRIPTION));
    OpenApiBuilder::new().info(info.build()).build()
}

/// The description as it is served.
pub(crate) struct Published {
    json: Bytes,
    html: Bytes,
}

impl Published {
    pub(crate) fn new(collected: OpenApi) -> Published {
        let whole = completed(collected);
        // Plain data of our own: the conversion cannot fail.
        Published { json: serde_json::to_vec(&whole).unwrap_or_default().into(), html: page::render(&whole).into() }
    }
}

/// This description.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "description",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1.", body = Object)),
)]
pub(crate) async fn document(Extension(published): Extension<Arc<Published>>) -> Response {
    ([(CONTENT_TYPE, "application/json")], published.json.clone()).into_response()
}

/// This description as a page for people.
#[utoipa::path(
    get,
    path = "/api/docs",
    tag = "description",
    security(()),
    responses((status = 200, description = "HTML.", body = String, content_type = "text/html")),
)]
pub(crate) async fn page(Extension(published): Extension<Arc<Published>>) -> Response {
    let policy: (HeaderName, HeaderValue) = (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    ([policy], Html(published.html.clone())).into_response()
}

/// Adds what is the same everywhere.
fn completed(mut collected: OpenApi) -> Value {
    let components = collected.components.get_or_insert_default();
    let (name, schema) = (problem::Document::name().into_owned(), problem::Document::schema());
    components.schemas.insert(name, schema);
    let mut inner = Vec::new();
    problem::Document::schemas(&mut inner);
    components.schemas.extend(inner);
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme("token", bearer);

    let mut document = serde_json::to_value(&collected).unwrap_or_default();
    document["security"] = json!([{ "token": [] }]);
    for (method, path, operation) in operations(&mut document) {
        operation["operationId"] = operation_id(method, path).into();
        // Whatever is refused is refused in the same form, whichever status it has.
        operation["responses"]["default"] = json!({
            "description": "Refused; `code` says why.",
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        });
    }
    let tables = json!({
        "incidents": table(INCIDENT_TABLE.iter().map(|row| {
            (name_of(row.from), row.action.name(), name_of(row.to), row.event, row.who)
        })),
        "cases": table(CASE_TABLE.iter().map(|row| {
            (name_of(row.from), row.action.name(), name_of(row.to), row.event, row.who)
        })),
    });
    document["x-transitions"] = tables;
    document
}

/// Every operation of a description.
fn operations(document: &mut Value) -> impl Iterator<Item = (&str, &str, &mut Value)> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    paths.into_iter().flat_map(|paths| paths.iter_mut()).flat_map(|(path, item)| {
        let operations = item.as_object_mut().into_iter().flat_map(|item| item.iter_mut());
        let operations = operations.filter(|(method, _)| METHODS.contains(&method.as_str()));
        operations.map(|(method, operation)| (method.as_str(), path.as_str(), operation))
    })
}

/// `get_incidents_id_attempts`: an operation's name for whoever makes a client of the description.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.strip_prefix("/api/v1").unwrap_or(path).split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// The members of a path item that are operations.
const METHODS: &[&str] = &["get", "put", "post", "patch", "delete"];

type Row = (Value, &'static str, Value, Option<EventKind>, &'static [Role]);

/// The table of an entity: in this state, this action leads there, is told as this event, and is open to these roles
/// (none: it happens by itself).
fn table(rows: impl Iterator<Item = Row>) -> Value {
    rows.map(|(from, action, to, event, who)| {
        let event = event.map(EventKind::name);
        json!({ "from": from, "action": action, "to": to, "event": event, "who": who })
    })
    .collect()
}

fn name_of<T: Serialize>(word: T) -> Value {
    serde_json::to_value(word).unwrap_or_default()
}

fn one_of(names: impl IntoIterator<Item = &'static str>) -> RefOr<Schema> {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
}

/// What callers may do to an incident, by its table.
pub(crate) struct IncidentActions;

impl PartialSchema for IncidentActions {
    fn schema() -> RefOr<Schema> {
        one_of(INCIDENT_TABLE.iter().filter(|row| !row.who.is_empty()).map(|row| IncidentAction::name(row.action)))
    }
}

impl ToSchema for IncidentActions {}

/// What callers may do to a case, by its table.
pub(crate) struct CaseActions;

impl PartialSchema for CaseActions {
    fn schema() -> RefOr<Schema> {
        one_of(CASE_TABLE.iter().filter(|row| !row.who.is_empty()).map(|row| CaseAction::name(row.action)))
    }
}

impl ToSchema for CaseActions {}

/// Every type of event.
pub(crate) struct EventTypes;

impl PartialSchema for EventTypes {
    fn schema() -> RefOr<Schema> {
        one_of(EventKind::ALL.iter().map(|kind| kind.name()))
    }
}

impl ToSchema for EventTypes {}

/// An event of the feed: a CloudEvents 1.0 envelope with `seq`; the same JSON in polling, SSE, webhook and MQTT feed.
#[derive(ToSchema)]
#[allow(dead_code)] // described, not built: `Event::envelope` writes it
pub(crate) struct Envelope {
    /// `1.0`.
    specversion: String,
    /// Unique across restores: epoch and `seq`.
    id: String,
    source: String,
    #[schema(inline)]
    r#type: EventTypes,
    /// Which entity, e.g. `incidents/i1a`.
    subject: String,
    time: model::Timestamp,
    datacontenttype: String,
    /// Ascends in commit order. What was told about somebody who was erased since is missing.
    seq: u64,
    /// The entity after the change, whole, with `version` and the names of what `changed`.
    data: EventData,
}

/// The bytes themselves, not JSON.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code)]
pub(crate) struct Binary(Vec<u8>);

/// RFC 7946, in WGS-84; longitude first.
#[derive(ToSchema)]
#[allow(dead_code)] // described, not built: the engine draws fences, `history` draws tracks
pub(crate) struct FeatureCollection {
    /// `FeatureCollection`.
    r#type: String,
    features: Vec<Feature>,
}

/// A fence, or a fix.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Feature {
    /// `Feature`.
    r#type: String,
    geometry: Geometry,
    /// A fence's other members as the import takes them; of a fix `measured`, `accuracy_m` and `late`.
    properties: Value,
}

#[derive(ToSchema)]
#[allow(dead_code)]
struct Geometry {
    /// `Point`, `LineString`, `Polygon` or `MultiPolygon`.
    r#type: String,
    coordinates: Vec<Value>,
}

/// What an event carries.
pub(crate) struct EventData;

macro_rules! any_of {
    ($target:ty: $($kind:ty),* $(,)?) => {
        impl PartialSchema for $target {
            fn schema() -> RefOr<Schema> {
                let told = "The entity after the change, and `changed`: the names of the members that changed.";
                AnyOfBuilder::new()
                    $(.item(Ref::from_schema_name(<$kind>::name())))*
                    .description(Some(told))
                    .into()
            }
        }
        impl ToSchema for $target {
            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                $(schemas.push((<$kind>::name().into_owned(), <$kind>::schema()));
                <$kind>::schemas(schemas);)*
            }
        }
    };
}

any_of!(
    EventData: Incident, Case, Attempt, DownCommand, DeviceStatus, RegistrySummary, Task, Campaign, CampaignCall, Patrol,
    DutyRoster, Erasure,
);
