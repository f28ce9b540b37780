//! Taking somebody out of the view: what is about them goes, what names them is blanked, and what the telemetry pass
//! brings of them later (from before, or from an older backup) is passed over.

use std::collections::{BTreeMap, VecDeque};

use model::erasure::{ErasedKind, Erasure, Names};
use model::{
    Attempt, AuditEntry, CampaignCall, Case, DownCommand, Entity, Event, Incident, Person, PersonId, Task, Wearer,
    WearerId,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::facts::EventOffset;
use super::opening::number_value;
use super::tree::{Changes, Scan};
use super::{Quarantined, State, keys};
use crate::codec::{decode_value, encode_value};
use crate::error::StoreError;

/// How many entries are looked through before the follower does what cannot wait: some milliseconds.
const ENTRIES_PER_PORTION: usize = 1_000;

/// Everybody whom the telemetry pass passes over.
#[derive(Default)]
pub(crate) struct ErasedOnes {
    wearers: BTreeMap<Box<[u8]>, Erasure>,
}

impl ErasedOnes {
    pub(crate) fn add(&mut self, erasure: &Erasure) {
        if erasure.kind == ErasedKind::Wearer {
            self.wearers.insert(erasure.subject.as_bytes().into(), erasure.clone());
        }
    }

    /// Whether this wearer was erased. Asked for every report: nearly always nobody ever was.
    pub(crate) fn has(&self, wearer: &[u8]) -> bool {
        !self.wearers.is_empty() && self.wearers.contains_key(wearer)
    }

    /// Whether what was refused came from a device that was on somebody who was erased.
    pub(crate) fn take(&self, refused: &Quarantined) -> bool {
        let Some(device) = &refused.device else { return false };
        self.wearers.values().any(|erasure| erasure.wore(device, refused.at))
    }
}

/// Somebody who is being taken out of the view.
pub(crate) struct Erasing {
    /// The record that says so.
    pub(crate) seq: u64,
    erasure: Erasure,
    names: Names,
    /// The shelves that are still to be looked through.
    shelves: Vec<u32>,
    /// Where in the main tree to go on.
    from: Vec<u8>,
}

/// What becomes of an entry.
enum Fate {
    Stays,
    Goes,
    Becomes(Vec<u8>),
}

impl State {
    /// Everybody who was erased, each with the record that says so.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn erasures(&self) -> Result<Vec<(u64, Erasure)>, StoreError> {
        let (from, to) = keys::all(keys::ERASED);
        let mut found = Vec::new();
        self.database.scan(&from, &to, &mut |_, value| {
            found.push(decode_value("erasure", value)?);
            Ok(Scan::Go)
        })?;
        Ok(found)
    }

    /// Begins to take somebody out, as the record `seq` says: from now on the registry and the latest values do not show
    /// them, and the telemetry pass passes them over. The rest goes portion by portion ([`State::erase_some`]), also
    /// after a crash. Doing it again changes nothing.
    pub(crate) fn begin_erasing(&self, seq: u64, erasure: &Erasure) -> Result<(), StoreError> {
        self.telemetry().erase(erasure);
        let mut changes = Changes::default();
        let key = keys::number(keys::ERASING, u64::from(erasure.id));
        // Taken up again after a crash the names are not in the registry any more.
        if self.database.get(&key)?.is_none() {
            changes.put(&key, encode_value(&(seq, erasure, self.names_of(erasure)?))?);
        }
        let letter = if erasure.kind == ErasedKind::Wearer { keys::WEARER } else { keys::PERSON };
        changes.delete(&keys::text(letter, &erasure.subject));
        if erasure.kind == ErasedKind::Wearer {
            changes.delete(&keys::text(keys::LATEST, &erasure.subject));
        }
        changes.put(&keys::number(keys::ERASED, u64::from(erasure.id)), encode_value(&(seq, erasure))?);
        // What sled has let go of stays in its files for a while: the next start makes new ones from an export.
        changes.put(keys::META_RENEW, number_value(seq));
        self.database.apply(changes)
    }

    /// Those who are being taken out, in order.
    pub(crate) fn erasing(&self) -> Result<VecDeque<Erasing>, StoreError> {
        let (from, to) = keys::all(keys::ERASING);
        let mut found = VecDeque::new();
        self.database.scan(&from, &to, &mut |_, value| {
            let (seq, erasure, names): (u64, Erasure, Names) = decode_value("erasure", value)?;
            let shelves = if erasure.kind == ErasedKind::Wearer { self.database.shelves()? } else { Vec::new() };
            found.push_back(Erasing { seq, erasure, names, shelves, from: vec![0] });
            Ok(Scan::Go)
        })?;
        Ok(found)
    }

    /// Whether somebody is still being taken out: no export says then that it holds nothing of them.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn is_erasing(&self) -> Result<bool, StoreError> {
        let (from, to) = keys::all(keys::ERASING);
        let mut is_erasing = false;
        self.database.scan(&from, &to, &mut |_, _| {
            is_erasing = true;
            Ok(Scan::Stop)
        })?;
        Ok(is_erasing)
    }

    /// Takes a portion of somebody out; `true`: it was the last one.
    pub(crate) fn erase_some(&self, erasing: &mut Erasing) -> Result<bool, StoreError> {
        if let Some(shelf) = erasing.shelves.pop() {
            self.erase_shelf(shelf, erasing.seq, &erasing.erasure)?;
            return Ok(false);
        }
        if let Some(next) = self.erase_entries(&erasing.from, &erasing.erasure, &erasing.names)? {
            erasing.from = next;
            return Ok(false);
        }
        let mut changes = Changes::default();
        changes.delete(&keys::number(keys::ERASING, u64::from(erasing.erasure.id)));
        self.database.apply(changes)?;
        Ok(true)
    }

    /// The telemetry pass is told who was erased before.
    pub(crate) fn remember_erased(&self) -> Result<(), StoreError> {
        let erased = self.erasures()?;
        let mut telemetry = self.telemetry();
        erased.iter().for_each(|(_, erasure)| telemetry.erase(erasure));
        Ok(())
    }

    /// The record after which the view's files are to be made anew; 0: none is.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn renew_after(&self) -> Result<u64, StoreError> {
        Ok(self.database.get(keys::META_RENEW)?.map_or(0, |value| keys::last_number(&value)))
    }

    /// The record that took somebody out of a shelf; 0: none did.
    pub(crate) fn shelf_erased_at(&self, shelf: u32) -> Result<u64, StoreError> {
        Ok(self.database.get(&keys::shelf_erased(shelf))?.map_or(0, |value| keys::last_number(&value)))
    }

    fn names_of(&self, erasure: &Erasure) -> Result<Names, StoreError> {
        Ok(match erasure.kind {
            ErasedKind::Wearer => {
                let wearer: Option<Wearer> = self.wearer(&WearerId::new(&erasure.subject))?;
                wearer.as_ref().map(Names::of_wearer)
            }
            ErasedKind::Person => {
                let person: Option<Person> = self.person(&PersonId::new(&erasure.subject))?;
                person.as_ref().map(Names::of_person)
            }
        }
        .unwrap_or_default())
    }

    /// Looks through so many entries from a key on; where to go on, unless that was the end.
    fn erase_entries(&self, from: &[u8], erasure: &Erasure, names: &Names) -> Result<Option<Vec<u8>>, StoreError> {
        // Ids and names stand in the values as they are: what holds none of them need not be decoded.
        let mut needles: Vec<&[u8]> = vec![erasure.subject.as_bytes()];
        needles.extend(names.iter().map(str::as_bytes));
        needles.extend(erasure.worn.iter().map(|worn| worn.device.as_str().as_bytes()));
        let mut changes = Changes::default();
        let (mut looked_at, mut next) = (0, None);
        self.database.scan(from, &[u8::MAX], &mut |key, value| {
            if looked_at >= ENTRIES_PER_PORTION {
                next = Some(key.to_vec());
                return Ok(Scan::Stop);
            }
            looked_at += 1;
            if needles.iter().any(|needle| holds(value, needle)) {
                match fate(key, value, erasure, names, &mut changes)? {
                    Fate::Stays => {}
                    Fate::Goes => changes.delete(key),
                    Fate::Becomes(value) => changes.put(key, value),
                }
            }
            Ok(Scan::Go)
        })?;
        if changes.len() > 0 {
            self.database.apply(changes)?;
        }
        Ok(next)
    }

    fn erase_shelf(&self, shelf: u32, seq: u64, erasure: &Erasure) -> Result<(), StoreError> {
        let mut from = erasure.subject.as_bytes().to_vec();
        let mut to = from.clone();
        from.push(0);
        to.push(1);
        let mut blocks = Changes::default();
        self.database.scan_shelf(shelf, &from, &to, &mut |key, _| {
            blocks.delete(key);
            Ok(Scan::Go)
        })?;
        // Marked even when there is nothing: an export of before may hold what a lost view does not.
        self.database.apply_shelf(shelf, blocks)?;
        let mut mark = Changes::default();
        mark.put(&keys::shelf_erased(shelf), number_value(seq));
        self.database.apply(mark)
    }
}

