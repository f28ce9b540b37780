//! Somebody is erased: nothing shows them any more, nothing brings them back, and in the end no byte on disk tells of them.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::registry::{BRACELET, SECRET, household, patient_plan, up};
use crate::harness::server::{YINLING, run_within};
use crate::harness::wire::Said;
use crate::harness::{Api, House, Phones, Reply, Server, Wire, eventually};

/// Who is to be forgotten.
const NAME: &str = "赵清梅";
const PHONE: &str = "+8613800000071";
/// A guardian of theirs, who is forgotten after them.
const GUARDIAN: &str = "孙念慈";
const GUARDIAN_PHONE: &str = "+8613800000072";
/// The smallest journal that the configuration allows.
const SMALL_JOURNAL: &str =
    "[journal]\nsegment_bytes = 4194304\nretain_bytes = 67108864\nretain_days = 1\ncheckpoint_records = 5000\n";
/// The device that fills it, and enough of the largest reports to do that.
const FILLER: &str = "861234567890777";
const REPORTS: usize = 24_000;
const WINDOW: usize = 64;
const COPY_SECONDS_MAX: std::time::Duration = std::time::Duration::from_secs(240);

fn registry() -> Value {
    let mut registry = household(patient_plan());
    registry["wearers"][0]["name"] = json!(NAME);
    registry["wearers"][0]["phone"] = json!(PHONE);
    registry["people"][0]["name"] = json!(GUARDIAN);
    registry["people"][0]["phone"] = json!(GUARDIAN_PHONE);
    registry["devices"].as_array_mut().unwrap().push(json!({"id": FILLER, "kind": "bracelet", "secret": SECRET}));
    // Somebody else, whose guardian is the same person.
    let other = json!({"id": "w2", "name": "钱有福", "org": "/luyang/xinghua/yinxing/", "guardians": ["g1", "g2"]});
    registry["wearers"].as_array_mut().unwrap().push(other);
    registry
}

fn erase(api: &Api, path: &str) -> Reply {
    let tag = api.get(path).etag.unwrap_or_else(|| panic!("{path} has no ETag"));
    api.delete_with(path, &[("if-match", &format!("\"{tag}\""))])
}

/// Everything that the API tells of incidents, cases, attempts, tasks and the feed.
fn told(api: &Api) -> String {
    ["/events?limit=500", "/incidents", "/cases", "/wearers", "/people", "/devices", "/tasks", "/quarantine"]
        .map(|path| {
            let reply = api.get(path);
            assert_eq!(reply.status, 200, "{path}: {reply:?}");
            reply.body.to_string()
        })
        .concat()
}

/// Nothing shows the wearer.
fn is_gone(server: &Server) {
    let api = server.api();
    for path in ["/wearers/w1", "/wearers/w1/latest", "/wearers/w1/vitals?kind=heart_rate", "/wearers/w1/track"] {
        let reply = api.get(path);
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
    }
    let told = told(&api);
    for trace in [NAME, PHONE, "13800000071", "在客厅"] {
        assert!(!told.contains(trace), "{trace} in {told}");
    }
    assert!(told.contains("钱有福") && told.contains("registry.erased"), "the others stay: {told}");
    let again = json!({"wearers": [{"id": "w1", "name": NAME, "org": "/luyang/xinghua/yinxing/"}]});
    for path in ["/import?dry_run=true", "/import"] {
        let refused = api.post(path, &again);
        assert_eq!((refused.status, refused.code()), (422, "invalid"), "{path}: {refused:?}");
        assert_eq!(refused.body["errors"][0]["pointer"], "/wearers/0/id", "{path}: {refused:?}");
    }
}

