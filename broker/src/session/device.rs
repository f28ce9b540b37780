//! A device: publishes to its own `up`, hears commands on its own `down`.

use std::collections::{BTreeSet, VecDeque};

use compact_str::CompactString;
use model::{DeviceId, DownCommand, DownCommandId, Reject, RejectReason};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;
use smallvec::smallvec;

use super::{Client, Env, Output};
use crate::ledger::{Ack, AckKind, Complaint, Ledger, Waits};
use crate::mailbox::Verdict;
use crate::stats::add;
use crate::wire::{self, Fault, Publish, Version, malformed, reason};
use crate::{Inbound, Item, Items, packet, topic};

/// How much of a topic goes with a reject, in bytes.
const REJECTED_TOPIC_BYTES_MAX: usize = 256;
/// How many items a read's first allocation has room for, at most.
const ITEMS_RESERVED_MAX: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Device {
    pub client: Client,
    id: DeviceId,
    up_prefix: Box<[u8]>,
    ledger: Ledger,
    /// QoS 2 publishes whose PUBREL has not come.
    exactly_once: BTreeSet<u16>,
    /// QoS 1 and 2 publishes whose last acknowledgement has not been sent.
    unacknowledged: usize,
    /// How many items the last read held: the next one is likely to hold as many.
    items_expected: usize,
    down: Down,
}

/// The way down to the device.
#[derive(Debug, Default)]
struct Down {
    /// The QoS granted, when subscribed.
    granted: Option<u8>,
    last_packet_id: u16,
    in_flight: Vec<(u16, DownCommandId)>,
    waiting: VecDeque<DownCommand>,
}

impl Device {
    pub fn new(id: DeviceId, client: Client) -> Device {
        Device {
            client,
            up_prefix: topic::up_prefix(&id).into_bytes().into_boxed_slice(),
            id,
            ledger: Ledger::default(),
            exactly_once: BTreeSet::new(),
            unacknowledged: 0,
            items_expected: 1,
            down: Down::default(),
        }
    }

    pub fn is_owing(&self) -> bool {
        !self.ledger.is_empty()
    }

    /// A PUBLISH has come: whole, or oversized with the number of bytes that its payload has in truth.
    pub fn publish(
        &mut self,
        publish: &Publish<'_>,
        oversized_bytes: Option<usize>,
        serials: Waits,
        env: &Env<'_>,
        out: &mut Output,
    ) -> Result<(), Fault> {
        let kind = self.ack_kind(publish, env)?;
        let uploading = oversized_bytes.is_some();
        let (waits, complaint) = if kind == AckKind::PubrecAgain {
            (Waits::default(), None)
        } else {
            let outcomes = self.outcomes(publish, oversized_bytes, env)?;
            self.take_in(outcomes, publish.topic, serials, env, out)
        };
        out.published += 1;
        out.telemetry_bytes += publish.topic.len() + publish.payload.len();
        if kind == AckKind::Nothing && (self.client.version == Version::V5 || complaint.is_none()) {
            return Ok(());
        }
        out.owed.alarm = out.owed.alarm.max(waits.alarm);
        out.owed.telemetry = out.owed.telemetry.max(waits.telemetry);
        let code = match &complaint {
            Some(complaint) if complaint.reason == RejectReason::ForeignTopic => reason::NOT_AUTHORISED,
            Some(complaint) if complaint.rejected == complaint.items => reason::PAYLOAD_FORMAT_INVALID,
            _ => reason::SUCCESS,
        };
        let ack = Ack { packet_id: publish.packet_id, kind, code, complaint: complaint.map(Box::new) };
        if uploading {
            self.ledger.owe_while_uploading(waits, ack);
        } else {
            self.ledger.owe(waits, ack);
        }
        if waits == Waits::default() {
            self.acknowledge(env, out);
        }
        Ok(())
    }

    /// The rest of an oversized publish has come.
    pub fn uploaded(&mut self, env: &Env<'_>, out: &mut Output) {
        self.ledger.uploaded();
        self.acknowledge(env, out);
    }

    /// How the publish will be acknowledged; counts it against the receive maximum.
    fn ack_kind(&mut self, publish: &Publish<'_>, env: &Env<'_>) -> Result<AckKind, Fault> {
        let kind = match publish.qos {
            0 => return Ok(AckKind::Nothing),
            1 => AckKind::Puback,
            _ if self.exactly_once.contains(&publish.packet_id) => return Ok(AckKind::PubrecAgain),
            _ => AckKind::Pubrec,
        };
        if self.client.version == Version::V5 && self.unacknowledged >= usize::from(env.config.receive_maximum) {
            let code = reason::RECEIVE_MAXIMUM_EXCEEDED;
            return Err(Fault { code, detail: "more unacknowledged publishes than the receive maximum" });
        }
        self.unacknowledged += 1;
        if kind == AckKind::Pubrec {
            self.exactly_once.insert(publish.packet_id);
        }
        Ok(kind)
    }

