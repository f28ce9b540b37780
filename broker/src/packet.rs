//! What the door writes. The codec writes what it can; CONNACKs that refuse, acknowledgements and DISCONNECTs are
//! written by hand, because the codec's v5 CONNACK writer panics on some codes and the hot path needs four bytes.

use bytes::{BufMut, BytesMut};
use model::{DownCommand, DownCommandKind};
use rumqttc::mqttbytes::{self as m4, v4};
use rumqttc::v5::mqttbytes::{self as m5, v5};
use serde_json::json;

use crate::DoorConfig;
use crate::ledger::Complaint;
use crate::wire::{Version, reason};

/// The protocol's largest packet, for the codec's writers: our own limits are checked elsewhere.
const PACKET_BYTES_LIMIT: usize = 268_435_455;

/// Why a CONNECT is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectRefusal {
    /// The packet is broken; 3.1.1 has no code for it.
    Malformed,
    /// A rule of the protocol is broken; 3.1.1 has no code for it.
    Protocol,
    /// Larger than the door takes from strangers; 3.1.1 has no code for it.
    TooLarge,
    ClientId,
    Credentials,
    NotAuthorised,
    Busy,
    AuthenticationMethod,
}

/// A CONNACK that refuses.
pub(crate) fn connack_refused(out: &mut BytesMut, version: Version, refusal: ConnectRefusal) {
    let (v4, v5) = match refusal {
        ConnectRefusal::Malformed => (None, reason::MALFORMED_PACKET),
        ConnectRefusal::Protocol => (None, reason::PROTOCOL_ERROR),
        ConnectRefusal::TooLarge => (None, reason::PACKET_TOO_LARGE),
        ConnectRefusal::ClientId => (Some(2), reason::CLIENT_ID_NOT_VALID),
        ConnectRefusal::Credentials => (Some(4), reason::BAD_USER_NAME_OR_PASSWORD),
        ConnectRefusal::NotAuthorised => (Some(5), reason::NOT_AUTHORISED),
        ConnectRefusal::Busy => (Some(3), reason::SERVER_BUSY),
        ConnectRefusal::AuthenticationMethod => (None, reason::BAD_AUTHENTICATION_METHOD),
    };
    match (version, v4) {
        (Version::V4, Some(code)) => out.extend_from_slice(&[0x20, 2, 0, code]),
        (Version::V4, None) => {}
        (Version::V5, _) => out.extend_from_slice(&[0x20, 3, 0, v5, 0]),
    }
}

/// The answer to a protocol level that we do not speak, in the shape that its speaker most likely reads.
pub(crate) fn connack_unspoken(out: &mut BytesMut, level: u8) {
    if level > 5 {
        out.extend_from_slice(&[0x20, 3, 0, reason::UNSUPPORTED_PROTOCOL, 0]);
    } else {
        out.extend_from_slice(&[0x20, 2, 0, 1]);
    }
}

/// What a CONNACK that lets in says to MQTT 5.
pub(crate) struct Welcome {
    pub keep_alive_seconds: Option<u16>,
    pub assigned_client_id: Option<String>,
    pub wildcards: bool,
}

/// A CONNACK that lets in. No session is ever present: what must outlast a connection is the engine's.
pub(crate) fn connack(out: &mut BytesMut, version: Version, config: &DoorConfig, welcome: Welcome) {
    match version {
        Version::V4 => out.extend_from_slice(&[0x20, 2, 0, 0]),
        Version::V5 => {
            let properties = v5::ConnAckProperties {
                session_expiry_interval: Some(0),
                receive_max: Some(config.receive_maximum),
                max_qos: None,
                retain_available: Some(0),
                max_packet_size: Some(u32::try_from(config.packet_bytes_max).unwrap_or(u32::MAX)),
                assigned_client_identifier: welcome.assigned_client_id,
                topic_alias_max: None,
                reason_string: None,
                user_properties: Vec::new(),
                wildcard_subscription_available: Some(u8::from(welcome.wildcards)),
                subscription_identifiers_available: Some(0),
                shared_subscription_available: Some(0),
                server_keep_alive: welcome.keep_alive_seconds,
                response_information: None,
                server_reference: None,
                authentication_method: None,
                authentication_data: None,
            };
            let code = v5::ConnectReturnCode::Success;
            let connack = v5::ConnAck { session_present: false, code, properties: Some(properties) };
            written(connack.write(out).is_ok());
        }
    }
}

/// The kinds of acknowledgement, by their first byte.
pub(crate) const PUBACK: u8 = 0x40;
pub(crate) const PUBREC: u8 = 0x50;
pub(crate) const PUBCOMP: u8 = 0x70;

/// An acknowledgement without anything to say.
#[inline]
pub(crate) fn acknowledge(out: &mut BytesMut, kind: u8, packet_id: u16) {
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[kind, 2, high, low]);
}

