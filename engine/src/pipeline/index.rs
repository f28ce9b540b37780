//! Which slot a name has: a table of hashes and slots, without the names themselves.
//!
//! Among a million names a look-up is a wait for memory. Here it is one: eight bytes a cell, found by the hash alone, next
//! to its neighbours in one line. The name is compared in the slot, where whoever asks looks anyway; and who asks soon can
//! have line and slot fetched before ([`Index::foresee`], [`Index::likely`]).

/// The smallest table.
const CELLS_MIN: usize = 64;

/// Open addressing, linear probing, at most two thirds full. A cell is the hash (32 bits) and the slot plus one; 0 is free.
#[derive(Debug, Default)]
pub(super) struct Index {
    cells: Vec<u64>,
    taken: usize,
}

impl Index {
    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.taken
    }

    /// The slot with this hash that has the name.
    pub(super) fn find(&self, hash: u32, has_name: impl Fn(u32) -> bool) -> Option<u32> {
        self.cell(hash, has_name).map(|at| slot_of(self.cells[at]))
    }

    /// The first slot with this hash: it nearly always has the name.
    pub(super) fn likely(&self, hash: u32) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// Looks where this hash belongs, and returns something that means nothing.
    pub(super) fn foresee(&self, hash: u32) -> u64 {
        self.cells.get(self.home(hash)).copied().unwrap_or_default()
    }

    /// Adds a slot whose name is not there.
    pub(super) fn insert(&mut self, hash: u32, slot: u32) {
        if (self.taken + 1) * 3 > self.cells.len() * 2 {
            let larger = vec![0; (self.cells.len() * 2).max(CELLS_MIN)];
            // In the order of the hashes, which is that of the places: a city is moved in milliseconds.
            for cell in std::mem::replace(&mut self.cells, larger).into_iter().filter(|cell| *cell != 0) {
                self.place(cell);
            }
        }
        self.place(u64::from(hash) << 32 | (u64::from(slot) + 1));
        self.taken += 1;
    }

    /// Takes the slot out that has the name. What stands behind it moves up, so that everything is still found.
    pub(super) fn remove(&mut self, hash: u32, has_name: impl Fn(u32) -> bool) -> Option<u32> {
        let mut hole = self.cell(hash, has_name)?;
        let slot = slot_of(self.cells[hole]);
        let mut at = self.after(hole);
        while self.cells[at] != 0 {
            let home = self.home(hash_of(self.cells[at]));
            if self.steps(home, at) >= self.steps(hole, at) {
                self.cells[hole] = self.cells[at];
                hole = at;
            }
            at = self.after(at);
        }
        self.cells[hole] = 0;
        self.taken -= 1;
        Some(slot)
    }

    fn cell(&self, hash: u32, has_name: impl Fn(u32) -> bool) -> Option<usize> {
        let mut at = self.home(hash);
        loop {
            match *self.cells.get(at)? {
                0 => return None,
                cell if hash_of(cell) == hash && has_name(slot_of(cell)) => return Some(at),
                _ => at = self.after(at),
            }
        }
    }

    fn place(&mut self, cell: u64) {
        let mut at = self.home(hash_of(cell));
        while self.cells[at] != 0 {
            at = self.after(at);
        }
        self.cells[at] = cell;
    }

    /// Where a hash belongs, scaled to the number of cells.
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.cells.len() as u64) >> 32) as usize
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.cells.len() { 0 } else { at + 1 }
    }

    /// How many steps it is from one cell on to another.
    fn steps(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.cells.len() - from }
    }
}

fn hash_of(cell: u64) -> u32 {
    (cell >> 32) as u32
}

fn slot_of(cell: u64) -> u32 {
    cell as u32 - 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::Index;

    proptest! {
        /// Few hashes, so that names share one, and the last ones of all, so that a run goes round the end.
        #[test]
        fn what_is_in_is_found_and_nothing_else(steps in prop::collection::vec((0..60u32, 0..3u8), 0..200)) {
            let hash = |name: u32| u32::MAX - (name % 20) * 3;
            let (mut index, mut known) = (Index::default(), BTreeMap::new());
            for (name, step) in steps {
                // The slot is the name.
                let is_it = |slot: u32| slot == name;
                if step == 0 {
                    prop_assert_eq!(index.remove(hash(name), is_it), known.remove(&name));
                } else if known.insert(name, name).is_none() {
                    index.insert(hash(name), name);
                }
                prop_assert_eq!(index.len(), known.len());
                for name in 0..60 {
                    prop_assert_eq!(index.find(hash(name), |slot| slot == name), known.get(&name).copied());
                }
            }
        }
    }
}
