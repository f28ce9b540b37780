//! The command line of `yinling-sim`. Results go to stdout, everything for people who wait goes to stderr.

mod arguments;
mod load;
mod record;
mod replay;
mod run;
mod screen;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};

use crate::scenario::{ELDERS_MAX, Scenario, shipped};

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
    /// As JSON, one object a line
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
            note(&format!("yinling-sim: {error:#}"));
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
        say(&lines)?;
    }
    Ok(())
}

/// A line of the result. A reader who has seen enough (`| head`) is no fault; a full disk is.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("writing to the standard output"),
        _ => Ok(()),
    }
}

/// A line for people who wait; nobody may be there.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// How many elders may be asked for: as many as the scenario names at least, as an import takes at most.
fn check_devices(scenario: &Scenario, devices: Option<u32>) -> anyhow::Result<()> {
    let (named, all) = (scenario.elders.len() as u32, scenario.elders.len() as u32 + scenario.town.elders);
    match devices {
        Some(devices) => {
            ensure!(devices <= ELDERS_MAX, "--devices: at most {ELDERS_MAX}");
            let name = &scenario.name;
            ensure!(devices >= named, "scenario {name} is about {named} elders; --devices {devices} are too few");
            ensure!(devices > 0, "nobody lives in scenario {name} with --devices 0");
        }
        None => ensure!(
            all > 0,
            "nobody lives in scenario {}: name an [[elder]], set elders under [town], or give --devices",
            scenario.name
        ),
    }
    Ok(())
}
