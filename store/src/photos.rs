//! Photos beside the journal: one file each, under a name that is the hash of its bytes.
//!
//! Write, sync, rename, sync the directory; only then does anything in the journal speak of it. A crash in between
//! leaves a file that nothing speaks of: an orphan, which the sweep removes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::disk::{Access, Disk};
use crate::error::StoreError;

/// The end of a file's name that is not yet what it is to be.
const UNFINISHED: &str = ".unfinished";

/// The photos of a data directory.
pub struct Photos {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    unfinished: AtomicU64,
    swept: Mutex<Swept>,
}

/// What the sweep remembers from one time to the next.
#[derive(Default)]
struct Swept {
    /// Nothing spoke of these the last time.
    suspects: BTreeSet<String>,
    /// Written since: their records may be on the way.
    fresh: BTreeSet<String>,
}

impl Photos {
    /// The photos in a directory, which is made with the first one.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, dir: &Path) -> Photos {
        Photos { disk, dir: dir.to_owned(), unfinished: AtomicU64::new(0), swept: Mutex::default() }
    }

    /// Keeps bytes under a name; durable when it returns. The same name again is the same bytes again.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; then nothing is to speak of it.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.swept.lock().fresh.insert(name.to_owned());
        self.disk.create_dir(&self.dir).map_err(|error| failed("make", &self.dir, error))?;
        let number = self.unfinished.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.dir.join(format!("{name}.{number}{UNFINISHED}"));
        let write = || {
            let file = self.disk.open(&unfinished, Access::Create)?;
            file.write_at(0, bytes)?;
            file.sync()?;
            self.disk.rename(&unfinished, &self.dir.join(name))?;
            self.disk.sync_dir(&self.dir)
        };
        write().map_err(|error| {
            let _ = self.disk.remove(&unfinished);
            failed("keep a photo in", &self.dir, error)
        })
    }

    /// The bytes under a name; `None`: there are none.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.dir.join(name);
        let file = match self.disk.open(&path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open", &path, error)),
        };
        let read = || {
            let mut bytes = vec![0; file.len()? as usize];
            let count = file.read_at(0, &mut bytes)?;
            bytes.truncate(count);
            Ok(bytes)
        };
        read().map(Some).map_err(|error| failed("read", &path, error))
    }

    /// How many photos nothing speaks of.
    ///
    /// # Errors
    /// [`StoreError::Disk`], and what the question leads to.
    pub fn unspoken_of(&self, is_spoken_of: &dyn Fn(&str) -> Result<bool, StoreError>) -> Result<usize, StoreError> {
        let names = match self.disk.list(&self.dir) {
            Ok(names) => names,
            // The folder is made with the first photo.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(failed("list", &self.dir, error)),
        };
        let mut count = 0;
        for name in names {
            count += usize::from(!is_spoken_of(&name)?);
        }
        Ok(count)
    }

    /// Removes what nothing spoke of this time and the last: give it an hour from one time to the next. How many.
    ///
    /// # Errors
    /// [`StoreError::Disk`], and what the question leads to.
    pub fn sweep(&self, is_spoken_of: &dyn Fn(&str) -> Result<bool, StoreError>) -> Result<usize, StoreError> {
        // Held all the while, so that nothing is kept again under a name that is about to go.
        let mut swept = self.swept.lock();
        let names = self.disk.list(&self.dir).map_err(|error| failed("list", &self.dir, error))?;
        let (mut suspects, mut removed) = (BTreeSet::new(), 0);
        for name in names {
            let whole = name.split('.').next().unwrap_or_default();
            if swept.fresh.contains(whole) || (whole == name && is_spoken_of(&name)?) {
                continue;
            }
            if !swept.suspects.contains(&name) {
                suspects.insert(name);
                continue;
            }
            let path = self.dir.join(&name);
            self.disk.remove(&path).map_err(|error| failed("remove", &path, error))?;
            removed += 1;
        }
        if removed > 0 {
            self.disk.sync_dir(&self.dir).map_err(|error| failed("sync", &self.dir, error))?;
        }
        *swept = Swept { suspects, fresh: BTreeSet::new() };
        Ok(removed)
    }
}

fn failed(action: &'static str, path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Disk { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ForgetfulDisk, Survivors};

    fn photos(disk: &ForgetfulDisk) -> Photos {
        Photos::new(Arc::new(disk.clone()), Path::new("/data/photos"))
    }

    #[test]
    fn a_photo_that_was_kept_survives_a_power_cut_at_any_operation() {
        for survivors in [Survivors::Nothing, Survivors::Everything, Survivors::Seeded(7)] {
            for crash_at in 0..20 {
                let disk = ForgetfulDisk::new();
                disk.crash_at(crash_at);
                let kept = photos(&disk).keep("aa", b"a picture").is_ok();
                disk.restart(survivors);
                let found = photos(&disk).read("aa").unwrap();
                assert!(!kept || found.is_some(), "kept and lost, cut at {crash_at}");
                assert!(found.is_none_or(|bytes| bytes == b"a picture"), "half of it, cut at {crash_at}");
            }
        }
    }

    #[test]
    fn orphans_go_and_what_is_spoken_of_or_new_stays() {
        let disk = ForgetfulDisk::new();
        let before = photos(&disk);
        before.keep("spoken", b"1").unwrap();
        before.keep("orphan", b"2").unwrap();
        disk.open(Path::new("/data/photos/cut.7.unfinished"), Access::Create).unwrap();
        // A new process knows nothing of what is on the way: what it finds has an hour.
        let photos = photos(&disk);
        let is_spoken_of = |name: &str| Ok(name == "spoken");
        assert_eq!(photos.sweep(&is_spoken_of).unwrap(), 0);
        photos.keep("fresh", b"3").unwrap();
        assert_eq!(photos.sweep(&is_spoken_of).unwrap(), 2);
        assert_eq!(disk.list(Path::new("/data/photos")).unwrap(), ["fresh", "spoken"]);
        assert_eq!(photos.sweep(&is_spoken_of).unwrap(), 0, "it has an hour from now");
        photos.keep("fresh", b"3").unwrap();
        assert_eq!(photos.sweep(&is_spoken_of).unwrap(), 0, "it was taken up again");
        photos.sweep(&is_spoken_of).unwrap();
        assert_eq!(photos.sweep(&is_spoken_of).unwrap(), 1);
        assert_eq!(photos.read("orphan").unwrap(), None);
        assert_eq!(photos.read("spoken").unwrap().as_deref(), Some(b"1".as_slice()));
    }
}
