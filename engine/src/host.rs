//! The engine as the door and the API see it.

use std::collections::HashSet;
use std::sync::Arc;

use broker::{Credentials, Grant, Inbound, Items, Lane, Refusal};
use channels::Channels;
use channels::callback::{self, Post};
use channels::directory::name_of;
use channels::outward::Reachable;
use chrono::{Offset, TimeZone};
use compact_str::CompactString;
use model::{
    Account, Actor, AttemptId, Channel, Clock, DeviceId, Fence, Input, PersonId, RegistryChange, Reply, Role, Session,
    StaffCommand, StepUp, Timestamp, Watch, WearerId, WebhookId,
};
use store::{Progress, State};
use tokio::sync::{oneshot, watch};

use crate::authority::{Authority, DeviceCheck};
use crate::clock::SystemClock;
use crate::config::Shown;
use crate::erasure::Traces;
use crate::health::Vitals;
use crate::inbox::{Inbox, Work};
use crate::pipeline::{ERASED_ID, ERASED_ID_ZH, erased_id};
use crate::preview;
use crate::registry;
use crate::secrets::{self, Secrets};
use crate::watchdog::Unsaved;

/// The user name with which an API token subscribes to the feed.
const FEED_USER_NAME: &str = "token";

/// What the door and the API are given.
pub struct House {
    /// The time.
    pub clock: Arc<SystemClock>,
    /// Who may connect.
    pub authority: Arc<Authority>,
    /// Keys.
    pub secrets: Arc<Secrets>,
    /// Where work goes.
    pub inbox: Arc<Inbox>,
    /// The projected state, which imports are checked against.
    pub state: Arc<State>,
    /// Alarms that are not on disk yet.
    pub unsaved: Arc<Unsaved>,
    /// How far the journal is durable.
    pub durable: Arc<Progress>,
    /// How far the facts are projected.
    pub facts: Arc<Progress>,
    /// How far nobody is shown any more who was erased.
    pub erased: Arc<Progress>,
    /// The newest event that the state can be asked for.
    pub newest_event: watch::Receiver<u64>,
    /// The feed's epoch.
    pub epoch: u32,
    /// Limits of a payload.
    pub limits: ingest::Limits,
    /// The zone of schedules.
    pub zone: chrono_tz::Tz,
    /// Photos of cases.
    pub photos: Arc<store::Photos>,
    /// Whom the configured providers reach: imports are looked at with it.
    pub reach: channels::Reach,
    /// Health and metrics.
    pub vitals: Arc<Vitals>,
    /// What is configured of the providers, as it may be shown.
    pub shown: Shown,
    /// The providers, who post to us too.
    pub channels: Arc<Channels>,
    /// What other systems' addresses may be.
    pub reachable: Reachable,
    /// How others reach us, without a slash at its end: what a provider signs begins with it.
    pub base: String,
    /// The page of the demo's phones, where there is one.
    pub phones_page: Option<String>,
    /// How to sign in to the demo, where this is one.
    pub demo: Option<api::DemoSignIn>,
    /// What erasures wait for.
    pub traces: Traces,
    /// Where map tiles come from, and whose they are.
    pub tiles: Option<(channels::tiles::Tiles, String)>,
}

impl broker::Host for House {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn authorise(&self, credentials: &Credentials<'_>) -> Result<Grant, Refusal> {
        if credentials.user_name == FEED_USER_NAME {
            let token = std::str::from_utf8(credentials.password).ok().and_then(secrets::api_token_sha256);
            let (token, actor) =
                token.and_then(|sha256| self.authority.actor_of_token(&sha256)).ok_or(Refusal::BadCredentials)?;
            // One text for all subscribers: it is not for who sees a part of it only.
            if matches!(actor.role, Role::Doctor | Role::GridWorker | Role::Volunteer | Role::Guardian) {
                return Err(Refusal::NotAuthorised);
            }
            return Ok(Grant::Feed { token, scope: actor.scope });
        }
        // A certificate that we trust stands in for the secret; a secret that is given all the same must be right.
        if credentials.certified && credentials.password.is_empty() {
            let known = self.authority.has_device(credentials.user_name);
            return if known {
                Ok(Grant::Device(DeviceId::new(credentials.user_name)))
            } else {
                Err(Refusal::BadCredentials)
            };
        }
        let presented = self.secrets.device_secret_hmac(credentials.password);
        match self.authority.check_device(credentials.user_name, &presented) {
            DeviceCheck::Known(device) => Ok(Grant::Device(device)),
            DeviceCheck::Unknown | DeviceCheck::WrongSecret => Err(Refusal::BadCredentials),
        }
    }

