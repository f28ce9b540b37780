//! A sequence number that only ascends, and those who wait for it: threads and tasks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

/// A sequence number that only ascends: what is durable, what is projected.
#[derive(Debug)]
pub struct Progress {
    value: AtomicU64,
    bell: Bell,
    /// For the thread that brings telemetry into the view.
    telemetry_bell: Bell,
    tasks: watch::Sender<u64>,
    is_idle: AtomicBool,
}

/// Wakes one thread; the flag says that it was rung since that thread last looked.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    waits: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock() = true;
        self.waits.notify_all();
    }

    fn sleep(&self, at_most: Duration) {
        let mut rung = self.rung.lock();
        if !*rung {
            self.waits.wait_for(&mut rung, at_most);
        }
        *rung = false;
    }
}

impl Progress {
    /// Begins at a value.
    #[must_use]
    pub fn new(value: u64) -> Progress {
        Progress {
            value: AtomicU64::new(value),
            bell: Bell::default(),
            telemetry_bell: Bell::default(),
            tasks: watch::Sender::new(value),
            is_idle: AtomicBool::new(false),
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Acquire)
    }

    /// Moves on to `value` and tells the tasks that wait; a lower value changes nothing. Threads are told by
    /// [`ring`](Progress::ring), because not every step is worth waking one.
    pub fn advance(&self, value: u64) {
        let before = self.value.fetch_max(value, Ordering::AcqRel);
        // Pairs with the fence in `reached`: either we see the receiver, or it sees the value.
        fence(Ordering::SeqCst);
        if before < value && self.tasks.receiver_count() > 0 {
            self.tasks.send_if_modified(|seen| {
                let newer = *seen < value;
                *seen = (*seen).max(value);
                newer
            });
        }
    }

    /// A batch up to here was committed: wakes whom it concerns and who does not look again soon anyway.
    pub(crate) fn committed(&self, has_facts: bool) {
        if has_facts {
            self.ring();
        }
        if self.is_idle.load(Ordering::Acquire) {
            self.telemetry_bell.ring();
        }
    }

    /// Wakes the thread that sleeps in [`sleep`](Progress::sleep), or lets its next sleep return at once.
    pub fn ring(&self) {
        self.bell.ring();
    }

    /// Sleeps until rung, or until the time has passed.
    pub fn sleep(&self, at_most: Duration) {
        self.bell.sleep(at_most);
    }

    /// Wakes the thread that sleeps in [`sleep_after`](Progress::sleep_after).
    pub(crate) fn ring_telemetry(&self) {
        self.telemetry_bell.ring();
    }

    /// Sleeps until anything is durable beyond `seen`.
    pub(crate) fn sleep_after(&self, seen: u64) {
        self.is_idle.store(true, Ordering::Release);
        // Pairs with the fence in `advance`: what was committed before the flag was up did not ring.
        fence(Ordering::SeqCst);
        if self.get() == seen {
            self.telemetry_bell.sleep(Duration::MAX);
        }
        self.is_idle.store(false, Ordering::Release);
    }

    /// Completes when the value has reached `target`.
    pub async fn reached(&self, target: u64) {
        let mut receiver = self.tasks.subscribe();
        fence(Ordering::SeqCst);
        // Looked at after subscribing: a step that fell in between is either seen here or told to the receiver.
        while self.get() < target {
            if receiver.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_task_is_told_and_a_ring_before_the_sleep_is_not_lost() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let progress = Arc::new(Progress::new(3));
        let other = Arc::clone(&progress);
        runtime.block_on(async {
            progress.reached(3).await;
            let waiting = tokio::spawn(async move { other.reached(7).await });
            tokio::task::yield_now().await;
            progress.advance(5);
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            progress.advance(9);
            waiting.await.unwrap();
        });
        progress.advance(2);
        assert_eq!(progress.get(), 9);
        progress.ring();
        progress.sleep(Duration::from_secs(3600));
    }
}
