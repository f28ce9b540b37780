//! Framing and the checks that the codec leaves to us.

use super::fields::{CONNECT_PROPERTIES, Properties, Reader};
use super::*;

#[test]
fn headers_are_read_when_complete() {
    assert_eq!(header(&[]), Ok(None));
    assert_eq!(header(&[0x30]), Ok(None));
    assert_eq!(header(&[0x30, 0x80]), Ok(None));
    assert_eq!(header(&[0x30, 0x05]), Ok(Some(Header { first: 0x30, head: 2, body: 5 })));
    assert_eq!(header(&[0x30, 0x80, 0x01]), Ok(Some(Header { first: 0x30, head: 3, body: 128 })));
    assert_eq!(header(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]), Ok(Some(Header { first: 0x30, head: 5, body: 268_435_455 })));
    assert!(header(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF]).is_err());
}

#[test]
fn flag_bits_are_the_reserved_ones() {
    for (first, good) in [
        (0x10, true),
        (0x11, false),
        (0x30, true),
        (0x36, false),
        (0x3D, true),
        (0x60, false),
        (0x62, true),
        (0x80, false),
        (0x82, true),
        (0xA2, true),
        (0xC0, true),
        (0xC8, false),
        (0xE0, true),
        (0xE1, false),
    ] {
        assert_eq!(check_flags(first).is_ok(), good, "{first:#x}");
    }
}

#[test]
fn property_blocks_end_where_they_say() {
    let read = |bytes: &[u8]| Reader::new(bytes).properties(CONNECT_PROPERTIES).map_err(|f| f.code);
    assert_eq!(read(&[0]), Ok(Properties::default()));
    assert_eq!(read(&[3, 33, 0, 7]).unwrap().receive_maximum, Some(7));
    // A length that cuts a property in two, one that runs over the packet, one property twice, one of a CONNACK.
    assert_eq!(read(&[2, 33, 0, 7]), Err(0x81));
    assert_eq!(read(&[9, 33, 0, 7]), Err(0x81));
    assert_eq!(read(&[6, 33, 0, 7, 33, 0, 7]), Err(0x82));
    assert_eq!(read(&[2, 37, 0]), Err(0x81));
    assert_eq!(read(&[10, 38, 0, 1, b'a', 0, 1, b'b', 38, 0, 0, 0]), Err(0x81));
    assert_eq!(read(&[2, 23, 2]), Err(0x82));
}

#[test]
fn a_disconnect_may_be_short() {
    assert!(check_disconnect(&[], Version::V4).is_ok());
    assert!(check_disconnect(&[0], Version::V4).is_err());
    assert!(check_disconnect(&[], Version::V5).is_ok());
    assert!(check_disconnect(&[0x04], Version::V5).is_ok());
    assert!(check_disconnect(&[0x00, 0x05, 17, 0, 0, 0, 9], Version::V5).is_ok());
    assert!(check_disconnect(&[0x00, 0x05, 17, 0, 0], Version::V5).is_err());
}

#[test]
fn an_oversized_publish_says_step_by_step_how_much_of_it_to_keep() {
    let need = |head: &[u8], version| oversized_head_bytes(0x32, head, version, 4096).map_err(|f| f.code);
    assert_eq!(need(&[], Version::V4), Ok(2));
    assert_eq!(need(&[0, 3], Version::V4), Ok(2 + 3 + 2 + 4096));
    assert_eq!(need(&[0, 1], Version::V5), Ok(2 + 1 + 2 + 4));
    assert_eq!(need(&[0, 1, b'a', 0, 9, 0, 1, 1, 1], Version::V5), Ok(2 + 1 + 2 + 1 + 4096));
    assert_eq!(need(&[0, 1, b'a', 0, 9, 0xFF, 0xFF, 0xFF, 0x7F], Version::V5), Err(0x95));
}
