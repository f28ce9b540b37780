//! The one place where a request becomes HTTP: one client for each provider, with its own time-outs.

use std::sync::Arc;
use std::time::Duration;

use model::record::SendResult;
use model::{Attempt, AttemptId, Clock, Timestamp};
use parking_lot::Mutex;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use crate::ConfigError;
use crate::callback::InFlight;
use crate::once::{KEPT_SECONDS, KeptKeys, Keys};
use crate::provider::{BoxFuture, Links, Provider};
use crate::request::{Asked, Heard, HttpAnswer, HttpRequest, RETRY_AFTER_SECONDS_DEFAULT, Seal, Vendor};
use crate::shell::QUERY_MS_MAX;

/// How long a connection may take to come up.
pub const CONNECT_MS_MAX: u64 = 2_000;
/// After which waits a provider is asked what became of a send whose answer was lost, one after the other, in
/// milliseconds: its own books may lag a little. All of it ends after [`QUERY_MS_MAX`].
pub const ASK_AFTER_MS: [u64; 3] = [0, 1_000, 2_000];
/// How much of an answer is read.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How long a send waits for its key to be written down, milliseconds.
const NOTE_MS_MAX: u64 = 50;

/// A client for one provider.
#[derive(Debug, Clone)]
pub struct Wire {
    client: Client,
}

impl Wire {
    /// A client whose requests take at most `timeout_ms`.
    ///
    /// # Errors
    /// When the client would not start.
    pub fn new(timeout_ms: u64) -> Result<Wire, ConfigError> {
        // No proxy from the environment: the way of an alarm is what the configuration says and nothing else. No
        // redirects: a signed alarm goes to where it was meant to go.
        let timeout_ms = timeout_ms.max(1);
        let client = Client::builder()
            .timeout(Duration::from_millis(timeout_ms))
            .connect_timeout(Duration::from_millis(CONNECT_MS_MAX.min(timeout_ms)))
            .redirect(Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .user_agent("yinling")
            .build()
            .map_err(|error| ConfigError::Client(error.to_string()))?;
        Ok(Wire { client })
    }

    /// Sends a request and has its answer classed; what went wrong on the way is classed here.
    pub async fn send(&self, request: HttpRequest, classify: impl FnOnce(&HttpAnswer<'_>) -> Heard) -> Heard {
        let method = if request.method == "GET" { reqwest::Method::GET } else { reqwest::Method::POST };
        let mut builder = self.client.request(method, &request.url).body(request.body);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let response = match builder.send().await {
            Ok(response) => response,
            Err(error) => return lost(&error).into(),
        };
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(seconds_of);
        let status = response.status().as_u16();
        match body_of(response).await {
            Ok(body) => classify(&HttpAnswer { status, retry_after, body: &body }),
            Err(error) => lost(&error).into(),
        }
    }

    /// Opens a connection and closes it: enough to notice a provider that is not there, and nothing rings.
    ///
    /// # Errors
    /// What was seen.
    pub async fn probe(&self, url: &str) -> Result<(), String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or(80);
        let connect = tokio::net::TcpStream::connect((host, port));
        match tokio::time::timeout(Duration::from_millis(CONNECT_MS_MAX), connect).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("cannot connect: {}", error.kind())),
            Err(_) => Err("cannot connect: no answer in time".to_owned()),
        }
    }
}

/// A `retry-after` in seconds; a date is not read.
pub(crate) fn seconds_of(retry_after: &str) -> Option<u32> {
    retry_after.trim().parse().ok()
}

