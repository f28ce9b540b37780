//! History in blocks: up to [`BLOCK_SAMPLES_MAX`] samples of one wearer and one kind on one day, each sample as the
//! difference to the one before. A fix takes 9 to 12 bytes.
//!
//! Positions are kept in 1e-7 degrees (a centimetre), accuracies in decimetres, temperatures in hundredths. Each
//! sample carries its record's sequence number, so that one that was projected twice (after a crash) is told
//! apart from one that was measured twice; and which device said so and how long after measuring it was decided on, so
//! that what was heard of a wearer can be gone through again as it came.
//!
//! Blocks stand in a shelf for each day and sort of history: how long a sort is kept is decided by dropping shelves.

use model::report::Consciousness;
use model::{Located, Position, ReportBody, ReportKind, Timestamp};

use super::{TrackPoint, Vital};
use crate::codec::bad;
use crate::codec::telemetry::{Bytes, put_signed, put_unsigned};
use crate::error::StoreError;

/// A block that has so many samples is full.
pub(crate) const BLOCK_SAMPLES_MAX: u32 = 128;
/// A block that has grown to this is full, too: sled's values are to stay below 4 KiB.
const BLOCK_BYTES_MAX: usize = 3 << 10;
const DAY_MILLIS: i64 = 86_400_000;
const COLUMNS_MAX: usize = 4;

/// How many devices may speak in one block; one more begins the next.
const BLOCK_DEVICES_MAX: usize = 8;
/// The present version of a block.
const BLOCK_SCHEMA: u8 = 2;

/// What is kept for the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    Positions = 0,
    Vitals = 1,
    Device = 2,
}

const SORT_BITS: u32 = 2;

impl Sort {
    fn of(kind: ReportKind) -> Sort {
        match kind {
            ReportKind::Location => Sort::Positions,
            ReportKind::HeartRate
            | ReportKind::BloodPressure
            | ReportKind::Spo2
            | ReportKind::Temperature
            | ReportKind::Respiration
            | ReportKind::Consciousness
            | ReportKind::Fall
            | ReportKind::FallCancel
            | ReportKind::Sos => Sort::Vitals,
            ReportKind::Steps | ReportKind::Battery | ReportKind::Wear | ReportKind::Alive | ReportKind::Unknown => {
                Sort::Device
            }
        }
    }
}

/// The shelf of a kind's history of a day.
pub(crate) fn shelf_of(kind: ReportKind, day: u32) -> u32 {
    (day << SORT_BITS) | Sort::of(kind) as u32
}

/// The day of a shelf, and what stands in it; `None` for a number that is none.
pub(crate) fn of_shelf(shelf: u32) -> Option<(u32, Sort)> {
    let sorts = [Sort::Positions, Sort::Vitals, Sort::Device];
    let sort = sorts.into_iter().find(|sort| *sort as u32 == shelf & ((1 << SORT_BITS) - 1))?;
    Some((shelf >> SORT_BITS, sort))
}

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
    /// When it was decided on, milliseconds after it was measured.
    pub(crate) delay: i64,
    pub(crate) columns: [i64; COLUMNS_MAX],
}

impl Sample {
    fn before_the_first_of(day: u32) -> Sample {
        Sample { measured: i64::from(day) * DAY_MILLIS, seq: 0, late: false, delay: 0, columns: [0; COLUMNS_MAX] }
    }
}

/// When something was heard of a wearer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) measured: Timestamp,
    pub(crate) late: bool,
}

impl Heard {
    fn sample(self, columns: [i64; COLUMNS_MAX]) -> Sample {
        let Heard { seq, at, measured, late } = self;
        Sample { measured: measured.millis(), seq, late, delay: at.millis() - measured.millis(), columns }
    }
}

/// The block that a wearer's samples of one kind go to at present.
#[derive(Debug)]
pub(crate) struct OpenBlock {
    pub(crate) kind: ReportKind,
    day: u32,
    /// Who speaks in it, in the order of their first word, and who spoke last.
    devices: Vec<Box<[u8]>>,
    device: usize,
    first: Sample,
    last: Sample,
    measured_min: i64,
    measured_max: i64,
    count: u32,
    samples: Vec<u8>,
}

impl OpenBlock {
    pub(crate) fn new(kind: ReportKind, sample: Sample, device: &[u8]) -> OpenBlock {
        OpenBlock::in_buffer(kind, sample, Vec::new(), vec![device.into()])
    }

    fn in_buffer(kind: ReportKind, sample: Sample, samples: Vec<u8>, devices: Vec<Box<[u8]>>) -> OpenBlock {
        let day = day_of(Timestamp::from_millis(sample.measured));
        let mut block = OpenBlock {
            kind,
            day,
            devices,
            device: 0,
            first: sample,
            last: Sample::before_the_first_of(day),
            measured_min: sample.measured,
            measured_max: sample.measured,
            count: 0,
            samples,
        };
        block.put(sample, 0);
        block
    }

