//! A client that says exactly what it is told to, and reads exactly what comes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::house::PATIENCE;

pub struct Wire {
    pub stream: TcpStream,
    level: u8,
}

impl Wire {
    pub async fn open(port: u16) -> Wire {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        Wire { stream, level: 4 }
    }

    /// Connects as a device and checks that it is let in. `level` is 4 or 5.
    pub async fn device(port: u16, level: u8, id: &str) -> Wire {
        let mut wire = Wire::open(port).await;
        wire.connect(level, id, id, "secret", 60).await;
        wire
    }

    pub async fn connect(&mut self, level: u8, id: &str, user_name: &str, password: &str, keep_alive: u16) {
        self.send_connect(level, id, user_name, password, keep_alive).await;
        let connack = self.packet().await.expect("a CONNACK");
        assert_eq!((connack[0], connack[3]), (0x20, 0), "{connack:02x?}");
    }

    pub async fn send_connect(&mut self, level: u8, id: &str, user_name: &str, password: &str, keep_alive: u16) {
        self.level = level;
        let mut body = b"\0\x04MQTT".to_vec();
        body.extend([level, 0xC2]);
        body.extend(keep_alive.to_be_bytes());
        if level == 5 {
            body.push(0);
        }
        for text in [id, user_name, password] {
            body.extend((text.len() as u16).to_be_bytes());
            body.extend(text.as_bytes());
        }
        self.send(&frame(0x10, &body)).await;
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn publish(&mut self, qos: u8, packet_id: u16, topic: &str, payload: &[u8]) {
        let bytes = self.publish_bytes(qos, packet_id, topic, payload);
        self.send(&bytes).await;
    }

    pub fn publish_bytes(&self, qos: u8, packet_id: u16, topic: &str, payload: &[u8]) -> Vec<u8> {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend(topic.as_bytes());
        if qos > 0 {
            body.extend(packet_id.to_be_bytes());
        }
        if self.level == 5 {
            body.push(0);
        }
        body.extend(payload);
        frame(0x30 | qos << 1, &body)
    }

    pub async fn subscribe(&mut self, filter: &str) {
        let mut body = vec![0, 1];
        if self.level == 5 {
            body.push(0);
        }
        body.extend((filter.len() as u16).to_be_bytes());
        body.extend(filter.as_bytes());
        body.push(1);
        self.send(&frame(0x82, &body)).await;
        let suback = self.packet().await.expect("a SUBACK");
        assert!(suback[0] == 0x90 && suback[suback.len() - 1] < 0x80, "{suback:02x?}");
    }

    /// The next packet; `None` when the server has closed.
    pub async fn packet(&mut self) -> Option<Vec<u8>> {
        timeout(PATIENCE, self.read_packet()).await.expect("an answer in time")
    }

    async fn read_packet(&mut self) -> Option<Vec<u8>> {
        let mut packet = vec![self.stream.read_u8().await.ok()?];
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let byte = self.stream.read_u8().await.ok()?;
            packet.push(byte);
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let at = packet.len();
        packet.resize(at + length, 0);
        self.stream.read_exact(&mut packet[at..]).await.ok()?;
        Some(packet)
    }

    /// Everything that the server has said up to its answer to a ping, without that answer.
    pub async fn heard(&mut self) -> Vec<Vec<u8>> {
        self.send(&[0xC0, 0]).await;
        let mut heard = Vec::new();
        loop {
            let packet = self.packet().await.expect("a PINGRESP");
            if packet == [0xD0, 0] {
                return heard;
            }
            heard.push(packet);
        }
    }

    /// Waits until the server closes; what it says before that is returned.
    pub async fn closed(&mut self) -> Vec<Vec<u8>> {
        let mut heard = Vec::new();
        while let Some(packet) = self.packet().await {
            heard.push(packet);
        }
        heard
    }

    /// Whether nothing comes for a while of (possibly virtual) time.
    pub async fn silent_for(&mut self, duration: Duration) -> bool {
        timeout(duration, self.read_packet()).await.is_err()
    }
}

pub fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut rest = body.len();
    while rest >= 128 {
        bytes.push((rest & 0x7F) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes.extend(body);
    bytes
}
