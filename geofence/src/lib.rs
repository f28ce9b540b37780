//! Fences, datums, signed distance, and the watch that decides when somebody went out or came back.
//!
//! Everything is compared in WGS-84. A fence is converted once, when it is compiled; a fix once, when it comes in.
//!
//! ```
//! use geofence::CompiledFence;
//! use model::{Datum, Fence, FenceId, FenceKind, Position, Shape};
//! let fence = Fence {
//!     id: FenceId::new("home"),
//!     kind: FenceKind::Inclusion,
//!     datum: Datum::Wgs84,
//!     margin_m: 30.0,
//!     shape: Shape::Circle { lon: 117.2272, lat: 31.8206, radius_m: 300.0 },
//!     active: None,
//!     large: false,
//! };
//! let fence = CompiledFence::compile(&fence, chrono_tz::Asia::Shanghai)?;
//! assert_eq!(fence.signed_distance_m(Position { lat: 31.8206, lon: 117.2272 }), -300.0);
//! # Ok::<(), geofence::FenceError>(())
//! ```

mod compile;
pub mod datum;
mod edges;
mod error;
mod fence;
mod frame;
pub mod geojson;
mod hours;
mod topology;
mod tracker;
mod trail;
mod watch;
pub mod wkt;
mod zones;

pub use error::{CIRCLE_METRES_UNUSUAL, FENCE_VERTICES_MAX, FenceError, Place};
pub use fence::CompiledFence;
pub use tracker::Standing;
pub use watch::{Ground, Watch};
pub use zones::Zones;
