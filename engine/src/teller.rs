//! Tells other systems what they subscribed to: one task a subscription, so that none waits for another, and the loop
//! for none of them. What came of each try goes to the loop and is journaled there; after a crash it is told again,
//! under the same `webhook-id`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::scope::visible_to;
use channels::outward::{Outward, Told};
use channels::webhook::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use model::staff::Look;
use model::webhook::{WAITING_MAX, Waiting, WebhookState, WebhookTry};
use model::{Actor, Clock, Entity, Event, EventHead, Input, Role, StaffCommand, Timestamp, Webhook, WebhookId};
use parking_lot::Mutex;
use serde_json::{Value, json};
use store::{State, StoreError};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::inbox::{Inbox, Work};
use crate::secrets::Secrets;

/// How long a teller waits when the state cannot be read, milliseconds.
const STATE_RETRY_MS: u64 = 1_000;
/// The longest that a teller sleeps, seconds: a clock that was set back must not hold anything up for long.
const SLEEP_SECONDS_MAX: i64 = 60;
/// What an event shows of somebody, named as in it.
const SHOWN_FIELDS: [&str; 3] = ["position", "explain", "occurrences"];

/// The subscriptions as they were committed.
pub struct Book {
    by_id: Mutex<BTreeMap<WebhookId, Webhook>>,
    changed: watch::Sender<u64>,
}

impl Book {
    /// What there is at a start.
    pub fn new<'a>(webhooks: impl Iterator<Item = &'a Webhook>) -> Book {
        let by_id = webhooks.map(|webhook| (webhook.id.clone(), webhook.clone())).collect();
        Book { by_id: Mutex::new(by_id), changed: watch::Sender::new(0) }
    }

    /// Takes one as it was committed.
    pub fn note(&self, webhook: &Webhook) {
        if webhook.state == WebhookState::Deleted {
            self.by_id.lock().remove(&webhook.id);
        } else {
            self.by_id.lock().insert(webhook.id.clone(), webhook.clone());
        }
        self.changed.send_modify(|count| *count += 1);
    }

    fn get(&self, id: &WebhookId) -> Option<Webhook> {
        self.by_id.lock().get(id).cloned()
    }
}

/// What tells.
pub struct Teller {
    /// Whom.
    pub book: Arc<Book>,
    /// What.
    pub state: Arc<State>,
    /// Where what came of it goes.
    pub inbox: Arc<Inbox>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The newest event that the state can be asked for.
    pub newest: watch::Receiver<u64>,
    /// The feed's epoch.
    pub epoch: u32,
    /// What signs.
    pub secrets: Arc<Secrets>,
    /// What carries.
    pub outward: Outward,
}

/// One message: which event, and what waits for it if it does.
struct Message {
    event: u64,
    waiting: Option<Waiting>,
    body: Value,
    /// Whose position and readings it shows.
    shows: Option<String>,
}

/// What a teller does next.
enum Step {
    Tell(Box<Message>),
    /// Until this time, or something changes.
    Sleep(Option<Timestamp>),
}

impl Teller {
    /// Tells, until it is aborted.
    pub async fn run(self: Arc<Self>) {
        let mut changed = self.book.changed.subscribe();
        let (mut tasks, mut served) = (JoinSet::new(), BTreeSet::new());
        loop {
            changed.borrow_and_update();
            let ids: Vec<WebhookId> = self.book.by_id.lock().keys().cloned().collect();
            for id in ids {
                if served.insert(id.clone()) {
                    tasks.spawn(Arc::clone(&self).serve(id));
                }
            }
            tokio::select! {
                told = changed.changed() => if told.is_err() { return },
                Some(ended) = tasks.join_next() => {
                    if let Ok(id) = ended {
                        served.remove(&id);
                    }
                }
            }
        }
    }

