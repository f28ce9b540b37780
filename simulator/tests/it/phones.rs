//! The demo phones as the engine and a browser meet them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use model::{AttemptOutcome, Channel, Timestamp};
use serde_json::{Value, json};
use simulator::clock::RunningClock;
use simulator::phones::{Button, CallScript, CallState, Entry, Fault, Options, Phones, RING_MS, TextScript, signature};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const WITHIN: Duration = Duration::from_secs(60);
const NOW_SECONDS: i64 = 1_795_305_600;

fn number(of: u8) -> String {
    format!("+861380000000{of}")
}

async fn start(scripts: Vec<CallScript>) -> Phones {
    let entry = |(at, script): (u8, CallScript)| Entry {
        number: number(at),
        person: format!("g{at}"),
        name: format!("guardian {at}"),
        relation: ["女儿".to_owned(), "daughter".to_owned()],
        family: "王桂兰".to_owned(),
        call_scripts: vec![script],
        text_script: TextScript::Reads,
    };
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        secret: SECRET.to_owned(),
        clock: Arc::new(RunningClock::from(Timestamp::from_millis(NOW_SECONDS * 1000))),
        ring_ms: RING_MS,
        entries: (1..).zip(scripts).map(entry).collect(),
        listener: None,
    };
    Phones::start(options).await.unwrap()
}

/// An engine that takes callbacks, after refusing the first `failures` with 500.
async fn engine(failures: u32) -> String {
    async fn take(State(left): State<Arc<AtomicU32>>, Json(_): Json<Value>) -> StatusCode {
        let fails = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/callback", post(take)).with_state(Arc::new(AtomicU32::new(failures)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/callback")
}

async fn send(phones: &Phones, attempt: &str, channel: &str, to: &str, callback: &str, secret: &str) -> u16 {
    let body = json!({
        "attempt": attempt, "channel": channel, "to": to, "person": "g1", "lang": "zh-CN", "incident": "i1", "kind": "sos",
        "priority": "high", "text": "王桂兰按下 SOS", "params": {"name": "王桂兰"}, "callback": callback,
    })
    .to_string();
    let timestamp = NOW_SECONDS.to_string();
    let signed = signature::sign(secret, attempt, &timestamp, body.as_bytes());
    let request = reqwest::Client::new()
        .post(phones.gateway_url())
        .header("webhook-id", attempt)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signed)
        .header("content-type", "application/json")
        .body(body);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_person_takes_the_call_and_the_engine_hears_it_in_order_even_if_it_was_away() {
    let phones = start(vec![CallScript::ByHand]).await;
    let callback = engine(3).await;
    assert_eq!(send(&phones, "a1", "voice", &number(1), &callback, SECRET).await, 202);
    let call = phones.wait_ringing(&number(1), WITHIN).await.unwrap();
    assert_eq!((call.text.as_str(), call.state), ("王桂兰按下 SOS", CallState::Ringing));
    phones.press(&number(1), &Button::Answer);
    phones.press(&number(1), &Button::Key('1'));
    phones.press(&number(1), &Button::HangUp);
    phones.wait_posted("the end of the call", WITHIN, |p| p.outcome == AttemptOutcome::Ended).await.unwrap();
    let posted: Vec<_> = phones.posted().into_iter().map(|p| (p.outcome, p.key, p.status)).collect();
    assert_eq!(
        posted,
        [
            (AttemptOutcome::Answered, None, 204),
            (AttemptOutcome::Key, Some('1'), 204),
            (AttemptOutcome::Ended, None, 204)
        ]
    );
    assert_eq!(phones.posted()[0].tries, 4, "three failures, then it was taken");
    phones.shutdown().await;
}

