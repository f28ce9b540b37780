//! `yinling journal`

use std::io::Write;

use engine::config::Overrides;

use super::ConfigArgs;
use crate::output;

/// The subcommands of `journal`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Writes what is on disk as NDJSON, one record a line
    Dump(Dump),
}

/// The arguments of `journal dump`.
#[derive(Debug, clap::Args)]
pub struct Dump {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only records of this kind; the lines of `report` are a recording that `replay` takes
    #[arg(long, value_parser = engine::dump::KINDS)]
    kind: Option<String>,
    /// From this sequence number on; 0 is the oldest there is
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
    /// Shows what passwords, tokens and device secrets were hashed to; without it they are left out
    #[arg(long)]
    with_secrets: bool,
}

/// Runs it.
pub fn run(command: Command) -> anyhow::Result<()> {
    let Command::Dump(args) = command;
    let data = args.config.load(Overrides::default())?.data;
    let options = engine::dump::Options { data, kind: args.kind, from_seq: args.from, with_secrets: args.with_secrets };
    let mut out = output::buffered();
    engine::dump::run(&options, &mut out)?;
    out.flush()?;
    Ok(())
}
