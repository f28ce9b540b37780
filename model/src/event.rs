//! The feed: one event for everything that outsiders may want to know, in commit order.

use compact_str::CompactString;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

use crate::erasure::Names;
use crate::{
    Attempt, Campaign, CampaignCall, Case, DeviceId, DownCommand, DutyRoster, Erasure, Incident, OrgPath, Patrol, Task,
    Timestamp, WearerId,
};

macro_rules! event_kinds {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// The type of an event. Appended to, never reordered.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)] // the names are those of the feed
        pub enum EventKind { $($variant),* }
        impl EventKind {
            /// Every kind, in order.
            pub const ALL: &[EventKind] = &[$(EventKind::$variant),*];
            /// The name on the feed.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(EventKind::$variant => $name),* }
            }
        }
    };
}

event_kinds! {
    IncidentRaised = "incident.raised",
    IncidentNotifying = "incident.notifying",
    IncidentAcknowledged = "incident.acknowledged",
    IncidentLeaseExpired = "incident.lease_expired",
    IncidentExhausted = "incident.exhausted",
    IncidentOnSite = "incident.on_site",
    IncidentResolved = "incident.resolved",
    IncidentReopened = "incident.reopened",
    IncidentRecurred = "incident.recurred",
    IncidentNoted = "incident.noted",
    IncidentCleared = "incident.cleared",
    IncidentUpdated = "incident.updated",
    AttemptStarted = "attempt.started",
    AttemptDelivered = "attempt.delivered",
    AttemptFailed = "attempt.failed",
    AttemptAnswered = "attempt.answered",
    AttemptConfirmed = "attempt.confirmed",
    AttemptEnded = "attempt.ended",
    AttemptDeclined = "attempt.declined",
    AttemptCancelled = "attempt.cancelled",
    CaseFiled = "case.filed",
    CaseRejected = "case.rejected",
    CaseDispatched = "case.dispatched",
    CaseAccepted = "case.accepted",
    CaseOnSite = "case.on_site",
    CaseFeedback = "case.feedback",
    CaseVerified = "case.verified",
    CaseClosed = "case.closed",
    CaseRated = "case.rated",
    CaseWhistled = "case.whistled",
    CaseReturned = "case.returned",
    CaseReassigned = "case.reassigned",
    CaseMerged = "case.merged",
    CaseCheckedIn = "case.checked_in",
    CaseReopened = "case.reopened",
    CaseNoted = "case.noted",
    DeviceOffline = "device.offline",
    DeviceOnline = "device.online",
    DeviceLowBattery = "device.low_battery",
    CommandQueued = "command.queued",
    CommandSent = "command.sent",
    CommandAcknowledged = "command.acknowledged",
    CommandExpired = "command.expired",
    CommandReplaced = "command.replaced",
    RegistryChanged = "registry.changed",
    AttemptAccepted = "attempt.accepted",
    AttemptRetrying = "attempt.retrying",
    IncidentOrderTaken = "incident.order_taken",
    TaskOpened = "task.opened",
    TaskDone = "task.done",
    CampaignStarted = "campaign.started",
    CampaignUpdated = "campaign.updated",
    CampaignEnded = "campaign.ended",
    CampaignCalled = "campaign.called",
    CaseRecorded = "case.recorded",
    CasePhotoAdded = "case.photo_added",
    CaseHandedOff = "case.handed_off",
    CaseReceipt = "case.receipt",
    PatrolStarted = "patrol.started",
    DutyChanged = "duty.changed",
    RegistryErased = "registry.erased",
}

/// One event, as committed. `seq` is given by the pipeline's counter and ascends without gaps in commit order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the feed, from 1.
    pub seq: u64,
    /// Its type.
    pub kind: EventKind,
    /// When it was decided.
    pub at: Timestamp,
    /// Whose it is: who may see it follows from this. `None`: only those who see everything.
    pub org: Option<OrgPath>,
    /// The entity after the change.
    pub entity: Entity,
    /// Which members of the entity changed; empty for a new one.
    pub changed: Vec<CompactString>,
}

/// The beginning of an [`Event`], its members in the same order: enough to say for whom it is, read from the event's
/// bytes without the rest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[allow(missing_docs)] // as the event's
pub struct EventHead {
    pub seq: u64,
    pub kind: EventKind,
    pub at: Timestamp,
    pub org: Option<OrgPath>,
}

/// The full state that an event carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Entity {
    /// An incident.
    Incident(Box<Incident>),
    /// A case.
    Case(Box<Case>),
    /// An attempt.
    Attempt(Box<Attempt>),
    /// A down-command.
    DownCommand(Box<DownCommand>),
    /// A device's connection or battery.
    Device(DeviceStatus),
    /// How many of what the registry took in, and by whom.
    Registry(RegistrySummary),
    /// A task.
    Task(Box<Task>),
    /// A campaign.
    Campaign(Box<Campaign>),
    /// One person of a campaign.
    CampaignCall(Box<CampaignCall>),
    /// A patrol.
    Patrol(Box<Patrol>),
    /// A duty roster.
    Duty(Box<DutyRoster>),
    /// That somebody was erased: whoever holds a copy is to do the same.
    Erasure(Box<Erasure>),
}

