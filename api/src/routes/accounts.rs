//! Accounts of people: made, listed, changed, removed. A password comes in and never goes out.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use compact_str::CompactString;
use model::{Account, AccountChange, AccountId, AccountState, Actor, OrgPath, PersonId, Role, StaffCommand, Timestamp};
use serde::{Deserialize, Serialize};

use super::incidents::{checked_id, checked_text};
use crate::auth::{Caller, Credential, only};
use crate::body::Json;
use crate::headers::CommandHeaders;
use crate::page::{Listing, Paging, checked_limit, respond};
use crate::params::{Params, Segments, shortened};
use crate::problem::{Code, Fault};
use crate::scope::visible_to;
use crate::shared::{Shared, tagged};

/// Who keeps accounts.
const KEEPERS: &[Role] = &[Role::Admin];
/// The roles of people who sign in. A guardian has a link; an integration has a token.
const ROLES: &[Role] = &[
    Role::Admin,
    Role::Operator,
    Role::Desk,
    Role::GridWorker,
    Role::Volunteer,
    Role::Street,
    Role::Department,
    Role::Doctor,
];
/// How long a password is, in characters at least and bytes at most (NIST SP 800-63B: at least 8, no rules on kinds).
const PASSWORD_CHARS_MIN: usize = 10;
pub(crate) const PASSWORD_BYTES_MAX: usize = 256;
/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// An account as outsiders see it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct AccountEntry {
    id: AccountId,
    person: PersonId,
    name: String,
    role: Role,
    scope: OrgPath,
    state: AccountState,
    version: u32,
    created_at: Timestamp,
    changed_at: Timestamp,
}

impl From<Account> for AccountEntry {
    fn from(account: Account) -> AccountEntry {
        let Account { id, person, name, role, scope, state, version, created_at, changed_at, .. } = account;
        AccountEntry { id, person, name, role, scope, state, version, created_at, changed_at }
    }
}

/// Accounts of the caller's part of the tree.
#[utoipa::path(
    get,
    path = "/api/v1/accounts",
    tag = "accounts",
    params(
        ("after" = Option<String>, Query, description = "The key that the last page ended with."),
        ("limit" = Option<u16>, Query, description = "How many at most, 1 to 500."),
    ),
    responses((status = 200, description = "As asked.", body = Listing<AccountEntry>)),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Response, Fault> {
    only(&caller.actor, KEEPERS)?;
    let limit = checked_limit(paging.limit)?;
    let as_of = shared.newest_cursor().await?;
    let is_after = |account: &Account| paging.after.as_deref().is_none_or(|after| account.id.as_str() > after);
    let visible = shared.host.accounts().into_iter().filter(|account| is_there(account, &caller.actor));
    let mut data: Vec<AccountEntry> = visible.filter(is_after).take(limit + 1).map(AccountEntry::from).collect();
    let has_more = data.len() > limit;
    data.truncate(limit);
    let next = data.last().filter(|_| has_more).map(|account| account.id.to_string());
    Ok(respond("/api/v1/accounts", &[], limit, data, next, as_of))
}

/// One account.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "Account."),
    ),
    responses((status = 200, description = "As asked.", body = AccountEntry)),
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Response, Fault> {
    let account = match is_own(&shared, &caller, &id) {
        true => shared.host.account(&id),
        false => {
            only(&caller.actor, KEEPERS)?;
            shared.host.account(&id).filter(|account| is_there(account, &caller.actor))
        }
    };
    Ok(shown(account.ok_or_else(|| not_found(&id))?))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountBody {
    id: String,
    password: String,
    role: Role,
    name: Option<String>,
    /// The person of the registry who uses it; by default one of the account's own name.
    person: Option<String>,
    /// The part of the tree that it sees; the maker's own by default.
    scope: Option<String>,
}

/// Makes an account.
#[utoipa::path(
    post,
    path = "/api/v1/accounts",
    tag = "accounts",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer."),
    ),
    request_body(content = AccountBody, description = "Name, role, scope and password of the account."),
    responses((status = 201, description = "New, as committed.", body = AccountEntry)),
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    headers: CommandHeaders,
    Json(body): Json<AccountBody>,
) -> Result<Response, Fault> {
    only(&caller.actor, KEEPERS)?;
    let id = checked_id("/id", Some(&body.id))?.map(AccountId::new).unwrap_or_default();
    let person = checked_id("/person", body.person.as_deref())?.unwrap_or(&body.id);
    let name = checked_name(body.name)?.unwrap_or_else(|| body.id.clone());
    checked_role(body.role)?;
    let scope = match body.scope {
        Some(scope) => checked_scope(&shared, &scope, &caller.actor).await?,
        None => caller.actor.scope.clone(),
    };
    let account = Account {
        person: PersonId::new(person),
        id: id.clone(),
        name,
        role: body.role,
        scope,
        password_hash: hashed(&shared, body.password).await?,
        state: AccountState::Active,
        version: 1,
        sessions_epoch: 1,
        created_at: shared.host.now(),
        changed_at: shared.host.now(),
    };
    let command = StaffCommand::CreateAccount(Box::new(account));
    shared.decide(&caller.actor, headers.idempotency_key, command).await?;
    let made = shared.host.account(id.as_str()).ok_or_else(|| not_found(id.as_str()))?;
    let location = format!("/api/v1/accounts/{id}");
    Ok((StatusCode::CREATED, [(LOCATION, location)], shown(made)).into_response())
}

