//! Brings outcomes to the engine: in order for each phone, and again until the engine has taken them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::AttemptOutcome;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};

use super::push_capped;
use super::vendors::Report;
use super::words::Callback;

/// How often an outcome is tried; with the delays below that is about two minutes, longer than any restart.
const TRIES_MAX: u32 = 70;
/// The first pause between two tries, in milliseconds; it doubles.
const PAUSE_MS: u64 = 50;
/// The longest pause, in milliseconds.
const PAUSE_MS_MAX: u64 = 2_000;
/// How long a provider's report waits for the one before it.
const IN_TURN: Duration = Duration::from_secs(1);
/// How long one try may take, in seconds.
const TRY_SECONDS_MAX: u64 = 10;

/// A callback that the engine has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedCallback {
    /// About which attempt.
    pub attempt: String,
    /// From which phone.
    pub number: String,
    /// What.
    pub outcome: AttemptOutcome,
    /// The key, for `key`.
    pub key: Option<char>,
    /// The HTTP status of the engine's last answer; 0 when it never answered.
    pub status: u16,
    /// How often it was posted.
    pub tries: u32,
}

pub(super) struct Poster {
    client: reqwest::Client,
    queues: Mutex<BTreeMap<String, mpsc::UnboundedSender<Callback>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// What providers say.
    reports: Mutex<Vec<AbortHandle>>,
    /// The last of them about each phone.
    last: Mutex<BTreeMap<String, JoinHandle<()>>>,
    record: Arc<Record>,
}

struct Record {
    posted: Mutex<Vec<PostedCallback>>,
    changed: watch::Sender<u64>,
}

impl Poster {
    pub(super) fn new() -> reqwest::Result<Poster> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(TRY_SECONDS_MAX))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let record = Arc::new(Record { posted: Mutex::default(), changed: watch::Sender::new(0) });
        Ok(Poster {
            client,
            queues: Mutex::default(),
            tasks: Mutex::default(),
            reports: Mutex::default(),
            last: Mutex::default(),
            record,
        })
    }

    /// Posts it after everything that the same phone said before.
    pub(super) fn post(&self, callback: Callback) {
        let mut queues = self.queues.lock();
        let queue = queues.entry(callback.number.clone()).or_insert_with(|| {
            let (queue, waiting) = mpsc::unbounded_channel();
            let task = tokio::spawn(post_in_order(self.client.clone(), waiting, Arc::clone(&self.record)));
            self.tasks.lock().push(task);
            queue
        });
        let _ = queue.send(callback); // its task ends only with the poster
    }

    /// Posts what a provider says about an outcome, as it says it. What comes late may be overtaken.
    pub(super) fn report(&self, callback: Callback, reports: Vec<Report>, delay: Duration) {
        let (client, record) = (self.client.clone(), Arc::clone(&self.record));
        let Callback { number, attempt, outcome, key, .. } = callback;
        let phone = number.clone();
        let post = async move {
            tokio::time::sleep(delay).await;
            for Report { url, headers, body } in reports {
                let request = || {
                    let mut request = client.post(&url).body(body.clone());
                    for (name, value) in &headers {
                        request = request.header(*name, value);
                    }
                    request
                };
                let (status, tries) = until_taken(request).await;
                let (attempt, number) = (attempt.clone(), number.clone());
                push_capped(&mut record.posted.lock(), PostedCallback { attempt, number, outcome, key, status, tries });
                record.changed.send_modify(|count| *count += 1);
            }
        };
        let last = self.last.lock().remove(&phone);
        let in_turn = async move {
            // One after the other, as long as nothing is to come late; what is tried again and again holds up nobody.
            if let (true, Some(last)) = (delay.is_zero(), last) {
                let _ = tokio::time::timeout(IN_TURN, last).await;
            }
            post.await;
        };
        let task = tokio::spawn(in_turn);
        let abort = task.abort_handle();
        if delay.is_zero() {
            self.last.lock().insert(phone, task);
        }
        self.reports.lock().push(abort);
    }

    pub(super) fn posted(&self) -> Vec<PostedCallback> {
        self.record.posted.lock().clone()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.record.changed.subscribe()
    }
}

impl Drop for Poster {
    fn drop(&mut self) {
        for task in self.tasks.lock().iter() {
            task.abort();
        }
        for task in self.reports.lock().iter() {
            task.abort();
        }
    }
}

async fn post_in_order(client: reqwest::Client, mut waiting: mpsc::UnboundedReceiver<Callback>, record: Arc<Record>) {
    while let Some(callback) = waiting.recv().await {
        let (status, tries) = post_until_taken(&client, &callback).await;
        if !(200..300).contains(&status) {
            tracing::warn!(attempt = callback.attempt, status, tries, "an outcome was not taken");
        }
        let Callback { number, attempt, outcome, key, .. } = callback;
        push_capped(&mut record.posted.lock(), PostedCallback { attempt, number, outcome, key, status, tries });
        record.changed.send_modify(|count| *count += 1);
    }
}

/// The status of the last answer, and how many tries it took. What is wrong with the callback itself (4xx) is not
/// tried again.
async fn post_until_taken(client: &reqwest::Client, callback: &Callback) -> (u16, u32) {
    let mut body = json!({ "attempt": callback.attempt, "outcome": callback.outcome });
    if let Some(key) = callback.key {
        body["key"] = json!(key);
    }
    if let Some(text) = &callback.text {
        body["text"] = json!(text);
    }
    until_taken(|| client.post(&callback.url).json(&body)).await
}

async fn until_taken(request: impl Fn() -> reqwest::RequestBuilder) -> (u16, u32) {
    let mut status = 0;
    for tries in 1..=TRIES_MAX {
        let answer = request().send().await;
        status = answer.map_or(0, |answer| answer.status().as_u16());
        if (200..300).contains(&status) || ((400..500).contains(&status) && status != 408 && status != 429) {
            return (status, tries);
        }
        let pause = (PAUSE_MS << tries.min(10)).min(PAUSE_MS_MAX);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    (status, TRIES_MAX)
}
