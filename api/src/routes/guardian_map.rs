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

/// Metres east and north of the place.
type Offset = (f64, f64);

/// What is drawn of a fence.
enum Outline {
    Circle {
        middle: Offset,
        radius_m: f64,
    },
    /// Rings, the first the outline, the others holes.
    Rings(Vec<Vec<Offset>>),
    /// The middle of a corridor.
    Line(Vec<Offset>),
}

impl Outline {
    /// How far from the place it is seen, metres.
    fn reach_m(&self) -> f64 {
        match self {
            Outline::Circle { middle: (east, north), radius_m } => east.hypot(*north) + radius_m,
            Outline::Rings(rings) => farthest(rings.iter().flatten()),
            Outline::Line(line) => farthest(line.iter()),
        }
    }

    /// As SVG, with this many units to the metre.
    fn svg(&self, per_metre: f64) -> String {
        let at = |(east, north): &Offset| (WIDTH / 2.0 + east * per_metre, HEIGHT / 2.0 - north * per_metre);
        let corners = |points: &Vec<Offset>| -> String {
            let words = points.iter().map(at).map(|(x, y)| format!("{x:.1} {y:.1}"));
            words.collect::<Vec<_>>().join("L")
        };
        match self {
            Outline::Circle { middle, radius_m } => {
                let ((x, y), radius) = (at(middle), radius_m * per_metre);
                format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" class=\"fence\"/>")
            }
            Outline::Rings(rings) => {
                let path: String = rings.iter().map(|ring| format!("M{}Z", corners(ring))).collect();
                format!("<path d=\"{path}\" fill-rule=\"evenodd\" class=\"fence\"/>")
            }
            Outline::Line(line) => format!("<path d=\"M{}\" class=\"fence way\"/>", corners(line)),
        }
    }
}

fn farthest<'a>(points: impl Iterator<Item = &'a Offset>) -> f64 {
    points.map(|(east, north)| east.hypot(*north)).fold(0.0, f64::max)
}

/// The place with the fences around it, north up, and a scale.
pub(super) fn drawing(lang: Language, place: Position, fences: &[Fence]) -> String {
    let outlines: Vec<Outline> = fences.iter().flat_map(|fence| outlines(place, fence)).collect();
    let half_height_m = outlines.iter().map(Outline::reach_m).fold(HALF_HEIGHT_M_MIN, f64::max);
    let per_metre = HEIGHT * ROOM / 2.0 / half_height_m;
    let scale_m =
        SCALES_M.iter().copied().rfind(|metres| f64::from(*metres) * per_metre <= WIDTH / 3.0).unwrap_or(SCALES_M[0]);
    let (label, unit) = match lang {
        Language::ZhCn => ("地图：最后位置与围栏，上方为北", "米"),
        Language::En => ("Map: the last position and the fences, north is up", "m"),
    };
    let drawn: String = outlines.iter().map(|outline| outline.svg(per_metre)).collect();
    let (x, y, end) = (WIDTH / 2.0, HEIGHT / 2.0, 12.0 + f64::from(scale_m) * per_metre);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">{drawn}\
         <circle cx=\"{x}\" cy=\"{y}\" r=\"9\" class=\"place\"/>\
         <path d=\"M12 222v6H{end:.1}v-6\" class=\"scale\"/><text x=\"12\" y=\"214\">{scale_m} {unit}</text></svg>"
    )
}

/// A fence in WGS-84, if it is near.
fn outlines(place: Position, fence: &Fence) -> Vec<Outline> {
    let east_per_degree = EARTH_M.to_radians() * place.lat.to_radians().cos();
    let offset = |[lon, lat]: [f64; 2]| ((lon - place.lon) * east_per_degree, (lat - place.lat) * EARTH_M.to_radians());
    let walk = |points: &Vec<[f64; 2]>| points.iter().copied().map(offset).collect::<Vec<Offset>>();
    let found = match &fence.shape {
        _ if fence.datum != Datum::Wgs84 => Vec::new(),
        Shape::Circle { lon, lat, radius_m } => {
            vec![Outline::Circle { middle: offset([*lon, *lat]), radius_m: *radius_m }]
        }
        Shape::Polygon { rings } => vec![Outline::Rings(rings.iter().map(walk).collect())],
        Shape::MultiPolygon { polygons } => {
            polygons.iter().map(|rings| Outline::Rings(rings.iter().map(walk).collect())).collect()
        }
        Shape::Corridor { line, .. } => vec![Outline::Line(walk(line))],
    };
    let nearest = |outline: &Outline| match outline {
        Outline::Circle { middle: (east, north), .. } => east.hypot(*north),
        Outline::Rings(rings) => closest(rings.iter().flatten()),
        Outline::Line(line) => closest(line.iter()),
    };
    found.into_iter().filter(|outline| nearest(outline) < FENCE_AWAY_M_MAX).collect()
}

fn closest<'a>(points: impl Iterator<Item = &'a Offset>) -> f64 {
    points.map(|(east, north)| east.hypot(*north)).fold(f64::INFINITY, f64::min)
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

    #[test]
    fn a_fence_of_any_shape_is_drawn_where_it_is() {
        let place = Position::new(0.0, 0.0).unwrap();
        // A hundredth of a degree at the equator is 1 112 m.
        let square = vec![[-0.01, -0.01], [0.01, -0.01], [0.01, 0.01], [-0.01, 0.01], [-0.01, -0.01]];
        let far = square.iter().map(|[lon, lat]| [lon + 1.0, *lat]).collect();
        let drawn = |shape: Shape| {
            let (id, kind) = (model::FenceId::new("home"), model::registry::FenceKind::Inclusion);
            let fence = Fence { id, kind, datum: Datum::Wgs84, margin_m: 30.0, shape, active: None, large: false };
            drawing(Language::ZhCn, place, &[fence])
        };
        let polygon = drawn(Shape::Polygon { rings: vec![square.clone()] });
        assert!(polygon.contains("d=\"M112.1 187.9L247.9 187.9L247.9 52.1L112.1 52.1L112.1 187.9Z\""), "{polygon}");
        assert!(polygon.contains("1000 米"), "{polygon}");
        let several = drawn(Shape::MultiPolygon { polygons: vec![vec![square.clone()], vec![far]] });
        assert_eq!(several.matches("class=\"fence\"").count(), 1, "what is far away is left out: {several}");
        let way = drawn(Shape::Corridor { line: vec![[0.0, 0.0], [0.01, 0.0]], width_m: 40.0 });
        assert!(way.contains("d=\"M180.0 120.0L276.0 120.0\" class=\"fence way\""), "{way}");
    }
}
