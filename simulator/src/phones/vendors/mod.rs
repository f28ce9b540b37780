//! The phones as customers of Aliyun, Tencent and Twilio: the same phones, reached by the providers' own HTTP APIs.
//! Signatures are checked here by code that owes nothing to the code that makes them (and is itself checked by the
//! vendors' own SDKs, `tests/it/vendors.rs`). What becomes of a message is posted back in the provider's own words.
//!
//! What is not imitated: approval of templates, prices, quotas that nobody asked for ([`Fault::Code`] refuses with any
//! of the vendor's codes), and calls to numbers that are not in the book.

mod aliyun;
mod tencent;
mod twilio;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hmac::{Hmac, Mac};
use model::{AttemptOutcome, Channel, IncidentKind, Priority, Timestamp};
use sha2::{Digest, Sha256};

use super::words::{Callback, Message};
use super::{Fault, GatewayRequest, Shared};

/// The largest request, bytes.
const REQUEST_BYTES_MAX: usize = 256 * 1024;
/// How many nonces are remembered against replays.
const NONCES_MAX: usize = 100_000;

/// Whose customer we are: id and secret of each, and where each channel's provider posts to.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    /// Access key id and secret.
    pub aliyun: (String, String),
    /// Secret id and key.
    pub tencent: (String, String),
    /// Account SID and auth token.
    pub twilio: (String, String),
    /// Where Aliyun and Tencent post to, by channel, as entered in their consoles. (Twilio is told with each request.)
    pub report_to: BTreeMap<Channel, String>,
}

/// How receipts come. Keys and replies come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipts {
    /// How late, milliseconds.
    pub delay_ms: u32,
    /// How often; 0 is never. More than once, keys and replies are told so often too.
    pub times: u8,
}

impl Default for Receipts {
    fn default() -> Receipts {
        Receipts { delay_ms: 0, times: 1 }
    }
}

/// A provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vendor {
    /// 阿里云.
    Aliyun,
    /// 腾讯云.
    Tencent,
    /// Twilio.
    Twilio,
}

/// What the providers know.
#[derive(Default)]
pub(super) struct Vendors {
    accounts: Option<Accounts>,
    receipts: BTreeMap<Channel, Receipts>,
    issued: BTreeMap<String, Issued>,
    nonces: BTreeSet<String>,
    counter: u64,
}

/// A message or call that was taken.
#[derive(Debug, Clone)]
struct Issued {
    vendor: Vendor,
    channel: Channel,
    number: String,
    /// What the customer wants back with it.
    out_id: String,
    /// Where Twilio posts states, and pressed keys.
    status_url: String,
    keys_url: String,
    /// What was sent, when it was taken; `None`: it was refused, and stands in nobody's books.
    taken: Option<(String, Timestamp)>,
}

/// A message or call that was ordered.
struct Order {
    vendor: Vendor,
    channel: Channel,
    /// In E.164.
    number: String,
    text: String,
    out_id: String,
    status_url: String,
    keys_url: String,
}

/// Why an order is not taken.
enum Refusal {
    /// This HTTP status, without a word.
    Status(u16),
    /// One of the vendor's own codes.
    Code(&'static str),
}

/// One thing that a provider posts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", post(rpc))
        .route("/2010-04-01/Accounts/{account}/{what}", post(twilio::take).get(twilio::books))
        .route("/2010-04-01/Accounts/{account}/Calls/{call}", post(twilio::change))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
}

