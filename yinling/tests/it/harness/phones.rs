//! Telephones that a test holds: a gateway box as an integrator would write one. It checks every signature,
//! writes down what it was asked to send, and answers, presses, hangs or refuses as the story says.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};

use super::{PATIENCE, api::post_url};

/// How the box treats a POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// 202.
    Takes,
    /// Reads the request and never answers, as a stopped process would.
    Hangs,
    /// The same over messages about this kind of incident, and takes all others.
    HangsOver(&'static str),
    /// Answers with this status.
    Refuses(u16),
}

/// The box. Cloned, it is the same box.
#[derive(Clone)]
pub struct Phones {
    address: SocketAddr,
    shared: Arc<(Mutex<Shared>, Condvar)>,
}

struct Shared {
    manner: Manner,
    messages: Vec<Message>,
    faults: Vec<String>,
    /// What the box does by itself with each call, before it answers the POST.
    habit: Option<Habit>,
    /// How many requests it never answered.
    hung: usize,
    /// Attempts whose outcome, reported by habit, the server confirmed with a 2xx.
    confirmed: HashSet<String>,
}

type Habit = Arc<dyn Fn(&Message) -> Option<Value> + Send + Sync>;

/// One message that the box was asked to send.
#[derive(Debug, Clone)]
pub struct Message {
    /// The attempt's id.
    pub attempt: String,
    /// `sms`, `voice` or `push`.
    pub channel: String,
    /// The number or topic.
    pub to: String,
    /// The person's id.
    pub person: String,
    /// The incident's id, or the case's where there is none.
    pub incident: String,
    /// What is said.
    pub text: String,
    /// Where the box reports back.
    pub callback: String,
    /// When it came.
    pub came: Instant,
    taken: bool,
}

impl Message {
    /// Reports an outcome and expects a 2xx.
    pub fn says(&self, outcome: &str) {
        self.reports(&json!({"attempt": self.attempt, "outcome": outcome}));
    }

    /// Presses a key and expects a 2xx.
    pub fn press(&self, key: &str) {
        self.reports(&json!({"attempt": self.attempt, "outcome": "key", "key": key}));
    }

    /// Replies with a text and expects a 2xx.
    pub fn replies(&self, text: &str) {
        self.reports(&json!({"attempt": self.attempt, "outcome": "reply", "text": text}));
    }

    fn reports(&self, body: &Value) {
        let status = post_url(&self.callback, body).unwrap_or_else(|e| panic!("callback {body}: {e}"));
        assert_eq!(status / 100, 2, "callback {body} got {status}");
    }
}

