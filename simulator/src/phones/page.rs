//! The page on which the phones can be seen and answered.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use tokio::sync::{broadcast, watch};

use super::{Button, Shared};

const HTML: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const ICON: &str = include_str!("page.svg");
/// Nothing but what this server sends itself; no frames, no forms elsewhere, no inline code.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// How often a quiet page is told that we are still there, in seconds.
const HEARTBEAT_SECONDS: u64 = 5;
/// The longest reply, in characters: five joined text messages.
const REPLY_CHARS_MAX: usize = 335;

pub(super) fn routes(stopped: watch::Receiver<bool>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(|| file("text/html; charset=utf-8", HTML)))
        .route("/page.css", get(|| file("text/css; charset=utf-8", STYLE)))
        .route("/page.js", get(|| file("text/javascript; charset=utf-8", SCRIPT)))
        .route("/page.svg", get(|| file("image/svg+xml", ICON)))
        .route("/phones", get(phones))
        .route("/stream", get(move |state| stream(state, stopped.clone())))
        .route("/phones/{number}/press", post(press))
        .layer(middleware::from_fn(same_origin))
}

async fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text).into_response()
}

async fn phones(State(shared): State<Arc<Shared>>) -> Response {
    json_body(shared.all_phones())
}

#[derive(Deserialize)]
#[serde(tag = "button", rename_all = "snake_case", deny_unknown_fields)]
enum Pressed {
    Answer,
    Key { key: char },
    HangUp,
    Decline,
    Reply { text: String },
}

async fn press(
    State(shared): State<Arc<Shared>>,
    Path(number): Path<String>,
    Json(pressed): Json<Pressed>,
) -> StatusCode {
    if shared.book.lock().phone(&number).is_none() {
        return StatusCode::NOT_FOUND;
    }
    let button = match pressed {
        Pressed::Answer => Button::Answer,
        Pressed::Key { key } if key.is_ascii_digit() || key == '*' || key == '#' => Button::Key(key),
        Pressed::Key { .. } => return StatusCode::UNPROCESSABLE_ENTITY,
        Pressed::HangUp => Button::HangUp,
        Pressed::Decline => Button::Decline,
        Pressed::Reply { text } if !text.trim().is_empty() => {
            Button::Reply(text.chars().take(REPLY_CHARS_MAX).collect())
        }
        Pressed::Reply { .. } => return StatusCode::UNPROCESSABLE_ENTITY,
    };
    shared.press(&number, &button);
    StatusCode::NO_CONTENT
}

/// One page's view of the phones.
struct Feed {
    shared: Arc<Shared>,
    changes: broadcast::Receiver<String>,
    stopped: watch::Receiver<bool>,
    turn: Turn,
}

enum Turn {
    Everything,
    Changes,
    Over,
}

/// Everything once, then each phone that changed; everything again to a page that fell behind.
async fn stream(
    State(shared): State<Arc<Shared>>,
    stopped: watch::Receiver<bool>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    // Subscribed before the first look, or a change in between would be lost.
    let changes = shared.changes.subscribe();
    let feed = Feed { shared, changes, stopped, turn: Turn::Everything };
    let beat = Event::default().event("beat").data("{}");
    let beat = KeepAlive::new().interval(Duration::from_secs(HEARTBEAT_SECONDS)).event(beat);
    Sse::new(stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    }))
    .keep_alive(beat)
}

impl Feed {
    async fn next(&mut self) -> Option<Event> {
        match self.turn {
            Turn::Over => None,
            Turn::Everything => {
                self.turn = Turn::Changes;
                Some(Event::default().event("phones").data(self.shared.all_phones()))
            }
            Turn::Changes => tokio::select! {
                _ = self.stopped.wait_for(|stop| *stop) => {
                    self.turn = Turn::Over;
                    Some(Event::default().event("over").data("{}"))
                }
                changed = self.changes.recv() => match changed {
                    Ok(number) => Some(Event::default().event("phone").data(self.shared.one_phone(&number))),
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        Some(Event::default().event("phones").data(self.shared.all_phones()))
                    }
                    Err(broadcast::error::RecvError::Closed) => None,
                },
            },
        }
    }
}

impl Shared {
    fn all_phones(&self) -> String {
        let book = self.book.lock();
        serde_json::to_string(&book.phones().collect::<Vec<_>>()).unwrap_or_default()
    }

    fn one_phone(&self, number: &str) -> String {
        serde_json::to_string(&self.book.lock().phone(number)).unwrap_or_default()
    }
}

fn json_body(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// A press must come from this page: a browser that shows another site's page says so in these headers.
async fn same_origin(request: Request, next: Next) -> Response {
    if request.method() == Method::POST && is_foreign(request.headers()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(HeaderValue::to_str).and_then(Result::ok);
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let origin_differs = match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.strip_prefix("http://") != Some(host),
        (Some(_), None) => true,
        (None, _) => false,
    };
    origin_differs || site.is_some_and(|site| site != "same-origin" && site != "none")
}
