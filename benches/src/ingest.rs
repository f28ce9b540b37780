//! Durable ingest beside rumqttd and mosquitto, which acknowledge out of memory.

use std::net::SocketAddr;
use std::path::Path;

use crate::args::{Args, Load};
use crate::children::{Engine, Loaded, Mosquitto, Peer, finish, processor_seconds, start_load};
use crate::conditions::{Spent, Watch};
use crate::neighbourhood::{SECRET, document};
use crate::spread::Spread;

/// One window's results.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) window: usize,
    pub(crate) peer: Side,
    /// Empty where it is not installed.
    pub(crate) mosquitto: Side,
    pub(crate) yinling: Side,
    /// Reports that were not projected yet when a run ended, at most.
    pub(crate) lag_max: f64,
    /// Runs in which the generator, and not the server, was the limit.
    pub(crate) generator_limited: u32,
}

/// One server's runs at one window.
#[derive(Debug, Default)]
pub(crate) struct Side {
    /// Acknowledged reports a second.
    pub(crate) rate: Spread,
    /// The 99th percentile of a window's round trip, of the slowest run, microseconds.
    pub(crate) p99_us: u64,
    /// What a report cost the server of processor time, microseconds.
    pub(crate) processor_us: Spread,
    /// Shares of all processors' time.
    pub(crate) idle: Spread,
    pub(crate) stolen: Spread,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Rumqttd,
    Mosquitto,
    Yinling,
}

pub(crate) fn measure(args: &Args, yinling: &Path, place: &Path) -> anyhow::Result<Vec<Window>> {
    let engine = Engine::start(yinling, &place.join("ingest"), "")?;
    engine.import(&document("load", 0..args.connections))?;
    let peer = Peer::start()?;
    let mosquitto = Mosquitto::start(&place.join("mosquitto"))?;
    if mosquitto.is_none() {
        eprintln!("mosquitto is not installed (apt-get install mosquitto): it is left out");
    }
    let mut windows = Vec::new();
    for &window in &args.windows {
        let mut results = Window { window, ..Window::default() };
        for _ in 0..args.rounds {
            use Turn::{Mosquitto, Rumqttd, Yinling};
            for turn in [Rumqttd, Mosquitto, Yinling, Yinling, Mosquitto, Rumqttd] {
                let (address, pid) = match turn {
                    Rumqttd => (peer.mqtt, peer.pid()),
                    Yinling => (engine.mqtt, engine.pid()),
                    Mosquitto => match &mosquitto {
                        Some(mosquitto) => (mosquitto.mqtt, mosquitto.pid()),
                        None => continue,
                    },
                };
                engine.catch_up()?;
                let (watch, before) = (Watch::begin(), processor_seconds(pid)?);
                let loaded = run(args, address, window, turn == Yinling)?;
                let (spent, cost) = (watch.so_far(), processor_seconds(pid)? - before);
                if turn == Yinling {
                    results.lag_max = results.lag_max.max(engine.lag()?);
                }
                results.generator_limited += u32::from(loaded.generator_limits);
                let side = results.side(turn);
                side.add(loaded, cost / (loaded.rate * args.seconds as f64).max(1.0), spent);
                eprintln!(
                    "window {window:>3}  {turn:?}  {:.3} M/s  p99 {} µs  {spent}",
                    loaded.rate / 1e6,
                    loaded.p99_us
                );
            }
        }
        windows.push(results);
    }
    Ok(windows)
}

fn run(args: &Args, address: SocketAddr, window: usize, with_secret: bool) -> anyhow::Result<Loaded> {
    finish(start_load(&Load {
        address,
        connections: args.connections,
        seconds: args.seconds as f64,
        window: Some(window),
        rate: None,
        from: Vec::new(),
        at_once: 1,
        secret: with_secret.then(|| SECRET.to_owned()),
    })?)
}

impl Side {
    /// A run, what a report of it cost in seconds, and how the processors spent it.
    fn add(&mut self, loaded: Loaded, processor_s: f64, spent: Spent) {
        self.rate.add(loaded.rate);
        self.p99_us = self.p99_us.max(loaded.p99_us);
        self.processor_us.add(processor_s * 1e6);
        self.idle.add(spent.idle);
        self.stolen.add(spent.stolen);
    }
}

impl Window {
    fn side(&mut self, turn: Turn) -> &mut Side {
        match turn {
            Turn::Rumqttd => &mut self.peer,
            Turn::Mosquitto => &mut self.mosquitto,
            Turn::Yinling => &mut self.yinling,
        }
    }

    pub(crate) fn ratio(&self) -> f64 {
        self.yinling.rate.median() / self.peer.rate.median()
    }

    /// What DESIGN §7 asks for at this window.
    pub(crate) fn target(&self) -> Option<f64> {
        match self.window {
            1 => Some(1.1),
            10 => Some(1.5),
            100 => Some(2.5),
            _ => None,
        }
    }
}
