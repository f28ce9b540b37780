//! `yinling import`

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use reqwest::Method;
use serde::Deserialize;

use crate::client::{Remark, Server};
use crate::output;

/// The arguments of `import`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The registry as JSON, or one of its nouns as a table (`.csv`); `-` reads stdin
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
    let kind = if is_table(&args.file, &body) { "text/csv" } else { "application/json" };
    let imported: Imported =
        args.server.talk(async |client| client.ask_as(Method::POST, path, kind, Some(body)).await)?;
    for warning in &imported.warnings {
        eprintln!("warning: {warning}");
    }
    let Counts { orgs, people, wearers, devices } = imported.counts;
    let done = if args.dry_run { "would be imported" } else { "imported" };
    output::line(&format!("{done}: organisations {orgs}, people {people}, wearers {wearers}, devices {devices}"))?;
    Ok(())
}

/// By its name; from stdin, by how it begins: a document begins with a brace.
fn is_table(path: &Path, body: &[u8]) -> bool {
    match path.extension() {
        Some(extension) => extension.eq_ignore_ascii_case("csv"),
        None => body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte != b'{'),
    }
}

fn read(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        let mut body = Vec::new();
        std::io::stdin().lock().read_to_end(&mut body).context("reading stdin")?;
        return Ok(body);
    }
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}
