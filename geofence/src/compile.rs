//! From a fence as it was drawn to one that can be measured against; what is wrong with it is named.

use chrono_tz::Tz;
use geo::line_intersection::{LineIntersection, line_intersection};
use geo::{Coord, Line, LineString, Validation};
use model::registry::DailyWindow;
use model::{Datum, Fence, Position, Shape};

use crate::datum;
use crate::fence::{Area, CompiledFence};
use crate::frame::{Frame, Point};
use crate::rings::Rings;

/// Vertices of a fence as drawn, all rings together.
pub const FENCE_VERTICES_MAX: usize = 2000;
/// Edges of a fence once its long ones are split.
const COMPILED_EDGES_MAX: usize = 20_000;
/// How far a polygon may reach in latitude or longitude, degrees: beyond it a flat map will not do.
const POLYGON_DEGREES_MAX: f64 = 4.0;
const RADIUS_METRES_MIN: f64 = 1.0;
const RADIUS_METRES_MAX: f64 = 1_000_000.0;
const MARGIN_METRES_MAX: f64 = 10_000.0;
/// Edges longer than this are split before a datum bends them, metres. BD-09 waves by some 36 m over 12 km (GCJ-02 by
/// less), so what is left of the bend is 0.1 m.
const EDGE_METRES_MAX: f64 = 250.0;
const DAY_MINUTES: u16 = 1440;

/// What is wrong with a fence. Rings and vertices count from 0, as in the GeoJSON that they came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FenceError {
    /// The margin is not 0–10 000 m.
    #[error("the margin must be 0 to 10000 m")]
    Margin,
    /// The daily window is not within a day.
    #[error("the daily window must lie between 00:00 and 23:59")]
    Window,
    /// The radius is not 1–1 000 000 m.
    #[error("the radius must be 1 to 1000000 m")]
    Radius,
    /// The centre is nowhere on earth.
    #[error("the centre's latitude must be -90 to 90 and its longitude -180 to 180; they may be swapped")]
    CentreOffTheEarth,
    /// The polygon has no ring.
    #[error("a polygon needs at least one ring")]
    NoRings,
    /// There are more than [`FENCE_VERTICES_MAX`] vertices, or so long edges that they cannot be split.
    #[error("too many vertices: at most 2000 in all rings together")]
    TooManyVertices,
    /// The ring has fewer than three different vertices.
    #[error("ring {ring} needs at least three different vertices")]
    RingTooShort {
        /// Which ring.
        ring: usize,
    },
    /// The ring's last vertex is not its first.
    #[error("ring {ring} is not closed: its last vertex must be its first")]
    RingNotClosed {
        /// Which ring.
        ring: usize,
    },
    /// The vertex is nowhere on earth.
    #[error(
        "vertex {vertex} of ring {ring}: longitude must be -180 to 180 and latitude -90 to 90; GeoJSON has longitude first"
    )]
    OffTheEarth {
        /// Which ring.
        ring: usize,
        /// Which vertex.
        vertex: usize,
    },
    /// The polygon reaches farther than four degrees.
    #[error("vertex {vertex} of ring {ring} is more than 4 degrees from another: the fence is too large")]
    TooLarge {
        /// Which ring.
        ring: usize,
        /// Which vertex.
        vertex: usize,
    },
    /// The edge that begins at this vertex crosses or touches another edge of its ring.
    #[error("the edge that begins at vertex {vertex} of ring {ring} meets another edge of the ring")]
    SelfIntersection {
        /// Which ring.
        ring: usize,
        /// Which vertex.
        vertex: usize,
    },
    /// The ring, a hole, is not within the outline, or overlaps another hole.
    #[error("ring {ring} is a hole and must lie within the outline, apart from other holes")]
    HoleMisplaced {
        /// Which ring.
        ring: usize,
    },
    /// The fence is told in GCJ-02 or BD-09 and lies on the border of the area in which these are defined.
    #[error("vertex {vertex} of ring {ring} lies across the border of the datum's area: draw the fence in wgs84")]
    StraddlesDatumBorder {
        /// Which ring; 0 for a circle.
        ring: usize,
        /// Which vertex; 0 for a circle.
        vertex: usize,
    },
}

impl FenceError {
    /// Where in the fence's JSON it is, as a JSON pointer (RFC 6901) relative to the fence.
    #[must_use]
    pub fn pointer(&self) -> String {
        const COORDINATES: &str = "/geometry/coordinates";
        match self {
            FenceError::Margin => "/margin_m".to_owned(),
            FenceError::Window => "/active".to_owned(),
            FenceError::Radius => "/circle/radius_m".to_owned(),
            FenceError::CentreOffTheEarth => "/circle".to_owned(),
            FenceError::NoRings | FenceError::TooManyVertices => COORDINATES.to_owned(),
            FenceError::RingTooShort { ring }
            | FenceError::RingNotClosed { ring }
            | FenceError::HoleMisplaced { ring } => format!("{COORDINATES}/{ring}"),
            FenceError::OffTheEarth { ring, vertex }
            | FenceError::TooLarge { ring, vertex }
            | FenceError::SelfIntersection { ring, vertex }
            | FenceError::StraddlesDatumBorder { ring, vertex } => format!("{COORDINATES}/{ring}/{vertex}"),
        }
    }
}

