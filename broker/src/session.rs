//! One client's side of the protocol, without a socket: bytes and events go in, bytes and inbounds come out.
//!
//! How the bytes were cut into chunks makes no difference. Whatever comes, nothing here panics: a broken rule ends
//! the session, and MQTT 5 is told why.

mod connect;
mod device;
mod subscriber;
#[cfg(test)]
mod tests;

use bytes::BytesMut;
use model::reject::QUARANTINED_PAYLOAD_BYTES_MAX;
use model::{DownCommand, Timestamp};

use crate::ledger::Waits;
use crate::mailbox::{FeedMessage, Verdict};
use crate::stats::add;
use crate::wire::{self, Fault, Header, Protocol, Version, kind, protocol_error, reason};
use crate::{DoorConfig, DoorStats, Grant, Host, Inbound, Item, packet};
use device::Device;
use subscriber::Subscriber;

/// What a session may ask while it works.
pub(crate) struct Env<'a> {
    pub host: &'a dyn Host,
    pub config: &'a DoorConfig,
    pub stats: &'a DoorStats,
    /// When the bytes or the event arrived.
    pub now: Timestamp,
    /// The name in the client's certificate, if it brought one.
    pub certified: Option<&'a str>,
}

/// What a session wants done.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// To be written.
    pub bytes: BytesMut,
    /// Somebody was let in: to be registered before anything else below is acted on.
    pub admitted: Option<Grant>,
    /// For the alarm lane.
    pub alarms: Vec<Item>,
    /// For the telemetry lane.
    pub telemetry: Vec<Item>,
    /// How many bytes the telemetry came in.
    pub telemetry_bytes: usize,
    /// The serials of the two parcels, as far as acknowledgements wait for them; 0 where none does.
    pub owed: Waits,
    /// Whether down-commands can be delivered from now on.
    pub down_ready: Option<bool>,
    /// About down-commands.
    pub inbounds: Vec<Inbound>,
    /// How many publishes there were. Counted here and added to the statistics once a read: those are shared.
    pub published: u64,
    /// How many items were in them.
    pub items: u64,
}

/// What a client said about itself in its CONNECT.
#[derive(Debug, Clone, Copy)]
struct Client {
    version: Version,
    /// The largest packet that it takes, in bytes.
    packet_bytes_max: usize,
    /// How many QoS 1 publishes it takes unacknowledged.
    receive_maximum: u16,
    /// Whether it wants to read reasons.
    problem_information: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    phase: Phase,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    skip: Option<Box<Skip>>,
    last_serial: u64,
    keep_alive_seconds: u16,
}

#[derive(Debug)]
enum Phase {
    Connecting,
    Device(Box<Device>),
    Feed(Box<Subscriber>),
    Closed,
}

/// An oversized publish on its way: its first bytes are quarantined, the rest is thrown away.
#[derive(Debug)]
struct Skip {
    first: u8,
    /// The beginning of the body, until it was handed on.
    head: Vec<u8>,
    body_bytes: usize,
    to_come: usize,
    handed_on: bool,
}

/// What stands at the beginning of the unread bytes.
enum Next {
    Frame(Header),
    Oversized(Header),
    More,
}

/// Above this, room for a partial frame that is mostly unused is given back.
const PARTIAL_KEPT_BYTES_MAX: usize = 4096;

impl Session {
    pub fn new() -> Session {
        Session { phase: Phase::Connecting, partial: Vec::new(), skip: None, last_serial: 0, keep_alive_seconds: 0 }
    }