impl Phones {
    /// A box on a port of its own that takes everything.
    pub fn start() -> Phones {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            manner: Manner::Takes,
            messages: Vec::new(),
            faults: Vec::new(),
            habit: None,
            hung: 0,
            confirmed: HashSet::new(),
        };
        let phones = Phones { address, shared: Arc::new((Mutex::new(shared), Condvar::new())) };
        let answering = phones.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answering = answering.clone();
                std::thread::spawn(move || answering.serve(&stream));
            }
        });
        phones
    }

    /// Where the server is to POST.
    pub fn url(&self) -> String {
        format!("http://{}/send", self.address)
    }

    /// The shared secret in the form of Standard Webhooks.
    pub fn secret(&self) -> &'static str {
        "whsec_bWVudHVhbGx5IHJpbmdpbmcgYmVsbHMgMTIz"
    }

    /// From now on the box behaves like this.
    pub fn behave(&self, manner: Manner) {
        self.shared.0.lock().unwrap().manner = manner;
    }

    /// From now on the box itself reports what `habit` gives for a message, before it answers the POST.
    pub fn by_habit(&self, habit: impl Fn(&Message) -> Option<Value> + Send + Sync + 'static) {
        self.shared.0.lock().unwrap().habit = Some(Arc::new(habit));
    }

    /// The next voice call to this number that no story line has taken yet.
    pub fn expect_call(&self, number: &str) -> Message {
        self.expect(&format!("a call to {number}"), |m| m.channel == "voice" && m.to == number)
    }

    /// The next text message to this number that no story line has taken yet.
    pub fn expect_text(&self, number: &str) -> Message {
        self.expect(&format!("a text to {number}"), |m| m.channel == "sms" && m.to == number)
    }

    /// The next message that fits and that no story line has taken yet.
    pub fn expect(&self, what: &str, fits: impl Fn(&Message) -> bool) -> Message {
        let deadline = Instant::now() + PATIENCE;
        let mut shared = self.shared.0.lock().unwrap();
        loop {
            self.no_faults(&shared);
            if let Some(message) = shared.messages.iter_mut().find(|m| !m.taken && fits(m)) {
                message.taken = true;
                return message.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let came = || shared.messages.iter().map(|m| format!("{} {} {}", m.channel, m.to, m.attempt));
            assert!(left > Duration::ZERO, "waited in vain for {what}; came: {:#?}", came().collect::<Vec<_>>());
            shared = self.shared.1.wait_timeout(shared, left).unwrap().0;
        }
    }

    /// Everything that was sent so far, in order.
    pub fn messages(&self) -> Vec<Message> {
        let shared = self.shared.0.lock().unwrap();
        self.no_faults(&shared);
        shared.messages.clone()
    }

    /// How many requests the box never answered.
    pub fn hung(&self) -> usize {
        self.shared.0.lock().unwrap().hung
    }

    /// The numbers that were rung so far, in order.
    pub fn rung(&self) -> Vec<String> {
        self.messages().into_iter().filter(|m| m.channel == "voice").map(|m| m.to).collect()
    }

    /// How many messages came until now, and which attempts' outcomes, reported by habit, were confirmed with a 2xx.
    pub fn so_far(&self) -> (usize, HashSet<String>) {
        let shared = self.shared.0.lock().unwrap();
        (shared.messages.len(), shared.confirmed.clone())
    }

    fn no_faults(&self, shared: &Shared) {
        assert!(shared.faults.is_empty(), "the box saw: {:#?}", shared.faults);
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some((head, body)) = read_request(&mut reader) {
            let manner = match self.shared.0.lock().unwrap().manner {
                Manner::HangsOver(kind) if is_about(&body, kind) => Manner::Hangs,
                Manner::HangsOver(_) => Manner::Takes,
                manner => manner,
            };
            let status = match manner {
                Manner::Takes => {
                    self.take(&head, &body);
                    202
                }
                Manner::Refuses(status) => status,
                Manner::Hangs | Manner::HangsOver(_) => {
                    self.shared.0.lock().unwrap().hung += 1;
                    self.shared.1.notify_all();
                    // Holds the connection open until the other side gives up.
                    let _ = reader.read(&mut [0]);
                    return;
                }
            };
            if write!(&mut &*stream, "HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n").is_err() {
                return;
            }
        }
    }

    fn take(&self, head: &[(String, String)], body: &[u8]) {
        let message = match check(head, body, self.secret()) {
            Ok(message) => message,
            Err(fault) => {
                self.shared.0.lock().unwrap().faults.push(fault);
                self.shared.1.notify_all();
                return;
            }
        };
        let habit = self.shared.0.lock().unwrap().habit.clone();
        // Counts only when the server said 2xx: what it has not confirmed it may forget in a crash.
        let confirmed = habit
            .and_then(|habit| habit(&message))
            .is_some_and(|report| post_url(&message.callback, &report).is_ok_and(|status| status / 100 == 2));
        let mut shared = self.shared.0.lock().unwrap();
        if confirmed {
            shared.confirmed.insert(message.attempt.clone());
        }
        shared.messages.push(message);
        self.shared.1.notify_all();
    }
}

/// Headers by their names in lower case.
type Head = Vec<(String, String)>;

/// The headers and the body of the next request; `None` at the end.
fn read_request(reader: &mut impl BufRead) -> Option<(Head, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut head = Head::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        head.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = head.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn is_about(body: &[u8], kind: &str) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|body| body["kind"] == kind)
}

/// A POST as Standard Webhooks 1.0 and the gateway contract have it.
fn check(head: &[(String, String)], body: &[u8], secret: &str) -> Result<Message, String> {
    let header = |name: &str| {
        let found = head.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| format!("no {name}: {head:?}"))
    };
    let (id, timestamp, signatures) =
        (header("webhook-id")?, header("webhook-timestamp")?, header("webhook-signature")?);
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).map_err(|e| e.to_string())?;
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).map_err(|e| e.to_string())?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    if !signatures.split(' ').any(|signature| signature == expected) {
        return Err(format!("wrong signature {signatures}, expected {expected}"));
    }
    let body: Value = serde_json::from_slice(body).map_err(|e| format!("the body is not JSON: {e}"))?;
    let text = |name: &str| body[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name} in {body}"));
    if text("attempt")? != id {
        return Err(format!("webhook-id {id} is not the attempt of {body}"));
    }
    for also in ["lang", "kind", "priority"] {
        text(also)?;
    }
    if !body["params"].is_object() {
        return Err(format!("no params in {body}"));
    }
    Ok(Message {
        attempt: text("attempt")?,
        channel: text("channel")?,
        to: text("to")?,
        person: text("person")?,
        incident: text("incident").or_else(|_| text("case"))?,
        text: text("text")?,
        callback: text("callback")?,
        came: Instant::now(),
        taken: false,
    })
}
