//! What is sent about cases: bodies, and their checks.

use std::collections::BTreeMap;

use compact_str::CompactString;
use model::case::{Answer, CaseFiling, CasePlace, CaseRequest, Receipt, ReceiptStatus, Spot};
use model::{
    CaseAction, CaseId, CaseKind, Datum, IncidentId, OrgPath, PersonId, Position, Priority, Timestamp, WearerId,
};
use serde::Deserialize;
use serde_json::Value;

use super::incidents::{DISPOSITION_BYTES_MAX, NOTE_BYTES_MAX, checked_id, checked_text};
use crate::problem::Fault;

/// The longest name of whom somebody spoke with, in bytes.
const WITH_BYTES_MAX: usize = 100;
/// The longest words for a place, in bytes.
const PLACE_BYTES_MAX: usize = 200;
/// The longest name of a case in another system, in bytes.
const EXTERNAL_ID_BYTES_MAX: usize = 128;
/// The longest note of a receipt, in bytes: it stands in a remark beside the system's name.
const RECEIPT_NOTE_BYTES_MAX: usize = 1_500;
/// The longest answer of a form, in bytes.
const ANSWER_BYTES_MAX: usize = 500;
/// The accuracy of a phone that gives none, metres.
const ACCURACY_M_DEFAULT: f32 = 50.0;

/// Where somebody is.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PositionBody {
    lat: f64,
    lon: f64,
    #[serde(default)]
    datum: Datum,
    accuracy_m: Option<f32>,
}

impl PositionBody {
    fn spot(&self) -> Result<Spot, Fault> {
        let position = position("/position", self.lat, self.lon)?;
        let accuracy_m = self.accuracy_m.unwrap_or(ACCURACY_M_DEFAULT);
        if !(0.0..=10_000.0).contains(&accuracy_m) {
            let (detail, detail_zh) = ("must be 0 to 10000 metres", "须为 0 至 10000 米");
            return Err(Fault::invalid("/position/accuracy_m", detail, detail_zh));
        }
        Ok(Spot { position, datum: self.datum, accuracy_m: accuracy_m.max(1.0) })
    }
}

fn position(pointer: &str, lat: f64, lon: f64) -> Result<Position, Fault> {
    Position::new(lat, lon).ok_or_else(|| {
        Fault::invalid(
            pointer,
            "lat is −90 to 90 and lon −180 to 180, in degrees",
            "lat 须为 −90 至 90,lon 须为 −180 至 180",
        )
    })
}

/// The body of `POST /cases/{id}/actions/{action}`: what the action needs.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseActionBody {
    /// Remark, reason, or what was said.
    note: Option<String>,
    /// For `dispatch`, `reassign` and, by staff, `accept`.
    handler: Option<String>,
    /// For `close`.
    disposition: Option<String>,
    /// For `merge`.
    pub(crate) into: Option<CaseId>,
    /// For `rate`: 1–5.
    rating: Option<u8>,
    /// For `check_in` and `arrive`.
    position: Option<PositionBody>,
    /// For `voice` and `hand_over`: with whom.
    with: Option<String>,
    /// For `voice` and `hand_over`: when, if not now.
    happened_at: Option<Timestamp>,
    /// For `hand_off`: to which system.
    system: Option<String>,
    /// For `feedback` on a patrol's visit: question → answer.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Value>)]
    answers: BTreeMap<CompactString, Value>,
}

impl CaseActionBody {
    pub(crate) fn request(self, action: CaseAction) -> Result<CaseRequest, Fault> {
        checked_text("/note", self.note.as_deref(), NOTE_BYTES_MAX)?;
        checked_text("/disposition", self.disposition.as_deref(), DISPOSITION_BYTES_MAX)?;
        checked_text("/with", self.with.as_deref(), WITH_BYTES_MAX)?;
        if self.rating.is_some_and(|rating| !(1..=5).contains(&rating)) {
            return Err(Fault::invalid("/rating", "a rating is 1 to 5", "评分须为 1 至 5"));
        }
        let handler = checked_id("/handler", self.handler.as_deref())?.map(PersonId::new);
        let system = checked_id("/system", self.system.as_deref())?.map(CompactString::from);
        let spot = self.position.as_ref().map(PositionBody::spot).transpose()?;
        let answers = self.answers.into_iter().map(|(id, value)| answer(id, &value)).collect::<Result<_, _>>()?;
        Ok(CaseRequest {
            note: self.note,
            handler,
            disposition: self.disposition,
            into: self.into,
            rating: self.rating,
            spot,
            with: self.with,
            happened_at: self.happened_at,
            system,
            answers,
            ..CaseRequest::new(action)
        })
    }
}

