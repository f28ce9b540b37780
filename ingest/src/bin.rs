//! The `bin` format: reports in bincode 2 (standard configuration) for small firmware and for load.
//!
//! Integers wider than a byte are *varints*: 0–250 is that one byte; 251 is followed by two bytes, 252 by four, 253
//! by eight, little-endian, and the shortest form is not required. Floats are IEEE 754, little-endian. An optional
//! value is the byte 0, or the byte 1 and the value.
//!
//! ```text
//! payload := version   u8        1
//!            count     varint    number of items, 1–1 000
//!            item*
//! item    := length    varint    bytes of the report that follows; what is within them stands alone
//!            report
//! report  := type      u8        see below
//!            t         optional varint: milliseconds since 1970-01-01T00:00:00Z, up to the year 9999
//!            id        optional text: varint length in bytes, UTF-8; the device's own name for the report
//!            content             by type, to the end of the item
//!
//! type  name            content
//!    0  location        fix
//!    1  heart_rate      bpm varint 1–350
//!    2  blood_pressure  sys varint 40–300 | dia varint 20–200 | pulse optional varint | flags varint (16 bits)
//!    3  fall            confidence optional f32 0–1 | optional fix
//!    4  fall_cancel     –
//!    5  sos             optional fix
//!    6  spo2            percent u8 1–100
//!    7  temperature     °C f32 25–45
//!    8  steps           count varint (32 bits)
//!    9  battery         percent u8 0–100
//!   10  wear            u8: 0 taken off, 1 put on
//!   11  alive           –
//!   12  unknown         name text | JSON text
//!   13  respiration     breaths a minute u8 1–80
//!   14  consciousness   u8: 0 alert, 1 confused, 2 voice, 3 pain, 4 unresponsive
//!
//! fix     := lat f64 | lon f64 | datum optional u8 (0 wgs84, 1 gcj02, 2 bd09) | accuracy optional f32, metres
//! ```
//!
//! An sos or a fall is never refused once its type byte is there: a time, id or position that cannot be read, or is
//! cut off, counts as absent. An sos without anything is six bytes: `01 01 03 05 00 00`; without even the time and
//! the id, four: `01 01 01 05`.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use model::{Consciousness, Datum, Fix, RejectReason, Report, ReportBody, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::hash::FixedHash;
use crate::{Items, Limits, content, one, time};

const VERSION: u8 = 1;
/// Nothing that is decoded may claim to be larger than this, in bytes.
const DECODE_BYTES_MAX: usize = 256 * 1024;
const CONFIG: Configuration<LittleEndian, Varint, Limit<DECODE_BYTES_MAX>> =
    bincode::config::standard().with_limit::<DECODE_BYTES_MAX>();

const LOCATION: u8 = 0;
const HEART_RATE: u8 = 1;
const BLOOD_PRESSURE: u8 = 2;
const FALL: u8 = 3;
const FALL_CANCEL: u8 = 4;
const SOS: u8 = 5;
const SPO2: u8 = 6;
const TEMPERATURE: u8 = 7;
const STEPS: u8 = 8;
const BATTERY: u8 = 9;
const WEAR: u8 = 10;
const ALIVE: u8 = 11;
const UNKNOWN: u8 = 12;
const RESPIRATION: u8 = 13;
const CONSCIOUSNESS: u8 = 14;

/// The position on the wire.
type WireFix = (f64, f64, Option<u8>, Option<f32>);

/// Encodes reports as one payload, for firmware's tests and for load. `content_hash` is not sent: decoding computes
/// it again. The limits of [`Limits`] are those of the receiver; this writes what it is given.
#[must_use]
pub fn encode(reports: &[Report]) -> Vec<u8> {
    let mut payload = vec![VERSION];
    write(&mut payload, reports.len() as u64);
    for report in reports {
        let item = encode_item(report);
        write(&mut payload, item.as_slice());
    }
    payload
}

