//! The live feed: rumqttd's router between the engine and the subscribers.
//!
//! The router knows one filter, `yl/v1/feed/#`; what each subscriber may and wants to see is decided here and in its
//! session. A pump per subscriber empties the router's link at once, so that the router never drops what a slow
//! subscriber has not read; the subscriber's own buffer is limited and it is cut when that is full. A canary goes
//! round once a second and shows that the router lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use model::OrgPath;
use parking_lot::Mutex;
use rumqttd::local::{LinkRx, LinkTx};
use rumqttd::protocol::{Disconnect, DisconnectReasonCode, Packet};
use rumqttd::{Broker, Config, Notification, RouterConfig};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::mailbox::{FeedMessage, FeedRoom, Mailbox, Stop};
use crate::stats::add;
use crate::topic::{self, FEED_FILTER, FEED_PREFIX};
use crate::{DoorError, DoorStats};

/// How often the canary flies.
const CANARY_SECONDS: u64 = 1;
/// A router that has not echoed for so long counts as dead.
const CANARY_SILENCE_SECONDS_MAX: u64 = 5;
/// Within the one filter, outside every scope.
const CANARY_TOPIC: &str = "yl/v1/feed/canary";
/// How long the router may take to let a link in.
const ATTACH_SECONDS_MAX: u64 = 5;
/// How many messages may wait for the router before more are dropped.
const BACKLOG_MESSAGES_MAX: usize = 4096;
/// The router's log of the one filter; it is only a buffer between it and the pumps.
const ROUTER_SEGMENT_BYTES: usize = 1024 * 1024;
const ROUTER_SEGMENTS: usize = 4;
/// How many messages the router hands to a link at a time.
const ROUTER_PACKETS_PER_TURN: u64 = 200;

/// The router and the way to it.
pub(crate) struct Feed {
    broker: Arc<Broker>,
    publisher: Mutex<LinkTx>,
    /// Free link names: the router keeps something of every name that it ever saw, so they are used again.
    slots: Mutex<Vec<usize>>,
    /// Links that could not say good-bye yet.
    leaving: Mutex<Vec<Departure>>,
    started: Instant,
    /// When the canary last came back, in milliseconds after the start.
    echoed_ms: AtomicU64,
    stats: Arc<DoorStats>,
}

impl Feed {
    /// Starts the router and waits until it carries the canary.
    pub async fn start(clients_max: usize, stats: Arc<DoorStats>) -> Result<Arc<Feed>, DoorError> {
        let opening = tokio::task::spawn_blocking(move || {
            let broker = Broker::new(router_config(clients_max));
            let link = subscribed_link(&broker, "door");
            (Arc::new(broker), link)
        });
        let (broker, link) = timeout(Duration::from_secs(ATTACH_SECONDS_MAX), opening)
            .await
            .map_err(|_| DoorError::Router("no answer".to_owned()))?
            .map_err(|error| DoorError::Router(error.to_string()))?;
        let (publisher, mut receiver) = link.map_err(DoorError::Router)?;
        await_suback(&mut receiver).await.map_err(DoorError::Router)?;
        let feed = Arc::new(Feed {
            broker,
            publisher: Mutex::new(publisher),
            slots: Mutex::new((0..clients_max).rev().collect()),
            leaving: Mutex::default(),
            started: Instant::now(),
            echoed_ms: AtomicU64::new(0),
            stats,
        });
        tokio::spawn(fly_canary(Arc::downgrade(&feed), receiver));
        Ok(feed)
    }

    /// Hands a message to the router. Never blocks; what it cannot take is dropped and counted.
    pub fn publish(&self, topic: &str, payload: Bytes) {
        let well_formed = topic.starts_with(FEED_PREFIX) && topic::name(topic.as_bytes()).is_some();
        let mut publisher = self.publisher.lock();
        if !well_formed || publisher.buffer().len() >= BACKLOG_MESSAGES_MAX {
            add(&self.stats.feed_dropped, 1);
            return;
        }
        // A router that is busy is not told that there is something, but finds it with the next message or canary.
        let told = publisher.try_publish(topic.to_owned(), payload).is_ok();
        let lost = !told && !self.is_alive();
        add(if lost { &self.stats.feed_dropped } else { &self.stats.feed_published }, 1);
    }

    /// Whether the canary came back lately.
    pub fn is_alive(&self) -> bool {
        let silence = self.elapsed_ms().saturating_sub(self.echoed_ms.load(Ordering::Acquire));
        silence < CANARY_SILENCE_SECONDS_MAX * 1000
    }

    /// Lets a subscriber hear the feed within its scope until the handle is aborted. What is published after this has
    /// returned reaches it.
    pub async fn attach(
        self: Arc<Self>,
        scope: OrgPath,
        mailbox: Arc<Mailbox>,
        bytes_max: usize,
    ) -> Result<AbortHandle, &'static str> {
        let slot = self.slots.lock().pop().ok_or("as many feed subscribers as there may be")?;
        let broker = Arc::clone(&self.broker);
        let opening = tokio::task::spawn_blocking(move || subscribed_link(&broker, &format!("feed-{slot}")));
        // When the router does not answer, the name is lost with it.
        let (tx, mut rx) = timeout(Duration::from_secs(ATTACH_SECONDS_MAX), opening)
            .await
            .map_err(|_| "the feed's router does not answer")?
            .map_err(|_| "the feed's router could not be asked")?
            .map_err(|_| "the feed's router has refused the link")?;
        let link = Link { departure: Some(Departure { tx, slot }), feed: Arc::clone(&self) };
        await_suback(&mut rx).await.map_err(|_| "the feed's router has not confirmed the subscription")?;
        Ok(tokio::spawn(pump(link, rx, scope, mailbox, bytes_max)).abort_handle())
    }

    fn elapsed_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Lets a link go, now or with a later canary.
    fn detach(&self, mut departure: Departure) {
        if departure.say_goodbye() {
            self.slots.lock().push(departure.slot);
        } else {
            self.leaving.lock().push(departure);
        }
    }
}

