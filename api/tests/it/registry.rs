//! The registry, history and quarantine.

use model::{
    Decision, DeviceId, Fix, Input, Located, Position, Reject, RejectReason, Report, ReportBody, StaffCommand,
    Timestamp, WearerId, record::Observed,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::house::{Answer, House, NOW, text};

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_checked_then_written_and_can_be_read_at_once() {
    let house = House::open().await;
    let dry = house.post("admin", "/api/v1/import?dry_run=true", "ok").await.json();
    assert_eq!(dry["dry_run"], true);
    assert_eq!(dry["counts"], json!({"orgs": 2, "people": 4, "wearers": 3, "devices": 3}));
    assert_eq!(dry["warnings"][0]["pointer"], "/wearers/1/guardians");
    assert!(house.engine.asked().is_empty());
    assert_eq!(house.get("admin", "/api/v1/wearers").await.ids(), Vec::<String>::new());

    let request = house.request("admin", Method::POST, "/api/v1/import").header("idempotency-key", "imp-1");
    let done = Answer::of(request.body("ok")).await;
    assert_eq!(done.json()["dry_run"], false, "{}", done.text);
    assert_eq!(house.engine.asked()[0].1.as_deref(), Some("imp-1"));
    assert_eq!(house.get("admin", "/api/v1/wearers").await.ids(), ["w1", "w2", "w9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_import_names_every_row_and_writes_nothing() {
    let house = House::open().await;
    for path in ["/api/v1/import", "/api/v1/import?dry_run=true"] {
        let request = house.request("admin", Method::POST, path).header("content-type", "text/csv").body("bad");
        let answer = Answer::of(request).await;
        assert_eq!(answer.problem(), "422 invalid /wearers/3/org /devices/0/secret");
        assert_eq!(answer.json()["errors"][0]["detail"], "not so (text/csv)");
        assert_eq!(answer.json()["errors"][0]["detail_zh"], "不对");
    }
    assert!(house.engine.asked().is_empty());
    assert_eq!(house.post("desk", "/api/v1/import", "ok").await.problem(), "403 not-allowed");
    assert_eq!(house.post("district", "/api/v1/import", "ok").await.problem(), "403 not-allowed");
    assert_eq!(house.post("admin", "/api/v1/import?dry=1", "ok").await.problem(), "400 bad-parameter");
    assert_eq!(house.post("admin", "/api/v1/import?dry_run=perhaps", "ok").await.problem(), "400 bad-parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sees_their_own_part_and_no_secret() {
    let house = House::furnished().await;
    for (who, noun, expected) in [
        ("admin", "devices", vec!["b1", "b9", "spare"]),
        ("desk", "devices", vec!["b1"]),
        ("elsewhere", "devices", vec!["b9"]),
        ("admin", "devices?wearer=w9", vec!["b9"]),
        ("desk", "devices?wearer=w9", vec![]),
        ("admin", "people", vec!["g1", "g9", "s1", "s9"]),
        ("desk", "people", vec!["g1", "s1"]),
        ("guardian", "people", vec!["g1", "s1"]),
        ("elsewhere", "people", vec!["g9", "s9"]),
        ("desk", "wearers", vec!["w1", "w2"]),
        ("elsewhere", "wearers", vec!["w9"]),
    ] {
        let answer = house.get(who, &format!("/api/v1/{noun}")).await;
        assert_eq!(answer.ids(), expected, "{who} {noun}");
        assert!(!answer.text.contains("secret") && !answer.text.contains("hmac"), "{}", answer.text);
    }
    let orgs = house.get("desk", "/api/v1/orgs").await.json();
    assert_eq!(orgs["data"].as_array().unwrap().len(), 1);
    assert_eq!(orgs["data"][0]["desk"]["people"][0], "s1");
    for path in [
        "devices/b9",
        "people/g9",
        "wearers/w9",
        "wearers/w9/latest",
        "wearers/w9/track",
        "wearers/w9/vitals?kind=spo2",
        "wearers/w9/fences",
    ] {
        assert_eq!(house.get("desk", &format!("/api/v1/{path}")).await.problem(), "404 not-found", "{path}");
        assert_eq!(house.get("admin", &format!("/api/v1/{path}")).await.status, 200, "{path}");
    }
    // Who wore it before lived elsewhere.
    assert_eq!(house.get("admin", "/api/v1/devices/b1").await.json()["bindings"].as_array().unwrap().len(), 2);
    assert_eq!(house.get("desk", "/api/v1/devices/b1").await.json()["bindings"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_whole_for_those_who_call() {
    let house = House::furnished().await;
    assert_eq!(house.get("desk", "/api/v1/people/g1").await.json()["phone"], "+8613800000001");
    let masked = house.get("guardian", "/api/v1/people/g1").await.json();
    assert_eq!(masked["phone"], "+86138****0001");
    assert_eq!(masked["push"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wearer_reads_as_it_is_imported() {
    let house = House::furnished().await;
    let wearer = house.get("desk", "/api/v1/wearers/w1").await.json();
    assert_eq!(
        wearer,
        json!({
            "id": "w1", "name": "王桂兰", "org": "/luyang/xinghua/yinxing/", "birth_year": 1943,
            "phone": null, "lives_alone": false, "mode": {"kind": "normal"}, "doctor": null,
            "guardians": [{"person": "g1", "available": ["mon,tue,wed,thu,fri 08:00-24:00"]}],
            "fences": [
                {"id": "home", "kind": "inclusion", "datum": "wgs84", "margin_m": 30.0,
                 "circle": {"lon": 117.2272, "lat": 31.8206, "radius_m": 300.0}},
                {"id": "campus", "kind": "exclusion", "datum": "gcj02", "margin_m": 30.0,
                 "active": "Mon,Wed,Fri 06:00-22:00", "zone": "Asia/Urumqi",
                 "geometry": {"type": "Polygon",
                              "coordinates": [[[117.0, 31.0], [117.1, 31.0], [117.1, 31.1], [117.0, 31.0]]]}},
                {"id": "clinic", "kind": "inclusion", "datum": "wgs84", "margin_m": 30.0, "width_m": 60.0,
                 "geometry": {"type": "LineString", "coordinates": [[117.0, 31.0], [117.1, 31.0]]}},
            ],
            "thresholds": {"blood_pressure": {"sys_high": 170}, "temperature": {"high": 39.1}, "spo2": {"scale": 2},
                           "silence": {"shadows": [{"lon": 117.5, "lat": 31.5, "radius_m": 40.0}]},
                           "wandering": {"night": "21:00-06:00"},
                           "set_by": "d1", "set_at": Timestamp::from_millis(NOW)},
            "suspension": {"kind": "journey", "until": Timestamp::from_millis(NOW)},
            "plan": {"next_after_s": 15, "ring_s": 30, "gap_s": 60, "cycles": 5, "lease_s": 600, "fall_window_s": 60,
                     "quiet": "22:00-07:00", "test_calls_every_days": 0},
        })
    );
}

async fn observe(house: &House, at: i64, body: ReportBody) {
    let measured = Timestamp::from_millis(at);
    let located = match &body {
        ReportBody::Location(fix) => Some(Located { position: fix.position, accuracy_m: 8.0 }),
        _ => None,
    };
    let report = Report { event_id: None, measured: Some(measured), body, content_hash: at as u64 };
    let observed = Observed { wearer: Some(WearerId::new("w1")), measured, late: false, located };
    let input = Input::Report { device: DeviceId::new("b1"), report };
    house.engine.commit(input, vec![Decision::Observed(observed)]).await;
}

/// History is projected later than facts: asks until it is there.
async fn until(house: &House, path: &str, is_there: impl Fn(&Answer) -> bool) -> Answer {
    let reached = async {
        loop {
            let answer = house.get("desk", path).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            if is_there(&answer) {
                break answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), reached).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_there_in_order_and_in_two_formats() {
    let house = House::furnished().await;
    for (minute, lon) in [(0, 117.0), (1, 117.25), (2, 117.5)] {
        let fix = Fix { position: Position { lat: 31.5, lon }, datum: None, accuracy_m: Some(8.0) };
        observe(&house, NOW - 600_000 + minute * 60_000, ReportBody::Location(fix)).await;
    }
    observe(&house, NOW - 60_000, ReportBody::HeartRate { bpm: 72 }).await;
    let track =
        until(&house, "/api/v1/wearers/w1/track", |answer| answer.text.matches("\"Feature\"").count() == 3).await;
    assert_eq!(track.header("content-type"), "application/geo+json");
    let places: Vec<Value> = track.json()["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|feature| feature["geometry"]["coordinates"][0].clone())
        .collect();
    assert_eq!(places, [json!(117.0), json!(117.25), json!(117.5)]);
    assert_eq!(track.json()["features"][0]["properties"]["measured"], "2026-11-22T07:50:00.000Z");
    let part = house.get("desk", "/api/v1/wearers/w1/track?from=2026-11-22T07:51:00Z&to=2026-11-22T07:52:00Z").await;
    assert_eq!(part.json()["features"].as_array().unwrap().len(), 1);
    let gpx = house.get("desk", "/api/v1/wearers/w1/track?format=gpx").await;
    assert_eq!(gpx.header("content-type"), "application/gpx+xml");
    assert!(gpx.text.contains("<trkpt lat=\"31.5\" lon=\"117.25\"><time>2026-11-22T07:51:00.000Z</time></trkpt>"));
    let vitals = until(&house, "/api/v1/wearers/w1/vitals?kind=heart_rate", |answer| answer.text.contains("bpm")).await;
    assert_eq!(vitals.json()["data"][0]["bpm"], 72);
    let latest = until(&house, "/api/v1/wearers/w1/latest", |answer| answer.text.contains("bpm")).await.json();
    assert_eq!((text(&latest["device"]), &latest["position"]["lon"]), ("b1".to_owned(), &json!(117.5)));
    for query in
        ["from=x", "from=2026-11-22T08:00:00Z&to=2026-11-22T07:00:00Z", "from=2025-01-01T00:00:00Z", "format=kml"]
    {
        let answer = house.get("desk", &format!("/api/v1/wearers/w1/track?{query}")).await;
        assert_eq!(answer.problem(), "400 bad-parameter", "{query}");
    }
    for query in ["", "?kind=location", "?kind=mood", "?kind=heart_rate&bucket=2h", "?kind=wear&bucket=1h"] {
        let answer = house.get("desk", &format!("/api/v1/wearers/w1/vitals{query}")).await;
        assert_eq!(answer.problem(), "400 bad-parameter", "{query}");
    }
    // Nothing yet is an answer too.
    assert_eq!(house.get("desk", "/api/v1/wearers/w2/latest").await.json()["seen"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_payloads_are_shown_to_operators_of_that_part() {
    let house = House::furnished().await;
    for (device, payload) in [(Some("b1"), b"{half".as_slice()), (Some("b9"), b"\xff\xfe"), (None, b"")] {
        let input = Input::Reject {
            device: device.map(DeviceId::new),
            topic: "yl/v1/b1/up/json".into(),
            reject: Reject::new(RejectReason::Malformed, "not JSON", payload),
        };
        house.engine.commit(input, Vec::new()).await;
    }
    let all = async {
        loop {
            let answer = house.get("admin", "/api/v1/quarantine").await;
            if answer.json()["data"].as_array().unwrap().len() == 3 {
                break answer.json();
            }
        }
    };
    let all = tokio::time::timeout(std::time::Duration::from_secs(60), all).await.unwrap();
    assert_eq!(all["data"][0]["payload_text"], "{half");
    assert_eq!(all["data"][0]["reason"], "malformed");
    assert_eq!(all["data"][1]["payload_text"], Value::Null);
    assert_eq!(all["data"][1]["payload_base64"], "//4=");
    assert_eq!(house.get("district", "/api/v1/quarantine").await.json()["data"].as_array().unwrap().len(), 1);
    assert_eq!(house.get("desk", "/api/v1/quarantine").await.problem(), "403 not-allowed");
    assert_eq!(house.get("admin", "/api/v1/quarantine?after=x").await.problem(), "400 bad-parameter");
    let page = house.get("admin", "/api/v1/quarantine?limit=2").await;
    assert_eq!(house.get("admin", &text(&page.json()["next"])).await.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_is_a_look_and_what_is_not_valid_is_said() {
    let house = House::furnished().await;
    house.engine.looks();
    let found = house.post("desk", "/api/v1/wearers/w1/preview", r#"{"purpose":"ward round"}"#).await;
    assert_eq!((found.status.as_u16(), &found.json()["summary"]["reports"]), (200, &json!(7)), "{}", found.text);
    assert_eq!(found.json()["from"], "2026-10-23T08:00:00.001Z");
    let looks = house.engine.looks();
    assert_eq!(
        looks,
        [
            "t-desk wearers/w1/preview 2026-10-23T08:00:00.001Z/2026-11-22T08:00:00.001Z position,vitals,explain (ward round)"
        ]
    );
    for (who, body, problem) in [
        ("desk", r#"{"thresholds":"bad"}"#, "422 invalid /thresholds"),
        ("desk", r#"{"from":"2026-10-01T00:00:00Z","to":"2026-11-01T00:00:00Z"}"#, "400 bad-parameter"),
        ("desk", r#"{"threshold":{}}"#, "422 invalid /threshold"),
        ("elsewhere", "{}", "404 not-found"),
    ] {
        assert_eq!(house.post(who, "/api/v1/wearers/w1/preview", body).await.problem(), problem, "{body}");
    }
    // Where no look can be written down nothing is shown.
    house.engine.refuse_looks();
    assert_eq!(house.post("desk", "/api/v1/wearers/w1/preview", "{}").await.problem(), "503 unavailable");
    assert_eq!(house.get("desk", "/api/v1/wearers/w1/fences").await.problem(), "503 unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_from_the_bedside_brings_what_devices_said_last() {
    let house = House::furnished().await;
    observe(&house, NOW - 60_000, ReportBody::HeartRate { bpm: 72 }).await;
    observe(&house, NOW - 60_000, ReportBody::Battery { percent: 50 }).await;
    until(&house, "/api/v1/wearers/w1/latest", |answer| answer.text.contains("bpm") && answer.text.contains("pct"))
        .await;
    house.engine.asked();
    let body = r#"{"respiration":18,"consciousness":"A","measured":"2026-11-22T07:59:00Z"}"#;
    assert_eq!(house.post("desk", "/api/v1/wearers/w1/observations", body).await.status, 204);
    let asked = house.engine.asked();
    let [(actor, _, StaffCommand::Observe(note))] = asked.as_slice() else { panic!("{asked:?}") };
    let known = [(Timestamp::from_millis(NOW - 60_000), ReportBody::HeartRate { bpm: 72 })];
    assert_eq!((actor.person.as_str(), note.wearer.as_str(), note.known.as_slice()), ("t-desk", "w1", &known[..]));
    assert_eq!((note.respiration_per_minute, note.consciousness), (Some(18), Some(model::Consciousness::Alert)));
    for (who, body, problem) in [
        ("desk", "{}", "422 invalid"),
        ("desk", r#"{"respiration":0}"#, "422 invalid /respiration"),
        ("desk", r#"{"consciousness":"sleepy"}"#, "422 invalid /consciousness"),
        ("desk", r#"{"respiration":18,"measured":"yesterday"}"#, "422 invalid /measured"),
        ("guardian", r#"{"respiration":18}"#, "403 not-allowed"),
        ("elsewhere", r#"{"respiration":18}"#, "404 not-found"),
    ] {
        assert_eq!(house.post(who, "/api/v1/wearers/w1/observations", body).await.problem(), problem, "{who} {body}");
    }
}
