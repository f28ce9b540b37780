//! PUBLISH frames from a template: every report is the same length, and only its digits are rewritten.

use model::Timestamp;

const SEQUENCE_DIGITS: usize = 10;
const MILLIS_DIGITS: usize = 13;
const DEGREE_DIGITS: usize = 4;

/// The PUBLISH frames of one device: `{"type":"location","id":"…","t":…,"lat":…,"lon":…,"acc":8}`, about 90 bytes.
pub(super) struct Frames {
    frame: Vec<u8>,
    packet_id_at: usize,
    sequence_at: usize,
    millis_at: usize,
    lat_at: usize,
    lon_at: usize,
    sequence: u64,
}

impl Frames {
    /// `now` makes the event ids of this run differ from those of the last one.
    pub(super) fn new(topic: &str, now: Timestamp) -> Frames {
        let run = now.millis() / 1000;
        let zeros = |digits: usize| "0".repeat(digits);
        let mut payload = format!(r#"{{"type":"location","id":"{run}-"#);
        let sequence_at = payload.len();
        payload.push_str(&format!(r#"{}","t":"#, zeros(SEQUENCE_DIGITS)));
        let millis_at = payload.len();
        payload.push_str(&format!(r#"{},"lat":31.82"#, zeros(MILLIS_DIGITS)));
        let lat_at = payload.len();
        payload.push_str(&format!(r#"{},"lon":117.22"#, zeros(DEGREE_DIGITS)));
        let lon_at = payload.len();
        payload.push_str(&format!(r#"{},"acc":8}}"#, zeros(DEGREE_DIGITS)));

        let mut frame = vec![0x32]; // PUBLISH, QoS 1
        remaining_length(&mut frame, 2 + topic.len() + 2 + payload.len());
        text(&mut frame, topic);
        let packet_id_at = frame.len();
        frame.extend([0, 0]);
        let body = frame.len();
        frame.extend(payload.as_bytes());
        let [sequence_at, millis_at, lat_at, lon_at] = [sequence_at, millis_at, lat_at, lon_at].map(|at| body + at);
        Frames { frame, packet_id_at, sequence_at, millis_at, lat_at, lon_at, sequence: 0 }
    }

    /// Appends the next report, measured at `measured`.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, packet_id: u16, measured: Timestamp) {
        self.sequence += 1;
        self.frame[self.packet_id_at..self.packet_id_at + 2].copy_from_slice(&packet_id.to_be_bytes());
        digits(&mut self.frame[self.sequence_at..][..SEQUENCE_DIGITS], self.sequence);
        digits(&mut self.frame[self.millis_at..][..MILLIS_DIGITS], measured.millis().unsigned_abs());
        digits(&mut self.frame[self.lat_at..][..DEGREE_DIGITS], self.sequence);
        digits(&mut self.frame[self.lon_at..][..DEGREE_DIGITS], self.sequence * 7);
        out.extend_from_slice(&self.frame);
    }
}

/// The last digits of a number, right-aligned.
fn digits(into: &mut [u8], mut value: u64) {
    for digit in into.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// A CONNECT of MQTT 3.1.1 with a clean session; the client id is also the user name when there is a secret.
pub(super) fn connect_packet(id: &str, secret: Option<&str>) -> Vec<u8> {
    const CLEAN_SESSION: u8 = 0x02;
    const USER_NAME_AND_PASSWORD: u8 = 0xC0;
    const KEEP_ALIVE_SECONDS: u8 = 60;
    let flags = CLEAN_SESSION | if secret.is_some() { USER_NAME_AND_PASSWORD } else { 0 };
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, KEEP_ALIVE_SECONDS];
    text(&mut body, id);
    if let Some(secret) = secret {
        text(&mut body, id);
        text(&mut body, secret);
    }
    let mut packet = vec![0x10];
    remaining_length(&mut packet, body.len());
    packet.extend(body);
    packet
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

fn remaining_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let byte = (length % 128) as u8;
        length /= 128;
        out.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::mqttbytes::v4::Packet;

    use super::*;

    #[test]
    fn frames_are_what_a_codec_reads_and_no_two_reports_are_alike() {
        let now = Timestamp::parse("2026-11-22T00:00:00Z").unwrap();
        let mut frames = Frames::new("yl/v1/load000007/up/json", now);
        let mut bytes = Vec::new();
        frames.append(&mut bytes, 1, now);
        frames.append(&mut bytes, 2, now.plus_millis(5));
        let mut bytes = bytes::BytesMut::from(bytes.as_slice());
        let mut payloads = Vec::new();
        while !bytes.is_empty() {
            let Ok(Packet::Publish(publish)) = Packet::read(&mut bytes, 4096) else { panic!("not a PUBLISH") };
            assert_eq!((publish.topic.as_str(), publish.pkid), ("yl/v1/load000007/up/json", payloads.len() as u16 + 1));
            payloads.push(String::from_utf8(publish.payload.to_vec()).unwrap());
        }
        assert_eq!(
            payloads[0],
            r#"{"type":"location","id":"1795305600-0000000001","t":1795305600000,"lat":31.820001,"lon":117.220007,"acc":8}"#
        );
        assert_ne!(payloads[0], payloads[1]);
        let mut connect = bytes::BytesMut::from(connect_packet("d1", Some("s")).as_slice());
        let Ok(Packet::Connect(connect)) = Packet::read(&mut connect, 4096) else { panic!("not a CONNECT") };
        assert_eq!((connect.client_id.as_str(), connect.login.unwrap().password.as_str()), ("d1", "s"));
    }
}
