//! Rings with places in and around them.

use chrono_tz::Asia::Shanghai;
use geofence::CompiledFence;
use model::{Datum, Fence, FenceId, FenceKind, Position, Shape};
use simulator::dice::Dice;

/// A ring as each peer knows it, and places around it.
pub(crate) struct Ring {
    pub(crate) vertices: Vec<[f64; 2]>,
    pub(crate) fence: CompiledFence,
    pub(crate) polygon: geo::Polygon,
    pub(crate) places: Vec<Place>,
}

/// A place, in either word.
pub(crate) struct Place {
    pub(crate) position: Position,
    pub(crate) point: geo::Point,
}

impl Ring {
    /// A star of 100–1 000 m somewhere between 60° south and north: vertices at rising angles, so that it never meets
    /// itself, near and far by turns of the dice. The places fill its box and a tenth around it.
    pub(crate) fn star(dice: &mut Dice, vertices: usize, places: usize) -> Ring {
        const METRES_PER_DEGREE: f64 = 111_320.0;
        let middle = Position { lat: dice.between(-60.0, 60.0), lon: dice.between(-170.0, 170.0) };
        let stretch = middle.lat.to_radians().cos();
        let size = dice.between(100.0, 1000.0) / METRES_PER_DEGREE;
        let mut ring: Vec<[f64; 2]> = (0..vertices)
            .map(|vertex| {
                let angle = std::f64::consts::TAU * vertex as f64 / vertices as f64;
                let radius = size * dice.between(0.4, 1.0);
                [middle.lon + radius * angle.cos() / stretch, middle.lat + radius * angle.sin()]
            })
            .collect();
        ring.push(ring[0]);
        let fence = fence(Shape::Polygon { rings: vec![ring.clone()] });
        let polygon = geo::Polygon::new(ring.iter().map(|[lon, lat]| (*lon, *lat)).collect(), vec![]);
        let places = (0..places)
            .map(|_| {
                let (east, north) = (dice.between(-1.1, 1.1) * size / stretch, dice.between(-1.1, 1.1) * size);
                let position = Position { lat: middle.lat + north, lon: middle.lon + east };
                Place { position, point: geo::Point::new(position.lon, position.lat) }
            })
            .collect();
        Ring { vertices: ring, fence, polygon, places }
    }
}

/// A fence of this shape with the usual margin.
pub(crate) fn fence(shape: Shape) -> CompiledFence {
    let id = FenceId::new("home");
    let (kind, datum) = (FenceKind::Inclusion, Datum::Wgs84);
    let fence = Fence { id, kind, datum, margin_m: 30.0, shape, active: None, large: true };
    CompiledFence::compile(&fence, Shanghai).unwrap()
}
