//! Whether rings are what a polygon may be made of. `geo` says whether; if not, the edges are gone through for which.

use geo::algorithm::validation::{InvalidMultiPolygon, InvalidPolygon, RingRole};
use geo::line_intersection::{LineIntersection, line_intersection};
use geo::{Coord, Line, LineString, MultiPolygon, Polygon, Validation};
use model::Position;

use crate::error::{FenceError, Place};

/// Rings that do not meet themselves or each other, holes within the outline. `polygon` is the number of the polygon
/// where there are several.
pub(crate) fn check(rings: &[Vec<Position>], polygon: Option<usize>) -> Result<(), FenceError> {
    let shape = polygon_of(rings);
    let Err(invalid) = shape.check_validation() else {
        return Ok(());
    };
    for (ring, line) in std::iter::once(shape.exterior()).chain(shape.interiors()).enumerate() {
        if let Some(vertex) = meets_itself(line) {
            return Err(FenceError::SelfIntersection(Place { polygon, ring: Some(ring), vertex: Some(vertex) }));
        }
    }
    Err(misplaced(&invalid, polygon))
}

/// Polygons, each valid, that do not overlap or share an edge.
pub(crate) fn check_apart(polygons: &[Vec<Vec<Position>>]) -> Result<(), FenceError> {
    let shapes: MultiPolygon = polygons.iter().map(|rings| polygon_of(rings)).collect();
    match shapes.check_validation() {
        Ok(()) => Ok(()),
        Err(InvalidMultiPolygon::InvalidPolygon(index, invalid)) => Err(misplaced(&invalid, Some(index.0))),
        Err(InvalidMultiPolygon::ElementsOverlaps(a, b) | InvalidMultiPolygon::ElementsTouchOnALine(a, b)) => {
            let place = Place { polygon: Some(a.0.max(b.0)), ..Place::default() };
            Err(FenceError::PolygonsOverlap(place))
        }
    }
}

fn polygon_of(rings: &[Vec<Position>]) -> Polygon {
    let mut lines = rings.iter().map(|ring| ring.iter().map(|p| Coord { x: p.lon, y: p.lat }).collect::<LineString>());
    let outline = lines.next().unwrap_or_else(|| LineString::new(Vec::new()));
    Polygon::new(outline, lines.collect())
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

fn misplaced(invalid: &InvalidPolygon, polygon: Option<usize>) -> FenceError {
    let index = |role: &RingRole| match role {
        RingRole::Exterior => 0,
        RingRole::Interior(hole) => hole + 1,
    };
    let place = |ring: usize| Place { polygon, ring: Some(ring), vertex: None };
    match invalid {
        InvalidPolygon::TooFewPointsInRing(role) => FenceError::RingTooShort(place(index(role))),
        InvalidPolygon::SelfIntersection(role) => FenceError::SelfIntersection(place(index(role)).at(0)),
        InvalidPolygon::NonFiniteCoord(role, vertex) => FenceError::OffTheEarth(place(index(role)).at(vertex.0)),
        InvalidPolygon::InteriorRingNotContainedInExteriorRing(role) => FenceError::HoleMisplaced(place(index(role))),
        InvalidPolygon::IntersectingRingsOnALine(a, b) | InvalidPolygon::IntersectingRingsOnAnArea(a, b) => {
            FenceError::HoleMisplaced(place(index(a).max(index(b))))
        }
    }
}
