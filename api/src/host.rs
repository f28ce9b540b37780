//! What the API needs of the house it stands in. Only `engine` implements it; tests have their own.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use axum::body::Bytes;
use compact_str::CompactString;
use model::{
    Account, Actor, AttemptId, AttemptOutcome, Channel, Fence, Finding, PersonId, RegistryChange, Reply, Session,
    StaffCommand, StepUp, Timestamp, Watch, Wearer, WearerId, WebhookId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use utoipa::ToSchema;

/// A future that can be kept behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The engine as the API sees it. Nothing here blocks the caller's thread, except where it says so.
pub trait Host: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Minutes east of UTC of the configured zone at an instant.
    fn utc_offset_minutes(&self, at: Timestamp) -> i32;

    /// The feed's epoch: changes on restore, so that a cursor of the time before is recognised.
    fn epoch(&self) -> u32;

    /// Fills the slice from the operating system's source of randomness.
    fn random(&self, bytes: &mut [u8]);

    /// Who speaks, by the secret after `Bearer `; `None` for unknown and revoked ones. Tokens made by the API have the
    /// form of [`token`](crate::token) and are kept as [`token::sha256`](crate::token::sha256).
    fn authenticate(&self, bearer: &str) -> Option<Actor>;

    /// Who is signed in with a cookie of this SHA-256, and since when; `None` when that does not hold (any more).
    fn session(&self, secret_sha256: &[u8; 32]) -> Option<(Account, Session)>;

    /// An account by its name, in whatever state.
    fn account(&self, id: &str) -> Option<Account>;

    /// Until when somebody may see where this wearer is although nothing has happened.
    fn glass(&self, person: &PersonId, wearer: &WearerId) -> Option<Timestamp>;

    /// The codes of a guardian for a wearer that something can come of, oldest first: one that can be entered, and what
    /// others opened.
    fn step_ups(&self, person: &PersonId, wearer: &WearerId) -> Vec<StepUp>;

    /// Who watches a console now, the longest first.
    fn watches(&self) -> Vec<Watch>;

    /// When somebody last picked up or answered under a guardian's number, E.164; `None`: never.
    fn reached_at(&self, person: &PersonId, phone: &str) -> Option<Timestamp>;

    /// Every channel with its providers, those that nobody is configured for included.
    fn channels(&self) -> Vec<ChannelState>;

    /// All accounts, in the order of their names, removed ones included.
    fn accounts(&self) -> Vec<Account>;

    /// What is kept of a password. Takes its time: called where blocking is allowed.
    ///
    /// # Errors
    /// When it cannot be hashed now; names nothing secret.
    fn hash_password(&self, password: &str) -> Result<String, String>;

    /// Whether this is the password that was hashed. Takes as long when `stored` is no hash at all. Called where
    /// blocking is allowed.
    fn verify_password(&self, password: &str, stored: &str) -> bool;

    /// The secret that signs what a subscription is sent, as its receiver needs it: `whsec_` and base64.
    fn webhook_secret(&self, id: &WebhookId, generation: u32) -> String;

    /// Whether an address is one that messages may be posted to.
    ///
    /// # Errors
    /// What is wrong with it, in English and in Chinese.
    fn check_outward_url(&self, url: &str) -> Result<(), (String, String)>;

    /// Whether this is the callback token of this attempt. Compares in constant time.
    fn verify_callback(&self, attempt: AttemptId, token: &str) -> bool;

    /// Whether this is what a guardian's link to this attempt ends with. Compares in constant time.
    fn verify_link(&self, attempt: AttemptId, proof: &str) -> bool;

    /// Whether this is the code that an attempt brought to a guardian's phone. Compares in constant time.
    fn verify_code(&self, attempt: AttemptId, code: &str) -> bool;

    /// Reads an import and checks all of it against itself and the registry as it stands; secrets in the result are
    /// hashed already. May take a second for a large file: called where blocking is allowed.
    ///
    /// # Errors
    /// Every fault of the file, in the order of its rows.
    fn validate_import(&self, body: &[u8], content_type: &str) -> Result<Import, Vec<RowError>>;

    /// Fences as others read them: a GeoJSON `FeatureCollection`, or rows of the registry with well-known text. As they
    /// were drawn, or brought into WGS-84.
    fn draw(&self, fences: &[Fence], format: FenceFormat, in_wgs84: bool) -> Value;

    /// Goes through a wearer's history with other thresholds or fences. May take seconds: called where blocking is
    /// allowed, and not by many at a time.
    ///
    /// # Errors
    /// [`PreviewFault`].
    fn preview(&self, request: PreviewRequest) -> Result<Preview, PreviewFault>;

    /// Reads what a provider posted to a callback URL.
    ///
    /// # Errors
    /// What is wrong with it, in English; names no person.
    fn parse_callback(&self, body: &[u8]) -> Result<Callback, String>;

    /// Has a command decided; resolves once the decision is durable.
    fn command(
        &self,
        actor: Actor,
        idempotency_key: Option<CompactString>,
        command: StaffCommand,
    ) -> BoxFuture<'_, Result<Committed, Unavailable>>;

    /// Has a callback taken in; resolves once that is durable.
    fn callback(&self, callback: Callback) -> BoxFuture<'_, Result<Committed, Unavailable>>;

    /// Takes in what a provider posted to its channel's address; resolves once what is believed of it is durable.
    /// What is not believed is counted and changes nothing, and is answered all the same: else it would be said again.
    fn provider_post(&self, post: ProviderPost) -> BoxFuture<'_, Result<ProviderAnswer, ProviderRefusal>>;

    /// Keeps a photo under the hash of its bytes; resolves once it is durable.
    fn keep_photo(&self, hash: &str, bytes: Vec<u8>) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// The photo with this hash; `None`: there is none.
    fn photo(&self, hash: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, Unavailable>>;

    /// What is still on disk of the time before the record `seq`, which erased somebody at `at`. Looks through folders:
    /// called where blocking is allowed.
    fn remains(&self, seq: u64, at: Timestamp) -> Vec<Remains>;

    /// The last journal record that is durable now.
    fn durable_seq(&self) -> u64;

    /// Resolves once the state has projected the facts up to this journal record.
    fn facts_through(&self, seq: u64) -> BoxFuture<'_, ()>;

    /// Resolves once nothing of the state shows anybody any more whom a record up to this one erased.
    fn erased_through(&self, seq: u64) -> BoxFuture<'_, ()>;

    /// The newest feed event (`Event::seq`) that the state can be asked for; changes after the state has it. Live
    /// streams sleep on it.
    fn newest_event(&self) -> watch::Receiver<u64>;

    /// How the house is.
    fn health(&self) -> Health;

    /// The metrics as Prometheus text.
    fn metrics(&self) -> String;

    /// A map tile of the operator's provider; `None`: there is none, or it did not come.
    fn tile(&self, zoom: u8, x: u32, y: u32) -> BoxFuture<'_, Option<Tile>>;

    /// What the console is told about the house it stands in.
    fn console(&self) -> ConsoleSettings;
}

/// What the console is told before anybody has signed in; nothing of anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConsoleSettings {
    /// The IANA zone in which times are shown, e.g. `Asia/Shanghai`.
    pub zone: String,
    /// The page of the demo's phones, where there is one.
    pub phones: Option<String>,
    /// Whose map tiles there are, as it is to be named on the map; `None`: there are none.
    pub tiles: Option<String>,
    /// How to sign in to a demo; `None` everywhere else.
    pub demo: Option<DemoSignIn>,
}

