//! The gateway over real sockets: a box that takes, one that is slow, one that hangs up, one that is not there.

#![allow(clippy::unwrap_used, reason = "a test's helpers may panic")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use channels::{Channels, ChannelsConfig, GatewayConfig, Links, ShellLimits, SigningSecret};
use model::attempt::{Callee, CalleeRole, Destination};
use model::record::SendResult;
use model::{
    Attempt, AttemptId, AttemptState, Channel, Clock, IncidentId, IncidentKind, Lane, Language, OrgPath, PersonId,
    Priority, Purpose, Timestamp, WearerId,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_780_000_000_000)
    }
}

fn attempt(channel: Channel) -> Attempt {
    Attempt {
        id: AttemptId::new(0, 42),
        version: 1,
        incident: Some(IncidentId::new(0, 7)),
        campaign: None,
        kind: IncidentKind::Sos,
        priority: Priority::High,
        wearer: WearerId::new("w1"),
        org: OrgPath::new("/luyang/"),
        channel,
        callee: Callee { person: PersonId::new("g1"), role: CalleeRole::Guardian },
        to: Destination("+8613800000001".into()),
        lang: Language::ZhCn,
        purpose: Purpose::Alert,
        lane: Lane::Alarm,
        cycle: 1,
        text: "请前往".to_owned(),
        params: Vec::new(),
        state: AttemptState::Pending,
        outcome: None,
        created_at: Timestamp::EPOCH,
        changed_at: Timestamp::EPOCH,
        not_before: Timestamp::EPOCH,
        sends: 0,
        passed_over: Vec::new(),
    }
}

fn channels(sms: &str, timeout_ms: u64) -> Channels {
    let clock: Arc<dyn Clock> = Arc::new(Still);
    let gateway = GatewayConfig { url: sms.to_owned(), secret: SECRET.to_owned(), timeout_ms };
    let config = ChannelsConfig { sms: Some(gateway), ..ChannelsConfig::default() };
    Channels::new(config, ShellLimits::default(), &clock).unwrap()
}

async fn send(channels: &Channels, channel: Channel) -> SendResult {
    let links = Links { callback: "http://127.0.0.1:1/cb".to_owned() };
    channels.of(channel).send(&attempt(channel), &links).await
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/sms", listener.local_addr().unwrap());
    (listener, url)
}

#[tokio::test]
async fn a_box_gets_a_signed_message_and_what_is_not_configured_is_shown() {
    let (listener, url) = listener().await;
    let (seen, mut arrived) = mpsc::unbounded_channel();
    let app = Router::new().route(
        "/sms",
        post(move |headers: HeaderMap, body: Bytes| async move {
            seen.send((headers, body)).unwrap();
            StatusCode::ACCEPTED
        }),
    );
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let channels = channels(&url, 5_000);
    assert_eq!(send(&channels, Channel::Sms).await, SendResult::Accepted);
    let (headers, body) = arrived.recv().await.unwrap();
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/json");
    let seconds: i64 = header("webhook-timestamp").parse().unwrap();
    assert_eq!(seconds, 1_780_000_000);
    let secret = SigningSecret::parse(SECRET).unwrap();
    assert!(secret.verify(&header("webhook-id"), seconds, &body, &header("webhook-signature")));

    assert_eq!(send(&channels, Channel::Voice).await, SendResult::Shown);
    assert!(channels.is_configured(Channel::Sms) && !channels.is_configured(Channel::Voice));
    server.abort();
}

#[tokio::test]
async fn what_went_wrong_is_told_apart() {
    // Answers, but not in time: nobody knows whether it rang.
    let (slow, url) = listener().await;
    let app = Router::new().route("/sms", post(std::future::pending::<StatusCode>));
    let server = tokio::spawn(async move { axum::serve(slow, app).await });
    assert!(matches!(send(&channels(&url, 200), Channel::Sms).await, SendResult::Unknown { .. }));
    server.abort();

    // Takes the request and hangs up: neither.
    let (rude, url) = listener().await;
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = rude.accept().await {
            stream.readable().await.unwrap();
            let mut bytes = [0; 16];
            let _ = stream.try_read(&mut bytes);
            drop(stream);
        }
    });
    assert!(matches!(send(&channels(&url, 2_000), Channel::Sms).await, SendResult::Unknown { .. }));
    server.abort();

    // Sends us elsewhere: not with a signed alarm.
    let (moved, url) = listener().await;
    let app =
        Router::new().route("/sms", post(|| async { (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]) }));
    let server = tokio::spawn(async move { axum::serve(moved, app).await });
    assert!(matches!(send(&channels(&url, 2_000), Channel::Sms).await, SendResult::Final { .. }));
    server.abort();

    // Is not there: it certainly did not ring, and a probe says so too.
    let (gone, url) = listener().await;
    drop(gone);
    let channels = channels(&url, 2_000);
    channels.of(Channel::Sms).probe().await;
    assert!(!channels.of(Channel::Sms).reachability().ok);
    assert!(matches!(send(&channels, Channel::Sms).await, SendResult::Retry { .. }));
}

#[tokio::test]
async fn a_probe_rings_nowhere() {
    let (listener, url) = listener().await;
    let channels = channels(&url, 2_000);
    let shell = channels.of(Channel::Sms);
    shell.probe().await;
    assert!(shell.reachability().ok && shell.reachability().last_ok.is_some());
    let (stream, _) = listener.accept().await.unwrap();
    let mut bytes = [0; 16];
    let read = tokio::time::timeout(Duration::from_secs(5), async {
        stream.readable().await.unwrap();
        stream.try_read(&mut bytes)
    });
    assert_eq!(read.await.unwrap().unwrap(), 0, "the probe closed without a byte");
}
