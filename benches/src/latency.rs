//! From the SOS to the first byte of the first notification at the provider, beside the disk's own fdatasync.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use simulator::dice::Dice;

use crate::args::{Args, Load};
use crate::children::{Engine, Loaded, finish, start_load};
use crate::disk::time_syncs;
use crate::gateway::{self, Arrival};
use crate::loopback::time_round_trips;
use crate::neighbourhood::{SECRET, document};

/// Commits of the disk that are timed before and after each half of the idle runs.
const SYNCS: u64 = 1_000;
/// How long a notification is waited for, in seconds.
const NOTIFIED_SECONDS_MAX: u64 = 20;
/// After one SOS the next waits until nothing came to the gateway for this long, in milliseconds…
const QUIET_MS: u64 = 15;
/// …and a random time up to this, so that no rhythm of the engine is hit by chance.
const PAUSE_MS_MAX: f64 = 20.0;
/// The background load runs in before the first SOS, in seconds.
const RUN_IN_SECONDS: u64 = 2;
/// What one SOS takes at most on average; decides how long the background load lasts, in seconds.
const SOS_SECONDS: f64 = 0.08;

/// The results; nanoseconds.
pub(crate) struct Latency {
    pub(crate) loopback: Histogram<u64>,
    pub(crate) disk: Histogram<u64>,
    pub(crate) idle: Histogram<u64>,
    pub(crate) idle_acknowledged: Histogram<u64>,
    pub(crate) loaded: Histogram<u64>,
    /// The background as it was asked for and as it came out.
    pub(crate) background: f64,
    pub(crate) background_was: Loaded,
}

/// `peak`: the highest ingest rate that was measured, half of which is the background.
pub(crate) fn measure(args: &Args, yinling: &Path, place: &Path, peak: Option<f64>) -> anyhow::Result<Latency> {
    let (mut bench, _) = Bench::start(yinling, &place.join("latency"), args.sos * 2 + 1)?;
    bench.engine.import(&document("load", 0..args.connections))?;
    // The first message opens the connection to the provider, the pages of the binary, the files.
    bench.time_sos(1)?;

    let loopback = time_round_trips()?;
    let mut disk = time_syncs(place, SYNCS)?;
    let (mut idle, mut idle_acknowledged) = bench.time_sos(args.sos / 2)?;
    disk.add(time_syncs(place, SYNCS)?)?;
    let (more, more_acknowledged) = bench.time_sos(args.sos - args.sos / 2)?;
    idle.add(more)?;
    idle_acknowledged.add(more_acknowledged)?;
    disk.add(time_syncs(place, SYNCS)?)?;
    report("idle", &idle);

    let background = peak.map_or(args.background, |peak| peak / 2.0);
    let load = start_load(&Load {
        address: bench.engine.mqtt,
        connections: args.connections,
        seconds: RUN_IN_SECONDS as f64 + args.sos as f64 * SOS_SECONDS,
        window: None,
        rate: Some(background),
        from: Vec::new(),
        at_once: 1,
        secret: Some(SECRET.to_owned()),
    })?;
    std::thread::sleep(Duration::from_secs(RUN_IN_SECONDS));
    let (loaded, _) = bench.time_sos(args.sos)?;
    report("half load", &loaded);
    let background_was = finish(load)?;
    Ok(Latency { loopback, disk, idle, idle_acknowledged, loaded, background, background_was })
}

fn report(name: &str, times: &Histogram<u64>) {
    let ms = |quantile| times.value_at_quantile(quantile) as f64 / 1e6;
    eprintln!("SOS → provider, {name}: p50 {:.3} ms  p99 {:.3} ms  max {:.3} ms", ms(0.5), ms(0.99), ms(1.0));
}

pub(crate) struct Bench {
    engine: Engine,
    arrivals: Receiver<Arrival>,
    /// Incidents that the gateway has heard of.
    seen: BTreeSet<String>,
    dice: Dice,
    next: usize,
}

impl Bench {
    /// An engine with a gateway, and so many bracelets that can press.
    pub(crate) fn start(yinling: &Path, place: &Path, bracelets: usize) -> anyhow::Result<(Bench, SocketAddr)> {
        let (address, arrivals) = gateway::start()?;
        let channel = |name: &str| {
            format!("[channels.{name}]\nkind = \"gateway\"\nurl = \"http://{address}/\"\nsecret = \"bench\"\n")
        };
        let config = ["sms", "voice", "push"].map(channel).concat();
        let engine = Engine::start(yinling, place, &config)?;
        engine.import(&document("sos", 0..bracelets))?;
        let mqtt = engine.mqtt;
        let dice = Dice::new(1, "latency");
        Ok((Bench { engine, arrivals, seen: BTreeSet::new(), dice, next: 0 }, mqtt))
    }

