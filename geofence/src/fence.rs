//! A fence, ready to be measured against.

use chrono_tz::Tz;
use model::{Fence, FenceId, FenceKind, Position, Timestamp};

use crate::compile::{self, Check};
use crate::edges::Edges;
use crate::error::FenceError;
use crate::frame::{Frame, Point, far_m};
use crate::hours::Hours;

/// Farther off than this from where a fence reaches to, metres, the flat map gives way to the sphere.
const FLAT_METRES_MAX: f64 = 20_000.0;
/// The least and the most steps in which a way is followed: what passes within the least of a corner is not seen.
const STEP_METRES_MIN: f64 = 5.0;
const STEPS_MAX: usize = 10_000;
/// A way goes through an area only if it is so deep in it somewhere, metres.
const THROUGH_METRES_MIN: f64 = 1.0;

/// A fence in WGS-84, in metres around itself. Immutable; an edited fence is compiled anew.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledFence {
    pub(crate) id: FenceId,
    pub(crate) kind: FenceKind,
    pub(crate) margin_m: f64,
    pub(crate) frame: Frame,
    pub(crate) area: Area,
    pub(crate) hours: Option<Hours>,
}

/// What is inside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Area {
    /// A disc around the frame's origin.
    Disc { radius_m: f64 },
    /// What the rings enclose, without the holes.
    Rings(Edges),
    /// What is no farther from a line.
    Corridor { line: Edges, half_width_m: f64 },
}

impl CompiledFence {
    /// Checks a fence and converts it to WGS-84. `zone` is the one that its hours are told in, unless they name theirs.
    ///
    /// # Errors
    /// The first thing that is wrong with it, naming the vertex: see [`FenceError`].
    pub fn compile(fence: &Fence, zone: Tz) -> Result<CompiledFence, FenceError> {
        compile::compile(fence, zone, Check::Topology)
    }

    /// The same of a fence that was checked when it was taken: whether rings cross, for which every edge is held against
    /// every other, is not looked at again.
    ///
    /// # Errors
    /// As [`CompiledFence::compile`], but for crossing and misplaced rings.
    pub fn recompile(fence: &Fence, zone: Tz) -> Result<CompiledFence, FenceError> {
        compile::compile(fence, zone, Check::Numbers)
    }

    /// Metres from a position to the edge: negative inside, positive outside. On the fence's flat map it is exact to
    /// [`CompiledFence::arithmetic_error_m`]; the map itself is exact to `distance × (reach + distance) / 6 400 km ×
    /// tan(latitude)`, which is a centimetre for what is 30 m from the edge of a village.
    #[must_use]
    #[inline]
    pub fn signed_distance_m(&self, position: Position) -> f64 {
        let point = self.frame.point(position);
        let square = point.east * point.east + point.north * point.north;
        let flat = FLAT_METRES_MAX + self.reach_m();
        if square > flat * flat {
            return self.far_distance_m(position, point);
        }
        match &self.area {
            Area::Disc { radius_m } => square.sqrt() - radius_m,
            Area::Rings(edges) => match edges.nearest_m(point) {
                (metres, true) => -f64::from(metres),
                (metres, false) => f64::from(metres),
            },
            Area::Corridor { line, half_width_m } => f64::from(line.nearest_m(point).0) - half_width_m,
        }
    }

    /// How wrong the arithmetic of [`CompiledFence::signed_distance_m`] may be at a position, metres: 0.1 mm, and 0.3 mm
    /// for each kilometre that the fence reaches or the position is off its middle.
    #[must_use]
    pub fn arithmetic_error_m(&self, position: Position) -> f64 {
        match &self.area {
            Area::Disc { .. } => 1e-6,
            Area::Rings(edges) | Area::Corridor { line: edges, .. } => edges.error_m(self.frame.point(position)),
        }
    }

    /// Where a position is on the fence's flat map: metres east and north of its middle.
    #[must_use]
    pub fn on_map(&self, position: Position) -> (f64, f64) {
        let Point { east, north } = self.frame.point(position);
        (east, north)
    }

    /// Whether the fence holds at a time: always, or within its hours.
    #[must_use]
    pub fn is_active(&self, at: Timestamp) -> bool {
        self.hours.is_none_or(|hours| hours.hold(at))
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &FenceId {
        &self.id
    }

    /// Whether it is to be stayed in or out of.
    #[must_use]
    pub fn kind(&self) -> FenceKind {
        self.kind
    }

    /// How far outside counts as outside, metres; for an exclusion, how far away counts as left.
    #[must_use]
    pub fn margin_m(&self) -> f64 {
        self.margin_m
    }

    /// The box around it as south-west and north-east corners, in WGS-84 and without its margin.
    #[must_use]
    pub fn bounds(&self) -> (Position, Position) {
        let reach = self.reach_m();
        let corner = |sign: f64| self.frame.position(Point { east: sign * reach, north: sign * reach });
        (corner(-1.0), corner(1.0))
    }

    /// Whether the straight way between two positions, both outside, leads through the area.
    pub(crate) fn lies_between(&self, from: Position, to: Position) -> bool {
        let way_m = self.frame.distance_m(from, to);
        let (mut gone_m, mut steps) = (0.0, 0);
        while gone_m < way_m && steps < STEPS_MAX {
            let share = gone_m / way_m;
            let here =
                Position { lat: from.lat + share * (to.lat - from.lat), lon: from.lon + share * (to.lon - from.lon) };
            let distance_m = self.signed_distance_m(here);
            if distance_m < -THROUGH_METRES_MIN {
                return true;
            }
            // Nothing of the area is nearer than that.
            gone_m += distance_m.abs().max(STEP_METRES_MIN);
            steps += 1;
        }
        false
    }

    fn reach_m(&self) -> f64 {
        match &self.area {
            Area::Disc { radius_m } => *radius_m,
            Area::Rings(edges) => edges.reach_m(),
            Area::Corridor { line, half_width_m } => line.reach_m() + half_width_m,
        }
    }

    #[cold]
    fn far_distance_m(&self, position: Position, point: Point) -> f64 {
        match &self.area {
            Area::Disc { radius_m } => far_m(self.frame.origin(), position) - radius_m,
            Area::Rings(edges) => far_m(self.frame.position(edges.nearest_point(point)), position),
            Area::Corridor { line, half_width_m } => {
                far_m(self.frame.position(line.nearest_point(point)), position) - half_width_m
            }
        }
    }
}