    /// The reports in the payload, or why there are none.
    fn outcomes(&self, publish: &Publish<'_>, oversized_bytes: Option<usize>, env: &Env<'_>) -> Result<Items, Fault> {
        if publish.aliased {
            let code = reason::TOPIC_ALIAS_INVALID;
            return Err(Fault { code, detail: "a topic alias, of which the CONNACK allowed none" });
        }
        let format = topic::format(publish.topic, &self.up_prefix);
        if let (Some(format), None) = (format, oversized_bytes) {
            return Ok(env.host.decode(&self.id, format, publish.payload));
        }
        if std::str::from_utf8(publish.topic).is_err() {
            return Err(malformed("a topic that is not UTF-8"));
        }
        if topic::name(publish.topic).is_none() {
            let code = reason::TOPIC_NAME_INVALID;
            return Err(Fault { code, detail: "a topic that is empty or holds a wildcard or a NUL" });
        }
        let mut reject = if format.is_some() {
            let detail = format!("the packet is larger than {} bytes", env.config.packet_bytes_max);
            Reject::new(RejectReason::TooLarge, &detail, publish.payload)
        } else {
            let detail = "a device may publish only to its own yl/v1/{device}/up/{format}";
            Reject::new(RejectReason::ForeignTopic, detail, publish.payload)
        };
        if let Some(bytes) = oversized_bytes {
            reject.payload_bytes = bytes as u64;
        }
        Ok(smallvec![Err(reject)])
    }

    /// Sorts the items into the two lanes; says which of them the acknowledgement waits for.
    fn take_in(
        &mut self,
        outcomes: Items,
        topic: &[u8],
        serials: Waits,
        env: &Env<'_>,
        out: &mut Output,
    ) -> (Waits, Option<Complaint>) {
        let items = outcomes.len();
        let mut waits = Waits::default();
        let mut complaint: Option<Complaint> = None;
        for outcome in outcomes {
            let alarm = matches!(&outcome, Ok(report) if report.is_alarm());
            let mut item = Item { received: env.now, topic: CompactString::const_new(""), outcome };
            if let Err(reject) = &item.outcome {
                item.topic = shortened(topic);
                env.stats.count_reject(reject.reason);
                let first = (reject.reason, &reject.detail);
                complaint
                    .get_or_insert_with(|| Complaint { reason: first.0, detail: first.1.clone(), rejected: 0, items })
                    .rejected += 1;
            }
            if alarm {
                waits.alarm = serials.alarm;
                out.alarms.push(item);
            } else {
                waits.telemetry = serials.telemetry;
                if out.telemetry.is_empty() {
                    out.telemetry.reserve(self.items_expected.min(ITEMS_RESERVED_MAX));
                    self.items_expected = 0;
                }
                out.telemetry.push(item);
                self.items_expected += 1;
            }
        }
        out.items += items as u64;
        (waits, complaint)
    }

    /// Parcels were settled.
    pub fn settle(&mut self, settled: &[(u64, Verdict)], env: &Env<'_>, out: &mut Output) {
        for (serial, verdict) in settled {
            self.ledger.settle(*serial, *verdict);
        }
        self.acknowledge(env, out);
    }

    /// Writes every acknowledgement whose turn has come.
    fn acknowledge(&mut self, env: &Env<'_>, out: &mut Output) {
        let mut count = 0;
        while let Some((ack, verdict)) = self.ledger.next_due() {
            let code = match (verdict, self.client.version) {
                (Verdict::Released, _) => ack.code,
                (Verdict::Refused, Version::V5) => reason::QUOTA_EXCEEDED,
                (Verdict::Refused, Version::V4) | (Verdict::Abandoned, _) => {
                    self.forget(&ack);
                    continue;
                }
            };
            count += u64::from(ack.kind != AckKind::Nothing);
            self.acknowledge_one(&ack, code, verdict, out);
        }
        if count > 0 {
            add(&env.stats.acknowledged, count);
        }
    }

