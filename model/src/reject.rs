//! What could not be taken in, and why.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much of a rejected payload quarantine keeps, in bytes.
pub const QUARANTINED_PAYLOAD_BYTES_MAX: usize = 4096;

/// A payload, or one item of an array, that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// The class of the fault.
    pub reason: RejectReason,
    /// What, where and what to do, in English, at most 256 bytes; names no person.
    pub detail: CompactString,
    /// The first [`QUARANTINED_PAYLOAD_BYTES_MAX`] bytes.
    pub payload: Vec<u8>,
    /// How many bytes there were.
    pub payload_bytes: u64,
}

impl Reject {
    /// A reject that keeps no more of the payload than quarantine may.
    #[must_use]
    pub fn new(reason: RejectReason, detail: &str, payload: &[u8]) -> Reject {
        Reject {
            reason,
            detail: CompactString::new(detail),
            payload: payload[..payload.len().min(QUARANTINED_PAYLOAD_BYTES_MAX)].to_vec(),
            payload_bytes: payload.len() as u64,
        }
    }
}

/// Why a payload was refused. The door answers MQTT 5 with 0x87 for `ForeignTopic`, 0x99 for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// No bytes.
    Empty,
    /// Larger than the packet limit.
    TooLarge,
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON, or not all of it.
    Malformed,
    /// Nested deeper than the limit.
    TooDeep,
    /// An array longer than the limit.
    TooManyItems,
    /// A required member is missing or has the wrong type.
    BadField,
    /// A value that no body and no place on earth has.
    Implausible,
    /// The format in the topic is not known.
    UnknownFormat,
    /// Published where this device may not publish.
    ForeignTopic,
}
