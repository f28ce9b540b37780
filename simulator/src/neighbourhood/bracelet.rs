//! A bracelet or cuff on the air: MQTT 3.1.1 with `rumqttc`, and an outbox of its own. `rumqttc` forgets what was not
//! acknowledged when a connection breaks (see pitfalls.md), so a report stays here until *its* PUBACK came, and goes out
//! again, under the same event id, on every new connection.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rumqttc::{AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How many requests wait inside `rumqttc`; more wait in the outbox.
const HANDED_OVER_MAX: usize = 64;
/// Keep-alive of a bracelet, in seconds.
const KEEP_ALIVE_SECONDS: u64 = 30;
/// The first pause before a new connection, in milliseconds; it doubles.
const PAUSE_MS: u64 = 200;
/// The longest pause, in milliseconds.
const PAUSE_MS_MAX: u64 = 5_000;

/// What a device hears on its `down` topic.
pub type DownListener = Arc<dyn Fn(&str, &[u8]) + Send + Sync>;

/// Where a device stands, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Whether it is connected now.
    pub connected: bool,
    /// Whether it was refused: wrong secret, unknown device.
    pub refused: bool,
    /// How many of its reports were acknowledged.
    pub acknowledged: u64,
    /// How many are waiting for that.
    pub waiting: usize,
}

/// A device on the air. Dropping it switches it off.
pub struct Bracelet {
    outbox: Arc<Mutex<Outbox>>,
    standing: watch::Receiver<Standing>,
    task: JoinHandle<()>,
}

struct Outbox {
    client: AsyncClient,
    topic: String,
    /// Not acknowledged yet, oldest first.
    waiting: VecDeque<(u64, Vec<u8>)>,
    /// The numbers of what was handed to `rumqttc` and has not been written yet, in that order.
    handed: VecDeque<u64>,
    /// What was written, by packet id.
    written: BTreeMap<u16, u64>,
    next_number: u64,
    standing: watch::Sender<Standing>,
}

impl Bracelet {
    /// Switches a device on: it connects, and keeps connecting.
    #[must_use]
    pub fn switch_on(door: SocketAddr, id: &str, secret: &str, down: Option<DownListener>) -> Bracelet {
        let mut options = MqttOptions::new(id, door.ip().to_string(), door.port());
        options
            .set_credentials(id, secret)
            .set_keep_alive(Duration::from_secs(KEEP_ALIVE_SECONDS))
            .set_clean_session(true);
        let (client, events) = AsyncClient::new(options, HANDED_OVER_MAX);
        let (standing, watched) = watch::channel(Standing::default());
        let outbox = Arc::new(Mutex::new(Outbox {
            client,
            topic: format!("yl/v1/{id}/up/json"),
            waiting: VecDeque::new(),
            handed: VecDeque::new(),
            written: BTreeMap::new(),
            next_number: 0,
            standing,
        }));
        let task = tokio::spawn(stay_on_air(id.to_owned(), events, Arc::clone(&outbox), down));
        Bracelet { outbox, standing: watched, task }
    }

    /// Puts a report into the outbox; it leaves now or when there is a connection.
    pub fn say(&self, payload: Vec<u8>) {
        let mut outbox = self.outbox.lock();
        let number = outbox.next_number;
        outbox.next_number += 1;
        outbox.waiting.push_back((number, payload));
        outbox.hand_over();
        outbox.show();
    }

    /// Where it stands now, and every change of it.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Says goodbye to the server and waits until it is gone, half a second at most.
    pub async fn switch_off(mut self) {
        let client = self.outbox.lock().client.clone();
        let _ = client.try_disconnect(); // if it is not connected there is nobody to take leave of
        let _ = tokio::time::timeout(Duration::from_millis(500), &mut self.task).await;
    }
}

impl Drop for Bracelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Outbox {
    /// Hands over what has not been, oldest first, while there is a connection and room.
    fn hand_over(&mut self) {
        if !self.standing.borrow().connected {
            return;
        }
        let last_known = self.handed.back().copied().max(self.written.values().max().copied());
        for (number, payload) in &self.waiting {
            if last_known.is_some_and(|last| *number <= last) {
                continue;
            }
            if self.client.try_publish(&self.topic, QoS::AtLeastOnce, false, payload.clone()).is_err() {
                break;
            }
            self.handed.push_back(*number);
        }
    }

    fn connected(&mut self, connected: bool) {
        // A new connection knows nothing of the old one, and `rumqttc` has dropped what it held.
        self.handed.clear();
        self.written.clear();
        self.standing.send_modify(|standing| standing.connected = connected);
        self.hand_over();
        self.show();
    }

    fn written(&mut self, packet_id: u16) {
        if let Some(number) = self.handed.pop_front() {
            self.written.insert(packet_id, number);
        }
    }

    fn acknowledged(&mut self, packet_id: u16) {
        if let Some(number) = self.written.remove(&packet_id) {
            self.waiting.retain(|(waiting, _)| *waiting != number);
            self.standing.send_modify(|standing| standing.acknowledged += 1);
        }
        self.hand_over();
        self.show();
    }

    fn show(&self) {
        let waiting = self.waiting.len();
        self.standing.send_if_modified(|standing| std::mem::replace(&mut standing.waiting, waiting) != waiting);
    }
}

async fn stay_on_air(id: String, mut events: EventLoop, outbox: Arc<Mutex<Outbox>>, down: Option<DownListener>) {
    let mut pause_ms = PAUSE_MS;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                pause_ms = PAUSE_MS;
                let outbox = &mut *outbox.lock();
                let _ = outbox.client.try_subscribe(format!("yl/v1/{id}/down"), QoS::AtLeastOnce);
                outbox.connected(true);
            }
            Ok(Event::Incoming(Packet::PubAck(ack))) => outbox.lock().acknowledged(ack.pkid),
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                if let Some(listener) = &down {
                    listener(&id, &publish.payload);
                }
            }
            Ok(Event::Outgoing(Outgoing::Publish(packet_id))) => outbox.lock().written(packet_id),
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
            Ok(_) => {}
            Err(error) => {
                let refused = matches!(
                    error,
                    ConnectionError::ConnectionRefused(
                        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized
                    )
                );
                tracing::debug!(device = id, %error, "a device lost its connection");
                {
                    let mut outbox = outbox.lock();
                    // Under the lock nobody hands over: what slipped in since the error leaves the channel too.
                    events.clean();
                    outbox.standing.send_modify(|standing| standing.refused = refused);
                    outbox.connected(false);
                }
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                pause_ms = (pause_ms * 2).min(PAUSE_MS_MAX);
            }
        }
    }
}
