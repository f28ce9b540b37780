//! Writes the pipeline's state down from time to time, some portions between two batches, so that the loop never stands
//! still for long; and reads it back at a start.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono_tz::Tz;
use store::checkpoint::{self, CheckpointWriter};
use store::{Disk, Journal, StoreError, codec};

use crate::pipeline::{Loaded, Pipeline, Section, SectionId};
use crate::release::Release;

/// After so long a step lets the next batch have its turn: an alarm may be in it. A portion that is begun is ended.
const STEP_MAX: Duration = Duration::from_micros(300);
/// How long the last checkpoint waits for the journal.
const FINISH_WAIT_MAX: Duration = Duration::from_secs(10);

/// Where checkpoints are and what was written last. Shared with housekeeping, which lets journal segments go.
#[derive(Debug, Default)]
pub struct Written {
    /// The lowest sequence number of the newest checkpoint on disk; 0: none.
    pub seq: AtomicU64,
    /// Whether the last writing failed; the next one tries again.
    pub failed: AtomicBool,
    /// Somebody was erased: the next one is wanted before it is due.
    pub wanted: AtomicBool,
}

/// Writes checkpoints.
pub struct Checkpointer {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    records_between: u64,
    begun_at: u64,
    written: Arc<Written>,
    progress: Progress,
}

enum Progress {
    Idle,
    /// These sections are still to be taken.
    Taking {
        left: VecDeque<SectionId>,
        writer: CheckpointWriter,
    },
    /// All are taken; what they rest on must be durable before the file may count.
    Waiting {
        writer: CheckpointWriter,
        through: u64,
    },
}

impl Checkpointer {
    /// Writes into `dir` every `records_between` records.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, dir: PathBuf, records_between: u64, begun_at: u64, written: Arc<Written>) -> Self {
        Checkpointer { disk, dir, records_between, begun_at, written, progress: Progress::Idle }
    }

    fn is_wanted(&self) -> bool {
        self.written.wanted.load(Ordering::Relaxed) && self.written.wanted.swap(false, Ordering::Relaxed)
    }

    /// Whether it has something to do at the next step.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.progress, Progress::Taking { .. })
    }

    /// One step between two batches. Everything up to `last_seq` is decided.
    pub fn step(&mut self, pipeline: &Pipeline, last_seq: u64, journal: &Journal<Release>) {
        self.progress = match std::mem::replace(&mut self.progress, Progress::Idle) {
            Progress::Idle if last_seq < self.begun_at + self.records_between && !self.is_wanted() => Progress::Idle,
            Progress::Idle => {
                self.begun_at = last_seq;
                let left = VecDeque::from(pipeline.sections());
                Progress::Taking { writer: CheckpointWriter::with_room_for(left.len()), left }
            }
            Progress::Taking { mut left, writer } => match take_some(pipeline, &mut left, last_seq, writer) {
                Ok(writer) if left.is_empty() => Progress::Waiting { writer, through: last_seq },
                Ok(writer) => Progress::Taking { left, writer },
                Err(error) => {
                    self.failed(&error);
                    Progress::Idle
                }
            },
            Progress::Waiting { writer, through } if journal.durable_seq() < through => {
                Progress::Waiting { writer, through }
            }
            Progress::Waiting { writer, .. } => {
                self.write_aside(writer);
                Progress::Idle
            }
        };
    }

    /// Writes the whole state at once when the loop ends, so that the next start is quick. Waits until what it
    /// rests on is durable; gives up when the journal has failed.
    pub fn finish(&mut self, pipeline: &Pipeline, last_seq: u64, journal: &Journal<Release>) {
        let deadline = Instant::now() + FINISH_WAIT_MAX;
        while journal.durable_seq() < last_seq {
            if Instant::now() > deadline || journal.stats().failed {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.begun_at = last_seq;
        let sections = pipeline.sections();
        let writer = CheckpointWriter::with_room_for(sections.len());
        let taken = sections.into_iter().try_fold(writer, |writer, id| take(pipeline, id, last_seq, writer));
        if let Err(error) = taken.and_then(|writer| write(writer, &*self.disk, &self.dir, &self.written, self.begun_at))
        {
            self.failed(&error);
        }
    }

    /// The file is written on a thread of its own: the loop goes on.
    fn write_aside(&self, writer: CheckpointWriter) {
        let (disk, dir, written, seq) =
            (Arc::clone(&self.disk), self.dir.clone(), Arc::clone(&self.written), self.begun_at);
        let spawned = std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
            if let Err(error) = write(writer, &*disk, &dir, &written, seq) {
                written.failed.store(true, Ordering::Relaxed);
                tracing::error!(%error, "the checkpoint could not be written; the journal is kept until one can");
            }
        });
        if let Err(error) = spawned {
            self.failed(&error);
        }
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) {
        self.written.failed.store(true, Ordering::Relaxed);
        tracing::error!(error, "the checkpoint could not be taken; the journal is kept until one can");
    }
}

fn take_some(
    pipeline: &Pipeline,
    left: &mut VecDeque<SectionId>,
    seq: u64,
    mut writer: CheckpointWriter,
) -> Result<CheckpointWriter, StoreError> {
    let began = Instant::now();
    while let Some(id) = left.pop_front() {
        writer = take(pipeline, id, seq, writer)?;
        if began.elapsed() >= STEP_MAX {
            break;
        }
    }
    Ok(writer)
}

fn take(
    pipeline: &Pipeline,
    id: SectionId,
    seq: u64,
    writer: CheckpointWriter,
) -> Result<CheckpointWriter, StoreError> {
    let bytes = codec::to_bytes(&pipeline.section(id))?;
    Ok(writer.section(id.number(), seq, bytes))
}

fn write(
    writer: CheckpointWriter,
    disk: &dyn Disk,
    dir: &std::path::Path,
    written: &Written,
    seq: u64,
) -> Result<(), StoreError> {
    writer.write(disk, dir)?;
    written.seq.store(seq, Ordering::Release);
    written.failed.store(false, Ordering::Relaxed);
    tracing::info!(seq, "checkpoint written");
    Ok(())
}

/// The newest checkpoint, put together, and the record after which the journal is to be applied. An empty pipeline
/// and 0 when there is none.
///
/// # Errors
/// When the directory cannot be read, or a section does not decode.
pub fn load(disk: &dyn Disk, dir: &std::path::Path, zone: Tz) -> Result<(Pipeline, u64), StoreError> {
    let Some(found) = checkpoint::load_latest(disk, dir)? else { return Ok((Pipeline::new(zone), 0)) };
    let mut sections = Vec::with_capacity(found.sections.len());
    for section in &found.sections {
        let Some((id, portions)) = SectionId::from_number(section.id) else { continue };
        let content = codec::from_bytes::<Section>("checkpoint section", &section.bytes)?;
        sections.push(Loaded { id, portions, seq: section.seq, section: content });
    }
    Ok(Pipeline::load(zone, sections))
}
