//! Committing: two threads that write and sync, one that makes segments, and the order of release.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::Timestamp;
use parking_lot::{Condvar, Mutex};

use super::batch::{BATCH_BYTES_MAX, Batch};
use super::format::{self, PAGE_BYTES};
use super::queue::{Job, Queue};
use super::segments::{self, SEGMENT_BYTES_MIN, SPARES_MAX, WritableSegment};
use super::{JournalConfig, OpenedJournal, Retention};
use crate::disk::Disk;
use crate::error::StoreError;
use crate::progress::Progress;

/// How many batches are written and synced at the same time.
const BATCHES_IN_FLIGHT_MAX: usize = 2;
/// How many used buffers are kept.
const POOLED_BATCHES_MAX: usize = 4;
/// How long to wait before trying again to make a segment on a full disk.
const PREPARE_AGAIN: Duration = Duration::from_secs(1);

/// A batch that is durable, with what was handed in with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Committed<R> {
    /// The sequence number of its first record.
    pub first_seq: u64,
    /// That of its last record; `first_seq - 1` for an empty batch.
    pub last_seq: u64,
    /// What was to be released now.
    pub release: R,
}

/// What the journal tells about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// How many segments hold records.
    pub segments: usize,
    /// Their size together.
    pub bytes: u64,
    /// The oldest record that they hold; 0: none.
    pub first_seq: u64,
    /// How many segments were let go and are not zeroed yet.
    pub unclean: usize,
    /// How much can be written without making another segment.
    pub ready_bytes: u64,
    /// Batches made durable since the start.
    pub batches: u64,
    /// Records made durable since the start.
    pub records: u64,
    /// Bytes written since the start.
    pub written_bytes: u64,
    /// How long the last write and sync took.
    pub last_sync_micros: u64,
    /// Whether a write or a sync has failed: nothing is taken any more.
    pub failed: bool,
    /// Why no further segment could be made, as long as that is so: the disk is full.
    pub preparing_error: Option<String>,
}

/// The journal, taking batches.
pub struct Journal<R: Send + 'static> {
    shared: Arc<Shared<R>>,
    threads: Vec<JoinHandle<()>>,
    _lock: Box<dyn Send + Sync>,
}

type OnCommitted<R> = Box<dyn FnMut(Committed<R>) + Send>;
type OnFailure = Box<dyn FnOnce(StoreError) + Send>;

struct Shared<R> {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    config: JournalConfig,
    progress: Arc<Progress>,
    queue: Mutex<Queue<R>>,
    /// There is a job, or the end has come: for the sync threads.
    work: Condvar,
    /// A place in flight, or a segment, has become free: for who submits.
    room: Condvar,
    /// A segment is wanted or a spare is to be cleaned: for the thread that makes them.
    supplies: Condvar,
    releases: Mutex<Releases<R>>,
    on_failure: Mutex<Option<OnFailure>>,
    failed: AtomicBool,
    batches: AtomicU64,
    records: AtomicU64,
    written_bytes: AtomicU64,
    last_sync_micros: AtomicU64,
}

struct Releases<R> {
    next_ticket: u64,
    done: BTreeMap<u64, (Committed<R>, bool)>,
    /// Taken out by the thread that calls it; the other one leaves its batch in `done` and goes on.
    on_committed: Option<OnCommitted<R>>,
}