    fn decode(&self, _device: &DeviceId, format: &str, payload: &[u8]) -> Items {
        match ingest::Format::from_topic(format) {
            Some(format) => ingest::decode(format, payload, &self.limits),
            None => {
                let detail = "the topic's last level names no known format: use json or bin";
                let reject = model::Reject::new(model::RejectReason::UnknownFormat, detail, payload);
                std::iter::once(Err(reject)).collect()
            }
        }
    }

    fn offer(&self, lane: Lane, inbound: Inbound) -> Result<(), Inbound> {
        let input = |input| Work::Input { input, received: self.clock.now(), reply: None };
        match (lane, inbound) {
            (Lane::Telemetry, Inbound::Parcel(parcel)) => self.inbox.telemetry(parcel).map_err(Inbound::Parcel),
            (Lane::Alarm, Inbound::Parcel(parcel)) => {
                let ticket = self.unsaved.note(&parcel);
                match self.inbox.urgent(Work::Alarm(parcel, ticket)) {
                    Err(Work::Alarm(parcel, ticket)) => {
                        self.unsaved.forget(ticket);
                        Err(Inbound::Parcel(parcel))
                    }
                    _ => Ok(()),
                }
            }
            (_, inbound) => {
                let work = match &inbound {
                    Inbound::Connection { device, online } => {
                        input(Input::Connection { device: device.clone(), online: *online })
                    }
                    Inbound::DownReady { device } => Work::DownReady(device.clone()),
                    Inbound::DownSent { command, .. } => input(Input::DownSent { command: *command }),
                    Inbound::DownAcknowledged { command, .. } => input(Input::DownAcknowledged { command: *command }),
                    Inbound::Parcel(_) => return Err(inbound),
                };
                self.inbox.urgent(work).map_err(|_| inbound)
            }
        }
    }

    fn space(&self) -> broker::BoxFuture<'_, ()> {
        Box::pin(self.inbox.space())
    }
}

impl api::Host for House {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn utc_offset_minutes(&self, at: Timestamp) -> i32 {
        self.zone.offset_from_utc_datetime(&at.to_utc().naive_utc()).fix().local_minus_utc() / 60
    }

    fn epoch(&self) -> u32 {
        self.epoch
    }

    fn random(&self, bytes: &mut [u8]) {
        // Without randomness no secret can be made, and a predictable one must not be.
        if getrandom::fill(bytes).is_err() {
            std::process::abort();
        }
    }

    fn authenticate(&self, bearer: &str) -> Option<Actor> {
        let sha256 = secrets::api_token_sha256(bearer)?;
        self.authority.actor_of_token(&sha256).map(|(_, actor)| actor)
    }

    fn session(&self, secret_sha256: &[u8; 32]) -> Option<(Account, Session)> {
        self.authority.session(secret_sha256, self.clock.now())
    }

    fn account(&self, id: &str) -> Option<Account> {
        self.authority.account(id)
    }

    fn glass(&self, person: &PersonId, wearer: &WearerId) -> Option<Timestamp> {
        self.authority.glass(person, wearer, self.clock.now())
    }

    fn step_ups(&self, person: &PersonId, wearer: &WearerId) -> Vec<StepUp> {
        self.authority.step_ups(person, wearer, self.clock.now())
    }

    fn watches(&self) -> Vec<Watch> {
        self.authority.watches(self.clock.now())
    }

    fn reached_at(&self, person: &PersonId, phone: &str) -> Option<Timestamp> {
        self.authority.reached_at(person, phone)
    }

    fn channels(&self) -> Vec<api::ChannelState> {
        self.shown.with(&self.channels)
    }

    fn accounts(&self) -> Vec<Account> {
        self.authority.accounts()
    }

    fn hash_password(&self, password: &str) -> Result<String, String> {
        self.secrets.hash_password(password).map_err(|error| error.to_string())
    }

    fn verify_password(&self, password: &str, stored: &str) -> bool {
        self.secrets.verify_password(password, stored)
    }

    fn webhook_secret(&self, id: &WebhookId, generation: u32) -> String {
        self.secrets.webhook_secret(id, generation).written()
    }

    fn check_outward_url(&self, url: &str) -> Result<(), (String, String)> {
        self.reachable.check(url).map(drop)
    }

    fn verify_callback(&self, attempt: AttemptId, token: &str) -> bool {
        self.secrets.verify_callback(attempt, token)
    }

    fn verify_code(&self, attempt: AttemptId, code: &str) -> bool {
        self.secrets.verify_code(attempt, code)
    }

    fn verify_link(&self, attempt: AttemptId, proof: &str) -> bool {
        self.secrets.verify_link(attempt, proof)
    }

