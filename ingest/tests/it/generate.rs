//! Reports as `ingest` hands them out.

use compact_str::CompactString;
use ingest::{Format, Limits, decode};
use model::{Consciousness, Datum, Fix, Position, Report, ReportBody, Timestamp};
use proptest::prelude::*;

pub fn fix() -> impl Strategy<Value = Fix> {
    let datum = prop::sample::select(vec![None, Some(Datum::Wgs84), Some(Datum::Gcj02), Some(Datum::Bd09)]);
    (-90.0..=90.0f64, 1e-6..=180.0f64, datum, prop::option::of(0.1f32..5000.0))
        .prop_map(|(lat, lon, datum, accuracy_m)| Fix { position: Position { lat, lon }, datum, accuracy_m })
}

pub fn body() -> impl Strategy<Value = ReportBody> {
    prop_oneof![
        fix().prop_map(ReportBody::Location),
        (1..=350u16).prop_map(|bpm| ReportBody::HeartRate { bpm }),
        (101..=300u16, 20..=100u16, prop::option::of(1..=350u16), any::<u16>()).prop_map(
            |(systolic, diastolic, pulse, flags)| ReportBody::BloodPressure { systolic, diastolic, pulse, flags }
        ),
        (prop::option::of(0.0..=1.0f32), prop::option::of(fix()))
            .prop_map(|(confidence, fix)| ReportBody::Fall { confidence, fix }),
        Just(ReportBody::FallCancel),
        prop::option::of(fix()).prop_map(|fix| ReportBody::Sos { fix }),
        (1..=100u8).prop_map(|percent| ReportBody::Spo2 { percent }),
        (25.0..=45.0f32).prop_map(|celsius| ReportBody::Temperature { celsius }),
        any::<u32>().prop_map(|count| ReportBody::Steps { count }),
        (0..=100u8).prop_map(|percent| ReportBody::Battery { percent }),
        any::<bool>().prop_map(|on| ReportBody::Wear { on }),
        Just(ReportBody::Alive),
        (1..=80u8).prop_map(|per_minute| ReportBody::Respiration { per_minute }),
        prop::sample::select(Consciousness::ALL.to_vec()).prop_map(|level| ReportBody::Consciousness { level }),
        any::<u16>().prop_map(|number| ReportBody::Unknown {
            kind: CompactString::new(format!("姿势{number}")),
            json: format!("{{\"text\":\"{number}\"}}"),
        }),
    ]
}

/// A report with the content hash that `ingest` gives it.
pub fn report() -> impl Strategy<Value = Report> {
    // From 2015 on: an alarm's time before that is taken for a clock that was not set.
    let time = prop::option::of((1_420_070_400_000..=Timestamp::LATEST.millis()).prop_map(Timestamp::from_millis));
    let id = prop::option::of((any::<u16>(), prop::sample::select(vec!["", "7-", "\"银\\铃\" ", "\u{7f}"])));
    let id = id.prop_map(|id| id.map(|(number, prefix)| CompactString::new(format!("{prefix}{number}"))));
    (body(), time, id).prop_map(|(body, measured, event_id)| {
        let raw = Report { event_id, measured, body, content_hash: 0 };
        let hashed = decode(Format::Bin, &ingest::bin::encode(std::slice::from_ref(&raw)), &Limits::default());
        Report { content_hash: hashed[0].as_ref().unwrap().content_hash, ..raw }
    })
}
