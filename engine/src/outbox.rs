//! What is to be sent: attempts that were decided *and committed*, waiting for a dispatcher to pull them.

use std::collections::{BTreeMap, VecDeque};

use model::{Attempt, AttemptId, AttemptState, Channel, Lane, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The attempts that wait, by channel and lane.
#[derive(Default)]
pub struct Outbox {
    waiting: Mutex<BTreeMap<(Channel, Lane), Queue>>,
    /// Where each of them stands in its queue; locked after `waiting`.
    turns: Mutex<BTreeMap<AttemptId, (Timestamp, AttemptId)>>,
    changed: Notify,
    /// Calls that ring, or may, and are not wanted any more.
    unwanted: Mutex<VecDeque<Attempt>>,
    is_unwanted: Notify,
}

/// One lane of one channel: by the time at which they may go, and by age.
type Queue = BTreeMap<(Timestamp, AttemptId), Attempt>;

/// What a dispatcher gets.
#[derive(Debug)]
pub enum Next {
    /// Send this.
    Attempt(Box<Attempt>),
    /// Nothing may go before then.
    NotBefore(Timestamp),
    /// Nothing is there.
    Nothing,
}

impl Outbox {
    /// Takes note of an attempt as committed: one that was never taken waits here, any other is taken out.
    pub fn note(&self, attempt: &Attempt) {
        let mut waiting = self.waiting.lock();
        let queue = waiting.entry((attempt.channel, attempt.lane)).or_default();
        if let Some(turn) = self.turns.lock().remove(&attempt.id) {
            queue.remove(&turn);
        }
        if attempt.wants_sending() {
            let turn = (attempt.not_before, attempt.id);
            queue.insert(turn, attempt.clone());
            self.turns.lock().insert(attempt.id, turn);
            drop(waiting);
            self.changed.notify_waiters();
        } else if attempt.channel == Channel::Voice && attempt.state == AttemptState::Cancelled {
            self.unwanted.lock().push_back(attempt.clone());
            self.is_unwanted.notify_one();
        }
    }

    /// The next call that is not wanted any more.
    pub async fn unwanted(&self) -> Attempt {
        loop {
            let next = self.unwanted.lock().pop_front();
            match next {
                Some(attempt) => return attempt,
                None => self.is_unwanted.notified().await,
            }
        }
    }

    /// Takes the next attempt that may go now.
    pub fn pull(&self, channel: Channel, lane: Lane, now: Timestamp) -> Next {
        let mut waiting = self.waiting.lock();
        let Some(queue) = waiting.get_mut(&(channel, lane)) else { return Next::Nothing };
        match queue.first_entry() {
            None => Next::Nothing,
            Some(first) if first.key().0 > now => Next::NotBefore(first.key().0),
            Some(first) => {
                self.turns.lock().remove(&first.key().1);
                Next::Attempt(Box::new(first.remove()))
            }
        }
    }

    /// Resolves when something was put in after the call of this function.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.lock().values().map(BTreeMap::len).sum()
    }
}
