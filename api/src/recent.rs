//! The feed's newest events, read from the state once for every live stream, and who is woken by which of them: two
//! thousand streams must not read, decode and print one event two thousand times, nor wake for what is not theirs.
//!
//! One task reads along while there are streams. It knows their *audiences*: streams with the same part of the tree and
//! the same types share one, and are woken together when something comes that is for them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::body::Bytes;
use model::{Entity, Event, EventKind, OrgPath};
use store::EventPage;
use tokio::sync::watch;

use crate::cursor::Cursor;
use crate::scope::is_inside;
use crate::shared::Shared;

/// How many events are held; a stream that is further behind reads the state.
const HELD_MAX: usize = 2_048;
/// How many are read from the state at a time.
const READ_MAX: usize = 500;
/// How many a stream is given at a time.
const GIVEN_MAX: usize = 200;

/// What streams hear of: those with the same one are woken by the same events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Audience {
    scope: OrgPath,
    /// Ascending; `None`: all.
    kinds: Option<Vec<EventKind>>,
}

impl Audience {
    pub(crate) fn new(scope: OrgPath, mut kinds: Option<Vec<EventKind>>) -> Audience {
        if let Some(kinds) = &mut kinds {
            kinds.sort_unstable();
            kinds.dedup();
        }
        Audience { scope, kinds }
    }

    /// Whether an event of this kind is asked for, and happened where they may look.
    pub(crate) fn hears(&self, kind: EventKind, org: Option<&OrgPath>) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.binary_search(&kind).is_ok()) && is_inside(&self.scope, org)
    }
}

/// One event as every stream says it.
pub(crate) struct Told {
    pub(crate) event: Event,
    text: OnceLock<Bytes>,
}

impl Told {
    /// `id:` and `data:`, with the empty line; printed for the first who asks.
    pub(crate) fn text(&self, epoch: u32) -> Bytes {
        self.text.get_or_init(|| printed(&self.event, epoch).into()).clone()
    }
}

/// An event as a stream says it.
pub(crate) fn printed(event: &Event, epoch: u32) -> String {
    format!("id: {}\ndata: {}\n\n", Cursor { epoch, seq: event.seq }, event.envelope_text(epoch))
}

/// The newest events.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Held>);

#[derive(Default)]
struct Held {
    /// Whether somebody reads along; not while there is no stream.
    is_read: bool,
    /// Every event after `from` and up to `through` is held.
    from: u64,
    through: u64,
    events: VecDeque<Arc<Told>>,
    /// Each is told the newest event that is for it. What is newer than that, up to `through`, is not.
    audiences: HashMap<Audience, watch::Sender<u64>>,
}

/// What comes after a place in the feed.
pub(crate) struct After {
    pub(crate) events: Vec<Arc<Told>>,
    pub(crate) through: u64,
}

impl Recent {
    /// What wakes a stream of this audience: whenever the number is above its cursor there may be something for it. It
    /// closes when the house does.
    pub(crate) fn join(shared: &Arc<Shared>, audience: Audience) -> watch::Receiver<u64> {
        let mut held = shared.recent.lock();
        if !held.is_read {
            let newest = shared.host.newest_event();
            held.begin(*newest.borrow());
            tokio::spawn(read_along(Arc::clone(shared), newest));
        }
        let through = held.through;
        held.audiences.entry(audience).or_insert_with(|| watch::Sender::new(through)).subscribe()
    }

