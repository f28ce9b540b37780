//! Opening the view, and what to do when it will not open.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::queries::newest_event;
use super::tree::{Changes, Database, Scan};
use super::{State, StateConfig, Telemetry, keys};
use crate::codec;
use crate::disk::Disk;
use crate::error::StoreError;
use crate::export::{self, ExportInfo};
use crate::layout::DataDir;
use crate::progress::Progress;

/// The layout of keys and values as a whole; a view with another one is rebuilt.
const STATE_VERSION: u32 = 2;
/// How many entries of each kind are read to see whether the view makes sense.
const PROBED_ENTRIES: usize = 64;
/// What there must be room for before a view is taken for broken.
const ROOM_PROBED_BYTES: usize = 1 << 20;
/// How many directories that were moved aside may lie about.
const MOVED_ASIDE_MAX: u32 = 1000;

/// How the view was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// There was none: it is empty.
    Fresh,
    /// It goes on from its cursors.
    Existing,
    /// It would not open, or made no sense: it lies elsewhere now, and the view is empty.
    MovedAside {
        /// Where.
        to: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Where a view comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateOrigin {
    /// How it was found.
    pub opened: Opened,
    /// The export that was read into it.
    pub export: Option<ExportInfo>,
    /// Records, first and last, that neither an export nor the journal has: the view misses them.
    pub missing: Option<(u64, u64)>,
}

/// Opens the view, and sees to it that the journal (whose oldest record is `journal_first_seq`, 0 for none, and
/// whose newest is `journal_last_seq`) can bring it up to date: a view that would not open, that is ahead of the
/// journal, or that an export is ahead of where the journal begins, is moved aside and begun anew from the newest
/// export that is whole.
///
/// # Errors
/// When even an empty view cannot be made, or an export cannot be read into it.
pub fn open_state(
    disk: &Arc<dyn Disk>,
    data: &DataDir,
    journal_first_seq: u64,
    journal_last_seq: u64,
    config: &StateConfig,
) -> Result<(Arc<State>, StateOrigin), StoreError> {
    let (mut state, mut opened) = State::open(&data.state(), config)?;
    let (mut export, mut is_new) = (None, opened != Opened::Existing);
    // An empty journal has everything up to its end behind it.
    let oldest = if journal_first_seq == 0 { journal_last_seq + 1 } else { journal_first_seq };
    if let Some(reason) = unfit(&**disk, data, &state, oldest, journal_last_seq)?.filter(|_| !is_new) {
        drop(state);
        let to = move_aside(&data.state(), &reason)?;
        (state, _) = State::open(&data.state(), config)?;
        (opened, is_new) = (Opened::MovedAside { to, reason }, true);
    }
    // Somebody was erased: what sled let go of still stands in its files.
    if !is_new && is_to_be_renewed(&**disk, data, &state, oldest)? {
        drop(state);
        // What an interrupted renewal left: the view that opened just now takes its place.
        finish_renewal(&data.state())?;
        let old = renewed(&data.state());
        std::fs::rename(data.state(), &old).map_err(StoreError::disk("rename", &old))?;
        (state, opened) = State::open(&data.state(), config)?;
        is_new = true;
        tracing::info!("the state is made anew from an export: somebody was erased");
    }
    if is_new {
        export = export::restore_latest(&**disk, &data.exports(), &state)?;
    }
    state.hint_at_registry()?;
    // Not before the new one stands: should the export turn out not to be readable, the old one is still there.
    finish_renewal(&data.state())?;
    let cursor = state.facts_cursor().min(state.telemetry_cursor());
    let missing = (cursor + 1 < oldest).then(|| (cursor + 1, oldest - 1));
    state.set_feed_epoch(crate::epoch::load(&**disk, data.root())?);
    Ok((state, StateOrigin { opened, export, missing }))
}

/// Whether the view's files still hold somebody who was erased, and an export and the journal can make new ones.
fn is_to_be_renewed(disk: &dyn Disk, data: &DataDir, state: &State, oldest: u64) -> Result<bool, StoreError> {
    let after = state.renew_after()?;
    let covered = if after > 0 { export::newest_covered_seq(disk, &data.exports())? } else { None };
    Ok(covered.is_some_and(|covered| covered >= after && covered + 1 >= oldest))
}

/// Where a view goes that was made anew.
fn renewed(dir: &Path) -> PathBuf {
    dir.with_extension("renewed")
}

/// Removes what a renewal put aside, if there is any.
fn finish_renewal(dir: &Path) -> Result<(), StoreError> {
    let old = renewed(dir);
    if old.exists() {
        std::fs::remove_dir_all(&old).map_err(StoreError::disk("remove", &old))?;
    }
    Ok(())
}

/// Why a view that opened cannot be used with this journal.
fn unfit(
    disk: &dyn Disk,
    data: &DataDir,
    state: &State,
    oldest: u64,
    journal_last_seq: u64,
) -> Result<Option<String>, StoreError> {
    let newest = state.facts_cursor().max(state.telemetry_cursor());
    if newest > journal_last_seq {
        return Ok(Some(format!("it holds record {newest}, but the journal ends at {journal_last_seq}")));
    }
    let cursor = state.facts_cursor().min(state.telemetry_cursor());
    if cursor + 1 >= oldest {
        return Ok(None);
    }
    let newest_export = export::newest_covered_seq(disk, &data.exports())?;
    Ok(newest_export.filter(|covered| *covered > cursor).map(|covered| {
        format!("it ends at record {cursor}, the journal begins at {oldest}, and an export reaches {covered}")
    }))
}

impl State {
    /// Opens or makes the view in a directory. What would not open, was condemned by the follower, or makes no
    /// sense is moved aside, and an empty one is made.
    ///
    /// # Errors
    /// When even an empty one cannot be made.
    pub fn open(dir: &Path, config: &StateConfig) -> Result<(Arc<State>, Opened), StoreError> {
        let condemned = std::fs::read_to_string(condemned_mark(dir)).ok();
        let fault = match condemned {
            Some(reason) => reason,
            None => match try_open(dir, config) {
                Ok((state, existed)) => {
                    let opened = if existed { Opened::Existing } else { Opened::Fresh };
                    return Ok((Arc::new(state), opened));
                }
                Err(fault) => fault,
            },
        };
        // A view that only has no room is whole: a new one would have none either.
        room_beside(dir).map_err(StoreError::disk("make room for", dir))?;
        tracing::error!(fault, "the state would not open; it is moved aside and rebuilt");
        let to = move_aside(dir, &fault)?;
        let (state, _) = try_open(dir, config).map_err(StoreError::State)?;
        Ok((Arc::new(state), Opened::MovedAside { to, reason: fault }))
    }

    /// Says of this view that it is broken, so that the next [`State::open`] moves it aside: what a follower does
    /// that could not go on.
    pub(crate) fn condemn(&self, reason: &str) {
        if let Err(error) = std::fs::write(condemned_mark(&self.dir), reason) {
            tracing::error!(%error, "the broken state could not be marked");
        }
    }
}

impl State {
    /// Closes the view and opens it again where it is, at the cursors that reached the disk: after a full disk had it
    /// refuse. What was in memory only is projected again from there.
    pub(crate) fn reopen(&self) -> Result<(), StoreError> {
        self.database.reopen().map_err(StoreError::State)?;
        let version = read_number(&self.database, keys::META_VERSION).map_err(StoreError::State)?;
        if version != Some(u64::from(STATE_VERSION)) {
            return Err(StoreError::State("it was opened again and has lost its version".to_owned()));
        }
        self.probe(PROBED_ENTRIES)?;
        let cursor = |key| read_number(&self.database, key).map_err(StoreError::State);
        let (facts, telemetry) = (cursor(keys::META_FACTS)?, cursor(keys::META_TELEMETRY)?);
        let quarantined = quarantined(&self.database)?;
        let mut growing = self.telemetry();
        *growing = Telemetry::default();
        growing.set_quarantined(quarantined);
        self.facts_cursor.store(facts.unwrap_or(0), Ordering::Release);
        self.telemetry_cursor.store(telemetry.unwrap_or(0), Ordering::Release);
        drop(growing);
        self.remember_erased()
    }

    /// Takes back what [`condemn`](State::condemn) said.
    pub(crate) fn absolve(&self) {
        let mark = condemned_mark(&self.dir);
        match std::fs::remove_file(&mark) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the state is well again, and its mark could not be removed: a restart rebuilds it");
            }
            _ => {}
        }
    }
}

