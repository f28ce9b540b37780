//! The task: something about an elder's protection that somebody has to put right.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{OrgPath, PersonId, TaskId, Timestamp, WearerId};

/// What is to be put right. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// A guardian's number is missing, wrong, or nobody was ever reached under it.
    FixContact,
    /// The elder is uncovered: of none of their guardians is it to be expected that they can be reached.
    Uncovered,
}

impl TaskKind {
    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TaskKind::FixContact => "fix_contact",
            TaskKind::Uncovered => "uncovered",
        }
    }
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Somebody has to see to it.
    Open,
    /// Somebody did, or it was put right without.
    Done,
}

/// The full state of a task: the `data` of its feed events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Counts changes of this entity, from 1.
    pub version: u32,
    /// What is to be put right.
    pub kind: TaskKind,
    /// Whose protection it is about.
    pub wearer: WearerId,
    /// Where they belong.
    pub org: OrgPath,
    /// Whose number it is about, for [`TaskKind::FixContact`].
    pub person: Option<PersonId>,
    /// Why, in Chinese; names nobody.
    pub reason: String,
    /// The same in English.
    pub reason_en: String,
    /// Where it stands.
    pub state: TaskState,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Who saw to it; `None` while open, and when it was put right without.
    pub done_by: Option<PersonId>,
    /// What they had to say, at most 2 000 bytes.
    pub note: String,
}
