//! A disk in memory that forgets what was not synced.
//!
//! Every write, creation, rename and removal is visible at once and durable only after the sync that covers it, as
//! on a machine whose power is cut. It can crash at the k-th operation, fail a sync, and run full.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::{Access, Disk, DiskFile};

/// What a power cut leaves or loses at once: a page of the file.
const PAGE_BYTES: u64 = 4096;

/// What becomes of writes that were not synced when the power is cut. Any of it can happen on a real machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survivors {
    /// None of them reached the disk.
    Nothing,
    /// All of them did.
    Everything,
    /// Page by page, as this seed decides.
    Seeded(u64),
}

/// A disk in memory that forgets what was not synced. Clones share it.
#[derive(Clone, Default)]
pub struct ForgetfulDisk {
    shared: Arc<Mutex<World>>,
}

#[derive(Default)]
struct World {
    /// What is there for who asks now.
    names: BTreeMap<PathBuf, usize>,
    /// What is there after a power cut.
    durable_names: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
    files: Vec<FileState>,
    locked: BTreeSet<PathBuf>,
    /// Counts power cuts: a file opened before one is dead after it.
    life: u64,
    operations: u64,
    syncs: u64,
    crash_at: Option<u64>,
    fail_sync_at: Option<u64>,
    capacity_bytes: Option<u64>,
    crashed: bool,
}

#[derive(Default)]
struct FileState {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Written since the last sync, oldest first.
    pending: Vec<(u64, Vec<u8>)>,
    /// How many syncs have failed; as on Linux, each handle is told of a failure once.
    failures: u64,
}

impl ForgetfulDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> ForgetfulDisk {
        ForgetfulDisk::default()
    }

    /// The power fails at the `operation`-th operation from now that changes something (1 is the next one): it is
    /// not carried out, or only partly, and everything fails until [`restart`](ForgetfulDisk::restart).
    pub fn crash_at(&self, operation: u64) {
        let mut world = self.shared.lock();
        world.crash_at = Some(world.operations + operation);
    }

    /// The `sync`-th sync of a file from now fails, and what it should have made durable is lost.
    pub fn fail_sync_at(&self, sync: u64) {
        let mut world = self.shared.lock();
        world.fail_sync_at = Some(world.syncs + sync);
    }

    /// Limits the disk: a write beyond it fails with `StorageFull`. `None` takes the limit away.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared.lock().capacity_bytes = bytes;
    }

    /// How many operations that change something were begun so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.shared.lock().operations
    }

    /// How many syncs of files were begun so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.shared.lock().syncs
    }

    /// Whether the power failed and nobody restarted.
    #[must_use]
    pub fn is_crashed(&self) -> bool {
        self.shared.lock().crashed
    }

    /// Cuts the power now, if it has not failed yet, and comes back with what had become durable and with what
    /// `survivors` says of the rest. Files that were open are dead, locks are free.
    pub fn restart(&self, survivors: Survivors) {
        let mut world = self.shared.lock();
        let world = &mut *world;
        let mut dice = match survivors {
            Survivors::Seeded(seed) => seed | 1,
            Survivors::Nothing | Survivors::Everything => 1,
        };
        for file in &mut world.files {
            file.forget(survivors, &mut dice);
        }
        let names_survive = match survivors {
            Survivors::Nothing => false,
            Survivors::Everything => true,
            Survivors::Seeded(_) => roll(&mut dice),
        };
        if names_survive {
            world.durable_names = world.names.clone();
        } else {
            world.names = world.durable_names.clone();
        }
        world.locked.clear();
        world.life += 1;
        world.crashed = false;
        world.crash_at = None;
        world.fail_sync_at = None;
    }

    /// Flips one bit of a file, durably: what a rotten disk does.
    ///
    /// # Panics
    /// When there is no such byte: a test that means another file.
    pub fn flip_bit(&self, path: &Path, offset: u64) {
        let mut world = self.shared.lock();
        let id = world.names[path];
        let file = &mut world.files[id];
        file.bytes[offset as usize] ^= 1;
        file.durable[offset as usize] ^= 1;
    }

    /// A file's bytes as they are now.
    #[must_use]
    pub fn bytes_of(&self, path: &Path) -> Option<Vec<u8>> {
        let world = self.shared.lock();
        world.names.get(path).map(|id| world.files[*id].bytes.clone())
    }
}

