//! The follower brings the journal into the view: two cursors, and a thread for each.
//!
//! Facts pass telemetry over without looking at it; who has written something and reads it back waits for their
//! cursor. Telemetry comes when nobody else wants the processor, gathers in memory as blocks, and is flushed from time
//! to time; the thread of the facts does that, and lends a hand when telemetry lags. A crash loses nothing but work:
//! both cursors are stored with what they stand for, and what is projected twice falls onto itself.

mod recovery;
mod shared;
mod telemetry;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::Timestamp;

use self::shared::{Request, Shared, Told, each_envelope};
use self::telemetry::Telemetry;
use crate::codec::{self, RecordKind};
use crate::disk::Disk;
use crate::error::StoreError;
use crate::journal::{BatchHeader, BatchReader};
use crate::progress::Progress;
use crate::state::{Erasing, FactChanges, State, StateRetention};

/// How much the facts pass reads at once: mostly it looks at headers.
const FACTS_READ_BYTES: usize = 4 << 10;
/// Facts are written at the latest after so many changes.
const CHANGES_PER_COMMIT_MAX: usize = 512;
/// From so many records on that telemetry lags, the follower does not leave it to the time that nobody else wants.
const LAG_LEFT_MAX: u64 = 200_000;
/// How often it looks at that.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// With nothing to do and nothing to flush.
const IDLE: Duration = Duration::from_secs(3600);
/// How many wearers are flushed between two looks at the facts.
const WEARERS_PER_PORTION: usize = 256;

/// The follower's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowerConfig {
    /// How many records of telemetry the follower takes, about, before facts are looked at again; 16 384.
    pub telemetry_records_per_pass: usize,
    /// How many entries the quarantine keeps, the newest; 10 000.
    pub quarantine_max: usize,
    /// Telemetry is flushed after so many records, at the latest: about what a start projects again; 8 000 000.
    pub flush_records: u64,
    /// Telemetry is flushed after so many seconds, at the latest; 300.
    pub flush_seconds: u64,
    /// Growing blocks take so many bytes of memory, at most; 128 MiB.
    pub open_bytes_max: usize,
    /// How long after the view refused it is opened again, in milliseconds; the wait doubles up to 32 times; 2 000.
    pub reopen_ms: u64,
}

impl Default for FollowerConfig {
    fn default() -> FollowerConfig {
        FollowerConfig {
            telemetry_records_per_pass: 16_384,
            quarantine_max: 10_000,
            flush_records: 8_000_000,
            flush_seconds: 300,
            open_bytes_max: 128 << 20,
            reopen_ms: 2_000,
        }
    }
}

/// The thread that projects, and how far it is.
pub struct Follower {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Follower {
    /// Begins to follow `durable` from where the view stands. `on_failure` is told when the view refuses, as on a full
    /// disk. It is opened again then, from time to time, until it takes what came meanwhile; should the process end
    /// before, the next start moves it aside and rebuilds it. Over a record that cannot be read the follower ends.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(
        disk: Arc<dyn Disk>,
        journal_dir: &Path,
        state: Arc<State>,
        durable: Arc<Progress>,
        config: FollowerConfig,
        mut on_failure: impl FnMut(StoreError) + Send + 'static,
    ) -> Result<Follower, StoreError> {
        let shared = Arc::new(Shared::new(durable, state.facts_cursor(), state.telemetry_cursor()));
        let telemetry = Arc::new(Telemetry::new(&disk, journal_dir, &state, &shared, config.quarantine_max));
        let erasing = state.erasing()?;
        let mut projection = Projection {
            facts_reader: facts_reader(&disk, journal_dir, &state),
            telemetry: Arc::clone(&telemetry),
            disk,
            journal_dir: journal_dir.to_owned(),
            state,
            shared: Arc::clone(&shared),
            config,
            erasing,
            retaining: None,
            flush: None,
            flush_waiters: Vec::new(),
            flushed_through: shared.telemetry.get(),
            flushed_at: Instant::now(),
            is_back: false,
        };
        let follow = move || {
            while let Err(error) = projection.run() {
                projection.stop(&error);
                // A record that this version cannot read is no fault of the view's, and stays as it is.
                let can_recover = matches!(error, StoreError::State(_));
                on_failure(error);
                if !can_recover || !projection.recover() {
                    break;
                }
            }
        };
        let mut follower = Follower { shared, threads: Vec::new() };
        follower.spawn("follower", journal_dir, follow)?;
        follower.spawn("telemetry", journal_dir, move || telemetry.run_in_background())?;
        Ok(follower)
    }

