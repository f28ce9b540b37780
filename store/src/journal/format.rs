//! The bytes of a segment, little-endian.
//!
//! ```text
//! segment  a page: header (magic, version, generation, a lower bound of its sequence numbers, crc32c), zeros;
//!          then batches, each at a page's beginning
//! batch    header, 64 bytes (below); body: records one after another; zeros to the end of the page
//! record   u32 crc32c of what follows, u32 payload length, u8 kind, u8 schema version, payload
//! ```
//!
//! A batch begins at a page, so that a write never touches a page on which something durable stands, and so that
//! recovery finds whatever lies behind a hole by looking at the pages' beginnings. The generation is the segment's:
//! what a recycled file held before is never taken for a tail.

use crate::codec::bad;
use crate::error::StoreError;

/// Batches begin at multiples of this.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// Before a batch's records.
pub(crate) const BATCH_HEADER_BYTES: usize = 64;
/// Before a record's payload.
pub(crate) const RECORD_HEADER_BYTES: usize = 10;

const SEGMENT_MAGIC: [u8; 8] = *b"YLSEGMNT";
const SEGMENT_VERSION: u32 = 1;
const SEGMENT_HEADER_BYTES: usize = 32;
const SEGMENT_CRC_AT: usize = 28;
const BATCH_MAGIC: [u8; 4] = *b"YLBT";
const BATCH_VERSION: u16 = 1;
const NAME_PREFIX: &str = "journal-";
const NAME_SUFFIX: &str = ".seg";

/// The name of a segment's file; names sort as generations do.
pub(crate) fn segment_name(generation: u64) -> String {
    format!("{NAME_PREFIX}{generation:020}{NAME_SUFFIX}")
}

/// The generation in a segment's file name.
pub(crate) fn generation_of(name: &str) -> Option<u64> {
    name.strip_prefix(NAME_PREFIX)?.strip_suffix(NAME_SUFFIX)?.parse().ok()
}

/// The first page of a segment. `seq_min`: no record in it will be below; in an empty journal it says where to begin.
pub(crate) fn segment_header(generation: u64, seq_min: u64) -> [u8; PAGE_BYTES as usize] {
    let mut page = [0; PAGE_BYTES as usize];
    page[..8].copy_from_slice(&SEGMENT_MAGIC);
    page[8..12].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
    page[12..20].copy_from_slice(&generation.to_le_bytes());
    page[20..SEGMENT_CRC_AT].copy_from_slice(&seq_min.to_le_bytes());
    let crc = crc32c::crc32c(&page[..SEGMENT_CRC_AT]);
    page[SEGMENT_CRC_AT..SEGMENT_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    page
}

/// What a first page says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstPage {
    /// It is that of this generation, and no record behind it is below this number.
    Ours(u64),
    /// It is intact and of another version: not to be touched by this one.
    OtherVersion(u32),
    /// It is damaged; the batches behind it speak for themselves.
    Damaged,
}

/// Reads a segment's first page.
pub(crate) fn first_page(page: &[u8], generation: u64) -> FirstPage {
    let Some(header) = page.first_chunk::<SEGMENT_HEADER_BYTES>() else { return FirstPage::Damaged };
    let seq_min = header[20..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    if header[..] == segment_header(generation, seq_min)[..SEGMENT_HEADER_BYTES] {
        return FirstPage::Ours(seq_min);
    }
    let u32_at = |at: usize| header[at..].first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk));
    let is_intact = header[..8] == SEGMENT_MAGIC && crc32c::crc32c(&header[..SEGMENT_CRC_AT]) == u32_at(SEGMENT_CRC_AT);
    if is_intact && u32_at(8) != SEGMENT_VERSION { FirstPage::OtherVersion(u32_at(8)) } else { FirstPage::Damaged }
}

/// What stands before a batch's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    /// The segment's.
    pub(crate) generation: u64,
    /// The sequence number of the first record.
    pub(crate) first_seq: u64,
    /// How many records, at least 1.
    pub(crate) count: u32,
    /// How many of them hold facts.
    pub(crate) facts: u32,
    /// Everything up to here was durable when this batch was written.
    pub(crate) durable_through: u64,
    /// The first record's `at` in milliseconds; compact records count from it.
    pub(crate) base_at: i64,
    /// The length of the records together.
    pub(crate) body_bytes: u32,
    /// Their crc32c.
    pub(crate) body_crc: u32,
}

impl BatchHeader {
    pub(crate) fn last_seq(&self) -> u64 {
        self.first_seq + u64::from(self.count) - 1
    }

    /// How much of the segment the batch takes.
    pub(crate) fn span_bytes(&self) -> u64 {
        span_bytes(BATCH_HEADER_BYTES + self.body_bytes as usize)
    }

