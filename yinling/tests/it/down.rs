//! Commands to devices: durable, delivered when the device is back, not worth delivering for ever.

use std::time::Duration;

use rumqttc::{Client, Event, Incoming, MqttOptions, QoS};
use serde_json::{Value, json};

use crate::harness::registry::{BRACELET, SECRET, household, patient_plan};
use crate::harness::{Feed, House, PATIENCE, Phones, Server, Wire};

fn served() -> (House, Phones, Server) {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    server.import(&household(patient_plan()));
    (house, phones, server)
}

fn command(server: &Server, body: &Value, key: &str) -> Value {
    let reply = server.api().post_with(&format!("/devices/{BRACELET}/commands"), &[("Idempotency-Key", key)], body);
    assert!(reply.status == 201 || reply.status == 202, "{reply:?}");
    reply.body
}

/// Connects with rumqttc, subscribes to the bracelet's `down`, and gives the first `count` messages.
fn hear_with_rumqttc(server: &Server, count: usize) -> Vec<Value> {
    let mut options = MqttOptions::new(BRACELET, server.mqtt.ip().to_string(), server.mqtt.port());
    options.set_credentials(BRACELET, SECRET).set_keep_alive(Duration::from_secs(30)).set_clean_session(true);
    let (client, mut connection) = Client::new(options, 16);
    client.subscribe(format!("yl/v1/{BRACELET}/down"), QoS::AtLeastOnce).unwrap();
    let (mut heard, mut acknowledged) = (Vec::new(), 0);
    while acknowledged < count {
        match connection.recv_timeout(PATIENCE) {
            Ok(Ok(Event::Incoming(Incoming::Publish(message)))) => {
                heard.push(serde_json::from_slice(&message.payload).unwrap());
            }
            Ok(Ok(Event::Outgoing(rumqttc::Outgoing::PubAck(_)))) => acknowledged += 1,
            Ok(Ok(_)) => {}
            other => panic!("{other:?} after {heard:?}"),
        }
    }
    client.disconnect().unwrap();
    // Until the door has closed: what we sent has then been read.
    while let Ok(Ok(_)) = connection.recv_timeout(PATIENCE) {}
    heard
}

fn command_event(feed: &mut Feed, kind: &str, id: &Value) {
    let subject = format!("commands/{}", id.as_str().unwrap());
    feed.wait_for_about(kind, &subject);
}

#[test]
fn a_command_waits_for_its_device_and_survives_a_kill() {
    let (house, phones, server) = served();
    let locate = command(&server, &json!({"kind": "locate"}), "cmd-1");
    let again = command(&server, &json!({"kind": "locate"}), "cmd-1");
    assert_eq!(locate["id"], again["id"], "the same key is the same command");
    server.kill();

    let server = house.serve();
    let repeated = command(&server, &json!({"kind": "locate"}), "cmd-1");
    assert_eq!(locate["id"], repeated["id"], "also after a crash");
    let heard = hear_with_rumqttc(&server, 1);
    assert_eq!(heard[0]["id"], locate["id"]);
    assert!(heard[0].to_string().contains("locate"), "{heard:?}");
    let mut feed = server.feed();
    for kind in ["command.queued", "command.sent", "command.acknowledged"] {
        command_event(&mut feed, kind, &locate["id"]);
    }
    // What was acknowledged does not come again: the next message is the next command.
    let ring = command(&server, &json!({"kind": "ring"}), "cmd-2");
    assert_eq!(hear_with_rumqttc(&server, 1)[0]["id"], ring["id"]);
    drop(phones);
}

#[test]
fn a_command_that_is_not_acknowledged_is_delivered_again() {
    let (_house, _phones, server) = served();
    let sent = command(&server, &json!({"kind": "set_interval", "seconds": 60}), "k");
    let down = format!("yl/v1/{BRACELET}/down");
    for acknowledges in [false, true] {
        let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 5).unwrap();
        assert_eq!(device.subscribe(&down), 1);
        match device.read().unwrap() {
            crate::harness::wire::Said::Publish(topic, payload, Some(packet)) => {
                assert_eq!(topic, down);
                let message: Value = serde_json::from_slice(&payload).unwrap();
                assert_eq!(message["id"], sent["id"]);
                if acknowledges {
                    device.acknowledge(packet);
                    command_event(&mut server.feed(), "command.acknowledged", &sent["id"]);
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_command_expires_and_a_newer_one_takes_its_place() {
    let (_house, _phones, server) = served();
    let mut feed = server.feed();
    let short = command(&server, &json!({"kind": "ring", "time_to_live_seconds": 1}), "short");
    command_event(&mut feed, "command.expired", &short["id"]);
    let older = command(&server, &json!({"kind": "set_interval", "seconds": 60}), "older");
    let newer = command(&server, &json!({"kind": "set_interval", "seconds": 120}), "newer");
    command_event(&mut feed, "command.replaced", &older["id"]);
    let heard = hear_with_rumqttc(&server, 1);
    assert_eq!(heard[0]["id"], newer["id"], "neither the expired nor the replaced one: {heard:?}");
    let unknown = server.api().post("/devices/nobody/commands", &json!({"kind": "ring"}));
    assert_eq!(unknown.status, 404, "{unknown:?}");
    let nonsense = server.api().post(&format!("/devices/{BRACELET}/commands"), &json!({"kind": "explode"}));
    assert_eq!(nonsense.status, 422, "{nonsense:?}");
}

#[test]
fn the_newer_session_wins() {
    let (_house, _phones, server) = served();
    let mut first = Wire::login(server.mqtt, BRACELET, SECRET, 5).unwrap();
    let mut second = Wire::login(server.mqtt, BRACELET, SECRET, 5).unwrap();
    assert!(first.is_closed_by_the_door(), "one live session per device");
    assert_eq!(second.report(&crate::harness::registry::up(BRACELET), br#"{"type":"alive"}"#), 0);
}
