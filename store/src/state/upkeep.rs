//! What the follower and exports do to the view, beside queries.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use model::Timestamp;

use super::opening::{has_known_schema, number_value};
use super::telemetry::{FullBlock, LatestOf};
use super::tree::{Changes, Scan};
use super::{FactChanges, Latest, State, history, keys};
use crate::codec::{bad, decode_value, encode_value};
use crate::error::StoreError;

/// Is handed every key and value of a dump.
pub(crate) type Take<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError>;

/// How many old events are removed in one batch.
const REMOVED_PER_BATCH: usize = 1000;

/// How much the view keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateRetention {
    /// How many days of positions, today included; 30.
    pub positions_days: u32,
    /// How many days of vital signs, falls and SOS; 92.
    pub vitals_days: u32,
    /// How many days of what is about the device: battery, wear, steps, signs of life; 30.
    pub device_days: u32,
    /// How many events of the feed, the newest; 2 000 000.
    pub events_max: u64,
}

impl Default for StateRetention {
    fn default() -> StateRetention {
        StateRetention { positions_days: 30, vitals_days: 92, device_days: 30, events_max: 2_000_000 }
    }
}

impl State {
    /// Applies facts and moves their cursor, in one batch: after a crash both are there, or neither.
    pub(crate) fn commit_facts(&self, facts: FactChanges, cursor: u64) -> Result<(), StoreError> {
        let mut changes = facts.changes;
        changes.put(keys::META_FACTS, number_value(cursor));
        self.database.apply(changes)?;
        self.facts_cursor.fetch_max(cursor, Ordering::AcqRel);
        self.newest_event.advance(facts.newest_event);
        Ok(())
    }

    /// Writes blocks and quarantine entries that were ready. The cursor moves with a whole flush only: what is
    /// projected again after a crash carries its sequence numbers and falls onto itself.
    pub(crate) fn write_blocks(
        &self,
        blocks: Vec<FullBlock>,
        mut changes: Changes,
        seq: u64,
    ) -> Result<(), StoreError> {
        let mut by_shelf: BTreeMap<u32, Changes> = BTreeMap::new();
        for block in blocks {
            by_shelf.entry(block.shelf).or_default().put(&block.key, block.value);
        }
        for (shelf, blocks) in by_shelf {
            changes.put(&keys::shelf(shelf), number_value(seq));
            self.database.apply_shelf(shelf, blocks)?;
        }
        if changes.len() > 0 { self.database.apply(changes) } else { Ok(()) }
    }

