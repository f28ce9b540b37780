//! Small readings that several providers' callbacks need.

use compact_str::CompactString;

/// How much of a replied text is kept.
pub const REPLY_BYTES_MAX: usize = 2_000;
/// The longest run of pressed keys.
pub const KEY_BYTES_MAX: usize = 16;

/// Pressed keys: 1 to 16 of `0`–`9`, `*` and `#`.
#[must_use]
pub fn key(text: &str) -> Option<CompactString> {
    let text = text.trim();
    let good = (1..=KEY_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'#'));
    good.then(|| text.into())
}

/// Cuts a text at a character's edge.
#[must_use]
pub fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let mut end = bytes_max;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

/// A national number with its country code, as E.164, when both are told.
#[must_use]
pub fn with_country(country: Option<&str>, number: &str) -> CompactString {
    match country {
        Some(code) if !code.is_empty() && !number.starts_with('+') => format!("+{code}{number}").into(),
        _ => number.into(),
    }
}

/// The fields of an `application/x-www-form-urlencoded` body, decoded; what is not UTF-8 becomes U+FFFD.
#[must_use]
pub fn form(body: &[u8]) -> Vec<(String, String)> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let fields = pairs.map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let mut next = || unescape(halves.next().unwrap_or_default());
        (next(), next())
    });
    fields.collect()
}

fn unescape(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        let escaped = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (first, escaped.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The seconds since 1970 of `Sun, 22 Nov 2026 08:00:01 +0000`, as RFC 2822 writes them in UTC; the name of the day is not
/// looked at.
pub(crate) fn seconds_of_rfc_2822(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, clock, "+0000"] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let at = model::Timestamp::parse(&format!("{year}-{month:02}-{day:0>2}T{clock}Z"))?;
    Some(at.millis().div_euclid(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_whatever_stands_in_them() {
        let read = |body: &str| {
            form(body.as_bytes())
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(";")
        };
        assert_eq!(read("From=%2B8613800000001&Body=%E6%94%B6%E5%88%B0+1&x"), "From=+8613800000001;Body=收到 1;x=");
        assert_eq!(read("a=%&b=%4&c=%zz&&=&d=%ff"), "a=%;b=%4;c=%zz;=;d=\u{fffd}");
        assert_eq!(read(""), "");
    }
}
