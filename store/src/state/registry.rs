//! The registry: an entry by its name, lists page by page, and whose somebody or something is.
//!
//! Beside the entries stand hints: who belongs to an organisation, who looks after whom, who wears what. They are written
//! with the entry and never taken back, so that a record can be projected twice and in any order; whoever follows a hint
//! reads the entry, and it decides.

use std::collections::BTreeSet;
use std::iter;

use model::{Device, DeviceId, Org, OrgPath, Person, PersonId, Wearer, WearerId};

use super::opening::number_value;
use super::queries::{LISTED_MAX, Listing, Page};
use super::tree::{Changes, Scan};
use super::{State, keys};
use crate::codec::decode_value;
use crate::error::StoreError;

/// How many hints are written at once where a whole registry gets them.
const HINTS_PER_WRITE: usize = 10_000;

/// Whose wearers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among<'a> {
    /// Of an organisation and all below it.
    Scope(&'a OrgPath),
    /// Those whom somebody looks after, as a guardian or as their doctor.
    Person(&'a PersonId),
}

pub(super) fn hint_at_wearer(changes: &mut Changes, wearer: &Wearer) {
    let id = wearer.id.as_str();
    changes.put(&keys::text_text(keys::WEARER_OF_ORG, wearer.org.as_str(), id), Vec::new());
    for person in wearer.guardians.iter().chain(&wearer.doctor) {
        changes.put(&keys::text_text(keys::WEARER_OF_PERSON, person.as_str(), id), Vec::new());
    }
}

pub(super) fn hint_at_device(changes: &mut Changes, device: &Device) {
    if let Some(wearer) = &device.wearer {
        changes.put(&keys::text_text(keys::DEVICE_OF_WEARER, wearer.as_str(), device.id.as_str()), Vec::new());
    }
}

macro_rules! registry_queries {
    ($($one:ident, $many:ident, $each:ident, $key:ty, $entry:ty, $letter:ident, $name:literal;)*) => {
        impl State { $(
            #[doc = concat!("One ", $name, " of the registry.")]
            ///
            /// # Errors
            /// [`StoreError::State`].
            pub fn $one(&self, id: &$key) -> Result<Option<$entry>, StoreError> {
                self.read($name, &keys::text(keys::$letter, id.as_str()))
            }

            #[doc = concat!("Every ", $name, " that `keep` lets through, ascending by id. So many are looked at at once: a page")]
            /// may be short, or empty, and not be the last.
            ///
            /// # Errors
            /// [`StoreError::State`].
            pub fn $many(
                &self,
                page: Page<$key>,
                keep: &dyn Fn(&$entry) -> bool,
            ) -> Result<Listing<$entry>, StoreError> {
                let mut from = keys::text(keys::$letter, page.after.as_ref().map_or("", |id| id.as_str()));
                if page.after.is_some() {
                    from.push(0);
                }
                self.ascending($name, &from, keys::$letter, page.limit, LISTED_MAX, keep)
            }

            #[doc = concat!("Hands over every ", $name, ", ascending by id.")]
            ///
            /// # Errors
            /// [`StoreError::State`].
            pub fn $each(&self, visit: &mut dyn FnMut($entry)) -> Result<(), StoreError> {
                let (from, to) = keys::all(keys::$letter);
                self.database.scan(&from, &to, &mut |_, value| {
                    visit(decode_value($name, value)?);
                    Ok(Scan::Go)
                })
            }
        )* }
    };
}

registry_queries! {
    org, orgs, for_each_org, OrgPath, Org, ORG, "organisation";
    person, people, for_each_person, PersonId, Person, PERSON, "person";
    wearer, wearers, for_each_wearer, WearerId, Wearer, WEARER, "wearer";
    device, devices, for_each_device, DeviceId, Device, DEVICE, "device";
}

impl State {
    /// The wearers among whom one looks, of those that `keep` lets through, ascending by id. It costs as much as there are
    /// wearers among them, not as there are in the registry.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn wearers_among(
        &self,
        among: Among<'_>,
        page: Page<WearerId>,
        keep: &dyn Fn(&Wearer) -> bool,
    ) -> Result<Listing<Wearer>, StoreError> {
        let ids = self.wearer_ids(among)?;
        let after = page.after.as_ref().map(WearerId::as_str);
        let load =
            |id: &str| Ok(self.wearer(&WearerId::new(id))?.filter(|wearer| is_among(among, wearer) && keep(wearer)));
        named(&ids, after, page.limit, &load)
    }

    /// Hands over every wearer among whom one looks, ascending by id.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn each_wearer_among(&self, among: Among<'_>, visit: &mut dyn FnMut(Wearer)) -> Result<(), StoreError> {
        for id in self.wearer_ids(among)? {
            self.wearer(&WearerId::new(&id))?
                .filter(|wearer| is_among(among, wearer))
                .into_iter()
                .for_each(&mut *visit);
        }
        Ok(())
    }

    /// The devices of the wearers among whom one looks, of those that `keep` lets through, ascending by id.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn devices_among(
        &self,
        among: Among<'_>,
        page: Page<DeviceId>,
        keep: &dyn Fn(&Device) -> bool,
    ) -> Result<Listing<Device>, StoreError> {
        let wearers = self.wearer_ids(among)?;
        self.devices_on(wearers.iter().map(String::as_str), page, keep)
    }

    /// The devices on a wearer, in the same way.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn devices_of(
        &self,
        wearer: &WearerId,
        page: Page<DeviceId>,
        keep: &dyn Fn(&Device) -> bool,
    ) -> Result<Listing<Device>, StoreError> {
        self.devices_on(iter::once(wearer.as_str()), page, keep)
    }

    /// The people with these ids, ascending.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn people_named(&self, ids: &BTreeSet<PersonId>, page: Page<PersonId>) -> Result<Listing<Person>, StoreError> {
        let ids = ids.iter().map(ToString::to_string).collect();
        let after = page.after.as_ref().map(PersonId::as_str);
        named(&ids, after, page.limit, &|id| self.person(&PersonId::new(id)))
    }

    fn devices_on<'a>(
        &self,
        wearers: impl Iterator<Item = &'a str>,
        page: Page<DeviceId>,
        keep: &dyn Fn(&Device) -> bool,
    ) -> Result<Listing<Device>, StoreError> {
        let mut ids = BTreeSet::new();
        for wearer in wearers {
            self.hints(&keys::of_text(keys::DEVICE_OF_WEARER, wearer), &mut ids)?;
        }
        let after = page.after.as_ref().map(DeviceId::as_str);
        named(&ids, after, page.limit, &|id| Ok(self.device(&DeviceId::new(id))?.filter(keep)))
    }

    /// Who is, or was, among them.
    fn wearer_ids(&self, among: Among<'_>) -> Result<BTreeSet<String>, StoreError> {
        let mut ids = BTreeSet::new();
        let range = match among {
            Among::Scope(scope) => keys::of_prefix(keys::WEARER_OF_ORG, scope.as_str()),
            Among::Person(person) => keys::of_text(keys::WEARER_OF_PERSON, person.as_str()),
        };
        self.hints(&range, &mut ids)?;
        Ok(ids)
    }

    fn hints(&self, (from, to): &(Vec<u8>, Vec<u8>), ids: &mut BTreeSet<String>) -> Result<(), StoreError> {
        self.database.scan(from, to, &mut |key, _| {
            ids.insert(String::from_utf8_lossy(keys::second_text(key)).into_owned());
            Ok(Scan::Go)
        })
    }

    /// Writes the hints of a view that was made, or exported, before there were any.
    pub(super) fn hint_at_registry(&self) -> Result<(), StoreError> {
        if self.database.get(keys::META_HINTS)?.is_some() {
            return Ok(());
        }
        let (mut changes, mut written) = (Changes::default(), Ok(()));
        let mut write = |changes: &mut Changes, least: usize| {
            if changes.len() >= least && written.is_ok() {
                written = self.database.apply(std::mem::take(changes));
            }
        };
        self.for_each_wearer(&mut |wearer| {
            hint_at_wearer(&mut changes, &wearer);
            write(&mut changes, HINTS_PER_WRITE);
        })?;
        self.for_each_device(&mut |device| {
            hint_at_device(&mut changes, &device);
            write(&mut changes, HINTS_PER_WRITE);
        })?;
        changes.put(keys::META_HINTS, number_value(1));
        write(&mut changes, 1);
        written
    }
}

fn is_among(among: Among<'_>, wearer: &Wearer) -> bool {
    match among {
        Among::Scope(scope) => scope.contains(&wearer.org),
        Among::Person(person) => wearer.guardians.iter().chain(&wearer.doctor).any(|known| known == person),
    }
}

/// A page of what has these names: as many are loaded at once as in any other list.
fn named<T>(
    names: &BTreeSet<String>,
    after: Option<&str>,
    limit: usize,
    load: &dyn Fn(&str) -> Result<Option<T>, StoreError>,
) -> Result<Listing<T>, StoreError> {
    let mut listing = Listing::empty();
    for (looked_at, name) in names.iter().filter(|name| after.is_none_or(|after| name.as_str() > after)).enumerate() {
        let found = if looked_at < LISTED_MAX { load(name)? } else { None };
        listing.has_more = looked_at >= LISTED_MAX || (found.is_some() && listing.items.len() >= limit);
        if listing.has_more {
            break;
        }
        listing.through_name.clone_from(name);
        listing.items.extend(found);
    }
    Ok(listing)
}
