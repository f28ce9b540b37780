//! From the button to the key: other people's clients press it, our phones ring.

use std::time::Duration;

use serde_json::json;

use crate::harness::clients::{mosquitto_pub, paho_publish};
use crate::harness::registry::{BRACELET, DESK, G1, G2, G3, SECRET, household, patient_plan, quick_plan, street, up};
use crate::harness::{Feed, House, Phones, Server, Wire, eventually};

fn served(plan: serde_json::Value) -> (House, Phones, Server) {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    server.import(&household(plan));
    (house, phones, server)
}

/// Bad news brings the next phone at once, an answer is not an acknowledgement, key 1 is. The plan waits for
/// minutes: within the story only what the phones say moves it.
fn rings_in_turn(phones: &Phones, feed: &mut Feed) {
    let raised = feed.wait_for("incident.raised");
    let subject = raised["subject"].as_str().unwrap().to_owned();
    assert_eq!(raised["data"]["kind"], "sos");
    assert_eq!(raised["data"]["wearer"], "w1");
    for number in [G1, G2, G3] {
        let text = phones.expect_text(number);
        assert!(text.text.contains("王桂兰"), "{}", text.text);
    }
    let first = phones.expect_call(G1);
    assert_eq!(first.person, "g1");
    first.says("no_answer");

    let second = phones.expect_call(G2);
    // By the plan it would be five minutes.
    assert!(second.came - first.came < Duration::from_secs(60), "no answer brings the next phone at once");
    second.says("answered");
    let answered = feed.wait_for("attempt.answered");
    assert_eq!(answered["data"]["callee"]["person"], "g2");
    assert_eq!(phones.rung(), [G1, G2], "while somebody listens nobody else is rung yet");
    second.says("ended");

    let third = phones.expect_call(G3);
    third.says("answered");
    third.press("1");
    let acknowledged = feed.wait_for_about("incident.acknowledged", &subject);
    assert_eq!(acknowledged["data"]["acknowledged_by"]["person"], "g3");
    assert_eq!(acknowledged["data"]["acknowledged_by"]["channel"], "voice");
    assert_eq!(phones.rung(), [G1, G2, G3]);

    let taken = phones.expect("the word to g1 that g3 goes", |m| m.person == "g1" && m.text.contains("接警"));
    assert!(taken.text.contains("李静"), "{}", taken.text);

    feed.catch_up();
    let story: Vec<&str> = feed.story_of(&subject).into_iter().filter(|kind| *kind != "incident.updated").collect();
    assert_eq!(story, ["incident.raised", "incident.notifying", "incident.acknowledged"]);
    // When the box said 2xx is a matter between the two machines; what the people did is the story.
    let of_call = |attempt: &str| {
        let mut story = feed.story_of(&format!("attempts/{attempt}"));
        story.retain(|kind| *kind != "attempt.accepted");
        story
    };
    assert_eq!(of_call(&first.attempt), ["attempt.started", "attempt.failed"]);
    assert_eq!(of_call(&second.attempt), ["attempt.started", "attempt.answered", "attempt.ended"]);
    assert_eq!(of_call(&third.attempt), ["attempt.started", "attempt.answered", "attempt.confirmed"]);
    let filed = feed.seen.iter().find(|e| e["type"] == "case.filed").expect("an SOS files a case by itself");
    assert_eq!(filed["data"]["incident"], raised["data"]["id"]);
    let seqs: Vec<u64> = feed.seen.iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    let expected: Vec<u64> = (1..).take(seqs.len()).collect();
    assert_eq!(seqs, expected, "the feed's numbers ascend without a gap");
}

