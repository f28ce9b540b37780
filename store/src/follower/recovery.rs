//! What the follower does when the view refuses, as on a full disk: it opens it again once there is room, goes back to
//! what had reached the disk, and projects from there.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Projection, facts_reader};
use crate::error::StoreError;

/// A view that refused is not opened again with less room than this: opening writes, too.
const REOPEN_FREE_BYTES_MIN: u64 = 64 << 20;
/// How many times the first wait the longest is, between two tries to open a view again.
const REOPEN_WAITS_MAX: u32 = 32;

impl Projection {
    /// The view refuses: whoever waits for it is let go.
    pub(super) fn stop(&mut self, error: &StoreError) {
        self.shared.failed.store(true, Ordering::Release);
        self.shared.requests.lock().clear();
        self.flush_waiters.clear();
        tracing::error!(%error, "the projection has failed");
        if matches!(error, StoreError::State(_)) {
            self.state.condemn(&error.to_string());
        }
    }

    /// Opens the view again once there is room; `false`: it is to end before that.
    pub(super) fn recover(&mut self) -> bool {
        let first = Duration::from_millis(self.config.reopen_ms);
        let mut wait = first;
        loop {
            let until = Instant::now() + wait;
            while Instant::now() < until {
                if self.shared.closing.load(Ordering::Acquire) {
                    return false;
                }
                self.shared.durable.sleep(until.saturating_duration_since(Instant::now()));
            }
            wait = (wait * 2).min(first * REOPEN_WAITS_MAX);
            if self.disk.free_bytes(&self.journal_dir).is_ok_and(|free| free < REOPEN_FREE_BYTES_MIN) {
                continue;
            }
            match self.reopen() {
                Ok(()) => return true,
                Err(error) => tracing::warn!(%error, "the state cannot be opened again yet"),
            }
        }
    }

    /// Goes back to what is in the view after it was opened again.
    fn reopen(&mut self) -> Result<(), StoreError> {
        self.telemetry.begin_again(&self.disk, &self.journal_dir)?;
        self.erasing = self.state.erasing()?;
        self.facts_reader = facts_reader(&self.disk, &self.journal_dir, &self.state);
        (self.flush, self.flushed_through, self.flushed_at) = (None, self.telemetry.projected(), Instant::now());
        self.telemetry.set_flushing(false);
        self.is_back = true;
        Ok(())
    }

    /// What came meanwhile is in the view, and reaches the disk before anybody is told so.
    pub(super) fn well_again(&mut self) -> Result<(), StoreError> {
        self.state.flush_database()?;
        self.state.absolve();
        self.shared.failed.store(false, Ordering::Release);
        tracing::info!("the projection goes on: the view was opened again and has caught up");
        Ok(())
    }
}
