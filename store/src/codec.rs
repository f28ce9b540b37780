//! Records and values as bytes: the only file that knows bincode, and (in `telemetry`) the compact layout of the
//! reports that make up nearly all of the journal.
//!
//! bincode is not self-describing, so everything on disk stands in an envelope that names its kind and schema
//! version. A payload is decoded with a limit, consumed whole, and its floats are checked. To change a stored type:
//! freeze a copy of the old one here under its version, write `From<old>`, raise the version. Enums are only
//! appended to. The golden bytes in the tests say when that is due.

pub(crate) mod telemetry;
#[cfg(test)]
mod tests;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use model::record::Observed;
use model::{Decision, DeviceId, Fix, Input, Position, Record, Report, ReportBody, StaffCommand, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;

/// No value on disk is larger, decoded; a hostile length cannot allocate more.
pub const VALUE_BYTES_MAX: usize = 64 << 20;
/// A checkpoint's section may be larger than any record: the hot state of a million wearers is one.
pub const SECTION_BYTES_MAX: usize = 4 << 30;

const CONFIG: Configuration<LittleEndian, Varint, Limit<VALUE_BYTES_MAX>> =
    bincode::config::standard().with_limit::<VALUE_BYTES_MAX>();
const SECTION_CONFIG: Configuration<LittleEndian, Varint, Limit<SECTION_BYTES_MAX>> =
    bincode::config::standard().with_limit::<SECTION_BYTES_MAX>();

/// The present version of the compact telemetry layout.
pub(crate) const TELEMETRY_SCHEMA: u8 = 1;
/// The present version of [`Record`] as bincode.
pub(crate) const RECORD_SCHEMA: u8 = 1;
/// The present version of every value in the state; each begins with this byte.
pub(crate) const VALUE_SCHEMA: u8 = 1;

/// What a record is to those who read the journal, so that they can pass it over without decoding it. Appended to,
/// never renumbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// A report in the compact layout: for the telemetry pass.
    Telemetry = 1,
    /// Any other record without a fact: for the telemetry pass.
    Plain = 2,
    /// A command, or a record with facts (events, registry, tokens) and no report: for the facts pass.
    Fact = 3,
    /// A report that led to facts, or a note from the bedside: for both passes.
    FactReport = 4,
}

impl RecordKind {
    pub(crate) fn from_byte(byte: u8) -> Option<RecordKind> {
        match byte {
            1 => Some(RecordKind::Telemetry),
            2 => Some(RecordKind::Plain),
            3 => Some(RecordKind::Fact),
            4 => Some(RecordKind::FactReport),
            _ => None,
        }
    }

    pub(crate) fn has_facts(self) -> bool {
        matches!(self, RecordKind::Fact | RecordKind::FactReport)
    }

    pub(crate) fn has_telemetry(self) -> bool {
        self != RecordKind::Fact
    }

    fn of(record: &Record) -> RecordKind {
        let facts = record.decisions.iter().any(|decision| match decision {
            Decision::Event(_)
            | Decision::Registry(_)
            | Decision::Token(_)
            | Decision::Audit(_)
            | Decision::Webhook(_)
            | Decision::Delivery(_)
            | Decision::Erased(_) => true,
            Decision::Observed(_)
            | Decision::Repeated
            | Decision::Finding(_)
            | Decision::Escalation(_)
            | Decision::Reply(_)
            | Decision::Account(_)
            | Decision::Session(_)
            | Decision::Glass(_)
            | Decision::StepUp(_)
            | Decision::Watch(_) => false,
        });
        match (&record.input, facts) {
            // History keeps what was seen at the bedside.
            (Input::Command { command: StaffCommand::Observe(_), .. }, _) => RecordKind::FactReport,
            // Whoever gave a command may wait until the facts pass has gone by it, also when it was refused.
            (Input::Command { .. }, _) => RecordKind::Fact,
            (Input::Report { .. }, true) => RecordKind::FactReport,
            (_, true) => RecordKind::Fact,
            (_, false) => RecordKind::Plain,
        }
    }
}

/// Appends a record's payload to `out` and says what kind and schema its envelope is to name. `base_at` is the
/// batch's, in milliseconds.
pub(crate) fn encode_record(record: &Record, base_at: i64, out: &mut Vec<u8>) -> Result<(RecordKind, u8), StoreError> {
    let plain = match (&record.input, record.decisions.as_slice()) {
        (Input::Report { device, report }, [Decision::Observed(observed)]) => Some((device, report, Some(observed))),
        (Input::Report { device, report }, [Decision::Repeated]) => Some((device, report, None)),
        _ => None,
    };
    if plain
        .is_some_and(|(device, report, observed)| telemetry::encode(record.at, device, report, observed, base_at, out))
    {
        return Ok((RecordKind::Telemetry, TELEMETRY_SCHEMA));
    }
    append(record, out)?;
    Ok((RecordKind::of(record), RECORD_SCHEMA))
}

