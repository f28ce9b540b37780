//! The processes that are measured and that measure: the engine, rumqttd, the generator.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use engine::clock::SystemClock;
use model::Clock;
use rumqttd::{Broker, Config, ConnectionSettings, Notification, RouterConfig, ServerSettings};
use serde::{Deserialize, Serialize};
use simulator::load::{self, LoadOptions, Pace, Target};

use crate::args::{Args, Load};
use crate::http;

/// How long a child may take to be ready, in seconds.
const READY_SECONDS_MAX: u64 = 30;
/// How long the engine's follower may take to catch up between two runs, in seconds.
const CATCH_UP_SECONDS_MAX: u64 = 900;

/// A running child; ended when dropped.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

impl Process {
    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_some())
    }
}

/// The engine's binary: the one given, or the one that cargo builds beside ours.
pub(crate) fn yinling_binary(args: &Args) -> anyhow::Result<PathBuf> {
    if let Some(path) = &args.yinling {
        // Absolute: a name without a slash would be looked for in PATH, and not here.
        return path.canonicalize().with_context(|| format!("--yinling {}", path.display()));
    }
    eprintln!("building the engine (cargo build --release -p yinling)…");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let built = Command::new(cargo)
        .args(["build", "--release", "-p", "yinling", "--manifest-path"])
        .arg(manifest)
        .status()
        .context("running cargo")?;
    ensure!(built.success(), "the engine does not build");
    let path = own_directory()?.join("yinling");
    ensure!(path.is_file(), "the engine was not built where this bench was: name it with --yinling");
    Ok(path)
}

/// The directory of build results that this program lies in.
pub(crate) fn own_directory() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.parent().context("a program lies in a directory")?;
    Ok(if beside.ends_with("deps") { beside.parent().unwrap_or(beside) } else { beside }.to_owned())
}

/// The engine as a process of its own.
pub(crate) struct Engine {
    process: Process,
    place: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) mqtt: SocketAddr,
    pub(crate) token: String,
}

impl Engine {
    /// Initialises a directory below `place` and serves it. `config`: TOML, may be empty.
    pub(crate) fn start(yinling: &Path, place: &Path, config: &str) -> anyhow::Result<Engine> {
        Engine::start_on(yinling, place, config, |_| Ok(()))
    }

