//! The incident: what happened to a wearer, and how far the response is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::registry::Role;
use crate::{
    CaseId, Channel, DeviceId, EventKind, Explain, IncidentId, OrgPath, PersonId, Position, Timestamp, WearerId,
};

/// What kind of incident. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names say what they are
pub enum IncidentKind {
    Sos,
    Fall,
    FenceExit,
    BloodPressureHigh,
    BloodPressureLow,
    HeartRateHigh,
    HeartRateLow,
    Spo2Low,
    TemperatureHigh,
    TemperatureLow,
    Silence,
    MassSilence,
    BatteryLow,
    DeviceRemoved,
    Wandering,
    Immobility,
    IrregularPulse,
    WelfareCall,
    News2High,
    BloodPressureWatch,
    OrthostaticDrop,
}

/// What an incident is about. With the priority it decides who is told and whether phones ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Somebody must come now; a community case is opened.
    Emergency,
    /// A vital sign: guardians and the family doctor.
    Health,
    /// Where the wearer is, or that they do not move: guardians and the desk.
    Place,
    /// The device, not the wearer.
    Technical,
    /// For the family doctor's inbox: nobody is called and nobody is reminded.
    Notice,
}

impl IncidentKind {
    /// Every kind, in order.
    pub const ALL: &[IncidentKind] = &[
        IncidentKind::Sos,
        IncidentKind::Fall,
        IncidentKind::FenceExit,
        IncidentKind::BloodPressureHigh,
        IncidentKind::BloodPressureLow,
        IncidentKind::HeartRateHigh,
        IncidentKind::HeartRateLow,
        IncidentKind::Spo2Low,
        IncidentKind::TemperatureHigh,
        IncidentKind::TemperatureLow,
        IncidentKind::Silence,
        IncidentKind::MassSilence,
        IncidentKind::BatteryLow,
        IncidentKind::DeviceRemoved,
        IncidentKind::Wandering,
        IncidentKind::Immobility,
        IncidentKind::IrregularPulse,
        IncidentKind::WelfareCall,
        IncidentKind::News2High,
        IncidentKind::BloodPressureWatch,
        IncidentKind::OrthostaticDrop,
    ];

    /// What it is about.
    #[must_use]
    pub fn category(self) -> Category {
        match self {
            IncidentKind::Sos | IncidentKind::Fall => Category::Emergency,
            IncidentKind::BloodPressureHigh
            | IncidentKind::BloodPressureLow
            | IncidentKind::HeartRateHigh
            | IncidentKind::HeartRateLow
            | IncidentKind::Spo2Low
            | IncidentKind::TemperatureHigh
            | IncidentKind::TemperatureLow
            | IncidentKind::WelfareCall
            | IncidentKind::News2High => Category::Health,
            IncidentKind::FenceExit | IncidentKind::Wandering | IncidentKind::Immobility => Category::Place,
            IncidentKind::Silence
            | IncidentKind::MassSilence
            | IncidentKind::BatteryLow
            | IncidentKind::DeviceRemoved => Category::Technical,
            IncidentKind::IrregularPulse | IncidentKind::BloodPressureWatch | IncidentKind::OrthostaticDrop => {
                Category::Notice
            }
        }
    }

    /// Whether only a person may end it and a community case is opened by itself: SOS and falls.
    #[must_use]
    pub fn opens_case(self) -> bool {
        matches!(self, IncidentKind::Sos | IncidentKind::Fall)
    }

    /// Whether the family doctor is told.
    #[must_use]
    pub fn concerns_doctor(self) -> bool {
        matches!(
            self,
            IncidentKind::Sos
                | IncidentKind::Fall
                | IncidentKind::BloodPressureHigh
                | IncidentKind::BloodPressureLow
                | IncidentKind::HeartRateHigh
                | IncidentKind::HeartRateLow
                | IncidentKind::Spo2Low
                | IncidentKind::TemperatureHigh
                | IncidentKind::TemperatureLow
                | IncidentKind::IrregularPulse
                | IncidentKind::News2High
                | IncidentKind::BloodPressureWatch
                | IncidentKind::OrthostaticDrop
        )
    }
}

impl IncidentKind {
    /// Whether the family doctor is reminded until they take the order: readings, which are theirs to judge. An SOS
    /// or a fall they are told of once; it is for those who can be there.
    #[must_use]
    pub fn is_for_doctor(self) -> bool {
        self.concerns_doctor() && !self.opens_case()
    }
}

/// How urgent, after the idea of IEC 60601-1-8 (no conformity claimed). Ordered: `Low < Medium < High`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Awareness.
    Low,
    /// Prompt action.
    Medium,
    /// Immediate action.
    High,
}