    /// Whether the CONNECT has still to come.
    pub fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Connecting)
    }

    /// Whether it is over; what is in the output is still to be written.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether acknowledgements are owed.
    pub fn is_owing(&self) -> bool {
        matches!(&self.phase, Phase::Device(device) if device.is_owing())
    }

    /// The keep-alive that the client announced or was told, in seconds; 0 is none.
    pub fn keep_alive_seconds(&self) -> u16 {
        self.keep_alive_seconds
    }

    /// Bytes have come.
    pub fn receive(&mut self, chunk: &[u8], env: &Env<'_>, out: &mut Output) {
        let serials = Waits { alarm: self.last_serial + 1, telemetry: self.last_serial + 2 };
        self.last_serial += 2;
        if self.partial.is_empty() {
            let used = self.frames(chunk, serials, env, out);
            self.partial = chunk[used..].to_vec();
        } else {
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(chunk);
            let used = self.frames(&bytes, serials, env, out);
            if used < bytes.len() {
                bytes.drain(..used);
                if bytes.capacity() > PARTIAL_KEPT_BYTES_MAX && bytes.len() < bytes.capacity() / 4 {
                    bytes.shrink_to_fit();
                }
                self.partial = bytes;
            }
        }
        if self.is_closed() {
            self.partial = Vec::new();
        }
        add(&env.stats.bytes_in, chunk.len() as u64);
        if out.published > 0 {
            add(&env.stats.published, std::mem::take(&mut out.published));
            add(&env.stats.items, std::mem::take(&mut out.items));
        }
    }

    /// Parcels were settled.
    pub fn settle(&mut self, settled: &[(u64, Verdict)], env: &Env<'_>, out: &mut Output) {
        if let Phase::Device(device) = &mut self.phase {
            device.settle(settled, env, out);
        }
    }

    /// Commands for the device.
    pub fn command(&mut self, commands: Vec<DownCommand>, env: &Env<'_>, out: &mut Output) {
        if let Phase::Device(device) = &mut self.phase {
            device.command(commands, env, out);
        }
    }

    /// Messages of the feed, within the scope.
    pub fn feed(&mut self, messages: impl IntoIterator<Item = FeedMessage>, env: &Env<'_>, out: &mut Output) {
        if let Phase::Feed(subscriber) = &mut self.phase {
            subscriber.feed(messages, env, out);
        }
    }

    /// Ends the session from our side.
    pub fn close(&mut self, code: u8, out: &mut Output) {
        if let Some(client) = self.client() {
            packet::disconnect(&mut out.bytes, client.version, code);
        }
        self.phase = Phase::Closed;
    }

    /// Instead of the CONNACK that is in the output: the house cannot serve this client now.
    pub fn refuse_busy(&mut self, env: &Env<'_>, out: &mut Output) {
        out.bytes.clear();
        if let Some(client) = self.client() {
            packet::connack_refused(&mut out.bytes, client.version, packet::ConnectRefusal::Busy);
        }
        add(&env.stats.refused_busy, 1);
        self.phase = Phase::Closed;
    }

    fn client(&self) -> Option<Client> {
        match &self.phase {
            Phase::Device(device) => Some(device.client),
            Phase::Feed(subscriber) => Some(subscriber.client),
            Phase::Connecting | Phase::Closed => None,
        }
    }

    /// Works off what is complete; returns how many bytes that was.
    fn frames(&mut self, bytes: &[u8], serials: Waits, env: &Env<'_>, out: &mut Output) -> usize {
        let mut at = 0;
        while at < bytes.len() && !self.is_closed() {
            let rest = &bytes[at..];
            let done = if self.skip.is_some() {
                self.skip_on(rest, serials, env, out)
            } else {
                match self.next(rest, env, out) {
                    Ok(Next::More) => break,
                    Ok(Next::Frame(header)) => {
                        let body = &rest[header.head..header.total()];
                        self.packet(header.first, body, serials, env, out).map(|()| header.total())
                    }
                    Ok(Next::Oversized(header)) => {
                        let (first, body_bytes) = (header.first, header.body);
                        let skip = Skip { first, head: Vec::new(), body_bytes, to_come: body_bytes, handed_on: false };
                        self.skip = Some(Box::new(skip));
                        Ok(header.head)
                    }
                    Err(fault) => Err(fault),
                }
            };
            match done {
                Ok(used) => at += used,
                Err(fault) => self.fail(fault, env, out),
            }
        }
        if self.is_closed() { bytes.len() } else { at }
    }

    fn next(&mut self, rest: &[u8], env: &Env<'_>, out: &mut Output) -> Result<Next, Fault> {
        let Some(&first) = rest.first() else { return Ok(Next::More) };
        let connecting = self.is_connecting();
        if connecting && first != kind::CONNECT << 4 {
            return Err(protocol_error("something else before the CONNECT"));
        }
        wire::check_flags(first)?;
        let Some(header) = wire::header(rest)? else { return Ok(Next::More) };
        let bytes_max = if connecting { env.config.connect_bytes_max } else { env.config.packet_bytes_max };
        if header.total() <= bytes_max {
            return Ok(if header.total() <= rest.len() { Next::Frame(header) } else { Next::More });
        }
        if connecting {
            return self.oversized_connect(&rest[header.head..], env, out);
        }
        if header.kind() == kind::PUBLISH && matches!(self.phase, Phase::Device(_)) {
            return Ok(Next::Oversized(header));
        }
        Err(Fault { code: reason::PACKET_TOO_LARGE, detail: "a packet that is too large" })
    }

    fn packet(&mut self, first: u8, body: &[u8], serials: Waits, env: &Env<'_>, out: &mut Output) -> Result<(), Fault> {
        match &mut self.phase {
            Phase::Connecting => {
                self.connect(first, body, env, out);
                Ok(())
            }
            Phase::Device(device) if first >> 4 == kind::PUBLISH => {
                let publish = wire::publish(first, body, device.client.version)?;
                device.publish(&publish, None, serials, env, out)
            }
            Phase::Device(device) => match first >> 4 {
                kind::PUBREL => device.release(body, out),
                kind::PUBACK => device.down_acknowledged(body, env, out),
                kind::SUBSCRIBE => device.subscribe(first, body, out),
                kind::UNSUBSCRIBE => device.unsubscribe(first, body, out),
                _ => self.common(first, body, out),
            },
            Phase::Feed(subscriber) => match first >> 4 {
                kind::PUBLISH => subscriber.publish(first, body, out),
                kind::SUBSCRIBE => subscriber.subscribe(first, body, env, out),
                kind::UNSUBSCRIBE => subscriber.unsubscribe(first, body, out),
                _ => self.common(first, body, out),
            },
            Phase::Closed => Ok(()),
        }
    }

    /// What every client may send.
    fn common(&mut self, first: u8, body: &[u8], out: &mut Output) -> Result<(), Fault> {
        match first >> 4 {
            kind::PINGREQ if body.is_empty() => {
                packet::pong(&mut out.bytes);
                Ok(())
            }
            kind::DISCONNECT => {
                let version = self.client().map_or(Version::V4, |client| client.version);
                wire::check_disconnect(body, version)?;
                self.phase = Phase::Closed;
                Ok(())
            }
            kind::PINGREQ => Err(wire::malformed("a PINGREQ with a body")),
            kind::CONNECT => Err(protocol_error("a second CONNECT")),
            kind::AUTH => Err(protocol_error("an AUTH without an authentication method")),
            _ => Err(protocol_error("a packet that only servers send, or that answers nothing of ours")),
        }
    }

    /// Goes on with an oversized publish; returns how many bytes it used.
    fn skip_on(&mut self, rest: &[u8], serials: Waits, env: &Env<'_>, out: &mut Output) -> Result<usize, Fault> {
        let (Phase::Device(device), Some(skip)) = (&mut self.phase, &mut self.skip) else { return Ok(rest.len()) };
        let used = rest.len().min(skip.to_come);
        skip.to_come -= used;
        let mut rest = &rest[..used];
        while !skip.handed_on {
            let wanted = wire::oversized_head_bytes(
                skip.first,
                &skip.head,
                device.client.version,
                QUARANTINED_PAYLOAD_BYTES_MAX,
            )?
            .min(skip.body_bytes);
            if skip.head.len() >= wanted {
                let head = std::mem::take(&mut skip.head);
                let publish = wire::publish(skip.first, &head, device.client.version)?;
                let payload_bytes = skip.body_bytes - (head.len() - publish.payload.len());
                skip.handed_on = true;
                device.publish(&publish, Some(payload_bytes), serials, env, out)?;
                break;
            }
            let more = rest.len().min(wanted - skip.head.len());
            if more == 0 {
                break;
            }
            skip.head.extend_from_slice(&rest[..more]);
            rest = &rest[more..];
        }
        if skip.to_come == 0 {
            self.skip = None;
            device.uploaded(env, out);
        }
        Ok(used)
    }

    fn fail(&mut self, fault: Fault, env: &Env<'_>, out: &mut Output) {
        if self.is_connecting() {
            add(&env.stats.refused_not_mqtt, 1);
        } else {
            add(&env.stats.protocol_errors, 1);
        }
        tracing::debug!(code = fault.code, detail = fault.detail, "an MQTT connection is closed for a protocol error");
        self.close(fault.code, out);
    }

    /// Answers a CONNECT that is larger than strangers may send, as soon as its version is known.
    fn oversized_connect(&mut self, body: &[u8], env: &Env<'_>, out: &mut Output) -> Result<Next, Fault> {
        const PROTOCOL_BYTES: usize = 7;
        if body.len() < PROTOCOL_BYTES {
            return Ok(Next::More);
        }
        if let Protocol::Spoken(version) = wire::protocol(body)? {
            packet::connack_refused(&mut out.bytes, version, packet::ConnectRefusal::TooLarge);
        }
        add(&env.stats.refused_not_mqtt, 1);
        self.phase = Phase::Closed;
        Ok(Next::More)
    }
}
