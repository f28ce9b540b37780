//! The door itself: accepts connections, knows who is in, delivers.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use model::{DeviceId, DownCommand, TokenId};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::connection;
use crate::feed::Feed;
use crate::mailbox::Stop;
use crate::registry::Registry;
use crate::stats::add;
use crate::stream::Stream;
use crate::threads::Threads;
use crate::tls::{Handshakes, TlsSource};
use crate::{DoorConfig, DoorStats, Host};

/// How many connections may wait to be accepted: a whole neighbourhood comes back at once after a power cut.
const BACKLOG_CONNECTIONS: u32 = 4096;
/// How long the door waits when it cannot accept (no file descriptors left).
const ACCEPT_RETRY_MILLIS: u64 = 100;
/// How long a connection may take to end after it was told to at once, in seconds.
const END_SECONDS_MAX: u64 = 2;

/// Binds a listener as the door likes it: reusable address, a long backlog. Must be called within a tokio runtime.
///
/// # Errors
/// When the address cannot be bound.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG_CONNECTIONS)
}

/// Why the door could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The router that carries the feed did not start.
    #[error("the feed's router did not start: {0}")]
    Router(String),
    /// The threads for its connections did not.
    #[error("the door's threads did not start: {0}")]
    Threads(io::Error),
}

/// An open door. Dropping it closes it at once; [`shutdown`](Door::shutdown) does so gently.
pub struct Door {
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
    tls_acceptor: OnceLock<JoinHandle<()>>,
}

/// What the door's connections share.
pub(crate) struct Shared {
    pub config: DoorConfig,
    pub host: Arc<dyn Host>,
    pub stats: Arc<DoorStats>,
    pub registry: Registry,
    pub feed: Arc<Feed>,
    threads: Threads,
    closing: AtomicBool,
}

impl Shared {
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

impl Door {
    /// Opens the door on a bound listener; devices are served from now on. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When the feed's router, or a thread, does not start.
    pub async fn start(listener: TcpListener, config: DoorConfig, host: Arc<dyn Host>) -> Result<Door, DoorError> {
        let stats = Arc::new(DoorStats::default());
        let feed = Feed::start(config.feed_clients_max, Arc::clone(&stats)).await?;
        let registry = Registry::new();
        let threads = Threads::start(config.threads).map_err(DoorError::Threads)?;
        let shared = Arc::new(Shared { config, host, stats, registry, feed, threads, closing: AtomicBool::new(false) });
        let acceptor = tokio::spawn(accept(listener, None, Arc::clone(&shared)));
        Ok(Door { shared, acceptor, tls_acceptor: OnceLock::new() })
    }

    /// Opens it on a second listener, with TLS; once.
    pub fn open_tls(&self, listener: TcpListener, source: TlsSource) {
        let handshakes = Some(Arc::new(Handshakes::new(source)));
        let shared = Arc::clone(&self.shared);
        self.tls_acceptor.get_or_init(|| tokio::spawn(accept(listener, handshakes, shared)));
    }

    fn accept_nobody(&self) {
        self.shared.closing.store(true, Ordering::Release);
        self.acceptor.abort();
        self.tls_acceptor.get().inspect(|acceptor| acceptor.abort());
    }

    /// Hands a command to a live session that has subscribed to its `down`; `false` when there is none. Whether it
    /// was written is told by [`Inbound::DownSent`](crate::Inbound::DownSent). Never blocks.
    #[must_use]
    pub fn deliver(&self, command: &DownCommand) -> bool {
        self.shared.registry.find(&command.device).is_some_and(|mailbox| mailbox.command(command))
    }

    /// Publishes to the feed's subscribers through rumqttd's router. Never blocks; what cannot be taken is dropped
    /// and counted: the feed's sequence numbers show it, and REST has everything.
    pub fn publish_feed(&self, topic: &str, payload: Bytes) {
        self.shared.feed.publish(topic, payload);
    }

    /// Ends a device's session: its registration or secret changed. The change must already be in force for
    /// [`Host::authorise`]. Never blocks.
    pub fn disconnect(&self, device: &DeviceId) {
        self.shared.registry.revoke(device);
    }

    /// Ends the sessions of a token's feed subscribers: it was revoked. As with [`disconnect`](Self::disconnect), that
    /// must already be in force. Never blocks for long.
    pub fn disconnect_token(&self, token: &TokenId) {
        self.shared.registry.revoke_token(token);
    }

    /// Whether the device has a live session.
    #[must_use]
    pub fn is_online(&self, device: &DeviceId) -> bool {
        self.shared.registry.find(device).is_some()
    }

    /// How many connections are open, whoever they are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.registry.len()
    }

    /// Whether the feed's router has answered the canary in the last few seconds.
    #[must_use]
    pub fn router_alive(&self) -> bool {
        self.shared.feed.is_alive()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> &DoorStats {
        &self.shared.stats
    }

    /// Closes: accepts nobody, reads no more, waits a moment for receipts that are on their way, says good-bye.
    /// To be called while the house still commits and releases.
    pub async fn shutdown(&self) {
        self.accept_nobody();
        let registry = &self.shared.registry;
        registry.stop_all(Stop::ShuttingDown);
        let drain = Duration::from_secs(u64::from(self.shared.config.drain_seconds_max) + END_SECONDS_MAX);
        if timeout(drain, registry.wait_empty()).await.is_err() {
            registry.stop_all(Stop::Now);
            if timeout(Duration::from_secs(END_SECONDS_MAX), registry.wait_empty()).await.is_err() {
                tracing::warn!(connections = registry.len(), "connections that did not end are given up");
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.accept_nobody();
        self.shared.registry.stop_all(Stop::Now);
    }
}

async fn accept(listener: TcpListener, handshakes: Option<Arc<Handshakes>>, shared: Arc<Shared>) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_the_clients_fault(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "the MQTT door cannot accept connections; it will try again");
                sleep(Duration::from_millis(ACCEPT_RETRY_MILLIS)).await;
                continue;
            }
        };
        add(&shared.stats.accepted, 1);
        if shared.registry.len() >= shared.config.connections_max {
            add(&shared.stats.refused_busy, 1);
            continue;
        }
        // Acknowledgements are small and must not wait for company.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended before it began");
            continue;
        }
        let served = Arc::clone(&shared);
        match handshakes.clone() {
            None => shared
                .threads
                .serve(stream, |stream, threshold| connection::serve(Stream::Plain(stream), None, served, threshold)),
            Some(handshakes) => {
                let Some(place) = handshakes.place(peer.ip()) else {
                    add(&shared.stats.refused_busy, 1);
                    continue;
                };
                shared.threads.serve(stream, |stream, threshold| async move {
                    let shaken = handshakes.shake(stream, threshold.coming()).await;
                    drop(place);
                    match shaken {
                        Some((stream, certified)) => connection::serve(stream, certified, served, threshold).await,
                        None => add(&served.stats.refused_tls, 1),
                    }
                });
            }
        }
    }
}

/// The connection was gone before it was accepted.
fn is_the_clients_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