fn encode_item(report: &Report) -> Vec<u8> {
    let mut item = vec![type_byte(&report.body)];
    write(&mut item, report.measured.map(|time| time.millis() as u64));
    write(&mut item, report.event_id.as_deref());
    match &report.body {
        ReportBody::Location(fix) => write(&mut item, wire_fix(fix)),
        ReportBody::HeartRate { bpm } => write(&mut item, bpm),
        ReportBody::BloodPressure { systolic, diastolic, pulse, flags } => {
            write(&mut item, (systolic, diastolic, pulse, flags));
        }
        ReportBody::Fall { confidence, fix } => write(&mut item, (confidence, fix.as_ref().map(wire_fix))),
        ReportBody::Sos { fix } => write(&mut item, fix.as_ref().map(wire_fix)),
        ReportBody::Spo2 { percent } | ReportBody::Battery { percent } => write(&mut item, percent),
        ReportBody::Temperature { celsius } => write(&mut item, celsius),
        ReportBody::Steps { count } => write(&mut item, count),
        ReportBody::Wear { on } => write(&mut item, on),
        ReportBody::FallCancel | ReportBody::Alive => {}
        ReportBody::Unknown { kind, json } => write(&mut item, (kind.as_str(), json)),
        ReportBody::Respiration { per_minute } => write(&mut item, per_minute),
        ReportBody::Consciousness { level } => write(&mut item, *level as u8),
    }
    item
}

fn type_byte(body: &ReportBody) -> u8 {
    match body {
        ReportBody::Location(_) => LOCATION,
        ReportBody::HeartRate { .. } => HEART_RATE,
        ReportBody::BloodPressure { .. } => BLOOD_PRESSURE,
        ReportBody::Fall { .. } => FALL,
        ReportBody::FallCancel => FALL_CANCEL,
        ReportBody::Sos { .. } => SOS,
        ReportBody::Spo2 { .. } => SPO2,
        ReportBody::Temperature { .. } => TEMPERATURE,
        ReportBody::Steps { .. } => STEPS,
        ReportBody::Battery { .. } => BATTERY,
        ReportBody::Wear { .. } => WEAR,
        ReportBody::Alive => ALIVE,
        ReportBody::Unknown { .. } => UNKNOWN,
        ReportBody::Respiration { .. } => RESPIRATION,
        ReportBody::Consciousness { .. } => CONSCIOUSNESS,
    }
}

fn wire_fix(fix: &Fix) -> WireFix {
    let datum = fix.datum.map(|datum| match datum {
        Datum::Wgs84 => 0,
        Datum::Gcj02 => 1,
        Datum::Bd09 => 2,
    });
    (fix.position.lat, fix.position.lon, datum, fix.accuracy_m)
}

fn write(out: &mut Vec<u8>, value: impl Serialize) {
    // A Vec takes every byte and none of the types above can fail to serialise.
    let written = bincode::serde::encode_into_std_write(value, out, bincode::config::standard());
    debug_assert!(written.is_ok());
}

pub(crate) fn decode(payload: &[u8], limits: &Limits) -> Items {
    let bytes_max = limits.payload_bytes_max;
    if payload.len() > bytes_max {
        let detail = format!("{} bytes, at most {bytes_max} are taken; send smaller arrays", payload.len());
        let mut items = decode_items(&payload[..bytes_max], limits);
        // The alarms that fit are taken, everything else is refused as one.
        items.retain(|item| item.as_ref().is_ok_and(Report::is_alarm));
        items.push(Err(Fault::new(RejectReason::TooLarge, detail).reject(None, payload)));
        return items;
    }
    decode_items(payload, limits)
}

fn decode_items(payload: &[u8], limits: &Limits) -> Items {
    let mut reader = Reader { bytes: payload, at: 0 };
    let count = match reader.header() {
        Ok(count) => count,
        Err(fault) => return one(Err(fault.reject(None, payload))),
    };
    let mut items = Items::new();
    let mut refused = None;
    for number in 1..=count {
        let start = reader.at;
        let Some(item) = reader.item() else {
            let detail = format!("byte {start}: the payload ends within item {number} of {count}; send it whole");
            let rest = Reader { bytes: payload, at: start }.cut_item();
            items.extend(rest.and_then(|item| alarm(&mut Reader { bytes: item, at: 0 }, item)).map(Ok));
            items.push(Err(Fault::new(RejectReason::Malformed, detail).reject(None, &payload[start..])));
            return items;
        };
        let within_limit = number <= limits.array_items_max as u64;
        match decode_report(item) {
            Ok(report) if within_limit || report.is_alarm() => items.push(Ok(report)),
            Err(fault) if within_limit => items.push(Err(fault.reject(Some(number as usize), item))),
            Ok(_) | Err(_) => refused = refused.or(Some(start)),
        }
    }
    if let Some(start) = refused {
        let detail = format!("{count} items, at most {} are taken; send smaller arrays", limits.array_items_max);
        items.push(Err(Fault::new(RejectReason::TooManyItems, detail).reject(None, &payload[start..])));
    }
    if reader.at < payload.len() {
        let detail = format!("byte {}: something follows the last of {count} items; send the right count", reader.at);
        items.push(Err(Fault::new(RejectReason::Malformed, detail).reject(None, &payload[reader.at..])));
    }
    items
}

