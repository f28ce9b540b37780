//! A reader of flat JSON objects that allocates nothing: it notes where the known members lie and skips the rest.
//!
//! It is stricter than it needs to be about what it uses, and milder about what it skips: of a nested value only
//! the brackets and strings are looked at.

use model::RejectReason;

use crate::fault::Fault;

/// What a value looks like, before anybody needs to know what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Shape {
    #[default]
    Absent,
    Null,
    True,
    False,
    Number,
    /// A string without escapes.
    Text,
    /// A string with escapes.
    EscapedText,
    Object,
    Array,
    /// A bare word that JSON does not have: `NaN`, `inf`, `.5`, `None`.
    NoValue,
}

impl Shape {
    /// As it is called in a detail.
    pub(super) fn name(self) -> &'static str {
        match self {
            Shape::Absent => "missing",
            Shape::Null => "null",
            Shape::True | Shape::False => "a boolean",
            Shape::Number => "a number",
            Shape::Text | Shape::EscapedText => "a string",
            Shape::Object => "an object",
            Shape::Array => "an array",
            Shape::NoValue => "no JSON value",
        }
    }
}

/// A value: its shape and where it lies. Of a string, without its quotes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Raw {
    pub(super) shape: Shape,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The members that we know, in any type of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Type,
    Id,
    Time,
    Lat,
    Lon,
    Accuracy,
    Datum,
    Bpm,
    Systolic,
    Diastolic,
    Pulse,
    Flags,
    Confidence,
    Percent,
    Celsius,
    Count,
    On,
    Value,
}

/// How many members there are.
const MEMBERS: usize = Member::Value as usize + 1;

impl Member {
    /// The name in the wire format.
    pub(super) fn name(self) -> &'static str {
        match self {
            Member::Type => "type",
            Member::Id => "id",
            Member::Time => "t",
            Member::Lat => "lat",
            Member::Lon => "lon",
            Member::Accuracy => "acc",
            Member::Datum => "datum",
            Member::Bpm => "bpm",
            Member::Systolic => "sys",
            Member::Diastolic => "dia",
            Member::Pulse => "pulse",
            Member::Flags => "flags",
            Member::Confidence => "confidence",
            Member::Percent => "pct",
            Member::Celsius => "celsius",
            Member::Count => "count",
            Member::On => "on",
            Member::Value => "value",
        }
    }

    fn named(name: &[u8]) -> Option<Member> {
        Some(match name {
            b"type" => Member::Type,
            b"id" => Member::Id,
            b"t" => Member::Time,
            b"lat" => Member::Lat,
            b"lon" => Member::Lon,
            b"acc" => Member::Accuracy,
            b"datum" => Member::Datum,
            b"bpm" => Member::Bpm,
            b"sys" => Member::Systolic,
            b"dia" => Member::Diastolic,
            b"pulse" => Member::Pulse,
            b"flags" => Member::Flags,
            b"confidence" => Member::Confidence,
            b"pct" => Member::Percent,
            b"celsius" => Member::Celsius,
            b"count" => Member::Count,
            b"on" => Member::On,
            b"value" => Member::Value,
            _ => return None,
        })
    }
}

/// Where the known members of one object lie, and the values of those that are numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Members {
    raws: [Raw; MEMBERS],
    numbers: [f64; MEMBERS],
}

impl Members {
    pub(super) fn get(&self, member: Member) -> Raw {
        self.raws[member as usize]
    }

    /// Of a member whose shape is a number; infinite for one that is too large.
    pub(super) fn number(&self, member: Member) -> f64 {
        self.numbers[member as usize]
    }
}

/// A place in the text, and how deep it may nest below it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    pub(super) at: usize,
    nesting_max: usize,
    /// The first bare word that JSON does not have; it spoils its object, but not the reading of what follows.
    pub(super) no_value_at: Option<u32>,
}

impl<'a> Scanner<'a> {
    /// A scanner of a text of less than 4 GiB.
    pub(super) fn new(text: &'a str, at: usize, nesting_max: usize) -> Scanner<'a> {
        Scanner { text, at, nesting_max, no_value_at: None }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// White space, and the zeros that firmware in C sends along with its strings.
    pub(super) fn skip_end(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r' | 0)) {
            self.at += 1;
        }
    }

    /// Reads the object that begins here, inside `nesting` others. Members are noted once the comma or bracket
    /// behind them was seen: what the end of the payload cuts in two is not taken for whole.
    pub(super) fn object(&mut self, nesting: usize, members: &mut Members) -> Result<(), Fault> {
        self.expect(b'{', "`{`")?;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.skip_space();
            let member = self.key()?;
            self.skip_space();
            self.expect(b':', "`:`")?;
            self.skip_space();
            let (raw, number) = self.value(nesting + 1)?;
            self.skip_space();
            let next = self.peek();
            if !matches!(next, Some(b',' | b'}')) {
                return Err(self.unexpected("`,` or `}`"));
            }
            self.at += 1;
            if let Some(member) = member {
                members.raws[member as usize] = raw;
                members.numbers[member as usize] = number;
            }
            if next == Some(b'}') {
                return Ok(());
            }
        }
    }

