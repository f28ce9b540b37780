//! The ground that the neighbourhood stands on: metres around a home, and the datum that a device reports in. Written
//! anew, not taken from `geofence`: what the engine is checked against must not share its mistakes.

use std::f64::consts::PI;

use model::{Datum, Position};

/// Metres in a degree of latitude.
const DEGREE_M: f64 = 111_320.0;

/// Metres east and north of a home.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Offset {
    /// Metres east.
    pub east: f64,
    /// Metres north.
    pub north: f64,
}

impl Offset {
    /// So many metres in a direction, in radians counted from east towards north.
    #[must_use]
    pub fn polar(distance_m: f64, direction: f64) -> Offset {
        Offset { east: distance_m * direction.cos(), north: distance_m * direction.sin() }
    }

    /// Metres from home.
    #[must_use]
    pub fn length(self) -> f64 {
        self.east.hypot(self.north)
    }

    /// Metres to another.
    #[must_use]
    pub fn to(self, other: Offset) -> f64 {
        (self.east - other.east).hypot(self.north - other.north)
    }

    /// So far on the straight line towards another.
    #[must_use]
    pub fn towards(self, other: Offset, metres: f64) -> Offset {
        let whole = self.to(other);
        if whole <= metres || whole == 0.0 {
            return other;
        }
        let part = metres / whole;
        Offset {
            east: self.east + (other.east - self.east) * part,
            north: self.north + (other.north - self.north) * part,
        }
    }

    /// The place, in WGS-84.
    #[must_use]
    pub fn from_home(self, home: Position) -> Position {
        Position {
            lat: home.lat + self.north / DEGREE_M,
            lon: home.lon + self.east / (DEGREE_M * home.lat.to_radians().cos()),
        }
    }
}

/// A WGS-84 place as a device or map of that datum shows it (GCJ-02 with the constants of devices.md).
#[must_use]
pub fn shown_in(place: Position, datum: Datum) -> Position {
    match datum {
        Datum::Wgs84 => place,
        Datum::Gcj02 => to_gcj02(place),
        Datum::Bd09 => to_bd09(to_gcj02(place)),
    }
}

fn to_gcj02(place: Position) -> Position {
    const A: f64 = 6_378_245.0;
    const EE: f64 = 0.006_693_421_622_965_943;
    let (x, y) = (place.lon - 105.0, place.lat - 35.0);
    let common = (20.0 * (6.0 * x * PI).sin() + 20.0 * (2.0 * x * PI).sin()) * 2.0 / 3.0;
    let north = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + common
        + (20.0 * (y * PI).sin() + 40.0 * (y / 3.0 * PI).sin()) * 2.0 / 3.0
        + (160.0 * (y / 12.0 * PI).sin() + 320.0 * (y * PI / 30.0).sin()) * 2.0 / 3.0;
    let east = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt()
        + common
        + (20.0 * (x * PI).sin() + 40.0 * (x / 3.0 * PI).sin()) * 2.0 / 3.0
        + (150.0 * (x / 12.0 * PI).sin() + 300.0 * (x / 30.0 * PI).sin()) * 2.0 / 3.0;
    let phi = place.lat.to_radians();
    let magic = 1.0 - EE * phi.sin() * phi.sin();
    Position {
        lat: place.lat + north * 180.0 / (A * (1.0 - EE) / (magic * magic.sqrt()) * PI),
        lon: place.lon + east * 180.0 / (A / magic.sqrt() * phi.cos() * PI),
    }
}

fn to_bd09(gcj02: Position) -> Position {
    const X_PI: f64 = PI * 3000.0 / 180.0;
    let Position { lat: y, lon: x } = gcj02;
    let z = x.hypot(y) + 0.00002 * (y * X_PI).sin();
    let theta = y.atan2(x) + 0.000_003 * (x * X_PI).cos();
    Position { lat: z * theta.sin() + 0.006, lon: z * theta.cos() + 0.0065 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_points_of_the_datums() {
        let gcj = to_gcj02(Position { lat: 31.1774276, lon: 121.5272106 });
        assert!(
            (gcj.lat - 31.175_303_983_645_97).abs() < 1e-9 && (gcj.lon - 121.531_541_859_215).abs() < 1e-9,
            "{gcj:?}"
        );
        let bd = to_bd09(Position { lat: 39.915, lon: 116.404 });
        assert!(
            (bd.lat - 39.921_336_993_510_21).abs() < 1e-9 && (bd.lon - 116.410_369_493_710_29).abs() < 1e-9,
            "{bd:?}"
        );
    }

    #[test]
    fn metres_are_metres() {
        let home = Position { lat: 31.8206, lon: 117.2272 };
        let north = Offset::polar(1000.0, PI / 2.0).from_home(home);
        assert!((north.lat - home.lat - 0.008_983).abs() < 1e-5, "{north:?}");
        let from = Offset { east: 0.0, north: 0.0 };
        assert_eq!(from.towards(Offset { east: 30.0, north: 40.0 }, 5.0), Offset { east: 3.0, north: 4.0 });
        assert_eq!(from.towards(Offset { east: 3.0, north: 4.0 }, 50.0), Offset { east: 3.0, north: 4.0 });
    }
}