    /// What comes after `seq` of what is held; `None`: so far back the state has to be read.
    pub(crate) fn after(&self, seq: u64) -> Option<After> {
        self.lock().given(seq)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Whoever panicked held numbers and texts that are whole at every step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what is new as long as there are streams, and until the house closes.
async fn read_along(shared: Arc<Shared>, mut newest: watch::Receiver<u64>) {
    loop {
        let through = shared.recent.lock().through;
        let Ok(reached) = newest.wait_for(|newest| *newest > through).await.map(|newest| *newest) else {
            shared.recent.lock().end();
            return;
        };
        let page = shared.read(move |state| state.events(through, READ_MAX, &|_| true, &|_| true)).await;
        let mut held = shared.recent.lock();
        match page {
            Ok(page) if page.through > through => held.take(page),
            // It cannot be read, or is not there any more: each stream looks for itself, and says so.
            Ok(_) | Err(_) => held.pass_over(reached),
        }
        held.audiences.retain(|_, told| told.receiver_count() > 0);
        if held.audiences.is_empty() {
            held.end();
            return;
        }
    }
}

impl Held {
    fn begin(&mut self, through: u64) {
        self.events.clear();
        (self.is_read, self.from, self.through) = (true, through, through);
    }

    fn end(&mut self) {
        self.events.clear();
        self.audiences.clear();
        self.is_read = false;
    }

    fn take(&mut self, page: EventPage) {
        for (audience, told) in &self.audiences {
            if let Some(last) = page.events.iter().rev().find(|event| audience.hears(event.kind, event.org.as_ref())) {
                told.send_replace(last.seq);
            }
        }
        for event in page.events {
            // What was held may name whom the state does not know any more.
            if matches!(event.entity, Entity::Erasure(_)) {
                self.events.clear();
                self.from = event.seq.saturating_sub(1);
            }
            self.events.push_back(Arc::new(Told { event, text: OnceLock::new() }));
        }
        while self.events.len() > HELD_MAX {
            self.from = self.events.pop_front().map_or(self.from, |told| told.event.seq);
        }
        self.through = page.through;
    }

    fn pass_over(&mut self, through: u64) {
        self.begin(through);
        for told in self.audiences.values() {
            told.send_replace(through);
        }
    }

    fn given(&self, seq: u64) -> Option<After> {
        if seq < self.from {
            return None;
        }
        let from = self.events.partition_point(|told| told.event.seq <= seq);
        let events: Vec<Arc<Told>> = self.events.range(from..).take(GIVEN_MAX).cloned().collect();
        let last = events.last().filter(|_| events.len() == GIVEN_MAX).map(|told| told.event.seq);
        Some(After { through: last.unwrap_or(self.through).max(seq), events })
    }
}

#[cfg(test)]
mod tests {
    use model::event::DeviceStatus;
    use model::{DeviceId, Timestamp};

    use super::*;

    fn event(seq: u64, kind: EventKind, org: &str) -> Event {
        let entity = Entity::Device(DeviceStatus {
            id: DeviceId::new("b1"),
            wearer: None,
            online: true,
            battery_percent: None,
            clock_ahead_seconds: None,
        });
        let at = Timestamp::from_millis(seq as i64);
        Event { seq, kind, at, org: Some(OrgPath::new(org)), entity, changed: Vec::new() }
    }

    #[test]
    fn an_audience_is_told_of_what_is_for_it_and_of_nothing_else() {
        let mut held = Held::default();
        held.begin(10);
        let join = |held: &mut Held, scope: &str, kinds: Option<&[EventKind]>| {
            let audience = Audience::new(OrgPath::new(scope), kinds.map(<[_]>::to_vec));
            held.audiences.entry(audience).or_insert_with(|| watch::Sender::new(10)).subscribe()
        };
        let (raised, online) = (EventKind::IncidentRaised, EventKind::DeviceOnline);
        let mut everything = join(&mut held, "/", None);
        let mut raisings = join(&mut held, "/", Some(&[raised, EventKind::CaseFiled]));
        let mut same = join(&mut held, "/", Some(&[EventKind::CaseFiled, raised, raised]));
        let mut elsewhere = join(&mut held, "/shushan/", None);
        assert_eq!(held.audiences.len(), 3);

        let events = vec![event(11, raised, "/luyang/"), event(12, online, "/luyang/"), event(13, online, "/luyang/")];
        held.take(EventPage { events, through: 13, has_more: false });
        for (told, expected) in [(&mut everything, Some(13)), (&mut raisings, Some(11)), (&mut same, Some(11))] {
            let heard = told.has_changed().unwrap().then(|| *told.borrow_and_update());
            assert_eq!(heard, expected);
        }
        assert!(!elsewhere.has_changed().unwrap(), "nothing of it was theirs");
        held.take(EventPage { events: vec![event(14, online, "/shushan/")], through: 14, has_more: false });
        assert!(!raisings.has_changed().unwrap());
        assert_eq!((*elsewhere.borrow_and_update(), *everything.borrow()), (14, 14));

        // What cannot be read is looked for by everybody.
        held.pass_over(20);
        for told in [&everything, &raisings, &elsewhere] {
            assert_eq!(*told.borrow(), 20);
        }
        assert!(held.given(14).is_none() && held.given(20).is_some());
    }

    #[test]
    fn what_is_held_is_given_from_any_place_in_it_and_from_no_other() {
        let mut held = Held::default();
        held.begin(0);
        let last = HELD_MAX as u64 + 5;
        let events = (1..=last).map(|seq| event(seq, EventKind::DeviceOnline, "/luyang/")).collect();
        held.take(EventPage { events, through: last, has_more: false });
        assert!(held.given(4).is_none(), "let go of");
        let mut seq = 5;
        while seq < last {
            let after = held.given(seq).unwrap();
            assert_eq!(after.events.first().map(|told| told.event.seq), Some(seq + 1));
            assert_eq!(after.events.last().map(|told| told.event.seq), Some(after.through));
            seq = after.through;
        }
        assert!(held.given(last).unwrap().events.is_empty());
        assert_eq!(held.given(last + 3).unwrap().through, last + 3, "a stream may be ahead");
    }
}
