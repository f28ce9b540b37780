//! Payloads as devices, broken devices and attackers send them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod admission;
mod bin;
mod generate;
mod hostile;
mod json;

use std::fmt::Write;

use expect_test::Expect;
use ingest::{Format, Items, Limits, decode};
use model::{Fix, Report, ReportBody};

fn json(payload: &[u8]) -> Items {
    decode(Format::Json, payload, &Limits::default())
}

/// Decodes a JSON payload and compares what came of it, one line an item.
fn check(payload: impl AsRef<[u8]>, expected: Expect) {
    expected.assert_eq(&shown(&json(payload.as_ref())));
}

fn shown(items: &Items) -> String {
    let lines: Vec<String> = items
        .iter()
        .map(|item| match item {
            Ok(report) => shown_report(report),
            Err(reject) => format!("✗ {:?} ({} bytes): {}", reject.reason, reject.payload_bytes, reject.detail),
        })
        .collect();
    lines.join("\n")
}

fn shown_report(report: &Report) -> String {
    let mut line = match &report.body {
        ReportBody::Location(fix) => format!("location {}", shown_fix(fix)),
        ReportBody::HeartRate { bpm } => format!("heart rate {bpm}"),
        ReportBody::BloodPressure { systolic, diastolic, pulse, flags } => {
            format!("pressure {systolic}/{diastolic} pulse {pulse:?} flags {flags:b}")
        }
        ReportBody::Fall { confidence, fix } => {
            format!("fall {confidence:?} {}", fix.as_ref().map(shown_fix).unwrap_or_default())
        }
        ReportBody::FallCancel => "no fall".to_owned(),
        ReportBody::Sos { fix } => format!("SOS {}", fix.as_ref().map(shown_fix).unwrap_or_default()),
        ReportBody::Spo2 { percent } => format!("oxygen {percent} %"),
        ReportBody::Temperature { celsius } => format!("{celsius} °C"),
        ReportBody::Steps { count } => format!("{count} steps"),
        ReportBody::Battery { percent } => format!("battery {percent} %"),
        ReportBody::Wear { on } => format!("worn {on}"),
        ReportBody::Alive => "alive".to_owned(),
        ReportBody::Respiration { per_minute } => format!("{per_minute} breaths"),
        ReportBody::Consciousness { level } => level.name().to_owned(),
        ReportBody::Unknown { kind, json } => format!("unknown {kind:?} {json}"),
    };
    if let Some(id) = &report.event_id {
        write!(line, " #{id}").unwrap();
    }
    if let Some(time) = report.measured {
        write!(line, " at {time}").unwrap();
    }
    line.trim_end().to_owned()
}

fn shown_fix(fix: &Fix) -> String {
    let datum = fix.datum.map(|datum| format!(" {datum:?}")).unwrap_or_default();
    let accuracy = fix.accuracy_m.map(|metres| format!(" ±{metres} m")).unwrap_or_default();
    format!("{} {}{datum}{accuracy}", fix.position.lat, fix.position.lon)
}
