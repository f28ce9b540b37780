//! A start after a crash: so many wearers in the registry, so many records of the journal to read.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;

use crate::args::{Args, Load};
use crate::children::{Engine, finish, start_load};
use crate::neighbourhood::{SECRET, document};

/// How many wearers one import takes here.
const IMPORT_WEARERS: usize = 10_000;
/// How many reports are written at a time, in seconds of the generator.
const FILL_SECONDS: f64 = 10.0;
/// The window while it is filled.
const WINDOW: usize = 100;
/// How often it is filled before that is given up.
const FILLS_MAX: u32 = 1_000;

/// The results.
pub(crate) struct Restart {
    pub(crate) wearers: usize,
    pub(crate) records: u64,
    pub(crate) took: Duration,
}

pub(crate) fn measure(args: &Args, yinling: &Path, place: &Path) -> anyhow::Result<Restart> {
    // No checkpoint of the hot state shortens what is to be read.
    let config = format!("[journal]\ncheckpoint_records = {}\n", args.restart_records.saturating_mul(2).max(1_000));
    let engine = Engine::start(yinling, &place.join("restart"), &config)?;
    let wearers = args.restart_wearers.max(args.connections);
    for first in (0..wearers).step_by(IMPORT_WEARERS) {
        engine.import(&document("load", first..(first + IMPORT_WEARERS).min(wearers)))?;
    }
    let mut records = 0;
    for _ in 0..FILLS_MAX {
        if records >= args.restart_records {
            break;
        }
        let loaded = finish(start_load(&Load {
            address: engine.mqtt,
            connections: args.connections,
            seconds: FILL_SECONDS,
            window: Some(WINDOW),
            rate: None,
            from: Vec::new(),
            at_once: 1,
            secret: Some(SECRET.to_owned()),
        })?)?;
        records += (loaded.rate * FILL_SECONDS) as u64;
    }
    ensure!(records >= args.restart_records, "only {records} records after {FILLS_MAX} turns");
    let (engine, took) = engine.restart(yinling)?;
    drop(engine);
    eprintln!("{wearers} wearers, {records} records: serving after {:.1} s", took.as_secs_f64());
    Ok(Restart { wearers, records, took })
}
