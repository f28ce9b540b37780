//! A subscriber of the feed: hears what its filters match within its token's scope, and publishes nothing.

use model::OrgPath;

use super::device::{read_subscribe, read_unsubscribe};
use super::{Client, Env, Output};
use crate::mailbox::FeedMessage;
use crate::stats::add;
use crate::wire::{self, Fault, Version, reason};
use crate::{packet, topic};

/// See the module.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub client: Client,
    scope: OrgPath,
    filters: Vec<String>,
}

impl Subscriber {
    pub fn new(scope: OrgPath, client: Client) -> Subscriber {
        Subscriber { client, scope, filters: Vec::new() }
    }

    /// Messages of the feed have come. What lies outside the scope never gets here; it is checked all the same.
    pub fn feed(&mut self, messages: impl IntoIterator<Item = FeedMessage>, env: &Env<'_>, out: &mut Output) {
        let mut delivered = 0;
        for message in messages {
            let Ok(topic) = std::str::from_utf8(&message.topic) else { continue };
            let wanted = self.filters.iter().any(|filter| topic::matches(filter, topic));
            if !wanted || !topic::in_scope(topic, &self.scope) {
                continue;
            }
            let before = out.bytes.len();
            packet::publish(&mut out.bytes, self.client.version, topic, 0, &message.payload);
            if out.bytes.len() - before > self.client.packet_bytes_max {
                out.bytes.truncate(before);
                continue;
            }
            delivered += 1;
        }
        add(&env.stats.feed_delivered, delivered);
    }

    /// A SUBSCRIBE has come.
    pub fn subscribe(&mut self, first: u8, body: &[u8], env: &Env<'_>, out: &mut Output) -> Result<(), Fault> {
        let (packet_id, filters) = read_subscribe(first, body, self.client.version)?;
        let codes: Vec<u8> = filters.into_iter().map(|(filter, _)| self.grant(filter, env)).collect();
        packet::suback(&mut out.bytes, self.client.version, packet_id, &codes);
        Ok(())
    }

    fn grant(&mut self, filter: String, env: &Env<'_>) -> u8 {
        if !topic::is_filter(&filter) {
            return reason::TOPIC_FILTER_INVALID;
        }
        if filter.starts_with("$share/") {
            return reason::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED;
        }
        if !topic::may_overlap(&filter, &self.scope) {
            return reason::NOT_AUTHORISED;
        }
        if !self.filters.contains(&filter) {
            if self.filters.len() >= env.config.feed_filters_max {
                return reason::QUOTA_EXCEEDED;
            }
            self.filters.push(filter);
        }
        reason::SUCCESS
    }

    /// An UNSUBSCRIBE has come.
    pub fn unsubscribe(&mut self, first: u8, body: &[u8], out: &mut Output) -> Result<(), Fault> {
        let (packet_id, filters) = read_unsubscribe(first, body, self.client.version)?;
        let mut codes = Vec::with_capacity(filters.len());
        for filter in filters {
            let before = self.filters.len();
            self.filters.retain(|kept| *kept != filter);
            let gone = self.filters.len() < before;
            codes.push(if gone { reason::SUCCESS } else { reason::NO_SUBSCRIPTION_EXISTED });
        }
        packet::unsuback(&mut out.bytes, self.client.version, packet_id, &codes);
        Ok(())
    }

    /// A subscriber has tried to publish. MQTT 5 is told in the acknowledgement; 3.1.1 has no way but the end.
    pub fn publish(&mut self, first: u8, body: &[u8], out: &mut Output) -> Result<(), Fault> {
        let publish = wire::publish(first, body, self.client.version)?;
        let kind = match (self.client.version, publish.qos) {
            (Version::V5, 1) => packet::PUBACK,
            (Version::V5, 2) => packet::PUBREC,
            _ => return Err(Fault { code: reason::NOT_AUTHORISED, detail: "a feed subscriber may not publish" }),
        };
        packet::acknowledge_with(&mut out.bytes, kind, publish.packet_id, reason::NOT_AUTHORISED, None);
        Ok(())
    }
}
