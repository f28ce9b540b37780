//! What an erasure waits for: everything on disk that is older than it. And the two lists that outlive a data directory:
//! who was erased (beside every backup, so that a restore does not bring anybody back), and which backups were made.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use api::Remains;
use compact_str::CompactString;
use model::erasure::{ErasedKind, Erasure};
use model::{Attempt, Clock, Timestamp, WearerId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Disk, Journal, Photos, State, StoreError, checkpoint, export};

use crate::release::Release;

/// Who was erased: in the data directory, and beside every backup that is known.
pub const LEDGER_FILE: &str = "erasures.json";
/// Which backups were made of a data directory.
pub const BACKUPS_FILE: &str = "backups.json";
const DAY_SECONDS: u32 = 86_400;

/// Somebody who stays away, whatever is restored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tombstone {
    /// Who it was.
    pub kind: ErasedKind,
    /// Their id.
    pub subject: CompactString,
}

impl From<&Erasure> for Tombstone {
    fn from(erasure: &Erasure) -> Tombstone {
        Tombstone { kind: erasure.kind, subject: erasure.subject.clone() }
    }
}

impl Tombstone {
    /// Whether this is who was erased.
    #[must_use]
    pub fn is_wearer(&self, id: &WearerId) -> bool {
        self.kind == ErasedKind::Wearer && self.subject == id.as_str()
    }