    fn validate_import(&self, body: &[u8], content_type: &str) -> Result<api::Import, Vec<api::RowError>> {
        let context =
            registry::ImportContext::of_state(&self.state, &self.secrets, self.zone).with_reach(self.reach.clone());
        let is_table = content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/csv"));
        let checked =
            if is_table { registry::validate_csv(body, &context) } else { registry::validate(body, &context) };
        let import = checked.map_err(|errors| errors.into_iter().map(row).collect::<Vec<_>>())?;
        if let Some(erased) = erased_in(&self.state, &import.change) {
            return Err(vec![erased]);
        }
        Ok(api::Import { change: import.change, warnings: import.warnings.into_iter().map(row).collect() })
    }

    fn preview(&self, request: api::PreviewRequest) -> Result<api::Preview, api::PreviewFault> {
        let api::PreviewRequest { wearer, change, from, to } = request;
        let request = preview::Request { wearer, change, from, to };
        match preview::run(&self.state, self.zone, &request) {
            Ok(preview::Preview { would, would_count, reports, from }) => {
                Ok(api::Preview { would, would_count, reports, from })
            }
            Err(preview::Fault::Invalid(rows)) => Err(api::PreviewFault::Invalid(rows.into_iter().map(row).collect())),
            Err(preview::Fault::State(error)) => Err(api::PreviewFault::Unreadable(error.to_string())),
        }
    }

    fn draw(&self, fences: &[Fence], format: api::FenceFormat, in_wgs84: bool) -> serde_json::Value {
        let drawn: Vec<Fence> = match in_wgs84 {
            true => fences.iter().map(geofence::datum::fence_to_wgs84).collect(),
            false => fences.to_vec(),
        };
        match format {
            api::FenceFormat::GeoJson => geofence::geojson::collection(&drawn),
            api::FenceFormat::Wkt => {
                serde_json::json!({ "data": drawn.iter().map(geofence::wkt::row).collect::<Vec<_>>() })
            }
        }
    }

    fn parse_callback(&self, body: &[u8]) -> Result<api::Callback, String> {
        channels::parse_callback(body)
            .map(|callback| api::Callback {
                attempt: callback.attempt,
                outcome: callback.outcome,
                key: callback.key,
                text: callback.text,
            })
            .map_err(|error| error.to_string())
    }

    fn command(
        &self,
        actor: Actor,
        idempotency_key: Option<CompactString>,
        command: StaffCommand,
    ) -> api::BoxFuture<'_, Result<api::Committed, api::Unavailable>> {
        self.ask(Input::Command { actor, idempotency_key, command })
    }

    fn callback(&self, callback: api::Callback) -> api::BoxFuture<'_, Result<api::Committed, api::Unavailable>> {
        let api::Callback { attempt, outcome, key, text } = callback;
        self.ask(Input::Callback { attempt, outcome, key, text })
    }

    fn provider_post(
        &self,
        post: api::ProviderPost,
    ) -> api::BoxFuture<'_, Result<api::ProviderAnswer, api::ProviderRefusal>> {
        Box::pin(self.listen(post))
    }

    fn keep_photo(&self, hash: &str, bytes: Vec<u8>) -> api::BoxFuture<'_, Result<(), api::Unavailable>> {
        let (photos, hash) = (Arc::clone(&self.photos), hash.to_owned());
        let has_room = !self.vitals.seen.disk_low.load(std::sync::atomic::Ordering::Relaxed);
        Box::pin(async move {
            if !has_room {
                return Err(api::Unavailable);
            }
            let kept = tokio::task::spawn_blocking(move || photos.keep(&hash, &bytes)).await;
            told(kept)
        })
    }

    fn photo(&self, hash: &str) -> api::BoxFuture<'_, Result<Option<Vec<u8>>, api::Unavailable>> {
        let (photos, hash) = (Arc::clone(&self.photos), hash.to_owned());
        Box::pin(async move { told(tokio::task::spawn_blocking(move || photos.read(&hash)).await) })
    }

    fn remains(&self, seq: u64, at: Timestamp) -> Vec<api::Remains> {
        self.traces.look(seq, at).unwrap_or_else(|error| {
            tracing::warn!(%error, "what an erasure waits for cannot be looked at");
            vec![api::Remains {
                place: "unknown".to_owned(),
                detail: format!("the disk could not be looked through: {error}"),
                detail_zh: format!("无法检查磁盘：{error}"),
                until: None,
            }]
        })
    }

    fn durable_seq(&self) -> u64 {
        self.durable.get()
    }

    fn facts_through(&self, seq: u64) -> api::BoxFuture<'_, ()> {
        Box::pin(async move {
            self.facts.reached(seq).await;
        })
    }

    fn erased_through(&self, seq: u64) -> api::BoxFuture<'_, ()> {
        Box::pin(async move {
            self.erased.reached(seq).await;
        })
    }

    fn newest_event(&self) -> watch::Receiver<u64> {
        self.newest_event.clone()
    }

    fn health(&self) -> api::Health {
        self.vitals.health()
    }

    fn metrics(&self) -> String {
        self.vitals.metrics()
    }

    fn tile(&self, zoom: u8, x: u32, y: u32) -> api::BoxFuture<'_, Option<api::Tile>> {
        Box::pin(async move {
            let tile = self.tiles.as_ref()?.0.get(zoom, x, y).await?;
            Some(api::Tile { kind: tile.kind, bytes: bytes::Bytes::from_owner(tile.bytes) })
        })
    }

    fn console(&self) -> api::ConsoleSettings {
        api::ConsoleSettings {
            zone: self.zone.name().to_owned(),
            phones: self.phones_page.clone(),
            demo: self.demo.clone(),
            tiles: self.tiles.as_ref().map(|(_, whose)| whose.clone()),
        }
    }
}

