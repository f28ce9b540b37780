//! Accounts of people who sign in with a password, and their sessions.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::registry::Role;
use crate::{AccountId, Actor, OrgPath, PersonId, Timestamp};

/// How many sessions one account may have at once; the oldest ends when another begins.
pub const SESSIONS_PER_ACCOUNT_MAX: usize = 32;

/// Somebody who may sign in. Nothing secret is in clear in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The name that is typed when signing in.
    pub id: AccountId,
    /// Whose name stands on what is done with it: the person of the registry, where there is one.
    pub person: PersonId,
    /// What they are called.
    pub name: String,
    /// In which role.
    pub role: Role,
    /// The part of the tree that they may see.
    pub scope: OrgPath,
    /// argon2id in the PHC form, keyed with the data directory's pepper.
    pub password_hash: CompactString,
    /// Whether it can be used.
    pub state: AccountState,
    /// Counts its changes from 1.
    pub version: u32,
    /// Raised by whatever ends all sessions: a new password, a lock. A session of another epoch does not hold.
    pub sessions_epoch: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
}

/// Whether an account can be used. Appended to, never reordered.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// It can.
    #[default]
    Active,
    /// Not now.
    Disabled,
    /// Never again; its name stays taken, because it stands in the audit.
    Removed,
}

/// What is to be different about an account; `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccountChange {
    /// Another person.
    pub person: Option<PersonId>,
    /// Another name.
    pub name: Option<String>,
    /// Another role; holds at once, for open sessions too.
    pub role: Option<Role>,
    /// Another part of the tree; holds at once.
    pub scope: Option<OrgPath>,
    /// Another password; ends all sessions.
    pub password_hash: Option<CompactString>,
    /// Another state; ends all sessions.
    pub state: Option<AccountState>,
    /// Ends all sessions.
    pub end_sessions: bool,
}

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// SHA-256 of what the cookie holds (random, so no salt is needed).
    pub secret_sha256: [u8; 32],
    /// Whose.
    pub account: AccountId,
    /// The account's epoch when it began.
    pub epoch: u32,
    /// When it began.
    pub began_at: Timestamp,
    /// Until when it holds.
    pub expires_at: Timestamp,
    /// Whether it was ended before that.
    pub ended: bool,
}

impl Account {
    /// Who acts with it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor { person: self.person.clone(), role: self.role, scope: self.scope.clone() }
    }

    /// Whether a session of it holds at a time.
    #[must_use]
    pub fn admits(&self, session: &Session, now: Timestamp) -> bool {
        self.state == AccountState::Active
            && session.account == self.id
            && session.epoch == self.sessions_epoch
            && !session.ended
            && now < session.expires_at
    }

    /// The account after a change.
    #[must_use]
    pub fn changed(&self, change: &AccountChange, at: Timestamp) -> Account {
        let is_locked_out =
            change.password_hash.is_some() || change.end_sessions || change.state.is_some_and(|s| s != self.state);
        let (AccountChange { person, name, role, scope, password_hash, state, .. }, old) =
            (change.clone(), self.clone());
        Account {
            person: person.unwrap_or(old.person),
            name: name.unwrap_or(old.name),
            role: role.unwrap_or(old.role),
            scope: scope.unwrap_or(old.scope),
            password_hash: password_hash.unwrap_or(old.password_hash),
            state: state.unwrap_or(old.state),
            version: old.version + 1,
            sessions_epoch: old.sessions_epoch + u32::from(is_locked_out),
            changed_at: at,
            ..old
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_holds_until_it_ends_or_its_account_changes_what_it_rests_on() {
        let account = Account {
            id: AccountId::new("desk1"),
            person: PersonId::new("s1"),
            name: "值班员".to_owned(),
            role: Role::Desk,
            scope: OrgPath::new("/luyang/"),
            password_hash: "$argon2id$".into(),
            state: AccountState::Active,
            version: 1,
            sessions_epoch: 1,
            created_at: Timestamp::EPOCH,
            changed_at: Timestamp::EPOCH,
        };
        let (now, later) = (Timestamp::from_millis(1_000), Timestamp::from_millis(2_000));
        let session = Session {
            secret_sha256: [1; 32],
            account: account.id.clone(),
            epoch: 1,
            began_at: Timestamp::EPOCH,
            expires_at: later,
            ended: false,
        };
        assert!(account.admits(&session, now));
        assert!(!account.admits(&session, later), "it has run out");
        assert!(!account.admits(&Session { ended: true, ..session.clone() }, now));
        assert!(!account.admits(&Session { account: AccountId::new("desk2"), ..session.clone() }, now));
        let after = |change: AccountChange| account.changed(&change, now).admits(&session, now);
        assert!(after(AccountChange { role: Some(Role::Street), ..AccountChange::default() }));
        assert!(after(AccountChange { state: Some(AccountState::Active), ..AccountChange::default() }));
        for change in [
            AccountChange { password_hash: Some("$new".into()), ..AccountChange::default() },
            AccountChange { state: Some(AccountState::Disabled), ..AccountChange::default() },
            AccountChange { end_sessions: true, ..AccountChange::default() },
        ] {
            assert!(!after(change.clone()), "{change:?}");
        }
        let disabled = AccountChange { state: Some(AccountState::Disabled), ..AccountChange::default() };
        let enabled = AccountChange { state: Some(AccountState::Active), ..AccountChange::default() };
        let back = account.changed(&disabled, now).changed(&enabled, now);
        assert!(!back.admits(&session, now), "a session does not come back with its account");
    }
}
