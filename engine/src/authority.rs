//! Who may connect: the registry's devices and the API's tokens, as the door and the API ask for them.
//!
//! A view in memory that follows what was committed; connections ask it while imports write it, so it is cut into
//! shards, each behind its own lock, held for one device at a time.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use compact_str::CompactString;
use model::staff::ApiToken;
use model::{
    Account, AccountId, Actor, DeviceId, Glass, PersonId, RegistryChange, Session, StepUp, Timestamp, TokenId, Watch,
    WearerId,
};
use parking_lot::RwLock;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use subtle::ConstantTimeEq;

/// Shards of the device table; a power of two. Growing one of them for its part of a million devices takes well
/// under a millisecond.
const DEVICE_SHARDS: usize = 64;

/// The view. All verbs take `&self` and never wait for more than another's single edit.
#[derive(Debug)]
pub struct Authority {
    devices: Vec<RwLock<FxHashSet<Box<DeviceEntry>>>>,
    /// By SHA-256 of the token.
    tokens: RwLock<FxHashMap<[u8; 32], TokenEntry>>,
    /// Who may sign in.
    accounts: RwLock<BTreeMap<AccountId, Account>>,
    /// Who is signed in, by SHA-256 of the cookie.
    sessions: RwLock<FxHashMap<[u8; 32], Session>>,
    /// Who may see where somebody is although nothing has happened.
    glasses: RwLock<Vec<Glass>>,
    /// Guardians' codes, and what they opened.
    step_ups: RwLock<Vec<StepUp>>,
    /// Who watches a console.
    watches: RwLock<Vec<Watch>>,
    /// Under which number guardians were last reached by a call, and when.
    reached: RwLock<FxHashMap<PersonId, (CompactString, Timestamp)>>,
    /// How many changes of the registry were taken in.
    changes: AtomicU64,
}

/// About 90 bytes a device, behind one pointer so that the table itself stays small while it grows.
#[derive(Debug)]
struct DeviceEntry {
    id: DeviceId,
    wearer: Option<WearerId>,
    secret_hmac: [u8; 32],
}

#[derive(Debug)]
struct TokenEntry {
    id: TokenId,
    actor: Actor,
}

/// What came of a device's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceCheck {
    /// It is this one.
    Known(DeviceId),
    /// Registered, but the secret is not its own.
    WrongSecret,
    /// Not registered.
    Unknown,
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

impl Authority {
    /// Nobody may connect yet.
    #[must_use]
    pub fn new() -> Authority {
        Authority {
            devices: (0..DEVICE_SHARDS).map(|_| RwLock::default()).collect(),
            tokens: RwLock::default(),
            accounts: RwLock::default(),
            glasses: RwLock::default(),
            step_ups: RwLock::default(),
            watches: RwLock::default(),
            reached: RwLock::default(),
            sessions: RwLock::default(),
            changes: AtomicU64::new(0),
        }
    }

    /// How many changes of the registry were taken in.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Takes in a committed change. Returns the devices whose secret changed: their live sessions speak on the
    /// strength of the old one and are to be ended.
    pub fn apply(&self, change: &RegistryChange) -> Vec<DeviceId> {
        self.changes.fetch_add(1, Ordering::Relaxed);
        let mut to_disconnect = Vec::new();
        for device in &change.devices {
            let entry = Box::new(DeviceEntry {
                id: device.id.clone(),
                wearer: device.wearer.clone(),
                secret_hmac: device.secret_hmac,
            });
            let replaced = self.shard(device.id.as_str()).write().replace(entry);
            if replaced.is_some_and(|old| old.secret_hmac != device.secret_hmac) {
                to_disconnect.push(device.id.clone());
            }
        }
        to_disconnect
    }

    /// Takes in a committed token. Returns its id if it was ended: its live sessions are to be ended too.
    pub fn apply_token(&self, token: &ApiToken) -> Option<TokenId> {
        let mut tokens = self.tokens.write();
        if token.revoked {
            tokens.remove(&token.secret_sha256);
            return Some(token.id.clone());
        }
        let person = token.person.clone().unwrap_or_else(|| PersonId::new(token.id.as_str()));
        let actor = Actor { person, role: token.role, scope: token.scope.clone() };
        tokens.insert(token.secret_sha256, TokenEntry { id: token.id.clone(), actor });
        None
    }

