//! API tokens: made, listed, ended. A token is shown once.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use model::staff::ApiToken;
use model::{OrgPath, PersonId, Role, StaffCommand, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

use super::accounts::checked_scope;
use super::incidents::{checked_id, checked_text};
use crate::auth::{Caller, only};
use crate::body::Json;
use crate::headers::{CommandHeaders, IdempotencyKey};
use crate::params::{Segments, shortened};
use crate::problem::Fault;
use crate::scope::{sees_own_elders_only, visible_to};
use crate::shared::Shared;
use crate::token;

/// Who may make and end tokens.
const KEEPERS: &[Role] = &[Role::Admin];
/// The longest label, in bytes.
const LABEL_BYTES_MAX: usize = 128;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenBody {
    label: String,
    role: Role,
    /// The part of the tree that it sees; the maker's own by default.
    scope: Option<String>,
    /// In whose name it acts: the person of the registry. A doctor's or guardian's token has to say whose it is.
    person: Option<String>,
}

/// A token as outsiders see it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TokenEntry {
    id: TokenId,
    label: String,
    role: Role,
    scope: OrgPath,
    created_at: Timestamp,
    revoked: bool,
    person: Option<PersonId>,
}

impl From<ApiToken> for TokenEntry {
    fn from(token: ApiToken) -> TokenEntry {
        TokenEntry {
            id: token.id,
            label: token.label.into(),
            role: token.role,
            scope: token.scope,
            created_at: token.created_at,
            revoked: token.revoked,
            person: token.person,
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
struct NewToken {
    #[serde(flatten)]
    entry: TokenEntry,
    /// Shown here and never again.
    token: String,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Tokens {
    data: Vec<TokenEntry>,
}

/// Makes an API token.
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    tag = "tokens",
    params(IdempotencyKey),
    request_body = TokenBody,
    responses((status = 201, description = "Shown here and never again.", body = NewToken)),
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    headers: CommandHeaders,
    Json(body): Json<TokenBody>,
) -> Result<Response, Fault> {
    only(&caller.actor, KEEPERS)?;
    if body.label.trim().is_empty() {
        return Err(Fault::invalid("/label", "say what the token is for", "请说明令牌用途"));
    }
    checked_text("/label", Some(&body.label), LABEL_BYTES_MAX)?;
    let scope = match body.scope {
        Some(scope) => checked_scope(&shared, &scope, &caller.actor).await?,
        None => caller.actor.scope.clone(),
    };
    let person = checked_id("/person", body.person.as_deref())?.map(PersonId::new);
    if sees_own_elders_only(body.role) && person.is_none() {
        return Err(Fault::invalid(
            "/person",
            "a doctor's or guardian's token names them: it shows their patients, or whom they care for",
            "医生、监护人令牌须注明本人，仅可查看其签约或照护的老人",
        ));
    }
    let mut random = [0; token::RANDOM_BYTES];
    shared.host.random(&mut random);
    let minted = token::mint(&random);
    let token = ApiToken {
        id: minted.id,
        secret_sha256: minted.secret_sha256,
        label: body.label.into(),
        role: body.role,
        scope,
        created_at: shared.host.now(),
        revoked: false,
        person,
    };
    // A repeat with the same key brings another secret and is refused by the pipeline as another request: the first
    // secret was shown once and cannot be shown again.
    shared.decide(&caller.actor, headers.idempotency_key, StaffCommand::CreateToken(token.clone())).await?;
    let location = format!("/api/v1/tokens/{}", token.id);
    let answer = NewToken { entry: TokenEntry::from(token), token: minted.text };
    Ok((StatusCode::CREATED, [(LOCATION, location)], Answer(answer)).into_response())
}

/// API tokens, without their secrets.
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    tag = "tokens",
    responses((status = 200, description = "As asked.", body = Tokens)),
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>, caller: Caller) -> Result<Answer<Tokens>, Fault> {
    only(&caller.actor, KEEPERS)?;
    let tokens = shared.read(|view| view.tokens()).await?;
    let visible = tokens.into_iter().filter(|token| caller.actor.scope.contains(&token.scope));
    Ok(Answer(Tokens { data: visible.map(TokenEntry::from).collect() }))
}

/// Ends an API token.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{id}",
    tag = "tokens",
    params(("id" = String, Path, description = "Token."), IdempotencyKey),
    responses((status = 204, description = "Ended.")),
)]
pub(crate) async fn revoke(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    headers: CommandHeaders,
    Segments(id): Segments<String>,
) -> Result<StatusCode, Fault> {
    only(&caller.actor, KEEPERS)?;
    let wanted = TokenId::new(&id);
    let token = {
        let wanted = wanted.clone();
        shared.find(move |view| view.token(&wanted)).await?
    };
    token
        .filter(|token| visible_to(&caller.actor, Some(&token.scope)))
        .ok_or_else(|| Fault::not_found(&format!("token {:?}", shortened(&id))))?;
    shared.decide(&caller.actor, headers.idempotency_key, StaffCommand::RevokeToken(wanted)).await?;
    Ok(StatusCode::NO_CONTENT)
}
