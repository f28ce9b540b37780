//! One attempt to reach one person over one channel.

use compact_str::CompactString;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    AttemptId, CampaignId, CaseId, CaseKind, IncidentId, Language, OrgPath, PersonId, Priority, Timestamp, WearerId,
};

/// How a person is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names say what they are
pub enum Channel {
    Sms,
    Voice,
    Push,
    Email,
    Robot,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Channel; 5] = [Channel::Sms, Channel::Voice, Channel::Push, Channel::Email, Channel::Robot];
}

/// Who is to be reached, and in which capacity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct Callee {
    /// The person; for a desk phone that belongs to nobody, `desk`.
    pub person: PersonId,
    /// In which capacity.
    pub role: CalleeRole,
}

/// In which capacity somebody is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names say what they are
pub enum CalleeRole {
    Guardian,
    Doctor,
    Desk,
    Wearer,
    /// A community's group, through its robot.
    Group,
    /// Whoever a case was given to.
    Handler,
}

/// A telephone number, address or topic. JSON shows it masked (`+86138****0001`), disk holds it whole.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, ToSchema)]
#[schema(value_type = String)]
pub struct Destination(pub CompactString);

impl Destination {
    /// With everything but the beginning and the end replaced by stars.
    #[must_use]
    pub fn masked(&self) -> String {
        let chars: Vec<char> = self.0.chars().collect();
        let head = if chars.len() >= 12 { 6 } else { 2 };
        if chars.len() < 8 {
            return "****".to_owned();
        }
        chars[..head].iter().chain(&['*'; 4]).chain(&chars[chars.len() - 4..]).collect()
    }
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for Destination {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.masked())
        } else {
            self.0.serialize(serializer)
        }
    }
}

/// Why somebody is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Something happened; answer.
    Alert,
    /// Somebody else has taken it ("X 已接警").
    Taken,
    /// How it ended.
    Ended,
    /// The lease ran out, or the desk is paged again.
    Reminder,
    /// The wearer was found somewhere else.
    Position,
    /// Whether the number works: a test call.
    Test,
    /// How are you today: a welfare call.
    Welfare,
    /// A code for the guardian's pages; it is rendered when it is sent, and stands in no journal.
    Code,
}

/// Which queue an attempt waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// SOS, falls, crises: nothing delays it.
    Alarm,
    /// Everything that may wait.
    Routine,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Lane; 2] = [Lane::Alarm, Lane::Routine];
}

/// One attempt. The full state is the `data` of its feed events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// The one short id that is used everywhere: provider reference, callback, idempotency key.
    pub id: AttemptId,
    /// Counts changes of this entity, from 1.
    pub version: u32,
    /// For which incident; `None` for a call of a campaign, and for what is about a case.
    pub incident: Option<IncidentId>,
    /// For which campaign of welfare or test calls.
    pub campaign: Option<CampaignId>,
    /// For which case, when it was given to somebody, or a whistle brings somebody into one that no open incident stands
    /// behind.
    pub case: Option<CaseId>,
    /// The incident's or case's kind; of a campaign's call, a welfare call.
    pub kind: CaseKind,
    /// The incident's or case's priority.
    pub priority: Priority,
    /// About whom; of a case about a place, in whose name an area's incident is.
    pub wearer: WearerId,
    /// The wearer's or case's organisation.
    pub org: OrgPath,
    /// Over what.
    pub channel: Channel,
    /// To whom.
    pub callee: Callee,
    /// To which number or address.
    pub to: Destination,
    /// The callee's language.
    pub lang: Language,
    /// Why.
    pub purpose: Purpose,
    /// Which queue.
    pub lane: Lane,
    /// The escalation cycle that it belongs to, from 1; of a call about a case, the how manyth it is.
    pub cycle: u16,
    /// The message as it is to be sent or spoken.
    pub text: String,
    /// The message's named parameters, for providers that take templates.
    #[schema(value_type = Vec<Vec<String>>)]
    pub params: Vec<(CompactString, String)>,
    /// Where it stands.
    pub state: AttemptState,
    /// What the provider or the person last said.
    pub outcome: Option<AttemptOutcome>,
    /// When it was decided on.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// When it is to be sent at the earliest (a retry waits).
    pub not_before: Timestamp,
    /// How often it was handed to a provider.
    pub sends: u16,
    /// The providers, by name, that did not take it: the next one in the channel's order is tried.
    #[schema(value_type = Vec<String>)]
    pub passed_over: Vec<CompactString>,
    /// The provider's own name for the message or call, once it took it: what it posts later is known by that.
    #[schema(value_type = Option<String>)]
    pub reference: Option<CompactString>,
}

impl Attempt {
    /// Whether a dispatcher is to hand it to its provider, at `not_before`: it was never taken.
    #[must_use]
    pub fn wants_sending(&self) -> bool {
        self.state.rank() <= AttemptState::Sending.rank()
    }
}

/// Where an attempt stands. Late receipts never move it backwards: a state only gives way to one of a higher
/// [`rank`](AttemptState::rank).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Decided and committed, waiting for a dispatcher.
    Pending,
    /// Handed to the provider, or about to be.
    Sending,
    /// The provider took it.
    Accepted,
    /// It reached the person's phone.
    Delivered,
    /// Somebody, or a machine, picked up. Not an acknowledgement.
    Answered,
    /// The call is over without a key.
    Ended,
    /// It will not reach anybody any more.
    Failed,
    /// Not wanted any more before it was sent, or hung up.
    Cancelled,
    /// The person pressed 2: cannot come.
    Declined,
    /// The person pressed 1, replied, or tapped.
    Confirmed,
}

impl AttemptState {
    /// Higher never gives way to lower or equal.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            AttemptState::Pending => 0,
            AttemptState::Sending => 1,
            AttemptState::Accepted => 2,
            AttemptState::Delivered => 3,
            AttemptState::Answered => 4,
            AttemptState::Cancelled => 5,
            AttemptState::Failed | AttemptState::Ended => 6,
            AttemptState::Declined => 7,
            AttemptState::Confirmed => 8,
        }
    }

    /// Whether nothing further is expected of the provider.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.rank() >= AttemptState::Cancelled.rank()
    }
}

/// What a provider or the person reports about an attempt: the words of the gateway's callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names are the gateway contract's
pub enum AttemptOutcome {
    Delivered,
    Answered,
    NoAnswer,
    Busy,
    Declined,
    Unreachable,
    Failed,
    Ended,
    Key,
    Reply,
}
