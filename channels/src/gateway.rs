//! The gateway: an operator's own SMS or call box, an integrator, a test. We POST one signed JSON object per attempt;
//! the box reports what became of it to the attempt's callback URL.

use std::fmt;
use std::sync::Arc;

use compact_str::CompactString;
use model::record::SendResult;
use model::{
    Attempt, AttemptId, AttemptOutcome, CaseId, CaseKind, Channel, Clock, IncidentId, Language, PersonId, Priority,
    Timestamp,
};
use reqwest::Url;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ConfigError;
use crate::provider::{BoxFuture, Links, Provider};
use crate::read::{self, KEY_BYTES_MAX, REPLY_BYTES_MAX};
use crate::request::{HttpRequest, RETRY_AFTER_SECONDS_DEFAULT};
use crate::webhook::{ID_HEADER, SIGNATURE_HEADER, SigningSecret, TIMESTAMP_HEADER};
use crate::wire::Wire;

/// How long a box may take to answer, unless configured.
pub const TIMEOUT_MS_DEFAULT: u64 = 5_000;
/// The longest `Retry-After` that is believed.
const RETRY_AFTER_SECONDS_MAX: u32 = 300;
/// Where a gateway is and what it is signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct GatewayConfig {
    /// Where attempts are posted to: `http` or `https`. May be on a private network: the operator wrote it.
    pub url: String,
    /// `whsec_` and base64, or any other text, whose bytes are the key.
    pub secret: String,
    /// How long it may take to answer; [`TIMEOUT_MS_DEFAULT`].
    pub timeout_ms: u64,
}

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayConfig").field("url", &self.url).field("timeout_ms", &self.timeout_ms).finish()
    }
}

/// A gateway that attempts are posted to.
pub struct Gateway {
    name: String,
    url: String,
    secret: SigningSecret,
    wire: Wire,
    clock: Arc<dyn Clock>,
}

impl Gateway {
    /// Checks the configuration and sets the client up; connects to nothing yet. `name` is the channel's.
    ///
    /// # Errors
    /// When the URL is not `http(s)://…` or the secret cannot be used.
    pub fn new(name: &str, config: GatewayConfig, clock: Arc<dyn Clock>) -> Result<Gateway, ConfigError> {
        let url = Url::parse(&config.url).map_err(|error| ConfigError::Url(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(ConfigError::Url(format!("{:?} is neither http://… nor https://…", config.url)));
        }
        let wire = Wire::new(config.timeout_ms)?;
        Ok(Gateway {
            name: name.to_owned(),
            url: config.url,
            secret: SigningSecret::parse(&config.secret)?,
            wire,
            clock,
        })
    }

    async fn post(&self, attempt: &Attempt, links: &Links) -> SendResult {
        let SignedRequest { headers, body } = build_request(attempt, links, &self.secret, self.clock.now());
        let request = HttpRequest { method: "POST", url: self.url.clone(), headers: headers.into(), body };
        self.wire.send(request, |answer| classify(answer.status, answer.retry_after).into()).await.result
    }
}

impl Provider for Gateway {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, attempt: &'a Attempt, links: &'a Links) -> BoxFuture<'a, SendResult> {
        Box::pin(self.post(attempt, links))
    }

    /// Opens a connection and closes it: enough to notice a box that is not there, and nothing rings.
    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.wire.probe(&self.url))
    }
}

/// A request as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// Names and values, `content-type` included.
    pub headers: [(&'static str, String); 4],
    /// UTF-8 JSON.
    pub body: Vec<u8>,
}

/// The request for one attempt. `webhook-id` is the attempt's id, the same at every resend, so that a box that keeps
/// ids rings once; the timestamp is `now`.
#[must_use]
pub fn build_request(attempt: &Attempt, links: &Links, secret: &SigningSecret, now: Timestamp) -> SignedRequest {
    let message = Message {
        attempt: attempt.id,
        channel: attempt.channel,
        to: &attempt.to.0,
        person: &attempt.callee.person,
        lang: attempt.lang,
        incident: attempt.incident,
        case: attempt.case,
        kind: attempt.kind,
        priority: attempt.priority,
        text: &attempt.text,
        params: Params(&attempt.params),
        callback: &links.callback,
    };
    // A struct of strings and names: the conversion cannot fail.
    let body = serde_json::to_vec(&message).unwrap_or_default();
    let (id, seconds) = (attempt.id.to_string(), now.millis() / 1000);
    let signature = secret.sign(&id, seconds, &body);
    let headers = [
        ("content-type", "application/json".to_owned()),
        (ID_HEADER, id),
        (TIMESTAMP_HEADER, seconds.to_string()),
        (SIGNATURE_HEADER, signature),
    ];
    SignedRequest { headers, body }
}

/// The body, in the order of the contract.
#[derive(Serialize)]
struct Message<'a> {
    attempt: AttemptId,
    channel: Channel,
    to: &'a str,
    person: &'a PersonId,
    lang: Language,
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<IncidentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<CaseId>,
    kind: CaseKind,
    priority: Priority,
    text: &'a str,
    params: Params<'a>,
    callback: &'a str,
}

