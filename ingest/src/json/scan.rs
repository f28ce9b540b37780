//! A reader of flat JSON objects that allocates nothing: it notes where the known members lie and skips the rest.
//!
//! It is strict about what it uses, and mild about what it skips: of a nested value only the brackets and strings are
//! looked at.

use model::RejectReason;

use super::members::{Member, Members, Raw, Shape};
use super::number::{is_word, number};
use super::swar;
use crate::fault::Fault;

/// Where the scanner had to stop, and why; [`Scanner::fault`] puts it into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Snag {
    pub(super) at: u32,
    pub(super) why: Why,
}

/// Why the scanner had to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    NoOutermostBracket,
    NoBrace,
    NoName,
    NoColon,
    NoValue,
    NoCommaOrBrace,
    NoCommaOrBracket,
    ControlCharacter,
    EndInString,
    EndInNested,
    TooDeep,
    Twice,
}

impl Why {
    /// What should stand there instead.
    fn expected(self) -> &'static str {
        match self {
            Why::NoOutermostBracket => "`{` or `[`",
            Why::NoBrace => "`{`",
            Why::NoName => "a member's name in double quotes",
            Why::NoColon => "`:`",
            Why::NoValue => "a value",
            Why::NoCommaOrBrace => "`,` or `}`",
            Why::NoCommaOrBracket => "`,` or `]`",
            Why::ControlCharacter => "a string without raw control characters",
            Why::EndInString => "the end of a string",
            Why::EndInNested => "the end of a nested value",
            Why::TooDeep => "something flat",
            Why::Twice => "a member that did not stand there before",
        }
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
        self.at = behind_space(self.text.as_bytes(), self.at);
    }

    /// White space, and the zeros that firmware in C sends along with its strings.
    pub(super) fn skip_end(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r' | 0)) {
            self.at += 1;
        }
    }

    /// Reads the object that begins here, inside `nesting` others, and goes behind it. Members are noted once the
    /// comma or bracket behind them was seen: what the end of the payload cuts in two is not taken for whole.
    pub(super) fn object(&mut self, nesting: usize, members: &mut Members) -> Result<(), Snag> {
        let bytes = self.text.as_bytes();
        let mut at = behind_space(bytes, behind(bytes, self.at, b'{', Why::NoBrace)?);
        if bytes.get(at) == Some(&b'}') {
            self.at = at + 1;
            return Ok(());
        }
        loop {
            let member;
            (member, at) = match usual_name(bytes, at) {
                Some((member, at)) => (Some(member), at),
                None => self.name_at(at)?,
            };
            at = behind_space(bytes, at);
            let (raw, number, end) = self.value_at(at, nesting + 1)?;
            at = behind_space(bytes, end);
            let next = bytes.get(at);
            if !matches!(next, Some(b',' | b'}')) {
                return Err(snag(at, Why::NoCommaOrBrace));
            }
            at += 1;
            if let Some(member) = member {
                if members.get(member).shape != Shape::Absent {
                    if member == Member::Type {
                        // Nobody can tell which of the two is meant: an alarm among them is found by the last resort.
                        members.set(Member::Type, Raw::default(), 0.0);
                    }
                    return Err(snag(raw.start as usize, Why::Twice));
                }
                members.set(member, raw, number);
            }
            if next == Some(&b'}') {
                self.at = at;
                return Ok(());
            }
            at = behind_space(bytes, at);
        }
    }

    /// The name that begins there, if it is one that we know, and the first byte behind its colon.
    fn name_at(&self, at: usize) -> Result<(Option<Member>, usize), Snag> {
        let bytes = self.text.as_bytes();
        if bytes.get(at) != Some(&b'"') {
            return Err(snag(at, Why::NoName));
        }
        let key = string(bytes, at)?;
        let colon = behind_space(bytes, key.end as usize + 1);
        Ok((self.member(key), behind(bytes, colon, b':', Why::NoColon)?))
    }

    fn member(&self, key: Raw) -> Option<Member> {
        let name = key.start as usize..key.end as usize;
        match key.shape {
            Shape::Text => Member::named(&self.text.as_bytes()[name]),
            _ => unescaped(&self.text[name]).and_then(|name| Member::named(name.as_bytes())),
        }
    }

    /// Goes behind the value that begins here, inside `nesting` brackets.
    pub(super) fn value(&mut self, nesting: usize) -> Result<Raw, Snag> {
        let (raw, _, end) = self.value_at(self.at, nesting)?;
        self.at = end;
        Ok(raw)
    }

    /// The value that begins there, what it comes to if it is a number, and the first byte behind it. Inlined by force:
    /// this is the hottest place of the decoder, and the three would be handed over in memory.
    #[inline(always)]
    fn value_at(&mut self, at: usize, nesting: usize) -> Result<(Raw, f64, usize), Snag> {
        let bytes = self.text.as_bytes();
        match bytes.get(at) {
            Some(b'"') => string(bytes, at).map(|raw| (raw, 0.0, raw.end as usize + 1)),
            Some(b'0'..=b'9' | b'-') => Ok(self.number_at(at)),
            Some(b'{') => self.nested(Shape::Object, at, nesting),
            Some(b'[') => self.nested(Shape::Array, at, nesting),
            Some(byte) if is_word(*byte) => Ok(self.word(at)),
            _ => Err(snag(at, Why::NoValue)),
        }
    }

    /// A number, or a bare word that only begins like one.
    #[inline(always)]
    fn number_at(&mut self, start: usize) -> (Raw, f64, usize) {
        let Some((length, value)) = number(&self.text.as_bytes()[start..]) else {
            return self.word(start);
        };
        let end = start + length;
        let value = value.unwrap_or_else(|| self.text[start..end].parse().unwrap_or(f64::INFINITY));
        (Raw { shape: Shape::Number, start: start as u32, end: end as u32 }, value, end)
    }

    /// An object or array that is skipped, with a counter instead of a recursion.
    fn nested(&self, shape: Shape, start: usize, nesting: usize) -> Result<(Raw, f64, usize), Snag> {
        let bytes = self.text.as_bytes();
        let (mut at, mut depth) = (start, 0);
        loop {
            match bytes.get(at) {
                Some(b'{' | b'[') => {
                    depth += 1;
                    if nesting + depth > self.nesting_max {
                        return Err(snag(at, Why::TooDeep));
                    }
                }
                Some(b'}' | b']') => {
                    depth -= 1;
                    if depth == 0 {
                        let end = at + 1;
                        return Ok((Raw { shape, start: start as u32, end: end as u32 }, 0.0, end));
                    }
                }
                Some(b'"') => at = string(bytes, at)?.end as usize,
                Some(_) => {}
                None => return Err(snag(at, Why::EndInNested)),
            }
            at += 1;
        }
    }

    fn word(&mut self, start: usize) -> (Raw, f64, usize) {
        let rest = &self.text.as_bytes()[start..];
        let length = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
        let shape = match &rest[..length] {
            b"null" => Shape::Null,
            b"true" => Shape::True,
            b"false" => Shape::False,
            _ => Shape::NoValue,
        };
        if shape == Shape::NoValue && self.no_value_at.is_none() {
            self.no_value_at = Some(start as u32);
        }
        let end = start + length;
        (Raw { shape, start: start as u32, end: end as u32 }, 0.0, end)
    }

    /// Goes behind the bracket that closes the one that opens here, whatever stands between them. `false` if there
    /// is none.
    pub(super) fn skip_broken(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        let (mut at, mut depth) = (self.at, 0usize);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'"' => match string(bytes, at) {
                    Ok(raw) => at = raw.end as usize,
                    Err(_) => return false,
                },
                _ => {}
            }
            at += 1;
            if depth == 0 {
                self.at = at;
                return true;
            }
        }
        false
    }

    /// Something else should stand where the scanner is.
    pub(super) fn unexpected(&self, why: Why) -> Fault {
        self.fault(snag(self.at, why))
    }

    /// What is wrong there, in words.
    pub(super) fn fault(&self, Snag { at, why }: Snag) -> Fault {
        let (max, expected) = (self.nesting_max, why.expected());
        if why == Why::TooDeep {
            let detail = format!("byte {at}: nested deeper than {max} levels; a report is a flat object");
            return Fault::new(RejectReason::TooDeep, detail);
        }
        if why == Why::Twice {
            let detail = format!("byte {at}: this member stands there a second time; send each once");
            return Fault::new(RejectReason::Malformed, detail);
        }
        let detail = if at as usize == self.text.len() {
            format!(
                "byte {at}: the payload ends where {expected} should stand; send the whole JSON text in one message"
            )
        } else {
            format!("byte {at}: {expected} should stand here; send JSON as in RFC 8259")
        };
        Fault::new(RejectReason::Malformed, detail)
    }
}

