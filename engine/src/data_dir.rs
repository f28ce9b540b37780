//! The data directory: what lies where, who may use it, and whether it was set up at all.
//!
//! ```text
//! DIR/VERSION        layout version, written last by `init`: without it nothing serves
//! DIR/lock           held by the process that serves; a lock of the operating system, so none is ever stale
//! DIR/keys/          pepper and link key, 0600; not in any backup of the rest
//! DIR/journal/       segments
//! DIR/state/         the sled view, rebuilt when lost
//! DIR/state.condemned  it refused; the next start rebuilds it
//! DIR/ballast        room that a start on a full disk gives up
//! DIR/checkpoints/   hot state
//! DIR/exports/       verified exports of the state
//! DIR/photos/        photos of cases, by the hash of their bytes
//! ```

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::ballast::BALLAST_FILE;
use crate::secrets::{Secrets, SecretsError};

/// The layout that this version reads and writes.
const LAYOUT_VERSION: &str = "yinling data directory, layout 1";
pub(crate) const VERSION_FILE: &str = "VERSION";
pub(crate) const LOCK_FILE: &str = "lock";
const FOLDERS: [&str; 6] = ["keys", "journal", "state", "checkpoints", "exports", "photos"];

/// A data directory whose layout is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
}

/// The right to write in a data directory. Ends with the process, however that ends.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// `init` was not run, or did not finish.
    #[error("{0} is not an initialised data directory; run: yinling init --data {0}")]
    NotInitialised(PathBuf),
    /// `init` on a directory that has data.
    #[error("{0} already holds yinling data; nothing was changed (to start afresh, move the directory away first)")]
    AlreadyInitialised(PathBuf),
    /// `init` on a directory that belongs to something else.
    #[error("{path} is not empty: there is {entry:?} in it; choose a directory of its own for yinling")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// Something that is in it.
        entry: String,
    },
    /// `init` on a directory that holds records but no VERSION file.
    #[error(
        "{path} holds records in {folder}/ but no {VERSION_FILE} file; nothing was changed (if an earlier init was cut \
         off, remove the directory and run init again; if not, restore the file from a backup)"
    )]
    Unfinished {
        /// The directory.
        path: PathBuf,
        /// Which of its folders is not empty.
        folder: &'static str,
    },
    /// The layout is of another version.
    #[error("{path} was written by another version ({found:?}; this one reads {LAYOUT_VERSION:?})")]
    ForeignVersion {
        /// The directory.
        path: PathBuf,
        /// What its VERSION file says.
        found: String,
    },
    /// Another process serves it.
    #[error("{0} is in use by another yinling process; stop that one first, or choose another --data")]
    InUse(PathBuf),
    /// The keys are not right.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The file system said no.
    #[error("{path}: {error}{}", advice(error))]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl DataDirError {
    /// Whether the operator's setup is at fault: the process ends with exit code 78 (`EX_CONFIG`) then.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            DataDirError::Io { error, .. } => {
                use io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
                matches!(error.kind(), PermissionDenied | NotADirectory | ReadOnlyFilesystem)
            }
            DataDirError::Secrets(SecretsError::Io { .. } | SecretsError::Randomness(_)) => false,
            DataDirError::Secrets(_)
            | DataDirError::NotInitialised(_)
            | DataDirError::AlreadyInitialised(_)
            | DataDirError::NotEmpty { .. }
            | DataDirError::Unfinished { .. }
            | DataDirError::ForeignVersion { .. }
            | DataDirError::InUse(_) => true,
        }
    }
}

impl DataDir {
    /// Makes the folders and the keys in a directory that is new, empty, or left over from an `init` that did not
    /// come to its end. It counts as initialised only after [`complete_init`](DataDir::complete_init).
    ///
    /// # Errors
    /// When there is data in it, when it belongs to something else, when it cannot be written.
    pub fn begin_init(root: &Path) -> Result<(DataDir, Secrets), DataDirError> {
        make_folder(root)?;
        // Asked first: a directory that was served holds more than an `init` makes.
        if root.join(VERSION_FILE).exists() {
            return Err(DataDirError::AlreadyInitialised(root.to_owned()));
        }
        for entry in fs::read_dir(root).map_err(|error| io_at(root, error))? {
            let name = entry.map_err(|error| io_at(root, error))?.file_name().to_string_lossy().into_owned();
            let is_ours = FOLDERS.contains(&name.as_str())
                || [LOCK_FILE, BALLAST_FILE].contains(&name.as_str())
                || name == format!("{VERSION_FILE}.tmp");
            if !is_ours {
                return Err(DataDirError::NotEmpty { path: root.to_owned(), entry: name });
            }
        }
        let directory = DataDir { root: root.to_owned() };
        for folder in FOLDERS {
            let path = root.join(folder);
            make_folder(&path)?;
            // Records without a VERSION: an init that was cut off late, or a directory whose VERSION went missing.
            // Nobody can tell from here, so nothing is thrown away.
            if path != directory.keys() && !is_empty(&path)? {
                return Err(DataDirError::Unfinished { path: root.to_owned(), folder });
            }
        }
        // Keys that are there already are kept: something may have been hashed with them.
        let keys = directory.keys();
        let secrets = if is_empty(&keys)? { Secrets::create(&keys)? } else { Secrets::load(&keys)? };
        Ok((directory, secrets))
    }

