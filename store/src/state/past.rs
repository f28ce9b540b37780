//! What was heard of a wearer, as it came: for going through it again.

use std::collections::BTreeMap;

use model::{DeviceId, Located, ReportBody, ReportKind, Timestamp, WearerId};

use super::history::{self, Sample};
use super::tree::Scan;
use super::{State, keys};
use crate::codec::decode_value;
use crate::error::StoreError;

/// Every kind that history keeps.
const HISTORY_KINDS: [ReportKind; 15] = [
    ReportKind::Location,
    ReportKind::HeartRate,
    ReportKind::BloodPressure,
    ReportKind::Fall,
    ReportKind::FallCancel,
    ReportKind::Sos,
    ReportKind::Spo2,
    ReportKind::Temperature,
    ReportKind::Steps,
    ReportKind::Battery,
    ReportKind::Wear,
    ReportKind::Alive,
    ReportKind::Unknown,
    ReportKind::Respiration,
    ReportKind::Consciousness,
];

/// One record about a wearer, as history kept it.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// The record.
    pub seq: u64,
    /// When it was decided on.
    pub at: Timestamp,
    /// Who said so; empty: somebody at the bedside.
    pub device: DeviceId,
    /// When it was measured, as admitted.
    pub measured: Timestamp,
    /// Where, in WGS-84.
    pub located: Option<Located>,
    /// What was said: nothing beside a position; two things only from the bedside. Of an alarm without its position,
    /// which is `located`; of a type that is not known, [`ReportBody::Alive`].
    pub said: Vec<ReportBody>,
}

impl Past {
    fn new(sample: &Sample, device: &[u8]) -> Past {
        let measured = Timestamp::from_millis(sample.measured);
        Past {
            seq: sample.seq,
            at: measured.plus_millis(sample.delay),
            device: DeviceId::new(&String::from_utf8_lossy(device)),
            measured,
            located: None,
            said: Vec::new(),
        }
    }
}

impl State {
    /// What was heard of a wearer and measured from `from` up to, not including, `to`, as it came: one entry for a
    /// record, in the journal's order; the newest `limit`, and whether there was more.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn past(
        &self,
        wearer: &WearerId,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Past>, bool), StoreError> {
        let mut by_seq: BTreeMap<u64, Past> = BTreeMap::new();
        let mut is_cut = false;
        for kind in HISTORY_KINDS {
            if from >= to {
                break;
            }
            self.each_sample(wearer, kind, from, to, &mut |sample, device| {
                let past = by_seq.entry(sample.seq).or_insert_with(|| Past::new(&sample, device));
                match kind {
                    ReportKind::Location => past.located = history::track_point(&sample).map(|point| point.located),
                    // A block that still grows is in the view, too.
                    kind if past.said.iter().any(|said| said.kind() == kind) => {}
                    kind => past.said.extend(history::body(kind, &sample)),
                }
                if by_seq.len() > limit {
                    by_seq.pop_first();
                    is_cut = true;
                }
            })?;
        }
        Ok((by_seq.into_values().collect(), is_cut))
    }

    /// When the engine started within a period, and until when it had run before.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn starts(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(Timestamp, Timestamp)>, StoreError> {
        let key = |at: Timestamp| keys::number(keys::START, at.millis() as u64);
        let mut starts = Vec::new();
        self.database.scan(&key(from), &key(to), &mut |key, value| {
            let at = Timestamp::from_millis(keys::last_number(key) as i64);
            starts.push((at, decode_value("start", value)?));
            Ok(Scan::Go)
        })?;
        Ok(starts)
    }
}