struct Params<'a>(&'a [(CompactString, String)]);

impl Serialize for Params<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// What an HTTP status means for the attempt; `retry_after` in seconds.
#[must_use]
pub fn classify(status: u16, retry_after: Option<u32>) -> SendResult {
    let detail = CompactString::from(format!("HTTP {status}"));
    match status {
        200..=299 => SendResult::Accepted,
        // What is redirected for now is a proxy's or a login page in between, and that goes away.
        302 | 303 | 307 | 408 | 425 | 429 | 500..=599 => {
            let after_seconds = retry_after.unwrap_or(RETRY_AFTER_SECONDS_DEFAULT).clamp(1, RETRY_AFTER_SECONDS_MAX);
            SendResult::Retry { detail, after_seconds }
        }
        300..=399 => SendResult::Final { detail: format!("HTTP {status}: redirects are not followed").into() },
        _ => SendResult::Final { detail },
    }
}

/// What a box posted to a callback URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// About which attempt.
    pub attempt: AttemptId,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// What was pressed; always there for [`AttemptOutcome::Key`].
    pub key: Option<CompactString>,
    /// What was replied; always there for [`AttemptOutcome::Reply`].
    pub text: Option<String>,
}

/// What is wrong with a callback; names no person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// Not the JSON object of the contract.
    #[error("not a callback: {0}")]
    Malformed(String),
    /// A member that every callback has is not there.
    #[error("not a callback: `{0}` is missing")]
    Missing(&'static str),
    /// `outcome` is none of the contract's.
    #[error(
        "not a callback: `outcome` is none of delivered, answered, no_answer, busy, declined, unreachable, failed, \
         ended, key, reply"
    )]
    NoOutcome,
    /// `outcome` is `key` and there is no usable `key`.
    #[error("outcome `key` needs `key`, 1 to {KEY_BYTES_MAX} of 0-9 * #")]
    NoKey,
    /// `outcome` is `reply` and there is no `text`.
    #[error("outcome `reply` needs `text`")]
    NoText,
}

/// Reads `{"attempt","outcome","key"?,"text"?}`. Members that are not known are ignored: a box that adds its call id
/// must not silence a pressed key. A longer text is cut at a character's edge.
///
/// # Errors
/// When it is not that object, or lacks what its outcome needs.
pub fn parse_callback(body: &[u8]) -> Result<Callback, CallbackError> {
    let raw: RawCallback = serde_json::from_slice(body).map_err(|error| fault(body, &error))?;
    let key = raw.key.as_deref().and_then(read::key);
    let text = raw.text.map(|text| read::cut(text, REPLY_BYTES_MAX));
    match raw.outcome {
        AttemptOutcome::Key if key.is_none() => Err(CallbackError::NoKey),
        AttemptOutcome::Reply if text.is_none() => Err(CallbackError::NoText),
        outcome => Ok(Callback { attempt: raw.attempt, outcome, key, text }),
    }
}

#[derive(Deserialize)]
struct RawCallback {
    attempt: AttemptId,
    outcome: AttemptOutcome,
    #[serde(default, deserialize_with = "key")]
    key: Option<CompactString>,
    #[serde(default)]
    text: Option<String>,
}

/// A key as `"1"` or, as some boxes write it, `1`.
fn key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<CompactString>, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::String(text) => Ok(Some(text.trim().into())),
        serde_json::Value::Number(number) if number.is_u64() => Ok(Some(number.to_string().into())),
        _ => Err(de::Error::custom("`key` is neither text nor a number")),
    }
}

/// What is wrong with a body that is no callback, as far as it can be named.
fn fault(body: &[u8], error: &serde_json::Error) -> CallbackError {
    let object: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let missing = || ["attempt", "outcome"].into_iter().find(|member| object.get(member).is_none());
    let has_outcome = || AttemptOutcome::deserialize(&object["outcome"]).is_ok();
    match missing() {
        _ if !error.is_data() => CallbackError::Malformed(describe(error)),
        Some(member) => CallbackError::Missing(member),
        None if !has_outcome() => CallbackError::NoOutcome,
        None => CallbackError::Malformed(describe(error)),
    }
}

/// serde's sentence without what the caller sent: it may hold a name or a number.
fn describe(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a member is missing or has the wrong type",
        serde_json::error::Category::Eof => "it ends in the middle",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "not JSON",
    };
    format!("{what}, line {} column {}", error.line(), error.column())
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
