//! Telemetry on its way into the view: for each wearer who was heard of lately the blocks that are still growing
//! and what is newer than the stored latest values. It lives in memory and is flushed from time to time; until
//! then queries look here too, and after a crash the journal brings it back.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use model::record::Observed;
use model::staff::BedsideNote;
use model::{
    Decision, DeviceId, Erasure, Input, Located, Record, ReportBody, ReportKind, StaffCommand, Timestamp, WearerId,
};
use rustc_hash::FxBuildHasher;

use super::erasure::ErasedOnes;
use super::history::{self, Heard, OpenBlock, Sample};
use super::tree::Changes;
use super::{Latest, Quarantined, TrackPoint, Vital, keys};
use crate::codec;
use crate::codec::telemetry::{View, text};
use crate::error::StoreError;

/// What the telemetry pass has gathered.
#[derive(Default)]
pub(crate) struct Telemetry {
    /// By the bytes of their ids, as they stand in the journal.
    wearers: HashMap<Box<[u8]>, OpenWearer, FxBuildHasher>,
    /// Blocks that are full, with their shelf and last record, for the next write.
    full: Vec<FullBlock>,
    /// How much memory the growing blocks take, about.
    open_bytes: usize,
    /// Wearers to be flushed, when a flush is under way.
    flushing: Vec<Box<[u8]>>,
    /// Quarantine entries in the view, oldest first.
    quarantined: VecDeque<u64>,
    /// Of whom nothing is kept any more.
    erased: ErasedOnes,
    /// Changes beside the blocks for the next write: of the quarantine, and when the engine started.
    quarantine: Changes,
}

pub(crate) struct FullBlock {
    pub(crate) shelf: u32,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// A wearer, by the bytes of their id, and what is newest of them.
pub(crate) type LatestOf = (Box<[u8]>, Latest);

#[derive(Default)]
struct OpenWearer {
    blocks: Vec<OpenBlock>,
    /// What is newer than what is stored, or not merged with it yet.
    latest: Option<Latest>,
    is_dirty: bool,
}

/// What history keeps of one report.
pub(crate) struct Seen<'a> {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) device: &'a [u8],
    pub(crate) wearer: &'a [u8],
    pub(crate) measured: Timestamp,
    pub(crate) late: bool,
    pub(crate) located: Option<Located>,
    pub(crate) body: &'a ReportBody,
}

impl Telemetry {
    /// Takes a report from its compact form: the hot path.
    pub(crate) fn take_view(&mut self, seq: u64, view: &View<'_>) -> Result<(), StoreError> {
        let Some(observed) = view.observed else { return Ok(()) };
        let Some(wearer) = observed.wearer else { return Ok(()) };
        self.see(&Seen {
            seq,
            at: view.at,
            device: view.device,
            wearer,
            measured: observed.measured,
            late: observed.late,
            located: observed.located,
            body: &view.body,
        })
    }

    /// Takes any other record: observed reports, and rejects for the quarantine, of which it keeps the newest.
    pub(crate) fn take_record(&mut self, seq: u64, record: &Record, quarantine_max: usize) -> Result<(), StoreError> {
        match &record.input {
            Input::Report { device, report } => {
                for decision in &record.decisions {
                    if let Decision::Observed(Observed { wearer: Some(wearer), measured, late, located }) = decision {
                        self.see(&Seen {
                            seq,
                            at: record.at,
                            device: device.as_str().as_bytes(),
                            wearer: wearer.as_str().as_bytes(),
                            measured: *measured,
                            late: *late,
                            located: *located,
                            body: &report.body,
                        })?;
                    }
                }
                Ok(())
            }
            Input::Reject { device, topic, reject } => {
                // Projected again after a crash: it is there, or was too old to be kept.
                if self.quarantined.back().is_some_and(|newest| *newest >= seq) {
                    return Ok(());
                }
                let entry = Quarantined {
                    seq,
                    at: record.at,
                    device: device.clone(),
                    topic: topic.clone(),
                    reject: reject.clone(),
                };
                if self.erased.take(&entry) {
                    return Ok(());
                }
                self.quarantine.put(&keys::number(keys::QUARANTINE, seq), codec::encode_value(&entry)?);
                self.quarantined.push_back(seq);
                while self.quarantined.len() > quarantine_max {
                    if let Some(oldest) = self.quarantined.pop_front() {
                        self.quarantine.delete(&keys::number(keys::QUARANTINE, oldest));
                    }
                }
                Ok(())
            }
            Input::Command { command: StaffCommand::Observe(bedside), .. } => self.take_bedside(seq, record, bedside),
            Input::Started { down_since: Some(down_since) } => {
                let at = record.at.millis() as u64;
                self.quarantine.put(&keys::number(keys::START, at), codec::encode_value(down_since)?);
                Ok(())
            }
            Input::Connection { .. }
            | Input::Command { .. }
            | Input::Callback { .. }
            | Input::Sent { .. }
            | Input::StoodIn { .. }
            | Input::DownSent { .. }
            | Input::DownAcknowledged { .. }
            | Input::Tick
            | Input::Told { .. }
            | Input::Resumed { .. }
            | Input::Started { .. } => Ok(()),
        }
    }

