//! Frames and fields: the framing of both protocol versions, PUBLISH and the acknowledgements read in place, and the
//! checks that rumqttc's codec does not make (flag bits, reserved bits, UTF-8, NUL, the borders of property blocks).
//! What has passed here is handed to the codec.

mod fields;
#[cfg(test)]
mod tests;

use bytes::{BufMut, BytesMut};

use fields::{
    ACKNOWLEDGEMENT_PROPERTIES, CONNECT_PROPERTIES, DISCONNECT_PROPERTIES, PUBLISH_PROPERTIES, Reader,
    SUBSCRIBE_PROPERTIES, USER_PROPERTIES, WILL_PROPERTIES,
};

/// The protocol that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// MQTT 3.1.1, level 4.
    V4,
    /// MQTT 5, level 5.
    V5,
}

/// A broken rule of the protocol: it ends the connection, and MQTT 5 is told the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The MQTT 5 reason code.
    pub code: u8,
    /// What was wrong, for the log.
    pub detail: &'static str,
}

pub(crate) fn malformed(detail: &'static str) -> Fault {
    Fault { code: reason::MALFORMED_PACKET, detail }
}

pub(crate) fn protocol_error(detail: &'static str) -> Fault {
    Fault { code: reason::PROTOCOL_ERROR, detail }
}

/// MQTT 5 reason codes that the door uses.
pub(crate) mod reason {
    pub const SUCCESS: u8 = 0x00;
    pub const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
    pub const UNSPECIFIED: u8 = 0x80;
    pub const MALFORMED_PACKET: u8 = 0x81;
    pub const PROTOCOL_ERROR: u8 = 0x82;
    pub const IMPLEMENTATION_SPECIFIC: u8 = 0x83;
    pub const UNSUPPORTED_PROTOCOL: u8 = 0x84;
    pub const CLIENT_ID_NOT_VALID: u8 = 0x85;
    pub const BAD_USER_NAME_OR_PASSWORD: u8 = 0x86;
    pub const NOT_AUTHORISED: u8 = 0x87;
    pub const SERVER_BUSY: u8 = 0x89;
    pub const SERVER_SHUTTING_DOWN: u8 = 0x8B;
    pub const BAD_AUTHENTICATION_METHOD: u8 = 0x8C;
    pub const KEEP_ALIVE_TIMEOUT: u8 = 0x8D;
    pub const SESSION_TAKEN_OVER: u8 = 0x8E;
    pub const TOPIC_FILTER_INVALID: u8 = 0x8F;
    pub const TOPIC_NAME_INVALID: u8 = 0x90;
    pub const PACKET_ID_NOT_FOUND: u8 = 0x92;
    pub const RECEIVE_MAXIMUM_EXCEEDED: u8 = 0x93;
    pub const TOPIC_ALIAS_INVALID: u8 = 0x94;
    pub const PACKET_TOO_LARGE: u8 = 0x95;
    pub const QUOTA_EXCEEDED: u8 = 0x97;
    pub const ADMINISTRATIVE_ACTION: u8 = 0x98;
    pub const PAYLOAD_FORMAT_INVALID: u8 = 0x99;
    pub const SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: u8 = 0x9E;
    pub const SUBSCRIPTION_IDS_NOT_SUPPORTED: u8 = 0xA1;
    pub const WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED: u8 = 0xA2;
}

/// The packet types, as they stand in the high half of the first byte.
pub(crate) mod kind {
    pub const CONNECT: u8 = 1;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const PUBREL: u8 = 6;
    pub const SUBSCRIBE: u8 = 8;
    pub const UNSUBSCRIBE: u8 = 10;
    pub const PINGREQ: u8 = 12;
    pub const DISCONNECT: u8 = 14;
    pub const AUTH: u8 = 15;
}

/// A frame's fixed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Type and flags.
    pub first: u8,
    /// Bytes of the header itself, 2–5.
    pub head: usize,
    /// Bytes that follow it.
    pub body: usize,
}

impl Header {
    /// The packet type.
    pub fn kind(self) -> u8 {
        self.first >> 4
    }
    /// Bytes of the whole frame.
    pub fn total(self) -> usize {
        self.head + self.body
    }
}

/// Reads a fixed header; `None` when it is not complete yet.
pub(crate) fn header(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let mut body = 0usize;
    for index in 0..4 {
        let Some(&byte) = bytes.get(1 + index) else { return Ok(None) };
        body |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some(Header { first, head: 2 + index, body }));
        }
    }
    Err(malformed("a remaining length of more than four bytes"))
}

