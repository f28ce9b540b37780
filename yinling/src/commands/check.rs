//! `yinling check`: everything that can be known to be wrong before anything starts, and all of it at once.

use std::path::PathBuf;

use anyhow::Context;
use engine::config::Config;
use engine::registry::{self, ImportContext};
use engine::setup;

use super::ConfigArgs;
use crate::failure::SetupFault;
use crate::output;

/// The arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Also checks a registry file, as far as that is possible without the running engine's registry
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
}

/// Tells every fault at once; exit code 78 when there is any.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut faults: Vec<String> = Vec::new();
    let mut warnings: Vec<String> = Vec::new();
    let registry = match &args.registry {
        Some(path) => {
            Some((path, std::fs::read(path).with_context(|| format!("reading the registry {}", path.display()))?))
        }
        None => None,
    };
    let (read, wrong) = args.config.survey();
    faults.extend(wrong.iter().map(ToString::to_string));
    let named = args.config.data.clone().map(|data| Config { data, ..Config::default() });
    // With a file that cannot be read at all, the data directory is known only from the command line.
    if let Some(config) = read.as_ref().or(named.as_ref()) {
        warnings.extend(if faults.is_empty() { config.warnings() } else { Vec::new() });
        let (wrong, odd) = setup::look(config);
        faults.extend(wrong);
        warnings.extend(odd);
    }
    let config = read.unwrap_or_default();
    if let Some((path, document)) = registry {
        let row = |row: registry::RowError| format!("{} {}: {}", path.display(), row.pointer, row.detail);
        match registry::validate(&document, &ImportContext::alone(config.zone).with_reach(config.reach())) {
            Ok(import) => warnings.extend(import.warnings.into_iter().map(row)),
            Err(rows) => faults.extend(rows.into_iter().map(row)),
        }
    }
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    if faults.is_empty() {
        output::line("well: no faults found")?;
        return Ok(());
    }
    for fault in &faults {
        eprintln!("fault: {fault}");
    }
    let noun = if faults.len() == 1 { "fault" } else { "faults" };
    Err(SetupFault(format!("{} {noun} found", faults.len())).into())
}
