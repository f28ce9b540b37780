//! What a case is made of, and what is asked of casework.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CaseAction, CaseKind, WhistleLevel};
use crate::registry::Role;
use crate::{CaseId, Datum, IncidentId, OrgPath, PatrolId, PersonId, Position, Priority, Timestamp, WearerId};

/// Where somebody has to go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CasePlace {
    /// In WGS-84, if known.
    pub position: Option<Position>,
    /// In words: 3 栋 502. At most 200 bytes; may be empty.
    pub text: String,
}

/// Where somebody is, as their phone says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Spot {
    /// In `datum`; once decided on, in WGS-84.
    pub position: Position,
    /// The datum of the position.
    pub datum: Datum,
    /// Metres, 1–10 000.
    pub accuracy_m: f32,
}

/// 打卡: somebody was there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckIn {
    /// Who.
    pub by: PersonId,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// Where, if their phone said.
    pub spot: Option<Spot>,
    /// How far from the case's place, metres; `None` when either is not known.
    pub distance_m: Option<u32>,
    /// Whether that is at the place, their accuracy allowed for; `None` when the distance is not known.
    pub is_there: Option<bool>,
}

/// A confirmation or hand-over that is on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseRecord {
    /// What it is.
    pub kind: RecordKind,
    /// Who says so.
    pub by: PersonId,
    /// In which role.
    pub role: Role,
    /// When it was written down.
    pub at: Timestamp,
    /// When it happened, as they say.
    pub happened_at: Timestamp,
    /// With whom they spoke, or to whom they handed over; at most 100 bytes.
    pub with: String,
    /// What was said; at most 2 000 bytes.
    pub said: String,
}

/// What a record is. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// Somebody spoke to the wearer.
    Voice,
    /// Handed over to 120.
    HandOver,
}

/// A photo of a case. The bytes lie beside the journal, under their hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Photo {
    /// SHA-256 of what is kept, 64 hexadecimal digits.
    #[schema(value_type = String)]
    pub hash: CompactString,
    /// Its length in bytes.
    pub bytes: u32,
    /// What it is.
    pub media: PhotoType,
    /// Who added it.
    pub by: PersonId,
    /// When.
    pub at: Timestamp,
}

/// The formats that are taken. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum PhotoType {
    /// JPEG.
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// PNG.
    #[serde(rename = "image/png")]
    Png,
    /// WebP.
    #[serde(rename = "image/webp")]
    Webp,
}

impl PhotoType {
    /// The media type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PhotoType::Jpeg => "image/jpeg",
            PhotoType::Png => "image/png",
            PhotoType::Webp => "image/webp",
        }
    }
}

/// Who joined a case by a whistle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Joined {
    /// Which level.
    pub level: WhistleLevel,
    /// Whose duty roster was asked; the case's own organisation or one above it.
    pub org: OrgPath,
    /// The departments whose people are on duty.
    #[schema(value_type = Vec<String>)]
    pub units: Vec<CompactString>,
    /// Who was on duty then.
    pub people: Vec<PersonId>,
    /// When.
    pub at: Timestamp,
}

/// The other system that a case was handed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct External {
    /// Its name, 1–64 bytes.
    #[schema(value_type = String)]
    pub system: CompactString,
    /// What the case is called there, once it said so; at most 128 bytes.
    #[schema(value_type = Option<String>)]
    pub external_case_id: Option<CompactString>,
    /// What it said last.
    pub status: Option<ReceiptStatus>,
    /// When it was handed over, or said something last.
    pub at: Timestamp,
}

/// What another system says about a case that it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// Which system.
    #[schema(value_type = String)]
    pub system: CompactString,
    /// What it calls the case.
    #[schema(value_type = String)]
    pub external_case_id: CompactString,
    /// How far it is.
    pub status: ReceiptStatus,
    /// What it adds.
    pub note: Option<String>,
    /// For `closed`: what it was.
    pub disposition: Option<String>,
}

/// How far another system is. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptStatus {
    /// It has it; nobody has taken it yet.
    Received,
    /// Somebody there took it.
    Accepted,
    /// Somebody of theirs is with the wearer.
    OnSite,
    /// They say what they did.
    Feedback,
    /// They are done.
    Closed,
    /// They give it back, with the reason.
    Returned,
}

