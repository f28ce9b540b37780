//! `yinling replay`

use std::io::Write;
use std::path::PathBuf;

use engine::config::Overrides;
use model::Timestamp;

use super::ConfigArgs;
use crate::output;

/// The arguments of `replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The registry as JSON, as for `import`; devices need no secret here
    #[arg(long, value_name = "FILE")]
    registry: PathBuf,
    /// The registry changed: shows what was found beside what would have been, and nothing else
    #[arg(long, value_name = "FILE")]
    changed: Option<PathBuf>,
    /// The recording: one `{"device":…,"received":…,"report":{…}}` a line
    #[arg(long, value_name = "FILE")]
    reports: PathBuf,
    /// Until when time runs on (RFC 3339); without it, 10 minutes after the last line
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// The configuration file, for the zone
    #[arg(long, value_name = "FILE", env = "YINLING_CONFIG")]
    config: Option<PathBuf>,
}

/// Writes what was found and told, as NDJSON.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { registry, changed, reports, until, config } = args;
    let config = ConfigArgs { config, data: None }.load(Overrides::default())?;
    let options = engine::replay::Options { registry, changed, reports, until, zone: config.zone };
    let mut out = output::buffered();
    engine::replay::run(&options, &mut out)?;
    out.flush()?;
    Ok(())
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "not an RFC 3339 time such as 2026-11-22T08:00:00+08:00".to_owned())
}