/// Whether the flag bits of a first byte are what the protocol reserves. DUP on a QoS 0 publish is let through: it
/// changes nothing, and a sloppy device's alarm is worth more than the bit.
pub(crate) fn check_flags(first: u8) -> Result<(), Fault> {
    let flags = first & 0x0F;
    let good = match first >> 4 {
        kind::PUBLISH => flags & 0b0110 != 0b0110,
        kind::PUBREL | kind::SUBSCRIBE | kind::UNSUBSCRIBE => flags == 0b0010,
        _ => flags == 0,
    };
    if good { Ok(()) } else { Err(malformed("reserved flag bits of the fixed header")) }
}

/// A PUBLISH, read in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Publish<'a> {
    /// 0, 1 or 2.
    pub qos: u8,
    /// As it came; not checked.
    pub topic: &'a [u8],
    /// 0 with QoS 0 only.
    pub packet_id: u16,
    /// Whether it carries a topic alias.
    pub aliased: bool,
    /// The rest.
    pub payload: &'a [u8],
}

/// Reads a PUBLISH; its flags have been checked.
#[inline]
pub(crate) fn publish(first: u8, body: &[u8], version: Version) -> Result<Publish<'_>, Fault> {
    let mut reader = Reader::new(body);
    let qos = (first >> 1) & 0b11;
    let topic = reader.binary()?;
    let packet_id = if qos > 0 { reader.packet_id()? } else { 0 };
    let mut aliased = false;
    if version == Version::V5 {
        match reader.rest.split_first() {
            Some((0, rest)) => reader.rest = rest,
            _ => aliased = reader.properties(PUBLISH_PROPERTIES)?.topic_alias.is_some(),
        }
    }
    Ok(Publish { qos, topic, packet_id, aliased, payload: reader.rest })
}

/// Packet id and reason code of a PUBACK or PUBREL.
pub(crate) fn acknowledgement(body: &[u8], version: Version) -> Result<(u16, u8), Fault> {
    let mut reader = Reader::new(body);
    let packet_id = reader.packet_id()?;
    if reader.rest.is_empty() {
        return Ok((packet_id, reason::SUCCESS));
    }
    if version == Version::V4 {
        return Err(malformed("an acknowledgement longer than its packet identifier"));
    }
    let code = reader.u8()?;
    if !reader.rest.is_empty() {
        reader.properties(ACKNOWLEDGEMENT_PROPERTIES)?;
    }
    reader.end()?;
    Ok((packet_id, code))
}

/// Checks a DISCONNECT. The codec takes neither `E0 00` nor a reason code without properties, both of which are legal.
pub(crate) fn check_disconnect(body: &[u8], version: Version) -> Result<(), Fault> {
    let mut reader = Reader::new(body);
    if version == Version::V4 || body.is_empty() {
        return reader.end();
    }
    reader.u8()?;
    if !reader.rest.is_empty() {
        reader.properties(DISCONNECT_PROPERTIES)?;
    }
    reader.end()
}

/// Checks a SUBSCRIBE before the codec reads it.
pub(crate) fn check_subscribe(body: &[u8], version: Version) -> Result<(), Fault> {
    let mut reader = Reader::new(body);
    reader.packet_id()?;
    let reserved = match version {
        Version::V4 => 0b1111_1100,
        Version::V5 => {
            if reader.properties(SUBSCRIBE_PROPERTIES)?.subscription_id {
                let code = reason::SUBSCRIPTION_IDS_NOT_SUPPORTED;
                return Err(Fault { code, detail: "a subscription identifier, which the CONNACK ruled out" });
            }
            0b1100_0000
        }
    };
    if reader.rest.is_empty() {
        return Err(protocol_error("a SUBSCRIBE without a filter"));
    }
    while !reader.rest.is_empty() {
        reader.text()?;
        let options = reader.u8()?;
        if options & reserved != 0 || options & 0b11 == 0b11 || options & 0b0011_0000 == 0b0011_0000 {
            return Err(malformed("reserved subscription options"));
        }
    }
    Ok(())
}

/// Checks an UNSUBSCRIBE before the codec reads it.
pub(crate) fn check_unsubscribe(body: &[u8], version: Version) -> Result<(), Fault> {
    let mut reader = Reader::new(body);
    reader.packet_id()?;
    if version == Version::V5 {
        reader.properties(USER_PROPERTIES)?;
    }
    if reader.rest.is_empty() {
        return Err(protocol_error("an UNSUBSCRIBE without a filter"));
    }
    while !reader.rest.is_empty() {
        reader.text()?;
    }
    Ok(())
}

