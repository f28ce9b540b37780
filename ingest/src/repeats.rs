//! The window in which a key that comes again is a repeat: two generations of keys, the older of which is forgotten
//! whole, so that no key needs a time or a place in a queue of its own.

use model::Timestamp;
use serde::{Deserialize, Serialize};

/// A key is kept for at least this long, in seconds, …
pub const REPEAT_WINDOW_SECONDS: i64 = 3600;
/// … and until at least so many newer ones have come.
pub const REPEAT_KEYS_MIN: usize = 64;
/// Unless there would be more than so many of one device: then the older half is forgotten.
pub const REPEAT_KEYS_PER_DEVICE_MAX: usize = 8_192;

/// A generation ends here, however young it is.
const GENERATION_KEYS_MAX: usize = REPEAT_KEYS_PER_DEVICE_MAX / 2;

/// The keys of one device that count as known.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Repeats {
    current: KeySet,
    previous: KeySet,
    current_since: Timestamp,
}

impl Repeats {
    /// Remembers a key. `false` if it is known: a repeat.
    pub(crate) fn remember(&mut self, key: u64, received: Timestamp) -> bool {
        // The empty slots of a table hold zero.
        let key = key.max(1);
        if self.current.contains(key) || self.previous.contains(key) {
            return false;
        }
        if self.current.len() == 0 {
            self.current_since = received;
        } else if self.is_full(received) {
            self.rotate(received);
        }
        self.current.insert(key);
        true
    }

    fn is_full(&self, received: Timestamp) -> bool {
        let keys = self.current.len();
        let old = received.millis_since(self.current_since) >= REPEAT_WINDOW_SECONDS * 1000;
        keys >= GENERATION_KEYS_MAX || (keys >= REPEAT_KEYS_MIN && old)
    }

    /// The current generation becomes the previous one, whose memory is used again unless it is far too much.
    fn rotate(&mut self, received: Timestamp) {
        std::mem::swap(&mut self.current, &mut self.previous);
        self.current.clear(self.previous.len());
        self.current_since = received;
    }
}

/// A set of keys that are hashes already: a plain list while it is short, a table with open addressing (linear
/// probing, at most 7/8 full) above. A slot that is zero is empty.
#[derive(Debug, Clone, Default)]
struct KeySet {
    slots: Vec<u64>,
    keys: u32,
}

/// Up to here a list that is read through beats a table: two cache lines.
const LIST_KEYS_MAX: usize = 16;
/// The smallest table.
const TABLE_SLOTS_MIN: usize = 40;

impl KeySet {
    fn len(&self) -> usize {
        self.keys as usize
    }

    fn is_list(&self) -> bool {
        self.slots.len() <= LIST_KEYS_MAX
    }

    fn contains(&self, key: u64) -> bool {
        if self.is_list() {
            return self.slots.contains(&key);
        }
        let mut slot = self.home(key);
        loop {
            match self.slots[slot] {
                0 => return false,
                present if present == key => return true,
                _ => slot = self.after(slot),
            }
        }
    }

    /// Adds a key that is not there.
    fn insert(&mut self, key: u64) {
        self.keys += 1;
        if self.is_list() {
            if self.slots.len() < LIST_KEYS_MAX {
                self.slots.push(key);
                return;
            }
            self.grow();
        } else if self.len() * 8 > self.slots.len() * 7 {
            self.grow();
        }
        self.place(key);
    }

    fn place(&mut self, key: u64) {
        let mut slot = self.home(key);
        while self.slots[slot] != 0 {
            slot = self.after(slot);
        }
        self.slots[slot] = key;
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(TABLE_SLOTS_MIN);
        let before = std::mem::replace(&mut self.slots, vec![0; slots]);
        for key in before.into_iter().filter(|key| *key != 0) {
            self.place(key);
        }
    }

