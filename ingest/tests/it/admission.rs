//! News, repeats and clocks.

use ingest::{Admission, Admitted, Measured};
use model::{Report, Timestamp};
use proptest::prelude::*;

use crate::generate::report;
use crate::json;

/// 2026-11-22T08:00:00+08:00 and so many seconds.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_305_600_000 + seconds * 1000)
}

fn decoded(payload: &str) -> Report {
    json(payload.as_bytes())[0].clone().unwrap()
}

/// Admits payloads, each received a second after the one before; `+` is news, `=` a repeat.
fn story(payloads: &[&str]) -> String {
    let mut admission = Admission::default();
    let admit = |(second, payload): (usize, &&str)| match admission.admit(&decoded(payload), at(second as i64)) {
        Admitted::Fresh(_) => '+',
        Admitted::Repeat => '=',
    };
    payloads.iter().enumerate().map(admit).collect()
}

#[test]
fn a_repeat_has_the_same_type_id_and_time() {
    let sos = r#"{"type":"sos","id":"1","t":"2026-11-22T08:00:00+08:00"}"#;
    assert_eq!(story(&[sos, sos, sos]), "+==");
    let same_instant = r#"{"t":1795305600000,"type":"sos","id":1}"#;
    assert_eq!(story(&[sos, same_instant]), "+=");
    let other_time = r#"{"type":"sos","id":"1","t":"2026-11-22T08:00:01+08:00"}"#;
    let other_id = r#"{"type":"sos","id":"2","t":"2026-11-22T08:00:00+08:00"}"#;
    let other_type = r#"{"type":"fall","id":"1","t":"2026-11-22T08:00:00+08:00"}"#;
    assert_eq!(story(&[sos, other_time, other_id, other_type]), "++++");
    let better_position = r#"{"type":"sos","id":"1","t":"2026-11-22T08:00:00+08:00","lat":31.8,"lon":117.2}"#;
    assert_eq!(story(&[sos, better_position]), "+=");
}

#[test]
fn without_an_id_the_content_tells() {
    let beat = r#"{"type":"heart_rate","t":1795305600000,"bpm":72}"#;
    let other = r#"{"type":"heart_rate","t":1795305600000,"bpm":73}"#;
    assert_eq!(story(&[beat, other, beat, other]), "++==");
}

#[test]
fn without_a_time_the_id_and_the_content_tell() {
    assert_eq!(story(&[r#"{"type":"sos","id":"1"}"#, r#"{"type":"sos","id":"1"}"#]), "+=");
    assert_eq!(story(&[r#"{"type":"steps","id":"1","count":5}"#, r#"{"type":"steps","id":"1","count":6}"#]), "++");
}

#[test]
fn a_second_press_is_a_second_press() {
    assert_eq!(story(&[r#"{"type":"sos"}"#, r#"{"type":"sos"}"#]), "++");
    // A device whose clock and counter began anew says the same, but for times that mean nothing.
    assert_eq!(story(&[r#"{"type":"sos","id":"1","t":5000}"#, r#"{"type":"sos","id":"1","t":9000}"#]), "++");
    assert_eq!(story(&[r#"{"type":"sos","id":"1","t":5000}"#, r#"{"type":"sos","id":"1","t":5000}"#]), "+=");
}

#[test]
fn clocks() {
    for (t, expected) in [
        ("null", Measured { at: at(0), late: false, skew_ms: 0, clamped: false }),
        ("\"2026-11-22T08:00:00+08:00\"", Measured { at: at(0), late: false, skew_ms: 0, clamped: false }),
        ("\"2026-11-22T07:58:00+08:00\"", Measured { at: at(-120), late: false, skew_ms: -120_000, clamped: false }),
        ("\"2026-11-22T07:57:59+08:00\"", Measured { at: at(-121), late: true, skew_ms: -121_000, clamped: false }),
        ("\"2026-11-22T08:00:01+08:00\"", Measured { at: at(0), late: false, skew_ms: 1000, clamped: true }),
        ("\"2026-11-22T16:00:00+08:00\"", Measured { at: at(0), late: false, skew_ms: 28_800_000, clamped: true }),
        (
            "\"2024-11-22T08:00:00+08:00\"",
            Measured { at: at(-63_072_000), late: true, skew_ms: -63_072_000_000, clamped: false },
        ),
        // An alarm's clock that was never set means now.
        ("\"1970-01-01T00:00:09Z\"", Measured { at: at(0), late: false, skew_ms: 0, clamped: false }),
    ] {
        let report = decoded(&format!(r#"{{"type":"sos","t":{t}}}"#));
        assert_eq!(Admission::default().admit(&report, at(0)), Admitted::Fresh(expected), "{t}");
    }
    let beat = decoded(r#"{"type":"heart_rate","bpm":72,"t":9000}"#);
    let Admitted::Fresh(measured) = Admission::default().admit(&beat, at(0)) else { panic!("the first is news") };
    assert_eq!((measured.at, measured.late), (Timestamp::from_millis(9000), true), "telemetry is history");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_order_each_report_is_news_once(
        reports in prop::collection::vec(report(), 1..30),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..90),
    ) {
        // With an id or a time there is something to tell a repeat by.
        let reports: Vec<Report> = reports.into_iter().filter(|r| r.event_id.is_some() || r.measured.is_some()).collect();
        prop_assume!(!reports.is_empty());
        let key = |r: &Report| {
            let content = (r.event_id.is_none() || r.measured.is_none()).then_some(r.content_hash);
            (r.kind(), r.event_id.clone(), r.measured, content)
        };
        let mut sent: Vec<&Report> = reports.iter().collect();
        sent.extend(order.iter().map(|index| index.get(&reports)));
        sent.rotate_left(reports.len().min(7));
        let mut admission = Admission::default();
        let news = sent.iter().enumerate().filter(|(i, r)| admission.admit(r, at(*i as i64)) != Admitted::Repeat).count();
        let different: std::collections::BTreeSet<_> = reports.iter().map(key).collect();
        prop_assert_eq!(news, different.len());
    }

    #[test]
    fn a_checkpoint_remembers_what_was_known(reports in prop::collection::vec(report(), 1..60), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(reports.len());
        let (mut live, mut before) = (Admission::default(), Admission::default());
        for (i, report) in reports.iter().enumerate() {
            live.admit(report, at(i as i64));
            if i < cut {
                before.admit(report, at(i as i64));
            }
        }
        let config = bincode::config::standard();
        let bytes = bincode::serde::encode_to_vec(&before, config).unwrap();
        let mut restored: Admission = bincode::serde::decode_from_slice(&bytes, config).unwrap().0;
        prop_assert_eq!(&restored, &before);
        for (i, report) in reports.iter().enumerate().skip(cut) {
            restored.admit(report, at(i as i64));
        }
        prop_assert_eq!(restored, live);
    }
}
