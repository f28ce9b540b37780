//! `yinling demo`

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use simulator::neighbourhood::{ELDERS_MAX, ELDERS_MIN};

use super::{asked_to_end, runtime};

/// With fewer there is no story to tell, and more have no names.
const ELDERS: RangeInclusive<i64> = ELDERS_MIN as i64..=ELDERS_MAX as i64;

/// The arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the engine listens for HTTP; port 0 takes a free one. By default 127.0.0.1:8080, or a free port if that is
    /// taken
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Where the engine listens for MQTT; port 0 takes a free one. By default 127.0.0.1:1883, or a free port if that is
    /// taken
    #[arg(long, value_name = "ADDR")]
    mqtt: Option<SocketAddr>,
    /// How many elders live in the neighbourhood, 8 to 40
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(ELDERS))]
    elders: u16,
    /// The same seed invents the same neighbourhood and the same day
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Runs the demo until Ctrl-C.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let options = simulator::demo::Options { http: args.http, mqtt: args.mqtt, elders: args.elders, seed: args.seed };
    runtime()?.block_on(async {
        let directory = Arc::new(OnceLock::<PathBuf>::new());
        let left = Arc::clone(&directory);
        // There are keys in it.
        let shutdown = asked_to_end(move || {
            let removed = left.get().map_or(Ok(()), std::fs::remove_dir_all);
            if let (Err(error), Some(path)) = (removed, left.get()) {
                eprintln!("yinling: {} is left behind: {error}", path.display());
            }
        })?;
        simulator::demo::run(options, shutdown, &directory).await
    })
}
