//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use simulator::load::WINDOW_MAX;

/// A number from 1 on: of nothing there is nothing to measure, and a table of NaN would stand on the page.
fn one_or_more<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| *number >= T::from(1));
    number.ok_or_else(|| "a whole number from 1 on is wanted".to_owned())
}

/// A window that the generator can have on the way.
fn window(text: &str) -> Result<usize, String> {
    let window = text.parse().ok().filter(|window| (1..=WINDOW_MAX).contains(window));
    window.ok_or_else(|| format!("a window is between 1 and {WINDOW_MAX}"))
}

/// Reports a second.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (1.0..=1e8).contains(rate));
    rate.ok_or_else(|| "a rate is between 1 and 100000000".to_owned())
}

/// Measures the engine beside its peers and prints a table.
#[derive(Debug, clap::Parser)]
#[command(name = "benches")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
    /// What to measure; without a word, the whole table
    #[arg(value_enum)]
    pub(crate) sections: Vec<Section>,
    /// Leaves these out
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) skip: Vec<Section>,
    /// How long one ingest run lasts, in seconds
    #[arg(long, default_value = "5", value_parser = one_or_more::<u64>)]
    pub(crate) seconds: u64,
    /// How often A B B A is repeated
    #[arg(long, default_value = "1", value_parser = one_or_more::<usize>)]
    pub(crate) rounds: usize,
    /// Windows of the ingest runs
    #[arg(long, value_delimiter = ',', default_value = "1,10,100", value_parser = window)]
    pub(crate) windows: Vec<usize>,
    /// Connections of the ingest runs
    #[arg(long, default_value = "64", value_parser = one_or_more::<usize>)]
    pub(crate) connections: usize,
    /// How many SOS are timed, idle and under load each
    #[arg(long, default_value = "400", value_parser = one_or_more::<usize>)]
    pub(crate) sos: usize,
    /// How many wearers the rule core is measured with
    #[arg(long, default_value = "1000000", value_parser = one_or_more::<usize>)]
    pub(crate) wearers: usize,
    /// How many connections that only stay
    #[arg(long, default_value = "50000", value_parser = one_or_more::<usize>)]
    pub(crate) idle_connections: usize,
    /// How many devices come back at once
    #[arg(long, default_value = "10000", value_parser = one_or_more::<usize>)]
    pub(crate) storm: usize,
    /// How many wearers the engine starts again with
    #[arg(long, default_value = "1000000", value_parser = one_or_more::<usize>)]
    pub(crate) restart_wearers: usize,
    /// How many records of its journal it has to read
    #[arg(long, default_value = "10000000", value_parser = one_or_more::<u64>)]
    pub(crate) restart_records: u64,
    /// Where node-red is installed, the directory that holds `node_modules`; without it, npm installs it beside the build
    #[arg(long)]
    pub(crate) node_red: Option<PathBuf>,
    /// How many events lie behind the feed's page
    #[arg(long, default_value = "10000000", value_parser = one_or_more::<u64>)]
    pub(crate) feed_events: u64,
    /// How many live streams
    #[arg(long, default_value = "2000", value_parser = one_or_more::<usize>)]
    pub(crate) readers: usize,
    /// The background rate of the latency runs, in reports a second; without it, half of the highest ingest rate
    #[arg(long, value_parser = rate)]
    pub(crate) background: Option<f64>,
    /// The engine's binary; without it, it is built
    #[arg(long)]
    pub(crate) yinling: Option<PathBuf>,
    /// The page whose table is refreshed: what is measured, and nothing else of it
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
}

/// A part of the table, which can be measured and written alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Section {
    /// Every other part but the feed
    Table,
    /// Durable ingest beside rumqttd and mosquitto
    Ingest,
    /// SOS to provider, idle and under load, beside the disk, loopback, and mosquitto with a node-red flow
    Latency,
    /// Connections that only stay, beside mosquitto
    Connections,
    /// Ten thousand who come back at once, beside mosquitto
    Storm,
    /// The rule core among a million wearers
    Core,
    /// The distance to a fence beside tg, geo and GEOS
    Fences,
    /// A start after a crash
    Restart,
    /// The live feed of two thousand readers, and its pages with ten million events behind them
    Feed,
}

impl Section {
    /// What the whole table is made of, in this order; the rate of the ingest runs is halved by the next.
    const WHOLE: [Section; 7] = [
        Section::Ingest,
        Section::Latency,
        Section::Connections,
        Section::Storm,
        Section::Core,
        Section::Fences,
        Section::Restart,
    ];

    /// Its name on the command line and on the page.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Section::Table => "table",
            Section::Ingest => "ingest",
            Section::Latency => "latency",
            Section::Connections => "connections",
            Section::Storm => "storm",
            Section::Core => "core",
            Section::Fences => "fences",
            Section::Restart => "restart",
            Section::Feed => "feed",
        }
    }

    /// Whether the engine's binary is needed.
    pub(crate) fn needs_engine(self) -> bool {
        !matches!(self, Section::Core | Section::Fences)
    }
}

impl Args {
    /// What is to be measured, in the table's order; empty if everything that was asked for is left out.
    pub(crate) fn to_measure(&self) -> Vec<Section> {
        let all = Section::WHOLE.into_iter().chain([Section::Feed]);
        let whole = self.sections.is_empty() || self.sections.contains(&Section::Table);
        let asked = |section: &Section| self.sections.contains(section) || whole && Section::WHOLE.contains(section);
        all.filter(|section| asked(section) && !self.skip.contains(section)).collect()
    }
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn to_measure(line: &str) -> Vec<Section> {
        Args::try_parse_from(line.split(' ')).unwrap().to_measure()
    }

    #[test]
    fn without_a_word_or_by_cargo_bench_it_is_the_whole_table() {
        assert_eq!(to_measure("benches"), Section::WHOLE);
        assert_eq!(to_measure("benches table --bench"), Section::WHOLE);
        assert_eq!(to_measure("benches --skip restart,fences").len(), Section::WHOLE.len() - 2);
    }

    #[test]
    fn a_section_is_measured_alone_in_the_tables_order() {
        assert_eq!(to_measure("benches ingest --write page.md"), [Section::Ingest]);
        assert_eq!(to_measure("benches feed storm latency"), [Section::Latency, Section::Storm, Section::Feed]);
        assert!(Args::try_parse_from(["benches", "ingset"]).is_err());
    }

    #[test]
    fn what_would_measure_nothing_is_refused() {
        for line in ["--rounds 0", "--seconds 0", "--windows 1,0", "--wearers 0", "--sos 0", "--background nan"] {
            let refused = Args::try_parse_from(["benches"].into_iter().chain(line.split(' '))).unwrap_err();
            assert!(refused.to_string().contains(line.split(' ').next().unwrap()), "{line}: {refused}");
        }
    }
}
