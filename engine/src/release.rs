//! What leaves the house once a batch is durable: receipts, replies, messages, commands to devices, the feed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, mpsc};

use alerting::Auditor;
use broker::{Door, Receipts};
use compact_str::CompactString;
use model::staff::ApiToken;
use model::{
    Account, Attempt, Decision, DownCommand, DownCommandState, Entity, Event, EventKind, Glass, IncidentId, PersonId,
    Record, RegistryChange, Reply, Session, StepUp, Timestamp, Watch, WearerId, Webhook,
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::authority::Authority;
use crate::main_loop::EndWithPanic;
use crate::outbox::Outbox;
use crate::teller::Book;
use crate::watchdog::{Watched, snapshot};

/// How many events may wait to be printed for the feed's subscribers; more are dropped and counted, as where the router
/// is behind.
pub const FEED_EVENTS_WAITING_MAX: usize = 16_384;

/// Of how many parcels the journal's thread itself writes the acknowledgements to their sockets, which takes it some four
/// microseconds each; for more, each connection's own thread is woken. The messages of the next batch wait meanwhile.
const RECEIPTS_WRITTEN_MAX: usize = 32;

/// Everything that one batch lets out.
#[derive(Default)]
pub struct Release {
    /// What waits for a dispatcher, or does not any more. Goes first: somebody lies on the stairs.
    attempts: Vec<Attempt>,
    /// Those of SOS and falls, which go before the others.
    alarm_receipts: Vec<Receipts>,
    receipts: Vec<Receipts>,
    replies: Vec<Answer>,
    effects: Vec<Effect>,
}

/// Somebody who waits, the record that was decided on, and what to answer.
type Answer = (oneshot::Sender<(u64, Reply)>, u64, Reply);

/// One thing to do once it is durable.
enum Effect {
    /// To be written to its device, if that is there.
    Deliver(Box<DownCommand>),
    /// To be told to the feed's subscribers.
    Feed(Box<Event>),
    /// When an incident's calling goes on: the auditor is to know.
    Step(IncidentId, Option<Timestamp>),
    /// What is open and loud: for the watchdog's snapshot.
    Watched(Box<Decision>),
    /// Whom an incident concerns: for the same.
    Concerns(IncidentId, Box<RegistryChange>),
    /// The door is to know.
    Registry(Box<RegistryChange>),
    /// The API is to know.
    Token(ApiToken),
    Account(Box<Account>),
    Session(Session),
    Glass(Box<Glass>),
    StepUp(Box<StepUp>, Timestamp),
    Duty(Box<Watch>, Timestamp),
    Reached(PersonId, CompactString, Timestamp),
    /// Who tells other systems is to know.
    Webhook(Box<Webhook>),
}

impl Release {
    /// A parcel's receipts.
    pub fn receipt(&mut self, receipts: Receipts) {
        self.receipts.push(receipts);
    }

    /// Those of one with an SOS or a fall in it: the bracelet tells its wearer that help is on its way.
    pub fn alarm_receipt(&mut self, receipts: Receipts) {
        self.alarm_receipts.push(receipts);
    }

    /// What is queued for a device that is there now.
    pub fn deliver<'a>(&mut self, commands: impl Iterator<Item = &'a DownCommand>) {
        self.effects.extend(commands.map(|command| Effect::Deliver(Box::new(command.clone()))));
    }

    /// What is answered to whoever asked for what a record decided.
    pub fn answer_of(record: &Record) -> Reply {
        let decided = record.decisions.iter().rev().find_map(|decision| match decision {
            Decision::Reply(reply) => Some((**reply).clone()),
            _ => None,
        });
        decided.unwrap_or(Reply::Done(None))
    }

    /// Somebody waits for the decision on the record with this sequence number.
    pub fn reply(&mut self, to: oneshot::Sender<(u64, Reply)>, seq: u64, answer: Reply) {
        self.replies.push((to, seq, answer));
    }

    /// What a record's decisions let out. Telemetry lets out nothing and is passed over quickly. `household`: whom what
    /// happens to a wearer concerns.
    pub fn note(&mut self, record: &Record, household: impl Fn(&WearerId) -> RegistryChange) {
        self.note_watched(record, household);
        for decision in &record.decisions {
            match decision {
                Decision::Event(event) => self.note_event(event),
                Decision::Registry(change) => self.effects.push(Effect::Registry(change.clone())),
                Decision::Escalation(calling) => self.effects.push(Effect::Step(calling.incident, calling.next_due)),
                Decision::Token(token) => self.effects.push(Effect::Token(token.clone())),
                Decision::Account(account) => self.effects.push(Effect::Account(account.clone())),
                Decision::Glass(glass) => self.effects.push(Effect::Glass(glass.clone())),
                Decision::StepUp(step_up) => self.effects.push(Effect::StepUp(step_up.clone(), record.at)),
                Decision::Watch(watch) => self.effects.push(Effect::Duty(watch.clone(), record.at)),
                Decision::Session(session) => self.effects.push(Effect::Session(session.clone())),
                Decision::Webhook(webhook) => self.effects.push(Effect::Webhook(webhook.clone())),
                Decision::Delivery(_)
                | Decision::Erased(_)
                | Decision::Observed(_)
                | Decision::Repeated
                | Decision::Finding(_)
                | Decision::Reply(_)
                | Decision::Audit(_) => {}
            }
        }
    }

    /// What the watchdog's snapshot is made of.
    fn note_watched(&mut self, record: &Record, household: impl Fn(&WearerId) -> RegistryChange) {
        let is_loud = |decision: &Decision| match decision {
            Decision::Event(event) => match &event.entity {
                Entity::Incident(incident) => Some(snapshot::is_called_for(incident.priority, incident.kind.into())),
                Entity::Attempt(attempt) => Some(snapshot::is_called_for(attempt.priority, attempt.kind)),
                _ => None,
            },
            _ => None,
        };
        let mut loudness = record.decisions.iter().filter_map(is_loud).peekable();
        // A calling does not say what for: what changed beside it does.
        let may_be_loud = loudness.peek().is_none() || loudness.any(|loud| loud);
        for decision in &record.decisions {
            let is_calling = matches!(decision, Decision::Escalation(_));
            if is_loud(decision) == Some(true) || (is_calling && may_be_loud) {
                self.effects.push(Effect::Watched(Box::new(decision.clone())));
            }
            let Decision::Event(event) = decision else { continue };
            if let (EventKind::IncidentRaised | EventKind::IncidentRecurred, Entity::Incident(incident)) =
                (event.kind, &event.entity)
                && snapshot::is_watched(incident)
            {
                self.effects.push(Effect::Concerns(incident.id, Box::new(household(&incident.wearer))));
            }
        }
    }

    fn note_event(&mut self, event: &Event) {
        match &event.entity {
            Entity::Attempt(attempt) => {
                if alerting::reach::has_reached(event.kind, attempt) {
                    let (person, phone) = (attempt.callee.person.clone(), attempt.to.0.clone());
                    self.effects.push(Effect::Reached(person, phone, attempt.changed_at));
                }
                self.attempts.push((**attempt).clone());
            }
            Entity::DownCommand(command) if command.state == DownCommandState::Queued => {
                self.effects.push(Effect::Deliver(command.clone()));
            }
            Entity::Incident(_) | Entity::Case(_) => self.effects.push(Effect::Feed(Box::new(event.clone()))),
            Entity::DownCommand(_)
            | Entity::Device(_)
            | Entity::Registry(_)
            | Entity::Task(_)
            | Entity::Campaign(_)
            | Entity::CampaignCall(_)
            | Entity::Patrol(_)
            | Entity::Duty(_)
            | Entity::Erasure(_) => {}
        }
    }

    /// Whether nothing waits for a commit.
    pub fn is_empty(&self) -> bool {
        self.receipts.is_empty()
            && self.alarm_receipts.is_empty()
            && self.replies.is_empty()
            && self.effects.is_empty()
            && self.attempts.is_empty()
    }
}

