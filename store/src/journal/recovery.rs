//! What a start finds: where the journal ends, what of the tail is torn, and whether something is damaged.
//!
//! Batches are released in order, at most two are in flight, and each says up to where everything was durable when
//! it was written. So what is missing above the highest such number was never acknowledged: it is a torn tail, and
//! it is cut together with whatever stands behind it. What is missing below was durable once: that is damage. The
//! tail can reach back over one segment border; older segments are checked when they are read.

use std::path::Path;
use std::sync::Arc;

use super::format::{self, BATCH_HEADER_BYTES, BatchHeader, FirstPage, PAGE_BYTES};
use super::reader;
use crate::disk::{Access, Disk, DiskFile};
use crate::error::{Damage, StoreError};

/// How much of a segment is looked at, or zeroed, at once.
const CHUNK_BYTES: usize = 1 << 20;
/// How many of the newest segments with content can hold a part of the tail: two batches in flight.
const TAIL_SEGMENTS: usize = 2;

/// What a start found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The oldest record; 0: there is none.
    pub first_seq: u64,
    /// The newest record; in an empty journal what comes before its first: 0, or what a restore brought.
    pub last_seq: u64,
    /// What the next record will get.
    pub next_seq: u64,
    /// What was cut off: written, but never acknowledged.
    pub torn: Option<Torn>,
    /// What was acknowledged and cannot be read any more, as far as the tail was looked at.
    pub damage: Vec<Damage>,
}

/// A torn tail, which is normal after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// In which segment it began.
    pub segment: String,
    /// At which byte.
    pub offset: u64,
    /// How many bytes of it there were.
    pub bytes: u64,
}

/// A segment as a start finds it.
#[derive(Debug, Clone)]
pub(crate) struct FoundSegment {
    pub(crate) generation: u64,
    pub(crate) bytes: u64,
    /// The first record in it and its time in milliseconds; `None` for one without content.
    pub(crate) first: Option<(u64, i64)>,
    /// No record in it is below this.
    seq_min: u64,
}

/// What the writer needs to go on.
pub(crate) struct Resumption {
    pub(crate) recovery: Recovery,
    pub(crate) segments: Vec<FoundSegment>,
    /// The segment to append to and where; `None`: there is no segment with room.
    pub(crate) append_at: Option<(u64, u64)>,
}

struct FoundBatch {
    segment: usize,
    offset: u64,
    header: BatchHeader,
    is_whole: bool,
}

/// Looks at the directory, cuts the torn tail durably, and reports.
pub(crate) fn recover(disk: &Arc<dyn Disk>, dir: &Path, start_seq: u64) -> Result<Resumption, StoreError> {
    let mut segments = Vec::new();
    for generation in reader::generations(&**disk, dir)? {
        segments.push(look_at(&**disk, dir, generation)?);
    }
    let with_content: Vec<usize> = (0..segments.len()).filter(|index| segments[*index].first.is_some()).collect();
    let start_seq = segments.iter().map(|segment| segment.seq_min).fold(start_seq.max(1), u64::max);
    let Some(oldest) = with_content.first() else {
        return Ok(nothing_there(segments, start_seq));
    };
    let tail_from = with_content[with_content.len().saturating_sub(TAIL_SEGMENTS)];
    let mut batches = Vec::new();
    for (index, segment) in segments.iter().enumerate().skip(tail_from).filter(|(_, segment)| segment.first.is_some()) {
        scan(&**disk, dir, index, segment, &mut batches)?;
    }
    let mut tail_seq = batches.first().map_or(1, |batch| batch.header.first_seq);
    if tail_from == *oldest && batches.first().is_some_and(|batch| batch.offset > PAGE_BYTES) {
        // Nothing stands before it, and yet it was not the first: the first one ever may have been lost in flight.
        tail_seq = tail_seq.min(segments[tail_from].seq_min.max(1));
    }
    let (accepted, last_seq, damage) = accept(&batches, &segments, tail_seq);
    // Everything behind the last accepted batch is zeroed, so that no later life takes it for its own.
    let (mut cut_segment, mut cut_offset) = (tail_from, PAGE_BYTES);
    if let Some(batch) = accepted.and_then(|index| batches.get(index)) {
        (cut_segment, cut_offset) = (batch.segment, batch.offset + batch.header.span_bytes());
    }
    let mut torn: Option<Torn> = None;
    for (index, segment) in segments.iter_mut().enumerate().skip(cut_segment) {
        let from = if index == cut_segment { cut_offset } else { PAGE_BYTES };
        let zeroed = zero_behind(&**disk, dir, segment, from)?;
        if let Some((offset, bytes)) = zeroed {
            let name = format::segment_name(segment.generation);
            torn.get_or_insert(Torn { segment: name, offset, bytes: 0 }).bytes += bytes;
        }
        if index > cut_segment || accepted.is_none() {
            segment.first = None;
        }
    }
    let kept_first = segments.iter().find_map(|segment| segment.first);
    let first_seq = kept_first.map_or(0, |(seq, _)| seq);
    let recovery = Recovery { first_seq, last_seq, next_seq: last_seq + 1, torn, damage };
    let append_at = Some((segments[cut_segment].generation, cut_offset));
    Ok(Resumption { recovery, segments, append_at })
}

