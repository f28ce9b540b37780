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

proptest! {
    #[test]
    fn geo_measures_the_same(
        // A star: vertices at rising angles, so that it never meets itself.
        radii in prop::collection::vec(0.001..0.01f64, 3..80),
        lat in -0.012..0.012f64, lon in -0.012..0.012f64,
    ) {
        let count = radii.len() as f64;
        let mut ring: Vec<[f64; 2]> = radii.iter().enumerate().map(|(i, radius)| {
            let angle = std::f64::consts::TAU * i as f64 / count;
            [radius * angle.cos(), radius * angle.sin()]
        }).collect();
        ring.push(ring[0]);
        // On the equator a degree is about the same both ways; the flat map stretches both by known factors.
        let fence = compile(&fence(Shape::Polygon { rings: vec![ring.clone()] })).unwrap();
        let found = fence.signed_distance_m(Position { lat, lon });
        let (east, north) = (111_319.458, 110_574.269);
        let flat: geo::LineString = ring.iter().map(|[x, y]| (x * east, y * north)).collect();
        let point = geo::Point::new(lon * east, lat * north);
        let polygon = geo::Polygon::new(flat.clone(), vec![]);
        let distance = Euclidean.distance(&point, &flat);
        let expected = if polygon.contains(&point) { -distance } else { distance };
        prop_assert!((found - expected).abs() < 0.02, "{found} is not {expected}");
    }
}
