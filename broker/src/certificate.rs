//! What is read from a certificate that rustls does not say: the name of a device, and from when to when it holds.

use compact_str::CompactString;
use model::Timestamp;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const VERSION: u8 = 0xa0;
/// UTF8String, PrintableString, IA5String.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// 2.5.4.3, commonName (RFC 5280, appendix A).
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// The one common name of a certificate's subject (RFC 5280, 4.1), which rustls has verified before. `None` when there
/// is none, more than one, or none that is text.
pub(crate) fn common_name(certificate: &[u8]) -> Option<CompactString> {
    let (_, rest) = inside(from_validity_on(certificate)?, SEQUENCE)?;
    let (mut subject, _) = inside(rest, SEQUENCE)?;
    let mut found = None;
    while !subject.is_empty() {
        let (mut set, rest) = inside(subject, SET)?;
        subject = rest;
        while !set.is_empty() {
            let (pair, rest) = inside(set, SEQUENCE)?;
            set = rest;
            let (object, value) = inside(pair, OBJECT)?;
            if object != COMMON_NAME {
                continue;
            }
            let (tag, text, _) = element(value)?;
            if found.is_some() || !TEXTS.contains(&tag) {
                return None;
            }
            found = Some(CompactString::from(std::str::from_utf8(text).ok()?));
        }
    }
    found
}

/// From when and until when a certificate holds (RFC 5280, 4.1.2.5). `None` when that cannot be read, or lies beyond what we
/// can say: the year 9999 is used for "no end".
#[must_use]
pub fn validity(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (validity, _) = inside(from_validity_on(certificate)?, SEQUENCE)?;
    let (tag, from, rest) = element(validity)?;
    let (until_tag, until, _) = element(rest)?;
    Some((instant(tag, from)?, instant(until_tag, until)?))
}

/// `YYMMDDhhmmssZ`, of 1950 to 2049, or `YYYYMMDDhhmmssZ`.
fn instant(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let digits = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let digits = match tag {
        UTC_TIME if digits.len() == 12 && digits.is_ascii() => {
            format!("{}{digits}", if digits.as_bytes() < b"5".as_slice() { "20" } else { "19" })
        }
        GENERALIZED_TIME if digits.len() == 14 && digits.is_ascii() => digits.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| digits.get(from..to);
    let (date, time) = ([part(0, 4)?, part(4, 6)?, part(6, 8)?], [part(8, 10)?, part(10, 12)?, part(12, 14)?]);
    Timestamp::parse(&format!("{}T{}Z", date.join("-"), time.join(":")))
}

/// A certificate from its validity on: what stands before is version, serial number, signature algorithm and issuer.
fn from_validity_on(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = inside(certificate, SEQUENCE)?;
    let (mut body, _) = inside(certificate, SEQUENCE)?;
    if body.first() == Some(&VERSION) {
        body = element(body)?.2;
    }
    for _ in 0..3 {
        body = element(body)?.2;
    }
    Some(body)
}

/// The content of the element with this tag, and what comes after it.
fn inside(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(bytes)?;
    (found == tag).then_some((content, rest))
}

/// Tag, content and what comes after the first DER element.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let count = usize::from(first & 0x7f);
        // Certificates are smaller than 4 GiB, and an indefinite length is not DER.
        if !(1..=4).contains(&count) {
            return None;
        }
        let (digits, after) = rest.split_at_checked(count)?;
        length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        match content.len() {
            short @ 0..=127 => bytes.push(short as u8),
            long => bytes.extend([0x82, (long >> 8) as u8, long as u8]),
        }
        bytes.extend(content);
        bytes
    }

    /// A certificate of which only what stands before the subject is right in form.
    fn certificate(names: &[(u8, &[u8])]) -> Vec<u8> {
        let names = names.iter().flat_map(|(tag, name)| {
            let pair = [der(OBJECT, &COMMON_NAME), der(*tag, name)].concat();
            der(SET, &der(SEQUENCE, &pair))
        });
        let country = der(SET, &der(SEQUENCE, &[der(OBJECT, &[0x55, 0x04, 0x06]), der(0x13, b"CN")].concat()));
        let subject = der(SEQUENCE, &[country, names.collect()].concat());
        let before =
            [der(VERSION, &der(2, &[2])), der(2, &[1]), der(SEQUENCE, b""), der(SEQUENCE, b""), der(SEQUENCE, b"")];
        der(SEQUENCE, &der(SEQUENCE, &[before.concat(), subject, vec![0; 300]].concat()))
    }

    #[test]
    fn the_common_name_is_the_subjects_only_one() {
        let name = |names: &[(u8, &[u8])]| common_name(&certificate(names));
        assert_eq!(name(&[(0x0c, b"861234567890123")]).as_deref(), Some("861234567890123"));
        assert_eq!(name(&[(0x13, b"b1")]).as_deref(), Some("b1"));
        assert_eq!(name(&[]), None);
        assert_eq!(name(&[(0x0c, b"b1"), (0x0c, b"b2")]), None, "one of two would be a guess");
        assert_eq!(name(&[(0x1e, b"\0b\x001")]), None);
        assert_eq!(name(&[(0x0c, b"\xff")]), None);
    }

    #[test]
    fn when_a_certificate_holds_is_read_in_both_forms() {
        let read = |tag, text: &[u8]| instant(tag, text).map(|at| at.to_string());
        assert_eq!(read(UTC_TIME, b"200102030405Z").as_deref(), Some("2020-01-02T03:04:05.000Z"));
        assert_eq!(read(UTC_TIME, b"700102030405Z").as_deref(), Some("1970-01-02T03:04:05.000Z"));
        assert_eq!(read(GENERALIZED_TIME, b"20500102030405Z").as_deref(), Some("2050-01-02T03:04:05.000Z"));
        for broken in [&b"200102030405"[..], b"201302030405Z", b"2001020304Z", b"\xff00102030405Z", b"Z", b""] {
            assert_eq!(read(UTC_TIME, broken), None, "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..400, to: u8) {
            common_name(&bytes);
            let _ = validity(&bytes);
            instant(UTC_TIME, &bytes);
            let mut broken = certificate(&[(0x0c, b"b1")]);
            let at = at % broken.len();
            broken[at] = to;
            common_name(&broken);
            common_name(&broken[..at]);
        }
    }
}