    /// Whether a device is who it says it is. `presented_hmac` is what its secret hashes to
    /// ([`Secrets::device_secret_hmac`](crate::secrets::Secrets::device_secret_hmac)): reckoned before the look-up,
    /// so that unknown and known devices take the same time.
    #[must_use]
    pub fn check_device(&self, id: &str, presented_hmac: &[u8; 32]) -> DeviceCheck {
        match self.shard(id).read().get(id) {
            None => DeviceCheck::Unknown,
            Some(entry) if entry.secret_hmac.ct_eq(presented_hmac).into() => DeviceCheck::Known(entry.id.clone()),
            Some(_) => DeviceCheck::WrongSecret,
        }
    }

    /// Who wears a device now; `None` also when it is not registered.
    #[must_use]
    pub fn wearer_of(&self, id: &str) -> Option<WearerId> {
        self.shard(id).read().get(id)?.wearer.clone()
    }

    /// Whether a device is registered.
    #[must_use]
    pub fn has_device(&self, id: &str) -> bool {
        self.shard(id).read().contains(id)
    }

    /// Who speaks with a token, by its SHA-256 ([`api_token_sha256`](crate::secrets::api_token_sha256)). Finding a
    /// digest in a table tells an attacker nothing about the random text behind it.
    #[must_use]
    pub fn actor_of_token(&self, sha256: &[u8; 32]) -> Option<(TokenId, Actor)> {
        self.tokens.read().get(sha256).map(|entry| (entry.id.clone(), entry.actor.clone()))
    }

    /// Takes in a committed account. Sessions of an epoch before go.
    pub fn apply_account(&self, account: Account) {
        self.sessions.write().retain(|_, known| known.account != account.id || known.epoch == account.sessions_epoch);
        self.accounts.write().insert(account.id.clone(), account);
    }

    /// Takes in a committed session; what has run out when it began goes.
    pub fn apply_session(&self, session: Session) {
        let mut sessions = self.sessions.write();
        if session.ended {
            sessions.remove(&session.secret_sha256);
            return;
        }
        sessions.retain(|_, known| session.began_at < known.expires_at);
        sessions.insert(session.secret_sha256, session);
    }

    /// Who is signed in with a cookie, by its SHA-256, if that holds now. The account is as it is now.
    #[must_use]
    pub fn session(&self, secret_sha256: &[u8; 32], now: Timestamp) -> Option<(Account, Session)> {
        let session = self.sessions.read().get(secret_sha256).cloned()?;
        let account = self.account(session.account.as_str())?;
        account.admits(&session, now).then_some((account, session))
    }

    /// Takes in committed broken glass; what has run out by then goes.
    pub fn apply_glass(&self, glass: Glass) {
        let mut glasses = self.glasses.write();
        glasses.retain(|known| glass.at < known.until);
        glasses.push(glass);
    }

    /// Until when somebody has broken the glass before a wearer.
    #[must_use]
    pub fn glass(&self, person: &PersonId, wearer: &WearerId, now: Timestamp) -> Option<Timestamp> {
        let glasses = self.glasses.read();
        let theirs = glasses.iter().filter(|glass| glass.person == *person && glass.wearer == *wearer);
        theirs.map(|glass| glass.until).filter(|until| now < *until).max()
    }

    /// Takes in a committed code; what is over by then goes.
    pub fn apply_step_up(&self, step_up: StepUp, at: Timestamp) {
        let mut known = self.step_ups.write();
        known.retain(|one| !one.is_over(at) && !step_up.replaces(one));
        known.push(step_up);
    }

    /// The codes of a guardian for a wearer that something can come of, oldest first.
    #[must_use]
    pub fn step_ups(&self, person: &PersonId, wearer: &WearerId, now: Timestamp) -> Vec<StepUp> {
        let known = self.step_ups.read();
        let theirs = known.iter().filter(|one| one.person == *person && one.wearer == *wearer && !one.is_over(now));
        theirs.cloned().collect()
    }

    /// Takes in a committed watch; what is over by then goes.
    pub fn apply_watch(&self, watch: Watch, at: Timestamp) {
        let mut watches = self.watches.write();
        watches.retain(|known| at < known.until && known.person != watch.person);
        if at < watch.until {
            watches.push(watch);
        }
    }

    /// Who watches a console now, the longest first.
    #[must_use]
    pub fn watches(&self, now: Timestamp) -> Vec<Watch> {
        let mut watches: Vec<Watch> = self.watches.read().iter().filter(|watch| now < watch.until).cloned().collect();
        watches.sort_by(|a, b| (a.since, &a.person).cmp(&(b.since, &b.person)));
        watches
    }

    /// Takes in that a guardian was reached by a call.
    pub fn apply_reached(&self, person: PersonId, phone: CompactString, at: Timestamp) {
        self.reached.write().insert(person, (phone, at));
    }

