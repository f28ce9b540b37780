//! The state: what queries read. A view of the journal that the follower projects, in sled, behind
//! `tree`; whatever is in it can be lost and rebuilt.

mod audit;
mod care;
mod cases;
mod erasure;
mod facts;
mod history;
pub(crate) mod keys;
mod opening;
mod past;
mod queries;
mod registry;
mod telemetry;
#[cfg(test)]
mod tests;
pub(crate) mod tree;
mod upkeep;
mod webhooks;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use compact_str::CompactString;
use model::{DeviceId, Located, Reject, ReportBody, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::progress::Progress;

pub use audit::{AuditFilter, AuditPage};
pub(crate) use erasure::Erasing;
pub(crate) use facts::FactChanges;
pub(crate) use history::{last_seq as last_seq_of_block, of_shelf};
pub use opening::{Opened, StateOrigin, open_state};
pub use past::Past;
pub use queries::{CaseFilter, EventPage, IncidentFilter, Listing, Page};
pub use registry::Among;
pub(crate) use telemetry::Telemetry;
pub use upkeep::StateRetention;

use tree::Database;

/// The state's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateConfig {
    /// sled's cache in bytes, of which it uses several times as much; 64 MiB.
    pub cache_bytes: u64,
}

impl Default for StateConfig {
    fn default() -> StateConfig {
        StateConfig { cache_bytes: 64 << 20 }
    }
}

/// The view of the journal. Queries may come from any thread; only the follower writes.
pub struct State {
    dir: PathBuf,
    database: Database,
    telemetry: Mutex<Telemetry>,
    feed_epoch: AtomicU32,
    /// What a restart goes on from: in the view itself, with the data.
    facts_cursor: AtomicU64,
    telemetry_cursor: AtomicU64,
    newest_event: Arc<Progress>,
}

/// What was refused, and why: an entry of the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its record in the journal; entries ascend by it.
    pub seq: u64,
    /// When it came.
    pub at: Timestamp,
    /// From which device, if it was known.
    pub device: Option<DeviceId>,
    /// On which topic.
    pub topic: CompactString,
    /// Why, and the beginning of the payload.
    pub reject: Reject,
}

/// Where a wearer was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrackPoint {
    /// When it was measured.
    pub measured: Timestamp,
    /// Whether it reached us late.
    pub late: bool,
    /// Where, in WGS-84; from history to a centimetre, the accuracy to a decimetre.
    pub located: Located,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vital {
    /// When.
    pub measured: Timestamp,
    /// Whether it reached us late.
    pub late: bool,
    /// What: heart rate, blood pressure, oxygen, temperature, steps, battery or wear.
    pub body: ReportBody,
}

/// The newest of everything that is known about a wearer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latest {
    /// When one of their devices was last heard of.
    pub seen: Timestamp,
    /// Which.
    pub device: DeviceId,
    /// Where they were.
    pub position: Option<TrackPoint>,
    /// The newest of each kind of vital sign.
    pub vitals: Vec<Vital>,
}

impl State {
    /// The feed's epoch, a part of every cursor and event id.
    #[must_use]
    pub fn feed_epoch(&self) -> u32 {
        self.feed_epoch.load(Ordering::Relaxed)
    }

    /// Sets it, from [`epoch::load`](crate::epoch::load), before anybody reads.
    pub fn set_feed_epoch(&self, epoch: u32) {
        self.feed_epoch.store(epoch, Ordering::Relaxed);
    }

    /// The last record whose facts are in the view, as a restart would find it.
    #[must_use]
    pub fn facts_cursor(&self) -> u64 {
        self.facts_cursor.load(Ordering::Acquire)
    }

    /// The last record whose telemetry is in the view, as a restart would find it.
    #[must_use]
    pub fn telemetry_cursor(&self) -> u64 {
        self.telemetry_cursor.load(Ordering::Acquire)
    }

    /// The newest event that can be asked for, for whoever waits for the next.
    #[must_use]
    pub fn event_progress(&self) -> Arc<Progress> {
        Arc::clone(&self.newest_event)
    }

    pub(crate) fn telemetry(&self) -> parking_lot::MutexGuard<'_, Telemetry> {
        self.telemetry.lock()
    }

    /// The same; `None` when somebody else has it all the time.
    pub(crate) fn telemetry_within(&self, wait: Duration) -> Option<parking_lot::MutexGuard<'_, Telemetry>> {
        self.telemetry.try_lock_for(wait)
    }
}
