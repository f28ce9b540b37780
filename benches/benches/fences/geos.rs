//! GEOS, with its prepared geometries.

use geos::{CoordSeq, Geom, Geometry};

use crate::ring::Ring;

/// A polygon and places that GEOS owns: making them is not part of what is measured.
pub(crate) struct Polygon {
    outline: Geometry,
    places: Vec<Geometry>,
}

impl Polygon {
    pub(crate) fn new(ring: &Ring) -> Polygon {
        let vertices: Vec<Vec<f64>> = ring.vertices.iter().map(|vertex| vertex.to_vec()).collect();
        let outline = Geometry::create_linear_ring(CoordSeq::new_from_vec(&vertices).unwrap()).unwrap();
        let place = |place: &crate::ring::Place| {
            let coordinates = [[place.position.lon, place.position.lat]];
            Geometry::create_point(CoordSeq::new_from_vec(&coordinates).unwrap()).unwrap()
        };
        let places = ring.places.iter().map(place).collect();
        Polygon { outline: Geometry::create_polygon(outline, Vec::new()).unwrap(), places }
    }

    /// How many places lie within, by the prepared geometry; preparing it is measured, and shared by all places.
    pub(crate) fn count(&self) -> usize {
        let prepared = self.outline.to_prepared_geom().unwrap();
        self.places.iter().filter(|place| prepared.contains(*place).unwrap()).count()
    }
}
