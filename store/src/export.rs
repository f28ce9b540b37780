//! Verified exports: what the view is rebuilt from when the journal no longer reaches back to its beginning.
//!
//! An export is a file with every entry of the view, and a file of history for each day and stretch: a day's
//! history is written in parts as it grows, and in one part once it is closed. Nothing in the view is frozen while
//! it is read: the cursors are noted first, so an export may hold more than it says, and what the journal brings
//! again falls onto itself. Every file is read back before it gets its name. Two exports are kept, with the history
//! that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::codec::{decode_value, encode_value};
use crate::disk::Disk;
use crate::error::StoreError;
use crate::frames::{self, FrameReader, FrameWriter};
use crate::state::tree::Changes;
use crate::state::{State, last_seq_of_block, of_shelf};

/// How many exports are kept.
const KEPT: usize = 2;
const EXPORT_PREFIX: &str = "export-";
const HISTORY_PREFIX: &str = "history-";
const SUFFIX: &str = ".ylx";
/// A day is closed when this many days have passed since it ended: what reaches us later opens it again.
const OPEN_DAYS: u32 = 2;
const DAY_MILLIS: i64 = 86_400_000;
/// How many entries go into one frame, and into one batch when they are read.
const FRAME_BYTES: usize = 256 << 10;

const MANIFEST: u32 = 1;
const ENTRIES: u32 = 2;
const BLOCKS: u32 = 3;

/// What an export covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportInfo {
    /// Facts through this record.
    pub facts_seq: u64,
    /// Telemetry through this one.
    pub telemetry_seq: u64,
    /// The size of what was written for it; history that was there already is not counted.
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    facts_seq: u64,
    telemetry_seq: u64,
    /// When it was made.
    at: Timestamp,
    /// The files of each shelf of history.
    history: BTreeMap<u32, Vec<String>>,
}

impl Manifest {
    fn covered(&self) -> u64 {
        self.facts_seq.min(self.telemetry_seq)
    }

    fn name(&self) -> String {
        format!("{EXPORT_PREFIX}{:020}{SUFFIX}", self.covered())
    }
}

/// Writes an export of what the view holds now ([`Follower::flush`](crate::Follower::flush) first, or it is older
/// than need be), reads it back, and removes what the two newest do not need.
///
/// # Errors
/// When the disk or the view refuses, or what was read back is not what was written; older exports stay.
pub fn write(disk: &dyn Disk, dir: &Path, state: &State, now: Timestamp) -> Result<ExportInfo, StoreError> {
    let before = manifests(disk, dir)?.pop();
    let mut manifest = Manifest {
        facts_seq: state.facts_cursor(),
        telemetry_seq: state.telemetry_cursor(),
        at: now,
        history: BTreeMap::new(),
    };
    let mut bytes = 0;
    for (shelf, changed_seq) in state.shelves()? {
        let (files, written) = write_shelf(disk, dir, state, &manifest, before.as_ref(), (shelf, changed_seq))?;
        manifest.history.insert(shelf, files);
        bytes += written;
    }
    let mut writer = FrameWriter::create(disk, dir, &manifest.name())?;
    writer.push(MANIFEST, manifest.covered(), &encode_value(&manifest)?)?;
    let mut packer = Packer::new(ENTRIES, manifest.covered());
    state.dump(&mut |key, value| packer.push(&mut writer, key, value))?;
    packer.end(&mut writer)?;
    let entries = packer.entries;
    bytes += writer.finish(|reader| verify(reader, entries))?;
    let info = ExportInfo { facts_seq: manifest.facts_seq, telemetry_seq: manifest.telemetry_seq, bytes };
    forget_old(disk, dir)?;
    Ok(info)
}

/// What the older of the two kept exports covers: the journal may be let go below it, because even if the newest
/// turned out damaged the older one and the journal would do. With one export: what that covers. `None`: no export.
///
/// # Errors
/// When the disk refuses.
pub fn covered_seq(disk: &dyn Disk, dir: &Path) -> Result<Option<u64>, StoreError> {
    let manifests = manifests(disk, dir)?;
    let older = manifests.len().saturating_sub(KEPT);
    Ok(manifests.get(older).map(Manifest::covered))
}

