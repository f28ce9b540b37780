//! Demo phones: a gateway for sms, voice and push (the engine's gateway channel), with phones behind it that ring
//! on a page, in the terminal, and in tests.
//!
//! Three layers: [`book`] is the phones themselves, a timed core without HTTP; `gateway` takes the engine's signed
//! messages, `poster` brings the outcomes back; `page` lets a person press the buttons.

pub mod book;
mod gateway;
mod narrate;
mod page;
mod poster;
pub mod script;
pub mod signature;
mod vendors;
pub mod words;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Channel, Clock, Timestamp};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinHandle;

pub use book::PhoneBook;
pub use narrate::{in_words, narrate, time_of_day};
pub use poster::PostedCallback;
pub use script::{CallScript, TextScript};
pub use vendors::{Accounts, Receipts, Vendor};
pub use words::{Button, Call, CallState, Ending, Entry, Happened, Happening, Phone, Text};

use poster::Poster;
use vendors::Vendors;
use words::{Message, Output, Refused};

/// How many requests and posted callbacks the record keeps; the oldest go first.
const RECORD_MAX: usize = 100_000;
/// How many changes a page may be behind before it is sent everything anew.
const PAGE_BEHIND_MAX: usize = 256;
/// How long a network lets a phone ring unless told otherwise, in milliseconds.
pub const RING_MS: u32 = 30_000;

/// What is told about every happening, as it happens.
pub type Listener = Box<dyn Fn(&Happening) + Send + Sync>;

/// How to start the phones.
pub struct Options {
    /// Where to listen; port 0 takes any. A wished-for port that is taken is replaced by any.
    pub listen: SocketAddr,
    /// The gateway's secret, as in the engine's `[channels.*] secret`.
    pub secret: String,
    /// Tells the time that calls and texts are stamped with.
    pub clock: Arc<dyn Clock>,
    /// How long a phone rings at most, in milliseconds.
    pub ring_ms: u32,
    /// The phones.
    pub entries: Vec<Entry>,
    /// Who is told of every happening.
    pub listener: Option<Listener>,
}

/// What a gateway that misbehaves does to a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this HTTP status and rings nobody.
    Status(u16),
    /// Takes the message, and answers only after this many milliseconds.
    SlowMs(u32),
    /// Rings, but what the engine hears is a 504: it cannot know whether the message went out.
    AnswerLost,
    /// A provider refuses with this one of its own codes and rings nobody; the gateway has no codes and takes it.
    Code(&'static str),
}

/// One request that the gateway received.
#[derive(Debug, Clone)]
pub struct GatewayRequest {
    /// When its head had been read, for latencies.
    pub arrived: Instant,
    /// The same by the phones' clock.
    pub at: Timestamp,
    /// `webhook-id`.
    pub id: String,
    /// The HTTP status that it was answered with.
    pub status: u16,
    /// Whether this attempt had been handed over before.
    pub repeat: bool,
    /// The message; `None` if it was not one.
    pub message: Option<Message>,
}

