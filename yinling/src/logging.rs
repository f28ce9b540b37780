//! The log: to stderr, coloured only for a terminal. It names no person above `debug`.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// What is logged when nobody said otherwise: what an operator needs to see. The feed's router tells of each of its own
/// clients and filters at `info`, which is none of theirs.
const FILTER_DEFAULT: &str = "info,rumqttd=warn";

/// Starts the log. A filter that cannot be read is told and replaced, never fatal: an alarm engine that does not
/// start because of its log level helps nobody.
pub fn start(filter: Option<&str>) {
    let wanted = filter.unwrap_or(FILTER_DEFAULT);
    let (filter, fault) = match EnvFilter::try_new(wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(FILTER_DEFAULT), Some(error)),
    };
    let stderr = io::stderr();
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(stderr.is_terminal())
        .with_writer(io::stderr)
        .with_target(true)
        .try_init();
    if let Some(fault) = fault {
        tracing::warn!(%fault, wanted, "the log filter cannot be read; logging at {FILTER_DEFAULT}");
    }
    if let Err(error) = started {
        eprintln!("yinling: the log could not be started: {error}");
    }
}
