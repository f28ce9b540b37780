//! The one loop: takes what is there, decides on it, hands the decisions to the journal, and goes on. Nothing
//! leaves the house from here; the journal lets it out once it is durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use broker::{Parcel, Receipts};
use model::{Clock, Input, Record, Timestamp};
use store::{Batch, Journal, StoreError};

use crate::checkpoint::Checkpointer;
use crate::inbox::{Inbox, Work};
use crate::pipeline::Pipeline;
use crate::pulse::Pulse;
use crate::release::Release;
use crate::watchdog::Unsaved;

/// How many reports a batch takes at most; the loop decides them in about 2 ms. Fewer sync more often; 8 192 kept fewer
/// stages busy at once and were a tenth slower.
const BATCH_REPORTS_MAX: usize = 3_072;
/// After so many bytes a batch goes to the journal, even in the middle of what was taken.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// For how many pieces of work it is looked ahead: what they need has to stay near until it is their turn.
const PIECES_FORESEEN: usize = 32;
/// How long the loop sleeps at most, so that its pulse shows that it lives, in milliseconds.
const SLEEP_MS_MAX: i64 = 250;

/// The exit code when what nothing goes on without panicked: `EX_SOFTWARE` of sysexits.
const EXIT_PANICKED: i32 = 70;

/// The loop's world.
pub struct MainLoop {
    /// What decides.
    pub pipeline: Pipeline,
    /// What comes in.
    pub inbox: Arc<Inbox>,
    /// Where decisions become durable.
    pub journal: Arc<Journal<Release>>,
    /// The sequence number of the last record that was handed to the journal.
    pub last_seq: u64,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What others see of the loop.
    pub pulse: Arc<Pulse>,
    /// Whether telemetry is refused because the disk is nearly full.
    pub refuse_telemetry: Arc<AtomicBool>,
    /// Whether telemetry waits because its projection lags too far behind.
    pub hold_telemetry: Arc<AtomicBool>,
    /// Writes the state down from time to time.
    pub checkpointer: Checkpointer,
    /// Alarms that are not on disk yet.
    pub unsaved: Arc<Unsaved>,
}

/// One batch in the making.
struct Draft {
    batch: Batch,
    release: Release,
}

impl MainLoop {
    /// Runs until the inbox is closed and empty, and writes a last checkpoint. A panic ends the process.
    ///
    /// # Errors
    /// When a decision cannot be handed to the journal: the process must end, what is on disk is the truth.
    pub fn run(mut self) -> Result<(), StoreError> {
        let _guard = EndWithPanic("the main loop");
        let (mut work, mut records) = (Vec::new(), Vec::new());
        loop {
            let telemetry = !self.hold_telemetry.load(Ordering::Relaxed);
            let open = self.inbox.take(&mut work, BATCH_REPORTS_MAX, telemetry, self.patience());
            let now = self.clock.now();
            self.pulse.beat(now);
            self.pulse.due(self.pipeline.next_due(), now);
            let mut draft = self.draft();
            let mut pieces = work.drain(..);
            while !pieces.as_slice().is_empty() {
                self.foresee(&pieces.as_slice()[..pieces.len().min(PIECES_FORESEEN)]);
                // Once in so many pieces: a flood of alarms starves nobody.
                let mut had_alarms = false;
                for piece in pieces.by_ref().take(PIECES_FORESEEN) {
                    if !had_alarms && self.inbox.has_alarm() {
                        had_alarms = true;
                        self.decide_alarms(&mut records, &mut draft)?;
                    }
                    self.decide(piece, &mut records, &mut draft)?;
                    if draft.batch.bytes() >= BATCH_BYTES_MAX {
                        let full = std::mem::replace(&mut draft, self.draft());
                        self.submit(full)?;
                    }
                }
            }
            drop(pieces);
            self.pipeline.advance(now, &mut records);
            self.put(&mut records, &mut draft)?;
            self.submit(draft)?;
            self.checkpointer.step(&self.pipeline, self.last_seq, &self.journal);
            if !open {
                self.checkpointer.finish(&self.pipeline, self.last_seq, &self.journal);
                return Ok(());
            }
        }
    }

    /// What came into the alarm lane while telemetry was decided on. It waits for nothing more that happened to come before
    /// it: the batch ends with it. In a batch of its own it would be let out no earlier, as that one goes first.
    fn decide_alarms(&mut self, records: &mut Vec<Record>, draft: &mut Draft) -> Result<(), StoreError> {
        let mut alarms = Vec::new();
        self.inbox.take_alarms(&mut alarms);
        for piece in alarms {
            self.decide(piece, records, draft)?;
        }
        let ended = std::mem::replace(draft, self.draft());
        self.submit(ended)
    }

    /// How long the loop may sleep: until the next deadline, and not at all while a checkpoint is being written.
    fn patience(&self) -> Duration {
        if self.checkpointer.is_busy() {
            return Duration::ZERO;
        }
        let due = self.pipeline.next_due().map_or(SLEEP_MS_MAX, |due| due.millis_since(self.clock.now()));
        Duration::from_millis(due.clamp(0, SLEEP_MS_MAX) as u64)
    }

