//! The measurements, each beside a peer in the same run: a ratio says something on any machine, a number alone does
//! not. `cargo run --release -p benches` (or `cargo bench -p benches --bench table`) prints the table and writes it into
//! `docs/performance.md`.
//!
//! *How it is kept fair.* The engine, rumqttd and the generator are three processes on the same cores; nothing is
//! pinned. Both servers are sent the same bytes by the same generator (`simulator::load`), only topic and credentials
//! differ. Runs are interleaved A B B A. The engine is the shipped binary with a real data directory; before a run of
//! either server its follower has caught up, so that no work of one run falls into the next. rumqttd runs as in its own
//! examples with one local subscriber, and keeps everything in memory.

mod args;
mod children;
mod core;
mod crowd;
mod disk;
mod feed;
mod fences;
mod flow;
mod gateway;
mod http;
mod ingest;
mod latency;
mod loopback;
mod machine;
mod neighbourhood;
mod restart;
mod spread;
mod table;

use anyhow::Context;
use args::{Args, Role};
use clap::Parser;

/// The product's, so that what is measured in this process costs what it costs there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The command line of the benches: measures, or plays one of the parts that it starts as child processes.
///
/// # Errors
/// When something cannot be started or measured.
pub fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // For what is started from here, too.
    engine::open_files::raise();
    match &args.role {
        Some(Role::Peer { address }) => children::be_peer(*address),
        Some(Role::Load(load)) => children::be_load(load),
        Some(Role::Table) | None => measure(&args),
    }
}

fn measure(args: &Args) -> anyhow::Result<()> {
    let needs_engine = !(args.skip_ingest && args.skip_latency && args.skip_connections && args.skip_restart);
    let yinling = if needs_engine { children::yinling_binary(args)? } else { std::path::PathBuf::new() };
    let place = tempfile::Builder::new()
        .prefix("benches-")
        .tempdir_in(children::own_directory()?)
        .context("a directory on the same disk as the build")?;
    if args.feed {
        return feed::measure(args, &yinling, place.path());
    }
    let mut table = table::Table::new(machine::describe(place.path()));
    if !args.skip_core {
        table.core = core::measure_all(args)?;
    }
    if !args.skip_ingest {
        table.ingest = ingest::measure(args, &yinling, place.path())?;
    }
    if !args.skip_latency {
        table.latency = Some(latency::measure(args, &yinling, place.path(), table.peak())?);
    }
    if !args.skip_flow && !args.skip_latency {
        table.flow = flow::measure(args, place.path())?;
    }
    if !args.skip_connections {
        table.crowd = Some(crowd::measure(args, &yinling, place.path())?);
    }
    if !args.skip_restart {
        table.restart = Some(restart::measure(args, &yinling, place.path())?);
    }
    if !args.skip_fences {
        table.fences = fences::measure()?;
    }
    let text = table.render();
    println!("{text}");
    if let Some(path) = &args.write {
        table::write_into(path, &text).with_context(|| format!("writing the table into {}", path.display()))?;
        eprintln!("written into {}", path.display());
    }
    Ok(())
}