#[test]
fn an_sos_by_mosquitto_rings_the_guardians_in_turn() {
    let (_house, phones, server) = served(patient_plan());
    let output = mosquitto_pub(server.mqtt, "mqttv311", BRACELET, SECRET, &up(BRACELET), r#"{"type":"sos"}"#);
    assert!(output.status.success(), "{output:?}");
    rings_in_turn(&phones, &mut server.feed());
    server.stop();
}

#[test]
fn an_sos_by_paho_with_mqtt_5_rings_the_guardians_in_turn() {
    let (_house, phones, server) = served(patient_plan());
    let sos = r#"{"type":"sos","id":"paho-1","lat":31.8206,"lon":117.2272,"acc":8}"#;
    assert_eq!(paho_publish(server.mqtt, "5", BRACELET, SECRET, &up(BRACELET), sos), 0);
    rings_in_turn(&phones, &mut server.feed());
}

#[test]
fn an_sos_by_paho_with_mqtt_3_is_raised() {
    let (_house, phones, server) = served(patient_plan());
    assert_eq!(paho_publish(server.mqtt, "3", BRACELET, SECRET, &up(BRACELET), r#"{"type":"sos"}"#), 0);
    phones.expect_call(G1).press("1");
    assert_eq!(server.feed().wait_for("incident.acknowledged")["data"]["acknowledged_by"]["person"], "g1");
}

#[test]
fn without_news_the_next_phone_rings_too_and_the_first_may_still_answer() {
    let (_house, phones, server) = served(json!({"next_after_s": 3, "ring_s": 300, "gap_s": 300, "cycles": 2}));
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos"}"#);
    let first = phones.expect_call(G1);
    let second = phones.expect_call(G2);
    let between = second.came - first.came;
    assert!(between > Duration::from_secs(1) && between < Duration::from_secs(60), "{between:?}");
    second.press("2");
    let third = phones.expect_call(G3);
    assert!(third.came - second.came < Duration::from_secs(60));
    first.press("1");
    let mut feed = server.feed();
    let acknowledged = feed.wait_for("incident.acknowledged");
    assert_eq!(acknowledged["data"]["acknowledged_by"]["person"], "g1");
    feed.catch_up();
    assert!(feed.story_of(&format!("attempts/{}", second.attempt)).contains(&"attempt.declined"));
}

#[test]
fn a_replied_text_acknowledges() {
    let (_house, phones, server) = served(patient_plan());
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 5).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos"}"#);
    let text = phones.expect_text(G2);
    text.says("delivered");
    text.replies(" １ ");
    let acknowledged = server.feed().wait_for("incident.acknowledged");
    assert_eq!(acknowledged["data"]["acknowledged_by"]["person"], "g2");
    assert_eq!(acknowledged["data"]["acknowledged_by"]["channel"], "sms");
}

#[test]
fn the_same_press_twice_is_one_and_a_second_press_pages_again() {
    let (_house, phones, server) = served(patient_plan());
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    let first = br#"{"type":"sos","id":"press-1"}"#;
    device.report(&up(BRACELET), first);
    phones.expect_call(G1).press("1");
    let mut feed = server.feed();
    let acknowledged = feed.wait_for("incident.acknowledged");
    device.report(&up(BRACELET), first);
    device.report(&up(BRACELET), br#"{"type":"sos","id":"press-2"}"#);
    let again = feed.wait_for("incident.recurred");
    assert_eq!(again["subject"], acknowledged["subject"], "a second press joins the open incident");
    assert_eq!(again["data"]["occurrence_count"], 2, "a repeat of the first press does not count");
    assert_eq!(again["data"]["state"], "notifying", "a second press pages again");
    phones.expect("another word to somebody", |m| m.incident == again["data"]["id"] && m.channel == "voice");
    feed.catch_up();
    assert_eq!(feed.seen.iter().filter(|e| e["type"] == "incident.raised").count(), 1);
}

#[test]
fn when_nobody_answers_it_becomes_the_desks() {
    let (_house, phones, server) = served(quick_plan());
    phones.by_habit(|call| {
        let rings = call.channel == "voice" && call.to != DESK;
        rings.then(|| json!({"attempt": call.attempt, "outcome": "busy"}))
    });
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos"}"#);
    let mut feed = server.feed();
    let exhausted = feed.wait_for("incident.exhausted");
    let desk = phones.expect_call(DESK);
    assert!(phones.rung().iter().filter(|number| *number == G1).count() == 2, "both cycles: {:?}", phones.rung());
    desk.press("1");
    let acknowledged = feed.wait_for("incident.acknowledged");
    assert_eq!(acknowledged["subject"], exhausted["subject"]);
}

#[test]
fn every_kind_that_is_furnished_raises_its_incident() {
    let (_house, phones, server) = served(quick_plan());
    phones.by_habit(|m| (m.channel == "voice").then(|| json!({"attempt": m.attempt, "outcome": "key", "key": "1"})));
    let mut registry = street(4, &quick_plan());
    for wearer in registry["wearers"].as_array_mut().unwrap() {
        wearer["fences"] = household(quick_plan())["wearers"][0]["fences"].clone();
        wearer["thresholds"] = json!({"blood_pressure": {"sys_high": 180, "repeat_within_s": 1}});
    }
    server.import(&registry);
    let say = |device: &str, reports: &[&str]| {
        let mut wire = Wire::login(server.mqtt, device, &format!("secret-{device}"), 5).unwrap();
        for report in reports {
            assert_eq!(wire.report(&up(device), report.as_bytes()), 0, "{report}");
        }
    };
    let mut feed = server.feed();
    say("dev0", &[r#"{"type":"fall"}"#, r#"{"type":"fall_cancel"}"#]);
    say("dev1", &[r#"{"type":"blood_pressure","sys":191,"dia":112}"#]);
    // The step between the first two fixes is too wide for a walk, but the last two agree with each other.
    // Each says when it was measured: without that, those that we receive in one millisecond count as one.
    let received = crate::harness::now();
    let fix = |seconds_ago: i64, lat: f64| {
        let measured = received.millis() - seconds_ago * 1000;
        format!(r#"{{"type":"location","t":{measured},"lat":{lat},"lon":117.2272,"acc":8}}"#)
    };
    say("dev2", &[&fix(6, 31.8206), &fix(4, 31.8300), &fix(2, 31.8301), &fix(0, 31.8302)]);
    say("dev3", &[r#"{"type":"fall"}"#]);
    let raised: Vec<_> = (0..3).map(|_| feed.wait_for("incident.raised")).collect();
    let of = |wearer: &str| {
        let found = raised.iter().find(|event| event["data"]["wearer"] == wearer);
        found.unwrap_or_else(|| panic!("nothing of {wearer} in {raised:#?}"))["data"].clone()
    };
    assert_eq!(of("w1")["kind"], "blood_pressure_high");
    assert_eq!(of("w1")["occurrences"][0]["confirmed"], false, "no repeat came within a second");
    assert_eq!(of("w2")["kind"], "fence_exit");
    assert_eq!(of("w3")["kind"], "fall");
    for wearer in ["w1", "w2", "w3"] {
        let (zh, en) = (of(wearer)["explain"].to_string(), of(wearer)["explain_en"].to_string());
        assert!(zh.chars().any(|c| c > '\u{4e00}') && en.is_ascii(), "{zh} {en}");
    }
    feed.catch_up();
    let raised = feed.seen.iter().filter(|e| e["type"] == "incident.raised").count();
    assert_eq!(raised, 3, "a fall that was cancelled is none");
}

#[test]
fn a_hung_call_box_does_not_delay_the_texts() {
    let phones = Phones::start();
    let stuck = Phones::start();
    stuck.behave(crate::harness::phones::Manner::Hangs);
    let house = House::new(&phones, "");
    // The voice box hangs; the others are well.
    let config = std::fs::read_to_string(house.file("yinling.toml")).unwrap();
    let (head, voice) = config.split_once("[channels.voice]").unwrap();
    let config = format!("{head}[channels.voice]{}", voice.replacen(&phones.url(), &stuck.url(), 1));
    std::fs::write(house.file("yinling.toml"), config).unwrap();
    let server = house.serve();
    server.import(&household(quick_plan()));
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"sos"}"#);
    for number in [G1, G2, G3] {
        phones.expect_text(number);
    }
    phones.expect("a push to g1", |m| m.channel == "push" && m.person == "g1");
    let incident = eventually("the incident", || {
        let listed = server.api().get("/incidents");
        listed.body["data"][0]["id"].as_str().map(str::to_owned)
    });
    let reply = server.api().post(&format!("/incidents/{incident}/actions/acknowledge"), &json!({"note": "来自平台"}));
    assert_eq!(reply.status, 200, "{reply:?}");
}