    /// Forgets everything; keeps the table if so many keys would fill at least a quarter of it.
    fn clear(&mut self, keys_expected: usize) {
        self.keys = 0;
        if self.is_list() || self.slots.len() > keys_expected * 4 {
            self.slots = Vec::new();
        } else {
            self.slots.fill(0);
        }
    }

    /// Where a key belongs: its upper bits, scaled to the number of slots.
    fn home(&self, key: u64) -> usize {
        ((u128::from(key) * self.slots.len() as u128) >> 64) as usize
    }

    fn after(&self, slot: usize) -> usize {
        if slot + 1 == self.slots.len() { 0 } else { slot + 1 }
    }

    fn keys(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().copied().filter(|key| *key != 0)
    }
}

/// The same keys, wherever they happen to lie.
impl PartialEq for KeySet {
    fn eq(&self, other: &KeySet) -> bool {
        self.keys == other.keys && self.keys().all(|key| other.contains(key))
    }
}

/// A list of keys, ascending, so that equal sets give equal bytes.
impl Serialize for KeySet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut keys: Vec<u64> = self.keys().collect();
        keys.sort_unstable();
        keys.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for KeySet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<KeySet, D::Error> {
        let mut set = KeySet::default();
        for key in Vec::<u64>::deserialize(deserializer)? {
            let key = key.max(1);
            if !set.contains(key) {
                set.insert(key);
            }
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_763_769_600_000 + seconds * 1000)
    }

    /// A key as the hash makes them: spread over all 64 bits.
    fn key(number: u64) -> u64 {
        crate::hash::FixedHash::new().word(number).finish()
    }

    #[test]
    fn a_key_is_known_for_an_hour_however_many_come() {
        let mut repeats = Repeats::default();
        assert!(repeats.remember(key(0), at(0)));
        for second in 1..=3599 {
            assert!(repeats.remember(key(second), at(second as i64)));
            assert!(!repeats.remember(key(0), at(second as i64)), "{second}");
        }
    }

    #[test]
    fn a_key_is_known_for_64_newer_ones_however_long_it_takes() {
        let mut repeats = Repeats::default();
        let day = |days: u64| at(days as i64 * 86_400);
        assert!(repeats.remember(key(0), day(0)));
        for days in 1..=64 {
            assert!(repeats.remember(key(days), day(days)));
            assert!(!repeats.remember(key(0), day(days)), "{days}");
        }
        // Forgotten with its generation at last: what is remembered does not grow without end.
        for days in 65..=192 {
            repeats.remember(key(days), day(days));
        }
        assert!(repeats.remember(key(0), day(193)));
        assert!(repeats.current.len() + repeats.previous.len() <= 2 * REPEAT_KEYS_MIN + 1);
    }

    #[test]
    fn a_flood_is_capped_and_its_memory_is_given_back() {
        let mut repeats = Repeats::default();
        for number in 0..100_000 {
            assert!(repeats.remember(key(number), at(0)));
            assert!(repeats.current.len() + repeats.previous.len() <= REPEAT_KEYS_PER_DEVICE_MAX);
        }
        assert!(!repeats.remember(key(100_000 - GENERATION_KEYS_MAX as u64), at(0)), "the newer half is known");
        for number in 0..200 {
            repeats.remember(key(1_000_000 + number), at(60 * number as i64 + 3600));
        }
        assert!(repeats.current.slots.len() + repeats.previous.slots.len() < 400);
    }

    #[test]
    fn a_key_of_zero_is_a_key() {
        let mut repeats = Repeats::default();
        assert!(repeats.remember(0, at(0)));
        assert!(!repeats.remember(0, at(0)));
    }

    proptest! {
        #[test]
        fn it_is_a_set(numbers in prop::collection::vec(0..400u64, 0..600)) {
            let (mut repeats, mut known) = (Repeats::default(), std::collections::BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(repeats.remember(key(number), at(0)), known.insert(number));
            }
        }
    }
}
