//! The load generator: MQTT 3.1.1, QoS 1, on raw sockets, cheap enough that the server is the limit.
//!
//! *Closed loop*: every connection writes a window of reports, waits for all their PUBACKs, writes the next. *Open
//! loop*: reports leave at their intended times whether or not the server keeps up, and latency counts from the
//! intended time, so that a stalled server cannot hide behind a generator that waits for it.

mod cpu;
mod frame;
mod registry;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use hdrhistogram::Histogram;
use model::{Clock, Timestamp};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::clock::RunningClock;
use cpu::Share;
use frame::{Frames, connect_packet};
pub use registry::{REGISTRY_DEVICES_MAX, registry};

/// The first byte of a PUBACK.
const PUBACK: u8 = 0x40;
/// How long a PUBACK is, in bytes.
const PUBACK_BYTES: usize = 4;
/// The most reports on the way on one open-loop connection; what is due beyond it waits, and its latency grows.
const ON_THE_WAY_MAX: usize = 4_096;
/// The longest latency that is told apart, in microseconds (60 s).
const LATENCY_US_MAX: u64 = 60_000_000;
/// The largest window: a packet id is 16 bits.
pub const WINDOW_MAX: usize = 60_000;
/// How often a connection is tried that nobody refused in words: the server's queue of connections may be full.
pub const CONNECT_TRIES_MAX: u32 = 6;
/// Before the second try, and twice as long before each further one; half of it is spread over the devices.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// How long one try may take, from the first packet to the CONNACK.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long nothing at all may be acknowledged after the last report was due: a server that stalls is measured, one
/// that hangs would be waited for for ever.
const SILENT_MAX: Duration = Duration::from_secs(30);
/// What happened when a socket fails after its CONNACK.
const BROKE: &str = "the connection to the server broke";
/// The ports of one address that are used.
const PORTS: RangeInclusive<u16> = 10_000..=64_999;
/// How many ports are tried for one connection, and how far apart: somebody else may have some.
const PORT_TRIES_MAX: usize = 64;
const PORT_STRIDE: usize = 7_919;
/// A connection that only stays says so this often; its keep-alive is a minute.
const PING_EVERY: Duration = Duration::from_secs(45);
/// A generator that is this busy, or that had to wait for a processor this much of the time, is the limit.
const BUSY_SHARE: f64 = 0.92;
/// So many of a hundred reports may leave late before that is the generator's fault.
const LATE_PERCENT: u64 = 1;
/// Open loop: a report that left this long after its time means that the generator itself was late, in microseconds.
const GENERATOR_LATE_US: u64 = 5_000;

/// Whom to load, and how.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The MQTT listener.
    pub address: SocketAddr,
    /// How many connections; devices `load000000`, `load000001`…
    pub connections: usize,
    /// How long, from the first report on.
    pub duration: Duration,
    /// Closed or open loop.
    pub pace: Pace,
    /// What is spoken to.
    pub target: Target,
    /// From which addresses, in turn; empty: the system chooses.
    pub from: Vec<IpAddr>,
    /// How many connections are made at a time.
    pub at_once: usize,
    /// The wall-clock time now, for the reports' `t`.
    pub now: Timestamp,
}

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// So many reports on the way per connection.
    Window(usize),
    /// So many reports a second over all connections, at intended times.
    Rate(f64),
    /// None: connections that only stay.
    Idle,
}

/// What is spoken to: the payload is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A broker without credentials, topic `d/{id}/up`.
    Broker,
    /// The engine: topic `yl/v1/{id}/up/json`, every device with this secret.
    Yinling {
        /// The devices' secret.
        secret: String,
    },
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct LoadReport {
    /// Reports whose PUBACK came.
    pub acknowledged: u64,
    /// From the first report to the last PUBACK, or until it was given up: then the silence before that counts, too.
    pub elapsed: Duration,
    /// Closed loop: a window's round trip. Open loop: from a report's intended time to its PUBACK. Microseconds.
    pub latency_us: Histogram<u64>,
    /// Open loop: how many reports left late because the generator was busy, not because the window was full.
    pub late_sends: u64,
    /// How long all connections took to be made.
    pub connected_in: Duration,
    /// How often a connection had to be tried again.
    pub connect_retries: u64,
    /// The share of the time in which the generator's thread ran, 0–1.
    pub busy: f64,
    /// The share in which it wanted to and had no processor, 0–1.
    pub waited: f64,
    /// Why it ended before its time; the figures are those of until then.
    pub broke: Option<String>,
}