    fn spawn(&mut self, name: &str, dir: &Path, run: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let told = Told(Arc::clone(&self.shared));
        let run = move || {
            let _told = told;
            run();
        };
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        self.threads.push(spawned.map_err(StoreError::disk("start a thread for", dir))?);
        Ok(())
    }

    /// How far facts are projected: `facts().reached(seq).await` before reading back what was written at `seq`.
    #[must_use]
    pub fn facts(&self) -> Arc<Progress> {
        Arc::clone(&self.shared.facts)
    }

    /// How far telemetry is projected.
    #[must_use]
    pub fn telemetry(&self) -> Arc<Progress> {
        Arc::clone(&self.shared.telemetry)
    }

    /// How far nobody is seen any more who was erased: `erased().reached(seq).await` after the record that did it.
    #[must_use]
    pub fn erased(&self) -> Arc<Progress> {
        Arc::clone(&self.shared.erased)
    }

    /// The last record whose facts queries see.
    #[must_use]
    pub fn facts_cursor(&self) -> u64 {
        self.shared.facts.get()
    }

    /// The last record whose telemetry queries see.
    #[must_use]
    pub fn telemetry_cursor(&self) -> u64 {
        self.shared.telemetry.get()
    }

    /// How many durable records wait for the telemetry pass.
    #[must_use]
    pub fn telemetry_lag(&self) -> u64 {
        self.shared.durable.get().saturating_sub(self.telemetry_cursor())
    }

    /// Whether the view has refused and is not well again, or the follower has ended over a record.
    #[must_use]
    pub fn failed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shared.failed)
    }

    /// How many records could not be projected because the journal is damaged there.
    #[must_use]
    pub fn damaged_records(&self) -> u64 {
        self.shared.damaged.load(Ordering::Relaxed)
    }

    /// Blocks until everything that is durable now is in the view, cursors included, or the follower has ended.
    pub fn flush(&self) {
        let (done, wait) = mpsc::sync_channel(1);
        self.request(Request::Flush(done));
        // An error means that the follower dropped the other end: it has failed, and has said so.
        let _ = wait.recv();
    }

    /// Has the follower drop history and events that are not kept any more; does not wait for it.
    pub fn retain(&self, keep: &StateRetention, now: Timestamp) {
        self.request(Request::Retain(*keep, now));
    }

    /// Projects what is durable, flushes, and ends.
    pub fn close(self) {
        drop(self);
    }

    fn request(&self, request: Request) {
        let mut requests = self.shared.requests.lock();
        if !self.shared.failed.load(Ordering::Acquire) {
            requests.push(request);
        }
        drop(requests);
        self.shared.durable.ring();
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.durable.ring();
        self.shared.durable.ring_telemetry();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the follower had panicked");
            }
        }
    }
}

/// Where facts go on.
fn facts_reader(disk: &Arc<dyn Disk>, journal_dir: &Path, state: &State) -> BatchReader {
    BatchReader::new(Arc::clone(disk), journal_dir, state.facts_cursor() + 1, FACTS_READ_BYTES)
}

struct Projection {
    disk: Arc<dyn Disk>,
    journal_dir: PathBuf,
    state: Arc<State>,
    shared: Arc<Shared>,
    config: FollowerConfig,
    facts_reader: BatchReader,
    telemetry: Arc<Telemetry>,
    /// Who is being taken out of the view, the first of them now.
    erasing: VecDeque<Erasing>,
    /// What is being let go of because it is old.
    retaining: Option<(StateRetention, Timestamp)>,
    /// The telemetry cursor that a flush under way will store.
    flush: Option<u64>,
    flush_waiters: Vec<SyncSender<()>>,
    flushed_through: u64,
    flushed_at: Instant,
    /// The view was opened again after it had refused.
    is_back: bool,
}

