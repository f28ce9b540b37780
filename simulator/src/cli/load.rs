//! `yinling-sim load`.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use model::Clock;
use serde_json::json;

use crate::load::{self, LoadOptions, LoadReport, Pace, Target};

use super::arguments::{address, rate, seconds};
use super::{note, say};

/// Whom to load, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server's MQTT listener
    #[arg(required_unless_present = "registry", value_parser = address)]
    address: Option<SocketAddr>,
    /// How many connections; devices `load000000`, `load000001`…
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// For how long, seconds
    #[arg(long, default_value = "5", value_parser = seconds)]
    seconds: f64,
    /// Closed loop: so many reports on the way per connection
    #[arg(long, conflicts_with_all = ["rate", "idle"])]
    window: Option<usize>,
    /// Open loop: so many reports a second in all, each at its intended time; latency counts from there
    #[arg(long, conflicts_with = "idle", value_parser = rate)]
    rate: Option<f64>,
    /// Connects and stays, sending nothing but a ping now and then
    #[arg(long)]
    idle: bool,
    /// The devices' secret; without it, a broker without credentials is spoken to
    #[arg(long)]
    secret: Option<String>,
    /// Connects from these addresses in turn, 55 000 connections from each; without it, the system chooses, and has 28 000
    #[arg(long, value_delimiter = ',')]
    from: Vec<IpAddr>,
    /// So many connections are made at a time
    #[arg(long, default_value_t = 64)]
    at_once: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Writes the registry that the server needs for these devices (two fences each) in parts for `yinling import`, and ends
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<u8> {
    ensure!(args.connections > 0, "--connections must be above 0");
    if let Some(path) = &args.registry {
        let secret = args.secret.as_deref().context("--registry needs the devices' --secret")?;
        return write_registry(path, args.connections, secret).map(|()| 0);
    }
    ensure!(args.at_once > 0, "--at-once must be above 0");
    let pace = match (args.window, args.rate, args.idle) {
        (_, _, true) => Pace::Idle,
        (_, Some(rate), _) => Pace::Rate(rate),
        (Some(window), _, _) if (1..=load::WINDOW_MAX).contains(&window) => Pace::Window(window),
        (None, None, _) => Pace::Window(1),
        _ => anyhow::bail!("--window must be between 1 and {}", load::WINDOW_MAX),
    };
    let options = LoadOptions {
        address: args.address.context("an address to load")?,
        connections: args.connections,
        duration: Duration::from_secs_f64(args.seconds),
        pace,
        target: args.secret.clone().map_or(Target::Broker, |secret| Target::Yinling { secret }),
        from: args.from.clone(),
        at_once: args.at_once,
        now: engine::clock::SystemClock::new(None).now(),
    };
    let files = engine::open_files::raise();
    if let Some(files) = files.filter(|files| (*files as usize) < args.connections) {
        let wanted = args.connections;
        note(&format!(
            "NOTE this process may have {files} open files only (ulimit -n), too few for {wanted} connections"
        ));
    }
    let report = load::run(&options)?;
    tell(args, &report)?;
    report.broke.map_or(Ok(0), |why| Err(anyhow!(why)))
}

/// In parts that one import takes: `registry.json`, `registry.2.json`…
fn write_registry(path: &Path, connections: usize, secret: &str) -> anyhow::Result<()> {
    for (part, first) in (1..).zip((0..connections).step_by(load::REGISTRY_DEVICES_MAX)) {
        let last = (first + load::REGISTRY_DEVICES_MAX).min(connections);
        let path = if part == 1 { path.to_owned() } else { path.with_extension(format!("{part}.json")) };
        let document = load::registry(first..last, secret).to_string();
        std::fs::write(&path, document).with_context(|| format!("writing {}", path.display()))?;
        say(&path.display().to_string())?;
    }
    Ok(())
}

fn tell(args: &Args, report: &LoadReport) -> anyhow::Result<()> {
    let at = |quantile| report.latency_at(quantile);
    let limit = report.generator_limit();
    if args.json {
        let told = json!({
            "acknowledged": report.acknowledged, "rate": report.rate(), "seconds": report.elapsed.as_secs_f64(),
            "connected_in_s": report.connected_in.as_secs_f64(), "connections": args.connections,
            "connect_retries": report.connect_retries,
            "latency_us": {"p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": at(1.0)},
            "late_sends": report.late_sends, "generator_busy": report.busy, "generator_waited_for_cpu": report.waited,
            "generator_is_the_limit": limit, "broke": report.broke,
        });
        return say(&told.to_string());
    }
    let connected = report.connected_in.as_secs_f64();
    let again = match report.connect_retries {
        0 => String::new(),
        retries => format!(", after {retries} tries that nobody answered"),
    };
    let per_second = args.connections as f64 / connected;
    say(&format!("{} connections in {connected:.2} s ({per_second:.0}/s){again}", args.connections))?;
    if !args.idle {
        let (seconds, rate) = (report.elapsed.as_secs_f64(), report.rate());
        say(&format!("{} reports acknowledged in {seconds:.2} s: {rate:.0}/s", report.acknowledged))?;
        let at = |quantile| at(quantile).map_or("–".to_owned(), |us| us.to_string());
        say(&format!("latency µs: p50 {}  p99 {}  p99.9 {}  max {}", at(0.5), at(0.99), at(0.999), at(1.0)))?;
    }
    match limit {
        Some(why) => say(&format!("NOTE the generator, not the server, was the limit: {why}")),
        None => say(&format!(
            "the generator was not the limit: {:.0} % busy, {:.0} % waiting for a processor, {} reports left late",
            report.busy * 100.0,
            report.waited * 100.0,
            report.late_sends
        )),
    }
}
