//! Who reads and writes at the ground for the watchdog, on a thread of its own. Calling comes first: a disk that hangs holds
//! up its log and nobody's call. What it could not write then it writes when the disk is back, in its order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Deed, Epoch, Ground, Holder};

/// How long a call waits for its line in the log: far more than a sync takes, far less than a ring.
const WRITE_WAIT_MAX: Duration = Duration::from_millis(500);
/// How long to wait before a line that has to be written is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// How much may wait for a disk that hangs, for hours if need be: every call and every word about one is a job. The second
/// half is kept for what has to stand in the log in the end; of more, whoever posted it is told that it was not taken.
const JOBS_MAX: usize = 32_768;

type Job = Box<dyn FnOnce(&Ground) + Send>;

/// The scribe.
#[derive(Debug)]
pub(super) struct Scribe {
    jobs: Sender<Job>,
    jobs_max: usize,
    /// How many jobs are not done yet.
    waiting: Arc<AtomicUsize>,
    /// Somebody waited in vain, and not everything that was asked for since is done yet: the disk hangs.
    is_stuck: Arc<AtomicBool>,
    /// Something was not taken for want of room: it is said once.
    is_full: AtomicBool,
    /// As it was last read.
    epoch: Mutex<Option<Epoch>>,
}

impl Scribe {
    /// Begins.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(super) fn start(ground: Ground) -> io::Result<Scribe> {
        Scribe::with_room(ground, JOBS_MAX)
    }

    fn with_room(ground: Ground, jobs_max: usize) -> io::Result<Scribe> {
        let (jobs, job) = mpsc::channel::<Job>();
        let waiting = Arc::new(AtomicUsize::new(0));
        let is_stuck = Arc::new(AtomicBool::new(false));
        let (done, hangs) = (Arc::clone(&waiting), Arc::clone(&is_stuck));
        let epoch = Mutex::new(ground.epoch());
        std::thread::Builder::new().name("scribe".to_owned()).spawn(move || {
            for job in job {
                job(&ground);
                if done.fetch_sub(1, Ordering::AcqRel) == 1 {
                    hangs.store(false, Ordering::Release);
                }
            }
        })?;
        Ok(Scribe { jobs, jobs_max, waiting, is_stuck, is_full: AtomicBool::new(false), epoch })
    }

    /// Has something done, and waits for it. `None`: it is done later, for the disk hangs, or too much waits for it already;
    /// after the first such wait nobody waits again until it is back.
    pub(super) fn ask<T: Send + 'static>(&self, job: impl FnOnce(&Ground) -> T + Send + 'static) -> Option<T> {
        self.ask_for(job, false)
    }

    fn ask_for<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Ground) -> T + Send + 'static,
        has_to_stand: bool,
    ) -> Option<T> {
        let (done, is_done) = mpsc::channel();
        let tell = move |ground: &Ground| {
            // Whoever asked may have gone on.
            let _ = done.send(job(ground));
        };
        if !self.put(Box::new(tell), has_to_stand) || self.is_stuck.load(Ordering::Acquire) {
            return None;
        }
        let answer = is_done.recv_timeout(WRITE_WAIT_MAX).ok();
        if answer.is_none() {
            self.is_stuck.store(true, Ordering::Release);
        }
        answer
    }

    /// The same for what is not worth doing later.
    pub(super) fn ask_unless_stuck<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Ground) -> T + Send + 'static,
    ) -> Option<T> {
        if self.is_stuck.load(Ordering::Acquire) { None } else { self.ask(job) }
    }

    /// Has something done in its turn, and waits for nothing. `false`: too much waits already.
    pub(super) fn later(&self, job: impl FnOnce(&Ground) + Send + 'static) -> bool {
        self.put(Box::new(job), false)
    }

    fn put(&self, job: Job, has_to_stand: bool) -> bool {
        let room = if has_to_stand { self.jobs_max } else { self.jobs_max / 2 };
        if self.waiting.load(Ordering::Acquire) >= room {
            if !self.is_full.swap(true, Ordering::AcqRel) {
                tracing::error!(room, "the disk hangs and too much waits to be written down: more is not taken");
            }
            return false;
        }
        self.is_full.store(false, Ordering::Release);
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let is_taken = self.jobs.send(job).is_ok();
        if !is_taken {
            tracing::error!("the watchdog's scribe is gone: nothing is written down any more");
        }
        is_taken
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_free(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }

    /// Whose turn it is; as it was, while the disk hangs.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        if let Some(epoch) = self.ask_unless_stuck(Ground::epoch) {
            *self.epoch.lock() = epoch;
        }
        *self.epoch.lock()
    }

    /// Writes down what is about to be done, synced.
    ///
    /// # Errors
    /// When it is not on disk. What the engine has to hear is written all the same, sooner or later.
    pub(super) fn note(&self, deed: Deed) -> io::Result<()> {
        let has_to_stand = has_to_stand(&deed);
        let noted = self.ask_for(move |ground| keep_noting(ground, &deed), has_to_stand);
        noted.unwrap_or_else(|| Err(io::Error::new(io::ErrorKind::TimedOut, "the disk hangs, or takes nothing")))
    }

    /// Writes down what was told, in its turn. What could not be written marks `failed`.
    pub(super) fn note_later(&self, deed: Deed, failed: &Arc<AtomicBool>) {
        let (has_to_stand, missed) = (has_to_stand(&deed), Arc::clone(failed));
        let write = move |ground: &Ground| {
            if let Err(error) = keep_noting(ground, &deed) {
                tracing::error!(%error, "what was told cannot be written down");
                missed.store(true, Ordering::Release);
            }
        };
        if !self.put(Box::new(write), has_to_stand) {
            failed.store(true, Ordering::Release);
        }
    }

    /// Has the engine look into the log: it does whenever the epoch is not its own.
    pub(super) fn have_it_read(&self) {
        // What has no room now is done at the next news, or by the engine's next start.
        self.later(|ground| {
            if let Err(error) = ground.raise(Holder::Watchdog) {
                tracing::error!(%error, "the epoch cannot be raised: the engine hears of it later");
            }
        });
    }
}

