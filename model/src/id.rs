//! Names of things: those that outsiders give (strings) and those that the pipeline counts (base32).

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The longest identifier that the registry takes, in bytes.
pub const ID_BYTES_MAX: usize = 64;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(CompactString);

        impl $name {
            /// Takes the text as it is; [`is_well_formed`] is checked where it enters the house.
            #[must_use]
            pub fn new(text: &str) -> Self {
                Self(CompactString::new(text))
            }
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::String).into()
            }
        }
        impl ToSchema for $name {}
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0.as_str())
            }
        }
    };
}

text_id!(
    /// A device as its maker names it (an IMEI, a serial number); also its MQTT client id and user name.
    DeviceId
);
text_id!(
    /// An elder.
    WearerId
);
text_id!(
    /// A guardian, doctor or member of staff.
    PersonId
);
text_id!(
    /// A fence, unique within its wearer.
    FenceId
);
text_id!(
    /// The name with which somebody signs in.
    AccountId
);
text_id!(
    /// An API token's public name (the secret is stored hashed, elsewhere).
    TokenId
);
text_id!(
    /// A subscription of another system.
    WebhookId
);
text_id!(
    /// An organisation's place in the tree: `/district/street/community/`, slash at both ends.
    OrgPath
);

/// Whether a text may be an identifier: 1 to [`ID_BYTES_MAX`] bytes of ASCII letters, digits, `-`, `_`, `.`, `:`.
#[must_use]
pub fn is_well_formed(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= ID_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}

impl OrgPath {
    /// Whether the path begins and ends with a slash and has no empty segment, MQTT wildcard or control character.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let text = self.as_str();
        text.len() <= 256
            && text.len() >= 3
            && text.starts_with('/')
            && text.ends_with('/')
            && text[1..text.len() - 1].split('/').all(|segment| {
                !segment.is_empty() && !segment.chars().any(|c| c.is_control() || matches!(c, '+' | '#' | '$'))
            })
    }

    /// Whether `other` is this organisation or lies below it.
    #[must_use]
    pub fn contains(&self, other: &OrgPath) -> bool {
        other.as_str().starts_with(self.as_str())
    }

    /// The organisation above, `None` at the top.
    #[must_use]
    pub fn parent(&self) -> Option<OrgPath> {
        let inner = self.as_str().trim_end_matches('/');
        let cut = inner.rfind('/')?;
        (cut > 0).then(|| OrgPath::new(&inner[..=cut]))
    }

    /// The path without its outer slashes, as it stands in an MQTT topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.as_str().trim_matches('/')
    }
}

/// Crockford's base32 in lower case: no i, l, o, u to be misread over a phone.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Bits of a counted id that hold the counter; the partition stands above them.
const COUNTER_BITS: u32 = 56;

macro_rules! counted_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        ///
        /// A counter that carries its partition in the top byte; printed as a letter and Crockford base32
        /// (at most 14 characters, so that it fits providers' reference fields).
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u64);

        impl $name {
            /// The `counter`-th id of a partition.
            #[must_use]
            pub fn new(partition: u8, counter: u64) -> Self {
                Self((u64::from(partition) << COUNTER_BITS) | (counter & ((1 << COUNTER_BITS) - 1)))
            }
            /// The integer that disk records and database keys hold; ascending within a partition.
            #[must_use]
            pub fn raw(self) -> u64 {
                self.0
            }
            /// From the integer of [`raw`](Self::raw).
            #[must_use]
            pub fn from_raw(raw: u64) -> Self {
                Self(raw)
            }
            /// Which partition counted it.
            #[must_use]
            pub fn partition(self) -> u8 {
                (self.0 >> COUNTER_BITS) as u8
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut digits = [0u8; 13];
                let (mut value, mut at) = (self.0, digits.len());
                loop {
                    at -= 1;
                    digits[at] = BASE32[(value & 31) as usize];
                    value >>= 5;
                    if value == 0 {
                        break;
                    }
                }
                f.write_str($prefix)?;
                for digit in &digits[at..] {
                    write!(f, "{}", char::from(*digit))?;
                }
                Ok(())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = MalformedId;
            fn from_str(text: &str) -> Result<Self, MalformedId> {
                let digits = text.strip_prefix($prefix).filter(|d| (1..=13).contains(&d.len())).ok_or(MalformedId)?;
                let mut value = 0u64;
                for byte in digits.bytes() {
                    let digit = BASE32.iter().position(|b| *b == byte).ok_or(MalformedId)? as u64;
                    value = value.checked_mul(32).and_then(|v| v.checked_add(digit)).ok_or(MalformedId)?;
                }
                Ok(Self(value))
            }
        }
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let pattern = concat!("^", $prefix, "[0-9a-hjkmnp-tv-z]{1,13}$");
                ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).into()
            }
        }
        impl ToSchema for $name {}
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_u64(self.0) }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                    text.parse().map_err(de::Error::custom)
                } else {
                    u64::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

/// The text is not an id of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of this kind")]
pub struct MalformedId;

counted_id!(
    /// An incident.
    IncidentId, "i"
);
counted_id!(
    /// A community case.
    CaseId, "c"
);
counted_id!(
    /// One attempt to reach one person over one channel.
    AttemptId, "a"
);
counted_id!(
    /// A command to a device.
    DownCommandId, "d"
);
counted_id!(
    /// Something that somebody has to put right.
    TaskId, "t"
);
counted_id!(
    /// A campaign of welfare or test calls.
    CampaignId, "g"
);
counted_id!(
    /// A patrol.
    PatrolId, "r"
);

/// The counters from which new ids come. They live in the pipeline's state, so that a replay counts alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Which partition counts.
    pub partition: u8,
    /// The last incident.
    pub incident: u64,
    /// The last case.
    pub case: u64,
    /// The last attempt.
    pub attempt: u64,
    /// The last down-command.
    pub down_command: u64,
    /// The last event of the feed.
    pub event: u64,
    /// The last task.
    pub task: u64,
    /// The last campaign.
    pub campaign: u64,
    /// The last patrol.
    pub patrol: u64,
}

