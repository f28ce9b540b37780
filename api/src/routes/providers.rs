//! `POST /api/v1/providers/{channel}/{token}`: receipts, replies and keys in the providers' own words. The address is
//! what the operator enters at the provider; what is posted there still has to speak of a message that we sent.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::body;
use crate::host::{ProviderPost, ProviderRefusal};
use crate::params::Segments;
use crate::problem::{Code, Fault};
use crate::serve::Peer;
use crate::shared::Shared;

/// Twilio's signature.
const SIGNATURE: &str = "x-twilio-signature";
/// Whom a proxy speaks for.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Receipts, replies and keys in the words of a provider.
#[utoipa::path(
    post,
    path = "/api/v1/providers/{channel}/{token}",
    tag = "callbacks",
    security(()),
    params(("channel" = String, Path, description = "`sms`, `voice`, …"), ("token" = String, Path, description = "The secret of the address.")),
    request_body(content = Vec<u8>, description = "Whatever the provider posts.", content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "Taken in, in the words that the provider waits for.", content((String = "application/json"), (String = "text/plain"), (String = "application/xml"))),
    ),
)]
pub(crate) async fn take(
    State(shared): State<Arc<Shared>>,
    Segments((channel, token)): Segments<(String, String)>,
    request: Request,
) -> Result<Response, Fault> {
    let header = |headers: &HeaderMap, name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let from = sender(peer, header(request.headers(), FORWARDED_FOR).as_deref());
    let signature = header(request.headers(), SIGNATURE);
    let path_and_query = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    let body = body::read(request, shared.config.body_bytes_max).await?.to_vec();
    let post = ProviderPost { channel, token, path_and_query, signature, from, body };
    match shared.host.provider_post(post).await {
        Ok(answer) => Ok(([(CONTENT_TYPE, answer.content_type)], answer.body).into_response()),
        Err(ProviderRefusal::NotFound) => {
            metrics::counter!("api_callbacks_refused_total", "reason" => "token").increment(1);
            Err(Fault::new(Code::NotFound, "this callback address is not known", "回调地址无效"))
        }
        Err(ProviderRefusal::NotBelieved(detail)) => {
            Err(Fault::new(Code::NotAllowed, &detail, format!("回调不可信:{detail}")))
        }
        Err(ProviderRefusal::Malformed(detail)) => {
            Err(Fault::new(Code::Invalid, &detail, format!("回调内容无效:{detail}")))
        }
        Err(ProviderRefusal::Unavailable) => Err(crate::host::Unavailable.into()),
    }
}

/// The peer; where that is a proxy on this machine, the one that it named last. What stands before that anybody may
/// have written.
fn sender(peer: Option<IpAddr>, forwarded_for: Option<&str>) -> Option<IpAddr> {
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
            assert_eq!(sender(address(peer), forwarded), address(expected), "{peer} {forwarded:?}");
        }
        assert_eq!(sender(None, Some("198.51.100.1")), None);
    }
}
