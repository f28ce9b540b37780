//! `yinling journal dump`: what is on disk, as NDJSON, also while nobody serves. Needs neither the lock nor sled.
//!
//! The lines of kind `report` are a recording that `yinling replay` takes: their `received` is the time at which
//! the report was decided on.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use model::{Decision, Input, Record};
use serde_json::{Value, json};
use store::{DataDir, Disk, RealDisk, StoreError};

/// What to dump.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data directory.
    pub data: PathBuf,
    /// Only this kind: one of [`KINDS`].
    pub kind: Option<String>,
    /// From this record on; 0: from the oldest.
    pub from_seq: u64,
    /// Shows what passwords, tokens, cookies and device secrets were hashed to, instead of `…`.
    pub with_secrets: bool,
}

/// Members that hold what a secret was hashed to. One that is stored as it is does not exist.
const HASHED: [&str; 3] = ["password_hash", "secret_sha256", "secret_hmac"];

/// The kinds of a record, by its input.
pub const KINDS: [&str; 11] = [
    "report",
    "reject",
    "connection",
    "command",
    "callback",
    "sent",
    "down_sent",
    "down_acknowledged",
    "tick",
    "started",
    "told",
];

/// Writes the journal as NDJSON. Damage is told on stderr and what comes after it is still shown.
///
/// # Errors
/// An unknown kind, a directory that is not initialised, an output that cannot be written, and, at the end, damage.
pub fn run(options: &Options, out: &mut dyn Write) -> anyhow::Result<()> {
    if let Some(kind) = &options.kind
        && !KINDS.contains(&kind.as_str())
    {
        bail!("unknown kind '{kind}': one of {}", KINDS.join(", "));
    }
    crate::data_dir::DataDir::open(&options.data)?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let dir = DataDir::new(&options.data).journal();
    let reader = store::read_from(disk, &dir, options.from_seq)
        .with_context(|| format!("reading the journal of {}", options.data.display()))?;
    let mut damaged = 0u32;
    for item in reader {
        match item {
            Ok((seq, record)) => {
                let kind = kind_of(&record.input);
                if options.kind.as_deref().is_none_or(|wanted| wanted == kind) {
                    let mut line = line(seq, kind, &record);
                    if !options.with_secrets {
                        leave_out_secrets(&mut line);
                    }
                    writeln!(out, "{line}")?;
                }
            }
            Err(StoreError::Damage(damage)) => {
                damaged += 1;
                eprintln!("damage: {damage:?}");
            }
            Err(error) => return Err(error.into()),
        }
    }
    out.flush()?;
    if damaged > 0 {
        bail!("{damaged} damaged places; what they held can come from an export or a backup only");
    }
    Ok(())
}

fn kind_of(input: &Input) -> &'static str {
    match input {
        Input::Report { .. } => "report",
        Input::Reject { .. } => "reject",
        Input::Told { .. } => "told",
        Input::Connection { .. } => "connection",
        Input::Command { .. } => "command",
        Input::Callback { .. } => "callback",
        Input::Sent { .. } => "sent",
        Input::StoodIn { .. } => "stood_in",
        Input::DownSent { .. } => "down_sent",
        Input::DownAcknowledged { .. } => "down_acknowledged",
        Input::Tick => "tick",
        Input::Started { .. } => "started",
        Input::Resumed { .. } => "resumed",
    }
}

fn leave_out_secrets(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(leave_out_secrets),
        Value::Object(members) => {
            for (name, value) in members {
                match HASHED.contains(&name.as_str()) && !value.is_null() {
                    true => *value = Value::from("…"),
                    false => leave_out_secrets(value),
                }
            }
        }
        _ => {}
    }
}

fn line(seq: u64, kind: &str, record: &Record) -> Value {
    if let Input::Report { device, report } = &record.input {
        let decided: Vec<&str> = record.decisions.iter().map(name_of).collect();
        return json!({
            "seq": seq, "device": device, "received": record.at, "report": ingest::render(report), "decided": decided,
        });
    }
    json!({"seq": seq, "kind": kind, "at": record.at, "input": record.input, "decisions": record.decisions})
}

fn name_of(decision: &Decision) -> &'static str {
    match decision {
        Decision::Observed(_) => "observed",
        Decision::Repeated => "repeated",
        Decision::Finding(_) => "finding",
        Decision::Event(event) => event.kind.name(),
        Decision::Escalation(_) => "escalation",
        Decision::Registry(_) => "registry",
        Decision::Token(_) => "token",
        Decision::Reply(_) => "reply",
        Decision::Account(_) => "account",
        Decision::Session(_) => "session",
        Decision::Audit(_) => "audit",
        Decision::Glass(_) => "glass",
        Decision::Webhook(_) => "webhook",
        Decision::Delivery(_) => "delivery",
        Decision::Erased(_) => "erased",
        Decision::StepUp(_) => "step_up",
        Decision::Watch(_) => "watch",
    }
}
