//! Paths and query strings.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use model::Timestamp;
use serde::de::DeserializeOwned;

use crate::problem::{Code, Fault};

/// The variable segments of a path.
pub(crate) struct Segments<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Segments<T>, Fault> {
        let found: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        found
            .map(|Path(segments)| Segments(segments))
            .map_err(|_| Fault::new(Code::NoSuchPath, "the path is not valid percent-encoded UTF-8", "路径编码无效"))
    }
}

/// A query string; the types deny unknown names.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Params<T>, Fault> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Params(params)),
            Err(rejection) => {
                let text = rejection.body_text();
                let detail = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
                Err(Fault::new(Code::BadParameter, detail, format!("查询参数有误：{detail}")))
            }
        }
    }
}

/// A counted id in a path. What is not one names nothing that is there.
pub(crate) fn counted<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| Fault::not_found(&format!("{what} {:?}", shortened(text))))
}

/// A text for an error's sentence, at most 64 characters of it.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A time in a query, if it is given.
pub(crate) fn time_of(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Fault> {
    let Some(text) = text else { return Ok(None) };
    Timestamp::parse(text).map(Some).ok_or_else(|| {
        bad_parameter(
            format!("`{name}` must be RFC 3339, e.g. 2026-11-22T08:00:00Z (a + in it is written %2B)"),
            format!("`{name}` 须为 RFC 3339 时间，例如 2026-11-22T08:00:00Z（其中的 + 须写作 %2B）"),
        )
    })
}

/// A fault of one query parameter.
pub(crate) fn bad_parameter(detail: impl Into<String>, detail_zh: impl Into<String>) -> Fault {
    Fault::new(Code::BadParameter, detail, detail_zh)
}
