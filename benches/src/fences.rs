//! The fences' own bench as part of the whole table: run as cargo runs it, its lines shown as they are.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Places at which `geo` must agree, here.
const PLACES: &str = "1000000";

/// Its lines: each number of vertices with every peer's nanoseconds, agreement, walks.
pub(crate) fn measure() -> anyhow::Result<Vec<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let mut command = Command::new(cargo);
    command.arg("bench").arg("--manifest-path").arg(manifest).args(["--bench", "fences"]);
    if cfg!(feature = "geos") {
        command.args(["--features", "geos"]);
    }
    let output = command.args(["--", "--places", PLACES]).stderr(Stdio::inherit()).output().context("running cargo")?;
    ensure!(output.status.success(), "the fences' bench failed");
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect())
}
