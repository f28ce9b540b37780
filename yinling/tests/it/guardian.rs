//! A guardian's link from the text message to "I am going", by curl; and the audit of who looked.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::json;

use crate::harness::registry::{BRACELET, G2, SECRET, household, patient_plan, up};
use crate::harness::server::{YINLING, run_within};
use crate::harness::{House, Phones, Wire};

fn curl(arguments: &[&str]) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["-q", "-s", "--max-time", "30", "-w", "\n%{http_code}"]).args(arguments);
    let output = run_within(command, Duration::from_secs(60));
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn verify(house: &House, more: &[&str]) -> Output {
    let mut command = Command::new(YINLING);
    command.args(["audit", "verify", "--data"]).arg(house.data()).args(more);
    run_within(command, Duration::from_secs(60))
}

fn head(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().last().unwrap().strip_prefix("head: ").unwrap().to_owned()
}

#[test]
fn a_guardian_goes_by_the_link_in_the_message_and_is_told_who_looked() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    server.import(&household(patient_plan()));
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos","id":"s1","lat":31.8206,"lon":117.2272}"#);
    let message = phones.expect_text(G2);
    let link = message.text[message.text.find("http://").unwrap()..].trim().to_owned();
    assert!(link.starts_with(&format!("http://{}/g/{}-", server.http, message.attempt)), "{link}");

    // A scanner of messages looks, and nothing happens.
    let (status, page) = curl(&[&link]);
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("王桂兰") && page.contains("还没有人确认前往"), "{page}");
    let api = server.api();
    assert_eq!(api.get(&format!("/incidents/{}", message.incident)).body["state"], "notifying");

    let (status, _) = curl(&["-X", "POST", "-d", "", &format!("{link}/acknowledge")]);
    assert_eq!(status, 303);
    let incident = api.get(&format!("/incidents/{}", message.incident)).body;
    assert_eq!(incident["acknowledged_by"]["person"], "g2", "{incident}");
    let (_, page) = curl(&[&link]);
    assert!(page.contains("您已确认前往") && page.contains("我已到场"), "{page}");

    // The desk looks at where she is; the guardian is told, and by whom.
    let made = api.post("/tokens", &json!({"label": "desk", "role": "desk"})).body;
    let desk = api.with_token(made["token"].as_str().unwrap());
    assert_eq!(desk.get("/wearers/w1/track?purpose=searching").status, 200);
    let looks = api.ask("GET", &format!("/guardian/{}", link.rsplit('/').next().unwrap()), None).body["looks"].clone();
    assert_eq!((&looks[0]["role"], &looks[0]["purpose"]), (&json!("desk"), &json!("searching")), "{looks}");
    let audit = api.get("/audit?wearer=w1").body;
    let actions: Vec<&str> = audit["data"].as_array().unwrap().iter().filter_map(|e| e["action"].as_str()).collect();
    assert!(actions.contains(&"incident.acknowledge") && actions.contains(&"look"), "{actions:?}");

    // The chain is whole while somebody serves, after a crash, and what was noted stays in it.
    let noted = head(&verify(&house, &[]));
    server.kill();
    let server = house.serve();
    assert_eq!(server.api().get("/wearers/w1/latest").status, 200);
    let later = head(&verify(&house, &["--head", &noted]));
    assert_ne!(later, noted);
    let (number, hash) = noted.split_once(':').unwrap();
    let forged = format!("{number}:{}", hash.chars().rev().collect::<String>());
    for wrong in [forged, format!("999999:{hash}")] {
        let output = verify(&house, &["--head", &wrong]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("noted"), "{output:?}");
    }
    server.stop();
    // No journal, and no log, holds a link.
    let token = link.rsplit('-').next().unwrap();
    assert!(!house.dump_text(None).contains(token), "a link is on disk as it is");
    assert!(!std::fs::read_to_string(house.file("serve.log")).unwrap().contains(token), "a link is in the log");
}
