//! The community case (工单), after the stages of the national grid-management loop (alerting.md).

mod kind;
mod parts;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::incident::{Note, Transition};
use crate::registry::Role;
use crate::{CaseId, EventKind, IncidentId, OrgPath, PatrolId, PersonId, Priority, Timestamp, WearerId};

pub use kind::CaseKind;
pub use parts::{
    Answer, CaseFiling, CasePlace, CaseRecord, CaseRequest, CheckIn, External, Joined, Patrol, PatrolOrder, PatrolWho,
    Photo, PhotoType, Question, QuestionKind, Receipt, ReceiptStatus, RecordKind, Spot,
};

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// 立案
    Filed,
    /// 不予立案, with a reason
    Rejected,
    /// 派遣
    Dispatched,
    /// 接单
    Accepted,
    /// 到场
    OnSite,
    /// 处理反馈
    Feedback,
    /// 核查
    Verified,
    /// 结案
    Closed,
    /// 评价
    Rated,
    /// Part of another case.
    Merged,
}

/// What is done to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names are those of the API
pub enum CaseAction {
    File,
    Reject,
    Dispatch,
    Accept,
    Reassign,
    Arrive,
    Feedback,
    Return,
    Verify,
    Close,
    Reopen,
    Merge,
    Whistle,
    Note,
    Rate,
    /// 打卡: place and time against the case's place.
    CheckIn,
    /// A photo, through an address of its own.
    Photo,
    /// Somebody spoke to the wearer: with whom, and what was said.
    Voice,
    /// Handed over to 120: to whom, and what was said.
    HandOver,
    /// Handed to another system, which reports back by receipts.
    HandOff,
    /// The other system reports back, through an address of its own.
    Receipt,
}

const HANDLERS: &[Role] = &[
    Role::Operator,
    Role::Desk,
    Role::GridWorker,
    Role::Volunteer,
    Role::Street,
    Role::Department,
    Role::Admin,
    Role::Integration,
];
const STAFF: &[Role] =
    &[Role::Operator, Role::Desk, Role::GridWorker, Role::Street, Role::Department, Role::Admin, Role::Integration];
