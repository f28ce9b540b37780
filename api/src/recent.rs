//! The feed's newest events, read from the state once for every live stream, and who is woken by which of them: two
//! thousand streams must not read, decode and print one event two thousand times, nor wake for what is not theirs.
//!
//! One task reads along while there are streams. It knows their *audiences*: streams with the same part of the tree and
//! the same types share one, are woken together when something comes that is for them, and are given the same text.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
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
    fn is_for(&self, audience: &Audience) -> bool {
        audience.hears(self.event.kind, self.event.org.as_ref())
    }

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
    audiences: HashMap<Audience, Ears>,
}

/// What an audience hears.
struct Ears {
    /// The newest event that is for it. What is newer than that, up to `through`, is not.
    told: watch::Sender<u64>,
    /// Of the events that are held those that are for it.
    events: VecDeque<Arc<Told>>,
    /// What was said last: mostly every stream of the audience is to say just that.
    said: Option<Said>,
}

/// The text of several events, from the first to the last that are for an audience.
struct Said {
    first: u64,
    last: u64,
    text: Bytes,
}

/// What comes after a place in the feed, for one audience.
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
        held.join(audience).subscribe()
    }

    /// What is for an audience after `seq`; `None`: so far back the state has to be read.
    pub(crate) fn after(&self, audience: &Audience, seq: u64) -> Option<After> {
        self.lock().given(audience, seq)
    }

    /// The same as text, and up to where it reaches. It is put together once for all who are told the same.
    pub(crate) fn text_after(&self, audience: &Audience, seq: u64, epoch: u32) -> Option<(Bytes, u64)> {
        let After { events, through } = {
            let held = self.lock();
            if let Some(said) = held.said(audience, seq) {
                return Some(said);
            }
            held.given(audience, seq)?
        };
        let texts: Vec<Bytes> = events.iter().map(|told| told.text(epoch)).collect();
        let text = match &texts[..] {
            [] => Bytes::new(),
            [one] => one.clone(),
            several => several.concat().into(),
        };
        if let (Some(first), Some(last), Some(ears)) =
            (events.first(), events.last(), self.lock().audiences.get_mut(audience))
        {
            ears.said = Some(Said { first: first.event.seq, last: last.event.seq, text: text.clone() });
        }
        Some((text, through))
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
        held.audiences.retain(|_, ears| ears.told.receiver_count() > 0);
        if held.audiences.is_empty() {
            held.end();
            return;
        }
    }
}

impl Held {
    fn begin(&mut self, through: u64) {
        self.forget(through);
        (self.is_read, self.through) = (true, through);
    }

    fn end(&mut self) {
        self.events.clear();
        self.audiences.clear();
        self.is_read = false;
    }

    /// Lets go of every event up to `from`.
    fn forget(&mut self, from: u64) {
        self.from = from;
        let drop_from = |events: &mut VecDeque<Arc<Told>>| {
            events.drain(..events.partition_point(|it| it.event.seq <= from)).count()
        };
        drop_from(&mut self.events);
        for ears in self.audiences.values_mut() {
            if drop_from(&mut ears.events) > 0 {
                ears.said = None;
            }
        }
    }

    fn join(&mut self, audience: Audience) -> &watch::Sender<u64> {
        let Held { through, events, audiences, .. } = self;
        let ears = audiences.entry(audience).or_insert_with_key(|audience| Ears {
            told: watch::Sender::new(*through),
            events: events.iter().filter(|told| told.is_for(audience)).cloned().collect(),
            said: None,
        });
        &ears.told
    }

    fn take(&mut self, page: EventPage) {
        for event in page.events {
            // What was held may name whom the state does not know any more.
            if matches!(event.entity, Entity::Erasure(_)) {
                self.forget(event.seq.saturating_sub(1));
            }
            let told = Arc::new(Told { event, text: OnceLock::new() });
            for (_, ears) in self.audiences.iter_mut().filter(|(audience, _)| told.is_for(audience)) {
                ears.events.push_back(Arc::clone(&told));
            }
            self.events.push_back(told);
        }
        if let Some(last) = self.events.len().checked_sub(HELD_MAX + 1).and_then(|at| self.events.get(at)) {
            self.forget(last.event.seq);
        }
        let before = std::mem::replace(&mut self.through, page.through);
        for ears in self.audiences.values() {
            if let Some(last) = ears.events.back().map(|told| told.event.seq).filter(|last| *last > before) {
                ears.told.send_replace(last);
            }
        }
    }

    fn pass_over(&mut self, through: u64) {
        self.begin(through);
        for ears in self.audiences.values() {
            ears.told.send_replace(through);
        }
    }

