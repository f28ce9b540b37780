//! The community's case, from the SOS that files it to its end, over the API, with the actor on every step.

use serde_json::{Value, json};

use crate::harness::registry::{BRACELET, SECRET, WORKER, household, patient_plan, up};
use crate::harness::{Api, House, Phones, Reply, Wire};

struct Case {
    api: Api,
    path: String,
}

impl Case {
    fn read(&self) -> Reply {
        let reply = self.api.get(&self.path);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply
    }

    fn act(&self, action: &str, version: Option<&str>, body: &Value) -> Reply {
        let quoted = version.map(|version| format!("\"{version}\""));
        let headers: Vec<(&str, &str)> = quoted.iter().map(|v| ("If-Match", v.as_str())).collect();
        self.api.post_with(&format!("{}/actions/{action}", self.path), &headers, body)
    }

    /// Acts with the present version and expects the state after it.
    fn does(&self, action: &str, body: &Value, state: &str) -> Reply {
        let version = self.read().etag.expect("an ETag");
        let reply = self.act(action, Some(&version), body);
        assert_eq!(reply.status, 200, "{action}: {reply:?}");
        assert_eq!(reply.body["state"], state, "{action}: {reply:?}");
        assert_eq!(self.read().body["state"], state, "a read that follows sees it");
        reply
    }
}

#[test]
fn an_sos_is_filed_dispatched_accepted_attended_and_closed() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    server.import(&household(patient_plan()));
    let mut feed = server.feed();
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos"}"#);
    let filed = feed.wait_for("case.filed");
    let subject = filed["subject"].as_str().unwrap();
    let case = Case { api: server.api(), path: format!("/{subject}") };
    let incident = filed["data"]["incident"].as_str().unwrap().to_owned();
    assert_eq!(case.read().body["state"], "filed");

    let to_s1 = json!({"handler": "s1"});
    let bare = case.act("dispatch", None, &to_s1);
    assert_eq!((bare.status, bare.code()), (428, "version-required"), "{bare:?}");
    let stale = case.act("dispatch", Some("99"), &to_s1);
    assert_eq!((stale.status, stale.code()), (412, "stale"), "{stale:?}");
    assert_eq!(stale.body["version"], case.read().body["version"], "it says which version is the present one");
    let early = case.act("arrive", None, &json!({}));
    assert_eq!((early.status, early.code()), (409, "illegal-in-state"), "{early:?}");
    let allowed = early.body["allowed_actions"].as_array().unwrap();
    assert!(allowed.contains(&json!("dispatch")) && !allowed.contains(&json!("arrive")), "{early:?}");

    case.does("dispatch", &to_s1, "dispatched");
    let held = case.act("dispatch", Some(&case.read().etag.unwrap()), &to_s1);
    assert_eq!(held.status, 409, "{held:?}");
    assert_eq!(held.body["holder"], "s1", "it says who holds it: {held:?}");
    // Whoever was sent takes it on the phone, and what is done at the case is done to the alarm.
    let given = phones.expect("a call to who was sent", |m| m.channel == "voice" && m.text.contains("工单已派给您"));
    assert_eq!(given.to, WORKER);
    given.press("1");
    feed.wait_for("case.accepted");
    let going = feed.wait_for("incident.acknowledged");
    assert_eq!(going["data"]["acknowledged_by"]["person"], "s1", "{going}");
    case.does("arrive", &json!({}), "on_site");
    feed.wait_for("incident.on_site");
    let closed = case.does("close", &json!({"disposition": "helped", "note": "现场确认平安"}), "closed");
    let ended = feed.wait_for("incident.resolved");
    assert_eq!(ended["subject"], format!("incidents/{incident}"));
    assert_eq!(ended["data"]["resolution"]["disposition"], "helped", "{ended}");
    let steps = closed.body["steps"].as_array().unwrap();
    let taken: Vec<&str> = steps.iter().map(|step| step["state"].as_str().unwrap()).collect();
    assert_eq!(taken, ["filed", "dispatched", "accepted", "on_site", "closed"]);
    for step in steps.iter().filter(|step| step["state"] != "filed") {
        assert!(step["by"].is_string() && step["role"].is_string() && step["at"].is_string(), "{step}");
    }

    let after = case.act("accept", None, &json!({}));
    assert_eq!(after.status, 409, "{after:?}");
    for kind in ["case.dispatched", "case.accepted", "case.on_site", "case.closed"] {
        let mut own = server.feed();
        own.wait_for_about(kind, subject);
    }
    let whole = case.read().body;
    server.kill();
    let server = house.serve();
    assert_eq!(server.api().get(&case.path).body, whole, "the case is the same after a crash");
}

#[test]
fn a_command_with_the_same_key_is_done_once() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    server.import(&household(patient_plan()));
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos"}"#);
    let raised = server.feed().wait_for("incident.raised");
    let path = format!("/incidents/{}/actions/note", raised["data"]["id"].as_str().unwrap());
    let note =
        |key: &str, text: &str| server.api().post_with(&path, &[("Idempotency-Key", key)], &json!({"note": text}));
    let (first, again) = (note("n1", "女儿来电"), note("n1", "女儿来电"));
    assert_eq!((first.status, again.status), (200, 200), "{first:?} {again:?}");
    assert_eq!(first.body, again.body, "the reply of the first is kept");
    assert_eq!(again.body["notes"].as_array().unwrap().len(), 1);
    let reused = note("n1", "另一件事");
    assert_eq!((reused.status, reused.code()), (409, "key-reused"), "{reused:?}");
    assert_eq!(note("n2", "另一件事").body["notes"].as_array().unwrap().len(), 2);
}
