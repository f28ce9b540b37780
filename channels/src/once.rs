//! Keys that make a request harmless to repeat, at providers that give them out beforehand. Pure: the time comes from the
//! caller.
//!
//! They are fetched while nothing happens, so that an alarm never waits for one: where there is none, it goes without,
//! and a repeat may show twice.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use model::{AttemptId, Timestamp};

/// More are fetched when fewer are left.
pub const SPARE_MIN: usize = 10;
/// How many are kept at most.
pub const SPARE_MAX: usize = 100;
/// How long one is used: JPush knows it for a day.
pub const KEPT_SECONDS: u32 = 23 * 3_600;

/// Where it stands which key an attempt was sent with, for one provider: whoever starts anew sends it again with the same
/// one. Channels know no files; whoever sets them up hands this in.
pub trait KeptKeys: Send + Sync {
    /// What stands there and is not older than `since`.
    fn read(&self, since: Timestamp) -> Vec<(AttemptId, Timestamp, String)>;

    /// Writes one down. What is older than `since` may be left out from now on. May wait for a disk.
    ///
    /// # Errors
    /// When it cannot be written.
    fn note(&self, attempt: AttemptId, at: Timestamp, key: &str, since: Timestamp) -> io::Result<()>;
}

/// That place for each provider, by its name; `None`: nowhere, and a restart forgets its keys.
pub type Shelves<'s> = dyn Fn(&str) -> Option<Arc<dyn KeptKeys>> + 's;

/// The keys of one provider.
#[derive(Debug, Default)]
pub struct Keys {
    /// Since when, oldest first.
    spare: VecDeque<(Timestamp, String)>,
    held: BTreeMap<AttemptId, (Timestamp, String)>,
    /// The same by age.
    by_age: VecDeque<(Timestamp, AttemptId)>,
}

impl Keys {
    /// The key of an attempt, the same each time that it is sent; and since when it is the provider's, if it was given
    /// just now. `None`: none is there.
    pub fn of(&mut self, attempt: AttemptId, now: Timestamp) -> Option<(String, Option<Timestamp>)> {
        self.forget(now);
        if let Some((_, key)) = self.held.get(&attempt) {
            return Some((key.clone(), None));
        }
        let (since, key) = self.spare.pop_front()?;
        self.hold(attempt, since, key.clone());
        Some((key, Some(since)))
    }

    /// An attempt has this key since before a restart.
    pub fn hold(&mut self, attempt: AttemptId, since: Timestamp, key: String) {
        self.held.insert(attempt, (since, key));
        self.by_age.push_back((since, attempt));
    }

    /// Whether more are to be fetched.
    pub fn are_few(&mut self, now: Timestamp) -> bool {
        self.forget(now);
        self.spare.len() < SPARE_MIN
    }

    /// Takes in what was fetched.
    pub fn add(&mut self, keys: Vec<String>, now: Timestamp) {
        let room = SPARE_MAX.saturating_sub(self.spare.len());
        self.spare.extend(keys.into_iter().take(room).map(|key| (now, key)));
    }

    fn forget(&mut self, now: Timestamp) {
        let is_old = |since: Timestamp| since.plus_seconds(KEPT_SECONDS) <= now;
        while self.spare.front().is_some_and(|(since, _)| is_old(*since)) {
            self.spare.pop_front();
        }
        while let Some((since, attempt)) = self.by_age.front().copied()
            && is_old(since)
        {
            self.by_age.pop_front();
            self.held.remove(&attempt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_keeps_its_key_for_as_long_as_the_provider_knows_it() {
        let at = |seconds: u32| Timestamp::from_millis(1_780_000_000_000).plus_seconds(seconds);
        let attempt = |n| AttemptId::new(0, n);
        let mut keys = Keys::default();
        assert!(keys.are_few(at(0)));
        assert_eq!(keys.of(attempt(1), at(0)), None, "an alarm waits for none");
        keys.add((0..200).map(|n| format!("k{n}")).collect(), at(1));
        assert!(!keys.are_few(at(1)));
        let given = |key: &str, since| Some((key.to_owned(), since));
        assert_eq!(keys.of(attempt(2), at(2)), given("k0", Some(at(1))));
        assert_eq!(keys.of(attempt(3), at(2)), given("k1", Some(at(1))), "never the same for two");
        assert_eq!(keys.of(attempt(2), at(KEPT_SECONDS)), given("k0", None), "a repeat is a repeat");
        assert_eq!(keys.of(attempt(2), at(KEPT_SECONDS + 1)), None, "and all of them are too old now");
        assert!(keys.are_few(at(KEPT_SECONDS + 1)) && keys.held.is_empty() && keys.by_age.is_empty());
        keys.add((0..SPARE_MAX + 1).map(|n| n.to_string()).collect(), at(KEPT_SECONDS + 2));
        assert_eq!(keys.spare.len(), SPARE_MAX);
    }
}
