//! WGS-84, GCJ-02 and BD-09.
//!
//! GCJ-02 moves a position by a smooth function of itself, with the constants that the maps use (devices.md,
//! coordinates); BD-09 moves it on from there. The way back is found by iteration, to better than 10⁻⁹ degrees.
//! Outside a box around China both are the identity.

use std::f64::consts::PI;

use model::{Datum, Fence, Position, Shape};

/// The ellipsoid that GCJ-02 reckons with (Krasovsky 1940): semi-major axis in metres, eccentricity squared.
const AXIS_M: f64 = 6_378_245.0;
const ECCENTRICITY_SQUARED: f64 = 0.006_693_421_622_965_943;
/// Where the polynomials of GCJ-02 have their origin, degrees.
const ORIGIN: Position = Position { lat: 35.0, lon: 105.0 };
/// The wave number of BD-09.
const BAIDU_PI: f64 = PI * 3000.0 / 180.0;

/// A position in WGS-84, from what the datum says it is. The inverse of [`from_wgs84`] to 10⁻⁹ degrees.
#[must_use]
pub fn to_wgs84(position: Position, from: Datum) -> Position {
    let shifted = match from {
        Datum::Wgs84 => return position,
        Datum::Gcj02 => position,
        Datum::Bd09 => inverse(position, baidu),
    };
    let candidate = inverse(shifted, |wgs84| offset(wgs84, mars(wgs84)));
    if is_shifted(candidate) { candidate } else { position }
}

/// A WGS-84 position as the datum says it. For display.
#[must_use]
pub fn from_wgs84(position: Position, to: Datum) -> Position {
    if !is_shifted(position) {
        return position;
    }
    match to {
        Datum::Wgs84 => position,
        Datum::Gcj02 => offset(position, mars(position)),
        Datum::Bd09 => baidu(offset(position, mars(position))),
    }
}

/// A fence drawn in WGS-84. Its corners are the same places; an edge of a kilometre between them bends by centimetres.
#[must_use]
pub fn fence_to_wgs84(fence: &Fence) -> Fence {
    let convert = |[lon, lat]: &[f64; 2]| {
        let position = to_wgs84(Position { lat: *lat, lon: *lon }, fence.datum);
        [position.lon, position.lat]
    };
    let rings = |rings: &Vec<Vec<[f64; 2]>>| rings.iter().map(|ring| ring.iter().map(convert).collect()).collect();
    let shape = match &fence.shape {
        Shape::Circle { lon, lat, radius_m } => {
            let [lon, lat] = convert(&[*lon, *lat]);
            Shape::Circle { lon, lat, radius_m: *radius_m }
        }
        Shape::Polygon { rings: drawn } => Shape::Polygon { rings: rings(drawn) },
        Shape::MultiPolygon { polygons } => Shape::MultiPolygon { polygons: polygons.iter().map(rings).collect() },
        Shape::Corridor { line, width_m } => {
            Shape::Corridor { line: line.iter().map(convert).collect(), width_m: *width_m }
        }
    };
    Fence { shape, datum: Datum::Wgs84, ..fence.clone() }
}

/// Whether a WGS-84 position lies in the box in which the datums differ.
pub(crate) fn is_shifted(position: Position) -> bool {
    (72.004..=137.8347).contains(&position.lon) && (0.8293..=55.8271).contains(&position.lat)
}

/// GCJ-02 minus WGS-84 at a WGS-84 position, degrees (latitude, longitude).
fn mars(position: Position) -> (f64, f64) {
    let (x, y) = (position.lon - ORIGIN.lon, position.lat - ORIGIN.lat);
    let root = x.abs().sqrt();
    let ripple = 20.0 * (6.0 * x * PI).sin() + 20.0 * (2.0 * x * PI).sin();
    let north_m = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * root
        + (ripple + 20.0 * (y * PI).sin() + 40.0 * (y / 3.0 * PI).sin()) * 2.0 / 3.0
        + (160.0 * (y / 12.0 * PI).sin() + 320.0 * (y * PI / 30.0).sin()) * 2.0 / 3.0;
    let east_m = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * root
        + (ripple + 20.0 * (x * PI).sin() + 40.0 * (x / 3.0 * PI).sin()) * 2.0 / 3.0
        + (150.0 * (x / 12.0 * PI).sin() + 300.0 * (x / 30.0 * PI).sin()) * 2.0 / 3.0;
    let lat = position.lat.to_radians();
    let magic = 1.0 - ECCENTRICITY_SQUARED * lat.sin() * lat.sin();
    let north_radius_m = AXIS_M * (1.0 - ECCENTRICITY_SQUARED) / (magic * magic.sqrt());
    let east_radius_m = AXIS_M / magic.sqrt() * lat.cos();
    ((north_m / north_radius_m).to_degrees(), (east_m / east_radius_m).to_degrees())
}