/// As [`encode_record`], of a report that was observed (`None`: a repeat) and led to nothing else.
pub(crate) fn encode_report(
    at: Timestamp,
    device: &DeviceId,
    report: &Report,
    observed: Option<&Observed>,
    base_at: i64,
    out: &mut Vec<u8>,
) -> Result<(RecordKind, u8), StoreError> {
    if telemetry::encode(at, device, report, observed, base_at, out) {
        return Ok((RecordKind::Telemetry, TELEMETRY_SCHEMA));
    }
    let input = Input::Report { device: device.clone(), report: report.clone() };
    let decision = observed.map_or(Decision::Repeated, |observed| Decision::Observed(observed.clone()));
    let record = Record { at, input, decisions: vec![decision] };
    append(&record, out)?;
    Ok((RecordKind::of(&record), RECORD_SCHEMA))
}

/// Decodes a record's payload.
pub(crate) fn decode_record(kind: u8, schema: u8, payload: &[u8], base_at: i64) -> Result<Record, StoreError> {
    match (RecordKind::from_byte(kind), schema) {
        (Some(RecordKind::Telemetry), TELEMETRY_SCHEMA) => telemetry::View::decode(payload, base_at)?.to_record(),
        (Some(RecordKind::Plain | RecordKind::Fact | RecordKind::FactReport), RECORD_SCHEMA) => {
            let record: Record = exactly("record", payload)?;
            check_record(&record)?;
            Ok(record)
        }
        _ => Err(bad("record", format!("kind {kind} in schema {schema} is not known to this version"))),
    }
}

/// A value of the state: its schema version and its content.
pub(crate) fn encode_value<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut out = vec![VALUE_SCHEMA];
    append(value, &mut out)?;
    Ok(out)
}

/// Decodes the beginning of what [`encode_value`] made: a `T` whose members are the first of the whole.
pub(crate) fn decode_head<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    let decoded = bincode::serde::decode_from_slice(payload_of(what, bytes)?, CONFIG);
    decoded.map(|(head, _)| head).map_err(|error| bad(what, error.to_string()))
}

/// Decodes what [`encode_value`] made.
pub(crate) fn decode_value<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    exactly(what, payload_of(what, bytes)?)
}

fn payload_of<'b>(what: &'static str, bytes: &'b [u8]) -> Result<&'b [u8], StoreError> {
    match bytes.split_first() {
        Some((&VALUE_SCHEMA, payload)) => Ok(payload),
        Some((schema, _)) => Err(bad(what, format!("schema {schema} is not known to this version"))),
        None => Err(bad(what, "empty".to_owned())),
    }
}

/// Encodes a value that the engine keeps in a checkpoint's section. The engine versions it by the section's id.
///
/// # Errors
/// When the value's own `Serialize` fails.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    bincode::serde::encode_to_vec(value, SECTION_CONFIG).map_err(|error| bad("section", error.to_string()))
}

/// Decodes what [`to_bytes`] made.
///
/// # Errors
/// When the bytes are not such a value, or are more than one.
pub fn from_bytes<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    let (value, used) =
        bincode::serde::decode_from_slice(bytes, SECTION_CONFIG).map_err(|error| bad(what, error.to_string()))?;
    if used == bytes.len() { Ok(value) } else { Err(bad(what, format!("{} bytes too many", bytes.len() - used))) }
}

struct Appender<'a>(&'a mut Vec<u8>);

impl Writer for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

fn append<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), StoreError> {
    bincode::serde::encode_into_writer(value, Appender(out), CONFIG).map_err(|error| bad("value", error.to_string()))
}

fn exactly<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    let (value, used) =
        bincode::serde::decode_from_slice(bytes, CONFIG).map_err(|error| bad(what, error.to_string()))?;
    if used == bytes.len() { Ok(value) } else { Err(bad(what, format!("{} bytes too many", bytes.len() - used))) }
}

pub(crate) fn bad(what: &'static str, detail: String) -> StoreError {
    StoreError::Codec { what, detail }
}

/// serde builds a [`Position`] without asking [`Position::new`]: what is not a place must not come in this way.
fn check_record(record: &Record) -> Result<(), StoreError> {
    let Input::Report { report, .. } = &record.input else { return Ok(()) };
    let fix_is_good = report.fix().is_none_or(|fix| fix_is_good(&fix));
    let body_is_good = match report.body {
        ReportBody::Temperature { celsius } => celsius.is_finite(),
        ReportBody::Fall { confidence: Some(confidence), .. } => confidence.is_finite(),
        _ => true,
    };
    let observed_is_good = record.decisions.iter().all(|decision| match decision {
        Decision::Observed(Observed { located: Some(located), .. }) => {
            position_is_good(located.position) && located.accuracy_m.is_finite()
        }
        _ => true,
    });
    if fix_is_good && body_is_good && observed_is_good {
        Ok(())
    } else {
        Err(bad("record", "a number in it is not finite or no place on earth".to_owned()))
    }
}

pub(crate) fn fix_is_good(fix: &Fix) -> bool {
    position_is_good(fix.position) && fix.accuracy_m.is_none_or(f32::is_finite)
}

pub(crate) fn position_is_good(position: Position) -> bool {
    Position::new(position.lat, position.lon).is_some()
}