pub(super) fn start<R: Send + 'static>(
    opened: OpenedJournal,
    on_committed: OnCommitted<R>,
    on_failure: OnFailure,
) -> Result<Journal<R>, StoreError> {
    let OpenedJournal { disk, dir, mut config, resumption, lock } = opened;
    config.segment_bytes = format::span_bytes(config.segment_bytes.max(SEGMENT_BYTES_MIN) as usize);
    let mut queue = Queue {
        next_seq: resumption.recovery.next_seq,
        next_ticket: 0,
        in_flight: 0,
        jobs: VecDeque::new(),
        active: None,
        ready: VecDeque::new(),
        next_generation: resumption.segments.last().map_or(1, |segment| segment.generation + 1),
        kept: Vec::new(),
        dirty_spares: segments::spares(&*disk, &dir)?,
        cleaning: false,
        clean_spares: Vec::new(),
        preparing_error: None,
        pool: Vec::new(),
        closing: false,
    };
    for found in &resumption.segments {
        let (is_active, is_behind) = resumption
            .append_at
            .map_or((false, false), |(generation, _)| (found.generation == generation, found.generation > generation));
        if let Some((first_seq, first_at)) = found.first {
            queue.keep(found.generation, found.bytes, first_seq, first_at);
        }
        if is_behind && found.bytes < config.segment_bytes {
            // The limit was raised since it was made ahead: a batch may not fit.
            queue.dirty_spares.push(segments::retire(&*disk, &dir, found.generation)?);
        } else if is_active || is_behind {
            let segment = WritableSegment::open(&*disk, &dir, found.generation)?;
            match resumption.append_at {
                Some((_, offset)) if is_active => queue.active = Some((segment, offset)),
                _ => queue.ready.push_back(segment),
            }
        }
    }
    if queue.active.is_none() {
        let spare = queue.dirty_spares.pop();
        let segment =
            segments::prepare(&*disk, &dir, queue.next_generation, queue.next_seq, config.segment_bytes, spare)?;
        queue.next_generation += 1;
        queue.active = Some((segment, PAGE_BYTES));
    }
    let shared = Arc::new(Shared {
        disk,
        dir,
        config,
        progress: Arc::new(Progress::new(resumption.recovery.next_seq - 1)),
        queue: Mutex::new(queue),
        work: Condvar::new(),
        room: Condvar::new(),
        supplies: Condvar::new(),
        releases: Mutex::new(Releases { next_ticket: 0, done: BTreeMap::new(), on_committed: Some(on_committed) }),
        on_failure: Mutex::new(Some(on_failure)),
        failed: AtomicBool::new(false),
        batches: AtomicU64::new(0),
        records: AtomicU64::new(0),
        written_bytes: AtomicU64::new(0),
        last_sync_micros: AtomicU64::new(0),
    });
    let mut threads = Vec::new();
    for handle in 0..BATCHES_IN_FLIGHT_MAX {
        threads.push(spawn(&shared, "journal-sync", move |shared| shared.run_sync(handle))?);
    }
    threads.push(spawn(&shared, "journal-segments", Shared::run_supplies)?);
    Ok(Journal { shared, threads, _lock: lock })
}

fn spawn<R: Send + 'static>(
    shared: &Arc<Shared<R>>,
    name: &str,
    run: impl FnOnce(&Shared<R>) + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    let theirs = Arc::clone(shared);
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&theirs));
    spawned.map_err(StoreError::disk("start a thread for", &shared.dir))
}

