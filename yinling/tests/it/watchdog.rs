//! The engine stops, or is killed, in the middle of an escalation: the next guardian is called all the same, and
//! what they press counts when it is back.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::clients::mosquitto_pub;
use crate::harness::registry::{BRACELET, G1, G2, SECRET, household, up};
use crate::harness::{House, Phones};

const CONFIG: &str = "[watchdog]\nafter_s = 4\n";

fn plan() -> serde_json::Value {
    json!({"next_after_s": 6, "ring_s": 12, "gap_s": 60, "cycles": 3, "lease_s": 600, "fall_window_s": 1})
}

#[test]
fn a_stopped_engine_is_stood_in_for_and_hears_of_it() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    server.import(&household(plan()));
    let mut feed = server.feed();
    let sos = r#"{"type":"sos","id":"w-1"}"#;
    mosquitto_pub(server.mqtt, "mqttv311", BRACELET, SECRET, &up(BRACELET), sos);
    let raised = feed.wait_for("incident.raised");
    phones.expect_call(G1);
    std::thread::sleep(Duration::from_millis(1_500));
    server.signal("STOP");
    let stopped = Instant::now();
    let second = phones.expect_call(G2);
    assert!(stopped.elapsed() < Duration::from_secs(30), "called {:?} after the engine stopped", stopped.elapsed());
    second.says("answered");
    second.press("1");
    std::thread::sleep(Duration::from_millis(500));
    let calls = phones.rung().len();
    assert!(calls <= 3, "at most one call doubles: {:?}", phones.rung());
    server.signal("CONT");
    let subject = raised["subject"].as_str().unwrap();
    let acknowledged = feed.wait_for_about("incident.acknowledged", subject);
    assert_eq!(acknowledged["data"]["acknowledged_by"]["person"], "g2");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(phones.rung().len(), calls, "no call starts after the acknowledgement");
    server.stop();
}

#[test]
fn a_killed_engine_is_stood_in_for_and_the_next_one_hears_of_it() {
    let phones = Phones::start();
    let house = House::new(&phones, CONFIG);
    let server = house.serve();
    server.import(&household(plan()));
    let mut feed = server.feed();
    let sos = r#"{"type":"sos","id":"w-1"}"#;
    mosquitto_pub(server.mqtt, "mqttv311", BRACELET, SECRET, &up(BRACELET), sos);
    let raised = feed.wait_for("incident.raised");
    phones.expect_call(G1);
    std::thread::sleep(Duration::from_millis(1_500));
    server.kill();
    let killed = Instant::now();
    let second = phones.expect_call(G2);
    assert!(killed.elapsed() < Duration::from_secs(30), "called {:?} after the engine was killed", killed.elapsed());
    second.press("1");
    std::thread::sleep(Duration::from_millis(500));
    let server = house.serve();
    let mut feed = server.feed();
    let subject = raised["subject"].as_str().unwrap();
    let acknowledged = feed.wait_for_about("incident.acknowledged", subject);
    assert_eq!(acknowledged["data"]["acknowledged_by"]["person"], "g2");
    server.stop();
}
