//! What can be asked of the view.

use std::collections::BTreeMap;

use model::staff::ApiToken;
use model::{
    Attempt, AttemptId, Case, CaseId, DeviceId, DownCommand, DownCommandId, Event, EventHead, Incident, IncidentId,
    ReportKind, Timestamp, TokenId, WearerId,
};
use serde::de::DeserializeOwned;

use super::facts::EventOffset;
use super::history::{self, Sample};
use super::tree::{Database, Scan};
use super::{Latest, Quarantined, State, TrackPoint, Vital, keys};
use crate::codec::{bad, decode_head, decode_value};
use crate::error::StoreError;

/// How many events a query looks at before it gives what it has: a filter that lets nothing through must not read the
/// whole view in one go.
const SCANNED_MAX: usize = 20_000;
/// One that is read as a whole, not its head only, counts as so many.
const WHOLE_EVENT: usize = 10;
/// The same of a list of incidents, cases and the like, each of which is read as a whole.
pub(super) const LISTED_MAX: usize = 5_000;

/// A stretch of the feed.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// The events that were asked for, ascending.
    pub events: Vec<Event>,
    /// The last event that was looked at, whether it was asked for or not: where to go on. Never below `after`.
    pub through: u64,
    /// Whether there is more to look at.
    pub has_more: bool,
}

/// Which incidents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// Only those that are not resolved.
    pub open_only: bool,
    /// Only those about this wearer.
    pub wearer: Option<WearerId>,
}

/// Which cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaseFilter {
    /// Only those in which somebody still has to do something.
    pub open_only: bool,
    /// Only those about this wearer.
    pub wearer: Option<WearerId>,
}

/// Which part of a list: what comes after a key, in the list's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<K> {
    /// The last key of the page before; `None`: from the beginning.
    pub after: Option<K>,
    /// At most so many.
    pub limit: usize,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Whether there are more to look at.
    pub has_more: bool,
    /// In a list of what is numbered, the last that was looked at, whether it is in the list or not: where to go on.
    pub through: u64,
    /// The same in a list of what has a name.
    pub through_name: String,
}

impl<T> Listing<T> {
    pub(super) fn empty() -> Listing<T> {
        Listing { items: Vec::new(), has_more: false, through: 0, through_name: String::new() }
    }

    /// The same for a list of what has a name.
    pub fn next_name(&self) -> Option<String> {
        self.has_more.then(|| self.through_name.clone())
    }

    /// What the next page begins after, if there is one.
    pub fn next<K>(&self, key: impl FnOnce(u64) -> K) -> Option<K> {
        self.has_more.then(|| key(self.through))
    }
}

impl State {
    /// Events after `after` (0: from the oldest), ascending, at most `limit` of those that `want` and `keep` let
    /// through. `want` is asked first, by an event's head: what it does not want is not decoded.
    ///
    /// # Errors
    /// [`StoreError::State`], as every query here.
    pub fn events(
        &self,
        after: u64,
        limit: usize,
        want: &dyn Fn(&EventHead) -> bool,
        keep: &dyn Fn(&Event) -> bool,
    ) -> Result<EventPage, StoreError> {
        let mut page = EventPage { events: Vec::new(), through: after, has_more: false };
        let mut scanned = 0;
        let (_, to) = keys::all(keys::EVENT);
        self.database.scan(&keys::number(keys::EVENT, after.saturating_add(1)), &to, &mut |key, value| {
            if page.events.len() >= limit || scanned >= SCANNED_MAX {
                page.has_more = true;
                return Ok(Scan::Stop);
            }
            scanned += 1;
            page.through = keys::last_number(key);
            let value = split_event(value)?.1;
            if want(&decode_head("event", value)?) {
                scanned += WHOLE_EVENT - 1;
                let event: Event = decode_value("event", value)?;
                if keep(&event) {
                    page.events.push(event);
                }
            }
            Ok(Scan::Go)
        })?;
        Ok(page)
    }

