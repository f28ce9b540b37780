//! Files of frames: checkpoints and exports. Written beside their name, synced, read back where asked for, renamed,
//! and the directory synced; so that under its name a file is whole or not there at all.
//!
//! ```text
//! header  8 bytes magic, u32 version
//! frame   u32 crc32c of what follows, u32 id, u64 seq, u64 length, payload
//! end     a frame with id 0xffff_ffff, whose seq is the number of frames before it
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Access, Disk, DiskFile};
use crate::error::StoreError;

const MAGIC: [u8; 8] = *b"YLFRAMES";
const VERSION: u32 = 1;
const FILE_HEADER_BYTES: u64 = 12;
const FRAME_HEADER_BYTES: usize = 24;
const END: u32 = u32::MAX;
/// How much is gathered before it is written.
const WRITE_BYTES: usize = 1 << 20;
/// How much is written before it is synced.
const SYNC_BYTES: u64 = 8 << 20;
const NEW_SUFFIX: &str = ".new";

/// Writes a file of frames.
pub(crate) struct FrameWriter<'a> {
    disk: &'a dyn Disk,
    dir: PathBuf,
    name: String,
    file: Arc<dyn DiskFile>,
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
    frames: u64,
}

/// Reads a file of frames from its beginning.
pub(crate) struct FrameReader {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    at: u64,
    bytes: u64,
    frames: u64,
    ended: bool,
}

/// A frame as read; its checksum was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) id: u32,
    pub(crate) seq: u64,
    pub(crate) payload: Vec<u8>,
}

impl<'a> FrameWriter<'a> {
    pub(crate) fn create(disk: &'a dyn Disk, dir: &Path, name: &str) -> Result<FrameWriter<'a>, StoreError> {
        disk.create_dir(dir).map_err(StoreError::disk("create", dir))?;
        let path = dir.join(format!("{name}{NEW_SUFFIX}"));
        let file = disk.open(&path, Access::Create).map_err(StoreError::disk("create", &path))?;
        let mut buffer = MAGIC.to_vec();
        buffer.extend_from_slice(&VERSION.to_le_bytes());
        Ok(FrameWriter {
            disk,
            dir: dir.to_owned(),
            name: name.to_owned(),
            file,
            buffer,
            written: 0,
            synced: 0,
            frames: 0,
        })
    }

    pub(crate) fn push(&mut self, id: u32, seq: u64, payload: &[u8]) -> Result<(), StoreError> {
        let mut header = [0; FRAME_HEADER_BYTES];
        header[4..8].copy_from_slice(&id.to_le_bytes());
        header[8..16].copy_from_slice(&seq.to_le_bytes());
        header[16..24].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header[4..]), payload);
        header[..4].copy_from_slice(&crc.to_le_bytes());
        self.buffer.extend_from_slice(&header);
        self.frames += 1;
        for part in payload.chunks(WRITE_BYTES) {
            self.buffer.extend_from_slice(part);
            if self.buffer.len() >= WRITE_BYTES {
                self.write()?;
            }
        }
        Ok(())
    }

    /// Ends the file, makes it durable, has it read back by `verify`, and gives it its name. Returns its size.
    pub(crate) fn finish(
        mut self,
        verify: impl FnOnce(&mut FrameReader) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let new = self.dir.join(format!("{}{NEW_SUFFIX}", self.name));
        self.push(END, self.frames, &[])?;
        self.write()?;
        self.file.sync().map_err(StoreError::disk("sync", &new))?;
        verify(&mut FrameReader::open(self.disk, &new)?)?;
        let named = self.dir.join(&self.name);
        self.disk.rename(&new, &named).map_err(StoreError::disk("rename", &named))?;
        self.disk.sync_dir(&self.dir).map_err(StoreError::disk("sync", &self.dir))?;
        Ok(self.written)
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let path = self.dir.join(&self.name);
        self.file.write_at(self.written, &self.buffer).map_err(StoreError::disk("write", &path))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        // In small portions, so that the commits beside it are not held up by one large sync at the end.
        if self.written - self.synced >= SYNC_BYTES {
            self.file.sync().map_err(StoreError::disk("sync", &path))?;
            self.synced = self.written;
        }
        Ok(())
    }
}

impl FrameReader {
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> Result<FrameReader, StoreError> {
        let file = disk.open(path, Access::Read).map_err(StoreError::disk("open", path))?;
        let bytes = file.len().map_err(StoreError::disk("look at", path))?;
        let mut header = [0; FILE_HEADER_BYTES as usize];
        let count = file.read_at(0, &mut header).map_err(StoreError::disk("read", path))?;
        let reader = FrameReader { file, path: path.to_owned(), at: FILE_HEADER_BYTES, bytes, frames: 0, ended: false };
        if count < header.len() || header[..8] != MAGIC || header[8..] != VERSION.to_le_bytes() {
            return Err(reader.bad("it does not begin as a file of this version"));
        }
        Ok(reader)
    }

    /// The next frame; `None` at the end, of which nothing may be missing.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let mut header = [0; FRAME_HEADER_BYTES];
        self.read(&mut header)?;
        let [c0, c1, c2, c3, i0, i1, i2, i3, rest @ ..] = header;
        let (seq, length) = rest.split_at(8);
        let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
        let (id, seq, length) = (u32::from_le_bytes([i0, i1, i2, i3]), number(seq), number(length));
        if length > self.bytes.saturating_sub(self.at) {
            return Err(self.bad("a frame is longer than the file"));
        }
        let mut payload = vec![0; length as usize];
        self.read(&mut payload)?;
        if crc32c::crc32c_append(crc32c::crc32c(&header[4..]), &payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(self.bad("a frame's checksum is wrong"));
        }
        if id == END {
            self.ended = true;
            return if seq == self.frames { Ok(None) } else { Err(self.bad("frames are missing")) };
        }
        self.frames += 1;
        Ok(Some(Frame { id, seq, payload }))
    }

    /// What is wrong with this file.
    pub(crate) fn bad(&self, what: &str) -> StoreError {
        StoreError::BadFile { path: self.path.clone(), what: what.to_owned() }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), StoreError> {
        let count = self.file.read_at(self.at, buffer).map_err(StoreError::disk("read", &self.path))?;
        if count < buffer.len() {
            return Err(self.bad("it is cut off"));
        }
        self.at += count as u64;
        Ok(())
    }
}

/// The names in a directory with a prefix and a suffix, ascending. What a crash left unfinished is not among them.
pub(crate) fn names(disk: &dyn Disk, dir: &Path, prefix: &str, suffix: &str) -> Result<Vec<String>, StoreError> {
    let mut names = disk.list(dir).map_err(StoreError::disk("list", dir))?;
    names.retain(|name| name.starts_with(prefix) && name.ends_with(suffix));
    Ok(names)
}

/// Removes files, and what earlier crashes left unfinished; then syncs the directory.
pub(crate) fn remove(disk: &dyn Disk, dir: &Path, names: &[String]) -> Result<(), StoreError> {
    let listed = disk.list(dir).map_err(StoreError::disk("list", dir))?;
    let mut removed = false;
    for name in listed.iter().filter(|name| names.contains(name) || name.ends_with(NEW_SUFFIX)) {
        let path = dir.join(name);
        disk.remove(&path).map_err(StoreError::disk("remove", &path))?;
        removed = true;
    }
    if removed { disk.sync_dir(dir).map_err(StoreError::disk("sync", dir)) } else { Ok(()) }
}
