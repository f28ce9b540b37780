//! `yinling replay`: the pure pipeline over a recording. No server, no clock: time is the recording's.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono_tz::Tz;
use model::{
    Actor, Decision, DeviceId, Input, OrgPath, PersonId, Record, RegistryChange, Role, StaffCommand, Timestamp,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::pipeline::Pipeline;
use crate::registry;

/// How long time runs on after the last line, unless told otherwise, in seconds.
pub const RUN_ON_SECONDS: u32 = 600;
/// The feed's epoch in a replay's output.
const REPLAY_EPOCH: u32 = 0;

/// What to replay.
#[derive(Debug, Clone)]
pub struct Options {
    /// The registry document.
    pub registry: PathBuf,
    /// Another registry over the same recording, to see what it would have changed.
    pub changed: Option<PathBuf>,
    /// The recording: one JSON object a line.
    pub reports: PathBuf,
    /// Until when time runs on; default [`RUN_ON_SECONDS`] after the last line.
    pub until: Option<Timestamp>,
    /// The zone of schedules.
    pub zone: Tz,
}

/// One line of a recording.
#[derive(Deserialize)]
struct Line<'a> {
    device: &'a str,
    received: Timestamp,
    #[serde(borrow)]
    report: &'a RawValue,
}

/// Replays a recording and writes what was found and told as NDJSON. With a changed registry: what was found (`was`)
/// beside what would have been (`would`), in the order of time.
///
/// # Errors
/// A file that cannot be read, a registry that is not valid, a line that is not one; the message names file and line.
pub fn run(options: &Options, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(changed) = &options.changed else {
        return replay(options, &options.registry, &mut |_, line| Ok(writeln!(out, "{line}")?));
    };
    let mut found: Vec<(Timestamp, Value)> = Vec::new();
    for (name, registry) in [("was", &options.registry), ("would", changed)] {
        replay(options, registry, &mut |at, mut line| {
            if let Some(finding) = line.get_mut("finding") {
                found.push((at, json!({"at": at, (name): finding.take()})));
            }
            Ok(())
        })?;
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().try_for_each(|(_, line)| Ok(writeln!(out, "{line}")?))
}

/// Is handed each line of the output with its time.
type Take<'o> = &'o mut dyn FnMut(Timestamp, Value) -> anyhow::Result<()>;

fn replay(options: &Options, registry: &Path, out: Take<'_>) -> anyhow::Result<()> {
    let document = std::fs::read(registry).with_context(|| format!("reading {}", registry.display()))?;
    let change = registry::validate_alone(&document, options.zone).map_err(|errors| {
        let rows: Vec<String> = errors.iter().map(|row| format!("  {}: {}", row.pointer, row.detail)).collect();
        anyhow::anyhow!("{} is not a valid registry:\n{}", registry.display(), rows.join("\n"))
    })?;
    let reports = File::open(&options.reports).with_context(|| format!("opening {}", options.reports.display()))?;
    let mut replay = Replay { pipeline: Pipeline::new(options.zone), change: Some(change), records: Vec::new(), out };
    let mut last = None;
    for (number, line) in BufReader::new(reports).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let place = || format!("{}:{}", options.reports.display(), number + 1);
        let parsed: Line<'_> = serde_json::from_str(&line).with_context(place)?;
        replay.line(&parsed).with_context(place)?;
        last = Some(parsed.received);
    }
    let Some(last) = last else { bail!("{} has no lines", options.reports.display()) };
    replay.run_until(options.until.unwrap_or_else(|| last.plus_seconds(RUN_ON_SECONDS)))
}

struct Replay<'o> {
    pipeline: Pipeline,
    /// The registry, until it is imported at the first line's time.
    change: Option<RegistryChange>,
    records: Vec<Record>,
    out: Take<'o>,
}

impl Replay<'_> {
    fn line(&mut self, line: &Line<'_>) -> anyhow::Result<()> {
        if let Some(change) = self.change.take() {
            let actor = Actor { person: PersonId::new("replay"), role: Role::Admin, scope: OrgPath::new("/") };
            let command = StaffCommand::Import(Box::new(change));
            let input = Input::Command { actor, idempotency_key: None, command };
            self.pipeline.decide(input, line.received, &mut self.records);
            self.records.clear();
        }
        let items = ingest::decode(ingest::Format::Json, line.report.get().as_bytes(), &ingest::Limits::default());
        for item in items {
            let device = DeviceId::new(line.device);
            let input = match item {
                Ok(report) => Input::Report { device, report },
                Err(reject) => {
                    eprintln!("not taken in: {:?}: {}", reject.reason, reject.detail);
                    Input::Reject { device: Some(device), topic: "replay".into(), reject }
                }
            };
            self.pipeline.decide(input, line.received, &mut self.records);
        }
        self.print()
    }

    fn run_until(&mut self, until: Timestamp) -> anyhow::Result<()> {
        self.pipeline.advance(until, &mut self.records);
        self.print()
    }

    fn print(&mut self) -> anyhow::Result<()> {
        for record in self.records.drain(..) {
            for decision in &record.decisions {
                let line = match decision {
                    Decision::Finding(finding) => json!({"at": record.at, "finding": {
                        "kind": finding.kind, "wearer": finding.wearer, "priority": finding.priority,
                        "change": finding.change, "measured": finding.measured, "late": finding.late,
                        "confirmed": finding.confirmed, "explain": finding.explain.zh, "explain_en": finding.explain.en,
                    }}),
                    Decision::Event(event) => json!({"at": record.at, "event": event.envelope(REPLAY_EPOCH)}),
                    _ => continue,
                };
                (self.out)(record.at, line)?;
            }
        }
        Ok(())
    }
}
