//! The whole path beside what somebody would wire up in an afternoon: mosquitto and a node-red flow that takes the
//! report, compares it with one circle, and posts to the provider. In memory, nothing synced, nobody called again.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use serde_json::json;

use crate::args::Args;
use crate::children::{Mosquitto, own_directory};
use crate::gateway::{self, Arrival};
use crate::latency::{connect_broker, publish_packet};

/// Which node-red npm installs when none is named: the last line of releases that Debian's node can run.
const NODE_RED_VERSION: &str = "4.1.8";
/// How long node-red may take to start.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// A notification is waited for no longer.
const NOTIFIED_WITHIN: Duration = Duration::from_secs(10);
/// Between two presses.
const PAUSE: Duration = Duration::from_millis(20);

/// mosquitto, node-red and the provider, ready; all end when it is dropped.
pub(crate) struct Flow {
    node_red: Child,
    _mosquitto: Mosquitto,
    arrivals: Receiver<Arrival>,
    socket: TcpStream,
    pressed: usize,
}

impl Flow {
    /// Starts them. `None`: something is not there, and was told about.
    pub(crate) fn start(args: &Args, place: &Path) -> anyhow::Result<Option<Flow>> {
        let Some(mosquitto) = Mosquitto::start(&place.join("flow-mosquitto"))? else {
            eprintln!("mosquitto is not installed (apt-get install mosquitto): the flow is left out");
            return Ok(None);
        };
        let node_red = match find(args) {
            Ok(node_red) => node_red,
            Err(error) => {
                eprintln!(
                    "node-red is not there: its flow is left out ({error:#}); with node and npm, \
                     `npm install node-red@{NODE_RED_VERSION} --prefix DIR`, then --node-red DIR"
                );
                return Ok(None);
            }
        };
        let (provider, arrivals) = gateway::start()?;
        let node_red = spawn(&node_red, &place.join("flow"), mosquitto.mqtt, provider)?;
        let socket = connect_broker(mosquitto.mqtt, "press")?;
        let mut flow = Flow { node_red, _mosquitto: mosquitto, arrivals, socket, pressed: 0 };
        // Until the flow has subscribed, nobody hears.
        let begun = Instant::now();
        while flow.arrivals.recv_timeout(Duration::from_millis(300)).is_err() {
            ensure!(begun.elapsed() < READY_WITHIN, "node-red does not answer");
            flow.socket.write_all(&publish_packet("yl/v1/press/up/json", r#"{"type":"sos","id":"warm"}"#))?;
        }
        while flow.arrivals.recv_timeout(Duration::from_millis(500)).is_ok() {}
        Ok(Some(flow))
    }

    /// Presses so often: from each publish to the provider's first byte, nanoseconds.
    pub(crate) fn time_sos(&mut self, count: usize) -> anyhow::Result<Histogram<u64>> {
        let mut times = Histogram::new_with_bounds(1, 60_000_000_000, 3)?;
        for _ in 0..count {
            std::thread::sleep(PAUSE);
            self.pressed += 1;
            let payload = format!(r#"{{"type":"sos","id":"{}","lat":31.825,"lon":117.225}}"#, self.pressed);
            let pressed = Instant::now();
            self.socket.write_all(&publish_packet("yl/v1/press/up/json", &payload))?;
            let arrival = self.arrivals.recv_timeout(NOTIFIED_WITHIN).context("the flow told nobody")?;
            times.saturating_record(u64::try_from((arrival.at - pressed).as_nanos()).unwrap_or(u64::MAX));
        }
        Ok(times)
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        let _ = self.node_red.kill(); // it may have ended by itself
        let _ = self.node_red.wait();
    }
}

/// Its main file: in the directory that was named, or in one beside the build, where npm installs it once.
fn find(args: &Args) -> anyhow::Result<PathBuf> {
    const MAIN: &str = "node_modules/node-red/red.js";
    if let Some(named) = &args.node_red {
        let main = named.join(MAIN);
        ensure!(main.is_file(), "{} is no file", main.display());
        return Ok(main);
    }
    let own = own_directory()?.join("peers").join(format!("node-red-{NODE_RED_VERSION}"));
    let main = own.join(MAIN);
    if !main.is_file() {
        eprintln!("installing node-red {NODE_RED_VERSION} by npm, once…");
        std::fs::create_dir_all(&own)?;
        let installed = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&own)
            .arg(format!("node-red@{NODE_RED_VERSION}"))
            .stdout(Stdio::null())
            .output()
            .context("running npm")?;
        let said = String::from_utf8_lossy(&installed.stderr);
        ensure!(installed.status.success(), "npm: {}", said.lines().last().unwrap_or("failed"));
        ensure!(main.is_file(), "npm installed something else");
    }
    Ok(main)
}

fn spawn(node_red: &Path, place: &Path, broker: SocketAddr, provider: SocketAddr) -> anyhow::Result<Child> {
    std::fs::create_dir_all(place)?;
    let function = "const r = msg.payload; if (r.type === 'sos') { msg.payload = {incident: r.id, kind: 'sos'}; \
                    return msg; } const d = Math.hypot((r.lat - 31.825) * 111320, (r.lon - 117.225) * 94600); \
                    if (d > 1930) { msg.payload = {incident: r.id, kind: 'fence_exit'}; return msg; } return null;";
    let flow = json!([
        {"id": "t", "type": "tab", "label": "elders"},
        {"id": "b", "type": "mqtt-broker", "broker": broker.ip().to_string(), "port": broker.port().to_string(),
         "clientid": "flow", "protocolVersion": "4", "keepalive": "60", "cleansession": true},
        {"id": "i", "z": "t", "type": "mqtt in", "topic": "yl/v1/+/up/json", "qos": "1", "datatype": "json",
         "broker": "b", "wires": [["f"]]},
        {"id": "f", "z": "t", "type": "function", "func": function, "outputs": 1, "wires": [["h"]]},
        {"id": "h", "z": "t", "type": "http request", "method": "POST", "ret": "txt",
         "url": format!("http://{provider}/"), "persist": true, "wires": [[]]},
    ]);
    std::fs::write(place.join("flows.json"), flow.to_string())?;
    let settings = "module.exports = {flowFile: 'flows.json', httpAdminRoot: false, httpNodeRoot: false, \
                    uiPort: 0, uiHost: '127.0.0.1', logging: {console: {level: 'off'}}};";
    std::fs::write(place.join("settings.js"), settings)?;
    let mut command = Command::new("node");
    command.arg(node_red).arg("--userDir").arg(place).arg("--settings").arg(place.join("settings.js"));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("starting node-red: node is needed")
}
