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

/// Method, address, headers, body; what is answered, with the place of the first fault.
type Trick = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str, &'static str);

const CASE: &str = "/cases/CASE/actions/dispatch";
const NOTE: &str = "/incidents/INCIDENT/actions/note";
const LONG_KEY: &str = concat!(
    "0123456789012345678901234567890123456789012345678901234567890123",
    "0123456789012345678901234567890123456789012345678901234567890123x"
);
const STALE: &[(&str, &str)] = &[("if-match", "\"0123456789abcdef\"")];

const TRICKS: &[Trick] = &[
    // Cursors and parameters.
    ("GET", "/events?after=zzz", &[], "", "400 bad-cursor"),
    ("GET", "/events?after=AAAAAAAAAAAAAAAAAAAAAAAA", &[], "", "400 bad-cursor"),
    ("GET", "/events?after=____________________", &[], "", "400 bad-cursor"),
    ("GET", "/events?after=latest&since=2026-01-01T00:00:00Z", &[], "", "400 bad-parameter"),
    ("GET", "/events?since=yesterday", &[], "", "400 bad-parameter"),
    ("GET", "/events?limit=0", &[], "", "400 bad-parameter"),
    ("GET", "/events?limit=501", &[], "", "400 bad-parameter"),
    ("GET", "/events?limit=-1", &[], "", "400 bad-parameter"),
    ("GET", "/events?limit=1e9", &[], "", "400 bad-parameter"),
    ("GET", "/events?types=incident.exploded", &[], "", "400 bad-parameter"),
    ("GET", "/events?nope=1", &[], "", "400 bad-parameter"),
    ("GET", "/incidents?after=..%2F..%2Fetc", &[], "", "400 bad-parameter"),
    ("GET", "/incidents?state=asleep", &[], "", "400 bad-parameter"),
    ("GET", "/wearers/w1/track?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", &[], "", "400 bad-parameter"),
    ("GET", "/wearers/w1/vitals?kind=mood", &[], "", "400 bad-parameter"),
    // Paths.
    ("GET", "/wearers/..%2F..%2Fetc%2Fpasswd", &[], "", "404 not-found"),
    ("GET", "/wearers/w1%00", &[], "", "404 not-found"),
    ("GET", "/photos/..%2F..%2Fkeys%2Fpepper", &[], "", "404 not-found"),
    ("GET", "/incidents/%ff", &[], "", "404 no-such-path"),
    ("GET", "//wearers", &[], "", "404 no-such-path"),
    ("TRACE", "/wearers", &[], "", "405 method-not-allowed"),
    // Headers.
    ("POST", NOTE, &[("idempotency-key", "")], r#"{"note":"x"}"#, "400 bad-header"),
    ("POST", NOTE, &[("idempotency-key", LONG_KEY)], r#"{"note":"x"}"#, "400 bad-header"),
    ("POST", NOTE, &[("idempotency-key", "first")], r#"{"note":"another"}"#, "409 key-reused"),
    ("POST", CASE, &[("if-match", "*")], r#"{"handler":"s1"}"#, "400 bad-header"),
    ("POST", CASE, &[("if-match", "W/\"1\"")], r#"{"handler":"s1"}"#, "400 bad-header"),
    ("POST", CASE, &[("if-match", "\"99\"")], r#"{"handler":"s1"}"#, "412 stale"),
    ("POST", CASE, &[], r#"{"handler":"s1"}"#, "428 version-required"),
    ("GET", "/wearers/w1", &[("authorization", "Bearer x")], "", "400 bad-header"),
    ("PATCH", "/wearers/w1", STALE, r#"{"name":"x"}"#, "412 stale"),
    ("PUT", "/wearers/w1", &[], r#"{"name":"x","org":"/luyang/"}"#, "428 version-required"),
    ("PATCH", "/wearers/w1", &[("if-match", "\"1\"")], r#"{"name":"x"}"#, "400 bad-header"),
    ("DELETE", "/wearers/w1", STALE, "", "412 stale"),
    ("DELETE", "/people/g1", &[("if-none-match", "*")], "", "412 stale"),
    // Unknown members and wrong types, everywhere.
    ("POST", "/cases", &[], r#"{"nope":1}"#, "422 invalid /nope"),
    ("POST", "/cases", &[], r#"{"text":7}"#, "422 invalid /text"),
    ("POST", CASE, &[("if-match", "\"1\"")], r#"{"handler":["s1"]}"#, "422 invalid /handler"),
    (
        "POST",
        "/cases/CASE/receipts",
        &[],
        r#"{"system":"x","external_case_id":"1","status":"eaten"}"#,
        "422 invalid /status",
    ),
    ("POST", "/patrols", &[], r#"{"name":"x","org":"/luyang/","who":"everybody"}"#, "422 invalid /who"),
    ("POST", "/campaigns", &[], r#"{"kind":"welfare","nope":1}"#, "422 invalid /nope"),
    ("PUT", "/duty?org=/luyang/", &[], r#"{"units":[{"id":1}]}"#, "422 invalid /units/0/id"),
    (
        "PUT",
        "/duty?org=/luyang/",
        &[],
        r#"{"units":[{"id":"a","name":"值班","level":"community","shifts":[{"people":[],"days":["mon"],"from":"08:00","to":"20:00"}]}]}"#,
        "422 invalid /units/0/shifts/0/people",
    ),
    (
        "PUT",
        "/duty?org=/luyang/",
        &[],
        r#"{"units":[{"id":"a","name":"值班","level":"community","shifts":[{"people":["g1"],"days":["mon"],"from":"08:00","to":"20:00"}]}]}"#,
        "422 invalid /units/0/shifts/0/people/0",
    ),
    ("POST", "/tokens", &[], r#"{"label":"x","role":"doctor"}"#, "422 invalid /person"),
    ("POST", "/accounts", &[], r#"{"id":"x","password":"long enough","role":"desk","nope":1}"#, "422 invalid /nope"),
    ("POST", "/session", &[], r#"{"account":"x","password":1}"#, "422 invalid /password"),
    ("POST", "/wearers/w1/break-glass", &[], r#"{"reason":1}"#, "422 invalid /reason"),
    ("POST", "/wearers/w1/break-glass", &[], r#"{"reason":"x"}"#, "422 invalid /reason"),
    ("POST", "/wearers/w1/observations", &[], r#"{"respiration":"many"}"#, "422 invalid /respiration"),
    ("POST", "/wearers/w1/preview", &[], r#"{"nope":1}"#, "422 invalid /nope"),
    ("PATCH", "/wearers/w1", STALE, "[]", "422 invalid"),
    (
        "POST",
        "/import",
        &[],
        r#"{"wearers":[{"id":"w9","name":"x","org":"/luyang/","nope":1}]}"#,
        "422 invalid /wearers/0/nope",
    ),
    // Where messages are not posted to.
    ("POST", "/webhooks", &[], r#"{"name":"x","url":"http://169.254.169.254/latest/meta-data"}"#, "422 invalid /url"),
    ("POST", "/webhooks", &[], r#"{"name":"x","url":"http://127.0.0.1/"}"#, "422 invalid /url"),
    ("POST", "/webhooks", &[], r#"{"name":"x","url":"https://[::1]/"}"#, "422 invalid /url"),
    ("POST", "/webhooks", &[], r#"{"name":"x","url":"https://[::ffff:10.0.0.1]/"}"#, "422 invalid /url"),
    ("POST", "/webhooks", &[], r#"{"name":"x","url":"https://0x7f000001/"}"#, "422 invalid /url"),
    ("POST", "/webhooks", &[], r#"{"name":"x","url":"https://user:secret@example.org/"}"#, "422 invalid /url"),
    ("POST", "/webhooks", &[], r#"{"name":"x","url":"file:///etc/passwd"}"#, "422 invalid /url"),
    ("POST", "/webhooks", &[], r#"{"name":"x","url":"gopher://example.org/"}"#, "422 invalid /url"),
    // Those who post to us.
    ("POST", "/callbacks/a1/forged", &[], r#"{"attempt":"a1","outcome":"key","key":"1"}"#, "404 not-found"),
    ("POST", "/callbacks/..%2Fa1/x", &[], "{}", "404 not-found"),
    ("POST", "/providers/sms/forged?attempt=a1", &[], "{}", "404 not-found"),
];

#[test]
fn every_trick_is_told_what_is_wrong_with_it_and_changes_nothing() {
    let (_house, phones, server) = served();
    let api = server.api();
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos","id":"s1"}"#);
    let filed = server.feed().wait_for("case.filed");
    let (case, incident) = (filed["data"]["id"].as_str().unwrap(), filed["data"]["incident"].as_str().unwrap());
    let first = api.post_with(
        &format!("/incidents/{incident}/actions/note"),
        &[("idempotency-key", "first")],
        &json!({"note": "one"}),
    );
    assert_eq!(first.status, 200, "{first:?}");
    let everything = || {
        [
            "/wearers",
            "/people",
            "/devices",
            "/orgs",
            "/cases",
            "/tokens",
            "/accounts",
            "/webhooks",
            "/erasures",
            "/patrols",
        ]
        .map(|path| api.get(path).body["data"].to_string())
    };
    let before = everything();
    let mut wrong = Vec::new();
    let deep = format!(r#"{{"label":{}"#, "[".repeat(20_000));
    let large = format!(r#"{{"label":"{}"}}"#, "x".repeat(10 << 20));
    let own = [
        ("POST", "/tokens", &[] as &[_], deep.as_str(), "422 invalid /label"),
        ("POST", "/tokens", &[], large.as_str(), "413 too-large"),
        ("POST", "/cases", &[], deep.as_str(), "422 invalid /label"),
        ("POST", "/webhooks", &[], large.as_str(), "413 too-large"),
    ];
    for (method, path, headers, body, expected) in TRICKS.iter().copied().chain(own) {
        let path = path.replace("CASE", case).replace("INCIDENT", incident);
        let reply = api.ask_with(method, &path, headers, (!body.is_empty()).then(|| body.to_owned()));
        let pointer = reply.body["errors"][0]["pointer"].as_str().map(|at| format!(" {at}")).unwrap_or_default();
        let told = format!("{} {}{pointer}", reply.status, reply.code());
        let is_document = reply.content_type == "application/problem+json"
            && ["title", "title_zh", "detail", "detail_zh", "trace_id"]
                .iter()
                .all(|name| reply.body[*name].is_string());
        if told.trim() != expected || !is_document {
            wrong.push(format!("{method} {path} {:.60}: {told}, not {expected}: {}", body, reply.body));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), TRICKS.len(), wrong.join("\n"));
    assert_eq!(everything(), before, "nothing changed half");
    // What a gateway posted is posted again: it is heard once.
    let call = phones.expect_call(crate::harness::registry::G1);
    call.press("1");
    let held = eventually("the acknowledgement", || {
        let now = api.get(&format!("/incidents/{incident}")).body;
        (now["state"] == "acknowledged").then_some(now)
    });
    for _ in 0..3 {
        call.press("1");
    }
    call.says("no_answer");
    let after = api.get(&format!("/incidents/{incident}")).body;
    assert_eq!(after["acknowledged_by"], held["acknowledged_by"], "{after}");
    server.stop();
}
