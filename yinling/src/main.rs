//! `yinling`: the command line. Thin: it reads arguments, calls `engine`, and says clearly what went wrong.
//!
//! stdout carries results only (the token, the `ready` line, NDJSON, lists), so that scripts can rely on it;
//! everything meant for people goes to stderr.

mod client;
mod commands;
mod failure;
mod logging;
mod output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{
    audit, backup, channel, check, completions, config, demo, import, init, journal, replay, serve, token, user,
    watchdog,
};

/// Reports are allocated on a connection's thread and freed on the loop's: an allocator that is made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Shown below the help.
const EXIT_CODES: &str = "\
Exit codes:
  0    well
  1    it failed; stderr says why
  2    a command line that cannot be read
  70   serve: a part of it panicked; what is on disk is whole, start it again
  74   the disk is full, or the journal cannot be written; mend it, then start again
  78   the setup is at fault (configuration, certificates, addresses, data directory): correct it first
  130  a second Ctrl-C or SIGTERM ended it at once";

/// Elder-care alarms: takes what an elder's device reports, decides whether somebody must come, and does not stop
/// until somebody has said that they are coming.
#[derive(Debug, Parser)]
#[command(name = "yinling", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What is logged to stderr: error, warn, info, debug, trace, or a filter such as `info,broker=debug`
    #[arg(long, global = true, value_name = "FILTER", env = "YINLING_LOG")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the engine: takes reports over MQTT, serves the API, calls people
    Serve(serve::Args),
    /// Shows everything at once: a throw-away engine, an invented neighbourhood, phones that ring
    Demo(demo::Args),
    /// Checks configuration, data directory and registry, and tells every fault at once
    Check(check::Args),
    /// Makes a data directory and the first administrator's token
    Init(init::Args),
    /// Sends a registry file to a running engine
    Import(import::Args),
    /// Makes, lists and ends API tokens of a running engine
    #[command(subcommand)]
    Token(token::Command),
    /// Makes, lists and locks the accounts of people who sign in
    #[command(subcommand)]
    User(user::Command),
    /// Looks at what is on disk, also while nobody serves
    #[command(subcommand)]
    Journal(journal::Command),
    /// Checks the record of who looked and who did what
    #[command(subcommand)]
    Audit(audit::Command),
    /// Tries out how people are reached
    #[command(subcommand)]
    Channel(channel::Command),
    /// Runs the rules over a recording, without a server and without calling anybody
    Replay(replay::Args),
    /// Copies a data directory, served or not, with everything up to the record that it states
    Backup(backup::Args),
    /// Brings a backup back into a new data directory
    Restore(backup::RestoreArgs),
    /// Shows the configuration in force
    #[command(subcommand)]
    Config(config::Command),
    /// Watches over a running engine and calls on when it is silent; `serve` starts it
    #[command(hide = true)]
    Watchdog(watchdog::Args),
    /// Writes a completion script for a shell
    Completions(completions::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.log.as_deref());
    let done = match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(args),
        Command::Init(args) => init::run(args),
        Command::Import(args) => import::run(&args),
        Command::Token(command) => token::run(&command),
        Command::User(command) => user::run(&command),
        Command::Journal(command) => journal::run(command),
        Command::Audit(command) => audit::run(command),
        Command::Channel(command) => channel::run(command),
        Command::Replay(args) => replay::run(args),
        Command::Backup(args) => backup::run(args),
        Command::Restore(args) => backup::restore(args),
        Command::Config(command) => config::run(command),
        Command::Watchdog(args) => watchdog::run(args),
        Command::Completions(args) => completions::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::exit(&error),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
