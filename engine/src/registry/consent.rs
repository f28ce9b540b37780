//! What was agreed to, by whom, how, and when it was taken back.

use model::registry::{CONSENT_NOTE_BYTES_MAX, Consent, ConsentTo, ConsentWay};
use model::{PersonId, Timestamp};
use serde_json::Value;

use super::rows::id;
use super::{Reference, Walk};
use crate::config::document::{Faults, Object, below, quote};

/// The most entries of one wearer.
const CONSENTS_MAX: usize = 32;
const TO: [(&str, ConsentTo); 2] = [("location", ConsentTo::Location), ("vital_signs", ConsentTo::VitalSigns)];
const WAYS: [(&str, ConsentWay); 3] =
    [("paper", ConsentWay::Paper), ("spoken", ConsentWay::Spoken), ("online", ConsentWay::Online)];

impl Walk<'_> {
    /// `consents`: `[{"to": "location", "by"?, "how", "given_at", "withdrawn_at"?, "note"?}]`.
    pub(super) fn consents(&mut self, row: &mut Object<'_>) -> Vec<Consent> {
        let at = row.at("consents");
        let items = row.list("consents", &mut self.faults);
        if items.len() > CONSENTS_MAX {
            let detail = format!("{} entries are more than the {CONSENTS_MAX} that this list takes", items.len());
            self.faults.add(at, detail, format!("共 {} 条，超过上限 {CONSENTS_MAX} 条", items.len()));
            return Vec::new();
        }
        items.iter().enumerate().filter_map(|(index, item)| self.one_consent(item, below(&at, index))).collect()
    }

    fn one_consent(&mut self, item: &Value, pointer: String) -> Option<Consent> {
        let faults = &mut self.faults;
        let mut object = Object::new(item, pointer, faults)?;
        for name in ["to", "how"].into_iter().filter(|name| !object.has(name)).collect::<Vec<_>>() {
            object.missing::<()>(name, faults);
        }
        let to = object.word("to", &TO, faults);
        let how = object.word("how", &WAYS, faults);
        let given_at = object.required_text("given_at", faults).map(str::to_owned);
        let given_at = given_at.and_then(|text| instant(&object, "given_at", &text, faults));
        let withdrawn = object.text("withdrawn_at", faults).map(str::to_owned);
        let withdrawn_at = match withdrawn {
            Some(text) => Some(instant(&object, "withdrawn_at", &text, faults)?),
            None => None,
        };
        if withdrawn_at.zip(given_at).is_some_and(|(withdrawn, given)| withdrawn < given) {
            let detail = "is before `given_at`";
            faults.add(object.at("withdrawn_at"), detail, "早于 `given_at`");
        }
        let note = object.text("note", faults).unwrap_or_default().to_owned();
        if note.len() > CONSENT_NOTE_BYTES_MAX || note.chars().any(char::is_control) {
            let detail = format!("at most {CONSENT_NOTE_BYTES_MAX} bytes of plain text");
            faults.add(object.at("note"), detail, format!("最多 {CONSENT_NOTE_BYTES_MAX} 字节纯文本"));
        }
        let by_at = object.at("by");
        let by = id(&mut object, "by", false, faults).map(PersonId::new);
        object.finish(faults);
        if let Some(by) = &by {
            self.references.push((by_at, Reference::Person(by.clone())));
        }
        Some(Consent { to: to?, by, how: how?, given_at: given_at?, withdrawn_at, note })
    }
}

fn instant(object: &Object<'_>, name: &str, text: &str, faults: &mut Faults) -> Option<Timestamp> {
    let found = Timestamp::parse(text);
    if found.is_none() {
        let quoted = quote(&Value::String(text.to_owned()));
        faults.add(
            object.at(name),
            format!("{quoted} is no time like 2026-11-22T08:00:00+08:00"),
            format!("{quoted} 不是合法时间，应形如 2026-11-22T08:00:00+08:00"),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use model::registry::Consented;

    use super::*;

    fn read(consents: &str) -> Result<model::Wearer, Vec<String>> {
        let document = format!(
            r#"{{"orgs":[{{"path":"/luyang/","name":"庐阳区"}}],
                "people":[{{"id":"g1","role":"guardian","name":"王芳","phone":"+8613800000001"}}],
                "wearers":[{{"id":"w1","name":"王桂兰","org":"/luyang/","guardians":["g1"],"consents":{consents}}}]}}"#
        );
        super::super::validate_alone(document.as_bytes(), chrono_tz::Tz::UTC)
            .map(|mut change| change.wearers.remove(0))
            .map_err(|errors| errors.into_iter().map(|error| error.pointer).collect())
    }

    #[test]
    fn the_newest_consent_to_a_purpose_holds_until_it_is_taken_back() {
        let wearer = read(
            r#"[{"to":"location","by":"g1","how":"paper","given_at":"2026-03-01T09:00:00+08:00","note":"2026-031",
                 "withdrawn_at":"2026-06-01T00:00:00+08:00"},
                {"to":"location","how":"spoken","given_at":"2026-08-01T00:00:00+08:00"}]"#,
        )
        .unwrap();
        for (at, expected) in [
            ("2026-02-28T00:00:00+08:00", Consented::NotAsked),
            ("2026-03-02T00:00:00+08:00", Consented::Given),
            ("2026-06-01T00:00:00+08:00", Consented::Withdrawn),
            ("2026-09-01T00:00:00+08:00", Consented::Given),
        ] {
            assert_eq!(wearer.consent(ConsentTo::Location, Timestamp::parse(at).unwrap()), expected, "{at}");
        }
        let now = Timestamp::parse("2026-09-01T00:00:00+08:00").unwrap();
        assert_eq!(wearer.consent(ConsentTo::VitalSigns, now), Consented::NotAsked);
    }

    #[test]
    fn what_is_wrong_with_a_consent_is_told_with_its_place() {
        let whole = |members: &str| {
            format!(r#"[{{"to":"location","how":"paper","given_at":"2026-03-01T09:00:00Z"{members}}}]"#)
        };
        assert!(read(&whole("")).is_ok());
        for (consents, pointer) in [
            (whole(r#","by":"g9""#), "/wearers/0/consents/0/by"),
            (whole(r#","withdrawn_at":"2026-02-01T00:00:00Z""#), "/wearers/0/consents/0/withdrawn_at"),
            (whole(r#","until":"x""#), "/wearers/0/consents/0/until"),
            (r#"[{"to":"money","how":"paper","given_at":"2026-03-01T09:00:00Z"}]"#.into(), "/wearers/0/consents/0/to"),
            (r#"[{"to":"location","given_at":"2026-03-01T09:00:00Z"}]"#.into(), "/wearers/0/consents/0/how"),
            (r#"[{"to":"location","how":"paper","given_at":"yesterday"}]"#.into(), "/wearers/0/consents/0/given_at"),
            (r#"["yes"]"#.into(), "/wearers/0/consents/0"),
        ] {
            assert_eq!(read(&consents).unwrap_err(), [pointer], "{consents}");
        }
    }
}