    /// Whether an attempt is about them, or is to reach them.
    #[must_use]
    pub fn takes(&self, attempt: &Attempt) -> bool {
        let is_person = self.kind == ErasedKind::Person && self.subject == attempt.callee.person.as_str();
        is_person || self.is_wearer(&attempt.wearer)
    }
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownBackup {
    /// Where.
    pub path: PathBuf,
    /// When it was begun.
    pub at: Timestamp,
    /// The oldest record that anything in it may rest on; 0 while it is being made.
    pub from_seq: u64,
}

/// The tombstones of a directory; none where there is no list.
///
/// # Errors
/// When it cannot be read.
pub fn ledger(dir: &Path) -> io::Result<Vec<Tombstone>> {
    read(&dir.join(LEDGER_FILE))
}

/// Adds tombstones to the list of a directory, durably.
///
/// # Errors
/// When it cannot be read or written.
pub fn add_to_ledger(dir: &Path, added: &[Tombstone]) -> io::Result<()> {
    let mut known = ledger(dir)?;
    let before = known.len();
    known.extend(added.iter().filter(|tombstone| !known.contains(tombstone)).cloned().collect::<Vec<_>>());
    if known.len() > before { write(dir, LEDGER_FILE, &known) } else { Ok(()) }
}

/// The backups that were made of a data directory and are still where they were made. One whose folder's parent is not
/// there (a disk that is not mounted) is taken as being there.
///
/// # Errors
/// When the list cannot be read.
pub fn known_backups(data: &Path) -> io::Result<Vec<KnownBackup>> {
    let mut known: Vec<KnownBackup> = read(&data.join(BACKUPS_FILE))?;
    // One that we may not look at, or whose disk is not there now, is not gone.
    let is_there = |path: &Path| path.try_exists().unwrap_or(true);
    known.retain(|backup| is_there(&backup.path) || !backup.path.parent().is_some_and(is_there));
    Ok(known)
}

/// Writes down that a backup is being made, or was.
///
/// # Errors
/// When the list cannot be read or written.
pub fn note_backup(data: &Path, backup: &KnownBackup) -> io::Result<()> {
    let mut known = known_backups(data)?;
    known.retain(|other| other.path != backup.path);
    known.push(backup.clone());
    write(data, BACKUPS_FILE, &known)
}

/// The oldest record that the checkpoints, exports and journal of a directory may rest on.
///
/// # Errors
/// When the disk refuses.
pub fn oldest_seq(disk: &dyn Disk, layout: &store::DataDir, journal_first: u64) -> Result<u64, StoreError> {
    let checkpoint = checkpoint::oldest_seq(disk, &layout.checkpoints())?;
    let export = export::oldest_facts_seq(disk, &layout.exports())?;
    Ok(checkpoint.into_iter().chain(export).chain([journal_first]).min().unwrap_or(0))
}

/// Looks for what is left.
pub struct Traces {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// Where everything is.
    pub layout: store::DataDir,
    /// The journal. Not kept alive from here.
    pub journal: Weak<Journal<Release>>,
    /// The view.
    pub state: Arc<State>,
    /// Photos of cases.
    pub photos: Arc<Photos>,
    /// How many days the journal is kept.
    pub retain_days: u32,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Traces {
    /// Everything that is older than the record `seq`, which erased somebody at `at`.
    ///
    /// # Errors
    /// When something cannot be looked at.
    pub fn look(&self, seq: u64, at: Timestamp) -> anyhow::Result<Vec<Remains>> {
        let mut found = Vec::new();
        let mut add = |place: &str, detail: String, detail_zh: String, until: Option<Timestamp>| {
            found.push(Remains { place: place.to_owned(), detail, detail_zh, until });
        };
        if let Some(stats) = self.journal.upgrade().map(|journal| journal.stats()) {
            if stats.first_seq < seq {
                let until = at.plus_seconds(self.retain_days.saturating_mul(DAY_SECONDS));
                add(
                    "journal",
                    format!("segments from record {} to {seq} are kept for {} days", stats.first_seq, self.retain_days),
                    format!("第 {} 至 {seq} 条记录所在的日志段保留 {} 天", stats.first_seq, self.retain_days),
                    Some(until.max(self.clock.now())),
                );
            }
            if stats.unclean > 0 {
                let (en, zh) = ("segments are being zeroed", "个日志段正在清零");
                add("journal", format!("{} {en}", stats.unclean), format!("{} {zh}", stats.unclean), None);
            }
        }
        if let Some(oldest) = checkpoint::oldest_seq(&*self.disk, &self.layout.checkpoints())?.filter(|o| *o < seq) {
            add(
                "checkpoints",
                format!("one is of record {oldest}: two newer ones take its place"),
                format!("存在第 {oldest} 条记录时的检查点，将由两个更新的检查点取代"),
                None,
            );
        }
        if let Some(oldest) = export::oldest_facts_seq(&*self.disk, &self.layout.exports())?.filter(|o| *o < seq) {
            add(
                "exports",
                format!("one is of record {oldest}: two newer ones take its place"),
                format!("存在第 {oldest} 条记录时的导出，将由两个更新的导出取代"),
                None,
            );
        }
        if self.state.is_erasing()? {
            add(
                "state",
                "they are still being taken out of the feed and of what is kept".to_owned(),
                "正在从事件流及留存数据中清除".to_owned(),
                None,
            );
        }
        if self.state.renew_after()? >= seq {
            add(
                "state",
                "its files are made anew when the server is started next, after an export".to_owned(),
                "状态文件将在导出完成后的下一次启动时重建".to_owned(),
                None,
            );
        }
        for aside in set_aside(self.layout.root())? {
            add(
                "state",
                format!("{aside} was moved aside: remove it"),
                format!("{aside} 已移至一旁，请将其删除"),
                None,
            );
        }
        let orphans = self.photos.unspoken_of(&|hash| self.state.has_photo(hash))?;
        if orphans > 0 {
            add(
                "photos",
                format!("{orphans} that no case speaks of go within two hours"),
                format!("{orphans} 张无案件引用的照片将在两小时内删除"),
                None,
            );
        }
        for backup in known_backups(self.layout.root())?.into_iter().filter(|backup| backup.from_seq < seq) {
            let path = backup.path.display();
            add(
                "backup",
                format!("{path} of {} is older: remove it when a newer one is made", backup.at),
                format!("{path}（{}）早于清除：请在新备份完成后将其删除", backup.at),
                None,
            );
        }
        Ok(found)
    }
}

/// Views that were moved aside because they would not open.
fn set_aside(root: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("state.") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn write<T: Serialize>(dir: &Path, name: &str, list: &[T]) -> io::Result<()> {
    let unfinished = dir.join(format!("{name}.tmp"));
    let mut file = File::create(&unfinished)?;
    file.write_all(&serde_json::to_vec_pretty(list).map_err(io::Error::other)?)?;
    file.sync_all()?;
    fs::rename(&unfinished, dir.join(name))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tombstones_are_added_once_and_a_backup_that_is_gone_is_not_known_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let gone = |id: &str| Tombstone { kind: ErasedKind::Wearer, subject: id.into() };
        add_to_ledger(dir.path(), &[gone("w1")]).unwrap();
        add_to_ledger(dir.path(), &[gone("w1"), gone("w2")]).unwrap();
        assert_eq!(ledger(dir.path()).unwrap(), [gone("w1"), gone("w2")]);

        let backup = |path: PathBuf| KnownBackup { path, at: Timestamp::EPOCH, from_seq: 7 };
        let (there, away) = (backup(dir.path().join("there")), backup("/no such disk/away".into()));
        fs::create_dir(&there.path).unwrap();
        for known in [&there, &away, &backup(dir.path().join("removed"))] {
            note_backup(dir.path(), known).unwrap();
        }
        assert_eq!(known_backups(dir.path()).unwrap(), [there.clone(), away.clone()]);
        fs::remove_dir(&there.path).unwrap();
        assert_eq!(known_backups(dir.path()).unwrap(), [away]);
    }
}