    /// The place after `seq` among what an audience hears, of which so many are given at once.
    fn place(&self, audience: &Audience, seq: u64) -> Option<(&Ears, Range<usize>)> {
        let ears = self.audiences.get(audience).filter(|_| seq >= self.from)?;
        let from = ears.events.partition_point(|told| told.event.seq <= seq);
        Some((ears, from..ears.events.len().min(from + GIVEN_MAX)))
    }

    /// Up to where what stands in that place reaches.
    fn reach(&self, ears: &Ears, place: &Range<usize>, seq: u64) -> u64 {
        let last = ears.events.get(place.end.wrapping_sub(1)).filter(|_| place.end < ears.events.len());
        last.map_or(self.through, |told| told.event.seq).max(seq)
    }

    fn given(&self, audience: &Audience, seq: u64) -> Option<After> {
        let (ears, place) = self.place(audience, seq)?;
        let through = self.reach(ears, &place, seq);
        Some(After { events: ears.events.range(place).cloned().collect(), through })
    }

    fn said(&self, audience: &Audience, seq: u64) -> Option<(Bytes, u64)> {
        let (ears, place) = self.place(audience, seq)?;
        let said = ears.said.as_ref()?;
        let seq_at = |at: usize| ears.events.get(at).map(|told| told.event.seq);
        let is_that =
            !place.is_empty() && seq_at(place.start) == Some(said.first) && seq_at(place.end - 1) == Some(said.last);
        is_that.then(|| (said.text.clone(), self.reach(ears, &place, seq)))
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
            held.join(audience).subscribe()
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
        let all = Audience::new(OrgPath::new("/"), None);
        assert!(held.given(&all, 14).is_none() && held.given(&all, 20).is_some());
    }

    #[test]
    fn what_is_held_is_given_from_any_place_in_it_and_from_no_other() {
        let mut held = Held::default();
        held.begin(0);
        let last = HELD_MAX as u64 + 5;
        let all = Audience::new(OrgPath::new("/"), None);
        held.join(all.clone());
        let events = (1..=last).map(|seq| event(seq, EventKind::DeviceOnline, "/luyang/")).collect();
        held.take(EventPage { events, through: last, has_more: false });
        assert!(held.given(&all, 4).is_none(), "let go of");
        let mut seq = 5;
        while seq < last {
            let after = held.given(&all, seq).unwrap();
            assert_eq!(after.events.first().map(|told| told.event.seq), Some(seq + 1));
            assert_eq!(after.events.last().map(|told| told.event.seq), Some(after.through));
            seq = after.through;
        }
        assert!(held.given(&all, last).unwrap().events.is_empty());
        assert_eq!(held.given(&all, last + 3).unwrap().through, last + 3, "a stream may be ahead");
    }

    #[test]
    fn streams_of_one_audience_share_a_text_and_who_is_elsewhere_gets_their_own() {
        let (recent, epoch) = (Recent::default(), 7);
        let cases = Audience::new(OrgPath::new("/"), Some(vec![EventKind::CaseFiled]));
        let kind = |seq: u64| if seq.is_multiple_of(2) { EventKind::CaseFiled } else { EventKind::DeviceOnline };
        let page = |range: std::ops::RangeInclusive<u64>| EventPage {
            through: *range.end(),
            events: range.map(|seq| event(seq, kind(seq), "/luyang/")).collect(),
            has_more: false,
        };
        recent.lock().begin(0);
        recent.lock().take(page(1..=5));
        // Who joins hears of what is held already.
        recent.lock().join(cases.clone());
        let heard = |seq: u64| {
            let (text, through) = recent.text_after(&cases, seq, epoch).unwrap();
            let text = String::from_utf8(text.to_vec()).unwrap();
            let seqs = (1..=20).filter(|seq| text.contains(&format!("id: {}\n", Cursor { epoch, seq: *seq })));
            (seqs.collect::<Vec<u64>>(), through)
        };
        for _ in 0..2 {
            assert_eq!(heard(0), (vec![2, 4], 5));
            assert_eq!(heard(1), (vec![2, 4], 5), "the same, although the cursor is another");
            assert_eq!(heard(2), (vec![4], 5));
            assert_eq!(heard(5), (vec![], 5));
        }
        let pointer = |seq: u64| recent.text_after(&cases, seq, epoch).unwrap().0.as_ptr();
        assert_eq!(pointer(0), pointer(1), "put together once");
        recent.lock().take(page(6..=9));
        assert_eq!((heard(0), heard(5), heard(3)), ((vec![2, 4, 6, 8], 9), (vec![6, 8], 9), (vec![4, 6, 8], 9)));
        recent.lock().forget(7);
        assert!(recent.text_after(&cases, 6, epoch).is_none());
        assert_eq!((heard(7), heard(8)), ((vec![8], 9), (vec![], 9)));
    }
}