/// What the engine has to hear, sooner or later.
fn has_to_stand(deed: &Deed) -> bool {
    matches!(deed, Deed::Acknowledged { .. } | Deed::Alarm { .. })
}

fn keep_noting(ground: &Ground, deed: &Deed) -> io::Result<()> {
    loop {
        match ground.note(deed) {
            Err(error) if has_to_stand(deed) => {
                tracing::error!(%error, "the watchdog's log takes nothing; it is tried again");
                std::thread::sleep(WRITE_AGAIN);
            }
            noted => return noted,
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{AttemptId, IncidentId, PersonId};

    use super::*;

    fn sent(n: u64) -> Deed {
        Deed::Sent { attempt: AttemptId::new(63, n), incident: None, about: None }
    }

    #[test]
    fn a_disk_that_hangs_is_waited_for_once_and_everything_is_written_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let ground = Ground::open(dir.path()).unwrap();
        ground.raise(Holder::Engine).unwrap();
        let first = ground.epoch();
        let scribe = Scribe::start(ground.clone()).unwrap();
        let failed = Arc::default();
        scribe.note_later(sent(1), &failed);
        assert!(first.is_some() && scribe.epoch() == first);
        assert!(!failed.load(Ordering::Acquire));
        let (come_back, is_back) = mpsc::channel::<()>();
        assert_eq!(scribe.ask(move |_| is_back.recv().is_ok()), None, "it hangs, and the call is made");
        assert!(!scribe.is_free());
        let begun = std::time::Instant::now();
        for n in 2..100 {
            assert!(scribe.note(sent(n)).is_err());
            assert_eq!(scribe.epoch(), first, "as it was");
        }
        // 98 waits would be most of a minute.
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody waits again");
        assert_eq!(scribe.ask_unless_stuck(|_| panic!("what is not worth doing later")), None::<()>);
        come_back.send(()).unwrap();
        // In its turn, so that all before it is done; it waits for as long as a loaded machine takes.
        let (done, is_done) = mpsc::channel();
        scribe.later(move |_| done.send(()).unwrap());
        is_done.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(ground.take().unwrap().unwrap().deeds, (1..100).map(sent).collect::<Vec<_>>());
    }

    #[test]
    fn what_waits_for_a_disk_that_hangs_is_bounded_and_keeps_room_for_what_has_to_stand() {
        let dir = tempfile::tempdir().unwrap();
        let ground = Ground::open(dir.path()).unwrap();
        let scribe = Scribe::with_room(ground.clone(), 8).unwrap();
        let (come_back, is_back) = mpsc::channel::<()>();
        assert_eq!(scribe.ask(move |_| is_back.recv().is_ok()), None, "it hangs");
        let held = |n| Deed::Acknowledged { incident: IncidentId::new(0, n), person: PersonId::new("g2"), about: None };
        let fits = |deed| {
            let failed = Arc::default();
            scribe.note_later(deed, &failed);
            !failed.load(Ordering::Acquire)
        };
        // Beside the job that hangs, three more; then of those that have to stand four.
        assert_eq!((1..=4).map(|n| fits(sent(n))).collect::<Vec<_>>(), [true, true, true, false]);
        assert!(scribe.note(sent(5)).is_err() && !scribe.later(|_| {}));
        assert_eq!((1..=5).map(|n| fits(held(n))).collect::<Vec<_>>(), [true, true, true, true, false]);
        come_back.send(()).unwrap();
        let begun = std::time::Instant::now();
        while !scribe.is_free() {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(20));
        }
        let expected: Vec<Deed> = (1..=3).map(sent).chain((1..=4).map(held)).collect();
        assert_eq!(ground.take().unwrap().unwrap().deeds, expected);
        assert!(fits(sent(6)), "and there is room again");
    }

    #[test]
    fn an_acknowledgement_is_written_when_the_disk_takes_it_at_last() {
        let dir = tempfile::tempdir().unwrap();
        let ground = Ground::open(dir.path()).unwrap();
        let scribe = Scribe::start(ground.clone()).unwrap();
        // No file can be made where a directory stands.
        let log = dir.path().join("watchdog/log.ndjson");
        std::fs::create_dir(&log).unwrap();
        let held = Deed::Acknowledged { incident: IncidentId::new(0, 1), person: PersonId::new("g2"), about: None };
        assert!(scribe.note(sent(1)).is_err(), "that a call was made is not worth waiting for");
        assert!(scribe.note(held.clone()).is_err());
        std::fs::remove_dir(&log).unwrap();
        let begun = std::time::Instant::now();
        while !scribe.is_free() {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(ground.take().unwrap().unwrap().deeds, [held]);
    }
}