/// Whether what was found is still so. Kept apart from the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Still so, as far as we know.
    Present,
    /// Over: back inside, pressure normal.
    Cleared,
}

/// How far the response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Decided, nobody told yet (exists only within the batch that also notifies).
    Raised,
    /// People are being called.
    Notifying,
    /// Somebody said "I am going", until the lease ends.
    Acknowledged,
    /// Somebody is with the wearer.
    OnSite,
    /// Ended by a person.
    Resolved,
    /// Every contact was tried in vain: the human desk's.
    Exhausted,
}

impl IncidentState {
    /// Whether the response still goes on.
    #[must_use]
    pub fn is_open(self) -> bool {
        self != IncidentState::Resolved
    }
}

/// What may happen to an incident's response. The first seven are commands of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentAction {
    /// "I am going": takes the lease.
    Acknowledge,
    /// Prolongs the lease.
    Extend,
    /// A person stands at the door.
    Arrive,
    /// It is over, with a disposition.
    Resolve,
    /// To the human desk, now.
    Escalate,
    /// It was not over.
    Reopen,
    /// A remark.
    Note,
    /// Calling begins (by itself).
    Notify,
    /// The lease ran out (by itself).
    ExpireLease,
    /// Every contact was tried (by itself).
    Exhaust,
    /// It happened again (by itself).
    Recur,
    /// The doctor takes the order (接单): their reminders end, nobody else's calls do.
    TakeOrder,
}

/// One row of an entity's table: in this state, this action leads there, is told as this event, and is open to
/// these roles (none: only the engine itself).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition<S: 'static, A: 'static> {
    /// The state before.
    pub from: S,
    /// What is done.
    pub action: A,
    /// The state after.
    pub to: S,
    /// The feed event, if the change is told.
    pub event: Option<EventKind>,
    /// Who may. Empty: nobody but the engine itself.
    pub who: &'static [Role],
}

const RESPONDERS: &[Role] = &[
    Role::Guardian,
    Role::Doctor,
    Role::Operator,
    Role::Desk,
    Role::GridWorker,
    Role::Volunteer,
    Role::Street,
    Role::Department,
    Role::Admin,
    Role::Integration,
];
/// Who can say "I am going". A doctor's way of taking part is the order, which stops nobody's calls.
const GOERS: &[Role] = &[
    Role::Guardian,
    Role::Operator,
    Role::Desk,
    Role::GridWorker,
    Role::Volunteer,
    Role::Street,
    Role::Department,
    Role::Admin,
    Role::Integration,
];
const DOCTORS: &[Role] = &[Role::Doctor];
const STAFF: &[Role] = &[
    Role::Doctor,
    Role::Operator,
    Role::Desk,
    Role::GridWorker,
    Role::Street,
    Role::Department,
    Role::Admin,
    Role::Integration,
];
const ENGINE: &[Role] = &[];

const fn row(
    from: IncidentState,
    action: IncidentAction,
    to: IncidentState,
    event: Option<EventKind>,
    who: &'static [Role],
) -> Transition<IncidentState, IncidentAction> {
    Transition { from, action, to, event, who }
}

