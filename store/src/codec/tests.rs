use expect_test::expect;
use model::record::Observed;
use model::*;
use proptest::prelude::*;

use super::telemetry::View;
use super::*;
use crate::sample::{self, START, at};

fn encoded(record: &Record) -> (RecordKind, u8, Vec<u8>) {
    let mut out = Vec::new();
    let (kind, schema) = encode_record(record, START, &mut out).unwrap();
    (kind, schema, out)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes are on disks: when this fails, a version is due, not another expectation.
#[test]
fn golden_bytes_of_one_record_of_each_input() {
    let mut printed = String::new();
    for record in sample::one_of_each_input() {
        let (kind, schema, bytes) = encoded(&record);
        let input = format!("{:?}", record.input);
        let name: String = input.chars().take_while(char::is_ascii_alphanumeric).collect();
        printed += &format!("{name} {kind:?} v{schema} {}\n", hex(&bytes));
        assert_eq!(decode_record(kind as u8, schema, &bytes, START).unwrap(), record);
    }
    expect![[r#"
        Report Telemetry v1 df2300f001efcdab89674523010f38363132333435363738303030303003372d30ef01027730c058f7128073df4500000041
        Reject Plain v1 fd02e81a014403000001010f3836313233343536373830303030311d796c2f76312f3836313233343536373830303030312f75702f6a736f6e031268616c662061204a534f4e206f626a656374067b226e223a310600
        Connection Fact v1 fd02e81a0144030000020f3836313233343536373830303030310101030125fd02e81a014403000001102f6c7579616e672f78696e676875612f040f3836313233343536373830303030310001014d01fcffa2020000
        Command Fact v1 fd02e81a01440300000302733103082f6c7579616e672f01036b2d310001102f6c7579616e672f78696e676875612f0ce69d8fe88ab1e8a197e981930000010778696e67687561010267310006e78e8be88ab3010e2b383631333830303030303030310000000202773009e78e8be6a182e585b0102f6c7579616e672f78696e676875612f01fb9707000001026731000000000000000000000000000000000000000000000000000000000000000f1e3c05fb58023c01fb2805fba401000000000002773109e78e8be6a182e585b0102f6c7579616e672f78696e676875612f01fb9707000001026731000000000000000000000000000000000000000000000000000000000000000f1e3c05fb58023c01fb2805fba4010000000000010f3836313233343536373830303030310862726163656c6574010277310101027731fd00e81a01440300000909090909090909090909090909090909090909090909090909090909090909010104636d6363030501102f6c7579616e672f78696e676875612f0ce69d8fe88ab1e8a197e981930000010778696e67687561010267310006e78e8be88ab3010e2b383631333830303030303030310000000202773009e78e8be6a182e585b0102f6c7579616e672f78696e676875612f01fb9707000001026731000000000000000000000000000000000000000000000000000000000000000f1e3c05fb58023c01fb2805fba401000000000002773109e78e8be6a182e585b0102f6c7579616e672f78696e676875612f01fb9707000001026731000000000000000000000000000000000000000000000000000000000000000f1e3c05fb58023c01fb2805fba4010000000000010f3836313233343536373830303030310862726163656c6574010277310101027731fd00e81a01440300000909090909090909090909090909090909090909090909090909090909090909010104636d6363060274310707070707070707070707070707070707070707070707070707070707070707046465736b03082f6c7579616e672ffd00e81a01440300000000070000
        Callback Plain v1 fd04e81a01440300000409080101310000
        Sent Plain v1 fd04e81a014403000005090204627573790505766f696365000102633100
        DownSent Plain v1 fd04e81a0144030000060400
        DownAcknowledged Plain v1 fd04e81a0144030000070400
        Tick Plain v1 fd04e81a01440300000800
        Started Plain v1 fd04e81a01440300000901fd00e81a014403000000
        Resumed Plain v1 fd04e81a01440300000afd06e81a014403000000
        Told Plain v1 fd04e81a01440300000b0477685f310901fd02e81a014403000001fbf70100000c00
        StoodIn Plain v1 fd04e81a01440300000c07fd080000000000003f02010700000002027731082f6c7579616e672f01026731000e2b383631333830303030303030310000000104e68c893101046e616d6503e794b20200fd00e81a0144030000fd02e81a0144030000fd00e81a014403000001000102633100
    "#]].assert_eq(&printed);
}

#[test]
fn golden_bytes_of_one_record_of_each_decision() {
    let mut printed = String::new();
    for record in sample::one_of_each_decision() {
        let (kind, schema, bytes) = encoded(&record);
        printed += &format!("{kind:?} v{schema} {}\n", hex(&bytes));
        assert_eq!(decode_record(kind as u8, schema, &bytes, START).unwrap(), record);
    }
    expect![[r#"
        Plain v1 fd04e81a0144030000080101
        Plain v1 fd04e81a014403000008010202000277310f38363132333435363738303030303101fd06e81a0144030000fd02e81a0144030000000101f3afe595ebd13f40952710768a4e5d400a66656e63655f6578697401010864697374616e63650000000000404540016d01fd00e81a014403000009e5b7b2e7a6bbe5bc80046c656674
        Fact v1 fd04e81a01440300000801030927fd0ae81a0144030000000301010f3836313233343536373830303030310412e69c89e4babae6ada3e59ca8e8b5b6e69da50001026731fd00e81a0144030000fd405f360144030000fd0ae81a014403000001057374617465
        Plain v1 fd04e81a0144030000080104070f1e3c05fb58023c01fb2805fba4010009e78e8be6a182e585b00ce993b6e69d8fe7a4bee58cba0102673106e78e8be88ab3010e2b3836313338303030303030303100000000000000000100010000010901fd305d1b01440300000001fd305d1b014403000001000000000002
        Fact v1 fd04e81a014403000008010500000000
        Fact v1 fd04e81a01440300000801060274310707070707070707070707070707070707070707070707070707070707070707046465736b03082f6c7579616e672ffd00e81a01440300000000
        Plain v1 fd04e81a01440300000801070103057374616c6509e5b7b2e8bf87e69c9f00000000
        Fact v1 fd04e81a014403000008010c0477685f3102067374726565741468747470733a2f2f6578616d706c652e6f72672f0106636173652e2a082f6c7579616e672f026f31fd00e81a014403000000010009010901fd0ee81a0144030000fd04e81a014403000001
        Fact v1 fd04e81a014403000008010d0477685f310109fd04e81a01440300000101fbf701000c0101fd0ee81a0144030000
        Plain v1 fd04e81a014403000008011002733103082f6c7579616e672ffd00e81a0144030000fdc0bc1c0144030000
    "#]].assert_eq(&printed);
}

#[test]
fn kinds_are_for_the_passes_that_need_them() {
    let mut alarm = sample::location(0, 1);
    alarm.decisions.extend(sample::fact(1).decisions);
    let kinds: Vec<String> = [sample::location(0, 1), sample::rejected(0), sample::fact(1), alarm, sample::imported()]
        .iter()
        .map(|record| format!("{:?}", encoded(record).0))
        .collect();
    expect!["Telemetry Plain Fact FactReport Fact"].assert_eq(&kinds.join(" "));
}

#[test]
fn what_is_cut_off_too_long_or_of_another_version_is_refused() {
    for record in sample::one_of_each_input() {
        let (kind, schema, bytes) = encoded(&record);
        for length in 0..bytes.len() {
            assert!(decode_record(kind as u8, schema, &bytes[..length], START).is_err(), "{length} of {record:?}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(decode_record(kind as u8, schema, &longer, START).is_err());
        assert!(decode_record(kind as u8, schema + 1, &bytes, START).is_err());
        assert!(decode_record(99, schema, &bytes, START).is_err());
    }
}

#[test]
fn a_place_that_is_none_does_not_come_back() {
    let mut record = sample::location(0, 1);
    if let Input::Report { report, .. } = &mut record.input {
        report.body = ReportBody::Sos {
            fix: Some(Fix { position: Position { lat: f64::NAN, lon: 0.0 }, datum: None, accuracy_m: None }),
        };
    }
    let (kind, schema, bytes) = encoded(&record);
    assert!(decode_record(kind as u8, schema, &bytes, START).is_err());
}

fn a_fix() -> impl Strategy<Value = Fix> {
    let degrees = prop_oneof![
        (-90.0..=90.0f64),
        // As devices write them: a few decimals.
        (-90_000_000..=90_000_000i32).prop_map(|micro| f64::from(micro) / 1e6),
        Just(-0.0),
        Just(90.0),
    ];
    let datum = prop_oneof![Just(None), Just(Some(Datum::Wgs84)), Just(Some(Datum::Gcj02)), Just(Some(Datum::Bd09))];
    (degrees.clone(), degrees, datum, proptest::option::of(0.1..10_000.0f32))
        .prop_map(|(lat, lon, datum, accuracy_m)| Fix { position: Position { lat, lon: lon * 2.0 }, datum, accuracy_m })
}

fn a_body() -> impl Strategy<Value = ReportBody> {
    prop_oneof![
        a_fix().prop_map(ReportBody::Location),
        any::<u16>().prop_map(|bpm| ReportBody::HeartRate { bpm }),
        (any::<u16>(), any::<u16>(), any::<Option<u16>>(), any::<u16>()).prop_map(
            |(systolic, diastolic, pulse, flags)| ReportBody::BloodPressure { systolic, diastolic, pulse, flags }
        ),
        any::<u8>().prop_map(|percent| ReportBody::Spo2 { percent }),
        (25.0..45.0f32).prop_map(|celsius| ReportBody::Temperature { celsius }),
        any::<u32>().prop_map(|count| ReportBody::Steps { count }),
        any::<u8>().prop_map(|percent| ReportBody::Battery { percent }),
        any::<bool>().prop_map(|on| ReportBody::Wear { on }),
        Just(ReportBody::Alive),
        any::<u8>().prop_map(|per_minute| ReportBody::Respiration { per_minute }),
        prop::sample::select(Consciousness::ALL.to_vec()).prop_map(|level| ReportBody::Consciousness { level }),
        Just(ReportBody::FallCancel),
        a_fix().prop_map(|fix| ReportBody::Sos { fix: Some(fix) }),
    ]
}

prop_compose! {
    fn a_record()(
        body in a_body(),
        other_place in proptest::option::of(a_fix()),
        time in 0..4_000_000_000_000i64,
        measured in proptest::option::of(0..4_000_000_000_000i64),
        observed_measured in proptest::option::of(0..4_000_000_000_000i64),
        event_id in proptest::option::of("[a-z0-9]{0,40}"),
        wearer in proptest::option::of("[a-z]{1,64}"),
        content_hash in any::<u64>(),
        late in any::<bool>(),
        repeated in any::<bool>(),
    ) -> Record {
        let at = Timestamp::from_millis(time);
        let measured = measured.map(Timestamp::from_millis);
        let report = Report { event_id: event_id.map(Into::into), measured, body, content_hash };
        let own_place = report.fix().map(|fix| Located {
            position: fix.position,
            accuracy_m: fix.accuracy_m.unwrap_or(50.0),
        });
        let other_place = other_place.map(|fix| Located { position: fix.position, accuracy_m: 3.5 });
        let decision = if repeated {
            Decision::Repeated
        } else {
            Decision::Observed(Observed {
                wearer: wearer.as_deref().map(WearerId::new),
                measured: observed_measured.map_or(measured.unwrap_or(at), Timestamp::from_millis),
                late,
                located: other_place.or(own_place),
            })
        };
        Record { at, input: Input::Report { device: DeviceId::new("861234567890123"), report }, decisions: vec![decision] }
    }
}

proptest! {
    #[test]
    fn every_report_comes_back_as_it_was(record in a_record()) {
        let (kind, schema, bytes) = encoded(&record);
        let is_alarm = matches!(&record.input, Input::Report { report, .. } if report.is_alarm());
        prop_assert_eq!(kind == RecordKind::Telemetry, !is_alarm);
        prop_assert_eq!(decode_record(kind as u8, schema, &bytes, START).unwrap(), record);
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = View::decode(&bytes, START);
        for kind in 0..=5 {
            let _ = decode_record(kind, 1, &bytes, START);
        }
        let _ = decode_value::<Vec<String>>("test", &bytes);
        let _ = from_bytes::<Vec<String>>("test", &bytes);
    }
}

#[test]
fn a_location_takes_about_half_of_what_bincode_makes_of_it() {
    let record = sample::location(0, 1);
    let (mut compact, mut plain) = (Vec::new(), Vec::new());
    let (kind, _) = encode_record(&record, at(0).millis(), &mut compact).unwrap();
    assert_eq!(kind, RecordKind::Telemetry);
    append(&record, &mut plain).unwrap();
    expect!["50 of 110 bytes"].assert_eq(&format!("{} of {} bytes", compact.len(), plain.len()));
}

#[test]
fn a_hostile_length_does_not_allocate() {
    // A text of 2^60 bytes, of which none is there.
    let mut bytes = vec![VALUE_SCHEMA, 253];
    bytes.extend_from_slice(&(1u64 << 60).to_le_bytes());
    assert!(decode_value::<String>("test", &bytes).is_err());
    assert!(decode_value::<Vec<u8>>("test", &bytes).is_err());
}
