//! Inside or outside of rings, and how far from the edge, in one pass.

use crate::frame::Point;

/// Edges that are reckoned with side by side, so that the compiler can use vector instructions.
const LANES: usize = 4;

/// The edges of all rings of a polygon, outline and holes alike, in blocks of [`LANES`]. The last block is filled up
/// with edges of no length, which are never crossed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rings {
    blocks: Box<[Block]>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Block {
    from_east: [f64; LANES],
    from_north: [f64; LANES],
    to_east: [f64; LANES],
    to_north: [f64; LANES],
    /// One over the squared length; 0 for an edge of no length.
    inverse_square: [f64; LANES],
}

impl Rings {
    /// From edges; `None` if there are none.
    pub(crate) fn new(edges: &[(Point, Point)]) -> Option<Rings> {
        let (last, _) = *edges.last()?;
        let blocks = edges.chunks(LANES).map(|chunk| {
            let edge = |lane: usize| chunk.get(lane).copied().unwrap_or((last, last));
            let inverse_square = |lane: usize| {
                let (from, to) = edge(lane);
                let square = (to.east - from.east).powi(2) + (to.north - from.north).powi(2);
                if square > 0.0 { 1.0 / square } else { 0.0 }
            };
            Block {
                from_east: std::array::from_fn(|lane| edge(lane).0.east),
                from_north: std::array::from_fn(|lane| edge(lane).0.north),
                to_east: std::array::from_fn(|lane| edge(lane).1.east),
                to_north: std::array::from_fn(|lane| edge(lane).1.north),
                inverse_square: std::array::from_fn(inverse_square),
            }
        });
        Some(Rings { blocks: blocks.collect() })
    }

    /// Metres to the nearest edge, negative inside. Inside is where a ray to the east crosses an odd number of edges;
    /// an edge counts as crossed if exactly one of its ends lies above the ray, so that a ray through a vertex counts
    /// once.
    pub(crate) fn signed_distance_m(&self, point: Point) -> f64 {
        let mut nearest_square = [f64::INFINITY; LANES];
        let mut is_inside = [false; LANES];
        for block in &self.blocks {
            for lane in 0..LANES {
                let along_east = block.to_east[lane] - block.from_east[lane];
                let along_north = block.to_north[lane] - block.from_north[lane];
                let east = point.east - block.from_east[lane];
                let north = point.north - block.from_north[lane];
                let share = (east * along_east + north * along_north) * block.inverse_square[lane];
                let share = share.clamp(0.0, 1.0);
                let (off_east, off_north) = (east - share * along_east, north - share * along_north);
                let square = off_east * off_east + off_north * off_north;
                nearest_square[lane] = if square < nearest_square[lane] { square } else { nearest_square[lane] };
                let goes_up = block.to_north[lane] > point.north;
                let comes_from_above = block.from_north[lane] > point.north;
                let is_left = (along_east * north - along_north * east > 0.0) == goes_up;
                is_inside[lane] ^= (goes_up != comes_from_above) & is_left;
            }
        }
        let distance_m = nearest_square.into_iter().fold(f64::INFINITY, f64::min).sqrt();
        if is_inside.into_iter().fold(false, |inside, lane| inside ^ lane) { -distance_m } else { distance_m }
    }
}
