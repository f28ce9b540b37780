//! Payloads that are meant to hurt, or come from hardware that is breaking.

use expect_test::expect;
use ingest::{Format, Limits, decode};
use model::{RejectReason, Report, ReportBody};
use proptest::prelude::*;

use crate::{check, json, shown};

#[test]
fn twenty_thousand_brackets() {
    check(
        "[".repeat(20_000),
        expect!["✗ TooDeep (19999 bytes): item 1: byte 32: nested deeper than 32 levels; a report is a flat object"],
    );
    check(
        "{\"a\":".repeat(20_000),
        expect!["✗ TooDeep (100000 bytes): byte 160: nested deeper than 32 levels; a report is a flat object"],
    );
    check(format!("{{\"type\":\"alive\",\"x\":{}{}}}", "[".repeat(31), "]".repeat(31)), expect!["alive"]);
    check(
        format!("{{\"type\":\"alive\",\"x\":{}{}}}", "[".repeat(32), "]".repeat(32)),
        expect!["✗ TooDeep (85 bytes): byte 51: nested deeper than 32 levels; a report is a flat object"],
    );
    check(format!("{{\"x\":{}{},\"type\":\"sos\"}}", "[".repeat(500), "]".repeat(500)), expect!["SOS"]);
}

#[test]
fn a_huge_payload() {
    let limits = Limits::default();
    let padding = "x".repeat(limits.payload_bytes_max);
    check(
        format!(r#"{{"type":"alive","padding":"{padding}"}}"#),
        expect!["✗ TooLarge (262173 bytes): 262173 bytes, at most 262144 are taken; send smaller arrays"],
    );
    check(format!(r#"{{"type":"sos","padding":"{padding}"}}"#), expect!["SOS"]);
    let items = json(padding.as_bytes());
    assert_eq!(items[0].as_ref().unwrap_err().payload.len(), model::reject::QUARANTINED_PAYLOAD_BYTES_MAX);
}

#[test]
fn an_array_that_is_too_long_keeps_its_beginning_and_all_its_alarms() {
    let limits = Limits { array_items_max: 2, ..Limits::default() };
    let payload = br#"[{"type":"alive"},{"type":"alive"},{"type":"alive"},{"type":"sos","id":"4"},{"type":"alive"}]"#;
    expect![[r#"
        alive
        alive
        SOS  #4
        ✗ TooManyItems (58 bytes): 5 items, at most 2 are taken and 2 were refused; send smaller arrays"#]]
    .assert_eq(&shown(&decode(Format::Json, payload, &limits)));
}

#[test]
fn long_names_stay_two_and_stay_short() {
    let name = "7".repeat(100);
    let report = |id: &str| json(format!(r#"{{"type":"alive","id":"{id}"}}"#).as_bytes())[0].clone().unwrap();
    let (a, b) = (report(&format!("{name}a")), report(&format!("{name}b")));
    assert_ne!(a.event_id, b.event_id);
    assert_eq!(a.event_id.as_ref().unwrap().len(), 64);
    let chinese = report(&"铃".repeat(40)).event_id.unwrap();
    assert!(chinese.len() <= 64 && chinese.starts_with("铃铃铃"), "{chinese}");
    let kind = json(format!(r#"{{"type":"{}"}}"#, "铃".repeat(40)).as_bytes());
    assert!(matches!(&kind[0].as_ref().unwrap().body, ReportBody::Unknown { kind, .. } if kind.len() == 63));
}

/// Text that is close enough to a report to go deep into the decoder.
fn nearly_json() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\"type\":",
        "\"sos\"",
        "\"fall\"",
        "\"location\"",
        "\"lat\":",
        "\"lon\":",
        "\"t\":",
        "\"id\":",
        "31.8",
        "117.2",
        "NaN",
        "null",
        "true",
        "-",
        "1e999",
        "\"2026-11-22T08:00:00+08:00\"",
        "\\u00",
        "\u{0}",
        "银",
        " ",
        "{\"type\":\"alive\"}",
        "{\"type\":\"sos\"}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_give_an_answer(payload in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in [Format::Json, Format::Bin] {
            let items = decode(format, &payload, &Limits::default());
            prop_assert!(!items.is_empty());
            for reject in items.iter().filter_map(|item| item.as_ref().err()) {
                prop_assert!(!reject.detail.is_empty() && reject.detail.len() <= 256);
            }
        }
    }

    #[test]
    fn nearly_json_gives_an_answer(payload in nearly_json()) {
        prop_assert!(!json(payload.as_bytes()).is_empty());
    }

    /// A strict decoder is the reference for what is whole JSON.
    #[test]
    fn what_is_not_json_is_not_taken_for_a_report(payload in nearly_json()) {
        let is_json = serde_json::from_str::<serde_json::Value>(&payload).is_ok();
        let items = json(payload.as_bytes());
        let all_telemetry = items.iter().all(|item| item.as_ref().is_ok_and(|report| !report.is_alarm()));
        // Of nested values only the brackets are looked at, and zeros are allowed at the end: the pieces above make
        // neither into a whole report except by these two ways.
        if all_telemetry && !is_json {
            let trimmed = payload.trim_matches(['\0', ' ']);
            let nested = payload.matches(['{', '[']).count() > 1;
            prop_assert!(nested || serde_json::from_str::<serde_json::Value>(trimmed).is_ok(), "{payload}");
        }
    }

    #[test]
    fn an_sos_survives_any_cut_behind_its_type(cut in 13..80usize) {
        let whole = r#"{"type":"sos","id":"7-1042","t":"2026-11-22T08:00:00+08:00","lat":31.8206,"lon":117.2272,"acc":8}"#;
        let items = json(&whole.as_bytes()[..cut.min(whole.len())]);
        let is_sos = matches!(items.as_slice(), [Ok(Report { body: ReportBody::Sos { .. }, .. })]);
        prop_assert!(is_sos, "{}", shown(&items));
        let untouched = items[0].as_ref().unwrap();
        prop_assert!(untouched.event_id.as_deref().is_none_or(|id| id == "7-1042"), "half an id is none");
    }

    #[test]
    fn an_sos_survives_any_damage_behind_its_type(at in 14..60usize, byte in any::<u8>()) {
        let mut payload = br#"{"type":"sos","id":"7-1042","t":"2026-11-22T08:00:00+08:00","lat":31.8206,"lon":117.2272}"#.to_vec();
        payload[at] = byte;
        let items = json(&payload);
        let is_sos = items.iter().flatten().any(|report| matches!(report.body, ReportBody::Sos { .. }));
        prop_assert!(is_sos, "{}", shown(&items));
        prop_assert!(items.iter().flatten().count() == items.len());
    }

    #[test]
    fn a_cut_report_is_refused_not_shortened(cut in 1..80usize) {
        let whole = r#"{"type":"heart_rate","id":"7-1042","t":"2026-11-22T08:00:00+08:00","bpm":127}"#;
        let items = json(&whole.as_bytes()[..cut.min(whole.len() - 1)]);
        prop_assert_eq!(items[0].as_ref().unwrap_err().reason, RejectReason::Malformed);
    }
}
