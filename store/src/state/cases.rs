//! Queries about what stands around cases: patrols, duty rosters.

use model::{DutyRoster, OrgPath, Patrol, PatrolId};

use super::queries::{Listing, Page};
use super::{State, keys};
use crate::error::StoreError;

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
}
