//! Distances on the ground as far as the rules need them: `geofence` is exact, this is within a percent up to 100 km.

use model::Position;

/// Metres in a degree of latitude (a mean).
const METRES_PER_DEGREE: f64 = 111_195.0;

/// Metres between two places.
pub(crate) fn metres_between(a: Position, b: Position) -> f64 {
    let north = (a.lat - b.lat) * METRES_PER_DEGREE;
    let east = east_degrees(a, b) * METRES_PER_DEGREE * ((a.lat + b.lat) / 2.0).to_radians().cos();
    north.hypot(east)
}

/// Whether two places are certainly no further apart than this: a few comparisons, for what is asked of every fix.
pub(crate) fn is_surely_within(a: Position, b: Position, metres: f64) -> bool {
    let degrees = metres / METRES_PER_DEGREE * std::f64::consts::FRAC_1_SQRT_2;
    (a.lat - b.lat).abs() <= degrees && east_degrees(a, b).abs() <= degrees
}

/// The shorter way round.
fn east_degrees(a: Position, b: Position) -> f64 {
    let degrees = a.lon - b.lon;
    if degrees > 180.0 {
        degrees - 360.0
    } else if degrees < -180.0 {
        degrees + 360.0
    } else {
        degrees
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_a_percent() {
        let at = |lat, lon| Position { lat, lon };
        let close = |metres: f64, expected: f64| assert!((metres / expected - 1.0).abs() < 0.01, "{metres} {expected}");
        // Hefei's railway station to its airport, by the haversine.
        close(metres_between(at(31.8871, 117.3106), at(31.9889, 116.9769)), 33_460.0);
        close(metres_between(at(0.0, 179.9), at(0.0, -179.9)), 22_239.0);
        assert!(is_surely_within(at(31.82, 117.22), at(31.8205, 117.2205), 100.0));
        assert!(!is_surely_within(at(31.82, 117.22), at(31.83, 117.22), 1000.0));
    }
}
