//! Webhooks out, as their receiver sees them: verified by the reference implementation from PyPI, which owes nothing to
//! what signs here.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::harness::clients::python;
use crate::harness::registry::{household, patient_plan, street, up};
use crate::harness::{House, PATIENCE, Phones, Server, Wire, eventually};

const ALLOWED: &str = "[webhooks]\nallow = [\"127.0.0.0/8\"]\n";

fn served(more: &str) -> (House, Phones, Server) {
    let phones = Phones::start();
    let house = House::new(&phones, more);
    let server = house.serve();
    let mut registry = street(1, &patient_plan());
    registry["orgs"] = household(patient_plan())["orgs"].clone();
    server.import(&registry);
    (house, phones, server)
}

fn press(server: &Server) {
    let mut wire = Wire::login(server.mqtt, "dev0", "secret-dev0", 4).unwrap();
    assert_eq!(wire.report(&up("dev0"), br#"{"type":"sos"}"#), 0);
}

/// A receiver that is not ours.
struct Receiver {
    child: Child,
    lines: mpsc::Receiver<String>,
    answers: std::path::PathBuf,
    port: u16,
}

impl Receiver {
    fn start(house: &House, name: &str) -> Receiver {
        let answers = house.file(name);
        std::fs::write(&answers, json!({"secrets": [], "statuses": [200]}).to_string()).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/webhook_receiver.py");
        let mut command = Command::new(python());
        command.arg(script).arg(&answers).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python with standardwebhooks; ./test.sh installs it");
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let first = lines.recv_timeout(PATIENCE).expect("the receiver says its port");
        let port = first.strip_prefix("port ").unwrap().parse().unwrap();
        Receiver { child, lines, answers, port }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    fn answer(&self, secrets: &[&str], statuses: &[u16], headers: Value) {
        let text = json!({"secrets": secrets, "statuses": statuses, "headers": headers}).to_string();
        let beside = self.answers.with_extension("new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, &self.answers).unwrap();
    }

    fn next(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a delivery");
        serde_json::from_str(&line).unwrap()
    }

    /// The next delivery of an event of this type.
    fn wait_for(&self, kind: &str) -> Value {
        loop {
            let told = self.next();
            if told["body"]["type"] == kind {
                return told;
            }
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn subscribe(server: &Server, url: &str, types: &Value) -> (String, String) {
    let order = json!({"name": "street", "url": url, "types": types});
    let made = server.api().post("/webhooks", &order);
    assert_eq!(made.status, 201, "{made:?}");
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

fn log_of(server: &Server, id: &str) -> Vec<Value> {
    server.api().get(&format!("/webhooks/{id}/deliveries")).body["data"].as_array().unwrap().clone()
}

#[test]
fn what_is_sent_is_the_feeds_event_and_is_verified_through_a_rotation() {
    let (house, _phones, server) = served(ALLOWED);
    let receiver = Receiver::start(&house, "answers.json");
    let (id, secret) = subscribe(&server, &receiver.url(), &json!(["incident.*"]));
    receiver.answer(&[&secret], &[200], json!({}));
    press(&server);
    let told = receiver.wait_for("incident.raised");
    assert_eq!(told["verified"], json!([true]), "{told}");
    assert_eq!(told["body"], server.feed().wait_for("incident.raised"), "the same JSON as on the feed");
    assert_eq!(told["id"], told["body"]["id"], "the id makes a repeat harmless");

    let rotated = server.api().post(&format!("/webhooks/{id}/rotate"), &json!({}));
    let newer = rotated.body["secret"].as_str().unwrap();
    assert_ne!(newer, secret);
    receiver.answer(&[&secret, newer, "whsec_c3RyYW5nZXI="], &[204], json!({}));
    assert_eq!(server.api().post(&format!("/webhooks/{id}/test"), &json!({})).status, 200);
    let told = receiver.wait_for("webhook.test");
    assert_eq!(told["verified"], json!([true, true, false]), "both sign, a stranger's does not");

    let raised = server.feed().wait_for("incident.raised");
    let replay = json!({"event": raised["seq"]});
    assert_eq!(server.api().post(&format!("/webhooks/{id}/replay"), &replay).status, 200);
    let again = receiver.wait_for("incident.raised");
    assert_eq!((&again["body"], &again["id"]), (&raised, &raised["id"]), "again under the same id");

    let log = eventually("the log", || Some(log_of(&server, &id)).filter(|log| log.len() >= 3));
    assert!(log.iter().all(|line| line["outcome"] == "delivered"), "{log:?}");
    let listed = server.api().get(&format!("/webhooks/{id}"));
    assert!(!listed.body.to_string().contains("whsec_"), "a secret is shown once");
    assert!(!house.dump_text(Some("command")).contains("whsec_"), "and is in no journal");
}

#[test]
fn what_is_not_taken_is_told_again_also_by_the_next_process_and_410_ends_it() {
    let (house, _phones, server) = served(ALLOWED);
    let receiver = Receiver::start(&house, "answers.json");
    let (id, _) = subscribe(&server, &receiver.url(), &json!(["incident.raised"]));
    receiver.answer(&[], &[503], json!({"retry-after": "6"}));
    press(&server);
    let first = receiver.next();
    let line = eventually("the log", || log_of(&server, &id).first().cloned());
    assert_eq!((&line["status"], &line["outcome"]), (&json!(503), &json!("retrying")));
    let (at, next) = (line["at"].as_str().unwrap().to_owned(), line["next_at"].as_str().unwrap().to_owned());
    let seconds = |text: &str| text[17..19].parse::<i32>().unwrap();
    assert_eq!((seconds(&next) - seconds(&at)).rem_euclid(60), 6, "the receiver's pause is longer than the ladder's");
    server.kill();

    let server = house.serve();
    receiver.answer(&[], &[410], json!({}));
    let second = receiver.next();
    assert_eq!(second["id"], first["id"], "the same message, after a kill -9");
    let gone = eventually("the end", || {
        let hook = server.api().get(&format!("/webhooks/{id}"));
        (hook.body["state"] == "gone").then_some(hook)
    });
    receiver.answer(&[], &[200], json!({}));
    let path = format!("/webhooks/{id}");
    let stale = server.api().patch(&path, &[], &json!({"paused": false}));
    assert_eq!((stale.status, stale.code()), (428, "version-required"));
    let stale = server.api().patch(&path, &[("if-match", "\"9\"")], &json!({"paused": false}));
    assert_eq!((stale.status, stale.code()), (412, "stale"));
    let version = format!("\"{}\"", gone.etag.unwrap());
    assert_eq!(server.api().patch(&path, &[("if-match", &version)], &json!({"paused": false})).status, 200);
    assert_eq!(receiver.next()["id"], first["id"], "nothing was lost meanwhile");
    eventually("no lag", || {
        let lag = server.metric("yinling_webhook_lag_events", &format!("webhook=\"{id}\""));
        (lag == 0.0).then_some(())
    });
}

#[test]
fn addresses_of_our_own_house_and_redirects_are_not_followed() {
    let (house, _phones, server) = served("");
    for url in [
        "http://127.0.0.1:1/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/",
        "file:///etc/passwd",
    ] {
        let reply = server.api().post("/webhooks", &json!({"name": "x", "url": url}));
        assert_eq!((reply.status, reply.code()), (422, "invalid"), "{url}");
        assert_eq!(reply.body["errors"][0]["pointer"], "/url");
    }
    // A name that leads home is only seen through when it is connected to.
    let (id, _) = subscribe(&server, "https://localhost:1/", &json!([]));
    server.api().post(&format!("/webhooks/{id}/test"), &json!({}));
    let line = eventually("the log", || log_of(&server, &id).first().cloned());
    assert_eq!(line["detail"], "the name leads to no address that may be connected to", "{line}");
    drop(server);

    let config = std::fs::read_to_string(house.file("yinling.toml")).unwrap();
    std::fs::write(house.file("yinling.toml"), config + ALLOWED).unwrap();
    let server = house.serve();
    let receiver = Receiver::start(&house, "answers.json");
    let other = Receiver::start(&house, "other.json");
    let (id, _) = subscribe(&server, &receiver.url(), &json!([]));
    receiver.answer(&[], &[302], json!({"location": other.url()}));
    server.api().post(&format!("/webhooks/{id}/test"), &json!({}));
    receiver.next();
    let line = eventually("the log", || log_of(&server, &id).first().cloned());
    assert_eq!((&line["status"], &line["outcome"]), (&json!(302), &json!("retrying")));
    assert!(other.lines.try_recv().is_err(), "a redirect was followed");
}

#[test]
fn a_receiver_that_hangs_holds_nobody_up() {
    let (house, _phones, server) = served(ALLOWED);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    subscribe(&server, &url, &json!([]));
    let receiver = Receiver::start(&house, "answers.json");
    subscribe(&server, &receiver.url(), &json!(["incident.raised"]));
    press(&server);
    receiver.next();
    let open = server.api().get("/incidents?state=open");
    assert_eq!(open.body["data"].as_array().map(Vec::len), Some(1), "{open:?}");
}