/// An MQTT 5 acknowledgement with a reason code and, if there is one, a reason string.
pub(crate) fn acknowledge_with(out: &mut BytesMut, kind: u8, packet_id: u16, code: u8, text: Option<&str>) {
    let [high, low] = packet_id.to_be_bytes();
    let Some(text) = text else {
        out.extend_from_slice(&[kind, 3, high, low, code]);
        return;
    };
    let text = &text.as_bytes()[..text.floor_char_boundary(REASON_BYTES_MAX)];
    let property = 3 + text.len();
    out.put_u8(kind);
    put_length(out, 3 + length_bytes(property) + property);
    out.extend_from_slice(&[high, low, code]);
    put_length(out, property);
    out.put_u8(31);
    out.put_u16(text.len() as u16);
    out.extend_from_slice(text);
}

/// The longest reason string, in bytes.
const REASON_BYTES_MAX: usize = 512;

fn length_bytes(length: usize) -> usize {
    if length < 128 { 1 } else { 2 }
}

/// Writes a length below 16 384.
fn put_length(out: &mut BytesMut, length: usize) {
    if length < 128 {
        out.put_u8(length as u8);
    } else {
        out.extend_from_slice(&[(length & 0x7F) as u8 | 0x80, (length >> 7) as u8]);
    }
}

/// A DISCONNECT; 3.1.1 servers have none.
pub(crate) fn disconnect(out: &mut BytesMut, version: Version, code: u8) {
    if version == Version::V5 {
        out.extend_from_slice(&[0xE0, 2, code, 0]);
    }
}

/// A PINGRESP.
pub(crate) fn pong(out: &mut BytesMut) {
    out.extend_from_slice(&[0xD0, 0]);
}

/// A SUBACK; `codes` are MQTT 5's, of which 3.1.1 sees every failure as 0x80.
pub(crate) fn suback(out: &mut BytesMut, version: Version, packet_id: u16, codes: &[u8]) {
    match version {
        Version::V4 => {
            let granted = |code: u8| match code {
                0 => v4::SubscribeReasonCode::Success(m4::QoS::AtMostOnce),
                1 => v4::SubscribeReasonCode::Success(m4::QoS::AtLeastOnce),
                _ => v4::SubscribeReasonCode::Failure,
            };
            let suback = v4::SubAck::new(packet_id, codes.iter().map(|code| granted(*code)).collect());
            written(suback.write(out).is_ok());
        }
        Version::V5 => {
            let granted = |code: u8| match code {
                0 => v5::SubscribeReasonCode::Success(m5::QoS::AtMostOnce),
                1 => v5::SubscribeReasonCode::Success(m5::QoS::AtLeastOnce),
                reason::NOT_AUTHORISED => v5::SubscribeReasonCode::NotAuthorized,
                reason::TOPIC_FILTER_INVALID => v5::SubscribeReasonCode::TopicFilterInvalid,
                reason::QUOTA_EXCEEDED => v5::SubscribeReasonCode::QuotaExceeded,
                reason::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED => v5::SubscribeReasonCode::SharedSubscriptionsNotSupported,
                reason::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED => {
                    v5::SubscribeReasonCode::WildcardSubscriptionsNotSupported
                }
                _ => v5::SubscribeReasonCode::Unspecified,
            };
            let return_codes = codes.iter().map(|code| granted(*code)).collect();
            let suback = v5::SubAck { pkid: packet_id, return_codes, properties: None };
            written(suback.write(out).is_ok());
        }
    }
}

/// An UNSUBACK; 3.1.1 has no codes in it.
pub(crate) fn unsuback(out: &mut BytesMut, version: Version, packet_id: u16, codes: &[u8]) {
    match version {
        Version::V4 => {
            let [high, low] = packet_id.to_be_bytes();
            out.extend_from_slice(&[0xB0, 2, high, low]);
        }
        Version::V5 => {
            let reason = |code: &u8| match *code {
                reason::SUCCESS => v5::UnsubAckReason::Success,
                _ => v5::UnsubAckReason::NoSubscriptionExisted,
            };
            let unsuback =
                v5::UnsubAck { pkid: packet_id, reasons: codes.iter().map(reason).collect(), properties: None };
            written(unsuback.write(out).is_ok());
        }
    }
}

/// A PUBLISH; `packet_id` 0 is QoS 0, any other QoS 1.
pub(crate) fn publish(out: &mut BytesMut, version: Version, topic: &str, packet_id: u16, payload: &[u8]) {
    match version {
        Version::V4 => {
            let qos = if packet_id == 0 { m4::QoS::AtMostOnce } else { m4::QoS::AtLeastOnce };
            let mut publish = v4::Publish::new(topic, qos, payload);
            publish.pkid = packet_id;
            written(v4::Packet::Publish(publish).write(out, PACKET_BYTES_LIMIT).is_ok());
        }
        Version::V5 => {
            let qos = if packet_id == 0 { m5::QoS::AtMostOnce } else { m5::QoS::AtLeastOnce };
            let mut publish = v5::Publish::new(topic, qos, payload.to_vec(), None);
            publish.pkid = packet_id;
            written(v5::Packet::Publish(publish).write(out, None).is_ok());
        }
    }
}

