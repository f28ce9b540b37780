//! Many connections: what one that only stays costs, beside mosquitto; and a storm of devices that come back at once,
//! with an SOS in the middle of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::args::{Args, Load};
use crate::children::{Mosquitto, finish, resident_bytes, start_load};
use crate::latency::Bench;
use crate::neighbourhood::{SECRET, document};
use crate::spread::Spread;

/// Connections from one address of loopback: far from all of its ports.
const PER_ADDRESS: usize = 20_000;
/// A process that has given nothing back for so long has settled; longer than that it is not waited for.
const SETTLED_FOR: Duration = Duration::from_secs(5);
const SETTLES_WITHIN: Duration = Duration::from_secs(60);
/// How long the connections stay while memory is looked at, in seconds.
const STAY_SECONDS: f64 = 3.0;
/// How long that may take, their coming included.
const STAY_WITHIN: Duration = Duration::from_secs(300);
/// How many connections are made at a time: as many as a listener lets wait.
const AT_ONCE: usize = 256;
/// How many wearers one import takes here.
const IMPORT_WEARERS: usize = 10_000;
/// How many bracelets are there to press their SOS while the storm lasts.
const STORM_SOS_MAX: usize = 500;
/// How often each server is stormed.
const STORMS: usize = 2;
/// Open files of a process that no connection of the crowd's may take: the engine keeps 1 024 for itself.
const FILES_KEPT: u64 = 1_024 + STORM_SOS_MAX as u64;

/// Connections that only stay.
pub(crate) struct Crowd {
    pub(crate) connections: usize,
    /// How many open files a process may have, where that is why there are fewer connections than were asked for.
    pub(crate) files: Option<u64>,
    pub(crate) yinling: Stay,
    pub(crate) mosquitto: Option<Stay>,
}

/// What they cost one server.
pub(crate) struct Stay {
    /// Bytes a connection.
    pub(crate) bytes: f64,
    /// The same with half as many connections: what does not grow with them shows in the difference.
    pub(crate) bytes_of_half: f64,
    /// Seconds until all were connected.
    pub(crate) connected_s: f64,
}

/// A storm of those who come back.
pub(crate) struct Storm {
    pub(crate) devices: usize,
    /// Seconds until everybody was back.
    pub(crate) yinling_s: Spread,
    /// Empty where it is not installed.
    pub(crate) mosquitto_s: Spread,
    /// How often one had to knock again, in all storms on the server.
    pub(crate) yinling_retries: u64,
    pub(crate) mosquitto_retries: u64,
    /// From an SOS during the storms to the provider, and to the PUBACK, nanoseconds.
    pub(crate) sos: Histogram<u64>,
    pub(crate) sos_acknowledged: Histogram<u64>,
}

/// As many as were asked for, or as the open files of one process allow; then, how many files that are.
fn fitting(asked: usize) -> (usize, Option<u64>) {
    let limit = engine::open_files::raise().filter(|most| (asked as u64) + FILES_KEPT > *most);
    if let Some(limit) = limit {
        eprintln!("a process may have {limit} open files here, too few for {asked} connections (ulimit -n)");
    }
    (limit.map_or(asked, |limit| asked.min(limit.saturating_sub(FILES_KEPT) as usize)), limit)
}

/// An engine with so many devices, and some who press.
fn populated(yinling: &Path, place: &Path, devices: usize) -> anyhow::Result<Bench> {
    let (bench, _) = Bench::start(yinling, place, STORM_SOS_MAX * STORMS + 1)?;
    for first in (0..devices).step_by(IMPORT_WEARERS) {
        bench.engine().import(&document("load", first..(first + IMPORT_WEARERS).min(devices)))?;
    }
    // What the import needed and gave back would be there for the connections.
    bench.restarted(yinling)
}

pub(crate) fn measure(args: &Args, yinling: &Path, place: &Path) -> anyhow::Result<Crowd> {
    let (connections, files) = fitting(args.idle_connections);
    let bench = populated(yinling, &place.join("crowd"), connections)?;
    let yinling = stay(connections, bench.engine().mqtt, bench.engine().pid(), true)?;
    drop(bench);
    let mosquitto = match Mosquitto::start(&place.join("mosquitto-crowd"))? {
        // It may take so long to let them all in that it hangs up on the first for their silence.
        Some(mosquitto) => stay(connections, mosquitto.mqtt, mosquitto.pid(), false)
            .inspect_err(|error| eprintln!("mosquitto did not hold {connections} connections: {error:#}"))
            .ok(),
        None => None,
    };
    Ok(Crowd { connections, files, yinling, mosquitto })
}