/// What came of a photo; the disk's word goes to the log.
fn told<T>(done: Result<Result<T, store::StoreError>, tokio::task::JoinError>) -> Result<T, api::Unavailable> {
    match done {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            tracing::error!(%error, "a photo");
            Err(api::Unavailable)
        }
        Err(_) => Err(api::Unavailable),
    }
}

fn row(row: registry::RowError) -> api::RowError {
    api::RowError { pointer: row.pointer, detail: row.detail, detail_zh: row.detail_zh }
}

/// The fault of a change that would bring somebody back who was erased. Deciding on it finds the same, and later.
fn erased_in(state: &State, change: &RegistryChange) -> Option<api::RowError> {
    // A view that cannot be read says so where it is checked against.
    let erasures = state.erasures().unwrap_or_default();
    let gone: HashSet<_> = erasures.iter().map(|(_, erasure)| (erasure.kind, erasure.subject.as_str())).collect();
    let pointer = erased_id(change, |kind, id| gone.contains(&(kind, id)))?;
    Some(api::RowError { pointer: pointer.into(), detail: ERASED_ID.to_owned(), detail_zh: ERASED_ID_ZH.to_owned() })
}

/// The channels whose providers post to us.
pub(crate) const POSTING: [Channel; 3] = [Channel::Sms, Channel::Voice, Channel::Push];

impl House {
    /// Takes in what a provider posted. It is answered only once what is believed of it is durable; if that fails, the
    /// provider says it again, and it is believed again.
    async fn listen(&self, post: api::ProviderPost) -> Result<api::ProviderAnswer, api::ProviderRefusal> {
        let channel = POSTING.into_iter().find(|channel| name_of(*channel) == post.channel);
        let channel = channel.filter(|_| self.secrets.verify_provider(&post.channel, &post.token));
        let channel = channel.ok_or(api::ProviderRefusal::NotFound)?;
        let url = format!("{}{}", self.base, post.path_and_query);
        let told = Post { url: &url, signature: post.signature.as_deref(), body: &post.body };
        let heard = self.channels.listen(channel, &told, post.from, self.clock.now()).map_err(|refusal| {
            let detail = refusal.to_string();
            match refusal {
                callback::Refusal::Malformed => api::ProviderRefusal::Malformed(detail),
                _ => api::ProviderRefusal::NotBelieved(detail),
            }
        })?;
        // All of it is handed in before anything is waited for: whoever hangs up in between has still told everything.
        let ask = |(attempt, evidence): &(AttemptId, callback::Evidence)| {
            let (outcome, key, text) = (evidence.outcome, evidence.key.clone(), evidence.text.clone());
            self.ask(Input::Callback { attempt: *attempt, outcome, key, text })
        };
        let asked: Vec<_> = heard.believed.iter().map(ask).collect();
        for (asked, (attempt, evidence)) in asked.into_iter().zip(&heard.believed) {
            asked.await.map_err(|_| api::ProviderRefusal::Unavailable)?;
            self.channels.written(*attempt, evidence);
        }
        Ok(api::ProviderAnswer { content_type: heard.content_type, body: heard.answer })
    }

    /// Has an input decided, and waits until that is durable.
    fn ask(&self, input: Input) -> api::BoxFuture<'_, Result<api::Committed, api::Unavailable>> {
        let (sender, receiver) = oneshot::channel::<(u64, Reply)>();
        let work = Work::Input { input, received: self.clock.now(), reply: Some(sender) };
        let offered = self.inbox.urgent(work).is_ok();
        Box::pin(async move {
            if !offered {
                return Err(api::Unavailable);
            }
            let (seq, reply) = receiver.await.map_err(|_| api::Unavailable)?;
            Ok(api::Committed { seq, reply })
        })
    }
}