fn nothing_there(segments: Vec<FoundSegment>, start_seq: u64) -> Resumption {
    let recovery = Recovery {
        first_seq: 0,
        last_seq: start_seq.max(1) - 1,
        next_seq: start_seq.max(1),
        torn: None,
        damage: Vec::new(),
    };
    let append_at = segments.first().map(|segment| (segment.generation, PAGE_BYTES));
    Resumption { recovery, segments, append_at }
}

/// Follows the chain of sequence numbers: the last batch to keep, the last record kept, and what is damaged.
fn accept(batches: &[FoundBatch], segments: &[FoundSegment], tail_seq: u64) -> (Option<usize>, u64, Vec<Damage>) {
    let durable_through = batches.iter().map(|batch| batch.header.durable_through).max().unwrap_or(0);
    let (mut expected, mut accepted, mut damage) = (tail_seq, None, Vec::new());
    let mut place = batches.first().map_or((0, PAGE_BYTES), |batch| (batch.segment, batch.offset));
    for (index, batch) in batches.iter().enumerate() {
        let header = &batch.header;
        if header.first_seq < expected {
            continue;
        }
        let (lost_through, what) = match (header.first_seq > expected, batch.is_whole) {
            (false, true) => (expected - 1, ""),
            (false, false) => (header.last_seq(), "a batch's checksum is wrong"),
            (true, true) => (header.first_seq - 1, "a batch is missing"),
            (true, false) => (header.last_seq(), "a batch is missing and the next one's checksum is wrong"),
        };
        if lost_through >= expected {
            if durable_through < expected {
                break;
            }
            damage.push(Damage {
                segment: format::segment_name(segments[place.0].generation),
                offset: place.1,
                first_seq: expected,
                last_seq: lost_through.min(durable_through),
                what: what.to_owned(),
            });
            if lost_through > durable_through {
                // What is behind was never acknowledged and does not follow on anything.
                return (accepted, durable_through, damage);
            }
        }
        expected = header.last_seq() + 1;
        accepted = Some(index);
        place = (batch.segment, batch.offset + header.span_bytes());
    }
    (accepted, expected - 1, damage)
}

fn look_at(disk: &dyn Disk, dir: &Path, generation: u64) -> Result<FoundSegment, StoreError> {
    let path = dir.join(format::segment_name(generation));
    let file = disk.open(&path, Access::Read).map_err(StoreError::disk("open", &path))?;
    let bytes = file.len().map_err(StoreError::disk("look at", &path))?;
    let (mut first, mut seq_min) = (None, 0);
    let mut header = [0; BATCH_HEADER_BYTES];
    file.read_at(0, &mut header).map_err(StoreError::disk("read", &path))?;
    match format::first_page(&header, generation) {
        FirstPage::Ours(at_least) => seq_min = at_least,
        FirstPage::Damaged => tracing::error!(path = %path.display(), "a journal segment's first page is damaged"),
        // What a newer version wrote would look torn to this one, and be cut.
        FirstPage::OtherVersion(version) => {
            let what = format!("it is of version {version}, which this program does not know");
            return Err(StoreError::BadFile { path, what });
        }
    }
    file.read_at(PAGE_BYTES, &mut header).map_err(StoreError::disk("read", &path))?;
    if let Some(header) = BatchHeader::from_bytes(&header, generation) {
        first = Some((header.first_seq, header.base_at));
    } else {
        // Empty, or its beginning is lost.
        for_each_batch(&*file, &path, generation, &mut |_, header, _| {
            first = first.or(Some((header.first_seq, header.base_at)));
        })?;
    }
    Ok(FoundSegment { generation, bytes, first, seq_min })
}

