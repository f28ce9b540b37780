//! What others leave for a connection's task: settled receipts, down-commands, feed messages, an order to stop.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use model::DownCommand;
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::connection::Hands;

/// What has become of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Committed: acknowledge.
    Released,
    /// Not taken, by decision: MQTT 5 is told, 3.1.1 hears nothing.
    Refused,
    /// Lost on the way (the house stops): nobody is told.
    Abandoned,
}

/// Why a connection is told to end by somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The same device has connected again.
    TakenOver,
    /// Its registration changed.
    Administrative,
    /// It reads the feed too slowly.
    TooSlow,
    /// The router that carries the feed is gone.
    FeedLost,
    /// The door closes: no more reading, receipts on their way are awaited.
    ShuttingDown,
    /// The door closes now.
    Now,
}

/// The receipts of a [`Parcel`](crate::Parcel). Dropping it means that nobody is ever told.
#[derive(Debug)]
pub struct Receipts {
    settle: Option<(Arc<Mailbox>, u64)>,
}

impl Receipts {
    /// Receipts that nobody waits for: QoS 0, tests.
    #[must_use]
    pub fn none() -> Receipts {
        Receipts { settle: None }
    }

    pub(crate) fn new(mailbox: Arc<Mailbox>, serial: u64) -> Receipts {
        Receipts { settle: Some((mailbox, serial)) }
    }

    /// After the commit: PUBACK (QoS 1) and PUBREC (QoS 2) leave, in the order of the publishes. Cheap; a connection
    /// is woken once however many of its parcels a batch held.
    pub fn release(mut self) {
        self.settle(Verdict::Released);
    }

    /// The same, with the acknowledgements written to the socket by the calling thread, if the connection is in nobody's
    /// hands: nobody has to be woken for it. That takes some microseconds, and never blocks.
    pub fn release_here(mut self) {
        let Some((mailbox, serial)) = self.settle.take() else { return };
        if !mailbox.settle_here(serial) {
            mailbox.settle(serial, Verdict::Released);
        }
    }

    /// The telemetry was not taken (the disk is nearly full): MQTT 5 is told 0x97, 3.1.1 gets no acknowledgement,
    /// and the connection reads on.
    pub fn refuse(mut self) {
        self.settle(Verdict::Refused);
    }

    fn settle(&mut self, verdict: Verdict) {
        if let Some((mailbox, serial)) = self.settle.take() {
            mailbox.settle(serial, verdict);
        }
    }
}

impl Drop for Receipts {
    fn drop(&mut self) {
        self.settle(Verdict::Abandoned);
    }
}

/// A message of the feed on its way to a subscriber.
#[derive(Debug, Clone)]
pub(crate) struct FeedMessage {
    pub topic: Bytes,
    pub payload: Bytes,
}

impl FeedMessage {
    /// What it weighs in the subscriber's buffer, in bytes.
    pub fn weight(&self) -> usize {
        self.topic.len() + self.payload.len() + size_of::<FeedMessage>()
    }
}

/// Everything that was left since the last look.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub settled: SmallVec<[(u64, Verdict); 2]>,
    pub commands: Vec<DownCommand>,
    pub feed: VecDeque<FeedMessage>,
    pub stop: Option<Stop>,
    feed_bytes: usize,
}

impl Mail {
    fn has(&self, wants_feed: bool) -> bool {
        !self.settled.is_empty()
            || !self.commands.is_empty()
            || self.stop.is_some()
            || (wants_feed && !self.feed.is_empty())
    }
}

/// One connection's letter box.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
    /// Whether down-commands can be delivered: subscribed to `down`.
    down_ready: AtomicBool,
    connection: OnceLock<Weak<Hands>>,
}

#[derive(Debug, Default)]
struct Inner {
    mail: Mail,
    waker: Option<Waker>,
    closed: bool,
}

impl Mailbox {
    /// Whose letter box it is.
    pub fn belongs_to(&self, connection: &Arc<Hands>) {
        self.connection.get_or_init(|| Arc::downgrade(connection));
    }

    /// A parcel is committed, and this thread writes what that acknowledges. `false`: it cannot, and nothing has happened.
    fn settle_here(&self, serial: u64) -> bool {
        let Some(connection) = self.connection.get().and_then(Weak::upgrade) else { return false };
        // Before the connection itself is let go of, which may be its end.
        let mut hands = connection.try_lock();
        hands.as_mut().and_then(|hands| hands.as_mut()).is_some_and(|connection| connection.settle_here(serial))
    }

    /// Takes what was left, or remembers whom to wake. Without `wants_feed` the feed stays and goes on to be counted.
    pub fn poll_take(&self, cx: &mut Context<'_>, wants_feed: bool) -> Poll<Mail> {
        let mut inner = self.inner.lock();
        if inner.mail.has(wants_feed) {
            let mut mail = std::mem::take(&mut inner.mail);
            if !wants_feed {
                inner.mail.feed = std::mem::take(&mut mail.feed);
                inner.mail.feed_bytes = mail.feed_bytes;
            }
            return Poll::Ready(mail);
        }
        match &inner.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => inner.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Nothing will be taken any more.
    pub fn close(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        inner.waker = None;
        inner.mail = Mail::default();
        self.down_ready.store(false, Ordering::Release);
    }

    pub fn settle(&self, serial: u64, verdict: Verdict) {
        self.leave(|mail| mail.settled.push((serial, verdict)));
    }

    pub fn stop(&self, stop: Stop) {
        self.leave(|mail| mail.stop = Some(mail.stop.map_or(stop, |earlier| earlier.max_urgency(stop))));
    }

    /// `false` when the connection is gone or has not subscribed to its `down`.
    pub fn command(&self, command: &DownCommand) -> bool {
        self.down_ready.load(Ordering::Acquire) && self.leave(|mail| mail.commands.push(command.clone()))
    }

    /// Leaves a feed message; beyond `bytes_max` waiting, the subscriber is told to stop instead.
    pub fn feed(&self, message: FeedMessage, bytes_max: usize) -> FeedRoom {
        let mut room = FeedRoom::Taken;
        let open = self.leave(|mail| {
            mail.feed_bytes += message.weight();
            if mail.feed_bytes > bytes_max {
                mail.feed.clear();
                mail.stop.get_or_insert(Stop::TooSlow);
                room = FeedRoom::Full;
            } else {
                mail.feed.push_back(message);
            }
        });
        if open { room } else { FeedRoom::Closed }
    }

    pub fn set_down_ready(&self, ready: bool) {
        self.down_ready.store(ready, Ordering::Release);
    }

    /// Has the connection look after itself.
    pub fn wake(&self) {
        self.leave(|_| {});
    }

    fn leave(&self, put: impl FnOnce(&mut Mail)) -> bool {
        let mut inner = self.inner.lock();
        if inner.closed {
            return false;
        }
        put(&mut inner.mail);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

/// What became of a feed message that was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FeedRoom {
    Taken,
    Full,
    Closed,
}

impl Stop {
    /// A shutdown that drains gives way to every other reason; otherwise the first one stands.
    fn max_urgency(self, later: Stop) -> Stop {
        if self == Stop::ShuttingDown || later == Stop::Now { later } else { self }
    }
}
