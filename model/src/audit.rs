//! The audit: who looked at what, and who did what, each entry chained to the one before it.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::registry::Role;
use crate::{CaseId, IncidentId, OrgPath, PersonId, Timestamp, WearerId};

/// The hash before the first entry.
pub const AUDIT_BEGINNING: [u8; 32] = [0; 32];
/// How many wearers one entry names; beyond it stands the organisation above them all.
pub const AUDIT_WEARERS_MAX: usize = 500;

/// One look or deed. Names nobody but by their opaque ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// From 1, without a gap.
    pub number: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// Who.
    pub person: PersonId,
    /// In which role.
    pub role: Role,
    /// With which part of the tree before them.
    pub scope: OrgPath,
    /// What was done: `look`, `incident.acknowledge`, `registry.import`, `session.begin`…
    pub action: CompactString,
    /// To what: `incidents/i1`, `wearers/w1/track`, `accounts/desk1`…
    pub subject: CompactString,
    /// Whose data.
    pub wearers: Vec<WearerId>,
    /// The lowest organisation that holds all of them; `None`: nobody's.
    pub org: Option<OrgPath>,
    /// Which fields were shown.
    pub fields: Vec<CompactString>,
    /// From when to when they reach, `from/to` in RFC 3339.
    pub period: Option<CompactString>,
    /// Why, in somebody's own words: beside the chain, so that it can be taken out when whom it is about is erased.
    pub purpose: Option<CompactString>,
    /// SHA-256 of that, in the chain; what is left of one that was taken out.
    pub purpose_hash: Option<[u8; 32]>,
    /// On account of which incident.
    pub incident: Option<IncidentId>,
    /// On account of which case.
    pub case: Option<CaseId>,
    /// `done`, or the code of the refusal.
    pub result: CompactString,
    /// The hash of the entry before; [`AUDIT_BEGINNING`] for the first.
    pub previous: [u8; 32],
    /// SHA-256 over everything above but the purpose, as the engine lays it out.
    pub hash: [u8; 32],
}

/// Leave to see where a wearer is although nothing has happened: with a reason, for a while, told to the guardians.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glass {
    /// Who broke it.
    pub person: PersonId,
    /// Whose position.
    pub wearer: WearerId,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
}
