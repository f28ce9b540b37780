//! Accounts and sessions. Passwords were hashed before they came here: nothing in this file, or in the journal, is
//! secret in clear.

use std::collections::BTreeMap;

use model::account::{Account, AccountChange, AccountState, SESSIONS_PER_ACCOUNT_MAX, Session};
use model::{AccountId, Actor, Decision, Problem, ProblemCode, Reply, Role, Timestamp};
use serde::{Deserialize, Serialize};

use super::respond::not_allowed;

/// How many accounts there may be: all of them are kept in memory.
const ACCOUNTS_MAX: usize = 100_000;

/// Who may sign in, and who is signed in.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Accounts {
    accounts: BTreeMap<AccountId, Account>,
    /// By the SHA-256 of the cookie.
    sessions: BTreeMap<[u8; 32], Session>,
}

impl Accounts {
    /// Every account, removed ones included.
    pub fn all(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// Every session that was not ended.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// Takes in an account as it was decided; sessions of an epoch before go.
    pub(super) fn apply(&mut self, account: Account) {
        self.sessions.retain(|_, known| known.account != account.id || known.epoch == account.sessions_epoch);
        self.accounts.insert(account.id.clone(), account);
    }

    /// Takes in a session as it was decided; what has run out by then goes.
    pub(super) fn apply_session(&mut self, session: Session, at: Timestamp) {
        if session.ended {
            self.sessions.remove(&session.secret_sha256);
            return;
        }
        self.sessions.retain(|_, known| at < known.expires_at);
        self.sessions.insert(session.secret_sha256, session);
    }

    pub(super) fn create(
        &mut self,
        actor: &Actor,
        account: &Account,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        if let Err(problem) = may_keep(actor, account) {
            return Reply::Refused(problem);
        }
        if self.accounts.contains_key(&account.id) {
            let problem = Problem::new(
                ProblemCode::Invalid,
                "there is, or was, an account of this name; take another",
                "已有（或曾有）同名账号，请换一个名称",
            );
            return Reply::Refused(problem.at("/id", "taken", "已被占用"));
        }
        if self.accounts.len() >= ACCOUNTS_MAX {
            return Reply::Refused(Problem::new(
                ProblemCode::LimitReached,
                format!("there are {ACCOUNTS_MAX} accounts already"),
                format!("账号数已达上限 {ACCOUNTS_MAX}"),
            ));
        }
        let account = Account {
            state: AccountState::Active,
            version: 1,
            sessions_epoch: 1,
            created_at: at,
            changed_at: at,
            ..account.clone()
        };
        self.apply(account.clone());
        decisions.push(Decision::Account(Box::new(account)));
        Reply::Done(None)
    }

    pub(super) fn change(
        &mut self,
        actor: &Actor,
        id: &AccountId,
        if_match: Option<u32>,
        change: &AccountChange,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        let known = self.accounts.get(id).filter(|account| account.state != AccountState::Removed);
        let is_own = |account: &Account| account.person == actor.person && is_own_to_change(change);
        let Some(known) = known.filter(|account| is_own(account) || actor.scope.contains(&account.scope)) else {
            return Reply::Refused(Problem::not_found("the account"));
        };
        if let Some(seen) = if_match.filter(|seen| *seen != known.version) {
            let detail = format!("you saw version {seen}; it is at {}", known.version);
            let detail_zh = format!("您看到的是版本 {seen}，现为 {}", known.version);
            let problem = Problem::new(ProblemCode::Stale, detail, detail_zh);
            return Reply::Refused(Problem { version: Some(known.version), ..problem });
        }
        let account = known.changed(change, at);
        let allowed = if is_own(known) { Ok(()) } else { may_keep(actor, known).and(may_keep(actor, &account)) };
        if let Err(problem) = allowed {
            return Reply::Refused(problem);
        }
        self.apply(account.clone());
        decisions.push(Decision::Account(Box::new(account)));
        Reply::Done(None)
    }

    pub(super) fn begin_session(&mut self, session: &Session, at: Timestamp, decisions: &mut Vec<Decision>) -> Reply {
        // Between the look at the password and here it may have been changed, or the account locked.
        if !self.accounts.get(&session.account).is_some_and(|account| account.admits(session, at)) {
            return Reply::Refused(Problem::not_found("the account"));
        }
        let mut open: Vec<&Session> = self.sessions.values().filter(|known| known.account == session.account).collect();
        open.sort_by_key(|known| known.began_at);
        let too_many = (open.len() + 1).saturating_sub(SESSIONS_PER_ACCOUNT_MAX);
        let ended: Vec<Session> =
            open.into_iter().take(too_many).map(|known| Session { ended: true, ..known.clone() }).collect();
        for session in ended.into_iter().chain([session.clone()]) {
            self.apply_session(session.clone(), at);
            decisions.push(Decision::Session(session));
        }
        Reply::Done(None)
    }

    pub(super) fn end_session(&mut self, secret_sha256: &[u8; 32], decisions: &mut Vec<Decision>) -> Reply {
        if let Some(session) = self.sessions.remove(secret_sha256) {
            decisions.push(Decision::Session(Session { ended: true, ..session }));
        }
        Reply::Done(None)
    }
}

/// Administrators keep the accounts of their part of the tree.
fn may_keep(actor: &Actor, account: &Account) -> Result<(), Problem> {
    if actor.role == Role::Admin && actor.scope.contains(&account.scope) {
        return Ok(());
    }
    Err(not_allowed("only an administrator of that part of the tree keeps its accounts"))
}

/// People change their own password, and sign themselves out everywhere; the API has asked for the old password.
fn is_own_to_change(change: &AccountChange) -> bool {
    let AccountChange { password_hash: _, end_sessions: _, person, name, role, scope, state } = change;
    person.is_none() && name.is_none() && role.is_none() && scope.is_none() && state.is_none()
}
