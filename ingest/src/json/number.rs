//! Numbers of JSON.

use super::swar;

/// Digits that are both exact as a double and as a power of ten that is.
const EXACT_DIGITS_MAX: usize = 15;
const POWERS: [f64; EXACT_DIGITS_MAX + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// What a number is multiplied by to make room for so many digits.
const WHOLE_POWERS: [u64; swar::BYTES + 1] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// How long the number is that the bytes begin with, in the grammar of RFC 8259 (no leading plus or zeros, digits on
/// both sides of the point), and its value, if it has so few digits that mantissa and power of ten are exact doubles
/// and one division rounds once (Clinger 1990). What has more, or an exponent, is left to the library. `None` if it
/// breaks the grammar or goes on as a word.
pub(super) fn number(bytes: &[u8]) -> Option<(usize, Option<f64>)> {
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let (whole_digits, mut mantissa) = digits(bytes, sign, 0);
    if whole_digits == 0 || (whole_digits > 1 && bytes[sign] == b'0') {
        return None;
    }
    let (mut at, mut decimals) = (sign + whole_digits, 0);
    if bytes.get(at) == Some(&b'.') {
        (decimals, mantissa) = digits(bytes, at + 1, mantissa);
        if decimals == 0 {
            return None;
        }
        at += 1 + decimals;
    }
    match bytes.get(at) {
        Some(b'e' | b'E') => exponent(bytes, at).map(|end| (end, None)),
        Some(byte) if is_word(*byte) => None,
        _ if whole_digits + decimals > EXACT_DIGITS_MAX => Some((at, None)),
        _ => {
            let value = mantissa as f64 / POWERS[decimals];
            Some((at, Some(if sign == 1 { -value } else { value })))
        }
    }
}

/// How many digits stand from here on, and what they come to behind those that stood before. Wraps around if they
/// are too many.
#[inline]
fn digits(bytes: &[u8], from: usize, before: u64) -> (usize, u64) {
    let (mut at, mut value) = (from, before);
    while let Some((chunk, _)) = bytes.get(at..).and_then(<[u8]>::split_first_chunk) {
        let (count, digits) = swar::digits(u64::from_le_bytes(*chunk));
        value = value.wrapping_mul(WHOLE_POWERS[count]).wrapping_add(digits);
        at += count;
        if count < swar::BYTES {
            return (at - from, value);
        }
    }
    for byte in bytes.get(at..).unwrap_or_default() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (at - from, value)
}

/// Where the exponent ends whose `e` stands here.
fn exponent(bytes: &[u8], at: usize) -> Option<usize> {
    let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
    let start = at + 1 + sign;
    let (length, _) = digits(bytes, start, 0);
    let end = start + length;
    (length > 0 && !bytes.get(end).is_some_and(|byte| is_word(*byte))).then_some(end)
}

/// The bytes of numbers and of bare words.
#[inline]
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_keep_the_grammar() {
        for good in ["0", "-0", "31.8206", "1e3", "1.5E-7", "120", "0.5", "1e+05"] {
            assert_eq!(number(good.as_bytes()).map(|(length, _)| length), Some(good.len()), "{good}");
            assert_eq!(number(format!("{good},").as_bytes()).map(|(length, _)| length), Some(good.len()), "{good}");
        }
        for bad in
            ["", "-", "01", "-01", ".5", "1.", "1.e5", "+1", "1e", "1e+", "1e5x", "NaN", "0x10", "1.2.3", "--1", "1_0"]
        {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn they_are_those_of_the_library(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?") {
            let (length, value) = number(text.as_bytes()).unwrap();
            prop_assert_eq!(length, text.len());
            let library: f64 = text.parse().unwrap();
            prop_assert!(value.is_none_or(|value| value.to_bits() == library.to_bits()));
        }
    }
}