    fn acknowledge_one(&mut self, ack: &Ack, code: u8, verdict: Verdict, out: &mut Output) {
        let (kind, final_one) = match ack.kind {
            AckKind::Nothing => return self.complain(ack, out),
            AckKind::Puback => (packet::PUBACK, true),
            AckKind::Pubrec => (packet::PUBREC, false),
            // The first copy may have been refused meanwhile; then this one is as well.
            AckKind::PubrecAgain if self.exactly_once.contains(&ack.packet_id) => (packet::PUBREC, false),
            AckKind::PubrecAgain => return,
        };
        if final_one {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
        } else if code >= reason::UNSPECIFIED && self.client.version == Version::V5 {
            self.forget(ack);
        }
        match (self.client.version, &ack.complaint) {
            (Version::V4, _) => packet::acknowledge(&mut out.bytes, kind, ack.packet_id),
            (Version::V5, None) if code == reason::SUCCESS => {
                packet::acknowledge(&mut out.bytes, kind, ack.packet_id);
            }
            (Version::V5, complaint) => {
                let text = complaint
                    .as_ref()
                    .filter(|complaint| verdict == Verdict::Released && self.may_explain(complaint))
                    .map(|complaint| complaint.text());
                packet::acknowledge_with(&mut out.bytes, kind, ack.packet_id, code, text.as_deref());
            }
        }
        self.complain(ack, out);
    }

    /// A publish that will not be acknowledged, or finally: if it comes again, it is a new one.
    fn forget(&mut self, ack: &Ack) {
        match ack.kind {
            AckKind::Puback => self.unacknowledged = self.unacknowledged.saturating_sub(1),
            AckKind::Pubrec => {
                self.exactly_once.remove(&ack.packet_id);
                self.unacknowledged = self.unacknowledged.saturating_sub(1);
            }
            AckKind::Nothing | AckKind::PubrecAgain => {}
        }
    }

    fn may_explain(&self, complaint: &Complaint) -> bool {
        /// Around the text: header, packet id, code, property length, property.
        const AROUND_BYTES: usize = 16;
        self.client.problem_information && complaint.text().len() + AROUND_BYTES <= self.client.packet_bytes_max
    }

    /// Tells a 3.1.1 device on its `down` what was rejected: its acknowledgements have no room for it.
    fn complain(&self, ack: &Ack, out: &mut Output) {
        if let (Version::V4, Some(_), Some(complaint)) = (self.client.version, self.down.granted, &ack.complaint) {
            let payload = packet::complaint_payload(complaint);
            packet::publish(&mut out.bytes, self.client.version, &topic::down(&self.id), 0, &payload);
        }
    }

    /// A PUBREL has come.
    pub fn release(&mut self, body: &[u8], out: &mut Output) -> Result<(), Fault> {
        let (packet_id, _) = wire::acknowledgement(body, self.client.version)?;
        if self.exactly_once.remove(&packet_id) {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
            packet::acknowledge(&mut out.bytes, packet::PUBCOMP, packet_id);
        } else if self.client.version == Version::V4 {
            packet::acknowledge(&mut out.bytes, packet::PUBCOMP, packet_id);
        } else {
            let code = reason::PACKET_ID_NOT_FOUND;
            packet::acknowledge_with(&mut out.bytes, packet::PUBCOMP, packet_id, code, None);
        }
        Ok(())
    }

    /// A SUBSCRIBE has come: to its own `down`, or to nothing.
    pub fn subscribe(&mut self, first: u8, body: &[u8], out: &mut Output) -> Result<(), Fault> {
        let (packet_id, filters) = read_subscribe(first, body, self.client.version)?;
        let down = topic::down(&self.id);
        let mut ready = false;
        let codes: Vec<u8> = filters
            .iter()
            .map(|(filter, qos)| {
                if *filter == down {
                    let granted = (*qos).min(1);
                    self.down.granted = Some(granted);
                    ready = true;
                    granted
                } else if !topic::is_filter(filter) {
                    reason::TOPIC_FILTER_INVALID
                } else if filter.starts_with("$share/") {
                    reason::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED
                } else if topic::is_wildcard(filter) {
                    reason::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED
                } else {
                    reason::NOT_AUTHORISED
                }
            })
            .collect();
        packet::suback(&mut out.bytes, self.client.version, packet_id, &codes);
        if ready {
            out.down_ready = Some(true);
            out.inbounds.push(Inbound::DownReady { device: self.id.clone() });
        }
        Ok(())
    }

    /// An UNSUBSCRIBE has come.
    pub fn unsubscribe(&mut self, first: u8, body: &[u8], out: &mut Output) -> Result<(), Fault> {
        let (packet_id, filters) = read_unsubscribe(first, body, self.client.version)?;
        let down = topic::down(&self.id);
        let codes: Vec<u8> = filters
            .iter()
            .map(|filter| {
                if *filter == down && self.down.granted.take().is_some() {
                    self.down.waiting.clear();
                    out.down_ready = Some(false);
                    reason::SUCCESS
                } else {
                    reason::NO_SUBSCRIPTION_EXISTED
                }
            })
            .collect();
        packet::unsuback(&mut out.bytes, self.client.version, packet_id, &codes);
        Ok(())
    }