impl World {
    /// Counts an operation that changes something; `Err` when the power fails at it or has failed before.
    fn begin(&mut self) -> io::Result<()> {
        self.alive()?;
        self.operations += 1;
        if self.crash_at == Some(self.operations) {
            self.crashed = true;
        }
        self.alive()
    }

    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("the power failed")) } else { Ok(()) }
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().map(|id| self.files[*id].bytes.len() as u64).sum()
    }
}

impl FileState {
    fn forget(&mut self, survivors: Survivors, dice: &mut u64) {
        for (offset, bytes) in std::mem::take(&mut self.pending) {
            match survivors {
                Survivors::Nothing => {}
                Survivors::Everything => put(&mut self.durable, offset, &bytes),
                Survivors::Seeded(_) => {
                    let mut done = 0;
                    while done < bytes.len() {
                        let at = offset + done as u64;
                        let page_end = (at / PAGE_BYTES + 1) * PAGE_BYTES;
                        let count = ((page_end - at) as usize).min(bytes.len() - done);
                        if roll(dice) {
                            put(&mut self.durable, at, &bytes[done..done + count]);
                        }
                        done += count;
                    }
                }
            }
        }
        self.bytes.clone_from(&self.durable);
    }
}

fn put(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + bytes.len());
    if file.len() < end {
        file.resize(end, 0);
    }
    file[start..end].copy_from_slice(bytes);
}

/// xorshift64: repeatable, and no dependency.
fn roll(dice: &mut u64) -> bool {
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    *dice & 0x10 != 0
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {}", path.display()))
}

