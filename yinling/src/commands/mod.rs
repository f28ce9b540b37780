//! One file per subcommand.

pub mod audit;
pub mod backup;
pub mod channel;
pub mod check;
pub mod completions;
pub mod config;
pub mod demo;
pub mod import;
pub mod init;
pub mod journal;
pub mod replay;
pub mod serve;
pub mod token;
pub mod user;
pub mod watchdog;

use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use engine::config::{Config, ConfigFault, ConfigFaults, Overrides, Sources};

/// Where the configuration comes from, for every command that has one.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    /// The configuration file (TOML); every key can also be set as YINLING__SECTION__KEY
    #[arg(long, value_name = "FILE", env = "YINLING_CONFIG")]
    pub config: Option<PathBuf>,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl ConfigArgs {
    /// The command that starts this binary's watchdog with the same configuration.
    ///
    /// # Errors
    /// When the binary does not know where it is.
    pub fn watchdog_command(&self) -> std::io::Result<Vec<OsString>> {
        let mut command: Vec<OsString> = vec![std::env::current_exe()?.into(), "watchdog".into()];
        for (option, value) in [("--config", &self.config), ("--data", &self.data)] {
            if let Some(value) = value {
                command.extend([option.into(), value.into()]);
            }
        }
        Ok(command)
    }

    /// The configuration as far as it can be read, and every fault in it.
    pub fn survey(&self) -> (Option<Config>, Vec<ConfigFault>) {
        let overrides = Overrides { data: self.data.clone(), ..Overrides::default() };
        Config::survey(&Sources::of_process(self.config.clone(), overrides))
    }

    /// Loads and checks the configuration, with these overrides on top.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn load(self, overrides: Overrides) -> Result<Config, ConfigFaults> {
        let overrides = Overrides { data: self.data, ..overrides };
        Config::load(&Sources::of_process(self.config, overrides))
    }
}

/// A runtime for the commands that serve, and call people.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().thread_name("yinling").on_thread_start(scheduling::be_prompt).build()
}

/// The exit code after a second Ctrl-C: 128 + SIGINT, as shells know it.
const EXIT_INTERRUPTED: i32 = 130;

/// A second signal that comes this soon, in milliseconds, is the first one again: `timeout`, shells and service managers
/// tell a process and then its whole group.
const SAME_SIGNAL_MS: u64 = 500;

/// Completes when the process is asked to end: Ctrl-C, or SIGTERM from a service manager. Whoever asks a second time
/// does not want to wait for a clean end; nothing that was acknowledged can be lost by it. `at_once` is done then.
///
/// # Errors
/// When the signals cannot be listened to.
fn asked_to_end(at_once: impl FnOnce() + Send + 'static) -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("interrupted: ending; once more to end at once"),
            _ = terminate.recv() => tracing::info!("asked to terminate: ending; once more to end at once"),
        }
        tokio::spawn(async move {
            let first = tokio::time::Instant::now();
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if first.elapsed() >= Duration::from_millis(SAME_SIGNAL_MS) {
                    break;
                }
            }
            at_once();
            std::process::exit(EXIT_INTERRUPTED);
        });
    })
}
