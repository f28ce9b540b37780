//! The two headers that commands carry.

use axum::extract::{FromRequestParts, Request};
use axum::http::header::{HOST, IF_MATCH};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Version};
use compact_str::CompactString;
use utoipa::IntoParams;

use crate::problem::{Code, Fault};
use crate::serve::Peer;

/// The longest `Idempotency-Key`.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// For OpenAPI: the header that makes a repeat harmless.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)] // described, not read
pub(crate) struct IdempotencyKey {
    /// The same key gives the same answer, and no second effect.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 128, pattern = "^[!-~]+$")]
    idempotency_key: Option<String>,
}

/// For OpenAPI: the header that says which version the caller saw.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)] // described, not read
pub(crate) struct IfMatch {
    /// The entity's `ETag`. 428 where it is required and missing, 412 where it is stale.
    #[param(rename = "If-Match", pattern = "^\"[0-9]{1,9}\"$")]
    if_match: Option<String>,
}

/// For OpenAPI: the headers that say what of a registry entry the caller saw.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)] // described, not read
pub(crate) struct EntryMatch {
    /// The entry's `ETag`. 428 where there is an entry and nothing is said, 412 where it has changed.
    #[param(rename = "If-Match", pattern = "^\"[0-9a-f]{16}\"$")]
    if_match: Option<String>,
    /// `*`: only if there is none yet.
    #[param(rename = "If-None-Match", pattern = "^\\*$")]
    if_none_match: Option<String>,
}

/// Refuses a request that does not say once, and well, for which host it is (RFC 9112, 3.2). Only what came over a
/// connection is asked.
pub(crate) fn check_host(request: &Request) -> Result<(), Fault> {
    if request.extensions().get::<Peer>().is_none() {
        return Ok(());
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let is_well = |host: &HeaderValue| {
        let authority = host.to_str().ok().map(|text| (text.is_empty(), text.parse::<Authority>().is_ok()));
        authority.is_some_and(|(is_empty, is_one)| is_empty || is_one) && !host.as_bytes().contains(&b'@')
    };
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_well(host) => Ok(()),
        (None, None) if request.version() == Version::HTTP_10 => Ok(()),
        _ => Err(Fault::new(
            Code::BadHeader,
            "an HTTP/1.1 request has one Host header with a host and, if need be, a port",
            "HTTP/1.1 请求须有且仅有一个 Host 请求头，内容为主机名，必要时带端口",
        )),
    }
}

/// What a command's headers say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandHeaders {
    pub(crate) idempotency_key: Option<CompactString>,
    pub(crate) if_match: Option<u32>,
}

impl CommandHeaders {
    fn read(headers: &HeaderMap) -> Result<CommandHeaders, Fault> {
        Ok(CommandHeaders { idempotency_key: idempotency_key(headers)?, if_match: if_match(headers)? })
    }

    /// Where `If-Match` is no version but an entry's fingerprint.
    pub(crate) fn key_only(headers: &HeaderMap) -> Result<CommandHeaders, Fault> {
        Ok(CommandHeaders { idempotency_key: idempotency_key(headers)?, if_match: None })
    }
}

impl<S: Sync> FromRequestParts<S> for CommandHeaders {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<CommandHeaders, Fault> {
        CommandHeaders::read(&parts.headers)
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<CompactString>, Fault> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        return Err(Fault::new(
            Code::BadHeader,
            format!("Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters"),
            format!("Idempotency-Key 须为 1 至 {IDEMPOTENCY_KEY_BYTES_MAX} 个可见 ASCII 字符"),
        ));
    }
    Ok(Some(key.into()))
}

/// The version in `If-Match: "7"`, the `ETag` of the entity as the caller saw it.
fn if_match(headers: &HeaderMap) -> Result<Option<u32>, Fault> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let digits = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    match digits.parse() {
        Ok(version) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(version)),
        _ => Err(Fault::new(
            Code::BadHeader,
            "If-Match must be the entity's version as its ETag gives it, e.g. \"7\"",
            "If-Match 须为实体的版本号（见 ETag），例如 \"7\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn headers_are_read_or_refused_never_guessed() {
        let read = |name: HeaderName, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            CommandHeaders::read(&headers).ok()
        };
        for (text, expected) in [
            ("\"7\"", Some(7)),
            ("7", Some(7)),
            ("*", None),
            ("W/\"7\"", None),
            ("\"-1\"", None),
            ("+7", None),
            ("\"99999999999\"", None),
            ("\"1\", \"2\"", None),
            ("", None),
        ] {
            assert_eq!(read(IF_MATCH, text).and_then(|headers| headers.if_match), expected, "{text}");
        }
        let long = "k".repeat(129);
        for (text, expected) in [("k1", true), (&long[..128], true), (&long, false), ("", false), ("钥匙", false)] {
            assert_eq!(read(IDEMPOTENCY_KEY, text).is_some(), expected, "{text}");
        }
    }
}