impl LoadReport {
    /// Why the generator, and not the server, was the limit; `None` if it was not.
    #[must_use]
    pub fn generator_limit(&self) -> Option<String> {
        let percent = |share: f64| (share * 100.0).round();
        if self.late_sends * 100 > self.acknowledged * LATE_PERCENT {
            return Some(format!("{} reports left late", self.late_sends));
        }
        if self.busy >= BUSY_SHARE {
            return Some(format!("its thread ran {} % of the time", percent(self.busy)));
        }
        (self.busy + self.waited >= BUSY_SHARE && self.waited > 0.1).then(|| {
            let (busy, waited) = (percent(self.busy), percent(self.waited));
            format!("its thread ran {busy} % of the time and waited for a processor {waited} %")
        })
    }

    /// A quantile of the latency, microseconds; `None` when nothing was acknowledged: 0 would be a good one.
    #[must_use]
    pub fn latency_at(&self, quantile: f64) -> Option<u64> {
        (!self.latency_us.is_empty()).then(|| self.latency_us.value_at_quantile(quantile))
    }

    /// Acknowledged reports a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.acknowledged as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Connects everybody, then loads. All connections run on one thread.
///
/// A connection that ends before its CONNACK is tried again, [`CONNECT_TRIES_MAX`] times in all. One that breaks later, or
/// a server that acknowledges nothing any more, ends the load: [`LoadReport::broke`].
///
/// # Errors
/// When a connection cannot be made or is refused.
pub fn run(options: &LoadOptions) -> anyhow::Result<LoadReport> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(load(options, SILENT_MAX))
}

async fn load(options: &LoadOptions, silent_max: Duration) -> anyhow::Result<LoadReport> {
    let clock = RunningClock::from(options.now);
    let tally = Arc::new(Mutex::new(Tally {
        acknowledged: 0,
        late_sends: 0,
        latency_us: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?,
    }));
    let began = Instant::now();
    let shared = Arc::new(options.clone());
    let mut connections = Vec::with_capacity(options.connections);
    for first in (0..options.connections).step_by(options.at_once.max(1)) {
        let last = (first + options.at_once.max(1)).min(options.connections);
        // A task each: whoever is connected says so at once, and not when all the others are connected, too.
        let mut opening = JoinSet::new();
        for number in first..last {
            opening.spawn(Connection::open(Arc::clone(&shared), number, clock, Arc::clone(&tally)));
        }
        while let Some(opened) = opening.join_next().await {
            connections.push(opened.context("a connection's task panicked")??);
        }
    }
    let connected_in = began.elapsed();
    let connect_retries = connections.iter().map(|connection| u64::from(connection.retries)).sum();
    let share = Share::begin();
    let begun = Instant::now();
    let end = begun + options.duration;
    let mut tasks = JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        match options.pace {
            Pace::Window(window) => tasks.spawn(connection.closed_loop(window, end)),
            Pace::Rate(rate) => {
                let interval = Duration::from_secs_f64(options.connections as f64 / rate);
                // Connections take turns within the interval instead of all sending at once.
                let first = begun + interval.mul_f64(number as f64 / options.connections as f64);
                tasks.spawn(connection.open_loop(first, interval, end))
            }
            Pace::Idle => {
                let first = begun + PING_EVERY.mul_f64(number as f64 / options.connections as f64);
                tasks.spawn(connection.stay(first, end))
            }
        };
    }
    let broke = wait(&mut tasks, &tally, end, silent_max).await?;
    let elapsed = begun.elapsed();
    let broke = broke.map(|why| format!("given up {:.1} s after the first report: {why:#}", elapsed.as_secs_f64()));
    let (busy, waited) = share.so_far(elapsed);
    let Tally { acknowledged, late_sends, latency_us } = tally.lock().clone();
    Ok(LoadReport { acknowledged, elapsed, latency_us, late_sends, connected_in, connect_retries, busy, waited, broke })
}

/// Until all are done, or one cannot go on: then why.
async fn wait(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    tally: &Mutex<Tally>,
    end: Instant,
    silent_max: Duration,
) -> anyhow::Result<Option<anyhow::Error>> {
    // Looked at from outside and seldom: a timer for each read would be the generator's own load.
    let (mut heard, mut since) = (0, end);
    loop {
        match tokio::time::timeout_at((since + silent_max).into(), tasks.join_next()).await {
            Ok(None) => return Ok(None),
            Ok(Some(one)) => match one.context("a connection's task panicked")? {
                Ok(()) => {}
                Err(why) => return Ok(Some(why)),
            },
            Err(_) => {
                let now = tally.lock().acknowledged;
                if now == heard {
                    let seconds = silent_max.as_secs_f64();
                    return Ok(Some(anyhow!("the server acknowledged nothing more for {seconds:.0} s")));
                }
                (heard, since) = (now, Instant::now());
            }
        }
    }
}

