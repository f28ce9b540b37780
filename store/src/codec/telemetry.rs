//! The compact layout of a report that was observed or repeated and led to nothing else: about half of what bincode
//! makes of the same record, and a quarter of the time to read, because it is read in place. The journal's
//! bandwidth and the follower's share of two cores hang on this one.
//!
//! Little-endian; `varint` is LEB128, signed ones zigzag; `text` is a length byte and UTF-8; times are milliseconds:
//!
//! ```text
//! u16     flags (below)
//! u8      type of the report, as `ReportKind`
//! varint  at − the batch's base
//! u64     content hash
//! text    device
//! text    event id               if EVENT_ID
//! varint  measured − at          if MEASURED
//! text    wearer                 if WEARER
//! varint  observed measured − at if OBSERVED and not SAME_TIME (it equals `measured`, or `at` without one)
//! body    location: position (2 × i32 in 1e-7° if FIXED, else 2 × f64: lat, lon), f32 accuracy if ACCURACY;
//!         heart_rate: u16; blood_pressure: u16 systolic, u16 diastolic, u16 flags, u16 pulse if PULSE;
//!         spo2, battery, wear, respiration, consciousness: u8; temperature: f32; steps: varint; alive: nothing
//! located if LOCATED: 2 × f64 if not SAME_PLACE, f32 accuracy if not SAME_ACCURACY (that of the fix, or 50)
//! ```

use compact_str::CompactString;
use model::record::Observed;
use model::{
    Consciousness, Datum, Decision, DeviceId, Fix, Input, Located, Position, Record, Report, ReportBody, ReportKind,
    Timestamp, WearerId,
};

use super::{bad, fix_is_good, position_is_good};
use crate::error::StoreError;

const EVENT_ID: u16 = 1;
const MEASURED: u16 = 1 << 1;
const OBSERVED: u16 = 1 << 2;
const WEARER: u16 = 1 << 3;
const SAME_TIME: u16 = 1 << 4;
const LATE: u16 = 1 << 5;
const LOCATED: u16 = 1 << 6;
const SAME_PLACE: u16 = 1 << 7;
const FIXED: u16 = 1 << 8;
const ACCURACY: u16 = 1 << 9;
/// Two bits: 0 none named, 1 WGS-84, 2 GCJ-02, 3 BD-09.
const DATUM_SHIFT: u16 = 10;
const PULSE: u16 = 1 << 12;
const SAME_ACCURACY: u16 = 1 << 13;

/// What `Located` holds when the device gave no accuracy.
const DEFAULT_ACCURACY_M: f32 = 50.0;
/// 1e-7 degrees are about a centimetre; a decimal with seven places comes back bit by bit.
const FIXED_PER_DEGREE: f64 = 1e7;

/// A report read in place. Texts are bytes as long as nobody needs them as texts: the follower looks at one of three.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View<'a> {
    pub(crate) at: Timestamp,
    pub(crate) device: &'a [u8],
    pub(crate) event_id: Option<&'a [u8]>,
    pub(crate) measured: Option<Timestamp>,
    pub(crate) content_hash: u64,
    pub(crate) body: ReportBody,
    /// `None`: a repeat.
    pub(crate) observed: Option<ObservedView<'a>>,
}

/// What history keeps of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ObservedView<'a> {
    pub(crate) wearer: Option<&'a [u8]>,
    pub(crate) measured: Timestamp,
    pub(crate) late: bool,
    pub(crate) located: Option<Located>,
}

/// Appends the record in the compact layout. `false`, with nothing appended: it does not fit this layout.
pub(crate) fn encode(
    at: Timestamp,
    device: &DeviceId,
    report: &Report,
    observed: Option<&Observed>,
    base_at: i64,
    out: &mut Vec<u8>,
) -> bool {
    let event_id = report.event_id.as_deref();
    let wearer = observed.and_then(|observed| observed.wearer.as_ref()).map(WearerId::as_str);
    let text_bytes = device.as_str().len() + event_id.map_or(0, str::len) + wearer.map_or(0, str::len);
    if !is_compact(report.kind()) || text_bytes > TEXT_BYTES_MAX {
        return false;
    }
    let fix = report.fix();
    let fixed = fix.and_then(|fix| Some([fixed(fix.position.lat)?, fixed(fix.position.lon)?]));
    let flags = flags(report, observed, at, fix.as_ref(), fixed.is_some());
    let at = at.millis();
    let mut pen = Pen::default();
    pen.put(flags.to_le_bytes());
    pen.put([report.kind() as u8]);
    pen.signed(at - base_at);
    pen.put(report.content_hash.to_le_bytes());
    pen.text(device.as_str());
    if let Some(id) = event_id {
        pen.text(id);
    }
    if let Some(measured) = report.measured {
        pen.signed(measured.millis() - at);
    }
    if let Some(wearer) = wearer {
        pen.text(wearer);
    }
    if let Some(observed) = observed.filter(|_| flags & SAME_TIME == 0) {
        pen.signed(observed.measured.millis() - at);
    }
    pen.body(&report.body, fixed);
    if let Some(located) = observed.and_then(|observed| observed.located) {
        if flags & SAME_PLACE == 0 {
            pen.put(located.position.lat.to_le_bytes());
            pen.put(located.position.lon.to_le_bytes());
        }
        if flags & SAME_ACCURACY == 0 {
            pen.put(located.accuracy_m.to_le_bytes());
        }
    }
    out.extend_from_slice(pen.written());
    true
}