    /// Begins anew with a sample, in the same memory.
    pub(crate) fn restart(&mut self, sample: Sample, device: &[u8]) {
        let (mut samples, mut devices) = (std::mem::take(&mut self.samples), std::mem::take(&mut self.devices));
        samples.clear();
        let known = devices.iter().position(|known| **known == *device);
        match known {
            // Nearly always the one that there is.
            Some(0) => devices.truncate(1),
            _ => devices = vec![device.into()],
        }
        *self = OpenBlock::in_buffer(self.kind, sample, samples, devices);
    }

    /// The shelf that it stands in.
    pub(crate) fn shelf(&self) -> u32 {
        shelf_of(self.kind, self.day)
    }

    /// Appends a sample, unless the block is full or not for its day.
    pub(crate) fn append(&mut self, sample: Sample, device: &[u8]) -> bool {
        let takes = self.count < BLOCK_SAMPLES_MAX
            && self.samples.len() < BLOCK_BYTES_MAX
            && sample.measured / DAY_MILLIS == i64::from(self.day);
        if !takes {
            return false;
        }
        if *self.devices[self.device] == *device {
            self.put(sample, self.device);
            return true;
        }
        let known = self.devices.iter().position(|known| **known == *device);
        if known.is_none() && self.devices.len() == BLOCK_DEVICES_MAX {
            return false;
        }
        let place = known.unwrap_or_else(|| {
            self.devices.push(device.into());
            self.devices.len() - 1
        });
        self.put(sample, place);
        true
    }

