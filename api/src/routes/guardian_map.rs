//! Where an elder is, drawn for the guardian's page: a few lines that load nothing and need no JavaScript.

use model::registry::{Fence, Shape};
use model::{Datum, Language, Position};

/// The drawing's size, in its own units.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 240.0;
/// How much of the height is left free around what is drawn.
const ROOM: f64 = 0.8;
/// Less than this is not shown: a place without surroundings says nothing, metres.
const HALF_HEIGHT_M_MIN: f64 = 150.0;
/// Fences farther away than this are left out: the place is what matters, metres.
const FENCE_AWAY_M_MAX: f64 = 5_000.0;
/// Lengths that a scale may have, metres.
const SCALES_M: [u32; 8] = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
const EARTH_M: f64 = 6_371_008.8;

/// A circle on the drawing, metres east and north of the place.
struct Ring {
    east: f64,
    north: f64,
    radius: f64,
}

/// The place with the round fences around it, north up, and a scale.
pub(super) fn drawing(lang: Language, place: Position, fences: &[Fence]) -> String {
    let rings: Vec<Ring> = fences.iter().filter_map(|fence| ring(place, fence)).collect();
    let reach = |ring: &Ring| ring.east.hypot(ring.north) + ring.radius;
    let half_height_m = rings.iter().map(reach).fold(HALF_HEIGHT_M_MIN, f64::max);
    let per_metre = HEIGHT * ROOM / 2.0 / half_height_m;
    let scale_m =
        SCALES_M.iter().copied().rfind(|metres| f64::from(*metres) * per_metre <= WIDTH / 3.0).unwrap_or(SCALES_M[0]);
    let (label, unit) = match lang {
        Language::ZhCn => ("地图：最后位置与围栏，上方为北", "米"),
        Language::En => ("Map: the last position and the fences, north is up", "m"),
    };
    let circles: String = rings
        .iter()
        .map(|ring| {
            let (x, y) = (WIDTH / 2.0 + ring.east * per_metre, HEIGHT / 2.0 - ring.north * per_metre);
            let radius = ring.radius * per_metre;
            format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" class=\"fence\"/>")
        })
        .collect();
    let (x, y, end) = (WIDTH / 2.0, HEIGHT / 2.0, 12.0 + f64::from(scale_m) * per_metre);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">{circles}\
         <circle cx=\"{x}\" cy=\"{y}\" r=\"9\" class=\"place\"/>\
         <path d=\"M12 222v6H{end:.1}v-6\" class=\"scale\"/><text x=\"12\" y=\"214\">{scale_m} {unit}</text></svg>"
    )
}

/// A round fence in WGS-84, if it is near.
fn ring(place: Position, fence: &Fence) -> Option<Ring> {
    let Shape::Circle { lon, lat, radius_m } = fence.shape else { return None };
    if fence.datum != Datum::Wgs84 {
        return None;
    }
    let north = (lat - place.lat).to_radians() * EARTH_M;
    let east = (lon - place.lon).to_radians() * EARTH_M * place.lat.to_radians().cos();
    let radius = radius_m;
    (north.hypot(east) < FENCE_AWAY_M_MAX).then_some(Ring { east, north, radius })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_alone_has_a_scale_that_fits() {
        let place = Position::new(31.8206, 117.2272).unwrap();
        let drawn = drawing(Language::ZhCn, place, &[]);
        assert!(drawn.contains("100 米") && drawn.contains("class=\"place\"") && !drawn.contains("fence\""), "{drawn}");
        assert!(drawing(Language::En, place, &[]).contains("100 m<"));
    }
}
