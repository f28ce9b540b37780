//! The feed's cursor: opaque to consumers, `base64url(epoch, seq)` to us.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Everything up to and including `seq` has been seen, in the feed of `epoch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Changes on restore.
    pub epoch: u32,
    /// The last event seen, or passed over; 0 before the first.
    pub seq: u64,
}

impl Cursor {
    /// Reads what [`Display`](fmt::Display) wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Cursor> {
        let bytes: [u8; 12] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (epoch, seq) = bytes.split_at(4);
        Some(Cursor {
            epoch: u32::from_be_bytes(epoch.try_into().ok()?),
            seq: u64::from_be_bytes(seq.try_into().ok()?),
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[4..].copy_from_slice(&self.seq.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_and_refuses_the_rest() {
        for cursor in
            [Cursor { epoch: 0, seq: 0 }, Cursor { epoch: u32::MAX, seq: u64::MAX }, Cursor { epoch: 1, seq: 42 }]
        {
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        assert_eq!(Cursor { epoch: 1, seq: 42 }.to_string(), "AAAAAQAAAAAAAAAq");
        for text in
            ["", "0", "latest", "AAAAAQAAAAAAAAA", "AAAAAQAAAAAAAAAqAA", "AAAAAQAAAAAAAA+/", "ÄÄÄÄ", "AAAA AQAAAAAAAAq"]
        {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
