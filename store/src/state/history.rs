//! History in blocks: up to [`BLOCK_SAMPLES_MAX`] samples of one wearer and one kind on one day, each sample as the
//! difference to the one before. A fix takes 8 to 10 bytes.
//!
//! Positions are kept in 1e-7 degrees (a centimetre), accuracies in decimetres, temperatures in hundredths. Each
//! sample carries its record's sequence number, so that one that was projected twice (after a crash) is told
//! apart from one that was measured twice.

use std::collections::BTreeMap;

use model::{Located, Position, ReportBody, ReportKind, Timestamp};

use super::{TrackPoint, Vital};
use crate::codec::telemetry::{Bytes, put_signed, put_unsigned};
use crate::codec::{VALUE_SCHEMA, bad};
use crate::error::StoreError;

/// A block that has so many samples is full.
pub(crate) const BLOCK_SAMPLES_MAX: u32 = 128;
/// A block that has grown to this is full, too: sled's values are to stay below 4 KiB.
const BLOCK_BYTES_MAX: usize = 3 << 10;
const DAY_MILLIS: i64 = 86_400_000;
const COLUMNS_MAX: usize = 4;

/// The day of an instant, counted from 1970-01-01 in UTC.
pub(crate) fn day_of(at: Timestamp) -> u32 {
    // 9999 is within u32, and a Timestamp is never negative.
    (at.millis() / DAY_MILLIS) as u32
}

/// One measured value, in whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) measured: i64,
    pub(crate) seq: u64,
    pub(crate) late: bool,
    pub(crate) columns: [i64; COLUMNS_MAX],
}

/// The block that a wearer's samples of one kind go to at present.
#[derive(Debug)]
pub(crate) struct OpenBlock {
    pub(crate) kind: ReportKind,
    pub(crate) day: u32,
    first: Sample,
    last: Sample,
    measured_min: i64,
    measured_max: i64,
    count: u32,
    samples: Vec<u8>,
}

impl OpenBlock {
    pub(crate) fn new(kind: ReportKind, sample: Sample) -> OpenBlock {
        OpenBlock::in_buffer(kind, sample, Vec::new())
    }

    fn in_buffer(kind: ReportKind, sample: Sample, samples: Vec<u8>) -> OpenBlock {
        let day = day_of(Timestamp::from_millis(sample.measured));
        let mut block = OpenBlock {
            kind,
            day,
            first: sample,
            last: Sample { measured: i64::from(day) * DAY_MILLIS, seq: 0, late: false, columns: [0; COLUMNS_MAX] },
            measured_min: sample.measured,
            measured_max: sample.measured,
            count: 0,
            samples,
        };
        block.append(sample);
        block
    }

    /// Begins anew with a sample, in the same memory.
    pub(crate) fn restart(&mut self, sample: Sample) {
        let mut samples = std::mem::take(&mut self.samples);
        samples.clear();
        *self = OpenBlock::in_buffer(self.kind, sample, samples);
    }

    pub(crate) fn takes(&self, measured: i64) -> bool {
        self.count < BLOCK_SAMPLES_MAX
            && self.samples.len() < BLOCK_BYTES_MAX
            && measured / DAY_MILLIS == i64::from(self.day)
    }

    pub(crate) fn append(&mut self, sample: Sample) {
        let out = &mut self.samples;
        put_signed(out, sample.measured - self.last.measured);
        // Sequence numbers only ascend within a block.
        put_unsigned(out, (sample.seq.saturating_sub(self.last.seq) << 1) | u64::from(sample.late));
        for column in 0..columns(self.kind) {
            put_signed(out, sample.columns[column] - self.last.columns[column]);
        }
        self.measured_min = self.measured_min.min(sample.measured);
        self.measured_max = self.measured_max.max(sample.measured);
        self.last = sample;
        self.count += 1;
    }

    pub(crate) fn bytes(&self) -> usize {
        self.samples.capacity() + size_of::<OpenBlock>()
    }

    /// `wearer`, zero, kind, time and record of its first sample: the same for as long as the block grows.
    pub(crate) fn key(&self, wearer: &[u8]) -> Vec<u8> {
        let mut key = series(wearer, self.kind);
        key.extend_from_slice(&self.first.measured.to_be_bytes());
        key.extend_from_slice(&self.first.seq.to_be_bytes());
        key
    }

    pub(crate) fn value(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.samples.len() + 40);
        out.extend_from_slice(&[VALUE_SCHEMA, self.kind as u8]);
        put_unsigned(&mut out, u64::from(self.count));
        put_unsigned(&mut out, u64::from(self.day));
        put_signed(&mut out, self.measured_min);
        put_signed(&mut out, self.measured_max);
        put_unsigned(&mut out, self.last.seq);
        out.extend_from_slice(&self.samples);
        out
    }
}

/// What the keys of a series begin with.
pub(crate) fn series(wearer: &[u8], kind: ReportKind) -> Vec<u8> {
    let mut key = Vec::with_capacity(wearer.len() + 18);
    key.extend_from_slice(wearer);
    key.extend_from_slice(&[0, kind as u8]);
    key
}

