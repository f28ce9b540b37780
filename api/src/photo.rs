//! Photos as they come from phones: told by their first bytes, and cleaned of everything that says where, when and by
//! whom they were taken. What is kept is the picture, its colour profile, and which way up it is.

mod jpeg;
mod png;
mod webp;

use model::case::PhotoType;

/// The largest photo that is taken, in bytes.
pub(crate) const PHOTO_BYTES_MAX: usize = 8 << 20;

/// Why bytes are no photo that can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Neither JPEG nor PNG nor WebP.
    Unknown,
    /// It begins as one, and then is none, or breaks off.
    Broken(PhotoType),
}

/// A photo without what does not belong to the picture.
pub(crate) fn clean(bytes: &[u8]) -> Result<(PhotoType, Vec<u8>), Unfit> {
    let (media, cleaned) = if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        (PhotoType::Jpeg, jpeg::clean(bytes))
    } else if bytes.starts_with(png::SIGNATURE) {
        (PhotoType::Png, png::clean(bytes))
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        (PhotoType::Webp, webp::clean(bytes))
    } else {
        return Err(Unfit::Unknown);
    };
    cleaned.map(|cleaned| (media, cleaned)).ok_or(Unfit::Broken(media))
}

/// Reads forward through bytes; nothing past their end.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Reader<'a> {
        Reader { bytes, at }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Small photos with everything in them that must go.

    /// What must not be left anywhere.
    pub(crate) const SECRET: &[u8] = b"31.8206N 117.2272E";

    fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
        let length = (content.len() + 2) as u16;
        [&[0xff, marker], length.to_be_bytes().as_slice(), content].concat()
    }

    /// Exif with an orientation (rotate 90°) and, behind it, a place.
    pub(crate) fn exif() -> Vec<u8> {
        let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
        tiff.extend_from_slice(SECRET);
        [b"Exif\0\0".as_slice(), &tiff].concat()
    }

    /// A JPEG with Exif, XMP, a comment, a colour profile, restart markers, two scans, and a second picture behind it.
    pub(crate) fn jpeg() -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8];
        bytes.extend(segment(0xe0, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0"));
        bytes.extend(segment(0xe1, &exif()));
        bytes.extend(segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0".as_slice(), SECRET].concat()));
        bytes.extend(segment(0xe2, b"ICC_PROFILE\0\x01\x01profile"));
        bytes.extend(segment(0xe2, &[b"MPF\0".as_slice(), SECRET].concat()));
        bytes.extend(segment(0xed, SECRET));
        bytes.extend(segment(0xfe, SECRET));
        bytes.extend(segment(0xc2, &[8, 0, 16, 0, 16, 1, 1, 0x11, 0]));
        for _ in 0..2 {
            bytes.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
            bytes.extend([0x12, 0xff, 0x00, 0x34, 0xff, 0xd0, 0x56]);
        }
        bytes.extend([0xff, 0xd9]);
        bytes.extend([0xff, 0xd8]);
        bytes.extend(segment(0xe1, &exif()));
        bytes
    }

    fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [(content.len() as u32).to_be_bytes().as_slice(), kind, content, &[0; 4]].concat()
    }

    pub(crate) fn png() -> Vec<u8> {
        let mut bytes = super::png::SIGNATURE.to_vec();
        bytes.extend(chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0]));
        bytes.extend(chunk(b"eXIf", &exif()));
        bytes.extend(chunk(b"tEXt", SECRET));
        bytes.extend(chunk(b"gAMA", &[0, 0, 177, 143]));
        bytes.extend(chunk(b"IDAT", &[1, 2, 3]));
        bytes.extend(chunk(b"IEND", &[]));
        bytes.extend(SECRET);
        bytes
    }

    fn riff(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let padding = vec![0; content.len() % 2];
        [kind.as_slice(), &(content.len() as u32).to_le_bytes(), content, &padding].concat()
    }

    pub(crate) fn webp() -> Vec<u8> {
        let mut body = b"WEBP".to_vec();
        body.extend(riff(b"VP8X", &[0b0010_1100, 0, 0, 0, 15, 0, 0, 15, 0, 0]));
        body.extend(riff(b"ICCP", b"profile"));
        body.extend(riff(b"VP8 ", &[1, 2, 3]));
        body.extend(riff(b"EXIF", &exif()));
        body.extend(riff(b"XMP ", SECRET));
        [b"RIFF".as_slice(), &(body.len() as u32).to_le_bytes(), &body].concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn the_place_goes_and_the_picture_stays() {
        for (media, dirty) in
            [(PhotoType::Jpeg, samples::jpeg()), (PhotoType::Png, samples::png()), (PhotoType::Webp, samples::webp())]
        {
            assert!(holds(&dirty, samples::SECRET));
            let (found, cleaned) = clean(&dirty).unwrap();
            assert_eq!(found, media);
            assert!(!holds(&cleaned, samples::SECRET), "{media:?} still says where");
            assert_eq!(clean(&cleaned), Ok((media, cleaned.clone())), "{media:?}: clean is clean");
        }
        let (_, jpeg) = clean(&samples::jpeg()).unwrap();
        assert!(holds(&jpeg, b"ICC_PROFILE\0") && holds(&jpeg, &[0x12, 0xff, 0x00, 0x34, 0xff, 0xd0, 0x56]));
        assert!(holds(&jpeg, b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"), "which way up stays");
        assert_eq!(&jpeg[jpeg.len() - 2..], [0xff, 0xd9], "nothing is left behind the picture");
        let (_, webp) = clean(&samples::webp()).unwrap();
        assert_eq!(webp[20], 0b0010_0000, "the flags say what is there");
        assert_eq!(u32::from_le_bytes([webp[4], webp[5], webp[6], webp[7]]) as usize, webp.len() - 8);
    }

    #[test]
    fn what_is_no_photo_is_refused() {
        assert_eq!(clean(b""), Err(Unfit::Unknown));
        assert_eq!(clean(b"GIF89a"), Err(Unfit::Unknown));
        assert_eq!(clean(b"<svg onload=alert(1)>"), Err(Unfit::Unknown));
        assert_eq!(clean(&[0xff, 0xd8, 0xff, 0xe0]), Err(Unfit::Broken(PhotoType::Jpeg)));
        for dirty in [samples::png(), samples::webp()] {
            for end in 12..dirty.len() - 40 {
                assert!(clean(&dirty[..end]).is_err(), "cut at {end}");
            }
        }
        let jpeg = samples::jpeg();
        let picture_ends = jpeg.windows(2).position(|two| two == [0xff, 0xd9]).unwrap() + 2;
        for end in 3..picture_ends {
            assert!(clean(&jpeg[..end]).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_stumble(
            which in 0..3usize, noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8)
        ) {
            let mut bytes = [samples::jpeg(), samples::png(), samples::webp()][which].clone();
            for (place, byte) in noise {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if let Ok((media, cleaned)) = clean(&bytes) {
                prop_assert!(cleaned.len() <= bytes.len() + 64);
                prop_assert_eq!(clean(&cleaned), Ok((media, cleaned.clone())));
            }
        }
    }
}