fn yinling(arguments: &[&std::ffi::OsStr]) {
    let mut command = Command::new(YINLING);
    command.args(arguments);
    let output = run_within(command, COPY_SECONDS_MAX);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn who_is_erased_stays_away_through_every_rebuild_and_restore_and_leaves_no_byte() {
    let phones = Phones::start();
    let house = House::new(&phones, SMALL_JOURNAL);
    let server = house.serve();
    let (api, data, kept) = (server.api(), house.data(), house.file("kept"));
    server.import(&registry());
    // The backup is of a time when the alarm was on.
    live_through_an_alarm(&server, || {
        yinling(&["backup".as_ref(), "--data".as_ref(), data.as_ref(), "--to".as_ref(), kept.as_ref()]);
    });

    assert_eq!(api.delete("/wearers/w1").code(), "version-required");
    let erased = erase(&api, "/wearers/w1");
    assert_eq!((erased.status, &erased.body["status"]), (202, &json!("pending")), "{erased:?}");
    let places = |reply: &Value| -> Vec<String> {
        reply["remains"].as_array().unwrap().iter().map(|it| it["place"].as_str().unwrap().to_owned()).collect()
    };
    let first = places(&erased.body);
    assert!(first.contains(&"journal".to_owned()) && first.contains(&"backup".to_owned()), "{first:?}");
    let repeated = api.delete("/wearers/w1");
    assert_eq!((repeated.status, &repeated.body["id"]), (202, &erased.body["id"]), "{repeated:?}");
    is_gone(&server);
    let audit = api.get("/audit?limit=50").body.to_string();
    assert!(audit.contains("wearer.erase") && !audit.contains(NAME) && !audit.contains("走失"), "{audit}");
    // What the device says from now on is nobody's.
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"heart_rate","id":"late","bpm":71,"t":"2026-01-01T00:00:00Z"}"#);

    // Somebody else's guardian is erased, too: from the list of guardians, and from what was written of them.
    let erased = erase(&api, "/people/g1");
    assert_eq!(erased.status, 202, "{erased:?}");
    assert_eq!(api.get("/wearers/w2").body["guardians"], json!(["g2"]));
    assert!(!told(&api).contains(GUARDIAN));
    eventually("the list beside the backup", || {
        let listed = std::fs::read_to_string(kept.join("erasures.json")).unwrap_or_default();
        (listed.contains("w1") && listed.contains("g1")).then_some(())
    });
    let whole = told(&api);
    server.kill();

    // From the journal alone.
    std::fs::remove_dir_all(data.join("state")).unwrap();
    let server = house.serve();
    is_gone(&server);
    eventually("the same as before", || (told(&server.api()) == whole).then_some(()));
    server.kill();

    // From a backup of the time before, which knows nothing of it but for the list beside it.
    let lost = house.file("lost");
    std::fs::rename(&data, &lost).unwrap();
    let keys = lost.join("keys");
    yinling(&[
        "restore".as_ref(),
        "--from".as_ref(),
        kept.as_ref(),
        "--data".as_ref(),
        data.as_ref(),
        "--keys".as_ref(),
        keys.as_ref(),
    ]);
    let server = house.serve();
    is_gone(&server);
    assert!(!told(&server.api()).contains(GUARDIAN));
    for (list, ended) in [("/incidents", "resolved"), ("/cases", "closed")] {
        let listed = server.api().get(list).body;
        let first = &listed["data"][0];
        assert_eq!(
            (&first["state"], first["due_at"].is_null()),
            (&json!(ended), true),
            "nobody could end it: {listed}"
        );
    }
    server.kill();
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&lost, &data).unwrap();

    until_no_byte_is_left(&house, &kept);
}