/// The keys of a series: from one up to, not including, the other.
pub(crate) fn series_range(wearer: &str, kind: ReportKind) -> (Vec<u8>, Vec<u8>) {
    let (from, mut to) = (series(wearer.as_bytes(), kind), series(wearer.as_bytes(), kind));
    if let Some(last) = to.last_mut() {
        *last += 1;
    }
    (from, to)
}

fn columns(kind: ReportKind) -> usize {
    match kind {
        ReportKind::Location => 3,
        ReportKind::BloodPressure => 4,
        _ => 1,
    }
}

struct BlockHeader {
    count: u64,
    day: u64,
    measured_min: i64,
    measured_max: i64,
    last_seq: u64,
}

fn read_header(bytes: &mut Bytes<'_>, kind: Option<ReportKind>) -> Option<BlockHeader> {
    let (schema, kind_byte) = (bytes.byte()?, bytes.byte()?);
    if schema != VALUE_SCHEMA || kind.is_some_and(|kind| kind as u8 != kind_byte) {
        return None;
    }
    Some(BlockHeader {
        count: bytes.unsigned()?,
        day: bytes.unsigned()?,
        measured_min: bytes.signed()?,
        measured_max: bytes.signed()?,
        last_seq: bytes.unsigned()?,
    })
}

/// The last record that a block holds.
pub(crate) fn last_seq(block: &[u8]) -> Result<u64, StoreError> {
    let header = read_header(&mut Bytes::new(block), None);
    header.map(|header| header.last_seq).ok_or_else(|| bad("history block", "no header".to_owned()))
}

/// Adds the samples of a block that were measured from `from` up to, not including, `to`; each once, in order.
pub(crate) fn collect(
    kind: ReportKind,
    block: &[u8],
    from: Timestamp,
    to: Timestamp,
    found: &mut BTreeMap<(i64, u64), Sample>,
) -> Result<(), StoreError> {
    let mut bytes = Bytes::new(block);
    let damaged = || bad("history block", format!("{} bytes that are none", block.len()));
    let header = read_header(&mut bytes, Some(kind)).ok_or_else(damaged)?;
    let (from, to) = (from.millis(), to.millis());
    if header.measured_max < from || header.measured_min >= to {
        return Ok(());
    }
    let mut last = Sample {
        measured: (header.day as i64).saturating_mul(DAY_MILLIS),
        seq: 0,
        late: false,
        columns: [0; COLUMNS_MAX],
    };
    for _ in 0..header.count {
        last = read_sample(&mut bytes, kind, last).ok_or_else(damaged)?;
        if (from..to).contains(&last.measured) {
            found.insert((last.measured, last.seq), last);
        }
    }
    if bytes.is_empty() { Ok(()) } else { Err(damaged()) }
}

fn read_sample(bytes: &mut Bytes<'_>, kind: ReportKind, last: Sample) -> Option<Sample> {
    let measured = last.measured.checked_add(bytes.signed()?)?;
    let step = bytes.unsigned()?;
    let mut sample =
        Sample { measured, seq: last.seq.checked_add(step >> 1)?, late: step & 1 == 1, columns: last.columns };
    for column in &mut sample.columns[..columns(kind)] {
        *column = column.checked_add(bytes.signed()?)?;
    }
    Some(sample)
}

const FIXED_PER_DEGREE: f64 = 1e7;
const PER_METRE: f32 = 10.0;
const PER_KELVIN: f32 = 100.0;

/// A position as history keeps it.
pub(crate) fn location_sample(measured: Timestamp, seq: u64, late: bool, located: &Located) -> Sample {
    // Rounded by hand: `round` is a call into libm on the processors that we build for.
    let fixed = |degrees: f64| (degrees * FIXED_PER_DEGREE + 0.5f64.copysign(degrees)) as i64;
    let accuracy = (located.accuracy_m * PER_METRE + 0.5) as i64;
    let columns = [fixed(located.position.lat), fixed(located.position.lon), accuracy, 0];
    Sample { measured: measured.millis(), seq, late, columns }
}

/// A vital sign as history keeps it; `None` for what is not one.
pub(crate) fn vital_sample(measured: Timestamp, seq: u64, late: bool, body: &ReportBody) -> Option<Sample> {
    let columns = match *body {
        ReportBody::HeartRate { bpm } => [i64::from(bpm), 0, 0, 0],
        ReportBody::BloodPressure { systolic, diastolic, pulse, flags } => {
            // No pulse is 0, so that a pulse is one more than itself.
            let pulse = pulse.map_or(0, |pulse| i64::from(pulse) + 1);
            [i64::from(systolic), i64::from(diastolic), pulse, i64::from(flags)]
        }
        ReportBody::Spo2 { percent } | ReportBody::Battery { percent } => [i64::from(percent), 0, 0, 0],
        ReportBody::Temperature { celsius } => [(celsius * PER_KELVIN).round() as i64, 0, 0, 0],
        ReportBody::Steps { count } => [i64::from(count), 0, 0, 0],
        ReportBody::Wear { on } => [i64::from(on), 0, 0, 0],
        ReportBody::Location(_)
        | ReportBody::Fall { .. }
        | ReportBody::FallCancel
        | ReportBody::Sos { .. }
        | ReportBody::Alive
        | ReportBody::Unknown { .. } => return None,
    };
    Some(Sample { measured: measured.millis(), seq, late, columns })
}