/// What all connections did; one for all: fifty thousand histograms would not fit into memory.
#[derive(Debug, Clone)]
struct Tally {
    acknowledged: u64,
    late_sends: u64,
    latency_us: Histogram<u64>,
}

struct Connection {
    socket: TcpStream,
    frames: Frames,
    clock: RunningClock,
    tally: Arc<Mutex<Tally>>,
    /// Bytes of a PUBACK that has not arrived whole.
    pending: usize,
    /// How often it had to be tried again.
    retries: u32,
}

/// Why somebody is not in.
enum NotIn {
    /// Nobody said no: worth another try.
    Unheard(anyhow::Error),
    /// It would be the same again.
    Refused(anyhow::Error),
}

impl Connection {
    async fn open(
        options: Arc<LoadOptions>,
        number: usize,
        clock: RunningClock,
        tally: Arc<Mutex<Tally>>,
    ) -> anyhow::Result<Connection> {
        let id = format!("load{number:06}");
        let (secret, topic) = match &options.target {
            Target::Broker => (None, format!("d/{id}/up")),
            Target::Yinling { secret } => (Some(secret.as_str()), format!("yl/v1/{id}/up/json")),
        };
        let hello = connect_packet(&id, secret);
        let mut retries = 0_u32;
        let socket = loop {
            let tried = tokio::time::timeout(CONNECT_WITHIN, knock(&options, number, retries, &id, &hello)).await;
            let unheard = match tried {
                Ok(Ok(socket)) => break socket,
                Ok(Err(NotIn::Refused(why))) => return Err(why),
                Ok(Err(NotIn::Unheard(why))) => why,
                Err(_) => anyhow!("{id} heard nothing for {} s", CONNECT_WITHIN.as_secs()),
            };
            retries += 1;
            if retries == CONNECT_TRIES_MAX {
                return Err(unheard.context(format!("given up after {CONNECT_TRIES_MAX} tries")));
            }
            // Not all at the same moment again.
            let spread = 0.5 + (number % 64) as f64 / 128.0;
            tokio::time::sleep((CONNECT_PAUSE * (1 << (retries - 1))).mul_f64(spread)).await;
        };
        let frames = Frames::new(&topic, options.now);
        Ok(Connection { socket, frames, clock, tally, pending: 0, retries })
    }

    /// Sends nothing but a ping now and then.
    async fn stay(mut self, first: Instant, end: Instant) -> anyhow::Result<()> {
        const PINGREQ: [u8; 2] = [0xC0, 0];
        const PINGRESP: [u8; 2] = [0xD0, 0];
        let mut next = first;
        while next < end {
            tokio::time::sleep_until(next.into()).await;
            let mut answer = [0_u8; 2];
            self.socket.write_all(&PINGREQ).await.context(BROKE)?;
            self.socket.read_exact(&mut answer).await.context(BROKE)?;
            ensure!(answer == PINGRESP, "the server answered a ping with something else");
            self.acknowledged(1, next);
            next += PING_EVERY;
        }
        tokio::time::sleep_until(end.into()).await;
        Ok(())
    }

    /// So many at once, which began then.
    fn acknowledged(&self, reports: u64, begun: Instant) {
        let mut tally = self.tally.lock();
        tally.acknowledged += reports;
        tally.latency_us.saturating_record(micros(begun.elapsed()));
    }

    async fn closed_loop(mut self, window: usize, end: Instant) -> anyhow::Result<()> {
        let (mut out, mut input) = (Vec::new(), vec![0_u8; (window * PUBACK_BYTES).clamp(64, 64 * 1024)]);
        while Instant::now() < end {
            out.clear();
            let measured = self.clock.now();
            for packet_id in 1..=window {
                self.frames.append(&mut out, packet_id as u16, measured);
            }
            let sent = Instant::now();
            self.socket.write_all(&out).await.context(BROKE)?;
            let mut missing = window;
            while missing > 0 {
                let read = self.socket.read(&mut input).await.context(BROKE)?;
                missing = missing.saturating_sub(self.count(&input[..read])?);
            }
            self.acknowledged(window as u64, sent);
        }
        Ok(())
    }

