//! One socket and its session: moves bytes, keeps time, and obeys what the session decides.
//!
//! A connection is one small task. It owns no read buffer: bytes are read into one that the thread lends, and only the
//! beginning of an unfinished frame is kept. In each turn it takes its mail, offers held telemetry, reads once or
//! twice, and writes everything that came of it at once.

mod clock;
mod lanes;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use compact_str::CompactString;
use model::DeviceId;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::door::Shared;
use crate::host::BoxFuture;
use crate::mailbox::{Mail, Mailbox, Stop, Verdict};
use crate::session::{Env, Output, Session};
use crate::stats::add;
use crate::stream::Stream;
use crate::threshold::Threshold;
use crate::wire::reason;
use crate::{Grant, Inbound, Parcel};

/// The buffer that a thread lends to whichever connection reads: some 130 reports. An SOS waits while every other
/// connection of its thread has a turn like that, when a whole neighbourhood is behind.
const READ_BYTES: usize = 16 * 1024;
/// How often a connection reads in a turn before others have theirs: the second time mostly to hear that there is no more.
const READS_PER_TURN: usize = 2;
/// How long the alarm lane, should it ever be full, is left alone between two offers.
const ALARM_RETRY_MILLIS: u64 = 5;
/// How long a closing connection may take to read our last words.
const LINGER_MILLIS: u64 = 1000;
/// How much it may still say meanwhile, in bytes.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// A connection, for whoever has it in hand: its task in each of its turns, or a thread that writes what it has just
/// committed. Nothing once it is over.
pub(crate) type Hands = Mutex<Option<Box<Connection>>>;

/// Serves a connection until it is over.
pub(crate) async fn serve(stream: Stream, certified: Option<CompactString>, shared: Arc<Shared>, threshold: Threshold) {
    let place = Place::take(&shared);
    let mailbox = Arc::clone(&place.mailbox);
    let connection = Box::new(Connection::new(stream, certified, Arc::clone(&shared), place));
    let hands = Arc::new(Mutex::new(Some(connection)));
    mailbox.belongs_to(&hands);
    let mut coming = threshold.coming();
    std::future::poll_fn(|cx| {
        let mut hands = hands.lock();
        let Some(connection) = hands.as_mut() else { return Poll::Ready(()) };
        if !coming.step_aside() && connection.session.is_connecting() {
            ready!(coming.poll_turn(cx));
        }
        connection.poll_run(cx)
    })
    .await;
    drop(coming);
    let Some(connection) = hands.lock().take() else { return };
    let Connection { stream, output, mut place, pump, .. } = *connection;
    let leaving = async {
        if let Some(pump) = pump {
            pump.abort();
        }
        if let Some(device) = place.leave() {
            while !shared.registry.announce(&device, shared.host.as_ref()) && !shared.is_closing() {
                tokio::time::sleep(Duration::from_millis(ALARM_RETRY_MILLIS)).await;
            }
        }
    };
    threshold.going(leaving).await;
    part(stream, output).await;
}

/// A connection's place in the registry; given up when dropped, so also when something panicked.
struct Place {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    number: u64,
    /// The device, once it is in.
    device: Option<DeviceId>,
}

impl Place {
    fn take(shared: &Arc<Shared>) -> Place {
        let mailbox = Arc::new(Mailbox::default());
        let number = shared.registry.open(&mailbox);
        if shared.is_closing() {
            mailbox.stop(Stop::Now);
        }
        Place { shared: Arc::clone(shared), mailbox, number, device: None }
    }

    /// No mail any more, and the device is no longer here; returns it unless a newer session has it.
    fn leave(&mut self) -> Option<DeviceId> {
        self.mailbox.close();
        self.device.take().filter(|device| self.shared.registry.leave(device, &self.mailbox))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(device) = self.leave() {
            self.shared.registry.announce(&device, self.shared.host.as_ref());
        }
        self.shared.registry.close(self.number);
    }
}

