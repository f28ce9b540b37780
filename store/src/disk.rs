//! The one door to files: everything that the store keeps goes through [`Disk`], so that tests can use a disk that
//! forgets what was not synced. (sled keeps its own files; they are a view that can be rebuilt.)

mod forgetful;
mod real;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use forgetful::{ForgetfulDisk, Survivors};
pub use real::RealDisk;

/// Files and directories as the store needs them.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file. [`Access::Create`] makes it, or empties it if it is there.
    ///
    /// # Errors
    /// `NotFound` when it is to be there and is not, and whatever the system says.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>>;
    /// The names of the files in a directory, sorted; empty when there is no such directory.
    ///
    /// # Errors
    /// Whatever the system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a directory and those above it, and syncs the directory that holds it.
    ///
    /// # Errors
    /// Whatever the system says.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Renames a file within its directory; durable only after [`sync_dir`](Disk::sync_dir).
    ///
    /// # Errors
    /// Whatever the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; durable only after [`sync_dir`](Disk::sync_dir).
    ///
    /// # Errors
    /// Whatever the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in a directory durable.
    ///
    /// # Errors
    /// Whatever the system says; what was done in the directory is then not to be relied on.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes a lock that ends with the process (flock), so that what a crash leaves is harmless. `None`: somebody
    /// else holds it.
    ///
    /// # Errors
    /// Whatever the system says.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>>;
    /// How many bytes are free for us on the file system of `dir`.
    ///
    /// # Errors
    /// Whatever the system says.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// One open file. Reads and writes name their offset, so that threads may share it.
pub trait DiskFile: Send + Sync {
    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all bytes.
    ///
    /// # Errors
    /// Whatever the system says; then it is not known what was written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Writes zeros over `bytes` bytes, beyond the end as well. Where the system lets us, past its page cache: zeros that
    /// nobody reads would only drive out what is read, and copying them costs as much as deciding.
    ///
    /// # Errors
    /// `StorageFull`, and whatever the system says; then it is not known what was written.
    fn zero(&self, offset: u64, bytes: u64) -> io::Result<()> {
        let zeros = vec![0; ZERO_WRITE_BYTES.min(bytes as usize)];
        write_zeros(self, offset, bytes, &zeros)
    }
    /// `fdatasync`: what was written before is durable when it returns.
    ///
    /// # Errors
    /// Final: what was written before is lost for all we know, and a second sync that succeeds proves nothing.
    fn sync(&self) -> io::Result<()>;
    /// Says that nobody will read `bytes` bytes from here on soon: the system may take the memory in which it keeps them.
    fn let_go(&self, offset: u64, bytes: u64) {
        let _ = (offset, bytes);
    }
    /// The file's length in bytes.
    ///
    /// # Errors
    /// Whatever the system says.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file is empty.
    ///
    /// # Errors
    /// Whatever the system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// How many zeros are written at once.
const ZERO_WRITE_BYTES: usize = 1 << 20;

fn write_zeros<F: DiskFile + ?Sized>(file: &F, offset: u64, bytes: u64, zeros: &[u8]) -> io::Result<()> {
    let mut done = 0;
    while done < bytes {
        let count = (bytes - done).min(zeros.len() as u64);
        file.write_at(offset + done, &zeros[..count as usize])?;
        done += count;
    }
    Ok(())
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It is there, and is only read.
    Read,
    /// It is there, and is read and written.
    Write,
    /// It is made, or emptied.
    Create,
}
