//! `yinling watchdog`: started by `serve`, which holds its leash.

use engine::config::Overrides;
use engine::watchdog::{self, Beats};

use super::{ConfigArgs, runtime};

/// The arguments of `watchdog`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Keeps watch over the engine at the other end of stdin.
pub fn run(args: Args) -> anyhow::Result<()> {
    let config = args.config.load(Overrides::default())?;
    let beats = Beats::listen(std::io::stdin());
    runtime()?.block_on(watchdog::run(config, beats))
}