/// An error when the disk has no room for a little file.
fn room_beside(dir: &Path) -> std::io::Result<()> {
    let probe = dir.with_extension("room");
    let written = std::fs::File::create(&probe).and_then(|mut file| {
        file.write_all(&[0; ROOM_PROBED_BYTES])?;
        file.sync_all()
    });
    let _ = std::fs::remove_file(&probe);
    match written {
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => Err(error),
        // Whatever else is wrong there, what follows says it.
        _ => Ok(()),
    }
}

fn condemned_mark(dir: &Path) -> PathBuf {
    dir.with_extension("condemned")
}

fn try_open(dir: &Path, config: &StateConfig) -> Result<(State, bool), String> {
    let (database, recovered) = Database::open(dir, config.cache_bytes)?;
    let version = read_number(&database, keys::META_VERSION)?;
    let existed = match version {
        Some(version) if version == u64::from(STATE_VERSION) => true,
        Some(version) => return Err(format!("its version is {version}, not {STATE_VERSION}")),
        // A crash in the first half second leaves an empty database behind: that is none.
        None if recovered && !is_empty(&database)? => return Err("it holds entries but no version".to_owned()),
        None => false,
    };
    if !existed {
        let mut changes = Changes::default();
        changes.put(keys::META_VERSION, number_value(u64::from(STATE_VERSION)));
        database.apply(changes).map_err(|error| error.to_string())?;
    }
    let facts_cursor = read_number(&database, keys::META_FACTS)?.unwrap_or(0);
    let telemetry_cursor = read_number(&database, keys::META_TELEMETRY)?.unwrap_or(0);
    let mut telemetry = Telemetry::default();
    telemetry.set_quarantined(quarantined(&database).map_err(|error| error.to_string())?);
    let newest_event = newest_event(&database).map_err(|error| error.to_string())?.unwrap_or(0);
    let state = State {
        dir: dir.to_owned(),
        database,
        telemetry: Mutex::new(telemetry),
        feed_epoch: AtomicU32::new(1),
        facts_cursor: AtomicU64::new(facts_cursor),
        telemetry_cursor: AtomicU64::new(telemetry_cursor),
        newest_event: Arc::new(Progress::new(newest_event)),
    };
    state.probe(PROBED_ENTRIES).map_err(|error| error.to_string())?;
    state.remember_erased().map_err(|error| error.to_string())?;
    Ok((state, existed))
}