impl Projection {
    fn run(&mut self) -> Result<(), StoreError> {
        loop {
            if let Some(trouble) = self.telemetry.trouble() {
                return Err(trouble);
            }
            // Looked at first: what is durable now is projected before the end.
            let closing = self.shared.closing.load(Ordering::Acquire);
            let durable = self.shared.durable.get();
            let facts = self.facts_pass(durable)?;
            let lag = durable.saturating_sub(self.telemetry.projected());
            let taken = match closing || self.is_back || self.flush.is_some() || lag > LAG_LEFT_MAX {
                true => self.telemetry.pass(durable, self.config.telemetry_records_per_pass)?,
                false => 0,
            };
            let is_written = self.telemetry.write_gathered()?;
            if std::mem::take(&mut self.is_back) {
                self.well_again()?;
            }
            let more = self.answer_requests()?
                | self.flush_step()?
                | self.retain_step()?
                | (!closing && self.erase_step()?)
                | (taken >= self.config.telemetry_records_per_pass)
                | !is_written;
            if closing && !facts && !more && self.telemetry.projected() >= durable {
                return self.end();
            }
            if !closing && !more {
                self.rest();
            }
        }
    }

    /// As `shared.facts`, which never goes back, but of the view as it is now.
    fn facts_projected(&self) -> u64 {
        self.facts_reader.expected() - 1
    }

    /// Sleeps until facts come, a flush is due, or telemetry might lag.
    fn rest(&self) {
        let projected = self.telemetry.projected();
        let until_flush = match projected > self.flushed_through {
            true => Duration::from_secs(self.config.flush_seconds).saturating_sub(self.flushed_at.elapsed()),
            false => IDLE,
        };
        let lags = self.shared.durable.get() > projected;
        self.shared.durable.sleep(if lags { until_flush.min(LOOK_AGAIN) } else { until_flush });
    }

    fn end(&mut self) -> Result<(), StoreError> {
        self.begin_flush();
        while self.flush_step()? {}
        self.state.flush_database()
    }

