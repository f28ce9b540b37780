//! Subscriptions of other systems: the feed, POSTed to them and signed (Standard Webhooks 1.0).

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{OrgPath, PersonId, Timestamp, WebhookId};

/// After how many seconds what was not taken is tried again: the first try is at once, the last pause repeats.
pub const RETRY_SECONDS: &[u32] = &[5, 15, 60, 300, 1_800, 7_200, 14_400, 28_800, 57_600, 86_400];
/// How often one message is tried, a week in all; then it stands in the log as given up.
pub const TRIES_MAX: u16 = 16;
/// How many messages of one subscription may wait for their next try; beyond it the subscription waits as a whole,
/// and the feed is its queue.
pub const WAITING_MAX: usize = 64;
/// How many deliveries of one subscription the log keeps.
pub const DELIVERIES_KEPT_MAX: u64 = 1_000;
/// How many subscriptions there may be.
pub const WEBHOOKS_MAX: usize = 200;
/// How long the secret before a rotation still signs, seconds: a day.
pub const ROTATION_SECONDS: u32 = 86_400;

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Counts what people change, from 1; deliveries do not.
    pub version: u32,
    /// What it says.
    pub order: WebhookOrder,
    /// The part of the tree that it is told of.
    pub scope: OrgPath,
    /// Who made it.
    pub by: PersonId,
    /// When.
    pub created_at: Timestamp,
    /// Whether it is told anything, and if not, why.
    pub state: WebhookState,
    /// Which secret signs. The secret itself is made of a key file and this number: no journal holds it.
    pub secret_generation: u32,
    /// Until when the secret before signs too.
    pub rotated_until: Option<Timestamp>,
    /// Every event up to this one was taken, is waiting below, or was not for it.
    pub cursor: u64,
    /// What waits for its next try.
    pub waiting: Vec<Waiting>,
    /// How many deliveries were tried.
    pub deliveries: u64,
}

/// What people say about a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookOrder {
    /// What it is called, in metrics too.
    pub name: CompactString,
    /// Where to.
    pub url: String,
    /// Patterns of event types, `incident.*`; empty: all.
    pub types: Vec<CompactString>,
}

/// Whether a subscription is told anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookState {
    /// It is.
    Active,
    /// Somebody paused it; what happens meanwhile is told afterwards.
    Paused,
    /// The receiver said 410: it wants no more.
    Gone,
    /// It was deleted.
    Deleted,
}

/// A message that was not taken, or was asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    /// Which event of the feed; 0: a test.
    pub event: u64,
    /// How often it was tried.
    pub tries: u16,
    /// When it is tried next.
    pub next_at: Timestamp,
    /// Since when it waits.
    pub since: Timestamp,
}

/// What is done to a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebhookAct {
    /// It begins, with what happens from now on.
    Create {
        /// What it says.
        order: WebhookOrder,
        /// Its part of the tree.
        scope: OrgPath,
    },
    /// It says something else, or is paused or told again. `None`: as it is.
    Change {
        /// What it says now.
        order: Option<WebhookOrder>,
        /// Whether it is paused.
        paused: Option<bool>,
    },
    /// Another secret; both sign for a while.
    Rotate,
    /// A test event is sent.
    Test,
    /// One event is sent again.
    Replay {
        /// Which.
        event: u64,
    },
    /// Everything after an event is sent again.
    ReplayAfter {
        /// Which.
        event: u64,
    },
    /// It ends.
    Delete,
}

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookTry {
    /// Which event; 0: a test.
    pub event: u64,
    /// Since when it waited; with the event, which of the waiting it is. `None`: its first try.
    pub since: Option<Timestamp>,
    /// The status that came back; `None`: none did.
    pub status: Option<u16>,
    /// Seconds that the receiver asked us to wait.
    pub retry_after_seconds: Option<u32>,
    /// What went wrong, in English; names nobody.
    pub detail: CompactString,
    /// How long it took.
    pub millis: u32,
}

/// One line of the delivery log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Of which subscription.
    pub webhook: WebhookId,
    /// Its place in the log, from 1.
    pub number: u64,
    /// Which event; 0: a test.
    pub event: u64,
    /// When.
    pub at: Timestamp,
    /// The how-manieth try of this message it was, from 1.
    pub attempt: u16,
    /// The status that came back; `null`: none did.
    pub status: Option<u16>,
    /// What went wrong; empty when it was taken.
    #[schema(value_type = String)]
    pub detail: CompactString,
    /// How long it took.
    pub millis: u32,
    /// What follows from it.
    pub outcome: DeliveryOutcome,
    /// When it is tried again.
    pub next_at: Option<Timestamp>,
}

/// What follows from a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// It was taken.
    Delivered,
    /// It is tried again.
    Retrying,
    /// It was tried for a week.
    GivenUp,
    /// The receiver wants no more.
    Disabled,
}
