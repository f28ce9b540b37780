//! What every HTTP provider has in common, without any HTTP: a request as data, an answer as data, and what the
//! answer means. Providers build and class; only [`wire`](crate::wire) sends.

use std::fmt;

use compact_str::CompactString;
use hmac::{Hmac, Mac};
use model::record::SendResult;
use model::{Attempt, Timestamp};
use sha2::{Digest, Sha256};

use crate::callback::{Evidence, Post, Refusal};
use crate::provider::Links;

/// When a refused send is tried again, if the provider does not say: soon, for it may be an SOS.
pub const RETRY_AFTER_SECONDS_DEFAULT: u32 = 2;
/// When it is tried again because a quota is used up or an account is out of money.
pub const QUOTA_WAIT_SECONDS: u32 = 60;
/// The longest wait that is believed.
pub const RETRY_AFTER_SECONDS_MAX: u32 = 600;
/// How much of a provider's own code is kept in a detail.
const CODE_BYTES_MAX: usize = 64;

/// What makes two requests for one attempt different: the time, and what nobody can guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// The present instant.
    pub now: Timestamp,
    /// Fresh randomness.
    pub nonce: [u8; 16],
}

impl Seal {
    /// The nonce as 32 hexadecimal digits.
    #[must_use]
    pub fn nonce_hex(&self) -> String {
        hex(&self.nonce)
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.now.millis().div_euclid(1_000)
    }
}

/// A request as it goes out. Its `Debug` shows neither header values nor body: they hold secrets, names and phones.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Absolute; the query is encoded already.
    pub url: String,
    /// Names in lower case, values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.split(['?', '#']).next().unwrap_or_default();
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        write!(f, "{} {host} {names:?} {} bytes", self.method, self.body.len())
    }
}

impl HttpRequest {
    /// A POST of JSON.
    #[must_use]
    pub fn json(url: String, body: &serde_json::Value) -> HttpRequest {
        let headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        HttpRequest { method: "POST", url, headers, body: body.to_string().into_bytes() }
    }

    /// A POST of a form.
    #[must_use]
    pub fn form(url: String, fields: &[(&str, &str)]) -> HttpRequest {
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        let body = fields.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value)));
        HttpRequest { method: "POST", url, headers, body: body.collect::<Vec<_>>().join("&").into_bytes() }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> HttpRequest {
        self.headers.push((name, value));
        self
    }
}

/// An answer as it came, cut at a named size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpAnswer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The header `retry-after`, in seconds (a date is not read).
    pub retry_after: Option<u32>,
    /// The body.
    pub body: &'a [u8],
}

/// What a provider said to a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What it means for the attempt.
    pub result: SendResult,
    /// The provider's own name for the message or call, when it took it.
    pub reference: Option<CompactString>,
}

/// A send whose answer was lost: what its provider is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What was to be sent.
    pub attempt: &'a Attempt,
    /// When it went out.
    pub sent_at: Timestamp,
}

impl From<SendResult> for Heard {
    fn from(result: SendResult) -> Heard {
        Heard { result, reference: None }
    }
}

/// A provider that is spoken to over HTTP: pure, so that requests and answers can be compared with published ones.
pub trait Vendor: Send + Sync {
    /// Its `kind` in the configuration.
    fn kind(&self) -> &'static str;

    /// The request for one attempt.
    ///
    /// # Errors
    /// Why it can never be sent by this provider; names no person.
    fn request(&self, attempt: &Attempt, links: &Links, seal: &Seal) -> Result<HttpRequest, CompactString>;

    /// What an answer means.
    fn classify(&self, answer: &HttpAnswer<'_>) -> Heard;

    /// The request for keys that make a send harmless to repeat; `None`: this provider gives out none.
    fn keys(&self) -> Option<HttpRequest> {
        None
    }

    /// The keys in the answer to that; empty where it holds none.
    fn keys_in(&self, _answer: &HttpAnswer<'_>) -> Vec<String> {
        Vec::new()
    }

    /// A request with such a key.
    fn with_key(&self, request: HttpRequest, _key: &str) -> HttpRequest {
        request
    }

    /// The request that asks what became of a send whose answer was lost; `None`: this provider cannot be asked.
    fn question(&self, _asked: &Asked<'_>, _seal: &Seal) -> Option<HttpRequest> {
        None
    }

    /// What the answer to that says: that it was taken, or nothing.
    fn found(&self, _asked: &Asked<'_>, _answer: &HttpAnswer<'_>) -> Heard {
        not_found()
    }

    /// The request that hangs a ringing call up, by the provider's own name for it; `None`: this provider cannot.
    fn hanging_up(&self, _reference: &str) -> Option<HttpRequest> {
        None
    }

    /// Where it is, for a probe.
    fn endpoint(&self) -> &str;

    /// Reads what it posts to us; a receipt that tells nothing is no evidence.
    ///
    /// # Errors
    /// When it is not what this provider posts, or its signature does not fit.
    fn listen(&self, _post: &Post<'_>) -> Result<Vec<Evidence>, Refusal> {
        Err(Refusal::Malformed)
    }

    /// What a post that was read is answered with: content type and body.
    fn answer(&self, _post: &Post<'_>) -> (&'static str, String) {
        ("application/json", "{}".to_owned())
    }
}

/// What one of a provider's codes means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It took it.
    Taken,
    /// It is not known whether it took it.
    Unknown,
    /// Not now, but after so many seconds, or by another provider at once.
    Later(u32),
    /// Never for this number or message.
    Never,
    /// Never, because of what we configured: somebody has to correct it.
    Ours,
}

