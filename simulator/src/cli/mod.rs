//! The command line of `yinling-sim`. Results go to stdout, everything for people who wait goes to stderr.

mod load;
mod record;
mod replay;
mod run;
mod screen;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::scenario::{Scenario, shipped};

/// The exit code when something could not be done at all: bad arguments, a file, a server that is not there.
const EXIT_USAGE: u8 = 2;

/// Virtual elders, phones and faults, and an oracle that knows the truth: runs scenarios against the engine and says
/// what was missed, late, false or doubled.
#[derive(Debug, Parser)]
#[command(name = "yinling-sim", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the scenarios that are shipped
    Ls(Ls),
    /// Runs scenarios and judges them; exit code 1 on a miss, 99 on a broken threshold
    Run(run::Args),
    /// Loads a server over MQTT and says how fast it acknowledged, and whether the generator was the limit
    Load(load::Args),
    /// Writes what a scenario's devices send as a registry and a recording
    Record(record::Args),
    /// Plays a recording to a server over MQTT, in the recording's own time or faster
    Replay(replay::Args),
}

#[derive(Debug, clap::Args)]
struct Ls {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Parses the arguments, does what they say, and tells what went wrong.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Ls(args) => list(&args).map(|()| 0),
        Command::Run(args) => run::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Record(args) => record::run(&args).map(|()| 0),
        Command::Replay(args) => replay::run(&args).map(|()| 0),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("yinling-sim: {error:#}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn list(args: &Ls) -> anyhow::Result<()> {
    for (name, text) in shipped::ALL {
        let scenario = Scenario::parse(name, text)?;
        let lines = if args.json {
            let elders = scenario.elders.len() as u32 + scenario.town.elders;
            serde_json::json!({"name": name, "title": scenario.title, "title_zh": scenario.title_zh,
                "virtual_seconds": scenario.duration_s, "elders": elders})
            .to_string()
        } else {
            format!("{name:<29}{}\n{:<29}{}", scenario.title, "", scenario.title_zh)
        };
        // Whoever reads may have seen enough.
        if writeln!(std::io::stdout(), "{lines}").is_err() {
            break;
        }
    }
    Ok(())
}