/// The incident's table. What is not in it is refused with 409 and the actions that are.
pub const INCIDENT_TABLE: &[Transition<IncidentState, IncidentAction>] = {
    use EventKind as E;
    use IncidentAction as A;
    use IncidentState as S;
    &[
        row(S::Raised, A::Notify, S::Notifying, Some(E::IncidentNotifying), ENGINE),
        row(S::Notifying, A::Acknowledge, S::Acknowledged, Some(E::IncidentAcknowledged), GOERS),
        row(S::Notifying, A::Arrive, S::OnSite, Some(E::IncidentOnSite), RESPONDERS),
        row(S::Notifying, A::Resolve, S::Resolved, Some(E::IncidentResolved), STAFF),
        row(S::Notifying, A::Escalate, S::Exhausted, Some(E::IncidentExhausted), RESPONDERS),
        row(S::Notifying, A::Exhaust, S::Exhausted, Some(E::IncidentExhausted), ENGINE),
        row(S::Notifying, A::Note, S::Notifying, Some(E::IncidentNoted), RESPONDERS),
        row(S::Notifying, A::Recur, S::Notifying, Some(E::IncidentRecurred), ENGINE),
        row(S::Notifying, A::TakeOrder, S::Notifying, Some(E::IncidentOrderTaken), DOCTORS),
        row(S::Acknowledged, A::Extend, S::Acknowledged, Some(E::IncidentAcknowledged), RESPONDERS),
        row(S::Acknowledged, A::Arrive, S::OnSite, Some(E::IncidentOnSite), RESPONDERS),
        row(S::Acknowledged, A::Resolve, S::Resolved, Some(E::IncidentResolved), STAFF),
        row(S::Acknowledged, A::Escalate, S::Exhausted, Some(E::IncidentExhausted), RESPONDERS),
        row(S::Acknowledged, A::ExpireLease, S::Notifying, Some(E::IncidentLeaseExpired), ENGINE),
        row(S::Acknowledged, A::Note, S::Acknowledged, Some(E::IncidentNoted), RESPONDERS),
        row(S::Acknowledged, A::Recur, S::Notifying, Some(E::IncidentRecurred), ENGINE),
        row(S::Acknowledged, A::TakeOrder, S::Acknowledged, Some(E::IncidentOrderTaken), DOCTORS),
        row(S::OnSite, A::Resolve, S::Resolved, Some(E::IncidentResolved), STAFF),
        row(S::OnSite, A::Escalate, S::Exhausted, Some(E::IncidentExhausted), RESPONDERS),
        row(S::OnSite, A::ExpireLease, S::Notifying, Some(E::IncidentLeaseExpired), ENGINE),
        row(S::OnSite, A::Note, S::OnSite, Some(E::IncidentNoted), RESPONDERS),
        row(S::OnSite, A::Recur, S::OnSite, Some(E::IncidentRecurred), ENGINE),
        row(S::OnSite, A::TakeOrder, S::OnSite, Some(E::IncidentOrderTaken), DOCTORS),
        row(S::Exhausted, A::Acknowledge, S::Acknowledged, Some(E::IncidentAcknowledged), GOERS),
        row(S::Exhausted, A::Arrive, S::OnSite, Some(E::IncidentOnSite), RESPONDERS),
        row(S::Exhausted, A::Resolve, S::Resolved, Some(E::IncidentResolved), STAFF),
        row(S::Exhausted, A::Note, S::Exhausted, Some(E::IncidentNoted), RESPONDERS),
        row(S::Exhausted, A::Recur, S::Notifying, Some(E::IncidentRecurred), ENGINE),
        row(S::Exhausted, A::TakeOrder, S::Exhausted, Some(E::IncidentOrderTaken), DOCTORS),
        row(S::Resolved, A::Reopen, S::Notifying, Some(E::IncidentReopened), STAFF),
        row(S::Resolved, A::Note, S::Resolved, Some(E::IncidentNoted), RESPONDERS),
    ]
};

impl IncidentAction {
    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            IncidentAction::Acknowledge => "acknowledge",
            IncidentAction::Extend => "extend",
            IncidentAction::Arrive => "arrive",
            IncidentAction::Resolve => "resolve",
            IncidentAction::Escalate => "escalate",
            IncidentAction::Reopen => "reopen",
            IncidentAction::Note => "note",
            IncidentAction::Notify => "notify",
            IncidentAction::ExpireLease => "expire_lease",
            IncidentAction::Exhaust => "exhaust",
            IncidentAction::Recur => "recur",
            IncidentAction::TakeOrder => "take_order",
        }
    }

    /// The row for this action in a state, if there is one.
    #[must_use]
    pub fn in_state(self, state: IncidentState) -> Option<&'static Transition<IncidentState, IncidentAction>> {
        INCIDENT_TABLE.iter().find(|t| t.from == state && t.action == self)
    }

    /// What a role may do in a state, in the table's order.
    #[must_use]
    pub fn allowed(state: IncidentState, role: Role) -> Vec<IncidentAction> {
        INCIDENT_TABLE.iter().filter(|t| t.from == state && t.who.contains(&role)).map(|t| t.action).collect()
    }
}

