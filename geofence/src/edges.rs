//! The edges of rings and lines: how far the nearest is, and whether a place is enclosed, in one pass.
//!
//! Edges stand in blocks of eight, as a structure of arrays in metres of the fence's own flat map, so that the compiler
//! reckons with several at once. They are `f32`: with the origin in the fence's middle that is exact to a fraction of a
//! millimetre per kilometre, and [`Edges::error_m`] bounds what is lost.
//!
//! Where there are many blocks, most are never looked into: of a block that lies farther off than a vertex that is
//! known, only the ends matter for what is enclosed.

use crate::frame::Point;

/// Edges in a block, blocks in a group.
const LANES: usize = 8;
/// Up to so many blocks, all are gone through.
const BLOCKS_FEW: usize = 4;
/// What the arithmetic may lose at least, metres, and of each metre that a fence reaches or a place is off its middle:
/// five roundings of 2⁻²⁴.
const ERROR_METRES: f64 = 0.000_1;
const ERROR_SHARE: f64 = 3e-7;

/// The edges of all rings of an area, outlines and holes alike, or of a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Edges {
    blocks: Box<[Block]>,
    groups: Box<[Group]>,
    reach_m: f64,
}

/// Up to [`LANES`] edges that follow each other, filled up with edges of no length.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(32))]
struct Block {
    from_east: [f32; LANES],
    from_north: [f32; LANES],
    along_east: [f32; LANES],
    along_north: [f32; LANES],
    to_north: [f32; LANES],
    /// One over the squared length; 0 for an edge of no length.
    inverse_square: [f32; LANES],
}

/// What must be known of [`LANES`] blocks to leave them alone: the box around each, a vertex in its middle, its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(32))]
struct Group {
    west: [f32; LANES],
    east: [f32; LANES],
    south: [f32; LANES],
    north: [f32; LANES],
    middle_east: [f32; LANES],
    middle_north: [f32; LANES],
    first_north: [f32; LANES],
    last_north: [f32; LANES],
}

impl Edges {
    /// From chains of vertices; a ring's last vertex is its first. `None` if there is no edge.
    pub(crate) fn new(chains: &[Vec<Point>]) -> Option<Edges> {
        let (mut blocks, mut outlines) = (Vec::new(), Vec::new());
        for chain in chains {
            let mut from = 0;
            while from + 1 < chain.len() {
                let to = (from + LANES).min(chain.len() - 1);
                blocks.push(Block::new(&chain[from..=to]));
                outlines.push(&chain[from..=to]);
                from = to;
            }
        }
        let is_large = blocks.len() > BLOCKS_FEW;
        let groups = outlines.chunks(LANES).filter(|_| is_large).map(Group::new).collect();
        let reach = chains.iter().flatten().map(|point| point.east.hypot(point.north));
        (!blocks.is_empty()).then(|| Edges { blocks: blocks.into(), groups, reach_m: reach.fold(0.0, f64::max) })
    }

    /// How far the farthest vertex is from the middle, metres.
    pub(crate) fn reach_m(&self) -> f64 {
        self.reach_m
    }

    /// How wrong [`Edges::nearest_m`] may be at most, against exact arithmetic on the same flat map, metres.
    pub(crate) fn error_m(&self, point: Point) -> f64 {
        ERROR_METRES + ERROR_SHARE * (self.reach_m + point.east.hypot(point.north))
    }

    /// Metres to the nearest edge, and whether the rings enclose the place: whether a ray to the east crosses an odd
    /// number of edges. An edge counts as crossed if exactly one of its ends lies above the ray, so that a ray through
    /// a vertex counts once.
    #[inline]
    pub(crate) fn nearest_m(&self, point: Point) -> (f32, bool) {
        let (east, north) = (point.east as f32, point.north as f32);
        let (square, is_enclosed) =
            if self.groups.is_empty() { self.among_few(east, north) } else { self.among_many(east, north) };
        (square.sqrt(), is_enclosed)
    }

    #[inline]
    fn among_few(&self, east: f32, north: f32) -> (f32, bool) {
        let (mut nearest, mut crossed) = ([f32::INFINITY; LANES], [0; LANES]);
        for block in &self.blocks {
            block.pass(east, north, &mut nearest, &mut crossed);
        }
        (least_of(nearest), is_odd(crossed))
    }

    fn among_many(&self, east: f32, north: f32) -> (f32, bool) {
        let mut nearest = least_of(
            self.groups.iter().fold([f32::INFINITY; LANES], |nearest, group| group.middles(east, north, nearest)),
        );
        let mut crossed = [0; LANES];
        for (group, blocks) in self.groups.iter().zip(self.blocks.chunks(LANES)) {
            let mut near = group.near(east, north, nearest, &mut crossed);
            while near != 0 {
                let mut lanes = [nearest; LANES];
                blocks[near.trailing_zeros() as usize].pass(east, north, &mut lanes, &mut crossed);
                nearest = least_of(lanes);
                near &= near - 1;
            }
        }
        (nearest, is_odd(crossed))
    }

    /// The point of the edges that is nearest to a place, for places so far off that the map's flatness shows.
    #[cold]
    pub(crate) fn nearest_point(&self, point: Point) -> Point {
        let mut nearest = (f64::INFINITY, point);
        for block in &self.blocks {
            for lane in 0..LANES {
                let [east, north, along_east, along_north, inverse] =
                    [block.from_east, block.from_north, block.along_east, block.along_north, block.inverse_square]
                        .map(|lanes| f64::from(lanes[lane]));
                let share = ((point.east - east) * along_east + (point.north - north) * along_north) * inverse;
                let share = share.clamp(0.0, 1.0);
                let here = Point { east: east + share * along_east, north: north + share * along_north };
                let metres = (here.east - point.east).hypot(here.north - point.north);
                if metres < nearest.0 {
                    nearest = (metres, here);
                }
            }
        }
        nearest.1
    }
}

