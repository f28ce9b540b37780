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
use crate::conditions::{Spent, Watch};
use crate::disk::Commits;
use crate::flow::Flow;
use crate::gateway::{self, Arrival};
use crate::loopback::time_round_trips;
use crate::neighbourhood::{SECRET, document};
use crate::spread::Spread;

/// The idle runs come in so many blocks, in each of which everything beside them has its turn.
const BLOCKS: usize = 4;
/// The runs under load, so many times.
const LOADED_RUNS: usize = 2;
/// Commits of the disk that are timed in each block.
const SYNCS: u64 = 1_000;
/// How the highest rate is found when no ingest run has: seconds and window.
const PEAK_SECONDS: f64 = 3.0;
const PEAK_WINDOW: usize = 100;
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

/// What was timed over several blocks.
pub(crate) struct Times {
    /// All of it, nanoseconds.
    pub(crate) all: Histogram<u64>,
    /// Each block's median, nanoseconds.
    pub(crate) medians: Spread,
}

impl Times {
    fn new() -> anyhow::Result<Times> {
        Ok(Times { all: Histogram::new_with_bounds(1, 60_000_000_000, 3)?, medians: Spread::default() })
    }

    fn add(&mut self, block: &Histogram<u64>) -> anyhow::Result<()> {
        self.medians.add(block.value_at_quantile(0.5) as f64);
        Ok(self.all.add(block)?)
    }
}

/// The results.
pub(crate) struct Latency {
    pub(crate) loopback: Times,
    pub(crate) disk: Times,
    /// The disk once more, each commit after a pause like that between two SOS.
    pub(crate) rested_disk: Times,
    pub(crate) idle: Times,
    pub(crate) idle_acknowledged: Times,
    /// mosquitto with a node-red flow; empty where one of them is not there.
    pub(crate) flow: Times,
    pub(crate) loaded: Times,
    /// The background as it was asked for, reports a second, and as it came out in the slower run.
    pub(crate) background: f64,
    pub(crate) background_was: Loaded,
    pub(crate) background_spent: Spent,
}

/// `peak`: the highest ingest rate that was measured, half of which is the background.
pub(crate) fn measure(args: &Args, yinling: &Path, place: &Path, peak: Option<f64>) -> anyhow::Result<Latency> {
    let sos = args.sos.next_multiple_of(BLOCKS);
    let (mut bench, _) = Bench::start(yinling, &place.join("latency"), sos * 2 + 1)?;
    bench.engine.import(&document("load", 0..args.connections))?;
    let mut peer = Flow::start(args, place)?;
    // The first message opens the connection to the provider, the pages of the binary, the files.
    bench.time_sos(1)?;
    let (mut loopback, mut disk, mut rested_disk) = (Times::new()?, Times::new()?, Times::new()?);
    let mut idle = Times::new()?;
    let (mut idle_acknowledged, mut flow, mut loaded) = (Times::new()?, Times::new()?, Times::new()?);
    for block in 0..BLOCKS {
        loopback.add(&time_round_trips()?)?;
        let mut commits = Commits::new(place)?;
        disk.add(&commits.time(SYNCS, || ())?)?;
        rested_disk.add(&commits.time((sos / BLOCKS) as u64, || std::thread::sleep(pause(&mut bench.dice)))?)?;
        // A B B A.
        for ours in [block % 2 == 0, block % 2 == 1] {
            if ours {
                let (notified, acknowledged) = bench.time_sos(sos / BLOCKS)?;
                idle.add(&notified)?;
                idle_acknowledged.add(&acknowledged)?;
            } else if let Some(peer) = &mut peer {
                flow.add(&peer.time_sos(sos / BLOCKS)?)?;
            }
        }
    }
    drop(peer);
    report("idle", &idle.all);
    let background = match (args.background, peak) {
        (Some(asked), _) => asked,
        (None, Some(peak)) => peak / 2.0,
        (None, None) => find_peak(args, &bench)? / 2.0,
    };
    let watch = Watch::begin();
    let mut background_was: Option<Loaded> = None;
    for _ in 0..LOADED_RUNS {
        let sos = sos / LOADED_RUNS;
        let seconds = RUN_IN_SECONDS as f64 + sos as f64 * SOS_SECONDS;
        let load = start_load(&Load { rate: Some(background), ..load(args, &bench, seconds) })?;
        std::thread::sleep(Duration::from_secs(RUN_IN_SECONDS));
        loaded.add(&bench.time_sos(sos)?.0)?;
        let was = finish(load)?;
        background_was = Some(background_was.filter(|before| before.p99_us > was.p99_us).unwrap_or(was));
    }
    report("half load", &loaded.all);
    let background_was = background_was.context("there was a run under load")?;
    let background_spent = watch.so_far();
    Ok(Latency {
        loopback,
        disk,
        rested_disk,
        idle,
        idle_acknowledged,
        flow,
        loaded,
        background,
        background_was,
        background_spent,
    })
}

