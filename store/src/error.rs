//! What can go wrong in the store.

use std::io;
use std::path::PathBuf;

/// Everything that can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused an operation.
    #[error("{action} {path}: {source}")]
    Disk {
        /// What was tried, e.g. `write`.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds the journal's lock.
    #[error("{path} is locked: another server runs on this data directory")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Something that was durable once cannot be read any more.
    #[error("damage: {0}")]
    Damage(Damage),
    /// The records before this one were truncated away, or recycled while they were being read.
    #[error("records {wanted}.. are gone; the journal begins at {oldest}")]
    Gone {
        /// What was asked for.
        wanted: u64,
        /// What there is.
        oldest: u64,
    },
    /// A record has no place in a batch; an import is best cut into several.
    #[error("a record of {bytes} bytes exceeds the limit of {bytes_max}")]
    RecordTooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// The batch is full: submit it and begin another.
    #[error("the batch has no room for another record")]
    BatchFull,
    /// A sync failed before: nothing is taken any more, and nothing is released.
    #[error("the journal has failed and takes nothing any more")]
    JournalFailed,
    /// Bytes that are intact but mean nothing to this version.
    #[error("cannot decode {what}: {detail}")]
    Codec {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The view of the state could not be read or written.
    #[error("state: {0}")]
    State(String),
    /// A file of ours (checkpoint, export) is damaged or is not one.
    #[error("{path}: {what}")]
    BadFile {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// A stretch of the journal that was durable and is not readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file name.
    pub segment: String,
    /// The byte in it where reading failed.
    pub offset: u64,
    /// The first sequence number that is lost.
    pub first_seq: u64,
    /// The last sequence number that is lost.
    pub last_seq: u64,
    /// What was found.
    pub what: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Damage { segment, offset, first_seq, last_seq, what } = self;
        write!(f, "records {first_seq} to {last_seq} are lost at byte {offset} of {segment}: {what}")
    }
}

impl StoreError {
    /// For `map_err` around one disk operation.
    pub(crate) fn disk(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
        let path = path.to_owned();
        move |source| StoreError::Disk { action, path, source }
    }
}