impl Block {
    fn new(chain: &[Point]) -> Block {
        let last = chain.len() - 1;
        let from = |lane: usize| chain[lane.min(last)];
        let to = |lane: usize| chain[(lane + 1).min(last)];
        let along_east = |lane: usize| to(lane).east - from(lane).east;
        let along_north = |lane: usize| to(lane).north - from(lane).north;
        let inverse_square = |lane: usize| {
            let square = along_east(lane).powi(2) + along_north(lane).powi(2);
            if square > 0.0 { 1.0 / square } else { 0.0 }
        };
        let lanes = |value: &dyn Fn(usize) -> f64| std::array::from_fn(|lane| value(lane) as f32);
        Block {
            from_east: lanes(&|lane| from(lane).east),
            from_north: lanes(&|lane| from(lane).north),
            along_east: lanes(&along_east),
            along_north: lanes(&along_north),
            to_north: lanes(&|lane| to(lane).north),
            inverse_square: lanes(&inverse_square),
        }
    }

    /// Lane by lane: the squared distance if it is less, one more if crossed.
    #[inline(always)]
    fn pass(&self, east: f32, north: f32, nearest: &mut [f32; LANES], crossed: &mut [u32; LANES]) {
        for lane in 0..LANES {
            let (along_east, along_north) = (self.along_east[lane], self.along_north[lane]);
            let (off_east, off_north) = (east - self.from_east[lane], north - self.from_north[lane]);
            let share = (off_east * along_east + off_north * along_north) * self.inverse_square[lane];
            let share = less(more(share, 0.0), 1.0);
            let (miss_east, miss_north) = (off_east - share * along_east, off_north - share * along_north);
            nearest[lane] = less(miss_east * miss_east + miss_north * miss_north, nearest[lane]);
            let ends_above = self.to_north[lane] > north;
            let begins_above = self.from_north[lane] > north;
            let is_left = (along_east * off_north - along_north * off_east > 0.0) == ends_above;
            crossed[lane] ^= u32::from((ends_above != begins_above) & is_left);
        }
    }
}

impl Group {
    fn new(chains: &[&[Point]]) -> Group {
        let lanes = |value: &dyn Fn(&[Point]) -> f64, otherwise: f32| {
            std::array::from_fn(|lane| chains.get(lane).map_or(otherwise, |chain| value(chain) as f32))
        };
        let least =
            |value: fn(&Point) -> f64| move |chain: &[Point]| chain.iter().map(value).fold(f64::INFINITY, f64::min);
        let most =
            |value: fn(&Point) -> f64| move |chain: &[Point]| chain.iter().map(value).fold(f64::NEG_INFINITY, f64::max);
        Group {
            west: lanes(&least(|point| point.east), f32::INFINITY),
            east: lanes(&most(|point| point.east), f32::INFINITY),
            south: lanes(&least(|point| point.north), f32::INFINITY),
            north: lanes(&most(|point| point.north), f32::INFINITY),
            middle_east: lanes(&|chain| chain[chain.len() / 2].east, f32::INFINITY),
            middle_north: lanes(&|chain| chain[chain.len() / 2].north, f32::INFINITY),
            first_north: lanes(&|chain| chain[0].north, 0.0),
            last_north: lanes(&|chain| chain[chain.len() - 1].north, 0.0),
        }
    }

    /// The squared distance to a vertex of each block, lane by lane, if it is less.
    #[inline(always)]
    fn middles(&self, east: f32, north: f32, mut nearest: [f32; LANES]) -> [f32; LANES] {
        for (lane, nearest) in nearest.iter_mut().enumerate() {
            let (off_east, off_north) = (self.middle_east[lane] - east, self.middle_north[lane] - north);
            *nearest = less(off_east * off_east + off_north * off_north, *nearest);
        }
        nearest
    }

    /// Which blocks may hold an edge that is nearer than `nearest`, squared, one bit each. Of the others, those that
    /// lie to the east are crossed as a straight line between their ends would be: the place is not in their box.
    #[inline(always)]
    fn near(&self, east: f32, north: f32, nearest: f32, crossed: &mut [u32; LANES]) -> u32 {
        let mut bits = 0;
        for (lane, crossed) in crossed.iter_mut().enumerate() {
            let off_east = more(more(self.west[lane] - east, east - self.east[lane]), 0.0);
            let off_north = more(more(self.south[lane] - north, north - self.north[lane]), 0.0);
            let is_near = off_east * off_east + off_north * off_north <= nearest;
            let is_crossed = (self.first_north[lane] > north) != (self.last_north[lane] > north);
            *crossed ^= u32::from(!is_near & is_crossed & (self.west[lane] > east));
            bits |= u32::from(is_near) << lane;
        }
        bits
    }
}

/// As the processor's own instruction has it; `f32::min` asks for more where a number is none.
#[inline(always)]
fn less(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

#[inline(always)]
fn more(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn least_of(lanes: [f32; LANES]) -> f32 {
    let mut four = [0.0; LANES / 2];
    for lane in 0..LANES / 2 {
        four[lane] = less(lanes[lane], lanes[lane + LANES / 2]);
    }
    less(less(four[0], four[2]), less(four[1], four[3]))
}

#[inline(always)]
fn is_odd(lanes: [u32; LANES]) -> bool {
    lanes.into_iter().fold(0, |all, lane| all ^ lane) & 1 == 1
}