fn scan(
    disk: &dyn Disk,
    dir: &Path,
    index: usize,
    segment: &FoundSegment,
    batches: &mut Vec<FoundBatch>,
) -> Result<(), StoreError> {
    let path = dir.join(format::segment_name(segment.generation));
    let file = disk.open(&path, Access::Read).map_err(StoreError::disk("open", &path))?;
    for_each_batch(&*file, &path, segment.generation, &mut |offset, header, is_whole| {
        batches.push(FoundBatch { segment: index, offset, header, is_whole });
    })
}

/// Walks from page to page, and from batch to batch where there is one.
fn for_each_batch(
    file: &dyn DiskFile,
    path: &Path,
    generation: u64,
    found: &mut dyn FnMut(u64, BatchHeader, bool),
) -> Result<(), StoreError> {
    let file_bytes = file.len().map_err(StoreError::disk("look at", path))?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut body = Vec::new();
    let mut at = PAGE_BYTES;
    loop {
        let count = file.read_at(at, &mut chunk).map_err(StoreError::disk("read", path))?;
        if count == 0 {
            return Ok(());
        }
        let chunk_at = at;
        while at < chunk_at + count as u64 {
            let page = &chunk[(at - chunk_at) as usize..count];
            let Some(header) = BatchHeader::from_bytes(page, generation) else {
                at += PAGE_BYTES;
                continue;
            };
            let body_bytes = header.body_bytes as usize;
            let body_at = at + BATCH_HEADER_BYTES as u64;
            let crc = match page.get(BATCH_HEADER_BYTES..BATCH_HEADER_BYTES + body_bytes) {
                Some(bytes) => Some(crc32c::crc32c(bytes)),
                None if body_at + body_bytes as u64 > file_bytes => None,
                None => {
                    body.resize(body_bytes, 0);
                    let read = file.read_at(body_at, &mut body).map_err(StoreError::disk("read", path))?;
                    (read == body_bytes).then(|| crc32c::crc32c(&body))
                }
            };
            found(at, header, crc == Some(header.body_crc));
            at += header.span_bytes();
        }
    }
}

/// Zeroes what is not zero behind `from`, durably; says where it began and how much it was.
fn zero_behind(
    disk: &dyn Disk,
    dir: &Path,
    segment: &FoundSegment,
    from: u64,
) -> Result<Option<(u64, u64)>, StoreError> {
    let path = dir.join(format::segment_name(segment.generation));
    let file = disk.open(&path, Access::Write).map_err(StoreError::disk("open", &path))?;
    let (mut chunk, zeros) = (vec![0; CHUNK_BYTES], [0; PAGE_BYTES as usize]);
    let mut zeroed: Option<(u64, u64)> = None;
    let mut at = from;
    while at < segment.bytes {
        let count = file.read_at(at, &mut chunk).map_err(StoreError::disk("read", &path))?;
        if count == 0 {
            break;
        }
        for (index, page) in chunk[..count].chunks(PAGE_BYTES as usize).enumerate() {
            if *page != zeros[..page.len()] {
                let offset = at + index as u64 * PAGE_BYTES;
                file.write_at(offset, &zeros[..page.len()]).map_err(StoreError::disk("write", &path))?;
                zeroed.get_or_insert((offset, 0)).1 += page.len() as u64;
            }
        }
        at += count as u64;
    }
    if zeroed.is_some() {
        file.sync().map_err(StoreError::disk("sync", &path))?;
    }
    Ok(zeroed)
}
