//! `POST /api/v1/providers/{channel}/{token}`: receipts, replies and keys in the providers' own words. The address is
//! what the operator enters at the provider; what is posted there still has to speak of a message that we sent.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::address;
use crate::body;
use crate::host::{ProviderPost, ProviderRefusal};
use crate::params::Segments;
use crate::problem::{Code, Fault};
use crate::shared::Shared;

/// Twilio's signature.
const SIGNATURE: &str = "x-twilio-signature";

/// Receipts, replies and keys in the words of a provider.
#[utoipa::path(
    post,
    path = "/api/v1/providers/{channel}/{token}",
    tag = "callbacks",
    security(()),
    params(("channel" = String, Path, description = "`sms`, `voice`, …"), ("token" = String, Path, description = "The secret of the address.")),
    request_body(content = crate::openapi::Binary, description = "Whatever the provider posts.", content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "Taken in, in the words that the provider waits for.", content((String = "application/json"), (String = "text/plain"), (String = "application/xml"))),
    ),
)]
pub(crate) async fn take(
    State(shared): State<Arc<Shared>>,
    Segments((channel, token)): Segments<(String, String)>,
    request: Request,
) -> Result<Response, Fault> {
    let header = |headers: &HeaderMap, name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let from = address::sender(request.extensions(), request.headers());
    let signature = header(request.headers(), SIGNATURE);
    let path_and_query = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    let body = body::read(request, shared.config.body_bytes_max).await?.to_vec();
    let post = ProviderPost { channel, token, path_and_query, signature, from, body };
    match shared.host.provider_post(post).await {
        Ok(answer) => Ok(([(CONTENT_TYPE, answer.content_type)], answer.body).into_response()),
        Err(ProviderRefusal::NotFound) => {
            metrics::counter!("api_callbacks_refused_total", "reason" => "token").increment(1);
            Err(Fault::new(Code::NotFound, "this callback address is not known", "回调地址无效"))
        }
        Err(ProviderRefusal::NotBelieved(detail)) => {
            Err(Fault::new(Code::NotAllowed, &detail, format!("回调不可信：{detail}")))
        }
        Err(ProviderRefusal::Malformed(detail)) => {
            Err(Fault::new(Code::Invalid, &detail, format!("回调内容无效：{detail}")))
        }
        Err(ProviderRefusal::Unavailable) => Err(crate::host::Unavailable.into()),
    }
}