pub(crate) fn compile(fence: &Fence, zone: Tz) -> Result<CompiledFence, FenceError> {
    if !(0.0..=MARGIN_METRES_MAX).contains(&fence.margin_m) {
        return Err(FenceError::Margin);
    }
    let is_in_day = |window: &DailyWindow| window.from_minute < DAY_MINUTES && window.to_minute < DAY_MINUTES;
    if !fence.active.as_ref().is_none_or(is_in_day) {
        return Err(FenceError::Window);
    }
    let (frame, area) = match &fence.shape {
        Shape::Circle { lon, lat, radius_m } => disc(*lat, *lon, *radius_m, fence.datum)?,
        Shape::Polygon { rings } => polygon(rings, fence.datum)?,
    };
    let active = fence.active.map(|window| (window, zone));
    Ok(CompiledFence { id: fence.id.clone(), margin_m: fence.margin_m, frame, area, active })
}

/// The radius is taken in true metres whatever the datum: GCJ-02 stretches by less than 0.5 %, BD-09 by less than 2 %.
fn disc(lat: f64, lon: f64, radius_m: f64, datum: Datum) -> Result<(Frame, Area), FenceError> {
    if !(RADIUS_METRES_MIN..=RADIUS_METRES_MAX).contains(&radius_m) {
        return Err(FenceError::Radius);
    }
    let drawn = Position::new(lat, lon).ok_or(FenceError::CentreOffTheEarth)?;
    let frame = Frame::around(datum::to_wgs84(drawn, datum));
    if datum != Datum::Wgs84 {
        let centre = frame.origin();
        let degrees = (radius_m / 100_000.0).min(90.0);
        let corners = [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)].map(|(north, east)| Position {
            lat: centre.lat + north * degrees,
            lon: centre.lon + east * degrees / centre.lat.to_radians().cos().max(0.1),
        });
        if corners.iter().any(|corner| datum::is_shifted(*corner) != datum::is_shifted(centre)) {
            return Err(FenceError::StraddlesDatumBorder { ring: 0, vertex: 0 });
        }
    }
    Ok((frame, Area::Disc { radius_m }))
}

fn polygon(rings: &[Vec<[f64; 2]>], datum: Datum) -> Result<(Frame, Area), FenceError> {
    if rings.iter().map(Vec::len).sum::<usize>() > FENCE_VERTICES_MAX {
        return Err(FenceError::TooManyVertices);
    }
    let rings = positions(rings)?;
    check_extent(&rings)?;
    check_topology(&rings)?;
    check_datum_border(&rings, datum)?;
    let frame = Frame::around(datum::to_wgs84(middle(&rings), datum));
    let mut edges = Vec::new();
    for ring in &rings {
        for side in ring.windows(2) {
            let mut from = datum::to_wgs84(side[0], datum);
            for stop in stops(side[0], side[1], datum, &frame) {
                let to = datum::to_wgs84(stop, datum);
                edges.push((frame.point(from), frame.point(to)));
                from = to;
            }
            if edges.len() > COMPILED_EDGES_MAX {
                return Err(FenceError::TooManyVertices);
            }
        }
    }
    edges.retain(|(from, to): &(Point, Point)| from != to);
    let rings = Rings::new(&edges).ok_or(FenceError::NoRings)?;
    Ok((frame, Area::Rings(rings)))
}

/// The rings as positions: closed, and of at least three different vertices.
fn positions(rings: &[Vec<[f64; 2]>]) -> Result<Vec<Vec<Position>>, FenceError> {
    let is_empty = rings.is_empty();
    let rings: Vec<Vec<Position>> = rings
        .iter()
        .enumerate()
        .map(|(ring, vertices)| {
            let position = |(vertex, [lon, lat]): (usize, &[f64; 2])| {
                Position::new(*lat, *lon).ok_or(FenceError::OffTheEarth { ring, vertex })
            };
            let positions: Vec<Position> = vertices.iter().enumerate().map(position).collect::<Result<_, _>>()?;
            let mut distinct: Vec<&Position> = Vec::new();
            for position in &positions {
                if distinct.len() < 3 && !distinct.contains(&position) {
                    distinct.push(position);
                }
            }
            if distinct.len() < 3 {
                return Err(FenceError::RingTooShort { ring });
            }
            if positions.first() != positions.last() {
                return Err(FenceError::RingNotClosed { ring });
            }
            Ok(positions)
        })
        .collect::<Result<_, _>>()?;
    if is_empty { Err(FenceError::NoRings) } else { Ok(rings) }
}

