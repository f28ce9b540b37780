//! The program itself: its exit codes, what it prints where, the files that it writes, what it records and plays again.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::load::broker;

fn sim(place: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yinling-sim"));
    command.current_dir(place).args(line.split(' ')).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn place() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn what_holds_ends_with_0_and_plain_lines() {
    let place = place();
    let ran = sim(place.path(), "run sos false_fall --seed 1,2");
    assert_eq!(ran.status.code(), Some(0), "{}{}", out(&ran), err(&ran));
    assert_eq!(out(&ran).matches("seed 2").count(), 2, "{}", out(&ran));
    assert!(!out(&ran).contains("again: "));
    // No terminal: no bars, no colours.
    assert!(!out(&ran).contains('\u{1b}') && !err(&ran).contains('\u{1b}') && !err(&ran).contains('\r'));
}

#[test]
fn a_miss_ends_with_1_and_the_line_that_runs_it_again() {
    let place = place();
    let ran = sim(place.path(), "run sos fence_exit --seed 3 --mutant margin_dropped --json v.json --junit v.xml");
    assert_eq!(ran.status.code(), Some(1), "{}", out(&ran));
    let said = out(&ran);
    let again = said.lines().find_map(|line| line.strip_prefix("again: yinling-sim ")).unwrap();
    assert_eq!(again, "run fence_exit --seed 3 --mutant margin_dropped");
    let once_more = sim(place.path(), again);
    assert_eq!(once_more.status.code(), Some(1));
    assert!(said.ends_with(&out(&once_more)), "the same run: {}", out(&once_more));

    let json: Value = serde_json::from_slice(&std::fs::read(place.path().join("v.json")).unwrap()).unwrap();
    let holds: Vec<bool> = json["runs"].as_array().unwrap().iter().map(|run| run["holds"].as_bool().unwrap()).collect();
    assert_eq!(holds, [true, false]);
    let exits = json["runs"][1]["kinds"].as_array().unwrap();
    let exits = exits.iter().find(|kind| kind["kind"] == "fence_exit").unwrap();
    assert!(exits["false"].as_u64().unwrap() > 0 && exits["latency_ms"]["p999"].is_u64(), "{exits}");

    let junit = std::fs::read_to_string(place.path().join("v.xml")).unwrap();
    assert_eq!(junit.matches("<?xml").count(), 1);
    assert_eq!((junit.matches("<testsuite ").count(), junit.matches("</testsuite>").count()), (2, 2));
    assert_eq!(junit.matches(" time=\"").count(), 2, "each run's: {junit}");
    assert!(junit.contains("<testsuite name=\"fence_exit seed 3\"") && junit.contains("<failure>"), "{junit}");
    let names: Vec<&str> = junit.split("name=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let of_sos: Vec<&&str> = names.iter().filter(|name| name.starts_with("w1 sos")).collect();
    assert!(
        of_sos.len() > 1 && of_sos.windows(2).all(|two| two[0] != two[1]),
        "lines have names of their own: {names:?}"
    );
}

#[test]
fn a_broken_threshold_ends_with_99() {
    let place = place();
    let scenario = r#"
        title = "Nobody is as fast as that"
        title_zh = "没有人这么快"
        duration_s = 600
        [thresholds]
        sos_p99_ms = 1
        [[elder]]
        id = "w1"
        persona = "walker"
        guardians = ["answers"]
        [[act]]
        at_s = 120
        who = "w1"
        does = "sos"
    "#;
    std::fs::write(place.path().join("fast.toml"), scenario).unwrap();
    let ran = sim(place.path(), "run fast.toml");
    assert_eq!(ran.status.code(), Some(99), "{}{}", out(&ran), err(&ran));
    assert!(out(&ran).contains("OVER ") && out(&ran).contains("again: yinling-sim run fast.toml --seed 1"));
    // Beside a miss, the miss weighs more.
    let both = sim(place.path(), "run fast.toml two_sos_at_once --mutant sos_deduplicated");
    assert_eq!(both.status.code(), Some(1), "{}", out(&both));
    assert!(out(&both).contains("OVER ") && out(&both).contains("missed"), "{}", out(&both));
}

#[test]
fn what_cannot_be_run_ends_with_2_and_says_why() {
    let place = place();
    for (line, why) in [
        ("run no_such_town", "yinling-sim ls"),
        ("run sos --mutant no_such_mutant", "margin_dropped"),
        ("run sos --speed 0", "--speed"),
        ("run two_sos_at_once --devices 1", "--devices 1"),
        ("load 127.0.0.1:1 --window 0", "--window"),
        ("load 127.0.0.1:1 --seconds 1e300", "--seconds"),
        ("load 127.0.0.1:1 --rate 1e18", "--rate"),
        ("load no-port", "HOST:PORT"),
        ("load 127.0.0.1:1 --connections 1 --from 203.0.113.9", "does not have"),
        ("load --registry r.json --connections 0 --secret s", "--connections"),
        ("run sos --speed 1e-300", "--speed"),
        ("run sos --json no/such/folder.json", "no/such/folder.json"),
        ("record sos --devices 0", "--devices 0"),
        ("record sos --devices 20001", "at most 20000"),
        ("replay nothing.ndjson --registry nothing.json --mqtt 127.0.0.1:1", "nothing.json"),
    ] {
        let ran = sim(place.path(), line);
        assert_eq!(ran.status.code(), Some(2), "{line}: {}", err(&ran));
        assert!(err(&ran).contains(why), "{line}: {}", err(&ran));
    }
}

#[test]
fn every_scenario_is_listed_with_what_it_is_about() {
    let place = place();
    let lines = out(&sim(place.path(), "ls --json"));
    let listed: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(listed.len(), simulator::scenario::shipped::ALL.len());
    assert!(listed.iter().all(|one| one["elders"].as_u64() > Some(0) && !one["title_zh"].as_str().unwrap().is_empty()));
}

#[test]
fn what_is_recorded_is_the_same_for_a_seed_and_is_played_again_to_the_last_report() {
    let place = place();
    for (seed, directory) in [(7, "one"), (7, "two"), (8, "other")] {
        let ran = sim(place.path(), &format!("record heart_rate --seed {seed} --out {directory}"));
        assert_eq!(ran.status.code(), Some(0), "{}", err(&ran));
    }
    let read = |path: &str| std::fs::read_to_string(place.path().join(path)).unwrap();
    let recording = read("one/reports.ndjson");
    assert_eq!(recording, read("two/reports.ndjson"));
    assert_ne!(recording, read("other/reports.ndjson"));
    let zone = engine::config::Config::default().zone;
    engine::registry::validate_alone(read("one/registry.json").as_bytes(), zone).unwrap();

    let server = broker(Duration::ZERO);
    let line = format!("replay one/reports.ndjson --registry one/registry.json --mqtt {server} --speed 100000");
    let played = sim(place.path(), &line);
    assert_eq!(played.status.code(), Some(0), "{}", err(&played));
    let reports = recording.lines().count();
    assert!(out(&played).starts_with(&format!("{reports} reports of ")), "{} of {reports}", out(&played));
}

#[test]
fn a_load_says_how_fast_and_whether_it_was_the_generator() {
    let place = place();
    let load = |more: &str| {
        let address = broker(Duration::ZERO);
        let ran = sim(place.path(), &format!("load {address} --connections 3 --seconds 0.3 --json {more}"));
        assert_eq!(ran.status.code(), Some(0), "{}", err(&ran));
        serde_json::from_str::<Value>(&out(&ran)).unwrap()
    };
    for pace in ["--window 4", "--rate 200", "--idle --from 127.0.0.2,127.0.0.3"] {
        let told = load(pace);
        assert!(told["acknowledged"].as_u64() > Some(0), "{pace}: {told}");
        assert!(told.get("generator_is_the_limit").is_some() && told["connect_retries"] == 0, "{pace}: {told}");
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_fault() {
    let place = place();
    let mut command = Command::new(env!("CARGO_BIN_EXE_yinling-sim"));
    let line = ["run", "sos", "fall", "false_fall"];
    let mut ran =
        command.current_dir(place.path()).args(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(ran.stdout.take());
    let ended = ran.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", err(&ended));
}

#[test]
fn what_was_judged_before_a_scenario_that_cannot_run_is_written() {
    let place = place();
    let scenario = "title = \"T\"\ntitle_zh = \"T\"\nduration_s = 60\n[[elder]]\nid = \"w1\"\nfence_radius_m = -5\n";
    std::fs::write(place.path().join("no.toml"), scenario).unwrap();
    let ran = sim(place.path(), "run sos no.toml --json v.json");
    assert_eq!(ran.status.code(), Some(2), "{}", err(&ran));
    assert!(err(&ran).contains("no.toml (seed 1)") && err(&ran).contains("radius_m"), "{}", err(&ran));
    let json: Value = serde_json::from_slice(&std::fs::read(place.path().join("v.json")).unwrap()).unwrap();
    assert_eq!(json["runs"].as_array().map(Vec::len), Some(1), "{json}");
}

#[test]
fn nobody_is_a_scenario_without_elders_and_a_recording_without_reports() {
    let place = place();
    std::fs::write(place.path().join("empty.toml"), "title = \"T\"\ntitle_zh = \"T\"\nduration_s = 60\n").unwrap();
    let ran = sim(place.path(), "run empty.toml");
    assert!(ran.status.code() == Some(2) && err(&ran).contains("nobody lives"), "{}", err(&ran));
    std::fs::write(place.path().join("r.ndjson"), "\n").unwrap();
    std::fs::write(place.path().join("r.json"), "{}").unwrap();
    let ran = sim(place.path(), "replay r.ndjson --registry r.json --mqtt 127.0.0.1:1");
    assert!(ran.status.code() == Some(2) && err(&ran).contains("no report"), "{}", err(&ran));
}

/// Answers everybody who knocks with these bytes.
fn server_that_says(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let _ = socket.read(&mut [0_u8; 256]);
            let _ = socket.write_all(answer);
        }
    });
    address
}

#[test]
fn a_device_that_is_refused_is_told_of_at_once() {
    let place = place();
    let recorded = sim(place.path(), "record sos --out .");
    assert_eq!(recorded.status.code(), Some(0), "{}", err(&recorded));
    let address = server_that_says(&[0x20, 2, 0, 4]);
    let line = format!("replay reports.ndjson --registry registry.json --mqtt {address} --speed 100000");
    let ran = sim(place.path(), &line);
    assert!(ran.status.code() == Some(2) && err(&ran).contains("was refused"), "{}", err(&ran));
    let ran = sim(place.path(), &format!("load {address} --connections 1"));
    assert!(ran.status.code() == Some(2) && err(&ran).contains("--secret"), "{}", err(&ran));
    let web = server_that_says(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let ran = sim(place.path(), &format!("load {web} --connections 1"));
    assert!(ran.status.code() == Some(2) && err(&ran).contains("not in MQTT"), "{}", err(&ran));
}
