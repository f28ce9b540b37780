//! What the journal holds: each input with the time it was decided at, then the decisions on it.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::account::{Account, Session};
use crate::audit::{AuditEntry, Glass};
use crate::duty::Watch;
use crate::event::Event;
use crate::finding::Finding;
use crate::registry::RegistryChange;
use crate::staff::{Actor, ApiToken, StaffCommand};
use crate::step_up::StepUp;
use crate::webhook::{Delivery, Webhook, WebhookTry};
use crate::{
    Attempt, AttemptId, AttemptOutcome, DeviceId, DownCommandId, Erasure, Escalation, IncidentId, Located, Reject,
    Reply, Report, Timestamp, WearerId, WebhookId,
};

/// One input and what was decided on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it was decided: `max(last at, received)`.
    pub at: Timestamp,
    /// What came in.
    pub input: Input,
    /// What was decided, in order.
    pub decisions: Vec<Decision>,
}

/// Everything that can come in. Appended to, never reordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A device said something.
    Report {
        /// Which.
        device: DeviceId,
        /// What.
        report: Report,
    },
    /// Something was refused at the door.
    Reject {
        /// From which device, if it was known.
        device: Option<DeviceId>,
        /// On which topic, at most 256 bytes.
        topic: CompactString,
        /// Why, and the beginning of the payload.
        reject: Reject,
    },
    /// A device's session began or ended.
    Connection {
        /// Which.
        device: DeviceId,
        /// Whether it is connected now.
        online: bool,
    },
    /// Somebody asked for something.
    Command {
        /// Who.
        actor: Actor,
        /// The caller's `Idempotency-Key`, if given, at most 128 bytes.
        idempotency_key: Option<CompactString>,
        /// What.
        command: StaffCommand,
    },
    /// A provider, or a person through it, said something about an attempt.
    Callback {
        /// About which.
        attempt: AttemptId,
        /// What.
        outcome: AttemptOutcome,
        /// The key that was pressed.
        key: Option<CompactString>,
        /// The text that was replied.
        text: Option<String>,
    },
    /// What came of handing an attempt to its provider.
    Sent {
        /// Which.
        attempt: AttemptId,
        /// What came of it.
        result: SendResult,
        /// Which provider it was, by name; empty when nobody is configured.
        provider: CompactString,
        /// Whether the channel has a provider left that did not pass this attempt over.
        others_left: bool,
        /// The provider's own name for the message or call, if it told one.
        reference: Option<CompactString>,
    },
    /// A down-command was written to its device's connection.
    DownSent {
        /// Which.
        command: DownCommandId,
    },
    /// The device acknowledged a down-command.
    DownAcknowledged {
        /// Which.
        command: DownCommandId,
    },
    /// Timers that were due by `at` fired.
    Tick,
    /// The engine started; what was due in between is overdue now.
    Started {
        /// The last journaled time before it stopped.
        down_since: Option<Timestamp>,
    },
    /// The engine is about to start. Stands before what fell due while it was down, so that a recovery, too, knows
    /// that nobody listened in between.
    Resumed {
        /// When it started.
        at: Timestamp,
    },
    /// What came of telling another system something that it subscribed to.
    Told {
        /// Which subscription.
        webhook: WebhookId,
        /// What came of it.
        outcome: WebhookTry,
    },
    /// The watchdog handed over a message of its own while the engine was silent.
    StoodIn {
        /// For which incident, as the engine counts them.
        incident: IncidentId,
        /// The message as the watchdog knew it when its provider had taken it.
        attempt: Box<Attempt>,
    },
}

/// What came of handing an attempt to its provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SendResult {
    /// It took it.
    Accepted,
    /// It is not known whether it took it (time-out, connection lost): it is sent again.
    Unknown {
        /// What was seen; names no person.
        detail: CompactString,
    },
    /// It refused it, or could not be reached; worth another try after a while.
    Retry {
        /// What was seen.
        detail: CompactString,
        /// After how many seconds at the earliest.
        after_seconds: u32,
    },
    /// It refused it for good.
    Final {
        /// What was seen.
        detail: CompactString,
    },
    /// Nothing is configured for this channel: the message was shown on the console and in the log.
    Shown,
}

/// Everything that can be decided. Recovery applies these and never decides again. Appended to, never reordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Decision {
    /// A report was taken in for a wearer: what history keeps.
    Observed(Observed),
    /// A report was a repeat and had no second effect.
    Repeated,
    /// A rule found something.
    Finding(Box<Finding>),
    /// An entity changed, as the feed tells it; carries its full state.
    Event(Box<Event>),
    /// An incident's calling as it stands now; private, never on the feed.
    Escalation(Box<Escalation>),
    /// The registry was written.
    Registry(Box<RegistryChange>),
    /// A token was made or ended.
    Token(ApiToken),
    /// What a command is answered.
    Reply(Box<Reply>),
    /// An account was made or changed, as it is now.
    Account(Box<Account>),
    /// Somebody was signed in or out.
    Session(Session),
    /// What was asked for, by whom, and what came of it.
    Audit(Box<AuditEntry>),
    /// Somebody may see where a wearer is, for a while.
    Glass(Box<Glass>),
    /// A subscription of another system as it is now; private, never on the feed.
    Webhook(Box<Webhook>),
    /// A line of a subscription's log.
    Delivery(Box<Delivery>),
    /// Somebody is erased: everything that is kept forgets them.
    Erased(Box<Erasure>),
    /// A guardian's code as it stands now; private, never on the feed.
    StepUp(Box<StepUp>),
    /// Somebody watches a console, as it stands now.
    Watch(Box<Watch>),
}

/// A report that was taken in, as history keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Whose.
    pub wearer: Option<WearerId>,
    /// When it was measured, by the device's clock as admitted.
    pub measured: Timestamp,
    /// Whether it reached us late.
    pub late: bool,
    /// Where, in WGS-84, for what carries a position.
    pub located: Option<Located>,
}