fn check_extent(rings: &[Vec<Position>]) -> Result<(), FenceError> {
    let first = rings[0][0];
    let (mut south, mut north, mut west, mut east) = (first.lat, first.lat, first.lon, first.lon);
    for (ring, vertices) in rings.iter().enumerate() {
        for (vertex, position) in vertices.iter().enumerate() {
            (south, north) = (south.min(position.lat), north.max(position.lat));
            (west, east) = (west.min(position.lon), east.max(position.lon));
            if north - south > POLYGON_DEGREES_MAX || east - west > POLYGON_DEGREES_MAX {
                return Err(FenceError::TooLarge { ring, vertex });
            }
        }
    }
    Ok(())
}

/// Rings that do not meet themselves or each other, holes within the outline: `geo` says whether, and if not, the
/// pairs of edges are gone through for which.
fn check_topology(rings: &[Vec<Position>]) -> Result<(), FenceError> {
    let mut lines = rings.iter().map(|ring| ring.iter().map(|p| Coord { x: p.lon, y: p.lat }).collect::<LineString>());
    let outline = lines.next().ok_or(FenceError::NoRings)?;
    let polygon = geo::Polygon::new(outline, lines.collect());
    let Err(invalid) = polygon.check_validation() else {
        return Ok(());
    };
    for (ring, line) in std::iter::once(polygon.exterior()).chain(polygon.interiors()).enumerate() {
        if let Some(vertex) = meets_itself(line) {
            return Err(FenceError::SelfIntersection { ring, vertex });
        }
    }
    Err(misplaced(&invalid))
}

/// The first edge that meets another one of the ring elsewhere than at the vertex between them.
fn meets_itself(ring: &LineString) -> Option<usize> {
    let edges: Vec<Line> = ring.lines().collect();
    (0..edges.len()).find(|&a| {
        (a + 1..edges.len()).any(|b| match line_intersection(edges[a], edges[b]) {
            None => false,
            Some(LineIntersection::Collinear { intersection }) => intersection.start != intersection.end,
            Some(LineIntersection::SinglePoint { is_proper, .. }) => {
                let are_neighbours = b == a + 1 || (a == 0 && b == edges.len() - 1);
                is_proper || !are_neighbours
            }
        })
    })
}

fn misplaced(invalid: &geo::algorithm::validation::InvalidPolygon) -> FenceError {
    use geo::algorithm::validation::{InvalidPolygon, RingRole};
    let index = |role: &RingRole| match role {
        RingRole::Exterior => 0,
        RingRole::Interior(hole) => hole + 1,
    };
    match invalid {
        InvalidPolygon::TooFewPointsInRing(role) => FenceError::RingTooShort { ring: index(role) },
        InvalidPolygon::SelfIntersection(role) => FenceError::SelfIntersection { ring: index(role), vertex: 0 },
        InvalidPolygon::NonFiniteCoord(role, vertex) => FenceError::OffTheEarth { ring: index(role), vertex: vertex.0 },
        InvalidPolygon::InteriorRingNotContainedInExteriorRing(role) => FenceError::HoleMisplaced { ring: index(role) },
        InvalidPolygon::IntersectingRingsOnALine(a, b) | InvalidPolygon::IntersectingRingsOnAnArea(a, b) => {
            FenceError::HoleMisplaced { ring: index(a).max(index(b)) }
        }
    }
}

fn check_datum_border(rings: &[Vec<Position>], datum: Datum) -> Result<(), FenceError> {
    if datum == Datum::Wgs84 {
        return Ok(());
    }
    let is_shifted = |position: &Position| datum::is_shifted(datum::to_wgs84(*position, datum));
    let first = is_shifted(&rings[0][0]);
    for (ring, vertices) in rings.iter().enumerate() {
        if let Some(vertex) = vertices.iter().position(|position| is_shifted(position) != first) {
            return Err(FenceError::StraddlesDatumBorder { ring, vertex });
        }
    }
    Ok(())
}

/// The middle of the outline's bounding box, in the datum it was drawn in.
fn middle(rings: &[Vec<Position>]) -> Position {
    let range = |value: fn(&Position) -> f64| {
        let values = rings.iter().flatten().map(value);
        let (low, high) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
        (low + high) / 2.0
    };
    Position { lat: range(|p| p.lat), lon: range(|p| p.lon) }
}

/// Where an edge ends, and before that where it is split: a straight line on one datum's map is none on another's.
fn stops(from: Position, to: Position, datum: Datum, frame: &Frame) -> impl Iterator<Item = Position> {
    let pieces = match datum {
        Datum::Wgs84 => 1.0,
        Datum::Gcj02 | Datum::Bd09 => (frame.distance_m(from, to) / EDGE_METRES_MAX).ceil().max(1.0),
    };
    (1..=pieces as usize).map(move |piece| {
        let share = piece as f64 / pieces;
        if share >= 1.0 {
            return to;
        }
        Position { lat: from.lat + share * (to.lat - from.lat), lon: from.lon + share * (to.lon - from.lon) }
    })
}