/// How long the three texts of a record may be together; longer ones are seldom and go as bincode.
const TEXT_BYTES_MAX: usize = 160;
/// More than a record takes: its texts, and not 90 bytes beside them.
const RECORD_BYTES_MAX: usize = 256;

/// Writes one record into a room of its own: into a vector that grows, each of its dozen parts would ask for space.
struct Pen {
    room: [u8; RECORD_BYTES_MAX],
    at: usize,
}

impl Default for Pen {
    fn default() -> Pen {
        Pen { room: [0; RECORD_BYTES_MAX], at: 0 }
    }
}

impl Pen {
    fn written(&self) -> &[u8] {
        &self.room[..self.at]
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.room[self.at..self.at + N].copy_from_slice(&bytes);
        self.at += N;
    }

    #[inline(always)]
    fn text(&mut self, text: &str) {
        self.put([text.len() as u8]);
        self.room[self.at..self.at + text.len()].copy_from_slice(text.as_bytes());
        self.at += text.len();
    }

    #[inline(always)]
    fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put([value as u8 | 0x80]);
            value >>= 7;
        }
        self.put([value as u8]);
    }

    #[inline(always)]
    fn signed(&mut self, value: i64) {
        self.unsigned(zigzag(value));
    }

    fn body(&mut self, body: &ReportBody, fixed: Option<[i32; 2]>) {
        match body {
            ReportBody::Location(fix) => {
                match fixed {
                    Some([lat, lon]) => {
                        self.put(lat.to_le_bytes());
                        self.put(lon.to_le_bytes());
                    }
                    None => {
                        self.put(fix.position.lat.to_le_bytes());
                        self.put(fix.position.lon.to_le_bytes());
                    }
                }
                if let Some(accuracy) = fix.accuracy_m {
                    self.put(accuracy.to_le_bytes());
                }
            }
            ReportBody::HeartRate { bpm } => self.put(bpm.to_le_bytes()),
            ReportBody::BloodPressure { systolic, diastolic, pulse, flags } => {
                for value in [systolic, diastolic, flags].into_iter().chain(pulse) {
                    self.put(value.to_le_bytes());
                }
            }
            ReportBody::Spo2 { percent } | ReportBody::Battery { percent } => self.put([*percent]),
            ReportBody::Temperature { celsius } => self.put(celsius.to_le_bytes()),
            ReportBody::Steps { count } => self.unsigned(u64::from(*count)),
            ReportBody::Wear { on } => self.put([u8::from(*on)]),
            ReportBody::Respiration { per_minute } => self.put([*per_minute]),
            ReportBody::Consciousness { level } => self.put([*level as u8]),
            ReportBody::Alive => {}
            // `is_compact` has kept these out.
            ReportBody::Fall { .. } | ReportBody::FallCancel | ReportBody::Sos { .. } | ReportBody::Unknown { .. } => {}
        }
    }
}

fn is_compact(kind: ReportKind) -> bool {
    match kind {
        ReportKind::Location
        | ReportKind::HeartRate
        | ReportKind::BloodPressure
        | ReportKind::Spo2
        | ReportKind::Temperature
        | ReportKind::Steps
        | ReportKind::Battery
        | ReportKind::Wear
        | ReportKind::Alive
        | ReportKind::Respiration
        | ReportKind::Consciousness => true,
        ReportKind::Fall | ReportKind::FallCancel | ReportKind::Sos | ReportKind::Unknown => false,
    }
}

