//! sled, behind one file: an ordered map of bytes with atomic batches, and one such map for each day of history.
//!
//! sled's own `flush` is no `fsync`, a directory of its may not open any more after an abrupt stop, and it may
//! panic over one. So what is here is a view that can be rebuilt; there is one writer (the follower), values stay
//! small, and every error is a [`StoreError::State`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parking_lot::RwLock;

use crate::error::StoreError;

const MAIN_TREE: &str = "main";
const DAY_PREFIX: &str = "day-";

/// The view's database.
pub(crate) struct Database {
    db: sled::Db,
    main: sled::Tree,
    /// Opening a tree takes a lock and a search: the few days that are in use are kept open.
    days: RwLock<Vec<(u32, sled::Tree)>>,
}

/// Changes that are applied together or not at all; of several to one key the last counts.
#[derive(Default)]
pub(crate) struct Changes {
    batch: sled::Batch,
    count: usize,
}

impl Changes {
    pub(crate) fn put(&mut self, key: &[u8], value: Vec<u8>) {
        self.batch.insert(key, value);
        self.count += 1;
    }

    pub(crate) fn delete(&mut self, key: &[u8]) {
        self.batch.remove(key);
        self.count += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }
}

/// Is handed keys and values in turn.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<Scan, StoreError>;

/// What a scan goes on with after an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    Go,
    Stop,
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError::State(error.to_string())
}

impl Database {
    /// Opens or makes it; `true`: there was one. The message says why it would not open.
    pub(crate) fn open(dir: &Path, cache_bytes: u64) -> Result<(Database, bool), String> {
        // sled asserts over directories that it cannot make sense of: that is an answer like any other here.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let db = sled::Config::new().path(dir).cache_capacity(cache_bytes).open()?;
            let main = db.open_tree(MAIN_TREE)?;
            Ok::<_, sled::Error>((db, main))
        }));
        match opened {
            Ok(Ok((db, main))) => {
                let existed = db.was_recovered();
                Ok((Database { db, main, days: RwLock::new(Vec::new()) }, existed))
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Err(format!("sled panicked: {}", text.unwrap_or("it did not say why")))
            }
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        self.main.get(key).map_err(failed)
    }

    pub(crate) fn apply(&self, changes: Changes) -> Result<(), StoreError> {
        self.main.apply_batch(changes.batch).map_err(failed)
    }

    /// Visits the keys from `from` up to, not including, `to`.
    pub(crate) fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        each(self.main.range(from..to), visit)
    }

    /// The same, from the last one down.
    pub(crate) fn scan_back(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        each(self.main.range(from..to).rev(), visit)
    }

    pub(crate) fn apply_day(&self, day: u32, changes: Changes) -> Result<(), StoreError> {
        self.day(day)?.apply_batch(changes.batch).map_err(failed)
    }

    pub(crate) fn scan_day(&self, day: u32, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        // A day that was never written is not made by being read.
        if !self.has_day(day) {
            return Ok(());
        }
        let tree = self.day(day)?;
        if to.is_empty() { each(tree.range(from..), visit) } else { each(tree.range(from..to), visit) }
    }

    /// The days that have history, ascending.
    pub(crate) fn days(&self) -> Vec<u32> {
        let names = self.db.tree_names();
        let mut days: Vec<u32> = names
            .iter()
            .filter_map(|name| std::str::from_utf8(name).ok()?.strip_prefix(DAY_PREFIX)?.parse().ok())
            .collect();
        days.sort_unstable();
        days
    }

    pub(crate) fn drop_day(&self, day: u32) -> Result<(), StoreError> {
        self.days.write().retain(|(open, _)| *open != day);
        self.db.drop_tree(day_name(day)).map(|_| ()).map_err(failed)
    }

    /// Hands what is buffered to the kernel.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.db.flush().map(|_| ()).map_err(failed)
    }

    fn has_day(&self, day: u32) -> bool {
        self.days.read().iter().any(|(open, _)| *open == day)
            || self.db.tree_names().iter().any(|name| **name == *day_name(day).as_bytes())
    }

    fn day(&self, day: u32) -> Result<sled::Tree, StoreError> {
        if let Some((_, tree)) = self.days.read().iter().find(|(open, _)| *open == day) {
            return Ok(tree.clone());
        }
        let tree = self.db.open_tree(day_name(day)).map_err(failed)?;
        self.days.write().push((day, tree.clone()));
        Ok(tree)
    }
}

fn day_name(day: u32) -> String {
    format!("{DAY_PREFIX}{day:06}")
}

fn each(
    entries: impl Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>>,
    visit: Visit<'_>,
) -> Result<(), StoreError> {
    for entry in entries {
        let (key, value) = entry.map_err(failed)?;
        if visit(&key, &value)? == Scan::Stop {
            break;
        }
    }
    Ok(())
}
