//! Who is speaking: one [`Caller`] for a bearer token and for the cookie of somebody who signed in. (A guardian's link
//! speaks for one incident only and is read in `routes/guardian.rs`.)

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};
use model::{Actor, Role};

use crate::host::Host;
use crate::problem::{Code, Fault};
use crate::shared::Shared;
use crate::token;

/// The longest credential that is looked at.
const BEARER_BYTES_MAX: usize = 512;
/// The cookie of somebody who signed in. Its prefix makes browsers refuse it without `Secure`, with a domain, or for
/// a part of the site only, so that no neighbouring host can plant one.
pub(crate) const COOKIE_NAME: &str = "__Host-yinling";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The caller, authenticated.
pub(crate) struct Caller {
    pub(crate) actor: Actor,
    /// As it was presented: a live stream asks again whether it still holds.
    pub(crate) credential: Credential,
}

/// What somebody is recognised by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// An API token.
    Bearer(String),
    /// The SHA-256 of a cookie.
    Session([u8; 32]),
}

impl Credential {
    /// Who that is, if it holds now.
    pub(crate) fn actor(&self, host: &dyn Host) -> Option<Actor> {
        match self {
            Credential::Bearer(bearer) => host.authenticate(bearer),
            Credential::Session(secret_sha256) => host.session(secret_sha256).map(|(account, _)| account.actor()),
        }
    }
}

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Caller, Fault> {
        let credential = match bearer(&parts.headers)? {
            Some(bearer) => Credential::Bearer(bearer),
            None => {
                let cookie = cookie(&parts.headers, COOKIE_NAME)?.ok_or_else(|| {
                    unauthenticated(
                        "send `Authorization: Bearer <token>`, or sign in at POST /api/v1/session",
                        "请在请求头中提供 Authorization: Bearer <token>，或通过 POST /api/v1/session 登录",
                    )
                })?;
                // A browser adds the cookie by itself, whoever made it send the request: so it must have been us.
                from_our_own_page(&parts.method, &parts.headers)?;
                Credential::Session(token::sha256(&cookie))
            }
        };
        match credential.actor(&*shared.host) {
            Some(actor) => Ok(Caller { actor, credential }),
            None => {
                metrics::counter!("api_unauthenticated_total").increment(1);
                Err(match credential {
                    Credential::Bearer(_) => {
                        unauthenticated("this token is not known, or was revoked", "令牌无效或已撤销")
                    }
                    Credential::Session(_) => {
                        unauthenticated("you are not signed in any more: sign in again", "登录已失效，请重新登录")
                    }
                })
            }
        }
    }
}

/// The token of the Authorization header, if there is one.
fn bearer(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(header) = single(headers, &AUTHORIZATION)? else { return Ok(None) };
    let bearer = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let bearer = bearer.map(|(_, bearer)| bearer.trim());
    let bearer = bearer.filter(|bearer| !bearer.is_empty() && bearer.len() <= BEARER_BYTES_MAX).ok_or_else(|| {
        unauthenticated(
            "the Authorization header is not `Bearer <token>`",
            "Authorization 请求头格式应为 Bearer <token>",
        )
    })?;
    Ok(Some(bearer.to_owned()))
}

/// What our cookie of this name holds, if there is one. Two of them are a trick: we set one only.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Result<Option<String>, Fault> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut ours = pairs.filter(|(known, _)| *known == name).map(|(_, value)| value);
    match (ours.next(), ours.next()) {
        (Some(_), Some(_)) => {
            Err(unauthenticated("there are two session cookies in this request", "请求中含有两个登录 Cookie"))
        }
        (found, _) => Ok(found.filter(|value| value.len() <= BEARER_BYTES_MAX).map(str::to_owned)),
    }
}

/// The value of a header that may be there once at most.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Fault> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Ok(Some(value.to_str().unwrap_or_default())),
        (Some(_), Some(_)) => {
            Err(Fault::new(Code::BadHeader, format!("{name} is there twice"), format!("请求头 {name} 重复")))
        }
    }
}

/// Refuses what another site made a browser send. Browsers say where a request comes from in `Sec-Fetch-Site`, over
/// plain HTTP only in `Origin`; neither can be set by a page.
pub(crate) fn from_our_own_page(method: &Method, headers: &HeaderMap) -> Result<(), Fault> {
    let only_reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let is_ours = match (single(headers, &SEC_FETCH_SITE)?, single(headers, &ORIGIN)?) {
        (Some("same-origin"), _) => true,
        (Some("none"), _) => only_reads,
        (Some(_), _) => false,
        (None, Some(origin)) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == single(headers, &HOST)?
        }
        (None, None) => only_reads,
    };
    if is_ours {
        return Ok(());
    }
    metrics::counter!("api_cross_site_total").increment(1);
    Err(Fault::new(
        Code::CrossSite,
        "with a session cookie this is taken from our own pages only (Sec-Fetch-Site or Origin); programs use a token",
        "携带登录 Cookie 的请求只能来自本站页面（依据 Sec-Fetch-Site 或 Origin）；程序请使用令牌",
    ))
}