fn offset(position: Position, (lat, lon): (f64, f64)) -> Position {
    Position { lat: position.lat + lat, lon: position.lon + lon }
}

/// BD-09 of a GCJ-02 position.
fn baidu(position: Position) -> Position {
    let (x, y) = (position.lon, position.lat);
    let radius = x.hypot(y) + 0.000_02 * (y * BAIDU_PI).sin();
    let angle = y.atan2(x) + 0.000_003 * (x * BAIDU_PI).cos();
    Position { lat: radius * angle.sin() + 0.006, lon: radius * angle.cos() + 0.0065 }
}

/// The position that `forward` takes to `target`. Both shifts change by less than a hundredth of the way gone, so
/// each round gains two digits.
fn inverse(target: Position, forward: impl Fn(Position) -> Position) -> Position {
    const ROUNDS_MAX: usize = 12;
    const ENOUGH_DEGREES: f64 = 1e-12;
    let mut guess = target;
    for _ in 0..ROUNDS_MAX {
        let reached = forward(guess);
        let (lat, lon) = (target.lat - reached.lat, target.lon - reached.lon);
        guess = offset(guess, (lat, lon));
        if lat.abs() < ENOUGH_DEGREES && lon.abs() < ENOUGH_DEGREES {
            break;
        }
    }
    guess
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assert_near(a: Position, b: Position) {
        assert!((a.lat - b.lat).abs() <= 1e-9 && (a.lon - b.lon).abs() <= 1e-9, "{a:?} is not {b:?}");
    }

    fn at(lat: f64, lon: f64) -> Position {
        Position { lat, lon }
    }

    #[test]
    fn published_vectors() {
        assert_near(
            from_wgs84(at(31.177_427_6, 121.527_210_6), Datum::Gcj02),
            at(31.175_303_983_645_97, 121.531_541_859_215),
        );
        assert_near(
            from_wgs84(at(22.543_847, 113.912_316), Datum::Gcj02),
            // Some copies of this one have a wrong digit in the longitude, 0.000_000_1 more.
            at(22.540_796_131_694_766, 113.917_176_480_836_3),
        );
        assert_near(baidu(at(39.915, 116.404)), at(39.921_336_993_510_21, 116.410_369_493_710_29));
    }

    #[test]
    fn abroad_all_datums_are_one() {
        for place in [at(48.1, 11.5), at(-33.9, 151.2), at(31.8, 72.0), at(0.8, 110.0)] {
            for datum in [Datum::Gcj02, Datum::Bd09] {
                assert_eq!(from_wgs84(place, datum), place);
                assert_eq!(to_wgs84(place, datum), place);
            }
        }
    }

    proptest! {
        #[test]
        fn there_and_back(lat in 0.84..55.8f64, lon in 72.02..137.8f64) {
            for datum in [Datum::Wgs84, Datum::Gcj02, Datum::Bd09] {
                assert_near(to_wgs84(from_wgs84(at(lat, lon), datum), datum), at(lat, lon));
            }
        }

        #[test]
        fn every_number_gives_a_number(lat in -90.0..=90.0f64, lon in -180.0..=180.0f64) {
            for datum in [Datum::Gcj02, Datum::Bd09] {
                let there = to_wgs84(at(lat, lon), datum);
                prop_assert!(there.lat.is_finite() && there.lon.is_finite());
            }
        }
    }
}
