//! Queries about what keeps people reachable: tasks and campaigns.

use model::{Campaign, CampaignCall, CampaignId, Task, TaskId};

use super::queries::{Listing, Page};
use super::tree::Scan;
use super::{State, keys};
use crate::codec::decode_value;
use crate::error::StoreError;

impl State {
    /// One task.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn task(&self, id: TaskId) -> Result<Option<Task>, StoreError> {
        self.read("task", &keys::number(keys::TASK, id.raw()))
    }

    /// Tasks, newest first, of those that `keep` lets through.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn tasks(
        &self,
        open_only: bool,
        page: Page<TaskId>,
        keep: &dyn Fn(&Task) -> bool,
    ) -> Result<Listing<Task>, StoreError> {
        let (from, to) = keys::all(if open_only { keys::TASK_OPEN } else { keys::TASK });
        self.newest_first((from.to_vec(), to.to_vec()), page.after.map(TaskId::raw), page.limit, &mut |id| {
            Ok(self.task(TaskId::from_raw(id))?.filter(keep))
        })
    }

    /// One campaign.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn campaign(&self, id: CampaignId) -> Result<Option<Campaign>, StoreError> {
        self.read("campaign", &keys::number(keys::CAMPAIGN, id.raw()))
    }

    /// Campaigns, newest first, of those that `keep` lets through.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn campaigns(
        &self,
        page: Page<CampaignId>,
        keep: &dyn Fn(&Campaign) -> bool,
    ) -> Result<Listing<Campaign>, StoreError> {
        let (from, to) = keys::all(keys::CAMPAIGN);
        self.newest_first((from.to_vec(), to.to_vec()), page.after.map(CampaignId::raw), page.limit, &mut |id| {
            Ok(self.campaign(CampaignId::from_raw(id))?.filter(keep))
        })
    }

    /// The people of a campaign, in the order of its list.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn campaign_calls(&self, id: CampaignId) -> Result<Vec<CampaignCall>, StoreError> {
        let (from, to) = (keys::campaign_call(id, 0), keys::campaign_call(CampaignId::from_raw(id.raw() + 1), 0));
        let mut calls = Vec::new();
        self.database.scan(&from, &to, &mut |_, value| {
            calls.push(decode_value("campaign call", value)?);
            Ok(Scan::Go)
        })?;
        Ok(calls)
    }
}
