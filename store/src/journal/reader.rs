//! Reading the journal, batch by batch, also while somebody else writes it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{self, BATCH_HEADER_BYTES, BatchHeader, PAGE_BYTES};
use crate::disk::{Access, Disk, DiskFile};
use crate::error::{Damage, StoreError};

/// How much is read at once by who wants everything.
pub(crate) const READ_AHEAD_BYTES: usize = 256 << 10;
/// How far behind a reader that is followed by nobody the pages of the journal are let go, in bytes: what just became
/// free is taken for the next batches. The facts' reader, which looks at headers, is nearer than that.
const LET_GO_BEHIND: u64 = 32 << 20;
/// In how large pieces, in bytes.
const LET_GO_BYTES: u64 = 4 << 20;
/// How much is read at once when looking for a batch behind a hole.
const SEARCH_BYTES: usize = 1 << 20;

/// Hands out batches in order.
pub(crate) struct BatchReader {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment: Option<Segment>,
    /// Where the next batch is looked for.
    offset: u64,
    /// The sequence number that is wanted next.
    expected: u64,
    window: Window,
    /// Where the last hole was passed over: the segment's generation and the offset in it.
    hole: Option<(u64, u64)>,
    /// The sequence number whose hole was looked at once more, so that this is done once.
    looked_again_for: u64,
    /// Whether pages are let go behind it, and up to where they were.
    lets_go: Option<u64>,
    /// Where the body of the batch that was handed out last begins in the window's file.
    body_at: u64,
    body_bytes: usize,
}

/// A batch that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) header: BatchHeader,
    /// Where it stands in its segment.
    pub(crate) offset: u64,
    /// Whether [`BatchReader::body`] holds its records.
    pub(crate) has_body: bool,
    /// Whether the body's checksum was right. If not, the records' own say which can still be read.
    pub(crate) is_intact: bool,
}

struct Segment {
    generation: u64,
    file: Arc<dyn DiskFile>,
    bytes: u64,
}

