//! Durable ingest beside rumqttd and mosquitto, which acknowledge out of memory.

use std::net::SocketAddr;
use std::path::Path;

use crate::args::{Args, Load};
use crate::children::{Engine, Loaded, Mosquitto, Peer, finish, start_load};
use crate::neighbourhood::{SECRET, document};
use crate::spread::Spread;

/// One window's results.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) window: usize,
    pub(crate) peer: Spread,
    /// Empty where it is not installed.
    pub(crate) mosquitto: Spread,
    pub(crate) yinling: Spread,
    /// The 99th percentile of a window's round trip, of the slowest run, microseconds.
    pub(crate) peer_p99_us: u64,
    pub(crate) yinling_p99_us: u64,
    /// Reports that were not projected yet when a run ended, at most.
    pub(crate) lag_max: f64,
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
                let address = match turn {
                    Rumqttd => peer.mqtt,
                    Yinling => engine.mqtt,
                    Mosquitto => match &mosquitto {
                        Some(mosquitto) => mosquitto.mqtt,
                        None => continue,
                    },
                };
                engine.catch_up()?;
                let loaded = run(args, address, window, turn == Yinling)?;
                results.add(turn, loaded);
                if turn == Yinling {
                    results.lag_max = results.lag_max.max(engine.lag()?);
                }
                eprintln!("window {window:>3}  {turn:?}  {:.3} M/s  p99 {} µs", loaded.rate / 1e6, loaded.p99_us);
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

impl Window {
    fn add(&mut self, turn: Turn, loaded: Loaded) {
        match turn {
            Turn::Rumqttd => {
                self.peer.add(loaded.rate);
                self.peer_p99_us = self.peer_p99_us.max(loaded.p99_us);
            }
            Turn::Mosquitto => self.mosquitto.add(loaded.rate),
            Turn::Yinling => {
                self.yinling.add(loaded.rate);
                self.yinling_p99_us = self.yinling_p99_us.max(loaded.p99_us);
            }
        }
    }

    pub(crate) fn ratio(&self) -> f64 {
        self.yinling.median() / self.peer.median()
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
