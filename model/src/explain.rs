//! Why something was decided, in a form that can be shown and regenerated.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// What a finding rests on, and one plain sentence about it in each language. Regenerating it from the journal
/// gives the same bytes: it is made from the report and the thresholds only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explain {
    /// The rule's name, e.g. `fence_exit`.
    #[schema(value_type = String)]
    pub rule: CompactString,
    /// The version of the rule's text and thresholds.
    pub rule_version: u16,
    /// The readings, thresholds and distances, in the order in which the sentence uses them.
    pub readings: Vec<Reading>,
    /// The sentence in Chinese; names no person.
    pub zh: String,
    /// The sentence in English; names no person.
    pub en: String,
}

/// The rule by which somebody went into an area to be kept out of: of the same kind as a fence that is left, and told in
/// other words.
pub const FENCE_ENTRY: &str = "fence_entry";

/// One number that a decision rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reading {
    /// What it is, e.g. `systolic`, `threshold`, `distance`.
    #[schema(value_type = String)]
    pub name: CompactString,
    /// The value.
    pub value: f64,
    /// Its unit as written in the sentence, e.g. `mmHg`, `m`, `s`; empty for none.
    #[schema(value_type = String)]
    pub unit: CompactString,
    /// When it was measured, for measurements.
    pub at: Option<Timestamp>,
}