impl<R: Send + 'static> Journal<R> {
    /// An empty batch, with a buffer that has been used before if there is one.
    #[must_use]
    pub fn batch(&self) -> Batch {
        let pooled = self.shared.queue.lock().pool.pop();
        let bytes_max = (self.shared.config.segment_bytes - PAGE_BYTES) as usize;
        pooled.unwrap_or_else(|| Batch::with_limit(BATCH_BYTES_MAX.min(bytes_max)))
    }

    /// Hands in a batch and what is to be released when it is durable; returns the sequence number of its first
    /// record. Blocks only while two are in flight. Batches are released in the order in which they are submitted,
    /// empty ones too.
    ///
    /// # Errors
    /// [`StoreError::JournalFailed`] after a failure: what was to be released is dropped. `RecordTooLarge` for a
    /// batch that was not made by [`batch`](Journal::batch) and that no segment can hold.
    pub fn submit(&self, batch: Batch, release: R) -> Result<u64, StoreError> {
        let shared = &*self.shared;
        let span = format::span_bytes(batch.bytes());
        let bytes_max = shared.config.segment_bytes - PAGE_BYTES;
        if span > bytes_max {
            return Err(StoreError::RecordTooLarge { bytes: span as usize, bytes_max: bytes_max as usize });
        }
        let mut queue = shared.queue.lock();
        loop {
            if shared.failed.load(Ordering::Acquire) || queue.closing {
                return Err(StoreError::JournalFailed);
            }
            if queue.in_flight < BATCHES_IN_FLIGHT_MAX {
                if queue.has_room(span) {
                    break;
                }
                shared.supplies.notify_one();
            }
            shared.room.wait(&mut queue);
        }
        let Some(job) = queue.place(batch, span, release) else { return Err(StoreError::JournalFailed) };
        let first_seq = job.first_seq;
        queue.jobs.push_back(job);
        let wants_supplies = queue.ready.len() < shared.config.spare_segments.max(1);
        drop(queue);
        shared.work.notify_one();
        if wants_supplies {
            shared.supplies.notify_one();
        }
        Ok(first_seq)
    }

    /// The sequence number that the next batch's first record will get.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.shared.queue.lock().next_seq
    }

    /// The last record that is durable.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        self.shared.progress.get()
    }

    /// What is durable, for those who wait for it or follow it.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.shared.progress)
    }

    /// Lets go of segments that hold nothing from `below` on and that `keep` does not keep: they are recycled and
    /// zeroed. Returns how many.
    ///
    /// # Errors
    /// When one cannot be renamed; the journal itself is none the worse.
    pub fn truncate(&self, below: u64, keep: &Retention, now: Timestamp) -> Result<usize, StoreError> {
        let shared = &*self.shared;
        // The oldest segment that stays holds something durable: without it a start could not tell where to go on.
        let below = below.min(shared.progress.get());
        let going = shared.queue.lock().take_truncated(below, keep, now);
        for kept in &going {
            let name = segments::retire(&*shared.disk, &shared.dir, kept.generation)?;
            shared.queue.lock().dirty_spares.push(name);
        }
        if !going.is_empty() {
            shared.disk.sync_dir(&shared.dir).map_err(StoreError::disk("sync", &shared.dir))?;
            shared.supplies.notify_one();
        }
        Ok(going.len())
    }

    /// Writes on in another segment when the present one holds anything up to `through`: so that it can be let go one
    /// day, however little is written.
    pub fn turn_page(&self, through: u64) {
        let mut queue = self.shared.queue.lock();
        let is_older = queue.kept.last().is_some_and(|kept| kept.first_seq <= through) && queue.next_seq > through;
        let is_last = queue.kept.last().map(|kept| kept.generation);
        if let Some((segment, offset)) =
            queue.active.as_mut().filter(|(s, _)| is_older && Some(s.generation) == is_last)
        {
            *offset = segment.bytes;
            self.shared.supplies.notify_one();
        }
    }

    /// How it is doing.
    #[must_use]
    pub fn stats(&self) -> JournalStats {
        let shared = &*self.shared;
        let queue = shared.queue.lock();
        let active = queue.active.as_ref().map_or(0, |(segment, offset)| segment.bytes.saturating_sub(*offset));
        JournalStats {
            segments: queue.kept.len(),
            bytes: queue.kept.iter().map(|kept| kept.bytes).sum(),
            first_seq: queue.kept.first().map_or(0, |kept| kept.first_seq),
            unclean: queue.dirty_spares.len() + usize::from(queue.cleaning),
            ready_bytes: active + queue.ready.iter().map(|segment| segment.bytes).sum::<u64>(),
            batches: shared.batches.load(Ordering::Relaxed),
            records: shared.records.load(Ordering::Relaxed),
            written_bytes: shared.written_bytes.load(Ordering::Relaxed),
            last_sync_micros: shared.last_sync_micros.load(Ordering::Relaxed),
            failed: shared.failed.load(Ordering::Acquire),
            preparing_error: queue.preparing_error.clone(),
        }
    }

    /// Waits until everything that was submitted is released, ends the threads, and frees the lock.
    pub fn close(self) {
        drop(self);
    }
}

impl<R: Send + 'static> Drop for Journal<R> {
    fn drop(&mut self) {
        self.shared.queue.lock().closing = true;
        self.shared.work.notify_all();
        self.shared.room.notify_all();
        self.shared.supplies.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the journal had panicked");
            }
        }
    }
}

