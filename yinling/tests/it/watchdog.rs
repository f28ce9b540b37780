//! The engine stops, or is killed, in the middle of an escalation: the next guardian is called all the same, and
//! what they press counts when it is back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::clients::mosquitto_pub;
use crate::harness::phones::Message;
use crate::harness::registry::{BRACELET, G1, G2, SECRET, household, up};
use crate::harness::{Feed, House, Phones, Server, eventually};

const CONFIG: &str = "[watchdog]\nafter_s = 4\n";

fn plan() -> serde_json::Value {
    json!({"next_after_s": 6, "ring_s": 12, "gap_s": 60, "cycles": 3, "lease_s": 600, "fall_window_s": 1})
}

/// An SOS whose first guardian rings, and the subject of its incident.
fn ringing(phones: &Phones, server: &Server) -> (Feed, String) {
    server.import(&household(plan()));
    let mut feed = server.feed();
    let sos = r#"{"type":"sos","id":"w-1"}"#;
    mosquitto_pub(server.mqtt, "mqttv311", BRACELET, SECRET, &up(BRACELET), sos);
    let raised = feed.wait_for("incident.raised");
    phones.expect_call(G1);
    (feed, raised["subject"].as_str().unwrap().to_owned())
}

/// The second guardian is called, in time, by whoever is there.
fn stood_in_for(phones: &Phones) -> Message {
    let silent = Instant::now();
    let second = phones.expect_call(G2);
    assert!(silent.elapsed() < Duration::from_secs(30), "called {:?} after the engine was silent", silent.elapsed());
    second
}

fn is_acknowledged_by_g2(feed: &mut Feed, subject: &str) {
    let acknowledged = feed.wait_for_about("incident.acknowledged", subject);
    assert_eq!(acknowledged["data"]["acknowledged_by"]["person"], "g2");
}

/// No call of the incident waits to be made.
fn calls_no_more(server: &Server, subject: &str) {
    let attempts = server.api().get(&format!("/{subject}/attempts")).body;
    let attempts = attempts["data"].as_array().unwrap_or_else(|| panic!("{attempts}")).clone();
    assert!(attempts.iter().any(|attempt| attempt["channel"] == "voice"), "{attempts:#?}");
    let waits = |a: &&Value| a["channel"] == "voice" && (a["state"] == "pending" || a["state"] == "sending");
    assert_eq!(attempts.iter().filter(waits).count(), 0, "{attempts:#?}");
}

#[test]
fn a_stopped_engine_is_stood_in_for_and_hears_of_it() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    let (mut feed, subject) = ringing(&phones, &server);
    server.signal("STOP");
    let second = stood_in_for(&phones);
    second.says("answered");
    second.press("1");
    let calls = phones.rung().len();
    assert!(calls <= 3, "at most one call doubles: {:?}", phones.rung());
    server.signal("CONT");
    is_acknowledged_by_g2(&mut feed, &subject);
    calls_no_more(&server, &subject);
    // A stop sends what is still to be sent.
    server.stop();
    assert_eq!(phones.rung().len(), calls, "no call starts after the acknowledgement");
}

#[test]
fn a_key_that_is_pressed_when_the_engine_is_back_counts_although_the_watchdog_had_called() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    let (mut feed, subject) = ringing(&phones, &server);
    server.signal("STOP");
    let second = stood_in_for(&phones);
    server.signal("CONT");
    let epoch = house.data().join("watchdog/epoch");
    eventually("the engine takes the epoch back", || {
        std::fs::read_to_string(&epoch).unwrap().contains("engine").then_some(())
    });
    second.press("1");
    is_acknowledged_by_g2(&mut feed, &subject);
    server.stop();
}

#[test]
fn a_killed_engine_is_stood_in_for_and_the_next_one_hears_of_it() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    let (_, subject) = ringing(&phones, &server);
    server.kill();
    stood_in_for(&phones).press("1");
    let server = house.serve();
    is_acknowledged_by_g2(&mut server.feed(), &subject);
    server.stop();
}