/// A position from history; `None` when the numbers are no place on earth.
pub(crate) fn track_point(sample: &Sample) -> Option<TrackPoint> {
    let degrees = |fixed: i64| fixed as f64 / FIXED_PER_DEGREE;
    let position = Position::new(degrees(sample.columns[0]), degrees(sample.columns[1]))?;
    let located = Located { position, accuracy_m: sample.columns[2] as f32 / PER_METRE };
    Some(TrackPoint { measured: Timestamp::from_millis(sample.measured), late: sample.late, located })
}

/// A vital sign from history; `None` when the numbers are out of its type's range.
pub(crate) fn vital(kind: ReportKind, sample: &Sample) -> Option<Vital> {
    let [first, second, third, fourth] = sample.columns;
    let body = match kind {
        ReportKind::HeartRate => ReportBody::HeartRate { bpm: first.try_into().ok()? },
        ReportKind::BloodPressure => ReportBody::BloodPressure {
            systolic: first.try_into().ok()?,
            diastolic: second.try_into().ok()?,
            pulse: if third == 0 { None } else { Some((third - 1).try_into().ok()?) },
            flags: fourth.try_into().ok()?,
        },
        ReportKind::Spo2 => ReportBody::Spo2 { percent: first.try_into().ok()? },
        ReportKind::Battery => ReportBody::Battery { percent: first.try_into().ok()? },
        ReportKind::Temperature => ReportBody::Temperature { celsius: first as f32 / PER_KELVIN },
        ReportKind::Steps => ReportBody::Steps { count: first.try_into().ok()? },
        ReportKind::Wear => ReportBody::Wear { on: first != 0 },
        ReportKind::Location
        | ReportKind::Fall
        | ReportKind::FallCancel
        | ReportKind::Sos
        | ReportKind::Alive
        | ReportKind::Unknown => return None,
    };
    Some(Vital { measured: Timestamp::from_millis(sample.measured), late: sample.late, body })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{START, at, located};

    fn all(kind: ReportKind, block: &[u8]) -> Vec<Sample> {
        let mut found = BTreeMap::new();
        collect(kind, block, Timestamp::EPOCH, Timestamp::LATEST, &mut found).unwrap();
        found.into_values().collect()
    }

    #[test]
    fn golden_bytes_of_a_block() {
        let mut block = OpenBlock::new(ReportKind::Location, location_sample(at(0), 7, false, &located(0)));
        block.append(location_sample(at(1000), 9, true, &located(1)));
        let hex: String = block.value().iter().map(|byte| format!("{byte:02x}")).collect();
        expect!["010002aba20180d0eb88c068d0dfeb88c06809000e80e3baaf0280cefbdd08a001d00f05141400"].assert_eq(&hex);
    }

    #[test]
    fn a_walk_of_a_fix_a_second_takes_about_ten_bytes_a_fix() {
        let mut block = OpenBlock::new(ReportKind::Location, location_sample(at(0), 1000, false, &located(0)));
        let mut n = 1;
        while block.takes(START + i64::from(n) * 1000) {
            block.append(location_sample(at(i64::from(n) * 1000), 1000 + u64::from(n) * 64, false, &located(n)));
            n += 1;
        }
        assert_eq!(n, BLOCK_SAMPLES_MAX);
        let bytes = block.value().len() as u32;
        assert!(bytes / n <= 10, "{bytes} bytes for {n} fixes");
        assert_eq!(all(ReportKind::Location, &block.value()).len(), n as usize);
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
        ]
    }

    proptest! {
        #[test]
        fn vitals_come_back_as_they_were(body in a_vital(), offset in 0..86_399_999i64, late in any::<bool>()) {
            let kind = model::Report { event_id: None, measured: None, body: body.clone(), content_hash: 0 }.kind();
            let first = vital_sample(at(offset), 5, late, &body).unwrap();
            let mut block = OpenBlock::new(kind, first);
            block.append(Sample { seq: 6, ..first });
            let vitals: Vec<Vital> = all(kind, &block.value()).iter().filter_map(|s| vital(kind, s)).collect();
            let expected = Vital { measured: at(offset), late, body };
            prop_assert_eq!(vitals, vec![expected.clone(), expected]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut found = BTreeMap::new();
            let _ = collect(ReportKind::Location, &bytes, Timestamp::EPOCH, Timestamp::LATEST, &mut found);
            let _ = last_seq(&bytes);
        }
    }
}
