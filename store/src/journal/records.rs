//! Reading the journal record by record.

use std::path::Path;
use std::sync::Arc;

use model::Record;

use super::format::{self, BatchHeader};
use super::reader::{BatchReader, Found, READ_AHEAD_BYTES};
use crate::codec;
use crate::disk::Disk;
use crate::error::{Damage, StoreError};

/// The records from a sequence number on, in order. An item that is [`StoreError::Damage`] (or `Gone`, or `Codec`)
/// is followed by what comes after it; after a `Disk` error there is nothing more.
pub struct RecordReader {
    batches: BatchReader,
    through: Option<u64>,
    from_seq: u64,
    current: Option<Current>,
    /// What lies before the oldest record was not really asked for.
    begins_at_oldest: bool,
    failed: bool,
}

struct Current {
    found: Found,
    next_seq: u64,
    at: usize,
}

/// Reads a journal from `from_seq` on, without its lock and also while a server writes it: to the end of what is
/// whole and without a hole now. (What a running server wrote last may not be synced yet.) Below the oldest record
/// it begins at the oldest.
///
/// # Errors
/// When the directory cannot be read.
pub fn read_from(disk: Arc<dyn Disk>, dir: &Path, from_seq: u64) -> Result<RecordReader, StoreError> {
    disk.list(dir).map_err(StoreError::disk("list", dir))?;
    Ok(RecordReader { begins_at_oldest: true, ..RecordReader::new(disk, dir, from_seq, None) })
}

impl RecordReader {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path, from_seq: u64, through: Option<u64>) -> RecordReader {
        RecordReader {
            batches: BatchReader::new(disk, dir, from_seq, READ_AHEAD_BYTES),
            through,
            from_seq,
            current: None,
            begins_at_oldest: false,
            failed: false,
        }
    }

    /// Makes sure that there is a batch at hand; `false` at the end.
    fn load(&mut self) -> Result<bool, StoreError> {
        if self.current.as_ref().is_some_and(|current| current.next_seq <= current.found.header.last_seq()) {
            return Ok(true);
        }
        self.current = None;
        let found = match self.batches.advance(self.through, |_: &BatchHeader| true) {
            Err(StoreError::Gone { wanted, .. }) if self.begins_at_oldest && wanted == self.from_seq.max(1) => {
                self.batches.advance(self.through, |_: &BatchHeader| true)?
            }
            other => other?,
        };
        let Some(found) = found else { return Ok(false) };
        self.current = Some(Current { found, next_seq: found.header.first_seq, at: 0 });
        Ok(true)
    }

    fn step(&mut self) -> Result<Option<(u64, Record)>, StoreError> {
        loop {
            if !self.load()? {
                return Ok(None);
            }
            let Some(current) = &mut self.current else { return Ok(None) };
            let seq = current.next_seq;
            let envelope = format::envelope_at(self.batches.body(), current.at, current.found.is_intact);
            let (envelope, next_at) = match envelope {
                Ok(found) => found,
                Err(error) => {
                    let found = current.found;
                    let last_of_batch = found.header.last_seq();
                    let (last_seq, next_at) = match format::resume_after(self.batches.body(), current.at) {
                        Some(next_at) => (seq, next_at),
                        // Where the next record begins is not known any more: the rest of the batch is lost.
                        None => (last_of_batch, current.at),
                    };
                    (current.next_seq, current.at) = (last_seq + 1, next_at);
                    return Err(StoreError::Damage(Damage {
                        segment: self.batches.segment_name(),
                        offset: found.offset,
                        first_seq: seq,
                        last_seq,
                        what: error.to_string(),
                    }));
                }
            };
            (current.next_seq, current.at) = (seq + 1, next_at);
            if seq < self.from_seq {
                continue;
            }
            let base_at = current.found.header.base_at;
            return codec::decode_record(envelope.kind, envelope.schema, envelope.payload, base_at)
                .map(|record| Some((seq, record)));
        }
    }
}

impl Iterator for RecordReader {
    type Item = Result<(u64, Record), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let step = self.step();
        self.failed = matches!(step, Err(StoreError::Disk { .. }));
        step.transpose()
    }
}