    /// Writes VERSION, durably: from here on the directory can be served.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn complete_init(&self) -> Result<(), DataDirError> {
        let version = self.root.join(VERSION_FILE);
        let unfinished = self.root.join(format!("{VERSION_FILE}.tmp"));
        let write = || {
            let mut file = File::create(&unfinished)?;
            file.write_all(format!("{LAYOUT_VERSION}\n").as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, &version)?;
            File::open(&self.root)?.sync_all()
        };
        write().map_err(|error| io_at(&version, error))
    }

    /// A directory that was initialised before, to look at or to serve.
    ///
    /// # Errors
    /// When it was not initialised, or by a version with another layout.
    pub fn open(root: &Path) -> Result<DataDir, DataDirError> {
        let version = root.join(VERSION_FILE);
        let found = match fs::read_to_string(&version) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DataDirError::NotInitialised(root.to_owned()));
            }
            Err(error) => return Err(io_at(&version, error)),
        };
        if found.trim_end() != LAYOUT_VERSION {
            let found = found.lines().next().unwrap_or_default().chars().take(80).collect();
            return Err(DataDirError::ForeignVersion { path: root.to_owned(), found });
        }
        Ok(DataDir { root: root.to_owned() })
    }

    /// Takes the right to write, without waiting for it.
    ///
    /// # Errors
    /// When another process has it.
    pub fn lock(&self) -> Result<DataLock, DataDirError> {
        let path = self.root.join(LOCK_FILE);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| io_at(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(DataLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse(self.root.clone())),
            Err(TryLockError::Error(error)) => Err(io_at(&path, error)),
        }
    }

    /// The keys.
    ///
    /// # Errors
    /// When they are missing, malformed, or open to others.
    pub fn load_secrets(&self) -> Result<Secrets, DataDirError> {
        Ok(Secrets::load(&self.keys())?)
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Key files.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Journal segments.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The sled view.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// Checkpoints of the hot state.
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Verified exports of the state.
    #[must_use]
    pub fn exports(&self) -> PathBuf {
        self.root.join("exports")
    }
}

/// Makes a folder with its parents, for the owner only: there are names, phones and positions in it.
fn make_folder(path: &Path) -> Result<(), DataDirError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| io_at(path, error))
}

fn is_empty(path: &Path) -> Result<bool, DataDirError> {
    Ok(fs::read_dir(path).map_err(|error| io_at(path, error))?.next().is_none())
}

/// What to do about it.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            "; mount it writable (a disk with errors is mounted read-only: see dmesg), or choose another --data"
        }
        io::ErrorKind::PermissionDenied => "; run as the user to whom the data directory belongs, or chown it",
        io::ErrorKind::StorageFull => "; make room on this disk",
        _ => "",
    }
}

fn io_at(path: &Path, error: io::Error) -> DataDirError {
    DataDirError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{BALLAST_FILE, DataDir, DataDirError, io_at};

    #[test]
    fn only_a_completed_init_can_be_served() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("new/data");
        assert!(matches!(DataDir::open(&root), Err(DataDirError::NotInitialised(_))));
        let (data, secrets) = DataDir::begin_init(&root).unwrap();
        assert!(matches!(DataDir::open(&root), Err(DataDirError::NotInitialised(_))));
        // A power cut here: init may be run again, the keys stay.
        let (data_again, _) = DataDir::begin_init(&root).unwrap();
        assert_eq!(data, data_again);
        data.complete_init().unwrap();
        assert_eq!(DataDir::open(&root).unwrap(), data);
        let loaded = data.load_secrets().unwrap();
        assert_eq!(loaded.device_secret_hmac(b"x"), secrets.device_secret_hmac(b"x"));
        for folder in [data.keys(), data.journal(), data.state(), data.checkpoints(), data.exports()] {
            assert!(folder.is_dir());
        }
    }

    #[test]
    fn init_never_touches_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let (data, _) = DataDir::begin_init(dir.path()).unwrap();
        data.complete_init().unwrap();
        // What serving leaves behind.
        fs::write(dir.path().join(BALLAST_FILE), "").unwrap();
        let again = DataDir::begin_init(dir.path()).unwrap_err();
        assert!(again.is_configuration());
        assert!(again.to_string().contains("already holds yinling data; nothing was changed"), "{again}");

        fs::write(data.journal().join("00000001"), "records").unwrap();
        fs::remove_file(dir.path().join("VERSION")).unwrap();
        let unfinished = DataDir::begin_init(dir.path()).unwrap_err();
        assert!(unfinished.to_string().contains("holds records in journal/ but no VERSION file"), "{unfinished}");
        assert!(data.journal().join("00000001").exists());

        let others = tempfile::tempdir().unwrap();
        fs::write(others.path().join("thesis.txt"), "years of work").unwrap();
        let foreign = DataDir::begin_init(others.path()).unwrap_err();
        let read_only = io_at(dir.path(), std::io::ErrorKind::ReadOnlyFilesystem.into());
        assert!(read_only.is_configuration() && read_only.to_string().contains("mount it writable"), "{read_only}");
        assert!(foreign.to_string().contains("there is \"thesis.txt\" in it"), "{foreign}");
        assert!(others.path().join("thesis.txt").exists());
    }

    #[test]
    fn one_process_serves_and_a_dead_one_leaves_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let (data, _) = DataDir::begin_init(dir.path()).unwrap();
        data.complete_init().unwrap();
        let lock = data.lock().unwrap();
        assert!(matches!(data.lock(), Err(DataDirError::InUse(_))));
        drop(lock); // the file stays where it is, as after a crash
        assert!(dir.path().join("lock").exists());
        data.lock().unwrap();
    }

    #[test]
    fn another_layout_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("VERSION"), "yinling data directory, layout 99\n").unwrap();
        let error = DataDir::open(dir.path()).unwrap_err();
        assert!(error.is_configuration());
        assert!(error.to_string().contains("layout 99"), "{error}");
    }
}