async fn body_of(mut response: reqwest::Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_MAX
        && let Some(chunk) = response.chunk().await?
    {
        let room = ANSWER_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    Ok(body)
}

fn lost(error: &reqwest::Error) -> SendResult {
    if error.is_connect() || error.is_builder() {
        return SendResult::Retry { detail: "cannot connect".into(), after_seconds: RETRY_AFTER_SECONDS_DEFAULT };
    }
    let detail = if error.is_timeout() { "no answer in time" } else { "the connection broke before an answer came" };
    SendResult::Unknown { detail: detail.into() }
}

/// Keys of then and before are of no use any more.
fn too_old(now: Timestamp) -> Timestamp {
    now.plus_millis(-i64::from(KEPT_SECONDS) * 1_000)
}

/// A seal for a request that goes out now.
///
/// # Errors
/// When the operating system gives no randomness; then it is tried again.
pub fn seal(now: Timestamp) -> Result<Seal, SendResult> {
    let mut nonce = [0; 16];
    match getrandom::fill(&mut nonce) {
        Ok(()) => Ok(Seal { now, nonce }),
        Err(_) => Err(SendResult::Retry {
            detail: "the operating system gave no randomness".into(),
            after_seconds: RETRY_AFTER_SECONDS_DEFAULT,
        }),
    }
}

/// A provider that is spoken to over HTTP.
pub struct HttpProvider {
    name: String,
    vendor: Arc<dyn Vendor>,
    wire: Wire,
    clock: Arc<dyn Clock>,
    in_flight: Arc<Mutex<InFlight>>,
    keys: Mutex<Keys>,
    kept: Option<Arc<dyn KeptKeys>>,
}

impl HttpProvider {
    /// `name` is the channel's; what the provider says about its sends is believed by `in_flight`; `kept` has the keys that
    /// its sends were given.
    #[must_use]
    pub fn new(
        name: &str,
        vendor: Arc<dyn Vendor>,
        wire: Wire,
        clock: Arc<dyn Clock>,
        in_flight: Arc<Mutex<InFlight>>,
        kept: Option<Arc<dyn KeptKeys>>,
    ) -> HttpProvider {
        let mut keys = Keys::default();
        let since = too_old(clock.now());
        for (attempt, at, key) in kept.iter().flat_map(|kept| kept.read(since)) {
            keys.hold(attempt, at, key);
        }
        HttpProvider { name: name.to_owned(), vendor, wire, clock, in_flight, keys: Mutex::new(keys), kept }
    }

    async fn post(&self, attempt: &Attempt, links: &Links) -> SendResult {
        let now = self.clock.now();
        let seal = match seal(now) {
            Ok(seal) => seal,
            Err(result) => return result,
        };
        let request = match self.vendor.request(attempt, links, &seal) {
            Ok(request) => request,
            Err(detail) => return SendResult::Final { detail },
        };
        let key = self.key_of(attempt.id, now).await;
        let request = key.iter().fold(request, |request, key| self.vendor.with_key(request, key));
        // Before it leaves: a callback may be faster than the answer.
        self.in_flight.lock().sending(attempt.id, attempt.channel, &attempt.to.0, now);
        let mut heard = self.wire.send(request, |answer| self.vendor.classify(answer)).await;
        if matches!(heard.result, SendResult::Unknown { .. })
            && let Some(found) = self.ask(&Asked { attempt, sent_at: now }).await
        {
            heard = found;
        }
        if let Some(reference) = &heard.reference {
            self.in_flight.lock().taken(attempt.id, reference);
        }
        heard.result
    }

    /// The key that makes sending this attempt harmless to repeat. A new one is written down before it is used; a disk that
    /// hangs holds up nobody's message.
    async fn key_of(&self, attempt: AttemptId, now: Timestamp) -> Option<String> {
        let (key, since) = self.keys.lock().of(attempt, now)?;
        if let (Some(since), Some(kept)) = (since, self.kept.clone()) {
            let noted = key.clone();
            let noting = tokio::task::spawn_blocking(move || kept.note(attempt, since, &noted, too_old(now)));
            let is_noted = tokio::time::timeout(Duration::from_millis(NOTE_MS_MAX), noting).await;
            if !matches!(is_noted, Ok(Ok(Ok(())))) {
                tracing::warn!(%attempt, "its key is not written down: sent again after a crash it may show twice");
            }
        }
        Some(key)
    }

    /// Fetches keys that make a send harmless to repeat, where the provider gives them out and few are left.
    async fn fetch_keys(&self) {
        let Some(request) = self.vendor.keys() else { return };
        if !self.keys.lock().are_few(self.clock.now()) {
            return;
        }
        let mut fetched = Vec::new();
        let answered = self.wire.send(request, |answer| {
            fetched = self.vendor.keys_in(answer);
            SendResult::Accepted.into()
        });
        answered.await;
        if fetched.is_empty() {
            tracing::warn!(provider = %self.name, "it gave no keys: what is sent twice may show twice");
        }
        self.keys.lock().add(fetched, self.clock.now());
    }

    /// Asks what became of a send whose answer was lost. `None`: it cannot be asked, or knows nothing of it in time.
    async fn ask(&self, asked: &Asked<'_>) -> Option<Heard> {
        let questions = async {
            for wait_ms in ASK_AFTER_MS {
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                let question = self.vendor.question(asked, &seal(self.clock.now()).ok()?)?;
                let found = self.wire.send(question, |answer| self.vendor.found(asked, answer)).await;
                if found.result == SendResult::Accepted {
                    return Some(found);
                }
            }
            None
        };
        let found = tokio::time::timeout(Duration::from_millis(QUERY_MS_MAX), questions).await.ok().flatten();
        let result = if found.is_some() { "taken" } else { "unknown" };
        metrics::counter!("channel_questions_total", "provider" => self.name.clone(), "result" => result).increment(1);
        found
    }
}

impl Provider for HttpProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, attempt: &'a Attempt, links: &'a Links) -> BoxFuture<'a, SendResult> {
        Box::pin(self.post(attempt, links))
    }

    fn hang_up<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, ()> {
        Box::pin(async {
            let learnt = self.in_flight.lock().reference(attempt.id).cloned();
            let reference = attempt.reference.clone().or(learnt);
            let Some(request) = reference.and_then(|reference| self.vendor.hanging_up(&reference)) else { return };
            // Whether it was too late is nobody's business any more.
            self.wire.send(request, |_| SendResult::Accepted.into()).await;
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            self.wire.probe(self.vendor.endpoint()).await?;
            self.fetch_keys().await;
            Ok(())
        })
    }
}
