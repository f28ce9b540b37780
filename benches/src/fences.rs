//! The fences' own bench as part of the whole table: run as cargo runs it, its table taken as it is.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Places at which `geo` must agree, here.
const PLACES: &str = "1000000";

/// Builds it, so that only measuring is left.
pub(crate) fn build() -> anyhow::Result<()> {
    let built = command().arg("--no-run").status().context("running cargo")?;
    ensure!(built.success(), "the fences' bench does not build");
    Ok(())
}

/// Its table: each number of vertices with every peer's nanoseconds; agreement; walks.
pub(crate) fn measure() -> anyhow::Result<String> {
    let output = command().args(["--", "--places", PLACES]).stderr(Stdio::inherit()).output();
    let output = output.context("running cargo")?;
    ensure!(output.status.success(), "the fences' bench failed");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn command() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let mut command = Command::new(cargo);
    command.arg("bench").arg("--manifest-path").arg(manifest).args(["--bench", "fences"]);
    if has_geos() {
        command.args(["--features", "geos"]);
    } else {
        eprintln!("GEOS is not installed (apt-get install libgeos-dev): it is left out");
    }
    command
}

fn has_geos() -> bool {
    Command::new("geos-config").arg("--version").output().is_ok_and(|answer| answer.status.success())
}
