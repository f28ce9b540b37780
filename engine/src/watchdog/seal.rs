//! What engine and watchdog write down for each other about people is sealed with the key files: read by nobody else,
//! and believed only if one of the two wrote it.

use std::io;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// What begins a sealed text; the last character is the version.
const MAGIC: &[u8; 8] = b"YLSEAL\0\x01";

/// Seals and opens (ChaCha20-Poly1305, RFC 8439, with a nonce of its own for each text).
pub struct Seal {
    key: LessSafeKey,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(***)")
    }
}

impl Seal {
    /// With the key that [`Secrets::watchdog_key`](crate::secrets::Secrets::watchdog_key) makes of the key files.
    ///
    /// # Errors
    /// When it is no key, which cannot be at this length.
    pub fn new(key: &[u8; 32]) -> io::Result<Seal> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| io::Error::other("no key to seal with"))?;
        Ok(Seal { key: LessSafeKey::new(key) })
    }

    /// Seals a text of one kind: it opens as that kind only.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn close(&self, kind: &str, plain: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let mut sealed = plain;
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(kind), &mut sealed)
            .map_err(|_| io::Error::other("too long to be sealed"))?;
        Ok([&MAGIC[..], &nonce[..], &sealed].concat())
    }

    /// What was sealed. `None`: under another key, as another kind, or changed since.
    #[must_use]
    pub fn open(&self, kind: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.strip_prefix(MAGIC)?.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = sealed.to_vec();
        let length = self.key.open_in_place(nonce, Aad::from(kind), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_reads_it_and_nobody_changes_it() {
        let seal = Seal::new(&[7; 32]).unwrap();
        let plain = "王桂兰 +8613800000001".as_bytes().to_vec();
        let sealed = seal.close("snapshot", plain.clone()).unwrap();
        assert!(!sealed.windows(4).any(|part| plain.windows(4).any(|readable| part == readable)));
        assert_ne!(seal.close("snapshot", plain.clone()).unwrap(), sealed, "the same text never looks the same");
        assert_eq!(seal.open("snapshot", &sealed), Some(plain));
        assert_eq!(seal.open("alarm", &sealed), None, "as another kind");
        assert_eq!(Seal::new(&[8; 32]).unwrap().open("snapshot", &sealed), None, "under another key");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal.open("snapshot", &changed), None, "byte {at}");
            assert_eq!(seal.open("snapshot", &sealed[..at]), None, "cut at {at}");
        }
    }
}