impl Class {
    /// As the result of a send; `code` is the provider's own word.
    #[must_use]
    pub fn of(self, code: &str) -> SendResult {
        let code: String = code
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ' '))
            .take(CODE_BYTES_MAX)
            .collect();
        match self {
            Class::Taken => SendResult::Accepted,
            Class::Unknown => SendResult::Unknown { detail: code.into() },
            Class::Later(after_seconds) => {
                let after_seconds = after_seconds.clamp(1, RETRY_AFTER_SECONDS_MAX);
                SendResult::Retry { detail: code.into(), after_seconds }
            }
            Class::Never => SendResult::Final { detail: code.into() },
            Class::Ours => SendResult::Final { detail: format!("{code}: correct the configuration").into() },
        }
    }
}

/// A question that told nothing: the send is as unknown as before.
#[must_use]
pub fn not_found() -> Heard {
    Class::Unknown.of("no trace of it at the provider").into()
}

/// A question that found the message: it was taken.
#[must_use]
pub fn found_as(reference: Option<CompactString>) -> Heard {
    Heard { result: SendResult::Accepted, reference }
}

/// Looks a code up; an entry that ends in `*` stands for everything that begins so.
#[must_use]
pub fn look_up(table: &[(&str, Class)], code: &str) -> Option<Class> {
    table
        .iter()
        .find(|(known, _)| known.strip_suffix('*').map_or(*known == code, |start| code.starts_with(start)))
        .map(|(_, class)| *class)
}

/// What an HTTP status means when the body says nothing that is known.
#[must_use]
pub fn class_of_status(status: u16, retry_after: Option<u32>) -> Class {
    match status {
        200..=299 => Class::Taken,
        408 | 425 | 429 | 503 => Class::Later(retry_after.unwrap_or(RETRY_AFTER_SECONDS_DEFAULT)),
        // Something behind the door failed, perhaps after it had rung.
        500..=599 => Class::Unknown,
        401 | 403 => Class::Ours,
        _ => Class::Never,
    }
}

/// [`class_of_status`] as the result of a send.
#[must_use]
pub fn by_status(answer: &HttpAnswer<'_>) -> SendResult {
    class_of_status(answer.status, answer.retry_after).of(&format!("HTTP {}", answer.status))
}

/// RFC 3986: everything but letters, digits, `-`, `.`, `_` and `~` as `%XX`.
#[must_use]
pub fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// HMAC-SHA-256.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length, so the second branch cannot be taken; an unkeyed MAC would verify nowhere.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_rfc_3986() {
        assert_eq!(percent("a b*c~d/é+&=中"), "a%20b%2Ac~d%2F%C3%A9%2B%26%3D%E4%B8%AD");
    }

    #[test]
    fn codes_are_looked_up_with_their_families() {
        let table = &[("OK", Class::Taken), ("Throttling*", Class::Unknown)];
        assert_eq!(look_up(table, "OK"), Some(Class::Taken));
        assert_eq!(look_up(table, "OKAY"), None);
        assert_eq!(look_up(table, "Throttling.User"), Some(Class::Unknown));
    }

    #[test]
    fn a_detail_holds_a_code_and_nothing_that_could_be_a_persons() {
        let SendResult::Final { detail } = Class::Never.of("bad +8613800000001 王芳\n{}") else { panic!() };
        assert_eq!(detail, "bad 8613800000001 ");
        let SendResult::Final { detail } = Class::Ours.of(&"x".repeat(500)) else { panic!() };
        assert!(detail.len() < 100 && detail.ends_with("correct the configuration"));
    }

    #[test]
    fn a_request_in_a_log_shows_no_secret() {
        let request = HttpRequest::json("https://h/p?key=s3cret".into(), &serde_json::json!({"to": "+8613800000001"}))
            .with("authorization", "Basic s3cret".into());
        let shown = format!("{request:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("138"), "{shown}");
    }
}