    /// Projects facts up to what is durable.
    fn facts_pass(&mut self, durable: u64) -> Result<bool, StoreError> {
        let mut facts = FactChanges::default();
        let mut moved = false;
        loop {
            let found = match self.facts_reader.advance(Some(durable), |header: &BatchHeader| header.facts > 0) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(error) => {
                    self.shared.pass_over(error, "facts")?;
                    continue;
                }
            };
            moved = true;
            if found.has_body {
                let Projection { facts_reader, shared, state, erasing, .. } = self;
                each_envelope(facts_reader, &found, shared, &mut |seq, kind, schema, payload| {
                    if RecordKind::from_byte(kind).is_some_and(|kind| !kind.has_facts()) {
                        return Ok(());
                    }
                    facts.take(&codec::decode_record(kind, schema, payload, found.header.base_at)?)?;
                    begin_erasing(state, erasing, &mut facts, seq)
                })?;
            }
            if facts.changes.len() >= CHANGES_PER_COMMIT_MAX {
                self.commit_facts(std::mem::take(&mut facts), found.header.last_seq())?;
            }
        }
        if facts.changes.len() > 0 {
            self.commit_facts(facts, self.facts_reader.expected() - 1)?;
        }
        self.shared.facts.advance(self.facts_reader.expected() - 1);
        Ok(moved)
    }

    fn commit_facts(&self, facts: FactChanges, cursor: u64) -> Result<(), StoreError> {
        self.state.commit_facts(facts, cursor)?;
        self.shared.facts.advance(cursor);
        Ok(())
    }

    fn begin_flush(&mut self) {
        if self.flush.is_none() {
            self.flush = Some(self.telemetry.projected());
            self.telemetry.set_flushing(true);
            self.state.telemetry().begin_flush();
        }
    }

    /// Begins a flush when one is due, and writes a portion of the one that is under way.
    fn flush_step(&mut self) -> Result<bool, StoreError> {
        let Some(cursor) = self.flush else {
            let projected = self.telemetry.projected();
            let is_due = projected - self.flushed_through >= self.config.flush_records
                || self.flushed_at.elapsed() >= Duration::from_secs(self.config.flush_seconds)
                || self.telemetry.open_bytes() > self.config.open_bytes_max;
            if is_due && projected > self.flushed_through {
                self.begin_flush();
            }
            return Ok(self.flush.is_some());
        };
        let mut telemetry = self.state.telemetry();
        let (blocks, latest) = telemetry.flush_portion(WEARERS_PER_PORTION);
        let is_done = blocks.is_empty() && latest.is_empty();
        self.state.write_blocks(blocks, Default::default(), self.telemetry.gathered())?;
        self.state.write_latest(latest)?;
        if !is_done {
            return Ok(true);
        }
        if telemetry.open_bytes() > self.config.open_bytes_max / 2 {
            telemetry.forget_flushed();
            self.telemetry.note_open_bytes(telemetry.open_bytes());
        }
        drop(telemetry);
        self.state.commit_cursors(self.facts_projected(), cursor)?;
        (self.flush, self.flushed_through, self.flushed_at) = (None, cursor, Instant::now());
        self.telemetry.set_flushing(false);
        self.flush_waiters.clear();
        Ok(true)
    }

    /// Takes a portion of whoever is being erased out of the view: what is read back waits for no more than that.
    fn erase_step(&mut self) -> Result<bool, StoreError> {
        if let Some(erasing) = self.erasing.front_mut()
            && self.state.erase_some(erasing)?
        {
            self.erasing.pop_front();
        }
        let through = self.erasing.front().map_or(self.facts_projected(), |erasing| erasing.seq.saturating_sub(1));
        self.shared.erased.advance(through);
        Ok(!self.erasing.is_empty())
    }

    /// Lets go of a portion of what is old.
    fn retain_step(&mut self) -> Result<bool, StoreError> {
        let Some((keep, now)) = self.retaining else { return Ok(false) };
        // No block is written into a shelf that is being dropped.
        let at_rest = self.state.telemetry();
        let more = self.state.retain(&keep, now)?;
        drop(at_rest);
        if !more {
            self.retaining = None;
        }
        Ok(more)
    }

    fn answer_requests(&mut self) -> Result<bool, StoreError> {
        let requests = std::mem::take(&mut *self.shared.requests.lock());
        let any = !requests.is_empty();
        for request in requests {
            match request {
                Request::Retain(keep, now) => self.retaining = Some((keep, now)),
                Request::Flush(waiter) => {
                    let durable = self.shared.durable.get();
                    while self.telemetry.projected() < durable {
                        self.telemetry.pass(durable, self.config.telemetry_records_per_pass)?;
                        self.facts_pass(self.shared.durable.get())?;
                    }
                    // One that is under way is over what was projected when it began.
                    while self.flush.is_some() {
                        self.flush_step()?;
                    }
                    self.begin_flush();
                    self.flush_waiters.push(waiter);
                }
            }
        }
        Ok(any)
    }
}

/// Begins to take whoever the last record erased out of the view, when everything before is in it. The cursor stays: a
/// crash in between does it again.
fn begin_erasing(
    state: &State,
    under_way: &mut VecDeque<Erasing>,
    facts: &mut FactChanges,
    seq: u64,
) -> Result<(), StoreError> {
    if facts.erased.is_empty() {
        return Ok(());
    }
    let erased = std::mem::take(&mut facts.erased);
    state.commit_facts(std::mem::take(facts), state.facts_cursor())?;
    erased.iter().try_for_each(|erasure| state.begin_erasing(seq, erasure))?;
    let begun = state.erasing()?;
    under_way.retain(|one| one.seq != seq);
    under_way.extend(begun.into_iter().filter(|one| one.seq == seq));
    Ok(())
}
