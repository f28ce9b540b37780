//! Signing in and out: `POST`, `GET` and `DELETE /api/v1/session`.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::{ORIGIN, SET_COOKIE};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Account, AccountId, AccountState, OrgPath, PersonId, Role, Session, StaffCommand, Timestamp};
use serde::{Deserialize, Serialize};

use super::accounts::PASSWORD_BYTES_MAX;
use crate::address;
use crate::auth::{COOKIE_NAME, Caller, Credential, cookie, from_our_own_page};
use crate::body::Json;
use crate::problem::{Code, Fault};
use crate::shared::Shared;
use crate::token;

/// How long a session holds: a long shift with its hand-over.
pub(crate) const SESSION_SECONDS: u32 = 12 * 3600;
/// Bytes of randomness in a cookie.
const COOKIE_RANDOM_BYTES: usize = 32;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    account: String,
    password: String,
}

/// Who somebody is.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Who {
    /// `null` for a token.
    account: Option<AccountId>,
    name: String,
    role: Role,
    org: OrgPath,
    person: PersonId,
    /// When the session ends; `null` for a token, which ends when it is revoked.
    expires_at: Option<Timestamp>,
}

impl Who {
    fn signed_in(account: Account, session: &Session) -> Who {
        Who {
            account: Some(account.id),
            name: account.name,
            role: account.role,
            org: account.scope,
            person: account.person,
            expires_at: Some(session.expires_at),
        }
    }
}

/// Signs somebody in.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "session",
    security(()),
    request_body(content = Credentials, description = "`{account, password}`"),
    responses((status = 200, description = "Signed in; the cookie is in the answer.", body = Who)),
)]
pub(crate) async fn begin(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Fault> {
    // Another site must not sign somebody in as somebody else. Programs say nothing of where they come from.
    let headers = request.headers();
    if headers.contains_key("sec-fetch-site") || headers.contains_key(ORIGIN) {
        from_our_own_page(request.method(), headers)?;
    }
    let from = address::sender(request.extensions(), headers);
    let left_behind = cookie(headers, COOKIE_NAME).ok().flatten().map(|cookie| token::sha256(&cookie));
    let Json(Credentials { account: name, password }) = Json::from_request(request, &shared).await?;
    if !model::id::is_well_formed(&name) || password.len() > PASSWORD_BYTES_MAX {
        return Err(wrong());
    }
    let now = shared.host.now();
    shared.logins.begin(&name, from, now).map_err(|seconds| {
        metrics::counter!("api_logins_total", "result" => "limited").increment(1);
        Fault::new(
            Code::LimitReached,
            format!("too many wrong passwords; wait {seconds} s"),
            format!("密码错误次数过多，请在 {seconds} 秒后重试"),
        )
        .retry_after(seconds)
    })?;
    let account = shared.host.account(&name).filter(|account| account.state == AccountState::Active);
    // Whether the account is there shows neither in the answer nor in how long it takes.
    let stored = account.as_ref().map(|account| account.password_hash.clone()).unwrap_or_default();
    let is_right = shared.with_password(move |host| host.verify_password(&password, &stored)).await?;
    let Some(account) = account.filter(|_| is_right) else {
        metrics::counter!("api_logins_total", "result" => "wrong").increment(1);
        return Err(wrong());
    };
    let mut random = [0; COOKIE_RANDOM_BYTES];
    shared.host.random(&mut random);
    let secret = URL_SAFE_NO_PAD.encode(random);
    let session = Session {
        secret_sha256: token::sha256(&secret),
        account: account.id.clone(),
        epoch: account.sessions_epoch,
        began_at: now,
        expires_at: now.plus_seconds(SESSION_SECONDS),
        ended: false,
    };
    // The browser forgets its old cookie now, whosever that was: nobody is to find and use it later.
    if let Some(old) = left_behind
        && let Some((whose, _)) = shared.host.session(&old)
    {
        shared.decide(&whose.actor(), None, StaffCommand::EndSession(old)).await?;
    }
    // Locked, or another password, since we looked: that is told as a wrong password, too.
    shared
        .decide(&account.actor(), None, StaffCommand::BeginSession(session.clone()))
        .await
        .map_err(|fault| if fault.code() == Code::NotFound { wrong() } else { fault })?;
    shared.logins.succeeded(&name, from, now);
    metrics::counter!("api_logins_total", "result" => "right").increment(1);
    let set = set_cookie(&secret, SESSION_SECONDS);
    Ok(([(SET_COOKIE, set)], Answer(Who::signed_in(account, &session))).into_response())
}

/// Who is signed in.
#[utoipa::path(
    get,
    path = "/api/v1/session",
    tag = "session",
    responses((status = 200, description = "As asked.", body = Who)),
)]
pub(crate) async fn show(State(shared): State<Arc<Shared>>, caller: Caller) -> Result<Answer<Who>, Fault> {
    let signed_in = match &caller.credential {
        Credential::Session(secret_sha256) => shared.host.session(secret_sha256),
        Credential::Bearer(_) => None,
    };
    Ok(Answer(match signed_in {
        Some((account, session)) => Who::signed_in(account, &session),
        None => Who {
            account: None,
            name: caller.actor.person.to_string(),
            role: caller.actor.role,
            org: caller.actor.scope,
            person: caller.actor.person,
            expires_at: None,
        },
    }))
}

/// Signs somebody out.
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    tag = "session",
    responses((status = 204, description = "Ended.")),
)]
pub(crate) async fn end(State(shared): State<Arc<Shared>>, caller: Caller) -> Result<Response, Fault> {
    let Credential::Session(secret_sha256) = caller.credential else {
        let detail = "a token is ended with DELETE /api/v1/tokens/{id}";
        return Err(Fault::invalid("", detail, "令牌请通过 DELETE /api/v1/tokens/{id} 撤销"));
    };
    shared.decide(&caller.actor, None, StaffCommand::EndSession(secret_sha256)).await?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, set_cookie("", 0))]).into_response())
}

fn wrong() -> Fault {
    Fault::new(Code::WrongPassword, "there is no such account, or this is not its password", "账号不存在或密码错误")
}

fn set_cookie(value: &str, seconds: u32) -> String {
    format!("{COOKIE_NAME}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={seconds}")
}
