//! The measurements, each beside a peer in the same run: a ratio says something on any machine, a number alone does
//! not. `cargo run --release -p benches` (or `cargo bench -p benches --bench table`) prints the table;
//! `-- ingest storm --write docs/performance.md` measures two of its sections and refreshes them on the page.
//!
//! *How it is kept fair.* The engine, rumqttd and the generator are three processes on the same cores; nothing is
//! pinned. Both servers are sent the same bytes by the same generator (`simulator::load`), only topic and credentials
//! differ. Runs are interleaved A B B A. The engine is the shipped binary with a real data directory; before a run of
//! either server its follower has caught up, so that no work of one run falls into the next. rumqttd runs as in its own
//! examples with one local subscriber, and keeps everything in memory.

mod args;
mod children;
mod conditions;
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
mod page;
mod restart;
mod spread;
mod table;

use anyhow::Context;
use args::{Args, Role, Section};
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
        None => measure(&args),
    }
}

fn measure(args: &Args) -> anyhow::Result<()> {
    let sections = args.to_measure();
    anyhow::ensure!(!sections.is_empty(), "nothing is left to measure: --skip names every section that was asked for");
    if let Some(page) = &args.write {
        sections.iter().try_for_each(|section| page::check(page, section.name()))?;
    }
    let needs_engine = sections.iter().any(|section| section.needs_engine());
    let yinling = if needs_engine { children::yinling_binary(args)? } else { std::path::PathBuf::new() };
    let place = tempfile::Builder::new()
        .prefix("benches-")
        .tempdir_in(children::own_directory()?)
        .context("a directory on the same disk as the build")?;
    let (place, mut peak) = (place.path(), None);
    eprintln!("machine: {}", machine::describe(place));
    for section in sections {
        eprintln!("{}…", section.name());
        if section == Section::Fences {
            // What compiles is no condition of a measurement.
            fences::build()?;
        }
        let conditions = conditions::Conditions::begin(place)?;
        let table = match section {
            Section::Ingest => {
                let windows = ingest::measure(args, &yinling, place)?;
                peak = windows.iter().map(|window| window.yinling.rate.median()).max_by(f64::total_cmp);
                table::ingest(&windows, args.connections)
            }
            Section::Latency => table::latency(&latency::measure(args, &yinling, place, peak)?),
            Section::Connections => table::connections(&crowd::measure(args, &yinling, place)?),
            Section::Storm => table::storm(&crowd::storm(args, &yinling, place)?),
            Section::Core => table::core(&core::measure_all(args)?),
            Section::Fences => fences::measure()?,
            Section::Restart => table::restart(&restart::measure(args, &yinling, place)?),
            Section::Feed => table::feed(&feed::measure(args, &yinling, place)?),
            // It stands for the others.
            Section::Table => continue,
        };
        let text = format!("{}\n\n{}\n", conditions.end()?, table.trim_end());
        println!("{text}");
        // At once: who is interrupted keeps what is there.
        if let Some(page) = &args.write {
            page::write(page, section.name(), &text)?;
        }
    }
    if let Some(page) = &args.write {
        page::write(page, "machine", &format!("Machine: {}.", machine::describe(place)))?;
    }
    Ok(())
}