impl Counters {
    /// A new incident's id.
    pub fn next_incident(&mut self) -> IncidentId {
        self.incident += 1;
        IncidentId::new(self.partition, self.incident)
    }
    /// A new case's id.
    pub fn next_case(&mut self) -> CaseId {
        self.case += 1;
        CaseId::new(self.partition, self.case)
    }
    /// An attempt that was counted elsewhere: no later one has its number.
    pub fn has_counted(&mut self, attempt: AttemptId) {
        self.attempt = self.attempt.max(attempt.raw() & ((1 << COUNTER_BITS) - 1));
    }
    /// A new attempt's id.
    pub fn next_attempt(&mut self) -> AttemptId {
        self.attempt += 1;
        AttemptId::new(self.partition, self.attempt)
    }
    /// A new down-command's id.
    pub fn next_down_command(&mut self) -> DownCommandId {
        self.down_command += 1;
        DownCommandId::new(self.partition, self.down_command)
    }
    /// A new task's id.
    pub fn next_task(&mut self) -> TaskId {
        self.task += 1;
        TaskId::new(self.partition, self.task)
    }
    /// A new campaign's id.
    pub fn next_campaign(&mut self) -> CampaignId {
        self.campaign += 1;
        CampaignId::new(self.partition, self.campaign)
    }
    /// A new patrol's id.
    pub fn next_patrol(&mut self) -> PatrolId {
        self.patrol += 1;
        PatrolId::new(self.partition, self.patrol)
    }
    /// A new event's place in the feed.
    pub fn next_event(&mut self) -> u64 {
        self.event += 1;
        self.event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_ids_print_and_parse() {
        for id in [
            AttemptId::new(0, 0),
            AttemptId::new(0, 31),
            AttemptId::new(63, 123_456_789),
            AttemptId::from_raw(u64::MAX),
        ] {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert!(id.to_string().len() <= 15);
        }
        assert_eq!(AttemptId::new(0, 32).to_string(), "a10");
        assert_eq!("i10".parse::<AttemptId>(), Err(MalformedId));
        assert_eq!("azzzzzzzzzzzzz".parse::<AttemptId>(), Err(MalformedId));
    }

    #[test]
    fn organisations_nest() {
        let community = OrgPath::new("/luyang/xinghua/yinxing/");
        assert_eq!(community.parent(), Some(OrgPath::new("/luyang/xinghua/")));
        assert_eq!(OrgPath::new("/luyang/").parent(), None);
        assert!(OrgPath::new("/luyang/").contains(&community));
        assert!(!OrgPath::new("/luyang/xing/").contains(&community));
        assert!(!OrgPath::new("/a//b/").is_well_formed());
        assert!(!OrgPath::new("/a/+/").is_well_formed());
        assert!(!OrgPath::new("/").is_well_formed());
    }
}