/// Writes the last words and waits for the other side to have read them: closing a socket with unread bytes in it
/// would throw them away.
async fn part(mut stream: Stream, output: BytesMut) {
    let farewell = async {
        stream.write_all(&output).await?;
        stream.shutdown().await?;
        let mut scrap = [0; 512];
        let mut bytes = 0;
        while bytes < LINGER_BYTES_MAX {
            match stream.read(&mut scrap).await? {
                0 => break,
                count => bytes += count,
            }
        }
        io::Result::Ok(())
    };
    // Whether the other side listened does not matter any more.
    let _late = timeout(Duration::from_millis(LINGER_MILLIS), farewell).await;
}

pub(crate) struct Connection {
    stream: Stream,
    /// The name in the client's certificate, if it brought one.
    certified: Option<CompactString>,
    shared: Arc<Shared>,
    place: Place,
    session: Session,
    /// Not written yet.
    output: BytesMut,
    /// Telemetry that waits for room, with the number of bytes that it came in.
    held: VecDeque<(Parcel, usize)>,
    held_bytes: usize,
    space: Option<BoxFuture<'static, ()>>,
    /// What the alarm lane did not take.
    held_alarms: VecDeque<Inbound>,
    /// Whether the house has still to be told that the device is here.
    unannounced: bool,
    /// A feed subscriber on its way to the router.
    attaching: Option<BoxFuture<'static, Result<AbortHandle, &'static str>>>,
    /// What brings a feed subscriber its messages.
    pump: Option<AbortHandle>,
    /// Told to stop as soon as nothing is owed any more.
    draining: bool,
    /// The other side has said all that it will.
    hung_up: bool,
    connect_by: Instant,
    last_heard: Instant,
    /// Since when a write makes no progress.
    stalled_since: Option<Instant>,
    drain_until: Option<Instant>,
    alarm_retry: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Connection {
    fn new(stream: Stream, certified: Option<CompactString>, shared: Arc<Shared>, place: Place) -> Connection {
        let now = Instant::now();
        let connect_by = now + Duration::from_secs(shared.config.connect_seconds_max.into());
        Connection {
            stream,
            certified,
            shared,
            place,
            session: Session::new(),
            output: BytesMut::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            space: None,
            held_alarms: VecDeque::new(),
            unannounced: false,
            attaching: None,
            pump: None,
            draining: false,
            hung_up: false,
            connect_by,
            last_heard: now,
            stalled_since: None,
            drain_until: None,
            alarm_retry: None,
            timer: Box::pin(sleep_until(connect_by)),
        }
    }

    /// One turn; ready when the connection is over.
    fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_mail(cx);
        self.retry_alarms();
        self.poll_held(cx);
        if self.poll_read(cx).is_err() {
            return Poll::Ready(());
        }
        // What was read just now may be somebody who is to be attached, or telemetry that has to wait.
        self.poll_attach(cx);
        self.poll_held(cx);
        if self.is_over() {
            return Poll::Ready(());
        }
        let was_full = self.is_output_full();
        if self.attaching.is_none() && self.poll_write(cx).is_err() {
            return Poll::Ready(());
        }
        if was_full && !self.is_output_full() {
            cx.waker().wake_by_ref();
        }
        self.poll_time(cx)
    }

    /// Whether everything is said and handed in. What came before an end, ours or theirs, is still offered for a
    /// moment when the inbox was full.
    fn is_over(&mut self) -> bool {
        let handed_in = self.held.is_empty() && self.held_alarms.is_empty();
        if self.draining && handed_in && !self.session.is_owing() {
            self.close(reason::SERVER_SHUTTING_DOWN);
        }
        let ended = self.session.is_closed() || self.hung_up;
        if ended && !handed_in {
            self.drain_until.get_or_insert_with(|| drain_until(&self.shared));
        }
        ended && handed_in
    }

    fn is_output_full(&self) -> bool {
        self.output.len() >= self.shared.config.output_bytes_max
    }

