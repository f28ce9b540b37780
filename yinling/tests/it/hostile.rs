//! What must not get in, and what must not break: each gets a clear answer where the protocol has one, a count, a
//! place in quarantine, and the next good report is served.

use serde_json::{Value, json};

use crate::harness::clients::mosquitto_pub;
use crate::harness::registry::{BRACELET, SECRET, household, patient_plan, street, up};
use crate::harness::wire::{self, Said};
use crate::harness::{Dice, House, Phones, Server, Wire, eventually};

fn served() -> (House, Phones, Server) {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    server.import(&household(patient_plan()));
    (house, phones, server)
}

/// A payload that is refused: its name, the topic, the bytes, and the reason in quarantine.
fn bad_payloads() -> Vec<(&'static str, String, Vec<u8>, &'static str)> {
    let here = up(BRACELET);
    let nested = [vec![b'['; 20_000], vec![b']'; 20_000]].concat();
    let nested_in = [br#"{"type":"location","x":"#.to_vec(), nested.clone(), b"}".to_vec()].concat();
    let many = format!("[{}]", vec![r#"{"type":"alive"}"#; 1_001].join(","));
    vec![
        ("empty", here.clone(), vec![], "empty"),
        ("not UTF-8", here.clone(), b"{\"type\":\"\xff\xfe\"}".to_vec(), "not_utf8"),
        ("half JSON", here.clone(), br#"{"type":"location","lat":31.8"#.to_vec(), "malformed"),
        ("NaN", here.clone(), br#"{"type":"location","lat":NaN,"lon":117.2}"#.to_vec(), "malformed"),
        ("not an object", here.clone(), b"42".to_vec(), "malformed"),
        ("20 000 brackets", here.clone(), nested, "too_deep"),
        ("20 000 brackets inside", here.clone(), nested_in, "too_deep"),
        ("1 001 items", here.clone(), many.into_bytes(), "too_many_items"),
        ("off the earth", here.clone(), br#"{"type":"location","lat":91,"lon":117.2}"#.to_vec(), "implausible"),
        ("no body has it", here.clone(), br#"{"type":"blood_pressure","sys":80,"dia":120}"#.to_vec(), "implausible"),
        ("a missing member", here.clone(), br#"{"type":"location","lat":31.8}"#.to_vec(), "bad_field"),
        ("an absurd time", here, br#"{"type":"alive","t":"the day before"}"#.to_vec(), "bad_field"),
        ("another's topic", up("861234567890999"), br#"{"type":"sos"}"#.to_vec(), "foreign_topic"),
        ("no house's topic", "银铃/up".to_owned(), br#"{"type":"sos"}"#.to_vec(), "foreign_topic"),
        ("the feed", "yl/v1/feed/luyang/incidents".to_owned(), br#"{"type":"sos"}"#.to_vec(), "foreign_topic"),
        ("an unknown format", format!("yl/v1/{BRACELET}/up/xml"), b"<sos/>".to_vec(), "unknown_format"),
    ]
}

fn quarantined(server: &Server) -> Vec<Value> {
    let reply = server.api().get("/quarantine?limit=500");
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body["data"].as_array().unwrap().clone()
}

fn rejects(server: &Server) -> f64 {
    server.metric("yinling_rejects_total", "")
}

#[test]
fn every_bad_payload_is_answered_counted_and_kept_and_the_next_good_one_is_served() {
    let (_house, _phones, server) = served();
    for version in [4, 5] {
        let mut device = Wire::login(server.mqtt, BRACELET, SECRET, version).unwrap();
        for (name, topic, payload, reason) in bad_payloads() {
            let (before, counted) = (quarantined(&server).len(), rejects(&server));
            let code = device.report(&topic, &payload);
            let expected = match (version, reason) {
                (4, _) => 0,
                (_, "foreign_topic") => 0x87,
                // The items of an array stand alone: the first thousand are taken.
                (_, "too_many_items") => 0,
                _ => 0x99,
            };
            assert_eq!(code, expected, "MQTT {version}, {name}");
            let kept = eventually("the payload in quarantine", || {
                let all = quarantined(&server);
                (all.len() > before).then(|| all.last().unwrap().clone())
            });
            assert!(kept.to_string().contains(&format!("\"{reason}\"")), "{name}: {kept}");
            assert!(kept.to_string().contains(BRACELET), "{name} names its device: {kept}");
            assert!(rejects(&server) > counted, "{name} is counted");
            assert_eq!(device.report(&up(BRACELET), br#"{"type":"alive"}"#), 0, "the good one after {name}");
        }
    }
    let raised = server.api().get("/incidents");
    assert_eq!(raised.body["data"], json!([]), "nobody was called for any of it");
    server.stop();
}

#[test]
fn mqtt_3_is_told_on_down_what_was_wrong() {
    let (_house, _phones, server) = served();
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    assert_eq!(device.subscribe(&format!("yl/v1/{BRACELET}/down")), 1);
    let packet = device.publish(&up(BRACELET), b"{", 1).unwrap();
    let (mut acknowledged, mut told) = (false, false);
    while !(acknowledged && told) {
        match device.read().unwrap() {
            Said::PubAck(id, 0) if id == packet => acknowledged = true,
            Said::Publish(topic, payload, _) => {
                assert_eq!(topic, format!("yl/v1/{BRACELET}/down"));
                let message: Value = serde_json::from_slice(&payload).unwrap();
                assert_eq!(message["error"], "malformed", "{message}");
                told = true;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_huge_payload_is_refused_and_its_beginning_kept() {
    let (_house, _phones, server) = served();
    for version in [4, 5] {
        let before = quarantined(&server).len();
        let mut device = Wire::login(server.mqtt, BRACELET, SECRET, version).unwrap();
        let packet = device.publish(&up(BRACELET), &vec![b'x'; 300 * 1024], 1).unwrap();
        // Told and kept on, or told and cut: both are an answer. Silence is not.
        let said = device.read();
        match (version, &said) {
            (4, Ok(Said::PubAck(id, 0))) => assert_eq!(*id, packet),
            (5, Ok(Said::PubAck(id, reason))) => assert_eq!((*id, *reason), (packet, 0x99)),
            (5, Ok(Said::Disconnect(0x95))) => {}
            other => panic!("{other:?}"),
        }
        let kept = eventually("the payload in quarantine", || {
            let all = quarantined(&server);
            (all.len() > before).then(|| all.last().unwrap().clone())
        });
        assert!(kept.to_string().contains("\"too_large\""), "{kept}");
        assert!(kept.to_string().len() < 20_000, "only the first 4 KiB are kept");
        let mut device = Wire::login(server.mqtt, BRACELET, SECRET, version).unwrap();
        assert_eq!(device.report(&up(BRACELET), br#"{"type":"alive"}"#), 0);
    }
}

#[test]
fn an_alarm_with_absurd_members_is_an_alarm_all_the_same() {
    let (_house, _phones, server) = served();
    let mut registry = street(6, &patient_plan());
    registry["orgs"] = household(patient_plan())["orgs"].clone();
    server.import(&registry);
    let mut feed = server.feed();
    for (index, sos) in [
        r#"{"type":"sos","t":"yesterday, I think"}"#,
        r#"{"type":"sos","t":-62135596800000}"#,
        r#"{"type":"sos","t":1e300}"#,
        r#"{"type":"sos","t":"9999-12-31T23:59:59Z","lat":"north","lon":null}"#,
        r#"{"type":"sos","lat":91,"lon":181,"acc":-1,"id":{"a":1}}"#,
        r#"[{"type":"location"},{"type":"sos","t":[]}]"#,
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("dev{index}");
        let mut device = Wire::login(server.mqtt, &name, &format!("secret-{name}"), 4).unwrap();
        assert_eq!(device.report(&up(&name), sos.as_bytes()), 0);
        let raised = feed.wait_for("incident.raised");
        assert_eq!(raised["data"]["wearer"], format!("w{index}"), "{sos}");
        assert_eq!(raised["data"]["late"], false, "an absurd time means now: {sos}");
    }
}

#[test]
fn strangers_are_refused_with_the_code_of_their_protocol() {
    let (_house, _phones, server) = served();
    for (id, secret) in [("861234567890999", SECRET), (BRACELET, "guess"), (BRACELET, ""), ("token", "yl_0_0")] {
        let code = Wire::login(server.mqtt, id, secret, 4).err().expect("MQTT 3.1.1 refuses");
        assert!([4, 5].contains(&code), "{id} with {secret:?} got {code}");
        let code = Wire::login(server.mqtt, id, secret, 5).err().expect("MQTT 5 refuses");
        assert!([0x86, 0x87].contains(&code), "{id} with {secret:?} got {code:#x}");
    }
    let refused = mosquitto_pub(server.mqtt, "mqttv311", BRACELET, "guess", &up(BRACELET), "{}");
    assert!(!refused.status.success(), "{refused:?}");
    let counted = server.metric("yinling_door_refused_total", "reason=\"credentials\"");
    assert!(counted >= 9.0, "each refusal is counted: {counted}");
    assert_eq!(Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap().report(&up(BRACELET), br#"{"type":"alive"}"#), 0);
}

#[test]
fn a_device_hears_its_own_down_and_nothing_else() {
    let (_house, _phones, server) = served();
    for (version, refusal) in [(4, 0x80), (5, 0x87)] {
        let mut device = Wire::login(server.mqtt, BRACELET, SECRET, version).unwrap();
        for filter in
            ["#", "yl/v1/+/down", "yl/v1/861234567890999/down", "yl/v1/feed/#", "$SYS/#", "$share/a/yl/v1/feed/#"]
        {
            let code = device.subscribe(filter);
            assert!(code >= 0x80, "{filter} was granted with {code}");
            assert!(version == 5 || code == refusal, "{filter}: {code:#x}");
        }
        assert_eq!(device.subscribe(&format!("yl/v1/{BRACELET}/down")), 1);
    }
}

#[test]
fn noise_before_connect_disturbs_nobody() {
    let (_house, _phones, server) = served();
    let mut dice = Dice::thrown("noise before CONNECT");
    let mut witness = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    let valid = wire::connect(BRACELET, BRACELET, SECRET, 4);
    for round in 0..200 {
        let mut noise: Vec<u8> = (0..dice.between(1, 300)).map(|_| dice.next() as u8).collect();
        match round % 4 {
            // A real CONNECT with one byte changed: the fault may sit anywhere.
            1 => {
                noise = valid.clone();
                let at = dice.between(2, noise.len() as u64 - 1) as usize;
                noise[at] ^= dice.between(1, 255) as u8;
            }
            // A publish before any CONNECT.
            2 => noise = wire::publish(&up(BRACELET), br#"{"type":"sos"}"#, 1, 1, 4),
            // Another protocol altogether.
            3 => noise = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".to_vec(),
            _ => {}
        }
        let mut stranger = Wire::bare(server.mqtt, 4);
        // The door may cut us while we still speak.
        let _ = stranger.send(&noise);
        if round % 4 >= 2 {
            assert!(stranger.is_closed_by_the_door(), "round {round}: {noise:?}");
        }
        // Its own session may have been taken over by a CONNECT whose changed byte did not matter.
        if round % 10 == 0 {
            witness = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
            assert_eq!(witness.report(&up(BRACELET), br#"{"type":"alive"}"#), 0);
        }
    }
    drop(witness);
    assert_eq!(server.api().get("/incidents").body["data"], json!([]));
    server.stop();
}

#[test]
fn http_is_as_unmoved_as_mqtt() {
    let (_house, _phones, server) = served();
    let api = server.api();
    for (path, body) in [
        ("/import", "{"),
        ("/import", "[]"),
        ("/import", "{\"wearers\":[{\"id\":\"w9\"}]}"),
        ("/import", "\u{feff}nonsense"),
        ("/devices/nobody/commands", "{}"),
        ("/incidents/i1/actions/acknowledge", "{}"),
        ("/incidents/%ff/actions/acknowledge", "{}"),
        ("/cases/c1/actions/fly", "{}"),
        ("/callbacks/a1/forged", "{\"attempt\":\"a1\",\"outcome\":\"key\",\"key\":\"1\"}"),
        ("/providers/voice/forged", "{}"),
        (&"/x".repeat(2_000), "{}"),
    ] {
        let reply = api.post_raw(path, body);
        assert!((400..500).contains(&reply.status), "{path} {body}: {reply:?}");
        assert_eq!(reply.content_type, "application/problem+json", "{path} {body}: {reply:?}");
        assert!(!reply.code().is_empty(), "{reply:?}");
    }
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    assert!((400..500).contains(&api.post_raw("/import", &deep).status));
    assert_eq!(api.with_token("yl_0_0").get("/incidents").status, 401);
    assert_eq!(api.get("/incidents").status, 200);
    let metrics = api.text_at("/metrics");
    for counted in ["api_callbacks_refused_total{reason=\"token\"} 2", "api_unauthenticated_total 1"] {
        assert!(metrics.contains(counted), "{counted}: {metrics}");
    }
}