/// The full state of an incident: the `data` of its feed events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// Counts changes of this entity (not of its attempts), from 1.
    pub version: u32,
    /// About whom.
    pub wearer: WearerId,
    /// The wearer's organisation when it was raised.
    pub org: OrgPath,
    /// The kind of its gravest occurrence.
    pub kind: IncidentKind,
    /// The highest priority of its occurrences.
    pub priority: Priority,
    /// How far the response is.
    pub state: IncidentState,
    /// Whether what was found is still so.
    pub condition: Condition,
    /// Whether its first occurrence reached us late.
    pub late: bool,
    /// When it was decided.
    pub raised_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// The last known position, in WGS-84.
    pub position: Option<Position>,
    /// The gravest occurrence's sentence in Chinese.
    pub explain: String,
    /// The same in English.
    pub explain_en: String,
    /// Everything that joined it, oldest first, at most [`OCCURRENCES_MAX`] (the newest are counted only).
    pub occurrences: Vec<Occurrence>,
    /// How often it happened, shown or only counted.
    pub occurrence_count: u32,
    /// Who said "I am going", until when.
    pub acknowledged_by: Option<Acknowledgement>,
    /// Who stood at the door, and when.
    pub on_site_by: Option<PersonId>,
    /// How it ended, if it did.
    pub resolution: Option<Resolution>,
    /// The community case, if one was opened.
    pub case: Option<CaseId>,
    /// Every contact was tried, or none can be called, and there is no desk that can be. An alarm of its own.
    pub unreachable: bool,
    /// Until when a console that somebody watches has it alone: it became the desk's while one was watched, and the desk's
    /// phones ring only then. Stays as it was once that is over; none where the phones rang at once.
    pub console_until: Option<Timestamp>,
    /// Contacts without a usable number: they were passed over, and their data is to be put right.
    pub contacts_to_fix: Vec<PersonId>,
    /// Remarks, oldest first, at most [`NOTES_MAX`].
    pub notes: Vec<Note>,
    /// Which doctor took the order (接单), if one did.
    pub doctor_order: Option<DoctorOrder>,
    /// Whether it was a test press of somebody who installs the device: nobody was called.
    pub test: bool,
}

impl Incident {
    /// Whether an SOS or a fall is in it, whatever it began as; also one that came after as many as are shown.
    #[must_use]
    pub fn is_emergency(&self) -> bool {
        self.kind.opens_case() || self.occurrences.iter().any(|occurrence| occurrence.kind.opens_case())
    }
}

/// A doctor's 接单.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorOrder {
    /// Who took it.
    pub by: PersonId,
    /// When.
    pub at: Timestamp,
}

/// How many occurrences an incident shows.
pub const OCCURRENCES_MAX: usize = 64;
/// How many remarks an incident or a case keeps.
pub const NOTES_MAX: usize = 200;

/// One thing that happened within an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Occurrence {
    /// Its kind.
    pub kind: IncidentKind,
    /// Its priority.
    pub priority: Priority,
    /// Which device said so.
    pub device: DeviceId,
    /// When it was decided.
    pub at: Timestamp,
    /// When it was measured.
    pub measured: Timestamp,
    /// Whether it reached us late.
    pub late: bool,
    /// Whether a repeat or its nature confirms it.
    pub confirmed: bool,
    /// Where, if known.
    pub position: Option<Position>,
    /// Why.
    pub explain: Explain,
}

/// Somebody's "I am going".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Acknowledgement {
    /// Who.
    pub person: PersonId,
    /// By which way: `voice`, `sms`, `push`; `None` for the API and the console.
    pub channel: Option<Channel>,
    /// When.
    pub at: Timestamp,
    /// Until when it holds without a sign of arrival.
    pub until: Timestamp,
}

/// How an incident ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resolution {
    /// Who says so.
    pub by: PersonId,
    /// When.
    pub at: Timestamp,
    /// What it was: `helped`, `false_alarm`, `test`, `handed_to_120`, …; free text of at most 64 bytes.
    pub disposition: String,
    /// What there is to say.
    pub note: String,
}

/// A remark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Note {
    /// By whom.
    pub by: PersonId,
    /// When.
    pub at: Timestamp,
    /// The text, at most 2 000 bytes.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_concerns_the_doctor_and_only_emergencies_open_cases() {
        for (place, kind) in IncidentKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, place, "the list is in order and whole");
            assert_eq!(kind.opens_case(), kind.category() == Category::Emergency, "{kind:?}");
            assert!(kind.category() != Category::Notice || kind.concerns_doctor(), "{kind:?}");
        }
    }

    #[test]
    fn every_open_state_can_be_left_by_a_person_and_no_pair_stands_twice() {
        for t in INCIDENT_TABLE {
            assert_eq!(INCIDENT_TABLE.iter().filter(|o| o.from == t.from && o.action == t.action).count(), 1, "{t:?}");
        }
        for state in
            [IncidentState::Notifying, IncidentState::Acknowledged, IncidentState::OnSite, IncidentState::Exhausted]
        {
            assert!(IncidentAction::allowed(state, Role::Operator).contains(&IncidentAction::Resolve), "{state:?}");
            assert!(!IncidentAction::allowed(state, Role::Guardian).contains(&IncidentAction::Resolve), "{state:?}");
            assert!(IncidentAction::Recur.in_state(state).is_some(), "a second SOS joins in {state:?}");
            assert!(IncidentAction::allowed(state, Role::Doctor).contains(&IncidentAction::TakeOrder), "{state:?}");
            assert!(!IncidentAction::allowed(state, Role::Doctor).contains(&IncidentAction::Acknowledge), "{state:?}");
        }
    }
}
