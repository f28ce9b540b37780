//! Fences as people draw them and walks as elders take them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod distance;
mod drawing;
mod formats;
mod hours;
mod jitter;
mod traces;
mod walks;
mod zones;

use chrono_tz::Asia::Shanghai;
use geofence::{CompiledFence, FenceError};
use model::registry::{DailyWindow, EVERY_DAY};
use model::{Datum, Fence, FenceId, FenceKind, Position, Schedule, Shape};

/// 银杏社区, an invented community in Hefei.
const HOME: Position = Position { lat: 31.8206, lon: 117.2272 };

fn circle(radius_m: f64) -> Fence {
    fence(Shape::Circle { lon: HOME.lon, lat: HOME.lat, radius_m })
}

fn fence(shape: Shape) -> Fence {
    let (id, kind) = (FenceId::new("home"), FenceKind::Inclusion);
    Fence { id, kind, datum: Datum::Wgs84, margin_m: 30.0, shape, active: None, large: false }
}

fn polygon(rings: &[&[[f64; 2]]]) -> Fence {
    fence(Shape::Polygon { rings: rings.iter().map(|ring| ring.to_vec()).collect() })
}

fn between(from_minute: u16, to_minute: u16) -> Option<Schedule> {
    Some(Schedule { window: DailyWindow { from_minute, to_minute }, weekdays: EVERY_DAY, zone: None })
}

fn compile(fence: &Fence) -> Result<CompiledFence, FenceError> {
    CompiledFence::compile(fence, Shanghai)
}

/// So many metres east and north of home, on the ellipsoid.
fn away(east_m: f64, north_m: f64) -> Position {
    use geo::{Destination, Geodesic};
    let home = geo::Point::new(HOME.lon, HOME.lat);
    let point = Geodesic.destination(home, 90.0, east_m);
    let point = Geodesic.destination(point, 0.0, north_m);
    Position { lat: point.y(), lon: point.x() }
}
