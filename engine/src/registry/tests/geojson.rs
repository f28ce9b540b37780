use super::*;

#[test]
fn fences_may_come_as_geojson_features_with_our_properties() {
    let document = |fences: Value| {
        json!({"orgs": [{"path": "/a/", "name": "甲", "desk": {"phone": "+8613800000010"}}],
               "wearers": [{"id": "w1", "name": "乙", "org": "/a/", "guardians": [], "fences": fences}]})
    };
    let ring = json!([[[117.22, 31.81], [117.24, 31.81], [117.24, 31.83], [117.22, 31.81]]]);
    let collection = json!({"type": "FeatureCollection", "features": [
        {"type": "Feature", "id": 7, "properties": {"radius_m": 300, "margin_m": 10, "name": "家"},
         "geometry": {"type": "Point", "coordinates": [117.2272, 31.8206]}},
        {"type": "Feature", "properties": {"id": "campus", "kind": "exclusion", "datum": "gcj02", "active": "06:00-22:00"},
         "geometry": {"type": "Polygon", "coordinates": ring}}]});
    let import = import(&document(collection.clone())).unwrap();
    assert_eq!(
        lines(&import.warnings),
        "/wearers/0/fences/features/0/properties/name: \"name\" is not known here; known are kind, datum, margin_m, large, active, zone, width_m, radius_m\n"
    );
    let [home, campus] = import.change.wearers[0].fences.as_slice() else { panic!("two fences") };
    let circle = Shape::Circle { lon: 117.2272, lat: 31.8206, radius_m: 300.0 };
    assert_eq!((home.id.as_str(), home.margin_m, &home.shape), ("7", 10.0, &circle));
    assert_eq!((campus.id.as_str(), campus.kind, campus.datum), ("campus", FenceKind::Exclusion, Datum::Gcj02));
    // Written out and read again they are the same; so is one feature within a list.
    let written = geofence::geojson::collection([home, campus]);
    let again = self::import(&document(written.clone())).unwrap();
    assert_eq!(again.change.wearers[0].fences, [home.clone(), campus.clone()]);
    let one = self::import(&document(json!([written["features"][1]]))).unwrap();
    assert_eq!(one.change.wearers[0].fences, std::slice::from_ref(campus));
    let rows = json!([geofence::wkt::row(campus)]);
    assert_eq!(self::import(&document(rows)).unwrap().change.wearers[0].fences, std::slice::from_ref(campus));
    check_faults(
        &document(json!({"type": "FeatureCollection", "features": [
            {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}},
            {"type": "Feature", "id": "b", "properties": {"radius_m": 0.1, "margin_m": "x"},
             "geometry": {"type": "Point", "coordinates": [1, 2]}},
            {"type": "Feature", "id": "c", "properties": 7,
             "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}},
            {"type": "Feature", "id": "d",
             "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [0.02, 0.02], [0.02, 0], [0, 0.02], [0, 0]]]}}]})),
        expect![[r#"
            /wearers/0/fences/features/0: a feature that is to be a fence needs an `id`, unique among these fences
            /wearers/0/fences/features/0/geometry/type: the geometry is a "Point"; taken are "Polygon", "MultiPolygon", and "LineString" with `width_m`
            /wearers/0/fences/features/1/properties/margin_m: "x" is not a number from 0 to 10000
            /wearers/0/fences/features/1/properties/radius_m: 0.1 is not a number from 1 to 1000000
            /wearers/0/fences/features/2/properties: expected an object, found 7
            /wearers/0/fences/features/3/geometry/coordinates/0/0: the edge that begins at vertex 0 of ring 0 meets another edge of the ring
        "#]],
    );
    check_faults(
        &document(json!({"type": "FeatureCollection"})),
        expect![[r#"
        /wearers/0/fences/features: expected a list of features, found null
    "#]],
    );
}