const SYSTEMS: &[Role] = &[Role::Operator, Role::Admin, Role::Integration];
const DISPATCHERS: &[Role] = &[Role::Operator, Role::Desk, Role::Street, Role::Admin, Role::Integration];
const EVERYBODY: &[Role] = &[
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

const fn row(
    from: CaseState,
    action: CaseAction,
    to: CaseState,
    event: EventKind,
    who: &'static [Role],
) -> Transition<CaseState, CaseAction> {
    Transition { from, action, to, event: Some(event), who }
}

/// The case's table. What is not in it is refused with 409 and the actions that are. `file` creates a case and
/// has no row; a whistle is an overlay and leaves the state as it is.
pub const CASE_TABLE: &[Transition<CaseState, CaseAction>] = {
    use CaseAction as A;
    use CaseState as S;
    use EventKind as E;
    &[
        row(S::Filed, A::Reject, S::Rejected, E::CaseRejected, DISPATCHERS),
        row(S::Filed, A::Dispatch, S::Dispatched, E::CaseDispatched, DISPATCHERS),
        row(S::Filed, A::HandOff, S::Dispatched, E::CaseHandedOff, DISPATCHERS),
        row(S::Filed, A::Accept, S::Accepted, E::CaseAccepted, HANDLERS),
        row(S::Filed, A::Merge, S::Merged, E::CaseMerged, DISPATCHERS),
        row(S::Dispatched, A::Accept, S::Accepted, E::CaseAccepted, HANDLERS),
        row(S::Dispatched, A::Reassign, S::Dispatched, E::CaseReassigned, DISPATCHERS),
        row(S::Dispatched, A::HandOff, S::Dispatched, E::CaseHandedOff, DISPATCHERS),
        row(S::Dispatched, A::Return, S::Filed, E::CaseReturned, HANDLERS),
        row(S::Dispatched, A::Merge, S::Merged, E::CaseMerged, DISPATCHERS),
        row(S::Accepted, A::Arrive, S::OnSite, E::CaseOnSite, HANDLERS),
        row(S::Accepted, A::CheckIn, S::Accepted, E::CaseCheckedIn, HANDLERS),
        row(S::Accepted, A::Reassign, S::Dispatched, E::CaseReassigned, DISPATCHERS),
        row(S::Accepted, A::Return, S::Filed, E::CaseReturned, HANDLERS),
        row(S::Accepted, A::Feedback, S::Feedback, E::CaseFeedback, HANDLERS),
        row(S::Accepted, A::Merge, S::Merged, E::CaseMerged, DISPATCHERS),
        row(S::OnSite, A::CheckIn, S::OnSite, E::CaseCheckedIn, HANDLERS),
        row(S::OnSite, A::Feedback, S::Feedback, E::CaseFeedback, HANDLERS),
        row(S::OnSite, A::Reassign, S::Dispatched, E::CaseReassigned, DISPATCHERS),
        row(S::OnSite, A::Close, S::Closed, E::CaseClosed, STAFF),
        row(S::Feedback, A::Verify, S::Verified, E::CaseVerified, STAFF),
        row(S::Feedback, A::Return, S::Accepted, E::CaseReturned, DISPATCHERS),
        row(S::Feedback, A::Close, S::Closed, E::CaseClosed, STAFF),
        row(S::Verified, A::Close, S::Closed, E::CaseClosed, STAFF),
        row(S::Verified, A::Return, S::Accepted, E::CaseReturned, DISPATCHERS),
        row(S::Filed, A::Whistle, S::Filed, E::CaseWhistled, STAFF),
        row(S::Filed, A::Voice, S::Filed, E::CaseRecorded, STAFF),
        row(S::Filed, A::HandOver, S::Filed, E::CaseRecorded, HANDLERS),
        row(S::Filed, A::Photo, S::Filed, E::CasePhotoAdded, EVERYBODY),
        row(S::Filed, A::Receipt, S::Filed, E::CaseReceipt, SYSTEMS),
        row(S::Filed, A::Note, S::Filed, E::CaseNoted, EVERYBODY),
        row(S::Dispatched, A::Whistle, S::Dispatched, E::CaseWhistled, STAFF),
        row(S::Dispatched, A::Voice, S::Dispatched, E::CaseRecorded, STAFF),
        row(S::Dispatched, A::HandOver, S::Dispatched, E::CaseRecorded, HANDLERS),
        row(S::Dispatched, A::Photo, S::Dispatched, E::CasePhotoAdded, EVERYBODY),
        row(S::Dispatched, A::Receipt, S::Dispatched, E::CaseReceipt, SYSTEMS),
        row(S::Dispatched, A::Note, S::Dispatched, E::CaseNoted, EVERYBODY),
        row(S::Accepted, A::Whistle, S::Accepted, E::CaseWhistled, STAFF),
        row(S::Accepted, A::Voice, S::Accepted, E::CaseRecorded, STAFF),
        row(S::Accepted, A::HandOver, S::Accepted, E::CaseRecorded, HANDLERS),
        row(S::Accepted, A::Photo, S::Accepted, E::CasePhotoAdded, EVERYBODY),
        row(S::Accepted, A::Receipt, S::Accepted, E::CaseReceipt, SYSTEMS),
        row(S::Accepted, A::Note, S::Accepted, E::CaseNoted, EVERYBODY),
        row(S::OnSite, A::Whistle, S::OnSite, E::CaseWhistled, STAFF),
        row(S::OnSite, A::Voice, S::OnSite, E::CaseRecorded, STAFF),
        row(S::OnSite, A::HandOver, S::OnSite, E::CaseRecorded, HANDLERS),
        row(S::OnSite, A::Photo, S::OnSite, E::CasePhotoAdded, EVERYBODY),
        row(S::OnSite, A::Receipt, S::OnSite, E::CaseReceipt, SYSTEMS),
        row(S::OnSite, A::Note, S::OnSite, E::CaseNoted, EVERYBODY),
        row(S::Feedback, A::Whistle, S::Feedback, E::CaseWhistled, STAFF),
        row(S::Feedback, A::Voice, S::Feedback, E::CaseRecorded, STAFF),
        row(S::Feedback, A::HandOver, S::Feedback, E::CaseRecorded, HANDLERS),
        row(S::Feedback, A::Photo, S::Feedback, E::CasePhotoAdded, EVERYBODY),
        row(S::Feedback, A::Receipt, S::Feedback, E::CaseReceipt, SYSTEMS),
        row(S::Feedback, A::Note, S::Feedback, E::CaseNoted, EVERYBODY),
        row(S::Verified, A::Whistle, S::Verified, E::CaseWhistled, STAFF),
        row(S::Verified, A::Voice, S::Verified, E::CaseRecorded, STAFF),
        row(S::Verified, A::HandOver, S::Verified, E::CaseRecorded, HANDLERS),
        row(S::Verified, A::Photo, S::Verified, E::CasePhotoAdded, EVERYBODY),
        row(S::Verified, A::Receipt, S::Verified, E::CaseReceipt, SYSTEMS),
        row(S::Verified, A::Note, S::Verified, E::CaseNoted, EVERYBODY),
        row(S::Closed, A::Reopen, S::Filed, E::CaseReopened, DISPATCHERS),
        row(S::Closed, A::Rate, S::Rated, E::CaseRated, EVERYBODY),
        row(S::Closed, A::Receipt, S::Closed, E::CaseReceipt, SYSTEMS),
        row(S::Closed, A::Note, S::Closed, E::CaseNoted, EVERYBODY),
        row(S::Rated, A::Reopen, S::Filed, E::CaseReopened, DISPATCHERS),
        row(S::Rejected, A::Reopen, S::Filed, E::CaseReopened, DISPATCHERS),
    ]
};

impl CaseState {
    /// Every state, in the order of the loop.
    pub const ALL: &[CaseState] = &[
        CaseState::Filed,
        CaseState::Rejected,
        CaseState::Dispatched,
        CaseState::Accepted,
        CaseState::OnSite,
        CaseState::Feedback,
        CaseState::Verified,
        CaseState::Closed,
        CaseState::Rated,
        CaseState::Merged,
    ];

    /// Whether somebody still has to do something.
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, CaseState::Rejected | CaseState::Closed | CaseState::Rated | CaseState::Merged)
    }
}

