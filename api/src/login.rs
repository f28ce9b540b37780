//! How often passwords may be tried: by account and by address, counted before the password is looked at, so that a
//! hundred tries at once are a hundred.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use model::Timestamp;

/// How many wrong passwords in one window for an account, and from an address (many people may share one).
pub(crate) const TRIES_PER_ACCOUNT: u32 = 10;
pub(crate) const TRIES_PER_ADDRESS: u32 = 60;
/// How long a window is.
const WINDOW_SECONDS: u32 = 15 * 60;
/// How long an address from which somebody signed in counts as theirs: tries from elsewhere do not lock them out.
const KNOWN_SECONDS: u32 = 30 * 86_400;
/// How many of these are remembered; beyond it the addresses go first.
const REMEMBERED_MAX: usize = 100_000;

/// Who tries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    /// Somebody, from an address that the account was not used from.
    Account(String),
    /// The account's own: from where it was used before.
    Known(String, IpAddr),
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    until: Timestamp,
}

/// The tries of the last while. In memory: a restart forgives.
#[derive(Debug, Default)]
pub(crate) struct Logins(Mutex<HashMap<Who, Tries>>);

impl Logins {
    /// Counts a try. The error is after how many seconds another is taken.
    pub(crate) fn begin(&self, account: &str, from: Option<IpAddr>, now: Timestamp) -> Result<(), u32> {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut tries, now);
        let from = from.map(network);
        // Once that many were wrong at the known place too, it counts as any other.
        let has_credit =
            |known: &Who| tries.get(known).is_some_and(|entry| now < entry.until && entry.count < TRIES_PER_ACCOUNT);
        let known = from.map(|from| Who::Known(account.to_owned(), from)).filter(has_credit);
        let account = (known.unwrap_or_else(|| Who::Account(account.to_owned())), TRIES_PER_ACCOUNT);
        let address = from.map(|from| (Who::Address(from), TRIES_PER_ADDRESS));
        let counted: Vec<_> = [Some(account), address].into_iter().flatten().collect();
        for (who, most) in &counted {
            let Some(so_far) = tries.get(who).filter(|entry| now < entry.until) else { continue };
            if so_far.count >= *most {
                return Err(wait_of(so_far, now));
            }
        }
        for (who, _) in counted {
            let fresh = Tries { count: 0, until: now.plus_seconds(WINDOW_SECONDS) };
            let entry = tries.entry(who).or_insert(fresh);
            if entry.until <= now {
                *entry = fresh;
            }
            entry.count += 1;
        }
        Ok(())
    }

    /// Counts something of which there may be so many in a window. The error is after how many seconds another is.
    pub(crate) fn count(&self, what: &str, most: u32, now: Timestamp) -> Result<(), u32> {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut tries, now);
        let fresh = Tries { count: 0, until: now.plus_seconds(WINDOW_SECONDS) };
        let entry = tries.entry(Who::Account(what.to_owned())).or_insert(fresh);
        if entry.until <= now {
            *entry = fresh;
        }
        if entry.count >= most {
            return Err(wait_of(entry, now));
        }
        entry.count += 1;
        Ok(())
    }

    /// The password was right: the try does not count, and the address is the account's from now on.
    pub(crate) fn succeeded(&self, account: &str, from: Option<IpAddr>, now: Timestamp) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(from) = from.map(network) else {
            tries.remove(&Who::Account(account.to_owned()));
            return;
        };
        if let Some(entry) = tries.get_mut(&Who::Address(from)) {
            entry.count = entry.count.saturating_sub(1);
        }
        if let Some(entry) = tries.get_mut(&Who::Account(account.to_owned())) {
            entry.count = entry.count.saturating_sub(1);
        }
        let known = Tries { count: 0, until: now.plus_seconds(KNOWN_SECONDS) };
        tries.insert(Who::Known(account.to_owned(), from), known);
    }
}

fn wait_of(tries: &Tries, now: Timestamp) -> u32 {
    let wait = tries.until.millis_since(now).clamp(1_000, i64::from(WINDOW_SECONDS) * 1_000);
    u32::try_from(wait / 1_000).unwrap_or(WINDOW_SECONDS)
}

fn make_room(tries: &mut HashMap<Who, Tries>, now: Timestamp) {
    if tries.len() < REMEMBERED_MAX {
        return;
    }
    tries.retain(|_, entry| now < entry.until);
    if tries.len() >= REMEMBERED_MAX {
        tries.retain(|who, _| !matches!(who, Who::Address(_)));
    }
    if tries.len() >= REMEMBERED_MAX {
        tries.clear();
    }
}

/// Of IPv6 the network: one subscriber has 2^64 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn who_guesses_waits_and_whoever_owns_the_account_does_not() {
        let logins = Logins::default();
        let home = ip("192.0.2.1");
        logins.begin("desk1", home, at(0)).unwrap();
        logins.succeeded("desk1", home, at(0));
        // A guesser with an address for each try.
        for n in 0..TRIES_PER_ACCOUNT {
            logins.begin("desk1", ip(&format!("198.51.100.{n}")), at(1)).unwrap();
        }
        let wait = logins.begin("desk1", ip("198.51.100.200"), at(1)).unwrap_err();
        assert!((890..=900).contains(&wait), "{wait}");
        logins.begin("desk1", home, at(2)).unwrap();
        logins.begin("desk1", ip("198.51.100.201"), at(1 + 900)).unwrap();
    }

    #[test]
    fn one_address_cannot_go_through_the_accounts() {
        let logins = Logins::default();
        let tried = (0..1_000).filter(|n| logins.begin(&format!("a{n}"), ip("2001:db8::1"), at(0)).is_ok()).count();
        assert_eq!(tried, TRIES_PER_ADDRESS as usize);
        assert!(logins.begin("b", ip("2001:db8::ffff:2"), at(0)).is_err(), "the same network");
        assert!(logins.begin("b", ip("2001:db8:0:1::2"), at(0)).is_ok());
        // Those who sign in do not use up what their neighbours behind the same address have.
        for n in 0..1_000 {
            let account = format!("c{n}");
            logins.begin(&account, ip("203.0.113.9"), at(0)).unwrap();
            logins.succeeded(&account, ip("203.0.113.9"), at(0));
        }
    }

    #[test]
    fn the_known_place_has_a_limit_of_its_own() {
        let logins = Logins::default();
        let home = ip("192.0.2.1");
        logins.succeeded("desk1", home, at(0));
        let tried = (0..100).filter(|_| logins.begin("desk1", home, at(1)).is_ok()).count();
        assert_eq!(tried, 2 * TRIES_PER_ACCOUNT as usize);
        assert!(logins.begin("desk1", home, at(1_000)).is_ok(), "after the window");
    }
}
