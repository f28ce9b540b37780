//! `yinling replay` over a recording: what the rules find in a day.

use std::fmt::Write as _;

use chrono_tz::Tz;
use engine::replay::{Options, run};
use expect_test::expect;
use model::Timestamp;
use serde_json::Value;

const REGISTRY: &str = r#"{
  "orgs": [{"path":"/luyang/xinghua/yinxing/","name":"银杏社区","desk":{"phone":"+8613800000010"}}],
  "people": [{"id":"g1","role":"guardian","name":"王芳","phone":"+8613800000001"},
             {"id":"d1","role":"doctor","name":"于医生","phone":"+8613800000009"}],
  "wearers": [{"id":"w1","name":"王桂兰","org":"/luyang/xinghua/yinxing/","guardians":["g1"],"doctor":"d1",
               "fences":[{"id":"home","circle":{"lon":117.2272,"lat":31.8206,"radius_m":300}}]}],
  "devices": [{"id":"b1","kind":"bracelet","wearer":"w1","secret":"not used here"},
              {"id":"c1","kind":"cuff","wearer":"w1","secret":"not used here"}]
}"#;

/// Findings of a recording with lines of `HH:MM:SS device {report}`, as `time kind change priority`.
fn findings(recording: &str, until: &str) -> String {
    replayed(recording, None, until)
}

/// The same; with another registry, each line says whether it was found or would have been.
fn replayed(recording: &str, changed: Option<&str>, until: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (registry, reports) = (folder.path().join("registry.json"), folder.path().join("reports.ndjson"));
    let mut lines = String::new();
    for line in recording.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.splitn(3, ' ');
        let (time, device, report) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let received = format!("2026-11-22T{time}+08:00");
        writeln!(lines, r#"{{"device":"{device}","received":"{received}","report":{report}}}"#).unwrap();
    }
    std::fs::write(&registry, REGISTRY).unwrap();
    std::fs::write(&reports, lines).unwrap();
    let changed = changed.map(|document| {
        let path = folder.path().join("changed.json");
        std::fs::write(&path, document).unwrap();
        path
    });
    let until = Timestamp::parse(&format!("2026-11-22T{until}+08:00"));
    let mut out = Vec::new();
    run(&Options { registry, changed, reports, until, zone: Tz::Asia__Shanghai }, &mut out).unwrap();
    let lines = String::from_utf8(out).unwrap();
    let found = lines.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let names = ["finding", "was", "would"];
        let (name, finding) = names.iter().find_map(|name| Some((*name, line.get(*name)?)))?;
        assert!(!finding["explain"].as_str()?.is_empty() && !finding["explain_en"].as_str()?.is_empty());
        let at = Timestamp::parse(line["at"].as_str()?)?.plus_seconds(8 * 3600).to_string();
        let word = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let whose = if name == "finding" { String::new() } else { format!("{name:<5} ") };
        Some(format!("{whose}{} {} {} {}", &at[11..19], word("kind"), word("change"), word("priority")))
    });
    found.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_day_in_which_everything_happens() {
    let recording = r#"
        08:00:00 b1 {"type":"heart_rate","bpm":125}
        08:05:00 b1 {"type":"heart_rate","bpm":126}
        08:10:00 b1 {"type":"heart_rate","bpm":125}
        08:12:00 b1 {"type":"heart_rate","bpm":80}
        08:15:00 b1 {"type":"heart_rate","bpm":80}
        08:20:00 b1 {"type":"spo2","value":90}
        08:22:00 b1 {"type":"spo2","value":89}
        08:30:00 b1 {"type":"temperature","value":39.2}
        08:40:00 b1 {"type":"battery","pct":12}
        08:50:00 b1 {"type":"battery","pct":90}
        08:51:00 b1 {"type":"battery","pct":89}
        09:00:00 b1 {"type":"wear","on":false}
        09:10:00 c1 {"type":"blood_pressure","sys":185,"dia":95,"flags":4}
        09:12:00 c1 {"type":"blood_pressure","sys":187,"dia":97}
        09:20:00 b1 {"type":"alive"}
        09:40:00 b1 {"type":"wear","on":true}
        12:00:00 b1 {"type":"alive"}
        12:00:10 b1 {"type":"location","lat":31.8206,"lon":117.2272,"acc":8}
        12:20:00 b1 {"type":"location","lat":31.8260,"lon":117.2272,"acc":8}
        12:21:10 b1 {"type":"location","lat":31.8261,"lon":117.2272,"acc":8}
        12:22:20 b1 {"type":"location","lat":31.8262,"lon":117.2272,"acc":8}"#;
    expect![[r#"
        08:10:15 heart_rate_high raised medium
        08:15:15 heart_rate_high cleared low
        08:22:15 spo2_low raised high
        08:30:15 temperature_high raised medium
        08:40:15 battery_low raised low
        08:50:15 battery_low cleared low
        09:10:00 irregular_pulse raised low
        09:12:00 blood_pressure_high raised high
        09:30:00 device_removed raised low
        09:40:00 device_removed cleared low
        10:03:00 silence raised low
        12:00:00 silence cleared low
        12:21:10 fence_exit raised medium
        12:45:20 silence raised low
        22:00:00 wandering raised high"#]]
    .assert_eq(&findings(recording, "22:30:00"));
}

#[test]
fn a_changed_registry_is_shown_beside_the_one_that_was() {
    let recording = r#"
        08:00:00 b1 {"type":"heart_rate","bpm":125}
        08:05:00 b1 {"type":"heart_rate","bpm":126}
        08:10:00 b1 {"type":"heart_rate","bpm":125}
        08:11:00 b1 {"type":"location","lat":31.8206,"lon":117.2272,"acc":8}
        08:12:00 b1 {"type":"location","lat":31.8260,"lon":117.2272,"acc":8}
        08:13:00 b1 {"type":"location","lat":31.8261,"lon":117.2272,"acc":8}
        08:14:00 b1 {"type":"spo2","value":95}
        08:17:00 b1 {"type":"spo2","value":95}"#;
    let changed = REGISTRY
        .replace("\"radius_m\":300", "\"radius_m\":1000")
        .replace("\"doctor\":\"d1\",", "\"doctor\":\"d1\",\"thresholds\":{\"spo2\":{\"watch\":95}},");
    expect![[r#"
        was   08:10:15 heart_rate_high raised medium
        would 08:10:15 heart_rate_high raised medium
        was   08:13:00 fence_exit raised medium
        would 08:17:15 spo2_low raised medium"#]]
    .assert_eq(&replayed(recording, Some(&changed), "08:20:00"));
}