    /// Merges latest values into those that are stored.
    pub(crate) fn write_latest(&self, latest: Vec<LatestOf>) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        for (wearer, newer) in latest {
            let key = keys::bytes(keys::LATEST, &wearer);
            let stored = self.database.get(&key)?;
            let stored = stored.map(|value| decode_value::<Latest>("latest values", &value)).transpose();
            // It is the view that is broken, not what comes in.
            let stored = stored.map_err(|error| StoreError::State(error.to_string()))?;
            let merged = match stored {
                Some(stored) => stored.merge(newer),
                None => newer,
            };
            changes.put(&key, encode_value(&merged)?);
        }
        if changes.len() > 0 { self.database.apply(changes) } else { Ok(()) }
    }

    /// Everything through `telemetry` (and, for facts, through `facts`) is in the view now.
    pub(crate) fn commit_cursors(&self, facts: u64, telemetry: u64) -> Result<(), StoreError> {
        let facts = facts.max(self.facts_cursor());
        let mut changes = Changes::default();
        changes.put(keys::META_FACTS, number_value(facts));
        changes.put(keys::META_TELEMETRY, number_value(telemetry));
        self.database.apply(changes)?;
        self.facts_cursor.fetch_max(facts, Ordering::AcqRel);
        self.telemetry_cursor.fetch_max(telemetry, Ordering::AcqRel);
        Ok(())
    }

    /// Sets the stored cursors back, as an unlucky crash may.
    #[cfg(test)]
    pub(crate) fn forget_cursors(&self, to: u64) {
        let mut changes = Changes::default();
        changes.put(keys::META_FACTS, number_value(to));
        changes.put(keys::META_TELEMETRY, number_value(to));
        self.database.apply(changes).unwrap();
    }

    /// Drops what of history is older than its sort is kept, and events beyond their number: a portion of it. Says
    /// whether there is more.
    pub(crate) fn retain(&self, keep: &StateRetention, now: Timestamp) -> Result<bool, StoreError> {
        let is_over = |shelf: &u32| {
            let Some((day, sort)) = history::of_shelf(*shelf) else { return false };
            let days = match sort {
                history::Sort::Positions => keep.positions_days,
                history::Sort::Vitals => keep.vitals_days,
                history::Sort::Device => keep.device_days,
            };
            day < (history::day_of(now) + 1).saturating_sub(days)
        };
        if let Some(shelf) = self.database.shelves()?.into_iter().find(is_over) {
            self.database.drop_shelf(shelf)?;
            let mut changes = Changes::default();
            changes.delete(&keys::shelf(shelf));
            self.database.apply(changes)?;
            return Ok(true);
        }
        let first_event = (self.newest_event()?.unwrap_or(0) + 1).saturating_sub(keep.events_max);
        let (from, to) = (keys::number(keys::EVENT, 0), keys::number(keys::EVENT, first_event));
        let mut changes = Changes::default();
        self.database.scan(&from, &to, &mut |key, _| {
            changes.delete(key);
            Ok(if changes.len() < REMOVED_PER_BATCH { Scan::Go } else { Scan::Stop })
        })?;
        let more = changes.len() == REMOVED_PER_BATCH;
        if changes.len() > 0 {
            self.database.apply(changes)?;
        }
        Ok(more)
    }

    /// Hands what sled buffers to the kernel.
    pub(crate) fn flush_database(&self) -> Result<(), StoreError> {
        self.database.flush()
    }

    /// Reads a little of everything, to see whether it makes sense.
    pub(crate) fn probe(&self, entries: usize) -> Result<(), StoreError> {
        for letter in [
            keys::INCIDENT,
            keys::CASE,
            keys::ATTEMPT,
            keys::DOWN_COMMAND,
            keys::ORG,
            keys::PERSON,
            keys::WEARER,
            keys::DEVICE,
            keys::TOKEN,
            keys::QUARANTINE,
            keys::LATEST,
        ] {
            let (from, to) = keys::all(letter);
            let mut seen = 0;
            self.database.scan(&from, &to, &mut |_, value| {
                if !has_known_schema(value) {
                    return Err(bad("state", format!("an entry of kind {:?} has no known schema", char::from(letter))));
                }
                seen += 1;
                Ok(if seen < entries { Scan::Go } else { Scan::Stop })
            })?;
        }
        Ok(())
    }

    /// Hands over every entry but the cursors, for an export.
    pub(crate) fn dump(&self, visit: Take<'_>) -> Result<(), StoreError> {
        self.database.scan(&[0], &[u8::MAX], &mut |key, value| {
            if key.first() != Some(&keys::META) || key.starts_with(keys::META_SHELF) {
                visit(key, value)?;
            }
            Ok(Scan::Go)
        })
    }

    /// Shelves of history, each with the last record that changed it.
    pub(crate) fn shelves(&self) -> Result<Vec<(u32, u64)>, StoreError> {
        let shelves = self.database.shelves()?;
        shelves
            .into_iter()
            .map(|shelf| {
                let value = self.database.get(&keys::shelf(shelf))?;
                Ok((shelf, value.map_or(u64::MAX, |value| keys::last_number(&value))))
            })
            .collect()
    }

    /// Hands over every block of a shelf, for an export.
    pub(crate) fn dump_shelf(&self, shelf: u32, visit: Take<'_>) -> Result<(), StoreError> {
        self.database.scan_shelf(shelf, &[], &[], &mut |key, value| {
            visit(key, value)?;
            Ok(Scan::Go)
        })
    }

    /// Writes entries of an export.
    pub(crate) fn restore(&self, entries: Changes) -> Result<(), StoreError> {
        self.database.apply(entries)
    }

    /// Writes blocks of an export.
    pub(crate) fn restore_shelf(&self, shelf: u32, blocks: Changes) -> Result<(), StoreError> {
        self.database.apply_shelf(shelf, blocks)
    }

    /// An export has been read: quarantine and cursors are as it says.
    pub(crate) fn restored(&self, facts: u64, telemetry: u64) -> Result<(), StoreError> {
        let mut seqs = std::collections::VecDeque::new();
        let (from, to) = keys::all(keys::QUARANTINE);
        self.database.scan(&from, &to, &mut |key, _| {
            seqs.push_back(keys::last_number(key));
            Ok(Scan::Go)
        })?;
        self.telemetry().set_quarantined(seqs);
        self.remember_erased()?;
        self.commit_cursors(facts, telemetry)?;
        self.database.flush()
    }
}
