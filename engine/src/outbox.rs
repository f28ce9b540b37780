//! What is to be sent: attempts that were decided *and committed*, waiting for a dispatcher to pull them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{Attempt, AttemptId, AttemptState, Channel, Lane, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The attempts that wait, by channel and lane.
pub struct Outbox {
    waiting: Mutex<BTreeMap<Way, Queue>>,
    /// Where each of them stands in its queue; locked after `waiting`.
    turns: Mutex<BTreeMap<AttemptId, (Timestamp, AttemptId)>>,
    /// What a dispatcher has pulled, is about to hand over, and is still wanted; locked after `turns`.
    in_hand: Mutex<BTreeSet<AttemptId>>,
    /// One for each queue, and so for each dispatcher: whoever has nothing to do sleeps on.
    bells: BTreeMap<Way, Notify>,
    /// Calls that ring, or may, and are not wanted any more.
    unwanted: Mutex<VecDeque<Attempt>>,
    is_unwanted: Notify,
}

/// How many calls may wait to be hung up; of more the oldest is left to ring out, which it has nearly done.
pub const UNWANTED_MAX: usize = 4_096;

/// A channel's lane, with a dispatcher of its own.
pub type Way = (Channel, Lane);

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

impl Default for Outbox {
    fn default() -> Outbox {
        let ways = Channel::ALL.into_iter().flat_map(|channel| Lane::ALL.map(|lane| (channel, lane)));
        let bells = ways.map(|way| (way, Notify::new())).collect();
        Outbox {
            waiting: Mutex::default(),
            turns: Mutex::default(),
            in_hand: Mutex::default(),
            bells,
            unwanted: Mutex::default(),
            is_unwanted: Notify::new(),
        }
    }
}

impl Outbox {
    /// Takes note of attempts as committed: one that was never taken waits here, any other is taken out. Rings once for
    /// each queue, after all of them: who is woken for every attempt takes the processor from whoever puts in the next.
    pub fn note(&self, attempts: impl IntoIterator<Item = Attempt>) {
        let mut rung = BTreeSet::new();
        let mut waiting = self.waiting.lock();
        let mut turns = self.turns.lock();
        let mut in_hand = self.in_hand.lock();
        for attempt in attempts {
            let way = (attempt.channel, attempt.lane);
            let queue = waiting.entry(way).or_default();
            if let Some(turn) = turns.remove(&attempt.id) {
                queue.remove(&turn);
            }
            if attempt.wants_sending() {
                let turn = (attempt.not_before, attempt.id);
                turns.insert(attempt.id, turn);
                queue.insert(turn, attempt);
                rung.insert(way);
                continue;
            }
            in_hand.remove(&attempt.id);
            if attempt.channel == Channel::Voice && attempt.state == AttemptState::Cancelled {
                self.put_unwanted(attempt);
            }
        }
        drop((in_hand, turns, waiting));
        rung.iter().filter_map(|way| self.bells.get(way)).for_each(Notify::notify_one);
    }

    fn put_unwanted(&self, attempt: Attempt) {
        let mut unwanted = self.unwanted.lock();
        if unwanted.len() >= UNWANTED_MAX
            && let Some(oldest) = unwanted.pop_front()
        {
            metrics::counter!("yinling_calls_left_to_ring_total").increment(1);
            tracing::warn!(attempt = %oldest.id, "too many calls wait to be hung up: this one rings out");
        }
        unwanted.push_back(attempt);
        self.is_unwanted.notify_one();
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
                self.in_hand.lock().insert(first.key().1);
                Next::Attempt(Box::new(first.remove()))
            }
        }
    }

    /// Whether an attempt that was pulled is still wanted, asked once, when it is about to be handed over: since then
    /// somebody may have said that they go. Nobody who reads or writes the view is waited for.
    pub fn is_still_wanted(&self, id: AttemptId) -> bool {
        self.in_hand.lock().remove(&id)
    }

    /// Resolves when something was put into this queue since it last did: for its one dispatcher.
    pub async fn changed(&self, channel: Channel, lane: Lane) {
        if let Some(bell) = self.bells.get(&(channel, lane)) {
            bell.notified().await;
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.lock().values().map(BTreeMap::len).sum()
    }
}
