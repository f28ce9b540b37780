//! What is known of a wearer: their track, their readings, their fences, and what other rules would have made of them.

use serde_json::{Value, json};

use crate::harness::clients::gpx;
use crate::harness::registry::{BRACELET, SECRET, household, patient_plan, up};
use crate::harness::{House, Phones, Server, Wire, eventually, now};

fn served() -> (House, Phones, Server) {
    let phones = Phones::start();
    let house = House::new(&phones, "[history]\nvitals_days = 40\n");
    let server = house.serve();
    server.import(&household(patient_plan()));
    (house, phones, server)
}

fn bracelet(server: &Server) -> Wire {
    Wire::login(server.mqtt, BRACELET, SECRET, 5).unwrap()
}

/// A walk of a minute, two hours ago, as a device sends it that was out of reach; the newest first.
fn backfill(now: i64) -> Vec<Value> {
    let fix = |n: i64| {
        json!({"type": "location", "id": format!("f{n}"), "t": now - 7_200_000 + n * 10_000,
               "lat": 31.8206 + n as f64 * 1e-4, "lon": 117.2272, "acc": 8})
    };
    (0..6).rev().map(fix).collect()
}

#[test]
fn a_track_is_read_by_others_as_geojson_and_gpx_and_readings_come_in_buckets() {
    let (_house, _phones, server) = served();
    let (api, now) = (server.api(), now().millis());
    let mut wire = bracelet(&server);
    wire.report(&up(BRACELET), json!(backfill(now)).to_string().as_bytes());
    let readings: Vec<Value> = (0..10)
        .map(|n| json!({"type": "heart_rate", "id": format!("h{n}"), "t": now - 7_200_000 + n * 60_000, "bpm": 70 + n}))
        .collect();
    wire.report(&up(BRACELET), json!(readings).to_string().as_bytes());
    let track = eventually("the whole track", || {
        let track = api.get("/wearers/w1/track").body;
        (track["features"].as_array()?.len() == 6).then_some(track)
    });
    let norths: Vec<f64> = track["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["geometry"]["coordinates"][1].as_f64().unwrap())
        .collect();
    assert!(norths.is_sorted(), "whatever the order in which they came: {norths:?}");
    let read = gpx(&api.text_at("/api/v1/wearers/w1/track?format=gpx"));
    assert_eq!(read["version"], "1.1");
    let points = read["points"].as_array().unwrap();
    let found: Vec<f64> = points.iter().map(|point| point[0].as_f64().unwrap()).collect();
    assert_eq!(found, norths);
    assert!(points[0][2].as_str().unwrap().ends_with("+00:00"), "{read}");

    let from = model::Timestamp::from_millis(now - 7_200_000);
    let buckets = eventually("ten readings in two buckets", || {
        let path = format!("/wearers/w1/vitals?kind=heart_rate&bucket=5m&from={from}");
        let buckets = api.get(&path).body["buckets"].clone();
        (buckets.as_array()?.len() == 2 && buckets[1]["n"] == 5).then_some(buckets)
    });
    assert_eq!(
        buckets,
        json!([
            {"t": from, "n": 5, "min": 70.0, "mean": 72.0, "max": 74.0},
            {"t": from.plus_seconds(300), "n": 5, "min": 75.0, "mean": 77.0, "max": 79.0},
        ])
    );
}

#[test]
fn fences_that_were_exported_are_imported_as_they_were() {
    let (_house, _phones, server) = served();
    let api = server.api();
    let mut registry = household(patient_plan());
    registry["wearers"][0]["fences"] = json!([
        {"id": "home", "margin_m": 25, "circle": {"lon": 117.2272, "lat": 31.8206, "radius_m": 300}},
        {"id": "campus", "datum": "gcj02", "active": "Mon-Fri 06:00-22:00", "zone": "Asia/Urumqi",
         "geometry": {"type": "Polygon", "coordinates": [[[117.22, 31.81], [117.24, 31.81], [117.24, 31.83], [117.22, 31.81]]]}},
        {"id": "clinic", "kind": "exclusion", "width_m": 40, "wkt": "LINESTRING (117.0 31.0, 117.01 31.02)"},
    ]);
    server.import(&registry);
    let as_drawn = api.get("/wearers/w1").body["fences"].clone();
    let collection = api.get("/wearers/w1/fences?datum=own").body;
    assert_eq!(collection["type"], "FeatureCollection");
    let rows = api.get("/wearers/w1/fences?datum=own&format=wkt").body["data"].clone();
    // A foreign member is left out, and said to be.
    let mut foreign = collection.clone();
    foreign["features"][0]["properties"]["stroke"] = json!("#ff0000");
    registry["wearers"][0]["fences"] = foreign;
    let reply = api.post("/import", &registry);
    assert!(
        reply.status == 200 && reply.body.to_string().contains("/wearers/0/fences/features/0/properties/stroke"),
        "{reply:?}"
    );
    assert_eq!(api.get("/wearers/w1").body["fences"], as_drawn);
    registry["wearers"][0]["fences"] = rows;
    server.import(&registry);
    let again = api.get("/wearers/w1").body["fences"].clone();
    // Well-known text has no circles: this one comes back with 72 sides. The others are as they were.
    assert_eq!(again[0]["geometry"]["coordinates"][0].as_array().unwrap().len(), 73);
    assert_eq!((&again[1], &again[2]), (&as_drawn[1], &as_drawn[2]));
    // What others draw on a map is in WGS-84, half a kilometre beside GCJ-02.
    let on_a_map = api.get("/wearers/w1/fences").body;
    assert_eq!(on_a_map["features"][1]["properties"]["datum"], "wgs84");
    let corner = |collection: &Value| collection["features"][1]["geometry"]["coordinates"][0][0][0].as_f64().unwrap();
    assert!((corner(&on_a_map) - corner(&collection)).abs() > 1e-3);
    assert_eq!(api.get("/wearers/w1/fences?format=kml").status, 400);
}

#[test]
fn a_doctor_s_note_from_the_bedside_completes_the_early_warning_score() {
    let (_house, _phones, server) = served();
    let api = server.api();
    let mut feed = server.feed();
    let mut wire = bracelet(&server);
    for report in [
        json!({"type": "spo2", "pct": 94}),
        json!({"type": "heart_rate", "bpm": 115}),
        json!({"type": "temperature", "celsius": 38.5}),
        json!({"type": "blood_pressure", "sys": 105, "dia": 70}),
    ] {
        wire.report(&up(BRACELET), report.to_string().as_bytes());
    }
    eventually("the four vital signs in the state", || {
        (api.get("/wearers/w1/latest").body["vitals"].as_array()?.len() == 4).then_some(())
    });
    // Without breathing and consciousness there is no score; with only one of them neither.
    let noted = api.post("/wearers/w1/observations", &json!({"respiration": 26}));
    assert_eq!(noted.status, 204, "{noted:?}");
    let noted = api.post("/wearers/w1/observations", &json!({"consciousness": "confused"}));
    assert_eq!(noted.status, 204, "{noted:?}");
    for (body, pointer) in [
        (json!({}), ""),
        (json!({"respiration": 200}), "/respiration"),
        (json!({"consciousness": "sleepy"}), "/consciousness"),
        (json!({"respiration": 20, "measured": "2999-01-01T00:00:00Z"}), "/measured"),
    ] {
        let refused = api.post("/wearers/w1/observations", &body);
        assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!(pointer)), "{refused:?}");
    }
    let raised = feed.wait_for("incident.raised");
    assert_eq!(raised["data"]["kind"], "news2_high", "{raised}");
    let breaths = eventually("the note in the history", || {
        let found = api.get("/wearers/w1/vitals?kind=respiration").body["data"].clone();
        (found.as_array()?.len() == 1).then_some(found)
    });
    assert_eq!(breaths[0]["rpm"], 26);
}

