//! `tg` (C) behind a safe face. The only unsafe code of the benches.
#![allow(unsafe_code, reason = "a peer written in C; each call has its proof beside it")]

use model::Position;
use tg_sys::GeometryConstructors::{tg_geom_free, tg_geom_new_polygon};
use tg_sys::GeometryPredicates::tg_geom_intersects_xy;
use tg_sys::PolyFuncs::{tg_poly_free, tg_poly_new};
use tg_sys::RingFuncs::{tg_ring_free, tg_ring_new_ix};
use tg_sys::{tg_geom, tg_index, tg_point};

/// How `tg` is to index a ring.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Index {
    /// As it does by default.
    Natural,
    /// With stripes, which take more memory.
    Stripes,
}

/// A polygon that `tg` owns.
pub(crate) struct Polygon(*mut tg_geom);

impl Polygon {
    pub(crate) fn new(ring: &[[f64; 2]], index: Index) -> Polygon {
        let points: Vec<tg_point> = ring.iter().map(|[x, y]| tg_point { x: *x, y: *y }).collect();
        let index = match index {
            Index::Natural => tg_index::TG_NATURAL,
            Index::Stripes => tg_index::TG_YSTRIPES,
        };
        let count = i32::try_from(points.len()).unwrap();
        // SAFETY: `points` outlives the call and holds `count` points; `tg` copies them. Each object is counted: what
        // is made from another one holds it, so that our own hold is let go right after. None is null (checked last:
        // `tg` passes null on).
        let geom = unsafe {
            let ring = tg_ring_new_ix(points.as_ptr(), count, index);
            let polygon = tg_poly_new(ring, std::ptr::null(), 0);
            tg_ring_free(ring);
            let geom = tg_geom_new_polygon(polygon);
            tg_poly_free(polygon);
            geom
        };
        assert!(!geom.is_null(), "tg makes a polygon");
        Polygon(geom)
    }

    #[inline]
    pub(crate) fn contains(&self, position: Position) -> bool {
        // SAFETY: the pointer is not null, and lives as long as `self`; the function only reads.
        unsafe { tg_geom_intersects_xy(self.0, position.lon, position.lat) }
    }
}

impl Drop for Polygon {
    fn drop(&mut self) {
        // SAFETY: made in `new`, and let go of once.
        unsafe { tg_geom_free(self.0) }
    }
}
