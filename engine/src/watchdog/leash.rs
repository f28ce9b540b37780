//! The engine's side: the process is started, beats are sent to it, and one that died is started anew.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::Clock;

use parking_lot::Mutex;

use super::gate::Lives;
use super::{Alarm, Unsaved};
use crate::health::Seen;
use crate::pulse::Pulse;

/// How often a beat is sent.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// A loop that did not go round for so long has no beat, in milliseconds.
const STUCK_MS: i64 = 3_000;
/// How long to wait before one that died is started anew; doubled each time that it dies soon.
const START_AGAIN: Duration = Duration::from_secs(1);
const START_AGAIN_MAX: Duration = Duration::from_secs(60);
/// One that lived so long did not die of how it was started.
const LIVED_LONG: Duration = Duration::from_secs(60);
/// What a beat looks like, and the word that all is well and nobody has to take over.
pub(super) const BEAT: u8 = b'.';
pub(super) const GOOD_NIGHT: u8 = b'q';
/// What begins alarms that are not on disk: their length follows (4 bytes, the highest first), and they themselves.
pub(super) const ALARMS: u8 = b'a';
/// The word that the journal failed and this engine ends.
pub(super) const JOURNAL_FAILED: u8 = b'x';
/// The longest list of alarms, bytes.
pub(super) const ALARMS_BYTES_MAX: usize = 16 << 20;
/// How long an engine that ends waits for a watchdog that does not read what it is told.
const LAST_WORDS_WAIT_MAX: Duration = Duration::from_secs(2);

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

/// Whether a supervisor shall keep the engine: one started anew goes round where this one's loop stands still, but comes no
/// nearer to a disk that does not answer.
#[must_use]
pub fn is_worth_keeping(clock: Arc<dyn Clock>, pulse: Arc<Pulse>, seen: Arc<Seen>) -> Lives {
    Arc::new(move || seen.sync_waits_since.load(Relaxed) > 0 || clock.now().millis_since(pulse.beat_at()) < STUCK_MS)
}

/// How the watchdog is: for `/readyz` and `/metrics`.
#[derive(Debug, Default)]
pub struct Watch {
    /// Whether there is to be one.
    pub wanted: AtomicBool,
    /// Whether its process runs.
    pub up: AtomicBool,
    /// How often one that had died was started anew.
    pub restarts: AtomicU64,
    /// Whether something stood in its log that could not be read, and lies there for staff.
    pub unread: AtomicBool,
}

/// The way to the watchdog that runs now, if one does.
#[derive(Debug, Default)]
pub struct Line {
    pipe: Mutex<Option<ChildStdin>>,
}

impl Line {
    fn is_taken(&self, bytes: &[u8]) -> bool {
        self.pipe.lock().as_mut().is_some_and(|pipe| pipe.write_all(bytes).is_ok())
    }

    /// What is not on disk, in the place of what was told before: the oldest first, as many as fit.
    fn tell(&self, alarms: &[Alarm]) -> bool {
        let Some((body, told)) = fitting(alarms, ALARMS_BYTES_MAX) else { return false };
        if told < alarms.len() {
            tracing::error!(
                left_out = alarms.len() - told,
                "too many alarms to hand over; the devices of the newest send again"
            );
        }
        let length = (body.len() as u32).to_be_bytes();
        self.is_taken(&[&[ALARMS][..], &length, &body].concat())
    }
}

/// The longest list of these alarms, halved until it fits, in so many bytes; and how many are in it.
fn fitting(alarms: &[Alarm], bytes_max: usize) -> Option<(Vec<u8>, usize)> {
    let mut count = alarms.len();
    loop {
        let body = store::codec::to_bytes(&&alarms[..count]).ok()?;
        if body.len() <= bytes_max {
            return Some((body, count));
        }
        count /= 2;
    }
}