/// How to sign in to a demo, whose people are invented and which is gone when it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DemoSignIn {
    /// The accounts, the first the one to begin with.
    pub accounts: Vec<String>,
    /// The password of all of them.
    pub password: String,
}

/// A picture of a piece of the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Its type: a picture's.
    pub kind: &'static str,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A valid import, not yet written.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// What is to be written.
    pub change: RegistryChange,
    /// What is worth knowing but no fault, e.g. a wearer without any desk up the tree.
    pub warnings: Vec<RowError>,
}

/// One remark about a request or a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RowError {
    /// Where: an RFC 6901 JSON pointer, e.g. `/wearers/3/org`; for CSV `/rows/17/phone`.
    pub pointer: String,
    /// What is wrong and what to do, in English.
    pub detail: String,
    /// The same in Chinese.
    pub detail_zh: String,
}

/// How fences are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FenceFormat {
    /// RFC 7946, with what it has no word for in the properties.
    #[default]
    GeoJson,
    /// Well-known text in rows of the registry.
    Wkt,
}

/// What a preview is to go through.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewRequest {
    /// The wearer as they stand.
    pub wearer: Wearer,
    /// An object with `thresholds`, `fences` and `plan`, each as in an import, in the place of what stands.
    pub change: Value,
    /// From when…
    pub from: Timestamp,
    /// …until when.
    pub to: Timestamp,
}

/// What would have been found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Preview {
    /// What would have been raised, in order.
    pub would: Vec<Finding>,
    /// How many there are, those that are not shown included.
    pub would_count: usize,
    /// How many reports were gone through.
    pub reports: usize,
    /// From when on: later than asked for when there were too many.
    pub from: Timestamp,
}

