//! Who is speaking.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use model::{Actor, Role};

use crate::problem::{Code, Fault};
use crate::shared::Shared;

/// The longest credential that is looked at.
const BEARER_BYTES_MAX: usize = 512;

/// The caller, authenticated.
pub(crate) struct Caller {
    pub(crate) actor: Actor,
    /// As it was presented: a live stream asks again whether it still holds.
    pub(crate) bearer: String,
}

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Caller, Fault> {
        let header = parts.headers.get(AUTHORIZATION).ok_or_else(|| {
            unauthenticated("send `Authorization: Bearer <token>`", "请在请求头中提供 Authorization: Bearer <token>")
        })?;
        let bearer = header
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, bearer)| bearer.trim())
            .filter(|bearer| !bearer.is_empty() && bearer.len() <= BEARER_BYTES_MAX)
            .ok_or_else(|| {
                unauthenticated(
                    "the Authorization header is not `Bearer <token>`",
                    "Authorization 请求头格式应为 Bearer <token>",
                )
            })?;
        match shared.host.authenticate(bearer) {
            Some(actor) => Ok(Caller { actor, bearer: bearer.to_owned() }),
            None => {
                metrics::counter!("api_unauthenticated_total").increment(1);
                Err(unauthenticated("this token is not known, or was revoked", "令牌无效或已撤销"))
            }
        }
    }
}

fn unauthenticated(detail: &str, detail_zh: &str) -> Fault {
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
        format!("仅限 {};当前角色为 {}", names.join("、"), role_name(actor.role)),
    ))
}

/// A role as JSON names it.
pub(crate) fn role_name(role: Role) -> String {
    serde_json::to_value(role).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
