//! What the watchdog hears of the engine.

use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use store::codec;

use super::Alarm;
use super::leash::{ALARMS, ALARMS_BYTES_MAX, BEAT, GOOD_NIGHT, JOURNAL_FAILED};

/// When the engine was last heard of, and what it said.
#[derive(Debug)]
pub struct Beats {
    since: Instant,
    pub(super) last_ms: AtomicU64,
    pub(super) gone: AtomicBool,
    pub(super) good_night: AtomicBool,
    pub(super) journal_failed: AtomicBool,
    /// What the engine has not on disk; nobody's business as long as it lives.
    alarms: Mutex<Vec<Alarm>>,
}

impl Beats {
    /// Listens to the other end of the leash on a thread of its own.
    #[must_use]
    pub fn listen(leash: impl Read + Send + 'static) -> Arc<Beats> {
        let beats = Arc::new(Beats {
            since: Instant::now(),
            last_ms: AtomicU64::new(0),
            gone: AtomicBool::new(false),
            good_night: AtomicBool::new(false),
            journal_failed: AtomicBool::new(false),
            alarms: Mutex::default(),
        });
        let heard = Arc::clone(&beats);
        std::thread::spawn(move || {
            let mut leash = BufReader::new(leash);
            while heard.hear(&mut leash).is_ok() {}
            heard.gone.store(true, Ordering::Release);
        });
        beats
    }

    /// The next word.
    fn hear(&self, leash: &mut impl Read) -> io::Result<()> {
        let mut word = [0];
        leash.read_exact(&mut word)?;
        match word[0] {
            BEAT => {
                // It writes down itself what it has.
                self.alarms.lock().clear();
                self.last_ms.store(self.now_ms(), Ordering::Release);
            }
            GOOD_NIGHT => self.good_night.store(true, Ordering::Release),
            JOURNAL_FAILED => self.journal_failed.store(true, Ordering::Release),
            ALARMS => {
                let mut length = [0; 4];
                leash.read_exact(&mut length)?;
                let length = u32::from_be_bytes(length) as usize;
                if length > ALARMS_BYTES_MAX {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                let mut body = vec![0; length];
                leash.read_exact(&mut body)?;
                *self.alarms.lock() = codec::from_bytes("alarms", &body).map_err(io::Error::other)?;
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(())
    }

    pub(super) fn take_alarms(&self) -> Vec<Alarm> {
        std::mem::take(&mut *self.alarms.lock())
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }

    pub(super) fn silent_ms(&self) -> u64 {
        self.now_ms().saturating_sub(self.last_ms.load(Ordering::Acquire))
    }
}
