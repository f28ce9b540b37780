//! The engine's side: the process is started, and beats are sent to it.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use model::Clock;

use super::gate::Lives;
use crate::health::Seen;
use crate::pulse::Pulse;

/// How often a beat is sent.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// A loop that did not go round for so long has no beat, in milliseconds.
const STUCK_MS: i64 = 3_000;
/// What a beat looks like, and the word that all is well and nobody has to take over.
pub(super) const BEAT: u8 = b'.';
pub(super) const GOOD_NIGHT: u8 = b'q';

/// Whether the loop goes round and the journal takes what it decides.
#[must_use]
pub fn lives(clock: Arc<dyn Clock>, pulse: Arc<Pulse>, seen: Arc<Seen>) -> Lives {
    Arc::new(move || {
        let now = clock.now();
        let waits = seen.sync_waits_since.load(Relaxed) as i64;
        let writes = waits == 0 || now.millis() - waits < STUCK_MS;
        writes && now.millis_since(pulse.beat_at()) < STUCK_MS
    })
}

/// The watchdog that this engine started.
pub struct Leash {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
    child: Child,
}

impl Leash {
    /// Starts `command`, with its standard input on the leash.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &[std::ffi::OsString], lives: Lives) -> io::Result<Leash> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let mut pipe = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (stop, stopped) = mpsc::channel();
        let beat = move || {
            loop {
                if lives() && pipe.write_all(&[BEAT]).is_err() {
                    tracing::error!("the watchdog is gone; nobody takes over if this engine stops");
                    return;
                }
                match stopped.recv_timeout(BEAT_EVERY) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => break,
                }
            }
            let _ = pipe.write_all(&[GOOD_NIGHT]);
        };
        let thread = std::thread::Builder::new().name("heartbeat".to_owned()).spawn(beat)?;
        Ok(Leash { stop, thread, child })
    }

    /// Says good night and waits until it is gone.
    pub fn end(mut self) {
        drop(self.stop);
        let _ = self.thread.join();
        let _ = self.child.wait();
    }
}