/// What an engine does before it ends because its journal failed.
#[derive(Debug)]
pub struct LastWords {
    line: Arc<Line>,
    unsaved: Arc<Unsaved>,
    said: Mutex<bool>,
}

impl LastWords {
    /// To be said over `line`.
    #[must_use]
    pub fn new(line: Arc<Line>, unsaved: Arc<Unsaved>) -> LastWords {
        LastWords { line, unsaved, said: Mutex::new(false) }
    }

    /// Hands the alarms that are not on disk to the watchdog, and has it call on at once. Returns when it has them, or
    /// does not take them; whoever asks second waits for the first.
    pub fn say(&self) {
        let mut said = self.said.lock();
        if std::mem::replace(&mut *said, true) {
            return;
        }
        let alarms = self.unsaved.waiting();
        let (line, count) = (Arc::clone(&self.line), alarms.len());
        let (done, is_done) = mpsc::channel();
        let tell = move || {
            let is_told = alarms.is_empty() || line.tell(&alarms);
            let _ = done.send(is_told && line.is_taken(&[JOURNAL_FAILED]));
        };
        let spawned = std::thread::Builder::new().name("last-words".to_owned()).spawn(tell);
        if spawned.is_ok() && is_done.recv_timeout(LAST_WORDS_WAIT_MAX) == Ok(true) {
            tracing::error!(count, "the watchdog calls on; these alarms were not on disk and were handed over to it");
        } else {
            tracing::error!(count, "no watchdog took these alarms; their devices have no PUBACK and send them again");
        }
    }
}

/// The watchdog that this engine started.
pub struct Leash {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Leash {
    /// Starts `command`, with its standard input on the leash, and again whenever it dies.
    ///
    /// # Errors
    /// When it cannot be started the first time.
    pub fn start(
        command: &[OsString],
        lives: Lives,
        watch: Arc<Watch>,
        line: Arc<Line>,
        unsaved: Arc<Unsaved>,
    ) -> io::Result<Leash> {
        let command = command.to_vec();
        watch.wanted.store(true, Relaxed);
        let first = spawn(&command, &line)?;
        watch.up.store(true, Relaxed);
        let (stop, stopped) = mpsc::channel();
        let keeper = Keeper { command, lives, watch, stopped, line, unsaved };
        let thread = std::thread::Builder::new().name("heartbeat".to_owned()).spawn(move || keeper.run(first))?;
        Ok(Leash { stop, thread })
    }

    /// Says good night and waits until it is gone.
    pub fn end(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

fn spawn(command: &[OsString], line: &Line) -> io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    *line.pipe.lock() = child.stdin.take();
    Ok(child)
}

struct Keeper {
    command: Vec<OsString>,
    lives: Lives,
    watch: Arc<Watch>,
    stopped: Receiver<()>,
    line: Arc<Line>,
    unsaved: Arc<Unsaved>,
}

impl Keeper {
    /// Beats until it is stopped; whoever dies meanwhile is replaced.
    fn run(self, first: Child) {
        let (mut held, mut wait) = (Some(first), START_AGAIN);
        let mut since = Instant::now();
        loop {
            let is_there = held.as_mut().is_some_and(|there| self.beat(there));
            let pause = if is_there { BEAT_EVERY } else { wait };
            if !is_there && let Some(mut child) = held.take() {
                *self.line.pipe.lock() = None;
                let _ = child.wait();
                self.watch.up.store(false, Relaxed);
                wait = if since.elapsed() >= LIVED_LONG { START_AGAIN } else { wait };
                tracing::error!("the watchdog died; it is started anew");
            }
            match self.stopped.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => break,
            }
            if held.is_none() {
                wait = (wait * 2).min(START_AGAIN_MAX);
                held = self.start_again();
                since = Instant::now();
            }
        }
        if let Some(mut child) = held {
            self.line.is_taken(&[GOOD_NIGHT]);
            *self.line.pipe.lock() = None;
            let _ = child.wait();
        }
    }

