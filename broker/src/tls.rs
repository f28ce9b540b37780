//! TLS before the door: handshakes off the accept loop, so many at a time and so long each; and the name in a device's
//! own certificate.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

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

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const VERSION: u8 = 0xa0;
/// UTF8String, PrintableString, IA5String.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];
/// 2.5.4.3, commonName (RFC 5280, appendix A).
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// The one common name of a certificate's subject (RFC 5280, 4.1), which rustls has verified before. `None` when there
/// is none, more than one, or none that is text.
pub(crate) fn common_name(certificate: &[u8]) -> Option<CompactString> {
    let (certificate, _) = inside(certificate, SEQUENCE)?;
    let (mut body, _) = inside(certificate, SEQUENCE)?;
    if body.first() == Some(&VERSION) {
        body = element(body)?.2;
    }
    // Serial number, signature algorithm, issuer, validity; then the subject.
    for _ in 0..4 {
        body = element(body)?.2;
    }
    let (mut subject, _) = inside(body, SEQUENCE)?;
    let mut found = None;
    while !subject.is_empty() {
        let (mut set, rest) = inside(subject, SET)?;
        subject = rest;
        while !set.is_empty() {
            let (pair, rest) = inside(set, SEQUENCE)?;
            set = rest;
            let (object, value) = inside(pair, OBJECT)?;
            if object != COMMON_NAME {
                continue;
            }
            let (tag, text, _) = element(value)?;
            if found.is_some() || !TEXTS.contains(&tag) {
                return None;
            }
            found = Some(CompactString::from(std::str::from_utf8(text).ok()?));
        }
    }
    found
}

/// The content of the element with this tag, and what comes after it.
fn inside(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(bytes)?;
    (found == tag).then_some((content, rest))
}

/// Tag, content and what comes after the first DER element.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let count = usize::from(first & 0x7f);
        // Certificates are smaller than 4 GiB, and an indefinite length is not DER.
        if !(1..=4).contains(&count) {
            return None;
        }
        let (digits, after) = rest.split_at_checked(count)?;
        length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        match content.len() {
            short @ 0..=127 => bytes.push(short as u8),
            long => bytes.extend([0x82, (long >> 8) as u8, long as u8]),
        }
        bytes.extend(content);
        bytes
    }

    /// A certificate of which only what stands before the subject is right in form.
    fn certificate(names: &[(u8, &[u8])]) -> Vec<u8> {
        let names = names.iter().flat_map(|(tag, name)| {
            let pair = [der(OBJECT, &COMMON_NAME), der(*tag, name)].concat();
            der(SET, &der(SEQUENCE, &pair))
        });
        let country = der(SET, &der(SEQUENCE, &[der(OBJECT, &[0x55, 0x04, 0x06]), der(0x13, b"CN")].concat()));
        let subject = der(SEQUENCE, &[country, names.collect()].concat());
        let before =
            [der(VERSION, &der(2, &[2])), der(2, &[1]), der(SEQUENCE, b""), der(SEQUENCE, b""), der(SEQUENCE, b"")];
        der(SEQUENCE, &der(SEQUENCE, &[before.concat(), subject, vec![0; 300]].concat()))
    }

    #[test]
    fn the_common_name_is_the_subjects_only_one() {
        let name = |names: &[(u8, &[u8])]| common_name(&certificate(names));
        assert_eq!(name(&[(0x0c, b"861234567890123")]).as_deref(), Some("861234567890123"));
        assert_eq!(name(&[(0x13, b"b1")]).as_deref(), Some("b1"));
        assert_eq!(name(&[]), None);
        assert_eq!(name(&[(0x0c, b"b1"), (0x0c, b"b2")]), None, "one of two would be a guess");
        assert_eq!(name(&[(0x1e, b"\0b\x001")]), None);
        assert_eq!(name(&[(0x0c, b"\xff")]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..400, to: u8) {
            common_name(&bytes);
            let mut broken = certificate(&[(0x0c, b"b1")]);
            let at = at % broken.len();
            broken[at] = to;
            common_name(&broken);
            common_name(&broken[..at]);
        }
    }
}
