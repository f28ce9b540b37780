//! A door to try by hand, with a house that keeps nothing: every device with the secret `secret` is let in, every
//! parcel is "committed" by a thread that takes what is there and releases it, an sos is published to the feed.
//!
//! ```text
//! cargo run -p broker --example door -- 127.0.0.1:1883
//! mosquitto_sub -p 1883 -u token -P /luyang/ -t 'yl/v1/feed/#' -v
//! mosquitto_pub -p 1883 -i d1 -u d1 -P secret -q 1 -t yl/v1/d1/up/json -m '{"type":"sos"}'
//! ```
#![allow(clippy::expect_used)] // to be tried by hand: whoever starts it reads why it stopped

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use broker::{BoxFuture, Credentials, Door, DoorConfig, DoorStats, Grant, Host, Inbound, Items, Lane, Refusal, listen};
use model::{DeviceId, OrgPath, Reject, RejectReason, Report, ReportBody, Timestamp, TokenId};
use tokio::sync::Notify;

/// How many parcels wait for the committing thread at most.
const INBOX_PARCELS_MAX: usize = 4096;
/// How long its "commit" takes, in microseconds: about an `fdatasync`.
const COMMIT_MICROS: u64 = 150;

struct House {
    started: Instant,
    alarms: SyncSender<Inbound>,
    telemetry: SyncSender<Inbound>,
    room: Arc<Notify>,
}

impl Host for House {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.started.elapsed().as_millis() as i64)
    }
    fn authorise(&self, credentials: &Credentials<'_>) -> Result<Grant, Refusal> {
        match (credentials.user_name, credentials.password) {
            ("token", scope) => {
                let scope = OrgPath::new(std::str::from_utf8(scope).map_err(|_| Refusal::BadCredentials)?);
                Ok(Grant::Feed { token: TokenId::new("by-hand"), scope })
            }
            (device, b"secret") => Ok(Grant::Device(DeviceId::new(device))),
            _ => Err(Refusal::BadCredentials),
        }
    }
    fn decode(&self, _: &DeviceId, _: &str, payload: &[u8]) -> Items {
        let has = |text: &str| payload.windows(text.len()).any(|window| window == text.as_bytes());
        let outcome = if payload.len() < 64 && has("sos") {
            Ok(ReportBody::Sos { fix: None })
        } else if payload.starts_with(b"{") {
            Ok(ReportBody::Alive)
        } else {
            Err(Reject::new(RejectReason::Malformed, "not a JSON object", payload))
        };
        let report = outcome.map(|body| Report { event_id: None, measured: None, body, content_hash: 0 });
        std::iter::once(report).collect()
    }
    fn offer(&self, lane: Lane, inbound: Inbound) -> Result<(), Inbound> {
        let sender = if lane == Lane::Alarm { &self.alarms } else { &self.telemetry };
        sender.try_send(inbound).map_err(|error| match error {
            TrySendError::Full(inbound) | TrySendError::Disconnected(inbound) => inbound,
        })
    }
    fn space(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.room.notified())
    }
}

fn commit(alarms: &Receiver<Inbound>, telemetry: &Receiver<Inbound>, room: &Notify, door: &Door) {
    let mut batch = Vec::new();
    loop {
        // What comes first is waited for; a real house waits on both lanes.
        match telemetry.recv_timeout(Duration::from_millis(1)) {
            Ok(inbound) => batch.push(inbound),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
        }
        batch.extend(alarms.try_iter());
        batch.extend(telemetry.try_iter());
        if batch.is_empty() {
            continue;
        }
        room.notify_waiters();
        std::thread::sleep(Duration::from_micros(COMMIT_MICROS));
        for inbound in batch.drain(..) {
            match inbound {
                Inbound::Parcel(parcel) => {
                    if parcel.items.iter().any(|item| item.outcome.as_ref().is_ok_and(Report::is_alarm)) {
                        let payload = format!(r#"{{"device":"{}"}}"#, parcel.device);
                        door.publish_feed("yl/v1/feed/luyang/xinghua/yinxing/incidents", payload.into());
                    }
                    parcel.receipts.release();
                }
                other => println!("{other:?}"),
            }
        }
    }
}

#[tokio::main]
async fn main() {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1883".to_owned());
    let address: SocketAddr = address.parse().expect("an address, e.g. 127.0.0.1:1883");
    let listener = listen(address).expect("the address is free");
    println!("open on {}", listener.local_addr().expect("it is bound"));
    let (alarms, alarms_in) = sync_channel(INBOX_PARCELS_MAX);
    let (telemetry, telemetry_in) = sync_channel(INBOX_PARCELS_MAX);
    let room = Arc::new(Notify::new());
    let house = Arc::new(House { started: Instant::now(), alarms, telemetry, room: Arc::clone(&room) });
    let door = Arc::new(Door::start(listener, DoorConfig::default(), house).await.expect("the router starts"));
    let committing = Arc::clone(&door);
    std::thread::spawn(move || commit(&alarms_in, &telemetry_in, &room, &committing));
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let stats = door.stats();
        let published = DoorStats::read(&stats.published);
        if published != before {
            let waits = DoorStats::read(&stats.telemetry_waits);
            println!("{} msg/s, {} connections, {waits} waits", (published - before) / 5, door.connections());
            before = published;
        }
    }
}
