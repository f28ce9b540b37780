//! Stories of registry documents, right and wrong.

mod geojson;

use chrono_tz::Tz;
use expect_test::{Expect, expect};
use model::registry::{DailyWindow, Desk, EVERY_DAY};
use model::{
    Datum, Device, DeviceId, Fence, FenceKind, Org, OrgPath, PersonId, Plan, Schedule, Shape, Wearer, WearerId,
};
use serde_json::{Value, json};

use super::{
    IMPORT_ROWS_MAX, Import, ImportContext, Known, NAME_CHARS_MAX, Nothing, ROW_ERRORS_MAX, RowError, Unreadable,
    validate, validate_alone,
};

fn import_over(known: impl Known, body: &[u8]) -> Result<Import, Vec<RowError>> {
    let hash = |secret: &[u8]| {
        let mut hashed = [0; 32];
        hashed[..secret.len().min(32)].copy_from_slice(&secret[..secret.len().min(32)]);
        hashed
    };
    validate(body, &ImportContext::new(known, hash, Tz::Asia__Shanghai))
}

fn import(document: &Value) -> Result<Import, Vec<RowError>> {
    import_over(Nothing, document.to_string().as_bytes())
}

fn lines(errors: &[RowError]) -> String {
    errors.iter().map(|error| format!("{}: {}\n", error.pointer, error.detail)).collect()
}

fn check_faults(document: &Value, expected: Expect) {
    let errors = import(document).unwrap_err();
    assert!(errors.iter().all(|error| !error.detail_zh.is_empty()));
    expected.assert_eq(&lines(&errors));
}

/// The example of the contract, with a real ring in the campus fence.
fn example() -> Value {
    json!({
        "orgs": [{"path": "/luyang/xinghua/yinxing/", "name": "银杏社区",
                  "desk": {"phone": "+8613800000010", "people": ["s1"]}}],
        "people": [
            {"id": "g1", "role": "guardian", "name": "王芳", "phone": "+8613800000001", "push": {"kind": "ntfy", "topic": "t1"}},
            {"id": "g2", "role": "guardian", "name": "王强", "phone": "+8613800000002"},
            {"id": "g3", "role": "guardian", "name": "李梅", "phone": "+8613800000003", "lang": "en"},
            {"id": "s1", "role": "desk", "name": "值班员", "phone": "+8613800000011"},
            {"id": "d1", "role": "doctor", "name": "于医生", "phone": "+8613800000009", "email": "d1@example.org"}],
        "wearers": [{"id": "w1", "name": "王桂兰", "org": "/luyang/xinghua/yinxing/", "birth_year": 1943,
            "guardians": ["g1", "g2", "g3"], "doctor": "d1",
            "fences": [
                {"id": "home", "datum": "wgs84", "margin_m": 30, "circle": {"lon": 117.2272, "lat": 31.8206, "radius_m": 300}},
                {"id": "campus", "datum": "gcj02", "active": "06:00-22:00", "geometry": {"type": "Polygon", "coordinates":
                    [[[117.22, 31.81], [117.24, 31.81], [117.24, 31.83, 12.0], [117.22, 31.81]]]}}],
            "thresholds": {"blood_pressure": {"sys_high": 170, "repeat_within_s": 200}, "heart_rate": {"high": 120, "low": 40, "sustain_s": 600},
                           "spo2": {"low": 90}, "temperature": {"high": 38.5, "low": 35}},
            "plan": {"next_after_s": 1, "ring_s": 30, "gap_s": 60, "cycles": 5, "lease_s": 600, "fall_window_s": 60}}],
        "devices": [{"id": "861234567890123", "kind": "bracelet", "wearer": "w1", "secret": "tulip-77", "datum": "gcj02",
            "carrier": "cmcc"}]
    })
}

