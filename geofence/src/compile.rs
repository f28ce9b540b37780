//! From a fence as it was drawn to one that can be measured against; what is wrong with it is named.

use chrono_tz::Tz;
use model::{Datum, Fence, Position, Shape};

use crate::edges::Edges;
use crate::error::{CIRCLE_METRES_UNUSUAL, FENCE_VERTICES_MAX, FenceError, Place};
use crate::fence::{Area, CompiledFence};
use crate::frame::{Frame, Point};
use crate::hours::Hours;
use crate::{datum, topology};

/// Edges of a fence once its long ones are split.
const COMPILED_EDGES_MAX: usize = 20_000;
/// How far a polygon or a line may reach in latitude or longitude, degrees: beyond it a flat map will not do.
const REACH_DEGREES_MAX: f64 = 4.0;
const RADIUS_METRES_MIN: f64 = 1.0;
const RADIUS_METRES_MAX: f64 = 1_000_000.0;
const WIDTH_METRES_MIN: f64 = 1.0;
const WIDTH_METRES_MAX: f64 = 10_000.0;
const MARGIN_METRES_MAX: f64 = 10_000.0;
/// Edges longer than this are split before a datum bends them, metres. BD-09 waves by some 36 m over 12 km (GCJ-02 by
/// less), so what is left of the bend is 0.1 m.
const EDGE_METRES_MAX: f64 = 250.0;

/// How much of a fence is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// All but how its rings lie.
    Numbers,
    /// All.
    Topology,
}

pub(crate) fn compile(fence: &Fence, zone: Tz, check: Check) -> Result<CompiledFence, FenceError> {
    if !(0.0..=MARGIN_METRES_MAX).contains(&fence.margin_m) {
        return Err(FenceError::Margin);
    }
    let hours = fence.active.as_ref().map(|schedule| Hours::new(schedule, zone)).transpose()?;
    let (frame, area) = match &fence.shape {
        Shape::Circle { lon, lat, radius_m } => disc(*lat, *lon, *radius_m, fence)?,
        Shape::Polygon { rings } => {
            let rings = ring_positions(rings, None)?;
            if check == Check::Topology {
                topology::check(&rings, None)?;
            }
            enclosed(&rings, fence.datum, |ring| Place { ring: Some(ring), ..Place::default() })?
        }
        Shape::MultiPolygon { polygons } => several(polygons, fence.datum, check)?,
        Shape::Corridor { line, width_m } => corridor(line, *width_m, fence.datum)?,
    };
    Ok(CompiledFence { id: fence.id.clone(), kind: fence.kind, margin_m: fence.margin_m, frame, area, hours })
}

/// The radius is taken in true metres whatever the datum: GCJ-02 stretches by less than 0.5 %, BD-09 by less than 2 %.
fn disc(lat: f64, lon: f64, radius_m: f64, fence: &Fence) -> Result<(Frame, Area), FenceError> {
    if !(RADIUS_METRES_MIN..=RADIUS_METRES_MAX).contains(&radius_m) {
        return Err(FenceError::Radius);
    }
    if radius_m >= CIRCLE_METRES_UNUSUAL && !fence.large {
        return Err(FenceError::RadiusUnusual { metres: radius_m.round() as u32 });
    }
    let drawn = Position::new(lat, lon).ok_or(FenceError::CentreOffTheEarth)?;
    let frame = Frame::around(datum::to_wgs84(drawn, fence.datum));
    if fence.datum != Datum::Wgs84 {
        let centre = frame.origin();
        let degrees = (radius_m / 100_000.0).min(90.0);
        let corners = [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)].map(|(north, east)| Position {
            lat: centre.lat + north * degrees,
            lon: centre.lon + east * degrees / centre.lat.to_radians().cos().max(0.1),
        });
        if corners.iter().any(|corner| datum::is_shifted(*corner) != datum::is_shifted(centre)) {
            return Err(FenceError::CircleStraddlesDatumBorder);
        }
    }
    Ok((frame, Area::Disc { radius_m }))
}

fn several(polygons: &[Vec<Vec<[f64; 2]>>], datum: Datum, check: Check) -> Result<(Frame, Area), FenceError> {
    count_vertices(polygons.iter().flatten().map(Vec::len).sum())?;
    let numbered = polygons.iter().enumerate();
    let polygons: Vec<Vec<Vec<Position>>> =
        numbered.map(|(number, rings)| ring_positions(rings, Some(number))).collect::<Result<_, _>>()?;
    if check == Check::Topology {
        for (number, rings) in polygons.iter().enumerate() {
            topology::check(rings, Some(number))?;
        }
        topology::check_apart(&polygons)?;
    }
    let places: Vec<Place> = polygons
        .iter()
        .enumerate()
        .flat_map(|(number, rings)| {
            (0..rings.len()).map(move |ring| Place { polygon: Some(number), ring: Some(ring), vertex: None })
        })
        .collect();
    let rings: Vec<Vec<Position>> = polygons.into_iter().flatten().collect();
    if rings.is_empty() {
        return Err(FenceError::NoRings);
    }
    enclosed(&rings, datum, |ring| places[ring])
}