impl CaseAction {
    /// Every action, in order.
    pub const ALL: &[CaseAction] = &[
        CaseAction::File,
        CaseAction::Reject,
        CaseAction::Dispatch,
        CaseAction::Accept,
        CaseAction::Reassign,
        CaseAction::Arrive,
        CaseAction::Feedback,
        CaseAction::Return,
        CaseAction::Verify,
        CaseAction::Close,
        CaseAction::Reopen,
        CaseAction::Merge,
        CaseAction::Whistle,
        CaseAction::Note,
        CaseAction::Rate,
        CaseAction::CheckIn,
        CaseAction::Photo,
        CaseAction::Voice,
        CaseAction::HandOver,
        CaseAction::HandOff,
        CaseAction::Receipt,
    ];

    /// Whether it is an action of `POST /cases/{id}/actions/{action}`. A case is filed, a photo added and a receipt
    /// taken at addresses of their own.
    #[must_use]
    pub fn is_command(self) -> bool {
        !matches!(self, CaseAction::File | CaseAction::Photo | CaseAction::Receipt)
    }

    /// The roles that may do it in a state; none where it is not possible.
    #[must_use]
    pub fn roles(self, state: CaseState) -> &'static [Role] {
        self.in_state(state).map_or(&[], |row| row.who)
    }

    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CaseAction::File => "file",
            CaseAction::Reject => "reject",
            CaseAction::Dispatch => "dispatch",
            CaseAction::Accept => "accept",
            CaseAction::Reassign => "reassign",
            CaseAction::Arrive => "arrive",
            CaseAction::Feedback => "feedback",
            CaseAction::Return => "return",
            CaseAction::Verify => "verify",
            CaseAction::Close => "close",
            CaseAction::Reopen => "reopen",
            CaseAction::Merge => "merge",
            CaseAction::Whistle => "whistle",
            CaseAction::Note => "note",
            CaseAction::Rate => "rate",
            CaseAction::CheckIn => "check_in",
            CaseAction::Photo => "photo",
            CaseAction::Voice => "voice",
            CaseAction::HandOver => "hand_over",
            CaseAction::HandOff => "hand_off",
            CaseAction::Receipt => "receipt",
        }
    }

    /// The row for this action in a state, if there is one.
    #[must_use]
    pub fn in_state(self, state: CaseState) -> Option<&'static Transition<CaseState, CaseAction>> {
        CASE_TABLE.iter().find(|t| t.from == state && t.action == self)
    }

    /// What a role may do in a state, in the table's order.
    #[must_use]
    pub fn allowed(state: CaseState, role: Role) -> Vec<CaseAction> {
        CASE_TABLE.iter().filter(|t| t.from == state && t.who.contains(&role)).map(|t| t.action).collect()
    }

    /// Whether it is refused without a reason in `note`: reject, reassign, return, reopen, merge.
    #[must_use]
    pub fn needs_reason(self) -> bool {
        matches!(
            self,
            CaseAction::Reject | CaseAction::Reassign | CaseAction::Return | CaseAction::Reopen | CaseAction::Merge
        )
    }
}