#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeBody {
    name: Option<String>,
    person: Option<String>,
    role: Option<Role>,
    scope: Option<String>,
    /// Another password; ends every session of the account.
    password: Option<String>,
    /// The password until now; people give it to change their own.
    current_password: Option<String>,
    disabled: Option<bool>,
    /// Signs the account out everywhere.
    #[serde(default)]
    end_sessions: bool,
}

/// Changes an account.
#[utoipa::path(
    patch,
    path = "/api/v1/accounts/{id}",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "Account."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer."),
        ("If-Match" = Option<String>, Header, description = "The entity's `ETag`."),
    ),
    request_body(content = ChangeBody, description = "What changes."),
    responses((status = 200, description = "As committed.", body = AccountEntry)),
)]
pub(crate) async fn change(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: CommandHeaders,
    Json(body): Json<ChangeBody>,
) -> Result<Response, Fault> {
    let is_keeper = only(&caller.actor, KEEPERS);
    if let Err(fault) = is_keeper {
        if !is_own(&shared, &caller, &id) {
            return Err(fault);
        }
        let ChangeBody { name, person, role, scope, disabled, .. } = &body;
        let is_more = name.is_some() || person.is_some() || role.is_some() || scope.is_some() || disabled.is_some();
        if is_more {
            let detail = "you may change your password and sign out everywhere; the rest is an administrator's";
            return Err(Fault::new(Code::NotAllowed, detail, "您只能修改自己的密码或退出全部登录，其余由管理员办理"));
        }
    } else if !is_own(&shared, &caller, &id) && !shared.host.account(&id).is_some_and(|a| is_there(&a, &caller.actor)) {
        return Err(not_found(&id));
    }
    if body.password.is_some() && is_own(&shared, &caller, &id) {
        confirm(&shared, &id, body.current_password.unwrap_or_default()).await?;
    }
    if let Some(role) = body.role {
        checked_role(role)?;
    }
    let change = AccountChange {
        person: checked_id("/person", body.person.as_deref())?.map(PersonId::new),
        name: checked_name(body.name)?,
        role: body.role,
        scope: match body.scope {
            Some(scope) => Some(checked_scope(&shared, &scope, &caller.actor).await?),
            None => None,
        },
        password_hash: match body.password {
            Some(password) => Some(hashed(&shared, password).await?),
            None => None,
        },
        state: body.disabled.map(|disabled| if disabled { AccountState::Disabled } else { AccountState::Active }),
        end_sessions: body.end_sessions,
    };
    let command =
        StaffCommand::ChangeAccount { id: AccountId::new(&id), if_match: headers.if_match, change: Box::new(change) };
    shared.decide(&caller.actor, headers.idempotency_key, command).await?;
    Ok(shown(shared.host.account(&id).ok_or_else(|| not_found(&id))?))
}

