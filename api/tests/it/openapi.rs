//! The description agrees with what is served and with the tables.

use std::collections::BTreeSet;

use model::case::CASE_TABLE;
use model::incident::INCIDENT_TABLE;
use model::{CaseState, EventKind, IncidentState};
use serde::Serialize;
use serde_json::{Value, json};

use crate::house::House;

/// Pages for people: not part of what other systems build on.
const PAGES: &[&str] = &["/", "/g/", "/console"];

async fn description() -> Value {
    let house = House::open().await;
    house.get("nobody", "/api/v1/openapi.json").await.json()
}

#[test]
fn every_route_is_described() {
    let source = include_str!("../../src/routes.rs");
    for place in source.split(".route(").skip(1) {
        let path = place.trim_start().split('"').nth(1).unwrap_or_default();
        let is_page = PAGES.iter().any(|page| path == *page || (page.len() > 1 && path.starts_with(page)));
        let advice = "annotate the handler with #[utoipa::path(…)] and add it with .routes(routes!(…))";
        assert!(is_page && place.trim_start().starts_with('"'), "{path:?} is not in OpenAPI: {advice}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_says_what_it_does_and_what_it_answers() {
    let document = description().await;
    assert_eq!(document["openapi"].as_str().map(|version| &version[..4]), Some("3.1."));
    let mut seen = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_default();
            assert!(seen.insert(id.to_owned()), "{method} {path}: the operation id {id} is taken");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path} says nothing");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path} never succeeds");
            assert!(answers.contains_key("default"), "{method} {path} is never refused");
            let in_path: Vec<String> =
                path.split('{').skip(1).map(|p| p.split('}').next().unwrap().to_owned()).collect();
            for name in in_path {
                let parameters = operation["parameters"].as_array().unwrap();
                assert!(parameters.iter().any(|p| p["name"] == name && p["in"] == "path"), "{method} {path}: {name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reference_leads_nowhere() {
    let document = description().await;
    let mut todo = vec![&document];
    while let Some(value) = todo.pop() {
        match value {
            Value::Object(members) => {
                if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = target.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{target}");
                }
                todo.extend(members.values());
            }
            Value::Array(items) => todo.extend(items),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn states_actions_and_events_are_those_of_the_tables() {
    let document = description().await;
    let names = |pointer: &str| -> BTreeSet<String> {
        let found = document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is missing"));
        found.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let name = |word: Value| word.as_str().unwrap().to_owned();

    let states = |rows: Vec<(Value, Value)>| rows.into_iter().flat_map(|(a, b)| [name(a), name(b)]).collect();
    let incident: BTreeSet<String> = states(INCIDENT_TABLE.iter().map(|t| (json!(t.from), json!(t.to))).collect());
    assert_eq!(names("/components/schemas/IncidentState/enum"), incident);
    let case: BTreeSet<String> = states(CASE_TABLE.iter().map(|t| (json!(t.from), json!(t.to))).collect());
    assert_eq!(names("/components/schemas/CaseState/enum"), case);

    let action = |path: &str| format!("/paths/{}/post/parameters/1/schema/enum", path.replace('/', "~1"));
    let by_people: BTreeSet<String> =
        INCIDENT_TABLE.iter().filter(|t| !t.who.is_empty()).map(|t| t.action.name().to_owned()).collect();
    assert_eq!(names(&action("/api/v1/incidents/{id}/actions/{action}")), by_people);
    let by_people: BTreeSet<String> =
        CASE_TABLE.iter().filter(|t| !t.who.is_empty()).map(|t| t.action.name().to_owned()).collect();
    assert_eq!(names(&action("/api/v1/cases/{id}/actions/{action}")), by_people);

    let kinds: BTreeSet<String> = EventKind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
    assert_eq!(names("/components/schemas/Envelope/properties/type/enum"), kinds);

    assert_eq!(document["x-transitions"]["incidents"].as_array().unwrap().len(), INCIDENT_TABLE.len());
    assert_eq!(document["x-transitions"]["cases"].as_array().unwrap().len(), CASE_TABLE.len());
    assert_eq!(row::<IncidentState>(&document["x-transitions"]["incidents"][0]), IncidentState::Raised);
    assert_eq!(row::<CaseState>(&document["x-transitions"]["cases"][0]), CaseState::Filed);
}

fn row<S: serde::de::DeserializeOwned + Serialize>(row: &Value) -> S {
    serde_json::from_value(row["from"].clone()).unwrap()
}

/// What callers may do is what the handlers take: every action of the description gets past the path.
#[tokio::test(flavor = "multi_thread")]
async fn every_action_of_the_tables_is_taken() {
    let house = House::furnished().await;
    let case_actions = CASE_TABLE.iter().filter(|t| t.action.is_command()).map(|t| t.action.name());
    for (entity, id, actions) in [
        ("incidents", "i1", INCIDENT_TABLE.iter().filter(|t| !t.who.is_empty()).map(|t| t.action.name()).collect()),
        ("cases", "c1", case_actions.collect::<Vec<_>>()),
    ] {
        for action in actions {
            let answer = house.post("admin", &format!("/api/v1/{entity}/{id}/actions/{action}"), "{}").await;
            assert!(!answer.text.contains("no-such-path"), "{entity} {action}: {}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_every_operation_and_asks_nobody_else() {
    let house = House::open().await;
    let document = house.get("nobody", "/api/v1/openapi.json").await.json();
    let page = house.get("nobody", "/api/docs").await;
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.text.contains(&format!("<code>{path}</code>")), "{path}");
    }
    for foreign in ["<script", "src=", "href=\"http", "url(", "@import"] {
        assert!(!page.text.contains(foreign), "{foreign}");
    }
    for both in ["请求体 · Body", "响应 · Answers"] {
        assert!(page.text.contains(both), "{both}");
    }
}