#[tokio::test]
async fn what_is_not_signed_with_our_secret_rings_nobody() {
    let phones = start(vec![CallScript::ByHand]).await;
    assert_eq!(send(&phones, "a1", "voice", &number(1), "http://127.0.0.1:1/", "whsec_b3RoZXI=").await, 401);
    assert_eq!(send(&phones, "a2", "voice", "+8613800000099", "http://127.0.0.1:1/", SECRET).await, 422);
    assert_eq!(send(&phones, "a3", "carrier pigeon", &number(1), "http://127.0.0.1:1/", SECRET).await, 400);
    assert!(phones.look(|book| book.calls().is_empty()));
    let statuses: Vec<_> = phones.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [401, 422, 400]);
    phones.shutdown().await;
}

#[tokio::test]
async fn an_attempt_sent_twice_rings_once_and_a_faulty_channel_does_as_told() {
    let phones = start(vec![CallScript::Busy]).await;
    let callback = engine(0).await;
    for _ in 0..2 {
        assert_eq!(send(&phones, "a1", "voice", &number(1), &callback, SECRET).await, 202);
    }
    assert_eq!(phones.look(|book| book.calls().len()), 1);
    assert_eq!(phones.requests().iter().map(|request| request.repeat).collect::<Vec<_>>(), [false, true]);
    phones.set_fault(Channel::Sms, Some(Fault::Status(503)));
    assert_eq!(send(&phones, "a2", "sms", &number(1), &callback, SECRET).await, 503);
    phones.set_fault(Channel::Sms, None);
    assert_eq!(send(&phones, "a2", "sms", &number(1), &callback, SECRET).await, 202);
    phones.wait_text(&number(1), "SOS", WITHIN).await.unwrap();
    phones.shutdown().await;
}

#[tokio::test]
async fn the_page_is_strict_live_and_only_obeys_itself() {
    let phones = start(vec![CallScript::ByHand]).await;
    let callback = engine(0).await;
    let client = reqwest::Client::new();
    let page = client.get(phones.page_url()).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let html = page.text().await.unwrap();
    assert!(
        !html.contains("style=") && !html.contains("<style") && !html.contains("onclick"),
        "inline code is blocked"
    );

    let mut stream = client.get(format!("{}stream", phones.page_url())).send().await.unwrap();
    assert_eq!(send(&phones, "a1", "voice", &number(1), &callback, SECRET).await, 202);
    let mut seen = String::new();
    while !seen.contains(r#""state":"ringing""#) {
        let chunk = tokio::time::timeout(WITHIN, stream.chunk()).await.expect("the page hears of it").unwrap().unwrap();
        seen.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(seen.starts_with("event: phones\n"), "everything first: {seen}");
    assert!(!seen.contains("/callback"), "a page must not see capability addresses");

    let press = |origin: String| {
        let url = format!("{}phones/{}/press", phones.page_url(), number(1).replace('+', "%2B"));
        client.post(url).header("origin", origin).json(&json!({"button": "key", "key": "1"})).send()
    };
    assert_eq!(press("http://elsewhere.example".to_owned()).await.unwrap().status(), 403);
    assert_eq!(press(format!("http://{}", phones.address())).await.unwrap().status(), 204);
    phones.wait_posted("the key", WITHIN, |p| p.key == Some('1')).await.unwrap();
    phones.shutdown().await;
}

#[test]
fn the_page_speaks_both_languages_completely() {
    let script = include_str!("../../src/phones/page.js");
    let words = &script[script.find("const WORDS").unwrap()..script.find("const HABITS").unwrap()];
    let (zh, en) = words.split_once("\n  en: {").unwrap();
    let keys = |text: &str| {
        let mut keys: Vec<String> = Vec::new();
        for part in text.split(['{', ',', '\n']) {
            if let Some((key, rest)) = part.split_once(": ") {
                let key = key.trim();
                if rest.starts_with('"') && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                    keys.push(key.to_owned());
                }
            }
        }
        keys.sort();
        keys
    };
    assert!(keys(zh).len() > 40);
    assert_eq!(keys(zh), keys(en));
}
