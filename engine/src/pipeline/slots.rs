//! A table of named entries in slots that never move, so that it can be written down portion by portion.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::ops::Range;

use rustc_hash::FxBuildHasher;

use super::index::Index;

/// How many slots lie side by side in memory.
pub const SLICE_SLOTS: usize = 1024;
/// How many slots one portion of a checkpoint holds: what the loop stands still for at least. The repeat window of a device
/// that says more than two things a second takes half a millisecond to write down.
pub const PORTION_SLOTS: usize = 8;

/// Entries by name and by slot. The order of insertion is the order of the slots: iterating them is repeatable.
#[derive(Debug)]
pub struct Slots<K, V> {
    /// Slice by slice, each full but the last: none is ever copied to make room for another, so that the loop does not
    /// stand still while a city is imported.
    slices: Vec<Vec<Option<Place<K, V>>>>,
    index: Index,
    /// Up to which journal sequence number each portion was when it was loaded from a checkpoint: 0 for the rest.
    loaded_through: Vec<u64>,
    /// The highest of them.
    loaded_through_max: u64,
    /// Below this every slot is taken.
    first_free: usize,
    /// How often somebody was taken out.
    removals: u32,
}

/// A name and its entry, in lines of memory of their own: what an entry has first lies next to the name.
#[derive(Debug)]
#[repr(C, align(64))]
struct Place<K, V> {
    name: K,
    value: V,
}

/// A slot that was found by name. It is that name's as long as nobody was taken out; the default is nobody's.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    slot: u32,
    removals: u32,
}

impl Default for Found {
    fn default() -> Found {
        Found { slot: u32::MAX, removals: 0 }
    }
}

impl Found {
    /// The slot, if nobody was taken out.
    pub fn slot(self) -> u32 {
        self.slot
    }
}

impl<K, V> Default for Slots<K, V> {
    fn default() -> Self {
        let (slices, index, loaded_through) = (Vec::new(), Index::default(), Vec::new());
        Slots { slices, index, loaded_through, loaded_through_max: 0, first_free: 0, removals: 0 }
    }
}

