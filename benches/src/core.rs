//! The rule core: what one report costs on one thread from its JSON bytes to the journal's bytes, without sockets and
//! disk. Every stage is timed over whole parcels, as the engine works: decoding, deciding (admission, fences, rules),
//! encoding.

use std::time::{Duration, Instant};

use engine::pipeline::Pipeline;
use engine::registry;
use ingest::{Format, Limits};
use model::{Actor, DeviceId, Input, OrgPath, PersonId, Report, Role, StaffCommand, Timestamp};

use crate::args::Args;
use crate::neighbourhood;

/// How many wearers are imported at once.
const IMPORT_WEARERS: usize = 5_000;
/// When the measured day begins.
const START_MILLIS: i64 = 1_795_305_600_000;

/// What was measured; durations are per report.
pub(crate) struct Core {
    pub(crate) wearers: usize,
    pub(crate) parcel_reports: usize,
    pub(crate) decode: Duration,
    pub(crate) decide: Duration,
    pub(crate) encode: Duration,
}

impl Core {
    /// Decode and decide: the number that DESIGN asks for.
    pub(crate) fn reports_per_second(&self) -> f64 {
        1.0 / (self.decode + self.decide).as_secs_f64()
    }
}

/// As many wearers as asked for, one report of each at a time; and 64 that send a hundred at once, as the ingest runs do.
pub(crate) fn measure_all(args: &Args) -> anyhow::Result<Vec<Core>> {
    Ok(vec![measure(64, 100, 3_000_000)?, measure(args.wearers, 1, 2_000_000)?])
}

/// How many parcels are taken from the inbox at once, as the main loop does.
const PARCELS_TOGETHER: usize = 32;

/// One device's reports, received together.
struct Parcel<'a, T> {
    device: &'a DeviceId,
    received: Timestamp,
    items: Vec<T>,
}

/// Runs `reports` reports of `wearers` wearers, `parcel_reports` of each one at a time; before that, not timed, one parcel
/// of each: a device's first report makes room for its repeat window, which is no steady state.
fn measure(wearers: usize, parcel_reports: usize, reports: usize) -> anyhow::Result<Core> {
    let begun = Instant::now();
    let mut pipeline = pipeline(wearers)?;
    eprintln!("{wearers} wearers registered in {:.1} s", begun.elapsed().as_secs_f64());
    let devices: Vec<DeviceId> = (0..wearers).map(|number| DeviceId::new(&device(number))).collect();
    let (mut records, mut batch) = (Vec::new(), store::Batch::new());
    let (mut decode, mut decide, mut encode) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut number, mut first_timed) = (0, 0);
    let groups_before = wearers.div_ceil(PARCELS_TOGETHER);
    for group in 0..groups_before + reports / parcel_reports / PARCELS_TOGETHER {
        if group == groups_before {
            (decode, decide, encode) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
            first_timed = number;
        }
        let payloads: Vec<Parcel<'_, String>> = (0..PARCELS_TOGETHER)
            .map(|place| {
                let parcel = group * PARCELS_TOGETHER + place;
                let received = Timestamp::from_millis(START_MILLIS + parcel as i64);
                let first = number;
                number += parcel_reports;
                let items = (first..number).map(|number| payload(number + 1, received)).collect();
                // A stride that is prime to everything here: neighbours in time are strangers in memory.
                Parcel { device: &devices[(parcel * 7_919) % wearers], received, items }
            })
            .collect();
        let began = Instant::now();
        let decoded: Vec<Parcel<'_, Report>> = payloads
            .iter()
            .map(|Parcel { device, received, items }| {
                let limits = Limits::default();
                let reports = items.iter().flat_map(|json| ingest::decode(Format::Json, json.as_bytes(), &limits));
                Parcel { device, received: *received, items: reports.flatten().collect() }
            })
            .collect();
        decode += began.elapsed();
        let began = Instant::now();
        let mut decided = Vec::with_capacity(PARCELS_TOGETHER * parcel_reports);
        pipeline.foresee_devices(decoded.iter().map(|parcel| parcel.device));
        for Parcel { device, received, items } in &decoded {
            if items.len() > 1 {
                pipeline.foresee(device, items.iter().map(|report| (report, *received)));
            }
            for report in items {
                if let Some(plain) = pipeline.decide_report(device, report, *received, &mut records) {
                    decided.push((*device, plain, report));
                }
            }
        }
        decide += began.elapsed();
        anyhow::ensure!(records.is_empty(), "a report led to something: {records:?}");
        let began = Instant::now();
        for (device, plain, report) in &decided {
            batch.push_report(plain.at, device, report, plain.observed.as_ref())?;
        }
        encode += began.elapsed();
        if batch.bytes() > 1 << 20 {
            batch.clear();
        }
    }
    let each = |total: Duration| total / (number - first_timed).max(1) as u32;
    Ok(Core { wearers, parcel_reports, decode: each(decode), decide: each(decide), encode: each(encode) })
}

fn device(number: usize) -> String {
    format!("core{number:06}")
}

/// What the ingest runs send.
fn payload(number: usize, at: Timestamp) -> String {
    let (lat, lon) = (number % 10_000, number * 7 % 10_000);
    format!(
        r#"{{"type":"location","id":"1795305600-{number}","t":{},"lat":31.82{lat:04},"lon":117.22{lon:04},"acc":8}}"#,
        at.millis()
    )
}

fn pipeline(wearers: usize) -> anyhow::Result<Pipeline> {
    let zone = chrono_tz::Asia::Shanghai;
    let mut pipeline = Pipeline::new(zone);
    let mut records = Vec::new();
    for from in (0..wearers).step_by(IMPORT_WEARERS) {
        let document = neighbourhood::document("core", from..wearers.min(from + IMPORT_WEARERS));
        let change = registry::validate_alone(document.to_string().as_bytes(), zone)
            .map_err(|errors| anyhow::anyhow!("the registry is not valid: {errors:?}"))?;
        let command = StaffCommand::Import(Box::new(change));
        let actor = Actor { person: PersonId::new("bench"), role: Role::Admin, scope: OrgPath::new("/") };
        let input = Input::Command { actor, idempotency_key: None, command };
        pipeline.decide(input, Timestamp::from_millis(START_MILLIS), &mut records);
        records.clear();
    }
    Ok(pipeline)
}
