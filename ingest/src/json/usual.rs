//! The two reports that nearly all traffic is made of, `location` and `heart_rate`, in the spelling of nearly every device:
//! one flat object without white space, escapes or exponents, whose members have short names that we know. They are read
//! in one go, in a third of the time.
//!
//! It never refuses. What it does not understand, or what is wrong, it leaves to the reader that knows everything and
//! can say why.

use std::str::from_utf8;

use model::{Report, ReportBody};

use super::members::Member;
use super::swar::{self, BYTES};
use crate::{content, time};

/// The room for a text and the zeros behind it, so that whole words can be read up to its last byte.
const ROOM: usize = 256;
/// The longest text that is looked at.
const TEXT_BYTES_MAX: usize = ROOM - 2 * BYTES;
/// So many digits are exact as a double, and so is the power of ten that they are divided by (Clinger 1990).
const EXACT_DIGITS_MAX: usize = 15;
const POWERS: [u32; BYTES] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

const TYPE: u32 = bit(Member::Type);
const ID: u32 = bit(Member::Id);
const TIME: u32 = bit(Member::Time);
const POSITION: u32 = bit(Member::Lat) | bit(Member::Lon);
const ACCURACY: u32 = bit(Member::Accuracy);
const BPM: u32 = bit(Member::Bpm);

const fn bit(member: Member) -> u32 {
    1 << member as u32
}

/// The report that the payload is. `None` says nothing.
pub(super) fn report(payload: &[u8]) -> Option<Report> {
    if payload.len() > TEXT_BYTES_MAX || payload.first() != Some(&b'{') {
        return None;
    }
    let mut text = Padded([0; ROOM]);
    text.0[..payload.len()].copy_from_slice(payload);
    let found = members(&text, payload.len())?;
    let named = |member: Member| found.numbers[member as usize];
    let body = match (found.seen & !(ID | TIME), found.text(payload, Member::Type)) {
        (seen, b"location") if seen & !ACCURACY == TYPE | POSITION => {
            let accuracy_m = (seen & ACCURACY != 0).then(|| named(Member::Accuracy));
            ReportBody::Location(content::fix(named(Member::Lat), named(Member::Lon), None, accuracy_m).ok()?)
        }
        (seen, b"heart_rate") if seen == TYPE | BPM && content::BPM.contains(&named(Member::Bpm)) => {
            ReportBody::HeartRate { bpm: named(Member::Bpm).round() as u16 }
        }
        _ => return None,
    };
    let event_id = match found.seen & ID {
        0 => None,
        _ => content::event_id(from_utf8(found.text(payload, Member::Id)).ok()?),
    };
    let measured = match (found.seen & TIME, found.text(payload, Member::Time)) {
        (0, _) => None,
        (_, b"") => Some(time::from_millis(named(Member::Time))?),
        (_, text) => Some(time::parse_rfc3339(from_utf8(text).ok()?)?),
    };
    Some(Report { event_id, measured, content_hash: content::hash(&body), body })
}

/// The members of one object: which there are, the values of numbers, and where the texts lie.
struct Found {
    seen: u32,
    numbers: [f64; Member::COUNT],
    texts: [(u8, u8); Member::COUNT],
}

impl Found {
    #[inline(always)]
    fn text<'a>(&self, payload: &'a [u8], member: Member) -> &'a [u8] {
        let (start, end) = self.texts[member as usize];
        payload.get(usize::from(start)..usize::from(end)).unwrap_or_default()
    }
}

/// The members of the object that the text is, each once.
#[inline(always)]
fn members(text: &Padded, length: usize) -> Option<Found> {
    let mut found = Found { seen: 0, numbers: [0.0; Member::COUNT], texts: [(0, 0); Member::COUNT] };
    let mut at = 1;
    loop {
        let (name_length, name) = swar::before_quote(text.word(at + 1))?;
        let value_at = at + name_length + 3;
        let member = Member::of_word(name)?;
        if text.byte(at) != b'"' || text.byte(value_at - 1) != b':' || found.seen & bit(member) != 0 {
            return None;
        }
        found.seen |= bit(member);
        if text.byte(value_at) == b'"' {
            if !matches!(member, Member::Type | Member::Id | Member::Time) {
                return None;
            }
            let end = string(text, value_at + 1)?;
            found.texts[member as usize] = (value_at as u8 + 1, end as u8);
            at = end + 2;
        } else {
            if matches!(member, Member::Type | Member::Id) {
                return None;
            }
            (found.numbers[member as usize], at) = number(text, value_at)?;
            at += 1;
        }
        match text.byte(at - 1) {
            b',' => {}
            b'}' => return (at == length).then_some(found),
            _ => return None,
        }
    }
}

/// Where the quote is that ends the string, if there is something in it that needs no closer look.
#[inline(always)]
fn string(text: &Padded, start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let run = swar::run_of_text(text.word(at));
        at += run;
        if run < BYTES {
            return (text.byte(at) == b'"' && at > start).then_some(at);
        }
    }
}