/// One item: all of its bytes, or nothing.
fn decode_report(item: &[u8]) -> Result<Report, Fault> {
    let mut reader = Reader { bytes: item, at: 0 };
    if let Some(alarm) = alarm(&mut reader, item) {
        return Ok(alarm);
    }
    let kind: u8 = reader.read("type")?;
    let measured = reader.time()?;
    let event_id = reader.id()?;
    let body = reader.body(kind)?;
    if reader.at < item.len() {
        let detail = format!("byte {} of the item: {} bytes too many for its type", reader.at, item.len() - reader.at);
        return Err(Fault::new(RejectReason::Malformed, detail));
    }
    let content_hash = content::hash(&body);
    Ok(Report { event_id, measured, body, content_hash })
}

/// The item as an alarm, if its first byte says so; whatever cannot be read of it counts as absent.
fn alarm(reader: &mut Reader<'_>, item: &[u8]) -> Option<Report> {
    let kind = *item.first()?;
    if !matches!(kind, FALL | FALL_CANCEL | SOS) {
        return None;
    }
    reader.at = 1;
    let claimed = reader.read::<Option<u64>>("t");
    let event_id = claimed.as_ref().ok().and_then(|_| reader.id().ok());
    let readable = event_id.is_some();
    let body = match kind {
        FALL_CANCEL => ReportBody::FallCancel,
        SOS => ReportBody::Sos { fix: readable.then(|| reader.optional_fix()).flatten() },
        _ => {
            let confidence = if readable { reader.read::<Option<f32>>("confidence").ok() } else { None };
            let fix = confidence.and_then(|_| reader.optional_fix());
            let confidence = confidence.flatten().and_then(|value| content::confidence(f64::from(value)));
            ReportBody::Fall { confidence, fix }
        }
    };
    let claimed = claimed.ok().flatten();
    let measured = claimed.and_then(timestamp).filter(|time| time.millis() >= time::CLOCK_SET_MILLIS_MIN);
    let mut content_hash = content::hash(&body);
    if let (Some(claimed), None) = (claimed, measured) {
        // Two presses with times that mean nothing are still two presses.
        content_hash = FixedHash::new().word(content_hash).word(claimed).finish();
    }
    Some(Report { event_id: event_id.flatten(), measured, body, content_hash })
}