/// One question of a patrol's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Question {
    /// Under which its answer stands, 1–64 characters, unique in the form.
    #[schema(value_type = String)]
    pub id: CompactString,
    /// The question, at most 200 bytes.
    pub label: String,
    /// What is answered.
    pub kind: QuestionKind,
    /// For `choice`: what there is to choose from.
    pub choices: Vec<String>,
    /// Whether the visit is not done without an answer.
    pub required: bool,
}

/// What is answered. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    /// `true` or `false`.
    YesNo,
    /// One of `choices`.
    Choice,
    /// A number.
    Number,
    /// Words.
    Text,
}

/// What was found: the answer as text (`true`, `false`, a number, a choice, words).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Answer {
    /// To which question.
    #[schema(value_type = String)]
    pub id: CompactString,
    /// The answer, at most 500 bytes.
    pub value: String,
}

/// What is done to a case, with everything that an action may need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CaseRequest {
    /// What.
    pub action: CaseAction,
    /// Remark, reason, or what was said; at most 2 000 bytes.
    pub note: Option<String>,
    /// For `dispatch`, `reassign` and, by a member of staff, `accept`: who.
    pub handler: Option<PersonId>,
    /// For `close`: what it was, 1–64 bytes.
    pub disposition: Option<String>,
    /// For `merge`: into which.
    pub into: Option<CaseId>,
    /// For `rate`: 1–5.
    pub rating: Option<u8>,
    /// For `check_in` and `arrive`: where they are.
    pub spot: Option<Spot>,
    /// For `voice` and `hand_over`: with whom, 1–100 bytes.
    pub with: Option<String>,
    /// For `voice` and `hand_over`: when it happened, if not now.
    pub happened_at: Option<Timestamp>,
    /// For `hand_off`: to which system.
    #[schema(value_type = Option<String>)]
    pub system: Option<CompactString>,
    /// For `feedback` on a patrol's visit.
    pub answers: Vec<Answer>,
    /// For `photo`: the photo, already durable.
    pub photo: Option<Photo>,
}

impl CaseRequest {
    /// An action with nothing beside it.
    #[must_use]
    pub fn new(action: CaseAction) -> CaseRequest {
        CaseRequest {
            action,
            note: None,
            handler: None,
            disposition: None,
            into: None,
            rating: None,
            spot: None,
            with: None,
            happened_at: None,
            system: None,
            answers: Vec::new(),
            photo: None,
        }
    }
}

/// A case that somebody asks for: for an incident, or from a person's own report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CaseFiling {
    /// For which incident; then nothing else is needed, and a second filing gives the same case.
    pub incident: Option<IncidentId>,
    /// About whom.
    pub wearer: Option<WearerId>,
    /// Where it belongs; without: where the wearer does.
    pub org: Option<OrgPath>,
    /// What it is about.
    pub kind: CaseKind,
    /// How urgent.
    pub priority: Priority,
    /// What was seen, 1–2 000 bytes.
    pub text: String,
    /// Where, in `datum`.
    pub place: Option<CasePlace>,
    /// The datum of the place.
    pub datum: Datum,
}

/// Rounds that are asked for: one visit for each of the people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PatrolOrder {
    /// What it is called, 1–100 bytes.
    pub name: String,
    /// In which part of the tree.
    pub org: OrgPath,
    /// Whom to visit.
    pub who: PatrolWho,
    /// For [`PatrolWho::Listed`]: these.
    pub wearers: Vec<WearerId>,
    /// What is asked on each visit, at most 50 questions.
    pub form: Vec<Question>,
}

/// Whom to visit. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PatrolWho {
    /// Of whose guardians none can be expected to be reached.
    Uncovered,
    /// Who lives alone.
    LivingAlone,
    /// Who is named.
    Listed,
}

/// A patrol: its visits are cases of kind `patrol`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Patrol {
    /// Its id.
    pub id: PatrolId,
    /// Counts changes, from 1.
    pub version: u32,
    /// What was ordered.
    pub order: PatrolOrder,
    /// Its visits. Whoever has an open visit already gets no second one.
    pub cases: Vec<CaseId>,
    /// Who were passed over, because a visit is open.
    pub passed_over: u32,
    /// Who ordered it.
    pub by: PersonId,
    /// When.
    pub created_at: Timestamp,
}
