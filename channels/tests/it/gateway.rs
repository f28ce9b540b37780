//! The gateway over real sockets: a box that takes, one that is slow, one that hangs up, one that is not there.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use channels::{
    Channels, ChannelsConfig, GatewayConfig, Links, ProviderConfig, ProviderSettings, ShellLimits, SigningSecret,
};
use model::record::SendResult;
use model::{Channel, Clock};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::sample::{Still, attempt};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn channels(sms: &str, timeout_ms: u64) -> Channels {
    let clock: Arc<dyn Clock> = Arc::new(Still);
    let gateway = GatewayConfig { url: sms.to_owned(), secret: SECRET.to_owned(), timeout_ms };
    let settings = ProviderSettings { timeout_ms, ..ProviderSettings::new(ProviderConfig::Gateway(gateway)) };
    let config = ChannelsConfig::from([(Channel::Sms, vec![settings])]);
    Channels::new(config, ShellLimits::default(), &clock, &|_| None).unwrap()
}

async fn send(channels: &Channels, channel: Channel) -> SendResult {
    let links = Links { callback: "http://127.0.0.1:1/cb".to_owned(), provider: String::new() };
    channels.send(&attempt(channel, "+8613800000001"), &links).await.result
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

    let channels = channels(&url, 30_000);
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
    assert!(matches!(send(&channels(&url, 10_000), Channel::Sms).await, SendResult::Unknown { .. }));
    server.abort();

    // Sends us elsewhere for now: not with a signed alarm, but it may take it later.
    let (moved, url) = listener().await;
    let app =
        Router::new().route("/sms", post(|| async { (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]) }));
    let server = tokio::spawn(async move { axum::serve(moved, app).await });
    assert!(matches!(send(&channels(&url, 10_000), Channel::Sms).await, SendResult::Retry { .. }));
    server.abort();

    // Is not there: it certainly did not ring, and a probe says so too.
    let (gone, url) = listener().await;
    drop(gone);
    let channels = channels(&url, 10_000);
    channels.of(Channel::Sms).probe().await;
    assert!(!channels.of(Channel::Sms).reachability().ok);
    assert!(matches!(send(&channels, Channel::Sms).await, SendResult::Retry { .. }));
}

#[tokio::test]
async fn a_probe_rings_nowhere() {
    let (listener, url) = listener().await;
    let channels = channels(&url, 10_000);
    let shell = channels.of(Channel::Sms);
    shell.probe().await;
    assert!(shell.reachability().ok && shell.reachability().last_ok.is_some());
    let (stream, _) = listener.accept().await.unwrap();
    let mut bytes = [0; 16];
    let read = tokio::time::timeout(Duration::from_secs(60), async {
        stream.readable().await.unwrap();
        stream.try_read(&mut bytes)
    });
    assert_eq!(read.await.unwrap().unwrap(), 0, "the probe closed without a byte");
}