impl Disk for ForgetfulDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.shared.lock();
        let id = match access {
            Access::Read | Access::Write => {
                world.alive()?;
                *world.names.get(path).ok_or_else(|| not_found(path))?
            }
            Access::Create => {
                world.begin()?;
                world.files.push(FileState::default());
                let id = world.files.len() - 1;
                world.names.insert(path.to_owned(), id);
                id
            }
        };
        Ok(Arc::new(ForgetfulFile {
            disk: self.clone(),
            id,
            life: world.life,
            writable: access != Access::Read,
            failures_seen: AtomicU64::new(world.files[id].failures),
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let world = self.shared.lock();
        world.alive()?;
        let inside = world.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.shared.lock();
        world.begin()?;
        world.dirs.insert(dir.to_owned());
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.shared.lock();
        world.begin()?;
        let id = world.names.remove(from).ok_or_else(|| not_found(from))?;
        world.names.insert(to.to_owned(), id);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.shared.lock();
        world.begin()?;
        world.names.remove(path).map(|_| ()).ok_or_else(|| not_found(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.shared.lock();
        world.begin()?;
        let world = &mut *world;
        world.durable_names.retain(|path, _| path.parent() != Some(dir));
        let inside = world.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        world.durable_names.extend(inside.map(|(path, id)| (path.clone(), *id)));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let mut world = self.shared.lock();
        world.alive()?;
        if !world.locked.insert(path.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(HeldLock { disk: self.clone(), path: path.to_owned(), life: world.life })))
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        let world = self.shared.lock();
        world.alive()?;
        Ok(world.capacity_bytes.map_or(u64::MAX, |capacity| capacity.saturating_sub(world.used_bytes())))
    }
}

struct HeldLock {
    disk: ForgetfulDisk,
    path: PathBuf,
    life: u64,
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        let mut world = self.disk.shared.lock();
        if world.life == self.life {
            world.locked.remove(&self.path);
        }
    }
}

struct ForgetfulFile {
    disk: ForgetfulDisk,
    id: usize,
    life: u64,
    writable: bool,
    failures_seen: AtomicU64,
}

impl ForgetfulFile {
    fn check(&self, world: &World) -> io::Result<()> {
        if world.life == self.life { Ok(()) } else { Err(io::Error::other("opened before the power failed")) }
    }
}

impl DiskFile for ForgetfulFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let world = self.disk.shared.lock();
        world.alive()?;
        self.check(&world)?;
        let bytes = &world.files[self.id].bytes;
        let start = (offset as usize).min(bytes.len());
        let count = buffer.len().min(bytes.len() - start);
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.disk.shared.lock();
        self.check(&world)?;
        if !self.writable {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "opened for reading"));
        }
        world.alive()?;
        let begun = world.begin();
        let end = offset + bytes.len() as u64;
        let growth = end.saturating_sub(world.files[self.id].bytes.len() as u64);
        if world.capacity_bytes.is_some_and(|capacity| world.used_bytes() + growth > capacity) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full"));
        }
        // A write that the power cut falls into may have reached the disk in part: it is pending like any other,
        // and the survivors decide.
        let file = &mut world.files[self.id];
        put(&mut file.bytes, offset, bytes);
        file.pending.push((offset, bytes.to_vec()));
        begun
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.disk.shared.lock();
        self.check(&world)?;
        world.begin()?;
        world.syncs += 1;
        let fails = world.fail_sync_at == Some(world.syncs);
        let file = &mut world.files[self.id];
        let pending = std::mem::take(&mut file.pending);
        file.failures += u64::from(fails);
        if self.failures_seen.swap(file.failures, Ordering::Relaxed) < file.failures {
            return Err(io::Error::other("the sync failed"));
        }
        for (offset, bytes) in pending {
            put(&mut file.durable, offset, &bytes);
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let world = self.disk.shared.lock();
        world.alive()?;
        self.check(&world)?;
        Ok(world.files[self.id].bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(disk: &ForgetfulDisk, path: &Path) -> Option<Vec<u8>> {
        let file = disk.open(path, Access::Read).ok()?;
        let mut bytes = vec![0; 16];
        let count = file.read_at(0, &mut bytes).ok()?;
        bytes.truncate(count);
        Some(bytes)
    }

    #[test]
    fn what_was_not_synced_is_forgotten_names_as_well_as_bytes() {
        let (disk, dir) = (ForgetfulDisk::new(), Path::new("/d"));
        let (one, two) = (dir.join("one"), dir.join("two"));
        let file = disk.open(&one, Access::Create).unwrap();
        disk.sync_dir(dir).unwrap();
        file.write_at(0, b"kept").unwrap();
        file.sync().unwrap();
        file.write_at(0, b"lost").unwrap();
        disk.rename(&one, &two).unwrap();
        assert_eq!(read(&disk, &two), Some(b"lost".to_vec()), "visible at once");
        disk.restart(Survivors::Nothing);
        assert_eq!((read(&disk, &one), read(&disk, &two)), (Some(b"kept".to_vec()), None));
        assert!(file.write_at(0, b"x").is_err(), "opened before the power failed");
    }

    #[test]
    fn a_crash_stops_everything_until_the_restart_and_the_survivors_decide() {
        for (survivors, expected) in [(Survivors::Nothing, b"".to_vec()), (Survivors::Everything, b"half".to_vec())] {
            let (disk, path) = (ForgetfulDisk::new(), Path::new("/d/f"));
            let file = disk.open(path, Access::Create).unwrap();
            disk.sync_dir(Path::new("/d")).unwrap();
            disk.crash_at(1);
            assert!(file.write_at(0, b"half").is_err() && file.sync().is_err() && disk.is_crashed());
            assert!(disk.open(path, Access::Read).is_err());
            disk.restart(survivors);
            assert_eq!(read(&disk, path), Some(expected));
        }
    }

    #[test]
    fn a_failed_sync_is_told_to_each_handle_once_and_loses_what_was_pending() {
        let (disk, path) = (ForgetfulDisk::new(), Path::new("/d/f"));
        let first = disk.open(path, Access::Create).unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        let second = disk.open(path, Access::Write).unwrap();
        first.write_at(0, b"gone").unwrap();
        disk.fail_sync_at(1);
        assert!(first.sync().is_err());
        assert!(second.sync().is_err(), "its own writes may have been among them");
        assert!(first.sync().is_ok() && second.sync().is_ok());
        disk.restart(Survivors::Nothing);
        assert_eq!(read(&disk, path), Some(Vec::new()));
    }
}