    /// When a guardian was last reached under a number.
    #[must_use]
    pub fn reached_at(&self, person: &PersonId, phone: &str) -> Option<Timestamp> {
        self.reached.read().get(person).filter(|(known, _)| known == phone).map(|(_, at)| *at)
    }

    /// An account by its name, in whatever state.
    #[must_use]
    pub fn account(&self, id: &str) -> Option<Account> {
        self.accounts.read().get(id).cloned()
    }

    /// All accounts, in the order of their names.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        self.accounts.read().values().cloned().collect()
    }

    /// How many devices are registered.
    #[must_use]
    pub fn device_count(&self) -> usize {
        self.devices.iter().map(|shard| shard.read().len()).sum()
    }

    fn shard(&self, id: &str) -> &RwLock<FxHashSet<Box<DeviceEntry>>> {
        // The table inside a shard uses the top and the low bits of the same hash; these are from the middle.
        let index = (FxBuildHasher.hash_one(id) >> 24) as usize % DEVICE_SHARDS;
        &self.devices[index]
    }
}

impl Borrow<str> for Box<DeviceEntry> {
    fn borrow(&self) -> &str {
        self.id.as_str()
    }
}

impl Hash for DeviceEntry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.as_str().hash(state);
    }
}

impl PartialEq for DeviceEntry {
    fn eq(&self, other: &DeviceEntry) -> bool {
        self.id == other.id
    }
}

impl Eq for DeviceEntry {}

#[cfg(test)]
mod tests {
    use model::staff::ApiToken;
    use model::{Datum, Device, DeviceId, OrgPath, RegistryChange, Role, Timestamp, TokenId, WearerId};

    use super::{Authority, DeviceCheck};

    fn change(id: &str, secret: u8) -> RegistryChange {
        let device = Device {
            id: DeviceId::new(id),
            kind: "bracelet".into(),
            wearer: Some(WearerId::new("w1")),
            bindings: Vec::new(),
            secret_hmac: [secret; 32],
            datum: Datum::Wgs84,
            carrier: None,
        };
        RegistryChange { devices: vec![device], ..RegistryChange::default() }
    }

    #[test]
    fn a_device_speaks_for_itself_and_a_new_secret_ends_its_session() {
        let authority = Authority::new();
        assert_eq!(authority.check_device("b1", &[1; 32]), DeviceCheck::Unknown);
        assert_eq!(authority.apply(&change("b1", 1)), []);
        assert_eq!(authority.check_device("b1", &[1; 32]), DeviceCheck::Known(DeviceId::new("b1")));
        assert_eq!(authority.check_device("b1", &[2; 32]), DeviceCheck::WrongSecret);
        assert_eq!(authority.apply(&change("b1", 1)), [], "nothing changed");
        assert_eq!(authority.apply(&change("b1", 2)), [DeviceId::new("b1")]);
        assert_eq!(authority.check_device("b1", &[1; 32]), DeviceCheck::WrongSecret);
        assert_eq!(authority.wearer_of("b1"), Some(WearerId::new("w1")));
        assert_eq!(authority.device_count(), 1);
    }

    #[test]
    fn every_device_is_found_again() {
        let authority = Authority::new();
        for n in 0..5_000u32 {
            authority.apply(&change(&format!("86{n:013}"), 3));
        }
        assert_eq!(authority.device_count(), 5_000);
        assert!((0..5_000u32).all(|n| authority.has_device(&format!("86{n:013}"))));
        assert!(!authority.has_device("860000000005000"));
        let largest = authority.devices.iter().map(|shard| shard.read().len()).max();
        assert!(largest < Some(5_000 / 64 * 3), "the shards are uneven: {largest:?}");
    }

    #[test]
    fn a_token_holds_until_it_is_ended() {
        let authority = Authority::new();
        let mut token = ApiToken {
            id: TokenId::new("t1"),
            secret_sha256: [7; 32],
            label: "street platform".into(),
            role: Role::Integration,
            scope: OrgPath::new("/luyang/"),
            created_at: Timestamp::EPOCH,
            revoked: false,
            person: None,
        };
        assert_eq!(authority.apply_token(&token), None);
        let (id, actor) = authority.actor_of_token(&[7; 32]).unwrap();
        assert_eq!((id.as_str(), actor.person.as_str(), actor.role), ("t1", "t1", Role::Integration));
        assert_eq!(authority.actor_of_token(&[8; 32]), None);
        token.revoked = true;
        assert_eq!(authority.apply_token(&token), Some(TokenId::new("t1")));
        assert_eq!(authority.actor_of_token(&[7; 32]), None);
    }
}
