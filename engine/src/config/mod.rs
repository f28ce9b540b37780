//! What the operator configured: TOML, environment and command line, checked as a whole before anything starts.
//!
//! As written → as checked: the layers are merged, then walked member by member, so that every fault is told at
//! once with the place it came from, and what the rest of the engine sees cannot be wrong any more.

mod casework;
mod channels;
mod check;
mod credentials;
pub(crate) mod document;
mod layers;
mod print;
mod shown;
mod warnings;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use ::channels::gateway::TIMEOUT_MS_DEFAULT as GATEWAY_TIMEOUT_MS;
use ::channels::outward::Cidr;
use ::channels::{GatewayConfig, ProviderConfig, ProviderSettings};
use chrono_tz::Tz;
use model::{Channel, Language};
use store::StateRetention;

pub use shown::Shown;

pub use layers::{ENVIRONMENT_PREFIX, Overrides, Sources};

/// Everything that can be configured, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The data directory (`./data`).
    pub data: PathBuf,
    /// The zone in which the hours of fences are meant (Asia/Shanghai).
    pub zone: Tz,
    /// The language of messages to people who have none of their own (zh-CN).
    pub language: Language,
    /// REST, feed and console.
    pub http: HttpSettings,
    /// The devices' door.
    pub mqtt: MqttSettings,
    /// The certificate of both doors; `None`: that of `init --self-signed`, or no TLS.
    pub tls: Option<TlsSettings>,
    /// The journal and how long it is kept.
    pub journal: JournalSettings,
    /// How long what is known of wearers is kept.
    pub history: HistorySettings,
    /// Limits of the API.
    pub api: ApiSettings,
    /// What other systems' webhooks may be.
    pub webhooks: WebhookSettings,
    /// How people are reached; a channel that is not here is shown on the console and in the log.
    pub channels: BTreeMap<Channel, ChannelSettings>,
    /// How long each stage of a case may take, and when work is done.
    pub casework: ::casework::Sla,
    /// The second process that calls on when this one is silent; `None`: there is none. Where nothing is written about
    /// it there is one as soon as calls or texts have a provider.
    pub watchdog: Option<WatchdogSettings>,
}

/// `[tls]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The server's certificate and what leads from it to its root, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Who signs the devices' own certificates, PEM; `None`: they have none. Their common name is the device's id.
    pub client_ca: Option<PathBuf>,
    /// Whether a device without one is turned away.
    pub require_client_certificate: bool,
}

/// `[watchdog]`
#[derive(Debug, Clone, PartialEq)]
pub struct WatchdogSettings {
    /// After how many seconds without a beat it calls on (15).
    pub after_seconds: u32,
    /// Where it listens for callbacks (127.0.0.1:0: a free port).
    pub listen: SocketAddr,
    /// How providers reach it, without a trailing slash; `None`: the bound address.
    pub public_url: Option<String>,
    /// Its own provider of calls; `None`: that of `[channels.voice]`.
    pub voice: Option<ChannelSettings>,
    /// How it is started: set by the command line, not by the file.
    pub command: Vec<std::ffi::OsString>,
}

impl Default for WatchdogSettings {
    fn default() -> WatchdogSettings {
        WatchdogSettings {
            after_seconds: 15,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            voice: None,
            command: Vec::new(),
        }
    }
}

impl Config {
    /// The configuration with the watchdog's providers in the place of the engine's.
    #[must_use]
    pub fn as_watchdog(&self) -> Config {
        let mut config = self.clone();
        if let Some(voice) = self.watchdog.as_ref().and_then(|watchdog| watchdog.voice.clone()) {
            config.channels.insert(Channel::Voice, voice);
        }
        config
    }
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where to listen (127.0.0.1:8080); port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where to listen with TLS; `None`: on port 8443, everywhere with `[tls]`, else on loopback.
    pub tls_listen: Option<SocketAddr>,
    /// How others reach us, for callback URLs, without a trailing slash; `None`: the bound address.
    pub public_url: Option<String>,
    /// Whether plain text beyond loopback is wanted, e.g. behind a proxy that does TLS.
    pub allow_plaintext: bool,
    /// The page of the demo's phones: set by the demo, not by the file.
    pub phones_page: Option<String>,
    /// How to sign in to the demo: set by the demo, not by the file.
    pub demo: Option<api::DemoSignIn>,
    /// Map tiles; `None`: maps are drawn without.
    pub tiles: Option<TileSettings>,
}