fn flags(report: &Report, observed: Option<&Observed>, at: Timestamp, fix: Option<&Fix>, is_fixed: bool) -> u16 {
    let bit = |flag: u16, set: bool| if set { flag } else { 0 };
    let mut flags = bit(EVENT_ID, report.event_id.is_some()) | bit(MEASURED, report.measured.is_some());
    if let Some(fix) = fix {
        let datum = match fix.datum {
            None => 0,
            Some(Datum::Wgs84) => 1,
            Some(Datum::Gcj02) => 2,
            Some(Datum::Bd09) => 3,
        };
        flags |= bit(ACCURACY, fix.accuracy_m.is_some()) | (datum << DATUM_SHIFT);
        flags |= bit(FIXED, is_fixed);
    }
    if let ReportBody::BloodPressure { pulse: Some(_), .. } = report.body {
        flags |= PULSE;
    }
    let Some(observed) = observed else { return flags };
    flags |= OBSERVED | bit(WEARER, observed.wearer.is_some()) | bit(LATE, observed.late);
    flags |= bit(SAME_TIME, observed.measured == report.measured.unwrap_or(at));
    if let Some(located) = observed.located {
        let same_place = fix.is_some_and(|fix| {
            same_bits(fix.position.lat, located.position.lat) && same_bits(fix.position.lon, located.position.lon)
        });
        let accuracy = fix.and_then(|fix| fix.accuracy_m).unwrap_or(DEFAULT_ACCURACY_M);
        flags |= LOCATED | bit(SAME_PLACE, same_place);
        flags |= bit(SAME_ACCURACY, accuracy.to_bits() == located.accuracy_m.to_bits());
    }
    flags
}

fn same_bits(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits()
}

/// In 1e-7 degrees, if that comes back as exactly the same number.
fn fixed(degrees: f64) -> Option<i32> {
    let scaled = (degrees * FIXED_PER_DEGREE + 0.5f64.copysign(degrees)) as i32;
    same_bits(f64::from(scaled) / FIXED_PER_DEGREE, degrees).then_some(scaled)
}

pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, zigzag(value));
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Reads the layouts of this crate; every method fails rather than read beyond the end.
pub(crate) struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Bytes<'a> {
        Bytes { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        self.unsigned().map(|value| ((value >> 1) as i64) ^ -((value & 1) as i64))
    }

    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.byte()?;
        self.take(usize::from(length))
    }

    fn degrees(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }

    fn accuracy(&mut self) -> Option<f32> {
        self.array().map(f32::from_le_bytes)
    }
}

impl<'a> View<'a> {
    /// Reads a payload in place, whole, and checks its numbers.
    pub(crate) fn decode(payload: &'a [u8], base_at: i64) -> Result<View<'a>, StoreError> {
        let mut bytes = Bytes::new(payload);
        let view = read(&mut bytes, base_at).filter(|_| bytes.is_empty());
        view.ok_or_else(|| bad("telemetry record", format!("{} bytes that are none", payload.len())))
    }

    /// The record that was encoded.
    pub(crate) fn to_record(&self) -> Result<Record, StoreError> {
        let report = Report {
            event_id: self.event_id.map(text).transpose()?.map(CompactString::new),
            measured: self.measured,
            body: self.body.clone(),
            content_hash: self.content_hash,
        };
        let decision = match self.observed {
            None => Decision::Repeated,
            Some(observed) => Decision::Observed(Observed {
                wearer: observed.wearer.map(text).transpose()?.map(WearerId::new),
                measured: observed.measured,
                late: observed.late,
                located: observed.located,
            }),
        };
        let input = Input::Report { device: DeviceId::new(text(self.device)?), report };
        Ok(Record { at: self.at, input, decisions: vec![decision] })
    }
}

/// Bytes of a record that are to be a text.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(bytes).map_err(|error| bad("telemetry record", error.to_string()))
}

fn read<'a>(bytes: &mut Bytes<'a>, base_at: i64) -> Option<View<'a>> {
    let flags = bytes.u16()?;
    let has = |flag: u16| flags & flag != 0;
    let kind = bytes.byte()?;
    let at_millis = base_at.checked_add(bytes.signed()?)?;
    let time = |delta: i64| at_millis.checked_add(delta).map(Timestamp::from_millis);
    let at = Timestamp::from_millis(at_millis);
    let content_hash = bytes.array().map(u64::from_le_bytes)?;
    let device = bytes.text()?;
    let event_id = if has(EVENT_ID) { Some(bytes.text()?) } else { None };
    let measured = if has(MEASURED) { Some(time(bytes.signed()?)?) } else { None };
    let wearer = if has(WEARER) { Some(bytes.text()?) } else { None };
    let observed_at = match (has(OBSERVED), has(SAME_TIME)) {
        (true, false) => time(bytes.signed()?)?,
        _ => measured.unwrap_or(at),
    };
    let body = read_body(bytes, kind, flags)?;
    let located = if has(LOCATED) { Some(read_located(bytes, flags, &body)?) } else { None };
    let observed = ObservedView { wearer, measured: observed_at, late: has(LATE), located };
    let observed = has(OBSERVED).then_some(observed);
    Some(View { at, device, event_id, measured, content_hash, body, observed })
}

