//! A start after truncation reads the checkpoint and the tail, not the whole journal.

use serde_json::json;

use crate::harness::registry::{BRACELET, SECRET, household, patient_plan, up};
use crate::harness::wire::Said;
use crate::harness::{House, Phones, Server, Wire, eventually};

/// The smallest journal that the configuration allows.
const SMALL_JOURNAL: &str =
    "[journal]\nsegment_bytes = 4194304\nretain_bytes = 67108864\nretain_days = 1\ncheckpoint_records = 5000\n";
/// The device that fills it.
const FILLER: &str = "861234567890777";
/// Enough of the largest reports to fill that journal and some segments more.
const REPORTS: usize = 24_000;
/// How many of them are unacknowledged at a time.
const WINDOW: usize = 64;

#[test]
fn a_start_after_truncation_reads_the_checkpoint_and_the_tail() {
    let phones = Phones::start();
    let house = House::new(&phones, SMALL_JOURNAL);
    let server = house.serve();
    let mut registry = household(patient_plan());
    let filler = json!({"id": FILLER, "kind": "bracelet", "secret": SECRET});
    registry["devices"].as_array_mut().unwrap().push(filler);
    server.import(&registry);
    // An incident from before everything that is let go: it must live in checkpoint, view and export.
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos","id":"the-first"}"#);
    let raised = server.feed().wait_for("incident.raised");
    // Another device's, or the press would be pushed out of its own repeat window.
    fill(&mut Wire::login(server.mqtt, FILLER, SECRET, 4).unwrap());
    let oldest_before = oldest(&house);
    assert_eq!(oldest_before, 1, "nothing was let go yet, or this test fills too little");
    // An orderly stop writes a checkpoint; the next start exports and lets go.
    server.stop();
    let server = house.serve();
    let kept_from = eventually("segments to be let go", || Some(oldest(&house)).filter(|seq| *seq > 1));
    server.kill();

    let server = house.serve();
    assert!(read_at_start(&server) < REPORTS as u64 / 2, "the log says:\n{}", server.log());
    let incident = server.api().get(&format!("/{}", raised["subject"].as_str().unwrap()));
    assert_eq!(incident.status, 200, "{incident:?}");
    assert_eq!(incident.body["state"], "notifying");
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    // A repeat of what only the checkpoint remembers has no second effect; a new press joins the open incident.
    device.report(&up(BRACELET), br#"{"type":"sos","id":"the-first"}"#);
    device.report(&up(BRACELET), br#"{"type":"sos","id":"the-second"}"#);
    let mut feed = server.feed();
    let again = feed.wait_for("incident.recurred");
    assert_eq!(again["subject"], raised["subject"]);
    assert_eq!(again["data"]["occurrence_count"], json!(2));
    assert_eq!(feed.catch_up()[0]["seq"], 1, "the feed outlives the journal's segments");

    // And when the view is gone, the export and the tail give it back.
    server.kill();
    std::fs::remove_dir_all(house.data().join("state")).unwrap();
    let server = house.serve();
    let incident = server.api().get(&format!("/{}", raised["subject"].as_str().unwrap()));
    assert_eq!(incident.status, 200, "{incident:?}");
    assert_eq!(incident.body["occurrence_count"], json!(2));
    assert!(oldest(&house) >= kept_from);
    server.stop();
}

/// Publishes [`REPORTS`] reports of nearly 4 KiB with a window.
fn fill(device: &mut Wire) {
    let filling = "x".repeat(3_900);
    let (mut sent, mut acknowledged) = (0, 0);
    while acknowledged < REPORTS {
        while sent < REPORTS && sent - acknowledged < WINDOW {
            let report = format!(r#"{{"type":"diary","id":"d{sent}","text":"{filling}"}}"#);
            device.publish(&up(FILLER), report.as_bytes(), 1).unwrap();
            sent += 1;
        }
        match device.read().unwrap() {
            Said::PubAck(_, 0) => acknowledged += 1,
            other => panic!("{other:?}"),
        }
    }
}

/// The oldest record that the journal still has.
fn oldest(house: &House) -> u64 {
    let dump = house.first_of_dump();
    dump["seq"].as_u64().unwrap_or_else(|| panic!("{dump}"))
}

/// How many records the last start applied after its checkpoint, as its log says.
fn read_at_start(server: &Server) -> u64 {
    let log = server.log();
    let last = log.lines().rfind(|line| line.contains("state recovered")).unwrap_or_else(|| panic!("{log}"));
    let number = last.split("applied=").nth(1).unwrap_or_else(|| panic!("{last}"));
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{last}"))
}
