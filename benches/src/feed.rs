//! From an incident's commit to the live streams of many readers, while reports flow; and a page of the feed.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use engine::clock::SystemClock;
use hdrhistogram::Histogram;
use model::event::DeviceStatus;
use model::{Clock, Decision, DeviceId, Entity, Event, EventKind, Input, Record, Timestamp};
use store::{Committed, DataDir, Journal, JournalConfig, RealDisk};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::sync::mpsc;

use crate::args::{Args, Load};
use crate::children::{Engine, finish, start_load};
use crate::http;
use crate::latency::{connect, press};
use crate::neighbourhood::{SECRET, document};

/// What flows meanwhile, reports a second.
const BACKGROUND: f64 = 20_000.0;
/// How many incidents are told to everybody.
const INCIDENTS: usize = 40;
/// Between two of them, milliseconds.
const PAUSE_MS: u64 = 500;
/// How long everybody is waited for, seconds.
const HEARD_SECONDS_MAX: u64 = 30;
/// Pages that are timed.
const PAGES: usize = 300;
/// How many events a page has.
const PAGE_EVENTS: usize = 500;
/// How many events one record of the past holds.
const EVENTS_PER_RECORD: u64 = 1_000;
/// How many records of the past wait for their sync at a time.
const RECORDS_IN_FLIGHT: usize = 16;
/// From one event of the past to the next, milliseconds.
const PAST_STEP_MS: i64 = 10;

/// The results.
pub(crate) struct Feed {
    pub(crate) readers: usize,
    /// What flowed meanwhile, reports a second.
    pub(crate) background: f64,
    /// From an incident's commit to its line at each reader, nanoseconds.
    pub(crate) heard: Histogram<u64>,
    /// How many events lay behind the pages.
    pub(crate) events: u64,
    /// A page of what just happened, and of the oldest, nanoseconds.
    pub(crate) newest: Histogram<u64>,
    pub(crate) oldest: Histogram<u64>,
}

pub(crate) fn measure(args: &Args, yinling: &Path, place: &Path) -> anyhow::Result<Feed> {
    let readers = args.readers;
    let kept = args.feed_events + 1_000_000;
    let config = format!("[api]\nstreams_max = {}\n[history]\nevents = {kept}\n", readers + 8);
    let engine = Engine::start_on(yinling, &place.join("feed"), &config, |data| write_past(data, args.feed_events))?;
    let took = engine.catch_up()?;
    eprintln!("{} events behind, projected in {:.0} s", args.feed_events, took.as_secs_f64());
    engine.import(&document("sos", 0..INCIDENTS))?;
    engine.import(&document("load", 0..args.connections))?;
    let began = SystemClock::new(None).now();
    let heard = follow(engine.http, &engine.token, readers)?;
    // One that never reads must hold up nobody.
    let _stuck = open(engine.http, &engine.token)?;
    let load = start_load(&Load {
        address: engine.mqtt,
        connections: args.connections,
        seconds: (INCIDENTS as u64 * PAUSE_MS) as f64 / 1000.0 * 1.5 + 4.0,
        window: None,
        rate: Some(BACKGROUND),
        secret: Some(SECRET.to_owned()),
        from: Vec::new(),
        at_once: args.connections,
    })?;
    std::thread::sleep(Duration::from_secs(2));
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    for number in 0..INCIDENTS {
        let (mut socket, publish) = connect(engine.mqtt, &format!("sos{number:06}"))?;
        let committed = press(&mut socket, &publish)?;
        let all = heard.recv_timeout(Duration::from_secs(HEARD_SECONDS_MAX)).context("a reader heard nothing")?;
        for at in all {
            times.saturating_record(at.saturating_duration_since(committed).as_nanos() as u64);
        }
        std::thread::sleep(Duration::from_millis(PAUSE_MS));
    }
    let background = finish(load)?.rate;
    // What a reader asks for who was away for a moment, and one who begins with the oldest.
    let newest = pages(&engine, &format!("&since={began}"))?;
    let oldest = pages(&engine, "")?;
    Ok(Feed { readers, background, heard: times, events: args.feed_events, newest, oldest })
}