pub(crate) fn unauthenticated(detail: &str, detail_zh: &str) -> Fault {
    Fault::new(Code::Unauthenticated, detail, detail_zh)
}

/// Refuses whoever is in none of these roles.
pub(crate) fn only(actor: &Actor, roles: &[Role]) -> Result<(), Fault> {
    if roles.contains(&actor.role) {
        return Ok(());
    }
    let names: Vec<String> = roles.iter().map(|role| role_name(*role)).collect();
    Err(Fault::new(
        Code::NotAllowed,
        format!("this is for {}; you are {}", names.join(", "), role_name(actor.role)),
        format!("仅限 {}；当前角色为 {}", names.join("、"), role_name(actor.role)),
    ))
}

/// A role as JSON names it.
pub(crate) fn role_name(role: Role) -> String {
    serde_json::to_value(role).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn with_a_cookie_only_our_own_pages_change_anything() {
        let host = (HOST, "yinling.example:8443");
        for (method, given, expected) in [
            (Method::POST, vec![(SEC_FETCH_SITE, "same-origin")], true),
            (Method::POST, vec![(SEC_FETCH_SITE, "same-site")], false),
            (Method::POST, vec![(SEC_FETCH_SITE, "cross-site")], false),
            (Method::POST, vec![(SEC_FETCH_SITE, "none")], false),
            (Method::GET, vec![(SEC_FETCH_SITE, "none")], true),
            (Method::GET, vec![(SEC_FETCH_SITE, "cross-site")], false),
            (Method::GET, vec![], true),
            (Method::DELETE, vec![], false),
            (Method::POST, vec![(ORIGIN, "https://yinling.example:8443")], true),
            (Method::POST, vec![(ORIGIN, "https://yinling.example")], false),
            (Method::POST, vec![(ORIGIN, "https://evil.example")], false),
            (Method::POST, vec![(ORIGIN, "null")], false),
            (Method::POST, vec![(ORIGIN, "https://yinling.example:8443.evil.example")], false),
            (Method::POST, vec![(ORIGIN, "https://evil.example/https://yinling.example:8443")], false),
            (Method::POST, vec![(SEC_FETCH_SITE, "same-origin"), (SEC_FETCH_SITE, "cross-site")], false),
            (Method::POST, vec![(SEC_FETCH_SITE, "cross-site"), (ORIGIN, "https://yinling.example:8443")], false),
        ] {
            let mut all = vec![host.clone()];
            all.extend(given.clone());
            assert_eq!(from_our_own_page(&method, &headers(&all)).is_ok(), expected, "{method} {given:?}");
        }
    }

    #[test]
    fn a_credential_is_there_once_or_not_at_all() {
        let one =
            |pairs: &[(HeaderName, &str)]| cookie(&headers(pairs), COOKIE_NAME).map_err(|fault| fault.to_string());
        assert_eq!(one(&[(COOKIE, "a=b; __Host-yinling=x; c=d")]), Ok(Some("x".to_owned())));
        assert_eq!(one(&[(COOKIE, "a=b"), (COOKIE, "__Host-yinling=x")]), Ok(Some("x".to_owned())));
        assert_eq!(one(&[(COOKIE, "yinling=x; __host-yinling=x; X__Host-yinling=x")]), Ok(None));
        assert!(one(&[(COOKIE, "__Host-yinling=x; __Host-yinling=y")]).is_err());
        assert!(one(&[(COOKIE, "__Host-yinling=x"), (COOKIE, "__Host-yinling=x")]).is_err());
        assert_eq!(one(&[(COOKIE, &format!("__Host-yinling={}", "x".repeat(10_000)))]), Ok(None));
        let token = |pairs: &[(HeaderName, &str)]| bearer(&headers(pairs)).map_err(|fault| fault.to_string());
        assert_eq!(token(&[(AUTHORIZATION, "bEaReR  yl_x ")]), Ok(Some("yl_x".to_owned())));
        assert_eq!(token(&[]), Ok(None));
        for bad in ["Basic YWRtaW46YWRtaW4=", "Bearer", "Bearer ", "银铃", ""] {
            assert!(token(&[(AUTHORIZATION, bad)]).is_err(), "{bad:?}");
        }
        assert!(token(&[(AUTHORIZATION, "Bearer a"), (AUTHORIZATION, "Bearer b")]).is_err());
    }
}
