//! A guardian's link from the text message to "I am going", by curl; and the audit of who looked.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::json;

use crate::harness::registry::{BRACELET, G2, G3, SECRET, household, patient_plan, up};
use crate::harness::server::{YINLING, run_within};
use crate::harness::{House, Phones, Wire, eventually};

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

/// The six digits of the newest code to a person.
fn code_in(text: &str) -> String {
    let digits: String = text.chars().rev().take_while(char::is_ascii_digit).collect();
    digits.chars().rev().collect()
}

#[test]
fn a_guardian_sees_the_track_and_draws_the_fence_with_a_code_to_their_own_phone() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    server.import(&household(patient_plan()));
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos","id":"s1","lat":31.8206,"lon":117.2272}"#);
    let message = phones.expect_text(G2);
    let link = message.text[message.text.find("http://").unwrap()..].trim().to_owned();
    let jar = house.file("jar");
    let jar = jar.to_str().unwrap();
    let curl_with = |arguments: &[&str]| curl(&[&["-b", jar, "-c", jar], arguments].concat());

    let data = link.replace("/g/", "/api/v1/guardian/");
    assert_eq!(curl_with(&[&format!("{data}/track")]).0, 403);
    assert_eq!(curl_with(&["-X", "POST", "-d", "", &format!("{link}/code")]).0, 303);
    let code = code_in(&phones.expect_text(G2).text);
    assert_eq!(code.len(), 6);
    let wrong = if code == "000000" { "code=111111" } else { "code=000000" };
    assert_eq!(curl_with(&["-d", wrong, &format!("{link}/enter")]).0, 422);
    assert_eq!(curl_with(&["-d", &format!("code={code}"), &format!("{link}/enter")]).0, 303);
    assert_eq!(curl_with(&["-d", &format!("code={code}"), &format!("{link}/enter")]).0, 429, "a code is used once");

    let (status, track) = curl_with(&[&format!("{data}/track")]);
    assert_eq!(status, 200, "{track}");
    // A position is in the view a moment after its alarm.
    let page = eventually("the position", || {
        let (status, page) = curl_with(&[&format!("{link}/elder")]);
        assert_eq!(status, 200, "{page}");
        page.contains("31.82060").then_some(page)
    });
    assert!(page.contains("谁查看过"), "{page}");
    // It survives a crash; the fence that she draws is in force at once, and its faults are told with their place.
    server.kill();
    let server = house.serve();
    let data = format!("http://{}{}", server.http, &data[data.find("/api").unwrap()..]);
    let (_, elder) = curl_with(&["-i", &format!("{data}/elder")]);
    let tag = elder.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().trim().to_owned();
    let put = |tag: &str, fences: &str| {
        let (tag, body) = (format!("if-match: {tag}"), format!("{{\"fences\":{fences}}}"));
        curl_with(&[
            "-X",
            "PUT",
            "-H",
            "content-type: application/json",
            "-H",
            &tag,
            "-d",
            &body,
            &format!("{data}/fences"),
        ])
    };
    let (status, refused) = put(&tag, r#"[{"id":"park","circle":{"lon":117.2272,"lat":91,"radius_m":300}}]"#);
    assert!(status == 422 && refused.contains("/fences/0/circle/lat"), "{status} {refused}");
    let good = r#"[{"id":"park","circle":{"lon":117.2272,"lat":31.8206,"radius_m":300}}]"#;
    let (status, done) = put(&tag, good);
    assert_eq!(status, 200, "{done}");
    assert_eq!(put(&tag, good).0, 412, "she saw it as it was before");
    assert_eq!(server.api().get("/wearers/w1").body["fences"][0]["id"], "park");
    let audit = server.api().get("/audit?wearer=w1&actor=g2").body;
    let actions: Vec<&str> = audit["data"].as_array().unwrap().iter().filter_map(|e| e["action"].as_str()).collect();
    for action in ["code.send", "code.enter", "look", "registry.write"] {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
    server.stop();
    let dump = house.dump_text(None);
    assert!(!dump.contains(&code), "a code is on disk as it is");
    let cookie = std::fs::read_to_string(jar).unwrap();
    let cookie = cookie.trim().rsplit('\t').next().unwrap().to_owned();
    assert!(!cookie.is_empty() && !dump.contains(&cookie), "a cookie is on disk as it is");
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

    // Their car does not start.
    assert!(page.contains("我去不了"), "{page}");
    assert_eq!(curl(&["-X", "POST", "-d", "", &format!("{link}/cannot")]).0, 303);
    let incident = api.get(&format!("/incidents/{}", message.incident)).body;
    assert_eq!((&incident["state"], &incident["acknowledged_by"]), (&json!("notifying"), &json!(null)), "{incident}");
    phones.expect_call(G3);
    let told = phones.expect(G3, |m| m.channel == "sms" && m.to == G3 && m.text.contains("接警后表示无法前往"));
    assert!(told.text.contains("仍需有人前往"), "{}", told.text);
    assert_eq!(curl(&["-X", "POST", "-d", "", &format!("{link}/acknowledge")]).0, 303);

    // The desk looks at where she is; the guardian is told, and by whom.
    let made = api.post("/tokens", &json!({"label": "desk", "role": "desk"})).body;
    let desk = api.with_token(made["token"].as_str().unwrap());
    assert_eq!(desk.get("/wearers/w1/track?purpose=searching").status, 200);
    // It is committed before she is shown, and in the view a moment later.
    eventually("the guardian to be told of the look", || {
        let token = link.rsplit('/').next().unwrap();
        let looks = api.ask("GET", &format!("/guardian/{token}"), None).body["looks"].clone();
        (looks[0]["role"] == "desk" && looks[0]["purpose"] == "searching").then_some(())
    });
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

#[test]
fn an_elder_who_moves_while_it_runs_is_still_their_guardians_and_no_longer_whose_that_was() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    server.import(&household(patient_plan()));
    let api = server.api();
    let made = api.post("/tokens", &json!({"label": "g3", "role": "guardian", "person": "g3"})).body;
    let third = api.with_token(made["token"].as_str().unwrap());
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos","id":"s1","lat":31.8206,"lon":117.2272}"#);
    let message = phones.expect_text(G2);
    let link = message.text[message.text.find("http://").unwrap()..].trim().to_owned();
    let acknowledge = format!("/incidents/{}/actions/acknowledge", message.incident);

    let mut moved = household(patient_plan());
    moved["wearers"][0]["org"] = json!("/luyang/xinghua/guihua/");
    moved["wearers"][0]["guardians"] = json!(["g1", "g2"]);
    server.import(&moved);
    assert_eq!(third.post(&acknowledge, &json!({})).status, 404, "who is a guardian no more sees nothing of it either");

    let (status, page) = curl(&[&link]);
    assert!(status == 200 && page.contains("还没有人确认前往") && page.contains("桂花社区"), "{page}");
    assert_eq!(curl(&["-X", "POST", "-d", "", &format!("{link}/acknowledge")]).0, 303);
    let incident = api.get(&format!("/incidents/{}", message.incident)).body;
    assert_eq!(incident["acknowledged_by"]["person"], "g2", "{incident}");
}