    /// What somebody at the bedside noted, as if a device without a name had said it.
    fn take_bedside(&mut self, seq: u64, record: &Record, bedside: &BedsideNote) -> Result<(), StoreError> {
        let observed = record.decisions.iter().find_map(|decision| match decision {
            Decision::Observed(Observed { wearer: Some(wearer), measured, late, .. }) => Some((wearer, measured, late)),
            _ => None,
        });
        let Some((wearer, measured, late)) = observed else { return Ok(()) };
        for body in bedside.bodies() {
            self.see(&Seen {
                seq,
                at: record.at,
                device: &[],
                wearer: wearer.as_str().as_bytes(),
                measured: *measured,
                late: *late,
                located: None,
                body: &body,
            })?;
        }
        Ok(())
    }

    fn see(&mut self, seen: &Seen<'_>) -> Result<(), StoreError> {
        if self.erased.has(seen.wearer) {
            return Ok(());
        }
        let wearer = match self.wearers.get_mut(seen.wearer) {
            Some(wearer) => wearer,
            None => {
                text(seen.wearer)?;
                self.wearers.entry(seen.wearer.into()).or_default()
            }
        };
        wearer.is_dirty = true;
        wearer.note_latest(seen)?;
        let heard = Heard { seq: seen.seq, at: seen.at, measured: seen.measured, late: seen.late };
        if let Some(located) = &seen.located {
            let sample = history::location_sample(heard, located);
            let grown = wearer.add(seen, ReportKind::Location, sample, &mut self.full);
            self.open_bytes = self.open_bytes.saturating_add_signed(grown);
        }
        if let Some((kind, sample)) = history::vital_sample(heard, seen.body) {
            let grown = wearer.add(seen, kind, sample, &mut self.full);
            self.open_bytes = self.open_bytes.saturating_add_signed(grown);
        }
        Ok(())
    }

    /// Forgets a wearer who was erased, and passes over what comes of them from now on.
    pub(crate) fn erase(&mut self, erasure: &Erasure) {
        self.erased.add(erasure);
        if self.erased.has(erasure.subject.as_bytes()) {
            self.wearers.remove(erasure.subject.as_bytes());
            let theirs = [erasure.subject.as_bytes(), &[0]].concat();
            self.full.retain(|block| !block.key.starts_with(&theirs));
        }
    }

    /// What waits to be written with the next batch.
    pub(crate) fn take_ready(&mut self) -> (Vec<FullBlock>, Changes) {
        (std::mem::take(&mut self.full), std::mem::take(&mut self.quarantine))
    }

    pub(crate) fn full_blocks(&self) -> usize {
        self.full.len()
    }

    /// The blocks that wait to be written, of a range of keys.
    pub(crate) fn full_of(&self, keys: Range<&[u8]>) -> impl Iterator<Item = &[u8]> {
        self.full.iter().filter(move |block| keys.contains(&&*block.key)).map(|block| &*block.value)
    }

    pub(crate) fn open_bytes(&self) -> usize {
        self.open_bytes
    }