fn read_body(bytes: &mut Bytes<'_>, kind: u8, flags: u16) -> Option<ReportBody> {
    const LOCATION: u8 = ReportKind::Location as u8;
    const HEART_RATE: u8 = ReportKind::HeartRate as u8;
    const BLOOD_PRESSURE: u8 = ReportKind::BloodPressure as u8;
    const SPO2: u8 = ReportKind::Spo2 as u8;
    const TEMPERATURE: u8 = ReportKind::Temperature as u8;
    const STEPS: u8 = ReportKind::Steps as u8;
    const BATTERY: u8 = ReportKind::Battery as u8;
    const WEAR: u8 = ReportKind::Wear as u8;
    const ALIVE: u8 = ReportKind::Alive as u8;
    const RESPIRATION: u8 = ReportKind::Respiration as u8;
    const CONSCIOUSNESS: u8 = ReportKind::Consciousness as u8;
    Some(match kind {
        LOCATION => ReportBody::Location(read_fix(bytes, flags)?),
        HEART_RATE => ReportBody::HeartRate { bpm: bytes.u16()? },
        BLOOD_PRESSURE => {
            let (systolic, diastolic, cuff_flags) = (bytes.u16()?, bytes.u16()?, bytes.u16()?);
            let pulse = if flags & PULSE != 0 { Some(bytes.u16()?) } else { None };
            ReportBody::BloodPressure { systolic, diastolic, pulse, flags: cuff_flags }
        }
        SPO2 => ReportBody::Spo2 { percent: bytes.byte()? },
        TEMPERATURE => ReportBody::Temperature { celsius: bytes.accuracy().filter(|celsius| celsius.is_finite())? },
        STEPS => ReportBody::Steps { count: u32::try_from(bytes.unsigned()?).ok()? },
        BATTERY => ReportBody::Battery { percent: bytes.byte()? },
        WEAR => ReportBody::Wear { on: bytes.byte()? != 0 },
        ALIVE => ReportBody::Alive,
        RESPIRATION => ReportBody::Respiration { per_minute: bytes.byte()? },
        CONSCIOUSNESS => ReportBody::Consciousness { level: Consciousness::numbered(u64::from(bytes.byte()?))? },
        _ => return None,
    })
}

fn read_fix(bytes: &mut Bytes<'_>, flags: u16) -> Option<Fix> {
    let position = if flags & FIXED != 0 {
        let (lat, lon) = (bytes.array().map(i32::from_le_bytes)?, bytes.array().map(i32::from_le_bytes)?);
        Position { lat: f64::from(lat) / FIXED_PER_DEGREE, lon: f64::from(lon) / FIXED_PER_DEGREE }
    } else {
        Position { lat: bytes.degrees()?, lon: bytes.degrees()? }
    };
    let accuracy_m = if flags & ACCURACY != 0 { Some(bytes.accuracy()?) } else { None };
    let datum = match (flags >> DATUM_SHIFT) & 3 {
        0 => None,
        1 => Some(Datum::Wgs84),
        2 => Some(Datum::Gcj02),
        _ => Some(Datum::Bd09),
    };
    let fix = Fix { position, datum, accuracy_m };
    fix_is_good(&fix).then_some(fix)
}

fn read_located(bytes: &mut Bytes<'_>, flags: u16, body: &ReportBody) -> Option<Located> {
    let fix = match body {
        ReportBody::Location(fix) => Some(fix),
        _ => None,
    };
    let position =
        if flags & SAME_PLACE != 0 { fix?.position } else { Position { lat: bytes.degrees()?, lon: bytes.degrees()? } };
    let accuracy_m = if flags & SAME_ACCURACY != 0 {
        fix.and_then(|fix| fix.accuracy_m).unwrap_or(DEFAULT_ACCURACY_M)
    } else {
        bytes.accuracy()?
    };
    (position_is_good(position) && accuracy_m.is_finite()).then_some(Located { position, accuracy_m })
}