fn answer(id: CompactString, value: &Value) -> Result<Answer, Fault> {
    let pointer = format!("/answers/{}", id.replace('~', "~0").replace('/', "~1"));
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(Fault::invalid(
                &pointer,
                "an answer is true, false, a number or a text",
                "须为 true、false、数值或文本",
            ));
        }
    };
    checked_text(&pointer, Some(&value), ANSWER_BYTES_MAX)?;
    Ok(Answer { id, value })
}

/// Where something was seen: in degrees, in words, or both.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceBody {
    lat: Option<f64>,
    lon: Option<f64>,
    #[serde(default)]
    datum: Datum,
    text: Option<String>,
}

/// The body of `POST /cases`: `{"incident":"i1"}`, or a person's report (随手拍).
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilingBody {
    incident: Option<IncidentId>,
    wearer: Option<String>,
    org: Option<String>,
    kind: Option<CaseKind>,
    priority: Option<Priority>,
    text: Option<String>,
    place: Option<PlaceBody>,
}

impl FilingBody {
    pub(crate) fn filing(self) -> Result<CaseFiling, Fault> {
        checked_text("/text", self.text.as_deref(), NOTE_BYTES_MAX)?;
        let wearer = checked_id("/wearer", self.wearer.as_deref())?.map(WearerId::new);
        let org = self.org.as_deref().map(|path| checked_org("/org", path)).transpose()?;
        let strangers = [("/wearer", wearer.is_some()), ("/org", org.is_some()), ("/kind", self.kind.is_some())];
        if let Some((pointer, _)) = strangers.iter().find(|(_, is_there)| self.incident.is_some() && *is_there) {
            return Err(Fault::invalid(pointer, "the incident says that already", "该项由事件决定，不能另填"));
        }
        if self.kind == Some(CaseKind::Patrol) {
            return Err(Fault::invalid(
                "/kind",
                "visits are begun at /api/v1/patrols",
                "巡访请通过 /api/v1/patrols 发起",
            ));
        }
        let datum = self.place.as_ref().map(|place| place.datum).unwrap_or_default();
        Ok(CaseFiling {
            incident: self.incident,
            wearer,
            org,
            kind: self.kind.unwrap_or(CaseKind::Report),
            priority: self.priority.unwrap_or(Priority::Medium),
            text: self.text.unwrap_or_default(),
            place: self.place.map(place).transpose()?,
            datum,
        })
    }
}

fn place(body: PlaceBody) -> Result<CasePlace, Fault> {
    checked_text("/place/text", body.text.as_deref(), PLACE_BYTES_MAX)?;
    let position = match (body.lat, body.lon) {
        (Some(lat), Some(lon)) => Some(position("/place", lat, lon)?),
        (None, None) => None,
        _ => return Err(Fault::invalid("/place", "lat and lon go together", "lat 与 lon 须同时填写")),
    };
    let text = body.text.unwrap_or_default().trim().to_owned();
    if position.is_none() && text.is_empty() {
        return Err(Fault::invalid("/place", "say where: lat and lon, or text", "请填写经纬度或文字说明"));
    }
    Ok(CasePlace { position, text })
}

/// An organisation's path in a body or a parameter.
pub(super) fn checked_org(pointer: &str, path: &str) -> Result<OrgPath, Fault> {
    let org = OrgPath::new(path);
    if org.is_well_formed() {
        return Ok(org);
    }
    Err(Fault::invalid(
        pointer,
        "an organisation is a path like /district/street/community/",
        "组织须为形如 /区/街道/社区/ 的路径",
    ))
}

/// The body of `POST /cases/{id}/receipts`.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReceiptBody {
    system: String,
    external_case_id: String,
    status: ReceiptStatus,
    note: Option<String>,
    disposition: Option<String>,
}

impl ReceiptBody {
    pub(crate) fn receipt(self) -> Result<Receipt, Fault> {
        checked_id("/system", Some(&self.system))?;
        checked_text("/external_case_id", Some(&self.external_case_id), EXTERNAL_ID_BYTES_MAX)?;
        checked_text("/note", self.note.as_deref(), RECEIPT_NOTE_BYTES_MAX)?;
        checked_text("/disposition", self.disposition.as_deref(), DISPOSITION_BYTES_MAX)?;
        if self.external_case_id.trim().is_empty() {
            return Err(Fault::invalid("/external_case_id", "say what you call the case", "请填写贵方工单编号"));
        }
        Ok(Receipt {
            system: self.system.into(),
            external_case_id: self.external_case_id.trim().into(),
            status: self.status,
            note: self.note,
            disposition: self.disposition,
        })
    }
}
