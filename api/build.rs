//! Lays out the console for embedding: our own files, and Leaflet and uPlot as npm brings them by lock.
//!
//! Without the feature `console` nothing of this happens and neither node nor npm is asked for.

use std::path::Path;
use std::process::Command;

/// What whoever builds is told when there is no npm.
const WITHOUT_NPM: &str = "the console needs node and npm (Debian: apt-get install nodejs npm); \
     to build a server without a console: --no-default-features";

fn main() {
    for watched in ["build.rs", "console/src", "console/pack.mjs", "console/package-lock.json"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    if std::env::var_os("CARGO_FEATURE_CONSOLE").is_none() {
        return;
    }
    let Some(out) = std::env::var_os("OUT_DIR") else { return };
    let console = Path::new("console");
    let wanted = console.join("package-lock.json");
    let installed = console.join("node_modules/.package-lock.json");
    let is_older = |a: &Path, b: &Path| match (modified(a), modified(b)) {
        (Some(a), Some(b)) => a < b,
        _ => true,
    };
    let parts = ["leaflet", "uplot"].map(|part| console.join("node_modules").join(part).join("package.json"));
    if parts.iter().any(|part| !part.is_file()) || is_older(&installed, &wanted) {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(console);
        run(npm, "npm ci in api/console did not succeed");
    }
    let mut pack = Command::new("node");
    pack.arg("console/pack.mjs").arg(out);
    run(pack, "node console/pack.mjs did not succeed");
}

/// Runs a tool; what goes wrong is told in one line and ends the build.
fn run(mut command: Command, complaint: &str) {
    let told = match command.output() {
        Ok(output) if output.status.success() => return,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " | ");
            format!("{complaint}: {said}")
        }
        Err(_) => WITHOUT_NPM.to_owned(),
    };
    println!("cargo::error={told}");
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}