    /// Whether it is still there. It hears that all is well only if that is so, and else what waits to be written down.
    fn beat(&self, child: &mut Child) -> bool {
        if !matches!(child.try_wait(), Ok(None)) {
            return false;
        }
        if (self.lives)() {
            return self.line.is_taken(&[BEAT]);
        }
        let alarms = self.unsaved.waiting();
        alarms.is_empty() || self.line.tell(&alarms)
    }

    fn start_again(&self) -> Option<Child> {
        match spawn(&self.command, &self.line) {
            Ok(held) => {
                self.watch.restarts.fetch_add(1, Relaxed);
                self.watch.up.store(true, Relaxed);
                Some(held)
            }
            Err(error) => {
                tracing::error!(%error, "the watchdog cannot be started; nobody takes over if this engine stops");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits for something that comes by itself, as long as a loaded machine may take.
    fn until(what: &str, so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !so() {
            assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_disk_that_does_not_answer_is_no_reason_to_start_the_engine_anew() {
        struct Noon;
        impl Clock for Noon {
            fn now(&self) -> model::Timestamp {
                model::Timestamp::from_millis(12 * 3_600_000)
            }
        }
        let noon = Noon.now().millis();
        for (beat_ago, sync_waits, is_living, is_kept) in [
            (0, None, true, true),
            (STUCK_MS, None, false, false),
            (STUCK_MS, Some(STUCK_MS), false, true),
            (0, Some(STUCK_MS), false, true),
            (0, Some(STUCK_MS - 1), true, true),
        ] {
            let (clock, pulse, seen) = (Arc::new(Noon), Arc::new(Pulse::default()), Arc::new(Seen::default()));
            pulse.beat(model::Timestamp::from_millis(noon - beat_ago));
            seen.sync_waits_since.store(sync_waits.map_or(0, |for_ms| (noon - for_ms) as u64), Relaxed);
            let said =
                (lives(clock.clone(), Arc::clone(&pulse), Arc::clone(&seen))(), is_worth_keeping(clock, pulse, seen)());
            assert_eq!(said, (is_living, is_kept), "{beat_ago} {sync_waits:?}");
        }
    }

    #[test]
    fn of_too_many_alarms_the_oldest_are_handed_over() {
        let alarm = |number: i64| Alarm {
            device: model::DeviceId::new(&format!("b{number}")),
            report: model::Report {
                event_id: None,
                measured: None,
                body: model::ReportBody::Sos { fix: None },
                content_hash: 1,
            },
            received: model::Timestamp::from_millis(number),
            household: model::RegistryChange::default(),
        };
        let alarms: Vec<Alarm> = (0..100).map(alarm).collect();
        let (whole, all) = fitting(&alarms, ALARMS_BYTES_MAX).unwrap();
        assert_eq!(all, 100);
        let (body, told) = fitting(&alarms, whole.len() / 3).unwrap();
        assert_eq!(told, 25);
        assert_eq!(store::codec::from_bytes::<Vec<Alarm>>("alarms", &body).unwrap(), alarms[..25]);
        assert_eq!(fitting(&[], ALARMS_BYTES_MAX).unwrap().1, 0);
    }

    #[test]
    fn one_that_dies_is_seen_and_started_anew() {
        let watch = Arc::new(Watch::default());
        let dir = tempfile::tempdir().unwrap();
        // Ends by itself the first time, and keeps watch from then on.
        let mark = dir.path().join("was-there");
        let script = format!("test -e {0} && exec cat >/dev/null; touch {0}", mark.display());
        let command: Vec<OsString> = ["sh", "-c", &script].map(OsString::from).into();
        let (line, unsaved) = (Arc::default(), Arc::default());
        let leash = Leash::start(&command, Arc::new(|| true), Arc::clone(&watch), line, unsaved).unwrap();
        until("it was started anew", || watch.restarts.load(Relaxed) == 1 && watch.up.load(Relaxed));
        leash.end();
    }
}
