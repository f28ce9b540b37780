//! The journal: what is in it was on disk before anybody was told so.
//!
//! Records go into [`Batch`]es, a batch is written with one `pwrite` and one `fdatasync` into a zero-filled segment
//! by one of two sync threads, and what was handed in with it is released, strictly in order, when it is durable.
//! A failed sync ends it: nothing is released any more.

mod batch;
mod commit;
mod format;
mod queue;
mod reader;
mod records;
mod recovery;
mod segments;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use batch::{BATCH_BYTES_MAX, Batch, RECORD_BYTES_MAX};
pub use commit::{Committed, Journal, JournalStats};
pub use records::{RecordReader, read_from};
pub use recovery::{Recovery, Torn};

pub(crate) use format::{BatchHeader, envelope_at, resume_after};
pub(crate) use reader::{BatchReader, Found, READ_AHEAD_BYTES};
use recovery::Resumption;

use crate::disk::Disk;
use crate::error::StoreError;

/// The lock that a server holds on its journal; what a crash leaves of it is harmless.
const LOCK_FILE: &str = "lock";

/// The journal's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// The size of a new segment in bytes; 64 MiB.
    pub segment_bytes: u64,
    /// How many segments are made ahead, at least 1; 2.
    pub spare_segments: usize,
    /// What the first record of an empty journal gets; more than 1 after a restore.
    pub start_seq: u64,
}

impl Default for JournalConfig {
    fn default() -> JournalConfig {
        JournalConfig { segment_bytes: 64 << 20, spare_segments: 2, start_seq: 1 }
    }
}

/// What is to be kept beyond what recovery needs: segments younger than `days`, as long as they are within the
/// newest `bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Days by the records' own times; 7.
    pub days: u32,
    /// Bytes of segments; 8 GiB.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { days: 7, bytes: 8 << 30 }
    }
}

/// A journal that was opened, locked and repaired, and that nobody writes to yet.
pub struct OpenedJournal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    config: JournalConfig,
    resumption: Resumption,
    lock: Box<dyn Send + Sync>,
}

impl Journal<()> {
    /// Takes the lock, finds the end, cuts a torn tail, and says what it found. Damage is no error here: what to do
    /// about it is the caller's decision.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another server has it; [`StoreError::Disk`].
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: JournalConfig,
    ) -> Result<(OpenedJournal, Recovery), StoreError> {
        disk.create_dir(dir).map_err(StoreError::disk("create", dir))?;
        let lock_path = dir.join(LOCK_FILE);
        let lock = disk.lock(&lock_path).map_err(StoreError::disk("lock", &lock_path))?;
        let lock = lock.ok_or(StoreError::Locked { path: lock_path })?;
        let resumption = recovery::recover(&disk, dir, config.start_seq)?;
        let recovery = resumption.recovery.clone();
        if let Some(torn) = &recovery.torn {
            tracing::info!(segment = torn.segment, offset = torn.offset, bytes = torn.bytes, "cut off a torn tail");
        }
        for damage in &recovery.damage {
            tracing::error!(?damage, "the journal is damaged");
        }
        Ok((OpenedJournal { disk, dir: dir.to_owned(), config, resumption, lock }, recovery))
    }
}

impl OpenedJournal {
    /// The records from `seq` on, to the end: what recovery applies.
    ///
    /// # Errors
    /// None yet; the items tell.
    pub fn read_from(&self, seq: u64) -> Result<RecordReader, StoreError> {
        let through = self.resumption.recovery.last_seq;
        Ok(RecordReader::new(Arc::clone(&self.disk), &self.dir, seq, Some(through)))
    }

    /// Begins to take batches. `on_committed` is called for each, in order, when it is durable, from one of the sync
    /// threads: it must not block. `on_failure` is called once, when a write or a sync has failed; after it nothing
    /// is released.
    ///
    /// # Errors
    /// When the first segment or the threads cannot be made.
    pub fn start<R: Send + 'static>(
        self,
        on_committed: impl FnMut(Committed<R>) + Send + 'static,
        on_failure: impl FnOnce(StoreError) + Send + 'static,
    ) -> Result<Journal<R>, StoreError> {
        commit::start(self, Box::new(on_committed), Box::new(on_failure))
    }
}
