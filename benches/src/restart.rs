//! A start after a crash: so many wearers in the registry, so many records of the journal to read.

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};

use crate::args::{Args, Load};
use crate::children::{Engine, finish, start_load};
use crate::neighbourhood::{SECRET, document};

/// How many wearers one import takes here.
const IMPORT_WEARERS: usize = 10_000;
/// How many imports are under way at a time: one is checked while another is written.
const IMPORTS_AT_ONCE: usize = 2;
/// How many reports are written at a time, in seconds of the generator.
const FILL_SECONDS: f64 = 2.0;
/// The window while it is filled.
const WINDOW: usize = 100;
/// How often it is filled before that is given up.
const FILLS_MAX: u32 = 5_000;

/// The results.
pub(crate) struct Restart {
    pub(crate) wearers: usize,
    pub(crate) records: u64,
    /// How long the wearers took to be imported.
    pub(crate) imported: Duration,
    pub(crate) took: Duration,
}

pub(crate) fn measure(args: &Args, yinling: &Path, place: &Path) -> anyhow::Result<Restart> {
    // No checkpoint of the hot state shortens what is to be read.
    let config = format!("[journal]\ncheckpoint_records = {}\n", args.restart_records.saturating_mul(2).max(1_000));
    let engine = Engine::start(yinling, &place.join("restart"), &config)?;
    let wearers = args.restart_wearers.max(args.connections);
    let begun = Instant::now();
    import(&engine, wearers)?;
    let imported = begun.elapsed();
    eprintln!("{wearers} wearers imported in {:.1} s", imported.as_secs_f64());
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
    Ok(Restart { wearers, records, imported, took })
}

/// Imports so many wearers in parts.
fn import(engine: &Engine, wearers: usize) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let turn = || loop {
        let first = next.fetch_add(IMPORT_WEARERS, Relaxed);
        if first >= wearers {
            return Ok(());
        }
        engine.import(&document("load", first..(first + IMPORT_WEARERS).min(wearers)))?;
    };
    std::thread::scope(|scope| {
        let turns: Vec<_> = (0..IMPORTS_AT_ONCE).map(|_| scope.spawn(turn)).collect();
        turns.into_iter().try_for_each(|turn| turn.join().map_err(|_| anyhow!("an import panicked"))?)
    })
}