/// Lets out what was committed. Runs on the journal's thread, batch after batch, and never blocks.
#[derive(Clone)]
pub struct Releaser {
    /// Who may connect.
    pub authority: Arc<Authority>,
    /// What is to be sent.
    pub outbox: Arc<Outbox>,
    /// The door, once it is open.
    pub door: Arc<OnceLock<Door>>,
    /// The subscriptions of other systems.
    pub book: Arc<Book>,
    /// What subscribers are told, in order.
    pub feed: mpsc::SyncSender<Box<Event>>,
    /// Who watches over what was committed about open incidents.
    pub auditor: Arc<Mutex<Auditor>>,
    /// What the watchdog would go on with.
    pub watched: Arc<Watched>,
}

impl Releaser {
    /// Lets out one batch. The door knows of an import before the import is answered.
    pub fn release(&self, release: Release) {
        let _guard = EndWithPanic("letting out what was committed");
        if !release.attempts.is_empty() {
            self.outbox.note(release.attempts);
        }
        let mut receipts = release.alarm_receipts.into_iter().chain(release.receipts);
        receipts.by_ref().take(RECEIPTS_WRITTEN_MAX).for_each(Receipts::release_here);
        receipts.for_each(Receipts::release);
        for effect in release.effects {
            self.carry_out(effect);
        }
        for (to, seq, reply) in release.replies {
            // Whoever asked may have gone: the command stands all the same.
            let _ = to.send((seq, reply));
        }
    }

