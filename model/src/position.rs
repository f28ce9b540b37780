//! Places on the ground.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The coordinate system of a pair of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Datum {
    /// WGS-84; CGCS2000 is the same at our accuracy.
    #[default]
    #[serde(alias = "cgcs2000")]
    Wgs84,
    /// GCJ-02: AMap, Tencent.
    Gcj02,
    /// BD-09: Baidu.
    Bd09,
}

/// A place in WGS-84 degrees: what everything inside the house compares.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, ToSchema)]
pub struct Position {
    /// Degrees north, −90 to 90.
    pub lat: f64,
    /// Degrees east, −180 to 180.
    pub lon: f64,
}

impl Position {
    /// `None` unless both are finite and in range.
    #[must_use]
    pub fn new(lat: f64, lon: f64) -> Option<Position> {
        ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some(Position { lat, lon })
    }
}

/// A position as a device reported it, in the datum that it named or that its registry entry names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// The pair of numbers, already in range.
    pub position: Position,
    /// The datum that the report itself named, if it did.
    pub datum: Option<Datum>,
    /// Radius of the reported accuracy in metres; `None` when absent, zero or not finite (then taken as 50 m).
    pub accuracy_m: Option<f32>,
}

/// A fix after conversion: WGS-84, with an accuracy that can be reckoned with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Located {
    /// Where, in WGS-84.
    pub position: Position,
    /// Accuracy in metres, > 0; 50 when the device gave none (clinical.md, fence).
    pub accuracy_m: f32,
}
