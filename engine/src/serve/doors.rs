//! The doors: who listens where, with TLS and without, within which limits.

use std::sync::Arc;

use api::ApiConfig;
use broker::{Door, DoorConfig};
use store::State;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Ready, ReadyTls};
use crate::config::Config;
use crate::host::House;
use crate::open_files;
use crate::setup::{SetupFaults, both, cannot_listen};
use crate::tls::{self, Tls};

/// On how many threads the door serves connections at most, however many processors there are.
const DOOR_THREADS_MAX: usize = 16;
/// How many HTTPS handshakes at a time; who comes beyond that is turned away.
const HTTPS_HANDSHAKES_MAX: usize = 1_024;
/// How many of them an address has once every second place is taken. A whole office behind one address, or a provider's,
/// has fewer at a time: one takes a few round trips.
const HTTPS_HANDSHAKES_OF_AN_ADDRESS_MAX: usize = 64;
/// Where TLS is expected (IANA: 8883 is secure-mqtt).
const HTTPS_PORT: u16 = 8443;
const MQTTS_PORT: u16 = 8883;

/// Every listener. They are taken before the recovery, so that a mistake in an address is told at once.
pub(super) struct Doors {
    http: TcpListener,
    mqtt: TcpListener,
    tls: Option<TlsDoors>,
}

/// The API, once it is served.
pub(super) struct ApiDoor {
    pub(super) served: tokio::task::JoinHandle<std::io::Result<()>>,
    pub(super) stop: watch::Sender<bool>,
}

/// The listeners with TLS, and what they show.
struct TlsDoors {
    tls: Arc<Tls>,
    http: TcpListener,
    mqtt: TcpListener,
}

impl TlsDoors {
    /// What the configuration says, or what `init --self-signed` left; `None`: there is no TLS.
    fn open(config: &Config) -> Result<Option<TlsDoors>, SetupFaults> {
        let Some(settings) = config.tls.clone().or_else(|| tls::of_data_dir(&config.data)) else {
            return tls::unasked(config).map_or(Ok(None), |fault| Err(fault.into()));
        };
        // A certificate of one's own is for everybody; one for a first try for this machine, unless said otherwise.
        let anywhere = if config.tls.is_some() { [0, 0, 0, 0] } else { [127, 0, 0, 1] };
        let http = config.http.tls_listen.unwrap_or_else(|| (anywhere, HTTPS_PORT).into());
        let mqtt = config.mqtt.tls_listen.unwrap_or_else(|| (anywhere, MQTTS_PORT).into());
        let tls = Tls::load(&settings).map_err(|_| SetupFaults(tls::faults(&settings)));
        let http = broker::listen(http).map_err(|error| cannot_listen(http, "http.tls_listen", &error));
        let mqtt = broker::listen(mqtt).map_err(|error| cannot_listen(mqtt, "mqtt.tls_listen", &error));
        let (tls, (http, mqtt)) = both(tls, both(http, mqtt))?;
        Ok(Some(TlsDoors { tls, http, mqtt }))
    }
}

impl Doors {
    /// Takes every address; whatever is wrong with them is told together.
    pub(super) fn take(config: &Config) -> Result<Doors, SetupFaults> {
        let (http, mqtt) = (config.http.listen, config.mqtt.listen);
        let http = broker::listen(http).map_err(|error| cannot_listen(http, "http.listen", &error));
        let mqtt = broker::listen(mqtt).map_err(|error| cannot_listen(mqtt, "mqtt.listen", &error));
        let (tls, (http, mqtt)) = both(TlsDoors::open(config), both(http, mqtt))?;
        Ok(Doors { http, mqtt, tls })
    }

    /// Which those are.
    pub(super) fn addresses(&self) -> anyhow::Result<Ready> {
        let tls = match &self.tls {
            Some(tls) => Some(ReadyTls { https: tls.http.local_addr()?, mqtts: tls.mqtt.local_addr()? }),
            None => None,
        };
        Ok(Ready { http: self.http.local_addr()?, mqtt: self.mqtt.local_addr()?, tls })
    }

    /// Opens the door for devices; the API's listeners are left.
    pub(super) async fn open_mqtt(
        self,
        config: &Config,
        house: &Arc<House>,
        tasks: &mut Vec<tokio::task::JoinHandle<()>>,
    ) -> anyhow::Result<(Door, HttpDoors)> {
        let door = Door::start(self.mqtt, door_config(config), Arc::clone(house) as Arc<dyn broker::Host>).await?;
        let mut https = None;
        if let Some(TlsDoors { tls, http, mqtt }) = self.tls {
            door.open_tls(mqtt, tls.mqtt());
            tasks.push(tls.watch(Arc::clone(&house.clock))?);
            let _ = house.vitals.seen.tls.set(Arc::clone(&tls));
            https = Some((http, tls.http()));
        }
        Ok((door, HttpDoors { http: self.http, https }))
    }
}

/// The API's listeners.
pub(super) struct HttpDoors {
    http: TcpListener,
    https: Option<(TcpListener, api::TlsSource)>,
}

impl HttpDoors {
    /// Serves the API.
    pub(super) fn open(self, config: &Config, house: Arc<House>, state: Arc<State>) -> ApiDoor {
        let (stop, stopped) = watch::channel(false);
        let router = api::router(house, state, api_config(config));
        if let Some((http, tls)) = self.https {
            let places = broker::Places::new(HTTPS_HANDSHAKES_MAX, HTTPS_HANDSHAKES_OF_AN_ADDRESS_MAX);
            let turnstile: api::Turnstile = Arc::new(move |from| Some(Box::new(places.take(from)?)));
            tokio::spawn(api::serve_tls(http, tls, turnstile, router.clone(), stopped_by(stopped.clone())));
        }
        ApiDoor { served: tokio::spawn(api::serve(self.http, router, stopped_by(stopped))), stop }
    }
}

fn door_config(config: &Config) -> DoorConfig {
    let mqtt = &config.mqtt;
    let limit = open_files::raise();
    let connections_max = open_files::connections_max(mqtt.connections_max, limit);
    if connections_max < mqtt.connections_max {
        let wanted = mqtt.connections_max;
        tracing::warn!(
            limit,
            wanted,
            connections_max,
            "too few open files are allowed for mqtt.connections_max: raise `ulimit -n` or LimitNOFILE="
        );
    }
    DoorConfig {
        packet_bytes_max: mqtt.packet_bytes_max,
        connect_seconds_max: mqtt.connect_seconds_max,
        receive_maximum: mqtt.receive_maximum,
        keep_alive_seconds_max: u16::try_from(mqtt.keep_alive_seconds_max).unwrap_or(u16::MAX),
        held_bytes_max: mqtt.held_bytes_max,
        connections_max,
        threads: std::thread::available_parallelism().map_or(1, usize::from).min(DOOR_THREADS_MAX),
        ..DoorConfig::default()
    }
}

fn api_config(config: &Config) -> ApiConfig {
    ApiConfig {
        body_bytes_max: config.api.body_bytes_max,
        import_bytes_max: config.api.import_bytes_max,
        streams_max: config.api.streams_max,
        ..ApiConfig::default()
    }
}

async fn stopped_by(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}