#[test]
fn every_threshold_and_a_suspension() {
    let mut document = example();
    document["wearers"][0]["suspension"] = json!({"kind": "hospital", "until": "2026-12-01T08:00:00+08:00"});
    document["wearers"][0]["thresholds"] = json!({
        "blood_pressure": {"dia_high": 105, "sys_low": 95, "watch_sys": 135, "watch_dia": 85},
        "heart_rate": {"severe_high": 140, "severe_low": 38},
        "spo2": {"low": 84, "watch": 88, "sustain_s": 60, "scale": 2},
        "silence": {"heartbeat_s": 300, "charging_grace_s": 0, "shadow_grace_s": 600,
                    "shadows": [{"lon": 117.2272, "lat": 31.8206, "radius_m": 40}]},
        "battery": {"low": 20}, "removed": {"after_s": 600}, "immobility": {"after_s": 7200},
        "wandering": {"night": "21:00-06:00", "usual_radius_m": 800, "after_s": 600},
        "news2": {"on_oxygen": true}, "set_by": "d1", "set_at": "2026-11-22T08:00:00+08:00"
    });
    let Import { change, .. } = import(&document).unwrap();
    let (wearer, t) = (&change.wearers[0], &change.wearers[0].thresholds);
    let until = model::Timestamp::parse("2026-12-01T08:00:00+08:00").unwrap();
    let kind = model::registry::SuspensionKind::Hospital;
    assert_eq!(wearer.suspension, Some(model::Suspension { kind, until }));
    assert_eq!((t.blood_pressure_watch_systolic, t.blood_pressure_watch_diastolic), (Some(135), Some(85)));
    assert_eq!((t.heart_rate_severe_high, t.heart_rate_severe_low), (Some(140), Some(38)));
    assert_eq!(
        (t.spo2_low, t.spo2_watch, t.spo2_sustain_seconds, t.spo2_scale_2),
        (Some(84), Some(88), Some(60), true)
    );
    assert_eq!((t.silence_heartbeat_seconds, t.silence_charging_grace_seconds), (Some(300), Some(0)));
    assert_eq!((t.silence_shadow_grace_seconds, t.silence_shadows.len()), (Some(600), 1));
    assert_eq!((t.battery_low, t.removed_after_seconds, t.immobility_after_seconds), (Some(20), Some(600), Some(7200)));
    assert_eq!(t.wandering_night.map(|night| (night.from_minute, night.to_minute)), Some((1260, 360)));
    assert_eq!((t.wandering_radius_m, t.wandering_after_seconds, t.news2_on_oxygen), (Some(800), Some(600), true));
    assert_eq!(t.set, None, "who set them is not for the document to say");
}

