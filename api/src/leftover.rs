//! What is left of a request's body when its answer is ready. A server that answers early and closes makes the
//! sender see a broken pipe instead of the reason; so the rest is read, within limits, and thrown away.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::EXPECT;
use hyper::body::{Frame, SizeHint};

/// How much is thrown away at most; a sender of more sees a broken connection.
const THROWN_AWAY_BYTES_MAX: usize = 128 * 1024 * 1024;

/// A second hand on a request's body.
pub(crate) struct Leftover(Arc<Mutex<Held>>);

struct Held {
    body: Body,
    /// The sender waits to be asked for the body, and nobody has asked.
    waits: bool,
}

struct Lent(Arc<Mutex<Held>>);

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    // A poll that panicked leaves a body that is broken at worst, and says so when polled again.
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut held = lock(&self.0);
        held.waits = false;
        Pin::new(&mut held.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).body.size_hint()
    }
}

/// Takes a hand on the body of a request and gives the request back.
pub(crate) fn keep_hold(request: Request) -> (Request, Leftover) {
    let (parts, body) = request.into_parts();
    let waits = parts.headers.contains_key(EXPECT);
    let held = Arc::new(Mutex::new(Held { body, waits }));
    (Request::from_parts(parts, Body::new(Lent(Arc::clone(&held)))), Leftover(held))
}

impl Leftover {
    /// Reads what is left, unless its sender still waits to be asked for it.
    pub(crate) async fn throw_away(self) {
        let mut bytes = 0usize;
        while bytes <= THROWN_AWAY_BYTES_MAX {
            let frame = poll_fn(|context| {
                let mut held = lock(&self.0);
                if held.waits || held.body.is_end_stream() {
                    return Poll::Ready(None);
                }
                Pin::new(&mut held.body).poll_frame(context)
            });
            match frame.await {
                Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) | None => return,
            }
        }
    }
}