/// A link that is to be closed at the router: dropping it alone would leave its place taken for ever.
struct Departure {
    tx: LinkTx,
    slot: usize,
}

impl Departure {
    fn say_goodbye(&mut self) -> bool {
        let reason_code = DisconnectReasonCode::NormalDisconnection;
        self.tx.buffer().push_back(Packet::Disconnect(Disconnect { reason_code }, None));
        // The router reads no further than the DISCONNECT; the publish only tells it that there is something.
        self.tx.try_publish(CANARY_TOPIC, Bytes::new()).is_ok()
    }
}

/// Says good-bye to the router when dropped.
struct Link {
    departure: Option<Departure>,
    feed: Arc<Feed>,
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(departure) = self.departure.take() {
            self.feed.detach(departure);
        }
    }
}

fn router_config(clients_max: usize) -> Config {
    Config {
        router: RouterConfig {
            max_connections: clients_max + 1,
            max_outgoing_packet_count: ROUTER_PACKETS_PER_TURN,
            max_segment_size: ROUTER_SEGMENT_BYTES,
            max_segment_count: ROUTER_SEGMENTS,
            custom_segment: None,
            initialized_filters: Some(vec![FEED_FILTER.to_owned()]),
            shared_subscriptions_strategy: rumqttd::Strategy::default(),
        },
        ..Config::default()
    }
}

/// Opens a link and asks for the feed; blocks until the router has answered the first.
fn subscribed_link(broker: &Broker, name: &str) -> Result<(LinkTx, LinkRx), String> {
    let (mut tx, rx) = broker.link(name).map_err(|error| error.to_string())?;
    tx.subscribe(FEED_FILTER).map_err(|error| error.to_string())?;
    Ok((tx, rx))
}

/// Waits until the router has confirmed the subscription: before that, what is published passes by.
async fn await_suback(rx: &mut LinkRx) -> Result<(), String> {
    let wait = async {
        loop {
            let notification = rx.next().await.map_err(|error| error.to_string())?;
            if let Some(Some(Packet::SubAck(..))) = notification.map(Option::<Packet>::from) {
                return Ok(());
            }
        }
    };
    timeout(Duration::from_secs(ATTACH_SECONDS_MAX), wait).await.map_err(|_| "no SUBACK".to_owned())?
}

/// Empties a link into a subscriber's mailbox. The link says good-bye only when this has ended: a wake-up for a link
/// that is gone panics the router.
async fn pump(link: Link, mut rx: LinkRx, scope: OrgPath, mailbox: Arc<Mailbox>, bytes_max: usize) {
    loop {
        match rx.next().await {
            Ok(Some(Notification::Forward(forward))) => {
                let publish = forward.publish;
                let room = match std::str::from_utf8(&publish.topic) {
                    Ok(topic) if topic::in_scope(topic, &scope) => {
                        mailbox.feed(FeedMessage { topic: publish.topic, payload: publish.payload }, bytes_max)
                    }
                    _ => FeedRoom::Taken,
                };
                match room {
                    FeedRoom::Taken => {}
                    FeedRoom::Full => {
                        add(&link.feed.stats.feed_cut, 1);
                        return;
                    }
                    FeedRoom::Closed => return,
                }
            }
            Ok(Some(Notification::Unschedule)) => {
                if rx.wake().await.is_err() {
                    break;
                }
            }
            Ok(Some(Notification::Disconnect(..))) | Err(_) => break,
            Ok(_) => {}
        }
    }
    mailbox.stop(Stop::FeedLost);
}

/// Sends the canary round, hears it, and lets go of links that could not leave at once.
async fn fly_canary(feed: std::sync::Weak<Feed>, mut rx: LinkRx) {
    let mut tick = interval(Duration::from_secs(CANARY_SECONDS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let heard = tokio::select! {
            _ = tick.tick() => None,
            heard = rx.next() => Some(heard),
        };
        let Some(feed) = feed.upgrade() else { return };
        match heard {
            None => {
                let _busy = feed.publisher.lock().try_publish(CANARY_TOPIC, Bytes::from_static(b"canary"));
                let leaving = std::mem::take(&mut *feed.leaving.lock());
                for departure in leaving {
                    feed.detach(departure);
                }
            }
            Some(Ok(Some(Notification::Forward(forward)))) => {
                if forward.publish.topic == CANARY_TOPIC {
                    feed.echoed_ms.store(feed.elapsed_ms(), Ordering::Release);
                }
            }
            Some(Ok(Some(Notification::Unschedule))) => {
                let _gone = rx.wake().await;
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::error!(%error, "the feed's router is gone; MQTT subscribers hear nothing until a restart");
                return;
            }
        }
    }
}