/// Aliyun and Tencent have one address for all of their actions.
async fn rpc(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let target = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    if headers.contains_key("x-acs-action") {
        aliyun::take(&shared, &target, &headers, &body).await
    } else if headers.contains_key("x-tc-action") {
        tencent::take(&shared, &headers, &body).await
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

impl Vendors {
    pub(super) fn open(&mut self, accounts: Accounts) {
        self.accounts = Some(accounts);
    }

    pub(super) fn set_receipts(&mut self, channel: Channel, receipts: Receipts) {
        self.receipts.insert(channel, receipts);
    }

    fn issue(&mut self, order: &Order) -> String {
        self.counter += 1;
        let number = self.counter;
        let reference = match (order.vendor, order.channel) {
            (Vendor::Aliyun, _) => format!("{:018}^{number}", 900_619_746_936_498_440_u64),
            (Vendor::Tencent, _) => format!("5000:{number:024}"),
            (Vendor::Twilio, Channel::Voice) => format!("CA{number:032x}"),
            (Vendor::Twilio, _) => format!("SM{number:032x}"),
        };
        let issued = Issued {
            vendor: order.vendor,
            channel: order.channel,
            number: order.number.clone(),
            out_id: order.out_id.clone(),
            status_url: order.status_url.clone(),
            keys_url: order.keys_url.clone(),
            taken: None,
        };
        self.issued.insert(reference.clone(), issued);
        reference
    }

    /// What a provider's books say was sent to a number, and its name for each, oldest first.
    fn books(&self, vendor: Vendor, channel: Channel, number: &str) -> Vec<(&String, &Issued, &str, Timestamp)> {
        let fits = |issued: &Issued| issued.vendor == vendor && issued.channel == channel && issued.number == number;
        let mut entries = Vec::new();
        for (reference, issued) in self.issued.iter().filter(|(_, issued)| fits(issued)) {
            if let Some((text, at)) = &issued.taken {
                entries.push((reference, issued, text.as_str(), *at));
            }
        }
        entries.sort_by_key(|(.., at)| *at);
        entries
    }

    /// Whether a nonce is new.
    fn is_new(&mut self, nonce: &str) -> bool {
        if self.nonces.len() >= NONCES_MAX {
            self.nonces.clear();
        }
        self.nonces.insert(nonce.to_owned())
    }

    /// What the provider posts about an outcome, and how late; `None` when it is not a provider's message at all.
    pub(super) fn report(&self, callback: &Callback, now: Timestamp) -> Option<(Vec<Report>, Duration)> {
        let issued = self.issued.get(&callback.attempt)?;
        let accounts = self.accounts.as_ref()?;
        let habit = self.receipts.get(&issued.channel).copied().unwrap_or_default();
        let by_a_person = matches!(callback.outcome, AttemptOutcome::Key | AttemptOutcome::Reply);
        let (times, delay_ms) =
            if by_a_person { (habit.times.max(1), 0) } else { (habit.times, u64::from(habit.delay_ms)) };
        let to = accounts.report_to.get(&issued.channel).map_or("", String::as_str);
        let report = match issued.vendor {
            Vendor::Aliyun => aliyun::report(issued, callback, to, now),
            Vendor::Tencent => tencent::report(issued, callback, to, now),
            Vendor::Twilio => twilio::report(issued, callback, &accounts.twilio),
        };
        let report = report.filter(|report| !report.url.is_empty());
        let reports = report.into_iter().flat_map(|report| vec![report; times.into()]).collect();
        Some((reports, Duration::from_millis(delay_ms)))
    }
}

/// Rings or delivers an order.
async fn carry_out(shared: &Shared, order: Order) -> Result<String, Refusal> {
    let (arrived, at) = (Instant::now(), shared.clock.now());
    let fault = shared.faults.lock().get(&order.channel).copied();
    let refused = match fault {
        Some(Fault::Status(status)) => Some(Refusal::Status(status)),
        Some(Fault::Code(code)) => Some(Refusal::Code(code)),
        _ => None,
    };
    let reference = shared.vendors.lock().issue(&order);
    let message = Message {
        attempt: reference.clone(),
        channel: order.channel,
        to: order.number,
        person: String::new(),
        incident: String::new(),
        kind: IncidentKind::Sos.into(),
        priority: Priority::High,
        text: order.text,
        callback: String::new(),
    };
    let request = |status| GatewayRequest {
        arrived,
        at,
        id: order.out_id.clone(),
        status,
        repeat: false,
        message: Some(message.clone()),
    };
    if let Some(refused) = refused {
        shared.record(request(503));
        return Err(refused);
    }
    let delivered = shared.deliver(message.clone());
    if delivered.is_ok()
        && let Some(issued) = shared.vendors.lock().issued.get_mut(&reference)
    {
        issued.taken = Some((message.text.clone(), at));
    }
    shared.record(request(if delivered.is_ok() { 200 } else { 400 }));
    match fault {
        Some(Fault::SlowMs(millis)) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
        Some(Fault::AnswerLost) => return Err(Refusal::Status(504)),
        _ => {}
    }
    match delivered {
        Ok(()) => Ok(reference),
        Err(_) => Err(Refusal::Code(match order.vendor {
            Vendor::Aliyun => "isv.MOBILE_NUMBER_ILLEGAL",
            Vendor::Tencent => "InvalidParameterValue.IncorrectPhoneNumber",
            Vendor::Twilio => "21211",
        })),
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A member of an `authorization` header, `…Name=value,…`.
fn member<'a>(authorization: &'a str, name: &str) -> Option<&'a str> {
    let start = authorization.find(&format!("{name}="))? + name.len() + 1;
    authorization[start..].split([',', ' ']).next()
}

/// The canonical lines of the headers that a signature names, and whether all of them are there.
fn signed_lines(headers: &HeaderMap, names: &str) -> Option<String> {
    let line = |name: &str| {
        headers.get(name)?.to_str().ok().map(|value| format!("{}:{}\n", name.to_lowercase(), value.trim()))
    };
    names.split(';').map(line).collect()
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn keyed(key: &[u8], message: &[u8]) -> Vec<u8> {
    #[allow(clippy::expect_used)] // HMAC takes keys of any length
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// A mainland number as E.164, however it is written.
fn e164(number: &str) -> String {
    let digits = number.trim_start_matches('+').trim_start_matches("00");
    if digits.len() == 11 && digits.starts_with('1') { format!("+86{digits}") } else { format!("+{digits}") }
}

/// `2026-11-22 08:00:03`.
fn wall(now: Timestamp) -> String {
    now.to_string().replace('T', " ").chars().take(19).collect()
}
