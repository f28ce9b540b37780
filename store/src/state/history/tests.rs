use std::collections::BTreeMap;

use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::sample::{at, located};

fn all(kind: ReportKind, block: &[u8]) -> Vec<Sample> {
    let mut found = BTreeMap::new();
    let mut visit = |sample: Sample, _: &[u8]| {
        found.insert((sample.measured, sample.seq), sample);
    };
    each(kind, block, Timestamp::EPOCH, Timestamp::LATEST, &mut visit).unwrap();
    found.into_values().collect()
}

fn heard(offset: i64, seq: u64, late: bool) -> Heard {
    Heard { seq, at: at(offset + 120), measured: at(offset), late }
}

fn fix(offset: i64, seq: u64, late: bool, n: u32) -> Sample {
    location_sample(heard(offset, seq, late), &located(n))
}

#[test]
fn golden_bytes_of_a_block() {
    let mut block = OpenBlock::new(ReportKind::Location, fix(0, 7, false, 0), b"b1");
    assert!(block.append(fix(1000, 9, true, 1), b"b2"));
    let hex: String = block.value().iter().map(|byte| format!("{byte:02x}")).collect();
    expect!["020002aba20180d0eb88c068d0dfeb88c0680902026231026232001cf00180e3baaf0280cefbdd08a001d00f0b0100141400"]
        .assert_eq(&hex);
}

#[test]
fn a_walk_of_a_fix_a_second_takes_about_ten_bytes_a_fix() {
    let mut block = OpenBlock::new(ReportKind::Location, fix(0, 1000, false, 0), b"b1");
    let mut n = 1;
    while block.append(fix(i64::from(n) * 1000, 1000 + u64::from(n) * 64, false, n), b"b1") {
        n += 1;
    }
    assert_eq!(n, BLOCK_SAMPLES_MAX);
    let bytes = block.value().len() as u32;
    assert!(bytes / n <= 10, "{bytes} bytes for {n} fixes");
    assert_eq!(all(ReportKind::Location, &block.value()).len(), n as usize);
}

#[test]
fn who_spoke_and_how_long_after_measuring_is_kept() {
    let mut block = OpenBlock::new(ReportKind::Location, fix(0, 1, false, 0), b"d0");
    for n in 1..20u32 {
        let sample = Sample { delay: i64::from(n) * 1000, ..fix(i64::from(n) * 1000, u64::from(n) + 1, false, n) };
        assert!(block.append(sample, format!("d{}", n % 8).as_bytes()));
    }
    assert!(!block.append(fix(30_000, 99, false, 1), b"one too many"));
    let mut found = Vec::new();
    let mut visit = |sample: Sample, device: &[u8]| {
        found.push((sample.delay / 1000, String::from_utf8(device.to_vec()).unwrap()));
    };
    each(ReportKind::Location, &block.value(), Timestamp::EPOCH, Timestamp::LATEST, &mut visit).unwrap();
    let expected: Vec<_> = (0..20).map(|n| (n, format!("d{}", n % 8))).collect();
    assert_eq!(found, expected);
}

fn a_vital() -> impl Strategy<Value = ReportBody> {
    prop_oneof![
        any::<u16>().prop_map(|bpm| ReportBody::HeartRate { bpm }),
        any::<u32>().prop_map(|count| ReportBody::Steps { count }),
        (any::<u16>(), any::<u16>(), any::<Option<u16>>(), any::<u16>()).prop_map(
            |(systolic, diastolic, pulse, flags)| ReportBody::BloodPressure { systolic, diastolic, pulse, flags }
        ),
        (2500..4500u16).prop_map(|hundredths| ReportBody::Temperature { celsius: f32::from(hundredths) / 100.0 }),
        any::<bool>().prop_map(|on| ReportBody::Wear { on }),
        any::<u8>().prop_map(|per_minute| ReportBody::Respiration { per_minute }),
        Just(ReportBody::Consciousness { level: Consciousness::Voice }),
        Just(ReportBody::Fall { confidence: Some(0.5), fix: None }),
        Just(ReportBody::Fall { confidence: None, fix: None }),
        Just(ReportBody::FallCancel),
        Just(ReportBody::Sos { fix: None }),
        Just(ReportBody::Alive),
    ]
}

proptest! {
    #[test]
    fn vitals_come_back_as_they_were(body in a_vital(), offset in 0..86_399_999i64, late in any::<bool>()) {
        let (kind, first) = vital_sample(heard(offset, 5, late), &body).unwrap();
        let mut block = OpenBlock::new(kind, first, b"b1");
        let second = Sample { seq: 6, delay: first.delay + 7, ..first };
        prop_assert!(block.append(second, b"c1"));
        let vitals: Vec<Vital> = all(kind, &block.value()).iter().filter_map(|s| vital(kind, s)).collect();
        let expected = Vital { measured: at(offset), late, body };
        prop_assert_eq!(vitals, vec![expected.clone(), expected]);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = each(ReportKind::Location, &bytes, Timestamp::EPOCH, Timestamp::LATEST, &mut |_, _| ());
        let _ = last_seq(&bytes);
    }
}
