//! The hash of contents and repeat keys. Its values are on disk (repeat windows are part of the checkpoint, content
//! hashes of the journal), so it never changes: the golden test below holds it.
//!
//! Words are folded in by a 64 × 64 → 128 bit multiplication whose halves are combined (the step of wyhash, public
//! domain). It is no defence against somebody who looks for collisions: a device that does so loses its own reports.

/// Odd constants with even bit density: the first digits of the fractional parts of √2, √3 and √5.
const SEED: u64 = 0x6a09_e667_f3bc_c909;
const STEP: u64 = 0xbb67_ae85_84ca_a73b;
const LAST: u64 = 0x3c6e_f372_fe94_f82b;

#[derive(Debug, Clone, Copy)]
pub(crate) struct FixedHash(u64);

impl FixedHash {
    pub(crate) fn new() -> FixedHash {
        FixedHash(SEED)
    }

    #[inline]
    pub(crate) fn word(self, word: u64) -> FixedHash {
        FixedHash(fold(self.0 ^ word, STEP))
    }

    /// Little-endian words, the last one filled up with zeros, then the length.
    #[inline]
    pub(crate) fn bytes(self, bytes: &[u8]) -> FixedHash {
        let (words, rest) = bytes.as_chunks::<8>();
        let hash = words.iter().fold(self, |hash, word| hash.word(u64::from_le_bytes(*word)));
        let mut last = [0u8; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash.word(u64::from_le_bytes(last)).word(bytes.len() as u64)
    }

    #[inline]
    pub(crate) fn finish(self) -> u64 {
        fold(self.0 ^ LAST, STEP)
    }
}

/// The two halves of the product, combined. The increment keeps a word that meets its own negative from
/// extinguishing what came before it.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    ((product as u64) ^ ((product >> 64) as u64)).wrapping_add(a.rotate_left(32))
}

#[cfg(test)]
mod tests {
    use super::FixedHash;

    #[test]
    fn the_hash_is_the_one_that_is_on_disk() {
        let hashes = [
            FixedHash::new().finish(),
            FixedHash::new().bytes(b"7-1042").finish(),
            FixedHash::new().bytes(b"1763769600-1234567").word(1).finish(),
        ];
        assert_eq!(hashes, [7_333_075_178_543_647_574, 11_695_042_926_916_250_678, 6_677_736_287_193_229_455]);
    }

    #[test]
    fn neighbours_and_prefixes_differ() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..100_000u64 {
            assert!(seen.insert(FixedHash::new().bytes(format!("7-{number}").as_bytes()).finish()), "{number}");
        }
        for length in 0..64 {
            assert!(seen.insert(FixedHash::new().bytes(&vec![0; length]).finish()), "{length}");
        }
    }
}