    async fn open_loop(mut self, first: Instant, interval: Duration, end: Instant) -> anyhow::Result<()> {
        let (mut out, mut input) = (Vec::new(), vec![0_u8; 4 * 1024]);
        let (mut sent, mut acknowledged) = (0_u64, 0_u64);
        let due = |number: u64| first + interval.mul_f64(number as f64);
        loop {
            let now = Instant::now();
            let measured = self.clock.now();
            out.clear();
            while due(sent) <= now && due(sent) < end && sent - acknowledged < ON_THE_WAY_MAX as u64 {
                let was_free = sent - acknowledged < ON_THE_WAY_MAX as u64 / 2;
                if was_free && micros(now - due(sent)) > GENERATOR_LATE_US {
                    self.tally.lock().late_sends += 1;
                }
                self.frames.append(&mut out, (sent % 60_000) as u16 + 1, measured);
                sent += 1;
            }
            if !out.is_empty() {
                self.socket.write_all(&out).await.context(BROKE)?;
            }
            if due(sent) >= end && acknowledged == sent {
                return Ok(());
            }
            let full = sent - acknowledged >= ON_THE_WAY_MAX as u64 || due(sent) >= end;
            tokio::select! {
                read = self.socket.read(&mut input) => {
                    let came = self.count(&input[..read.context(BROKE)?])? as u64;
                    let now = Instant::now();
                    // PUBACKs come in the order of the PUBLISHes.
                    let mut tally = self.tally.lock();
                    tally.acknowledged += came;
                    for number in acknowledged..acknowledged + came {
                        tally.latency_us.saturating_record(micros(now.saturating_duration_since(due(number))));
                    }
                    acknowledged += came;
                }
                () = tokio::time::sleep_until(due(sent).into()), if !full => {}
            }
        }
    }

    /// How many PUBACKs these bytes complete.
    fn count(&mut self, bytes: &[u8]) -> anyhow::Result<usize> {
        ensure!(!bytes.is_empty(), "the server closed the connection");
        let whole = self.pending + bytes.len();
        let first = (PUBACK_BYTES - self.pending) % PUBACK_BYTES;
        ensure!(bytes.get(first).is_none_or(|byte| *byte == PUBACK), "the server sent something else than a PUBACK");
        self.pending = whole % PUBACK_BYTES;
        Ok(whole / PUBACK_BYTES)
    }
}

/// One try: connects, says who it is, and waits to be let in.
async fn knock(options: &LoadOptions, number: usize, retries: u32, id: &str, hello: &[u8]) -> Result<TcpStream, NotIn> {
    let mut socket = connect(options, number, retries).await?;
    let mut connack = [0_u8; 4];
    let mut said = async || {
        socket.set_nodelay(true)?;
        socket.write_all(hello).await?;
        socket.read_exact(&mut connack).await
    };
    if let Err(error) = said().await {
        return Err(NotIn::Unheard(anyhow::Error::new(error).context(format!("{id} had no CONNACK"))));
    }
    if connack[..2] == [0x20, 2] && connack[3] == 0 {
        return Ok(socket);
    }
    if connack[..2] != [0x20, 2] {
        return Err(NotIn::Refused(anyhow!(
            "{} answers, but not in MQTT 3.1.1: is it the MQTT listener?",
            options.address
        )));
    }
    let why = match (connack[3], &options.target) {
        (4 | 5, Target::Broker) => {
            ": the server wants to know who it is (--secret, and --registry writes what to import)"
        }
        (4 | 5, _) => {
            ": the server does not know the device, or its secret is another (--registry writes what to import)"
        }
        _ => "",
    };
    Err(NotIn::Refused(anyhow!("{id} was refused, CONNACK code {}{why}", connack[3])))
}

/// Opens a connection, from the next of the addresses if there are any; each time from another port, as somebody may have
/// the first one to the same server.
async fn connect(options: &LoadOptions, number: usize, retries: u32) -> Result<TcpStream, NotIn> {
    let new = || if options.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = match options.from.get(number % options.from.len().max(1)) {
        None => new(),
        Some(from) => bound(new, *from, number / options.from.len(), retries as usize),
    };
    // No files or ports of our own are left: that does not get better by waiting.
    let socket = socket.map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::AddrNotAvailable => "--from names an address that this machine does not have",
            _ => "no more sockets (ulimit -n), or no more ports: add further addresses with --from",
        };
        NotIn::Refused(anyhow::Error::new(error).context(what))
    })?;
    let connected = socket.connect(options.address).await;
    let context = || format!("connecting to {}", options.address);
    connected.map_err(|error| NotIn::Unheard(anyhow::Error::new(error).context(context())))
}

/// A socket on a port of its own of this address. We count the ports ourselves: the kernel, asked for any, looks longer
/// and longer the fewer are left, twelve seconds in all for 18 000.
fn bound(new: impl Fn() -> io::Result<TcpSocket>, from: IpAddr, nth: usize, retries: usize) -> io::Result<TcpSocket> {
    let ports = usize::from(PORTS.end() - PORTS.start()) + 1;
    let mut taken = None;
    for skip in retries..retries + PORT_TRIES_MAX {
        let port = *PORTS.start() + ((nth + skip * PORT_STRIDE) % ports) as u16;
        let socket = new()?;
        // Of connections that ended a moment ago.
        socket.set_reuseaddr(true)?;
        match socket.bind((from, port).into()) {
            Ok(()) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(taken.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