    fn put(&mut self, sample: Sample, device: usize) {
        let is_other = device != self.device;
        let out = &mut self.samples;
        put_signed(out, sample.measured - self.last.measured);
        // Sequence numbers only ascend within a block.
        let step = sample.seq.saturating_sub(self.last.seq) << 2;
        put_unsigned(out, step | (u64::from(is_other) << 1) | u64::from(sample.late));
        if is_other {
            out.push(device as u8);
        }
        put_signed(out, sample.delay - self.last.delay);
        for column in 0..columns(self.kind) {
            put_signed(out, sample.columns[column] - self.last.columns[column]);
        }
        self.measured_min = self.measured_min.min(sample.measured);
        self.measured_max = self.measured_max.max(sample.measured);
        (self.last, self.device) = (sample, device);
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
        out.extend_from_slice(&[BLOCK_SCHEMA, self.kind as u8]);
        put_unsigned(&mut out, u64::from(self.count));
        put_unsigned(&mut out, u64::from(self.day));
        put_signed(&mut out, self.measured_min);
        put_signed(&mut out, self.measured_max);
        put_unsigned(&mut out, self.last.seq);
        out.push(self.devices.len() as u8);
        for device in &self.devices {
            put_unsigned(&mut out, device.len() as u64);
            out.extend_from_slice(device);
        }
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
        ReportKind::FallCancel | ReportKind::Sos | ReportKind::Alive | ReportKind::Unknown => 0,
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
    if schema != BLOCK_SCHEMA || kind.is_some_and(|kind| kind as u8 != kind_byte) {
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

/// Hands over the samples of a block that were measured from `from` up to, not including, `to`, with their devices.
pub(crate) fn each(
    kind: ReportKind,
    block: &[u8],
    from: Timestamp,
    to: Timestamp,
    visit: &mut dyn FnMut(Sample, &[u8]),
) -> Result<(), StoreError> {
    let mut bytes = Bytes::new(block);
    let damaged = || bad("history block", format!("{} bytes that are none", block.len()));
    let header = read_header(&mut bytes, Some(kind)).ok_or_else(damaged)?;
    let (from, to) = (from.millis(), to.millis());
    if header.measured_max < from || header.measured_min >= to {
        return Ok(());
    }
    let mut devices: SmallDevices<'_> = [&[]; BLOCK_DEVICES_MAX];
    let count = usize::from(bytes.byte().ok_or_else(damaged)?);
    for device in devices.get_mut(..count).ok_or_else(damaged)? {
        let length = bytes.unsigned().and_then(|length| usize::try_from(length).ok());
        *device = length.and_then(|length| bytes.take(length)).ok_or_else(damaged)?;
    }
    let mut last = Sample::before_the_first_of(u32::try_from(header.day).map_err(|_| damaged())?);
    let mut device = 0;
    for _ in 0..header.count {
        last = read_sample(&mut bytes, kind, last, &mut device).ok_or_else(damaged)?;
        let device = devices[..count].get(device).ok_or_else(damaged)?;
        if (from..to).contains(&last.measured) {
            visit(last, device);
        }
    }
    if bytes.is_empty() { Ok(()) } else { Err(damaged()) }
}

type SmallDevices<'b> = [&'b [u8]; BLOCK_DEVICES_MAX];

fn read_sample(bytes: &mut Bytes<'_>, kind: ReportKind, last: Sample, device: &mut usize) -> Option<Sample> {
    let measured = last.measured.checked_add(bytes.signed()?)?;
    let step = bytes.unsigned()?;
    if step & 2 != 0 {
        *device = usize::from(bytes.byte()?);
    }
    let (seq, delay) = (last.seq.checked_add(step >> 2)?, last.delay.checked_add(bytes.signed()?)?);
    let mut sample = Sample { measured, seq, late: step & 1 == 1, delay, columns: last.columns };
    for column in &mut sample.columns[..columns(kind)] {
        *column = column.checked_add(bytes.signed()?)?;
    }
    Some(sample)
}

const FIXED_PER_DEGREE: f64 = 1e7;
const PER_METRE: f32 = 10.0;
const PER_KELVIN: f32 = 100.0;

/// A position as history keeps it.
pub(crate) fn location_sample(heard: Heard, located: &Located) -> Sample {
    // Rounded by hand: `round` is a call into libm on the processors that we build for.
    let fixed = |degrees: f64| (degrees * FIXED_PER_DEGREE + 0.5f64.copysign(degrees)) as i64;
    let accuracy = (located.accuracy_m * PER_METRE + 0.5) as i64;
    heard.sample([fixed(located.position.lat), fixed(located.position.lon), accuracy, 0])
}

/// Anything but a position as history keeps it; `None` for a position.
pub(crate) fn vital_sample(heard: Heard, body: &ReportBody) -> Option<(ReportKind, Sample)> {
    let (kind, columns) = match *body {
        ReportBody::HeartRate { bpm } => (ReportKind::HeartRate, [i64::from(bpm), 0, 0, 0]),
        ReportBody::BloodPressure { systolic, diastolic, pulse, flags } => {
            // No pulse is 0, so that a pulse is one more than itself.
            let pulse = pulse.map_or(0, |pulse| i64::from(pulse) + 1);
            (ReportKind::BloodPressure, [i64::from(systolic), i64::from(diastolic), pulse, i64::from(flags)])
        }
        ReportBody::Spo2 { percent } => (ReportKind::Spo2, [i64::from(percent), 0, 0, 0]),
        ReportBody::Battery { percent } => (ReportKind::Battery, [i64::from(percent), 0, 0, 0]),
        ReportBody::Temperature { celsius } => {
            (ReportKind::Temperature, [(celsius * PER_KELVIN).round() as i64, 0, 0, 0])
        }
        ReportBody::Steps { count } => (ReportKind::Steps, [i64::from(count), 0, 0, 0]),
        ReportBody::Wear { on } => (ReportKind::Wear, [i64::from(on), 0, 0, 0]),
        ReportBody::Respiration { per_minute } => (ReportKind::Respiration, [i64::from(per_minute), 0, 0, 0]),
        ReportBody::Consciousness { level } => (ReportKind::Consciousness, [level as i64, 0, 0, 0]),
        ReportBody::Fall { confidence, .. } => {
            // None is 0, so that a confidence is one more than itself, in thousandths.
            let thousandths = confidence.map_or(0, |confidence| (confidence * 1000.0).round() as i64 + 1);
            (ReportKind::Fall, [thousandths, 0, 0, 0])
        }
        ReportBody::FallCancel => (ReportKind::FallCancel, [0; COLUMNS_MAX]),
        ReportBody::Sos { .. } => (ReportKind::Sos, [0; COLUMNS_MAX]),
        ReportBody::Alive => (ReportKind::Alive, [0; COLUMNS_MAX]),
        ReportBody::Unknown { .. } => (ReportKind::Unknown, [0; COLUMNS_MAX]),
        ReportBody::Location(_) => return None,
    };
    Some((kind, heard.sample(columns)))
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
    let body = body(kind, sample)?;
    Some(Vital { measured: Timestamp::from_millis(sample.measured), late: sample.late, body })
}

/// What was said, without the place; of what is not known, that something was.
pub(crate) fn body(kind: ReportKind, sample: &Sample) -> Option<ReportBody> {
    let [first, second, third, fourth] = sample.columns;
    Some(match kind {
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
        ReportKind::Respiration => ReportBody::Respiration { per_minute: first.try_into().ok()? },
        ReportKind::Consciousness => {
            ReportBody::Consciousness { level: Consciousness::numbered(first.try_into().ok()?)? }
        }
        ReportKind::Fall => {
            let confidence = (first > 0).then(|| (first - 1) as f32 / 1000.0);
            ReportBody::Fall { confidence, fix: None }
        }
        ReportKind::FallCancel => ReportBody::FallCancel,
        ReportKind::Sos => ReportBody::Sos { fix: None },
        ReportKind::Alive | ReportKind::Unknown => ReportBody::Alive,
        ReportKind::Location => return None,
    })
}

#[cfg(test)]
mod tests;
