//! Durable ingest beside rumqttd, which acknowledges out of memory.

use std::path::Path;

use crate::args::{Args, Load};
use crate::children::{Engine, Loaded, Peer, finish, start_load};
use crate::neighbourhood::{SECRET, document};
use crate::spread::Spread;

/// One window's results.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) window: usize,
    pub(crate) peer: Spread,
    pub(crate) yinling: Spread,
    /// The 99th percentile of a window's round trip, of the slowest run, microseconds.
    pub(crate) peer_p99_us: u64,
    pub(crate) yinling_p99_us: u64,
    /// Reports that were not projected yet when a run ended, at most.
    pub(crate) lag_max: f64,
}

pub(crate) fn measure(args: &Args, yinling: &Path, place: &Path) -> anyhow::Result<Vec<Window>> {
    let engine = Engine::start(yinling, &place.join("ingest"), "")?;
    engine.import(&document("load", 0..args.connections))?;
    let peer = Peer::start()?;
    let mut windows = Vec::new();
    for &window in &args.windows {
        let mut results = Window { window, ..Window::default() };
        for _ in 0..args.rounds {
            for with_engine in [false, true, true, false] {
                engine.catch_up()?;
                let loaded = run(args, &engine, &peer, window, with_engine)?;
                results.add(with_engine, loaded);
                if with_engine {
                    results.lag_max = results.lag_max.max(engine.lag()?);
                }
                let name = if with_engine { "yinling" } else { "rumqttd" };
                eprintln!("window {window:>3}  {name}  {:.3} M/s  p99 {} µs", loaded.rate / 1e6, loaded.p99_us);
            }
        }
        windows.push(results);
    }
    Ok(windows)
}

fn run(args: &Args, engine: &Engine, peer: &Peer, window: usize, with_engine: bool) -> anyhow::Result<Loaded> {
    finish(start_load(&Load {
        address: if with_engine { engine.mqtt } else { peer.mqtt },
        connections: args.connections,
        seconds: args.seconds as f64,
        window: Some(window),
        rate: None,
        secret: with_engine.then(|| SECRET.to_owned()),
    })?)
}

impl Window {
    fn add(&mut self, with_engine: bool, loaded: Loaded) {
        let (spread, p99) = if with_engine {
            (&mut self.yinling, &mut self.yinling_p99_us)
        } else {
            (&mut self.peer, &mut self.peer_p99_us)
        };
        spread.add(loaded.rate);
        *p99 = (*p99).max(loaded.p99_us);
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
