//! What the follower's threads share: how far they are, what they are asked for, how a batch's records are handed over,
//! and what happens when one of them cannot go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use model::Timestamp;
use parking_lot::Mutex;

use crate::error::StoreError;
use crate::journal::{BatchReader, Found, envelope_at, resume_after};
use crate::progress::Progress;
use crate::state::StateRetention;

/// What the follower's threads and whoever asks them share.
pub(super) struct Shared {
    pub durable: Arc<Progress>,
    pub facts: Arc<Progress>,
    pub telemetry: Arc<Progress>,
    /// As facts, but not beyond a record that erased somebody who is still being taken out.
    pub erased: Arc<Progress>,
    pub requests: Mutex<Vec<Request>>,
    pub closing: AtomicBool,
    pub failed: Arc<AtomicBool>,
    pub damaged: AtomicU64,
}

/// What the follower is asked for.
pub(super) enum Request {
    Flush(SyncSender<()>),
    Retain(StateRetention, Timestamp),
}

impl Shared {
    /// Everybody begins where the view stands.
    pub fn new(durable: Arc<Progress>, facts: u64, telemetry: u64) -> Shared {
        Shared {
            durable,
            facts: Arc::new(Progress::new(facts)),
            telemetry: Arc::new(Progress::new(telemetry)),
            erased: Arc::new(Progress::new(0)),
            requests: Mutex::new(Vec::new()),
            closing: AtomicBool::new(false),
            failed: Arc::new(AtomicBool::new(false)),
            damaged: AtomicU64::new(0),
        }
    }

    /// What is damaged cannot be projected; everything else can. A view that was opened again and stands behind what the
    /// journal holds is not well: an export may have what it misses, and a restart takes that.
    pub fn pass_over(&self, error: StoreError, pass: &str) -> Result<(), StoreError> {
        let lost = match &error {
            StoreError::Gone { .. } if self.failed.load(Ordering::Acquire) => {
                return Err(StoreError::State(format!("{error}; a restart rebuilds the view from an export")));
            }
            StoreError::Damage(damage) => damage.last_seq.saturating_sub(damage.first_seq) + 1,
            StoreError::Gone { wanted, oldest } => oldest.saturating_sub(*wanted),
            _ => return Err(error),
        };
        self.damaged.fetch_add(lost, Ordering::Relaxed);
        tracing::error!(%error, pass, "records are missing from the state");
        Ok(())
    }
}

/// Tells when a thread that holds it panics: what is shown stands still then, and `/readyz` says so.
pub(super) struct Told(pub Arc<Shared>);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a thread of the follower panicked: the view stands still until a restart");
            self.0.failed.store(true, Ordering::Release);
            self.0.requests.lock().clear();
        }
    }
}

/// Is handed each record: its sequence number, kind, schema version and payload.
pub(super) type TakeRecord<'a> = &'a mut dyn FnMut(u64, u8, u8, &[u8]) -> Result<(), StoreError>;

/// Hands over the records of a batch. In a damaged one, what cannot be read is counted and passed over.
pub(super) fn each_envelope(
    reader: &BatchReader,
    found: &Found,
    shared: &Shared,
    take: TakeRecord<'_>,
) -> Result<(), StoreError> {
    let body = reader.body();
    let mut at = 0;
    for index in 0..found.header.count {
        match envelope_at(body, at, found.is_intact) {
            Ok((envelope, next)) => {
                take(found.header.first_seq + u64::from(index), envelope.kind, envelope.schema, envelope.payload)?;
                at = next;
            }
            Err(error) => {
                tracing::error!(%error, first_seq = found.header.first_seq, "a damaged record is not projected");
                match resume_after(body, at) {
                    Some(next) => {
                        shared.damaged.fetch_add(1, Ordering::Relaxed);
                        at = next;
                    }
                    None => {
                        shared.damaged.fetch_add(u64::from(found.header.count - index), Ordering::Relaxed);
                        return Ok(());
                    }
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_thread_that_panics_is_told_and_lets_go_whoever_waits_for_it() {
        let shared = Arc::new(Shared::new(Arc::new(Progress::new(0)), 0, 0));
        let (done, wait) = mpsc::sync_channel(1);
        shared.requests.lock().push(Request::Flush(done));
        let told = Told(Arc::clone(&shared));
        std::thread::spawn(|| drop(told)).join().unwrap();
        assert!(!shared.failed.load(Ordering::Acquire), "one that ends is no failure");
        let told = Told(Arc::clone(&shared));
        let ended = std::thread::spawn(move || {
            let _told = told;
            panic!("on purpose");
        });
        assert!(ended.join().is_err());
        assert!(shared.failed.load(Ordering::Acquire));
        assert_eq!(wait.recv(), Err(mpsc::RecvError));
    }
}