/// Running phones. Dropping them ends them.
pub struct Phones {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// What a wait for something on the phones ended with instead of it.
#[derive(Debug, thiserror::Error)]
#[error("waited {waited:?} in vain for {what}; what the phones saw:\n{story}")]
pub struct TimedOut {
    what: String,
    waited: Duration,
    story: String,
}

struct Shared {
    book: Mutex<PhoneBook>,
    secret: String,
    clock: Arc<dyn Clock>,
    faults: Mutex<BTreeMap<Channel, Fault>>,
    vendors: Mutex<Vendors>,
    requests: Mutex<Vec<GatewayRequest>>,
    story: Mutex<Vec<Happening>>,
    poster: Poster,
    listener: Option<Listener>,
    /// Wakes the timer when something earlier may be due.
    rearm: Notify,
    /// Counts changes, for those who wait for one.
    changed: watch::Sender<u64>,
    /// The numbers of the phones that changed, for the pages.
    changes: broadcast::Sender<String>,
}

impl Phones {
    /// Starts the gateway, its phones and their page.
    ///
    /// # Errors
    /// When no port can be bound, or the HTTP client cannot be made.
    pub async fn start(options: Options) -> std::io::Result<Phones> {
        let listener = match TcpListener::bind(options.listen).await {
            Ok(listener) => listener,
            Err(_) if options.listen.port() != 0 => TcpListener::bind((options.listen.ip(), 0)).await?,
            Err(error) => return Err(error),
        };
        let address = listener.local_addr()?;
        let mut book = PhoneBook::new(options.ring_ms);
        for entry in options.entries {
            let number = entry.number.clone();
            if !book.add(entry) {
                return Err(std::io::Error::other(format!("{number} is not one of the invented numbers")));
            }
        }
        let shared = Arc::new(Shared {
            book: Mutex::new(book),
            secret: options.secret,
            clock: options.clock,
            faults: Mutex::default(),
            vendors: Mutex::default(),
            requests: Mutex::default(),
            story: Mutex::default(),
            poster: Poster::new().map_err(std::io::Error::other)?,
            listener: options.listener,
            rearm: Notify::new(),
            changed: watch::Sender::new(0),
            changes: broadcast::Sender::new(PAGE_BEHIND_MAX),
        });
        let (stop, mut stopped) = watch::channel(false);
        let router = gateway::routes()
            .merge(vendors::routes())
            .merge(page::routes(stopped.clone()))
            .with_state(Arc::clone(&shared));
        let server = axum::serve(listener, router).with_graceful_shutdown(async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        });
        let tasks = vec![
            tokio::spawn(async move {
                if let Err(error) = server.await {
                    tracing::error!(%error, "the phones' server ended");
                }
            }),
            tokio::spawn(keep_time(Arc::clone(&shared))),
        ];
        Ok(Phones { shared, address, stop, tasks })
    }

    /// Where they listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What goes into the engine's `[channels.sms|voice|push] url`.
    #[must_use]
    pub fn gateway_url(&self) -> String {
        format!("http://{}/gateway", self.address)
    }

    /// The page on which the phones can be seen and answered.
    #[must_use]
    pub fn page_url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Adds a phone, or gives it other habits. `false`: not an invented number.
    pub fn add(&self, entry: Entry) -> bool {
        let added = self.shared.book.lock().add(entry);
        self.shared.tell(Vec::new());
        added
    }

    /// Makes a channel of the gateway misbehave, or behave again.
    pub fn set_fault(&self, channel: Channel, fault: Option<Fault>) {
        let mut faults = self.shared.faults.lock();
        match fault {
            Some(fault) => faults.insert(channel, fault),
            None => faults.remove(&channel),
        };
    }

    /// Where Aliyun, Tencent and Twilio are, for `endpoint` in the engine's configuration: they are all here.
    #[must_use]
    pub fn vendor_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Becomes a customer of the providers; before, they refuse everything.
    pub fn open_accounts(&self, accounts: Accounts) {
        self.shared.vendors.lock().open(accounts);
    }

    /// How a channel's providers tell what became of a message.
    pub fn set_receipts(&self, channel: Channel, receipts: Receipts) {
        self.shared.vendors.lock().set_receipts(channel, receipts);
    }

    /// Does what a person would do.
    pub fn press(&self, number: &str, button: &Button) {
        self.shared.press(number, button);
    }

    /// Looks at the phones.
    pub fn look<T>(&self, look: impl FnOnce(&PhoneBook) -> T) -> T {
        look(&self.shared.book.lock())
    }

