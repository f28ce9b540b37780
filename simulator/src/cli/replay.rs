//! `yinling-sim replay`: a recording to a server, each device over its own connection.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use model::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::neighbourhood::bracelet::Bracelet;

use super::arguments::{SECONDS_MAX, address, speed};
use super::say;
use super::screen::Screen;

/// How long the last reports may take to be acknowledged.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// What to replay, and to whom.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recording: one JSON object a line, as `yinling-sim record` and DESIGN have it
    reports: PathBuf,
    /// The registry with the devices' secrets; the server has imported it
    #[arg(long)]
    registry: PathBuf,
    /// The server's MQTT listener
    #[arg(long, value_name = "ADDR", value_parser = address)]
    mqtt: SocketAddr,
    /// Seconds of the recording a second
    #[arg(long, default_value = "1", value_parser = speed)]
    speed: f64,
    /// Sends the recording's own times instead of moving them to now
    #[arg(long)]
    keep_times: bool,
}

/// One line of a recording.
#[derive(Deserialize)]
struct Line<'a> {
    device: &'a str,
    received: Timestamp,
    #[serde(borrow)]
    report: &'a RawValue,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(replay(args))
}

async fn replay(args: &Args) -> anyhow::Result<()> {
    let secrets = secrets(args)?;
    let file = File::open(&args.reports).with_context(|| format!("opening {}", args.reports.display()))?;
    let mut devices: BTreeMap<String, Bracelet> = BTreeMap::new();
    let (began, now) = (Instant::now(), model::Clock::now(&engine::clock::SystemClock::new(None)));
    let (mut first, mut sent) = (None, 0_u64);
    let mut screen = Screen::new("replay", 0);
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let place = || format!("{}:{}", args.reports.display(), number + 1);
        let line = line.with_context(place)?;
        if line.trim().is_empty() {
            continue;
        }
        let line: Line<'_> = serde_json::from_str(&line).with_context(place)?;
        let first = *first.get_or_insert(line.received);
        let passed = line.received.millis_since(first).max(0);
        let due = passed as f64 / 1000.0 / args.speed;
        ensure!(due <= SECONDS_MAX, "{}: would be sent in more than a year; --speed makes it sooner", place());
        let due = Duration::from_secs_f64(due);
        tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
        let secret = secrets
            .get(line.device)
            .with_context(|| format!("{}: the registry has no device {:?} with a secret", place(), line.device))?;
        let device = devices
            .entry(line.device.to_owned())
            .or_insert_with(|| Bracelet::switch_on(args.mqtt, line.device, secret, None));
        refused(line.device, device)?;
        device.say(moved(line.report.get(), first, now, args));
        sent += 1;
        screen.at(passed.unsigned_abs() / 1000, sent);
    }
    screen.end();
    ensure!(sent > 0, "{}: there is no report in it", args.reports.display());
    let ended = Instant::now();
    let waiting = |devices: &BTreeMap<String, Bracelet>| -> usize {
        devices.values().map(|device| device.standing().borrow().waiting).sum()
    };
    while waiting(&devices) > 0 && ended.elapsed() < ACKNOWLEDGED_WITHIN {
        devices.iter().try_for_each(|(id, device)| refused(id, device))?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let missing = waiting(&devices);
    if missing > 0 {
        let away = devices.values().filter(|device| !device.standing().borrow().connected).count();
        let mut why = format!("{missing} of {sent} reports were not acknowledged within {ACKNOWLEDGED_WITHIN:?}");
        if away > 0 {
            why += &format!("; {away} of {} devices have no connection to {}", devices.len(), args.mqtt);
        }
        bail!(why);
    }
    say(&format!("{sent} reports of {} devices, all acknowledged", devices.len()))?;
    for (_, device) in devices {
        device.switch_off().await;
    }
    Ok(())
}

/// Whether the server does not know a device: it would be refused again and again, and say nothing.
fn refused(id: &str, device: &Bracelet) -> anyhow::Result<()> {
    let refused = device.standing().borrow().refused;
    ensure!(
        !refused,
        "{id} was refused: the server does not know the device, or its secret is another than in --registry"
    );
    Ok(())
}

/// A report with its time moved as far as the recording is moved; what cannot be read is sent as it is.
fn moved(report: &str, first: Timestamp, now: Timestamp, args: &Args) -> Vec<u8> {
    let as_it_is = || report.as_bytes().to_vec();
    let Ok(mut value) = serde_json::from_str::<Value>(report) else { return as_it_is() };
    if args.keep_times {
        return as_it_is();
    }
    let claimed = match &value["t"] {
        Value::String(text) => Timestamp::parse(text),
        Value::Number(millis) => millis.as_i64().map(Timestamp::from_millis),
        _ => None,
    };
    let Some(claimed) = claimed else { return as_it_is() };
    let passed = claimed.millis_since(first) as f64 / args.speed;
    value["t"] = serde_json::json!(now.plus_millis(passed as i64).millis());
    value.to_string().into_bytes()
}

fn secrets(args: &Args) -> anyhow::Result<BTreeMap<String, String>> {
    let text =
        std::fs::read_to_string(&args.registry).with_context(|| format!("reading {}", args.registry.display()))?;
    let document: Value = serde_json::from_str(&text).with_context(|| format!("{}", args.registry.display()))?;
    let device = |device: &Value| Some((device["id"].as_str()?.to_owned(), device["secret"].as_str()?.to_owned()));
    Ok(document["devices"].as_array().into_iter().flatten().filter_map(device).collect())
}