fn corridor(line: &[[f64; 2]], width_m: f64, datum: Datum) -> Result<(Frame, Area), FenceError> {
    if !(WIDTH_METRES_MIN..=WIDTH_METRES_MAX).contains(&width_m) {
        return Err(FenceError::Width);
    }
    count_vertices(line.len())?;
    let place = Place::default();
    let line = positions(line, place)?;
    if line.iter().all(|position| *position == line[0]) {
        return Err(FenceError::LineTooShort(place));
    }
    let (frame, edges) = edges(&[line], datum, |_| place)?.ok_or(FenceError::LineTooShort(place))?;
    Ok((frame, Area::Corridor { line: edges, half_width_m: width_m / 2.0 }))
}

fn enclosed(
    rings: &[Vec<Position>],
    datum: Datum,
    place: impl Fn(usize) -> Place,
) -> Result<(Frame, Area), FenceError> {
    let (frame, edges) = edges(rings, datum, place)?.ok_or(FenceError::NoRings)?;
    Ok((frame, Area::Rings(edges)))
}

/// The edges of rings or lines in metres, and the map that they are on. `place` names a chain in errors.
fn edges(
    chains: &[Vec<Position>],
    datum: Datum,
    place: impl Fn(usize) -> Place,
) -> Result<Option<(Frame, Edges)>, FenceError> {
    check_extent(chains, &place)?;
    check_datum_border(chains, datum, &place)?;
    let frame = Frame::around(datum::to_wgs84(middle(chains), datum));
    let mut count = 0;
    let mut mapped: Vec<Vec<Point>> = Vec::with_capacity(chains.len());
    for chain in chains {
        let mut points = vec![frame.point(datum::to_wgs84(chain[0], datum))];
        for side in chain.windows(2) {
            points.extend(stops(side[0], side[1], datum, &frame).map(|stop| frame.point(datum::to_wgs84(stop, datum))));
            if count + points.len() > COMPILED_EDGES_MAX {
                return Err(FenceError::EdgesTooLong);
            }
        }
        points.dedup();
        count += points.len();
        mapped.push(points);
    }
    Ok(Edges::new(&mapped).map(|edges| (frame, edges)))
}

/// The rings as positions: closed, and of at least three different vertices.
fn ring_positions(rings: &[Vec<[f64; 2]>], polygon: Option<usize>) -> Result<Vec<Vec<Position>>, FenceError> {
    if rings.is_empty() {
        return Err(FenceError::NoRings);
    }
    count_vertices(rings.iter().map(Vec::len).sum())?;
    let ring_positions = |(ring, vertices): (usize, &Vec<[f64; 2]>)| {
        let place = Place { polygon, ring: Some(ring), vertex: None };
        let positions = positions(vertices, place)?;
        let mut distinct: Vec<&Position> = Vec::new();
        for position in &positions {
            if distinct.len() < 3 && !distinct.contains(&position) {
                distinct.push(position);
            }
        }
        if distinct.len() < 3 {
            return Err(FenceError::RingTooShort(place));
        }
        if positions.first() != positions.last() {
            return Err(FenceError::RingNotClosed(place.at(positions.len() - 1)));
        }
        Ok(positions)
    };
    rings.iter().enumerate().map(ring_positions).collect()
}

fn positions(vertices: &[[f64; 2]], place: Place) -> Result<Vec<Position>, FenceError> {
    let position = |(vertex, [lon, lat]): (usize, &[f64; 2])| {
        Position::new(*lat, *lon).ok_or(FenceError::OffTheEarth(place.at(vertex)))
    };
    vertices.iter().enumerate().map(position).collect()
}

fn count_vertices(count: usize) -> Result<(), FenceError> {
    if count > FENCE_VERTICES_MAX { Err(FenceError::TooManyVertices { count }) } else { Ok(()) }
}

fn check_extent(chains: &[Vec<Position>], place: &impl Fn(usize) -> Place) -> Result<(), FenceError> {
    let first = chains[0][0];
    let (mut south, mut north, mut west, mut east) = (first.lat, first.lat, first.lon, first.lon);
    for (chain, vertices) in chains.iter().enumerate() {
        for (vertex, position) in vertices.iter().enumerate() {
            (south, north) = (south.min(position.lat), north.max(position.lat));
            (west, east) = (west.min(position.lon), east.max(position.lon));
            if north - south > REACH_DEGREES_MAX || east - west > REACH_DEGREES_MAX {
                return Err(FenceError::TooLarge(place(chain).at(vertex)));
            }
        }
    }
    Ok(())
}

fn check_datum_border(
    chains: &[Vec<Position>],
    datum: Datum,
    place: &impl Fn(usize) -> Place,
) -> Result<(), FenceError> {
    if datum == Datum::Wgs84 {
        return Ok(());
    }
    let is_shifted = |position: &Position| datum::is_shifted(datum::to_wgs84(*position, datum));
    let first = is_shifted(&chains[0][0]);
    for (chain, vertices) in chains.iter().enumerate() {
        if let Some(vertex) = vertices.iter().position(|position| is_shifted(position) != first) {
            return Err(FenceError::StraddlesDatumBorder(place(chain).at(vertex)));
        }
    }
    Ok(())
}

/// The middle of the bounding box, in the datum it was drawn in.
fn middle(chains: &[Vec<Position>]) -> Position {
    let range = |value: fn(&Position) -> f64| {
        let values = chains.iter().flatten().map(value);
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
