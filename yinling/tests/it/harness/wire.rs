//! MQTT 3.1.1 and 5 in a few lines that owe nothing to the door's codec: for stories that must see every
//! acknowledgement, and for bytes that no client library would send.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::PATIENCE;

/// A connection that speaks as one device.
pub struct Wire {
    stream: TcpStream,
    version: u8,
    next_packet: u16,
}

/// What the door said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// CONNACK with its code.
    ConnAck(u8),
    /// PUBACK with its packet id and, for MQTT 5, its reason code (0 when absent).
    PubAck(u16, u8),
    /// PUBREC with its packet id and reason code.
    PubRec(u16, u8),
    /// PUBCOMP with its packet id.
    PubComp(u16),
    /// SUBACK with its packet id and the codes.
    SubAck(u16, Vec<u8>),
    /// PUBLISH: topic, payload, and the packet id for QoS 1 and 2.
    Publish(String, Vec<u8>, Option<u16>),
    /// PINGRESP.
    PingResp,
    /// DISCONNECT with its reason code (MQTT 5 only).
    Disconnect(u8),
}

impl Wire {
    /// Connects and logs in with MQTT 3.1.1 (`version` 4) or 5; gives the refusal's code if it is refused.
    pub fn login(door: SocketAddr, id: &str, secret: &str, version: u8) -> Result<Wire, u8> {
        match Wire::try_login(door, id, secret, version) {
            Ok(result) => result,
            Err(error) => panic!("instead of a CONNACK: {error}"),
        }
    }

    /// The same for a device that expects the door to be gone at any moment.
    pub fn try_login(door: SocketAddr, id: &str, secret: &str, version: u8) -> io::Result<Result<Wire, u8>> {
        let mut wire = Wire::open(door, version)?;
        wire.send(&connect(id, id, secret, version))?;
        match wire.read()? {
            Said::ConnAck(0) => Ok(Ok(wire)),
            Said::ConnAck(code) => Ok(Err(code)),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }

    /// Connects without saying anything.
    pub fn bare(door: SocketAddr, version: u8) -> Wire {
        Wire::open(door, version).unwrap()
    }

    fn open(door: SocketAddr, version: u8) -> io::Result<Wire> {
        let stream = TcpStream::connect(door)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Wire { stream, version, next_packet: 0 })
    }

    /// A second handle on the same connection, so that one thread writes while another reads.
    pub fn second(&self) -> Wire {
        Wire { stream: self.stream.try_clone().unwrap(), version: self.version, next_packet: 0 }
    }

    /// How long `read` waits.
    pub fn patience(&self, limit: Duration) {
        self.stream.set_read_timeout(Some(limit)).unwrap();
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Publishes with this quality of service; gives the packet id.
    pub fn publish(&mut self, topic: &str, payload: &[u8], qos: u8) -> io::Result<u16> {
        self.next_packet = self.next_packet.checked_add(1).unwrap_or(1);
        let packet = publish(topic, payload, qos, self.next_packet, self.version);
        self.send(&packet)?;
        Ok(self.next_packet)
    }

    /// Publishes with QoS 1 and waits for its PUBACK; gives the reason code.
    pub fn report(&mut self, topic: &str, payload: &[u8]) -> u8 {
        let packet = self.publish(topic, payload, 1).unwrap();
        loop {
            match self.read() {
                Ok(Said::PubAck(acknowledged, reason)) if acknowledged == packet => return reason,
                Ok(Said::Publish(..)) => {}
                other => panic!("instead of PUBACK {packet}: {other:?}"),
            }
        }
    }

    /// Subscribes with QoS 1; gives the SUBACK's code.
    pub fn subscribe(&mut self, filter: &str) -> u8 {
        self.next_packet = self.next_packet.checked_add(1).unwrap_or(1);
        let mut body = self.next_packet.to_be_bytes().to_vec();
        if self.version == 5 {
            body.push(0);
        }
        text(&mut body, filter);
        body.push(1);
        self.send(&framed(0x82, &body)).unwrap();
        match self.read() {
            Ok(Said::SubAck(_, codes)) => codes[0],
            other => panic!("instead of a SUBACK: {other:?}"),
        }
    }

    /// Acknowledges a message with QoS 1.
    pub fn acknowledge(&mut self, packet: u16) {
        self.send(&framed(0x40, &packet.to_be_bytes())).unwrap();
    }

    /// The next packet. `UnexpectedEof` when the door has closed the connection.
    pub fn read(&mut self) -> io::Result<Said> {
        let mut first = [0];
        self.stream.read_exact(&mut first)?;
        let mut length = 0usize;
        for shift in [0, 7, 14, 21] {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            length |= usize::from(byte[0] & 0x7F) << shift;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(said(first[0], &body, self.version))
    }

    /// Whether the door closes the connection, whatever it says before.
    pub fn is_closed_by_the_door(&mut self) -> bool {
        loop {
            match self.read() {
                Ok(_) => {}
                Err(e) => return !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            }
        }
    }
}

/// A CONNECT with a clean session and a keep-alive of 60 s.
pub fn connect(client: &str, user: &str, password: &str, version: u8) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend([version, 0xC2, 0, 60]);
    if version == 5 {
        body.push(0);
    }
    for part in [client, user, password] {
        text(&mut body, part);
    }
    framed(0x10, &body)
}

/// A PUBLISH.
pub fn publish(topic: &str, payload: &[u8], qos: u8, packet: u16, version: u8) -> Vec<u8> {
    let mut body = Vec::with_capacity(payload.len() + topic.len() + 8);
    text(&mut body, topic);
    if qos > 0 {
        body.extend(packet.to_be_bytes());
    }
    if version == 5 {
        body.push(0);
    }
    body.extend(payload);
    framed(0x30 | (qos << 1), &body)
}

/// A packet of this type with its length in front.
pub fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut left = body.len();
    loop {
        let digit = (left & 0x7F) as u8;
        left >>= 7;
        packet.push(if left > 0 { digit | 0x80 } else { digit });
        if left == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text.as_bytes());
}

fn said(first: u8, body: &[u8], version: u8) -> Said {
    let packet = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let reason = body.get(2).copied().unwrap_or(0);
    match first >> 4 {
        2 => Said::ConnAck(body[1]),
        4 => Said::PubAck(packet(0), reason),
        5 => Said::PubRec(packet(0), reason),
        7 => Said::PubComp(packet(0)),
        9 => Said::SubAck(packet(0), body[if version == 5 { 3 + usize::from(body[2]) } else { 2 }..].to_vec()),
        13 => Said::PingResp,
        14 => Said::Disconnect(body.first().copied().unwrap_or(0)),
        3 => {
            let mut at = 2 + usize::from(packet(0));
            let topic = String::from_utf8(body[2..at].to_vec()).unwrap();
            let id = (first & 0x06 != 0).then(|| packet(at));
            at += if id.is_some() { 2 } else { 0 };
            at += if version == 5 { 1 + usize::from(body[at]) } else { 0 };
            Said::Publish(topic, body[at..].to_vec(), id)
        }
        other => panic!("a packet of type {other} from a server"),
    }
}
