//! What a phone does when nobody is at the page: how its owner takes calls and texts.

use model::AttemptOutcome;
use serde::{Deserialize, Serialize};

use super::words::Ending;

/// How long a call robot speaks before it hangs up on somebody who presses nothing, in milliseconds.
pub const TALK_MS_MAX: u32 = 60_000;
/// How long after a key the call robot says thanks and hangs up, in milliseconds.
pub const THANKS_MS: u32 = 2_500;

/// How a phone takes one call. All delays are milliseconds; those of a second step count from the first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum CallScript {
    /// Rings until a person presses something, or the ring time is over.
    #[default]
    ByHand,
    /// Rings and is given up; the network says so after `after_ms` or its ring time, whichever is earlier.
    NoAnswer {
        /// From the first ring.
        after_ms: u32,
    },
    /// The line is busy.
    Busy,
    /// Switched off or out of coverage.
    Unreachable,
    /// The network could not place the call.
    Fails,
    /// The owner rejects it.
    Declines {
        /// From the first ring.
        after_ms: u32,
    },
    /// The owner answers, listens, presses nothing and hangs up.
    AnswersWithoutKey {
        /// From the first ring.
        after_ms: u32,
        /// From the answer.
        ends_after_ms: u32,
    },
    /// A mailbox answers: to the network it looks like a person.
    Voicemail {
        /// From the first ring.
        after_ms: u32,
        /// From the answer.
        ends_after_ms: u32,
    },
    /// The owner answers and presses a key.
    Presses {
        /// The key, `0`–`9`, `*` or `#`.
        key: char,
        /// From the first ring.
        answer_after_ms: u32,
        /// From the answer.
        key_after_ms: u32,
    },
}

impl CallScript {
    /// Rings for `seconds`, then is not answered.
    #[must_use]
    pub fn no_answer_after(seconds: u32) -> CallScript {
        CallScript::NoAnswer { after_ms: seconds * 1000 }
    }

    /// Answers after `seconds` and presses 1 a second later.
    #[must_use]
    pub fn presses_1_after(seconds: u32) -> CallScript {
        CallScript::Presses { key: '1', answer_after_ms: seconds * 1000, key_after_ms: 1000 }
    }

    /// Answers after `seconds` and presses 2 ("cannot come") a second later.
    #[must_use]
    pub fn presses_2_after(seconds: u32) -> CallScript {
        CallScript::Presses { key: '2', answer_after_ms: seconds * 1000, key_after_ms: 1000 }
    }

    /// How the network answers at once, without a ring.
    pub(super) fn refusal(&self) -> Option<(Ending, AttemptOutcome)> {
        match self {
            CallScript::Busy => Some((Ending::Busy, AttemptOutcome::Busy)),
            CallScript::Unreachable => Some((Ending::Unreachable, AttemptOutcome::Unreachable)),
            CallScript::Fails => Some((Ending::Failed, AttemptOutcome::Failed)),
            _ => None,
        }
    }

    /// What happens by itself on a phone that rings, with the delay from the first ring in milliseconds.
    pub(super) fn steps(&self, ring_ms: u32) -> Vec<(u32, Step)> {
        let give_up = (ring_ms, Step::GiveUp);
        match *self {
            CallScript::Busy | CallScript::Unreachable | CallScript::Fails => Vec::new(),
            CallScript::ByHand => vec![give_up],
            CallScript::NoAnswer { after_ms } => vec![(after_ms.min(ring_ms), Step::GiveUp)],
            CallScript::Declines { after_ms } => vec![(after_ms, Step::Decline), give_up],
            CallScript::AnswersWithoutKey { after_ms, ends_after_ms }
            | CallScript::Voicemail { after_ms, ends_after_ms } => {
                vec![(after_ms, Step::Answer), (after_ms + ends_after_ms, Step::HangUp), give_up]
            }
            CallScript::Presses { key, answer_after_ms, key_after_ms } => {
                vec![(answer_after_ms, Step::Answer), (answer_after_ms + key_after_ms, Step::Key(key)), give_up]
            }
        }
    }
}

/// How a phone takes texts and push messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum TextScript {
    /// It arrives, and nothing follows by itself.
    #[default]
    Reads,
    /// It arrives, and the owner writes back to it if it is a text (nobody writes back to a push message).
    Replies {
        /// What they write, e.g. `1`.
        text: String,
        /// From its arrival.
        after_ms: u32,
    },
    /// The network reports that it did not arrive.
    Fails,
}

/// A step that falls due on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Answer,
    Key(char),
    HangUp,
    Decline,
    GiveUp,
    /// The caller hangs up.
    CallOff,
}
