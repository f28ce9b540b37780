//! The engine's side: nothing is sent under an epoch that is not its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::{
    Actor, Attempt, Clock, IncidentAction, IncidentId, Input, OrgPath, PersonId, Purpose, Reply, Role, StaffCommand,
    Timestamp,
};
use tokio::sync::{Mutex, oneshot};

use super::{Deed, Ground, Holder};
use crate::inbox::{Inbox, Work};

/// As whom the engine writes down what the watchdog was told.
const WATCHDOG: &str = "watchdog";

/// How often the epoch is looked at while nothing is sent.
const SETTLE_EVERY: Duration = Duration::from_millis(250);

/// Whether the loop goes round and the journal takes what it decides.
pub type Lives = Arc<dyn Fn() -> bool + Send + Sync>;

/// Stands before every send.
pub struct Gate {
    ground: Ground,
    own: AtomicU64,
    /// What the watchdog brought to an acknowledgement, and when that was taken in: what was decided before is not
    /// sent any more.
    held: Mutex<BTreeMap<IncidentId, Timestamp>>,
    inbox: Arc<Inbox>,
    clock: Arc<dyn Clock>,
    lives: Lives,
}

impl Gate {
    /// A gate that is closed until the watchdog's log was read.
    #[must_use]
    pub fn new(ground: Ground, inbox: Arc<Inbox>, clock: Arc<dyn Clock>, lives: Lives) -> Gate {
        Gate { ground, own: AtomicU64::new(0), held: Mutex::default(), inbox, clock, lives }
    }

    /// Whether an attempt may be sent now. Waits until the engine knows what the watchdog did.
    pub async fn admits(&self, attempt: &Attempt) -> bool {
        self.settle().await;
        let held = self.held.lock().await;
        let calls = matches!(attempt.purpose, Purpose::Alert | Purpose::Reminder);
        let taken_in = attempt.incident.and_then(|incident| held.get(&incident));
        !(calls && taken_in.is_some_and(|at| attempt.created_at <= *at))
    }

    /// Takes the epoch back and the watchdog's deeds in, if there are any: as soon as the loop goes round again.
    pub async fn settle(&self) {
        let is_own = || self.ground.epoch().is_some_and(|(epoch, _)| epoch == self.own.load(Ordering::Acquire));
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
    async fn take_in(&self, held: &mut BTreeMap<IncidentId, Timestamp>) -> bool {
        loop {
            let deeds = match self.ground.take() {
                Ok(Some(deeds)) => deeds,
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "the watchdog's log cannot be read");
                    return false;
                }
            };
            for deed in deeds {
                let Deed::Acknowledged { incident, person } = deed else { continue };
                tracing::warn!(%incident, "acknowledged through the watchdog while the engine was silent");
                if !self.acknowledge(incident, person).await {
                    return false;
                }
                held.insert(incident, self.clock.now());
            }
            if let Err(error) = self.ground.forget() {
                tracing::error!(%error, "the watchdog's log cannot be removed");
                return false;
            }
        }
        match self.ground.raise(Holder::Engine) {
            Ok(epoch) => self.own.store(epoch, Ordering::Release),
            Err(error) => tracing::error!(%error, "the epoch cannot be raised; sending goes on all the same"),
        }
        true
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
        let (reply, answered) = oneshot::channel();
        let input = Input::Command { actor, idempotency_key: None, command };
        let work = Work::Input { input, received: self.clock.now(), reply: Some(reply) };
        if self.inbox.urgent(work).is_err() {
            return false;
        }
        let answered = answered.await;
        if let Ok((_, Reply::Refused(problem))) = &answered {
            tracing::info!(%id, code = problem.code.name(), "it was not to be acknowledged any more");
        }
        answered.is_ok()
    }
}