/// How high a case was whistled. Ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhistleLevel {
    /// 社区
    Community,
    /// 街道
    Street,
    /// 部门
    Department,
}

/// How many check-ins a case holds.
pub const CHECK_INS_MAX: usize = 50;
/// How many records a case holds.
pub const RECORDS_MAX: usize = 50;
/// How many photos a case holds.
pub const PHOTOS_MAX: usize = 30;

/// The full state of a case: the `data` of its feed events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Case {
    /// Its id.
    pub id: CaseId,
    /// Counts changes, from 1; commands that could harm must name it (`If-Match`).
    pub version: u32,
    /// The incident that it was filed for; at most one case an incident.
    pub incident: Option<IncidentId>,
    /// About whom; `None`: about a place.
    pub wearer: Option<WearerId>,
    /// Whose case it is.
    pub org: OrgPath,
    /// What it is about.
    pub kind: CaseKind,
    /// What was reported (随手拍), or what is asked of a patrol; empty for what an incident explains.
    pub text: String,
    /// Where somebody has to go.
    pub place: Option<CasePlace>,
    /// How urgent.
    pub priority: Priority,
    /// Where it stands.
    pub state: CaseState,
    /// How high it was whistled.
    pub level: WhistleLevel,
    /// Who joined it by a whistle, lowest level first.
    pub joined: Vec<Joined>,
    /// Who holds it: dispatched to, or accepted by.
    pub handler: Option<PersonId>,
    /// Everybody who ever held it, in order: none of them verifies it.
    pub handlers: Vec<PersonId>,
    /// When it was filed.
    pub filed_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// When the present stage is late and whistles by itself; `None` once it has ended.
    pub due_at: Option<Timestamp>,
    /// Every step that was taken, oldest first.
    pub steps: Vec<CaseStep>,
    /// Remarks, oldest first.
    pub notes: Vec<Note>,
    /// Who was on the spot, when and how near, oldest first, at most [`CHECK_INS_MAX`].
    pub check_ins: Vec<CheckIn>,
    /// Calls to the wearer and hand-overs to 120, oldest first, at most [`RECORDS_MAX`].
    pub records: Vec<CaseRecord>,
    /// Photos, oldest first, at most [`PHOTOS_MAX`].
    pub photos: Vec<Photo>,
    /// The other system that it was handed to.
    pub external: Option<External>,
    /// Which patrol it belongs to.
    pub patrol: Option<PatrolId>,
    /// What is asked on a patrol's visit.
    pub form: Vec<Question>,
    /// What was found, in the form's order.
    pub answers: Vec<Answer>,
    /// How it ended, for a closed one.
    pub disposition: Option<String>,
    /// 1–5, for a rated one.
    pub rating: Option<u8>,
}

impl Case {
    /// Whether somebody had a hand in it: it was dispatched to them, they took it, or they checked in. Who did does not
    /// verify it, whoever holds it now.
    #[must_use]
    pub fn was_handled_by(&self, person: &PersonId) -> bool {
        self.handlers.contains(person) || self.check_ins.iter().any(|check_in| check_in.by == *person)
    }
}

/// One step: who did what, when, and what they said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseStep {
    /// What was done.
    pub action: CaseAction,
    /// The state after it.
    pub state: CaseState,
    /// By whom; `None` for the engine itself.
    pub by: Option<PersonId>,
    /// In which role.
    pub role: Option<Role>,
    /// When.
    pub at: Timestamp,
    /// The reason or remark given with it.
    pub note: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_somewhere_and_every_state_is_left_and_entered() {
        for action in CaseAction::ALL {
            let has_row = CASE_TABLE.iter().any(|row| row.action == *action);
            assert_eq!(has_row, *action != CaseAction::File, "{action:?}");
        }
        for state in CaseState::ALL {
            assert!(*state == CaseState::Filed || CASE_TABLE.iter().any(|row| row.to == *state), "{state:?}");
        }
    }

    #[test]
    fn the_table_is_a_function_and_every_open_state_can_end() {
        for t in CASE_TABLE {
            assert_eq!(CASE_TABLE.iter().filter(|o| o.from == t.from && o.action == t.action).count(), 1, "{t:?}");
        }
        for start in CASE_TABLE.iter().map(|t| t.from).filter(|s| s.is_open()) {
            let mut reached = vec![start];
            while let Some(next) = CASE_TABLE.iter().find(|t| reached.contains(&t.from) && !reached.contains(&t.to)) {
                reached.push(next.to);
            }
            assert!(reached.contains(&CaseState::Closed), "{start:?} never closes");
        }
    }
}
