//! What the door counts.

use std::sync::atomic::{AtomicU64, Ordering};

use model::RejectReason;

/// Counters since the start; read with [`DoorStats::read`].
#[derive(Debug, Default)]
pub struct DoorStats {
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Connections that were let in after their CONNECT.
    pub admitted: AtomicU64,
    /// Closed because what came first was no CONNECT, or a broken one.
    pub refused_not_mqtt: AtomicU64,
    /// Closed because no whole CONNECT came in time.
    pub refused_timeout: AtomicU64,
    /// Refused: a protocol level that we do not speak.
    pub refused_protocol: AtomicU64,
    /// Refused: client id, user name and device id are not the same.
    pub refused_client_id: AtomicU64,
    /// Refused: unknown user or wrong password.
    pub refused_credentials: AtomicU64,
    /// Refused: known, but blocked.
    pub refused_not_authorised: AtomicU64,
    /// Refused: too many connections, or the house said so.
    pub refused_busy: AtomicU64,
    /// TLS handshakes that failed or took too long.
    pub refused_tls: AtomicU64,
    /// Sessions that ended because the same device connected again.
    pub taken_over: AtomicU64,
    /// Closed for breaking the protocol after the CONNECT.
    pub protocol_errors: AtomicU64,
    /// Closed because nothing was heard for one and a half keep-alives.
    pub keep_alive_timeouts: AtomicU64,
    /// Closed because a write made no progress.
    pub write_stalls: AtomicU64,
    /// PUBLISH packets from devices.
    pub published: AtomicU64,
    /// Reports and rejects in them.
    pub items: AtomicU64,
    /// Rejects by reason, in the order of [`RejectReason`].
    pub rejected: [AtomicU64; REJECT_REASONS.len()],
    /// PUBACKs and PUBRECs sent for them.
    pub acknowledged: AtomicU64,
    /// How often telemetry had to wait for room in the inbox.
    pub telemetry_waits: AtomicU64,
    /// Bytes read.
    pub bytes_in: AtomicU64,
    /// Bytes written.
    pub bytes_out: AtomicU64,
    /// Down-commands written to a device.
    pub down_sent: AtomicU64,
    /// Down-commands acknowledged by a device.
    pub down_acknowledged: AtomicU64,
    /// Feed messages handed to the router.
    pub feed_published: AtomicU64,
    /// Feed messages that the router could not take.
    pub feed_dropped: AtomicU64,
    /// Feed messages written to subscribers.
    pub feed_delivered: AtomicU64,
    /// Feed subscribers that were cut because they read too slowly.
    pub feed_cut: AtomicU64,
}

/// All reasons, in the order of their declaration, which is that of [`DoorStats::rejected`].
pub const REJECT_REASONS: [RejectReason; 10] = [
    RejectReason::Empty,
    RejectReason::TooLarge,
    RejectReason::NotUtf8,
    RejectReason::Malformed,
    RejectReason::TooDeep,
    RejectReason::TooManyItems,
    RejectReason::BadField,
    RejectReason::Implausible,
    RejectReason::UnknownFormat,
    RejectReason::ForeignTopic,
];

impl DoorStats {
    /// A counter's value.
    #[must_use]
    pub fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    /// How many rejects of this reason there were.
    #[must_use]
    pub fn rejects(&self, reason: RejectReason) -> u64 {
        DoorStats::read(&self.rejected[reason as usize])
    }

    pub(crate) fn count_reject(&self, reason: RejectReason) {
        add(&self.rejected[reason as usize], 1);
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::REJECT_REASONS;

    #[test]
    fn reasons_stand_at_their_own_index() {
        for (index, reason) in REJECT_REASONS.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }
}
