//! The feed as other systems read it: over REST with a cursor, as a stream, and over MQTT within their scope.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::clients::Listener;
use crate::harness::registry::{G1, household, patient_plan, street, up};
use crate::harness::{Api, House, PATIENCE, Phones, Server, Wire};

/// Two elders in 银杏 (w0, w1), one in 桂花 (w2).
fn served() -> (House, Phones, Server) {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    let mut registry = street(3, &patient_plan());
    registry["orgs"] = household(patient_plan())["orgs"].clone();
    registry["wearers"][2]["org"] = json!("/luyang/xinghua/guihua/");
    server.import(&registry);
    (house, phones, server)
}

fn press(server: &Server, device: &str) {
    let mut wire = Wire::login(server.mqtt, device, &format!("secret-{device}"), 4).unwrap();
    assert_eq!(wire.report(&up(device), br#"{"type":"sos"}"#), 0);
}

fn token(api: &Api, role: &str, scope: &str) -> String {
    let reply = api.post("/tokens", &json!({"label": "a test", "role": role, "scope": scope}));
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body["token"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

/// What every incident on the feed has, at least.
const INCIDENT_MEMBERS: [&str; 16] = [
    "id",
    "wearer",
    "org",
    "kind",
    "priority",
    "state",
    "condition",
    "late",
    "raised_at",
    "occurrences",
    "position",
    "explain",
    "acknowledged_by",
    "case",
    "version",
    "changed",
];

#[test]
fn mosquitto_hears_what_is_in_its_scope_and_nothing_else() {
    let (_house, _phones, server) = served();
    let inside = token(&server.api(), "integration", "/luyang/xinghua/yinxing/");
    let outside = token(&server.api(), "integration", "/luyang/xinghua/guihua/");
    let above = token(&server.api(), "integration", "/luyang/");
    let (exact, code) =
        Listener::subscribe(server.mqtt, "inside", &inside, "yl/v1/feed/luyang/xinghua/yinxing/incidents");
    assert!(code < 0x80, "in scope: {code}");
    let (wild, code) = Listener::subscribe(server.mqtt, "above", &above, "yl/v1/feed/luyang/#");
    assert!(code < 0x80, "in scope with a wildcard: {code}");
    let (neighbour, _) = Listener::subscribe(server.mqtt, "outside", &outside, "yl/v1/feed/#");
    let (_, code) =
        Listener::subscribe(server.mqtt, "curious", &outside, "yl/v1/feed/luyang/xinghua/yinxing/incidents");
    assert!(code >= 0x80, "out of scope is refused, not granted and silent: {code}");

    press(&server, "dev0");
    let heard = exact.next();
    assert_eq!(heard["type"], "incident.raised");
    assert_eq!(heard["data"]["wearer"], "w0");
    for member in INCIDENT_MEMBERS {
        assert!(heard["data"].get(member).is_some(), "an incident's data has {member}: {heard}");
    }
    let mut feed = server.feed();
    let read = feed.wait_for("incident.raised");
    assert_eq!(heard, read, "the same JSON over MQTT and REST");
    let types: Vec<Value> = (0..3).map(|_| wild.next()["type"].clone()).collect();
    assert!(types.contains(&json!("case.filed")), "cases come on the wildcard too: {types:?}");

    // The neighbour's first word is about the neighbour's own: nothing of the other community came before it.
    press(&server, "dev2");
    let own = neighbour.next();
    assert_eq!(own["data"]["wearer"], "w2", "{own}");
    assert!(exact.rest().iter().all(|line| !line.contains("guihua")));
}

#[test]
fn a_revoked_token_hears_nothing_more() {
    let (_house, _phones, server) = served();
    let made = server.api().post("/tokens", &json!({"label": "lost", "role": "integration", "scope": "/luyang/"}));
    let (id, token) = (made.body["id"].as_str().unwrap().to_owned(), made.body["token"].as_str().unwrap().to_owned());
    let (listener, _) = Listener::subscribe(server.mqtt, "lost", &token, "yl/v1/feed/#");
    press(&server, "dev0");
    listener.next();
    assert_eq!(server.api().delete(&format!("/tokens/{id}")).status, 204);
    assert_eq!(listener.turned_out(), 0x98, "administrative action");
}

#[test]
fn a_cursor_skips_nothing_and_repeats_nothing() {
    let (_house, phones, server) = served();
    for device in ["dev0", "dev1", "dev2"] {
        press(&server, device);
    }
    for _ in 0..3 {
        phones.expect_call(G1).press("1");
    }
    let mut feed = server.feed();
    for _ in 0..3 {
        feed.wait_for("incident.acknowledged");
    }
    let all = feed.catch_up().to_vec();
    // A delivery attempt moves no incident's version: whoever saw an incident may act on it while phones ring.
    let mut versions: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for event in all.iter().filter(|event| event["type"].as_str().unwrap().starts_with("incident.")) {
        let of = versions.entry(event["subject"].as_str().unwrap()).or_default();
        of.push(event["data"]["version"].as_u64().unwrap());
    }
    assert!(all.iter().any(|event| event["type"] == "attempt.started") && versions.len() == 3, "{versions:?}");
    for (incident, versions) in versions {
        assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>(), "{incident}");
    }
    let api = server.api();
    for limit in [1, 2, 7] {
        let (mut one_by_one, mut after) = (Vec::new(), String::new());
        while one_by_one.len() < all.len() {
            let reply = api.get(&format!("/events?limit={limit}{after}"));
            let data = reply.body["data"].as_array().unwrap().clone();
            assert!(!data.is_empty() && data.len() <= limit, "{reply:?}");
            one_by_one.extend(data);
            after = format!("&after={}", reply.body["next_cursor"].as_str().unwrap());
        }
        assert_eq!(one_by_one[..all.len()], all[..], "pages of {limit}");
    }
    let incidents = api.get("/events?limit=500&types=incident.*");
    let expected: Vec<&Value> = all.iter().filter(|e| e["type"].as_str().unwrap().starts_with("incident.")).collect();
    assert_eq!(incidents.body["data"].as_array().unwrap().iter().collect::<Vec<_>>(), expected);

    let latest = api.get("/events?after=latest");
    assert_eq!(latest.body["data"], json!([]));
    press(&server, "dev1");
    let after = latest.body["next_cursor"].as_str().unwrap();
    let next = crate::harness::eventually("the next press", || {
        let reply = api.get(&format!("/events?after={after}"));
        reply.body["data"].get(0).cloned()
    });
    assert_eq!(next["data"]["wearer"], "w1");

    assert_eq!(api.get("/events?after=nonsense").code(), "bad-cursor");
    assert_eq!(api.get("/events?limit=501").code(), "bad-parameter");
    // A cursor of another epoch (4 bytes of epoch, 8 of sequence number) names where to begin anew.
    let expired = api.get("/events?after=AAAAYwAAAAAAAAAB");
    assert_eq!((expired.status, expired.code()), (410, "cursor-expired"), "{expired:?}");
    assert!(expired.body.to_string().contains("/api/v1/incidents"), "{expired:?}");
}

#[test]
fn a_token_sees_its_part_of_the_tree_only() {
    let (_house, _phones, server) = served();
    press(&server, "dev0");
    press(&server, "dev2");
    let mut feed = server.feed();
    let inside = feed.wait_for("incident.raised");
    let outside = feed.wait_for("incident.raised");
    let api = server.api().with_token(&token(&server.api(), "desk", "/luyang/xinghua/yinxing/"));
    let incidents = api.get("/incidents");
    assert_eq!(incidents.body["data"].as_array().unwrap().len(), 1, "{incidents:?}");
    assert_eq!(api.get(&format!("/{}", inside["subject"].as_str().unwrap())).status, 200);
    let foreign = api.get(&format!("/{}", outside["subject"].as_str().unwrap()));
    let missing = api.get("/incidents/i999");
    assert_eq!((foreign.status, foreign.code()), (404, "not-found"));
    assert_eq!(foreign.code(), missing.code(), "what is outside looks like what is not there");
    let mut own = crate::harness::Feed::from_oldest(api);
    own.wait_for("incident.raised");
    assert!(own.catch_up().iter().all(|e| e["data"]["wearer"] != "w2"), "{:#?}", own.seen);
}

#[test]
fn curl_follows_the_stream() {
    let (_house, _phones, server) = served();
    press(&server, "dev0");
    let mut child = Command::new("curl")
        .args(["-sN", "--max-time", &PATIENCE.as_secs().to_string()])
        .args(["-H", &format!("Authorization: Bearer {}", server.api().token())])
        .arg(format!("http://{}/api/v1/events/stream?types=incident.raised", server.http))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl; ./test.sh installs it");
    let stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut data = std::io::BufRead::lines(stdout)
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?.trim()).ok())
        .filter(|event| event["type"] == "incident.raised");
    assert_eq!(data.next().expect("what was before")["data"]["wearer"], "w0");
    press(&server, "dev1");
    assert_eq!(data.next().expect("what comes while it listens")["data"]["wearer"], "w1");
    child.kill().unwrap();
    child.wait().unwrap();
}