fn fate(key: &[u8], value: &[u8], erasure: &Erasure, names: &Names, beside: &mut Changes) -> Result<Fate, StoreError> {
    let goes = |is_theirs: bool| if is_theirs { Fate::Goes } else { Fate::Stays };
    let takes = |entity: Entity| goes(erasure.takes(&entity, names));
    let number = keys::last_number(key);
    Ok(match key.first().copied().unwrap_or_default() {
        keys::EVENT => {
            let event: Event = decode_value("event", EventOffset::split(value).map_or(value, |(_, event)| event))?;
            takes(event.entity)
        }
        keys::INCIDENT => changed(value, "incident", |incident: &mut Incident| {
            erasure.redact_incident(incident, names);
        })?,
        keys::CASE => {
            let before: Case = decode_value("case", value)?;
            let mut case = before.clone();
            erasure.redact_case(&mut case, names);
            let gone = before.photos.iter().filter(|photo| !case.photos.contains(photo));
            gone.for_each(|photo| beside.delete(&keys::text_number(keys::PHOTO, &photo.hash, number)));
            if case == before { Fate::Stays } else { Fate::Becomes(encode_value(&case)?) }
        }
        keys::ATTEMPT => {
            let attempt: Attempt = decode_value("attempt", value)?;
            let of = attempt.incident.map(|incident| keys::attempt_of(incident, attempt.id));
            let fate = takes(Entity::Attempt(Box::new(attempt)));
            if let (Fate::Goes, Some(of)) = (&fate, of) {
                beside.delete(&of);
            }
            fate
        }
        keys::TASK => {
            let fate = takes(Entity::Task(Box::new(decode_value::<Task>("task", value)?)));
            if let Fate::Goes = fate {
                beside.delete(&keys::number(keys::TASK_OPEN, number));
            }
            fate
        }
        keys::CAMPAIGN_CALL => {
            takes(Entity::CampaignCall(Box::new(decode_value::<CampaignCall>("campaign call", value)?)))
        }
        keys::DOWN_COMMAND => {
            let command: DownCommand = decode_value("down-command", value)?;
            let of = keys::down_command_of(&command.device, command.id);
            let fate = takes(Entity::DownCommand(Box::new(command)));
            if let Fate::Goes = fate {
                beside.delete(&of);
            }
            fate
        }
        keys::AUDIT => changed(value, "audit entry", |entry: &mut AuditEntry| erasure.redact_audit(entry, names))?,
        keys::QUARANTINE => {
            let refused: Quarantined = decode_value("quarantine entry", value)?;
            goes(refused.device.as_ref().is_some_and(|device| erasure.wore(device, refused.at)))
        }
        _ => Fate::Stays,
    })
}

fn changed<T: DeserializeOwned + Serialize + Clone + PartialEq>(
    value: &[u8],
    what: &'static str,
    change: impl FnOnce(&mut T),
) -> Result<Fate, StoreError> {
    let before: T = decode_value(what, value)?;
    let mut after = before.clone();
    change(&mut after);
    Ok(if after == before { Fate::Stays } else { Fate::Becomes(encode_value(&after)?) })
}

fn holds(value: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    value.windows(needle.len()).any(|window| window[0] == *first && window == needle)
}
