//! The traps of rumqttc's codec that our own checks are there for. When one of these fails, the codec has been
//! mended, and the check that goes with it may be looked at again.

use super::*;

fn read_v4(bytes: &[u8]) -> Result<v4::Packet, rumqttc::mqttbytes::Error> {
    v4::Packet::read(&mut BytesMut::from(bytes), usize::MAX)
}

fn read_v5(bytes: &[u8]) -> Result<v5::Packet, rumqttc::v5::mqttbytes::Error> {
    v5::Packet::read(&mut BytesMut::from(bytes), None)
}

#[test]
fn the_v5_codec_does_not_read_short_disconnects() {
    assert!(matches!(read_v5(&[0xE0, 0]), Err(rumqttc::v5::mqttbytes::Error::PayloadRequired)));
    assert!(read_v5(&[0xE0, 1, 0x04]).is_err());
}

#[test]
fn the_v4_codec_takes_a_connect_of_level_5_for_its_own() {
    let connect = connect(Version::V5, "d1", "d1", "s1");
    assert!(!matches!(read_v4(&connect), Err(rumqttc::mqttbytes::Error::InvalidProtocolLevel(_))));
}

#[test]
fn the_v5_codec_cannot_write_some_refusals() {
    let written = std::panic::catch_unwind(|| {
        let code = v5::ConnectReturnCode::BadClientId;
        let connack = v5::ConnAck { session_present: false, code, properties: None };
        connack.write(&mut BytesMut::new()).is_ok()
    });
    assert!(written.is_err());
}

#[test]
fn the_codec_lets_through_what_the_protocol_forbids() {
    // Flag bits, a wildcard in a topic, a topic that is not UTF-8, a property block that overruns.
    assert!(read_v4(&[0x80, 6, 0, 1, 0, 1, b'a', 0]).is_ok());
    assert!(read_v4(&publish(Version::V4, 1, 1, "a/+", b"")).is_ok());
    assert!(read_v5(&frame(0x32, &[0, 1, 0xFF, 0, 1, 0])).is_ok());
    assert!(read_v5(&frame(0x32, &[0, 1, b'a', 0, 1, 1, 1, 0])).is_ok());
}
