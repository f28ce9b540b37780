//! The telemetry pass: what elders' devices report all day comes into the view in the time that nobody else wants.
//!
//! A thread of the lowest class takes it, batch after batch: whatever leads to an acknowledgement or a call goes first,
//! and wakes up at once on a processor that is doing only this. The follower itself takes part when that is not enough.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

use super::shared::{Shared, each_envelope};
use crate::codec::telemetry::View;
use crate::codec::{self, RecordKind, TELEMETRY_SCHEMA};
use crate::disk::Disk;
use crate::error::StoreError;
use crate::journal::{BatchHeader, BatchReader, READ_AHEAD_BYTES};
use crate::state::State;

/// How many records the background thread takes, about, before others may have the reader. Each portion that fills a
/// block wakes all of sled's threads; a long one keeps others waiting while no processor is free for it.
const RECORDS_PER_PORTION: usize = 4_096;
/// How long telemetry gathers when there has just been some: so that not every commit wakes the thread.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long the follower waits for the reader: whoever has it may be without a processor.
const READER_WAIT_MAX: Duration = Duration::from_millis(2);

/// Where the telemetry pass stands.
pub(super) struct Telemetry {
    state: Arc<State>,
    shared: Arc<Shared>,
    quarantine_max: usize,
    reader: Mutex<BatchReader>,
    /// The last record that the view holds, as it is now; `shared.telemetry` never goes back.
    projected: AtomicU64,
    /// What growing blocks take in memory, as of the last pass.
    open_bytes: AtomicUsize,
    /// Over what the background thread stumbled: for the follower, who knows what to do.
    trouble: Mutex<Option<StoreError>>,
}

impl Telemetry {
    pub fn new(
        disk: &Arc<dyn Disk>,
        journal_dir: &Path,
        state: &Arc<State>,
        shared: &Arc<Shared>,
        quarantine_max: usize,
    ) -> Telemetry {
        Telemetry {
            reader: Mutex::new(reader(disk, journal_dir, state)),
            projected: AtomicU64::new(state.telemetry_cursor()),
            open_bytes: AtomicUsize::new(0),
            state: Arc::clone(state),
            shared: Arc::clone(shared),
            quarantine_max,
            trouble: Mutex::new(None),
        }
    }

    /// Opens the view again, which nobody writes to meanwhile, and goes back to what is in it.
    pub fn begin_again(&self, disk: &Arc<dyn Disk>, journal_dir: &Path) -> Result<(), StoreError> {
        let mut at_rest = self.reader.lock();
        self.state.reopen()?;
        *at_rest = reader(disk, journal_dir, &self.state);
        self.projected.store(self.state.telemetry_cursor(), Ordering::Release);
        // Whatever the background thread stumbled over was in the view that is gone.
        *self.trouble.lock() = None;
        Ok(())
    }

    pub fn projected(&self) -> u64 {
        self.projected.load(Ordering::Acquire)
    }

    /// What growing blocks take in memory; asked without waiting for a pass.
    pub fn open_bytes(&self) -> usize {
        self.open_bytes.load(Ordering::Relaxed)
    }

    pub fn note_open_bytes(&self, bytes: usize) {
        self.open_bytes.store(bytes, Ordering::Relaxed);
    }

    /// What the background thread stumbled over, once.
    pub fn trouble(&self) -> Option<StoreError> {
        self.trouble.lock().take()
    }

    /// Projects a bounded stretch of telemetry; says how many records it took. Nothing while the other thread is at it.
    pub fn pass(&self, durable: u64, records_max: usize) -> Result<usize, StoreError> {
        let Some(mut reader) = self.reader.try_lock_for(READER_WAIT_MAX) else { return Ok(0) };
        let mut taken = 0;
        // Held while blocks move from memory to the view, so that a query finds them in one of the two.
        let mut telemetry = self.state.telemetry();
        while taken < records_max {
            let found = match reader.advance(Some(durable), |header: &BatchHeader| header.count > 0) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(error) => {
                    self.shared.pass_over(error, "telemetry")?;
                    continue;
                }
            };
            taken += found.header.count as usize;
            each_envelope(
                &reader,
                &found,
                &self.shared,
                &mut |seq, kind, schema, payload| match RecordKind::from_byte(kind) {
                    Some(RecordKind::Telemetry) if schema == TELEMETRY_SCHEMA => {
                        telemetry.take_view(seq, &View::decode(payload, found.header.base_at)?)
                    }
                    Some(kind) if !kind.has_telemetry() => Ok(()),
                    _ => {
                        let record = codec::decode_record(kind, schema, payload, found.header.base_at)?;
                        telemetry.take_record(seq, &record, self.quarantine_max)
                    }
                },
            )?;
        }
        let projected = reader.expected() - 1;
        let (blocks, changes) = telemetry.take_ready();
        self.state.write_blocks(blocks, changes, projected)?;
        self.note_open_bytes(telemetry.open_bytes());
        drop(telemetry);
        self.projected.store(projected, Ordering::Release);
        self.shared.telemetry.advance(projected);
        Ok(taken)
    }

    /// The background thread, until the follower closes.
    pub fn run_in_background(&self) {
        give_way();
        let Shared { durable, closing, failed, .. } = &*self.shared;
        while !closing.load(Ordering::Acquire) {
            let seen = durable.get();
            let mut has_news = false;
            while !closing.load(Ordering::Acquire) && !failed.load(Ordering::Acquire) {
                match self.pass(seen, RECORDS_PER_PORTION) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => {
                        failed.store(true, Ordering::Release);
                        *self.trouble.lock() = Some(error);
                    }
                }
                has_news = true;
            }
            if has_news {
                // The follower looks whether a flush is due, or what is the matter.
                durable.ring();
            }
            if has_news || self.projected() < seen {
                std::thread::sleep(LOOK_AGAIN);
            } else {
                durable.sleep_after(seen);
            }
        }
    }
}

fn reader(disk: &Arc<dyn Disk>, journal_dir: &Path, state: &State) -> BatchReader {
    BatchReader::new(Arc::clone(disk), journal_dir, state.telemetry_cursor() + 1, READ_AHEAD_BYTES)
}

/// Puts this thread into the class that has a processor when nobody else wants it (`SCHED_IDLE`): every process may.
/// Where that is refused it shares the processors like any other.
fn give_way() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
        tracing::debug!(?error, "telemetry is brought into the view at the usual priority");
    }
}
