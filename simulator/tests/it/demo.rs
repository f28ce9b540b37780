//! The demo from end to end: the real engine, real MQTT, phones that ring.

use std::time::Duration;

use model::AttemptOutcome;
use serde_json::Value;
use simulator::demo::{Demo, Options, Screen};
use simulator::neighbourhood::{Act, Neighbourhood, Plot};
use simulator::phones::CallScript;

const WITHIN: Duration = Duration::from_secs(60);

/// The neighbourhood of the demo, in a hurry: only the first elder's SOS, and nobody lets anybody wait.
fn hurried() -> Neighbourhood {
    let mut neighbourhood = Neighbourhood::invent(1, 8);
    for (index, elder) in neighbourhood.elders.iter_mut().enumerate() {
        elder.plot = if index == 0 { vec![Plot::after(0, Act::Sos)] } else { Vec::new() };
    }
    let answers = CallScript::AnswersWithoutKey { after_ms: 50, ends_after_ms: 100 };
    let scripts = [CallScript::NoAnswer { after_ms: 100 }, answers, CallScript::presses_1_after(0)];
    let (first, elder) = (&neighbourhood.elders[0], &neighbourhood.elders[0].name);
    assert_eq!((first.guardians.len(), elder.as_str()), (3, "王桂兰"));
    let guardians = first.guardians.clone();
    for person in &mut neighbourhood.people {
        if let Some(turn) = guardians.iter().position(|guardian| *guardian == person.id) {
            person.calls = vec![scripts[turn].clone()];
        }
    }
    neighbourhood
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sos_rings_three_phones_in_turn_a_key_ends_it_and_nothing_is_left_behind() {
    let loopback = ([127, 0, 0, 1], 0).into();
    let options = Options { http: Some(loopback), mqtt: Some(loopback), elders: 8, seed: 1 };
    let demo = Demo::start(&options, hurried(), Screen::dark()).await.unwrap();
    let key = |posted: &simulator::phones::PostedCallback| posted.outcome == AttemptOutcome::Key;
    let pressed = demo.phones.wait_posted("somebody to press 1", WITHIN, key).await.unwrap();
    assert_eq!((pressed.key, pressed.number.as_str()), (Some('1'), "+8613800000013"));
    assert!((200..300).contains(&pressed.status), "{pressed:?}");

    let rang = demo.phones.look(|book| book.calls().iter().map(|(p, _)| p.entry.name.clone()).collect::<Vec<_>>());
    assert_eq!(rang, ["王芳", "王强", "李梅"], "one after the other, in the order of the registry");

    let url = format!("http://{}/api/v1/events?types=incident.acknowledged,case.filed", demo.ready.http);
    let client = reqwest::Client::new();
    let answer = client.get(url).bearer_auth(&demo.token).send().await.unwrap();
    let events: Value = answer.json().await.unwrap();
    let types: Vec<_> = events["data"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["case.filed", "incident.acknowledged"], "{events}");

    let directory = demo.directory().to_owned();
    assert!(directory.is_dir());
    demo.end().await.unwrap();
    assert!(!directory.exists(), "the throw-away directory is thrown away");
}