/// Half of them come and go, then all come: in this order, memory that is given back late counts against us.
fn stay(connections: usize, address: SocketAddr, pid: u32, with_secret: bool) -> anyhow::Result<Stay> {
    let before = settled_bytes(pid)?;
    let each = |connections: usize, net: u8| -> anyhow::Result<(f64, f64)> {
        let load = generator(address, connections, STAY_SECONDS, AT_ONCE, net, with_secret);
        let mut load = start_load(&load)?;
        // The most that it held while they were there.
        let (begun, mut most) = (Instant::now(), before);
        while !load.has_ended() && begun.elapsed() < STAY_WITHIN {
            std::thread::sleep(Duration::from_millis(200));
            most = most.max(resident_bytes(pid)?);
        }
        Ok(((most - before) as f64 / connections as f64, finish(load)?.connected_s))
    };
    let (bytes_of_half, _) = each(connections / 2, 0)?;
    let (bytes, connected_s) = each(connections, 1)?;
    Ok(Stay { bytes, bytes_of_half, connected_s })
}

/// What a process holds once it gives nothing back any more of what its start needed.
fn settled_bytes(pid: u32) -> anyhow::Result<u64> {
    let begun = Instant::now();
    let mut least = resident_bytes(pid)?;
    let mut since = Instant::now();
    while since.elapsed() < SETTLED_FOR && begun.elapsed() < SETTLES_WITHIN {
        std::thread::sleep(Duration::from_millis(200));
        let now = resident_bytes(pid)?;
        if now < least {
            (least, since) = (now, Instant::now());
        }
    }
    Ok(least)
}

pub(crate) fn storm(args: &Args, yinling: &Path, place: &Path) -> anyhow::Result<Storm> {
    let (devices, _) = fitting(args.storm);
    let mut bench = populated(yinling, &place.join("storm"), devices)?;
    let mosquitto = Mosquitto::start(&place.join("mosquitto-storm"))?;
    bench.time_sos(1)?;
    let histogram = || Histogram::new_with_bounds(1, 60_000_000_000, 3);
    let mut storm = Storm {
        devices,
        yinling_s: Spread::default(),
        mosquitto_s: Spread::default(),
        yinling_retries: 0,
        mosquitto_retries: 0,
        sos: histogram()?,
        sos_acknowledged: histogram()?,
    };
    for turn in 0..STORMS {
        // A B B A; each from addresses of its own, as ports of connections that just ended are not free yet.
        for ours in [turn % 2 == 0, turn % 2 == 1] {
            let net = (2 * turn + usize::from(ours) + 2) as u8;
            if ours {
                let bracelets = bench.switch_on(STORM_SOS_MAX)?;
                let mut load = start_load(&generator(bench.engine().mqtt, devices, 0.1, devices, net, true))?;
                let (notified, acknowledged) = bench.press_each(bracelets, || load.has_ended())?;
                let loaded = finish(load)?;
                storm.yinling_s.add(loaded.connected_s);
                storm.yinling_retries += loaded.connect_retries;
                storm.sos.add(notified)?;
                storm.sos_acknowledged.add(acknowledged)?;
                eprintln!("{devices} back in {:.1} s, {} knocked again", loaded.connected_s, loaded.connect_retries);
            } else if let Some(mosquitto) = &mosquitto {
                let loaded = finish(start_load(&generator(mosquitto.mqtt, devices, 0.1, devices, net, false))?)?;
                storm.mosquitto_s.add(loaded.connected_s);
                storm.mosquitto_retries += loaded.connect_retries;
            }
        }
    }
    Ok(storm)
}

/// So many connections that stay for so long, from addresses 127.0.`net`.1 and on.
fn generator(
    address: SocketAddr,
    connections: usize,
    seconds: f64,
    at_once: usize,
    net: u8,
    with_secret: bool,
) -> Load {
    let addresses = connections.div_ceil(PER_ADDRESS).max(1) as u8;
    Load {
        address,
        connections,
        seconds,
        window: None,
        rate: None,
        from: (1..=addresses).map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, net, last))).collect(),
        at_once,
        secret: with_secret.then(|| SECRET.to_owned()),
    }
}