    /// Commands for the device; those that are already on their way to it are not sent twice.
    pub fn command(&mut self, commands: Vec<DownCommand>, env: &Env<'_>, out: &mut Output) {
        for command in commands {
            let known = self.down.in_flight.iter().any(|(_, id)| *id == command.id)
                || self.down.waiting.iter().any(|waiting| waiting.id == command.id);
            if !known && self.down.waiting.len() < usize::from(env.config.down_in_flight_max) {
                self.down.waiting.push_back(command);
            }
        }
        self.send_waiting(env, out);
    }

    /// The device's PUBACK for a command has come.
    pub fn down_acknowledged(&mut self, body: &[u8], env: &Env<'_>, out: &mut Output) -> Result<(), Fault> {
        let (packet_id, _) = wire::acknowledgement(body, self.client.version)?;
        if let Some(index) = self.down.in_flight.iter().position(|(id, _)| *id == packet_id) {
            let (_, command) = self.down.in_flight.swap_remove(index);
            add(&env.stats.down_acknowledged, 1);
            out.inbounds.push(Inbound::DownAcknowledged { device: self.id.clone(), command });
        }
        self.send_waiting(env, out);
        Ok(())
    }

    fn send_waiting(&mut self, env: &Env<'_>, out: &mut Output) {
        let Some(granted) = self.down.granted else { return };
        let in_flight_max = usize::from(env.config.down_in_flight_max.min(self.client.receive_maximum));
        let down = topic::down(&self.id);
        while self.down.in_flight.len() < in_flight_max {
            let Some(command) = self.down.waiting.pop_front() else { return };
            if command.expires_at <= env.now {
                continue;
            }
            let payload = packet::command_payload(&command);
            let packet_id = if granted == 0 { 0 } else { self.down.next_packet_id() };
            let before = out.bytes.len();
            packet::publish(&mut out.bytes, self.client.version, &down, packet_id, &payload);
            if out.bytes.len() - before > self.client.packet_bytes_max {
                // It said that it cannot take so much: the protocol wants us to drop it, and it will expire.
                out.bytes.truncate(before);
                continue;
            }
            if packet_id != 0 {
                self.down.in_flight.push((packet_id, command.id));
            }
            add(&env.stats.down_sent, 1);
            out.inbounds.push(Inbound::DownSent { device: self.id.clone(), command: command.id });
        }
    }
}

impl Down {
    fn next_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            if !self.in_flight.iter().any(|(id, _)| *id == self.last_packet_id) {
                return self.last_packet_id;
            }
        }
    }
}

/// Packet id, and filters with the QoS asked for.
pub(super) fn read_subscribe(first: u8, body: &[u8], version: Version) -> Result<(u16, Vec<(String, u8)>), Fault> {
    wire::check_subscribe(body, version)?;
    let mut frame = wire::frame(first, body);
    let fault = malformed("a SUBSCRIBE that cannot be read");
    match version {
        Version::V4 => {
            let Ok(v4::Packet::Subscribe(subscribe)) = v4::Packet::read(&mut frame, usize::MAX) else {
                return Err(fault);
            };
            let filters = subscribe.filters.into_iter().map(|filter| (filter.path, filter.qos as u8));
            Ok((subscribe.pkid, filters.collect()))
        }
        Version::V5 => {
            let Ok(v5::Packet::Subscribe(subscribe)) = v5::Packet::read(&mut frame, None) else { return Err(fault) };
            let filters = subscribe.filters.into_iter().map(|filter| (filter.path, filter.qos as u8));
            Ok((subscribe.pkid, filters.collect()))
        }
    }
}

/// Packet id and filters.
pub(super) fn read_unsubscribe(first: u8, body: &[u8], version: Version) -> Result<(u16, Vec<String>), Fault> {
    wire::check_unsubscribe(body, version)?;
    let mut frame = wire::frame(first, body);
    let fault = malformed("an UNSUBSCRIBE that cannot be read");
    match version {
        Version::V4 => match v4::Packet::read(&mut frame, usize::MAX) {
            Ok(v4::Packet::Unsubscribe(unsubscribe)) => Ok((unsubscribe.pkid, unsubscribe.topics)),
            _ => Err(fault),
        },
        Version::V5 => match v5::Packet::read(&mut frame, None) {
            Ok(v5::Packet::Unsubscribe(unsubscribe)) => Ok((unsubscribe.pkid, unsubscribe.filters)),
            _ => Err(fault),
        },
    }
}

fn shortened(topic: &[u8]) -> CompactString {
    let topic = String::from_utf8_lossy(topic);
    CompactString::new(&topic[..topic.floor_char_boundary(REJECTED_TOPIC_BYTES_MAX)])
}