    /// Every request that the gateway received, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<GatewayRequest> {
        self.shared.requests.lock().clone()
    }

    /// Every callback that the engine took or finally refused, oldest first.
    #[must_use]
    pub fn posted(&self) -> Vec<PostedCallback> {
        self.shared.poster.posted()
    }

    /// Everything that a bystander noticed, oldest first.
    #[must_use]
    pub fn story(&self) -> Vec<Happening> {
        self.shared.story.lock().clone()
    }

    /// Waits until `look` finds what it looks for; looks again whenever anything changed.
    ///
    /// # Errors
    /// [`TimedOut`] with the story so far.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        within: Duration,
        mut look: impl FnMut(&PhoneBook) -> Option<T>,
    ) -> Result<T, TimedOut> {
        let mut changed = self.shared.changed.subscribe();
        let search = async {
            loop {
                changed.mark_unchanged();
                if let Some(found) = self.look(&mut look) {
                    return found;
                }
                if changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(within, search).await.map_err(|_| TimedOut {
            what: what.to_owned(),
            waited: within,
            story: self.story().iter().map(|h| format!("  {}\n", narrate(h, model::Language::En))).collect(),
        })
    }

    /// Waits until a phone rings.
    ///
    /// # Errors
    /// [`TimedOut`] with the story so far.
    pub async fn wait_ringing(&self, number: &str, within: Duration) -> Result<Call, TimedOut> {
        self.wait_for(&format!("{number} to ring"), within, |book| {
            book.phone(number)?.open_call().filter(|c| c.state == CallState::Ringing).cloned()
        })
        .await
    }

    /// Waits until a phone has a text or push message that contains `part`.
    ///
    /// # Errors
    /// [`TimedOut`] with the story so far.
    pub async fn wait_text(&self, number: &str, part: &str, within: Duration) -> Result<Text, TimedOut> {
        self.wait_for(&format!("a text with {part:?} on {number}"), within, |book| {
            book.phone(number)?.texts.iter().find(|text| text.text.contains(part)).cloned()
        })
        .await
    }

    /// Waits until the engine took a callback that fits.
    ///
    /// # Errors
    /// [`TimedOut`] with the story so far.
    pub async fn wait_posted(
        &self,
        what: &str,
        within: Duration,
        mut fits: impl FnMut(&PostedCallback) -> bool,
    ) -> Result<PostedCallback, TimedOut> {
        let mut posted = self.shared.poster.changes();
        let search = async {
            loop {
                posted.mark_unchanged();
                if let Some(found) = self.posted().into_iter().find(|callback| fits(callback)) {
                    return found;
                }
                if posted.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let story = || self.posted().iter().map(|p| format!("  {p:?}\n")).collect();
        tokio::time::timeout(within, search).await.map_err(|_| TimedOut {
            what: what.to_owned(),
            waited: within,
            story: story(),
        })
    }

    /// Ends the server and its pages.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..).take(1) {
            // Open pages and keep-alive connections have a moment to go; then they are cut.
            let abort = task.abort_handle();
            if tokio::time::timeout(Duration::from_millis(500), task).await.is_err() {
                abort.abort();
            }
        }
    }
}

impl Drop for Phones {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    fn press(&self, number: &str, button: &Button) {
        let outputs = self.book.lock().press(number, button, self.clock.now());
        self.tell(outputs);
    }

    /// Whether there was such a call.
    fn call_off(&self, attempt: &str) -> bool {
        let outputs = self.book.lock().call_off(attempt, self.clock.now());
        let is_known = outputs.is_some();
        self.tell(outputs.unwrap_or_default());
        is_known
    }

    fn deliver(&self, message: Message) -> Result<(), Refused> {
        let outputs = self.book.lock().deliver(message, self.clock.now())?;
        self.tell(outputs);
        Ok(())
    }

    fn record(&self, request: GatewayRequest) {
        push_capped(&mut self.requests.lock(), request);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Posts the callbacks, tells the listeners, and wakes whoever waits for a change.
    fn tell(&self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Callback(callback) => {
                    let reports = self.vendors.lock().report(&callback, self.clock.now());
                    match reports {
                        Some((reports, delay)) => self.poster.report(callback, reports, delay),
                        None => self.poster.post(callback),
                    }
                }
                Output::Happened(happening) => {
                    if let Some(listener) = &self.listener {
                        listener(&happening);
                    }
                    let _ = self.changes.send(happening.number.clone()); // nobody at a page is fine
                    push_capped(&mut self.story.lock(), happening);
                }
            }
        }
        self.rearm.notify_one();
        self.changed.send_modify(|count| *count += 1);
    }
}

/// Lets scripted steps happen when they are due.
async fn keep_time(shared: Arc<Shared>) {
    loop {
        let due = shared.book.lock().next_due();
        let wait = due.map(|due| due.millis_since(shared.clock.now()).max(0));
        let sleep = async {
            match wait {
                Some(millis) => tokio::time::sleep(Duration::from_millis(millis.unsigned_abs())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {
                let outputs = shared.book.lock().advance(shared.clock.now());
                if !outputs.is_empty() {
                    shared.tell(outputs);
                }
            }
            () = shared.rearm.notified() => {}
        }
    }
}

fn push_capped<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= RECORD_MAX {
        list.drain(..RECORD_MAX / 10);
    }
    list.push(item);
}
