//! The engine's side: nothing is sent under an epoch that is not its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::record::SendResult;
use model::{
    Actor, Attempt, AttemptId, AttemptOutcome, Clock, IncidentAction, IncidentId, IncidentKind, Input, OrgPath,
    PersonId, Purpose, Reply, Role, StaffCommand, Timestamp, WearerId,
};
use store::{IncidentFilter, Page, Progress, State, codec};
use tokio::sync::{Mutex, oneshot};

use super::ground::Taken;
use super::{Alarm, Deed, Ground, Holder, STOOD_IN, Seal, Watch};
use crate::inbox::{Inbox, Work};

/// As whom the engine writes down what the watchdog was told.
const WATCHDOG: &str = "watchdog";

/// How often the epoch is looked at while nothing is sent.
const SETTLE_EVERY: Duration = Duration::from_millis(250);

/// For how long the watchdog is waited for, when it was about to hand an attempt over and has not said what came of it.
const IN_FLIGHT_SECONDS: u32 = 6;

/// Whether the loop goes round and the journal takes what it decides.
pub type Lives = Arc<dyn Fn() -> bool + Send + Sync>;

/// What must not be sent on account of what the watchdog did.
#[derive(Default)]
struct Held {
    /// When the acknowledgement of an incident was taken in.
    acknowledged: BTreeMap<IncidentId, Timestamp>,
    /// The attempts that it handed over.
    taken: BTreeSet<AttemptId>,
    /// The engine's own that it was about to hand over, and when that was taken in.
    sent: BTreeMap<AttemptId, Timestamp>,
    /// Messages of its own that it was about to hand over and has not said what came of: about whom, and since when.
    beside: BTreeMap<AttemptId, (WearerId, Timestamp)>,
}

impl Held {
    /// Whether the watchdog has this attempt in its hands, or a message about the same wearer: it says whether its provider
    /// took that, and then this one may not be wanted any more.
    fn is_in_flight(&self, attempt: &Attempt, now: Timestamp) -> bool {
        let is_there = |at: &Timestamp| at.plus_seconds(IN_FLIGHT_SECONDS) > now;
        self.sent.get(&attempt.id).is_some_and(is_there)
            || self.beside.values().any(|(wearer, at)| *wearer == attempt.wearer && is_there(at))
    }
}

/// Stands before every send.
pub struct Gate {
    ground: Ground,
    seal: Seal,
    own: AtomicU64,
    /// What was decided before an acknowledgement of the watchdog's was taken in is not sent any more.
    held: Mutex<Held>,
    watch: Arc<Watch>,
    inbox: Arc<Inbox>,
    clock: Arc<dyn Clock>,
    lives: Lives,
    facts: Arc<Progress>,
    state: Arc<State>,
}

impl Gate {
    /// A gate that is closed until the watchdog's log was read.
    #[must_use]
    #[allow(clippy::too_many_arguments, reason = "the parts that it stands between")]
    pub fn new(
        ground: Ground,
        seal: Seal,
        watch: Arc<Watch>,
        inbox: Arc<Inbox>,
        clock: Arc<dyn Clock>,
        lives: Lives,
        facts: Arc<Progress>,
        state: Arc<State>,
    ) -> Gate {
        watch.unread.store(ground.unread().exists(), Ordering::Relaxed);
        Gate { ground, seal, own: AtomicU64::new(0), held: Mutex::default(), watch, inbox, clock, lives, facts, state }
    }

    /// Whether an attempt may be sent now. Waits until the engine knows what the watchdog did; what was taken in
    /// meanwhile is decided and committed, so the outbox knows whether the attempt is still wanted.
    pub async fn admits(&self, attempt: &Attempt) -> bool {
        let calls = matches!(attempt.purpose, Purpose::Alert | Purpose::Reminder);
        loop {
            self.settle().await;
            let held = self.held.lock().await;
            let taken_in = attempt.incident.and_then(|incident| held.acknowledged.get(&incident));
            if held.taken.contains(&attempt.id) || calls && taken_in.is_some_and(|at| attempt.created_at <= *at) {
                return false;
            }
            if !held.is_in_flight(attempt, self.clock.now()) {
                return true;
            }
            drop(held);
            tokio::time::sleep(SETTLE_EVERY).await;
        }
    }

