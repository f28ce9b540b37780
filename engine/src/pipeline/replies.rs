//! Replies kept by idempotency key, so that a command that is sent again is answered as it was and done once.

use std::collections::{BTreeMap, VecDeque};

use compact_str::CompactString;
use model::erasure::{Erasure, Names};
use model::{PersonId, Problem, ProblemCode, Reply, StaffCommand};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How many replies are kept; the oldest goes first.
pub const REPLIES_KEPT_MAX: usize = 100_000;

/// Whose key.
type Key = (PersonId, CompactString);

/// The replies that are kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Replies {
    kept: BTreeMap<Key, ([u8; 16], Reply)>,
    oldest_first: VecDeque<Key>,
}

impl Replies {
    /// The reply to give without doing it again: the kept one, or a refusal when the key belongs to another command.
    pub fn find(&self, person: &PersonId, key: &CompactString, command: &StaffCommand) -> Option<Reply> {
        let (digest, reply) = self.kept.get(&(person.clone(), key.clone()))?;
        if *digest == digest_of(command) {
            return Some(reply.clone());
        }
        Some(Reply::Refused(Problem::new(
            ProblemCode::KeyReused,
            "this Idempotency-Key was used for another request; use a new one",
            "该 Idempotency-Key 已用于另一个请求，请换一个",
        )))
    }

    /// Keeps a reply. A refusal over a reused key is not kept: the key stays with its first command. Nor is that of a
    /// registry change: its content is journaled only where it was decided on, so that a recovery could not tell a repeat
    /// from another command; nothing was done, and a repeat is decided anew.
    pub fn keep(&mut self, person: &PersonId, key: &CompactString, command: &StaffCommand, reply: &Reply) {
        let is_registry = matches!(command, StaffCommand::Import(_) | StaffCommand::Write { .. });
        if is_registry && matches!(reply, Reply::Refused(_)) {
            return;
        }
        let key = (person.clone(), key.clone());
        if self.kept.contains_key(&key) {
            return;
        }
        self.kept.insert(key.clone(), (digest_of(command), reply.clone()));
        self.oldest_first.push_back(key);
        if self.oldest_first.len() > REPLIES_KEPT_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.kept.remove(&oldest);
        }
    }
}

impl Replies {
    /// What was answered about somebody who was erased is kept as done, and no more.
    pub fn erase(&mut self, erasure: &Erasure, names: &Names) {
        for (_, reply) in self.kept.values_mut() {
            let is_theirs = match reply {
                Reply::Done(Some(entity)) => erasure.takes(entity, names),
                Reply::Done(None) | Reply::Refused(_) => false,
            };
            if is_theirs {
                *reply = Reply::Done(None);
            }
        }
    }
}

/// Refuses whoever does not say which version they saw, or saw another.
///
/// # Errors
/// 428 without, 412 for another.
pub fn checked_version(if_match: Option<u32>, version: u32) -> Result<(), Problem> {
    let (code, detail, zh) = match if_match {
        Some(seen) if seen == version => return Ok(()),
        Some(_) => (ProblemCode::Stale, "it was changed since you saw it: read it again", "内容已被更改，请重新读取"),
        None => (ProblemCode::VersionRequired, "say which version you saw: If-Match", "请以 If-Match 说明所见版本"),
    };
    Err(Problem { version: Some(version), ..Problem::new(code, detail, zh) })
}

/// Half of a SHA-256 over the command's JSON. Device bindings, and who set thresholds, are left out of an import: the
/// pipeline completes them, and a recovery sees the import as it was completed.
fn digest_of(command: &StaffCommand) -> [u8; 16] {
    let mut hasher = Sha256::new();
    match command {
        StaffCommand::Import(change) | StaffCommand::Write { change, .. } => {
            let mut change = change.clone();
            change.devices.iter_mut().for_each(|device| device.bindings.clear());
            change.wearers.iter_mut().for_each(|wearer| wearer.thresholds.set = None);
            hasher.update(serde_json::to_vec(&change).unwrap_or_default());
        }
        // A password is salted anew each time it is hashed: a repeat is one all the same.
        StaffCommand::CreateAccount(account) => {
            let mut account = account.clone();
            account.password_hash = CompactString::default();
            (account.created_at, account.changed_at) = Default::default();
            hasher.update(serde_json::to_vec(&account).unwrap_or_default());
        }
        StaffCommand::ChangeAccount { id, if_match, change } => {
            let mut change = change.clone();
            change.password_hash = change.password_hash.map(|_| CompactString::default());
            hasher.update(serde_json::to_vec(&(id, if_match, change)).unwrap_or_default());
        }
        other => hasher.update(serde_json::to_vec(other).unwrap_or_default()),
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize()[..16]);
    digest
}