    fn foresee(&self, pieces: &[Work]) {
        self.pipeline.foresee_devices(pieces.iter().filter_map(|piece| match piece {
            Work::Parcel(parcel) | Work::Alarm(parcel, _) => Some(&parcel.device),
            Work::Input { .. } | Work::DownReady(_) => None,
        }));
    }

    fn decide(&mut self, piece: Work, records: &mut Vec<Record>, draft: &mut Draft) -> Result<(), StoreError> {
        match piece {
            Work::Parcel(parcel) => {
                let receipts = self.decide_parcel(parcel, records, draft)?;
                draft.release.receipt(receipts);
                Ok(())
            }
            Work::Alarm(parcel, ticket) => {
                let device = parcel.device.clone();
                let receipts = self.decide_parcel(parcel, records, draft)?;
                draft.release.alarm_receipt(receipts);
                self.unsaved.decided(ticket, self.last_seq, || self.pipeline.household_of(Some(&device), None));
                Ok(())
            }
            Work::Input { input, received, reply } => {
                self.pipeline.decide(input, received, records);
                let answer = reply.zip(records.last().map(Release::answer_of));
                self.put(records, draft)?;
                // Into the draft that holds its record, or a later one.
                if let Some((to, answer)) = answer {
                    draft.release.reply(to, self.last_seq, answer);
                }
                Ok(())
            }
            Work::DownReady(device) => {
                draft.release.deliver(self.pipeline.commands_for(&device));
                Ok(())
            }
        }
    }

    /// Returns what waits for the commit.
    fn decide_parcel(
        &mut self,
        parcel: Parcel,
        records: &mut Vec<Record>,
        draft: &mut Draft,
    ) -> Result<Receipts, StoreError> {
        let alarm = |item: &broker::Item| item.outcome.as_ref().is_ok_and(model::Report::is_alarm);
        if self.refuse_telemetry.load(Ordering::Relaxed) && !parcel.items.iter().any(alarm) {
            self.pulse.refused(parcel.items.len());
            parcel.receipts.refuse();
            return Ok(Receipts::none());
        }
        if parcel.items.len() > 1 {
            let reports = parcel.items.iter().filter_map(|item| Some((item.outcome.as_ref().ok()?, item.received)));
            self.pipeline.foresee(&parcel.device, reports);
        }
        for item in parcel.items {
            match item.outcome {
                Ok(report) => {
                    let plain = self.pipeline.decide_report(&parcel.device, &report, item.received, records);
                    self.put(records, draft)?;
                    if let Some(plain) = plain {
                        draft.batch.push_report(plain.at, &parcel.device, &report, plain.observed.as_ref())?;
                        self.last_seq += 1;
                        self.pulse.count_report(plain.observed.is_none());
                    }
                }
                Err(reject) => {
                    let input = Input::Reject { device: Some(parcel.device.clone()), topic: item.topic, reject };
                    self.pipeline.decide(input, item.received, records);
                }
            }
        }
        self.put(records, draft)?;
        Ok(parcel.receipts)
    }

    /// Puts decided records into the batch; one that is full goes to the journal, and the next one is begun.
    fn put(&mut self, records: &mut Vec<Record>, draft: &mut Draft) -> Result<(), StoreError> {
        for record in records.drain(..) {
            draft.batch.push(&record)?;
            self.last_seq += 1;
            self.pulse.count(&record);
            draft.release.note(&record, |wearer| self.pipeline.household_of(None, Some(wearer)));
            if draft.batch.bytes() >= BATCH_BYTES_MAX {
                let full = std::mem::replace(draft, self.draft());
                self.submit(full)?;
            }
        }
        Ok(())
    }

    /// Hands the draft to the journal. One without records still goes through it: what it lets out may rest on
    /// decisions that are not durable yet.
    fn submit(&mut self, draft: Draft) -> Result<(), StoreError> {
        if draft.batch.is_empty() && draft.release.is_empty() {
            return Ok(());
        }
        self.pulse.batch(draft.batch.len());
        self.journal.submit(draft.batch, draft.release).map(|_| ())
    }

    fn draft(&self) -> Draft {
        Draft { batch: self.journal.batch(), release: Release::default() }
    }
}

/// The first input after a start: what became due while nobody was there is overdue now.
#[must_use]
pub fn started(pipeline: &Pipeline, now: Timestamp) -> Work {
    let before = pipeline.last_at();
    let down_since = (before > Timestamp::EPOCH).then_some(before);
    Work::Input { input: Input::Started { down_since }, received: now, reply: None }
}

/// Ends the process when the thread that holds it panics, in what is named. The journal is the truth: whoever starts it again
/// goes on.
pub(crate) struct EndWithPanic(pub &'static str);

impl Drop for EndWithPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(part = self.0, "it panicked: the process ends");
            std::process::exit(EXIT_PANICKED);
        }
    }
}
