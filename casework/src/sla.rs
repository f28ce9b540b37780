//! How long each stage of a case may take before it whistles by itself.

use std::collections::BTreeMap;

use model::{CaseKind, CaseState, Timestamp};

use crate::calendar::Calendar;

/// How long something may take, and by which clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Seconds, at least 1.
    pub seconds: u32,
    /// Whether only working time counts.
    pub working: bool,
}

/// Limits per stage. Every stage has one: an open case always has a time at which it is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageLimits {
    /// From filed (or reopened, returned) to dispatched or accepted.
    pub dispatch: Limit,
    /// From dispatched to accepted.
    pub accept: Limit,
    /// From accepted to somebody at the door.
    pub on_site: Limit,
    /// From on site to feedback or closed.
    pub feedback: Limit,
    /// From feedback to verified or closed.
    pub verify: Limit,
    /// From verified to closed.
    pub close: Limit,
}

/// The limits of every kind, and the hours that count as working time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sla {
    /// For SOS and falls.
    pub emergency: StageLimits,
    /// For people's reports and patrols.
    pub routine: StageLimits,
    /// For everything else.
    pub other: StageLimits,
    /// For single kinds, before the three above.
    pub of_kind: BTreeMap<CaseKind, StageLimits>,
    /// When work is done.
    pub calendar: Calendar,
}

const MINUTE: u32 = 60;
const HOUR: u32 = 3_600;

const fn wall(seconds: u32) -> Limit {
    Limit { seconds, working: false }
}

const fn working(seconds: u32) -> Limit {
    Limit { seconds, working: true }
}

impl Default for Sla {
    /// The defaults of alerting.md: dispatch 2 min, accept 5 min, on site 20 min for SOS and falls, by the clock on
    /// the wall; hours for the rest, hours of work where nobody is in danger.
    fn default() -> Sla {
        Sla {
            emergency: StageLimits {
                dispatch: wall(2 * MINUTE),
                accept: wall(5 * MINUTE),
                on_site: wall(20 * MINUTE),
                feedback: wall(4 * HOUR),
                verify: wall(24 * HOUR),
                close: wall(24 * HOUR),
            },
            routine: StageLimits {
                dispatch: working(4 * HOUR),
                accept: working(8 * HOUR),
                on_site: working(16 * HOUR),
                feedback: working(16 * HOUR),
                verify: working(24 * HOUR),
                close: working(24 * HOUR),
            },
            other: StageLimits {
                dispatch: wall(2 * HOUR),
                accept: wall(4 * HOUR),
                on_site: wall(24 * HOUR),
                feedback: wall(24 * HOUR),
                verify: wall(72 * HOUR),
                close: wall(72 * HOUR),
            },
            of_kind: BTreeMap::new(),
            calendar: Calendar::default(),
        }
    }
}

impl Sla {
    /// The limits of a kind.
    #[must_use]
    pub fn limits(&self, kind: CaseKind) -> &StageLimits {
        self.of_kind.get(&kind).unwrap_or(match kind {
            kind if kind.is_emergency() => &self.emergency,
            CaseKind::Report | CaseKind::Patrol => &self.routine,
            CaseKind::Incident(_) => &self.other,
        })
    }

    /// When a case of this kind is late in a state that it enters now; `None`: it has ended.
    pub(crate) fn due(&self, kind: CaseKind, state: CaseState, now: Timestamp) -> Option<Timestamp> {
        self.due_after(kind, state, now, 0)
    }

    /// The same, but at least so many seconds from now.
    pub(crate) fn due_after(
        &self,
        kind: CaseKind,
        state: CaseState,
        now: Timestamp,
        seconds_min: u32,
    ) -> Option<Timestamp> {
        let limit = stage(self.limits(kind), state)?;
        let due = if limit.working {
            self.calendar.plus_working_seconds(now, limit.seconds.max(1))
        } else {
            now.plus_seconds(limit.seconds.max(1))
        };
        Some(due.max(now.plus_seconds(seconds_min.max(1))))
    }
}

fn stage(limits: &StageLimits, state: CaseState) -> Option<Limit> {
    match state {
        CaseState::Filed => Some(limits.dispatch),
        CaseState::Dispatched => Some(limits.accept),
        CaseState::Accepted => Some(limits.on_site),
        CaseState::OnSite => Some(limits.feedback),
        CaseState::Feedback => Some(limits.verify),
        CaseState::Verified => Some(limits.close),
        CaseState::Rejected | CaseState::Closed | CaseState::Rated | CaseState::Merged => None,
    }
}