/// A past of many small events, written as the engine writes them, before it is served.
fn write_past(data: &Path, events: u64) -> anyhow::Result<()> {
    let layout = DataDir::new(data);
    let (journal, _) = Journal::open(Arc::new(RealDisk), &layout.journal(), JournalConfig::default())?;
    let (done, committed) = sync_channel::<()>(RECORDS_IN_FLIGHT * 4);
    let journal = journal.start(
        move |_: Committed<()>| {
            let _ = done.send(());
        },
        |error| eprintln!("the past cannot be written: {error}"),
    )?;
    let begin = SystemClock::new(None).now().plus_millis(-(events as i64) * PAST_STEP_MS);
    let (mut seq, mut in_flight) = (0, 0);
    while seq < events {
        let at = begin.plus_millis(seq as i64 * PAST_STEP_MS);
        let decisions =
            (0..EVENTS_PER_RECORD.min(events - seq)).map(|n| Decision::Event(Box::new(past(seq + n + 1, at))));
        let decisions: Vec<Decision> = decisions.collect();
        seq += decisions.len() as u64;
        let mut batch = journal.batch();
        batch.push(&Record { at, input: Input::Tick, decisions })?;
        journal.submit(batch, ())?;
        in_flight += 1;
        if in_flight == RECORDS_IN_FLIGHT {
            committed.recv()?;
            in_flight -= 1;
        }
    }
    journal.close();
    Ok(())
}

fn past(seq: u64, at: Timestamp) -> Event {
    let entity = Entity::Device(DeviceStatus {
        id: DeviceId::new(&format!("load{:06}", seq % 64)),
        wearer: None,
        online: seq.is_multiple_of(2),
        battery_percent: Some((seq % 100) as u8),
        clock_ahead_seconds: None,
    });
    let kind = if seq.is_multiple_of(2) { EventKind::DeviceOnline } else { EventKind::DeviceOffline };
    Event { seq, kind, at, org: None, entity, changed: Vec::new() }
}

/// Pages of 500, nanoseconds each.
fn pages(engine: &Engine, query: &str) -> anyhow::Result<Histogram<u64>> {
    let path = format!("/api/v1/events?limit={PAGE_EVENTS}{query}");
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    for _ in 0..PAGES {
        let begun = Instant::now();
        let (status, body) = http::get(engine.http, &path, &engine.token)?;
        times.saturating_record(begun.elapsed().as_nanos() as u64);
        ensure!(status == 200, "the feed answered {status}");
        let events = body.matches("\"specversion\"").count();
        ensure!(events == PAGE_EVENTS, "a page of {events} events");
    }
    Ok(times)
}

fn open(address: SocketAddr, token: &str) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    let path = "/api/v1/events/stream?after=latest&types=incident.raised";
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n");
    socket.write_all(head.as_bytes())?;
    Ok(socket)
}

type Heard = Vec<Instant>;

/// Reads along with so many streams, on one thread: two thousand threads that wake would be measured, not the streams.
/// Tells when each of them heard of an incident, once all have.
fn follow(address: SocketAddr, token: &str, readers: usize) -> anyhow::Result<Receiver<Heard>> {
    let sockets: Vec<TcpStream> = (0..readers).map(|_| open(address, token)).collect::<anyhow::Result<_>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (tell, heard) = channel();
    let (greet, mut greeted) = mpsc::channel(readers);
    let board = Arc::new(Board { heard: Mutex::new(Vec::with_capacity(readers)), readers, tell });
    for socket in sockets {
        let (greet, board) = (greet.clone(), Arc::clone(&board));
        socket.set_nonblocking(true)?;
        let _in_runtime = runtime.enter();
        let lines = BufReader::new(tokio::net::TcpStream::from_std(socket)?).lines();
        runtime.spawn(listen(lines, greet, board));
    }
    drop(greet);
    runtime.block_on(async {
        for _ in 0..readers {
            greeted.recv().await.context("a stream ended before it began")?;
        }
        anyhow::Ok(())
    })?;
    std::thread::Builder::new().spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(heard)
}

/// Where readers write down when they heard.
struct Board {
    heard: Mutex<Heard>,
    readers: usize,
    tell: Sender<Heard>,
}

async fn listen(mut lines: Lines<BufReader<tokio::net::TcpStream>>, greet: mpsc::Sender<()>, board: Arc<Board>) {
    while let Ok(Some(line)) = lines.next_line().await {
        if line.starts_with("event: heartbeat") {
            // A full channel has been greeted already.
            let _ = greet.try_send(());
        } else if line.starts_with("data: ") && line.contains("incident.raised") {
            let mut heard = board.heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.push(Instant::now());
            if heard.len() == board.readers {
                // Nobody reads any more at the end.
                let _ = board.tell.send(std::mem::take(&mut heard));
            }
        }
    }
}