fn snag(at: usize, why: Why) -> Snag {
    Snag { at: at as u32, why }
}

#[inline]
fn behind_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Behind the byte that must stand there.
#[inline]
fn behind(bytes: &[u8], at: usize, byte: u8, otherwise: Why) -> Result<usize, Snag> {
    if bytes.get(at) == Some(&byte) { Ok(at + 1) } else { Err(snag(at, otherwise)) }
}

/// A short name that we know, in quotes and with its colon right behind it, as nearly every device writes it; and the
/// first byte behind the colon. `None` says nothing.
#[inline(always)]
fn usual_name(bytes: &[u8], at: usize) -> Option<(Member, usize)> {
    let quoted: &[u8; swar::BYTES + 2] = bytes.get(at..)?.first_chunk()?;
    let [b'"', word @ .., _] = quoted else { return None };
    let (length, name) = swar::before_quote(u64::from_le_bytes(*word))?;
    if quoted[length + 2] != b':' {
        return None;
    }
    Some((Member::of_word(name)?, at + length + 3))
}

/// The string whose opening quote stands there, without its quotes.
#[inline]
fn string(bytes: &[u8], quote: usize) -> Result<Raw, Snag> {
    let start = quote + 1;
    let (mut at, mut shape) = (start, Shape::Text);
    loop {
        while let Some((chunk, _)) = bytes.get(at..).and_then(<[u8]>::split_first_chunk) {
            let run = swar::run_of_text(u64::from_le_bytes(*chunk));
            at += run;
            if run < swar::BYTES {
                break;
            }
        }
        let Some(byte) = bytes.get(at) else {
            return Err(snag(bytes.len(), Why::EndInString));
        };
        if !ENDS_RUN[usize::from(*byte)] {
            at += 1;
        } else if *byte == b'"' {
            return Ok(Raw { shape, start: start as u32, end: at as u32 });
        } else if *byte == b'\\' {
            shape = Shape::EscapedText;
            at += 2;
        } else {
            return Err(snag(at, Why::ControlCharacter));
        }
    }
}

/// The bytes within a string that are not just another character of it: quote, backslash, control characters.
const ENDS_RUN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

/// The text of a string with escapes, given without its quotes.
pub(super) fn unescaped(text: &str) -> Option<String> {
    serde_json::from_str(&format!("\"{text}\"")).ok()
}
