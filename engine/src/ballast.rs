//! Room that is kept for a start on a full disk. While the engine serves, its journal has segments to write to; a start has
//! to open the view as well, and sled writes as it opens. Whoever fills the disk would so keep the next start from taking
//! what the bracelets say. Therefore a file lies in the data directory that nobody reads, and that a start gives up when
//! there is no other room; the housekeeper lays it down again once there is.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::FallocateFlags;

/// The file's name in the data directory.
pub(crate) const BALLAST_FILE: &str = "ballast";
/// How large it is: twice what the follower wants free before it opens a view again.
const BALLAST_BYTES: u64 = 128 << 20;
/// A start with less room than this gives the ballast up. With 2 MiB the engine was seen to serve.
const START_FREE_BYTES_MIN: u64 = 64 << 20;
/// How a file system counts what a file takes (`st_blocks`).
const BLOCK_BYTES: u64 = 512;

/// Gives the ballast up when a start has only `free` bytes of room otherwise; whether it did.
///
/// # Errors
/// When it is there and cannot be removed.
pub(crate) fn give_up_if_short(root: &Path, free: u64) -> io::Result<bool> {
    if free >= START_FREE_BYTES_MIN {
        return Ok(false);
    }
    match fs::remove_file(root.join(BALLAST_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// Lays the ballast down if it is not there, and `free` bytes are enough for it and for what is to stay free beside it
/// (`reserve`); whether it lies there now.
///
/// # Errors
/// When it cannot be laid down: a file system that promises no room (`Unsupported`), or has none.
pub(crate) fn keep(root: &Path, free: u64, reserve: u64) -> io::Result<bool> {
    let path = root.join(BALLAST_FILE);
    if fs::metadata(&path).is_ok_and(|found| found.blocks() * BLOCK_BYTES >= BALLAST_BYTES) {
        return Ok(true);
    }
    if free < reserve.saturating_add(BALLAST_BYTES) {
        return Ok(false);
    }
    // Promised by the file system and never written: it takes room, and no time.
    let laid = File::create(&path)
        .and_then(|file| Ok(rustix::fs::fallocate(file, FallocateFlags::empty(), 0, BALLAST_BYTES)?));
    if laid.is_err() {
        let _ = fs::remove_file(&path); // a part of it would be of no use
    }
    laid.map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESERVE: u64 = 1 << 30;

    #[test]
    fn it_takes_room_until_a_start_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(BALLAST_FILE);
        assert!(!give_up_if_short(dir.path(), 0).unwrap(), "there is none yet");

        assert!(!keep(dir.path(), RESERVE + BALLAST_BYTES - 1, RESERVE).unwrap(), "the reserve goes before it");
        assert!(!path.exists());
        assert!(keep(dir.path(), RESERVE + BALLAST_BYTES, RESERVE).unwrap());
        let found = fs::metadata(&path).unwrap();
        assert_eq!(found.len(), BALLAST_BYTES);
        assert!(found.blocks() * BLOCK_BYTES >= BALLAST_BYTES, "{} blocks are only a hole", found.blocks());
        assert!(keep(dir.path(), 0, RESERVE).unwrap(), "what lies there stays there on a full disk");

        assert!(!give_up_if_short(dir.path(), START_FREE_BYTES_MIN).unwrap());
        assert!(path.exists());
        assert!(give_up_if_short(dir.path(), START_FREE_BYTES_MIN - 1).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn one_that_was_cut_off_is_laid_down_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(BALLAST_FILE);
        File::create(&path).unwrap().set_len(BALLAST_BYTES).unwrap();
        assert!(!keep(dir.path(), RESERVE, RESERVE).unwrap(), "a hole keeps no room");
        assert!(keep(dir.path(), RESERVE * 2, RESERVE).unwrap());
        assert!(fs::metadata(&path).unwrap().blocks() * BLOCK_BYTES >= BALLAST_BYTES);
    }
}
