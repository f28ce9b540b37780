//! The two ways into the house: alarms at once, telemetry when there is room.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use super::{ALARM_RETRY_MILLIS, Connection};
use crate::host::BoxFuture;
use crate::stats::add;
use crate::{Inbound, Item, Lane, Parcel, Receipts};

impl Connection {
    pub(super) fn receipts(&self, serial: u64) -> Receipts {
        if serial == 0 { Receipts::none() } else { Receipts::new(Arc::clone(&self.place.mailbox), serial) }
    }

    pub(super) fn offer_alarm(&mut self, inbound: Inbound) {
        self.held_alarms.push_back(inbound);
        self.retry_alarms();
    }

    pub(super) fn retry_alarms(&mut self) {
        self.alarm_retry = None;
        let host = self.shared.host.as_ref();
        if self.unannounced
            && let Some(device) = &self.place.device
        {
            self.unannounced = !self.shared.registry.announce(device, host);
        }
        while !self.unannounced
            && let Some(inbound) = self.held_alarms.pop_front()
        {
            if let Err(inbound) = host.offer(Lane::Alarm, inbound) {
                self.held_alarms.push_front(inbound);
                break;
            }
        }
        if self.unannounced || !self.held_alarms.is_empty() {
            self.alarm_retry = Some(Instant::now() + Duration::from_millis(ALARM_RETRY_MILLIS));
        }
    }

    pub(super) fn offer_telemetry(&mut self, parcel: Parcel, bytes: usize) {
        // Many small reports take more room in memory than they did on the way.
        let bytes = bytes.max(parcel.items.len() * size_of::<Item>());
        if self.held.is_empty() {
            match self.shared.host.offer(Lane::Telemetry, Inbound::Parcel(parcel)) {
                Ok(()) => return,
                Err(Inbound::Parcel(parcel)) => {
                    add(&self.shared.stats.telemetry_waits, 1);
                    self.held.push_back((parcel, bytes));
                }
                Err(_) => return,
            }
        } else {
            self.held.push_back((parcel, bytes));
        }
        self.held_bytes += bytes;
    }

    /// Offers what is held whenever there may be room again.
    pub(super) fn poll_held(&mut self, cx: &mut Context<'_>) {
        if self.held.is_empty() {
            self.space = None;
            return;
        }
        if let Some(space) = &mut self.space {
            if space.as_mut().poll(cx).is_pending() {
                return;
            }
            self.space = None;
        }
        // Registered before the offer, so that room which appears in between is not missed.
        let host = Arc::clone(&self.shared.host);
        let mut space: BoxFuture<'static, ()> = Box::pin(async move { host.space().await });
        let room_already = space.as_mut().poll(cx).is_ready();
        while let Some((parcel, bytes)) = self.held.pop_front() {
            if let Err(Inbound::Parcel(parcel)) = self.shared.host.offer(Lane::Telemetry, Inbound::Parcel(parcel)) {
                self.held.push_front((parcel, bytes));
                break;
            }
            self.held_bytes -= bytes;
        }
        if self.held.is_empty() {
            self.held = VecDeque::new();
        } else if room_already {
            cx.waker().wake_by_ref();
        } else {
            self.space = Some(space);
        }
    }
}