/// `[http] tiles_url`, `tiles_attribution`
#[derive(Clone, PartialEq, Eq)]
pub struct TileSettings {
    /// With `{z}`, `{x}` and `{y}` in it; may hold a key.
    pub url: String,
    /// Whose they are, as the map says it.
    pub attribution: String,
}

impl std::fmt::Debug for TileSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TileSettings({})", self.attribution)
    }
}

/// `[mqtt]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttSettings {
    /// Where to listen (127.0.0.1:1883); port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where to listen with TLS; `None`: on port 8883, everywhere with `[tls]`, else on loopback.
    pub tls_listen: Option<SocketAddr>,
    /// Whether plain text beyond loopback is wanted.
    pub allow_plaintext: bool,
    /// The largest packet taken, bytes (256 KiB).
    pub packet_bytes_max: usize,
    /// The most reports in one array (1 000).
    pub array_items_max: usize,
    /// The most unacknowledged publishes of one connection (1 024).
    pub receive_maximum: u16,
    /// The most connections at a time (65 536).
    pub connections_max: usize,
    /// How much of a connection is read past telemetry that waits, so that an SOS behind it is found, bytes (256 KiB).
    pub held_bytes_max: usize,
    /// How long a connection may take to say CONNECT, seconds (10).
    pub connect_seconds_max: u32,
    /// The longest keep-alive, seconds (1 200).
    pub keep_alive_seconds_max: u32,
}

/// `[journal]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalSettings {
    /// Size of a segment file, bytes (64 MiB).
    pub segment_bytes: u64,
    /// How long segments are kept that nothing needs any more, days (7)…
    pub retain_days: u32,
    /// …and how much of them, bytes (8 GiB), whichever is less.
    pub retain_bytes: u64,
    /// After how many records the hot state is checkpointed, so that a start reads no more than these (2 000 000).
    pub checkpoint_records: u64,
    /// Below this much free disk, telemetry is refused and only alarms are taken, bytes (1 GiB).
    pub disk_reserve_bytes: u64,
}

/// `[webhooks]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebhookSettings {
    /// Blocks of addresses that are not public and may be posted to all the same, and in the clear (none).
    pub allow: Vec<Cidr>,
}

/// `[history]`: days, today included, of which whole ones are dropped; and how far back the feed reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistorySettings {
    /// Positions (30: what a preview goes back).
    pub positions_days: u32,
    /// Vital signs, falls and SOS (92).
    pub vitals_days: u32,
    /// What is about the device: battery, wear, steps, signs of life (30).
    pub device_days: u32,
    /// Events of the feed, the newest (2 000 000); a cursor before them is answered 410.
    pub events: u64,
}

impl HistorySettings {
    /// As the state is told.
    #[must_use]
    pub fn retention(&self) -> StateRetention {
        let HistorySettings { positions_days, vitals_days, device_days, events } = *self;
        StateRetention { positions_days, vitals_days, device_days, events_max: events }
    }
}

/// `[api]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// The largest body of a command, bytes (256 KiB).
    pub body_bytes_max: usize,
    /// The largest registry import, bytes (8 MiB, which is also the most: it is one record of the journal).
    pub import_bytes_max: usize,
    /// The most live feed subscribers (1 000).
    pub streams_max: usize,
}

/// `[channels.…]`: one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSettings {
    /// Its provider, and after it the one that steps in.
    pub providers: Vec<ProviderSettings>,
    /// What was written, with stars for the secrets.
    written: serde_json::Map<String, serde_json::Value>,
    /// Which of it stands in the environment, not in the file.
    from_environment: Vec<String>,
}

impl ChannelSettings {
    /// A channel that one gateway carries; for demos and tests, which have no file.
    #[must_use]
    pub fn gateway(url: &str, secret: &str) -> ChannelSettings {
        let gateway = GatewayConfig { url: url.to_owned(), secret: secret.to_owned(), timeout_ms: GATEWAY_TIMEOUT_MS };
        let provider = ProviderSettings::new(ProviderConfig::Gateway(gateway));
        ChannelSettings { providers: vec![provider], written: serde_json::Map::new(), from_environment: Vec::new() }
    }
}

