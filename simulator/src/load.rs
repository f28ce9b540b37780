//! The load generator: MQTT 3.1.1, QoS 1, on raw sockets, cheap enough that the server is the limit.
//!
//! *Closed loop*: every connection writes a window of reports, waits for all their PUBACKs, writes the next. *Open
//! loop*: reports leave at their intended times whether or not the server keeps up, and latency counts from the
//! intended time, so that a stalled server cannot hide behind a generator that waits for it.

mod frame;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use model::{Clock, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::clock::RunningClock;
use frame::{Frames, connect_packet};

/// The first byte of a PUBACK.
const PUBACK: u8 = 0x40;
/// How long a PUBACK is, in bytes.
const PUBACK_BYTES: usize = 4;
/// The most reports on the way on one open-loop connection; what is due beyond it waits, and its latency grows.
const ON_THE_WAY_MAX: usize = 4_096;
/// The longest latency that is told apart, in microseconds (60 s).
const LATENCY_US_MAX: u64 = 60_000_000;
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
    /// From the first report to the last PUBACK.
    pub elapsed: Duration,
    /// Closed loop: a window's round trip. Open loop: from a report's intended time to its PUBACK. Microseconds.
    pub latency_us: Histogram<u64>,
    /// Open loop: how many reports left late because the generator was busy, not because the window was full.
    pub late_sends: u64,
}

impl LoadReport {
    /// Acknowledged reports a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.acknowledged as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Connects everybody, then loads. All connections run on one thread.
///
/// # Errors
/// When a connection cannot be made, is refused, or breaks.
pub fn run(options: &LoadOptions) -> anyhow::Result<LoadReport> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(load(options))
}

async fn load(options: &LoadOptions) -> anyhow::Result<LoadReport> {
    let clock = RunningClock::from(options.now);
    let mut connections = Vec::with_capacity(options.connections);
    for number in 0..options.connections {
        connections.push(Connection::open(options, number, clock).await?);
    }
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
        };
    }
    let mut report =
        LoadReport { acknowledged: 0, elapsed: Duration::ZERO, latency_us: new_histogram()?, late_sends: 0 };
    while let Some(one) = tasks.join_next().await {
        let one = one.context("a connection's task panicked")??;
        report.acknowledged += one.acknowledged;
        report.late_sends += one.late_sends;
        report.latency_us.add(&one.latency_us)?;
    }
    report.elapsed = begun.elapsed();
    Ok(report)
}

fn new_histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?)
}

struct Connection {
    socket: TcpStream,
    frames: Frames,
    clock: RunningClock,
    report: LoadReport,
    /// Bytes of a PUBACK that has not arrived whole.
    pending: usize,
}

impl Connection {
    async fn open(options: &LoadOptions, number: usize, clock: RunningClock) -> anyhow::Result<Connection> {
        let id = format!("load{number:06}");
        let mut socket = TcpStream::connect(options.address).await.with_context(|| format!("connecting {id}"))?;
        socket.set_nodelay(true)?;
        let (secret, topic) = match &options.target {
            Target::Broker => (None, format!("d/{id}/up")),
            Target::Yinling { secret } => (Some(secret.as_str()), format!("yl/v1/{id}/up/json")),
        };
        socket.write_all(&connect_packet(&id, secret)).await?;
        let mut connack = [0_u8; 4];
        socket.read_exact(&mut connack).await.with_context(|| format!("{id} had no CONNACK"))?;
        ensure!(connack[0] == 0x20 && connack[3] == 0, "{id} was refused: CONNACK code {}", connack[3]);
        let report =
            LoadReport { acknowledged: 0, elapsed: Duration::ZERO, latency_us: new_histogram()?, late_sends: 0 };
        Ok(Connection { socket, frames: Frames::new(&topic, options.now), clock, report, pending: 0 })
    }

    async fn closed_loop(mut self, window: usize, end: Instant) -> anyhow::Result<LoadReport> {
        let (mut out, mut input) = (Vec::new(), vec![0_u8; 64 * 1024]);
        while Instant::now() < end {
            out.clear();
            let measured = self.clock.now();
            for packet_id in 1..=window {
                self.frames.append(&mut out, packet_id as u16, measured);
            }
            let sent = Instant::now();
            self.socket.write_all(&out).await?;
            let mut missing = window;
            while missing > 0 {
                let read = self.socket.read(&mut input).await?;
                missing = missing.saturating_sub(self.count(&input[..read])?);
            }
            self.report.acknowledged += window as u64;
            self.report.latency_us.saturating_record(micros(sent.elapsed()));
        }
        Ok(self.report)
    }

    async fn open_loop(mut self, first: Instant, interval: Duration, end: Instant) -> anyhow::Result<LoadReport> {
        let (mut out, mut input) = (Vec::new(), vec![0_u8; 64 * 1024]);
        let (mut sent, mut acknowledged) = (0_u64, 0_u64);
        let due = |number: u64| first + interval.mul_f64(number as f64);
        loop {
            let now = Instant::now();
            let measured = self.clock.now();
            out.clear();
            while due(sent) <= now && due(sent) < end && sent - acknowledged < ON_THE_WAY_MAX as u64 {
                let was_free = sent - acknowledged < ON_THE_WAY_MAX as u64 / 2;
                if was_free && micros(now - due(sent)) > GENERATOR_LATE_US {
                    self.report.late_sends += 1;
                }
                self.frames.append(&mut out, (sent % 60_000) as u16 + 1, measured);
                sent += 1;
            }
            if !out.is_empty() {
                self.socket.write_all(&out).await?;
            }
            if due(sent) >= end && acknowledged == sent {
                self.report.acknowledged = acknowledged;
                return Ok(self.report);
            }
            let full = sent - acknowledged >= ON_THE_WAY_MAX as u64 || due(sent) >= end;
            tokio::select! {
                read = self.socket.read(&mut input) => {
                    let came = self.count(&input[..read?])? as u64;
                    let now = Instant::now();
                    // PUBACKs come in the order of the PUBLISHes.
                    for number in acknowledged..acknowledged + came {
                        self.report.latency_us.saturating_record(micros(now.saturating_duration_since(due(number))));
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

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
