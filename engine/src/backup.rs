//! Backup and restore of a data directory, while it is served or not.
//!
//! A backup is a directory: the journal, the newest checkpoints and exports, whatever else lies in the data directory
//! but the view (which is rebuilt) and, unless asked for, the keys; and `BACKUP.json`, written last, with the hash of
//! every file and the sequence number up to which every write is in it. A restore checks all of it, begins a new epoch
//! of the feed, so that a cursor of the time before is recognised, and makes `VERSION` last.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use model::{Clock, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{Disk, Journal, JournalConfig, RealDisk, StoreError};

use crate::ballast::BALLAST_FILE;
use crate::clock::SystemClock;
use crate::data_dir::{DataDir, LOCK_FILE};
use crate::erasure::{self, KnownBackup};

/// What says that a backup is whole.
const MANIFEST: &str = "BACKUP.json";
/// How often a backup is begun again because the served directory moved on under it: a segment was let go.
const TRIES_MAX: u32 = 5;
/// How much is copied at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Read in this order: what refers to something is copied before it, so that what it refers to is in the copy.
const FIRST: [&str; 3] = ["checkpoints", "exports", "journal"];
/// Rebuilt by a restore, or of this machine only.
const LEFT_OUT: [&str; 3] = ["state", LOCK_FILE, BALLAST_FILE];
const KEYS: &str = "keys";
/// What is copied only if it is asked for: our keys, and that of a certificate of `init --self-signed`.
const SECRET: [&str; 2] = [KEYS, "tls"];

/// What a backup says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Every write up to this record of the journal is in it.
    pub through_seq: u64,
    /// When it was made.
    pub at: Timestamp,
    /// The feed's epoch then.
    pub epoch: u32,
    /// Whether the keys are in it.
    pub keys: bool,
    /// Every file with its SHA-256.
    pub files: BTreeMap<String, String>,
}

/// Makes a backup of `data` in the new directory `to`.
///
/// # Errors
/// A directory that is not initialised, a target that is not empty or lies in `data`, a disk that refuses, a journal that
/// is damaged.
pub fn backup(data: &Path, to: &Path, with_keys: bool) -> anyhow::Result<Manifest> {
    let data = DataDir::open(data)?;
    fresh(to)?;
    // Before its first byte: an erasure has to know of it however it ends.
    let to_absolute = fs::canonicalize(to).with_context(|| format!("finding {}", to.display()))?;
    let root = fs::canonicalize(data.root()).with_context(|| format!("finding {}", data.root().display()))?;
    if to_absolute.starts_with(&root) {
        fs::remove_dir(to).with_context(|| format!("clearing {}", to.display()))?;
        bail!(
            "{} lies in the data directory itself: what takes that away takes the backup with it; choose another place, \
             best on another disk",
            to.display()
        );
    }
    let begun = SystemClock::new(None).now();
    let mut known = KnownBackup { path: to_absolute, at: begun, from_seq: 0 };
    erasure::note_backup(data.root(), &known).context("writing down which backups there are")?;
    let mut told = None;
    for _ in 0..TRIES_MAX {
        match copy(data.root(), to, with_keys) {
            Ok(()) => {
                let (first_seq, through_seq) = reach(to)?;
                known.from_seq = erasure::oldest_seq(&RealDisk, &store::DataDir::new(to), first_seq)?;
                // Read back, and after the tail was cut.
                let mut files = BTreeMap::new();
                for name in files_below(to, Path::new(""))?.into_iter().filter(|name| is_fixed(name)) {
                    files.insert(name.to_string_lossy().into_owned(), hash_of(&to.join(&name))?);
                }
                let (at, epoch) = (SystemClock::new(None).now(), store::epoch::load(&RealDisk, to)?);
                let manifest = Manifest { through_seq, at, epoch, keys: with_keys, files };
                write_durably(&to.join(MANIFEST), &serde_json::to_vec_pretty(&manifest)?)?;
                sync_folder(to)?;
                erasure::note_backup(data.root(), &known).context("writing down which backups there are")?;
                return Ok(manifest);
            }
            // A segment or an export that was there when the folder was read, and is not any more.
            Err(error) if is_missing(&error) => told = Some(error),
            Err(error) => return Err(error),
        }
        fs::remove_dir_all(to).with_context(|| format!("clearing {}", to.display()))?;
        fresh(to)?;
    }
    let error = told.unwrap_or_else(|| anyhow::anyhow!("it changed all the time"));
    Err(error.context("the directory moved on under the backup each time; try again"))
}

