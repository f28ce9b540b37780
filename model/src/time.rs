//! Points in time, and who may ask for the present one.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// A point in time in milliseconds since 1970-01-01T00:00:00Z. JSON carries it as RFC 3339 in UTC with
/// milliseconds, disk records as the integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// 9999-12-31T23:59:59.999Z: the last instant that RFC 3339 can print.
const LATEST_MILLIS: i64 = 253_402_300_799_999;

impl Timestamp {
    /// The first instant, 1970-01-01T00:00:00Z.
    pub const EPOCH: Timestamp = Timestamp(0);
    /// The last instant that can be printed.
    pub const LATEST: Timestamp = Timestamp(LATEST_MILLIS);

    /// From milliseconds since 1970; what lies outside 1970–9999 is clamped to it.
    #[must_use]
    pub fn from_millis(millis: i64) -> Timestamp {
        Timestamp(millis.clamp(0, LATEST_MILLIS))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Parses RFC 3339 with any offset. `None` when it is not RFC 3339 or lies outside 1970–9999.
    #[must_use]
    pub fn parse(text: &str) -> Option<Timestamp> {
        let millis = DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis();
        (0..=LATEST_MILLIS).contains(&millis).then_some(Timestamp(millis))
    }

    /// This instant plus `millis`, saturating at the printable range.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_add(millis))
    }

    /// This instant plus `seconds`, saturating at the printable range.
    #[must_use]
    pub fn plus_seconds(self, seconds: u32) -> Timestamp {
        self.plus_millis(i64::from(seconds) * 1000)
    }

    /// Milliseconds from `earlier` to here; negative when `earlier` is later.
    #[must_use]
    pub fn millis_since(self, earlier: Timestamp) -> i64 {
        self.0 - earlier.0
    }

    /// The chrono form, in UTC.
    #[must_use]
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for Timestamp {}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        if deserializer.is_human_readable() {
            let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
            Timestamp::parse(&text).ok_or_else(|| de::Error::custom("not an RFC 3339 time between 1970 and 9999"))
        } else {
            Ok(Timestamp::from_millis(i64::deserialize(deserializer)?))
        }
    }
}

/// Who tells the time. Only `engine/src/clock.rs` implements it with the wall clock; tests hand in their own.
pub trait Clock: Send + Sync {
    /// The present instant; never earlier than what it returned before.
    fn now(&self) -> Timestamp;
}

/// The languages that messages and pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
pub enum Language {
    /// Chinese as written on the mainland, the default.
    #[default]
    #[serde(rename = "zh-CN")]
    ZhCn,
    /// English.
    #[serde(rename = "en")]
    En,
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn rfc3339_keeps_milliseconds_and_forgets_the_offset() {
        let t = Timestamp::parse("2026-11-22T08:00:00.120+08:00").unwrap();
        assert_eq!(t.to_string(), "2026-11-22T00:00:00.120Z");
        assert_eq!(Timestamp::parse(&t.to_string()), Some(t));
    }

    #[test]
    fn absurd_times_are_clamped_not_wrapped() {
        assert_eq!(Timestamp::from_millis(i64::MIN), Timestamp::EPOCH);
        assert_eq!(Timestamp::LATEST.plus_millis(i64::MAX), Timestamp::LATEST);
        assert_eq!(Timestamp::parse("10000-01-01T00:00:00Z"), None);
    }
}
