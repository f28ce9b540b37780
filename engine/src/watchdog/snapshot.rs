//! The watchdog's own snapshot: every open SOS and fall with its calling, its attempts and its people. Sealed, in
//! `DIR/watchdog/snapshot`; what the watchdog goes on with when checkpoint and journal cannot be read, or not in time.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::{
    AttemptId, CaseKind, Decision, Entity, Escalation, Event, Incident, IncidentId, Input, Priority, Record,
    RegistryChange, Timestamp,
};
use parking_lot::{Condvar, Mutex};
use store::codec;

use super::{Ground, Seal};
use crate::pipeline::Pipeline;

/// As what it is sealed.
const KIND: &str = "snapshot";
/// How long changes are gathered before they are written.
const GATHER: Duration = Duration::from_millis(100);
/// …and how many times as long as the last writing took, where that is longer: it costs as much as there is open.
const GATHER_TIMES: u32 = 10;
/// …up to this: what the watchdog does not know of, its own alarm log and the journal tell it.
const GATHER_MAX: Duration = Duration::from_secs(5);
/// After which time a snapshot that could not be written is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// What is open and loud, as it was committed.
#[derive(Debug, Default)]
pub struct Watched {
    open: Mutex<BTreeMap<IncidentId, Arc<Open>>>,
    /// Whether something changed since it was last written, and whether the house closes.
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

/// One open incident. Shared with the writer, so that nobody waits for all of them to be copied.
#[derive(Debug, Clone)]
struct Open {
    incident: Event,
    escalation: Option<Escalation>,
    attempts: BTreeMap<AttemptId, Event>,
    /// Whom it concerns.
    household: RegistryChange,
}

/// Whether the watchdog calls for incidents of this kind.
#[must_use]
pub fn is_called_for(priority: Priority, kind: CaseKind) -> bool {
    priority == Priority::High && kind.is_emergency()
}

/// Whether it is in the snapshot: it is open, and the watchdog calls for it.
#[must_use]
pub fn is_watched(incident: &Incident) -> bool {
    incident.state.is_open() && is_called_for(incident.priority, incident.kind.into())
}

impl Watched {
    /// What is open at a start.
    #[must_use]
    pub fn of(pipeline: &Pipeline) -> Watched {
        let watched = Watched::default();
        pipeline.open_as_decided().iter().for_each(|decision| watched.note(decision));
        for incident in pipeline.open_incidents().filter(|incident| is_watched(incident)) {
            watched.concerns(incident.id, pipeline.household_of(None, Some(&incident.wearer)));
        }
        watched
    }

    /// Takes note of what was committed.
    pub fn note(&self, decision: &Decision) {
        let mut open = self.open.lock();
        let is_ours = match decision {
            Decision::Event(event) => match &event.entity {
                Entity::Incident(incident) if !is_watched(incident) => open.remove(&incident.id).is_some(),
                Entity::Incident(incident) => {
                    let fresh = || Open {
                        incident: (**event).clone(),
                        escalation: None,
                        attempts: BTreeMap::new(),
                        household: RegistryChange::default(),
                    };
                    let there = open.entry(incident.id).or_insert_with(|| Arc::new(fresh()));
                    Arc::make_mut(there).incident = (**event).clone();
                    true
                }
                Entity::Attempt(attempt) => match attempt.incident.and_then(|incident| open.get_mut(&incident)) {
                    Some(there) => {
                        Arc::make_mut(there).attempts.insert(attempt.id, (**event).clone());
                        true
                    }
                    None => false,
                },
                _ => false,
            },
            Decision::Escalation(calling) => match open.get_mut(&calling.incident) {
                Some(there) => {
                    Arc::make_mut(there).escalation = Some((**calling).clone());
                    true
                }
                None => false,
            },
            _ => false,
        };
        drop(open);
        if is_ours {
            self.touch();
        }
    }

    /// Whom an incident concerns.
    pub fn concerns(&self, incident: IncidentId, household: RegistryChange) {
        if let Some(open) = self.open.lock().get_mut(&incident) {
            Arc::make_mut(open).household = household;
        }
    }

    /// All of it as one record that a recovery takes in.
    fn record(&self) -> Record {
        let open: Vec<Arc<Open>> = self.open.lock().values().cloned().collect();
        let mut decisions = Vec::new();
        for there in &open {
            let Open { incident, escalation, attempts, household } = &**there;
            decisions.push(Decision::Registry(Box::new(household.clone())));
            decisions.push(Decision::Event(Box::new(incident.clone())));
            decisions.extend(attempts.values().map(|event| Decision::Event(Box::new(event.clone()))));
            decisions.extend(escalation.clone().map(|calling| Decision::Escalation(Box::new(calling))));
        }
        let at = open.iter().map(|there| there.incident.at).max().unwrap_or(Timestamp::EPOCH);
        Record { at, input: Input::Tick, decisions }
    }

    /// Wakes the writer for the first change only: it gathers what follows, however much that is.
    fn touch(&self) {
        if !std::mem::replace(&mut self.state.lock().0, true) {
            self.changed.notify_all();
        }
    }
}

/// Writes the snapshot whenever something changed, until it is dropped.
pub struct SnapshotWriter {
    watched: Arc<Watched>,
    thread: Option<JoinHandle<()>>,
}

impl SnapshotWriter {
    /// Writes the first one, and every later one on a thread of its own.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn start(watched: Arc<Watched>, ground: Ground, seal: Seal) -> io::Result<SnapshotWriter> {
        let theirs = Arc::clone(&watched);
        // One of the last run would speak of incidents that are over.
        let first = write(&watched, &ground, &seal);
        watched.state.lock().0 = first.is_err();
        let run = move || keep_written(&theirs, &ground, &seal);
        let thread = std::thread::Builder::new().name("snapshot".to_owned()).spawn(run)?;
        Ok(SnapshotWriter { watched, thread: Some(thread) })
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        self.watched.state.lock().1 = true;
        self.watched.changed.notify_all();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn keep_written(watched: &Watched, ground: &Ground, seal: &Seal) {
    let mut state = watched.state.lock();
    let mut gather = GATHER;
    loop {
        let (is_stale, is_closing) = *state;
        if is_closing && !is_stale {
            return;
        }
        if !is_stale {
            watched.changed.wait(&mut state);
            continue;
        }
        if !is_closing {
            watched.changed.wait_for(&mut state, gather);
        }
        state.0 = false;
        drop(state);
        let began = Instant::now();
        let written = write(watched, ground, seal);
        gather = GATHER.max(began.elapsed() * GATHER_TIMES).min(GATHER_MAX);
        state = watched.state.lock();
        if let Err(error) = written {
            tracing::error!(%error, "the watchdog's snapshot cannot be written; it is tried again");
            if state.1 {
                return;
            }
            state.0 = true;
            watched.changed.wait_for(&mut state, WRITE_AGAIN);
        }
    }
}

fn write(watched: &Watched, ground: &Ground, seal: &Seal) -> io::Result<()> {
    let plain = codec::to_bytes(&watched.record()).map_err(io::Error::other)?;
    ground.put_snapshot(&seal.close(KIND, plain)?)
}

/// What a sealed snapshot holds, as a record that a recovery takes in. `None`: it is none of ours.
#[must_use]
pub fn open(sealed: &[u8], seal: &Seal) -> Option<Record> {
    codec::from_bytes("watchdog snapshot", &seal.open(KIND, sealed)?).ok()
}
