//! Commands that go down to a device.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{DeviceId, DownCommandId, PersonId, Timestamp};

/// What a device is told to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DownCommandKind {
    /// Report the position now.
    Locate,
    /// Report every so many seconds, 10–86 400.
    SetInterval {
        /// Seconds.
        seconds: u32,
    },
    /// Take the blood pressure again.
    MeasureAgain,
    /// Ring, so that it can be found.
    Ring,
    /// Show or speak that somebody is coming.
    HelpIsComing {
        /// What to show, e.g. 有人正在赶来.
        text: String,
    },
    /// Settings by name.
    Configuration {
        /// Name and value.
        #[schema(value_type = Vec<Vec<String>>)]
        settings: Vec<(CompactString, CompactString)>,
    },
}

impl DownCommandKind {
    /// The name in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            DownCommandKind::Locate => "locate",
            DownCommandKind::SetInterval { .. } => "set_interval",
            DownCommandKind::MeasureAgain => "measure_again",
            DownCommandKind::Ring => "ring",
            DownCommandKind::HelpIsComing { .. } => "help_is_coming",
            DownCommandKind::Configuration { .. } => "configuration",
        }
    }

    /// How long it is worth delivering, in seconds, unless the command says otherwise.
    #[must_use]
    pub fn time_to_live_seconds(&self) -> u32 {
        match self {
            DownCommandKind::Locate | DownCommandKind::MeasureAgain => 600,
            DownCommandKind::Ring => 120,
            DownCommandKind::HelpIsComing { .. } => 900,
            DownCommandKind::SetInterval { .. } | DownCommandKind::Configuration { .. } => 7 * 86_400,
        }
    }
}

/// Where a command stands: `queued → sent → acknowledged`, or `expired`, or `replaced` by a newer of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DownCommandState {
    /// Committed, waits for the device.
    Queued,
    /// Written to the device's connection.
    Sent,
    /// The device's PUBACK came.
    Acknowledged,
    /// Too old to be of use.
    Expired,
    /// A newer of its kind took its place.
    Replaced,
}

/// What may happen to a down-command; all by itself. `(from, to)`.
pub const DOWN_COMMAND_TABLE: &[(DownCommandState, DownCommandState)] = {
    use DownCommandState as S;
    &[
        (S::Queued, S::Sent),
        (S::Queued, S::Expired),
        (S::Queued, S::Replaced),
        (S::Sent, S::Sent), // sent again to a device that came back without having acknowledged
        (S::Sent, S::Acknowledged),
        (S::Sent, S::Expired),
        (S::Sent, S::Replaced),
    ]
};

/// One command to one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DownCommand {
    /// Its id; the device sees it as `id`.
    pub id: DownCommandId,
    /// Counts changes, from 1.
    pub version: u32,
    /// To which device.
    pub device: DeviceId,
    /// What to do.
    pub kind: DownCommandKind,
    /// Where it stands.
    pub state: DownCommandState,
    /// Who asked for it; `None` for the engine itself.
    pub by: Option<PersonId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it is not worth delivering any more.
    pub expires_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
}
