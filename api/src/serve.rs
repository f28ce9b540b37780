//! Takes connections and hands their requests to the router.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::Service;

use crate::patience::Patience;

/// How many connections at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 8_192;
/// How long the head of a request may take to arrive.
const HEAD_SECONDS_MAX: u64 = 15;
/// How large the head of a request may be.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long a client may leave what is written to it unread.
const STANDSTILL_SECONDS_MAX: u64 = 30;
/// How long requests in flight may take to end once the house closes; live streams are cut then.
const CLOSING_SECONDS_MAX: u64 = 3;
/// How long to wait before accepting again when the system is out of descriptors.
const ACCEPT_PAUSE_MILLIS: u64 = 50;

/// Gives the certificate and settings that hold now: they may be replaced while the API serves.
pub type TlsSource = Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>;

/// Lets an address begin a handshake, which lasts until what it gives is dropped; `None` turns it away.
pub type Turnstile = Arc<dyn Fn(IpAddr) -> Option<Box<dyn Send>> + Send + Sync>;

/// How long a handshake may take.
const HANDSHAKE_SECONDS_MAX: u64 = 15;

/// Serves until `shutdown` completes, then lets requests in flight come to their end.
///
/// # Errors
/// None at present: what goes wrong with one connection ends that one. The signature leaves room for a listener that
/// breaks.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    serve_on(listener, None, router, shutdown).await
}

/// As [`serve`], over TLS. Handshakes do not hold up the taking of connections, nor each other.
///
/// # Errors
/// As [`serve`].
pub async fn serve_tls(
    listener: TcpListener,
    tls: TlsSource,
    turnstile: Turnstile,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_on(listener, Some((tls, turnstile)), router, shutdown).await
}

async fn serve_on(
    listener: TcpListener,
    tls: Option<(TlsSource, Turnstile)>,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let (watcher, service) = (graceful.watcher(), WithPeer { router: router.clone(), peer });
        let Some((tls, turnstile)) = tls.clone() else {
            tokio::spawn(async move {
                converse(stream, service, watcher).await;
                drop(place);
            });
            continue;
        };
        let Some(handshake) = turnstile(peer.0) else {
            metrics::counter!("http_handshakes_turned_away_total").increment(1);
            continue;
        };
        tokio::spawn(async move {
            let limit = Duration::from_secs(HANDSHAKE_SECONDS_MAX);
            let shaken = tokio::time::timeout(limit, TlsAcceptor::from(tls()).accept(stream)).await;
            drop(handshake);
            match shaken {
                Ok(Ok(stream)) => converse(stream, service, watcher).await,
                Ok(Err(error)) => {
                    metrics::counter!("http_handshakes_failed_total").increment(1);
                    tracing::debug!(%error, "a TLS handshake failed");
                }
                Err(_) => metrics::counter!("http_handshakes_failed_total").increment(1),
            }
            drop(place);
        });
    }
    drop(listener);
    let limit = Duration::from_secs(CLOSING_SECONDS_MAX);
    if tokio::time::timeout(limit, graceful.shutdown()).await.is_err() {
        tracing::debug!("connections that were still open are cut");
    }
    Ok(())
}

/// Serves one connection to its end.
async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, service: WithPeer, watcher: Watcher) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(
            TokioIo::new(Patience::new(stream, Duration::from_secs(STANDSTILL_SECONDS_MAX))),
            TowerToHyperService::new(service),
        );
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

type Place = tokio::sync::OwnedSemaphorePermit;

/// Who is at the other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The router for one connection.
#[derive(Clone)]
struct WithPeer {
    router: Router,
    peer: Peer,
}

impl Service<Request<Incoming>> for WithPeer {
    type Response = <Router as Service<Request<Incoming>>>::Response;
    type Error = <Router as Service<Request<Incoming>>>::Error;
    type Future = <Router as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<Incoming>>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.router.call(request)
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(tokio::net::TcpStream, Peer, Place)> {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Without it an answer may wait for the peer's delayed acknowledgement; worse service, no fault.
            let _ = stream.set_nodelay(true);
            Some((stream, Peer(peer.ip()), place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MILLIS)).await;
            None
        }
    }
}
