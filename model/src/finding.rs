//! What the rules find.

use serde::{Deserialize, Serialize};

use crate::{DeviceId, Explain, FenceId, IncidentKind, Located, Position, Priority, Timestamp, WearerId};

/// Something that a rule found about a wearer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub kind: IncidentKind,
    /// Raised, or over.
    pub change: Change,
    /// About whom.
    pub wearer: WearerId,
    /// Which device said so.
    pub device: DeviceId,
    /// How urgent.
    pub priority: Priority,
    /// When it was decided.
    pub at: Timestamp,
    /// When it was measured, by the device's clock as admitted.
    pub measured: Timestamp,
    /// Whether it reached us so long after it was measured that it counts as late (devices.md, backfill).
    pub late: bool,
    /// Confirmed by a repeat or by its nature; `false` for "no repeat came, alert anyway".
    pub confirmed: bool,
    /// Where the wearer was, in WGS-84, if known.
    pub position: Option<Position>,
    /// Why.
    pub explain: Explain,
}

/// Whether a finding begins or ends a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It began, or happened (again).
    Raised,
    /// It is over: back inside, pressure normal. Ends the condition, never the response.
    Cleared,
}

/// A wearer went through a fence's edge, as `geofence` is sure of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crossing {
    /// Which fence.
    pub fence: FenceId,
    /// Which way.
    pub direction: CrossingDirection,
    /// Metres to the edge at the fix that decided; positive outside.
    pub distance_m: f64,
    /// The fence's margin, metres.
    pub margin_m: f64,
    /// How many fixes agreed.
    pub fixes: u16,
    /// The fix that decided.
    pub located: Located,
    /// When that fix was measured.
    pub measured: Timestamp,
}

/// Out or back in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrossingDirection {
    /// Left an area that is to be stayed in.
    Exit,
    /// Came back into it.
    Return,
    /// Went into an area that is to be stayed out of, or through it between two fixes.
    Enter,
    /// Came out of it again.
    Leave,
}
