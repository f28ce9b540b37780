//! The JSON report: what is taken, what is refused, and what the refusal says.

use expect_test::expect;

use crate::check;

#[test]
fn every_type() {
    check(
        r#"[{"type":"location","id":"7-1042","t":"2026-11-22T08:00:00+08:00","lat":31.8206,"lon":117.2272,"acc":8,"datum":"gcj02"},
            {"type":"heart_rate","t":1763769600000,"bpm":72},
            {"type":"blood_pressure","sys":182,"dia":95,"pulse":80,"flags":4},
            {"type":"fall","confidence":0.9,"lat":31.8,"lon":117.2},
            {"type":"fall_cancel"}, {"type":"sos","id":7}, {"type":"spo2","pct":97},
            {"type":"temperature","celsius":36.6}, {"type":"steps","count":4211},
            {"type":"battery","pct":81}, {"type":"wear","on":false}, {"type":"alive"}]"#,
        expect![[r#"
            location 31.8206 117.2272 Gcj02 ±8 m #7-1042 at 2026-11-22T00:00:00.000Z
            heart rate 72 at 2025-11-22T00:00:00.000Z
            pressure 182/95 pulse Some(80) flags 100
            fall Some(0.9) 31.8 117.2
            no fall
            SOS  #7
            oxygen 97 %
            36.6 °C
            4211 steps
            battery 81 %
            worn false
            alive"#]],
    );
}

#[test]
fn spellings_that_are_as_good() {
    check(
        r#"[{"type":"spo2","value":97},{"type":"steps","value":4211.0},{"type":"wear","on":1},{"t":1763769600000.7,"type":"alive"},
            {"type":"heart_rate","bpm":71.6,"id":null,"t":null,"extra":{"a":[1,{"b":"}"}]}},
            {"\u0074ype":"al\u0069ve","id":"\u94f6\ud83d\udd14"},{"type":"location","lat":31.8,"lon":117.2,"acc":0,"datum":"CGCS2000"}]"#,
        expect![[r#"
            oxygen 97 %
            4211 steps
            worn true
            alive at 2025-11-22T00:00:00.000Z
            heart rate 72
            alive #银🔔
            location 31.8 117.2 Wgs84"#]],
    );
    check("\u{feff} \r\n{\"type\":\"alive\"}\n\0\0", expect!["alive"]);
}

#[test]
fn an_unknown_type_is_kept_and_not_interpreted() {
    check(
        r#"{"type":"posture","id":"5","t":"whenever","lying":true}"#,
        expect![[r#"unknown "posture" {"type":"posture","id":"5","t":"whenever","lying":true} #5"#]],
    );
    check(
        r#"{"type":"posture","lying":[1 2]}"#,
        expect!["✗ Malformed (32 bytes): not JSON within this object, line 1 column 30"],
    );
}

#[test]
fn refusals_say_what_and_where_and_what_to_do() {
    for (payload, expected) in [
        ("", expect!["✗ Empty (0 bytes): the payload has no bytes; send a report"]),
        (" \n", expect!["✗ Empty (2 bytes): nothing but white space; send a report"]),
        ("[]", expect!["✗ Empty (2 bytes): an array without reports; send none, or send `alive`"]),
        ("sos", expect!["✗ Malformed (3 bytes): byte 0: `{` or `[` should stand here; send JSON as in RFC 8259"]),
        ("7", expect!["✗ Malformed (1 bytes): byte 0: `{` or `[` should stand here; send JSON as in RFC 8259"]),
        ("{}", expect!["✗ BadField (2 bytes): `type` is missing; send the report's type as a string"]),
        (
            r#"{"type":7}"#,
            expect![
                "✗ BadField (10 bytes): byte 8: `type` is a number that cannot be used; send the report's type as a string"
            ],
        ),
        (
            r#"{"type":"location","lat":31.8206,"lon":117"#,
            expect![
                "✗ Malformed (42 bytes): byte 42: the payload ends where `,` or `}` should stand; send the whole JSON text in one message"
            ],
        ),
        (
            r#"{"type":"location","lat":31.8206 "lon":117}"#,
            expect!["✗ Malformed (43 bytes): byte 33: `,` or `}` should stand here; send JSON as in RFC 8259"],
        ),
        (
            r#"{"type":"location","lat":31.8206,"lon":117}}"#,
            expect![
                "✗ Malformed (44 bytes): byte 43: something follows the end of the JSON text; send several reports as an array"
            ],
        ),
        (
            r#"{"type":"alive"}{"type":"alive"}"#,
            expect![
                "✗ Malformed (32 bytes): byte 16: something follows the end of the JSON text; send several reports as an array"
            ],
        ),
        (
            r#"{"type":"location","lat":NaN,"lon":117}"#,
            expect![
                "✗ Malformed (39 bytes): byte 25: no JSON value (NaN and infinity are none); leave the member out or send null"
            ],
        ),
        (
            r#"{"type":"location","lat":"31.8","lon":117}"#,
            expect!["✗ BadField (42 bytes): byte 26: `lat` is a string that cannot be used; send a number"],
        ),
        (
            r#"{"type":"location","lat":1e999,"lon":117}"#,
            expect!["✗ BadField (41 bytes): byte 25: `lat` is a number that cannot be used; send a finite number"],
        ),
        (r#"{"type":"location","lon":117}"#, expect!["✗ BadField (29 bytes): `lat` is missing; send a number"]),
        (
            r#"{"type":"location","lat":117.2,"lon":31.8}"#,
            expect![
                "✗ Implausible (42 bytes): byte 25: `lat` must be −90 to 90 and `lon` −180 to 180 degrees; check that they are not swapped"
            ],
        ),
        (
            r#"{"type":"location","lat":0,"lon":0.0}"#,
            expect![
                "✗ Implausible (37 bytes): byte 25: 0,0 is what receivers say without a fix; leave the report out until there is one"
            ],
        ),
        (
            r#"{"type":"location","lat":31.8,"lon":117.2,"datum":"mars"}"#,
            expect![
                "✗ BadField (57 bytes): byte 51: `datum` is a string that cannot be used; send wgs84, cgcs2000, gcj02 or bd09"
            ],
        ),
        (
            r#"{"type":"heart_rate","bpm":0}"#,
            expect!["✗ Implausible (29 bytes): byte 27: `bpm` must be 1 to 350; leave out what was not measured"],
        ),
        (
            r#"{"type":"heart_rate","bpm":72,"t":"yesterday"}"#,
            expect![
                "✗ BadField (46 bytes): byte 35: `t` is a string that cannot be used; send RFC 3339 with an offset, or milliseconds since 1970, up to the year 9999"
            ],
        ),
        (
            r#"{"type":"heart_rate","bpm":72,"t":-1}"#,
            expect![
                "✗ BadField (37 bytes): byte 34: `t` is a number that cannot be used; send RFC 3339 with an offset, or milliseconds since 1970, up to the year 9999"
            ],
        ),
        (
            r#"{"type":"heart_rate","bpm":72,"id":{}}"#,
            expect![
                "✗ BadField (38 bytes): byte 35: `id` is an object that cannot be used; send a string of at most 64 bytes"
            ],
        ),
        (
            r#"{"type":"blood_pressure","sys":80,"dia":120}"#,
            expect![
                "✗ Implausible (44 bytes): byte 31: `sys` must be greater than `dia`; check that they are not swapped"
            ],
        ),
        (
            r#"{"type":"blood_pressure","sys":18.9,"dia":11}"#,
            expect!["✗ Implausible (45 bytes): byte 31: `sys` must be 40 to 300; leave out what was not measured"],
        ),
        (
            r#"{"type":"battery","pct":-5}"#,
            expect!["✗ Implausible (27 bytes): byte 24: `pct` must be 0 to 100; leave out what was not measured"],
        ),
        (
            r#"{"type":"wear","on":"yes"}"#,
            expect!["✗ BadField (26 bytes): byte 21: `on` is a string that cannot be used; send true or false"],
        ),
        (
            "{\"type\":\"ali\tve\"}",
            expect![
                "✗ Malformed (17 bytes): byte 12: a string without raw control characters should stand here; send JSON as in RFC 8259"
            ],
        ),
    ] {
        check(payload, expected);
    }
}

#[test]
fn an_alarm_needs_only_its_type() {
    for (payload, expected) in [
        (r#"{"type":"sos"}"#, expect!["SOS"]),
        (r#"{"type":"SOS","t":"soon","lat":"x","lon":[],"id":{},"acc":-1}"#, expect!["SOS"]),
        (r#"{"type":"sos","lat":NaN,"lon":117.2,"id":"9"}"#, expect!["SOS  #9"]),
        (r#"{"type":"sos","lat":0,"lon":0}"#, expect!["SOS"]),
        (r#"{"type":"sos","lat":31.8,"lon":117.2,"datum":"mars"}"#, expect!["SOS"]),
        (
            r#"{"type":"sos","id":"9","t":1763769600000,"lat":31.8206,"lon":117.2"#,
            expect!["SOS  #9 at 2025-11-22T00:00:00.000Z"],
        ),
        (
            r#"{"id":"9","lat":31.8206,"lon":117.2"#,
            expect![
                "✗ Malformed (35 bytes): byte 35: the payload ends where `,` or `}` should stand; send the whole JSON text in one message"
            ],
        ),
        (r#"{"id":"9" "type":"sos"}"#, expect!["SOS"]),
        (r#"{"type":"sos"}}"#, expect!["SOS"]),
        (r#"{'type':'sos'}"#, expect!["SOS"]),
        (r#"{"type":"sos","t":12}"#, expect!["SOS"]),
        (r#"{"type":"sos","t":1e300}"#, expect!["SOS"]),
        (
            r#"{"type":"fall","confidence":7,"t":"2026-11-22T08:00:00+08:00"}"#,
            expect!["fall None  at 2026-11-22T00:00:00.000Z"],
        ),
        (r#"{"type":"fall_cancel","t":[]}"#, expect!["no fall"]),
    ] {
        check(payload, expected);
    }
    check(b"{\"type\":\"sos\",\"id\":\"9\",\"note\":\"\xff\xfe\"}", expect!["SOS  #9"]);
    check(b"\xff{\"type\":\"sos\",\"id\":\"9\"", expect!["SOS"]);
}

#[test]
fn the_items_of_an_array_stand_alone() {
    check(
        r#"[{"type":"heart_rate","bpm":NaN},{"type":"sos","id":"1"},7,{"type":"alive"}]"#,
        expect![[r#"
        ✗ Malformed (31 bytes): item 1: byte 28: no JSON value (NaN and infinity are none); leave the member out or send null
        SOS  #1
        ✗ BadField (1 bytes): item 3: byte 57: a number; an item must be an object
        alive"#]],
    );
    check(
        r#"[{"type":"heart_rate" "bpm":72},{"type":"sos","id":"1"},[[]],{"type":"alive"}]"#,
        expect![[r#"
        ✗ Malformed (30 bytes): item 1: byte 22: `,` or `}` should stand here; send JSON as in RFC 8259
        SOS  #1
        ✗ BadField (4 bytes): item 3: byte 56: an array; an item must be an object
        alive"#]],
    );
    check(
        r#"[{"type":"alive"} {"type":"sos","id":"1"}]"#,
        expect![[r#"
        alive
        SOS
        ✗ Malformed (24 bytes): item 2: byte 18: `,` or `]` should stand here; send JSON as in RFC 8259"#]],
    );
    check(
        r#"[{"type":"alive"},{"type":"sos","id":"1","lat":31."#,
        expect![[r#"
        alive
        SOS  #1
        ✗ Malformed (32 bytes): item 2: byte 18: the payload ends within this item"#]],
    );
    check(
        r#"[{"type":"alive"},]"#,
        expect![[r#"
        alive
        ✗ Malformed (1 bytes): item 2: byte 18: a value should stand here; send JSON as in RFC 8259"#]],
    );
    check(
        r#"[{"type":"alive"}] and {"type":"fall"}"#,
        expect![[r#"
        alive
        fall None
        ✗ Malformed (19 bytes): item 2: byte 19: something follows the end of the JSON text; send several reports as an array"#]],
    );
    check(b"[{\"type\":\"alive\"},{\"type\":\"battery\",\"pct\":50,\"by\":\"\xc4\xe3\"},{\"type\":\"battery\",\"pct\":51}]", expect![[r#"
        alive
        ✗ NotUtf8 (41 bytes): item 2: byte 51 is not UTF-8; send JSON in UTF-8, not in GBK or binary
        battery 51 %"#]]);
}

#[test]
fn what_is_said_twice_is_refused_and_an_alarm_among_it_stands() {
    for payload in [
        r#"{"type":"heart_rate","bpm":72,"bpm":190}"#,
        r#"{"type":"heart_rate","bpm":null,"bpm":72}"#,
        r#"{"type":"alive","type":"alive"}"#,
        r#"{"type":"alive","t\u0079pe":"battery"}"#,
        r#"{"type":"fall_cancel","type":"fall_cancel"}"#,
        r#"{"type":"location","lat":31.8,"lon":117.2,"lat":31.9}"#,
    ] {
        let fault = crate::json(payload.as_bytes())[0].as_ref().unwrap_err().clone();
        assert_eq!(fault.reason, model::RejectReason::Malformed, "{payload}");
        assert!(fault.detail.contains("stands there a second time"), "{payload}: {}", fault.detail);
    }
    check(r#"{"type":"sos","type":"alive"}"#, expect!["SOS"]);
    check(r#"{"type":"alive","type":"sos"}"#, expect!["SOS"]);
    check(r#"{"type":"fall_cancel","type":"fall"}"#, expect!["fall None"]);
    check(r#"{"type":"sos","id":"7","id":"8"}"#, expect!["SOS  #7"]);
    check(r#"{"id":"7","id":"8","type":"fall"}"#, expect!["fall None"]);
    check(r#"{"type":"alive","note":1,"note":2,"x":{"bpm":1,"bpm":2}}"#, expect!["alive"]);
    check(
        r#"[{"type":"alive","t":null,"t":null},{"type":"alive"}]"#,
        expect![[r#"
            ✗ Malformed (34 bytes): item 1: byte 30: this member stands there a second time; send each once
            alive"#]],
    );
}
