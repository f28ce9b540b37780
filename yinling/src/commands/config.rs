//! `yinling config`

use engine::config::Overrides;

use super::ConfigArgs;
use crate::output;

/// The subcommands of `config`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Writes the configuration in force as TOML, defaults included, secrets left out
    Print(Print),
}

/// The arguments of `config print`.
#[derive(Debug, clap::Args)]
pub struct Print {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs it.
pub fn run(command: Command) -> anyhow::Result<()> {
    let Command::Print(args) = command;
    let config = args.config.load(Overrides::default())?;
    output::line(config.print().trim_end())?;
    Ok(())
}
