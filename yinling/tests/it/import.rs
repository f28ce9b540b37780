//! The registry: checked as a whole, written all or nothing, and in force at the door before its 2xx.

use serde_json::{Value, json};

use crate::harness::registry::{BRACELET, SECRET, household, patient_plan, up};
use crate::harness::{House, Phones, Server, Wire, eventually};

fn served() -> (House, Phones, Server) {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    (house, phones, server)
}

fn pointers(body: &Value) -> Vec<String> {
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no errors in {body}"));
    errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_dry_run_checks_and_changes_nothing() {
    let (_house, _phones, server) = served();
    let reply = server.api().post("/import?dry_run=true", &household(patient_plan()));
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(Wire::login(server.mqtt, BRACELET, SECRET, 4).is_err(), "the device is not there yet");
    assert_eq!(server.api().get("/events").body["data"], json!([]));
    server.import(&household(patient_plan()));
    assert!(Wire::login(server.mqtt, BRACELET, SECRET, 4).is_ok(), "in force before the 2xx");
}

#[test]
fn every_faulty_row_is_named_and_nothing_is_written() {
    let (_house, _phones, server) = served();
    let mut registry = household(patient_plan());
    registry["wearers"][0]["guardians"] = json!(["g1", "nobody"]);
    registry["wearers"][0]["fences"][0]["circle"]["lat"] = json!(131.8);
    registry["wearers"][0]["plan"]["next_after_s"] = json!(0);
    registry["people"][0]["phone"] = json!("12");
    registry["people"][1]["role"] = json!("wizard");
    registry["devices"][0].as_object_mut().unwrap().remove("secret");
    registry["orgs"][0]["path"] = json!("luyang");
    for path in ["/import?dry_run=true", "/import"] {
        let reply = server.api().post(path, &registry);
        assert_eq!((reply.status, reply.code()), (422, "invalid"), "{reply:?}");
        let found = pointers(&reply.body);
        for expected in [
            "/wearers/0/guardians/1",
            "/wearers/0/fences/0/circle/lat",
            "/wearers/0/plan/next_after_s",
            "/people/0/phone",
            "/people/1/role",
            "/devices/0/secret",
            "/orgs/0/path",
        ] {
            assert!(found.iter().any(|p| p.starts_with(expected)), "{expected} is not in {found:?}");
        }
    }
    assert!(Wire::login(server.mqtt, BRACELET, SECRET, 4).is_err(), "all or nothing");
    let misspelt = server.api().post("/import", &json!({"wearer": []}));
    assert_eq!(misspelt.status, 422, "an unknown member is a slip, not an extension: {misspelt:?}");
}

#[test]
fn an_import_is_an_upsert_and_a_new_secret_ends_the_old_session() {
    let (_house, _phones, server) = served();
    server.import(&household(patient_plan()));
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 5).unwrap();
    assert_eq!(device.report(&up(BRACELET), br#"{"type":"alive"}"#), 0);
    let mut registry = household(patient_plan());
    registry["devices"][0]["secret"] = json!("bracelet-secret-2");
    server.import(&registry);
    assert!(device.is_closed_by_the_door(), "whoever knows only the old secret is out");
    assert!(Wire::login(server.mqtt, BRACELET, SECRET, 4).is_err());
    let mut device = Wire::login(server.mqtt, BRACELET, "bracelet-secret-2", 4).unwrap();
    assert_eq!(device.report(&up(BRACELET), br#"{"type":"sos"}"#), 0);
    assert_eq!(server.feed().wait_for("incident.raised")["data"]["wearer"], "w1");
}

#[test]
fn a_community_without_a_desk_is_a_warning_that_readiness_repeats() {
    let (_house, _phones, server) = served();
    let mut registry = household(patient_plan());
    for org in registry["orgs"].as_array_mut().unwrap() {
        org.as_object_mut().unwrap().remove("desk");
    }
    let reply = server.api().post("/import", &registry);
    assert_eq!(reply.status / 100, 2, "{reply:?}");
    let warnings = reply.body["warnings"].to_string();
    assert!(warnings.contains("desk"), "{reply:?}");
    let readiness = |status: u16, word: &str| {
        eventually(&format!("/readyz to say {status} {word}"), || {
            let (found, text) = server.api().status_and_text_at("/readyz");
            (found == status && text.contains(word)).then_some(())
        });
    };
    readiness(503, "no human desk");
    server.import(&household(patient_plan()));
    readiness(200, "ok");
}
