//! Fences, datums, signed distance, and the tracker that decides when somebody went out or came back.
//!
//! Everything is compared in WGS-84. A fence is converted once, when it is compiled; a fix once, when it comes in.
//!
//! ```
//! use geofence::{CompiledFence, Tracker};
//! use model::{Datum, Fence, FenceId, Position, Shape};
//! let shape = Shape::Circle { lon: 117.2272, lat: 31.8206, radius_m: 300.0 };
//! let fence = Fence { id: FenceId::new("home"), datum: Datum::Wgs84, margin_m: 30.0, shape, active: None };
//! let fence = CompiledFence::compile(&fence, chrono_tz::Asia::Shanghai)?;
//! assert_eq!(fence.signed_distance_m(Position { lat: 31.8206, lon: 117.2272 }), -300.0);
//! # Ok::<(), geofence::FenceError>(())
//! ```

mod compile;
pub mod datum;
mod fence;
mod frame;
mod rings;
mod tracker;

pub use compile::{FENCE_VERTICES_MAX, FenceError};
pub use fence::CompiledFence;
pub use tracker::Tracker;
