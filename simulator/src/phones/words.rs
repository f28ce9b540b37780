//! The words of the phones: whose they are, what is on them, what a person can do, and what follows.

use model::{AttemptOutcome, CaseKind, Channel, Priority, Timestamp};
use serde::{Deserialize, Serialize, Serializer};

use super::script::{CallScript, Step, TextScript};

/// A phone and its owner, as the book is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// E.164, one of [`INVENTED_NUMBERS`].
    pub number: String,
    /// The owner's id in the registry; push messages find the phone by it.
    pub person: String,
    /// The owner's name.
    pub name: String,
    /// Who they are, in both languages: `王桂兰的女儿`, `daughter of 王桂兰`.
    pub relation: [String; 2],
    /// What the phones of one family have in common: the page shows them side by side.
    pub family: String,
    /// How calls are taken, in turn; the last one stays. Empty: by hand.
    #[serde(default)]
    pub call_scripts: Vec<CallScript>,
    /// How texts are taken.
    #[serde(default)]
    pub text_script: TextScript,
}

/// A message that the gateway was handed: the gateway contract's body.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Message {
    /// The attempt's id.
    pub attempt: String,
    /// `sms`, `voice` or `push`.
    pub channel: Channel,
    /// A number, or a push topic.
    pub to: String,
    /// Who is meant.
    #[serde(default)]
    pub person: String,
    /// For which incident.
    #[serde(default)]
    pub incident: String,
    /// That incident's kind.
    pub kind: CaseKind,
    /// Its priority.
    pub priority: Priority,
    /// What is to be shown or spoken.
    pub text: String,
    /// Where outcomes are posted to.
    pub callback: String,
}

/// A phone.
#[derive(Debug, Clone, Serialize)]
pub struct Phone {
    /// Its owner and their habits.
    #[serde(flatten)]
    pub entry: Entry,
    /// Whether a person is expected at the page.
    pub by_hand: bool,
    /// Calls, oldest first.
    pub calls: Vec<Call>,
    /// Texts and push messages, oldest first.
    pub texts: Vec<Text>,
    #[serde(skip)]
    pub(super) calls_taken: usize,
}

/// A call on a phone.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// The attempt's id.
    pub attempt: String,
    /// For which incident.
    pub incident: String,
    /// That incident's kind.
    pub kind: CaseKind,
    /// Its priority.
    pub priority: Priority,
    /// What the call robot says.
    pub text: String,
    /// Ringing, talking, ended.
    #[serde(serialize_with = "call_state")]
    pub state: CallState,
    /// First ring.
    pub rang_at: Timestamp,
    /// When somebody or something picked up.
    pub answered_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// The keys that were pressed.
    pub keys: String,
    #[serde(skip)]
    pub(super) callback: String,
    #[serde(skip)]
    pub(super) mailbox: bool,
    #[serde(skip)]
    pub(super) steps: Vec<(Timestamp, Step)>,
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    /// The phone rings.
    Ringing,
    /// Picked up.
    Talking,
    /// Over.
    Ended(Ending),
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names say what they are
pub enum Ending {
    NoAnswer,
    Busy,
    Declined,
    Unreachable,
    Failed,
    HungUp,
}

/// A text or push message on a phone.
#[derive(Debug, Clone, Serialize)]
pub struct Text {
    /// The attempt's id.
    pub attempt: String,
    /// `sms` or `push`.
    pub channel: Channel,
    /// For which incident.
    pub incident: String,
    /// That incident's kind.
    pub kind: CaseKind,
    /// Its priority.
    pub priority: Priority,
    /// What it says.
    pub text: String,
    /// When it arrived.
    pub at: Timestamp,
    /// What the owner wrote back, last.
    pub reply: Option<String>,
    #[serde(skip)]
    pub(super) callback: String,
    #[serde(skip)]
    pub(super) reply_due: Option<(Timestamp, String)>,
}

/// What a person can do with a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Button {
    /// Pick up.
    Answer,
    /// Press a key; picks up first if it still rings.
    Key(char),
    /// Hang up.
    HangUp,
    /// Reject the call.
    Decline,
    /// Write back to the newest text.
    Reply(String),
}

/// What follows from an input or from the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// An outcome for the engine.
    Callback(Callback),
    /// Something that a bystander would notice.
    Happened(Happening),
}

/// An outcome to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// Where to.
    pub url: String,
    /// From which phone; outcomes of one phone keep their order.
    pub number: String,
    /// About which attempt.
    pub attempt: String,
    /// What.
    pub outcome: AttemptOutcome,
    /// The key, for `key`.
    pub key: Option<char>,
    /// What was written, for `reply`.
    pub text: Option<String>,
}

/// Something that a bystander would notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// On which phone.
    pub number: String,
    /// Whose it is.
    pub name: String,
    /// What.
    pub what: Happened,
}

/// The things that happen on phones.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the names say what they are; texts and keys are those of the message or the person
pub enum Happened {
    Rings { text: String },
    Answers,
    Mailbox,
    Presses { key: char },
    Ends(Ending),
    Receives { channel: Channel, text: String },
    Replies { text: String },
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not in the book.
    #[error("no phone has this number")]
    UnknownNumber,
    /// The gateway has no such channel.
    #[error("this gateway only does sms, voice and push")]
    UnknownChannel,
}

fn call_state<S: Serializer>(state: &CallState, serializer: S) -> Result<S::Ok, S::Error> {
    match state {
        CallState::Ringing => serializer.serialize_str("ringing"),
        CallState::Talking => serializer.serialize_str("talking"),
        CallState::Ended(ending) => ending.serialize(serializer),
    }
}
