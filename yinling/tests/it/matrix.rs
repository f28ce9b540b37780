//! Who may do what: every route of the API × every role, inside their part of the tree and outside of it.
//!
//! A route that is added without a row here fails the test. Outside is 404, as if it were not there; a role that may
//! not is 403; nobody is 401.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::registry::{BRACELET, SECRET, household, patient_plan, up};
use crate::harness::{House, Phones, Wire, eventually};

/// Every address there is.
const ROUTES: &str = include_str!("../../../api/src/routes.rs");

const ROLES: [&str; 10] = [
    "admin",
    "operator",
    "integration",
    "desk",
    "grid_worker",
    "volunteer",
    "street",
    "department",
    "doctor",
    "guardian",
];
const ADMIN: &[&str] = &["admin"];
const KEEPERS: &[&str] = &["admin", "operator"];
const WRITERS: &[&str] = &["admin", "operator", "integration"];
const STAFF: &[&str] = &["admin", "operator", "integration", "desk", "grid_worker", "street", "department", "doctor"];
const DISPATCHERS: &[&str] = &["admin", "operator", "integration", "desk", "street", "department"];
const ASKERS: &[&str] =
    &["admin", "operator", "integration", "desk", "grid_worker", "street", "department", "doctor", "guardian"];
/// Those who see single elders, by a person of the registry.
const SINGLE: &[&str] = &["doctor", "guardian"];
const RESPONDERS: &[&str] = &ROLES;
/// Who can take an alarm at a console.
const WATCHERS: &[&str] = &["admin", "operator", "desk", "grid_worker", "street", "department"];
const BREAKERS: &[&str] = &["admin", "operator", "desk", "grid_worker", "street", "department", "doctor"];
/// A grid worker or volunteer reads how somebody is only while their case is theirs.
const READERS: &[&str] = &["admin", "operator", "integration", "desk", "street", "department", "doctor", "guardian"];
/// A volunteer sees the place of the case that they took: nobody's home.
const FENCE_READERS: &[&str] =
    &["admin", "operator", "integration", "desk", "grid_worker", "street", "department", "doctor", "guardian"];
/// What is about an elder: of a doctor's, about their own patients.
const ELDERS: &[&str] = &["incidents", "cases", "attempts", "wearers", "devices", "commands"];
const OBSERVERS: &[&str] = &["admin", "doctor", "desk", "grid_worker", "street", "integration"];
/// The table or list of casework says who may, and is tested there: here, that it is hidden from outside.
const BY_TABLE: &[&str] = &["by table"];
/// Not asked who they are: health, and addresses that are secrets themselves.
const OPEN: &[&str] = &["open"];

/// What somebody outside gets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outside {
    /// 404: it is about one thing.
    Hidden,
    /// A list, or something of their own: nothing of what is elsewhere.
    Own,
}
use Outside::{Hidden, Own};

/// Method, address, body, who may, and what it is to somebody outside.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str], Outside);

