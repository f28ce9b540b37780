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
/// How many wearers one import takes here.
const IMPORT_WEARERS: usize = 10_000;
/// How often an SOS is pressed during the storm, and how long the storm may take.
const STORM_SOS: usize = 20;

/// The results.
pub(crate) struct Crowd {
    pub(crate) connections: usize,
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
    let (bench, engine_mqtt) = Bench::start(yinling, &place.join("crowd"), STORM_SOS + 1)?;
    let mut bench = bench;
    let most = args.idle_connections.max(args.storm);
    for first in (0..most).step_by(IMPORT_WEARERS) {
        bench.engine().import(&document("load", first..(first + IMPORT_WEARERS).min(most)))?;
    }
    let (yinling_bytes, connected_s) = stay(args, engine_mqtt, bench.engine().pid(), true)?;
    let mosquitto = Mosquitto::start(&place.join("mosquitto-crowd"))?;
    let mosquitto_bytes = match &mosquitto {
        Some(mosquitto) => Some(stay(args, mosquitto.mqtt, mosquitto.pid(), false)?.0),
        None => None,
    };
    drop(mosquitto);
    bench.time_sos(1)?;
    let begun = Instant::now();
    let load = start_load(&generator(engine_mqtt, args.storm, STAY_SECONDS, true))?;
    let (storm_sos, _) = bench.time_sos(STORM_SOS)?;
    eprintln!("{STORM_SOS} SOS within {:.1} s of the storm", begun.elapsed().as_secs_f64());
    let storm_s = finish(load)?.connected_s;
    Ok(Crowd {
        connections: args.idle_connections,
        yinling_bytes,
        mosquitto_bytes,
        connected_s,
        storm: args.storm,
        storm_s,
        storm_sos,
    })
}

/// What a connection that stays costs, bytes, and how long they took to connect, seconds.
fn stay(args: &Args, address: SocketAddr, pid: u32, with_secret: bool) -> anyhow::Result<(f64, f64)> {
    let before = resident_bytes(pid)?;
    let load = start_load(&generator(address, args.idle_connections, STAY_SECONDS, with_secret))?;
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
    Ok(((most - before) as f64 / args.idle_connections as f64, loaded.connected_s))
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