impl BatchReader {
    /// Begins at the batch that holds `from_seq`. `read_ahead_bytes`: how much to read at once.
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path, from_seq: u64, read_ahead_bytes: usize) -> BatchReader {
        BatchReader {
            disk,
            dir: dir.to_owned(),
            segment: None,
            offset: 0,
            expected: from_seq.max(1),
            window: Window::new(read_ahead_bytes),
            hole: None,
            looked_again_for: 0,
            lets_go: None,
            body_at: 0,
            body_bytes: 0,
        }
    }

    /// The same; it is the last one who reads, so the system need not keep in memory what it has read.
    pub(crate) fn letting_go(mut self) -> BatchReader {
        self.lets_go = Some(0);
        self
    }

    /// The sequence number that comes next.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }

    /// The name of the segment that is being read.
    pub(crate) fn segment_name(&self) -> String {
        self.segment.as_ref().map_or_else(String::new, |segment| format::segment_name(segment.generation))
    }

    /// The records of the batch that was handed out last.
    pub(crate) fn body(&self) -> &[u8] {
        let from = (self.body_at - self.window.start) as usize;
        self.window.bytes[..self.window.filled].get(from..from + self.body_bytes).unwrap_or(&[])
    }

    /// The next batch, or `None` when there is no more for now. `through`: what is known to be durable;
    /// `None` when that is not known (then whatever is whole and without a hole is read). The body is read and
    /// checked when `wants_body` says so.
    ///
    /// # Errors
    /// [`StoreError::Damage`] and [`StoreError::Gone`]: call again for what comes after.
    pub(crate) fn advance(
        &mut self,
        through: Option<u64>,
        wants_body: impl Fn(&BatchHeader) -> bool,
    ) -> Result<Option<Found>, StoreError> {
        loop {
            if through.is_some_and(|through| self.expected > through) {
                return Ok(None);
            }
            if self.segment.is_none() && !self.find_segment()? {
                return Ok(None);
            }
            let Some(header) = self.header()? else {
                if self.move_over_hole(through)? {
                    continue;
                }
                return Ok(None);
            };
            if header.last_seq() < self.expected {
                self.offset += header.span_bytes();
                continue;
            }
            if header.first_seq > self.expected {
                let was_durable = self.was_durable(through, self.expected)?;
                if was_durable && through.is_none() && self.return_to_hole()? {
                    continue;
                }
                return if was_durable {
                    let damage = self.damage(header.first_seq - 1, "a batch is missing");
                    self.expected = header.first_seq;
                    Err(StoreError::Damage(damage))
                } else {
                    Ok(None)
                };
            }
            return self.take(header, through, &wants_body);
        }
    }

    fn take(
        &mut self,
        header: BatchHeader,
        through: Option<u64>,
        wants_body: &impl Fn(&BatchHeader) -> bool,
    ) -> Result<Option<Found>, StoreError> {
        let has_body = wants_body(&header);
        let mut is_intact = true;
        if has_body {
            is_intact = self.read_body(&header)?;
            if !is_intact {
                // It may have been in the middle of being written when the window was filled.
                self.window.forget();
                is_intact = self.read_body(&header)?;
            }
            if !is_intact && !self.was_durable(through, header.last_seq())? {
                return Ok(None);
            }
            if !is_intact && through.is_none() {
                // What says that it was durable may have been written since we looked.
                self.window.forget();
                is_intact = self.read_body(&header)?;
            }
        }
        let found = Found { header, offset: self.offset, has_body, is_intact };
        self.offset += header.span_bytes();
        self.let_go(self.offset.saturating_sub(LET_GO_BEHIND), LET_GO_BYTES);
        self.expected = header.last_seq() + 1;
        Ok(Some(found))
    }

    fn read_body(&mut self, header: &BatchHeader) -> Result<bool, StoreError> {
        let Some(segment) = &self.segment else { return Ok(false) };
        let bytes = BATCH_HEADER_BYTES + header.body_bytes as usize;
        let path = self.dir.join(format::segment_name(segment.generation));
        let view = self.window.view(&*segment.file, self.offset, bytes).map_err(StoreError::disk("read", &path))?;
        self.body_at = self.offset + BATCH_HEADER_BYTES as u64;
        self.body_bytes = view.len().saturating_sub(BATCH_HEADER_BYTES);
        Ok(view.len() == bytes && crc32c::crc32c(&view[BATCH_HEADER_BYTES..]) == header.body_crc)
    }

    /// The header at `offset`, looked at once more on the disk when what is in memory is none.
    fn header(&mut self) -> Result<Option<BatchHeader>, StoreError> {
        let Some(segment) = &self.segment else { return Ok(None) };
        if self.offset + BATCH_HEADER_BYTES as u64 > segment.bytes {
            return Ok(None);
        }
        let path = self.dir.join(format::segment_name(segment.generation));
        for _ in 0..2 {
            let view = self.window.view(&*segment.file, self.offset, BATCH_HEADER_BYTES);
            let view = view.map_err(StoreError::disk("read", &path))?;
            if let Some(header) = BatchHeader::from_bytes(view, segment.generation) {
                return Ok(Some(header));
            }
            self.window.forget();
        }
        Ok(None)
    }

    /// Goes to the segment that holds what is expected. `false`: there is no segment with a batch yet.
    fn find_segment(&mut self) -> Result<bool, StoreError> {
        let mut oldest = None;
        for generation in generations(&*self.disk, &self.dir)?.into_iter().rev() {
            let Some(segment) = open(&*self.disk, &self.dir, generation)? else { continue };
            let Some(first) = self.first_batch(&segment)? else { continue };
            let (offset, header) = first;
            oldest = Some((header.first_seq, offset, segment));
            if header.first_seq <= self.expected {
                break;
            }
        }
        let Some((first_seq, offset, segment)) = oldest else { return Ok(false) };
        self.enter(segment, offset);
        if first_seq > self.expected {
            let wanted = std::mem::replace(&mut self.expected, first_seq);
            return Err(StoreError::Gone { wanted, oldest: first_seq });
        }
        Ok(true)
    }

    fn first_batch(&self, segment: &Segment) -> Result<Option<(u64, BatchHeader)>, StoreError> {
        let mut page = [0; BATCH_HEADER_BYTES];
        let path = self.dir.join(format::segment_name(segment.generation));
        segment.file.read_at(PAGE_BYTES, &mut page).map_err(StoreError::disk("read", &path))?;
        match BatchHeader::from_bytes(&page, segment.generation) {
            Some(header) => Ok(Some((PAGE_BYTES, header))),
            None => search(segment, &self.dir, PAGE_BYTES),
        }
    }

    /// Lets go of the present segment's pages before `until`, where that is worth it.
    fn let_go(&mut self, until: u64, bytes_min: u64) {
        if let (Some(gone), Some(segment)) = (&mut self.lets_go, &self.segment)
            && until >= *gone + bytes_min
        {
            segment.file.let_go(*gone, until - *gone);
            *gone = until;
        }
    }

    fn enter(&mut self, segment: Segment, offset: u64) {
        self.let_go(self.offset, 1);
        self.lets_go = self.lets_go.map(|_| 0);
        self.segment = Some(segment);
        self.offset = offset;
        self.window.forget();
    }

    /// Goes back to the hole that was passed over: what says that it was durable may have been written since we
    /// looked, and then the batch is there by now. `false`: that was done before, or there is no hole to go back to.
    fn return_to_hole(&mut self) -> Result<bool, StoreError> {
        if self.looked_again_for == self.expected {
            return Ok(false);
        }
        let Some((generation, offset)) = self.hole.take() else { return Ok(false) };
        let Some(segment) = open(&*self.disk, &self.dir, generation)? else { return Ok(false) };
        self.looked_again_for = self.expected;
        self.enter(segment, offset);
        Ok(true)
    }

    /// There is no batch at `offset`: goes to the next one, wherever it is. `false`: there is none (yet).
    fn move_over_hole(&mut self, through: Option<u64>) -> Result<bool, StoreError> {
        let Some(current) = self.segment.as_ref().map(|segment| segment.generation) else { return Ok(false) };
        let generations = generations(&*self.disk, &self.dir)?;
        if !generations.contains(&current) {
            // It was let go while we read it; what is expected may be in another one.
            self.segment = None;
            return self.find_segment();
        }
        self.hole = Some((current, self.offset));
        let next = generations.iter().copied().find(|generation| *generation > current);
        let next = next.map(|next| open(&*self.disk, &self.dir, next)).transpose()?.flatten();
        if let Some(segment) = next {
            let first = self.first_batch(&segment)?;
            if let Some((offset, _)) = first.filter(|(_, header)| header.first_seq == self.expected) {
                self.enter(segment, offset);
                return Ok(true);
            }
        }
        for generation in generations.into_iter().filter(|generation| *generation >= current) {
            let Some(segment) = open(&*self.disk, &self.dir, generation)? else { continue };
            let from = if generation == current { self.offset + PAGE_BYTES } else { PAGE_BYTES };
            if let Some((offset, _)) = search(&segment, &self.dir, from)? {
                self.enter(segment, offset);
                return Ok(true);
            }
        }
        let Some(through) = through else { return Ok(false) };
        let damage = self.damage(through, "the last batch is missing");
        self.expected = through + 1;
        Err(StoreError::Damage(damage))
    }

    /// Whether `seq` was durable once: because we are told so, or because a later batch says so.
    fn was_durable(&mut self, through: Option<u64>, seq: u64) -> Result<bool, StoreError> {
        if let Some(through) = through {
            return Ok(seq <= through);
        }
        let Some(current) = self.segment.as_ref().map(|segment| segment.generation) else { return Ok(false) };
        for generation in generations(&*self.disk, &self.dir)?.into_iter().filter(|generation| *generation >= current) {
            let Some(segment) = open(&*self.disk, &self.dir, generation)? else { continue };
            let mut from = if generation == current { self.offset } else { PAGE_BYTES };
            while let Some((offset, header)) = search(&segment, &self.dir, from)? {
                if header.durable_through >= seq {
                    return Ok(true);
                }
                from = offset + header.span_bytes();
            }
        }
        Ok(false)
    }

    fn damage(&self, last_seq: u64, what: &str) -> Damage {
        Damage {
            segment: self.segment_name(),
            offset: self.offset,
            first_seq: self.expected,
            last_seq,
            what: what.to_owned(),
        }
    }
}

