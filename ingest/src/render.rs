//! A report as the JSON that a device would have sent: for recordings and for looking at the journal.

use model::{Datum, Fix, Report, ReportBody};
use serde_json::{Map, Value, json};

/// The report in the JSON format. Decoding it gives the same report, but for three things that are not kept whole: an
/// `id` or a JSON text that was longer than its limit, the order of members of an unknown type, and an alarm's time
/// that could not be read.
#[must_use]
pub fn render(report: &Report) -> Value {
    let (kind, values) = match &report.body {
        ReportBody::Location(fix) => ("location", position(Some(fix))),
        ReportBody::HeartRate { bpm } => ("heart_rate", json!({"bpm": bpm})),
        ReportBody::BloodPressure { systolic, diastolic, pulse, flags } => {
            let mut values = json!({"sys": systolic, "dia": diastolic, "flags": flags});
            if let (Value::Object(members), Some(pulse)) = (&mut values, pulse) {
                members.insert("pulse".to_owned(), json!(pulse));
            }
            ("blood_pressure", values)
        }
        ReportBody::Fall { confidence, fix } => {
            let mut values = position(fix.as_ref());
            if let (Value::Object(members), Some(confidence)) = (&mut values, confidence) {
                members.insert("confidence".to_owned(), json!(confidence));
            }
            ("fall", values)
        }
        ReportBody::FallCancel => ("fall_cancel", json!({})),
        ReportBody::Sos { fix } => ("sos", position(fix.as_ref())),
        ReportBody::Spo2 { percent } => ("spo2", json!({"pct": percent})),
        ReportBody::Temperature { celsius } => ("temperature", json!({"celsius": celsius})),
        ReportBody::Steps { count } => ("steps", json!({"count": count})),
        ReportBody::Battery { percent } => ("battery", json!({"pct": percent})),
        ReportBody::Wear { on } => ("wear", json!({"on": on})),
        ReportBody::Alive => ("alive", json!({})),
        ReportBody::Respiration { per_minute } => ("respiration", json!({"rpm": per_minute})),
        ReportBody::Consciousness { level } => ("consciousness", json!({"level": level})),
        ReportBody::Unknown { kind, json } => (kind.as_str(), unknown(json)),
    };
    let mut members = Map::new();
    members.insert("type".to_owned(), json!(kind));
    if let Some(id) = &report.event_id {
        members.insert("id".to_owned(), json!(id));
    }
    if let Some(measured) = report.measured {
        members.insert("t".to_owned(), json!(measured));
    }
    if let Value::Object(values) = values {
        members.extend(values);
    }
    Value::Object(members)
}

/// The members as they came, or, of what is no JSON object (cut at its limit, or not JSON at all), the text.
fn unknown(json: &str) -> Value {
    serde_json::from_str(json).ok().filter(Value::is_object).unwrap_or_else(|| json!({"raw": json}))
}

fn position(fix: Option<&Fix>) -> Value {
    let Some(fix) = fix else { return json!({}) };
    let mut members = Map::new();
    members.insert("lat".to_owned(), json!(fix.position.lat));
    members.insert("lon".to_owned(), json!(fix.position.lon));
    if let Some(accuracy) = fix.accuracy_m {
        members.insert("acc".to_owned(), json!(accuracy));
    }
    if let Some(datum) = fix.datum {
        let name = match datum {
            Datum::Wgs84 => "wgs84",
            Datum::Gcj02 => "gcj02",
            Datum::Bd09 => "bd09",
        };
        members.insert("datum".to_owned(), json!(name));
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::{Format, Limits, decode};

    #[test]
    fn a_rendered_report_decodes_to_itself() {
        for json in [
            r#"{"type":"location","id":"7-1042","t":"2026-11-22T08:00:00+08:00","lat":31.8206,"lon":117.2272,"acc":8,"datum":"gcj02"}"#,
            r#"{"type":"heart_rate","bpm":72}"#,
            r#"{"type":"blood_pressure","sys":181,"dia":95,"pulse":80,"flags":4}"#,
            r#"{"type":"fall","confidence":0.5,"lat":31.5,"lon":117.5}"#,
            r#"{"type":"fall_cancel","t":1763769600000}"#,
            r#"{"type":"sos","id":"x"}"#,
            r#"{"type":"spo2","pct":91}"#,
            r#"{"type":"temperature","celsius":36.5}"#,
            r#"{"type":"steps","count":12}"#,
            r#"{"type":"battery","pct":12}"#,
            r#"{"type":"wear","on":false}"#,
            r#"{"type":"alive"}"#,
            r#"{"type":"respiration","rpm":18}"#,
            r#"{"type":"consciousness","level":"confused"}"#,
            r#"{"a":[1,2],"type":"something_new"}"#,
        ] {
            let read = |bytes: &[u8]| decode(Format::Json, bytes, &Limits::default()).remove(0).unwrap();
            let report = read(json.as_bytes());
            assert_eq!(read(render(&report).to_string().as_bytes()), report, "{json}");
        }
    }
}
