//! What is wrong with one item, before it becomes a reject.

use model::{Reject, RejectReason};

/// The longest detail that a reject carries, in bytes.
const DETAIL_BYTES_MAX: usize = 256;

/// A fault: its class, and what is wrong, where, and what to do. Names no value, so that it names no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: RejectReason,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(reason: RejectReason, detail: impl Into<String>) -> Fault {
        Fault { reason, detail: detail.into() }
    }

    /// The reject of the bytes that it was found in; `item` counts from 1 and is named for items of an array.
    pub(crate) fn reject(&self, item: Option<usize>, payload: &[u8]) -> Reject {
        let detail = match item {
            Some(item) => format!("item {item}: {}", self.detail),
            None => self.detail.clone(),
        };
        Reject::new(self.reason, clipped(&detail, DETAIL_BYTES_MAX), payload)
    }
}

/// As much of a text as fits into so many bytes, cut between characters.
pub(crate) fn clipped(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