/// A stretch of a file in memory.
struct Window {
    start: u64,
    /// The beginning is what was read; the rest is room that is not zeroed each time.
    bytes: Vec<u8>,
    filled: usize,
    read_ahead_bytes: usize,
}

impl Window {
    fn new(read_ahead_bytes: usize) -> Window {
        Window { start: 0, bytes: Vec::new(), filled: 0, read_ahead_bytes }
    }

    /// `length` bytes at `offset`; fewer only at the end of the file.
    fn view(&mut self, file: &dyn DiskFile, offset: u64, length: usize) -> std::io::Result<&[u8]> {
        let end = self.start + self.filled as u64;
        if offset < self.start || offset + length as u64 > end {
            let wanted = length.max(self.read_ahead_bytes);
            if self.bytes.len() < wanted {
                self.bytes.resize(wanted, 0);
            }
            self.filled = 0;
            self.filled = file.read_at(offset, &mut self.bytes[..wanted])?;
            self.start = offset;
        }
        let from = (offset - self.start) as usize;
        let to = (from + length).min(self.filled);
        Ok(&self.bytes[from.min(to)..to])
    }

    fn forget(&mut self) {
        self.filled = 0;
    }
}

/// The generations of the segments in a directory, ascending.
pub(crate) fn generations(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>, StoreError> {
    let names = disk.list(dir).map_err(StoreError::disk("list", dir))?;
    Ok(names.iter().filter_map(|name| format::generation_of(name)).collect())
}

/// `None`: it was let go since it was listed.
fn open(disk: &dyn Disk, dir: &Path, generation: u64) -> Result<Option<Segment>, StoreError> {
    let path = dir.join(format::segment_name(generation));
    let file = match disk.open(&path, Access::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(StoreError::disk("open", &path))?,
    };
    let bytes = file.len().map_err(StoreError::disk("look at", &path))?;
    Ok(Some(Segment { generation, file, bytes }))
}

/// The first intact batch header at or behind a page.
fn search(segment: &Segment, dir: &Path, from: u64) -> Result<Option<(u64, BatchHeader)>, StoreError> {
    let mut chunk = vec![0; SEARCH_BYTES];
    let mut at = from;
    while at < segment.bytes {
        let path = dir.join(format::segment_name(segment.generation));
        let count = segment.file.read_at(at, &mut chunk).map_err(StoreError::disk("read", &path))?;
        for (index, page) in chunk[..count].chunks(PAGE_BYTES as usize).enumerate() {
            if let Some(header) = BatchHeader::from_bytes(page, segment.generation) {
                return Ok(Some((at + index as u64 * PAGE_BYTES, header)));
            }
        }
        at += SEARCH_BYTES as u64;
    }
    Ok(None)
}
