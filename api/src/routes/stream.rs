//! `GET /api/v1/events/stream`: the feed live, as server-sent events.
//!
//! The state is the only source: what is new is read from it by cursor, and a number only wakes the stream. So there is
//! no seam between replay and live at which something could be missed or told twice. Nothing is queued for a slow reader:
//! it reads on from where it is, and is told when the feed has moved past it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use futures_util::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Sleep};

use super::events::{EventParams, Filter, start, still_there};
use crate::auth::{Caller, Credential};
use crate::cursor::Cursor;
use crate::look;
use crate::params::{Params, bad_parameter};
use crate::problem::{Code, Fault};
use crate::recent::{Recent, printed};
use crate::shared::Shared;

/// How many events are read at a time.
const EVENTS_PER_READ: usize = 200;
/// After how many milliseconds a client connects again.
const RECONNECT_MILLIS: u32 = 2_000;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The feed live, as server-sent events.
#[utoipa::path(
    get,
    path = "/api/v1/events/stream",
    tag = "feed",
    params(EventParams, ("Last-Event-ID" = Option<String>, Header, description = "The cursor of the last event seen; goes before `after`.")),
    responses(
        (status = 200, description = "`id` is a cursor, `data` an event; `heartbeat` tells the time, `gap` that the feed moved past this stream.", body = String, content_type = "text/event-stream"),
    ),
)]
pub(crate) async fn follow(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    headers: HeaderMap,
    Params(params): Params<EventParams>,
) -> Result<Response, Fault> {
    if params.limit.is_some() {
        return Err(bad_parameter("a stream has no limit", "实时流不支持 limit"));
    }
    let filter = Filter::new(caller.actor.clone(), params.types.as_deref())?;
    // A reconnecting client sends both: where it is now stands in the header, where it began in the query.
    let last_seen = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    let cursor = match last_seen {
        Some(id) => start(&shared, Some(id), None).await?,
        None => start(&shared, params.after.as_deref(), params.since.as_deref()).await?,
    };
    let place = Arc::clone(&shared.streams).try_acquire_owned().map_err(|_| {
        Fault::new(
            Code::TooManyStreams,
            format!("{} live streams are open already; poll /api/v1/events meanwhile", shared.config.streams_max),
            format!("实时连接已达 {} 个上限；请暂用 /api/v1/events 轮询", shared.config.streams_max),
        )
    })?;
    look::record(&shared, &caller.actor, "events/stream", look::INCIDENT_FIELDS, None).await?;

    let told = Recent::join(&shared, filter.audience.clone());
    let heartbeat_due = Box::pin(tokio::time::sleep(Duration::ZERO));
    let follower =
        Follower { shared, credential: caller.credential, filter, cursor, told, heartbeat_due, greeted: false, place };
    let body = Body::from_stream(stream::unfold(Some(follower), |follower| async {
        let mut follower = follower?;
        let (text, goes_on) = follower.next().await;
        Some((Ok::<_, std::convert::Infallible>(text), goes_on.then_some(follower)))
    }));
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// One client's place in the feed.
struct Follower {
    shared: Arc<Shared>,
    credential: Credential,
    filter: Filter,
    cursor: Cursor,
    /// The newest event that may be for this client; what is newer is not.
    told: watch::Receiver<u64>,
    /// One timer for the whole of its life: it is not to be set anew for every event.
    heartbeat_due: Pin<Box<Sleep>>,
    greeted: bool,
    /// Gives the stream's place back when it ends.
    #[allow(dead_code)] // held, not read
    place: OwnedSemaphorePermit,
}

/// What a stream does next.
#[derive(Clone, Copy)]
enum Turn {
    Heartbeat,
    Read,
    HouseCloses,
}

impl Follower {
    /// The next piece of text, and whether more will follow.
    async fn next(&mut self) -> (Bytes, bool) {
        if !self.greeted {
            self.greeted = true;
            return (format!("retry: {RECONNECT_MILLIS}\n\n{}", self.heartbeat()).into(), true);
        }
        loop {
            let turn = self.turn().await;
            let read = match turn {
                Turn::HouseCloses => Err(farewell("closing", "the server is stopping: connect again")),
                Turn::Heartbeat | Turn::Read => self.read().await,
            };
            match (read, turn) {
                (Err(last), _) => return (last.into(), false),
                (Ok(text), Turn::Heartbeat) if text.is_empty() => return (self.heartbeat().into(), true),
                (Ok(text), Turn::Heartbeat) => return ([&text[..], self.heartbeat().as_bytes()].concat().into(), true),
                (Ok(text), _) if text.is_empty() => {}
                (Ok(text), _) => return (text, true),
            }
        }
    }

    /// Sleeps until there is something to read or to say.
    async fn turn(&mut self) -> Turn {
        let seq = self.cursor.seq;
        tokio::select! {
            biased;
            () = self.heartbeat_due.as_mut() => Turn::Heartbeat,
            told = self.told.wait_for(|told| *told > seq) => match told {
                Ok(_) => Turn::Read,
                Err(_) => Turn::HouseCloses,
            },
        }
    }

    /// What is after the cursor, which moves past what is not for this client; empty when nothing of it is. The error is
    /// the stream's last words.
    async fn read(&mut self) -> Result<Bytes, String> {
        match self.credential.actor(&*self.shared.host) {
            Some(actor) if actor == self.filter.actor => {}
            Some(_) => return Err(farewell("changed", "what you may see has changed: connect again")),
            None => return Err(farewell("unauthenticated", "the token was revoked, or the session ended")),
        }
        if self.filter.asks_the_state() {
            return self.read_back().await;
        }
        let (recent, audience, Cursor { epoch, seq }) = (&self.shared.recent, &self.filter.audience, self.cursor);
        let held = match self.filter.is_shown_whole() {
            true => recent.text_after(audience, seq, epoch),
            false => recent.after(audience, seq).map(|after| {
                let texts = after.events.iter().map(|told| printed(&self.filter.shown(told.event.clone()), epoch));
                (texts.collect::<String>().into(), after.through)
            }),
        };
        let Some((text, through)) = held else { return self.read_back().await };
        self.cursor.seq = through;
        Ok(text)
    }

    /// The same from the state, for a stream that is behind.
    async fn read_back(&mut self) -> Result<Bytes, String> {
        still_there(&self.shared, self.cursor).await.map_err(last_words)?;
        let (seq, told, filter) = (self.cursor.seq, *self.told.borrow(), self.filter.clone());
        let page = self
            .shared
            .read(move |state| {
                state.events(seq, EVENTS_PER_READ, &|head| filter.may_pass(head), &|event| filter.passes(state, event))
            })
            .await
            .map_err(last_words)?;
        // What was told and is not there any more is not waited for.
        self.cursor.seq = if page.has_more { page.through } else { page.through.max(told) };
        let texts = page.events.into_iter().map(|event| printed(&self.filter.shown(event), self.cursor.epoch));
        Ok(texts.collect::<String>().into())
    }

    /// Says that all is well, what time it is, and how far this client is, past what is not for it too.
    fn heartbeat(&mut self) -> String {
        let next = Instant::now() + Duration::from_millis(self.shared.config.heartbeat_millis);
        self.heartbeat_due.as_mut().reset(next);
        let data = json!({ "time": self.shared.host.now(), "cursor": self.cursor.to_string() });
        format!("id: {}\nevent: heartbeat\ndata: {data}\n\n", self.cursor)
    }
}

/// Why a stream cannot be read on: a gap is said, never silent.
fn last_words(fault: Fault) -> String {
    match fault.code() {
        Code::CursorExpired => farewell("gap", "the feed has moved past this stream: read the snapshots, then go on"),
        _ => farewell("state-unavailable", "the state cannot be read at the moment: connect again"),
    }
}

/// The last words of a stream: why it ends.
fn farewell(event: &str, detail: &str) -> String {
    format!("event: {event}\ndata: {}\n\n", json!({ "detail": detail }))
}