    /// Takes the epoch back and the watchdog's deeds in, if there are any: as soon as the loop goes round again.
    ///
    /// The file is read before every send and not remembered, not even for a moment: a loop that is stuck keeps its
    /// dispatchers, and whatever they sent on the strength of a remembered epoch the watchdog would send, too. It is one
    /// line in the page cache, some microseconds beside a request over the network.
    pub async fn settle(&self) {
        let is_own = || self.ground.epoch().is_some_and(|epoch| epoch.number == self.own.load(Ordering::Acquire));
        let mut held = self.held.lock().await;
        while !is_own() {
            if (self.lives)() && self.take_in(&mut held).await {
                return;
            }
            tokio::time::sleep(SETTLE_EVERY).await;
        }
    }

    /// Settles again and again, also while nothing is to be sent.
    pub async fn keep_settled(self: Arc<Self>) {
        loop {
            self.settle().await;
            tokio::time::sleep(SETTLE_EVERY).await;
        }
    }

    /// Has everything that the watchdog did written down, and takes the epoch back. `false`: not now; nothing is lost.
    async fn take_in(&self, held: &mut Held) -> bool {
        if !self.empty_log(held).await {
            return false;
        }
        match self.on_disk(|ground| ground.raise(Holder::Engine)).await {
            // What it was about to send and had written down before the epoch was raised.
            Ok(_) if !self.empty_log(held).await => return false,
            Ok(epoch) => self.own.store(epoch, Ordering::Release),
            Err(error) => tracing::error!(%error, "the epoch cannot be raised; sending goes on all the same"),
        }
        true
    }

    /// Does something to the files where it may wait for a disk that hangs: on the runtime it would hold up the API, and with it
    /// the key that somebody presses.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Ground) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let ground = self.ground.clone();
        tokio::task::spawn_blocking(move || work(&ground)).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Has everything that is in the log written down.
    async fn empty_log(&self, held: &mut Held) -> bool {
        loop {
            let Taken { deeds, mut unread } = match self.on_disk(Ground::take).await {
                Ok(Some(taken)) => taken,
                Ok(None) => return true,
                Err(error) => {
                    tracing::error!(%error, "the watchdog's log cannot be read");
                    return false;
                }
            };
            for deed in deeds {
                let taken = match deed {
                    Deed::Alarm { sealed } => self.take_alarm(sealed, &mut unread).await,
                    Deed::Acknowledged { incident, person, about } => {
                        self.take_acknowledged(incident, person, about, held).await
                    }
                    Deed::Taken { attempt, provider, reference } => {
                        held.taken.insert(attempt);
                        let (result, others_left) = (SendResult::Accepted, false);
                        self.hear(Input::Sent { attempt, result, provider, others_left, reference }).await
                    }
                    // What was replied is not in the log: that somebody goes is in the acknowledgement.
                    Deed::Heard { attempt, outcome, key } if outcome != AttemptOutcome::Reply => {
                        self.hear(Input::Callback { attempt, outcome, key, text: None }).await
                    }
                    Deed::StoodIn { about, sealed } => self.take_stood_in(about, sealed, held, &mut unread).await,
                    Deed::Sent { attempt, about: Some(about), .. } if attempt.partition() == Ground::PARTITION => {
                        let is_there = |at: &Timestamp| at.plus_seconds(IN_FLIGHT_SECONDS) > self.clock.now();
                        held.beside.retain(|_, (_, at)| is_there(at));
                        held.beside.insert(attempt, about);
                        true
                    }
                    Deed::Sent { attempt, .. } => {
                        held.sent.insert(attempt, self.clock.now());
                        true
                    }
                    Deed::Heard { .. } => true,
                };
                if !taken {
                    return false;
                }
            }
            for line in unread {
                self.keep(line).await;
            }
            if let Err(error) = self.on_disk(Ground::forget).await {
                tracing::error!(%error, "the watchdog's log cannot be removed");
                return false;
            }
        }
    }

    /// What the watchdog sent and heard; whether it is durable now.
    async fn hear(&self, input: Input) -> bool {
        self.decide(input, self.clock.now()).await.is_some()
    }

    /// A line that cannot be read is kept for staff, and it shows.
    async fn keep(&self, line: String) {
        metrics::counter!("yinling_watchdog_lines_unread_total").increment(1);
        self.watch.unread.store(true, Ordering::Relaxed);
        let path = self.ground.unread();
        match self.on_disk(move |ground| ground.keep_unread(&line)).await {
            Ok(true) => {
                tracing::error!(path = %path.display(), "a line of the watchdog's log cannot be read; it is kept")
            }
            Ok(false) => {
                tracing::error!(path = %path.display(), "a line of the watchdog's log cannot be read; the file is full")
            }
            Err(error) => tracing::error!(%error, "a line of the watchdog's log cannot be read, nor kept"),
        }
    }

