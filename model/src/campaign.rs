//! Campaigns: welfare calls to a list of elders, and test calls to guardians' numbers.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::registry::DailyWindow;
use crate::{AttemptId, CampaignId, Contact, OrgPath, PersonId, Timestamp, WearerId};

/// What is called for. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CampaignKind {
    /// How are you: 1 "I am well", 2 "I need help"; 2, or nobody after so many tries, raises an incident.
    Welfare,
    /// Does this guardian's number work: 1 "yes, it is me".
    Test,
}

/// What somebody orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignOrder {
    /// What is called for.
    pub kind: CampaignKind,
    /// What it is called, at most 100 characters.
    pub name: String,
    /// What is said, with `{name}` for the name; empty: the usual words.
    pub text: String,
    /// When calls may begin; `None`: at any time of the day.
    pub window: Option<DailyWindow>,
    /// How often each is tried, 1–10.
    pub tries: u8,
    /// How long after a vain try the next one comes, seconds, 60–86 400.
    pub gap_seconds: u32,
    /// When whoever was not reached counts as not reached, and it ends.
    pub until: Timestamp,
    /// Whom it is about.
    pub wearers: Vec<WearerId>,
}

/// Where a campaign stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// Somebody is still to be called.
    Running,
    /// Everybody answered or was given up.
    Ended,
}

/// The full state of a campaign: the `data` of its feed events. The two rates are `answered` and `keyed`, each of
/// `people`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// Counts changes of this entity, from 1.
    pub version: u32,
    /// What is called for.
    pub kind: CampaignKind,
    /// What it is called.
    pub name: String,
    /// The part of the tree that it belongs to.
    pub org: OrgPath,
    /// What is said; empty: the usual words.
    pub text: String,
    /// When calls may begin.
    pub window: Option<DailyWindow>,
    /// How often each is tried.
    pub tries: u8,
    /// How long after a vain try the next one comes, seconds.
    pub gap_seconds: u32,
    /// Who ordered it; `None`: the plan's own test calls.
    pub by: Option<PersonId>,
    /// Where it stands.
    pub state: CampaignState,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// How many different people it calls.
    pub people: u32,
    /// How many of them answered a call.
    pub answered: u32,
    /// How many of them pressed a key.
    pub keyed: u32,
    /// How many of them pressed 2: they need help.
    pub need_help: u32,
    /// How many were given up without an answer.
    pub unanswered: u32,
    /// How many are not done yet.
    pub open: u32,
}

/// How far the calling of one person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CampaignCallState {
    /// Waits for its turn.
    Waiting,
    /// Is being called.
    Calling,
    /// Pressed 1.
    Fine,
    /// Pressed 2.
    NeedsHelp,
    /// Was tried so often in vain; `answered` says whether anybody picked up.
    Unanswered,
}

impl CampaignCallState {
    /// Whether nothing more is done.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, CampaignCallState::Fine | CampaignCallState::NeedsHelp | CampaignCallState::Unanswered)
    }
}

/// One person of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CampaignCall {
    /// Of which campaign.
    pub campaign: CampaignId,
    /// Its place in the campaign's list, from 0.
    pub place: u32,
    /// The elder whom it is about.
    pub wearer: WearerId,
    /// Where they belong.
    pub org: OrgPath,
    /// Who is called. JSON masks the number.
    pub contact: Contact,
    /// How far it is.
    pub state: CampaignCallState,
    /// How often it was tried.
    pub tries: u8,
    /// Whether somebody, or a machine, picked up.
    pub answered: bool,
    /// The last call.
    pub attempt: Option<AttemptId>,
    /// When the next try comes, or the present one is over without news.
    pub next_at: Option<Timestamp>,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// The community's name, for the words.
    #[schema(value_type = String)]
    pub community_name: CompactString,
    /// The elder's name, for the words of a test call.
    #[schema(value_type = String)]
    pub wearer_name: CompactString,
}
