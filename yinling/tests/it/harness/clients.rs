//! Other people's MQTT clients.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::PATIENCE;
use super::server::run_within;

/// Publishes one message with QoS 1 through `mosquitto_pub`; `mqttv311` or `mqttv5`.
pub fn mosquitto_pub(
    door: SocketAddr,
    version: &str,
    device: &str,
    secret: &str,
    topic: &str,
    payload: &str,
) -> Output {
    let mut command = Command::new("mosquitto_pub");
    mosquitto(&mut command, door, version, device, device, secret);
    command.args(["-q", "1", "-t", topic, "-m", payload]);
    run_within(command, PATIENCE)
}

/// Publishes one message with QoS 1 through paho-mqtt; `3` or `5`. Gives the PUBACK's reason code.
pub fn paho_publish(door: SocketAddr, version: &str, device: &str, secret: &str, topic: &str, payload: &str) -> u8 {
    let mut command = Command::new(python());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/paho_client.py");
    command.args([script, "publish", &door.ip().to_string(), &door.port().to_string()]);
    command.args([version, device, secret, topic, payload]);
    let output = run_within(command, Duration::from_secs(60));
    assert!(
        output.status.success(),
        "paho-mqtt (does `{}` have it? ./test.sh installs it): {output:?}",
        python().display()
    );
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// What gpxpy reads in a GPX document.
pub fn gpx(document: &str) -> serde_json::Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/gpx_reader.py");
    let mut command = Command::new(python());
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reader = command.spawn().unwrap();
    reader.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "gpxpy (does `{}` have it? ./test.sh installs it) does not read this: {document}",
        python().display()
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A Python that has paho-mqtt: `YINLING_PYTHON`, else the project's virtual environment, else the system's.
pub fn python() -> PathBuf {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.venv/bin/python3"));
    match std::env::var_os("YINLING_PYTHON") {
        Some(python) => python.into(),
        None if own.exists() => own,
        None => "python3".into(),
    }
}

/// A running `mosquitto_sub`.
pub struct Listener {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Listener {
    /// Subscribes with a feed token and waits for the SUBACK; gives the granted code with the listener.
    pub fn subscribe(door: SocketAddr, client: &str, token: &str, filter: &str) -> (Listener, u8) {
        // Line by line: mosquitto_sub would keep its "Subscribed" in a buffer until the first message.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "mosquitto_sub"]);
        mosquitto(&mut command, door, "mqttv5", client, "token", token);
        command.args(["-d", "-t", filter, "-F", "payload %p"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("mosquitto_sub; ./test.sh installs it");
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let listener = Listener { child, lines };
        // "Subscribed (mid: 1): 0": the granted QoS or the refusal's code.
        let granted = listener.next_starting_with("Subscribed (mid: ");
        let code = granted.rsplit(' ').next().and_then(|code| code.parse().ok());
        (listener, code.unwrap_or_else(|| panic!("{granted}")))
    }

    /// The next message's payload.
    pub fn next(&self) -> serde_json::Value {
        serde_json::from_str(&self.next_starting_with("payload ")).unwrap()
    }

    /// The payloads that came until now and were not taken.
    pub fn rest(&self) -> Vec<String> {
        self.lines.try_iter().filter(|line| line.starts_with("payload ")).collect()
    }

    /// Waits until the server has ended the session, and gives the reason code.
    pub fn turned_out(&self) -> u8 {
        let code = self.next_starting_with("Received DISCONNECT (");
        code.trim_end_matches(')').parse().unwrap_or_else(|_| panic!("{code}"))
    }

    fn next_starting_with(&self, start: &str) -> String {
        let mut others = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.starts_with(start) => return line[start.len()..].to_owned(),
                Ok(line) => others.push(line),
                Err(_) => panic!("mosquitto_sub never said `{start}`; it said {others:#?}"),
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mosquitto(command: &mut Command, door: SocketAddr, version: &str, client: &str, user: &str, secret: &str) {
    command.args(["-h", &door.ip().to_string(), "-p", &door.port().to_string(), "-V", version]);
    command.args(["-i", client, "-u", user, "-P", secret]);
}
