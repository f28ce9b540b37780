//! The gateway's door: takes the engine's signed messages as DESIGN's "Gateway channel" describes them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;

use super::signature::{self, Headers};
use super::words::Message;
use super::{Fault, GatewayRequest, Shared};

/// The largest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/gateway", post(receive)).layer(DefaultBodyLimit::max(MESSAGE_BYTES_MAX))
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let arrived = Instant::now();
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = Headers {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
    };
    let at = shared.clock.now();
    let mut request =
        GatewayRequest { arrived, at, id: signed.id.to_owned(), status: 202, repeat: false, message: None };
    if let Err(bad) = signature::verify(&shared.secret, signed, &body, at) {
        return shared.answer(request, StatusCode::UNAUTHORIZED, &bad.to_string());
    }
    let message: Message = match serde_json::from_slice(&body) {
        Ok(message) => message,
        Err(error) => return shared.answer(request, StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let channel = message.channel;
    request.repeat = shared.book.lock().knows(&message.attempt);
    request.message = Some(message.clone());
    let fault = shared.faults.lock().get(&channel).copied();
    if let Some(Fault::Status(status)) = fault {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return shared.answer(request, status, "out of order, as asked for");
    }
    let delivered = shared.deliver(message);
    match fault {
        Some(Fault::SlowMs(millis)) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
        Some(Fault::AnswerLost) => return shared.answer(request, StatusCode::GATEWAY_TIMEOUT, "the answer was lost"),
        _ => {}
    }
    match delivered {
        Ok(()) => shared.answer(request, StatusCode::ACCEPTED, "taken"),
        Err(refused) => shared.answer(request, StatusCode::UNPROCESSABLE_ENTITY, &refused.to_string()),
    }
}

impl Shared {
    fn answer(&self, mut request: GatewayRequest, status: StatusCode, detail: &str) -> Response {
        request.status = status.as_u16();
        self.record(request);
        (status, axum::Json(json!({ "detail": detail }))).into_response()
    }
}