#[test]
fn a_preview_shows_what_a_change_would_have_raised_beside_what_was() {
    let (_house, _phones, server) = served();
    let api = server.api();
    let mut wire = bracelet(&server);
    for (number, sys) in [(1, 186), (2, 184), (3, 165), (4, 166)] {
        let report = json!({"type": "blood_pressure", "id": format!("p{number}"), "sys": sys, "dia": 95});
        wire.report(&up(BRACELET), report.to_string().as_bytes());
    }
    wire.report(&up(BRACELET), br#"{"type":"sos","id":"s1"}"#);
    let shown = |change: Value| {
        let reply = api.post("/wearers/w1/preview", &change);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    };
    let kinds = |list: &Value| -> Vec<String> {
        let of = |finding: &Value| finding["kind"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(of).collect()
    };
    let now = eventually("the five reports in the history", || {
        let preview = shown(json!({"purpose": "ward round"}));
        (preview["summary"]["reports"] == 5).then_some(preview)
    });
    assert_eq!(kinds(&now["was"]), kinds(&now["would"]), "{now:#}");
    assert!(kinds(&now["was"]).contains(&"sos".to_owned()));
    let higher = shown(json!({"thresholds": {"blood_pressure": {"sys_high": 200, "dia_high": 120}}}));
    assert_eq!(kinds(&higher["was"]), kinds(&now["was"]));
    assert_eq!(kinds(&higher["would"]), ["sos"], "{higher:#}");
    assert_eq!(higher["summary"]["would"], json!({"sos": 1}));
    for finding in higher["would"].as_array().unwrap().iter().chain(now["was"].as_array().unwrap()) {
        for member in ["at", "kind", "priority", "explain", "explain_en"] {
            assert!(!finding[member].as_str().unwrap().is_empty(), "{member} of {finding}");
        }
    }
    // Nothing was changed by it, and what is not valid says where.
    assert_eq!(api.get("/wearers/w1").body["thresholds"]["blood_pressure"]["sys_high"], 180);
    let refused = api.post("/wearers/w1/preview", &json!({"fences": [{"id": "x"}]}));
    assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!("/fences/0")), "{refused:?}");
    let refused = api.post("/wearers/w1/preview", &json!({"from": "2020-01-01T00:00:00Z"}));
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(api.post("/wearers/w9/preview", &json!({})).status, 404);
}
