//! What a command is answered.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::{Entity, PersonId};

/// The answer to a command, as decided in the pipeline and kept for its idempotency key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// Done; the entity as committed, if the command was about one.
    Done(Option<Entity>),
    /// Refused; nothing changed.
    Refused(Problem),
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The class, from which the HTTP status follows.
    pub code: ProblemCode,
    /// What, where and what to do, in English.
    pub detail: String,
    /// The same in Chinese.
    pub detail_zh: String,
    /// The faults one by one.
    pub errors: Vec<Fault>,
    /// For an illegal action: what would be legal now, by name.
    pub allowed_actions: Vec<CompactString>,
    /// For an illegal action: who holds it.
    pub holder: Option<PersonId>,
    /// For a stale view: the present version.
    pub version: Option<u32>,
}

/// What is wrong at one place of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// JSON pointer into the request.
    pub pointer: CompactString,
    /// What is wrong there, in English.
    pub detail: String,
    /// The same in Chinese.
    pub detail_zh: String,
}

impl Fault {
    /// A fault at a place.
    #[must_use]
    pub fn new(pointer: impl Into<CompactString>, detail: impl Into<String>, detail_zh: impl Into<String>) -> Fault {
        Fault { pointer: pointer.into(), detail: detail.into(), detail_zh: detail_zh.into() }
    }
}

/// The class of a refusal. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemCode {
    /// 404: not there, or not visible to the caller.
    NotFound,
    /// 409: not in this state.
    IllegalInState,
    /// 403: not in this role.
    NotAllowed,
    /// 412: the caller's view is stale.
    Stale,
    /// 428: `If-Match` is required here.
    VersionRequired,
    /// 422: the request cannot be carried out as it is.
    Invalid,
    /// 409: this idempotency key belongs to another request.
    KeyReused,
    /// 429: a named limit is reached.
    LimitReached,
}

impl ProblemCode {
    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            ProblemCode::NotFound => 404,
            ProblemCode::IllegalInState | ProblemCode::KeyReused => 409,
            ProblemCode::NotAllowed => 403,
            ProblemCode::Stale => 412,
            ProblemCode::VersionRequired => 428,
            ProblemCode::Invalid => 422,
            ProblemCode::LimitReached => 429,
        }
    }

    /// The name on the wire, e.g. `illegal-in-state`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ProblemCode::NotFound => "not-found",
            ProblemCode::IllegalInState => "illegal-in-state",
            ProblemCode::NotAllowed => "not-allowed",
            ProblemCode::Stale => "stale",
            ProblemCode::VersionRequired => "version-required",
            ProblemCode::Invalid => "invalid",
            ProblemCode::KeyReused => "key-reused",
            ProblemCode::LimitReached => "limit-reached",
        }
    }
}

impl Problem {
    /// A problem with its two sentences and nothing else.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>, detail_zh: impl Into<String>) -> Problem {
        Problem {
            code,
            detail: detail.into(),
            detail_zh: detail_zh.into(),
            errors: Vec::new(),
            allowed_actions: Vec::new(),
            holder: None,
            version: None,
        }
    }

    /// The same, with one more fault.
    #[must_use]
    pub fn at(
        mut self,
        pointer: impl Into<CompactString>,
        detail: impl Into<String>,
        detail_zh: impl Into<String>,
    ) -> Problem {
        self.errors.push(Fault::new(pointer, detail, detail_zh));
        self
    }

    /// Not there, or not visible.
    #[must_use]
    pub fn not_found(what: &str) -> Problem {
        Problem::new(
            ProblemCode::NotFound,
            format!("{what} is not there, or not visible to you"),
            format!("{what} 不存在或无权查看"),
        )
    }
}
