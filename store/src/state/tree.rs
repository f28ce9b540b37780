//! sled, behind one file: an ordered map of bytes with atomic batches, and one such map for each shelf of history.
//!
//! sled's own `flush` is no `fsync`, a directory of its may not open any more after an abrupt stop, and it may
//! panic over one. So what is here is a view that can be rebuilt; there is one writer (the follower), values stay
//! small, and every error is a [`StoreError::State`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parking_lot::RwLock;

use crate::error::StoreError;

const MAIN_TREE: &str = "main";
const SHELF_PREFIX: &str = "shelf-";

/// The view's database.
pub(crate) struct Database {
    db: sled::Db,
    main: sled::Tree,
    /// Opening a tree takes a lock and a search: the few shelves that are in use are kept open.
    shelves: RwLock<Vec<(u32, sled::Tree)>>,
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
                Ok((Database { db, main, shelves: RwLock::new(Vec::new()) }, existed))
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

    pub(crate) fn apply_shelf(&self, shelf: u32, changes: Changes) -> Result<(), StoreError> {
        self.shelf(shelf)?.apply_batch(changes.batch).map_err(failed)
    }

    pub(crate) fn scan_shelf(&self, shelf: u32, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        // A shelf that was never written is not made by being read.
        if !self.has_shelf(shelf) {
            return Ok(());
        }
        let tree = self.shelf(shelf)?;
        if to.is_empty() { each(tree.range(from..), visit) } else { each(tree.range(from..to), visit) }
    }

    /// The shelves that have history, ascending.
    pub(crate) fn shelves(&self) -> Vec<u32> {
        let names = self.db.tree_names();
        let mut shelves: Vec<u32> = names
            .iter()
            .filter_map(|name| std::str::from_utf8(name).ok()?.strip_prefix(SHELF_PREFIX)?.parse().ok())
            .collect();
        shelves.sort_unstable();
        shelves
    }

    pub(crate) fn drop_shelf(&self, shelf: u32) -> Result<(), StoreError> {
        self.shelves.write().retain(|(open, _)| *open != shelf);
        self.db.drop_tree(shelf_name(shelf)).map(|_| ()).map_err(failed)
    }

    /// Hands what is buffered to the kernel.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.db.flush().map(|_| ()).map_err(failed)
    }

    fn has_shelf(&self, shelf: u32) -> bool {
        self.shelves.read().iter().any(|(open, _)| *open == shelf)
            || self.db.tree_names().iter().any(|name| **name == *shelf_name(shelf).as_bytes())
    }

    fn shelf(&self, shelf: u32) -> Result<sled::Tree, StoreError> {
        if let Some((_, tree)) = self.shelves.read().iter().find(|(open, _)| *open == shelf) {
            return Ok(tree.clone());
        }
        let tree = self.db.open_tree(shelf_name(shelf)).map_err(failed)?;
        self.shelves.write().push((shelf, tree.clone()));
        Ok(tree)
    }
}

fn shelf_name(shelf: u32) -> String {
    format!("{SHELF_PREFIX}{shelf:06}")
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
