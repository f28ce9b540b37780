//! `/console/…`: the pages for staff, doctors, volunteers and families, embedded at build. All of it is public and
//! holds nothing of anybody: what it shows it asks the API for.

use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use crate::params::Segments;
use crate::problem::{Code, Fault};

/// One embedded file.
struct File {
    /// Below `/console/`.
    path: &'static str,
    kind: &'static str,
    etag: &'static str,
    plain: &'static [u8],
    gzipped: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// Nothing but what this server sends itself. Photos that were fetched with a token are shown as `blob:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where a browser that asks for `/` is sent.
pub(crate) const HOME: &str = "/console/";

/// Whether a person with a browser asks.
pub(crate) fn is_browser(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

pub(crate) async fn home() -> Redirect {
    Redirect::permanent(HOME)
}

pub(crate) async fn index(headers: HeaderMap) -> Response {
    answer("index.html", &headers)
}

pub(crate) async fn file(Segments(path): Segments<String>, headers: HeaderMap) -> Response {
    answer(&path, &headers)
}

fn answer(path: &str, headers: &HeaderMap) -> Response {
    let Ok(place) = FILES.binary_search_by(|file| file.path.cmp(path)) else {
        return Fault::new(Code::NoSuchPath, "the console has no such file", "控制台没有此文件").into_response();
    };
    let file = &FILES[place];
    let asked = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let seen = asked(IF_NONE_MATCH).split(',').any(|tag| tag.trim().trim_start_matches("W/") == file.etag);
    let packed = asked(ACCEPT_ENCODING).split(',').any(|coding| coding.trim().starts_with("gzip"));
    let mut response = match (seen, packed) {
        (true, _) => StatusCode::NOT_MODIFIED.into_response(),
        (false, true) => ([(CONTENT_ENCODING, "gzip")], file.gzipped).into_response(),
        (false, false) => file.plain.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, file.kind),
        (ETAG, file.etag),
        (CACHE_CONTROL, "no-cache"),
        (VARY, "accept-encoding"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_found_and_a_browser_that_has_it_is_not_sent_it_again() {
        for file in FILES {
            let response = answer(file.path, &HeaderMap::new());
            assert_eq!(response.status(), StatusCode::OK, "{}", file.path);
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, response.headers()[ETAG].clone());
            assert_eq!(answer(file.path, &headers).status(), StatusCode::NOT_MODIFIED, "{}", file.path);
        }
        assert_eq!(answer("../Cargo.toml", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
        assert!(
            FILES.iter().any(|file| file.path == "index.html")
                && FILES.iter().any(|file| file.path == "vendor/leaflet.js")
        );
    }

    #[test]
    fn nothing_comes_from_elsewhere_and_nothing_stands_inline() {
        assert!(POLICY.starts_with("default-src 'none'") && !POLICY.contains("unsafe") && !POLICY.contains("http"));
    }
}