#[test]
fn faults_of_thresholds_and_suspensions() {
    let mut document = example();
    document["wearers"][0]["suspension"] = json!({"kind": "holiday", "until": "tomorrow"});
    document["wearers"][0]["thresholds"] = json!({
        "spo2": {"low": 92, "watch": 90, "scale": 3},
        "silence": {"shadows": [{"lon": 117.2272, "radius_m": 0}]},
        "wandering": {"night": "22-5"}, "news2": {"on_oxygen": "maybe"}
    });
    let errors = import(&document).unwrap_err();
    expect![[r#"
        /wearers/0/thresholds/spo2/scale: 3 is no scale of NEWS2: 1, or 2 for a target of 88-92 % (COPD)
        /wearers/0/thresholds/spo2/watch: the high threshold (90) is not above the low one (92)
        /wearers/0/thresholds/silence/shadows/0/lat: `lat` is required
        /wearers/0/thresholds/silence/shadows/0/radius_m: 0 is not a number from 1 to 10000
        /wearers/0/thresholds/wandering/night: "22-5" is no window of the day like "06:00-22:00" (over midnight: "22:00-05:00"; always: leave it out)
        /wearers/0/thresholds/news2/on_oxygen: expected true or false, found "maybe"
        /wearers/0/suspension/kind: "holiday" is none of hospital, journey
        /wearers/0/suspension/until: "tomorrow" is no time like "2026-12-01T08:00:00+08:00"
    "#]].assert_eq(&lines(&errors));
}

#[test]
fn the_contracts_example_is_taken_as_written() {
    let Import { change, warnings } = import(&example()).unwrap();
    assert_eq!(lines(&warnings), "");
    let desk = Desk { phone: Some("+8613800000010".into()), people: vec![PersonId::new("s1")] };
    assert_eq!(change.orgs[0].desk, Some(desk));
    assert_eq!((change.people.len(), change.wearers.len(), change.devices.len()), (5, 1, 1));
    let wearer = &change.wearers[0];
    assert_eq!(wearer.guardians.iter().map(PersonId::as_str).collect::<Vec<_>>(), ["g1", "g2", "g3"]);
    assert_eq!(wearer.plan, Plan { next_after_seconds: 1, ..Plan::default() });
    assert_eq!(wearer.thresholds.blood_pressure_systolic_high, Some(170));
    assert_eq!(wearer.thresholds.blood_pressure_diastolic_high, None);
    assert_eq!(wearer.thresholds.temperature_high, Some(38.5));
    let [home, campus] = wearer.fences.as_slice() else { panic!("two fences") };
    assert_eq!((home.datum, home.margin_m, home.active.as_ref()), (Datum::Wgs84, 30.0, None));
    assert_eq!((campus.datum, campus.margin_m), (Datum::Gcj02, 30.0));
    let window = DailyWindow { from_minute: 360, to_minute: 1_320 };
    assert_eq!(campus.active, Some(Schedule { window, weekdays: EVERY_DAY, zone: None }));
    let Shape::Polygon { rings } = &campus.shape else { panic!("a polygon") };
    assert_eq!(rings[0][2], [117.24, 31.83], "the height is left out");
    let device = &change.devices[0];
    assert_eq!((device.wearer.as_ref(), device.datum), (Some(&WearerId::new("w1")), Datum::Gcj02));
    assert_eq!(device.carrier.as_deref(), Some("cmcc"));
    assert!(device.secret_hmac.starts_with(b"tulip") && device.bindings.is_empty());
}

#[test]
fn the_least_that_is_required_is_enough() {
    let document = json!({
        "orgs": [{"path": "/luyang/", "name": "庐阳区"}],
        "wearers": [{"id": "w1", "name": "李大爷", "org": "/luyang/", "doctor": null}],
        "devices": [{"id": "b1", "kind": "cuff", "secret": "x"}]
    });
    let import = import(&document).unwrap();
    assert_eq!(import.change.wearers[0].plan, Plan::default());
    assert_eq!(import.change.devices[0].wearer, None);
    expect![[r#"
        /wearers/0: this wearer has no guardians: alarms go to the desk at once
        /devices/0/secret: this secret can be guessed, and whoever has it speaks as the device: give each device one of its own, such as `openssl rand -hex 16` makes
        /wearers/0/org: neither /luyang/ nor any organisation above it has a desk, by a phone, people or a duty roster: when every contact of this wearer was tried in vain, nobody is left to page but operators, if there are any
    "#]].assert_eq(&lines(&import.warnings));
}

#[test]
fn a_desks_own_phone_is_nobody() {
    let document = json!({"people": [{"id": "desk", "role": "desk", "name": "王芳", "phone": "+8613800000001"}]});
    let faults = import(&document).unwrap_err();
    assert_eq!(lines(&faults), "/people/0/id: this id stands for a desk's own phone: give the person another one\n");
}

#[test]
fn a_name_of_any_script_is_taken_as_written_and_one_that_hides_something_is_refused() {
    let of = |name: &str| {
        let document = json!({
            "orgs": [{"path": "/a/", "name": "甲", "desk": {"phone": "+8613800000010"}}],
            "people": [{"id": "g1", "role": "guardian", "name": name, "phone": "+8613800000001"}],
            "wearers": [{"id": "w1", "name": name, "org": "/a/", "guardians": ["g1"]}],
        });
        import(&document)
    };
    let longest = "王".repeat(NAME_CHARS_MAX);
    for name in ["阿卜杜热合曼·麦麦提", "ئابدۇراخمان", "བཀྲ་ཤིས", "Ōe Kenzaburō", "𠮷野", longest.as_str()]
    {
        let change = of(name).unwrap().change;
        assert_eq!((change.people[0].name.as_str(), change.wearers[0].name.as_str()), (name, name));
    }
    for name in ["", "  ", "王\u{0}", "王\n芳", &"王".repeat(NAME_CHARS_MAX + 1)] {
        let faults = lines(&of(name).unwrap_err());
        assert!(faults.contains("/people/0/name: ") && faults.contains("/wearers/0/name: "), "{name:?}: {faults}");
    }
}

#[test]
fn every_fault_of_every_row_is_told_at_once() {
    let document = json!({
        "org": [],
        "orgs": [{"path": "luyang", "name": ""}, 3, {"path": "/a/", "name": "甲", "desk": {"phone": "13800000010", "peple": []}}],
        "people": [
            {"id": "g 1", "role": "gardian", "name": "王芳", "phone": "+86 138 0000 0001", "email": "nobody"},
            {"role": "doctor", "name": 7, "lang": "zh"},
            {"id": "p3", "name": "丙", "push": {"kind": "ntfy"}}],
        "wearers": [{"id": "w1", "nmae": "王桂兰", "org": "/a/", "birth_year": 43, "guardians": ["g1", "g1", 5],
            "thresholds": {"blood_pressure": {"sys_hihg": 180, "dia_high": 1000}, "heart_rate": {"high": 50, "low": 60}, "glucose": {}},
            "plan": {"next_after_s": 0, "cycles": 2.5}}],
        "devices": [{"id": "b1", "kind": "bracelet", "datum": "wgs48"}]
    });
    check_faults(
        &document,
        expect![[r#"
            /org: "org" is not known here; did you mean `orgs`?
            /orgs/0/path: "luyang" is no organisation path: it looks like /district/street/community/, with a slash at both ends
            /orgs/0/name: `name` is empty
            /orgs/1: expected an object, found 3
            /orgs/2/desk/phone: the phone is not E.164: a plus, the country's code and the number, digits only, like +8613800000001
            /orgs/2/desk/peple: "peple" is not known here; did you mean `people`?
            /people/0/id: "g 1" is no id: 1 to 64 of the characters A–Z a–z 0–9 - _ . : are
            /people/0/role: "gardian" is none of guardian, doctor, operator, desk, grid_worker, volunteer, street, department, admin, integration; did you mean `guardian`?
            /people/0/phone: the phone is not E.164: a plus, the country's code and the number, digits only, like +8613800000001
            /people/0/email: this is no mail address, like doctor@example.org
            /people/1/id: `id` is required
            /people/1/name: expected a text, found 7
            /people/1/lang: "zh" is none of zh-CN, en; did you mean `zh-CN`?
            /people/2/role: `role` is required
            /people/2/push/topic: `topic` is required
            /wearers/0/birth_year: 43 is not a whole number from 1880 to 2100
            /wearers/0/thresholds/blood_pressure/dia_high: 1000 is not a whole number from 40 to 200
            /wearers/0/thresholds/blood_pressure/sys_hihg: "sys_hihg" is not known here; did you mean `sys_high`?
            /wearers/0/thresholds/heart_rate/high: the high threshold (50) is not above the low one (60)
            /wearers/0/thresholds/glucose: "glucose" is not known here; known are blood_pressure, heart_rate, spo2, temperature, silence, battery, removed, wandering, immobility, news2, set_by, set_at
            /wearers/0/plan/next_after_s: 0 is not a whole number from 1 to 86400
            /wearers/0/plan/cycles: 2.5 is not a whole number from 1 to 1000
            /wearers/0/guardians/1: g1 stands in this list already
            /wearers/0/guardians/2: expected an id, found 5
            /wearers/0/nmae: "nmae" is not known here; did you mean `name`?
            /devices/0/datum: "wgs48" is none of wgs84, cgcs2000, gcj02, bd09; did you mean `wgs84`?
            /devices/0/secret: `secret` is required
            /wearers/0/guardians/0: there is no person "g1", neither in this document nor in the registry
        "#]],
    );
}

#[test]
fn fences_name_the_vertex() {
    let fence = |fence: Value| {
        json!({"orgs": [{"path": "/a/", "name": "甲"}],
               "wearers": [{"id": "w1", "name": "乙", "org": "/a/", "fences": fence}]})
    };
    check_faults(
        &fence(json!([
            {"id": "f1"},
            {"id": "f2", "circle": {"lon": 200, "lat": 31.8}},
            {"id": "f3", "circle": {"lon": 117, "lat": 31, "radius_m": 0}, "geometry": {"type": "Polygon", "coordinates": []}},
            {"id": "f4", "geometry": {"type": "Point", "coordinates": [117, 31]}},
            {"id": "f5", "geometry": {"type": "Polygon", "coordinates": [[[117, 31], [118, 31], [118, 32], [117, 32]], [[1, 2]], 7]}},
            {"id": "f6", "active": "6:00-22:00", "circle": {"lon": 117, "lat": 31, "radius_m": 300}},
            {"id": "f7", "active": "06:00-06:00", "circle": {"lon": 117, "lat": 31, "radius_m": 300}, "margin_m": -1},
            {"id": "f8", "datum": "cgcs2000", "circle": {"lon": 117, "lat": 31, "radius_m": 300}},
            {"id": "f8", "circle": {"lon": 117, "lat": 31, "radius_m": 300}},
        ])),
        expect![[r#"
            /wearers/0/fences/0: the fence has no shape: `circle` {lon, lat, radius_m}, `geometry` (a GeoJSON Polygon, MultiPolygon, or LineString with `width_m`), or the same as `wkt`
            /wearers/0/fences/1/circle/radius_m: `radius_m` is required
            /wearers/0/fences/1/circle/lon: 200 is not a number from -180 to 180
            /wearers/0/fences/2/circle/radius_m: 0 is not a number from 1 to 1000000
            /wearers/0/fences/2/geometry/coordinates: the polygon has no ring
            /wearers/0/fences/2: a fence is either a `circle` or a `geometry` (or `wkt`), not both; make two fences of it
            /wearers/0/fences/3/geometry/type: the geometry is a "Point"; taken are "Polygon", "MultiPolygon", and "LineString" with `width_m`
            /wearers/0/fences/4/geometry/coordinates/0/3: the ring is not closed: repeat its first vertex at the end, as GeoJSON asks
            /wearers/0/fences/4/geometry/coordinates/1: a ring has at least three corners and its first vertex again at the end
            /wearers/0/fences/4/geometry/coordinates/2: expected a ring (a list of [lon, lat]), found 7
            /wearers/0/fences/5/active: "6:00-22:00" is no window of the day like "06:00-22:00" or "Mon-Fri 06:00-22:00" (over midnight: "22:00-05:00"; always: leave it out)
            /wearers/0/fences/6/margin_m: -1 is not a number from 0 to 10000
            /wearers/0/fences/6/active: "06:00-06:00" is no window of the day like "06:00-22:00" or "Mon-Fri 06:00-22:00" (over midnight: "22:00-05:00"; always: leave it out)
            /wearers/0/fences/8: there is a fence f8 in this list already
        "#]],
    );
}

#[test]
fn shapes_that_are_no_area_are_refused_where_they_go_wrong() {
    let bow_tie = json!([[[117.0, 31.0], [117.1, 31.1], [117.1, 31.0], [117.0, 31.1], [117.0, 31.0]]]);
    let document = json!({"orgs": [{"path": "/a/", "name": "甲"}], "wearers": [{"id": "w1", "name": "乙", "org": "/a/",
        "fences": [{"id": "f", "geometry": {"type": "Polygon", "coordinates": bow_tie}}]}]});
    check_faults(
        &document,
        expect![[r#"
        /wearers/0/fences/0/geometry/coordinates/0/0: the edge that begins at vertex 0 of ring 0 meets another edge of the ring
    "#]],
    );
}

/// What a fence of a wearer becomes, or its faults.
fn fence(fence: &Value) -> Result<Fence, String> {
    let document = json!({"orgs": [{"path": "/a/", "name": "甲"}],
        "wearers": [{"id": "w1", "name": "乙", "org": "/a/", "fences": [fence]}]});
    import(&document).map(|mut import| import.change.wearers.remove(0).fences.remove(0)).map_err(|e| lines(&e))
}

#[test]
fn fences_of_every_shape() {
    let square = json!([[[117.0, 31.0], [117.01, 31.0], [117.01, 31.01], [117.0, 31.0]]]);
    let several = json!({"id": "f", "geometry": {"type": "MultiPolygon", "coordinates": [square]}});
    assert!(matches!(fence(&several).unwrap().shape, Shape::MultiPolygon { polygons } if polygons.len() == 1));
    let river = fence(&json!({"id": "f", "kind": "exclusion", "wkt": "LINESTRING (117 31, 117.1 31)", "width_m": 40}));
    let river = river.unwrap();
    assert_eq!(river.kind, FenceKind::Exclusion);
    assert_eq!(river.shape, Shape::Corridor { line: vec![[117.0, 31.0], [117.1, 31.0]], width_m: 40.0 });
    let feature = json!({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": square}, "properties": {}});
    assert!(matches!(fence(&json!({"id": "f", "geometry": feature})).unwrap().shape, Shape::Polygon { .. }));
    let circle = json!({"lon": 117, "lat": 31, "radius_m": 3000});
    assert!(fence(&json!({"id": "f", "circle": circle, "large": true})).unwrap().large);
    expect![[r#"
        /wearers/0/fences/0/circle/radius_m: a radius of 3000 m is unusual: is there a zero too many? If it is meant, add "large": true
        /wearers/0/fences/0/wkt: at character 30: a LINESTRING is a corridor: say its width beside
        /wearers/0/fences/0/wkt: vertex 3 of ring 0 is not closed: its last vertex must be its first
        /wearers/0/fences/0/kind: "inside" is none of inclusion, exclusion; did you mean `inclusion`?
        /wearers/0/fences/0/wkt: at character 27: expected a number in degrees: longitude, a blank, latitude
        /wearers/0/fences/0/geometry: a "LineString" is a corridor: say how wide it is with `width_m` beside the geometry
        /wearers/0/fences/0/zone: a zone without hours says nothing: add `active`, like "06:00-22:00"
        /wearers/0/fences/0/zone: there is no such time zone: an IANA name like Asia/Shanghai or Asia/Urumqi is meant
    "#]].assert_eq(&[
        fence(&json!({"id": "f", "circle": circle})),
        fence(&json!({"id": "f", "wkt": "LINESTRING (117 31, 117.1 31)"})),
        fence(&json!({"id": "f", "wkt": "POLYGON ((117 31, 117.1 31, 117.1 31.1, 117 31.1))"})),
        fence(&json!({"id": "f", "wkt": "POLYGON ((117 31, 117.1 31", "kind": "inside"})),
        fence(&json!({"id": "f", "geometry": {"type": "LineString", "coordinates": [[117, 31], [117, 32]]}})),
        fence(&json!({"id": "f", "circle": {"lon": 117, "lat": 31, "radius_m": 300}, "zone": "Asia/Urumqi"})),
        fence(&json!({"id": "f", "circle": {"lon": 117, "lat": 31, "radius_m": 300}, "active": "08:00-09:00", "zone": "Hefei"})),
    ].map(Result::unwrap_err).concat());
}

#[test]
fn organisations_share_fences() {
    let circle = json!({"lon": 117, "lat": 31, "radius_m": 300});
    let document = json!({"orgs": [{"path": "/a/", "name": "甲", "fences": [{"id": "f", "circle": circle}]}]});
    assert_eq!(import(&document).unwrap().change.orgs[0].fences[0].id.as_str(), "f");
    check_faults(
        &json!({"orgs": [{"path": "/a/", "name": "甲", "fences": [{"id": "f", "circle": circle}, {"id": "f"}]}]}),
        expect![[r#"
            /orgs/0/fences/1: the fence has no shape: `circle` {lon, lat, radius_m}, `geometry` (a GeoJSON Polygon, MultiPolygon, or LineString with `width_m`), or the same as `wkt`
        "#]],
    );
}

#[test]
fn days_of_the_week() {
    let days = |active: &str| {
        let circle = json!({"lon": 117, "lat": 31, "radius_m": 300});
        fence(&json!({"id": "f", "active": active, "circle": circle})).ok()?.active.map(|schedule| schedule.weekdays)
    };
    for (active, expected) in [
        ("Mon-Fri 06:00-22:00", Some(0b001_1111)),
        ("sat,SUN 00:00-24:00", Some(0b110_0000)),
        ("Sat-Mon,Wed 22:00-05:00", Some(0b110_0101)),
        ("Mon-Sun 06:00-22:00", Some(EVERY_DAY)),
        ("Mo 06:00-22:00", None),
        ("Mon- 06:00-22:00", None),
        ("Mon-Fri", None),
    ] {
        assert_eq!(days(active), expected, "{active}");
    }
}

#[test]
fn windows_of_the_day() {
    let window = |active: &str| {
        let circle = json!({"lon": 117, "lat": 31, "radius_m": 300});
        let active = fence(&json!({"id": "f", "active": active, "circle": circle})).ok()?.active;
        Some(active.map(|schedule| (schedule.window.from_minute, schedule.window.to_minute)))
    };
    assert_eq!(window("22:00-05:00"), Some(Some((1_320, 300))));
    assert_eq!(window("06:00-24:00"), Some(Some((360, 0))));
    assert_eq!(window("00:00-24:00"), Some(None), "the whole day is no window");
    for wrong in
        ["24:00-06:00", "06:00", "06:00-25:00", "06:60-07:00", "+6:00-07:00", "", "06:00-24:01", "06:00-22:00-23:00"]
    {
        assert_eq!(window(wrong), None, "{wrong:?}");
    }
}

#[test]
fn references_may_point_into_the_document_or_to_what_is_there() {
    struct There;
    impl Known for There {
        fn org(&self, path: &OrgPath) -> Result<Option<Org>, Unreadable> {
            let desk = Desk { phone: Some("+8613800000010".into()), people: Vec::new() };
            let org =
                Org { path: path.clone(), name: "庐阳区".into(), desk: Some(desk), fences: Vec::new(), robot: None };
            Ok((path.as_str() == "/luyang/").then_some(org))
        }
        fn has_roster(&self, path: &OrgPath) -> Result<bool, Unreadable> {
            Ok(path.as_str() == "/yaohai/")
        }
        fn has_person(&self, id: &PersonId) -> Result<bool, Unreadable> {
            Ok(id.as_str() == "g1")
        }
        fn wearer(&self, id: &WearerId) -> Result<Option<Wearer>, Unreadable> {
            let known = import(&example()).unwrap().change.wearers.remove(0);
            Ok((id.as_str() == "w0").then(|| Wearer { id: id.clone(), ..known }))
        }
        fn device(&self, id: &DeviceId) -> Result<Option<Device>, Unreadable> {
            Ok((id.as_str() == "b0").then(|| Device {
                id: id.clone(),
                kind: "bracelet".into(),
                wearer: Some("w0".into()),
                bindings: Vec::new(),
                secret_hmac: [9; 32],
                datum: Datum::Wgs84,
                carrier: None,
            }))
        }
    }
    let document = json!({
        "orgs": [{"path": "/luyang/xinghua/", "name": "杏花"}],
        "wearers": [{"id": "w1", "name": "甲", "org": "/luyang/xinghua/", "guardians": ["g1"]}],
        "devices": [{"id": "b0", "kind": "bracelet", "wearer": "w0"}, {"id": "b1", "kind": "cuff", "wearer": "w1", "secret": "tulip-77"}]
    });
    let import = import_over(There, document.to_string().as_bytes()).unwrap();
    assert_eq!(lines(&import.warnings), "", "the desk of the district covers the street");
    assert_eq!(import.change.devices[0].secret_hmac, [9; 32], "a known device keeps its secret");

    let document = json!({
        "orgs": [{"path": "/yaohai/", "name": "瑶海"}],
        "wearers": [{"id": "w1", "name": "甲", "org": "/yaohai/", "guardians": ["g1"]}]
    });
    let import = import_over(There, document.to_string().as_bytes()).unwrap();
    assert_eq!(lines(&import.warnings), "", "a duty roster is a desk");

    // Three columns of a table, to correct a name.
    let document = json!({
        "wearers": [{"id": "w0", "name": "甲", "org": "/luyang/", "guardians": ["g1"]}],
        "devices": [{"id": "b0", "kind": "bracelet"}]
    });
    let import = import_over(There, document.to_string().as_bytes()).unwrap();
    expect![[r#"
        /wearers/0: w0 has these and the row does not mention them, so they are taken away: doctor, fences, thresholds, plan
        /devices/0/wearer: this row does not say who wears it, and takes it off w0: an alarm of it then reaches nobody but a desk; a row stands for the whole device
    "#]].assert_eq(&lines(&import.warnings));

    let document = json!({
        "wearers": [{"id": "w1", "name": "甲", "org": "/nowhere/", "guardians": ["g1", "g9"], "doctor": "d9"}],
        "devices": [{"id": "b1", "kind": "cuff", "wearer": "w9", "secret": "x"}]
    });
    let errors = import_over(There, document.to_string().as_bytes()).unwrap_err();
    expect![[r#"
        /wearers/0/guardians/1: there is no person "g9", neither in this document nor in the registry
        /wearers/0/org: there is no organisation "/nowhere/", neither in this document nor in the registry
        /wearers/0/doctor: there is no person "d9", neither in this document nor in the registry
        /devices/0/wearer: there is no wearer "w9", neither in this document nor in the registry
    "#]]
    .assert_eq(&lines(&errors));
}

#[test]
fn a_registry_that_cannot_be_read_accepts_nothing() {
    struct Broken;
    impl Known for Broken {
        fn org(&self, _: &OrgPath) -> Result<Option<Org>, Unreadable> {
            Err(Unreadable("disk".into()))
        }
        fn has_roster(&self, _: &OrgPath) -> Result<bool, Unreadable> {
            Err(Unreadable("disk".into()))
        }
        fn has_person(&self, _: &PersonId) -> Result<bool, Unreadable> {
            Err(Unreadable("disk".into()))
        }
        fn wearer(&self, _: &WearerId) -> Result<Option<Wearer>, Unreadable> {
            Err(Unreadable("disk".into()))
        }
        fn device(&self, _: &DeviceId) -> Result<Option<Device>, Unreadable> {
            Err(Unreadable("disk".into()))
        }
    }
    for document in [
        json!({"wearers": [{"id": "w1", "name": "甲", "org": "/a/"}]}),
        json!({"devices": [{"id": "b1", "kind": "cuff", "secret": "x"}]}),
        json!({"orgs": [{"path": "/a/b/", "name": "乙"}], "wearers": [{"id": "w1", "name": "甲", "org": "/a/b/"}]}),
    ] {
        let errors = import_over(Broken, document.to_string().as_bytes()).unwrap_err();
        assert!(lines(&errors).starts_with(": the registry as it stands cannot be read (disk);"), "{}", lines(&errors));
    }
}

#[test]
fn what_stands_twice_is_refused_and_a_document_of_nothing_is_warned_of() {
    let context = ImportContext::alone(Tz::UTC);
    let twice = br#"{"people":[],"orgs":[{"path":"/a/","path":"/b/","name":"x"}],"people":[]}"#;
    let told = lines(&validate(twice, &context).unwrap_err());
    assert_eq!(
        told,
        "/orgs/0/path: this member stands there twice; keep one\n/people: this member stands there twice; keep one\n"
    );
    let nothing = validate(b"{}", &context).unwrap();
    assert!(lines(&nothing.warnings).contains("there is nothing in this document"), "{:?}", nothing.warnings);
    let role = br#"{"people":[{"id":"p","name":"x","role":"zzz"}]}"#;
    let told = lines(&validate(role, &context).unwrap_err());
    assert_eq!(told.matches("grid_worker").count(), 1, "{told}");
}

#[test]
fn a_replay_needs_no_secrets() {
    let document = json!({"devices": [{"id": "b1", "kind": "cuff"}]}).to_string();
    assert_eq!(validate_alone(document.as_bytes(), Tz::UTC).unwrap().devices[0].secret_hmac, [0; 32]);
}

#[test]
fn the_same_id_stands_only_once() {
    let document = json!({
        "orgs": [{"path": "/a/", "name": "甲"}, {"path": "/a/", "name": "乙"}],
        "devices": [{"id": "b1", "kind": "cuff", "secret": "x"}, {"id": "b1", "kind": "cuff", "secret": "x"}]
    });
    check_faults(
        &document,
        expect![[r#"
        /orgs/1: "/a/" stands at /orgs/0 already
        /devices/1: "b1" stands at /devices/0 already
    "#]],
    );
}

#[test]
fn hostile_bodies_get_an_answer() {
    let nested = "[".repeat(20_000);
    for body in ["", " \n", "{", "[]", "7", "null", "{\"orgs\":{}}", &nested, "\u{feff}{\"orgs\":[null]}"] {
        let errors = import_over(Nothing, body.as_bytes()).unwrap_err();
        assert!(!errors.is_empty() && errors.iter().all(|error| error.detail.len() < 300), "{body:.20}");
    }
    assert!(import_over(Nothing, b"\xff\xfe{}").is_err());
    assert_eq!(import_over(Nothing, "\u{feff}{}".as_bytes()).unwrap().change, Default::default());
}

#[test]
fn floods_are_capped() {
    let people: Vec<Value> = (0..ROW_ERRORS_MAX + 100).map(|_| json!({"id": "a"})).collect();
    let errors = import(&json!({"people": people})).unwrap_err();
    assert_eq!(errors.len(), ROW_ERRORS_MAX + 1);
    assert!(errors.last().is_some_and(|last| last.detail.ends_with("more faults; correct these first")));
    let rows = vec![Value::Null; IMPORT_ROWS_MAX + 1];
    let errors = import(&json!({"people": rows})).unwrap_err();
    assert_eq!(lines(&errors), ": 50001 rows are more than one import takes (50000); send it in parts\n");
}

#[test]
fn a_wrong_phone_is_not_repeated_in_the_error() {
    let document = json!({"people": [{"id": "g1", "role": "guardian", "name": "甲", "phone": "138-0000-0001"}]});
    let errors = import(&document).unwrap_err();
    assert!(!format!("{errors:?}").contains("138-0000"));
}

proptest::proptest! {
    /// Whatever JSON comes: an answer, no panic, and a valid import's references hold.
    #[test]
    fn no_document_panics(text in "[\\[\\]{}:,\"a-z0-9 /.-]{0,200}") {
        let _ = import_over(Nothing, text.as_bytes());
    }

    /// A valid document with one member replaced by anything is answered too.
    #[test]
    fn no_mutation_panics(section in 0usize..4, member in 0usize..10, with in 0usize..6) {
        let mut document = example();
        let section = ["orgs", "people", "wearers", "devices"][section];
        let values = [json!(null), json!(-1), json!("x"), json!([[]]), json!({"a": 1}), json!(1e300)];
        if let Some(row) = document[section][0].as_object_mut() {
            let names: Vec<String> = row.keys().cloned().collect();
            row.insert(names[member % names.len()].clone(), values[with].clone());
        }
        let _ = import(&document);
    }
}

/// What is right by itself and reaches nobody with what is configured is told at the import, not at 3 in the morning.
#[test]
fn whom_no_configured_provider_reaches_is_told() {
    use channels::template::{Template, Templates};
    use channels::tencent_voice::TencentVoice;
    use channels::{ChannelsConfig, Credential, ProviderConfig, ProviderSettings, Reach};

    let alert = Template { code: "T1".into(), params: Vec::new() };
    let templates = Templates {
        alert,
        reminder: None,
        taken: None,
        ended: None,
        test: None,
        welfare: None,
        verify: None,
        param_chars_max: 20,
    };
    let tencent = ProviderConfig::TencentVoice(TencentVoice {
        endpoint: "https://vms.example.org".into(),
        credential: Credential::new("id", "secret"),
        region: "ap-guangzhou".into(),
        app_id: "1400006666".into(),
        templates,
    });
    let ntfy = ProviderConfig::Ntfy(channels::ntfy::Ntfy { endpoint: "https://ntfy.example.org".into(), token: None });
    let ntfy = ProviderSettings { serves: Some("ntfy".into()), ..ProviderSettings::new(ntfy) };
    let config = ChannelsConfig::from([
        (model::Channel::Voice, vec![ProviderSettings::new(tencent)]),
        (model::Channel::Push, vec![ntfy]),
    ]);
    let context = ImportContext::new(Nothing, |_: &[u8]| [0; 32], Tz::Asia__Shanghai).with_reach(Reach::of(&config));
    let document = json!({
        "orgs": [{"path": "/a/", "name": "甲", "robot": "yinxing", "desk": {"phone": "+8613800000010"}}],
        "people": [
            {"id": "g1", "role": "guardian", "name": "王芳", "phone": "+8613800000001", "push": {"kind": "ntfy", "topic": "t"}},
            {"id": "g2", "role": "guardian", "name": "海外", "phone": "+12025550100"},
            {"id": "g3", "role": "guardian", "name": "邮件", "email": "g3@example.org"},
            {"id": "g4", "role": "guardian", "name": "苹果", "phone": "+8613800000004", "push": {"kind": "bark", "topic": "k"}}],
    });
    let import = validate(document.to_string().as_bytes(), &context).unwrap();
    assert!(import.warnings.iter().all(|warning| !warning.detail_zh.is_empty()));
    expect![[r#"
        /orgs/0/robot: no robot speaks in a group "yinxing": [channels.robot.groups.yinxing] configures one
        /people/1/phone: no provider that is configured can call this number (it is of another country)
        /people/2: this guardian has no phone: an alarm reaches them in writing only, and nobody rings them
        /people/2/email: they have no phone but mail, and mail is not configured: [channels.email]
        /people/3/push/kind: no provider is configured for push of kind "bark": [channels.push.bark]
    "#]]
    .assert_eq(&lines(&import.warnings));
    assert_eq!(import.change.orgs[0].robot.as_deref(), Some("yinxing"));
}
