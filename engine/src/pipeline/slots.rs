//! A table of named entries in slots that never move, so that it can be written down slice by slice.

use std::borrow::Borrow;
use std::hash::Hash;

use rustc_hash::FxHashMap;

/// How many slots one slice of a checkpoint holds: what the loop stands still for at most.
pub const SLICE_SLOTS: usize = 1024;

/// Entries by name and by slot. The order of insertion is the order of the slots: iterating them is repeatable.
#[derive(Debug)]
pub struct Slots<K, V> {
    /// Slice by slice, each full but the last: none is ever copied to make room for another, so that the loop does not
    /// stand still while a city is imported.
    slices: Vec<Vec<Option<(K, V)>>>,
    index: FxHashMap<K, u32>,
    /// Up to which journal sequence number each slice was when it was loaded from a checkpoint: 0 for the rest.
    loaded_through: Vec<u64>,
    /// Below this every slot is taken.
    first_free: usize,
}

impl<K, V> Default for Slots<K, V> {
    fn default() -> Self {
        Slots { slices: Vec::new(), index: FxHashMap::default(), loaded_through: Vec::new(), first_free: 0 }
    }
}

impl<K: Clone + Eq + Hash, V> Slots<K, V> {
    /// The slot of a name.
    pub fn slot<Q>(&self, name: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.index.get(name).copied()
    }

    /// The slot of a name, which is likely to be this one.
    pub fn slot_from(&self, likely: u32, name: &K) -> Option<u32> {
        match self.place(likely) {
            Some((known, _)) if known == name => Some(likely),
            _ => self.slot(name),
        }
    }

    /// The entry of a name.
    pub fn get<Q>(&self, name: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.at(self.slot(name)?)
    }

    /// The entry of a name, to be changed.
    pub fn get_mut<Q>(&mut self, name: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let slot = self.slot(name)?;
        self.at_mut(slot)
    }

    /// The entry in a slot.
    pub fn at(&self, slot: u32) -> Option<&V> {
        self.place(slot).map(|(_, value)| value)
    }

    /// The entry in a slot, to be changed.
    pub fn at_mut(&mut self, slot: u32) -> Option<&mut V> {
        self.place_mut(slot)?.as_mut().map(|(_, value)| value)
    }

    fn place(&self, slot: u32) -> Option<&(K, V)> {
        self.slices.get(slot as usize / SLICE_SLOTS)?.get(slot as usize % SLICE_SLOTS)?.as_ref()
    }

    fn place_mut(&mut self, slot: u32) -> Option<&mut Option<(K, V)>> {
        self.slices.get_mut(slot as usize / SLICE_SLOTS)?.get_mut(slot as usize % SLICE_SLOTS)
    }

    /// How many places there are, free ones included.
    fn places(&self) -> usize {
        self.slices.last().map_or(0, |last| (self.slices.len() - 1) * SLICE_SLOTS + last.len())
    }

    /// Puts an entry there, into a place that is made for it if need be.
    fn put(&mut self, slot: usize, name: K, value: V) {
        while self.places() <= slot {
            match self.slices.last_mut() {
                Some(last) if last.len() < SLICE_SLOTS => last.push(None),
                _ => self.slices.push(Vec::with_capacity(SLICE_SLOTS)),
            }
        }
        self.slices[slot / SLICE_SLOTS][slot % SLICE_SLOTS] = Some((name, value));
    }

    /// Puts a new entry into the first free slot. The name must not be there yet.
    pub fn insert(&mut self, name: K, value: V) -> u32 {
        while self.place(self.first_free as u32).is_some() {
            self.first_free += 1;
        }
        let slot = self.first_free;
        self.put(slot, name.clone(), value);
        self.index.insert(name, slot as u32);
        slot as u32
    }

    /// Takes an entry out. Its slot is given to somebody else one day.
    pub fn remove(&mut self, name: &K) -> Option<V> {
        let slot = self.index.remove(name)? as usize;
        self.first_free = self.first_free.min(slot);
        self.place_mut(slot as u32)?.take().map(|(_, value)| value)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// How many slices there are.
    pub fn slices(&self) -> usize {
        self.slices.len()
    }

    /// The entries of one slice with their slots.
    pub fn slice(&self, slice: usize) -> impl Iterator<Item = (u32, &V)> {
        let first = slice * SLICE_SLOTS;
        let entries = self.slices.get(slice).into_iter().flatten().enumerate();
        entries.filter_map(move |(i, entry)| entry.as_ref().map(|(_, value)| ((first + i) as u32, value)))
    }

    /// Every entry, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &V)> {
        (0..self.slices()).flat_map(|slice| self.slice(slice))
    }

    /// Puts an entry back into the slot that a checkpoint named.
    pub fn put_back(&mut self, slot: u32, name: K, value: V) {
        self.put(slot as usize, name.clone(), value);
        self.index.insert(name, slot);
    }

    /// Notes up to which sequence number a slice is complete.
    pub fn set_loaded_through(&mut self, slice: usize, seq: u64) {
        if self.loaded_through.len() <= slice {
            self.loaded_through.resize(slice + 1, 0);
        }
        self.loaded_through[slice] = seq;
    }

    /// Whether the effect of the record `seq` is already in some slot.
    pub fn holds_any(&self, seq: u64) -> bool {
        self.loaded_through.iter().any(|through| seq <= *through)
    }

    /// Whether the effect of the record `seq` is already in the slot, because the checkpoint was taken after it.
    pub fn holds(&self, slot: u32, seq: u64) -> bool {
        self.loaded_through.get(slot as usize / SLICE_SLOTS).is_some_and(|through| seq <= *through)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_that_a_checkpoint_left_are_filled_first() {
        let mut slots: Slots<u8, u8> = Slots::default();
        slots.put_back(2, 30, 3);
        assert_eq!(slots.insert(10, 1), 0);
        assert_eq!(slots.insert(20, 2), 1);
        assert_eq!(slots.insert(40, 4), 3);
        assert_eq!(slots.iter().map(|(_, v)| *v).collect::<Vec<_>>(), [1, 2, 3, 4]);
        slots.set_loaded_through(0, 7);
        assert!(slots.holds(3, 7) && !slots.holds(3, 8) && !slots.holds(5000, 1));
    }
}
