//! Which key an attempt was sent with, on disk: an engine that starts anew, and the watchdog, send it again with the same
//! one. Written before the send and not synced: a process that is killed forgets nothing; after a power cut a message may
//! show twice, as it may without a key.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use channels::once::KeptKeys;
use model::{AttemptId, Timestamp};

/// From this size on what is too old is left out.
pub const KEPT_BYTES_MAX: u64 = 8 << 20;
const FILE_MODE: u32 = 0o600;

/// The file of one provider: a line for each attempt, `attempt milliseconds key`.
#[derive(Debug, Clone)]
pub struct Kept {
    path: PathBuf,
}

impl Kept {
    /// The file for a provider's name in this directory. Neither has to be there.
    #[must_use]
    pub fn new(dir: &Path, name: &str) -> Kept {
        Kept { path: dir.join(name) }
    }

    fn leave_out(&self, since: Timestamp) -> io::Result<()> {
        let left: String = self.read(since).iter().map(|(attempt, at, key)| line(*attempt, *at, key)).collect();
        let fresh = self.path.with_extension("new");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(FILE_MODE).open(&fresh)?;
        file.write_all(left.as_bytes())?;
        fs::rename(&fresh, &self.path)
    }
}

impl KeptKeys for Kept {
    /// Lines that cannot be read are passed over.
    fn read(&self, since: Timestamp) -> Vec<(AttemptId, Timestamp, String)> {
        let text = fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().filter_map(read_line).filter(|(_, at, _)| *at > since).collect()
    }

    fn note(&self, attempt: AttemptId, at: Timestamp, key: &str, since: Timestamp) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        if fs::metadata(&self.path).is_ok_and(|file| file.len() > KEPT_BYTES_MAX) {
            self.leave_out(since)?;
        }
        let mut file = OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(&self.path)?;
        // In one piece: the watchdog may write at the same time.
        file.write_all(line(attempt, at, key).as_bytes())
    }
}

fn line(attempt: AttemptId, at: Timestamp, key: &str) -> String {
    format!("{attempt} {} {key}\n", at.millis())
}

fn read_line(line: &str) -> Option<(AttemptId, Timestamp, String)> {
    let mut words = line.split(' ');
    let (attempt, at, key) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?);
    (words.next().is_none() && !key.is_empty()).then(|| (attempt, Timestamp::from_millis(at), key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_until_it_is_too_old() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(&dir.path().join("once"), "push");
        let (at, id) = (|seconds: i64| Timestamp::from_millis(seconds * 1_000), |n| AttemptId::new(0, n));
        assert_eq!(kept.read(at(0)), []);
        for n in 1..=3 {
            kept.note(id(n), at(n as i64), &format!("k{n}"), at(0)).unwrap();
        }
        let torn = "a9 12\nnonsense\n\na5 7 k5 more\n";
        OpenOptions::new().append(true).open(&kept.path).unwrap().write_all(torn.as_bytes()).unwrap();
        let all: Vec<_> = (1..=3).map(|n| (id(n), at(n as i64), format!("k{n}"))).collect();
        assert_eq!(kept.read(at(0)), all);
        assert_eq!(kept.read(at(1)), all[1..]);
        // Of a file that has grown too long the old part goes.
        let filler = "x".repeat(KEPT_BYTES_MAX as usize);
        OpenOptions::new().append(true).open(&kept.path).unwrap().write_all(filler.as_bytes()).unwrap();
        kept.note(id(4), at(4), "k4", at(2)).unwrap();
        assert_eq!(fs::read_to_string(&kept.path).unwrap(), format!("{} 3000 k3\n{} 4000 k4\n", id(3), id(4)));
    }
}
