//! The window in which a key that comes again is a repeat: two generations of keys, the older of which is forgotten
//! whole, so that no key needs a time or a place in a queue of its own. Both lie in one table, so that a key is looked
//! for in one place.

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
/// Up to here a list that is read through beats a table: two cache lines.
const LIST_KEYS_MAX: usize = 16;
/// The smallest table. Doubled eight times it holds [`REPEAT_KEYS_PER_DEVICE_MAX`] keys and is two thirds full.
const TABLE_SLOTS_MIN: usize = 48;
/// The lowest bit of a key says in which generation it came.
const GENERATION_BIT: u64 = 1;

/// The keys of one device that count as known: a plain list while they are few, a table with open addressing (linear
/// probing, at most three quarters full) above. Keys are hashes already, of which the upper 63 bits count. A slot that
/// is zero is empty.
///
/// One table for both generations, and nothing in it but keys, because a busy device's window lies far from the
/// processor and every look costs as much as deciding: one line of memory is one look, and [`Repeats::foresee`] takes
/// many at once. (A table with tags beside its keys costs two looks; it was measured a quarter slower.)
#[derive(Debug, Clone, Default)]
pub(crate) struct Repeats {
    slots: Vec<u64>,
    /// The keys of the generation that is filled now, and of the one before.
    current: u32,
    previous: u32,
    /// The bit that the keys of the current generation carry.
    generation: u64,
    current_since: Timestamp,
}

impl Repeats {
    /// Remembers a key. `false` if it is known: a repeat.
    pub(crate) fn remember(&mut self, key: u64, received: Timestamp) -> bool {
        let key = tidy(key);
        let Err(free) = self.find(key) else { return false };
        if self.current == 0 {
            self.current_since = received;
        } else if self.is_full(received) {
            self.rotate(received);
            self.insert(key, None);
            return true;
        }
        self.insert(key, free);
        true
    }

    /// Whether a key is known.
    pub(crate) fn knows(&self, key: u64) -> bool {
        self.find(tidy(key)).is_ok()
    }

    /// Looks at where a key would lie. What it returns means nothing: whoever looks for many keys soon makes the
    /// processor fetch their places side by side.
    #[inline]
    pub(crate) fn foresee(&self, key: u64) -> u64 {
        self.slots.get(self.home(tidy(key))).copied().unwrap_or_default()
    }

    fn is_full(&self, received: Timestamp) -> bool {
        let keys = self.current as usize;
        let old = received.millis_since(self.current_since) >= REPEAT_WINDOW_SECONDS * 1000;
        keys >= GENERATION_KEYS_MAX || (keys >= REPEAT_KEYS_MIN && old)
    }

    /// The previous generation is forgotten, the current one becomes the previous one. The memory is used again
    /// unless it is far too much.
    fn rotate(&mut self, received: Timestamp) {
        let mut kept = Vec::with_capacity(self.current as usize);
        // Plain loops: a busy device turns its window over every half second, and twelve thousand slots through a chain of
        // closures were a tenth of deciding.
        for slot in &self.slots {
            if *slot != 0 && *slot & GENERATION_BIT == self.generation {
                kept.push(*slot);
            }
        }
        let slots = slots_for(kept.len() * 2);
        if self.slots.len() == slots || self.slots.len() == slots * 2 {
            self.slots.fill(0);
        } else {
            self.slots = vec![0; slots];
        }
        (self.previous, self.current) = (self.current, 0);
        for slot in kept {
            self.place(slot);
        }
        self.generation ^= GENERATION_BIT;
        self.current_since = received;
    }

    fn len(&self) -> usize {
        (self.current + self.previous) as usize
    }

    fn is_list(&self) -> bool {
        self.slots.len() <= LIST_KEYS_MAX
    }

    /// Whether the key is there; if not, the slot of the table where it belongs.
    fn find(&self, key: u64) -> Result<(), Option<usize>> {
        let is_it = |slot: u64| slot & !GENERATION_BIT == key;
        if self.is_list() {
            return if self.slots.iter().any(|slot| is_it(*slot)) { Ok(()) } else { Err(None) };
        }
        let mut at = self.home(key);
        loop {
            match self.slots[at] {
                0 => return Err(Some(at)),
                slot if is_it(slot) => return Ok(()),
                _ => at = self.after(at),
            }
        }
    }

