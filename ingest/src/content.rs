//! What a report may say: ranges, and the hash of what it says.

use std::ops::RangeInclusive;

use compact_str::{CompactString, format_compact};
use model::{Datum, Fix, Position, ReportBody};

use crate::fault::clipped;
use crate::hash::FixedHash;

/// Heart rate, beats a minute.
pub(crate) const BPM: RangeInclusive<f64> = 1.0..=350.0;
/// Systolic pressure, mmHg (clinical.md, cuff flags).
pub(crate) const SYSTOLIC: RangeInclusive<f64> = 40.0..=300.0;
/// Diastolic pressure, mmHg.
pub(crate) const DIASTOLIC: RangeInclusive<f64> = 20.0..=200.0;
/// Oxygen saturation, percent.
pub(crate) const SPO2: RangeInclusive<f64> = 1.0..=100.0;
/// Breaths a minute.
pub(crate) const RESPIRATION: RangeInclusive<f64> = 1.0..=80.0;
/// Body temperature, °C.
pub(crate) const CELSIUS: RangeInclusive<f64> = 25.0..=45.0;
/// Steps since midnight.
pub(crate) const STEPS: RangeInclusive<f64> = 0.0..=4_294_967_295.0;
/// Battery, percent.
pub(crate) const BATTERY: RangeInclusive<f64> = 0.0..=100.0;
/// Status bits of a cuff.
pub(crate) const FLAGS: RangeInclusive<f64> = 0.0..=65_535.0;

/// The longest id and the longest name of an unknown type, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 64;
/// How much of the JSON of an unknown type is kept, in bytes.
pub(crate) const UNKNOWN_JSON_BYTES_MAX: usize = 4096;

/// Why a pair of pressures is none.
pub(crate) const PRESSURES_CROSSED: &str = "`sys` must be greater than `dia`; check that they are not swapped";
/// Why 0,0 is no position.
pub(crate) const NO_FIX: &str = "0,0 is what receivers say without a fix; leave the report out until there is one";
/// Why a position is none.
pub(crate) const OFF_THE_EARTH: &str =
    "`lat` must be −90 to 90 and `lon` −180 to 180 degrees; check that they are not swapped";

/// A position as reported. An accuracy that is absent, zero, negative or not finite is unknown.
pub(crate) fn fix(lat: f64, lon: f64, datum: Option<Datum>, accuracy_m: Option<f64>) -> Result<Fix, &'static str> {
    let position = Position::new(lat, lon).ok_or(OFF_THE_EARTH)?;
    if lat == 0.0 && lon == 0.0 {
        return Err(NO_FIX);
    }
    let accuracy_m = accuracy_m.map(|metres| metres as f32).filter(|metres| *metres > 0.0 && metres.is_finite());
    Ok(Fix { position, datum, accuracy_m })
}

/// 0 to 1, or unknown.
pub(crate) fn confidence(value: f64) -> Option<f32> {
    (0.0..=1.0).contains(&value).then_some(value as f32)
}

/// An id that fits. A longer one keeps its beginning and gets the hash of the whole, so that two that differ
/// only at the end stay two.
pub(crate) fn event_id(text: &str) -> Option<CompactString> {
    const HASH_DIGITS: usize = 17;
    match text.len() {
        0 => None,
        1..=NAME_BYTES_MAX => Some(CompactString::new(text)),
        _ => {
            let head = clipped(text, NAME_BYTES_MAX - HASH_DIGITS);
            Some(format_compact!("{head}~{:016x}", FixedHash::new().bytes(text.as_bytes()).finish()))
        }
    }
}

/// A type that we do not know, kept within its limits.
pub(crate) fn unknown(kind: &str, json: &str) -> ReportBody {
    ReportBody::Unknown {
        kind: CompactString::new(clipped(kind, NAME_BYTES_MAX)),
        json: clipped(json, UNKNOWN_JSON_BYTES_MAX).to_owned(),
    }
}

/// The hash of type and content, the same whichever format it came in. The numbers of the types are on disk
/// and never change.
pub(crate) fn hash(body: &ReportBody) -> u64 {
    let hash = FixedHash::new();
    match body {
        ReportBody::Location(fix) => with_fix(hash.word(1), fix),
        ReportBody::HeartRate { bpm } => hash.word(2).word(u64::from(*bpm)),
        ReportBody::BloodPressure { systolic, diastolic, pulse, flags } => hash
            .word(3)
            .word(u64::from(*systolic) << 16 | u64::from(*diastolic))
            .word(u64::from(*flags) << 16 | u64::from(pulse.unwrap_or(0))),
        ReportBody::Fall { confidence, fix } => with_optional_fix(hash.word(4).word(bits(*confidence)), fix.as_ref()),
        ReportBody::FallCancel => hash.word(5),
        ReportBody::Sos { fix } => with_optional_fix(hash.word(6), fix.as_ref()),
        ReportBody::Spo2 { percent } => hash.word(7).word(u64::from(*percent)),
        ReportBody::Temperature { celsius } => hash.word(8).word(u64::from(celsius.to_bits())),
        ReportBody::Steps { count } => hash.word(9).word(u64::from(*count)),
        ReportBody::Battery { percent } => hash.word(10).word(u64::from(*percent)),
        ReportBody::Wear { on } => hash.word(11).word(u64::from(*on)),
        ReportBody::Alive => hash.word(12),
        ReportBody::Unknown { kind, json } => hash.word(13).bytes(kind.as_bytes()).bytes(json.as_bytes()),
        ReportBody::Respiration { per_minute } => hash.word(14).word(u64::from(*per_minute)),
        ReportBody::Consciousness { level } => hash.word(15).word(*level as u64),
    }
    .finish()
}

fn with_optional_fix(hash: FixedHash, fix: Option<&Fix>) -> FixedHash {
    match fix {
        None => hash.word(0),
        Some(fix) => with_fix(hash.word(1), fix),
    }
}

fn with_fix(hash: FixedHash, fix: &Fix) -> FixedHash {
    let datum = match fix.datum {
        None => 0,
        Some(Datum::Wgs84) => 1,
        Some(Datum::Gcj02) => 2,
        Some(Datum::Bd09) => 3,
    };
    hash.word(fix.position.lat.to_bits()).word(fix.position.lon.to_bits()).word(datum << 33 | bits(fix.accuracy_m))
}

/// 33 bits: whether it is there, and its bits.
fn bits(value: Option<f32>) -> u64 {
    value.map_or(0, |value| 1 << 32 | u64::from(value.to_bits()))
}