    /// An alarm that the watchdog called for because it could not be journaled. Whether it is durable now; what its
    /// device sends again is a repeat of it.
    async fn take_alarm(&self, sealed: String, unread: &mut Vec<String>) -> bool {
        let opened = STANDARD.decode(&sealed).ok().and_then(|sealed| self.seal.open(Alarm::KIND, &sealed));
        let Some(Ok(alarm)) = opened.map(|plain| codec::from_bytes::<Alarm>("alarm", &plain)) else {
            metrics::counter!("yinling_watchdog_alarms_unreadable_total").increment(1);
            tracing::error!(
                "an alarm in the watchdog's log does not open with the key files; its device sends it again"
            );
            unread.extend(serde_json::to_string(&Deed::Alarm { sealed }));
            return true;
        };
        tracing::warn!(device = %alarm.device, "an alarm that the watchdog called for is written down now");
        let input = Input::Report { device: alarm.device, report: alarm.report };
        self.decide(input, alarm.received).await.is_some()
    }

    /// A message of the watchdog's own.
    async fn take_stood_in(
        &self,
        about: Option<(WearerId, IncidentKind)>,
        sealed: String,
        held: &mut Held,
        unread: &mut Vec<String>,
    ) -> bool {
        let opened = STANDARD.decode(&sealed).ok().and_then(|sealed| self.seal.open(STOOD_IN, &sealed));
        let Some(Ok(attempt)) = opened.map(|plain| codec::from_bytes::<Attempt>(STOOD_IN, &plain)) else {
            unread.extend(serde_json::to_string(&Deed::StoodIn { about, sealed }));
            return true;
        };
        held.beside.remove(&attempt.id);
        let Some(incident) = attempt.incident.and_then(|incident| self.known_as(incident, about)) else {
            tracing::warn!(attempt = %attempt.id, "sent by the watchdog, and nothing like its incident is open here");
            return true;
        };
        self.hear(Input::StoodIn { incident, attempt: Box::new(attempt) }).await
    }

    /// As what the engine knows an incident. `None`: one of the watchdog's own that is not open here.
    fn known_as(&self, incident: IncidentId, about: Option<(WearerId, IncidentKind)>) -> Option<IncidentId> {
        if incident.partition() != Ground::PARTITION {
            return Some(incident);
        }
        about.and_then(|(wearer, kind)| self.open_incident_of(wearer, kind))
    }

    async fn take_acknowledged(
        &self,
        incident: IncidentId,
        person: PersonId,
        about: Option<(WearerId, IncidentKind)>,
        held: &mut Held,
    ) -> bool {
        let Some(incident) = self.known_as(incident, about) else {
            tracing::warn!(%incident, "acknowledged through the watchdog, and nothing like it is open here");
            return true;
        };
        tracing::warn!(%incident, "acknowledged through the watchdog while the engine was silent");
        let is_taken = self.acknowledge(incident, person).await;
        if is_taken {
            held.acknowledged.insert(incident, self.clock.now());
        }
        is_taken
    }

    fn open_incident_of(&self, wearer: WearerId, kind: IncidentKind) -> Option<IncidentId> {
        let filter = IncidentFilter { wearer: Some(wearer), open_only: true };
        let page = Page { after: None, limit: 1 };
        let found = self.state.incidents(&filter, page, &|incident| incident.kind == kind);
        found.ok()?.items.first().map(|incident| incident.id)
    }

    /// Has something decided and written down, and waits until it can be read. `None`: the house closes.
    async fn decide(&self, input: Input, received: Timestamp) -> Option<Reply> {
        let (reply, answered) = oneshot::channel();
        self.inbox.urgent(Work::Input { input, received, reply: Some(reply) }).ok()?;
        let (seq, reply) = answered.await.ok()?;
        self.facts.reached(seq).await;
        Some(reply)
    }

    /// Whether the answer to it is durable.
    async fn acknowledge(&self, id: IncidentId, person: PersonId) -> bool {
        let actor = Actor { person: PersonId::new(WATCHDOG), role: Role::Desk, scope: OrgPath::new("/") };
        let command = StaffCommand::Incident {
            id,
            action: IncidentAction::Acknowledge,
            if_match: None,
            note: None,
            disposition: None,
            on_behalf_of: Some(person),
        };
        let input = Input::Command { actor, idempotency_key: None, command };
        let answered = self.decide(input, self.clock.now()).await;
        if let Some(Reply::Refused(problem)) = &answered {
            tracing::info!(%id, code = problem.code.name(), "it was not to be acknowledged any more");
        }
        answered.is_some()
    }
}
