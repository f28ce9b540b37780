//! TLS before the door: handshakes off the accept loop, so many at a time and so long each.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::certificate::common_name;
use crate::places::{Place, Places};
use crate::stream::Stream;
use crate::threshold::Coming;

/// Gives the certificate and settings that hold now: they may be replaced while the door is open.
pub type TlsSource = Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>;

/// How many handshakes at a time: a neighbourhood comes back at once. Who comes beyond that is turned away, and comes
/// again.
const HANDSHAKES_MAX: usize = 4_096;
/// How many of them an address has once every second place is taken. A carrier puts a whole neighbourhood of bracelets
/// behind one address; a quarter of all places is as many as are done within seconds.
const OF_AN_ADDRESS_MAX: usize = 1_024;
/// How long a handshake may take, in seconds: a bracelet at the edge of its cell needs several.
const HANDSHAKE_SECONDS_MAX: u64 = 15;

/// The handshakes of one listener.
pub(crate) struct Handshakes {
    source: TlsSource,
    places: Arc<Places>,
}

impl Handshakes {
    pub fn new(source: TlsSource) -> Handshakes {
        Handshakes { source, places: Places::new(HANDSHAKES_MAX, OF_AN_ADDRESS_MAX) }
    }

    /// A place for one handshake with an address, if there is one left for it.
    pub fn place(&self, address: IpAddr) -> Option<Place> {
        self.places.take(address)
    }

    /// The stream once its handshake is done, and the name in the client's certificate if it brought one that holds.
    pub async fn shake(&self, stream: TcpStream, coming: Coming) -> Option<(Stream, Option<CompactString>)> {
        let shaken = timeout(Duration::from_secs(HANDSHAKE_SECONDS_MAX), async {
            let accepted = coming.paced(TlsAcceptor::from((self.source)()).accept(stream)).await;
            accepted.inspect_err(|error| tracing::debug!(%error, "a TLS handshake failed")).ok()
        });
        let stream = shaken.await.ok().flatten()?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        // One that names nobody admits nobody: as an empty name, which no device has.
        let name = certificate.map(|certificate| common_name(certificate).unwrap_or_default());
        Some((Stream::Tls(Box::new(stream)), name))
    }
}
