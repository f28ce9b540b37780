//! Providers beside each other: who steps in for whom, who waits for nobody, and what a group gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use channels::bark::Bark;
use channels::jpush::Jpush;
use channels::ntfy::Ntfy;
use channels::once::{KeptKeys, Shelves};
use channels::wecom::WeCom;
use channels::{Channels, ChannelsConfig, Credential, Links, ProviderConfig, ProviderSettings, Secret, ShellLimits};
use model::record::SendResult;
use model::{Attempt, AttemptId, Channel, Clock, Lane, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::sample::{Still, attempt};

/// A provider of push messages that answers with a status, or hangs.
#[derive(Clone)]
struct Peer {
    manner: Arc<AtomicUsize>,
    bodies: Arc<Mutex<Vec<Value>>>,
    url: String,
}

const HANGS: usize = 0;

impl Peer {
    async fn start(manner: usize) -> Peer {
        async fn take(State(peer): State<Peer>, body: String) -> impl IntoResponse {
            peer.bodies.lock().push(serde_json::from_str(&body).unwrap());
            let status = match peer.manner.load(Ordering::SeqCst) {
                HANGS => std::future::pending().await,
                status => StatusCode::from_u16(u16::try_from(status).unwrap()).unwrap(),
            };
            (status, axum::Json(json!({"code": status.as_u16(), "errcode": 0})))
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let peer = Peer { manner: Arc::new(AtomicUsize::new(manner)), bodies: Arc::default(), url };
        let router = Router::new().fallback(post(take)).with_state(peer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        peer
    }

    fn behave(&self, manner: usize) {
        self.manner.store(manner, Ordering::SeqCst);
    }

    fn count(&self) -> usize {
        self.bodies.lock().len()
    }
}

fn links() -> Links {
    Links { callback: "http://127.0.0.1:1/cb".to_owned(), provider: "http://127.0.0.1:1/p?attempt=a1a".to_owned() }
}

fn settings(provider: ProviderConfig) -> ProviderSettings {
    ProviderSettings { timeout_ms: 5_000, ..ProviderSettings::new(provider) }
}

fn channels(config: ChannelsConfig) -> Arc<Channels> {
    keeping(config, &|_| None)
}

fn keeping(config: ChannelsConfig, kept: &Shelves<'_>) -> Arc<Channels> {
    let clock: Arc<dyn Clock> = Arc::new(Still);
    Arc::new(Channels::new(config, ShellLimits::default(), &clock, kept).unwrap())
}

/// Keys that outlive the process.
#[derive(Default)]
struct Shelf(Mutex<Vec<(AttemptId, Timestamp, String)>>);

impl KeptKeys for Shelf {
    fn read(&self, since: Timestamp) -> Vec<(AttemptId, Timestamp, String)> {
        self.0.lock().iter().filter(|(_, at, _)| *at > since).cloned().collect()
    }

    fn note(&self, attempt: AttemptId, at: Timestamp, key: &str, _: Timestamp) -> std::io::Result<()> {
        self.0.lock().push((attempt, at, key.to_owned()));
        Ok(())
    }
}

fn pushing(first: &Peer, backup: &Peer) -> Arc<Channels> {
    let first = settings(ProviderConfig::Ntfy(Ntfy { endpoint: first.url.clone(), token: None }));
    let backup = settings(ProviderConfig::Bark(Bark { endpoint: backup.url.clone() }));
    channels(ChannelsConfig::from([(Channel::Push, vec![first, backup])]))
}

/// Hands it over as the engine has it done: whoever refuses is passed over, as long as another one is left.
async fn sent(channels: &Channels, attempt: &Attempt) -> SendResult {
    let mut attempt = attempt.clone();
    loop {
        let handed = channels.send(&attempt, &links()).await;
        match handed.result {
            SendResult::Retry { .. } | SendResult::Final { .. } if handed.others_left => {
                attempt.passed_over.push(handed.provider);
            }
            result => return result,
        }
    }
}

#[tokio::test]
async fn who_refuses_is_stepped_in_for_and_who_was_passed_over_is_not_asked() {
    let (first, backup) = (Peer::start(200).await, Peer::start(200).await);
    let channels = pushing(&first, &backup);
    let mut push = attempt(Channel::Push, "g1");
    assert_eq!(sent(&channels, &push).await, SendResult::Accepted);
    assert_eq!((first.count(), backup.count()), (1, 0));
    for refusing in [401, 404, 429, 503] {
        first.behave(refusing);
        let before = backup.count();
        assert_eq!(sent(&channels, &push).await, SendResult::Accepted, "{refusing}");
        assert_eq!(backup.count(), before + 1);
    }
    backup.behave(503);
    assert!(matches!(sent(&channels, &push).await, SendResult::Retry { .. }), "neither takes it at present");
    first.behave(404);
    assert!(matches!(sent(&channels, &push).await, SendResult::Retry { .. }), "one of them may come round");
    backup.behave(400);
    assert!(matches!(sent(&channels, &push).await, SendResult::Final { .. }));

    // Nobody knows whether it was taken: it is not sent twice at once.
    let (first, backup) = (Peer::start(HANGS).await, Peer::start(200).await);
    let channels = pushing(&first, &backup);
    assert!(matches!(sent(&channels, &push).await, SendResult::Unknown { .. }));
    assert_eq!((first.count(), backup.count()), (1, 0));
    push.passed_over.push("push".into());
    assert_eq!(sent(&channels, &push).await, SendResult::Accepted);
    assert_eq!((first.count(), backup.count()), (1, 1));
}

#[tokio::test]
async fn a_provider_that_hangs_delays_no_other_channel_and_no_alarm_of_its_own() {
    let (hanging, well) = (Peer::start(HANGS).await, Peer::start(200).await);
    let slow = ProviderSettings {
        timeout_ms: 300_000,
        ..settings(ProviderConfig::Ntfy(Ntfy { endpoint: hanging.url.clone(), token: None }))
    };
    let robot = WeCom { endpoint: well.url.clone(), key: Secret::new("k") };
    let robot = settings(ProviderConfig::WeCom(robot));
    let channels = channels(ChannelsConfig::from([(Channel::Push, vec![slow]), (Channel::Robot, vec![robot])]));
    let notices: Vec<_> = (0..200)
        .map(|n| {
            let channels = Arc::clone(&channels);
            let mut notice = attempt(Channel::Push, "g1");
            (notice.id, notice.lane) = (AttemptId::new(0, n), Lane::Routine);
            tokio::spawn(async move { sent(&channels, &notice).await })
        })
        .collect();
    while hanging.count() == 0 {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    assert_eq!(sent(&channels, &attempt(Channel::Robot, "")).await, SendResult::Accepted);
    hanging.behave(200);
    assert_eq!(sent(&channels, &attempt(Channel::Push, "g1")).await, SendResult::Accepted);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    notices.into_iter().for_each(|notice| notice.abort());
}

#[tokio::test]
async fn each_kind_of_app_has_its_own_provider_and_each_group_its_own_robot() {
    let [ntfy, bark, yinxing, house] =
        [Peer::start(200).await, Peer::start(200).await, Peer::start(200).await, Peer::start(200).await];
    let serving =
        |provider, serves: Option<&str>| ProviderSettings { serves: serves.map(Into::into), ..settings(provider) };
    let app = |peer: &Peer| ProviderConfig::Ntfy(Ntfy { endpoint: peer.url.clone(), token: None });
    let group = |peer: &Peer| ProviderConfig::WeCom(WeCom { endpoint: peer.url.clone(), key: Secret::new("k") });
    let bark_app = ProviderConfig::Bark(Bark { endpoint: bark.url.clone() });
    let channels = channels(ChannelsConfig::from([
        (Channel::Push, vec![serving(app(&ntfy), Some("ntfy")), serving(bark_app, Some("bark"))]),
        (Channel::Robot, vec![serving(group(&house), None), serving(group(&yinxing), Some("yinxing"))]),
    ]));
    let send = async |channel, to: &str| channels.send(&attempt(channel, to), &links()).await;
    let handed = send(Channel::Push, "ntfy:wangfang").await;
    assert_eq!(
        (handed.result, handed.provider.as_str(), handed.others_left),
        (SendResult::Accepted, "push.ntfy", false)
    );
    assert_eq!(ntfy.bodies.lock()[0]["topic"], "wangfang", "the vendor sees its own topic");
    assert_eq!(send(Channel::Push, "bark:kEy").await.provider, "push.bark");
    assert_eq!(bark.bodies.lock()[0]["device_key"], "kEy");
    let nobody = send(Channel::Push, "jpush:1a0018970a8").await;
    assert!(matches!(nobody.result, SendResult::Final { .. }) && !nobody.others_left, "{nobody:?}");
    assert_eq!(send(Channel::Robot, "yinxing").await.provider, "robot.yinxing");
    assert_eq!(send(Channel::Robot, "guihua").await.provider, "robot", "the house's own");
    assert_eq!((ntfy.count(), bark.count(), yinxing.count(), house.count()), (1, 1, 1, 1));
}

/// JPush gives out keys beforehand; what is sent again because its answer was lost has the same one.
#[tokio::test]
async fn a_push_whose_answer_was_lost_is_sent_again_with_the_key_of_the_first() {
    async fn keys() -> impl IntoResponse {
        axum::Json(json!({"cidlist": (1..=10).map(|n| format!("app-{n}")).collect::<Vec<_>>()}))
    }
    async fn take(State(bodies): State<Arc<Mutex<Vec<Value>>>>, body: String) -> impl IntoResponse {
        let mut bodies = bodies.lock();
        bodies.push(serde_json::from_str(&body).unwrap());
        let status = if bodies.len() == 2 { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
        (status, axum::Json(json!({"sendno": "0", "msg_id": "18"})))
    }
    let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/v3/push/cid", get(keys)).route("/v3/push", post(take));
    let router = router.with_state(Arc::clone(&bodies));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let jpush = Jpush { endpoint, credential: Credential::new("app", "secret"), apns_production: true };
    let shelf = Arc::new(Shelf::default());
    let started = || {
        let kept = |name: &str| (name == "push").then(|| Arc::clone(&shelf) as Arc<dyn KeptKeys>);
        keeping(ChannelsConfig::from([(Channel::Push, vec![settings(ProviderConfig::Jpush(jpush.clone()))])]), &kept)
    };
    let channels = started();
    let push = |n| Attempt { id: AttemptId::new(0, n), ..attempt(Channel::Push, "1a0018970a8") };
    assert_eq!(sent(&channels, &push(1)).await, SendResult::Accepted, "nothing waits for a key");
    channels.of(Channel::Push).probe().await;
    assert!(matches!(sent(&channels, &push(2)).await, SendResult::Unknown { .. }), "the answer is lost");
    assert_eq!(sent(&channels, &push(3)).await, SendResult::Accepted);
    assert_eq!(sent(&channels, &push(2)).await, SendResult::Accepted);
    // It is killed, and starts anew: nobody knows what became of either.
    drop(channels);
    let channels = started();
    assert_eq!(sent(&channels, &push(3)).await, SendResult::Accepted);
    assert_eq!(sent(&channels, &push(2)).await, SendResult::Accepted);
    assert_eq!(sent(&channels, &push(4)).await, SendResult::Accepted, "it has none left, and waits for none");
    let cids: Vec<Value> = bodies.lock().iter().map(|body| body["cid"].clone()).collect();
    assert_eq!(json!(cids), json!([null, "app-1", "app-2", "app-1", "app-2", "app-1", null]));
}

#[tokio::test]
async fn a_group_gets_an_emergency_at_once_and_alone() {
    let group = Peer::start(200).await;
    let robot = settings(ProviderConfig::WeCom(WeCom { endpoint: group.url.clone(), key: Secret::new("k") }));
    let channels = channels(ChannelsConfig::from([(Channel::Robot, vec![robot])]));
    let mut notice = attempt(Channel::Robot, "");
    (notice.id, notice.lane, notice.text) = (AttemptId::new(0, 1), Lane::Routine, "电量不足".to_owned());
    assert_eq!(sent(&channels, &notice).await, SendResult::Accepted);
    let mut sos = attempt(Channel::Robot, "+8613800000001");
    sos.text = "求助".to_owned();
    assert_eq!(sent(&channels, &sos).await, SendResult::Accepted);
    let bodies = group.bodies.lock().clone();
    assert_eq!(bodies[0], json!({"msgtype": "text", "text": {"content": "电量不足"}}));
    assert_eq!(bodies[1]["text"], json!({"content": "求助", "mentioned_mobile_list": ["13800000001"]}));
}
