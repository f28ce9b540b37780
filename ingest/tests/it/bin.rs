//! The bin format: golden bytes, round trips, damage.

use expect_test::{Expect, expect};
use ingest::{Format, Limits, bin, decode};
use model::{Datum, Fix, Position, Report, ReportBody, Timestamp};
use proptest::prelude::*;

use crate::generate::report;
use crate::{json, shown};

fn bytes(hexadecimal: &str) -> Vec<u8> {
    hexadecimal.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// Decodes bytes given in hexadecimal, spaces between them.
fn check(payload: &str, expected: Expect) {
    expected.assert_eq(&shown(&decode(Format::Bin, &bytes(payload), &Limits::default())));
}

#[test]
fn the_layout_is_the_one_in_the_manual() {
    let position = Position { lat: 31.5, lon: 117.25 };
    let report = |event_id: Option<&str>, millis: Option<i64>, body| Report {
        event_id: event_id.map(Into::into),
        measured: millis.map(Timestamp::from_millis),
        body,
        content_hash: 0,
    };
    let reports = [
        report(
            Some("7-1"),
            Some(1_763_769_600_000),
            ReportBody::Location(Fix { position, datum: Some(Datum::Gcj02), accuracy_m: Some(8.0) }),
        ),
        report(None, None, ReportBody::Sos { fix: None }),
        report(None, None, ReportBody::BloodPressure { systolic: 300, diastolic: 95, pulse: Some(80), flags: 4 }),
    ];
    let hexadecimal: Vec<String> = bin::encode(&reports).iter().map(|byte| format!("{byte:02x}")).collect();
    expect!["01 03 27 00 01 fd 00 48 dc a8 9a 01 00 00 01 03 37 2d 31 00 00 00 00 00 80 3f 40 00 00 00 00 00 50 5d 40 01 01 01 00 00 00 41 04 05 00 00 00 0a 02 00 00 fb 2c 01 5f 01 50 04"].assert_eq(&hexadecimal.join(" "));
}

#[test]
fn an_alarm_needs_only_its_type_byte() {
    check("01 01 04 05 00 00 00", expect!["SOS"]);
    check("01 01 03 05 00 00", expect!["SOS"]);
    check("01 01 01 05", expect!["SOS"]);
    check("01 01 01 03", expect!["fall None"]);
    check(
        "01 01 20 05 ff ff ff",
        expect![[r#"
        SOS
        ✗ Malformed (5 bytes): byte 2: the payload ends within item 1 of 1; send it whole"#]],
    );
    check(
        "01 01 0e 05 01 fd ff ff ff ff ff ff ff ff 01 01 39 00",
        expect![[r#"
        SOS  #9
        ✗ Malformed (1 bytes): byte 17: something follows the last of 1 items; send the right count"#]],
    );
    check("01 01 07 05 00 00 01 02 03 04", expect!["SOS"]);
}

#[test]
fn items_stand_alone() {
    check(
        "01 03 04 01 00 00 00 04 01 00 00 48 09 63 00 00 01 02 03 04 05 06",
        expect![[r#"
        ✗ Implausible (4 bytes): item 1: byte 3: bpm must be 1 to 350
        heart rate 72
        unknown "bin:99" "010203040506""#]],
    );
    check(
        "01 02 03 0b 00 00 03 0b",
        expect![[r#"
        alive
        ✗ Malformed (2 bytes): byte 6: the payload ends within item 2 of 2; send it whole"#]],
    );
    check(
        "01 01 03 0b 00 00 ff",
        expect![[r#"
        alive
        ✗ Malformed (1 bytes): byte 6: something follows the last of 1 items; send the right count"#]],
    );
}

#[test]
fn refusals() {
    for (payload, expected) in [
        ("", expect!["✗ Empty (0 bytes): the payload has no bytes; send a report"]),
        (
            "01",
            expect![
                "✗ Malformed (1 bytes): byte 1: the count of items cannot be read here; see the layout of the bin format"
            ],
        ),
        (
            "02 01 03 0b 00 00",
            expect!["✗ Malformed (6 bytes): byte 0: version 2 of the bin format is not known; send version 1"],
        ),
        ("01 00", expect!["✗ Empty (2 bytes): byte 1: no items; send none, or send `alive`"]),
        (
            "01 fd ff ff ff ff ff ff ff ff",
            expect![
                "✗ Malformed (0 bytes): byte 10: the payload ends within item 1 of 18446744073709551615; send it whole"
            ],
        ),
        (
            "01 01 fd ff ff ff ff ff ff ff ff",
            expect!["✗ Malformed (9 bytes): byte 2: the payload ends within item 1 of 1; send it whole"],
        ),
        (
            "01 01 04 0a 00 00 02",
            expect!["✗ Malformed (4 bytes): item 1: byte 3: on cannot be read here; see the layout of the bin format"],
        ),
        (
            "01 01 0c 01 01 fd ff ff ff ff ff ff 00 00 00 48",
            expect![[r#"
            ✗ BadField (12 bytes): item 1: byte 1: t lies beyond the year 9999; send milliseconds since 1970
            ✗ Malformed (1 bytes): byte 15: something follows the last of 1 items; send the right count"#]],
        ),
        (
            "01 01 07 01 00 01 02 ff fe 48",
            expect!["✗ Malformed (7 bytes): item 1: byte 2: id cannot be read here; see the layout of the bin format"],
        ),
        (
            "01 01 15 00 00 00 00 00 00 00 00 00 f8 7f 00 00 00 00 00 00 00 00 00 00",
            expect![
                "✗ Implausible (21 bytes): item 1: byte 3: `lat` must be −90 to 90 and `lon` −180 to 180 degrees; check that they are not swapped"
            ],
        ),
    ] {
        check(payload, expected);
    }
}

proptest! {
    #[test]
    fn what_is_encoded_comes_back(reports in prop::collection::vec(report(), 1..20)) {
        let items = decode(Format::Bin, &bin::encode(&reports), &Limits::default());
        let decoded: Vec<Report> = items.into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(decoded, reports);
    }

    #[test]
    fn json_says_the_same(reports in prop::collection::vec(report(), 1..5)) {
        for report in reports {
            let text = ingest::render(&report).to_string();
            let decoded = json(text.as_bytes())[0].clone().unwrap();
            if matches!(report.body, ReportBody::Unknown { .. }) {
                prop_assert_eq!(decoded.kind(), report.kind());
                let again = decode(Format::Bin, &bin::encode(std::slice::from_ref(&decoded)), &Limits::default());
                prop_assert_eq!(again[0].as_ref().unwrap(), &decoded);
            } else {
                prop_assert_eq!(decoded, report);
            }
        }
    }

    #[test]
    fn damage_gives_an_answer(reports in prop::collection::vec(report(), 1..5), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut payload = bin::encode(&reports);
        let at = at.index(payload.len());
        payload[at] = byte;
        prop_assert!(!decode(Format::Bin, &payload, &Limits::default()).is_empty());
        payload.truncate(cut.index(payload.len()));
        prop_assert!(!decode(Format::Bin, &payload, &Limits::default()).is_empty());
    }

    #[test]
    fn an_sos_survives_any_cut_behind_its_type_byte(report in report(), cut in any::<prop::sample::Index>()) {
        let sos = Report { body: ReportBody::Sos { fix: report.fix() }, ..report };
        let payload = bin::encode(&[sos]);
        let length = payload.len();
        let items = decode(Format::Bin, &payload[..4 + cut.index(length - 3)], &Limits::default());
        prop_assert!(items.iter().flatten().any(Report::is_alarm), "{}", shown(&items));
    }
}
