//! What a connection may take its time for, and how long.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::Connection;
use crate::stats::add;
use crate::wire::reason;

impl Connection {
    /// Ready when time is up for something that ends the connection.
    pub(super) fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(due) = self.due() {
            if due < self.timer.deadline() {
                self.timer.as_mut().reset(due);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if self.is_time_up(now) {
                return Poll::Ready(());
            }
            if self.alarm_retry.is_some_and(|at| at <= now) {
                self.retry_alarms();
                cx.waker().wake_by_ref();
            }
            // The timer is only ever set earlier above; what was due has moved on, and it follows here.
            let next = self.due().unwrap_or(now + Duration::from_secs(1));
            self.timer.as_mut().reset(next);
        }
        Poll::Pending
    }

    /// When something is due if nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        let stall_seconds = self.shared.config.write_stall_seconds_max.into();
        let stall = self.stalled_since.map(|since| since + Duration::from_secs(stall_seconds));
        [stall, self.hear_by(), self.drain_until, self.alarm_retry].into_iter().flatten().min()
    }

    /// By when the client must have said something.
    pub(super) fn hear_by(&self) -> Option<Instant> {
        if self.session.is_connecting() {
            return Some(self.connect_by);
        }
        let keep_alive = u64::from(self.session.keep_alive_seconds());
        (keep_alive > 0).then(|| self.last_heard + Duration::from_millis(keep_alive * 1500))
    }

    pub(super) fn is_time_up(&mut self, now: Instant) -> bool {
        let stall_max = Duration::from_secs(self.shared.config.write_stall_seconds_max.into());
        if self.stalled_since.is_some_and(|since| now >= since + stall_max) {
            add(&self.shared.stats.write_stalls, 1);
            return true;
        }
        if self.drain_until.is_some_and(|until| now >= until) {
            self.close(reason::SERVER_SHUTTING_DOWN);
            return true;
        }
        if self.hear_by().is_none_or(|by| now < by) {
            return false;
        }
        if self.session.is_connecting() {
            add(&self.shared.stats.refused_timeout, 1);
            return true;
        }
        if !self.may_read() {
            // We do not listen just now, so its silence says nothing.
            self.last_heard = now;
            return false;
        }
        add(&self.shared.stats.keep_alive_timeouts, 1);
        self.close(reason::KEEP_ALIVE_TIMEOUT);
        true
    }
}
