//! Backup and restore by the command line, while the house is served.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::clients::python;
use crate::harness::registry::{COMMUNITY, household, patient_plan, street, up};
use crate::harness::server::{YINLING, run_within};
use crate::harness::{House, Phones, Server, Wire, eventually};

/// What a copy may take where others use the machine, too.
const COPY_SECONDS_MAX: std::time::Duration = std::time::Duration::from_secs(240);

fn press(server: &Server) {
    let mut wire = Wire::login(server.mqtt, "dev0", "secret-dev0", 4).unwrap();
    assert_eq!(wire.report(&up("dev0"), br#"{"type":"sos"}"#), 0);
}

fn yinling(arguments: &[&std::ffi::OsStr]) -> std::process::Output {
    let mut command = Command::new(YINLING);
    command.args(arguments);
    run_within(command, COPY_SECONDS_MAX)
}

#[test]
fn a_restore_holds_every_write_that_the_backup_states_and_old_cursors_lead_back_by_snapshot() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    let mut registry = street(1, &patient_plan());
    registry["orgs"] = household(patient_plan())["orgs"].clone();
    server.import(&registry);
    press(&server);
    let raised = server.feed().wait_for("incident.raised");
    let incident = raised["data"]["id"].as_str().unwrap().to_owned();
    let noted = server.api().post(&format!("/incidents/{incident}/actions/note"), &json!({"note": "before"}));
    assert_eq!(noted.status, 200, "{noted:?}");
    let cursor = server.api().get("/events?after=latest").body["next_cursor"].as_str().unwrap().to_owned();

    let (kept, data) = (house.file("kept"), house.data());
    std::fs::create_dir(data.join("tls")).unwrap();
    std::fs::write(data.join("tls/key.pem"), "of a certificate").unwrap();
    let made = yinling(&["backup".as_ref(), "--data".as_ref(), data.as_ref(), "--to".as_ref(), kept.as_ref()]);
    assert!(made.status.success(), "{made:?}");
    let stated: u64 = {
        let text = std::fs::read_to_string(kept.join("BACKUP.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["through_seq"].as_u64().unwrap()
    };
    assert!(!kept.join("keys").exists() && !kept.join("tls").exists(), "the keys are kept apart");
    server.api().post(&format!("/incidents/{incident}/actions/note"), &json!({"note": "after"}));
    server.kill();
    let before: Vec<String> = house.dump_text(None).lines().map(str::to_owned).collect();

    let keys = house.file("keys");
    std::fs::rename(data.join("keys"), &keys).unwrap();
    std::fs::rename(&data, house.file("lost")).unwrap();
    let arguments = ["restore".as_ref(), "--from".as_ref(), kept.as_ref(), "--data".as_ref(), data.as_ref()];
    let refused = yinling(&arguments);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--keys"), "{refused:?}");
    let _ = std::fs::remove_dir_all(&data);
    // As they come back from a stick or a mail: open to everybody.
    for key in std::fs::read_dir(&keys).unwrap() {
        std::fs::set_permissions(key.unwrap().path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let restored = yinling(&[&arguments[..], &["--keys".as_ref(), keys.as_ref()]].concat());
    assert!(restored.status.success(), "{restored:?}");
    let after = house.dump_text(None);
    for line in before.iter().take_while(|line| seq_of(line) <= stated) {
        assert!(after.contains(line.as_str()), "a write that the backup states is missing: {line}");
    }

    let server = house.serve();
    let gone = server.api().get(&format!("/events?after={cursor}"));
    assert_eq!((gone.status, gone.code()), (410, "cursor-expired"), "{gone:?}");
    let snapshots = gone.body["snapshots"].as_array().unwrap();
    assert!(snapshots.contains(&json!("/api/v1/incidents")), "{gone:?}");
    let snapshot = server.api().get("/incidents");
    let shown = snapshot.body["data"][0].to_string();
    assert!(shown.contains("before") && !shown.contains("after\""), "{shown}");
    let as_of = snapshot.body["as_of_cursor"].as_str().unwrap();
    let noted = server.api().post(&format!("/incidents/{incident}/actions/note"), &json!({"note": "again"}));
    assert_eq!(noted.status, 200, "{noted:?}");
    let next = eventually("the note", || {
        let page = server.api().get(&format!("/events?after={as_of}&types=incident.noted"));
        page.body["data"].get(0).cloned()
    });
    assert_eq!(next["data"]["notes"].as_array().unwrap().last().unwrap()["text"], "again");
    press(&server);
}

#[test]
fn an_outside_program_goes_on_after_a_restore_with_what_is_open() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = house.serve_at(address);
    server.import(&household(patient_plan()));
    let follow = |until: &str| {
        let mut command = Command::new(python());
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/follow.py"));
        command.arg(format!("http://{address}")).arg(&house.token).arg(house.file("cursor")).args(["s1", until]);
        let output = run_within(command, COPY_SECONDS_MAX);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let report = |server: &Server, text: &str| {
        let filed = server.api().post("/cases", &json!({"org": COMMUNITY, "text": text}));
        assert_eq!(filed.status, 201, "{filed:?}");
        filed.body["id"].as_str().unwrap().to_owned()
    };
    let first = report(&server, "first");
    follow("1");
    let second = report(&server, "second");
    let (kept, data) = (house.file("kept"), house.data());
    let made = yinling(&["backup".as_ref(), "--data".as_ref(), data.as_ref(), "--to".as_ref(), kept.as_ref()]);
    assert!(made.status.success(), "{made:?}");
    report(&server, "lost with the disk");
    server.kill();
    let keys = house.file("keys");
    std::fs::rename(data.join("keys"), &keys).unwrap();
    std::fs::rename(&data, house.file("lost")).unwrap();
    let arguments = ["restore".as_ref(), "--from".as_ref(), kept.as_ref(), "--data".as_ref(), data.as_ref()];
    let restored = yinling(&[&arguments[..], &["--keys".as_ref(), keys.as_ref()]].concat());
    assert!(restored.status.success(), "{restored:?}");

    let server = house.serve_at(address);
    let third = report(&server, "third");
    let told = follow("2");
    let done = |case: &str| told.matches(&format!("\"on\": \"{case}\"")).count();
    assert_eq!((done(&first), done(&second), done(&third)), (0, 4, 4), "what had ended is let be: {told}");
    for case in [&first, &second, &third] {
        let state = server.api().get(&format!("/cases/{case}")).body["state"].clone();
        assert_eq!(state, "closed", "{case}: {told}");
    }
}

fn seq_of(line: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()
}
