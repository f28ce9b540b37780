//! Payload bytes to [`Report`]s, one file per wire format, and their [`Admission`].
//!
//! Decoding is total: every payload gives at least one item, each a report or a [`Reject`] whose detail says what
//! is wrong, where, and what to do about it; nothing panics. An sos or a fall needs only its type: whatever else
//! is wrong with it is dropped, and it stands.
//!
//! ```
//! use ingest::{Format, Limits, decode};
//! let items = decode(Format::Json, br#"{"type":"heart_rate","id":"7-1042","t":1763769600000,"bpm":72}"#, &Limits::default());
//! assert!(matches!(items[0].as_ref().unwrap().body, model::ReportBody::HeartRate { bpm: 72 }));
//! ```

use model::{Reject, RejectReason, Report};
use smallvec::SmallVec;

pub mod admission;
pub mod bin;
mod content;
mod fault;
mod hash;
pub mod json;
mod render;
mod repeats;
mod time;

pub use admission::{Admission, Admitted, LATE_AFTER_SECONDS, Measured, SURE_SECONDS};
pub use render::render;
pub use repeats::{REPEAT_KEYS_MIN, REPEAT_KEYS_PER_DEVICE_MAX, REPEAT_WINDOW_SECONDS};

/// A wire format, as the last segment of the topic names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `json`: see [`json`].
    Json,
    /// `bin`: see [`bin`].
    Bin,
}

impl Format {
    /// From a topic, or from its last segment alone. `None` for a format that we do not know.
    #[must_use]
    pub fn from_topic(topic: &str) -> Option<Format> {
        match topic {
            "json" => Some(Format::Json),
            "bin" => Some(Format::Bin),
            _ => topic.rsplit_once('/').and_then(|(_, format)| Format::from_topic(format)),
        }
    }
}

/// How large a payload may be. What is beyond a limit is rejected, except for the alarms in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Items of an array (1 000).
    pub array_items_max: usize,
    /// Depth of nesting of a JSON payload, the outermost bracket counted (32).
    pub nesting_max: usize,
    /// Bytes (256 KiB).
    pub payload_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { array_items_max: 1000, nesting_max: 32, payload_bytes_max: 256 * 1024 }
    }
}

/// What a payload held, in its order: one outcome per item, never empty.
pub type Items = SmallVec<[Result<Report, Reject>; 1]>;

/// Decodes a payload: one report or an array of them. The items of an array stand alone.
///
/// Never panics and never returns an empty list. A reject keeps the bytes of its own item only.
#[must_use]
pub fn decode(format: Format, payload: &[u8], limits: &Limits) -> Items {
    if payload.is_empty() {
        return one(Err(Reject::new(RejectReason::Empty, "the payload has no bytes; send a report", payload)));
    }
    match format {
        Format::Json => json::decode(payload, limits),
        Format::Bin => bin::decode(payload, limits),
    }
}

/// The outcome of a payload that holds one thing.
fn one(outcome: Result<Report, Reject>) -> Items {
    let mut items = Items::new();
    items.push(outcome);
    items
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn the_last_segment_of_the_topic_names_the_format() {
        assert_eq!(Format::from_topic("yl/v1/861234567890123/up/json"), Some(Format::Json));
        assert_eq!(Format::from_topic("bin"), Some(Format::Bin));
        assert_eq!(Format::from_topic("yl/v1/861234567890123/up/xml"), None);
        assert_eq!(Format::from_topic(""), None);
    }
}
