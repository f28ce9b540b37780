//! PNG (ISO/IEC 15948), chunk by chunk.

use super::Reader;

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// What belongs to the picture.
const KEPT: [&[u8; 4]; 12] =
    [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"bKGD", b"pHYs"];

/// The picture alone; `None` when it is none, or breaks off.
pub(super) fn clean(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(bytes, SIGNATURE.len());
    let mut kept = SIGNATURE.to_vec();
    let mut has_data = false;
    loop {
        let begin = reader.at;
        let length = u32::from_be_bytes(reader.take(4)?.try_into().ok()?) as usize;
        let kind: &[u8; 4] = reader.take(4)?.try_into().ok()?;
        reader.take(length)?;
        reader.take(4)?; // its check sum, which stays as it is
        if (kind == b"IHDR") != (begin == SIGNATURE.len()) {
            return None;
        }
        if KEPT.contains(&kind) {
            kept.extend_from_slice(bytes.get(begin..reader.at)?);
        }
        has_data |= kind == b"IDAT";
        if kind == b"IEND" {
            return has_data.then_some(kept);
        }
    }
}
