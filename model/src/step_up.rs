//! The second step of a guardian: a code to their own phone, and what it opened for a while.

use serde::{Deserialize, Serialize};

use crate::{AttemptId, PersonId, Timestamp, WearerId};

/// How long a code can be entered.
pub const CODE_SECONDS: u32 = 5 * 60;
/// How many wrong codes are taken before another has to be sent.
pub const CODE_TRIES_MAX: u8 = 5;
/// How long the guardian's pages stay open after the right one.
pub const STEP_UP_SECONDS: u32 = 30 * 60;

/// A code on its way to a guardian's own phone, and whether it was entered. The code itself is an HMAC of its attempt:
/// nothing here is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUp {
    /// The attempt that carries the code.
    pub code: AttemptId,
    /// The guardian.
    pub person: PersonId,
    /// Whose whereabouts it opens.
    pub wearer: WearerId,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// How many wrong codes were entered.
    pub wrong_tries: u8,
    /// What the right one opened.
    pub opened: Option<Opened>,
}

/// A guardian's pages, open for one browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// SHA-256 of what the cookie holds (random, so no salt is needed).
    pub secret_sha256: [u8; 32],
    /// Until when.
    pub until: Timestamp,
}

impl StepUp {
    /// Whether a code can be entered at a time.
    #[must_use]
    pub fn takes_a_code(&self, now: Timestamp) -> bool {
        self.opened.is_none() && self.wrong_tries < CODE_TRIES_MAX && now < self.sent_at.plus_seconds(CODE_SECONDS)
    }

    /// Whether it opened the pages for the browser with this cookie, by its SHA-256, and they still are.
    #[must_use]
    pub fn admits(&self, secret_sha256: &[u8; 32], now: Timestamp) -> bool {
        self.opened.as_ref().is_some_and(|opened| opened.secret_sha256 == *secret_sha256 && now < opened.until)
    }

    /// Whether nothing comes of it any more.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.opened.as_ref().map_or(self.sent_at.plus_seconds(CODE_SECONDS), |opened| opened.until)
    }

    /// Whether this one, newer, stands in the place of another: there is one code at a time, and a page that is open
    /// stays open.
    #[must_use]
    pub fn replaces(&self, other: &StepUp) -> bool {
        let is_same_way = self.person == other.person && self.wearer == other.wearer;
        self.code == other.code || (is_same_way && other.opened.is_none())
    }
}