/// A frame as the codec wants it: with its fixed header, in a buffer of its own.
pub(crate) fn frame(first: u8, body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::with_capacity(5 + body.len());
    frame.put_u8(first);
    let mut rest = body.len();
    while rest >= 128 {
        frame.put_u8((rest & 0x7F) as u8 | 0x80);
        rest >>= 7;
    }
    frame.put_u8(rest as u8);
    frame.extend_from_slice(body);
    frame
}

/// What a CONNECT's first bytes say about who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// We speak it.
    Spoken(Version),
    /// MQTT, but a level that we do not speak.
    Unspoken {
        /// The level byte.
        level: u8,
    },
}

/// The protocol of a CONNECT. The level byte decides: the v4 codec would accept level 5 and misread it.
pub(crate) fn protocol(body: &[u8]) -> Result<Protocol, Fault> {
    let mut reader = Reader::new(body);
    let name = reader.binary()?;
    let level = reader.u8()?;
    match (name, level) {
        (b"MQTT", 4) => Ok(Protocol::Spoken(Version::V4)),
        (b"MQTT", 5) => Ok(Protocol::Spoken(Version::V5)),
        (b"MQTT" | b"MQIsdp", level) => Ok(Protocol::Unspoken { level }),
        _ => Err(protocol_error("a protocol name that is not MQTT")),
    }
}

/// What a checked CONNECT holds beyond what the codec reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectFacts {
    /// Whether there was a user name at all.
    pub user_name: bool,
    /// Whether the password is text; the codec takes no other, and no stored secret is anything else.
    pub password_is_text: bool,
    /// Whether MQTT 5 extended authentication is asked for.
    pub authentication_method: bool,
}

/// Checks a CONNECT of a known version before the codec reads it.
pub(crate) fn check_connect(body: &[u8], version: Version) -> Result<ConnectFacts, Fault> {
    let mut reader = Reader::new(body);
    reader.binary()?;
    reader.u8()?;
    let flags = reader.u8()?;
    let (will, will_qos, will_retain) = (flags & 0x04 != 0, (flags >> 3) & 0b11, flags & 0x20 != 0);
    let (user_name, password) = (flags & 0x80 != 0, flags & 0x40 != 0);
    if flags & 0x01 != 0 {
        return Err(malformed("the reserved bit of the CONNECT flags"));
    }
    if will_qos == 3 || (!will && (will_qos != 0 || will_retain)) {
        return Err(malformed("the will's flags"));
    }
    if version == Version::V4 && password && !user_name {
        return Err(malformed("a password without a user name"));
    }
    reader.u16()?;
    let mut authentication_method = false;
    if version == Version::V5 {
        let properties = reader.properties(CONNECT_PROPERTIES)?;
        if properties.receive_maximum == Some(0) || properties.packet_bytes_max == Some(0) {
            return Err(protocol_error("a limit of nought"));
        }
        authentication_method = properties.authentication_method;
    }
    reader.text()?;
    if will {
        if version == Version::V5 {
            reader.properties(WILL_PROPERTIES)?;
        }
        reader.text()?;
        reader.binary()?;
    }
    if user_name {
        reader.text()?;
    }
    let password = if password { reader.binary()? } else { &[] };
    reader.end()?;
    Ok(ConnectFacts { user_name, password_is_text: std::str::from_utf8(password).is_ok(), authentication_method })
}

/// How much of an oversized PUBLISH must be kept to know whose it is and to quarantine `payload_bytes` of it: a number
/// of bytes of its body, or more once more of the body is known.
pub(crate) fn oversized_head_bytes(
    first: u8,
    head: &[u8],
    version: Version,
    payload_bytes: usize,
) -> Result<usize, Fault> {
    const PROPERTY_LENGTH_BYTES_MAX: usize = 4;
    /// No sensible client says this much about one message.
    const OVERSIZED_PROPERTIES_BYTES_MAX: usize = 64 * 1024;
    let Some(topic) = head.first_chunk::<2>() else { return Ok(2) };
    let packet_id = if first & 0b0110 == 0 { 0 } else { 2 };
    let fixed = 2 + usize::from(u16::from_be_bytes(*topic)) + packet_id;
    if version == Version::V4 {
        return Ok(fixed + payload_bytes);
    }
    if head.len() < fixed + PROPERTY_LENGTH_BYTES_MAX {
        return Ok(fixed + PROPERTY_LENGTH_BYTES_MAX);
    }
    let mut reader = Reader::new(&head[fixed..]);
    let properties = reader.variable()?;
    if properties > OVERSIZED_PROPERTIES_BYTES_MAX {
        return Err(Fault { code: reason::PACKET_TOO_LARGE, detail: "an oversized property block" });
    }
    Ok(head.len() - reader.rest.len() + properties + payload_bytes)
}
