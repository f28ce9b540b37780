//! The disk of the machine.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;

use super::{Access, Disk, DiskFile, ZERO_WRITE_BYTES, write_zeros};

/// The disk of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        match access {
            Access::Read => options.read(true),
            Access::Write => options.read(true).write(true),
            Access::Create => options.read(true).write(true).create(true).truncate(true),
        };
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.create_dir(parent)?;
        }
        match fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        match dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => self.sync_dir(parent),
            None => self.sync_dir(Path::new(".")),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// How direct writes are aligned: the largest block size in use.
const DIRECT_ALIGN: usize = 4096;

struct RealFile(File);

impl RealFile {
    /// Has the writes that follow go past the page cache, or not any more. `false`: not possible here.
    fn set_direct(&self, direct: bool) -> bool {
        let Ok(mut flags) = rustix::fs::fcntl_getfl(&self.0) else { return false };
        flags.set(OFlags::DIRECT, direct);
        rustix::fs::fcntl_setfl(&self.0, flags).is_ok()
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn zero(&self, offset: u64, bytes: u64) -> io::Result<()> {
        // Direct writes are to be aligned in memory as well as on the disk.
        let mut room = vec![0; ZERO_WRITE_BYTES + DIRECT_ALIGN];
        let from = room.as_ptr().align_offset(DIRECT_ALIGN);
        let zeros = room.get_mut(from..from + ZERO_WRITE_BYTES).unwrap_or_default();
        let is_aligned = offset.is_multiple_of(DIRECT_ALIGN as u64) && bytes.is_multiple_of(DIRECT_ALIGN as u64);
        let is_direct = is_aligned && !zeros.is_empty() && self.set_direct(true);
        if !is_direct {
            return write_zeros(self, offset, bytes, &room);
        }
        let written = write_zeros(self, offset, bytes, zeros);
        self.set_direct(false);
        match written {
            // Some file systems take the flag and refuse the writes.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => write_zeros(self, offset, bytes, &room),
            written => written,
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn let_go(&self, offset: u64, bytes: u64) {
        if let Some(bytes) = std::num::NonZeroU64::new(bytes) {
            // Advice: where the system does not take it, it finds out by itself.
            let _ = rustix::fs::fadvise(&self.0, offset, Some(bytes), rustix::fs::Advice::DontNeed);
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