fn hash<Q: Hash + ?Sized>(name: &Q) -> u32 {
    // The upper half says where to look: mixed once more, for the hasher turns its best bits down.
    (FxBuildHasher.hash_one(name).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

impl<K: Eq + Hash, V> Slots<K, V> {
    /// The slot of a name.
    pub fn slot<Q>(&self, name: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.index.find(hash(name), |slot| self.has_name(slot, name))
    }

    /// The slot of a name, which is likely to be this one.
    pub fn slot_from(&self, likely: u32, name: &K) -> Option<u32> {
        if self.has_name(likely, name) { Some(likely) } else { self.slot(name) }
    }

    fn has_name<Q>(&self, slot: u32, name: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.place(slot).is_some_and(|place| place.name.borrow() == name)
    }

    /// The slot of a name, to be kept.
    pub fn found(&self, name: &K) -> Option<Found> {
        Some(Found { slot: self.slot(name)?, removals: self.removals })
    }

    /// The slot that was found and its name, if it is known to be still the same.
    pub fn still(&self, found: Found) -> Option<(u32, &K)> {
        let place = self.place(found.slot).filter(|_| found.removals == self.removals)?;
        Some((found.slot, &place.name))
    }

    /// Looks where these names lie, side by side, and puts their slots there; [`u32::MAX`]: nobody's. A slot may be that of
    /// another name: it is only good for looking ahead. How many names there were, and something that means nothing.
    pub fn foresee<'a>(&self, names: impl Iterator<Item = &'a K>, slots: &mut [u32]) -> (usize, u64)
    where
        K: 'a,
    {
        let count = slots.iter_mut().zip(names).map(|(slot, name)| *slot = hash(name)).count();
        let looks = slots[..count].iter().fold(0, |looks, hash| looks ^ self.index.foresee(*hash));
        slots[..count].iter_mut().for_each(|slot| *slot = self.index.likely(*slot).unwrap_or(u32::MAX));
        (count, looks)
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
        self.place(slot).map(|place| &place.value)
    }

    /// The entry in a slot, to be changed.
    pub fn at_mut(&mut self, slot: u32) -> Option<&mut V> {
        self.place_mut(slot)?.as_mut().map(|place| &mut place.value)
    }

    fn place(&self, slot: u32) -> Option<&Place<K, V>> {
        self.slices.get(slot as usize / SLICE_SLOTS)?.get(slot as usize % SLICE_SLOTS)?.as_ref()
    }

    fn place_mut(&mut self, slot: u32) -> Option<&mut Option<Place<K, V>>> {
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
        self.slices[slot / SLICE_SLOTS][slot % SLICE_SLOTS] = Some(Place { name, value });
    }

    /// Puts a new entry into the first free slot. The name must not be there yet.
    pub fn insert(&mut self, name: K, value: V) -> u32 {
        while self.place(self.first_free as u32).is_some() {
            self.first_free += 1;
        }
        let slot = self.first_free;
        self.index.insert(hash(&name), slot as u32);
        self.put(slot, name, value);
        slot as u32
    }

    /// Takes an entry out. Its slot is given to somebody else one day.
    pub fn remove(&mut self, name: &K) -> Option<V> {
        let slots = &self.slices;
        let has_name = |slot: u32| {
            let place = slots.get(slot as usize / SLICE_SLOTS).and_then(|slice| slice.get(slot as usize % SLICE_SLOTS));
            place.and_then(Option::as_ref).is_some_and(|place| place.name == *name)
        };
        let slot = self.index.remove(hash(name), has_name)?;
        self.first_free = self.first_free.min(slot as usize);
        self.removals = self.removals.wrapping_add(1);
        self.place_mut(slot)?.take().map(|place| place.value)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// How many slices there are.
    pub fn slices(&self) -> usize {
        self.slices.len()
    }

    /// How many portions of a checkpoint there are.
    pub fn portions(&self) -> usize {
        self.places().div_ceil(PORTION_SLOTS)
    }

    /// The entries of one portion with their slots.
    pub fn portion(&self, portion: usize) -> impl Iterator<Item = (u32, &V)> {
        let slots = portion * PORTION_SLOTS..(portion + 1) * PORTION_SLOTS;
        slots.filter_map(|slot| self.place(slot as u32).map(|place| (slot as u32, &place.value)))
    }

    /// Every entry, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &V)> {
        let places = self.slices.iter().flatten().enumerate();
        places.filter_map(|(slot, place)| place.as_ref().map(|place| (slot as u32, &place.value)))
    }

    /// Puts an entry back into the slot that a checkpoint named.
    pub fn put_back(&mut self, slot: u32, name: K, value: V) {
        self.index.insert(hash(&name), slot);
        self.put(slot as usize, name, value);
    }

    /// Notes up to which sequence number portions are complete.
    pub fn set_loaded_through(&mut self, portions: Range<usize>, seq: u64) {
        if self.loaded_through.len() < portions.end {
            self.loaded_through.resize(portions.end, 0);
        }
        self.loaded_through[portions].fill(seq);
        self.loaded_through_max = self.loaded_through_max.max(seq);
    }

    /// Whether the effect of the record `seq` is already in some slot.
    pub fn holds_any(&self, seq: u64) -> bool {
        seq <= self.loaded_through_max
    }

    /// Whether the effect of the record `seq` is already in the slot, because the checkpoint was taken after it.
    pub fn holds(&self, slot: u32, seq: u64) -> bool {
        self.loaded_through.get(slot as usize / PORTION_SLOTS).is_some_and(|through| seq <= *through)
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
        slots.set_loaded_through(0..1, 7);
        assert!(slots.holds(3, 7) && !slots.holds(3, 8) && !slots.holds(PORTION_SLOTS as u32, 1));
    }

    #[test]
    fn what_was_found_holds_until_somebody_is_taken_out() {
        let mut slots: Slots<u8, u8> = Slots::default();
        slots.insert(10, 1);
        slots.insert(20, 2);
        let found = slots.found(&20).unwrap();
        slots.insert(30, 3);
        assert_eq!(slots.still(found), Some((1, &20)));
        slots.remove(&20);
        slots.insert(40, 4);
        assert_eq!((slots.still(found), slots.slot(&40)), (None, Some(1)));
        assert_eq!(slots.still(Found::default()), None);
    }

    /// What a report looks at lies in so many lines of memory, of 64 bytes, and no entry across two pages.
    #[test]
    fn a_wearer_is_eight_lines_and_a_device_two() {
        use super::super::entries::{DeviceEntry, WearerEntry};
        assert_eq!(size_of::<Option<Place<model::WearerId, WearerEntry>>>(), 512);
        assert_eq!(size_of::<Option<Place<model::DeviceId, DeviceEntry>>>(), 128);
    }
}
