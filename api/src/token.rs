//! The form of API tokens: `yl_{id}_{secret}`. The id is public and names the token in lists and on steps; the whole
//! is shown once and kept only as its SHA-256.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::TokenId;
use sha2::{Digest, Sha256};

/// What every token begins with, so that scanners for leaked secrets recognise it.
pub const PREFIX: &str = "yl_";
/// Bytes of randomness in the id.
const ID_RANDOM_BYTES: usize = 5;
/// Bytes of randomness in the secret.
const SECRET_RANDOM_BYTES: usize = 24;
/// How much randomness [`mint`] needs.
pub const RANDOM_BYTES: usize = ID_RANDOM_BYTES + SECRET_RANDOM_BYTES;

/// A new token.
pub struct Minted {
    /// Its public name.
    pub id: TokenId,
    /// What its owner is shown, once.
    pub text: String,
    /// What is kept: [`sha256`] of the text.
    pub secret_sha256: [u8; 32],
}

/// Makes a token of random bytes.
#[must_use]
pub fn mint(random: &[u8; RANDOM_BYTES]) -> Minted {
    let (id, secret) = random.split_at(ID_RANDOM_BYTES);
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret));
    let secret_sha256 = sha256(&text);
    Minted { id: TokenId::new(&id), text, secret_sha256 }
}

/// What is kept of a token. It is random, so it needs no salt.
#[must_use]
pub fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
