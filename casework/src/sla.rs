//! How long each stage of a case may take before it whistles by itself.

use model::{CaseState, IncidentKind};

/// Limits per stage, in seconds. `None`: no clock runs in that stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageLimits {
    /// From filed (or reopened, returned) to dispatched or accepted.
    pub dispatch_seconds: Option<u32>,
    /// From dispatched to accepted.
    pub accept_seconds: Option<u32>,
    /// From accepted to somebody at the door.
    pub on_site_seconds: Option<u32>,
    /// From on site to feedback or closed.
    pub feedback_seconds: Option<u32>,
    /// From feedback to verified or closed.
    pub verify_seconds: Option<u32>,
    /// From verified to closed.
    pub close_seconds: Option<u32>,
}

/// The limits for emergencies and for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sla {
    /// For SOS and falls.
    pub emergency: StageLimits,
    /// For everything else.
    pub other: StageLimits,
}

const MINUTE: u32 = 60;
const HOUR: u32 = 3_600;

impl Default for Sla {
    /// The defaults of alerting.md (dispatch 2 min, accept 5 min, on site 20 min for SOS and falls; hours for the
    /// rest).
    fn default() -> Sla {
        Sla {
            emergency: StageLimits {
                dispatch_seconds: Some(2 * MINUTE),
                accept_seconds: Some(5 * MINUTE),
                on_site_seconds: Some(20 * MINUTE),
                feedback_seconds: Some(4 * HOUR),
                verify_seconds: Some(24 * HOUR),
                close_seconds: Some(24 * HOUR),
            },
            other: StageLimits {
                dispatch_seconds: Some(2 * HOUR),
                accept_seconds: Some(4 * HOUR),
                on_site_seconds: Some(24 * HOUR),
                feedback_seconds: Some(24 * HOUR),
                verify_seconds: Some(72 * HOUR),
                close_seconds: Some(72 * HOUR),
            },
        }
    }
}

impl Sla {
    /// How long a case of this kind may stay in a state; `None`: as long as it likes.
    pub(crate) fn seconds(&self, kind: IncidentKind, state: CaseState) -> Option<u32> {
        let limits = if kind.opens_case() { &self.emergency } else { &self.other };
        match state {
            CaseState::Filed => limits.dispatch_seconds,
            CaseState::Dispatched => limits.accept_seconds,
            CaseState::Accepted => limits.on_site_seconds,
            CaseState::OnSite => limits.feedback_seconds,
            CaseState::Feedback => limits.verify_seconds,
            CaseState::Verified => limits.close_seconds,
            CaseState::Rejected | CaseState::Closed | CaseState::Rated | CaseState::Merged => None,
        }
    }
}
