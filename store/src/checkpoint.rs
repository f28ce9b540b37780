//! Checkpoints of the engine's hot state: what a start reads instead of the whole journal.
//!
//! A checkpoint is made of sections, each with the sequence number through which it goes, so that they need not be
//! taken at the same moment: recovery reads the journal from behind the lowest one and hands each section what
//! comes after its own. Two are kept; one that is not whole is passed over in favour of the older one.

use std::path::Path;

use crate::disk::Disk;
use crate::error::StoreError;
use crate::frames::{self, FrameReader, FrameWriter};

/// How many checkpoints are kept.
const KEPT: usize = 2;
const PREFIX: &str = "checkpoint-";
const SUFFIX: &str = ".ylc";

/// One part of the hot state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Which part; the engine's numbering, changed when the part's layout changes.
    pub id: u32,
    /// Through which record it goes.
    pub seq: u64,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A checkpoint as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The lowest of its sections: the journal is read from behind it.
    pub seq: u64,
    /// All sections, in the order of writing.
    pub sections: Vec<Section>,
}

impl Checkpoint {
    /// The section with this id, if there is one.
    #[must_use]
    pub fn section(&self, id: u32) -> Option<&Section> {
        self.sections.iter().find(|section| section.id == id)
    }
}

/// Gathers the sections of a checkpoint.
#[derive(Debug, Default)]
pub struct CheckpointWriter {
    sections: Vec<Section>,
}

impl CheckpointWriter {
    /// No section yet.
    #[must_use]
    pub fn new() -> CheckpointWriter {
        CheckpointWriter::default()
    }

    /// No section yet, and room for so many: it does not grow while the loop waits.
    #[must_use]
    pub fn with_room_for(sections: usize) -> CheckpointWriter {
        CheckpointWriter { sections: Vec::with_capacity(sections) }
    }

    /// Adds a section.
    #[must_use]
    pub fn section(mut self, id: u32, seq: u64, bytes: Vec<u8>) -> CheckpointWriter {
        self.sections.push(Section { id, seq, bytes });
        self
    }

    /// Writes it durably and removes those that are older than the two newest. A checkpoint must not go beyond what
    /// the journal has made durable: see to that before.
    ///
    /// # Errors
    /// When the disk refuses; those that were there are still there.
    pub fn write(self, disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
        let seq = lowest(&self.sections);
        let name = format!("{PREFIX}{seq:020}{SUFFIX}");
        let mut writer = FrameWriter::create(disk, dir, &name)?;
        for section in &self.sections {
            writer.push(section.id, section.seq, &section.bytes)?;
        }
        writer.finish(|_| Ok(()))?;
        let mut old = frames::names(disk, dir, PREFIX, SUFFIX)?;
        old.truncate(old.len().saturating_sub(KEPT));
        frames::remove(disk, dir, &old)
    }
}

/// The newest checkpoint that is whole; `None`: there is none, and the journal is read from its beginning.
///
/// # Errors
/// When the disk refuses. A damaged checkpoint is no error: it is passed over and logged.
pub fn load_latest(disk: &dyn Disk, dir: &Path) -> Result<Option<Checkpoint>, StoreError> {
    for name in frames::names(disk, dir, PREFIX, SUFFIX)?.into_iter().rev() {
        match load(disk, &dir.join(&name)) {
            Ok(checkpoint) => return Ok(Some(checkpoint)),
            Err(StoreError::BadFile { path, what }) => {
                tracing::error!(path = %path.display(), what, "a checkpoint is damaged; the one before is read");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The sequence number of the older kept checkpoint: what the journal may be let go below, should the newest turn
/// out damaged. `None`: there are not two yet.
///
/// # Errors
/// When the disk refuses.
pub fn fallback_seq(disk: &dyn Disk, dir: &Path) -> Result<Option<u64>, StoreError> {
    let names = frames::names(disk, dir, PREFIX, SUFFIX)?;
    let older = names.len().checked_sub(KEPT).and_then(|index| names.get(index));
    Ok(older.and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()))
}

/// The lowest record that any checkpoint here is of; `None`: there is none.
///
/// # Errors
/// When the disk refuses.
pub fn oldest_seq(disk: &dyn Disk, dir: &Path) -> Result<Option<u64>, StoreError> {
    let names = frames::names(disk, dir, PREFIX, SUFFIX)?;
    Ok(names.iter().filter_map(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()).min())
}

fn load(disk: &dyn Disk, path: &Path) -> Result<Checkpoint, StoreError> {
    let mut reader = FrameReader::open(disk, path)?;
    let mut sections = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        sections.push(Section { id: frame.id, seq: frame.seq, bytes: frame.payload });
    }
    Ok(Checkpoint { seq: lowest(&sections), sections })
}

fn lowest(sections: &[Section]) -> u64 {
    sections.iter().map(|section| section.seq).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ForgetfulDisk, Survivors};

    const DIR: &str = "/data/checkpoints";

    fn write(disk: &ForgetfulDisk, seq: u64) -> Result<(), StoreError> {
        let writer = CheckpointWriter::new().section(1, seq + 5, vec![seq as u8; 5000]).section(2, seq, Vec::new());
        writer.write(disk, Path::new(DIR))
    }

    fn newest(disk: &ForgetfulDisk) -> Option<u64> {
        load_latest(disk, Path::new(DIR)).unwrap().map(|checkpoint| checkpoint.seq)
    }

    #[test]
    fn two_are_kept_and_the_newest_comes_back_as_it_was() {
        let disk = ForgetfulDisk::new();
        assert_eq!(newest(&disk), None);
        for seq in [10, 20, 30] {
            write(&disk, seq).unwrap();
        }
        let checkpoint = load_latest(&disk, Path::new(DIR)).unwrap().unwrap();
        assert_eq!((checkpoint.seq, checkpoint.section(1).map(|section| section.seq)), (30, Some(35)));
        assert_eq!(checkpoint.section(1).map(|section| section.bytes.clone()), Some(vec![30; 5000]));
        assert_eq!(checkpoint.section(3), None);
        assert_eq!(disk.list(Path::new(DIR)).unwrap().len(), 2);
        assert_eq!(fallback_seq(&disk, Path::new(DIR)).unwrap(), Some(20));
    }

    #[test]
    fn a_crash_at_any_operation_leaves_the_old_one_or_the_new_one() {
        let quiet = ForgetfulDisk::new();
        write(&quiet, 10).unwrap();
        write(&quiet, 20).unwrap();
        let before = quiet.operations();
        write(&quiet, 30).unwrap();
        for k in 1..=quiet.operations() - before {
            for survivors in [Survivors::Nothing, Survivors::Everything, Survivors::Seeded(k)] {
                let disk = ForgetfulDisk::new();
                write(&disk, 10).unwrap();
                write(&disk, 20).unwrap();
                disk.crash_at(k);
                let written = write(&disk, 30).is_ok();
                disk.restart(survivors);
                let found = newest(&disk);
                assert!(found == Some(30) || (!written && found == Some(20)), "{k} {survivors:?} {found:?}");
            }
        }
    }

    #[test]
    fn a_torn_one_falls_back_to_the_older_one() {
        for offset in [3, 13, 40, 2000, 5040] {
            let disk = ForgetfulDisk::new();
            write(&disk, 10).unwrap();
            write(&disk, 20).unwrap();
            disk.flip_bit(&Path::new(DIR).join(format!("{PREFIX}{:020}{SUFFIX}", 20)), offset);
            assert_eq!(newest(&disk), Some(10), "bit at {offset}");
        }
    }
}
