//! Standard Webhooks 1.0 signatures, checked independently of the crate that makes them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use model::Timestamp;
use sha2::Sha256;

/// How far a signature's time may lie from ours, in seconds (the standard's own tolerance).
pub const SIGNATURE_AGE_SECONDS_MAX: i64 = 300;

/// Why a signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// One of the three headers is missing or unreadable.
    #[error("webhook-id, webhook-timestamp or webhook-signature is missing or unreadable")]
    Incomplete,
    /// Signed too long ago, or in the future.
    #[error("webhook-timestamp is more than 300 s away from the present")]
    Stale,
    /// No signature fits.
    #[error("no signature in webhook-signature fits the body")]
    Mismatch,
}

/// The three headers of a Standard Webhook.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`, seconds since 1970.
    pub timestamp: &'a str,
    /// `webhook-signature`, one or more `v1,<base64>` separated by spaces.
    pub signature: &'a str,
}

/// The `v1,…` signature of a body. `secret` is used as raw bytes, or base64-decoded after `whsec_`.
#[must_use]
pub fn sign(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    format!("v1,{}", STANDARD.encode(mac(secret, id, timestamp, body).finalize().into_bytes()))
}

/// Checks a signed body.
///
/// # Errors
/// [`BadSignature`] says what is wrong with it.
pub fn verify(secret: &str, headers: Headers<'_>, body: &[u8], now: Timestamp) -> Result<(), BadSignature> {
    let seconds: i64 = headers.timestamp.parse().map_err(|_| BadSignature::Incomplete)?;
    if headers.id.is_empty() {
        return Err(BadSignature::Incomplete);
    }
    if (now.millis() / 1000 - seconds).abs() > SIGNATURE_AGE_SECONDS_MAX {
        return Err(BadSignature::Stale);
    }
    let signatures = headers.signature.split(' ').filter_map(|s| s.strip_prefix("v1,"));
    let mut decoded = signatures.filter_map(|s| STANDARD.decode(s).ok());
    let fits = decoded.any(|s| mac(secret, headers.id, headers.timestamp, body).verify_slice(&s).is_ok());
    if fits { Ok(()) } else { Err(BadSignature::Mismatch) }
}

fn mac(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let decoded = secret.strip_prefix("whsec_").and_then(|s| STANDARD.decode(s).ok());
    let key = decoded.as_deref().unwrap_or(secret.as_bytes());
    #[allow(clippy::expect_used)] // HMAC takes keys of any length
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn check(timestamp: &str, signature: &str, body: &[u8]) -> Result<(), BadSignature> {
        let now = Timestamp::from_millis(1_614_265_330_000);
        verify(SECRET, Headers { id: ID, timestamp, signature }, body, now)
    }

    #[test]
    fn the_published_vector_holds() {
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign(SECRET, ID, "1614265330", BODY), good);
        assert_eq!(check("1614265330", good, BODY), Ok(()));
        assert_eq!(check("1614265330", &format!("v1,AAAA v2,x {good}"), BODY), Ok(()), "rotation: any one may fit");
        assert_eq!(check("1614265330", good, b"{}"), Err(BadSignature::Mismatch));
        assert_eq!(check("1614265029", good, BODY), Err(BadSignature::Stale));
        assert_eq!(check("soon", good, BODY), Err(BadSignature::Incomplete));
        assert_eq!(check("1614265330", "", BODY), Err(BadSignature::Mismatch));
    }

    #[test]
    fn a_secret_without_prefix_is_used_as_it_is() {
        let headers = |signature| Headers { id: "a1", timestamp: "100", signature };
        let signature = sign("plain secret", "a1", "100", BODY);
        let now = Timestamp::from_millis(100_000);
        assert_eq!(verify("plain secret", headers(&signature), BODY, now), Ok(()));
        assert_eq!(verify("other secret", headers(&signature), BODY, now), Err(BadSignature::Mismatch));
    }
}