const KIBIBYTE: u64 = 1024;
const MEBIBYTE: u64 = 1024 * KIBIBYTE;
const GIBIBYTE: u64 = 1024 * MEBIBYTE;

impl Default for Config {
    fn default() -> Config {
        Config {
            data: PathBuf::from("./data"),
            zone: Tz::Asia__Shanghai,
            language: Language::ZhCn,
            http: HttpSettings {
                listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
                tls_listen: None,
                public_url: None,
                allow_plaintext: false,
                phones_page: None,
                demo: None,
                tiles: None,
            },
            mqtt: MqttSettings {
                listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
                tls_listen: None,
                allow_plaintext: false,
                packet_bytes_max: 256 * KIBIBYTE as usize,
                array_items_max: 1_000,
                receive_maximum: 1_024,
                connections_max: 65_536,
                held_bytes_max: 256 * KIBIBYTE as usize,
                connect_seconds_max: 10,
                keep_alive_seconds_max: 1_200,
            },
            tls: None,
            journal: JournalSettings {
                segment_bytes: 64 * MEBIBYTE,
                retain_days: 7,
                retain_bytes: 8 * GIBIBYTE,
                checkpoint_records: 2_000_000,
                disk_reserve_bytes: GIBIBYTE,
            },
            history: HistorySettings { positions_days: 30, vitals_days: 92, device_days: 30, events: 2_000_000 },
            api: ApiSettings {
                body_bytes_max: 256 * KIBIBYTE as usize,
                import_bytes_max: 8 * MEBIBYTE as usize,
                streams_max: 4_096,
            },
            webhooks: WebhookSettings::default(),
            channels: BTreeMap::new(),
            casework: ::casework::Sla::default(),
            watchdog: None,
        }
    }
}

impl Config {
    /// Merges the layers (defaults, file, environment, command line) and checks them.
    ///
    /// # Errors
    /// Every fault of every layer at once, each with the place it came from.
    pub fn load(sources: &Sources) -> Result<Config, ConfigFaults> {
        let merged = sources.merge()?;
        check::check(&merged)
    }

    /// The same, as far as it can be read: what is faulty is as if it were not set. `None`: nothing can be read.
    #[must_use]
    pub fn survey(sources: &Sources) -> (Option<Config>, Vec<ConfigFault>) {
        match sources.merge() {
            Ok(merged) => {
                let (config, faults) = check::survey(&merged);
                (Some(config), faults)
            }
            Err(ConfigFaults(faults)) => (None, faults),
        }
    }

    /// The providers of every channel.
    #[must_use]
    pub fn providers(&self) -> ::channels::ChannelsConfig {
        self.channels.iter().map(|(channel, settings)| (*channel, settings.providers.clone())).collect()
    }

    /// Whom these providers reach.
    #[must_use]
    pub fn reach(&self) -> ::channels::Reach {
        ::channels::Reach::of(&self.providers())
    }

    /// What is allowed but worth saying at the start, in plain sentences.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        warnings::warnings(self)
    }

    /// The configuration in force as TOML, secrets as `***`.
    #[must_use]
    pub fn print(&self) -> String {
        print::print(self)
    }
}

/// Everything that is wrong with a configuration. The process ends with exit code 78 (`EX_CONFIG`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFaults(pub Vec<ConfigFault>);

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// Where it was written: `yinling.toml line 3`, `environment YINLING__HTTP__LISTEN`, `command line`.
    pub source: String,
    /// The key, e.g. `http.listen`; empty for a file as a whole.
    pub key: String,
    /// What is wrong and what to do.
    pub detail: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.source.as_str(), self.key.as_str(), self.detail.as_str()];
        let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        f.write_str(&said.join(": "))
    }
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "fault" } else { "faults" };
        write!(f, "the configuration has {count} {noun}:")?;
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}

#[cfg(test)]
mod channels_tests;
#[cfg(test)]
mod tests;
