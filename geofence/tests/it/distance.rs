//! Signed distances, against `geo` and by hand.

use geo::{Contains, Distance, Euclidean, Geodesic};
use model::{Datum, Position, Shape};
use proptest::prelude::*;

use crate::{HOME, away, circle, compile, fence};

#[test]
fn metres_to_a_circle() {
    let fence = compile(&circle(300.0)).unwrap();
    for (east, north) in [(0.0, 0.0), (100.0, 0.0), (0.0, 299.0), (300.0, 300.0), (-5000.0, 2000.0)] {
        let expected = f64::hypot(east, north) - 300.0;
        let found = fence.signed_distance_m(away(east, north));
        assert!((found - expected).abs() < 0.01 + expected.abs() * 1e-4, "{east} {north}: {found} is not {expected}");
    }
    let beijing = fence.signed_distance_m(Position { lat: 39.9042, lon: 116.4074 });
    assert!((898_000.0..906_000.0).contains(&beijing), "{beijing}");
}

#[test]
fn metres_to_a_square_with_a_hole() {
    let corner = |east: f64, north: f64| [away(east, north).lon, away(east, north).lat];
    let square = |half: f64| {
        vec![corner(-half, -half), corner(half, -half), corner(half, half), corner(-half, half), corner(-half, -half)]
    };
    let fence = compile(&fence(Shape::Polygon { rings: vec![square(500.0), square(100.0)] })).unwrap();
    for (east, north, expected) in [
        (0.0, 0.0, 100.0),
        (0.0, 80.0, 20.0),
        (0.0, 130.0, -30.0),
        (-480.0, 300.0, -20.0),
        (600.0, 0.0, 100.0),
        (530.0, 540.0, 50.0),
    ] {
        let found = fence.signed_distance_m(away(east, north));
        assert!((found - expected).abs() < 0.1, "{east} {north}: {found} is not {expected}");
    }
}

/// A fence that was drawn on a map in one datum holds for fixes on the ground, whatever the map.
#[test]
fn the_map_a_fence_was_drawn_on_does_not_matter() {
    for datum in [Datum::Wgs84, Datum::Gcj02, Datum::Bd09] {
        let drawn = geofence::datum::from_wgs84(HOME, datum);
        let round = compile(&model::Fence {
            datum,
            ..fence(Shape::Circle { lon: drawn.lon, lat: drawn.lat, radius_m: 300.0 })
        });
        assert!((round.unwrap().signed_distance_m(HOME) + 300.0).abs() < 0.001, "{datum:?}");
        // A street of four kilometres: straight on the map, bent on the ground.
        let on_map = |east: f64, north: f64| {
            let position = geofence::datum::from_wgs84(away(east, north), datum);
            [position.lon, position.lat]
        };
        let ring = vec![on_map(-2000.0, -20.0), on_map(2000.0, -20.0), on_map(2000.0, 20.0), on_map(-2000.0, 20.0)];
        let closed = [ring.clone(), vec![ring[0]]].concat();
        let street = compile(&model::Fence { datum, ..fence(Shape::Polygon { rings: vec![closed] }) }).unwrap();
        assert!((street.signed_distance_m(away(2000.0, 0.0))).abs() < 0.1, "{datum:?}");
        let (from, to) = (on_map(-2000.0, 20.0), on_map(2000.0, 20.0));
        for share in [0.1, 0.25, 0.5, 0.77] {
            let on_edge =
                Position { lat: from[1] + share * (to[1] - from[1]), lon: from[0] + share * (to[0] - from[0]) };
            let distance = street.signed_distance_m(geofence::datum::to_wgs84(on_edge, datum));
            assert!(distance.abs() < 0.2, "{datum:?} {share}: {distance}");
        }
    }
}

#[test]
fn a_small_fence_is_exact_to_centimetres_on_the_ellipsoid() {
    let fence = compile(&circle(300.0)).unwrap();
    for degrees in 0..36 {
        let angle = f64::from(degrees * 10).to_radians();
        let position = away(400.0 * angle.cos(), 400.0 * angle.sin());
        let home = geo::Point::new(HOME.lon, HOME.lat);
        let true_m = Geodesic.distance(home, geo::Point::new(position.lon, position.lat)) - 300.0;
        assert!((fence.signed_distance_m(position) - true_m).abs() < 0.05, "{degrees}");
    }
}

/// A star: vertices at rising angles, so that it never meets itself; `[lon, lat]` around a middle, radii in degrees of
/// latitude.
fn star(radii: &[f64], middle: Position) -> Vec<[f64; 2]> {
    let stretch = middle.lat.to_radians().cos();
    let vertex = |(i, radius): (usize, &f64)| {
        let angle = std::f64::consts::TAU * i as f64 / radii.len() as f64;
        [middle.lon + radius * angle.cos() / stretch, middle.lat + radius * angle.sin()]
    };
    let ring: Vec<[f64; 2]> = radii.iter().enumerate().map(vertex).collect();
    [ring.clone(), vec![ring[0]]].concat()
}