/// A number of at most fifteen digits, seven of them behind the point, and the first byte behind it.
#[inline(always)]
fn number(text: &Padded, start: usize) -> Option<(f64, usize)> {
    let is_negative = text.byte(start) == b'-';
    let whole_at = start + usize::from(is_negative);
    let (mut digits, mut mantissa) = swar::digits(text.word(whole_at));
    if digits == BYTES {
        let (more, low) = swar::digits(text.word(whole_at + BYTES));
        mantissa = mantissa * u64::from(*POWERS.get(more)?) + low;
        digits += more;
    }
    if digits == 0 || (digits > 1 && text.byte(whole_at) == b'0') {
        return None;
    }
    let mut end = whole_at + digits;
    let mut value = mantissa as f64;
    if text.byte(end) == b'.' {
        let (decimals, low) = swar::digits(text.word(end + 1));
        // Of more than seven nobody knows yet where they end.
        let power = *POWERS.get(decimals).filter(|power| **power > 1 && digits + decimals <= EXACT_DIGITS_MAX)?;
        value = (mantissa * u64::from(power) + low) as f64 / f64::from(power);
        digits += decimals;
        end += 1 + decimals;
    }
    (digits <= EXACT_DIGITS_MAX).then_some((if is_negative { -value } else { value }, end))
}

/// A text, with zeros behind it.
struct Padded([u8; ROOM]);

impl Padded {
    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.0[at % ROOM]
    }

    /// The eight bytes from there on; beyond the room, the last ones.
    #[inline(always)]
    fn word(&self, at: usize) -> u64 {
        let rest = &self.0[at.min(ROOM - BYTES)..];
        rest.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decode_any;
    use super::*;
    use crate::{Limits, one};

    const LOCATION: &str =
        r#"{"type":"location","id":"7-1042","t":1763769600120,"lat":31.8206,"lon":-117.2272,"acc":8}"#;

    #[test]
    fn what_nearly_every_device_sends_is_read_here() {
        for payload in [
            LOCATION,
            r#"{"type":"location","lat":31.8206,"lon":117.2272}"#,
            r#"{"lon":117.2272,"lat":-31,"t":"2026-11-22T08:00:00+08:00","type":"location"}"#,
            r#"{"type":"heart_rate","id":"7-1042","t":1763769600000,"bpm":72}"#,
        ] {
            assert!(report(payload.as_bytes()).is_some(), "{payload}");
        }
    }

    /// Parts of reports, good and bad, in any order and number.
    fn payload() -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec!["type", "id", "t", "lat", "lon", "acc", "bpm", "datum", "x", "a\\u0063c"]);
        let number = "-?(0|[0-9]{1,3}|[0-9]{7,17})(\\.[0-9]{1,9})?(e2)?";
        let value = prop_oneof![
            number,
            "\"[ -~]{0,9}\"",
            prop::sample::select(vec![
                "\"location\"",
                "\"heart_rate\"",
                "\"sos\"",
                "null",
                "NaN",
                "{}",
                "[1]",
                "\"银铃\"",
                "\"2026-11-22T08:00:00+08:00\"",
                "72",
                "31.8206",
                "0",
                "-0.0",
                "\"\""
            ])
            .prop_map(str::to_owned),
        ];
        let good = prop::sample::select(vec![
            "\"type\":\"location\"",
            "\"type\":\"heart_rate\"",
            "\"lat\":31.8206",
            "\"lon\":117.2272",
            "\"bpm\":72",
            "\"acc\":8",
            "\"t\":1763769600000",
            "\"id\":\"7-1\"",
        ])
        .prop_map(str::to_owned);
        let member = prop_oneof![8 => good, 1 => (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"))];
        let comma = prop_oneof![30 => Just(","), 1 => Just(", "), 1 => Just(",,"), 1 => Just("")];
        let end = prop_oneof![9 => Just("}"), 1 => Just("} "), 1 => Just(""), 1 => Just("}}"), 1 => Just("}\0")];
        (prop::collection::vec((member, comma), 0..8), end).prop_map(|(members, end)| {
            let mut text = String::from("{");
            for (at, (member, comma)) in members.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { comma });
                text.push_str(member);
            }
            text + end
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_is_read_here_reads_the_same_everywhere(payload in payload()) {
            if let Some(read) = report(payload.as_bytes()) {
                prop_assert_eq!(decode_any(payload.as_bytes(), &Limits::default()), one(Ok(read)));
            }
        }

        #[test]
        fn whatever_one_byte_says_instead(at in 0..LOCATION.len(), byte in any::<u8>()) {
            let mut payload = LOCATION.as_bytes().to_vec();
            payload[at] = byte;
            if let Some(read) = report(&payload) {
                prop_assert_eq!(decode_any(&payload, &Limits::default()), one(Ok(read)));
            }
        }
    }
}
