//! The protocol in transcripts: what a client sends, what it hears, what comes into the house.

mod refusals;
mod splits;
mod stories;
mod traps;

use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};
use model::{
    DeviceId, DownCommand, DownCommandId, DownCommandKind, DownCommandState, OrgPath, Reject, RejectReason, Report,
    ReportBody, Timestamp, TokenId,
};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;

use super::{Env, Output, Session};
use crate::mailbox::{FeedMessage, Verdict};
use crate::wire::Version;
use crate::{BoxFuture, Credentials, DoorConfig, DoorStats, Grant, Host, Inbound, Items, Lane, Refusal};

/// Knows device `d1` with secret `s1`, token `t1` for one street, and payloads of words: `hr`, `sos`, `bad`.
struct House;

impl Host for House {
    fn now(&self) -> Timestamp {
        noon()
    }
    fn authorise(&self, credentials: &Credentials<'_>) -> Result<Grant, Refusal> {
        match (credentials.user_name, credentials.password) {
            ("d1", b"s1") => Ok(Grant::Device(DeviceId::new("d1"))),
            ("blocked", _) => Err(Refusal::NotAuthorised),
            ("busy", _) => Err(Refusal::ServerBusy),
            ("d1", b"other") => Ok(Grant::Device(DeviceId::new("d2"))),
            ("token", b"t1") => Ok(Grant::Feed { token: TokenId::new("t1"), scope: OrgPath::new("/luyang/xinghua/") }),
            _ => Err(Refusal::BadCredentials),
        }
    }
    fn decode(&self, _: &DeviceId, format: &str, payload: &[u8]) -> Items {
        let one = |word: &[u8]| match (format, word) {
            ("json", b"hr") => Ok(report(ReportBody::HeartRate { bpm: 70 })),
            ("json", b"sos") => Ok(report(ReportBody::Sos { fix: None })),
            ("json", b"") => Err(Reject::new(RejectReason::Empty, "no bytes", word)),
            ("json", _) => Err(Reject::new(RejectReason::Malformed, "not a word", word)),
            _ => Err(Reject::new(RejectReason::UnknownFormat, "no such format", word)),
        };
        payload.split(|byte| *byte == b',').map(one).collect()
    }
    fn offer(&self, _: Lane, _: Inbound) -> Result<(), Inbound> {
        Ok(())
    }
    fn space(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn report(body: ReportBody) -> Report {
    Report { event_id: None, measured: None, body, content_hash: 0 }
}

fn noon() -> Timestamp {
    Timestamp::from_millis(1_795_320_000_000)
}

fn command(number: u64) -> DownCommand {
    DownCommand {
        id: DownCommandId::new(0, number),
        version: 1,
        device: DeviceId::new("d1"),
        kind: DownCommandKind::Ring,
        state: DownCommandState::Queued,
        by: None,
        created_at: noon(),
        expires_at: noon().plus_seconds(60),
        changed_at: noon(),
    }
}

/// A session under test, and everything that came of it, one line each.
struct Talk {
    session: Session,
    version: Version,
    config: DoorConfig,
    stats: DoorStats,
    /// Parcels that wait for their verdict.
    parcels: Vec<(Lane, u64)>,
    transcript: String,
    /// Everything written to the client.
    written: Vec<u8>,
    /// Everything offered, by lane.
    alarms: String,
    telemetry: String,
}

impl Talk {
    fn new(version: Version) -> Talk {
        Talk {
            session: Session::new(),
            version,
            config: DoorConfig::default(),
            stats: DoorStats::default(),
            parcels: Vec::new(),
            transcript: String::new(),
            written: Vec::new(),
            alarms: String::new(),
            telemetry: String::new(),
        }
    }

    /// A talk with device d1, after its CONNECT.
    fn device(version: Version) -> Talk {
        let mut talk = Talk::new(version);
        talk.send(&connect(version, "d1", "d1", "s1"));
        talk.transcript.clear();
        talk
    }

    /// A talk with a feed subscriber, after its CONNECT.
    fn subscriber(version: Version) -> Talk {
        let mut talk = Talk::new(version);
        talk.send(&connect(version, "console", "token", "t1"));
        talk.transcript.clear();
        talk
    }

    fn work(&mut self, work: impl FnOnce(&mut Session, &Env<'_>, &mut Output)) {
        let was_closed = self.session.is_closed();
        let mut out = Output::default();
        let env = Env { host: &House, config: &self.config, stats: &self.stats, now: noon(), certified: None };
        work(&mut self.session, &env, &mut out);
        self.note(out);
        if self.session.is_closed() && !was_closed {
            self.transcript.push_str("closed\n");
        }
    }

    fn note(&mut self, mut out: Output) {
        if let Some(grant) = out.admitted {
            writeln!(self.transcript, "admitted {grant:?}").unwrap();
        }
        for (lane, items, serial) in
            [(Lane::Alarm, out.alarms, out.owed.alarm), (Lane::Telemetry, out.telemetry, out.owed.telemetry)]
        {
            let words: Vec<String> = items
                .iter()
                .map(|item| match &item.outcome {
                    Ok(report) => format!("{:?}", report.kind()),
                    Err(reject) => {
                        format!("reject {:?} {} bytes at {}", reject.reason, reject.payload_bytes, item.topic)
                    }
                })
                .collect();
            if !words.is_empty() {
                writeln!(self.transcript, "{lane:?}: {}", words.join(", ")).unwrap();
                let all = if lane == Lane::Alarm { &mut self.alarms } else { &mut self.telemetry };
                writeln!(all, "{}", words.join("\n")).unwrap();
            }
            if serial != 0 {
                self.parcels.push((lane, serial));
            }
        }
        if let Some(ready) = out.down_ready {
            writeln!(self.transcript, "down ready: {ready}").unwrap();
        }
        for inbound in out.inbounds {
            writeln!(self.transcript, "inbound {inbound:?}").unwrap();
        }
        self.written.extend_from_slice(&out.bytes);
        while !out.bytes.is_empty() {
            let line = heard(self.version, &mut out.bytes);
            writeln!(self.transcript, "< {line}").unwrap();
        }
    }

    fn send(&mut self, bytes: &[u8]) -> &mut Talk {
        self.work(|session, env, out| session.receive(bytes, env, out));
        self
    }

    fn publish(&mut self, qos: u8, packet_id: u16, payload: &str) -> &mut Talk {
        let bytes = publish(self.version, qos, packet_id, "yl/v1/d1/up/json", payload.as_bytes());
        self.send(&bytes)
    }

    /// Settles the parcels of one lane.
    fn settle(&mut self, lane: Lane, verdict: Verdict) -> &mut Talk {
        let (now, later) = std::mem::take(&mut self.parcels).into_iter().partition(|(of, _)| *of == lane);
        self.parcels = later;
        let settled: Vec<(u64, Verdict)> = Vec::into_iter(now).map(|(_, serial)| (serial, verdict)).collect();
        self.work(|session, env, out| session.settle(&settled, env, out));
        self
    }

    /// Releases everything that waits.
    fn release(&mut self) -> &mut Talk {
        self.settle(Lane::Alarm, Verdict::Released).settle(Lane::Telemetry, Verdict::Released)
    }

    fn command(&mut self, number: u64) -> &mut Talk {
        self.work(|session, env, out| session.command(vec![command(number)], env, out));
        self
    }

    fn feed(&mut self, topic: &str) -> &mut Talk {
        let message = FeedMessage { topic: topic.to_owned().into(), payload: "{}".into() };
        self.work(|session, env, out| session.feed([message], env, out));
        self
    }

    /// Compares the transcript since the last time.
    fn expect(&mut self, expected: expect_test::Expect) -> &mut Talk {
        expected.assert_eq(&std::mem::take(&mut self.transcript));
        self
    }
}

/// One packet from the server in words.
fn heard(version: Version, bytes: &mut BytesMut) -> String {
    match version {
        Version::V4 => match v4::Packet::read(bytes, usize::MAX).expect("our own packets can be read") {
            v4::Packet::Publish(p) => {
                format!("PUBLISH {} qos{} id{} {}", p.topic, p.qos as u8, p.pkid, String::from_utf8_lossy(&p.payload))
            }
            packet => format!("{packet:?}"),
        },
        Version::V5 => {
            if bytes.starts_with(&[0xE0]) {
                let code = bytes[2];
                let _disconnect = bytes.split_to(4);
                return format!("DISCONNECT {code:#04x}");
            }
            match v5::Packet::read(bytes, None).expect("our own packets can be read") {
                v5::Packet::Publish(p) => {
                    let (topic, payload) = (String::from_utf8_lossy(&p.topic), String::from_utf8_lossy(&p.payload));
                    format!("PUBLISH {topic} qos{} id{} {payload}", p.qos as u8, p.pkid)
                }
                v5::Packet::PubAck(p) => {
                    acknowledged("PUBACK", p.pkid, p.reason, p.properties.map(|p| p.reason_string))
                }
                v5::Packet::PubRec(p) => {
                    acknowledged("PUBREC", p.pkid, p.reason, p.properties.map(|p| p.reason_string))
                }
                v5::Packet::PubComp(p) => {
                    acknowledged("PUBCOMP", p.pkid, p.reason, p.properties.map(|p| p.reason_string))
                }
                v5::Packet::SubAck(p) => format!("SUBACK {} {:?}", p.pkid, p.return_codes),
                v5::Packet::UnsubAck(p) => format!("UNSUBACK {} {:?}", p.pkid, p.reasons),
                packet => format!("{packet:?}"),
            }
        }
    }
}

fn acknowledged(name: &str, id: u16, reason: impl std::fmt::Debug, text: Option<Option<String>>) -> String {
    let text = text.flatten().map(|text| format!(" \"{text}\"")).unwrap_or_default();
    format!("{name} {id} {reason:?}{text}")
}

fn connect(version: Version, client_id: &str, user_name: &str, password: &str) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    match version {
        Version::V4 => {
            let mut connect = v4::Connect::new(client_id);
            connect.set_login(user_name, password);
            connect.write(&mut bytes).unwrap();
        }
        Version::V5 => {
            let connect =
                v5::Connect { keep_alive: 30, client_id: client_id.to_owned(), clean_start: true, properties: None };
            connect.write(&None, &Some(v5::Login::new(user_name, password)), &mut bytes).unwrap();
        }
    }
    bytes.to_vec()
}

/// A frame of any kind, with an honest length.
fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    crate::wire::frame(first, body).to_vec()
}

fn publish(version: Version, qos: u8, packet_id: u16, topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = BytesMut::new();
    body.put_u16(topic.len() as u16);
    body.put_slice(topic.as_bytes());
    if qos > 0 {
        body.put_u16(packet_id);
    }
    if version == Version::V5 {
        body.put_u8(0);
    }
    body.put_slice(payload);
    frame(0x30 | qos << 1, &body)
}

/// SUBSCRIBE (`0x82`) or UNSUBSCRIBE (`0xA2`).
fn filters(version: Version, first: u8, packet_id: u16, filters: &[&str], qos: u8) -> Vec<u8> {
    let mut body = BytesMut::new();
    body.put_u16(packet_id);
    if version == Version::V5 {
        body.put_u8(0);
    }
    for filter in filters {
        body.put_u16(filter.len() as u16);
        body.put_slice(filter.as_bytes());
        if first == 0x82 {
            body.put_u8(qos);
        }
    }
    frame(first, &body)
}
