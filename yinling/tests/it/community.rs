//! The community's work around a case, against the real binary: who takes it, where they are, what they show; reports,
//! patrols, duty, other systems, figures; and an outside program that follows the feed through a restart and a kill.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::harness::clients::python;
use crate::harness::registry::{BRACELET, COMMUNITY, G1, SECRET, household, patient_plan, up};
use crate::harness::{Api, House, PATIENCE, Phones, Reply, Server, Wire, eventually};

/// The phone of whoever is on duty for the street.
const STREET: &str = "+8613800000013";

fn caller(server: &Server, role: &str, scope: &str) -> Api {
    let made = server.api().post("/tokens", &json!({"label": "a test", "role": role, "scope": scope}));
    assert_eq!(made.status, 201, "{made:?}");
    server.api().with_token(made.body["token"].as_str().unwrap())
}

fn act(api: &Api, case: &str, action: &str, body: &Value) -> Reply {
    let version = api.get(&format!("/{case}")).etag.unwrap_or_default();
    api.post_with(&format!("/{case}/actions/{action}"), &[("If-Match", &format!("\"{version}\""))], body)
}

fn done(api: &Api, case: &str, action: &str, body: &Value) -> Value {
    let reply = act(api, case, action, body);
    assert_eq!(reply.status, 200, "{action}: {reply:?}");
    reply.body
}

fn served(phones: &Phones) -> (House, Server) {
    let house = House::new(phones, "");
    let server = house.serve();
    let mut registry = household(patient_plan());
    registry["wearers"][0]["lives_alone"] = json!(true);
    server.import(&registry);
    (house, server)
}

/// Presses SOS at home; the case.
fn sos(server: &Server) -> String {
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos","lat":31.8206,"lon":117.2272,"acc":10}"#);
    server.feed().wait_for("case.filed")["subject"].as_str().unwrap().to_owned()
}

/// What curl hears on the stream, from the oldest event to one of this type.
fn streamed_until(server: &Server, api: &Api, kind: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-q", "-sN", "--max-time", &PATIENCE.as_secs().to_string()]);
    curl.args(["-H", &format!("authorization: Bearer {}", api.token())]);
    curl.arg(format!("http://{}/api/v1/events/stream", server.http)).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = curl.spawn().unwrap();
    let mut told = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        told.push_str(&line);
        if line.contains(kind) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    told
}