/// The generator on the engine; neither window nor rate.
fn load(args: &Args, bench: &Bench, seconds: f64) -> Load {
    Load {
        address: bench.engine.mqtt,
        connections: args.connections,
        seconds,
        window: None,
        rate: None,
        from: Vec::new(),
        at_once: 1,
        secret: Some(SECRET.to_owned()),
    }
}

/// The highest rate, from one short run; the follower has caught up afterwards.
fn find_peak(args: &Args, bench: &Bench) -> anyhow::Result<f64> {
    let peak = finish(start_load(&Load { window: Some(PEAK_WINDOW), ..load(args, bench, PEAK_SECONDS) })?)?.rate;
    bench.engine.catch_up()?;
    eprintln!("highest rate, window {PEAK_WINDOW}: {:.3} M reports/s", peak / 1e6);
    Ok(peak)
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
        let bracelets = self.switch_on(count)?;
        self.press_each(bracelets, || false)
    }

    /// Connects so many bracelets that were not pressed before.
    pub(crate) fn switch_on(&mut self, count: usize) -> anyhow::Result<Vec<Bracelet>> {
        let numbers = self.next..self.next + count;
        self.next += count;
        numbers.map(|number| connect(self.engine.mqtt, &format!("sos{number:06}"))).collect()
    }

    /// Presses them one after the other, until `enough` says so: to the gateway's first byte, and to the PUBACK. On a thread
    /// that the generator does not keep waiting: what is timed is the engine.
    pub(crate) fn press_each(
        &mut self,
        bracelets: Vec<Bracelet>,
        enough: impl FnMut() -> bool + Send,
    ) -> anyhow::Result<(Histogram<u64>, Histogram<u64>)> {
        let pressing = || {
            scheduling::be_prompt();
            self.press_in_turn(bracelets, enough)
        };
        let pressed = std::thread::scope(|scope| scope.spawn(pressing).join());
        pressed.map_err(|_| anyhow::anyhow!("the thread that pressed panicked"))?
    }

    fn press_in_turn(
        &mut self,
        mut bracelets: Vec<Bracelet>,
        mut enough: impl FnMut() -> bool,
    ) -> anyhow::Result<(Histogram<u64>, Histogram<u64>)> {
        let histogram = || Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3);
        let (mut notified, mut acknowledged) = (histogram()?, histogram()?);
        for (number, (socket, publish)) in bracelets.iter_mut().enumerate() {
            self.settle()?;
            if enough() {
                break;
            }
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
        std::thread::sleep(pause(&mut self.dice).saturating_sub(Duration::from_millis(QUIET_MS)));
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

/// How long it is between the last message about one SOS and the next SOS.
fn pause(dice: &mut Dice) -> Duration {
    Duration::from_millis(QUIET_MS) + Duration::from_secs_f64(dice.between(0.0, PAUSE_MS_MAX) / 1000.0)
}

/// A bracelet on a blocking socket, and its SOS, ready to be written.
pub(crate) type Bracelet = (TcpStream, Vec<u8>);

/// Lets a bracelet in.
pub(crate) fn connect(door: SocketAddr, id: &str) -> anyhow::Result<Bracelet> {
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
