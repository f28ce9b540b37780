//! sled, behind one file: an ordered map of bytes with atomic batches, and one such map for each shelf of history.
//!
//! sled's own `flush` is no `fsync`, a directory of its may not open any more after an abrupt stop, and it may
//! panic over one. So what is here is a view that can be rebuilt; there is one writer (the follower), values stay
//! small, and every error is a [`StoreError::State`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parking_lot::{MappedRwLockReadGuard, RwLock, RwLockReadGuard};

use crate::error::StoreError;

const MAIN_TREE: &str = "main";
const SHELF_PREFIX: &str = "shelf-";

/// The view's database.
pub(crate) struct Database {
    dir: PathBuf,
    cache_bytes: u64,
    /// `None`: it was closed to be opened again, and would not open yet.
    open: RwLock<Option<Open>>,
    /// Has every change refused, as by a full disk.
    #[cfg(test)]
    pub(crate) refuses: std::sync::atomic::AtomicBool,
}

struct Open {
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
        let open = Open::at(dir, cache_bytes)?;
        let existed = open.db.was_recovered();
        let database = Database {
            dir: dir.to_owned(),
            cache_bytes,
            open: RwLock::new(Some(open)),
            #[cfg(test)]
            refuses: Default::default(),
        };
        Ok((database, existed))
    }

    /// Closes it and opens it again: after an error sled takes nothing any more. Waits for whoever reads.
    pub(crate) fn reopen(&self) -> Result<(), String> {
        let mut open = self.open.write();
        drop(open.take());
        *open = Some(Open::at(&self.dir, self.cache_bytes)?);
        Ok(())
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        self.opened()?.main.get(key).map_err(failed)
    }

    pub(crate) fn apply(&self, changes: Changes) -> Result<(), StoreError> {
        #[cfg(test)]
        if self.refuses.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(failed("no space left on device"));
        }
        self.opened()?.main.apply_batch(changes.batch).map_err(failed)
    }

    /// Visits the keys from `from` up to, not including, `to`.
    pub(crate) fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        each(self.opened()?.main.range(from..to), visit)
    }

    /// The same, from the last one down.
    pub(crate) fn scan_back(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        each(self.opened()?.main.range(from..to).rev(), visit)
    }

    pub(crate) fn apply_shelf(&self, shelf: u32, changes: Changes) -> Result<(), StoreError> {
        self.opened()?.shelf(shelf)?.apply_batch(changes.batch).map_err(failed)
    }

    pub(crate) fn scan_shelf(&self, shelf: u32, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        let open = self.opened()?;
        // A shelf that was never written is not made by being read.
        if !open.has_shelf(shelf) {
            return Ok(());
        }
        let tree = open.shelf(shelf)?;
        if to.is_empty() { each(tree.range(from..), visit) } else { each(tree.range(from..to), visit) }
    }

    /// The shelves that have history, ascending.
    pub(crate) fn shelves(&self) -> Result<Vec<u32>, StoreError> {
        let names = self.opened()?.db.tree_names();
        let mut shelves: Vec<u32> = names
            .iter()
            .filter_map(|name| std::str::from_utf8(name).ok()?.strip_prefix(SHELF_PREFIX)?.parse().ok())
            .collect();
        shelves.sort_unstable();
        Ok(shelves)
    }

    pub(crate) fn drop_shelf(&self, shelf: u32) -> Result<(), StoreError> {
        let open = self.opened()?;
        open.shelves.write().retain(|(open, _)| *open != shelf);
        open.db.drop_tree(shelf_name(shelf)).map(|_| ()).map_err(failed)
    }

    /// Hands what is buffered to the kernel.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.opened()?.db.flush().map(|_| ()).map_err(failed)
    }

    /// A scan's visitor reads on while somebody may wait to open it again: such a read must not wait for them.
    fn opened(&self) -> Result<MappedRwLockReadGuard<'_, Open>, StoreError> {
        RwLockReadGuard::try_map(self.open.read_recursive(), Option::as_ref)
            .map_err(|_| failed("it could not be opened again yet; the log says why"))
    }
}

impl Open {
    fn at(dir: &Path, cache_bytes: u64) -> Result<Open, String> {
        // sled asserts over directories that it cannot make sense of: that is an answer like any other here.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let db = sled::Config::new().path(dir).cache_capacity(cache_bytes).open()?;
            let main = db.open_tree(MAIN_TREE)?;
            Ok::<_, sled::Error>((db, main))
        }));
        match opened {
            Ok(Ok((db, main))) => Ok(Open { db, main, shelves: RwLock::new(Vec::new()) }),
            Ok(Err(error)) => Err(error.to_string()),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Err(format!("sled panicked: {}", text.unwrap_or("it did not say why")))
            }
        }
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
