//! `yinling-sim record`: what a scenario's devices send, for `yinling replay` and `yinling-sim replay`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;

use crate::scenario::Scenario;
use crate::town::Town;
use crate::world::{self, Drive};

use super::{check_devices, say};

/// What to record.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The scenario by name, or a TOML file
    scenario: String,
    /// What decides the whole run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many elders instead of as many as the scenario says
    #[arg(long)]
    devices: Option<u32>,
    /// Where `registry.json` and `reports.ndjson` are written
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let scenario = Scenario::open(&args.scenario)?;
    check_devices(&scenario, args.devices)?;
    let town = Town::build(&scenario, args.seed, args.devices);
    std::fs::create_dir_all(&args.out).with_context(|| format!("making {}", args.out.display()))?;
    let (registry, reports) = (args.out.join("registry.json"), args.out.join("reports.ndjson"));
    std::fs::write(&registry, format!("{:#}\n", town.registry()))
        .with_context(|| format!("writing {}", registry.display()))?;
    let mut out = BufWriter::new(File::create(&reports).with_context(|| format!("writing {}", reports.display()))?);
    let (mut lines, mut failed) = (0_u64, None);
    let tap = |device: &str, at: model::Timestamp, report: &str| {
        lines += 1;
        let line = writeln!(out, r#"{{"device":"{device}","received":"{at}","report":{report}}}"#);
        failed = failed.take().or(line.err());
    };
    world::run(&scenario, &town, Drive { tap: Some(Box::new(tap)), ..Drive::default() })?;
    if let Some(error) = failed {
        return Err(error).with_context(|| format!("writing {}", reports.display()));
    }
    out.flush().with_context(|| format!("writing {}", reports.display()))?;
    say(&registry.display().to_string())?;
    say(&format!("{} ({lines} lines)", reports.display()))
}
