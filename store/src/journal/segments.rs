//! Segments are made ahead: zero-filled, synced and named before the first batch needs them, because a sync into a
//! file that grows costs more than twice as much. Old ones are recycled: unlinked from their name first, then
//! zeroed, so that a reader that still looks at one finds out, and nothing that was erased comes back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{self, PAGE_BYTES};
use crate::disk::{Access, Disk, DiskFile};
use crate::error::StoreError;

/// Zeroes are written, and synced, this much at a time, so that the commits beside it are not held up for long.
const ZERO_CHUNK_BYTES: u64 = 8 << 20;
/// How many recycled segments are kept beside those that are ready; more are removed.
pub(crate) const SPARES_MAX: usize = 4;
const SPARE_PREFIX: &str = "spare-";
const UNFINISHED_PREFIX: &str = "unfinished-";

/// A segment that batches can be written to.
#[derive(Clone)]
pub(crate) struct WritableSegment {
    pub(crate) generation: u64,
    pub(crate) bytes: u64,
    /// One handle for each sync thread: the kernel reports a failed write-back once to each handle, so with a
    /// shared one the second thread could be told that all is well.
    pub(crate) handles: [Arc<dyn DiskFile>; 2],
    pub(crate) path: Arc<PathBuf>,
}

impl WritableSegment {
    pub(crate) fn open(disk: &dyn Disk, dir: &Path, generation: u64) -> Result<WritableSegment, StoreError> {
        let path = dir.join(format::segment_name(generation));
        let open = || disk.open(&path, Access::Write).map_err(StoreError::disk("open", &path));
        let handles = [open()?, open()?];
        let bytes = handles[0].len().map_err(StoreError::disk("look at", &path))?;
        Ok(WritableSegment { generation, bytes, handles, path: Arc::new(path) })
    }
}

/// Makes a segment ready: from a spare if there is one, else from nothing.
pub(crate) fn prepare(
    disk: &dyn Disk,
    dir: &Path,
    generation: u64,
    seq_min: u64,
    segment_bytes: u64,
    spare: Option<String>,
) -> Result<WritableSegment, StoreError> {
    let (path, access) = match &spare {
        Some(name) => (dir.join(name), Access::Write),
        None => (dir.join(format!("{UNFINISHED_PREFIX}{generation:020}")), Access::Create),
    };
    let file = disk.open(&path, access).map_err(StoreError::disk("create", &path))?;
    // A spare of another size is zeroed whole, and stays as large as it is.
    let bytes = file.len().map_err(StoreError::disk("look at", &path))?.max(segment_bytes);
    if let Err(error) = zero_fill(&*file, &path, bytes) {
        if access == Access::Create {
            // Half a segment is of no use, and on a full disk it is in the way of others.
            disk.remove(&path).map_err(StoreError::disk("remove", &path))?;
        }
        return Err(error);
    }
    file.write_at(0, &format::segment_header(generation, seq_min)).map_err(StoreError::disk("write", &path))?;
    file.sync().map_err(StoreError::disk("sync", &path))?;
    let named = dir.join(format::segment_name(generation));
    disk.rename(&path, &named).map_err(StoreError::disk("rename", &named))?;
    disk.sync_dir(dir).map_err(StoreError::disk("sync", dir))?;
    WritableSegment::open(disk, dir, generation)
}

fn zero_fill(file: &dyn DiskFile, path: &Path, bytes: u64) -> Result<(), StoreError> {
    let mut at = 0;
    while at < bytes {
        let count = (bytes - at).min(ZERO_CHUNK_BYTES);
        file.zero(at, count).map_err(StoreError::disk("write", path))?;
        file.sync().map_err(StoreError::disk("sync", path))?;
        at += count;
    }
    Ok(())
}

/// Takes a segment out of the journal: renamed, not yet zeroed. The directory is still to be synced.
pub(crate) fn retire(disk: &dyn Disk, dir: &Path, generation: u64) -> Result<String, StoreError> {
    let name = spare_name(generation);
    let (from, to) = (dir.join(format::segment_name(generation)), dir.join(&name));
    disk.rename(&from, &to).map_err(StoreError::disk("rename", &from))?;
    Ok(name)
}

/// Empties a spare that waits: zeroes all of it, or removes it when there are enough.
pub(crate) fn clean(disk: &dyn Disk, dir: &Path, name: &str, keep: bool) -> Result<(), StoreError> {
    let path = dir.join(name);
    let file = disk.open(&path, Access::Write).map_err(StoreError::disk("open", &path))?;
    let bytes = file.len().map_err(StoreError::disk("look at", &path))?;
    zero_fill(&*file, &path, bytes)?;
    if !keep {
        disk.remove(&path).map_err(StoreError::disk("remove", &path))?;
        disk.sync_dir(dir).map_err(StoreError::disk("sync", dir))?;
    }
    Ok(())
}

/// The spares that an earlier life left; what is in them is not known. What it had not finished is removed.
pub(crate) fn spares(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, StoreError> {
    let names = disk.list(dir).map_err(StoreError::disk("list", dir))?;
    for unfinished in names.iter().filter(|name| name.starts_with(UNFINISHED_PREFIX)) {
        let path = dir.join(unfinished);
        disk.remove(&path).map_err(StoreError::disk("remove", &path))?;
    }
    Ok(names.into_iter().filter(|name| name.starts_with(SPARE_PREFIX)).collect())
}

fn spare_name(generation: u64) -> String {
    format!("{SPARE_PREFIX}{generation:020}")
}

/// The smallest segment that can hold anything: its header and a few pages.
pub(crate) const SEGMENT_BYTES_MIN: u64 = 16 * PAGE_BYTES;