    /// The same, its engine killed and started again.
    pub(crate) fn restarted(self, yinling: &Path) -> anyhow::Result<Bench> {
        let (engine, _) = self.engine.restart(yinling)?;
        Ok(Bench { engine, ..self })
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Presses SOS on `count` bracelets that were not pressed before, one after the other: to the gateway's first
    /// byte, and to the PUBACK.
    pub(crate) fn time_sos(&mut self, count: usize) -> anyhow::Result<(Histogram<u64>, Histogram<u64>)> {
        let histogram = || Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3);
        let (mut notified, mut acknowledged) = (histogram()?, histogram()?);
        let mut bracelets = (self.next..self.next + count)
            .map(|number| connect(self.engine.mqtt, &format!("sos{number:06}")))
            .collect::<anyhow::Result<Vec<_>>>()?;
        self.next += count;
        for (number, (socket, publish)) in bracelets.iter_mut().enumerate() {
            self.settle()?;
            let pressed = Instant::now();
            socket.write_all(publish)?;
            let first = self.first_arrival().with_context(|| format!("after SOS {number}"))?;
            notified.saturating_record(nanos(first.saturating_duration_since(pressed)));
            let mut puback = [0_u8; 4];
            socket.read_exact(&mut puback)?;
            ensure!(puback[0] == 0x40, "not a PUBACK: {puback:?}");
            acknowledged.saturating_record(nanos(pressed.elapsed()));
        }
        Ok((notified, acknowledged))
    }

    /// Waits until the gateway is quiet, and a random moment more.
    fn settle(&mut self) -> anyhow::Result<()> {
        loop {
            match self.arrivals.recv_timeout(Duration::from_millis(QUIET_MS)) {
                Ok(arrival) => drop(self.seen.insert(arrival.incident)),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the gateway is gone"),
            }
        }
        std::thread::sleep(Duration::from_secs_f64(self.dice.between(0.0, PAUSE_MS_MAX) / 1000.0));
        Ok(())
    }

    /// The first byte of the first request for an incident that is new.
    fn first_arrival(&mut self) -> anyhow::Result<Instant> {
        loop {
            let arrival =
                self.arrivals.recv_timeout(Duration::from_secs(NOTIFIED_SECONDS_MAX)).context("nobody was notified")?;
            if self.seen.insert(arrival.incident) {
                return Ok(arrival.at);
            }
        }
    }
}

/// A bracelet on a blocking socket, and its SOS, ready to be written.
pub(crate) fn connect(door: SocketAddr, id: &str) -> anyhow::Result<(TcpStream, Vec<u8>)> {
    const KEEP_ALIVE_SECONDS: [u8; 2] = 1_000_u16.to_be_bytes();
    let mut socket = TcpStream::connect(door)?;
    socket.set_nodelay(true)?;
    let mut connect = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0xC2];
    connect.extend(KEEP_ALIVE_SECONDS);
    for text in [id, id, SECRET] {
        push_text(&mut connect, text);
    }
    socket.write_all(&packet(0x10, &connect))?;
    let mut connack = [0_u8; 4];
    socket.read_exact(&mut connack)?;
    ensure!(connack[3] == 0, "{id} was refused: CONNACK code {}", connack[3]);
    let sos = r#"{"type":"sos","id":"1","lat":31.825,"lon":117.225}"#;
    Ok((socket, publish_packet(&format!("yl/v1/{id}/up/json"), sos)))
}

/// A connection to a broker without credentials.
pub(crate) fn connect_broker(broker: SocketAddr, id: &str) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(broker)?;
    socket.set_nodelay(true)?;
    let mut connect = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0x02, 3, 0xE8];
    push_text(&mut connect, id);
    socket.write_all(&packet(0x10, &connect))?;
    let mut connack = [0_u8; 4];
    socket.read_exact(&mut connack)?;
    ensure!(connack[3] == 0, "{id} was refused: CONNACK code {}", connack[3]);
    Ok(socket)
}

/// A PUBLISH at QoS 1.
pub(crate) fn publish_packet(topic: &str, payload: &str) -> Vec<u8> {
    let mut publish = Vec::new();
    push_text(&mut publish, topic);
    publish.extend([0, 1]);
    publish.extend(payload.as_bytes());
    packet(0x32, &publish)
}

/// Presses; when the PUBACK was there, and with it the commit.
pub(crate) fn press(socket: &mut TcpStream, publish: &[u8]) -> anyhow::Result<Instant> {
    socket.write_all(publish)?;
    let mut puback = [0_u8; 4];
    socket.read_exact(&mut puback)?;
    let committed = Instant::now();
    ensure!(puback[0] == 0x40, "not a PUBACK: {puback:?}");
    Ok(committed)
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

/// A packet of less than 16 KiB.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    if body.len() < 128 {
        packet.push(body.len() as u8);
    } else {
        packet.extend([(body.len() % 128) as u8 | 0x80, (body.len() / 128) as u8]);
    }
    packet.extend(body);
    packet
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
