//! `yinling import`

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use reqwest::Method;
use serde::Deserialize;

use crate::client::{Remark, Server};
use crate::output;

/// The arguments of `import`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The registry as JSON; `-` reads stdin
    file: PathBuf,
    #[command(flatten)]
    server: Server,
    /// Only checks: nothing is written
    #[arg(long)]
    dry_run: bool,
}

#[derive(Deserialize)]
struct Imported {
    counts: Counts,
    #[serde(default)]
    warnings: Vec<Remark>,
}

#[derive(Deserialize)]
struct Counts {
    orgs: u64,
    people: u64,
    wearers: u64,
    devices: u64,
}

/// Sends the file; all of it is written, or nothing.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let body = read(&args.file)?;
    let path = if args.dry_run { "import?dry_run=true" } else { "import" };
    let imported: Imported = args.server.talk(async |client| client.ask(Method::POST, path, Some(body)).await)?;
    for warning in &imported.warnings {
        eprintln!("warning: {warning}");
    }
    let Counts { orgs, people, wearers, devices } = imported.counts;
    let done = if args.dry_run { "would be imported" } else { "imported" };
    output::line(&format!("{done}: organisations {orgs}, people {people}, wearers {wearers}, devices {devices}"))?;
    Ok(())
}

fn read(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        let mut body = Vec::new();
        std::io::stdin().lock().read_to_end(&mut body).context("reading stdin")?;
        return Ok(body);
    }
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}