/// An alarm with everything that is written about somebody, brought to its end.
fn live_through_an_alarm(server: &Server, meanwhile: impl FnOnce()) {
    let api = server.api();
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"location","id":"l1","lat":31.8206,"lon":117.2272,"acc":8}"#);
    device.report(&up(BRACELET), br#"{"type":"heart_rate","id":"h1","bpm":70}"#);
    device.report(&up(BRACELET), "{\"type\":\"heart_rate\",\"bpm\":\"在客厅\"}".as_bytes());
    device.report(&up(BRACELET), br#"{"type":"sos","id":"s1"}"#);
    let filed = server.feed().wait_for("case.filed");
    let (case, incident) = (filed["subject"].as_str().unwrap(), filed["data"]["incident"].as_str().unwrap());
    let open = erase(&api, "/wearers/w1");
    assert_eq!((open.status, open.code()), (409, "illegal-in-state"), "{open:?}");
    meanwhile();
    let tells = json!({"note": format!("{NAME} 在客厅, {GUARDIAN} ({GUARDIAN_PHONE}) 已到")});
    for (path, body) in [
        (format!("/incidents/{incident}/actions/note"), tells.clone()),
        (format!("/incidents/{incident}/actions/arrive"), json!({})),
        (format!("/incidents/{incident}/actions/resolve"), json!({"disposition": "helped", "note": "在客厅"})),
        (format!("/{case}/actions/note"), tells.clone()),
        (format!("/{case}/actions/dispatch"), json!({"handler": "s1"})),
        (format!("/{case}/actions/accept"), json!({})),
        (format!("/{case}/actions/arrive"), json!({})),
        (format!("/{case}/actions/close"), json!({"disposition": "helped", "note": "在客厅"})),
    ] {
        let tag = api.get(path.split("/actions").next().unwrap()).etag.unwrap();
        let done = api.post_with(&path, &[("if-match", &format!("\"{tag}\""))], &body);
        assert_eq!(done.status, 200, "{path}: {done:?}");
    }
    assert_eq!(api.get("/wearers/w1/vitals?kind=heart_rate").status, 200);
    let broken = api.post("/wearers/w1/break-glass", &json!({"reason": format!("{NAME} 走失,需要定位")}));
    assert_eq!(broken.status, 200, "{broken:?}");
    assert!(api.get("/audit?limit=50").body.to_string().contains("走失"));
    assert!(told(&api).contains(NAME));
}

/// Segments, exports and checkpoints go, the view is made anew, the backup is removed: complete, and nothing is found.
fn until_no_byte_is_left(house: &House, kept: &Path) {
    let server = house.serve();
    fill(&mut Wire::login(server.mqtt, FILLER, SECRET, 4).unwrap());
    server.stop();
    let server = house.serve();
    let remains = |server: &Server| {
        let listed = server.api().get("/erasures").body;
        let of = |erasure: &Value| erasure["remains"].as_array().unwrap().clone();
        listed["data"].as_array().unwrap().iter().flat_map(of).map(|it| it["place"].to_string()).collect::<Vec<_>>()
    };
    eventually("segments, exports and checkpoints to be let go", || {
        let left = remains(&server);
        let waits = left.iter().any(|place| ["journal", "exports", "checkpoints"].iter().any(|it| place.contains(it)));
        if waits {
            // Something is said, as always somebody says something: what is older makes room for what is newer.
            let mut device = Wire::login(server.mqtt, FILLER, SECRET, 4).unwrap();
            device.report(&up(FILLER), br#"{"type":"alive"}"#);
        }
        (!waits).then_some(())
    });
    server.stop();
    let server = house.serve();
    let left = remains(&server);
    assert!(!left.is_empty() && left.iter().all(|place| place.contains("backup")), "{left:?}");
    std::fs::remove_dir_all(kept).unwrap();
    assert_eq!(remains(&server), Vec::<String>::new());
    let listed = server.api().get("/erasures/1");
    assert_eq!(listed.body["status"], "complete", "{listed:?}");
    assert!(server.api().get("/wearers/w2").status == 200);
    server.stop();
    // The audit's chain is whole, and says that reasons were taken out of it.
    let mut verify = Command::new(YINLING);
    verify.args(["audit", "verify", "--data"]).arg(house.data());
    let output = run_within(verify, COPY_SECONDS_MAX);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("purposes taken out"), "{output:?}");
    for trace in [NAME, PHONE, "13800000071", GUARDIAN, GUARDIAN_PHONE, "在客厅", "走失"] {
        let mut found = Vec::new();
        search(&house.data(), trace.as_bytes(), &mut found);
        assert!(found.is_empty(), "{trace} is in {found:?}");
    }
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

/// The files below a folder in which some bytes stand.
fn search(folder: &Path, needle: &[u8], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, needle, found);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let mut rest = bytes.as_slice();
            while let Some(at) = rest.iter().position(|byte| *byte == needle[0]) {
                rest = &rest[at..];
                if rest.starts_with(needle) {
                    found.push(path.display().to_string());
                    break;
                }
                rest = &rest[1..];
            }
        }
    }
}
