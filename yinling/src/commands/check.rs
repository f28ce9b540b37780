//! `yinling check`: everything that can be known to be wrong before anything starts.

use std::path::PathBuf;

use anyhow::Context;
use engine::config::Overrides;
use engine::data_dir::{DataDir, DataDirError};
use engine::registry::{self, ImportContext};

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
    let config = match args.config.load(Overrides::default()) {
        Ok(config) => config,
        Err(wrong) => {
            faults.extend(wrong.0.iter().map(ToString::to_string));
            engine::config::Config::default()
        }
    };
    if faults.is_empty() {
        warnings.extend(config.warnings());
        match check_data_dir(&config.data) {
            Ok(()) => {}
            // `check` may well come before `init`.
            Err(error @ DataDirError::NotInitialised(_)) => warnings.push(error.to_string()),
            Err(error) => faults.push(error.to_string()),
        }
    }
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

fn check_data_dir(dir: &std::path::Path) -> Result<(), DataDirError> {
    DataDir::open(dir)?.load_secrets().map(drop)
}