/// Why there is no preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreviewFault {
    /// Every fault of the change, with pointers into it.
    Invalid(Vec<RowError>),
    /// The history cannot be read.
    Unreadable(String),
}

/// What a provider, or a person through it, said about an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// About which.
    pub attempt: AttemptId,
    /// What.
    pub outcome: AttemptOutcome,
    /// The key that was pressed, for [`AttemptOutcome::Key`].
    pub key: Option<CompactString>,
    /// The text that came back, for [`AttemptOutcome::Reply`].
    pub text: Option<String>,
}

/// What was posted to `/api/v1/providers/{channel}/{token}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderPost {
    /// The channel, as the address names it.
    pub channel: String,
    /// The address's secret.
    pub token: String,
    /// Path and query, as they came.
    pub path_and_query: String,
    /// The header `x-twilio-signature`.
    pub signature: Option<String>,
    /// Who posted: the peer, or, where that is a proxy on this machine, whom it names last in `x-forwarded-for`.
    pub from: Option<IpAddr>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a provider is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderAnswer {
    /// Its type.
    pub content_type: &'static str,
    /// Its body.
    pub body: String,
}

/// Why a provider's post is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderRefusal {
    /// The address is not known.
    NotFound,
    /// Nothing in it can be believed; what is wrong, in English.
    NotBelieved(String),
    /// It is not what a provider of this channel posts; what is wrong, in English.
    Malformed(String),
    /// It cannot be written down now.
    Unavailable,
}

/// A decision that is durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// Its journal record; [`Host::facts_through`] this and a read sees it.
    pub seq: u64,
    /// What was decided.
    pub reply: Reply,
}

/// Something on disk that is older than an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Remains {
    /// `journal`, `checkpoints`, `exports`, `state`, `photos` or `backup`.
    pub place: String,
    /// What it is and what it waits for, in English.
    pub detail: String,
    /// The same in Chinese.
    pub detail_zh: String,
    /// When it goes by itself, if that is known.
    pub until: Option<Timestamp>,
}

/// Nothing can be committed now: the engine is stopping or its journal failed. Whether the command took effect is
/// not known; the caller repeats it with the same `Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the engine takes nothing in at the moment")]
pub struct Unavailable;

/// How people are reached over a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelState {
    /// Which.
    pub channel: Channel,
    /// Who carries it, the first before those that step in; empty: what is sent is shown on the console and in the log.
    pub providers: Vec<ProviderState>,
    /// What was posted in the providers' names and is not believed, since the start of the engine.
    pub callbacks_refused: Vec<CallbacksRefused>,
    /// What is configured, with stars for secrets.
    pub settings: Vec<ChannelSetting>,
}

/// Callbacks that stopped no call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallbacksRefused {
    /// In whose name they came: `aliyun`; the channel's, where they fit no provider.
    pub provider: String,
    /// `malformed`, `signature`, `address`, `unknown`, `wrong_callee`, `late` or `repeated`.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// A provider, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProviderState {
    /// Its name: `sms`, `sms.backup`, `push.bark`.
    pub name: String,
    /// Who it is: `gateway`, `aliyun`…
    pub kind: String,
    /// Whether it can be reckoned with; so until something speaks against it.
    pub ok: bool,
    /// When it last took a message or answered a probe.
    pub last_ok: Option<Timestamp>,
    /// When it last failed…
    pub failed_at: Option<Timestamp>,
    /// …and how; names no person.
    pub failure: Option<String>,
    /// Whether what may wait is held back after failures. Alarms never are.
    pub held_back: bool,
}

/// One setting of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelSetting {
    /// Its key below the channel: `url`, `backup.kind`.
    pub key: String,
    /// Its value; `***` for a secret, an address without its path, the beginning of an account's name.
    pub value: String,
    /// Where it stands: `file` or `environment`.
    pub source: String,
}

/// How the house is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// What must be so for the process to be worth keeping (`/healthz`).
    pub live: Vec<Check>,
    /// What must be so for it to do its work (`/readyz`).
    pub ready: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    /// What, e.g. `journal`.
    pub name: &'static str,
    /// Whether it is well.
    pub ok: bool,
    /// What was seen; says what to do when it is not well.
    pub reason: String,
    /// It is well, and yet somebody should know of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub warning: bool,
}

impl Check {
    /// Something that is well, or not.
    #[must_use]
    pub fn new(name: &'static str, ok: bool, reason: String) -> Check {
        Check { name, ok, reason, warning: false }
    }

    /// Something of which somebody should know, although everything works as it was set up.
    #[must_use]
    pub fn warning(name: &'static str, reason: &str) -> Check {
        Check { warning: true, ..Check::new(name, true, reason.to_owned()) }
    }
}
