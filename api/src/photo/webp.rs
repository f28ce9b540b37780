//! WebP (RFC 9649), chunk by chunk. One that moves is no photo.

use super::Reader;

/// What belongs to the picture.
const KEPT: [&[u8; 4]; 5] = [b"VP8X", b"ICCP", b"ALPH", b"VP8 ", b"VP8L"];
/// The flags of `VP8X` for a profile and for transparency; those for Exif, XMP and animation go.
const FLAGS_KEPT: u8 = 0b0011_0000;

/// The picture alone; `None` when it is none, or breaks off.
pub(super) fn clean(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?) as usize;
    let whole = bytes.get(..length.checked_add(8)?)?;
    let mut reader = Reader::new(whole, 12);
    let mut kept = bytes.get(..12)?.to_vec();
    let mut has_picture = false;
    while !reader.is_at_end() {
        let begin = reader.at;
        let kind: &[u8; 4] = reader.take(4)?.try_into().ok()?;
        let length = u32::from_le_bytes(reader.take(4)?.try_into().ok()?) as usize;
        reader.take(length.checked_add(length % 2)?)?;
        if !KEPT.contains(&kind) {
            continue;
        }
        let at = kept.len() + 8;
        kept.extend_from_slice(whole.get(begin..reader.at)?);
        if kind == b"VP8X" {
            *kept.get_mut(at)? &= FLAGS_KEPT;
        }
        has_picture |= matches!(kind, b"VP8 " | b"VP8L");
    }
    let length = u32::try_from(kept.len() - 8).ok()?;
    kept.get_mut(4..8)?.copy_from_slice(&length.to_le_bytes());
    has_picture.then_some(kept)
}