    /// The oldest event that is kept.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn oldest_event(&self) -> Result<Option<u64>, StoreError> {
        let (from, to) = keys::all(keys::EVENT);
        let mut oldest = None;
        self.database.scan(&from, &to, &mut |key, _| {
            oldest = Some(keys::last_number(key));
            Ok(Scan::Stop)
        })?;
        Ok(oldest)
    }

    /// The newest event.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn newest_event(&self) -> Result<Option<u64>, StoreError> {
        newest_event(&self.database)
    }

    /// The `after` that begins with the first event decided at or after `since`: events ascend in time.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn event_after_time(&self, since: Timestamp) -> Result<u64, StoreError> {
        let (Some(mut low), Some(newest)) = (self.oldest_event()?, self.newest_event()?) else { return Ok(0) };
        // The answer is in low..=high; `high` stands for "after all that there are".
        let mut high = newest + 1;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.event_time_from(middle, high)? {
                Some((seq, at)) if at < since => low = seq + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(low - 1)
    }

    /// The first event from `seq` on, below `to`, and its time.
    fn event_time_from(&self, seq: u64, to: u64) -> Result<Option<(u64, Timestamp)>, StoreError> {
        let mut found = None;
        self.database.scan(&keys::number(keys::EVENT, seq), &keys::number(keys::EVENT, to), &mut |key, value| {
            found = Some((keys::last_number(key), split_event(value)?.0));
            Ok(Scan::Stop)
        })?;
        Ok(found)
    }

    /// One incident.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        self.read("incident", &keys::number(keys::INCIDENT, id.raw()))
    }

    /// Incidents, newest first, of those that `keep` lets through.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn incidents(
        &self,
        filter: &IncidentFilter,
        page: Page<IncidentId>,
        keep: &dyn Fn(&Incident) -> bool,
    ) -> Result<Listing<Incident>, StoreError> {
        let index = index_of(
            filter.wearer.as_ref(),
            filter.open_only,
            keys::INCIDENT_OF_WEARER,
            [keys::INCIDENT_OPEN, keys::INCIDENT],
        );
        let after = page.after.map(IncidentId::raw);
        self.newest_first(index, after, page.limit, &mut |id| {
            let incident = self.incident(IncidentId::from_raw(id))?;
            Ok(incident.filter(|it| (!filter.open_only || it.state.is_open()) && keep(it)))
        })
    }

    /// One attempt.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn attempt(&self, id: AttemptId) -> Result<Option<Attempt>, StoreError> {
        self.read("attempt", &keys::number(keys::ATTEMPT, id.raw()))
    }

    /// The attempts of an incident, oldest first.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn attempts_of(&self, incident: IncidentId) -> Result<Vec<Attempt>, StoreError> {
        let from = keys::attempt_of(incident, AttemptId::from_raw(0));
        let to = keys::attempt_of(IncidentId::from_raw(incident.raw() + 1), AttemptId::from_raw(0));
        let mut ids = Vec::new();
        self.database.scan(&from, &to, &mut |key, _| {
            ids.push(AttemptId::from_raw(keys::last_number(key)));
            Ok(Scan::Go)
        })?;
        ids.into_iter().filter_map(|id| self.attempt(id).transpose()).collect()
    }

    /// One case.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn case(&self, id: CaseId) -> Result<Option<Case>, StoreError> {
        self.read("case", &keys::number(keys::CASE, id.raw()))
    }

    /// Cases, newest first, of those that `keep` lets through.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn cases(
        &self,
        filter: &CaseFilter,
        page: Page<CaseId>,
        keep: &dyn Fn(&Case) -> bool,
    ) -> Result<Listing<Case>, StoreError> {
        let index =
            index_of(filter.wearer.as_ref(), filter.open_only, keys::CASE_OF_WEARER, [keys::CASE_OPEN, keys::CASE]);
        self.newest_first(index, page.after.map(CaseId::raw), page.limit, &mut |id| {
            let case = self.case(CaseId::from_raw(id))?;
            Ok(case.filter(|it| (!filter.open_only || it.state.is_open()) && keep(it)))
        })
    }

    /// One down-command.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn down_command(&self, id: DownCommandId) -> Result<Option<DownCommand>, StoreError> {
        self.read("down-command", &keys::number(keys::DOWN_COMMAND, id.raw()))
    }

    /// A device's down-commands, newest first.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn down_commands(&self, device: &DeviceId, limit: usize) -> Result<Vec<DownCommand>, StoreError> {
        let index = keys::of_text(keys::DOWN_COMMAND_OF_DEVICE, device.as_str());
        let listing = self.newest_first(index, None, limit, &mut |id| self.down_command(DownCommandId::from_raw(id)));
        listing.map(|listing| listing.items)
    }

    /// Quarantine entries after `after` (0: from the oldest), ascending.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn quarantine(&self, after: u64, limit: usize) -> Result<Listing<Quarantined>, StoreError> {
        let from = keys::number(keys::QUARANTINE, after.saturating_add(1));
        self.ascending("quarantine entry", &from, keys::QUARANTINE, limit, usize::MAX, &|_| true)
    }

    /// How many entries the quarantine holds.
    ///
    /// # Errors
    /// None yet.
    pub fn quarantine_len(&self) -> Result<usize, StoreError> {
        Ok(self.telemetry().quarantined())
    }

    /// The newest of everything that is known about a wearer; `None`: nothing was ever heard of them.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn latest(&self, wearer: &WearerId) -> Result<Option<Latest>, StoreError> {
        let telemetry = self.telemetry();
        let newer = telemetry.latest(wearer).cloned();
        let stored: Option<Latest> = self.read("latest values", &keys::text(keys::LATEST, wearer.as_str()))?;
        drop(telemetry);
        Ok(match (stored, newer) {
            (Some(stored), Some(newer)) => Some(stored.merge(newer)),
            (stored, newer) => newer.or(stored),
        })
    }

    /// A wearer's positions measured from `from` up to, not including, `to`, ascending; the first `limit`.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn fixes(
        &self,
        wearer: &WearerId,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<TrackPoint>, StoreError> {
        let samples = self.samples(wearer, ReportKind::Location, from, to)?;
        Ok(samples.values().filter_map(history::track_point).take(limit).collect())
    }

    /// A wearer's vital signs of one kind, in the same way. Kinds that are none give an empty list.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn vitals(
        &self,
        wearer: &WearerId,
        kind: ReportKind,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<Vital>, StoreError> {
        let samples = self.samples(wearer, kind, from, to)?;
        Ok(samples.values().filter_map(|sample| history::vital(kind, sample)).take(limit).collect())
    }

    fn samples(
        &self,
        wearer: &WearerId,
        kind: ReportKind,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<BTreeMap<(i64, u64), Sample>, StoreError> {
        let mut found = BTreeMap::new();
        if from >= to {
            return Ok(found);
        }
        self.each_sample(wearer, kind, from, to, &mut |sample, _| {
            found.insert((sample.measured, sample.seq), sample);
        })?;
        Ok(found)
    }

    /// Hands over the samples of a kind, with their devices; out of order, and one that was projected twice twice.
    pub(super) fn each_sample(
        &self,
        wearer: &WearerId,
        kind: ReportKind,
        from: Timestamp,
        to: Timestamp,
        visit: &mut dyn FnMut(Sample, &[u8]),
    ) -> Result<(), StoreError> {
        let days = history::day_of(from)..=history::day_of(to.plus_millis(-1));
        let (first_key, end_key) = history::series_range(wearer.as_str(), kind);
        // Held throughout, so that no block moves from memory to the view unseen.
        let telemetry = self.telemetry();
        for shelf in self.database.shelves()? {
            let is_wanted = history::of_shelf(shelf)
                .is_some_and(|(day, _)| days.contains(&day) && shelf == history::shelf_of(kind, day));
            if !is_wanted {
                continue;
            }
            self.database.scan_shelf(shelf, &first_key, &end_key, &mut |_, block| {
                history::each(kind, block, from, to, visit)?;
                Ok(Scan::Go)
            })?;
        }
        for block in telemetry.full_of(&*first_key..&*end_key) {
            history::each(kind, block, from, to, visit)?;
        }
        if let Some(block) = telemetry.open_block(wearer, kind) {
            history::each(kind, &block.value(), from, to, visit)?;
        }
        Ok(())
    }
}

