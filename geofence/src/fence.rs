//! A fence, ready to be measured against.

use chrono::Timelike;
use chrono_tz::Tz;
use geo::{Distance, Haversine};
use model::registry::DailyWindow;
use model::{Fence, FenceId, Position, Timestamp};

use crate::compile::{self, FenceError};
use crate::frame::{Frame, Point};
use crate::rings::Rings;

/// Farther away than this from the centre of a circle, metres, the flat map gives way to the sphere.
const FLAT_METRES_MAX: f64 = 20_000.0;

/// A fence in WGS-84, in metres around itself. Immutable; an edited fence is compiled anew.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledFence {
    pub(crate) id: FenceId,
    pub(crate) margin_m: f64,
    pub(crate) frame: Frame,
    pub(crate) area: Area,
    pub(crate) active: Option<(DailyWindow, Tz)>,
}

/// What is inside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Area {
    /// A disc around the frame's origin.
    Disc { radius_m: f64 },
    /// What the rings enclose, without the holes.
    Rings(Rings),
}

impl CompiledFence {
    /// Checks a fence and converts it to WGS-84. `zone` is the one that its daily window is told in.
    ///
    /// # Errors
    /// The first thing that is wrong with it, naming the vertex: see [`FenceError`].
    pub fn compile(fence: &Fence, zone: Tz) -> Result<CompiledFence, FenceError> {
        compile::compile(fence, zone)
    }

    /// Metres from a position to the edge: negative inside, positive outside.
    #[must_use]
    pub fn signed_distance_m(&self, position: Position) -> f64 {
        let point = self.frame.point(position);
        match &self.area {
            Area::Disc { radius_m } => self.metres_to_centre(position, point) - radius_m,
            Area::Rings(rings) => rings.signed_distance_m(point),
        }
    }

    /// Whether the fence holds at a time: always, or within its window of the day, which may run over midnight.
    #[must_use]
    pub fn is_active(&self, at: Timestamp) -> bool {
        let Some((window, zone)) = self.active else {
            return true;
        };
        let (from, to) = (u32::from(window.from_minute), u32::from(window.to_minute));
        let local = at.to_utc().with_timezone(&zone);
        let minute = local.hour() * 60 + local.minute();
        match from.cmp(&to) {
            std::cmp::Ordering::Less => (from..to).contains(&minute),
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => minute >= from || minute < to,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &FenceId {
        &self.id
    }

    /// How far outside counts as outside, metres.
    #[must_use]
    pub fn margin_m(&self) -> f64 {
        self.margin_m
    }

    fn metres_to_centre(&self, position: Position, point: Point) -> f64 {
        let square = point.east * point.east + point.north * point.north;
        if square <= FLAT_METRES_MAX * FLAT_METRES_MAX {
            return square.sqrt();
        }
        let centre = self.frame.origin();
        Haversine.distance(geo::Point::new(centre.lon, centre.lat), geo::Point::new(position.lon, position.lat))
    }
}
