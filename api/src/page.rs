//! Lists: keyset pagination, a link to the next page, and the cursor of the feed as of which they hold.

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::cursor::Cursor;
use crate::params::bad_parameter;
use crate::problem::Fault;

/// How many entries a page has, unless asked.
const LIMIT_DEFAULT: usize = 100;
/// How many it may have.
pub(crate) const LIMIT_MAX: usize = 500;

/// Where a page begins and how long it is.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// The key that the last page ended with.
    pub(crate) after: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<usize>,
}

/// `limit` within its range.
pub(crate) fn checked_limit(limit: Option<usize>) -> Result<usize, Fault> {
    match limit.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(bad_parameter(format!("limit must be 1 to {LIMIT_MAX}"), format!("limit 须为 1 至 {LIMIT_MAX}"))),
    }
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    data: Vec<T>,
    /// The feed from here on tells every change that this list may not show yet.
    as_of_cursor: String,
    /// Where the next page is; `null`: this was the last. A page may be short, or empty, and not be the last: so many
    /// entries were looked at that are not for the caller.
    next: Option<String>,
}

/// The answer: `path` with `query` (its other parameters, already encoded) leads to the next page.
pub(crate) fn respond<T: Serialize>(
    path: &str,
    query: &[(&str, String)],
    limit: usize,
    data: Vec<T>,
    next: Option<String>,
    as_of: Cursor,
) -> Response {
    let next = next.map(|key| {
        let mut url = format!("{path}?after={}&limit={limit}", encoded(&key));
        for (name, value) in query {
            url.push_str(&format!("&{name}={}", encoded(value)));
        }
        url
    });
    let link = next.as_ref().and_then(|url| HeaderValue::from_str(&format!("<{url}>; rel=\"next\"")).ok());
    let mut response = Json(Listing { data, as_of_cursor: as_of.to_string(), next }).into_response();
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    response
}

/// Percent-encoded for a query's value.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded() {
        assert_eq!(encoded("/a b/银/"), "%2Fa%20b%2F%E9%93%B6%2F");
    }
}
