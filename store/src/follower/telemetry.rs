//! The telemetry pass: what elders' devices report all day is gathered in the time that nobody else wants.
//!
//! A thread of the lowest class takes it, batch after batch: whatever leads to an acknowledgement or a call goes first,
//! and wakes up at once on a processor that is doing only this. It gathers in memory, in small portions, and does not
//! touch the database: a writer of its locks out every reader, and one without a processor would do so for long. What is
//! full the follower writes, which also takes part in the gathering when that is not enough.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::shared::{Shared, each_envelope};
use crate::codec::telemetry::View;
use crate::codec::{self, RecordKind, TELEMETRY_SCHEMA};
use crate::disk::Disk;
use crate::error::StoreError;
use crate::journal::{BatchHeader, BatchReader, READ_AHEAD_BYTES};
use crate::state::State;

/// How many records the background thread takes, about, before others may look at what it has gathered, who wait for it
/// while no processor is free.
const RECORDS_PER_PORTION: usize = 512;
/// From so many full blocks on the follower is called at once: it writes them in about a millisecond, and each write wakes
/// all of sled's threads.
const BLOCKS_PER_WRITE: usize = 32;
/// How long telemetry gathers when there has just been some: so that not every commit wakes the thread.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long the follower waits for what the background thread holds: it may be without a processor.
const WAIT_MAX: Duration = Duration::from_millis(2);

/// Where the telemetry pass stands.
pub(super) struct Telemetry {
    state: Arc<State>,
    shared: Arc<Shared>,
    quarantine_max: usize,
    reader: Mutex<BatchReader>,
    /// The last record that is in memory or in the view; changed under the lock of what is gathered.
    gathered: AtomicU64,
    /// The last record that the view holds, as it is now; `shared.telemetry` never goes back.
    projected: AtomicU64,
    /// What growing blocks take in memory, as of the last pass.
    open_bytes: AtomicUsize,
    /// The background thread keeps away meanwhile: a flush would wait for it once for each of its portions.
    is_flushing: AtomicBool,
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
            gathered: AtomicU64::new(state.telemetry_cursor()),
            projected: AtomicU64::new(state.telemetry_cursor()),
            open_bytes: AtomicUsize::new(0),
            is_flushing: AtomicBool::new(false),
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
        self.gathered.store(self.state.telemetry_cursor(), Ordering::Release);
        self.projected.store(self.state.telemetry_cursor(), Ordering::Release);
        // Whatever the background thread stumbled over was in the view that is gone.
        *self.trouble.lock() = None;
        Ok(())
    }

    pub fn projected(&self) -> u64 {
        self.projected.load(Ordering::Acquire)
    }

    /// The last record that is in memory or in the view: exact for whoever holds what is gathered.
    pub fn gathered(&self) -> u64 {
        self.gathered.load(Ordering::Acquire)
    }

    /// A flush is under way, which goes through all that is gathered, or not any more: meanwhile the follower gathers.
    pub fn set_flushing(&self, flushing: bool) {
        self.is_flushing.store(flushing, Ordering::Release);
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
        let taken = self.gather(durable, records_max)?;
        self.write_gathered()?;
        Ok(taken)
    }

    /// Gathers a bounded stretch of telemetry in memory, where queries find it; says how many records it took.
    fn gather(&self, durable: u64, records_max: usize) -> Result<usize, StoreError> {
        let Some(mut reader) = self.reader.try_lock_for(WAIT_MAX) else { return Ok(0) };
        let mut taken = 0;
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
        self.gathered.store(reader.expected() - 1, Ordering::Release);
        self.note_open_bytes(telemetry.open_bytes());
        Ok(taken)
    }

    /// Writes what is gathered and full. `false`: the background thread holds it, and has no processor just now.
    pub fn write_gathered(&self) -> Result<bool, StoreError> {
        if self.gathered() == self.projected() {
            return Ok(true);
        }
        // Held while blocks move from memory to the view, so that a query finds them in one of the two.
        let Some(mut telemetry) = self.state.telemetry_within(WAIT_MAX) else { return Ok(false) };
        let gathered = self.gathered();
        let (blocks, changes) = telemetry.take_ready();
        self.state.write_blocks(blocks, changes, gathered)?;
        drop(telemetry);
        self.projected.store(gathered, Ordering::Release);
        self.shared.telemetry.advance(gathered);
        Ok(true)
    }

    /// The background thread, until the follower closes.
    pub fn run_in_background(&self) {
        scheduling::give_way();
        let Shared { durable, closing, failed, .. } = &*self.shared;
        let failed = &**failed;
        while !closing.load(Ordering::Acquire) {
            let seen = durable.get();
            let mut has_news = false;
            let stays_away = || [closing, failed, &self.is_flushing].iter().any(|flag| flag.load(Ordering::Acquire));
            while !stays_away() {
                match self.gather(seen, RECORDS_PER_PORTION) {
                    Ok(0) => break,
                    Ok(_) if self.state.telemetry().full_blocks() >= BLOCKS_PER_WRITE => durable.ring(),
                    Ok(_) => {}
                    Err(error) => {
                        failed.store(true, Ordering::Release);
                        *self.trouble.lock() = Some(error);
                    }
                }
                has_news = true;
            }
            if has_news {
                // The follower writes what is full, and looks whether a flush is due, or what is the matter.
                durable.ring();
            }
            if has_news || self.gathered() < seen {
                std::thread::sleep(LOOK_AGAIN);
            } else {
                durable.sleep_after(seen);
            }
        }
    }
}

fn reader(disk: &Arc<dyn Disk>, journal_dir: &Path, state: &State) -> BatchReader {
    BatchReader::new(Arc::clone(disk), journal_dir, state.telemetry_cursor() + 1, READ_AHEAD_BYTES).letting_go()
}