    pub(crate) fn to_bytes(self) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        bytes[..4].copy_from_slice(&BATCH_MAGIC);
        bytes[4..6].copy_from_slice(&BATCH_VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.generation.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.count.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.facts.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.durable_through.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.base_at.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[52..56].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..56]);
        bytes[56..60].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None`: no intact header of this generation.
    pub(crate) fn from_bytes(bytes: &[u8], generation: u64) -> Option<BatchHeader> {
        let bytes: &[u8; BATCH_HEADER_BYTES] = bytes.first_chunk()?;
        if bytes[..4] != BATCH_MAGIC || bytes[4..6] != BATCH_VERSION.to_le_bytes() {
            return None;
        }
        let u32_at = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk));
        let u64_at = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
        if crc32c::crc32c(&bytes[..56]) != u32_at(56) || u64_at(8) != generation {
            return None;
        }
        let header = BatchHeader {
            generation,
            first_seq: u64_at(16),
            count: u32_at(24),
            facts: u32_at(28),
            durable_through: u64_at(32),
            base_at: u64_at(40) as i64,
            body_bytes: u32_at(48),
            body_crc: u32_at(52),
        };
        (header.count > 0 && header.first_seq > 0).then_some(header)
    }
}

/// `bytes` rounded up to whole pages.
pub(crate) fn span_bytes(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(PAGE_BYTES) * PAGE_BYTES
}

/// Fills in the header of a record whose payload stands behind `start + RECORD_HEADER_BYTES` to the end of `out`.
pub(crate) fn seal_record(out: &mut [u8], start: usize, kind: u8, schema: u8) {
    let length = (out.len() - start - RECORD_HEADER_BYTES) as u32;
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    out[start + 8] = kind;
    out[start + 9] = schema;
    let crc = crc32c::crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// A record before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Envelope<'a> {
    pub(crate) kind: u8,
    pub(crate) schema: u8,
    pub(crate) payload: &'a [u8],
}

/// Takes the record at `at` in a batch's body; gives it and where the next one begins. `checked`: the body's own
/// crc32c was right, so the record's need not be looked at.
pub(crate) fn envelope_at(body: &[u8], at: usize, checked: bool) -> Result<(Envelope<'_>, usize), StoreError> {
    let cut = || bad("record envelope", format!("cut off at byte {at} of its batch"));
    let rest = body.get(at..).ok_or_else(cut)?;
    let (header, after) = rest.split_first_chunk::<RECORD_HEADER_BYTES>().ok_or_else(cut)?;
    let [c0, c1, c2, c3, l0, l1, l2, l3, kind, schema] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let payload = after.get(..length).ok_or_else(cut)?;
    let crc = u32::from_le_bytes([c0, c1, c2, c3]);
    if !checked && crc32c::crc32c(&rest[4..RECORD_HEADER_BYTES + length]) != crc {
        return Err(bad("record envelope", format!("wrong checksum at byte {at} of its batch")));
    }
    Ok((Envelope { kind, schema, payload }, at + RECORD_HEADER_BYTES + length))
}

/// Where to go on behind a damaged record, if its length can be believed: because a sound record follows.
pub(crate) fn resume_after(body: &[u8], at: usize) -> Option<usize> {
    let length = body.get(at + 4..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))?;
    let next = at.checked_add(RECORD_HEADER_BYTES)?.checked_add(length as usize)?;
    envelope_at(body, next, false).is_ok().then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_known_by_its_generation_and_checksum() {
        let header = BatchHeader {
            generation: 7,
            first_seq: 100,
            count: 3,
            facts: 1,
            durable_through: 99,
            base_at: 1_795_305_600_000,
            body_bytes: 5000,
            body_crc: 0xdead_beef,
        };
        let bytes = header.to_bytes();
        assert_eq!(BatchHeader::from_bytes(&bytes, 7), Some(header));
        assert_eq!(BatchHeader::from_bytes(&bytes, 8), None, "a recycled segment's old bytes are no batch");
        assert_eq!((header.last_seq(), header.span_bytes()), (102, 8192));
        for bit in 0..60 * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(BatchHeader::from_bytes(&flipped, 7), None, "bit {bit}");
        }
    }

    #[test]
    fn names_and_segment_headers_carry_the_generation() {
        assert_eq!(generation_of(&segment_name(42)), Some(42));
        assert_eq!(generation_of("journal-x.seg"), None);
        assert_eq!(first_page(&segment_header(42, 7), 42), FirstPage::Ours(7));
        assert_eq!(first_page(&segment_header(42, 7), 43), FirstPage::Damaged);
        assert_eq!(first_page(&[0; 4096], 0), FirstPage::Damaged);
        let mut newer = segment_header(42, 7);
        newer[8] = 9;
        let crc = crc32c::crc32c(&newer[..SEGMENT_CRC_AT]);
        newer[SEGMENT_CRC_AT..SEGMENT_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(first_page(&newer, 42), FirstPage::OtherVersion(9));
    }
}
