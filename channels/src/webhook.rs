//! Standard Webhooks 1.0 signatures: `webhook-signature: v1,<base64 HMAC-SHA256 of "id.timestamp.payload">`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::ConfigError;

/// The header that carries the message's id.
pub const ID_HEADER: &str = "webhook-id";
/// The header that carries the seconds since 1970 at which it was sent.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header that carries one signature or, during a rotation, several with spaces between them.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// The prefix of a secret whose rest is base64.
const PREFIX: &str = "whsec_";
/// The prefix of a symmetric signature.
const VERSION: &str = "v1,";

/// The key that both ends hold.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

impl SigningSecret {
    /// From `whsec_` and base64, as the specification writes it, or from any other text, whose bytes are the key.
    ///
    /// # Errors
    /// When it is empty, or what follows `whsec_` is not base64.
    pub fn parse(text: &str) -> Result<SigningSecret, ConfigError> {
        let key = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD
                .decode(encoded)
                .map_err(|_| ConfigError::Secret("what follows `whsec_` is not base64 with padding"))?,
            None => text.as_bytes().to_vec(),
        };
        if key.is_empty() {
            return Err(ConfigError::Secret("must not be empty; take e.g. `whsec_` and 32 random bytes in base64"));
        }
        Ok(SigningSecret(key))
    }

    /// From 32 random bytes.
    #[must_use]
    pub fn of_bytes(bytes: [u8; 32]) -> SigningSecret {
        SigningSecret(bytes.to_vec())
    }

    /// As the specification writes it, `whsec_` and base64: for whoever is to verify with it.
    #[must_use]
    pub fn written(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The signature of a message, with its `v1,`. `seconds` since 1970.
    #[must_use]
    pub fn sign(&self, id: &str, seconds: i64, payload: &[u8]) -> String {
        format!("{VERSION}{}", STANDARD.encode(self.mac(id, seconds, payload).finalize().into_bytes()))
    }

    /// Whether one of the signatures in the header is ours. Constant time in the signature's content. The caller
    /// decides how old `seconds` may be.
    #[must_use]
    pub fn verify(&self, id: &str, seconds: i64, payload: &[u8], signatures: &str) -> bool {
        signatures.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix(VERSION)?).ok()).any(|given| {
            let mac = self.mac(id, seconds, payload);
            mac.verify_slice(&given).is_ok()
        })
    }

    fn mac(&self, id: &str, seconds: i64, payload: &[u8]) -> Hmac<Sha256> {
        // HMAC takes keys of any length, so this branch cannot be taken; an unkeyed MAC would verify nowhere.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| Hmac::new(&Default::default()));
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(seconds.to_string().as_bytes());
        mac.update(b".");
        mac.update(payload);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the reference implementations of Standard Webhooks are tested with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SECONDS: i64 = 1_614_265_330;
    const PAYLOAD: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_published_vector() {
        let secret = SigningSecret::parse(SECRET).unwrap();
        assert_eq!(secret.sign(ID, SECONDS, PAYLOAD), SIGNATURE);
        assert!(secret.verify(ID, SECONDS, PAYLOAD, SIGNATURE));
    }

    #[test]
    fn several_signatures_of_a_rotation_and_nothing_else() {
        let secret = SigningSecret::parse(SECRET).unwrap();
        let other = SigningSecret::parse("the new one").unwrap().sign(ID, SECONDS, PAYLOAD);
        assert!(secret.verify(ID, SECONDS, PAYLOAD, &format!("{other} {SIGNATURE}")));
        for (id, seconds, payload, signatures) in [
            (ID, SECONDS, PAYLOAD, other.as_str()),
            ("msg_other", SECONDS, PAYLOAD, SIGNATURE),
            (ID, SECONDS + 1, PAYLOAD, SIGNATURE),
            (ID, SECONDS, b"{}", SIGNATURE),
            (ID, SECONDS, PAYLOAD, ""),
            (ID, SECONDS, PAYLOAD, "v1,"),
            (ID, SECONDS, PAYLOAD, "v1,not base64"),
            (ID, SECONDS, PAYLOAD, &SIGNATURE[3..]),
        ] {
            assert!(!secret.verify(id, seconds, payload, signatures), "{id} {seconds} {signatures}");
        }
    }

    #[test]
    fn a_secret_without_the_prefix_is_its_own_bytes() {
        let plain = SigningSecret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_ne!(plain, SigningSecret::parse(SECRET).unwrap());
        assert!(SigningSecret::parse("").is_err());
        assert!(SigningSecret::parse("whsec_").is_err());
        assert!(SigningSecret::parse("whsec_%%%").is_err());
        assert!(!format!("{plain:?}").contains("MfKQ"));
    }
}