/// The lowest record that any file here may rest on the time before of; `None`: there is no export.
///
/// # Errors
/// When the disk refuses.
pub fn oldest_facts_seq(disk: &dyn Disk, dir: &Path) -> Result<Option<u64>, StoreError> {
    Ok(manifests(disk, dir)?.iter().map(|manifest| manifest.facts_seq).min())
}

/// What the newest export covers.
pub(crate) fn newest_covered_seq(disk: &dyn Disk, dir: &Path) -> Result<Option<u64>, StoreError> {
    Ok(manifests(disk, dir)?.last().map(Manifest::covered))
}

/// Reads the newest export that is whole into an empty view. `None`: there is none.
///
/// # Errors
/// When the disk or the view refuses. A damaged export is passed over and logged; the view then holds a part of
/// it, which the older one and the journal overwrite.
pub fn restore_latest(disk: &dyn Disk, dir: &Path, state: &State) -> Result<Option<ExportInfo>, StoreError> {
    for manifest in manifests(disk, dir)?.into_iter().rev() {
        match restore(disk, dir, state, &manifest) {
            Ok(bytes) => {
                state.restored(manifest.facts_seq, manifest.telemetry_seq)?;
                let Manifest { facts_seq, telemetry_seq, .. } = manifest;
                return Ok(Some(ExportInfo { facts_seq, telemetry_seq, bytes }));
            }
            Err(error @ (StoreError::BadFile { .. } | StoreError::Codec { .. })) => {
                tracing::error!(%error, "an export is damaged; the one before is read");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn restore(disk: &dyn Disk, dir: &Path, state: &State, manifest: &Manifest) -> Result<u64, StoreError> {
    let mut bytes = 0;
    let mut reader = FrameReader::open(disk, &dir.join(manifest.name()))?;
    while let Some(frame) = reader.next_frame()? {
        if frame.id == ENTRIES {
            bytes += frame.payload.len() as u64;
            state.restore(unpack(&reader, &frame.payload)?.0)?;
        }
    }
    for (shelf, files) in &manifest.history {
        for file in files {
            let mut reader = FrameReader::open(disk, &dir.join(file)).map_err(missing_is_damage)?;
            while let Some(frame) = reader.next_frame()? {
                bytes += frame.payload.len() as u64;
                state.restore_shelf(*shelf, unpack(&reader, &frame.payload)?.0)?;
            }
        }
    }
    Ok(bytes)
}

fn missing_is_damage(error: StoreError) -> StoreError {
    match error {
        StoreError::Disk { path, source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            StoreError::BadFile { path, what: "it is missing".to_owned() }
        }
        other => other,
    }
}

/// The manifests of all exports whose manifest can be read, oldest first.
fn manifests(disk: &dyn Disk, dir: &Path) -> Result<Vec<Manifest>, StoreError> {
    let mut manifests = Vec::new();
    for name in frames::names(disk, dir, EXPORT_PREFIX, SUFFIX)? {
        let read = FrameReader::open(disk, &dir.join(&name)).and_then(|mut reader| match reader.next_frame()? {
            Some(frame) if frame.id == MANIFEST => decode_value("export manifest", &frame.payload),
            _ => Err(reader.bad("it does not begin with a manifest")),
        });
        match read {
            Ok(manifest) => manifests.push(manifest),
            Err(error @ (StoreError::BadFile { .. } | StoreError::Codec { .. })) => {
                tracing::error!(%error, "an export is damaged");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(manifests)
}

/// Writes what an earlier export does not have of a shelf. Returns the shelf's files, and what was written.
fn write_shelf(
    disk: &dyn Disk,
    dir: &Path,
    state: &State,
    manifest: &Manifest,
    before: Option<&Manifest>,
    (shelf, changed_seq): (u32, u64),
) -> Result<(Vec<String>, u64), StoreError> {
    let mut files = before.and_then(|before| before.history.get(&shelf)).cloned().unwrap_or_default();
    // Somebody was taken out of it after the export before was begun: what that wrote is not gone on from.
    let erased_at = state.shelf_erased_at(shelf)?;
    if before.is_some_and(|before| before.facts_seq < erased_at) {
        files.clear();
    }
    let known_through = if files.is_empty() { 0 } else { before.map_or(0, |before| before.telemetry_seq) };
    let is_changed = changed_seq > known_through || files.is_empty();
    let day = of_shelf(shelf).map_or(u32::MAX >> 1, |(day, _)| day);
    let is_closed = i64::from(day + 1 + OPEN_DAYS) * DAY_MILLIS <= manifest.at.millis();
    let rewrites = is_closed && (files.len() > 1 || (is_changed && !files.is_empty()));
    if !is_changed && !rewrites {
        return Ok((files, 0));
    }
    let known_through = if rewrites { 0 } else { known_through };
    let name = format!("{HISTORY_PREFIX}{shelf:06}-{:020}-{:020}{SUFFIX}", known_through, manifest.telemetry_seq);
    let mut writer = FrameWriter::create(disk, dir, &name)?;
    let mut packer = Packer::new(BLOCKS, u64::from(shelf));
    state.dump_shelf(shelf, &mut |key, block| {
        if last_seq_of_block(block)? > known_through { packer.push(&mut writer, key, block) } else { Ok(()) }
    })?;
    packer.end(&mut writer)?;
    let entries = packer.entries;
    let bytes = writer.finish(|reader| verify(reader, entries))?;
    if rewrites {
        files.clear();
    }
    // The same export again, after a crash, writes the same file.
    files.retain(|file| *file != name);
    files.push(name);
    Ok((files, bytes))
}

/// Removes exports beyond the newest two, and the history that none of the kept ones names.
fn forget_old(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    let mut kept = manifests(disk, dir)?;
    kept.drain(..kept.len().saturating_sub(KEPT));
    let mut needed: BTreeSet<String> = kept.iter().map(Manifest::name).collect();
    needed.extend(kept.into_iter().flat_map(|manifest| manifest.history.into_values().flatten()));
    let mut old = frames::names(disk, dir, EXPORT_PREFIX, SUFFIX)?;
    old.extend(frames::names(disk, dir, HISTORY_PREFIX, SUFFIX)?);
    old.retain(|name| !needed.contains(name));
    frames::remove(disk, dir, &old)
}

/// Reads all frames of a file and counts their entries.
fn verify(reader: &mut FrameReader, entries: u64) -> Result<(), StoreError> {
    let mut found = 0;
    while let Some(frame) = reader.next_frame()? {
        if matches!(frame.id, ENTRIES | BLOCKS) {
            found += unpack(reader, &frame.payload)?.1;
        }
    }
    if found == entries { Ok(()) } else { Err(reader.bad("what was read back is not what was written")) }
}

/// Gathers keys and values into frames: u32 length and bytes of each.
struct Packer {
    id: u32,
    seq: u64,
    payload: Vec<u8>,
    entries: u64,
}

impl Packer {
    fn new(id: u32, seq: u64) -> Packer {
        Packer { id, seq, payload: Vec::new(), entries: 0 }
    }

    fn push(&mut self, writer: &mut FrameWriter<'_>, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        for bytes in [key, value] {
            self.payload.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            self.payload.extend_from_slice(bytes);
        }
        self.entries += 1;
        if self.payload.len() >= FRAME_BYTES { self.end(writer) } else { Ok(()) }
    }

    fn end(&mut self, writer: &mut FrameWriter<'_>) -> Result<(), StoreError> {
        if !self.payload.is_empty() {
            writer.push(self.id, self.seq, &self.payload)?;
            self.payload.clear();
        }
        Ok(())
    }
}

fn unpack(reader: &FrameReader, payload: &[u8]) -> Result<(Changes, u64), StoreError> {
    let mut changes = Changes::default();
    let mut entries = 0;
    let mut rest = payload;
    while !rest.is_empty() {
        let entry = take(rest).and_then(|(key, rest)| take(rest).map(|(value, rest)| (key, value, rest)));
        let (key, value, after) = entry.ok_or_else(|| reader.bad("an entry is cut off"))?;
        changes.put(key, value.to_vec());
        (rest, entries) = (after, entries + 1);
    }
    Ok((changes, entries))
}

fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}