    /// Adds a key that is not there to the current generation, where [`Repeats::find`] said if it did.
    fn insert(&mut self, key: u64, free: Option<usize>) {
        let slot = key | self.generation;
        let is_full = if self.is_list() { self.len() == LIST_KEYS_MAX } else { self.len() * 4 >= self.slots.len() * 3 };
        self.current += 1;
        match free {
            Some(at) if !is_full => self.slots[at] = slot,
            _ => {
                if is_full {
                    let before = std::mem::take(&mut self.slots);
                    self.slots.resize((before.len() * 2).max(TABLE_SLOTS_MIN), 0);
                    before.into_iter().filter(|slot| *slot != 0).for_each(|slot| self.place(slot));
                }
                self.place(slot);
            }
        }
    }

    fn place(&mut self, slot: u64) {
        if self.is_list() {
            self.slots.push(slot);
            return;
        }
        let mut at = self.home(slot & !GENERATION_BIT);
        while self.slots[at] != 0 {
            at = self.after(at);
        }
        self.slots[at] = slot;
    }

    /// Where a key belongs: its upper bits, scaled to the number of slots.
    fn home(&self, key: u64) -> usize {
        ((u128::from(key) * self.slots.len() as u128) >> 64) as usize
    }

    fn after(&self, slot: usize) -> usize {
        if slot + 1 == self.slots.len() { 0 } else { slot + 1 }
    }

    /// The keys that came in one generation.
    fn generation_keys(&self, generation: u64) -> impl Iterator<Item = u64> {
        let of_it = move |slot: &u64| *slot != 0 && slot & GENERATION_BIT == generation;
        self.slots.iter().copied().filter(of_it).map(|slot| slot & !GENERATION_BIT)
    }

    fn stored(&self) -> Stored {
        let sorted = |generation| {
            let mut keys: Vec<u64> = self.generation_keys(generation).collect();
            keys.sort_unstable();
            keys
        };
        Stored {
            current: sorted(self.generation),
            previous: sorted(self.generation ^ GENERATION_BIT),
            current_since: self.current_since,
        }
    }
}

/// A key without its lowest bit, and never the empty slot.
fn tidy(key: u64) -> u64 {
    (key & !GENERATION_BIT).max(GENERATION_BIT << 1)
}

/// How many slots a table for so many keys has.
fn slots_for(keys: usize) -> usize {
    let mut slots = TABLE_SLOTS_MIN;
    while keys * 4 > slots * 3 {
        slots *= 2;
    }
    slots
}

/// As it is written down: ascending, so that equal sets give equal bytes wherever their keys happen to lie.
#[derive(PartialEq, Serialize, Deserialize)]
struct Stored {
    current: Vec<u64>,
    previous: Vec<u64>,
    current_since: Timestamp,
}

impl PartialEq for Repeats {
    fn eq(&self, other: &Repeats) -> bool {
        self.stored() == other.stored()
    }
}

impl Serialize for Repeats {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.stored().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Repeats {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Repeats, D::Error> {
        let Stored { current, previous, current_since } = Stored::deserialize(deserializer)?;
        let mut repeats = Repeats { generation: GENERATION_BIT, current_since, ..Repeats::default() };
        let take_in = |repeats: &mut Repeats, keys: Vec<u64>| {
            for key in keys.into_iter().map(tidy) {
                if let Err(free) = repeats.find(key) {
                    repeats.insert(key, free);
                }
            }
        };
        take_in(&mut repeats, previous);
        (repeats.previous, repeats.current, repeats.generation) = (repeats.current, 0, 0);
        take_in(&mut repeats, current);
        Ok(repeats)
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
        assert!(repeats.len() <= 2 * REPEAT_KEYS_MIN + 1);
    }

    #[test]
    fn a_flood_is_capped_and_its_memory_is_given_back() {
        let mut repeats = Repeats::default();
        for number in 0..100_000 {
            assert!(repeats.remember(key(number), at(0)));
            assert!(repeats.len() <= REPEAT_KEYS_PER_DEVICE_MAX);
        }
        assert!(!repeats.remember(key(100_000 - GENERATION_KEYS_MAX as u64), at(0)), "the newer half is known");
        for number in 0..200 {
            repeats.remember(key(1_000_000 + number), at(60 * number as i64 + 3600));
        }
        assert!(repeats.slots.len() < 1_000);
    }

    #[test]
    fn a_key_of_zero_is_a_key() {
        let mut repeats = Repeats::default();
        assert!(repeats.remember(0, at(0)));
        assert!(!repeats.remember(0, at(0)));
    }

    #[test]
    fn what_is_written_down_is_what_was_there() {
        let mut repeats = Repeats::default();
        for number in 0..10_000 {
            repeats.remember(key(number), at(number as i64));
            if number % 371 == 0 {
                let bytes = serde_json::to_vec(&repeats).unwrap();
                let mut back: Repeats = serde_json::from_slice(&bytes).unwrap();
                assert!(back == repeats, "{number}");
                assert!(!back.remember(key(number), at(number as i64)), "{number}");
            }
        }
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
