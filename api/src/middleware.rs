//! What happens around every request: a trace id, a time-out, numbers, and headers that keep personal data out of
//! caches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::headers;
use crate::leftover::keep_hold;
use crate::problem::{Code, Fault, TRACE};
use crate::routes::{IMPORT_PATH, PHOTOS_PATH};
use crate::shared::Shared;

const TRACE_ID: HeaderName = HeaderName::from_static("trace-id");

/// Wraps every request.
pub(crate) async fn observe(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let trace = given_trace(&request).unwrap_or_else(|| shared.new_trace());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let is_large = route == IMPORT_PATH || route == PHOTOS_PATH;
    let seconds = if is_large { shared.config.import_seconds_max } else { shared.config.request_seconds_max };
    let began = Instant::now();
    let (request, leftover) = keep_hold(request);
    let limit = tokio::time::Instant::now() + Duration::from_secs(seconds);
    let served = async {
        let response = match headers::check_host(&request) {
            Err(fault) => fault.into_response(),
            Ok(()) => tokio::time::timeout_at(limit, next.run(request))
                .await
                .unwrap_or_else(|_| too_slow(seconds).into_response()),
        };
        // Out of time is out of time for this too: then the sender sees the connection end.
        let _ = tokio::time::timeout_at(limit, leftover.throw_away()).await;
        response
    };
    let mut response = TRACE.scope(trace.clone(), served).await;
    let status = response.status().as_u16();
    let elapsed = began.elapsed();
    metrics::counter!("http_requests_total", "route" => route.clone(), "status" => status.to_string()).increment(1);
    metrics::histogram!("http_request_seconds", "route" => route.clone()).record(elapsed.as_secs_f64());
    // The route and not the path: paths carry callback tokens.
    tracing::debug!(%method, route, status, trace, millis = elapsed.as_millis() as u64, "request");

    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&trace) {
        headers.insert(TRACE_ID, value);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn too_slow(seconds: u64) -> Fault {
    Fault::new(
        Code::Timeout,
        format!(
            "it took longer than {seconds} s; if it was to change something, whether it did is not known: repeat it \
             with the same Idempotency-Key"
        ),
        format!("处理超过 {seconds} 秒；若为写操作，是否生效未知：请使用相同的 Idempotency-Key 重试"),
    )
}

/// The trace id of a W3C `traceparent`, if the caller brings one.
fn given_trace(request: &Request) -> Option<String> {
    let text = request.headers().get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_trace = version.len() == 2 && is_hex(version) && trace.len() == 32 && is_hex(trace);
    (is_trace && trace.bytes().any(|byte| byte != b'0')).then(|| trace.to_owned())
}