    /// Serves one subscription until it is deleted.
    async fn serve(self: Arc<Self>, id: WebhookId) -> WebhookId {
        let (mut changed, mut newest) = (self.book.changed.subscribe(), self.newest.clone());
        // How far the feed was looked through for it, and as of which cursor: what is not for it moves no cursor.
        let (mut scanned, mut as_of) = (0, u64::MAX);
        loop {
            changed.borrow_and_update();
            let seen = *newest.borrow_and_update();
            let Some(webhook) = self.book.get(&id) else { return id };
            if webhook.cursor < as_of {
                scanned = webhook.cursor;
            }
            as_of = webhook.cursor;
            scanned = scanned.max(webhook.cursor);
            let step = if webhook.state == WebhookState::Active {
                self.next_step(&webhook, &mut scanned).await
            } else {
                Ok(Step::Sleep(None))
            };
            self.measure(&webhook, scanned, seen);
            let until = match step {
                Ok(Step::Tell(message)) => {
                    self.tell(&webhook, *message).await;
                    continue;
                }
                Ok(Step::Sleep(until)) => until,
                Err(error) => {
                    tracing::warn!(%error, "a subscription waits: the state cannot be read");
                    tokio::time::sleep(Duration::from_millis(STATE_RETRY_MS)).await;
                    continue;
                }
            };
            let pause = until.map_or(SLEEP_SECONDS_MAX * 1000, |at| at.millis_since(self.clock.now()));
            let pause = Duration::from_millis(pause.clamp(1, SLEEP_SECONDS_MAX * 1000) as u64);
            tokio::select! {
                _ = changed.changed() => {}
                told = newest.changed() => if told.is_err() { return id },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn next_step(&self, webhook: &Webhook, scanned: &mut u64) -> Result<Step, StoreError> {
        let now = self.clock.now();
        let first = webhook.waiting.iter().min_by_key(|waiting| (waiting.next_at, waiting.event));
        let due = first.filter(|waiting| waiting.next_at <= now).copied();
        let (webhook, after) = (webhook.clone(), *scanned);
        let next_at = first.map(|waiting| waiting.next_at);
        let (state, epoch) = (Arc::clone(&self.state), self.epoch);
        let looked = tokio::task::spawn_blocking(move || match due {
            Some(waiting) => again(&state, epoch, &webhook, waiting).map(|message| (Some(message), after)),
            None if webhook.waiting.len() < WAITING_MAX => fresh(&state, epoch, &webhook, after),
            None => Ok((None, after)),
        });
        // A query that panicked is a query that failed: it is asked again.
        let (message, through) = looked.await.unwrap_or(Ok((None, after)))?;
        *scanned = through;
        Ok(message.map_or(Step::Sleep(next_at), |message| Step::Tell(Box::new(message))))
    }

    async fn tell(&self, webhook: &Webhook, message: Message) {
        if let Some(subject) = &message.shows {
            // Who is shown a position is on record before its first byte leaves.
            let look = Look {
                subject: subject.into(),
                fields: SHOWN_FIELDS.iter().map(|field| (*field).into()).collect(),
                purpose: Some(format!("webhook {}", webhook.id).into()),
            };
            let command = StaffCommand::Look(look);
            if !self.commit(Input::Command { actor: reader(webhook), idempotency_key: None, command }).await {
                return tokio::time::sleep(Duration::from_millis(STATE_RETRY_MS)).await;
            }
        }
        let now = self.clock.now();
        let id = match (message.event, message.waiting) {
            (0, waiting) => format!("test-{}-{}", webhook.id, waiting.map_or(now, |w| w.since).millis()),
            (event, _) => format!("{}-{event}", self.epoch),
        };
        let (seconds, body) = (now.millis() / 1000, message.body.to_string().into_bytes());
        let generation = webhook.secret_generation;
        let mut signatures = vec![self.secrets.webhook_secret(&webhook.id, generation).sign(&id, seconds, &body)];
        if webhook.rotated_until.is_some_and(|until| now < until) {
            let before = self.secrets.webhook_secret(&webhook.id, generation.saturating_sub(1));
            signatures.push(before.sign(&id, seconds, &body));
        }
        let headers =
            [(ID_HEADER, id), (TIMESTAMP_HEADER, seconds.to_string()), (SIGNATURE_HEADER, signatures.join(" "))];
        let began = Instant::now();
        let Told { status, retry_after_seconds, detail } =
            self.outward.post(&webhook.order.url, headers, body, now).await;
        let result = if status.is_some_and(|status| (200..300).contains(&status)) { "taken" } else { "not_taken" };
        metrics::counter!("yinling_webhook_deliveries_total", "result" => result).increment(1);
        let outcome = WebhookTry {
            event: message.event,
            since: message.waiting.map(|waiting| waiting.since),
            status,
            retry_after_seconds,
            detail: detail.into(),
            millis: began.elapsed().as_millis().try_into().unwrap_or(u32::MAX),
        };
        let input = Input::Told { webhook: webhook.id.clone(), outcome };
        if !self.commit(input).await {
            // What is not written down is told again.
            tokio::time::sleep(Duration::from_millis(STATE_RETRY_MS)).await;
        }
    }

    /// Has something written down; `false`: the engine is stopping, or its alarm lane is full.
    async fn commit(&self, input: Input) -> bool {
        let (sender, committed) = oneshot::channel();
        let work = Work::Input { input, received: self.clock.now(), reply: Some(sender) };
        self.inbox.urgent(work).is_ok() && committed.await.is_ok()
    }

    /// How far behind the feed a subscription is.
    fn measure(&self, webhook: &Webhook, scanned: u64, newest: u64) {
        let oldest = webhook.waiting.iter().filter(|waiting| waiting.event > 0).map(|waiting| waiting.event - 1).min();
        let done = oldest.unwrap_or(u64::MAX).min(scanned);
        let since = webhook.waiting.iter().map(|waiting| waiting.since).min();
        let seconds = since.map_or(0, |since| self.clock.now().millis_since(since).max(0) / 1000);
        let labels = [("webhook", webhook.id.to_string()), ("name", webhook.order.name.to_string())];
        metrics::gauge!("yinling_webhook_lag_events", &labels).set(newest.saturating_sub(done) as f64);
        metrics::gauge!("yinling_webhook_lag_seconds", &labels).set(seconds as f64);
    }
}

/// What waits, as it is to be said now.
fn again(state: &State, epoch: u32, webhook: &Webhook, waiting: Waiting) -> Result<Message, StoreError> {
    let event = waiting.event;
    let found = match event {
        0 => None,
        event => state.events(event - 1, 1, &|_| true, &|_| true)?.events.into_iter().find(|found| found.seq == event),
    };
    let (body, shows) = match (event, found) {
        (0, _) => (test(webhook, waiting.since), None),
        (_, Some(found)) => (found.envelope(epoch), shown(&found)),
        (event, None) => (gap(webhook, epoch, event, waiting.since), None),
    };
    Ok(Message { event, waiting: Some(waiting), body, shows })
}

/// The next event that it was not told, and how far was looked. Where the feed no longer reaches back to, the gap is
/// told in its place.
fn fresh(state: &State, epoch: u32, webhook: &Webhook, after: u64) -> Result<(Option<Message>, u64), StoreError> {
    let oldest = state.oldest_event()?.unwrap_or(0);
    if oldest > after + 1 {
        let body = gap(webhook, epoch, oldest - 1, Timestamp::EPOCH);
        return Ok((Some(Message { event: oldest - 1, waiting: None, body, shows: None }), after));
    }
    let page = state.events(after, 1, &|head| is_for(webhook, head), &|_| true)?;
    let message = page.events.first().map(|event| Message {
        event: event.seq,
        waiting: None,
        body: event.envelope(epoch),
        shows: shown(event),
    });
    // What is told moves the cursor when it is written down, not before.
    let through = if message.is_some() { after } else { page.through.max(after) };
    Ok((message, through))
}

/// Whether a subscription is to be told of an event.
fn is_for(webhook: &Webhook, event: &EventHead) -> bool {
    let types = &webhook.order.types;
    let wanted = types.is_empty()
        || types.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => event.kind.name().starts_with(prefix),
            None => event.kind.name() == pattern,
        });
    wanted && visible_to(&reader(webhook), event.org.as_ref())
}

/// In whose name it reads.
fn reader(webhook: &Webhook) -> Actor {
    Actor { person: webhook.by.clone(), role: Role::Integration, scope: webhook.scope.clone() }
}

/// Whose position and readings an event shows.
fn shown(event: &Event) -> Option<String> {
    match &event.entity {
        Entity::Incident(incident) => Some(format!("incidents/{}", incident.id)),
        Entity::Attempt(attempt) => attempt.incident.map(|incident| format!("incidents/{incident}/attempts")),
        _ => None,
    }
}

fn test(webhook: &Webhook, at: Timestamp) -> Value {
    json!({
        "specversion": "1.0",
        "id": format!("test-{}-{}", webhook.id, at.millis()),
        "source": "/yinling",
        "type": "webhook.test",
        "subject": format!("webhooks/{}", webhook.id),
        "time": at,
        "datacontenttype": "application/json",
        "data": { "webhook": webhook.id, "name": webhook.order.name },
    })
}

fn gap(webhook: &Webhook, epoch: u32, through: u64, at: Timestamp) -> Value {
    json!({
        "specversion": "1.0",
        "id": format!("{epoch}-{through}"),
        "source": "/yinling",
        "type": "webhook.gap",
        "subject": format!("webhooks/{}", webhook.id),
        "time": at,
        "datacontenttype": "application/json",
        "data": {
            "after": webhook.cursor,
            "through": through,
            "detail": "the feed no longer holds these events: read the snapshots",
            "snapshots": api::SNAPSHOTS,
        },
    })
}
