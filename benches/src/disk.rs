//! The disk itself: what one commit costs with the journal's own write pattern and nothing around it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hdrhistogram::Histogram;

/// One write, in bytes.
const WRITE_BYTES: usize = 4096;
/// The preallocated file, in bytes.
const FILE_BYTES: u64 = 64 * 1024 * 1024;
/// The longest sync that is told apart, in nanoseconds.
const SYNC_NS_MAX: u64 = 10_000_000_000;

/// A preallocated file full of zeros, which goes when this does.
pub(crate) struct Commits {
    file: File,
    path: PathBuf,
    next: u64,
}

impl Commits {
    pub(crate) fn new(place: &Path) -> anyhow::Result<Commits> {
        let path = place.join("disk.zero");
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
        let zeros = vec![0_u8; 1024 * 1024];
        for at in (0..FILE_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        Ok(Commits { file, path, next: 0 })
    }

    /// Times `count` commits, pwrite of 4 KiB and fdatasync, with a pause before each. Nanoseconds.
    pub(crate) fn time(&mut self, count: u64, mut pause: impl FnMut()) -> anyhow::Result<Histogram<u64>> {
        let mut times = Histogram::new_with_bounds(1, SYNC_NS_MAX, 3)?;
        let page = [0x5a_u8; WRITE_BYTES];
        for _ in 0..count {
            pause();
            let begun = Instant::now();
            self.file.write_all_at(&page, self.next)?;
            self.file.sync_data()?;
            times.saturating_record(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
            self.next = (self.next + WRITE_BYTES as u64) % FILE_BYTES;
        }
        Ok(times)
    }
}

impl Drop for Commits {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // it lies in a directory of ours that goes, too
    }
}

/// Times `count` commits one right after the other. Nanoseconds.
pub(crate) fn time_syncs(place: &Path, count: u64) -> anyhow::Result<Histogram<u64>> {
    Commits::new(place)?.time(count, || ())
}