fn timestamp(millis: u64) -> Option<Timestamp> {
    let millis = i64::try_from(millis).ok()?;
    (millis <= Timestamp::LATEST.millis()).then(|| Timestamp::from_millis(millis))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn read<T: Deserialize<'a>>(&mut self, what: &str) -> Result<T, Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match bincode::serde::borrow_decode_from_slice(rest, CONFIG) {
            Ok((value, used)) => {
                self.at += used;
                Ok(value)
            }
            Err(_) => {
                let at = self.at;
                let detail = format!("byte {at}: {what} cannot be read here; see the layout of the bin format");
                Err(Fault::new(RejectReason::Malformed, detail))
            }
        }
    }

    fn header(&mut self) -> Result<u64, Fault> {
        let version: u8 = self.read("the version")?;
        if version != VERSION {
            let detail = format!("byte 0: version {version} of the bin format is not known; send version {VERSION}");
            return Err(Fault::new(RejectReason::Malformed, detail));
        }
        match self.read("the count of items")? {
            0 => Err(Fault::new(RejectReason::Empty, "byte 1: no items; send none, or send `alive`")),
            count => Ok(count),
        }
    }

    /// The bytes of the next item, if they are all there.
    fn item(&mut self) -> Option<&'a [u8]> {
        self.read::<&[u8]>("an item").ok()
    }

    /// What there is of an item whose end is missing.
    fn cut_item(&mut self) -> Option<&'a [u8]> {
        self.read::<u64>("a length").ok()?;
        self.bytes.get(self.at..)
    }

    fn time(&mut self) -> Result<Option<Timestamp>, Fault> {
        let at = self.at;
        let Some(millis) = self.read::<Option<u64>>("t")? else {
            return Ok(None);
        };
        timestamp(millis).map(Some).ok_or_else(|| {
            let detail = format!("byte {at}: t lies beyond the year 9999; send milliseconds since 1970");
            Fault::new(RejectReason::BadField, detail)
        })
    }

    fn id(&mut self) -> Result<Option<compact_str::CompactString>, Fault> {
        Ok(self.read::<Option<&str>>("id")?.and_then(content::event_id))
    }

    fn body(&mut self, kind: u8) -> Result<ReportBody, Fault> {
        let at = self.at;
        let implausible = |detail: &str| Fault::new(RejectReason::Implausible, format!("byte {at}: {detail}"));
        let range = |name: &str, value: f64, range: std::ops::RangeInclusive<f64>| {
            let (low, high) = (range.start(), range.end());
            if range.contains(&value) { Ok(()) } else { Err(implausible(&format!("{name} must be {low} to {high}"))) }
        };
        Ok(match kind {
            LOCATION => ReportBody::Location(fix(self.read("a fix")?).map_err(implausible)?),
            HEART_RATE => {
                let bpm: u16 = self.read("bpm")?;
                range("bpm", f64::from(bpm), content::BPM)?;
                ReportBody::HeartRate { bpm }
            }
            BLOOD_PRESSURE => {
                let (systolic, diastolic, pulse, flags): (u16, u16, Option<u16>, u16) = self.read("pressures")?;
                range("sys", f64::from(systolic), content::SYSTOLIC)?;
                range("dia", f64::from(diastolic), content::DIASTOLIC)?;
                if systolic <= diastolic {
                    return Err(implausible(content::PRESSURES_CROSSED));
                }
                let pulse = pulse.filter(|bpm| content::BPM.contains(&f64::from(*bpm)));
                ReportBody::BloodPressure { systolic, diastolic, pulse, flags }
            }
            SPO2 => {
                let percent: u8 = self.read("percent")?;
                range("percent", f64::from(percent), content::SPO2)?;
                ReportBody::Spo2 { percent }
            }
            TEMPERATURE => {
                let celsius: f32 = self.read("the temperature")?;
                range("the temperature", f64::from(celsius), content::CELSIUS)?;
                ReportBody::Temperature { celsius }
            }
            STEPS => ReportBody::Steps { count: self.read("the count of steps")? },
            BATTERY => {
                let percent: u8 = self.read("percent")?;
                range("percent", f64::from(percent), content::BATTERY)?;
                ReportBody::Battery { percent }
            }
            WEAR => ReportBody::Wear { on: self.read("on")? },
            ALIVE => ReportBody::Alive,
            UNKNOWN => {
                let (kind, json): (&str, &str) = self.read("name and JSON text")?;
                content::unknown(kind, json)
            }
            RESPIRATION => {
                let per_minute: u8 = self.read("breaths a minute")?;
                range("breaths a minute", f64::from(per_minute), content::RESPIRATION)?;
                ReportBody::Respiration { per_minute }
            }
            CONSCIOUSNESS => {
                let number: u8 = self.read("the level")?;
                let level = Consciousness::numbered(u64::from(number));
                ReportBody::Consciousness { level: level.ok_or_else(|| implausible("the level must be 0 to 4"))? }
            }
            kind => {
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                self.at = self.bytes.len();
                content::unknown(&format!("bin:{kind}"), &hexadecimal(rest))
            }
        })
    }

    /// The fix of an alarm: whole and on earth, or none.
    fn optional_fix(&mut self) -> Option<Fix> {
        self.read::<Option<WireFix>>("a fix").ok().flatten().and_then(|wire| fix(wire).ok())
    }
}

fn fix((lat, lon, datum, accuracy_m): WireFix) -> Result<Fix, &'static str> {
    let datum = match datum {
        None => None,
        Some(0) => Some(Datum::Wgs84),
        Some(1) => Some(Datum::Gcj02),
        Some(2) => Some(Datum::Bd09),
        Some(_) => return Err("the datum must be 0, 1 or 2"),
    };
    content::fix(lat, lon, datum, accuracy_m.map(f64::from))
}

/// The content of a type that is newer than this server, as a JSON string.
fn hexadecimal(bytes: &[u8]) -> String {
    const BYTES_MAX: usize = content::UNKNOWN_JSON_BYTES_MAX / 2 - 1;
    let digits: String = bytes.iter().take(BYTES_MAX).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}