/// A device's clock that is wrong by more than this, seconds, is shown (devices.md, backfill and clocks).
pub const CLOCK_SKEW_SHOWN_SECONDS: i64 = 60;

/// What the feed says about a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceStatus {
    /// Which.
    pub id: DeviceId,
    /// On whom, if bound.
    pub wearer: Option<WearerId>,
    /// Whether it is connected.
    pub online: bool,
    /// Percent, if it ever said.
    pub battery_percent: Option<u8>,
    /// How far its clock is ahead of ours, seconds, negative where it is behind; absent up to [`CLOCK_SKEW_SHOWN_SECONDS`].
    #[serde(default)]
    pub clock_ahead_seconds: Option<i64>,
}

/// What the feed says about a change of the registry; the entities themselves are read over REST.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegistrySummary {
    /// How many organisations were written.
    pub orgs: u32,
    /// How many people.
    pub people: u32,
    /// How many wearers.
    pub wearers: u32,
    /// How many devices.
    pub devices: u32,
    /// Warnings, e.g. a wearer without any desk up the tree.
    pub warnings: u32,
}

impl Entity {
    /// The subject on the feed, e.g. `incidents/i1a`.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Entity::Incident(incident) => format!("incidents/{}", incident.id),
            Entity::Case(case) => format!("cases/{}", case.id),
            Entity::Attempt(attempt) => format!("attempts/{}", attempt.id),
            Entity::DownCommand(command) => format!("commands/{}", command.id),
            Entity::Device(device) => format!("devices/{}", device.id),
            Entity::Registry(_) => "registry".to_owned(),
            Entity::Task(task) => format!("tasks/{}", task.id),
            Entity::Campaign(campaign) => format!("campaigns/{}", campaign.id),
            Entity::CampaignCall(call) => format!("campaigns/{}/calls/{}", call.campaign, call.place),
            Entity::Patrol(patrol) => format!("patrols/{}", patrol.id),
            Entity::Duty(roster) => format!("duty{}", roster.org),
            Entity::Erasure(erasure) => erasure.resource(),
        }
    }

    /// Whether what the feed shows of it holds any of these texts.
    pub(crate) fn tells_of(&self, names: &Names) -> bool {
        let data = Data { entity: self, changed: &[] };
        serde_json::to_string(&data).is_ok_and(|text| names.are_in(&text))
    }
}

impl Event {
    /// The CloudEvents 1.0 envelope with `seq`: the same JSON in polling, SSE, webhook and MQTT feed. `epoch` is
    /// the feed's epoch, which makes the id unique across restores. Printed as it is, or taken apart by
    /// [`envelope`](Event::envelope).
    #[must_use]
    pub fn enveloped(&self, epoch: u32) -> Envelope<'_> {
        Envelope {
            specversion: "1.0",
            id: format!("{epoch}-{}", self.seq),
            source: "/yinling",
            kind: self.kind.name(),
            subject: self.entity.subject(),
            time: self.at,
            datacontenttype: "application/json",
            seq: self.seq,
            data: Data { entity: &self.entity, changed: &self.changed },
        }
    }

    /// The envelope as text.
    #[must_use]
    pub fn envelope_text(&self, epoch: u32) -> String {
        // Plain structs of strings, numbers and finite floats: the conversion cannot fail.
        serde_json::to_string(&self.enveloped(epoch)).unwrap_or_default()
    }

    /// The envelope as a value: exactly what its text says.
    #[must_use]
    pub fn envelope(&self, epoch: u32) -> Value {
        serde_json::from_str(&self.envelope_text(epoch)).unwrap_or_default()
    }
}

/// An event in its envelope, to be printed: a page of the feed is hundreds of them.
#[derive(Debug, Serialize)]
pub struct Envelope<'a> {
    specversion: &'static str,
    id: String,
    source: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    subject: String,
    time: Timestamp,
    datacontenttype: &'static str,
    seq: u64,
    data: Data<'a>,
}

#[derive(Debug)]
struct Data<'a> {
    entity: &'a Entity,
    changed: &'a [CompactString],
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let changed = self.changed;
        match self.entity {
            Entity::Incident(entity) => Told { entity, changed }.serialize(serializer),
            Entity::Case(entity) => Told { entity, changed }.serialize(serializer),
            Entity::Attempt(entity) => Told { entity, changed }.serialize(serializer),
            Entity::DownCommand(entity) => Told { entity, changed }.serialize(serializer),
            Entity::Device(entity) => Told { entity, changed }.serialize(serializer),
            Entity::Registry(entity) => Told { entity, changed }.serialize(serializer),
            Entity::Task(entity) => Told { entity, changed }.serialize(serializer),
            Entity::Campaign(entity) => Told { entity, changed }.serialize(serializer),
            Entity::CampaignCall(entity) => Told { entity, changed }.serialize(serializer),
            Entity::Patrol(entity) => Told { entity, changed }.serialize(serializer),
            Entity::Duty(entity) => Told { entity, changed }.serialize(serializer),
            Entity::Erasure(entity) => Told { entity, changed }.serialize(serializer),
        }
    }
}

/// An entity's members, and which of them changed.
#[derive(Serialize)]
struct Told<'a, T> {
    #[serde(flatten)]
    entity: &'a T,
    changed: &'a [CompactString],
}
