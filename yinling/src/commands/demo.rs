//! `yinling demo`

use std::net::SocketAddr;

use super::{asked_to_end, runtime};

/// The arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the engine listens for HTTP; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Where the engine listens for MQTT; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    mqtt: SocketAddr,
    /// How many elders live in the neighbourhood
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=1000))]
    elders: u16,
    /// The same seed invents the same neighbourhood and the same day
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Runs the demo until Ctrl-C.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let options = simulator::demo::Options { http: args.http, mqtt: args.mqtt, elders: args.elders, seed: args.seed };
    runtime()?.block_on(async {
        let shutdown = asked_to_end()?;
        simulator::demo::run(options, shutdown).await
    })
}
