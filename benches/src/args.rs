//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Measures the engine beside its peers and prints a table.
#[derive(Debug, clap::Parser)]
#[command(name = "benches")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
    /// How long one ingest run lasts, in seconds
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// How often A B B A is repeated
    #[arg(long, default_value_t = 1)]
    pub(crate) rounds: usize,
    /// Windows of the ingest runs
    #[arg(long, value_delimiter = ',', default_value = "1,10,100")]
    pub(crate) windows: Vec<usize>,
    /// Connections of the ingest runs
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// How many SOS are timed, idle and under load each
    #[arg(long, default_value_t = 400)]
    pub(crate) sos: usize,
    /// How many wearers the rule core is measured with
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) wearers: usize,
    /// Leaves the rule core out
    #[arg(long)]
    pub(crate) skip_core: bool,
    /// Leaves the ingest runs out
    #[arg(long)]
    pub(crate) skip_ingest: bool,
    /// Leaves the latency runs out
    #[arg(long)]
    pub(crate) skip_latency: bool,
    /// Leaves the connections, and the storm of those who come back, out
    #[arg(long)]
    pub(crate) skip_connections: bool,
    /// Leaves the start after a crash out
    #[arg(long)]
    pub(crate) skip_restart: bool,
    /// Leaves the fences out
    #[arg(long)]
    pub(crate) skip_fences: bool,
    /// Leaves mosquitto with a node-red flow out
    #[arg(long)]
    pub(crate) skip_flow: bool,
    /// How many connections that only stay
    #[arg(long, default_value_t = 50_000)]
    pub(crate) idle_connections: usize,
    /// How many devices come back at once
    #[arg(long, default_value_t = 10_000)]
    pub(crate) storm: usize,
    /// How many wearers the engine starts again with
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) restart_wearers: usize,
    /// How many records of its journal it has to read
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) restart_records: u64,
    /// Where node-red is installed (`npm install node-red`), the directory that holds `node_modules`
    #[arg(long)]
    pub(crate) node_red: Option<PathBuf>,
    /// Only the feed: incidents to live streams while 20 000 reports/s flow, and a page with millions of events behind it
    #[arg(long)]
    pub(crate) feed: bool,
    /// How many events lie behind the feed's page
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) feed_events: u64,
    /// How many live streams
    #[arg(long, default_value_t = 2_000)]
    pub(crate) readers: usize,
    /// The background rate of the latency runs, in reports a second, when there is no ingest run to halve
    #[arg(long, default_value_t = 50_000.0)]
    pub(crate) background: f64,
    /// The engine's binary; without it, it is built
    #[arg(long)]
    pub(crate) yinling: Option<PathBuf>,
    /// The page whose table is replaced
    #[arg(long)]
    pub(crate) write: Option<PathBuf>,
    /// Given by `cargo bench`; has no meaning here
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

/// The parts that are played by child processes.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Role {
    /// rumqttd, in memory, with one subscriber
    #[command(hide = true)]
    Peer {
        /// Where to listen
        address: SocketAddr,
    },
    /// The load generator; prints one line of JSON
    #[command(hide = true)]
    Load(Load),
    /// The whole table: what happens without a word, too
    Table,
}

/// What the generator is to do.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Load {
    /// Whom to load
    pub(crate) address: SocketAddr,
    /// How many connections
    #[arg(long)]
    pub(crate) connections: usize,
    /// How long, in seconds
    #[arg(long)]
    pub(crate) seconds: f64,
    /// Closed loop with this window; with neither a window nor a rate, connections only stay
    #[arg(long)]
    pub(crate) window: Option<usize>,
    /// Open loop at this rate
    #[arg(long, conflicts_with = "window")]
    pub(crate) rate: Option<f64>,
    /// From these addresses in turn
    #[arg(long)]
    pub(crate) from: Vec<IpAddr>,
    /// So many connections are made at a time
    #[arg(long, default_value_t = 1)]
    pub(crate) at_once: usize,
    /// The engine's devices' secret; without it, a broker without credentials
    #[arg(long)]
    pub(crate) secret: Option<String>,
}