    #[inline]
    fn key(&mut self) -> Result<Option<Member>, Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a member's name in double quotes"));
        }
        let key = self.string()?;
        let (start, end) = (key.start as usize, key.end as usize);
        if key.shape == Shape::Text {
            return Ok(Member::named(&self.text.as_bytes()[start..end]));
        }
        Ok(unescaped(&self.text[start..end]).and_then(|name| Member::named(name.as_bytes())))
    }

    /// Any value, inside `nesting` brackets, and what it comes to if it is a number.
    #[inline]
    pub(super) fn value(&mut self, nesting: usize) -> Result<(Raw, f64), Fault> {
        match self.peek() {
            Some(b'"') => Ok((self.string()?, 0.0)),
            Some(b'0'..=b'9' | b'-') => Ok(self.number()),
            Some(b'{') => Ok((self.nested(Shape::Object, nesting)?, 0.0)),
            Some(b'[') => Ok((self.nested(Shape::Array, nesting)?, 0.0)),
            Some(byte) if is_word(byte) => Ok((self.word(), 0.0)),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn string(&mut self) -> Result<Raw, Fault> {
        let start = self.at + 1;
        let (mut at, mut shape) = (start, Shape::Text);
        loop {
            at = self.special(at);
            match self.text.as_bytes().get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    shape = Shape::EscapedText;
                    at += 2;
                }
                Some(_) => {
                    self.at = at;
                    return Err(self.unexpected("a string without raw control characters"));
                }
                None => {
                    self.at = self.text.len();
                    return Err(self.unexpected("the end of a string"));
                }
            }
        }
        self.at = at + 1;
        Ok(Raw { shape, start: start as u32, end: at as u32 })
    }

    /// The next quote, backslash or control character from here on, or the end. Eight bytes are looked at at a time:
    /// subtracting from a byte that is smaller borrows into its upper bit, and the lowest such bit is never wrong.
    #[inline]
    fn special(&self, from: usize) -> usize {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const UPPER_BITS: u64 = 0x8080_8080_8080_8080;
        let bytes = self.text.as_bytes().get(from..).unwrap_or_default();
        let (words, rest) = bytes.as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            let below = |value: u64, limit: u8| value.wrapping_sub(ONES * u64::from(limit)) & !value & UPPER_BITS;
            let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
            let found = is(b'"') | is(b'\\') | below(word, 0x20);
            if found != 0 {
                return from + index * 8 + found.trailing_zeros() as usize / 8;
            }
        }
        let before = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count();
        self.text.len() - rest.len() + before
    }

    /// A number in the grammar of RFC 8259 (no leading plus or zeros, digits on both sides of the point), or a bare
    /// word that only begins like one.
    fn number(&mut self) -> (Raw, f64) {
        let Some((length, value)) = number(&self.text.as_bytes()[self.at..]) else {
            return (self.word(), 0.0);
        };
        let (start, end) = (self.at, self.at + length);
        self.at = end;
        let value = value.unwrap_or_else(|| self.text[start..end].parse().unwrap_or(f64::INFINITY));
        (Raw { shape: Shape::Number, start: start as u32, end: end as u32 }, value)
    }

    /// An object or array that is skipped, with a counter instead of a recursion.
    fn nested(&mut self, shape: Shape, nesting: usize) -> Result<Raw, Fault> {
        let start = self.at;
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(b'{' | b'[') => {
                    depth += 1;
                    if nesting + depth > self.nesting_max {
                        return Err(self.too_deep());
                    }
                    self.at += 1;
                }
                Some(b'}' | b']') => {
                    depth -= 1;
                    self.at += 1;
                    if depth == 0 {
                        return Ok(Raw { shape, start: start as u32, end: self.at as u32 });
                    }
                }
                Some(b'"') => {
                    self.string()?;
                }
                Some(_) => self.at += 1,
                None => return Err(self.unexpected("the end of a nested value")),
            }
        }
    }

    fn word(&mut self) -> Raw {
        let start = self.at;
        while self.peek().is_some_and(is_word) {
            self.at += 1;
        }
        let shape = match &self.text.as_bytes()[start..self.at] {
            b"null" => Shape::Null,
            b"true" => Shape::True,
            b"false" => Shape::False,
            _ => Shape::NoValue,
        };
        if shape == Shape::NoValue && self.no_value_at.is_none() {
            self.no_value_at = Some(start as u32);
        }
        Raw { shape, start: start as u32, end: self.at as u32 }
    }

    /// Goes behind the bracket that closes the one that opens here, whatever stands between them. `false` if there
    /// is none.
    pub(super) fn skip_broken(&mut self) -> bool {
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'"' => {
                    if self.string().is_err() {
                        return false;
                    }
                    continue;
                }
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return true;
            }
        }
        false
    }

    fn expect(&mut self, byte: u8, name: &str) -> Result<(), Fault> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.unexpected(name))
        }
    }

    /// Something else stands here, or nothing.
    pub(super) fn unexpected(&self, expected: &str) -> Fault {
        let at = self.at.min(self.text.len());
        let detail = if at == self.text.len() {
            format!(
                "byte {at}: the payload ends where {expected} should stand; send the whole JSON text in one message"
            )
        } else {
            format!("byte {at}: {expected} should stand here; send JSON as in RFC 8259")
        };
        Fault::new(RejectReason::Malformed, detail)
    }

    fn too_deep(&self) -> Fault {
        let (at, max) = (self.at, self.nesting_max);
        Fault::new(
            RejectReason::TooDeep,
            format!("byte {at}: nested deeper than {max} levels; a report is a flat object"),
        )
    }
}

