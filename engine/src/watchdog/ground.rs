//! What engine and watchdog share on disk: the epoch, and the log of what the watchdog did.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use compact_str::CompactString;
use model::{AttemptId, AttemptOutcome, IncidentId, IncidentKind, PersonId, Timestamp, WearerId};
use serde::{Deserialize, Serialize};

/// Who was called and who answered is nobody else's business.
const FILE_MODE: u32 = 0o600;
const EPOCH_FILE: &str = "epoch";
const LOG_FILE: &str = "log.ndjson";
/// The part of the log that the engine is taking in.
const TAKEN_FILE: &str = "taken.ndjson";
const SNAPSHOT_FILE: &str = "snapshot";
/// What stood in the log and could not be read: for staff, and for whoever can mend it.
const UNREAD_FILE: &str = "unread.ndjson";
/// So much of that is kept.
const UNREAD_BYTES_MAX: u64 = 16 << 20;

/// Whose turn it is to call people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The engine's.
    Engine,
    /// The watchdog's.
    Watchdog,
}

/// Who has the turn, and since which change of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// Counts the changes.
    pub number: u64,
    /// Whose turn it is.
    pub holder: Holder,
    /// The id of the process that took it; 0 where an earlier version did, which did not say.
    pub process: u32,
}

/// One thing that the watchdog did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// It handed an attempt to a provider, or was about to.
    Sent {
        /// Which; those of its own have partition [`Ground::PARTITION`].
        attempt: AttemptId,
        /// For which incident.
        incident: Option<IncidentId>,
        /// About whom, and when: until it says what came of it, the engine does not send the same beside it.
        #[serde(default)]
        about: Option<(WearerId, Timestamp)>,
    },
    /// A provider took an attempt of the engine's: the engine has not to send it any more.
    Taken {
        /// Which.
        attempt: AttemptId,
        /// Who.
        provider: CompactString,
        /// The provider's own name for it, if it told one.
        reference: Option<CompactString>,
    },
    /// A provider, or somebody through it, told it something.
    Heard {
        /// About which.
        attempt: AttemptId,
        /// What.
        outcome: AttemptOutcome,
        /// The key that was pressed.
        key: Option<CompactString>,
    },
    /// A provider took a message of its own: the engine tells it, and leaves that phone alone for a while.
    StoodIn {
        /// Of an incident of its own: whose it is, and what happened.
        about: Option<(WearerId, IncidentKind)>,
        /// The attempt, sealed, in base64.
        sealed: String,
    },
    /// Somebody said to it that they go.
    Acknowledged {
        /// To which incident.
        incident: IncidentId,
        /// Who.
        person: PersonId,
        /// Whose it is, and what happened: of an incident of the watchdog's own the engine knows no more.
        about: Option<(WearerId, IncidentKind)>,
    },
    /// It called for an alarm that the engine could not write down any more.
    Alarm {
        /// Which, sealed, in base64.
        sealed: String,
    },
}

/// What the engine takes out of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// What can be read, in its order.
    pub deeds: Vec<Deed>,
    /// The lines that cannot.
    pub unread: Vec<String>,
}

/// `DIR/watchdog`.
#[derive(Debug, Clone)]
pub struct Ground {
    dir: PathBuf,
}

impl Ground {
    /// The partition in which the watchdog counts its attempts: the engine never does.
    pub const PARTITION: u8 = 63;

