//! What every handler holds, and the few verbs on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Json;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use compact_str::CompactString;
use model::{Actor, Reply, StaffCommand};
use serde::Serialize;
use store::{State, StoreError};
use tokio::sync::Semaphore;

use crate::ApiConfig;
use crate::cursor::Cursor;
use crate::host::{Committed, Host};
use crate::login::Logins;
use crate::problem::{Code, Fault};
use crate::recent::Recent;

/// How many previews are gone through at the same time: each keeps a thread busy.
pub(crate) const PREVIEWS_MAX: usize = 2;
/// How long an answer waits for the state to have projected what was committed. The commit stands either way.
const PROJECTION_WAIT_SECONDS: u64 = 5;

/// How many passwords are hashed at once.
const PASSWORDS_AT_ONCE: usize = 2;

/// What every handler holds.
pub(crate) struct Shared {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) config: ApiConfig,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) logins: Logins,
    /// Passwords are looked at one or two at a time: each takes 19 MiB and a processor.
    hashing: Semaphore,
    /// Places for what keeps a thread busy for seconds.
    pub(crate) previews: Arc<Semaphore>,
    pub(crate) recent: Recent,
    state: Arc<State>,
    trace_prefix: u64,
    traces: AtomicU64,
}

impl Shared {
    pub(crate) fn new(host: Arc<dyn Host>, state: Arc<State>, config: ApiConfig) -> Arc<Shared> {
        let mut prefix = [0; 8];
        host.random(&mut prefix);
        Arc::new(Shared {
            recent: Recent::default(),
            streams: Arc::new(Semaphore::new(config.streams_max)),
            logins: Logins::default(),
            hashing: Semaphore::new(PASSWORDS_AT_ONCE),
            previews: Arc::new(Semaphore::new(PREVIEWS_MAX)),
            trace_prefix: u64::from_be_bytes(prefix),
            traces: AtomicU64::new(1),
            host,
            state,
            config,
        })
    }

    /// A trace id of our own, in the form of W3C trace context.
    pub(crate) fn new_trace(&self) -> String {
        format!("{:016x}{:016x}", self.trace_prefix, self.traces.fetch_add(1, Ordering::Relaxed))
    }

    /// Has a password looked at, or hashed, where that may take its time. The main loop knows nothing of it.
    pub(crate) async fn with_password<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Host) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let broken = |_| Fault::new(Code::StateUnavailable, "the password could not be looked at", "密码暂时无法校验");
        let _place = self.hashing.acquire().await.map_err(|error| broken(error.to_string()))?;
        let host = Arc::clone(&self.host);
        tokio::task::spawn_blocking(move || work(&*host)).await.map_err(|error| broken(error.to_string()))
    }

    /// Runs a query where it may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&State) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Fault> {
        let state = Arc::clone(&self.state);
        match tokio::task::spawn_blocking(move || query(&state)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => {
                tracing::error!(%error, "the state cannot be read");
                Err(Fault::new(
                    Code::StateUnavailable,
                    "the state cannot be read at the moment",
                    "状态数据暂时无法读取",
                ))
            }
            Err(error) => {
                tracing::error!(%error, "a query ended early");
                Err(Fault::new(Code::StateUnavailable, "the query was broken off", "查询被中断"))
            }
        }
    }

    /// Runs a query for one thing; when it is not there, once more after the state has caught up with what is
    /// durable now: who was told of an incident over MQTT may be here before the state is.
    pub(crate) async fn find<T: Send + 'static>(
        &self,
        query: impl Fn(&State) -> Result<Option<T>, StoreError> + Send + Sync + 'static,
    ) -> Result<Option<T>, Fault> {
        let query = Arc::new(query);
        let first = Arc::clone(&query);
        if let Some(found) = self.read(move |state| first(state)).await? {
            return Ok(Some(found));
        }
        self.projected(self.host.durable_seq()).await;
        self.read(move |state| query(state)).await
    }

    /// Has a command decided and waits until a read would see it.
    pub(crate) async fn decide(
        &self,
        actor: &Actor,
        idempotency_key: Option<CompactString>,
        command: StaffCommand,
    ) -> Result<Reply, Fault> {
        let committed = self.host.command(actor.clone(), idempotency_key, command).await?;
        self.seen(committed).await
    }

    /// Waits until a read sees what was committed; hands the reply on, a refusal as its problem document.
    pub(crate) async fn seen(&self, committed: Committed) -> Result<Reply, Fault> {
        self.projected(committed.seq).await;
        match committed.reply {
            Reply::Refused(problem) => Err(Fault::from(problem)),
            done => Ok(done),
        }
    }

    /// The cursor of the newest event that the state has.
    pub(crate) async fn newest_cursor(&self) -> Result<Cursor, Fault> {
        let seq = self.read(State::newest_event).await?.unwrap_or(0);
        Ok(Cursor { epoch: self.host.epoch(), seq })
    }

    async fn projected(&self, seq: u64) {
        let wait = Duration::from_secs(PROJECTION_WAIT_SECONDS);
        if tokio::time::timeout(wait, self.host.facts_through(seq)).await.is_err() {
            tracing::warn!(seq, "the state is behind what was committed: an answer did not wait for it");
        }
    }
}

/// An entity with its version as `ETag`, which `If-Match` takes.
pub(crate) fn tagged<T: Serialize>(entity: &T, version: u32) -> Response {
    ([(ETAG, format!("\"{version}\""))], Json(entity)).into_response()
}