/// Metres on the ellipsoid to the nearest point of the ring's edges, which are straight in degrees.
fn geodesic_metres(ring: &[[f64; 2]], place: geo::Point) -> f64 {
    let edges = ring.windows(2).map(|edge| {
        let at = |share: f64| {
            let [x, y] = [0, 1].map(|axis| edge[0][axis] + share * (edge[1][axis] - edge[0][axis]));
            Geodesic.distance(place, geo::Point::new(x, y))
        };
        // The distance along an edge falls and then rises: the lowest is closed in on.
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
            if at(a) < at(b) { high = b } else { low = a }
        }
        at((low + high) / 2.0)
    });
    edges.fold(f64::INFINITY, f64::min)
}

proptest! {
    /// Not off by more than is stated, from three vertices to those of a district, through both ways of looking.
    #[test]
    fn geo_measures_the_same(
        radii in prop::collection::vec(0.0005..0.02f64, 3..300),
        middle_lat in -60.0..60.0f64, lat in -0.03..0.03f64, lon in -0.03..0.03f64,
    ) {
        let middle = Position { lat: middle_lat, lon: 117.2 };
        let ring = star(&radii, middle);
        let fence = compile(&fence(Shape::Polygon { rings: vec![ring.clone()] })).unwrap();
        let place = Position { lat: middle.lat + lat, lon: middle.lon + lon };
        let on_map = |[lon, lat]: &[f64; 2]| geo::Coord::from(fence.on_map(Position { lat: *lat, lon: *lon }));
        let outline: geo::LineString = ring.iter().map(on_map).collect();
        let point = geo::Point::from(fence.on_map(place));
        let distance = Euclidean.distance(&point, &outline);
        let expected = if geo::Polygon::new(outline, vec![]).contains(&point) { -distance } else { distance };
        let found = fence.signed_distance_m(place);
        let error_m = fence.arithmetic_error_m(place);
        prop_assert!(error_m < 0.005);
        prop_assert!((found - expected).abs() <= error_m, "{found} is not {expected}, by more than {error_m}");
    }

    /// The flat map is off the ellipsoid by no more than is stated.
    #[test]
    fn the_ellipsoid_is_nearly_flat(
        radii in prop::collection::vec(0.002..0.05f64, 3..12),
        middle_lat in -60.0..60.0f64, lat in -0.08..0.08f64, lon in -0.08..0.08f64,
    ) {
        let middle = Position { lat: middle_lat, lon: 117.2 };
        let ring = star(&radii, middle);
        let fence = compile(&fence(Shape::Polygon { rings: vec![ring.clone()] })).unwrap();
        let place = Position { lat: middle.lat + lat, lon: middle.lon + lon };
        let found = fence.signed_distance_m(place).abs();
        let expected = geodesic_metres(&ring, geo::Point::new(place.lon, place.lat));
        let reach = radii.iter().fold(0.0, |most: f64, radius| most.max(*radius)) * 111_320.0 * 2.0;
        let slant = (middle_lat.abs() + 0.1).to_radians().tan().max(0.01);
        let map_m = expected * (reach + expected) / 6_371_000.0 * slant + 1e-5 * expected;
        let error_m = fence.arithmetic_error_m(place) + map_m + 0.001;
        prop_assert!((found - expected).abs() <= error_m, "{found} is not {expected}, by more than {error_m}");
    }
}

#[test]
fn metres_to_a_corridor() {
    let (from, to) = (away(-500.0, 0.0), away(500.0, 0.0));
    let line = vec![[from.lon, from.lat], [to.lon, to.lat]];
    let way = compile(&fence(Shape::Corridor { line, width_m: 40.0 })).unwrap();
    for (east, north, expected) in [(0.0, 0.0, -20.0), (0.0, 20.0, 0.0), (100.0, -50.0, 30.0), (530.0, 40.0, 30.0)] {
        let found = way.signed_distance_m(away(east, north));
        assert!((found - expected).abs() < 0.05, "{east} {north}: {found} is not {expected}");
    }
    let beijing = way.signed_distance_m(Position { lat: 39.9042, lon: 116.4074 });
    assert!((898_000.0..906_000.0).contains(&beijing), "{beijing}");
}

#[test]
fn metres_to_the_nearest_of_several_polygons() {
    let square = |east: f64| {
        let corner = |east: f64, north: f64| [away(east, north).lon, away(east, north).lat];
        let corners = [(-50.0, -50.0), (50.0, -50.0), (50.0, 50.0), (-50.0, 50.0), (-50.0, -50.0)];
        vec![corners.map(|(e, n)| corner(east + e, n)).to_vec()]
    };
    let fence = compile(&fence(Shape::MultiPolygon { polygons: vec![square(0.0), square(300.0)] })).unwrap();
    for (east, expected) in [(0.0, -50.0), (100.0, 50.0), (200.0, 50.0), (300.0, -50.0), (400.0, 50.0)] {
        let found = fence.signed_distance_m(away(east, 0.0));
        assert!((found - expected).abs() < 0.05, "{east}: {found} is not {expected}");
    }
}