    /// Opens it, and makes it if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(data: &Path) -> io::Result<Ground> {
        let dir = data.join("watchdog");
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        // An older version may have made it for everybody to look at.
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
        Ok(Ground { dir })
    }

    /// The present epoch; `None` before the first.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        let text = fs::read_to_string(self.dir.join(EPOCH_FILE)).ok()?;
        let mut words = text.split_whitespace();
        let number = words.next()?.parse().ok()?;
        let holder = if words.next()? == "watchdog" { Holder::Watchdog } else { Holder::Engine };
        let process = words.next().and_then(|process| process.parse().ok()).unwrap_or(0);
        Some(Epoch { number, holder, process })
    }

    /// Raises the epoch for this process and returns the new number.
    ///
    /// # Errors
    /// When it cannot be written and synced.
    pub fn raise(&self, holder: Holder) -> io::Result<u64> {
        let next = self.epoch().map_or(1, |epoch| epoch.number + 1);
        let name = if holder == Holder::Watchdog { "watchdog" } else { "engine" };
        self.replace(EPOCH_FILE, format!("{next} {name} {}\n", std::process::id()).as_bytes())?;
        Ok(next)
    }

    /// Writes the engine's newest snapshot in the place of the one before. Not synced: after a power cut both processes
    /// begin with the journal, and a sync of this file holds up the journal's.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_snapshot(&self, sealed: &[u8]) -> io::Result<()> {
        self.write_fresh(SNAPSHOT_FILE, sealed)?;
        self.take_over(SNAPSHOT_FILE)
    }

    /// The engine's newest snapshot, sealed, and when it was written; `None`: as `seen`, or it cannot be read.
    #[must_use]
    pub fn snapshot(&self, seen: Option<SystemTime>) -> Option<(SystemTime, Vec<u8>)> {
        let path = self.dir.join(SNAPSHOT_FILE);
        let written = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok()?;
        if seen == Some(written) {
            return None;
        }
        Some((written, fs::read(&path).ok()?))
    }

    /// A file is there whole, as it was or as it is to be, also after a power cut.
    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.write_fresh(name, content)?.sync_data()?;
        self.take_over(name)?;
        File::open(&self.dir)?.sync_all()
    }

    fn write_fresh(&self, name: &str, content: &[u8]) -> io::Result<File> {
        let fresh = self.dir.join(format!("{name}.new"));
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(FILE_MODE).open(&fresh)?;
        file.write_all(content)?;
        Ok(file)
    }

    fn take_over(&self, name: &str) -> io::Result<()> {
        fs::rename(self.dir.join(format!("{name}.new")), self.dir.join(name))
    }

    /// Writes down what is about to be done, synced.
    ///
    /// # Errors
    /// When it cannot be written and synced.
    pub fn note(&self, deed: &Deed) -> io::Result<()> {
        let path = self.dir.join(LOG_FILE);
        // What a crash tore off is not to take the next line with it.
        let mut line = vec![b'\n'];
        line.append(&mut serde_json::to_vec(deed)?);
        line.push(b'\n');
        loop {
            let mut file = OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(&path)?;
            file.write_all(&line)?;
            file.sync_data()?;
            File::open(&self.dir)?.sync_all()?;
            // The engine may have taken the log away meanwhile, and read it before this was in it: twice is as good as once.
            if fs::metadata(&path).is_ok_and(|there| file.metadata().is_ok_and(|ours| there.ino() == ours.ino())) {
                return Ok(());
            }
        }
    }

    /// Takes what the watchdog did since the last time out of its log, and gives it; `None` when there is nothing. The
    /// same again until it is [forgotten](Ground::forget). A torn end is left out: nobody was told that it is written.
    ///
    /// # Errors
    /// When it cannot be moved or read.
    pub fn take(&self) -> io::Result<Option<Taken>> {
        let (log, taken) = (self.dir.join(LOG_FILE), self.dir.join(TAKEN_FILE));
        if !taken.try_exists()? {
            match fs::rename(&log, &taken) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                other => other?,
            }
        }
        let text = fs::read(&taken)?;
        let text = String::from_utf8_lossy(&text);
        let mut told = Taken::default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines().filter(|line| !line.is_empty()) {
            match serde_json::from_str(line) {
                Ok(deed) => told.deeds.push(deed),
                Err(_) => told.unread.push(line.to_owned()),
            }
        }
        Ok(Some(told))
    }

    /// Keeps a line of the log that could not be read, where staff finds it. `Ok(false)`: too many are there already.
    ///
    /// # Errors
    /// When it cannot be written and synced.
    pub fn keep_unread(&self, line: &str) -> io::Result<bool> {
        let path = self.unread();
        let mut file = OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(&path)?;
        let fits = file.metadata()?.len() + line.len() as u64 <= UNREAD_BYTES_MAX;
        if fits {
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_data()?;
            File::open(&self.dir)?.sync_all()?;
        }
        Ok(fits)
    }

    /// Where that is.
    #[must_use]
    pub fn unread(&self) -> PathBuf {
        self.dir.join(UNREAD_FILE)
    }

    /// Forgets what was taken: it is in the journal now.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget(&self) -> io::Result<()> {
        fs::remove_file(self.dir.join(TAKEN_FILE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_only_rises_and_the_log_survives_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let ground = Ground::open(dir.path()).unwrap();
        assert_eq!(ground.epoch(), None);
        assert_eq!(ground.raise(Holder::Engine).unwrap(), 1);
        assert_eq!(ground.raise(Holder::Watchdog).unwrap(), 2);
        let process = std::process::id();
        assert_eq!(ground.epoch(), Some(Epoch { number: 2, holder: Holder::Watchdog, process }));
        fs::write(ground.dir.join(EPOCH_FILE), "3 engine\n").unwrap();
        let unsigned = Epoch { number: 3, holder: Holder::Engine, process: 0 };
        assert_eq!(ground.epoch(), Some(unsigned), "as an earlier version wrote it");
        let (attempt, incident) = (AttemptId::new(63, 1), Some(IncidentId::new(0, 1)));
        let sent = Deed::Sent { attempt, incident, about: Some((WearerId::new("w1"), Timestamp::EPOCH)) };
        let about = Some((WearerId::new("w1"), IncidentKind::Sos));
        let held = Deed::Acknowledged { incident: IncidentId::new(0, 1), person: PersonId::new("g2"), about };
        assert_eq!(ground.take().unwrap(), None);
        ground.note(&sent).unwrap();
        ground.note(&held).unwrap();
        OpenOptions::new().append(true).open(ground.dir.join(LOG_FILE)).unwrap().write_all(b"{\"sent\":{").unwrap();
        for (name, mode) in [("", 0o700), (EPOCH_FILE, 0o600), (LOG_FILE, 0o600)] {
            assert_eq!(fs::metadata(ground.dir.join(name)).unwrap().mode() & 0o777, mode, "{name}");
        }
        let told = |deeds, unread| Some(Taken { deeds, unread });
        let expected = told(vec![sent.clone(), held], Vec::new());
        assert_eq!(ground.take().unwrap(), expected);
        ground.note(&sent).unwrap();
        assert_eq!(ground.take().unwrap(), expected, "as after a crash: what came since waits for its turn");
        ground.forget().unwrap();
        OpenOptions::new().append(true).open(ground.dir.join(LOG_FILE)).unwrap().write_all(b"{\"sent\":{").unwrap();
        ground.note(&sent).unwrap();
        let torn = vec!["{\"sent\":{".to_owned()];
        assert_eq!(ground.take().unwrap(), told(vec![sent.clone(), sent], torn), "and takes nothing with it");
        ground.forget().unwrap();
        assert_eq!(ground.take().unwrap(), None);
        assert!(ground.keep_unread("{\"sent\":{").unwrap() && ground.keep_unread("x").unwrap());
        assert_eq!(fs::read_to_string(ground.unread()).unwrap(), "{\"sent\":{\nx\n");
        assert!(!ground.keep_unread(&"x".repeat(UNREAD_BYTES_MAX as usize)).unwrap(), "not without end");
    }
}