    fn poll_attach(&mut self, cx: &mut Context<'_>) {
        let Some(attaching) = &mut self.attaching else { return };
        let Poll::Ready(attached) = attaching.as_mut().poll(cx) else { return };
        self.attaching = None;
        // There is mail to take and there may be bytes to read now.
        cx.waker().wake_by_ref();
        match attached {
            Ok(pump) => self.pump = Some(pump),
            Err(detail) => {
                tracing::warn!(detail, "a feed subscriber is turned away");
                self.with_session(|session, env, out| session.refuse_busy(env, out));
            }
        }
    }

    fn poll_mail(&mut self, cx: &mut Context<'_>) {
        while !self.session.is_closed() {
            // A subscriber that does not read leaves the feed in its mailbox, where it is counted.
            let wants_feed = !self.is_output_full() && self.attaching.is_none();
            match self.place.mailbox.poll_take(cx, wants_feed) {
                Poll::Ready(mail) => self.open_mail(mail),
                Poll::Pending => return,
            }
        }
    }

    fn open_mail(&mut self, mail: Mail) {
        let Mail { settled, commands, feed, stop, .. } = mail;
        self.with_session(|session, env, out| {
            session.settle(&settled, env, out);
            if !commands.is_empty() {
                session.command(commands, env, out);
            }
            if !feed.is_empty() {
                session.feed(feed, env, out);
            }
        });
        match stop {
            None => {}
            Some(Stop::TakenOver) => {
                add(&self.shared.stats.taken_over, 1);
                self.close(reason::SESSION_TAKEN_OVER);
            }
            Some(Stop::Administrative) => self.close(reason::ADMINISTRATIVE_ACTION),
            Some(Stop::TooSlow) => self.close(reason::QUOTA_EXCEEDED),
            Some(Stop::FeedLost) => self.close(reason::IMPLEMENTATION_SPECIFIC),
            Some(Stop::Now) => self.close(reason::SERVER_SHUTTING_DOWN),
            Some(Stop::ShuttingDown) => {
                self.draining = true;
                self.drain_until = Some(drain_until(&self.shared));
            }
        }
    }

    fn close(&mut self, code: u8) {
        self.with_session(|session, _, out| session.close(code, out));
    }

