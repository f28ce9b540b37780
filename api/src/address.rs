//! Whose address a request comes from.

use std::net::IpAddr;

use axum::http::{Extensions, HeaderMap, HeaderName};

use crate::serve::Peer;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who is at the other end. What stands in `x-forwarded-for` more than once is a list all the same.
pub(crate) fn sender(extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = extensions.get::<Peer>().map(|peer| peer.0);
    let forwarded_for = headers.get_all(FORWARDED_FOR).iter().next_back().and_then(|value| value.to_str().ok());
    sender_of(peer, forwarded_for)
}

/// The peer; where that is a proxy on this machine, the one that it named last. What stands before that anybody may
/// have written.
fn sender_of(peer: Option<IpAddr>, forwarded_for: Option<&str>) -> Option<IpAddr> {
    let named = || forwarded_for.and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
    match peer {
        Some(peer) if peer.is_loopback() => named().or(Some(peer)),
        peer => peer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proxy_of_our_own_speaks_for_others() {
        let address = |text: &str| text.parse::<IpAddr>().ok();
        for (peer, forwarded, expected) in [
            ("203.0.113.7", None, "203.0.113.7"),
            ("203.0.113.7", Some("198.51.100.1"), "203.0.113.7"),
            ("127.0.0.1", Some("198.51.100.1"), "198.51.100.1"),
            ("127.0.0.1", Some("9.9.9.9, 198.51.100.1"), "198.51.100.1"),
            ("::1", Some("2001:db8::1"), "2001:db8::1"),
            ("127.0.0.1", None, "127.0.0.1"),
            ("127.0.0.1", Some("nonsense"), "127.0.0.1"),
        ] {
            assert_eq!(sender_of(address(peer), forwarded), address(expected), "{peer} {forwarded:?}");
        }
        assert_eq!(sender_of(None, Some("198.51.100.1")), None);
    }
}