impl State {
    /// One API token.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn token(&self, id: &TokenId) -> Result<Option<ApiToken>, StoreError> {
        self.read("token", &keys::text(keys::TOKEN, id.as_str()))
    }

    /// All API tokens, revoked ones too, ascending by id.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        let listing = self.ascending("token", &[keys::TOKEN], keys::TOKEN, usize::MAX, usize::MAX, &|_| true)?;
        Ok(listing.items)
    }

    pub(super) fn read<T: DeserializeOwned>(&self, what: &'static str, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.database.get(key)?.map(|value| decode_value(what, &value)).transpose()
    }

    /// Goes up what has this letter, and looks at `looks_max` entries at most.
    pub(super) fn ascending<T: DeserializeOwned>(
        &self,
        what: &'static str,
        from: &[u8],
        letter: u8,
        limit: usize,
        looks_max: usize,
        keep: &dyn Fn(&T) -> bool,
    ) -> Result<Listing<T>, StoreError> {
        let (_, to) = keys::all(letter);
        let mut listing = Listing::empty();
        let (mut looked_at, mut through) = (0, Vec::new());
        self.database.scan(from, &to, &mut |key, value| {
            let item = if looked_at < looks_max { Some(decode_value(what, value)?).filter(keep) } else { None };
            listing.has_more = looked_at >= looks_max || (item.is_some() && listing.items.len() >= limit);
            if listing.has_more {
                return Ok(Scan::Stop);
            }
            looked_at += 1;
            through.clear();
            through.extend_from_slice(&key[1..]);
            listing.items.extend(item);
            Ok(Scan::Go)
        })?;
        listing.through_name = String::from_utf8_lossy(&through).into_owned();
        Ok(listing)
    }

    /// Goes down an index whose keys end with a number, from below `after`, and looks at [`LISTED_MAX`] entries at
    /// most.
    pub(super) fn newest_first<T>(
        &self,
        (from, mut to): (Vec<u8>, Vec<u8>),
        after: Option<u64>,
        limit: usize,
        load: &mut dyn FnMut(u64) -> Result<Option<T>, StoreError>,
    ) -> Result<Listing<T>, StoreError> {
        if let Some(after) = after {
            to.clone_from(&from);
            to.extend_from_slice(&after.to_be_bytes());
        }
        let mut listing = Listing::empty();
        let mut scanned = 0;
        self.database.scan_back(&from, &to, &mut |key, _| {
            let number = keys::last_number(key);
            let found = if scanned < LISTED_MAX { load(number)? } else { None };
            listing.has_more = scanned >= LISTED_MAX || (found.is_some() && listing.items.len() >= limit);
            if listing.has_more {
                return Ok(Scan::Stop);
            }
            (scanned, listing.through) = (scanned + 1, number);
            listing.items.extend(found);
            Ok(Scan::Go)
        })?;
        Ok(listing)
    }
}

/// The newest event of a view.
pub(super) fn newest_event(database: &Database) -> Result<Option<u64>, StoreError> {
    let (from, to) = keys::all(keys::EVENT);
    let mut newest = None;
    database.scan_back(&from, &to, &mut |key, _| {
        newest = Some(keys::last_number(key));
        Ok(Scan::Stop)
    })?;
    Ok(newest)
}

/// The index to go down: that of the wearer, that of the open ones, or all.
fn index_of(wearer: Option<&WearerId>, open_only: bool, of_wearer: u8, [open, all]: [u8; 2]) -> (Vec<u8>, Vec<u8>) {
    match wearer {
        Some(wearer) => keys::of_text(of_wearer, wearer.as_str()),
        None => {
            let (from, to) = keys::all(if open_only { open } else { all });
            (from.to_vec(), to.to_vec())
        }
    }
}

fn split_event(value: &[u8]) -> Result<(Timestamp, &[u8]), StoreError> {
    EventOffset::split(value).ok_or_else(|| bad("event", "too short for its time".to_owned()))
}