/// The bytes of numbers and of bare words.
#[inline]
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'_')
}

/// How long the number is that the bytes begin with, and its value, if it has so few digits that mantissa and power of
/// ten are both exact doubles and one division rounds once (Clinger 1990); what has more is left to the library.
/// `None` if it breaks the grammar, or goes on as a word.
fn number(bytes: &[u8]) -> Option<(usize, Option<f64>)> {
    const EXACT_DIGITS_MAX: usize = 15;
    const POWERS: [f64; EXACT_DIGITS_MAX + 1] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let mut mantissa = 0u64;
    let mut digits = |mut at: usize| {
        while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        at
    };
    let whole = usize::from(bytes.first() == Some(&b'-'));
    let mut at = digits(whole);
    let whole_digits = at - whole;
    if whole_digits == 0 || (whole_digits > 1 && bytes[whole] == b'0') {
        return None;
    }
    let mut decimals = 0;
    if bytes.get(at) == Some(&b'.') {
        let end = digits(at + 1);
        decimals = end - at - 1;
        if decimals == 0 {
            return None;
        }
        at = end;
    }
    let is_exact = whole_digits + decimals <= EXACT_DIGITS_MAX;
    match bytes.get(at) {
        Some(b'e' | b'E') => exponent(bytes, at).map(|end| (end, None)),
        Some(byte) if is_word(*byte) => None,
        _ if !is_exact => Some((at, None)),
        _ => {
            let value = mantissa as f64 / POWERS[decimals];
            Some((at, Some(if whole == 1 { -value } else { value })))
        }
    }
}

/// Where the exponent ends whose `e` stands here.
fn exponent(bytes: &[u8], at: usize) -> Option<usize> {
    let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
    let start = at + 1 + sign;
    let length = bytes.get(start..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = start + length;
    (length > 0 && !bytes.get(end).is_some_and(|byte| is_word(*byte))).then_some(end)
}

/// The text of a string with escapes, given without its quotes.
pub(super) fn unescaped(text: &str) -> Option<String> {
    serde_json::from_str(&format!("\"{text}\"")).ok()
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
        fn numbers_are_those_of_the_library(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?") {
            let (raw, value) = Scanner::new(&text, 0, 1).number();
            prop_assert_eq!((raw.shape, raw.end as usize), (Shape::Number, text.len()));
            prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits());
        }

        #[test]
        fn the_special_byte_is_the_first(text in "[ -~银\u{0}\u{1f}\u{7f}\u{80}]{0,40}", from in 0..42usize) {
            let first = text.bytes().skip(from).position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let expected = first.map_or(text.len(), |at| from + at);
            prop_assert_eq!(Scanner::new(&text, 0, 1).special(from), expected);
        }
    }
}
