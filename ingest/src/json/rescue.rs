//! The last resort: an sos or a fall whose payload cannot be read, but whose type can.

use model::{Report, ReportBody};

use crate::content;

/// Every `type` that says `sos` or `fall` in bytes that are not JSON, in quotes of any kind or none. Of each nothing
/// but the type is believed.
pub(super) fn alarms(bytes: &[u8]) -> impl Iterator<Item = Report> {
    const KEY: &[u8] = b"type";
    bytes.windows(KEY.len()).enumerate().filter(|(_, window)| *window == KEY).filter_map(|(at, _)| {
        // `subtype` or `\"type\"` inside a text is something else.
        let stands_alone =
            at == 0 || matches!(bytes[at - 1], b'"' | b'\'' | b' ' | b'\t' | b'\n' | b'\r' | b'{' | b',');
        let in_escape = at >= 2 && bytes[at - 2] == b'\\';
        let body = alarm_value(&bytes[at + KEY.len()..])?;
        (stands_alone && !in_escape).then(|| bare(body))
    })
}

/// What follows the key: a colon, and a whole word that is an alarm.
fn alarm_value(after_key: &[u8]) -> Option<ReportBody> {
    let value = after_quote_and_space(after_key).strip_prefix(b":")?;
    let value = after_quote_and_space(value);
    let length = value.iter().position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-'))?;
    let word = &value[..length];
    if word.eq_ignore_ascii_case(b"sos") {
        Some(ReportBody::Sos { fix: None })
    } else if word.eq_ignore_ascii_case(b"fall") {
        Some(ReportBody::Fall { confidence: None, fix: None })
    } else {
        None
    }
}

fn after_quote_and_space(bytes: &[u8]) -> &[u8] {
    let length = bytes.iter().take_while(|byte| matches!(byte, b'"' | b'\'' | b' ' | b'\t' | b'\n' | b'\r')).count();
    &bytes[length..]
}

/// An alarm of which nothing but the type is known: now, here.
fn bare(body: ReportBody) -> Report {
    Report { event_id: None, measured: None, content_hash: content::hash(&body), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_where_nothing_else_can_be_read() {
        for (payload, expected) in [
            (r#"{"type":"sos","lat":31."#, "sos"),
            (r#"{'type': 'fall', 'confidence'"#, "fall"),
            ("{type:sos}", "sos"),
            (r#"[{"type":"SOS" ]]] {"type":"fall","#, "sos fall"),
            (r#"{"type":"fall_cancel","#, ""),
            (r#"{"type":"fall"#, ""),
            (r#"{"subtype":"sos","#, ""),
            (r#"{"note":"say \"type\":\"sos\" twice","#, ""),
            (r#"{"type":7,"#, ""),
        ] {
            let found: Vec<_> = alarms(payload.as_bytes())
                .map(|report| if matches!(report.body, ReportBody::Sos { .. }) { "sos" } else { "fall" })
                .collect();
            assert_eq!(found.join(" "), expected, "{payload}");
        }
    }
}
