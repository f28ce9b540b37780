//! GeoJSON and well-known text, there and back.

use expect_test::{Expect, expect};
use geofence::{geojson, wkt};
use model::registry::DailyWindow;
use model::{Datum, Fence, FenceKind, Schedule, Shape};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{circle, compile, fence};

fn square(west: f64) -> Vec<[f64; 2]> {
    vec![[west, 31.0], [west + 0.01, 31.0], [west + 0.01, 31.01], [west, 31.0]]
}

fn shapes() -> [Shape; 3] {
    [
        Shape::Polygon { rings: vec![square(117.0)] },
        Shape::MultiPolygon { polygons: vec![vec![square(117.0)], vec![square(117.1)]] },
        Shape::Corridor { line: vec![[117.0, 31.0], [117.01, 31.02]], width_m: 40.0 },
    ]
}

#[test]
fn there_and_back() {
    for shape in shapes() {
        assert_eq!(geojson::read(&geojson::geometry(&shape), Some(40.0)), Ok(shape.clone()));
        assert_eq!(geojson::read(&geojson::feature(&fence(shape.clone())), None), Ok(shape.clone()));
        assert_eq!(wkt::read(&wkt::write(&shape), Some(40.0)), Ok(shape));
    }
}

#[test]
fn a_circle_is_written_as_a_point_or_as_a_ring() {
    assert_eq!(geojson::geometry(&circle(300.0).shape), json!({"type": "Point", "coordinates": [117.2272, 31.8206]}));
    assert_eq!(geojson::read(&geojson::feature(&circle(300.0)), None), Ok(circle(300.0).shape));
    let ring = wkt::read(&wkt::write(&circle(300.0).shape), None).unwrap();
    let ring = compile(&fence(ring)).unwrap();
    let metres = ring.signed_distance_m(crate::HOME);
    assert!((metres + 300.0).abs() < 2.0, "{metres}");
}

#[test]
fn a_feature_says_what_geojson_has_no_word_for() {
    let window = DailyWindow { from_minute: 360, to_minute: 1320 };
    let active = Some(Schedule { window, weekdays: 0b001_0101, zone: Some("Asia/Urumqi".into()) });
    let fence = Fence { kind: FenceKind::Exclusion, datum: Datum::Gcj02, active, ..fence(shapes()[2].clone()) };
    expect![[r#"{"features":[{"geometry":{"coordinates":[[117.0,31.0],[117.01,31.02]],"type":"LineString"},"id":"home","properties":{"active":"Mon,Wed,Fri 06:00-22:00","datum":"gcj02","kind":"exclusion","margin_m":30.0,"width_m":40.0,"zone":"Asia/Urumqi"},"type":"Feature"}],"type":"FeatureCollection"}"#]].assert_eq(&geojson::collection([&fence]).to_string());
}

fn check_json(geometry: &Value, expected: Expect) {
    let faults = geojson::read(geometry, None).unwrap_err();
    assert!(faults.iter().all(|fault| !fault.detail_zh.is_empty()));
    let lines: Vec<String> = faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn faults_of_geojson() {
    check_json(&json!(5), expect![": expected a GeoJSON geometry, an object"]);
    check_json(&json!({"coordinates": []}), expect!["/type: `type` is required"]);
    check_json(
        &json!({"type": "Point", "coordinates": [117, 31]}),
        expect![[
            r#"/type: the geometry is a "Point"; taken are "Polygon", "MultiPolygon", and "LineString" with `width_m`"#
        ]],
    );
    check_json(&json!({"type": "Feature"}), expect!["/geometry: expected a GeoJSON geometry, an object"]);
    check_json(&json!({"type": "MultiPolygon", "coordinates": []}), expect!["/coordinates: there is no polygon in it"]);
    check_json(
        &json!({"type": "LineString", "coordinates": [[117, 31], [117, 32]]}),
        expect![[r#": a "LineString" is a corridor: say how wide it is with `width_m` beside the geometry"#]],
    );
    check_json(
        &json!({"type": "MultiPolygon", "coordinates": [[square(117.0)], [[[31, 117], [1], "x", [1, 2]]], 7, []]}),
        expect![[r#"
            /coordinates/1/0/0: [31,117] is no position: [lon, lat] in degrees, −180 to 180 and −90 to 90, in this order
            /coordinates/1/0/1: [1] is no position: [lon, lat] in degrees, −180 to 180 and −90 to 90, in this order
            /coordinates/1/0/2: "x" is no position: [lon, lat] in degrees, −180 to 180 and −90 to 90, in this order
            /coordinates/2: expected a list of rings, found 7
            /coordinates/3: the polygon has no ring"#]],
    );
}

fn check_wkt(text: &str, expected: Expect) {
    expected.assert_eq(&wkt::read(text, None).map_or_else(|error| error.to_string(), |shape| format!("{shape:?}")));
}

#[test]
fn what_well_known_text_may_look_like() {
    check_wkt(
        " srid=4326; polygon z((0 0 1,1e0 0 1 , 1 1 1,0 0 1)) ",
        expect!["Polygon { rings: [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]] }"],
    );
    check_wkt(
        "MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))",
        expect![
            "MultiPolygon { polygons: [[[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]], [[[5.0, 5.0], [6.0, 5.0], [6.0, 6.0], [5.0, 5.0]]]] }"
        ],
    );
    check_wkt("POINT (0 0)", expect!["at character 1: expected POLYGON, MULTIPOLYGON or LINESTRING"]);
    check_wkt(
        "SRID=3857;POINT (0 0)",
        expect!["at character 10: only SRID=4326; is taken, with the datum named beside"],
    );
    check_wkt(
        "POLYGON ((0 0, 1 x))",
        expect!["at character 18: expected a number in degrees: longitude, a blank, latitude"],
    );
    check_wkt("POLYGON ((0 0, 1 1)", expect!["at character 20: expected a comma or a closing parenthesis"]);
    check_wkt("POLYGON EMPTY", expect!["at character 9: expected an opening parenthesis"]);
    check_wkt("POLYGON ((0 0, 1 1)) x", expect!["at character 22: expected the end of the text"]);
    check_wkt("LINESTRING (0 0, 1 1)", expect!["at character 22: a LINESTRING is a corridor: say its width beside"]);
    check_wkt("", expect!["at character 1: expected POLYGON, MULTIPOLYGON or LINESTRING"]);
}

proptest! {
    #[test]
    fn no_text_stops_it(text in "\\PC{0,60}", tail in "[POLYGNMUTI(), .0-9eE+-]{0,60}") {
        let _ = wkt::read(&text, Some(1.0));
        let _ = wkt::read(&format!("POLYGON (({tail}"), Some(1.0));
    }

    #[test]
    fn every_number_comes_back(line in prop::collection::vec((-180.0..180.0f64, -90.0..90.0f64), 2..20)) {
        let shape = Shape::Corridor { line: line.into_iter().map(|(lon, lat)| [lon, lat]).collect(), width_m: 7.5 };
        prop_assert_eq!(wkt::read(&wkt::write(&shape), Some(7.5)), Ok(shape.clone()));
        prop_assert_eq!(geojson::read(&geojson::geometry(&shape), Some(7.5)), Ok(shape));
    }
}
