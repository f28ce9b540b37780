//! The words of the house.
//!
//! A type enters here only when it crosses a crate border or reaches disk. There is no behaviour beyond what
//! keeps a word well-formed (parsing, printing, the transition tables): deciding is the business of the pure
//! crates, acting that of the edge crates.
//!
//! Every type that reaches disk derives serde in a form that both JSON and bincode can carry: no `flatten`,
//! `untagged`, `tag` or `skip_serializing_if`, and enums are only ever appended to.

pub mod account;
pub mod attempt;
pub mod audit;
pub mod campaign;
pub mod case;
pub mod command;
pub mod duty;
pub mod erasure;
pub mod escalation;
pub mod event;
pub mod explain;
pub mod finding;
pub mod id;
pub mod incident;
pub mod position;
pub mod record;
pub mod registry;
pub mod reject;
pub mod reply;
pub mod report;
pub mod staff;
pub mod step_up;
pub mod task;
pub mod text;
pub mod time;
pub mod webhook;

pub use account::{Account, AccountChange, AccountState, Session};
pub use attempt::{Attempt, AttemptOutcome, AttemptState, Callee, Channel, Destination, Lane, Purpose};
pub use audit::{AuditEntry, Glass};
pub use campaign::{Campaign, CampaignCall, CampaignCallState, CampaignKind, CampaignOrder, CampaignState};
pub use case::{Case, CaseAction, CaseKind, CaseState, CaseStep, Patrol};
pub use command::{DownCommand, DownCommandKind, DownCommandState};
pub use duty::{DutyRoster, Watch};
pub use erasure::Erasure;
pub use escalation::{Contact, Escalation};
pub use event::{Entity, Event, EventHead, EventKind};
pub use explain::{Explain, Reading};
pub use finding::{Change, Crossing, CrossingDirection, Finding};
pub use id::{
    AccountId, AttemptId, CampaignId, CaseId, Counters, DeviceId, DownCommandId, FenceId, IncidentId, OrgPath,
    PatrolId, PersonId, TaskId, TokenId, WearerId, WebhookId,
};
pub use incident::{
    Acknowledgement, Category, Condition, Incident, IncidentAction, IncidentKind, IncidentState, Occurrence, Priority,
};
pub use position::{Datum, Fix, Located, Position};
pub use record::{Decision, Input, Record};
pub use registry::{
    Device, Fence, FenceKind, Org, Person, Plan, RegistryChange, Role, Schedule, Shape, Suspension, Thresholds, Wearer,
};
pub use reject::{Reject, RejectReason};
pub use reply::{Fault, Problem, ProblemCode, Reply};
pub use report::{Consciousness, Report, ReportBody, ReportKind};
pub use staff::{Actor, StaffCommand};
pub use step_up::StepUp;
pub use task::{Task, TaskKind, TaskState};
pub use time::{Clock, Language, Timestamp};
pub use webhook::Webhook;
