//! Admission: is it news, and when was it measured?

use model::{Report, ReportKind, Timestamp};
use serde::{Deserialize, Serialize};

use crate::hash::FixedHash;
use crate::repeats::Repeats;

/// Measured so long before receipt, a report counts as late, in seconds (devices.md, backfill).
pub const LATE_AFTER_SECONDS: i64 = 120;

/// What is remembered of one device to tell repeats from news. Part of the hot state: it is checkpointed, and
/// rebuilt by admitting the journaled reports again with their journaled times.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Admission {
    repeats: Repeats,
}

/// Whether a report is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It is, and this is when it was measured.
    Fresh(Measured),
    /// It was here before and has no second effect.
    Repeat,
}

/// When something was measured, by the device's clock as far as it can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// The time to reckon with: never after receipt.
    pub at: Timestamp,
    /// Whether that is more than [`LATE_AFTER_SECONDS`] before receipt.
    pub late: bool,
    /// The device's clock minus receipt, ms; 0 when the device gave no time. Positive: it runs ahead.
    pub skew_ms: i64,
    /// Whether the device's time lay in the future and was set to receipt.
    pub clamped: bool,
}

impl Admission {
    /// Admits a report that was received at a time that must not run backwards from call to call.
    ///
    /// Two reports are the same if their type, their id and their time are. Without an id the content stands in for
    /// it; without a time the content counts too; without either, nothing tells a repeat from a second press, and
    /// each is news. An alarm that is taken twice rings twice, one that is taken for a repeat is lost.
    pub fn admit(&mut self, report: &Report, received: Timestamp) -> Admitted {
        if self.repeats.remember(repeat_key(report, received), received) {
            Admitted::Fresh(measured(report, received))
        } else {
            Admitted::Repeat
        }
    }
}

fn measured(report: &Report, received: Timestamp) -> Measured {
    let Some(claimed) = report.measured else {
        return Measured { at: received, late: false, skew_ms: 0, clamped: false };
    };
    let skew_ms = claimed.millis_since(received);
    Measured { at: claimed.min(received), late: skew_ms < -LATE_AFTER_SECONDS * 1000, skew_ms, clamped: skew_ms > 0 }
}

/// What is equal for repeats and for nothing else. It is on disk: see the golden test.
fn repeat_key(report: &Report, received: Timestamp) -> u64 {
    let hash = FixedHash::new().word(type_number(report.kind()));
    match (&report.event_id, report.measured) {
        (Some(id), Some(time)) => hash.bytes(id.as_bytes()).word(time.millis() as u64),
        (Some(id), None) => hash.bytes(id.as_bytes()).word(report.content_hash),
        (None, Some(time)) => hash.word(report.content_hash).word(time.millis() as u64),
        (None, None) => hash.word(report.content_hash).word(!(received.millis() as u64)),
    }
    .finish()
}

/// On disk within the keys: never changed, only appended to.
fn type_number(kind: ReportKind) -> u64 {
    match kind {
        ReportKind::Location => 1,
        ReportKind::HeartRate => 2,
        ReportKind::BloodPressure => 3,
        ReportKind::Fall => 4,
        ReportKind::FallCancel => 5,
        ReportKind::Sos => 6,
        ReportKind::Spo2 => 7,
        ReportKind::Temperature => 8,
        ReportKind::Steps => 9,
        ReportKind::Battery => 10,
        ReportKind::Wear => 11,
        ReportKind::Alive => 12,
        ReportKind::Unknown => 13,
    }
}
