//! The journal, the state that is projected from it, exports and recovery.
//!
//! The journal carries durability: a batch of records is released only after `fdatasync`. The state is a view in
//! sled that a follower brings up to date from the journal, and that can be thrown away and rebuilt from a
//! verified export and the journal. Checkpoints hold the engine's hot state, so that a start reads a tail only.

pub mod checkpoint;
pub mod codec;
pub mod disk;
pub mod epoch;
mod error;
pub mod export;
mod follower;
mod frames;
pub mod journal;
mod layout;
mod photos;
mod progress;
#[cfg(test)]
mod sample;
pub mod state;

pub use disk::{Access, Disk, DiskFile, ForgetfulDisk, RealDisk, Survivors};
pub use error::{Damage, StoreError};
pub use follower::{Follower, FollowerConfig};
pub use journal::{
    Batch, Committed, Journal, JournalConfig, JournalStats, OpenedJournal, RecordReader, Recovery, Retention, Torn,
    read_from,
};
pub use layout::DataDir;
pub use photos::Photos;
pub use progress::Progress;
pub use state::{
    Among, AuditFilter, AuditPage, CaseFilter, EventPage, IncidentFilter, Latest, Listing, Opened, Page, Past,
    Quarantined, State, StateConfig, StateOrigin, StateRetention, TrackPoint, Vital, open_state,
};