fn is_empty(database: &Database) -> Result<bool, String> {
    let mut empty = true;
    let mut visit = |_: &[u8], _: &[u8]| {
        empty = false;
        Ok(Scan::Stop)
    };
    database.scan(&[0], &[u8::MAX], &mut visit).map_err(|error| error.to_string())?;
    Ok(empty)
}

fn quarantined(database: &Database) -> Result<VecDeque<u64>, StoreError> {
    let (from, to) = keys::all(keys::QUARANTINE);
    let mut seqs = VecDeque::new();
    database.scan(&from, &to, &mut |key, _| {
        seqs.push_back(keys::last_number(key));
        Ok(Scan::Go)
    })?;
    Ok(seqs)
}

pub(crate) fn number_value(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn read_number(database: &Database, key: &[u8]) -> Result<Option<u64>, String> {
    let value = database.get(key).map_err(|error| error.to_string())?;
    match value {
        None => Ok(None),
        Some(bytes) => match bytes.first_chunk() {
            Some(chunk) if bytes.len() == 8 => Ok(Some(u64::from_be_bytes(*chunk))),
            _ => Err(format!("{} is no number", String::from_utf8_lossy(key))),
        },
    }
}

/// Renames a directory to the first free name beside it, and takes its mark away.
fn move_aside(dir: &Path, reason: &str) -> Result<PathBuf, StoreError> {
    for n in 1..MOVED_ASIDE_MAX {
        let to = dir.with_extension(format!("damaged-{n}"));
        if to.exists() {
            continue;
        }
        if dir.exists() {
            std::fs::rename(dir, &to).map_err(StoreError::disk("move aside", dir))?;
        }
        let mark = condemned_mark(dir);
        if mark.exists() {
            std::fs::remove_file(&mark).map_err(StoreError::disk("remove", &mark))?;
        }
        tracing::warn!(to = %to.display(), reason, "moved a state aside");
        return Ok(to);
    }
    Err(StoreError::State(format!("too many states were moved aside beside {}: remove some", dir.display())))
}

/// Whether bytes decode as any value of the view would; for [`State::probe`].
pub(crate) fn has_known_schema(value: &[u8]) -> bool {
    value.is_empty() || value.first() == Some(&codec::VALUE_SCHEMA)
}
