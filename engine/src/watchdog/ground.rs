//! What engine and watchdog share on disk: the epoch, and the log of what the watchdog did.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use model::{AttemptId, IncidentId, PersonId};
use serde::{Deserialize, Serialize};

const EPOCH_FILE: &str = "epoch";
const LOG_FILE: &str = "log.ndjson";

/// Whose turn it is to call people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The engine's.
    Engine,
    /// The watchdog's.
    Watchdog,
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
    },
    /// Somebody said to it that they go.
    Acknowledged {
        /// To which incident.
        incident: IncidentId,
        /// Who.
        person: PersonId,
    },
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
        fs::create_dir_all(&dir)?;
        Ok(Ground { dir })
    }

    /// The present epoch and who holds it; `None` before the first.
    #[must_use]
    pub fn epoch(&self) -> Option<(u64, Holder)> {
        let text = fs::read_to_string(self.dir.join(EPOCH_FILE)).ok()?;
        let (number, holder) = text.trim().split_once(' ')?;
        let holder = if holder == "watchdog" { Holder::Watchdog } else { Holder::Engine };
        Some((number.parse().ok()?, holder))
    }

    /// Raises the epoch and returns the new one.
    ///
    /// # Errors
    /// When it cannot be written and synced.
    pub fn raise(&self, holder: Holder) -> io::Result<u64> {
        let next = self.epoch().map_or(1, |(number, _)| number + 1);
        let name = if holder == Holder::Watchdog { "watchdog" } else { "engine" };
        let fresh = self.dir.join("epoch.new");
        let mut file = File::create(&fresh)?;
        writeln!(file, "{next} {name}")?;
        file.sync_data()?;
        fs::rename(&fresh, self.dir.join(EPOCH_FILE))?;
        File::open(&self.dir)?.sync_all()?;
        Ok(next)
    }

    /// Writes down what is about to be done, synced.
    ///
    /// # Errors
    /// When it cannot be written and synced.
    pub fn note(&self, deed: &Deed) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(self.dir.join(LOG_FILE))?;
        let mut line = serde_json::to_vec(deed)?;
        line.push(b'\n');
        file.write_all(&line)?;
        file.sync_data()
    }

    /// Everything that the watchdog did since the log was last cleared; a torn line at the end is left out.
    #[must_use]
    pub fn deeds(&self) -> Vec<Deed> {
        let text = fs::read_to_string(self.dir.join(LOG_FILE)).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Forgets them: they are in the journal now.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        match fs::remove_file(self.dir.join(LOG_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
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
        assert_eq!(ground.epoch(), Some((2, Holder::Watchdog)));
        let sent = Deed::Sent { attempt: AttemptId::new(63, 1), incident: Some(IncidentId::new(0, 1)) };
        let held = Deed::Acknowledged { incident: IncidentId::new(0, 1), person: PersonId::new("g2") };
        ground.note(&sent).unwrap();
        ground.note(&held).unwrap();
        OpenOptions::new().append(true).open(ground.dir.join(LOG_FILE)).unwrap().write_all(b"{\"sent\":{").unwrap();
        assert_eq!(ground.deeds(), [sent, held]);
        ground.clear().unwrap();
        ground.clear().unwrap();
        assert_eq!(ground.deeds(), []);
    }
}
