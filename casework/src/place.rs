//! How far somebody is from a case's place.

use model::Case;
use model::case::Spot;

/// How far from a case's place a check-in still counts as there, beside the accuracy of their phone: a large estate
/// and a fix that is itself some tens of metres wrong.
pub const CHECK_IN_RADIUS_M: f64 = 200.0;
/// An accuracy that is worse than this is not allowed for beyond it.
pub const CHECK_IN_ACCURACY_M_MAX: f64 = 300.0;
/// Mean radius of the earth, IUGG.
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Metres between somebody and the case's place (haversine, good to 0.5 %); `None` when the case has no position.
pub(crate) fn distance_m(case: &Case, spot: Spot) -> Option<f64> {
    let there = case.place.as_ref()?.position?;
    let here = spot.position;
    let (lat_a, lat_b) = (here.lat.to_radians(), there.lat.to_radians());
    let half_lat = (lat_b - lat_a) / 2.0;
    let half_lon = (there.lon - here.lon).to_radians() / 2.0;
    let chord = half_lat.sin().powi(2) + lat_a.cos() * lat_b.cos() * half_lon.sin().powi(2);
    Some(2.0 * EARTH_RADIUS_M * chord.sqrt().min(1.0).asin())
}

/// Whether somebody at this distance is at the place.
pub(crate) fn is_there(spot: Spot, distance_m: f64) -> bool {
    distance_m <= CHECK_IN_RADIUS_M + f64::from(spot.accuracy_m).min(CHECK_IN_ACCURACY_M_MAX)
}
