//! Records on their way to the disk, encoded as they are pushed.

use model::record::Observed;
use model::{DeviceId, Record, Report, Timestamp};

use super::format::{self, BATCH_HEADER_BYTES, BatchHeader, RECORD_HEADER_BYTES};
use crate::codec::{self, RecordKind};
use crate::error::StoreError;

/// How large a batch may become, header included; a test's small segments allow less.
pub const BATCH_BYTES_MAX: usize = 16 << 20;
/// How large an encoded record may be. A larger import is cut into several commands.
pub const RECORD_BYTES_MAX: usize = 12 << 20;
/// A buffer that has grown beyond this is not kept for the next batch.
const KEPT_BUFFER_BYTES_MAX: usize = 4 << 20;

/// Records that are committed together. A buffer that is used again and again: pushing allocates nothing once it
/// has grown to the size of a usual batch.
#[derive(Debug)]
pub struct Batch {
    /// Room for the header, then the records.
    buffer: Vec<u8>,
    count: u32,
    facts: u32,
    base_at: i64,
    bytes_max: usize,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl Batch {
    /// An empty batch. [`Journal::batch`](super::Journal::batch) gives one whose buffer has been used before.
    #[must_use]
    pub fn new() -> Batch {
        Batch::with_limit(BATCH_BYTES_MAX)
    }

    pub(crate) fn with_limit(bytes_max: usize) -> Batch {
        Batch { buffer: vec![0; BATCH_HEADER_BYTES], count: 0, facts: 0, base_at: 0, bytes_max }
    }

    /// Encodes a record at the end of the batch and returns its index in it, from 0: its sequence number will be
    /// the batch's first plus this.
    ///
    /// # Errors
    /// [`StoreError::BatchFull`] when it has no room left: submit it, push into the next. `RecordTooLarge` when no
    /// batch has room for it. The batch is as it was before.
    pub fn push(&mut self, record: &Record) -> Result<u64, StoreError> {
        self.push_with(record.at, |base_at, out| codec::encode_record(record, base_at, out))
    }

    /// As [`push`](Batch::push), of the record of a report that was observed (`None`: that is a repeat) and led to
    /// nothing else; without making that record.
    ///
    /// # Errors
    /// As [`push`](Batch::push).
    pub fn push_report(
        &mut self,
        at: Timestamp,
        device: &DeviceId,
        report: &Report,
        observed: Option<&Observed>,
    ) -> Result<u64, StoreError> {
        self.push_with(at, |base_at, out| codec::encode_report(at, device, report, observed, base_at, out))
    }

    fn push_with(
        &mut self,
        at: Timestamp,
        encode: impl FnOnce(i64, &mut Vec<u8>) -> Result<(RecordKind, u8), StoreError>,
    ) -> Result<u64, StoreError> {
        let start = self.buffer.len();
        let base_at = if self.count == 0 { at.millis() } else { self.base_at };
        self.buffer.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
        let encoded = encode(base_at, &mut self.buffer).and_then(|kind| {
            let payload_bytes = self.buffer.len() - start - RECORD_HEADER_BYTES;
            let payload_bytes_max = RECORD_BYTES_MAX.min(self.bytes_max - BATCH_HEADER_BYTES - RECORD_HEADER_BYTES);
            if payload_bytes > payload_bytes_max {
                Err(StoreError::RecordTooLarge { bytes: payload_bytes, bytes_max: payload_bytes_max })
            } else if self.buffer.len() > self.bytes_max {
                Err(StoreError::BatchFull)
            } else {
                Ok(kind)
            }
        });
        match encoded {
            Ok((kind, schema)) => {
                format::seal_record(&mut self.buffer, start, kind as u8, schema);
                self.base_at = base_at;
                self.facts += u32::from(kind.has_facts());
                self.count += 1;
                Ok(u64::from(self.count - 1))
            }
            Err(error) => {
                self.buffer.truncate(start);
                Err(error)
            }
        }
    }

    /// Whether it holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// How many bytes they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Takes all records out and keeps the buffer, unless it has become unusually large.
    pub fn clear(&mut self) {
        self.buffer.truncate(BATCH_HEADER_BYTES);
        self.buffer.shrink_to(KEPT_BUFFER_BYTES_MAX);
        (self.count, self.facts) = (0, 0);
    }

    /// How many records hold facts.
    pub(crate) fn facts(&self) -> u32 {
        self.facts
    }

    /// The first record's `at` in milliseconds.
    pub(crate) fn base_at(&self) -> i64 {
        self.base_at
    }

    /// Fills in the header, and gives all the bytes to write: whole pages, the last one filled up with the zeros that
    /// stand there already. Of a page that is written in part the system would first have to read the rest.
    pub(crate) fn seal(&mut self, generation: u64, first_seq: u64, durable_through: u64) -> &[u8] {
        let (header, body) = self.buffer.split_at_mut(BATCH_HEADER_BYTES);
        let sealed = BatchHeader {
            generation,
            first_seq,
            count: self.count,
            facts: self.facts,
            durable_through,
            base_at: self.base_at,
            body_bytes: body.len() as u32,
            body_crc: crc32c::crc32c(body),
        };
        header.copy_from_slice(&sealed.to_bytes());
        self.buffer.resize(format::span_bytes(self.buffer.len()) as usize, 0);
        &self.buffer
    }
}
