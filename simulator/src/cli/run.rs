//! `yinling-sim run`.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use crate::live;
use crate::oracle::Verdict;
use crate::scenario::{Scenario, shipped};
use crate::town::Town;
use crate::world::mutant::Mutant;
use crate::world::{self, Drive};

use super::arguments::{address, quoted, speed};
use super::screen::Screen;
use super::{check_devices, note, say};

/// What to run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenarios by name, or TOML files; see `yinling-sim ls`
    #[arg(required_unless_present = "all")]
    scenarios: Vec<String>,
    /// Every scenario that is shipped
    #[arg(long, conflicts_with = "scenarios")]
    all: bool,
    /// What decides the whole run; several (`1,2,3`) are run one after the other
    #[arg(long, value_delimiter = ',', default_value = "1")]
    seed: Vec<u64>,
    /// How many elders (each has a bracelet and a cuff) instead of as many as the scenario says
    #[arg(long)]
    devices: Option<u32>,
    /// Virtual seconds a second; without it, as fast as it goes
    #[arg(long, value_parser = speed)]
    speed: Option<f64>,
    /// Writes the verdicts as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the verdicts as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// In real time against a real server over MQTT and the feed; without --http, one that is started for it
    #[arg(long, conflicts_with_all = ["speed", "mutant"])]
    live: bool,
    /// The server's API
    #[arg(long, value_name = "ADDR", value_parser = address, requires_all = ["live", "mqtt", "token", "phones"])]
    http: Option<SocketAddr>,
    /// The server's MQTT listener
    #[arg(long, value_name = "ADDR", value_parser = address, requires = "http")]
    mqtt: Option<SocketAddr>,
    /// An administrator's token
    #[arg(long, requires = "http", env = "YINLING_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Where the phones listen; the server's gateway channels post to http://ADDR/gateway
    #[arg(long, requires = "live", value_name = "ADDR", value_parser = address)]
    phones: Option<SocketAddr>,
    /// The gateway channels' secret
    #[arg(long, requires = "live", default_value = "whsec_eWlubGluZy1zaW0tcGhvbmVz")]
    phones_secret: String,
    /// Puts a fault between the world and the engine: the scenario that is about it must fail then; `--mutant ?` lists both
    #[arg(long)]
    mutant: Option<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<u8> {
    let mutant = match &args.mutant {
        None => None,
        Some(name) => Some(Mutant::named(name).with_context(|| {
            let names = Mutant::ALL.iter().map(|(name, _, scenario)| format!("{name} (in {scenario})"));
            format!("there is no mutant {name:?}; there are {}", names.collect::<Vec<_>>().join(", "))
        })?),
    };
    let names: Vec<String> = match args.all {
        true => shipped::ALL.iter().map(|(name, _)| (*name).to_owned()).collect(),
        false => args.scenarios.clone(),
    };
    // All of them first: nobody waits for a run to hear that the next one cannot be read.
    let scenarios = names.iter().map(|name| Scenario::open(name)).collect::<anyhow::Result<Vec<_>>>()?;
    for scenario in &scenarios {
        check_devices(scenario, args.devices)?;
    }
    // The files too: nobody waits for a day of a town to hear that its verdict has no place.
    for path in [&args.json, &args.junit].into_iter().flatten() {
        // Nothing is lost of what is there already, should this run be ended before its verdict.
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.with_context(|| format!("writing {}", path.display()))?;
    }
    let mut verdicts = Vec::new();
    let done = all(&names, &scenarios, args, mutant, &mut verdicts);
    // What was judged before something could not be run is kept.
    write(args, &verdicts)?;
    done?;
    // A miss weighs more than a threshold.
    let codes = verdicts.iter().map(|(verdict, _)| verdict.exit_code()).filter(|code| *code != 0);
    Ok(codes.min().unwrap_or(0))
}

fn all(
    names: &[String],
    scenarios: &[Scenario],
    args: &Args,
    mutant: Option<Mutant>,
    verdicts: &mut Vec<(Verdict, Duration)>,
) -> anyhow::Result<()> {
    for (name, scenario) in names.iter().zip(scenarios) {
        for seed in &args.seed {
            let began = Instant::now();
            let verdict = one(scenario, *seed, args, mutant).with_context(|| format!("{name} (seed {seed})"))?;
            let mut told = verdict.table();
            if verdict.exit_code() != 0 {
                told += &format!("again: {}\n", again(name, *seed, args));
            }
            verdicts.push((verdict, began.elapsed()));
            say(&told)?;
        }
    }
    Ok(())
}

fn one(scenario: &Scenario, seed: u64, args: &Args, mutant: Option<Mutant>) -> anyhow::Result<Verdict> {
    let began = Instant::now();
    let name = format!("{} (seed {seed})", scenario.name);
    let screen = RefCell::new(Screen::new(&name, u64::from(scenario.duration_s)));
    if args.live {
        let options = live_options(args);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let progress = |at, reports| screen.borrow_mut().at(at, reports);
        let verdict = runtime.block_on(live::run(scenario, seed, args.devices, &options, progress));
        screen.into_inner().end();
        return verdict;
    }
    let town = Town::build(scenario, seed, args.devices);
    let drive = Drive {
        mutant,
        speed: args.speed,
        tap: None,
        progress: Some(Box::new(|at, reports| screen.borrow_mut().at(at.unsigned_abs() / 1000, reports))),
    };
    let verdict = world::run(scenario, &town, drive);
    screen.into_inner().end();
    let verdict = verdict?;
    let (took, seconds) = (began.elapsed().as_secs_f64(), f64::from(scenario.duration_s));
    note(&format!("{name}: {took:.1} s, {:.0} × as fast as life", seconds / took.max(f64::EPSILON)));
    Ok(verdict)
}

fn live_options(args: &Args) -> live::Options {
    let server = match (args.http, args.mqtt, &args.token) {
        (Some(http), Some(mqtt), Some(token)) => Some(live::Server { http, mqtt, token: token.clone() }),
        _ => None,
    };
    let phones = args.phones.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
    live::Options { server, phones, secret: args.phones_secret.clone() }
}

/// The line that runs this again.
fn again(name: &str, seed: u64, args: &Args) -> String {
    let devices = args.devices.map(|devices| format!(" --devices {devices}")).unwrap_or_default();
    let mutant = args.mutant.as_ref().map(|mutant| format!(" --mutant {mutant}")).unwrap_or_default();
    let mut live = if args.live { " --live".to_owned() } else { String::new() };
    for (option, address) in [("http", args.http), ("mqtt", args.mqtt), ("phones", args.phones)] {
        if let Some(address) = address {
            live += &format!(" --{option} {address}");
        }
    }
    // The token is not shown: it comes from YINLING_TOKEN.
    format!("yinling-sim run {} --seed {seed}{devices}{mutant}{live}", quoted(name))
}

fn write(args: &Args, verdicts: &[(Verdict, Duration)]) -> anyhow::Result<()> {
    if let Some(path) = &args.json {
        let all = json!({"runs": verdicts.iter().map(|(verdict, _)| verdict.json()).collect::<Vec<_>>()});
        std::fs::write(path, format!("{all:#}\n")).with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = &args.junit {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        let suites: String = verdicts.iter().map(|(verdict, took)| verdict.junit(*took).replace(head, "")).collect();
        let text = format!("{head}<testsuites>\n{suites}</testsuites>\n");
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
