//! Eight bytes at a time, in an ordinary register: most names, values and numbers of a report are no longer. A word holds
//! the bytes in the order of the text, the first one lowest.

/// How many bytes a word holds.
pub(super) const BYTES: usize = 8;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// How many bytes there are before the first that is a quote, a backslash or a control character.
#[inline]
pub(super) fn run_of_text(word: u64) -> usize {
    // A borrow can mark bytes above one that is marked rightly, never below it: the lowest mark is right.
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    first(control | zeros(word ^ (ONES * b'"' as u64)) | zeros(word ^ (ONES * b'\\' as u64)))
}

/// How many bytes there are before the first quote, and the word without that and what follows.
#[inline]
pub(super) fn before_quote(word: u64) -> Option<(usize, u64)> {
    let quotes = zeros(word ^ (ONES * b'"' as u64));
    let count = first(quotes);
    (count < BYTES).then(|| (count, word & ((1 << (8 * count)) - 1)))
}

/// How many digits the word begins with, and what they come to.
#[inline]
pub(super) fn digits(word: u64) -> (usize, u64) {
    let values = word ^ (ONES * b'0' as u64);
    // A byte above 9 gets its high bit by adding 118, or has it already; digits do not carry over.
    let others = (((values & !HIGHS) + ONES * 118) | values) & HIGHS;
    let count = first(others);
    // Zeros in front of the digits, so that the last one stands at the end.
    let digits = values.checked_shl(8 * (BYTES - count) as u32).unwrap_or(0);
    let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let eight = (fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff;
    (count, eight)
}

/// A high bit for each byte that is zero, the lowest of which is right.
#[inline]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// Which byte the lowest high bit belongs to.
#[inline]
fn first(highs: u64) -> usize {
    highs.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes that are likely to be wrong, and all others.
    fn bytes() -> impl Strategy<Value = [u8; BYTES]> {
        let byte = prop_oneof![b'0'..=b'9', Just(b'"'), Just(b'\\'), 0u8..0x22, 0x7eu8..0x82, any::<u8>()];
        prop::array::uniform8(byte)
    }

    proptest! {
        #[test]
        fn a_run_ends_where_one_looks_byte_by_byte(bytes in bytes()) {
            let ends = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
            let expected = bytes.iter().position(ends).unwrap_or(BYTES);
            prop_assert_eq!(run_of_text(u64::from_le_bytes(bytes)), expected);
        }

        #[test]
        fn digits_are_those_of_the_library(bytes in bytes()) {
            let count = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(BYTES);
            let value = std::str::from_utf8(&bytes[..count]).unwrap().parse().unwrap_or(0);
            prop_assert_eq!(digits(u64::from_le_bytes(bytes)), (count, value));
        }
    }
}