const ROWS: &[Row] = &[
    ("GET", "/", "", OPEN, Own),
    ("GET", "/healthz", "", OPEN, Own),
    ("GET", "/readyz", "", OPEN, Own),
    ("GET", "/metrics", "", OPEN, Own),
    ("GET", "/api/v1/console", "", OPEN, Own),
    ("GET", "/g/{token}", "", OPEN, Own),
    ("POST", "/g/{token}/{action}", "", OPEN, Own),
    ("GET", "/g/{token}/elder", "", OPEN, Own),
    ("POST", "/g/{token}/code", "", OPEN, Own),
    ("POST", "/g/{token}/enter", "", OPEN, Own),
    ("GET", "/api/v1/guardian/{token}", "", OPEN, Own),
    ("GET", "/api/v1/guardian/{token}/elder", "", OPEN, Own),
    ("GET", "/api/v1/guardian/{token}/tiles/{z}/{x}/{y}", "", OPEN, Own),
    ("GET", "/api/v1/tiles/{z}/{x}/{y}", "", &ROLES, Own),
    ("GET", "/api/v1/guardian/{token}/track", "", OPEN, Own),
    ("GET", "/api/v1/guardian/{token}/vitals", "?kind=heart_rate", OPEN, Own),
    ("PUT", "/api/v1/guardian/{token}/fences", r#"{"fences": []}"#, OPEN, Own),
    ("POST", "/api/v1/callbacks/{attempt}/{token}", "{}", OPEN, Own),
    ("POST", "/api/v1/providers/{channel}/{token}", "{}", OPEN, Own),
    ("POST", "/api/v1/session", "{}", OPEN, Own),
    ("GET", "/api/v1/session", "", &ROLES, Own),
    ("DELETE", "/api/v1/session", "", &ROLES, Own),
    ("POST", "/api/v1/import", "{}", BY_TABLE, Own),
    ("GET", "/api/v1/events", "", &ROLES, Own),
    ("GET", "/api/v1/events/stream", "", &ROLES, Own),
    ("GET", "/api/v1/incidents", "", &ROLES, Own),
    ("GET", "/api/v1/incidents/{id}", "", &ROLES, Hidden),
    ("GET", "/api/v1/incidents/{id}/attempts", "", &ROLES, Hidden),
    ("POST", "/api/v1/incidents/{id}/actions/{action}", r#"{"note":"seen"}"#, RESPONDERS, Hidden),
    ("GET", "/api/v1/attempts/{id}", "", &ROLES, Hidden),
    ("GET", "/api/v1/cases", "", &ROLES, Own),
    ("GET", "/api/v1/cases/{id}", "", &ROLES, Hidden),
    ("POST", "/api/v1/cases/{id}/actions/{action}", r#"{"note":"seen"}"#, &ROLES, Hidden),
    ("POST", "/api/v1/cases", "{}", &ROLES, Own),
    ("POST", "/api/v1/cases/{id}/photos", "", &ROLES, Hidden),
    ("GET", "/api/v1/photos/{hash}", "", &ROLES, Hidden),
    (
        "POST",
        "/api/v1/cases/{id}/receipts",
        r#"{"system":"x","external_case_id":"1","status":"received"}"#,
        WRITERS,
        Hidden,
    ),
    ("GET", "/api/v1/duty", "?org=/luyang/xinghua/yinxing/", STAFF, Own),
    ("PUT", "/api/v1/duty", r#"{"units":[]}"#, DISPATCHERS, Own),
    ("GET", "/api/v1/duty/watch", "", STAFF, Own),
    ("POST", "/api/v1/duty/watch", r#"{"on":true}"#, WATCHERS, Own),
    ("GET", "/api/v1/channels", "", KEEPERS, Own),
    ("GET", "/api/v1/patrols", "", STAFF, Own),
    (
        "POST",
        "/api/v1/patrols",
        r#"{"name":"x","org":"/luyang/xinghua/yinxing/","who":"living_alone"}"#,
        DISPATCHERS,
        Own,
    ),
    ("GET", "/api/v1/patrols/{id}", "", STAFF, Hidden),
    ("GET", "/api/v1/reports/response", "", STAFF, Own),
    ("GET", "/api/v1/commands/{id}", "", &ROLES, Hidden),
    ("GET", "/api/v1/devices", "", &ROLES, Own),
    ("GET", "/api/v1/devices/{id}", "", &ROLES, Hidden),
    ("GET", "/api/v1/devices/{id}/commands", "", &ROLES, Hidden),
    ("POST", "/api/v1/devices/{id}/commands", r#"{"kind":"locate"}"#, ASKERS, Hidden),
    ("GET", "/api/v1/wearers", "", &ROLES, Own),
    ("GET", "/api/v1/wearers/{id}", "", &ROLES, Hidden),
    ("GET", "/api/v1/wearers/{id}/latest", "", &ROLES, Hidden),
    ("GET", "/api/v1/wearers/{id}/track", "", &["admin", "integration", "guardian"], Hidden),
    ("GET", "/api/v1/wearers/{id}/vitals", "?kind=heart_rate", READERS, Hidden),
    ("GET", "/api/v1/wearers/{id}/fences", "", FENCE_READERS, Hidden),
    ("GET", "/api/v1/wearers/{id}/reach", "", STAFF, Hidden),
    ("POST", "/api/v1/wearers/{id}/observations", r#"{"respiration":18}"#, OBSERVERS, Hidden),
    ("POST", "/api/v1/wearers/{id}/preview", "{}", READERS, Hidden),
    ("POST", "/api/v1/wearers/{id}/break-glass", r#"{"reason":"looking for her"}"#, BREAKERS, Hidden),
    ("GET", "/api/v1/audit", "", KEEPERS, Own),
    ("GET", "/api/v1/people", "", &ROLES, Own),
    ("GET", "/api/v1/people/{id}", "", &ROLES, Hidden),
    ("GET", "/api/v1/orgs", "", &ROLES, Own),
    ("GET", "/api/v1/tokens", "", ADMIN, Own),
    ("POST", "/api/v1/tokens", r#"{"label":"x","role":"desk"}"#, ADMIN, Own),
    ("DELETE", "/api/v1/tokens/{id}", "", ADMIN, Hidden),
    ("GET", "/api/v1/accounts", "", ADMIN, Own),
    ("POST", "/api/v1/accounts", r#"{"id":"ROLE1","password":"long enough","role":"desk"}"#, ADMIN, Own),
    ("GET", "/api/v1/accounts/{id}", "", ADMIN, Hidden),
    ("PATCH", "/api/v1/accounts/{id}", r#"{"name":"值班员"}"#, ADMIN, Hidden),
    ("DELETE", "/api/v1/accounts/{id}", "", ADMIN, Hidden),
    ("GET", "/api/v1/tasks", "", STAFF, Own),
    ("GET", "/api/v1/tasks/{id}", "", STAFF, Hidden),
    ("POST", "/api/v1/tasks/{id}/actions/done", "{}", STAFF, Hidden),
    ("GET", "/api/v1/campaigns", "", STAFF, Own),
    ("POST", "/api/v1/campaigns", "{}", BY_TABLE, Own),
    ("GET", "/api/v1/campaigns/{id}", "", STAFF, Hidden),
    ("GET", "/api/v1/campaigns/{id}/calls", "", STAFF, Hidden),
    ("GET", "/api/v1/quarantine", "", WRITERS, Own),
    ("PUT", "/api/v1/devices/{id}", "{}", WRITERS, Hidden),
    ("PATCH", "/api/v1/devices/{id}", "{}", WRITERS, Hidden),
    ("DELETE", "/api/v1/devices/{id}", "", WRITERS, Hidden),
    ("PUT", "/api/v1/wearers/{id}", "{}", WRITERS, Hidden),
    ("PATCH", "/api/v1/wearers/{id}", "{}", WRITERS, Hidden),
    ("DELETE", "/api/v1/wearers/{id}", "", KEEPERS, Hidden),
    ("PUT", "/api/v1/people/{id}", "{}", WRITERS, Hidden),
    ("PATCH", "/api/v1/people/{id}", "{}", WRITERS, Hidden),
    ("DELETE", "/api/v1/people/{id}", "", KEEPERS, Hidden),
    ("GET", "/api/v1/erasures", "", KEEPERS, Own),
    ("GET", "/api/v1/erasures/{id}", "", KEEPERS, Hidden),
    ("GET", "/api/v1/orgs/{path}", "", &ROLES, Hidden),
    ("PUT", "/api/v1/orgs/{path}", "{}", WRITERS, Hidden),
    ("PATCH", "/api/v1/orgs/{path}", "{}", WRITERS, Hidden),
    ("DELETE", "/api/v1/orgs/{path}", "", WRITERS, Hidden),
    ("GET", "/api/v1/webhooks", "", WRITERS, Own),
    ("POST", "/api/v1/webhooks", r#"{"name":"x","url":"https://localhost:1/"}"#, WRITERS, Own),
    ("GET", "/api/v1/webhooks/{id}", "", WRITERS, Hidden),
    ("PATCH", "/api/v1/webhooks/{id}", "{}", WRITERS, Hidden),
    ("DELETE", "/api/v1/webhooks/{id}", "", WRITERS, Hidden),
    ("POST", "/api/v1/webhooks/{id}/rotate", "", WRITERS, Hidden),
    ("POST", "/api/v1/webhooks/{id}/test", "", WRITERS, Hidden),
    ("POST", "/api/v1/webhooks/{id}/replay", r#"{"event":1}"#, WRITERS, Hidden),
    ("GET", "/api/v1/webhooks/{id}/deliveries", "", WRITERS, Hidden),
    ("GET", "/api/v1/openapi.json", "", OPEN, Own),
    ("GET", "/api/docs", "", OPEN, Own),
];

/// `METHOD address` of every route: those that the API describes, and the pages for people beside them. The console's
/// files are anybody's.
fn routes(described: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (address, item) in described["paths"].as_object().unwrap() {
        found.extend(item.as_object().unwrap().keys().map(|method| format!("{} {address}", method.to_uppercase())));
    }
    for part in ROUTES.split(".route(").skip(1) {
        let (address, handler) = part.split_once(',').unwrap();
        let (address, method) = (address.trim().trim_matches('"'), handler.trim().split('(').next().unwrap());
        if !address.starts_with("/console") {
            found.push(format!("{} {address}", method.to_uppercase()));
        }
    }
    found
}

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    let described = server.api().get("/openapi.json").body;
    let mut rows = ROWS.iter().map(|row| format!("{} {}", row.0, row.1)).collect::<Vec<_>>();
    let mut routes = routes(&described);
    routes.sort();
    rows.sort();
    assert!(routes.len() > 40, "{routes:?}");
    assert_eq!(routes, rows, "left: the API's routes; right: the rows of this table, which says who may");
}

#[test]
fn every_role_may_what_its_row_says_and_nobody_sees_outside() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    let api = server.api();
    server.import(&household(patient_plan()));
    server.import(&json!({"orgs": [{"path": "/elsewhere/", "name": "别处"}]}));
    let (wearer, org) = {
        let wearers = api.get("/wearers").body;
        let first = &wearers["data"][0];
        (first["id"].as_str().unwrap().to_owned(), first["org"].as_str().unwrap().to_owned())
    };
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos","id":"s1"}"#);
    let list = |path: &str| eventually(path, || api.get(path).body["data"][0]["id"].as_str().map(str::to_owned));
    let incident = list("/incidents");
    let case = list("/cases");
    let attempt = list(&format!("/incidents/{incident}/attempts"));
    // What has happened is over: where she is stays behind glass.
    for (kind, id, action, body) in [
        ("incidents", &incident, "acknowledge", json!({})),
        ("incidents", &incident, "resolve", json!({"disposition": "helped"})),
    ] {
        let etag = api.get(&format!("/{kind}/{id}")).etag.unwrap_or_default();
        let path = format!("/{kind}/{id}/actions/{action}");
        let done = api.post_with(&path, &[("if-match", &etag)], &body);
        assert_eq!(done.status, 200, "{done:?}");
    }
    let command = api.post(&format!("/devices/{BRACELET}/commands"), &json!({"kind": "locate"})).body;
    let person = list("/people");
    let hook = api.post("/webhooks", &json!({"name": "x", "url": "https://localhost:1/", "scope": org})).body;
    let ids: BTreeMap<&str, String> = [
        ("incidents", incident),
        ("cases", case),
        ("attempts", attempt),
        ("wearers", wearer),
        ("devices", BRACELET.to_owned()),
        ("commands", command["id"].as_str().unwrap().to_owned()),
        ("people", person),
        ("webhooks", hook["id"].as_str().unwrap().to_owned()),
    ]
    .into();
    let token_of = |role: &str, scope: &str, doctor: &str| -> (String, String) {
        let mut asked = json!({"label": role, "role": role, "scope": scope});
        if SINGLE.contains(&role) {
            asked["person"] = json!(if role == "doctor" { doctor.to_owned() } else { doctor.replace('d', "g") });
        }
        let made = api.post("/tokens", &asked);
        assert_eq!(made.status, 201, "{made:?}");
        (made.body["id"].as_str().unwrap().to_owned(), made.body["token"].as_str().unwrap().to_owned())
    };
    let token = |role: &str, scope: &str| token_of(role, scope, "d1");
    for role in SINGLE {
        let nameless = api.post("/tokens", &json!({"label": "x", "role": role, "scope": org}));
        assert_eq!((nameless.status, &nameless.body["errors"][0]["pointer"]), (422, &json!("/person")), "{nameless:?}");
    }
    let mut wrong = Vec::new();
    let mut asked = 0;
    for role in ROLES {
        let (_, inside) = token(role, &org);
        let (_, outside) = token_of(role, "/elsewhere/", "d2");
        // Another family doctor or guardian, for the same part of the tree.
        let (_, colleague) = token_of(role, &org, "d9");
        for (method, address, body, who, outside_is) in ROWS {
            if *who == OPEN || *address == "/api/v1/events/stream" {
                continue;
            }
            // What is ended or removed is made for it, in the part of the tree that it is about.
            let mut ids = ids.clone();
            let scratch = format!("scratch{asked}");
            if address.contains("/tokens/") {
                ids.insert("tokens", token("desk", &org).0);
            } else if address.contains("/accounts/") {
                let account = json!({"id": scratch, "password": "long enough", "role": "desk", "scope": org});
                assert_eq!(api.post("/accounts", &account).status, 201);
                ids.insert("accounts", scratch.clone());
            }
            let Some(path) = filled(address, &ids) else { continue };
            let (path, body) = match body.strip_prefix('?') {
                Some(query) => (format!("{path}?{query}"), String::new()),
                None => (path, body.replace("ROLE1", &format!("made{asked}"))),
            };
            let ask = |token: &str| {
                let body = (!body.is_empty()).then(|| serde_json::from_str::<Value>(&body).unwrap());
                api.with_token(token).ask(method, &path, body.as_ref()).status
            };
            asked += 3;
            let nobody = ask("yl_nobody");
            if nobody != 401 {
                wrong.push(format!("nobody: {method} {path}: {nobody}, not 401"));
            }
            let elsewhere = ask(&outside);
            let is_hidden = elsewhere == 404 || (elsewhere == 403 && (!who.contains(&role) || *who == BY_TABLE));
            if *outside_is == Hidden && !is_hidden {
                wrong.push(format!("{role} outside: {method} {path}: {elsewhere}, not 404"));
            }
            let is_an_elders = address.contains("{id}") && ELDERS.iter().any(|kind| path[1..].starts_with(kind));
            if SINGLE.contains(&role) && is_an_elders {
                let theirs = ask(&colleague);
                if theirs != 404 && !(theirs == 403 && (!who.contains(&role) || *who == BY_TABLE)) {
                    wrong.push(format!("another {role}: {method} {path}: {theirs}, not 404"));
                }
            }
            if *who == BY_TABLE {
                continue;
            }
            let answer = ask(&inside);
            let may = !matches!(answer, 401 | 403 | 404 | 500..);
            if may != who.contains(&role) || answer >= 500 {
                let expected = if who.contains(&role) { "may" } else { "may not" };
                wrong.push(format!("{role}: {method} {path}: {answer}, but {expected}"));
            }
        }
    }
    assert!(asked > 1_000, "{asked}");
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    server.stop();
}

/// The address with real ids in it; `None` when there is nothing of the kind.
fn filled(address: &str, ids: &BTreeMap<&str, String>) -> Option<String> {
    let address = address.replace("{action}", "note").replace("{path}", "%2Fluyang%2Fxinghua%2Fyinxing%2F");
    let address = address.strip_prefix("/api/v1")?;
    if address.contains("{hash}") {
        return None;
    }
    if !address.contains("{id}") {
        return (!address.contains('{')).then(|| address.to_owned());
    }
    let kind = address.split('/').nth(1)?;
    Some(address.replace("{id}", ids.get(kind)?))
}
