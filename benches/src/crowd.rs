//! Many connections: what one that only stays costs, beside mosquitto; and a storm of devices that come back at once,
//! with an SOS in the middle of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;

use crate::args::{Args, Load};
use crate::children::{Mosquitto, finish, resident_bytes, start_load};
use crate::latency::Bench;
use crate::neighbourhood::{SECRET, document};

/// Connections from one address of loopback: it has about 28 000 ports to one server.
const PER_ADDRESS: usize = 20_000;
/// How long the connections stay while memory is looked at, in seconds.
const STAY_SECONDS: f64 = 8.0;
/// How many connections are made at a time: as many as a listener lets wait.
const AT_ONCE: usize = 256;
/// How many knock at the same moment in the storm; the generator does not try again whom the door hung up on.
const STORM_AT_ONCE: usize = 1_024;
/// How many wearers one import takes here.
const IMPORT_WEARERS: usize = 10_000;
/// How many bracelets connect at a time to press their SOS while the storm lasts, and how many there are.
const STORM_SOS: usize = 5;
const STORM_SOS_MAX: usize = 500;
/// Open files of a process that no connection of the crowd's may take: the engine keeps 1 024 for itself.
const FILES_KEPT: u64 = 1_024 + STORM_SOS_MAX as u64;

/// The results.
pub(crate) struct Crowd {
    pub(crate) connections: usize,
    /// How many open files a process may have, where that is why there are fewer connections than were asked for.
    pub(crate) files: Option<u64>,
    /// Bytes a connection.
    pub(crate) yinling_bytes: f64,
    pub(crate) mosquitto_bytes: Option<f64>,
    /// Seconds until all were connected.
    pub(crate) connected_s: f64,
    pub(crate) storm: usize,
    /// Seconds until everybody was back.
    pub(crate) storm_s: f64,
    /// From an SOS during the storm to the provider, nanoseconds.
    pub(crate) storm_sos: Histogram<u64>,
}

pub(crate) fn measure(args: &Args, yinling: &Path, place: &Path) -> anyhow::Result<Crowd> {
    let limit = engine::open_files::raise().filter(|most| (args.idle_connections as u64) + FILES_KEPT > *most);
    let most = limit.map_or(usize::MAX, |limit| limit.saturating_sub(FILES_KEPT) as usize);
    let (connections, storm) = (args.idle_connections.min(most), args.storm.min(most));
    if let Some(limit) = limit {
        eprintln!("a process may have {limit} open files here: {connections} connections (ulimit -n)");
    }
    let (bench, _) = Bench::start(yinling, &place.join("crowd"), STORM_SOS_MAX + 1)?;
    for first in (0..connections.max(storm)).step_by(IMPORT_WEARERS) {
        bench.engine().import(&document("load", first..(first + IMPORT_WEARERS).min(connections.max(storm))))?;
    }
    // What the import needed and gave back would be there for the connections.
    let mut bench = bench.restarted(yinling)?;
    let mqtt = bench.engine().mqtt;
    let (yinling_bytes, connected_s) = stay(connections, mqtt, bench.engine().pid(), true)?;
    let mosquitto = Mosquitto::start(&place.join("mosquitto-crowd"))?;
    let mosquitto_bytes = match &mosquitto {
        Some(mosquitto) => Some(stay(connections, mosquitto.mqtt, mosquitto.pid(), false)?.0),
        None => None,
    };
    drop(mosquitto);
    bench.time_sos(1)?;
    // From addresses of its own: ports of connections that were there a moment ago are not free yet.
    let from = generator(mqtt, storm, 0.1, true).from.len() as u8;
    let from = (1..=from).map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 1, last))).collect();
    let mut load = start_load(&Load { at_once: STORM_AT_ONCE, from, ..generator(mqtt, storm, 0.1, true) })?;
    let mut storm_sos = Histogram::new_with_bounds(1, 60_000_000_000, 3)?;
    while !load.has_ended() && storm_sos.len() < STORM_SOS_MAX as u64 {
        storm_sos.add(bench.time_sos(STORM_SOS)?.0)?;
    }
    let storm_s = finish(load)?.connected_s;
    let files = limit;
    Ok(Crowd { connections, files, yinling_bytes, mosquitto_bytes, connected_s, storm, storm_s, storm_sos })
}

/// What a connection that stays costs, bytes, and how long they took to connect, seconds.
fn stay(connections: usize, address: SocketAddr, pid: u32, with_secret: bool) -> anyhow::Result<(f64, f64)> {
    let before = resident_bytes(pid)?;
    let load = start_load(&generator(address, connections, STAY_SECONDS, with_secret))?;
    // The most that it held while they were there.
    let begun = Instant::now();
    let mut most = before;
    let mut load = Some(load);
    loop {
        std::thread::sleep(Duration::from_millis(200));
        most = most.max(resident_bytes(pid)?);
        if load.as_mut().context("there is a generator")?.has_ended() || begun.elapsed() > Duration::from_secs(300) {
            break;
        }
    }
    let loaded = finish(load.take().context("there is a generator")?)?;
    Ok(((most - before) as f64 / connections as f64, loaded.connected_s))
}

fn generator(address: SocketAddr, connections: usize, seconds: f64, with_secret: bool) -> Load {
    let addresses = connections.div_ceil(PER_ADDRESS).max(1) as u8;
    Load {
        address,
        connections,
        seconds,
        window: None,
        rate: None,
        from: (1..=addresses).map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))).collect(),
        at_once: AT_ONCE,
        secret: with_secret.then(|| SECRET.to_owned()),
    }
}