    fn carry_out(&self, effect: Effect) {
        let door = self.door.get();
        match effect {
            Effect::Deliver(command) => {
                // Where no session is there, the command waits in the pipeline for the device's return.
                let _ = door.is_some_and(|door| door.deliver(&command));
            }
            Effect::Watched(decision) => self.watched.note(&decision),
            Effect::Concerns(incident, household) => self.watched.concerns(incident, *household),
            Effect::Step(incident, next_due) => self.auditor.lock().step(incident, next_due),
            Effect::Feed(event) => {
                if let Entity::Incident(incident) = &event.entity {
                    self.auditor.lock().incident(incident);
                }
                // To print it takes longer than everything else here, and the messages of the next batch wait for this
                // thread. Nobody reads any more when the house closes; who is told too much reads on by cursor.
                if let (Err(mpsc::TrySendError::Full(_)), Some(door)) = (self.feed.try_send(event), door) {
                    door.stats().feed_dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            Effect::Registry(change) => {
                let changed = self.authority.apply(&change);
                if let Some(door) = door {
                    changed.iter().for_each(|device| door.disconnect(device));
                }
            }
            Effect::Account(account) => self.authority.apply_account(*account),
            Effect::Glass(glass) => self.authority.apply_glass(*glass),
            Effect::StepUp(step_up, at) => self.authority.apply_step_up(*step_up, at),
            Effect::Reached(person, phone, at) => self.authority.apply_reached(person, phone, at),
            Effect::Duty(watch, at) => self.authority.apply_watch(*watch, at),
            Effect::Session(session) => self.authority.apply_session(session),
            Effect::Webhook(webhook) => self.book.note(&webhook),
            Effect::Token(token) => {
                if let (Some(revoked), Some(door)) = (self.authority.apply_token(&token), door) {
                    door.disconnect_token(&revoked);
                }
            }
        }
    }
}

/// Tells the feed's subscribers, on a thread of its own, until the house closes.
pub fn tell_feed(events: &mpsc::Receiver<Box<Event>>, door: &OnceLock<Door>, epoch: u32) {
    for event in events {
        let (Some(door), Some(org)) = (door.get(), &event.org) else { continue };
        let list = if matches!(event.entity, Entity::Incident(_)) { "incidents" } else { "cases" };
        let topic = format!("yl/v1/feed/{}/{list}", org.topic());
        door.publish_feed(&topic, event.envelope_text(epoch).into());
    }
}
