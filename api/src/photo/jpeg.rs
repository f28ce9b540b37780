//! JPEG (ITU T.81), segment by segment.

use super::Reader;

const SOI: [u8; 2] = [0xff, 0xd8];
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const EXIF: &[u8] = b"Exif\0\0";
/// The tag of the orientation (Exif 2.3, 4.6.4).
const ORIENTATION: u16 = 0x0112;

/// The picture alone; `None` when it is none, or breaks off.
pub(super) fn clean(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(bytes, SOI.len());
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend_from_slice(&SOI);
    let (mut orientation, mut written, mut has_frame, mut has_scan) = (None, false, false, false);
    loop {
        let marker = marker(&mut reader)?;
        if marker == EOI {
            kept.extend_from_slice(&[0xff, EOI]);
            return (has_frame && has_scan).then_some(kept);
        }
        if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd8) {
            return None;
        }
        let length = usize::from(u16::from_be_bytes(reader.take(2)?.try_into().ok()?));
        let content = reader.take(length.checked_sub(2)?)?;
        if marker == 0xe1 && orientation.is_none() {
            orientation = content.strip_prefix(EXIF).and_then(orientation_of);
        }
        if !stays(marker, content) {
            continue;
        }
        // Which way up comes behind JFIF, which must be first.
        if marker != 0xe0 && !written {
            written = true;
            kept.extend(orientation.into_iter().flat_map(exif_of));
        }
        kept.extend_from_slice(&[0xff, marker]);
        kept.extend_from_slice(&(length as u16).to_be_bytes());
        kept.extend_from_slice(content);
        has_frame |= matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        if marker == SOS {
            has_scan = true;
            kept.extend_from_slice(scan(&mut reader)?);
        }
    }
}

/// The next marker, fill bytes before it passed over.
fn marker(reader: &mut Reader<'_>) -> Option<u8> {
    if reader.byte()? != 0xff {
        return None;
    }
    loop {
        let marker = reader.byte()?;
        if marker != 0xff {
            return Some(marker);
        }
    }
}

/// JFIF, the colour profile and Adobe's colour transform belong to the picture; every other application's segment
/// and the comments do not.
fn stays(marker: u8, content: &[u8]) -> bool {
    match marker {
        0xe0 => content.starts_with(b"JFIF\0"),
        0xe2 => content.starts_with(b"ICC_PROFILE\0"),
        0xee => content.starts_with(b"Adobe"),
        0xe1..=0xef | 0xfe => false,
        _ => true,
    }
}

/// The coded data up to the next marker that is none of its own.
fn scan<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let begin = reader.at;
    loop {
        let at = reader.at;
        let two = reader.bytes.get(at..at + 2)?;
        if two[0] == 0xff && !matches!(two[1], 0x00 | 0xd0..=0xd7 | 0xff) {
            return reader.bytes.get(begin..at);
        }
        reader.at += 1;
    }
}

/// The orientation, 2–8, in the first directory of a TIFF header; `None` also for 1, which is upright.
fn orientation_of(tiff: &[u8]) -> Option<u8> {
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let two = |at: usize| -> Option<u16> {
        let bytes: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let offset: [u8; 4] = tiff.get(4..8)?.try_into().ok()?;
    let offset = if little { u32::from_le_bytes(offset) } else { u32::from_be_bytes(offset) } as usize;
    let entries = two(offset)?;
    for entry in 0..usize::from(entries) {
        let at = offset.checked_add(2 + entry * 12)?;
        if two(at)? == ORIENTATION {
            return u8::try_from(two(at + 8)?).ok().filter(|orientation| (2..=8).contains(orientation));
        }
    }
    None
}

/// Exif that says nothing but which way up.
fn exif_of(orientation: u8) -> Vec<u8> {
    let mut segment = vec![0xff, 0xe1, 0, 34];
    segment.extend_from_slice(EXIF);
    segment.extend_from_slice(b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0");
    segment.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0, 0]);
    segment
}
