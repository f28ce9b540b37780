//! What a case is about.

use std::borrow::Cow;

use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::IncidentKind;

const REPORT: &str = "report";
const PATROL: &str = "patrol";
/// On disk, above every incident's number.
const REPORT_CODE: u8 = 254;
const PATROL_CODE: u8 = 255;

/// What a case is about. JSON: an incident's kind (`sos`, `fall`, `fence_exit`, …), `report` or `patrol`; on disk one
/// byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CaseKind {
    /// What an incident is about.
    Incident(IncidentKind),
    /// What a person reported (随手拍).
    Report,
    /// A visit of a patrol.
    Patrol,
}

impl CaseKind {
    /// Whether it is an SOS or a fall: it ends only with an on-site or voice confirmation on record.
    #[must_use]
    pub fn is_emergency(self) -> bool {
        matches!(self, CaseKind::Incident(kind) if kind.opens_case())
    }
}

impl From<IncidentKind> for CaseKind {
    fn from(kind: IncidentKind) -> CaseKind {
        CaseKind::Incident(kind)
    }
}

impl PartialEq<IncidentKind> for CaseKind {
    fn eq(&self, kind: &IncidentKind) -> bool {
        *self == CaseKind::Incident(*kind)
    }
}

impl utoipa::PartialSchema for CaseKind {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String).into()
    }
}

impl utoipa::ToSchema for CaseKind {}

impl Serialize for CaseKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self, serializer.is_human_readable()) {
            (CaseKind::Incident(kind), true) => kind.serialize(serializer),
            (CaseKind::Report, true) => serializer.serialize_str(REPORT),
            (CaseKind::Patrol, true) => serializer.serialize_str(PATROL),
            (CaseKind::Incident(kind), false) => serializer.serialize_u8(*kind as u8),
            (CaseKind::Report, false) => serializer.serialize_u8(REPORT_CODE),
            (CaseKind::Patrol, false) => serializer.serialize_u8(PATROL_CODE),
        }
    }
}

impl<'de> Deserialize<'de> for CaseKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CaseKind, D::Error> {
        if deserializer.is_human_readable() {
            let name = <Cow<'de, str>>::deserialize(deserializer)?;
            return match &*name {
                REPORT => Ok(CaseKind::Report),
                PATROL => Ok(CaseKind::Patrol),
                name => {
                    let name: StrDeserializer<'_, D::Error> = name.into_deserializer();
                    IncidentKind::deserialize(name).map(CaseKind::Incident)
                }
            };
        }
        match u8::deserialize(deserializer)? {
            REPORT_CODE => Ok(CaseKind::Report),
            PATROL_CODE => Ok(CaseKind::Patrol),
            code => {
                let kind = IncidentKind::ALL.get(usize::from(code)).copied();
                kind.map(CaseKind::Incident).ok_or_else(|| de::Error::custom("no kind of case"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_names_of_the_incidents_and_two_of_their_own() {
        for (kind, name) in [
            (CaseKind::Incident(IncidentKind::Sos), "\"sos\""),
            (CaseKind::Incident(IncidentKind::FenceExit), "\"fence_exit\""),
            (CaseKind::Report, "\"report\""),
            (CaseKind::Patrol, "\"patrol\""),
        ] {
            assert_eq!(serde_json::to_string(&kind).unwrap(), name);
            assert_eq!(serde_json::from_str::<CaseKind>(name).unwrap(), kind);
        }
        assert!(serde_json::from_str::<CaseKind>("\"tea\"").is_err());
        assert!(IncidentKind::ALL.len() < usize::from(REPORT_CODE));
    }
}
