//! A house that keeps what it is handed until the test asks for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use broker::{
    BoxFuture, Credentials, Door, DoorConfig, Grant, Host, Inbound, Items, Lane, Parcel, Receipts, Refusal, listen,
};
use model::{DeviceId, OrgPath, Reject, RejectReason, Report, ReportBody, Timestamp, TokenId};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// How long anything that must happen may take. Nothing waits for it unless it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Devices are whoever has the secret `secret`; tokens are named after their scope: `token` with password
/// `/luyang/xinghua/`. Payloads are words: `hr`, `sos`, `panic`; anything else is rejected.
pub struct House {
    inbox: Mutex<VecDeque<(Lane, Inbound)>>,
    arrived: Notify,
    room: Notify,
    telemetry_max: AtomicUsize,
    secret: Mutex<String>,
}

impl House {
    pub fn new() -> Arc<House> {
        Arc::new(House {
            inbox: Mutex::default(),
            arrived: Notify::new(),
            room: Notify::new(),
            telemetry_max: AtomicUsize::new(usize::MAX),
            secret: Mutex::new("secret".to_owned()),
        })
    }

    /// How many telemetry parcels fit.
    pub fn set_room(&self, parcels: usize) {
        self.telemetry_max.store(parcels, Ordering::SeqCst);
        self.room.notify_waiters();
    }

    pub fn set_secret(&self, secret: &str) {
        *self.secret.lock() = secret.to_owned();
    }

    /// The next parcel of a lane.
    pub async fn parcel(&self, wanted: Lane) -> Parcel {
        let found = self.next_where(|lane, inbound| lane == wanted && matches!(inbound, Inbound::Parcel(_))).await;
        let Inbound::Parcel(parcel) = found else { unreachable!() };
        parcel
    }

    /// The next thing that is no parcel, in words.
    pub async fn event(&self) -> String {
        format!("{:?}", self.next_where(|_, inbound| !matches!(inbound, Inbound::Parcel(_))).await)
    }

    async fn next_where(&self, wanted: impl Fn(Lane, &Inbound) -> bool) -> Inbound {
        let search = async {
            loop {
                let arrived = self.arrived.notified();
                {
                    let mut inbox = self.inbox.lock();
                    if let Some(index) = inbox.iter().position(|(lane, inbound)| wanted(*lane, inbound)) {
                        let (_, inbound) = inbox.remove(index).unwrap();
                        drop(inbox);
                        self.room.notify_waiters();
                        return inbound;
                    }
                }
                arrived.await;
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("it comes in time")
    }

    /// Releases every parcel from now on, every second one from here.
    pub fn release_everything(self: &Arc<Self>) {
        let house = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let arrived = house.arrived.notified();
                let parcels: Vec<Inbound> = {
                    let mut inbox = house.inbox.lock();
                    let (parcels, others) =
                        inbox.drain(..).partition(|(_, inbound)| matches!(inbound, Inbound::Parcel(_)));
                    *inbox = others;
                    VecDeque::into_iter(parcels).map(|(_, inbound)| inbound).collect()
                };
                house.room.notify_waiters();
                for (index, inbound) in parcels.into_iter().enumerate() {
                    match inbound {
                        Inbound::Parcel(parcel) if index % 2 == 0 => parcel.receipts.release_here(),
                        Inbound::Parcel(parcel) => parcel.receipts.release(),
                        _ => {}
                    }
                }
                arrived.await;
            }
        });
    }
}

impl Host for House {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_320_000_000)
    }
    fn authorise(&self, credentials: &Credentials<'_>) -> Result<Grant, Refusal> {
        let password = std::str::from_utf8(credentials.password).map_err(|_| Refusal::BadCredentials)?;
        match credentials.user_name {
            "token" if password.starts_with('/') => {
                Ok(Grant::Feed { token: TokenId::new("t1"), scope: OrgPath::new(password) })
            }
            "token" => Err(Refusal::BadCredentials),
            device if password == self.secret.lock().as_str() => Ok(Grant::Device(DeviceId::new(device))),
            _ => Err(Refusal::BadCredentials),
        }
    }
    fn decode(&self, _: &DeviceId, _: &str, payload: &[u8]) -> Items {
        let body = match payload {
            b"hr" => Ok(ReportBody::HeartRate { bpm: 70 }),
            b"sos" => Ok(ReportBody::Sos { fix: None }),
            b"panic" => panic!("a decoder with a fault, on purpose"),
            _ => Err(Reject::new(RejectReason::Malformed, "not a word", payload)),
        };
        let report = body.map(|body| Report { event_id: None, measured: None, body, content_hash: 0 });
        std::iter::once(report).collect()
    }
    fn offer(&self, lane: Lane, inbound: Inbound) -> Result<(), Inbound> {
        let mut inbox = self.inbox.lock();
        let telemetry = inbox.iter().filter(|(lane, _)| *lane == Lane::Telemetry).count();
        if lane == Lane::Telemetry && telemetry >= self.telemetry_max.load(Ordering::SeqCst) {
            return Err(inbound);
        }
        inbox.push_back((lane, inbound));
        drop(inbox);
        self.arrived.notify_waiters();
        Ok(())
    }
    fn space(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.room.notified())
    }
}

/// An open door with a house behind it.
pub struct Setting {
    pub door: Door,
    pub house: Arc<House>,
    pub port: u16,
}

pub async fn open(config: DoorConfig) -> Setting {
    open_on(listen("127.0.0.1:0".parse().unwrap()).unwrap(), config).await
}

pub async fn open_on(listener: TcpListener, config: DoorConfig) -> Setting {
    let port = listener.local_addr().unwrap().port();
    let house = House::new();
    let door = Door::start(listener, config, Arc::clone(&house) as Arc<dyn Host>).await.unwrap();
    Setting { door, house, port }
}

/// Waits until something holds, looking again whenever other tasks have had their turn.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let looking = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, looking).await.is_ok(), "never: {what}");
}

/// Receipts of a parcel, after a look at what it held.
pub fn words(parcel: Parcel) -> (Vec<String>, Receipts) {
    let words = parcel.items.iter().map(|item| match &item.outcome {
        Ok(report) => format!("{:?}", report.kind()),
        Err(reject) => format!("{:?}", reject.reason),
    });
    (words.collect(), parcel.receipts)
}