/// Restores a backup into the new directory `data`; `keys` is where the keys are when they are not in the backup,
/// `erased` a directory with a newer list of who was erased than lies beside the backup.
///
/// # Errors
/// A backup that is not whole, a target that is not empty, keys that are missing, a disk that refuses.
pub fn restore(from: &Path, data: &Path, keys: Option<&Path>, erased: Option<&Path>) -> anyhow::Result<Manifest> {
    let text = fs::read(from.join(MANIFEST)).with_context(|| {
        format!("{} holds no {MANIFEST}: it is no backup, or one that was not finished", from.display())
    })?;
    let manifest: Manifest = serde_json::from_slice(&text).with_context(|| format!("reading {MANIFEST}"))?;
    ensure!(
        manifest.keys || keys.is_some(),
        "the keys are not in this backup: say where they are with --keys DIR (without them no device is recognised)"
    );
    fresh(data)?;
    let version = crate::data_dir::VERSION_FILE;
    for (name, hash) in manifest.files.iter().filter(|(name, _)| *name != version) {
        ensure!(is_plain(name), "{name:?} is no name of a file in a backup");
        let found = copy_file(&from.join(name), &data.join(name))?;
        ensure!(found == *hash, "{name} is not what was backed up: its hash differs");
    }
    if let Some(keys) = keys.filter(|_| !manifest.keys) {
        for entry in files_below(keys, Path::new(""))? {
            let to = data.join(KEYS).join(&entry);
            copy_file(&keys.join(&entry), &to)?;
            // Wherever they came from: nobody else may read them here, and open to others they would not be taken.
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600))
                .with_context(|| format!("closing {} to others", to.display()))?;
        }
    }
    for folder in ["state", "journal", "checkpoints", "exports"] {
        make_folder(&data.join(folder))?;
    }
    let (_, found) = reach(data)?;
    ensure!(
        found >= manifest.through_seq,
        "the journal ends at record {found}, the backup holds everything up to {}",
        manifest.through_seq
    );
    // Whoever was erased since is erased again at the first start.
    for folder in std::iter::once(from).chain(erased) {
        let tombstones = erasure::ledger(folder).with_context(|| format!("who was erased, in {}", folder.display()))?;
        erasure::add_to_ledger(data, &tombstones)?;
    }
    // Two restores of one backup are two histories: seconds since 1970 tell them apart, a count would not.
    let seconds = u32::try_from(SystemClock::new(None).now().millis() / 1000).unwrap_or(u32::MAX);
    store::epoch::begin(&RealDisk, data, seconds)?;
    for folder in [data.to_owned(), data.join("journal"), data.join("checkpoints"), data.join("exports")] {
        sync_folder(&folder)?;
    }
    let hash = copy_file(&from.join(version), &data.join(version))?;
    ensure!(manifest.files.get(version) == Some(&hash), "{version} is not what was backed up: its hash differs");
    sync_folder(data)?;
    DataDir::open(data)?.load_secrets().context("the keys")?;
    Ok(manifest)
}

