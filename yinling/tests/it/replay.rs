//! A replay of a live run's recording yields the same incidents with their times.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::registry::{household, quick_plan, street, up};
use crate::harness::server::{YINLING, run_within};
use crate::harness::{House, Phones, Wire};

/// Wearer, kind and time of every incident that was raised, and of every occurrence that joined one.
fn raised<'a>(events: impl Iterator<Item = &'a Value>) -> BTreeSet<(String, String, String)> {
    let of = |event: &Value| {
        let data = &event["data"];
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{event}")).to_owned();
        (text(&data["wearer"]), text(&data["kind"]), text(&data["raised_at"]))
    };
    events.filter(|event| event["type"] == "incident.raised").map(of).collect()
}

#[test]
fn a_replay_of_a_live_run_gives_its_incidents_with_their_times() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    let plan = quick_plan();
    let mut registry = street(6, &plan);
    for wearer in registry["wearers"].as_array_mut().unwrap() {
        wearer["fences"] = household(plan.clone())["wearers"][0]["fences"].clone();
        wearer["thresholds"] = json!({"blood_pressure": {"sys_high": 180, "repeat_within_s": 1}});
    }
    server.import(&registry);
    let mut feed = server.feed();
    let mut devices: Vec<(String, Wire)> = (0..6)
        .map(|index| {
            let name = format!("dev{index}");
            let wire = Wire::login(server.mqtt, &name, &format!("secret-{name}"), 5).unwrap();
            (up(&name), wire)
        })
        .collect();
    // A deliberate muddle: bursts, repeats, arrays, things that cancel, things that never happened.
    let sos = |id: &str| format!(r#"{{"type":"sos","id":"{id}"}}"#);
    let pressure = |sys: u16, dia: u16| format!(r#"{{"type":"blood_pressure","sys":{sys},"dia":{dia}}}"#);
    let walk = |lat: f64| format!(r#"{{"type":"location","lat":{lat},"lon":117.2272,"acc":8}}"#);
    let scripts: [&[String]; 6] = [
        &[sos("s1"), sos("s1"), sos("s2")],
        &[
            r#"{"type":"fall","id":"f1"}"#.into(),
            r#"{"type":"fall_cancel"}"#.into(),
            r#"[{"type":"heart_rate","bpm":80},{"type":"nonsense"},{"type":"steps","count":-1},{"type":"alive"}]"#
                .into(),
        ],
        &[r#"{"type":"fall","id":"f1"}"#.into()],
        &[pressure(190, 100), pressure(186, 99)],
        &[walk(31.8206), walk(31.8300), walk(31.8301), walk(31.8302)],
        &[pressure(230, 120), r#"{"type":"#.into(), sos("s1")],
    ];
    for step in 0..4 {
        for (script, (topic, wire)) in scripts.iter().zip(&mut devices) {
            if let Some(report) = script.get(step) {
                wire.report(topic, report.as_bytes());
            }
        }
    }
    for _ in 0..5 {
        feed.wait_for("incident.raised");
    }
    server.kill();
    let server = house.serve();
    let live = raised(server.feed().catch_up().iter());
    server.stop();
    assert_eq!(live.len(), 5, "{live:#?}");

    let (reports, file) = (house.file("reports.ndjson"), house.file("registry.json"));
    std::fs::write(&reports, house.dump_text(Some("report"))).unwrap();
    std::fs::write(&file, registry.to_string()).unwrap();
    let mut command = Command::new(YINLING);
    command.arg("replay").arg("--registry").arg(&file).arg("--reports").arg(&reports);
    let output = run_within(command, Duration::from_secs(60));
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        let (finding, event) = (line.get("finding"), line.get("event"));
        assert!(finding.is_some() != event.is_some(), "one of the two, the other absent: {line}");
        assert!(line["at"].is_string(), "{line}");
    }
    let again = raised(lines.iter().filter_map(|line| line.get("event")));
    assert_eq!(again, live);
}