/// Ends an account.
#[utoipa::path(
    delete,
    path = "/api/v1/accounts/{id}",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "Account."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer."),
        ("If-Match" = Option<String>, Header, description = "The entity's `ETag`."),
    ),
    responses((status = 204, description = "Ended.")),
)]
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: CommandHeaders,
) -> Result<StatusCode, Fault> {
    only(&caller.actor, KEEPERS)?;
    if !shared.host.account(&id).is_some_and(|account| is_there(&account, &caller.actor)) {
        return Err(not_found(&id));
    }
    let change = AccountChange { state: Some(AccountState::Removed), ..AccountChange::default() };
    let command =
        StaffCommand::ChangeAccount { id: AccountId::new(&id), if_match: headers.if_match, change: Box::new(change) };
    shared.decide(&caller.actor, headers.idempotency_key, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A stolen cookie is not enough to take an account over.
async fn confirm(shared: &Shared, id: &str, password: String) -> Result<(), Fault> {
    let wrong = || Fault::invalid("/current_password", "this is not the password until now", "原密码不正确");
    let stored = shared.host.account(id).map(|account| account.password_hash).unwrap_or_default();
    let now = shared.host.now();
    shared.logins.begin(id, None, now).map_err(|seconds| {
        Fault::new(Code::LimitReached, format!("too many wrong passwords; wait {seconds} s"), "密码错误次数过多")
            .retry_after(seconds)
    })?;
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(wrong());
    }
    match shared.with_password(move |host| host.verify_password(&password, &stored)).await? {
        true => {
            shared.logins.succeeded(id, None, now);
            Ok(())
        }
        false => Err(wrong()),
    }
}

fn is_own(shared: &Shared, caller: &Caller, id: &str) -> bool {
    match &caller.credential {
        Credential::Session(secret) => shared.host.session(secret).is_some_and(|(own, _)| own.id.as_str() == id),
        Credential::Bearer(_) => false,
    }
}

fn is_there(account: &Account, actor: &Actor) -> bool {
    account.state != AccountState::Removed && visible_to(actor, Some(&account.scope))
}

fn shown(account: Account) -> Response {
    let version = account.version;
    tagged(&AccountEntry::from(account), version)
}

fn not_found(id: &str) -> Fault {
    Fault::not_found(&format!("account {:?}", shortened(id)))
}

fn checked_name(name: Option<String>) -> Result<Option<String>, Fault> {
    checked_text("/name", name.as_deref(), NAME_BYTES_MAX)?;
    match name {
        Some(name) if name.trim().is_empty() => Err(Fault::invalid("/name", "a name is not blank", "姓名不能为空")),
        name => Ok(name),
    }
}

fn checked_role(role: Role) -> Result<(), Fault> {
    match ROLES.contains(&role) {
        true => Ok(()),
        false => Err(Fault::invalid(
            "/role",
            "guardians come by the link in their message, and programs by a token: neither has an account",
            "监护人通过消息中的链接访问，程序使用令牌：均不设账号",
        )),
    }
}

pub(crate) async fn checked_scope(shared: &Shared, scope: &str, actor: &Actor) -> Result<OrgPath, Fault> {
    let scope = OrgPath::new(scope);
    if !(scope.as_str() == "/" || scope.is_well_formed()) {
        let detail = "a scope is / or a path like /luyang/xinghua/, with a slash at both ends";
        return Err(Fault::invalid("/scope", detail, "范围须为 / 或形如 /luyang/xinghua/ 的路径，首尾均为斜杠"));
    }
    if !actor.scope.contains(&scope) {
        let detail = format!("the scope must lie within yours, {}", actor.scope);
        return Err(Fault::invalid("/scope", detail, format!("范围须在您的范围 {} 之内", actor.scope)));
    }
    let sought = scope.clone();
    let is_there = shared.read(move |state| {
        let (mut orgs, mut is_there) = (0, sought.as_str() == "/");
        state.for_each_org(&mut |org| {
            orgs += 1;
            is_there |= sought.contains(&org.path);
        })?;
        // Where nothing is registered yet, whoever sets it up may begin with the people.
        Ok(is_there || orgs == 0)
    });
    if !is_there.await? {
        let detail = format!("there is no organisation at {scope} or below: nothing would ever be seen there");
        return Err(Fault::invalid("/scope", detail, format!("{scope} 及其下没有组织，将看不到任何内容")));
    }
    Ok(scope)
}

async fn hashed(shared: &Shared, password: String) -> Result<CompactString, Fault> {
    if password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX {
        return Err(Fault::invalid(
            "/password",
            format!("a password has {PASSWORD_CHARS_MIN} characters at least and {PASSWORD_BYTES_MAX} bytes at most"),
            format!("密码至少 {PASSWORD_CHARS_MIN} 个字符，最多 {PASSWORD_BYTES_MAX} 字节"),
        ));
    }
    let hash = shared.with_password(move |host| host.hash_password(&password)).await?;
    hash.map(CompactString::from).map_err(|error| {
        tracing::error!(error, "a password cannot be hashed");
        Fault::new(Code::StateUnavailable, "the password cannot be hashed at the moment", "密码暂时无法处理")
    })
}
