//! Queries about what stands around cases: patrols, duty rosters, photos, and what reports are made of.

use model::{Case, CaseId, DutyRoster, EventKind, Incident, IncidentId, OrgPath, Patrol, PatrolId, Timestamp};
use serde::de::DeserializeOwned;

use super::queries::{Listing, Page};
use super::tree::Scan;
use super::{State, keys};
use crate::codec::decode_value;
use crate::error::StoreError;

/// How many partitions ids are counted in.
const PARTITIONS: u8 = 64;

impl State {
    /// One patrol.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn patrol(&self, id: PatrolId) -> Result<Option<Patrol>, StoreError> {
        self.read("patrol", &keys::number(keys::PATROL, id.raw()))
    }

    /// Patrols, newest first, of those that `keep` lets through.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn patrols(&self, page: Page<PatrolId>, keep: &dyn Fn(&Patrol) -> bool) -> Result<Listing<Patrol>, StoreError> {
        let (from, to) = keys::all(keys::PATROL);
        self.newest_first((from.to_vec(), to.to_vec()), page.after.map(PatrolId::raw), page.limit, &mut |id| {
            Ok(self.patrol(PatrolId::from_raw(id))?.filter(keep))
        })
    }

    /// An organisation's own duty roster.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn duty(&self, org: &OrgPath) -> Result<Option<DutyRoster>, StoreError> {
        self.read("duty roster", &keys::text(keys::DUTY, org.as_str()))
    }

    /// The cases that have a photo with this hash.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn cases_of_photo(&self, hash: &str) -> Result<Vec<Case>, StoreError> {
        let index = keys::of_text(keys::PHOTO, hash);
        self.newest_first(index, None, usize::MAX, &mut |id| self.case(CaseId::from_raw(id))).map(|found| found.items)
    }

    /// Whether any case has a photo with this hash.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn has_photo(&self, hash: &str) -> Result<bool, StoreError> {
        let (from, to) = keys::of_text(keys::PHOTO, hash);
        let mut has = false;
        self.database.scan(&from, &to, &mut |_, _| {
            has = true;
            Ok(Scan::Stop)
        })?;
        Ok(has)
    }

    /// When somebody acknowledged an incident, was there, ended it: oldest first.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn responses_to(&self, incident: IncidentId) -> Result<Vec<(EventKind, Timestamp)>, StoreError> {
        let mut found = Vec::new();
        let (from, to) = (keys::response(incident, 0), keys::response(incident, u64::MAX));
        self.database.scan(&from, &to, &mut |_, value| {
            found.push(decode_value("response", value)?);
            Ok(Scan::Go)
        })?;
        Ok(found)
    }

    /// Hands over every incident that was raised from `from` on and before `to`.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn for_each_incident_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        visit: &mut dyn FnMut(Incident),
    ) -> Result<(), StoreError> {
        self.between(keys::INCIDENT, "incident", (from, to), |incident: &Incident| incident.raised_at, visit)
    }

    /// Hands over every case that was filed from `from` on and before `to`.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn for_each_case_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        visit: &mut dyn FnMut(Case),
    ) -> Result<(), StoreError> {
        self.between(keys::CASE, "case", (from, to), |case: &Case| case.filed_at, visit)
    }

    /// Counted ids ascend with time within their partition: each is gone through from its newest back.
    fn between<T: DeserializeOwned>(
        &self,
        letter: u8,
        what: &'static str,
        (from, to): (Timestamp, Timestamp),
        begun: impl Fn(&T) -> Timestamp,
        visit: &mut dyn FnMut(T),
    ) -> Result<(), StoreError> {
        for partition in 0..PARTITIONS {
            let first = IncidentId::new(partition, 0).raw();
            let last = IncidentId::new(partition, u64::MAX).raw();
            self.database.scan_back(&keys::number(letter, first), &keys::number(letter, last), &mut |_, value| {
                let item: T = decode_value(what, value)?;
                let at = begun(&item);
                if at < from {
                    return Ok(Scan::Stop);
                }
                if at < to {
                    visit(item);
                }
                Ok(Scan::Go)
            })?;
        }
        Ok(())
    }
}