/// From and up to which record every write is in the journal below a directory. Cuts the tail of a batch that was being
/// written while it was copied.
fn reach(root: &Path) -> anyhow::Result<(u64, u64)> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let dir = store::DataDir::new(root).journal();
    let (opened, recovery) = Journal::open(disk, &dir, JournalConfig::default())?;
    if let Some(damage) = recovery.damage.first() {
        bail!("the journal is damaged: {damage:?}");
    }
    let mut next = None;
    for item in opened.read_from(recovery.first_seq)? {
        match item {
            Ok((seq, _)) => {
                ensure!(next.is_none_or(|next| next == seq), "the journal has a hole before record {seq}");
                next = Some(seq + 1);
            }
            Err(StoreError::Damage(damage)) => bail!("the journal is damaged: {damage:?}"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((recovery.first_seq, recovery.last_seq))
}

/// Copies everything that belongs into a backup.
fn copy(root: &Path, to: &Path, with_keys: bool) -> anyhow::Result<()> {
    let mut others = Vec::new();
    for entry in fs::read_dir(root).with_context(|| format!("reading {}", root.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_wanted = !LEFT_OUT.contains(&name.as_str())
            && !name.ends_with(".tmp")
            && (with_keys || !SECRET.contains(&name.as_str()));
        if is_wanted && !FIRST.contains(&name.as_str()) {
            others.push(name);
        }
    }
    for part in FIRST.iter().map(|name| (*name).to_owned()).chain(others) {
        let path = root.join(&part);
        let files = if path.is_dir() { files_below(root, Path::new(&part))? } else { vec![PathBuf::from(&part)] };
        for file in files {
            let name = file.to_string_lossy().into_owned();
            // What is being written has this ending, and its real name only once it is whole.
            if !name.ends_with(".tmp") && !name.ends_with(".new") && !is_lock(&file) {
                copy_file(&root.join(&file), &to.join(&file))?;
            }
        }
        if path.is_dir() {
            make_folder(&to.join(&part))?;
            sync_folder(&to.join(&part))?;
        }
    }
    Ok(())
}

/// Whether a file of a backup is as it was made: who is erased afterwards is written down beside it.
fn is_fixed(name: &Path) -> bool {
    !is_lock(name) && name != Path::new(erasure::LEDGER_FILE)
}

/// Whether a file only says that somebody uses a folder.
fn is_lock(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase().ends_with(LOCK_FILE))
}

fn files_below(root: &Path, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut files, mut todo) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(root.join(&folder)).with_context(|| format!("reading {}", folder.display()))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            // What a link points to is not the directory's own.
            let kind = entry.file_type()?;
            if kind.is_dir() {
                todo.push(path);
            } else if kind.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Copies a file durably; its SHA-256.
fn copy_file(from: &Path, to: &Path) -> anyhow::Result<String> {
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    let mut source = File::open(from).with_context(|| format!("opening {}", from.display()))?;
    let mut target =
        File::options().write(true).create_new(true).open(to).with_context(|| format!("creating {}", to.display()))?;
    target.set_permissions(source.metadata()?.permissions())?;
    let (mut hasher, mut chunk) = (Sha256::new(), vec![0; CHUNK_BYTES]);
    loop {
        let count = source.read(&mut chunk).with_context(|| format!("reading {}", from.display()))?;
        if count == 0 {
            break;
        }
        hasher.update(&chunk[..count]);
        target.write_all(&chunk[..count]).with_context(|| format!("writing {}", to.display()))?;
    }
    target.sync_all().with_context(|| format!("syncing {}", to.display()))?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn hash_of(path: &Path) -> anyhow::Result<String> {
    let mut source = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let (mut hasher, mut chunk) = (Sha256::new(), vec![0; CHUNK_BYTES]);
    loop {
        let count = source.read(&mut chunk).with_context(|| format!("reading {}", path.display()))?;
        if count == 0 {
            return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(&chunk[..count]);
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

/// A directory of its own, with nothing in it.
fn fresh(path: &Path) -> anyhow::Result<()> {
    make_folder(path)?;
    let mut entries = fs::read_dir(path).with_context(|| format!("reading {}", path.display()))?;
    ensure!(entries.next().is_none(), "{} is not empty: choose a directory of its own", path.display());
    Ok(())
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("creating {}", path.display()))
}

fn sync_folder(path: &Path) -> anyhow::Result<()> {
    File::open(path)?.sync_all().with_context(|| format!("syncing {}", path.display()))
}

/// A name below the directory: a backup is data from elsewhere.
fn is_plain(name: &str) -> bool {
    Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)))
}

fn is_missing(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_restored_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let (data, kept, back) = (dir.path().join("data"), dir.path().join("kept"), dir.path().join("back"));
        crate::init(&data).unwrap();
        let made = backup(&data, &kept, false).unwrap();
        assert_eq!((made.through_seq, made.epoch, made.keys), (2, 1, false));
        assert!(!kept.join(KEYS).exists() && !kept.join("state").exists());
        assert!(backup(&data, &kept, false).unwrap_err().to_string().contains("not empty"));

        let within = data.join("kept");
        assert!(backup(&data, &within, false).unwrap_err().to_string().contains("in the data directory itself"));
        assert!(!within.exists());

        assert!(restore(&kept, &back, None, None).unwrap_err().to_string().contains("--keys"));
        assert_eq!(restore(&kept, &back, Some(&data.join(KEYS)), None).unwrap(), made);
        assert!(store::epoch::load(&RealDisk, &back).unwrap() > made.epoch);
        assert_eq!(reach(&back).unwrap().1, 2);
        assert!(restore(&kept, &back, Some(&data.join(KEYS)), None).is_err(), "never over something that is there");

        let (name, _) = made.files.iter().find(|(name, _)| name.starts_with("journal/")).unwrap();
        let mut bytes = fs::read(kept.join(name)).unwrap();
        bytes[9000] ^= 1;
        fs::write(kept.join(name), bytes).unwrap();
        let other = dir.path().join("other");
        assert!(restore(&kept, &other, Some(&data.join(KEYS)), None).unwrap_err().to_string().contains("hash differs"));
        assert!(DataDir::open(&other).is_err(), "what is not whole is not served");
    }

    #[test]
    fn names_that_lead_out_of_a_backup_are_refused() {
        for (name, expected) in
            [("journal/a", true), ("../a", false), ("/etc/passwd", false), ("a/../../b", false), ("", true)]
        {
            assert_eq!(is_plain(name), expected, "{name}");
        }
    }
}
