//! The whole path beside what somebody would wire up in an afternoon: mosquitto and a node-red flow that takes the
//! report, compares it with one circle, and posts to the provider. In memory, nothing synced, nobody called again.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use serde_json::json;

use crate::args::Args;
use crate::children::Mosquitto;
use crate::gateway;
use crate::latency::{connect_broker, publish_packet};

/// How long node-red may take to start.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// A notification is waited for no longer.
const NOTIFIED_WITHIN: Duration = Duration::from_secs(10);

/// From a publish to the provider's first byte, nanoseconds.
pub(crate) fn measure(args: &Args, place: &Path) -> anyhow::Result<Option<Histogram<u64>>> {
    let Some(node_red) = &args.node_red else {
        eprintln!("no --node-red (npm install node-red): its flow is left out");
        return Ok(None);
    };
    let Some(mosquitto) = Mosquitto::start(&place.join("flow-mosquitto"))? else {
        eprintln!("mosquitto is not installed: the flow is left out");
        return Ok(None);
    };
    let (provider, arrivals) = gateway::start()?;
    let _flow = Flow::start(node_red, &place.join("flow"), mosquitto.mqtt, provider)?;
    let mut socket = connect_broker(mosquitto.mqtt, "press")?;
    let mut times = Histogram::new_with_bounds(1, 60_000_000_000, 3)?;
    // Until the flow has subscribed, nobody hears.
    let begun = Instant::now();
    while arrivals.recv_timeout(Duration::from_millis(300)).is_err() {
        ensure!(begun.elapsed() < READY_WITHIN, "node-red does not answer");
        socket.write_all(&publish_packet("yl/v1/press/up/json", r#"{"type":"sos","id":"warm"}"#))?;
    }
    while arrivals.recv_timeout(Duration::from_millis(500)).is_ok() {}
    for number in 0..args.sos {
        let payload = format!(r#"{{"type":"sos","id":"{number}","lat":31.825,"lon":117.225}}"#);
        let pressed = Instant::now();
        socket.write_all(&publish_packet("yl/v1/press/up/json", &payload))?;
        let arrival = arrivals.recv_timeout(NOTIFIED_WITHIN).context("the flow told nobody")?;
        times.saturating_record(u64::try_from((arrival.at - pressed).as_nanos()).unwrap_or(u64::MAX));
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(Some(times))
}

/// node-red with our flow.
struct Flow(Child);

impl Flow {
    fn start(node_red: &Path, place: &Path, broker: SocketAddr, provider: SocketAddr) -> anyhow::Result<Flow> {
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
        let child = Command::new("node")
            .arg(node_red.join("node_modules/node-red/red.js"))
            .arg("--userDir")
            .arg(place)
            .arg("--settings")
            .arg(place.join("settings.js"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting node-red: node is needed")?;
        Ok(Flow(child))
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}
