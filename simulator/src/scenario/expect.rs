//! What must come of a scenario, and what must not.

use model::case::WhistleLevel;
use model::{CaseState, IncidentKind, IncidentState, Priority};
use serde::Deserialize;

/// Something that must be raised, and what must follow.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// About whom; `area:/yl/…/` for a community.
    pub who: String,
    /// What.
    pub kind: IncidentKind,
    /// Not before, seconds from the beginning.
    #[serde(default)]
    pub after_s: f64,
    /// By when at the latest, seconds from the beginning.
    pub by_s: f64,
    /// How urgent it must be.
    #[serde(default)]
    pub priority: Option<Priority>,
    /// Whether it must be marked late.
    #[serde(default)]
    pub late: Option<bool>,
    /// Who must be told, as `person channel` (`w1a voice`, `desk0 voice`).
    #[serde(default)]
    pub told: Vec<String>,
    /// By when, seconds from the beginning; without it, by `by_s`.
    #[serde(default)]
    pub told_by_s: Option<f64>,
    /// Which state the incident must reach.
    #[serde(default)]
    pub state: Option<IncidentState>,
    /// By when, seconds from the beginning; without it, by the end.
    #[serde(default)]
    pub state_by_s: Option<f64>,
    /// Which state the community's case about it must reach.
    #[serde(default)]
    pub case: Option<CaseState>,
    /// How high the case must be whistled.
    #[serde(default)]
    pub case_level: Option<WhistleLevel>,
    /// By when both, seconds from the beginning; without it, by the end.
    #[serde(default)]
    pub case_by_s: Option<f64>,
    /// How often it must have happened at least, in this one incident.
    #[serde(default)]
    pub occurrences: Option<u64>,
    /// Whether it must be over by the end.
    #[serde(default)]
    pub cleared: Option<bool>,
}

/// Something that must not happen.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Never {
    /// About whom; without it, about nobody.
    #[serde(default)]
    pub who: Option<String>,
    /// What kind of incident is not raised.
    #[serde(default)]
    pub kind: Option<IncidentKind>,
    /// Who is not told, as `person channel`.
    #[serde(default)]
    pub told: Option<String>,
    /// From when on, seconds from the beginning.
    #[serde(default)]
    pub from_s: f64,
    /// Until when; without it, to the end.
    #[serde(default)]
    pub to_s: Option<f64>,
}

/// Figures that are broken when they are exceeded; a broken one makes the exit code 99.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Exits of a fence that nobody made, per elder and 30 days. Without it, none is allowed.
    pub false_exits_per_elder_month: Option<f64>,
    /// The 99th percentile of the delay of an SOS, milliseconds from the press, or from when there was coverage.
    pub sos_p99_ms: Option<u64>,
    /// The median delay of an exit, seconds from the step over edge and margin.
    pub exit_p50_s: Option<u64>,
    /// The 99th percentile of the same.
    pub exit_p99_s: Option<u64>,
}