#[test]
fn of_two_who_take_a_case_at_once_one_has_it_and_sees_exactly_where() {
    let phones = Phones::start();
    let (_house, server) = served(&phones);
    let workers = [caller(&server, "grid_worker", COMMUNITY), caller(&server, "volunteer", COMMUNITY)];
    let case = sos(&server);
    // Whichever way they follow what happens: about where, and not what people were told of it.
    for worker in &workers {
        let polled = eventually("the first attempt", || {
            let told = worker.get("/events?limit=500").body.to_string();
            told.contains("attempt.started").then_some(told)
        });
        for told in [streamed_until(&server, worker, "attempt.started"), polled] {
            assert!(told.contains("incident.raised") && told.contains("attempt.started"), "{told}");
            assert!(!told.contains("31.8206") && !told.contains("117.2272"), "{told}");
        }
        assert_eq!(Wire::login(server.mqtt, "token", worker.token(), 5).err(), Some(0x87), "nor by MQTT");
    }
    let rough = workers[0].get(&format!("/{case}")).body["place"]["position"].clone();
    assert_eq!(rough, json!({"lat": 31.82, "lon": 117.23}), "about where, before");
    let path = format!("/{case}/actions/accept");
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let asked: Vec<_> = workers.iter().map(|api| scope.spawn(|| api.post_with(&path, &[], &json!({})))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert!(statuses == [200, 409] || statuses == [409, 200], "{replies:?}");
    let winner = usize::from(statuses[0] == 409);
    let (has_it, has_not) = (&replies[winner].body, &replies[1 - winner].body);
    assert_eq!(has_not["holder"], has_it["handler"], "it says who holds it");
    assert!(has_not["allowed_actions"].as_array().unwrap().contains(&json!("note")), "{has_not}");
    assert_eq!(has_it["place"]["position"], json!({"lat": 31.8206, "lon": 117.2272}), "exactly, while holding it");
    let seen = workers[1 - winner].get(&format!("/{case}")).body;
    assert_eq!(seen["place"]["position"], rough);
    let incident = seen["incident"].as_str().unwrap();
    assert_eq!(workers[1 - winner].get(&format!("/incidents/{incident}")).body["position"], rough);
    assert_eq!(workers[winner].get(&format!("/incidents/{incident}")).body["position"]["lat"], 31.8206);

    let worker = &workers[winner];
    let far = worker.post(&format!("/{case}/actions/arrive"), &json!({"position": {"lat": 31.9, "lon": 117.2272}}));
    assert_eq!((far.status, far.body["errors"][0]["pointer"].as_str()), (422, Some("/position")), "{far:?}");
    let there = json!({"position": {"lat": 31.8210, "lon": 117.2272, "accuracy_m": 15}});
    let checked_in = done(worker, &case, "check_in", &there);
    assert_eq!(checked_in["check_ins"][0]["is_there"], true, "{checked_in}");
    assert_eq!(checked_in["check_ins"][0]["distance_m"], 44);
    assert_eq!(done(worker, &case, "arrive", &there)["state"], "on_site");
    let own = act(worker, &case, "close", &json!({"disposition": "helped"}));
    assert_eq!((own.status, own.code()), (403, "not-allowed"), "its handler does not close it alone: {own:?}");
}

#[test]
fn an_sos_is_acknowledged_while_its_version_moves_and_ends_only_with_a_confirmation() {
    let phones = Phones::start();
    let (_house, server) = served(&phones);
    let case = sos(&server);
    let api = server.api();
    let incident = api.get(&format!("/{case}")).body["incident"].as_str().unwrap().to_owned();
    // Remarks move the version, from another caller, without end; an acknowledgement asks for none.
    let desk = caller(&server, "desk", COMMUNITY);
    std::thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        let (desk, incident) = (&desk, &incident);
        let noting = scope.spawn(move || {
            let mut count = 0;
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                let reply = desk.post(&format!("/incidents/{incident}/actions/note"), &json!({"note": "在看"}));
                count += u32::from(reply.status == 200);
            }
            count
        });
        let old = api.get(&format!("/incidents/{incident}")).etag.unwrap();
        eventually("the version to move", || {
            let now = api.get(&format!("/incidents/{incident}")).etag.unwrap();
            (now.parse::<u32>().unwrap() > old.parse::<u32>().unwrap() + 2).then_some(())
        });
        let stale = [("If-Match", format!("\"{old}\""))];
        let headers: Vec<(&str, &str)> = stale.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let path = format!("/incidents/{incident}/actions/acknowledge");
        let reply = api.post_with(&path, &headers, &json!({}));
        assert_eq!((reply.status, &reply.body["state"]), (200, &json!("acknowledged")), "{reply:?}");
        stop.send(()).unwrap();
        assert!(noting.join().unwrap() > 2);
    });
    // Nobody was there and nobody spoke to her: no way ends it.
    for (action, body) in [("reject", json!({"note": "误报"})), ("accept", json!({})), ("feedback", json!({}))] {
        let reply = act(&api, &case, action, &body);
        assert_eq!(reply.status, if action == "reject" { 422 } else { 200 }, "{action}: {reply:?}");
    }
    let desk = caller(&server, "desk", "/");
    let unseen = act(&desk, &case, "close", &json!({"disposition": "helped"}));
    assert_eq!(unseen.status, 422, "{unseen:?}");
    done(&desk, &case, "hand_over", &json!({"with": "120 急救车 皖A", "note": "意识清醒,血压 150"}));
    assert_eq!(act(&desk, &case, "close", &json!({"disposition": "handed_to_120"})).status, 422);
    let spoken = done(&desk, &case, "voice", &json!({"with": "王桂兰", "note": "她说没事"}));
    let kinds: Vec<&str> = spoken["records"].as_array().unwrap().iter().map(|r| r["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["hand_over", "voice"]);
    assert_eq!(done(&desk, &case, "close", &json!({"disposition": "handed_to_120"}))["state"], "closed");
}

/// A JPEG of nothing, with a place in its Exif.
fn photo() -> Vec<u8> {
    let segment = |marker: u8, content: &[u8]| {
        [&[0xff, marker], ((content.len() + 2) as u16).to_be_bytes().as_slice(), content].concat()
    };
    let exif = [b"Exif\0\0II*\0\x08\0\0\0\0\0".as_slice(), b"GPS 31.8206N 117.2272E"].concat();
    let mut bytes = vec![0xff, 0xd8];
    bytes.extend(segment(0xe1, &exif));
    bytes.extend(segment(0xc0, &[8, 0, 16, 0, 16, 1, 1, 0x11, 0]));
    bytes.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
    bytes.extend([0x12, 0x34, 0xff, 0xd9]);
    bytes
}

#[test]
fn a_persons_report_with_a_photo_survives_a_kill_and_says_nothing_about_where_the_photo_was_taken() {
    let phones = Phones::start();
    let (house, server) = served(&phones);
    let volunteer = caller(&server, "volunteer", COMMUNITY);
    let bare = volunteer.post("/cases", &json!({"org": COMMUNITY}));
    assert_eq!((bare.status, bare.body["errors"][0]["pointer"].as_str()), (422, Some("/text")), "{bare:?}");
    let body =
        json!({"org": COMMUNITY, "text": "楼道堆物,老人绊倒", "place": {"text": "3 栋", "lat": 31.82, "lon": 117.22}});
    let key = [("Idempotency-Key", "report-1")];
    let filed = volunteer.post_with("/cases", &key, &body);
    assert_eq!((filed.status, filed.body["kind"].as_str()), (201, Some("report")), "{filed:?}");
    assert_eq!(volunteer.post_with("/cases", &key, &body).body["id"], filed.body["id"], "once");
    let case = format!("cases/{}", filed.body["id"].as_str().unwrap());
    assert!(filed.body["due_at"].is_string(), "it has its clock");

    for (bytes, what) in [(b"GIF89a".to_vec(), "no photo"), (photo()[..40].to_vec(), "half of one")] {
        let reply = volunteer.post_bytes(&format!("/{case}/photos"), bytes);
        assert_eq!((reply.status, reply.code()), (422, "invalid"), "{what}: {reply:?}");
    }
    assert_eq!(volunteer.post_bytes(&format!("/{case}/photos"), vec![0xff; 9 << 20]).status, 413);
    let added = volunteer.post_bytes(&format!("/{case}/photos"), photo());
    assert_eq!(added.status, 201, "{added:?}");
    let hash = added.body["photos"][0]["hash"].as_str().unwrap().to_owned();
    assert_eq!(volunteer.post_bytes(&format!("/{case}/photos"), photo()).body["photos"].as_array().unwrap().len(), 1);
    server.kill();
    let server = house.serve();
    let volunteer = server.api().with_token(volunteer.token());
    let (status, content_type, bytes) = volunteer.get_bytes(&format!("/photos/{hash}"));
    assert_eq!((status, content_type.as_str()), (200, "image/jpeg"));
    assert!(!bytes.windows(3).any(|window| window == b"GPS"), "its place is gone");
    assert_eq!(server.api().get(&format!("/{case}")).body["photos"][0]["hash"], hash.as_str());
    let elsewhere = caller(&server, "desk", "/luyang/xinghua/guihua/");
    assert_eq!(elsewhere.get_bytes(&format!("/photos/{hash}")).0, 404);
    assert_eq!(server.api().get_bytes("/photos/..%2F..%2FVERSION").0, 404);
    let kept = std::fs::read_dir(house.data().join("photos")).unwrap().count();
    assert_eq!(kept, 1, "under its hash, and nothing unfinished");
}

#[test]
fn incidents_are_handed_over_once_and_another_systems_receipts_drive_the_case() {
    let phones = Phones::start();
    let (_house, server) = served(&phones);
    let case = sos(&server);
    let api = server.api();
    let incident = api.get(&format!("/{case}")).body["incident"].clone();
    let again = api.post("/cases", &json!({"incident": incident}));
    assert_eq!((again.status, format!("cases/{}", again.body["id"].as_str().unwrap())), (200, case.clone()));
    assert_eq!(api.get("/cases").body["data"].as_array().unwrap().len(), 1);
    let platform = caller(&server, "integration", "/luyang/");
    done(&platform, &case, "hand_off", &json!({"system": "street-platform"}));
    let receipt = |status: &str, id: &str| {
        platform.post(
            &format!("/{case}/receipts"),
            &json!({"system": "street-platform", "external_case_id": id, "status": status}),
        )
    };
    for (status, id, expected, state) in [
        ("received", "G-7", 200, "dispatched"),
        ("accepted", "G-7", 200, "accepted"),
        ("received", "G-7", 200, "accepted"),
        ("closed", "G-7", 422, "accepted"),
        ("on_site", "G-8", 409, "accepted"),
        ("on_site", "G-7", 200, "on_site"),
        ("on_site", "G-7", 200, "on_site"),
        ("closed", "G-7", 200, "closed"),
    ] {
        let reply = receipt(status, id);
        assert_eq!(reply.status, expected, "{status}: {reply:?}");
        assert_eq!(api.get(&format!("/{case}")).body["state"], state, "{status}");
    }
    assert_eq!(api.get(&format!("/{case}")).body["external"]["external_case_id"], "G-7");
}

#[test]
fn those_on_duty_join_a_late_case_and_a_patrol_asks_its_questions() {
    let phones = Phones::start();
    let house = House::new(&phones, "[casework.sla.sos]\ndispatch_s = 1\n");
    let server = house.serve();
    let mut registry = household(patient_plan());
    registry["wearers"][0]["lives_alone"] = json!(true);
    let street = json!({"id": "st1", "role": "street", "name": "周值班", "phone": STREET});
    registry["people"].as_array_mut().unwrap().push(street);
    server.import(&registry);
    let api = server.api();
    let all = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let roster = json!({"units": [{"id": "office", "name": "街道值班室", "level": "street",
        "shifts": [{"people": ["st1"], "days": all, "from": "00:00", "to": "24:00"}]}]});
    let path = "/duty?org=/luyang/xinghua/";
    let written = api.put_with(path, &[], &roster);
    assert_eq!((written.status, written.etag.as_deref()), (200, Some("1")), "{written:?}");
    assert_eq!(api.put_with(path, &[], &roster).status, 428);
    assert_eq!(api.get(path).body["on_duty"], json!([{"unit": "office", "level": "street", "people": ["st1"]}]));
    let case = sos(&server);
    let whistled = server.feed().wait_for_about("case.whistled", &case)["data"].clone();
    assert_eq!((&whistled["level"], &whistled["joined"][0]["people"]), (&json!("street"), &json!(["st1"])));
    // They are told like anybody else, and hear how it goes on.
    let told = phones.expect("the whistle", |message| message.to == STREET);
    assert!(told.text.contains("吹哨至街道") && told.text.contains("王桂兰"), "{}", told.text);
    phones.expect_call(G1).press("1");
    phones.expect("who goes", |message| message.to == STREET && message.text.contains("王芳"));
    // Of a case that no incident stands behind they are told, too: once, and nobody is asked to reply.
    let report = json!({"org": COMMUNITY, "text": "楼道堆物", "place": {"text": "3 栋"}});
    let report = format!("cases/{}", api.post("/cases", &report).body["id"].as_str().unwrap());
    done(&api, &report, "whistle", &json!({}));
    let told = phones.expect("the whistle of a report", |message| message.text.contains("楼道堆物"));
    assert_eq!((told.to.as_str(), told.channel.as_str()), (STREET, "sms"));
    assert!(
        told.text.contains("吹哨至街道") && told.text.contains("3 栋") && !told.text.contains("回复"),
        "{}",
        told.text
    );
    let is_accepted = |attempt: &Value| attempt["state"] == "accepted";
    let attempt =
        eventually("its attempt", || Some(api.get(&format!("/attempts/{}", told.attempt)).body).filter(is_accepted));
    assert_eq!(json!([attempt["case"], attempt["incident"], attempt["kind"]]), json!([&report[6..], null, "report"]));

    let order = json!({"name": "独居巡访", "org": "/luyang/", "who": "living_alone",
        "form": [{"id": "well", "label": "身体状况良好?", "kind": "yes_no", "required": true}]});
    let patrol = api.post("/patrols", &order);
    assert_eq!((patrol.status, patrol.body["cases"].as_array().map(Vec::len)), (201, Some(1)), "{patrol:?}");
    let visit = format!("cases/{}", patrol.body["cases"][0].as_str().unwrap());
    assert_eq!(api.get(&format!("/{visit}")).body["wearer"], "w1");
    assert_eq!(api.post("/patrols", &order).body["passed_over"], 1, "whoever is visited already is not visited twice");
    let uncovered = json!({"name": "无人可联系", "org": "/luyang/", "who": "uncovered"});
    let alone = json!({"wearers": [{"id": "w9", "name": "李无靠", "org": COMMUNITY}]});
    server.import(&alone);
    let rounds = api.post("/patrols", &uncovered);
    let to_them = format!("/cases/{}", rounds.body["cases"][0].as_str().unwrap_or_else(|| panic!("{rounds:?}")));
    assert_eq!(api.get(&to_them).body["wearer"], "w9");
    let worker = caller(&server, "grid_worker", COMMUNITY);
    done(&worker, &visit, "accept", &json!({}));
    let silent = act(&worker, &visit, "feedback", &json!({"note": "去过了"}));
    assert_eq!(
        (silent.status, silent.body["errors"][0]["pointer"].as_str()),
        (422, Some("/answers/well")),
        "{silent:?}"
    );
    let told = done(&worker, &visit, "feedback", &json!({"answers": {"well": true}}));
    assert_eq!(told["answers"], json!([{"id": "well", "value": "true"}]));
}

#[test]
fn the_report_counts_who_was_quick_and_what_was_false() {
    let phones = Phones::start();
    let (_house, server) = served(&phones);
    let case = sos(&server);
    phones.expect_call(G1).press("1");
    server.feed().wait_for("incident.acknowledged");
    let api = server.api();
    done(&api, &case, "dispatch", &json!({"handler": "s1"}));
    done(&api, &case, "accept", &json!({}));
    done(&api, &case, "arrive", &json!({}));
    done(&api, &case, "whistle", &json!({}));
    done(&api, &case, "close", &json!({"disposition": "false_alarm", "note": "误触"}));
    let report = api.get("/reports/response?period=day");
    assert_eq!(report.status, 200, "{report:?}");
    let row = &report.body["rows"][0];
    assert_eq!(row["org"], COMMUNITY);
    for (name, expected) in [
        ("/alarms/count", json!(1)),
        ("/alarms/answered_60s_rate", json!(1.0)),
        ("/alarms/on_site_45min", json!(1)),
        ("/cases/accepted_rate", json!(1.0)),
        ("/cases/closed", json!(1)),
        ("/cases/false_alarm_rate", json!(1.0)),
        ("/cases/whistle_rate", json!(1.0)),
    ] {
        assert_eq!(row.pointer(name), Some(&expected), "{name} in {row}");
    }
    assert_eq!(report.body["total"]["cases"]["count"], 1);
    let (status, content_type, bytes) = api.get_bytes("/reports/response?format=csv");
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!((status, content_type.as_str()), (200, "text/csv; charset=utf-8"));
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
    assert!(lines[0].starts_with("org,period,alarms_") && lines[1].starts_with(COMMUNITY), "{text}");
    let columns: BTreeSet<usize> = lines.iter().map(|line| line.split(',').count()).collect();
    assert_eq!((lines.len(), columns.len()), (3, 1), "one row, the total, and every line as long as the first: {text}");
    let elsewhere = caller(&server, "street", "/luyang/xinghua/guihua/");
    assert_eq!(elsewhere.get("/reports/response").body["rows"], json!([]));
    assert_eq!(elsewhere.get(&format!("/reports/response?org={COMMUNITY}")).status, 404);
    assert_eq!(api.get("/reports/response?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z").status, 400);
}

#[test]
fn an_outside_program_of_sixty_lines_follows_the_feed_through_a_restart_and_a_kill() {
    let program = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/follow.py");
    let text = std::fs::read_to_string(&program).unwrap();
    assert!(text.lines().count() <= 60, "{} lines", text.lines().count());
    let phones = Phones::start();
    let house = House::new(&phones, "");
    // A port that was free a moment ago: the program knows one address only.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = house.serve_at(address);
    let mut registry = household(patient_plan());
    registry["wearers"][0]["lives_alone"] = json!(true);
    server.import(&registry);
    let output = house.file("follow.ndjson");
    let mut command = Command::new(python());
    command
        .arg(&program)
        .arg(format!("http://{address}"))
        .arg(&house.token)
        .arg(house.file("cursor"))
        .args(["s1", "3"]);
    let stdout = std::fs::File::create(&output).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null()).spawn().unwrap();
    let told = |kind: &str| {
        let text = std::fs::read_to_string(&output).unwrap();
        text.lines().filter(|line| line.contains(&format!("\"type\": \"{kind}\""))).count()
    };
    let report = |server: &Server, text: &str| {
        let filed = server.api().post("/cases", &json!({"org": COMMUNITY, "text": text}));
        assert_eq!(filed.status, 201, "{filed:?}");
    };
    let wait_for = |kind: &str, count: usize| eventually(kind, || (told(kind) >= count).then_some(()));
    sos(&server);
    wait_for("case.closed", 1);
    report(&server, "second");
    wait_for("case.filed", 2);
    server.stop();
    let server = house.serve_at(address);
    wait_for("case.closed", 2);
    report(&server, "third");
    wait_for("case.filed", 3);
    server.kill();
    let server = house.serve_at(address);
    let deadline = std::time::Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        assert!(std::time::Instant::now() < deadline, "{}", std::fs::read_to_string(&output).unwrap());
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    let lines: Vec<Value> =
        std::fs::read_to_string(&output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let followed: Vec<u64> = lines.iter().filter_map(|line| line["seq"].as_u64()).collect();
    let expected: Vec<u64> = (1..=*followed.last().unwrap()).collect();
    assert_eq!(followed, expected, "no gap and no repeat");
    let cases = server.api().get("/cases").body;
    let states: Vec<&str> =
        cases["data"].as_array().unwrap().iter().map(|case| case["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["closed", "closed", "closed"]);
    for case in cases["data"].as_array().unwrap() {
        let steps: Vec<&str> =
            case["steps"].as_array().unwrap().iter().map(|step| step["action"].as_str().unwrap()).collect();
        assert_eq!(steps, ["file", "dispatch", "accept", "arrive", "close"], "each once: {case}");
    }
}
