//! What others see of the main loop: that it lives, and what it counted.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use model::{Decision, Input, Record, Timestamp};

/// The loop's pulse and counters. Written by the loop only; read by health checks and metrics.
#[derive(Debug, Default)]
pub struct Pulse {
    beat_at: AtomicI64,
    next_due: AtomicI64,
    late_ms_max: AtomicI64,
    reports: AtomicU64,
    repeats: AtomicU64,
    rejects: AtomicU64,
    refused: AtomicU64,
    findings: AtomicU64,
    events: AtomicU64,
    commands: AtomicU64,
    callbacks: AtomicU64,
    batches: AtomicU64,
    records: AtomicU64,
}

impl Pulse {
    /// The loop went round.
    pub fn beat(&self, now: Timestamp) {
        self.beat_at.store(now.millis(), Relaxed);
    }

    /// When the loop last went round.
    pub fn beat_at(&self) -> Timestamp {
        Timestamp::from_millis(self.beat_at.load(Relaxed))
    }

    /// When something is to happen by itself next, as seen before it fires.
    pub fn due(&self, next: Option<Timestamp>, now: Timestamp) {
        self.next_due.store(next.map_or(i64::MAX, Timestamp::millis), Relaxed);
        let late = next.map_or(0, |due| now.millis_since(due));
        self.late_ms_max.fetch_max(late, Relaxed);
    }

    /// How late something is that should have happened by itself by now, in milliseconds; 0 when all is in time.
    pub fn overdue_ms(&self, now: Timestamp) -> i64 {
        now.millis().saturating_sub(self.next_due.load(Relaxed)).max(0)
    }

    /// The latest that anything ever was, in milliseconds.
    pub fn late_ms_max(&self) -> i64 {
        self.late_ms_max.load(Relaxed)
    }

    /// A batch of so many records was handed to the journal.
    pub fn batch(&self, records: usize) {
        bump(&self.batches, 1);
        bump(&self.records, records as u64);
    }

    /// So many reports were refused because the disk is nearly full.
    pub fn refused(&self, reports: usize) {
        bump(&self.refused, reports as u64);
    }

    /// A report was decided that led to nothing else.
    pub fn count_report(&self, repeated: bool) {
        bump(&self.reports, 1);
        bump(&self.repeats, u64::from(repeated));
    }

    /// A record was decided.
    pub fn count(&self, record: &Record) {
        match record.input {
            Input::Report { .. } => bump(&self.reports, 1),
            Input::Reject { .. } => bump(&self.rejects, 1),
            Input::Command { .. } => bump(&self.commands, 1),
            Input::Callback { .. } => bump(&self.callbacks, 1),
            Input::Connection { .. }
            | Input::Sent { .. }
            | Input::StoodIn { .. }
            | Input::DownSent { .. }
            | Input::DownAcknowledged { .. }
            | Input::Tick
            | Input::Told { .. }
            | Input::Resumed { .. }
            | Input::Started { .. } => {}
        }
        for decision in &record.decisions {
            match decision {
                Decision::Repeated => bump(&self.repeats, 1),
                Decision::Finding(_) => bump(&self.findings, 1),
                Decision::Event(_) => bump(&self.events, 1),
                _ => {}
            }
        }
    }

    /// The counters with their metric names and what they count.
    pub fn counters(&self) -> [(&'static str, &'static str, u64); 10] {
        [
            ("yinling_reports_total", "Reports decided on, repeats included", self.reports.load(Relaxed)),
            ("yinling_reports_repeated_total", "Reports that were repeats", self.repeats.load(Relaxed)),
            ("yinling_rejects_total", "Payloads that went to quarantine", self.rejects.load(Relaxed)),
            (
                "yinling_reports_refused_total",
                "Reports refused while the disk is nearly full",
                self.refused.load(Relaxed),
            ),
            ("yinling_findings_total", "Findings of the rules", self.findings.load(Relaxed)),
            ("yinling_events_total", "Events of the feed", self.events.load(Relaxed)),
            ("yinling_commands_total", "Commands of staff and other systems", self.commands.load(Relaxed)),
            ("yinling_callbacks_total", "Callbacks of providers", self.callbacks.load(Relaxed)),
            ("yinling_batches_total", "Batches committed", self.batches.load(Relaxed)),
            ("yinling_records_total", "Records committed", self.records.load(Relaxed)),
        ]
    }
}

/// One writer: a plain load and store is enough and does not lock the bus.
fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed) + by, Relaxed);
}