    /// Whether more may be read now.
    fn may_read(&self) -> bool {
        !self.draining
            && !self.hung_up
            && !self.session.is_closed()
            && self.attaching.is_none()
            && self.held_alarms.is_empty()
            && self.held_bytes < self.shared.config.held_bytes_max
            && !self.is_output_full()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        for _ in 0..READS_PER_TURN {
            if !self.may_read() {
                return Ok(());
            }
            let read = READ_BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                let Poll::Ready(done) = Pin::new(&mut self.stream).poll_read(cx, &mut buffer) else { return None };
                let outcome = done.map(|()| buffer.filled().len());
                if matches!(outcome, Ok(count) if count > 0) {
                    self.last_heard = Instant::now();
                    self.take_in(buffer.filled());
                }
                Some(outcome)
            });
            match read {
                None => return Ok(()),
                Some(Ok(0)) => self.hung_up = true,
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
            }
        }
        if self.may_read() {
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    fn take_in(&mut self, bytes: &[u8]) {
        if !self.session.is_connecting() {
            return self.with_session(|session, env, out| session.receive(bytes, env, out));
        }
        // A device whose registration changed, or a subscriber whose token was revoked, between its authorisation and its
        // entry into the registry must not stay.
        let revocations = self.shared.registry.revocations();
        self.with_session(|session, env, out| session.receive(bytes, env, out));
        if !self.session.is_connecting() && self.shared.registry.revocations() != revocations {
            self.close(reason::ADMINISTRATIVE_ACTION);
        }
    }

    /// Lets the session work and does what it wants.
    fn with_session(&mut self, work: impl FnOnce(&mut Session, &Env<'_>, &mut Output)) {
        let shared = &self.shared;
        let env = Env {
            host: shared.host.as_ref(),
            config: &shared.config,
            stats: &shared.stats,
            now: shared.host.now(),
            certified: self.certified.as_deref(),
        };
        let mut out = Output { bytes: std::mem::take(&mut self.output), ..Output::default() };
        work(&mut self.session, &env, &mut out);
        self.output = std::mem::take(&mut out.bytes);
        self.act_on(out);
    }

    fn act_on(&mut self, mut out: Output) {
        match out.admitted.take() {
            None => {}
            Some(Grant::Device(device)) => {
                self.shared.registry.enter(&device, &self.place.mailbox);
                self.place.device = Some(device);
                self.unannounced = true;
                self.watch_peer();
            }
            Some(Grant::Feed { token, scope }) => {
                self.shared.registry.enter_feed(self.place.number, token);
                let feed = Arc::clone(&self.shared.feed);
                let bytes_max = self.shared.config.feed_bytes_max;
                self.attaching = Some(Box::pin(feed.attach(scope, Arc::clone(&self.place.mailbox), bytes_max)));
            }
        }
        if let Some(ready) = out.down_ready {
            self.place.mailbox.set_down_ready(ready);
        }
        let Some(device) = self.place.device.clone() else { return };
        if self.unannounced {
            self.retry_alarms();
        }
        if !out.alarms.is_empty() {
            let receipts = self.receipts(out.owed.alarm);
            self.offer_alarm(Inbound::Parcel(Parcel { device: device.clone(), items: out.alarms, receipts }));
        }
        for inbound in out.inbounds {
            self.offer_alarm(inbound);
        }
        if !out.telemetry.is_empty() {
            let receipts = self.receipts(out.owed.telemetry);
            self.offer_telemetry(Parcel { device, items: out.telemetry, receipts }, out.telemetry_bytes);
        }
    }

    /// A client that asked for no keep-alive is watched by the kernel instead.
    fn watch_peer(&self) {
        if self.session.keep_alive_seconds() == 0 {
            let idle = Duration::from_secs(self.shared.config.keep_alive_seconds_max.into());
            let keepalive = socket2::TcpKeepalive::new().with_time(idle);
            if let Err(error) = socket2::SockRef::from(self.stream.socket()).set_tcp_keepalive(&keepalive) {
                tracing::debug!(%error, "a connection without keep-alive cannot be watched");
            }
        }
    }

    /// A parcel is committed; on the thread of whoever did that. `false`: it is for the connection's task, and nothing has
    /// happened.
    pub fn settle_here(&mut self, serial: u64) -> bool {
        let is_idle = self.output.is_empty() && !self.draining && !self.session.is_closed();
        if !is_idle || matches!(self.stream, Stream::Tls(_)) {
            return false;
        }
        self.with_session(|session, env, out| session.settle(&[(serial, Verdict::Released)], env, out));
        if !self.output.is_empty() {
            // An error is found again by the task.
            let count = self.stream.socket().try_write(&self.output).unwrap_or(0);
            self.output.advance(count);
            add(&self.shared.stats.bytes_out, count as u64);
        }
        if self.output.is_empty() {
            self.output = BytesMut::new();
        } else {
            self.place.mailbox.wake();
        }
        true
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.output) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.output.advance(count);
                    self.stalled_since = None;
                    add(&self.shared.stats.bytes_out, count as u64);
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.stalled_since.get_or_insert_with(Instant::now);
                    return Ok(());
                }
            }
        }
        // An idle connection keeps no buffer.
        self.output = BytesMut::new();
        // TLS may hold back what it has taken.
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(flushed) => self.stalled_since = flushed.map(|()| None)?,
            Poll::Pending => {
                self.stalled_since.get_or_insert_with(Instant::now);
            }
        }
        Ok(())
    }
}

fn drain_until(shared: &Shared) -> Instant {
    Instant::now() + Duration::from_secs(shared.config.drain_seconds_max.into())
}