impl<R: Send + 'static> Shared<R> {
    fn run_sync(&self, handle: usize) {
        scheduling::be_prompt();
        loop {
            let job = {
                let mut queue = self.queue.lock();
                loop {
                    if let Some(job) = queue.jobs.pop_front() {
                        break job;
                    }
                    if queue.closing || self.failed.load(Ordering::Acquire) {
                        return;
                    }
                    self.work.wait(&mut queue);
                }
            };
            match self.commit(job, handle) {
                Ok(()) => {}
                Err(error) => return self.fail(error),
            }
        }
    }

    fn commit(&self, job: Job<R>, handle: usize) -> Result<(), StoreError> {
        let Job { ticket, mut batch, first_seq, segment, offset, release } = job;
        let has_facts = batch.facts() > 0;
        if !batch.is_empty() {
            let began = Instant::now();
            let bytes = batch.seal(segment.generation, first_seq, self.progress.get());
            let file = &segment.handles[handle];
            file.write_at(offset, bytes).map_err(StoreError::disk("write", &segment.path))?;
            file.sync().map_err(StoreError::disk("sync", &segment.path))?;
            self.last_sync_micros.store(began.elapsed().as_micros() as u64, Ordering::Relaxed);
            self.batches.fetch_add(1, Ordering::Relaxed);
            self.records.fetch_add(batch.len() as u64, Ordering::Relaxed);
            self.written_bytes.fetch_add(batch.bytes() as u64, Ordering::Relaxed);
        }
        let committed = Committed { first_seq, last_seq: first_seq + batch.len() as u64 - 1, release };
        batch.clear();
        let mut queue = self.queue.lock();
        if queue.pool.len() < POOLED_BATCHES_MAX {
            queue.pool.push(batch);
        }
        drop(queue);
        self.release(ticket, committed, has_facts);
        Ok(())
    }

    /// Releases this batch and those after it that are durable too, as soon as all before it are.
    fn release(&self, ticket: u64, committed: Committed<R>, has_facts: bool) {
        let mut releases = self.releases.lock();
        releases.done.insert(ticket, (committed, has_facts));
        let Some(mut on_committed) = releases.on_committed.take() else { return };
        loop {
            let next = releases.next_ticket;
            // After a failure nobody knows what the disk holds: not even a sync that succeeded since is believed.
            if self.failed.load(Ordering::Acquire) {
                break;
            }
            let Some((committed, has_facts)) = releases.done.remove(&next) else { break };
            releases.next_ticket += 1;
            drop(releases);
            self.progress.advance(committed.last_seq);
            self.queue.lock().in_flight -= 1;
            self.room.notify_one();
            on_committed(committed);
            // After what waits for this batch was let out: the follower would take the processor from it.
            self.progress.committed(has_facts);
            releases = self.releases.lock();
        }
        releases.on_committed = Some(on_committed);
    }

    fn fail(&self, error: StoreError) {
        tracing::error!(%error, "the journal has failed: nothing is acknowledged any more");
        self.failed.store(true, Ordering::Release);
        let jobs = std::mem::take(&mut self.queue.lock().jobs);
        drop(jobs);
        self.work.notify_all();
        self.room.notify_all();
        self.supplies.notify_all();
        if let Some(on_failure) = self.on_failure.lock().take() {
            on_failure(error);
        }
    }

    /// Makes segments ahead and cleans spares.
    fn run_supplies(&self) {
        loop {
            let mut queue = self.queue.lock();
            let wanted = loop {
                if queue.closing || self.failed.load(Ordering::Acquire) {
                    return;
                }
                // Somebody who submits may wait for a segment even when none is to be made ahead.
                let ready_min = self.config.spare_segments.max(1);
                if queue.ready.len() < ready_min {
                    let spare = queue.clean_spares.pop().or_else(|| queue.dirty_spares.pop());
                    queue.next_generation += 1;
                    break Wanted::Segment(queue.next_generation - 1, self.progress.get() + 1, spare);
                }
                if let Some(name) = queue.dirty_spares.pop() {
                    queue.cleaning = true;
                    break Wanted::Clean(name, queue.clean_spares.len() < SPARES_MAX);
                }
                self.supplies.wait(&mut queue);
            };
            drop(queue);
            if let Err(error) = self.supply(wanted) {
                let is_full = matches!(&error, StoreError::Disk { source, .. }
                    if matches!(source.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded));
                if !is_full {
                    return self.fail(error);
                }
                let mut queue = self.queue.lock();
                if queue.preparing_error.replace(error.to_string()).is_none() {
                    tracing::error!(%error, "no further journal segment can be made");
                }
                if !queue.closing {
                    self.supplies.wait_for(&mut queue, PREPARE_AGAIN);
                }
            }
        }
    }

    fn supply(&self, wanted: Wanted) -> Result<(), StoreError> {
        match wanted {
            Wanted::Segment(generation, seq_min, spare) => {
                let bytes = self.config.segment_bytes;
                let segment = segments::prepare(&*self.disk, &self.dir, generation, seq_min, bytes, spare)?;
                let mut queue = self.queue.lock();
                queue.preparing_error = None;
                queue.ready.push_back(segment);
                drop(queue);
                self.room.notify_one();
            }
            Wanted::Clean(name, keep) => {
                segments::clean(&*self.disk, &self.dir, &name, keep)?;
                let mut queue = self.queue.lock();
                queue.cleaning = false;
                if keep {
                    queue.clean_spares.push(name);
                }
            }
        }
        Ok(())
    }
}

enum Wanted {
    /// Its generation, a lower bound of its sequence numbers, and the spare to make it from.
    Segment(u64, u64, Option<String>),
    Clean(String, bool),
}
