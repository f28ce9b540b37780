//! The disk itself: what one commit costs with the journal's own write pattern and nothing around it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use hdrhistogram::Histogram;

/// One write, in bytes.
const WRITE_BYTES: usize = 4096;
/// The preallocated file, in bytes.
const FILE_BYTES: u64 = 64 * 1024 * 1024;
/// The longest sync that is told apart, in nanoseconds.
const SYNC_NS_MAX: u64 = 10_000_000_000;

/// Times `count` commits: pwrite of 4 KiB into a zero-filled, preallocated file, then fdatasync. Nanoseconds.
pub(crate) fn time_syncs(place: &Path, count: u64) -> anyhow::Result<Histogram<u64>> {
    let path = place.join("disk.zero");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    let zeros = vec![0_u8; 1024 * 1024];
    for at in (0..FILE_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, at)?;
    }
    file.sync_all()?;
    let mut times = Histogram::new_with_bounds(1, SYNC_NS_MAX, 3)?;
    let page = [0x5a_u8; WRITE_BYTES];
    for number in 0..count {
        let begun = Instant::now();
        file.write_all_at(&page, number * WRITE_BYTES as u64 % FILE_BYTES)?;
        file.sync_data()?;
        times.saturating_record(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(times)
}
