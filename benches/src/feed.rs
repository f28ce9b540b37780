//! From an incident's commit to the live streams of many readers, while reports flow; and a page of the feed.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;

use crate::args::{Args, Load};
use crate::children::{Engine, finish, start_load};
use crate::http;
use crate::latency::{connect, press};
use crate::neighbourhood::{SECRET, document};

/// What flows meanwhile, reports a second.
const BACKGROUND: f64 = 20_000.0;
/// How many incidents are told to everybody.
const INCIDENTS: usize = 20;
/// Between two of them, milliseconds.
const PAUSE_MS: u64 = 500;
/// How long everybody is waited for, seconds.
const HEARD_SECONDS_MAX: u64 = 30;
/// A reader's thread holds little.
const STACK_BYTES: usize = 128 << 10;
/// Pages that are timed.
const PAGES: usize = 200;

/// Measures and prints.
pub(crate) fn measure(args: &Args, yinling: &Path, place: &Path) -> anyhow::Result<()> {
    let readers = args.readers;
    let config = format!("[api]\nstreams_max = {}\n", readers + 8);
    let engine = Engine::start(yinling, &place.join("feed"), &config)?;
    engine.import(&document("sos", 0..INCIDENTS))?;
    engine.import(&document("load", 0..args.connections))?;
    let (sender, heard) = channel();
    for _ in 0..readers {
        follow(engine.http, &engine.token, sender.clone())?;
    }
    // One that never reads must hold up nobody.
    let _stuck = open(engine.http, &engine.token)?;
    let load = start_load(&Load {
        address: engine.mqtt,
        connections: args.connections,
        seconds: (INCIDENTS as u64 * PAUSE_MS) as f64 / 1000.0 + 4.0,
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
        for _ in 0..readers {
            let at = heard.recv_timeout(Duration::from_secs(HEARD_SECONDS_MAX)).context("a reader heard nothing")?;
            times.saturating_record(at.saturating_duration_since(committed).as_nanos() as u64);
        }
        std::thread::sleep(Duration::from_millis(PAUSE_MS));
    }
    let loaded = finish(load)?;
    let ms = |quantile| times.value_at_quantile(quantile) as f64 / 1e6;
    println!(
        "{readers} live streams, {:.0} reports/s: an incident after its commit p50 {:.1} ms  p99 {:.1} ms  max {:.1} ms",
        loaded.rate,
        ms(0.5),
        ms(0.99),
        ms(1.0)
    );
    pages(&engine)
}

/// A page of 500, from the newest on back: what a reader that is behind asks for.
fn pages(engine: &Engine) -> anyhow::Result<()> {
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let mut events = 0;
    for _ in 0..PAGES {
        let begun = Instant::now();
        let (status, body) = http::get(engine.http, "/api/v1/events?limit=500", &engine.token)?;
        times.saturating_record(begun.elapsed().as_nanos() as u64);
        ensure!(status == 200, "the feed answered {status}");
        events = body.matches("\"specversion\"").count();
    }
    let ms = |quantile| times.value_at_quantile(quantile) as f64 / 1e6;
    println!("a page of {events} events: p50 {:.1} ms  p99 {:.1} ms", ms(0.5), ms(0.99));
    Ok(())
}

fn open(address: SocketAddr, token: &str) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    let path = "/api/v1/events/stream?after=latest&types=incident.raised";
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n");
    socket.write_all(head.as_bytes())?;
    Ok(socket)
}

/// Says when it hears of an incident.
fn follow(address: SocketAddr, token: &str, heard: Sender<Instant>) -> anyhow::Result<()> {
    let mut lines = BufReader::new(open(address, token)?).lines();
    let greeted = lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("event: heartbeat"));
    ensure!(greeted, "a stream ended before it began");
    let follow = move || {
        for line in lines.map_while(Result::ok) {
            if line.starts_with("data: ") && line.contains("incident.raised") && heard.send(Instant::now()).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(follow)?;
    Ok(())
}
