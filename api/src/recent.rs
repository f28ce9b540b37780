//! The feed's newest events, read from the state once and held for every live stream: two thousand of them that wake for
//! one event must not read, decode and print it two thousand times.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Bytes;
use model::{Entity, Event};
use tokio::sync::Mutex;

use crate::cursor::Cursor;
use crate::problem::Fault;
use crate::shared::Shared;

/// How many events are held; a stream that is further behind reads the state.
const HELD_MAX: usize = 2_048;
/// How many are read from the state at a time.
const READ_MAX: usize = 500;
/// How many a stream is given at a time.
const GIVEN_MAX: usize = 200;

/// One event as every stream says it.
pub(crate) struct Told {
    pub(crate) event: Event,
    /// `id:` and `data:`, with the empty line.
    pub(crate) text: Bytes,
}

/// The newest events.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Held>);

#[derive(Default)]
struct Held {
    /// Every event up to here was looked at.
    through: Option<u64>,
    events: VecDeque<Arc<Told>>,
}

/// What comes after a place in the feed.
pub(crate) struct After {
    pub(crate) events: Vec<Arc<Told>>,
    pub(crate) through: u64,
}

impl Recent {
    /// What comes after `seq`, up to `newest`, of what is held; `None`: so far back the state has to be read.
    pub(crate) async fn after(&self, shared: &Shared, seq: u64, newest: u64) -> Result<Option<After>, Fault> {
        let mut held = self.0.lock().await;
        // Never further back than can be held: a stream that replays the past reads the state.
        let from = newest.saturating_sub(HELD_MAX as u64);
        let mut through = held.through.unwrap_or(seq);
        if through < from || held.through.is_none() {
            held.events.clear();
            through = through.max(from);
            held.through = Some(through);
        }
        while through < newest {
            let page = shared.read(move |state| state.events(through, READ_MAX, &|_| true)).await?;
            if page.through == through {
                break;
            }
            through = page.through;
            held.through = Some(through);
            for event in page.events {
                // What was held may name whom the state does not know any more.
                if matches!(event.entity, Entity::Erasure(_)) {
                    held.events.clear();
                }
                let cursor = Cursor { epoch: shared.host.epoch(), seq: event.seq };
                let text = format!("id: {cursor}\ndata: {}\n\n", event.envelope_text(cursor.epoch));
                held.events.push_back(Arc::new(Told { event, text: Bytes::from(text) }));
            }
            while held.events.len() > HELD_MAX {
                held.events.pop_front();
            }
        }
        Ok(held.given(seq, through))
    }
}

impl Held {
    fn given(&self, seq: u64, through: u64) -> Option<After> {
        let first = self.events.front().map_or(through + 1, |told| told.event.seq);
        if seq + 1 < first {
            return None;
        }
        let from = self.events.partition_point(|told| told.event.seq <= seq);
        let events: Vec<Arc<Told>> = self.events.range(from..).take(GIVEN_MAX).cloned().collect();
        let last = events.last().filter(|_| events.len() == GIVEN_MAX).map(|told| told.event.seq);
        Some(After { through: last.unwrap_or(through).max(seq), events })
    }
}