/// The codec fails to write only what is too long for the protocol, which nothing here is.
fn written(ok: bool) {
    debug_assert!(ok, "the codec could not write a packet");
}

/// What a device reads on its `down`: `{"id","command",…parameters,"expires_at"}`.
pub(crate) fn command_payload(command: &DownCommand) -> Vec<u8> {
    let mut payload = json!({
        "id": command.id,
        "command": command.kind.name(),
        "expires_at": command.expires_at,
    });
    match &command.kind {
        DownCommandKind::SetInterval { seconds } => payload["seconds"] = json!(seconds),
        DownCommandKind::HelpIsComing { text } => payload["text"] = json!(text),
        DownCommandKind::Configuration { settings } => {
            let settings = settings.iter().map(|(name, value)| (name.to_string(), json!(value.as_str())));
            payload["settings"] = serde_json::Value::Object(settings.collect());
        }
        DownCommandKind::Locate | DownCommandKind::MeasureAgain | DownCommandKind::Ring => {}
    }
    payload.to_string().into_bytes()
}

/// What a 3.1.1 device reads on its `down` about what was rejected.
pub(crate) fn complaint_payload(complaint: &Complaint) -> Vec<u8> {
    let mut payload = json!({ "error": complaint.reason, "detail": complaint.detail.as_str() });
    if complaint.items > 1 {
        payload["rejected"] = json!(complaint.rejected);
        payload["items"] = json!(complaint.items);
    }
    payload.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use model::{DeviceId, DownCommandId, DownCommandState, Timestamp};

    use super::*;

    fn check(kind: DownCommandKind, expected: Expect) {
        let at = Timestamp::from_millis(1_795_305_600_000);
        let command = DownCommand {
            id: DownCommandId::new(0, 7),
            version: 1,
            device: DeviceId::new("d1"),
            kind,
            state: DownCommandState::Queued,
            by: None,
            created_at: at,
            expires_at: at.plus_seconds(600),
            changed_at: at,
        };
        expected.assert_eq(&String::from_utf8(command_payload(&command)).unwrap());
    }

    #[test]
    fn commands_read_like_this() {
        check(
            DownCommandKind::Locate,
            expect![[r#"{"command":"locate","expires_at":"2026-11-22T00:10:00.000Z","id":"d7"}"#]],
        );
        check(
            DownCommandKind::SetInterval { seconds: 60 },
            expect![[r#"{"command":"set_interval","expires_at":"2026-11-22T00:10:00.000Z","id":"d7","seconds":60}"#]],
        );
        check(
            DownCommandKind::HelpIsComing { text: "有人正在赶来".into() },
            expect![[
                r#"{"command":"help_is_coming","expires_at":"2026-11-22T00:10:00.000Z","id":"d7","text":"有人正在赶来"}"#
            ]],
        );
        check(
            DownCommandKind::Configuration { settings: vec![("volume".into(), "3".into())] },
            expect![[
                r#"{"command":"configuration","expires_at":"2026-11-22T00:10:00.000Z","id":"d7","settings":{"volume":"3"}}"#
            ]],
        );
    }

    #[test]
    fn every_refusal_has_its_bytes() {
        let refused = |version, refusal| {
            let mut out = BytesMut::new();
            connack_refused(&mut out, version, refusal);
            out.to_vec()
        };
        for (refusal, v4, v5) in [
            (ConnectRefusal::Malformed, None, 0x81),
            (ConnectRefusal::Protocol, None, 0x82),
            (ConnectRefusal::TooLarge, None, 0x95),
            (ConnectRefusal::ClientId, Some(2), 0x85),
            (ConnectRefusal::Credentials, Some(4), 0x86),
            (ConnectRefusal::NotAuthorised, Some(5), 0x87),
            (ConnectRefusal::Busy, Some(3), 0x89),
            (ConnectRefusal::AuthenticationMethod, None, 0x8C),
        ] {
            assert_eq!(refused(Version::V4, refusal), v4.map_or(vec![], |code| vec![0x20, 2, 0, code]));
            assert_eq!(refused(Version::V5, refusal), [0x20, 3, 0, v5, 0]);
        }
    }

    #[test]
    fn the_codec_reads_what_is_written_by_hand() {
        for length in [0, 1, 120, 124, 125, 200, 600] {
            let mut out = BytesMut::new();
            acknowledge_with(&mut out, PUBACK, 258, reason::PAYLOAD_FORMAT_INVALID, Some(&"é".repeat(length)));
            let Ok(v5::Packet::PubAck(puback)) = v5::Packet::read(&mut out, None) else { panic!("{length}") };
            assert_eq!((puback.pkid, puback.reason), (258, v5::PubAckReason::PayloadFormatInvalid));
            assert!(out.is_empty());
        }
    }
}