    /// The same, with something done to the data directory before it is served.
    pub(crate) fn start_on(
        yinling: &Path,
        place: &Path,
        config: &str,
        prepare: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Engine> {
        let (data, file) = (place.join("data"), place.join("yinling.toml"));
        std::fs::create_dir_all(place)?;
        std::fs::write(&file, config)?;
        let init = Command::new(yinling).arg("init").arg("--data").arg(&data).output();
        let init = init.with_context(|| format!("starting {}", yinling.display()))?;
        ensure!(init.status.success(), "yinling init: {}", String::from_utf8_lossy(&init.stderr));
        let said = String::from_utf8(init.stdout)?;
        let token = said.lines().last().and_then(|line| line.strip_prefix("token: ")).context("no token from init")?;
        prepare(&data)?;
        Engine::serve(yinling, place, token)
    }

    fn serve(yinling: &Path, place: &Path, token: &str) -> anyhow::Result<Engine> {
        let mut child = Command::new(yinling)
            .arg("serve")
            .arg("--data")
            .arg(place.join("data"))
            .arg("--config")
            .arg(place.join("yinling.toml"))
            .args(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
            .env("YINLING_LOG", "error")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", yinling.display()))?;
        let out = child.stdout.take().context("piped")?;
        let process = Process(child);
        let ready = BufReader::new(out).lines().map_while(Result::ok).find(|line| line.starts_with("ready "));
        let ready = ready.context("yinling serve ended before it was ready")?;
        let address = |key: &str| -> anyhow::Result<SocketAddr> {
            let found =
                ready.split(' ').find_map(|word| word.strip_prefix(key)).context("an address in the ready line")?;
            Ok(found.parse()?)
        };
        let (http, mqtt) = (address("http=")?, address("mqtt=")?);
        Ok(Engine { http, mqtt, token: token.to_owned(), place: place.to_owned(), process })
    }

    /// Kills it (`kill -9`) and starts it again on the same directory; how long it took until it served.
    pub(crate) fn restart(self, yinling: &Path) -> anyhow::Result<(Engine, Duration)> {
        let (place, token) = (self.place.clone(), self.token.clone());
        drop(self);
        let begun = Instant::now();
        let engine = Engine::serve(yinling, &place, &token)?;
        Ok((engine, begun.elapsed()))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    pub(crate) fn import(&self, registry: &serde_json::Value) -> anyhow::Result<()> {
        let (status, body) = http::post(self.http, "/api/v1/import", &self.token, &registry.to_string())?;
        ensure!((200..300).contains(&status), "the registry was not taken: {status} {body}");
        Ok(())
    }

    /// A gauge or counter of `/metrics`, summed over its labels.
    pub(crate) fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let (status, body) = http::get(self.http, "/metrics", &self.token)?;
        ensure!(status == 200, "/metrics answered {status}");
        let values = body.lines().filter(|line| line.split([' ', '{']).next() == Some(name));
        let values: Vec<f64> = values.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        ensure!(!values.is_empty(), "/metrics has no {name}");
        Ok(values.iter().sum())
    }

    /// Telemetry that is durable but not yet projected, in records.
    pub(crate) fn lag(&self) -> anyhow::Result<f64> {
        self.metric("yinling_telemetry_lag_records")
    }

    /// Waits until the follower has caught up; how long that took.
    pub(crate) fn catch_up(&self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        while self.lag()? > 0.0 {
            if begun.elapsed() > Duration::from_secs(CATCH_UP_SECONDS_MAX) {
                bail!("the follower is {} records behind after {CATCH_UP_SECONDS_MAX} s", self.lag()?);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(begun.elapsed())
    }
}

/// rumqttd as a process of its own.
pub(crate) struct Peer {
    process: Process,
    pub(crate) mqtt: SocketAddr,
}

impl Peer {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    pub(crate) fn start() -> anyhow::Result<Peer> {
        // rumqttd cannot say which port it took: one that is free now is named to it.
        let mqtt = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(std::env::current_exe()?)
            .args(["peer", &mqtt.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let process = Process(child);
        wait_for(mqtt, "rumqttd")?;
        Ok(Peer { process, mqtt })
    }
}

/// The part of the peer: rumqttd with one local subscriber, as in its examples.
pub(crate) fn be_peer(address: SocketAddr) -> anyhow::Result<()> {
    let router = RouterConfig {
        max_connections: 20_000,
        max_outgoing_packet_count: 200,
        max_segment_size: 100 * 1024 * 1024,
        max_segment_count: 10,
        ..RouterConfig::default()
    };
    let connections = ConnectionSettings {
        connection_timeout_ms: 5_000,
        max_payload_size: 20_480,
        max_inflight_count: 200,
        auth: None,
        external_auth: None,
        dynamic_filters: false,
    };
    let server =
        ServerSettings { name: "v4".to_owned(), listen: address, tls: None, next_connection_delay_ms: 0, connections };
    let config = Config { router, v4: Some(HashMap::from([("1".to_owned(), server)])), ..Config::default() };
    let mut broker = Broker::new(config);
    let (mut publisher, mut subscriber) = broker.link("ingest")?;
    publisher.subscribe("d/+/up")?;
    std::thread::spawn(move || -> anyhow::Result<()> {
        loop {
            if let Some(Notification::Unschedule) = subscriber.recv()? {
                subscriber.ready()?;
            }
        }
    });
    broker.start()?;
    Ok(())
}

/// mosquitto as a process of its own.
pub(crate) struct Mosquitto {
    process: Process,
    pub(crate) mqtt: SocketAddr,
}

impl Mosquitto {
    /// Debian's, if it is installed; in memory, no limit on what waits.
    pub(crate) fn start(place: &Path) -> anyhow::Result<Option<Mosquitto>> {
        let found = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|p| Path::new(p).is_file());
        let Some(program) = found else { return Ok(None) };
        std::fs::create_dir_all(place)?;
        let mqtt = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_inflight_messages 0\n\
             max_queued_messages 0\nset_tcp_nodelay true\nlog_dest none\n",
            mqtt.port()
        );
        let file = place.join("mosquitto.conf");
        std::fs::write(&file, config)?;
        let child = Command::new(program).arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let process = Process(child);
        wait_for(mqtt, "mosquitto")?;
        Ok(Some(Mosquitto { process, mqtt }))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }
}

fn wait_for(address: SocketAddr, name: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        ensure!(begun.elapsed() < Duration::from_secs(READY_SECONDS_MAX), "{name} does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The memory that a process holds, bytes: what is resident and its own.
pub(crate) fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let anonymous = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib: u64 = anonymous.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).context("RssAnon")?;
    Ok(kib * 1024)
}

/// The processor time that a process has used, all its threads together, in seconds.
pub(crate) fn processor_seconds(pid: u32) -> anyhow::Result<f64> {
    let mut nanos = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end meanwhile; what it used is then not counted.
        let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        nanos += text.split(' ').next().and_then(|ran| ran.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(nanos as f64 / 1e9)
}

/// What the generator says in its line.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Loaded {
    /// Acknowledged reports a second.
    pub(crate) rate: f64,
    /// Median latency, microseconds.
    pub(crate) p50_us: u64,
    /// 99th percentile, microseconds.
    pub(crate) p99_us: u64,
    /// Reports that left late because of the generator.
    pub(crate) late_sends: u64,
    /// How long all connections took to be made, seconds.
    pub(crate) connected_s: f64,
    /// How often a connection had to be tried again.
    pub(crate) connect_retries: u64,
    /// Whether the generator was the limit.
    pub(crate) generator_limits: bool,
}

/// The part of the generator.
pub(crate) fn be_load(load: &Load) -> anyhow::Result<()> {
    let report = load::run(&LoadOptions {
        address: load.address,
        connections: load.connections,
        duration: Duration::from_secs_f64(load.seconds),
        pace: match (load.window, load.rate) {
            (Some(window), _) => Pace::Window(window),
            (None, Some(rate)) => Pace::Rate(rate),
            (None, None) => Pace::Idle,
        },
        target: load.secret.clone().map_or(Target::Broker, |secret| Target::Yinling { secret }),
        from: load.from.clone(),
        at_once: load.at_once,
        now: SystemClock::new(None).now(),
    })?;
    // A figure of half a run is none.
    if let Some(why) = report.broke {
        bail!(why);
    }
    let said = Loaded {
        rate: report.rate(),
        p50_us: report.latency_us.value_at_quantile(0.5),
        p99_us: report.latency_us.value_at_quantile(0.99),
        late_sends: report.late_sends,
        connected_s: report.connected_in.as_secs_f64(),
        connect_retries: report.connect_retries,
        generator_limits: report.generator_limit().is_some(),
    };
    println!("{}", serde_json::to_string(&said)?);
    Ok(())
}

/// Starts the generator; [`finish`] waits for its line.
pub(crate) fn start_load(load: &Load) -> anyhow::Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["load", &load.address.to_string()]);
    command.args(["--connections", &load.connections.to_string(), "--seconds", &load.seconds.to_string()]);
    for (name, value) in
        [("--window", load.window.map(|w| w.to_string())), ("--rate", load.rate.map(|r| r.to_string()))]
    {
        if let Some(value) = value {
            command.args([name, &value]);
        }
    }
    command.args(["--at-once", &load.at_once.to_string()]);
    for from in &load.from {
        command.args(["--from", &from.to_string()]);
    }
    if let Some(secret) = &load.secret {
        command.args(["--secret", secret]);
    }
    Ok(Process(command.stdout(Stdio::piped()).spawn()?))
}

/// Waits for the generator's end.
pub(crate) fn finish(mut load: Process) -> anyhow::Result<Loaded> {
    let out = load.0.stdout.take().context("piped")?;
    let line = BufReader::new(out).lines().next().context("the generator said nothing")??;
    ensure!(load.0.wait()?.success(), "the generator failed");
    Ok(serde_json::from_str(&line)?)
}