    /// Begins a flush of everything that has changed; what has not is forgotten: it is in the view.
    pub(crate) fn begin_flush(&mut self) {
        let mut freed = 0;
        self.wearers.retain(|_, wearer| {
            if !wearer.is_dirty {
                freed += wearer.blocks.iter().map(OpenBlock::bytes).sum::<usize>();
            }
            wearer.is_dirty
        });
        self.open_bytes = self.open_bytes.saturating_sub(freed);
        self.flushing = self.wearers.keys().cloned().collect();
        // Neighbours in the view one after another: sled then finds its pages in memory. Taken from the end.
        self.flushing.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// A portion of the flush: the blocks and latest values of at most `wearers_max` wearers; empty at the end.
    pub(crate) fn flush_portion(&mut self, wearers_max: usize) -> (Vec<FullBlock>, Vec<LatestOf>) {
        let from = self.flushing.len().saturating_sub(wearers_max);
        let (mut blocks, mut latest) = (Vec::new(), Vec::new());
        for id in self.flushing.drain(from..) {
            let Some(wearer) = self.wearers.get_mut(&id) else { continue };
            wearer.is_dirty = false;
            for block in &wearer.blocks {
                blocks.push(FullBlock { shelf: block.shelf(), key: block.key(&id), value: block.value() });
            }
            // What is stored is merged with what is there, so nothing is lost by forgetting it here.
            latest.extend(wearer.latest.take().map(|latest| (id, latest)));
        }
        (blocks, latest)
    }

    /// Forgets all wearers that are flushed, to get their memory back.
    pub(crate) fn forget_flushed(&mut self) {
        self.wearers.retain(|_, wearer| wearer.is_dirty);
        let bytes = self.wearers.values().flat_map(|wearer| &wearer.blocks).map(OpenBlock::bytes).sum();
        self.open_bytes = bytes;
    }

    /// The growing block of a series.
    pub(crate) fn open_block(&self, wearer: &WearerId, kind: ReportKind) -> Option<&OpenBlock> {
        self.wearers.get(wearer.as_str().as_bytes())?.blocks.iter().find(|block| block.kind == kind)
    }

    /// What is newer than the stored latest values.
    pub(crate) fn latest(&self, wearer: &WearerId) -> Option<&Latest> {
        self.wearers.get(wearer.as_str().as_bytes())?.latest.as_ref()
    }

    pub(crate) fn set_quarantined(&mut self, seqs: VecDeque<u64>) {
        self.quarantined = seqs;
    }

    pub(crate) fn quarantined(&self) -> usize {
        self.quarantined.len()
    }
}

impl OpenWearer {
    /// Adds a sample; says by how much the memory has grown.
    fn add(&mut self, seen: &Seen<'_>, kind: ReportKind, sample: Sample, full: &mut Vec<FullBlock>) -> isize {
        let Some(block) = self.blocks.iter_mut().find(|block| block.kind == kind) else {
            let block = OpenBlock::new(kind, sample, seen.device);
            let grown = block.bytes() as isize;
            self.blocks.push(block);
            return grown;
        };
        let before = block.bytes() as isize;
        if !block.append(sample, seen.device) {
            full.push(FullBlock { shelf: block.shelf(), key: block.key(seen.wearer), value: block.value() });
            block.restart(sample, seen.device);
        }
        block.bytes() as isize - before
    }

    fn note_latest(&mut self, seen: &Seen<'_>) -> Result<(), StoreError> {
        let latest = match &mut self.latest {
            Some(latest) => latest,
            empty => {
                let device = DeviceId::new(text(seen.device)?);
                empty.insert(Latest { seen: Timestamp::EPOCH, device, position: None, vitals: Vec::new() })
            }
        };
        // Somebody at the bedside is no device.
        if !seen.device.is_empty() {
            latest.seen = seen.at;
        }
        if !seen.device.is_empty() && latest.device.as_str().as_bytes() != seen.device {
            latest.device = DeviceId::new(text(seen.device)?);
        }
        if let Some(located) = seen.located {
            latest.note_position(TrackPoint { measured: seen.measured, late: seen.late, located });
        }
        if vital_kind(seen.body).is_some() {
            latest.note_vital(Vital { measured: seen.measured, late: seen.late, body: seen.body.clone() });
        }
        Ok(())
    }
}

impl Latest {
    /// The newest measurement wins, whatever the order of arrival.
    fn note_position(&mut self, point: TrackPoint) {
        if self.position.is_none_or(|held| held.measured <= point.measured) {
            self.position = Some(point);
        }
    }

    fn note_vital(&mut self, vital: Vital) {
        let kind = vital_kind(&vital.body);
        match self.vitals.iter_mut().find(|held| vital_kind(&held.body) == kind) {
            Some(held) if held.measured <= vital.measured => *held = vital,
            Some(_) => {}
            None => self.vitals.push(vital),
        }
    }

    /// Takes in what another knows.
    pub(crate) fn merge(mut self, other: Latest) -> Latest {
        if other.seen >= self.seen {
            (self.seen, self.device) = (other.seen, other.device);
        }
        if let Some(point) = other.position {
            self.note_position(point);
        }
        other.vitals.into_iter().for_each(|vital| self.note_vital(vital));
        // In a fixed order, so that a rebuilt view is equal to the one that was lost.
        self.vitals.sort_by_key(|vital| vital_kind(&vital.body));
        self
    }
}

/// The kind of a vital sign (or of battery, steps and wear, which are kept in the same way).
fn vital_kind(body: &ReportBody) -> Option<ReportKind> {
    match body {
        ReportBody::HeartRate { .. } => Some(ReportKind::HeartRate),
        ReportBody::BloodPressure { .. } => Some(ReportKind::BloodPressure),
        ReportBody::Spo2 { .. } => Some(ReportKind::Spo2),
        ReportBody::Temperature { .. } => Some(ReportKind::Temperature),
        ReportBody::Steps { .. } => Some(ReportKind::Steps),
        ReportBody::Battery { .. } => Some(ReportKind::Battery),
        ReportBody::Wear { .. } => Some(ReportKind::Wear),
        ReportBody::Respiration { .. } => Some(ReportKind::Respiration),
        ReportBody::Consciousness { .. } => Some(ReportKind::Consciousness),
        ReportBody::Location(_)
        | ReportBody::Fall { .. }
        | ReportBody::FallCancel
        | ReportBody::Sos { .. }
        | ReportBody::Alive
        | ReportBody::Unknown { .. } => None,
    }
}
