//! TLS handshakes under way. Who opens connections and says nothing would shut the door to everybody else, so once many are
//! under way one address has no more than its share of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many handshakes at a time; who comes beyond that is turned away.
const HANDSHAKES_MAX: usize = 1_024;
/// From how many on an address is looked at: below that there is room for everybody.
const CROWDED: usize = HANDSHAKES_MAX / 2;
/// How many an address has then at most. A whole office behind one address, or a provider's, has fewer at a time: one
/// takes a few round trips.
const OF_AN_ADDRESS_MAX: usize = 64;

/// Who is in the middle of a handshake.
#[derive(Debug, Default)]
pub(crate) struct Handshakes(Mutex<Underway>);

#[derive(Debug, Default)]
struct Underway {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// A handshake's place; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Handshake {
    all: Arc<Handshakes>,
    from: IpAddr,
}

impl Handshakes {
    /// Counts are whole at every point at which a panic could leave them.
    fn underway(&self) -> MutexGuard<'_, Underway> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a handshake with an address; `None`: it is to be turned away.
    pub(crate) fn begin(self: &Arc<Handshakes>, from: IpAddr) -> Option<Handshake> {
        let from = one_of(from);
        let mut underway = self.underway();
        let of_it = underway.of.get(&from).copied().unwrap_or(0);
        if underway.all >= HANDSHAKES_MAX || (underway.all >= CROWDED && of_it >= OF_AN_ADDRESS_MAX) {
            return None;
        }
        underway.all += 1;
        underway.of.insert(from, of_it + 1);
        drop(underway);
        Some(Handshake { all: Arc::clone(self), from })
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut underway = self.all.underway();
        underway.all -= 1;
        if let Some(of_it) = underway.of.get_mut(&self.from) {
            *of_it -= 1;
            if *of_it == 0 {
                underway.of.remove(&self.from);
            }
        }
    }
}

/// What counts as one address: whoever has one address of IPv6 has its whole /64.
fn one_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_shut_the_door_to_others() {
        let handshakes = Arc::new(Handshakes::default());
        let silent: Vec<Handshake> =
            (0..HANDSHAKES_MAX).map_while(|_| handshakes.begin(address("192.0.2.7"))).collect();
        assert_eq!(silent.len(), CROWDED, "alone it has what nobody else wants");
        let office: Vec<Handshake> =
            (0..HANDSHAKES_MAX).map_while(|_| handshakes.begin(address("198.51.100.1"))).collect();
        assert_eq!(office.len(), OF_AN_ADDRESS_MAX);
        assert!(handshakes.begin(address("::ffff:198.51.100.1")).is_none(), "the same address, spelled otherwise");

        drop(silent);
        assert!(handshakes.begin(address("198.51.100.1")).is_some(), "there is room again");
        drop(office);
        let underway = handshakes.underway();
        assert_eq!((underway.all, underway.of.len()), (0, 0), "nothing is remembered of who left");
    }

    #[test]
    fn there_is_an_end_to_all_of_them_and_a_network_of_ipv6_is_one_address() {
        let handshakes = Arc::new(Handshakes::default());
        let in_one_network = (0..).map_while(|host| handshakes.begin(address(&format!("2001:db8::{host:x}"))));
        let in_one_network: Vec<Handshake> = in_one_network.collect();
        assert_eq!(in_one_network.len(), CROWDED);
        let elsewhere = (0..).map_while(|net| handshakes.begin(address(&format!("2001:db8:0:{:x}::1", net + 1))));
        let elsewhere: Vec<Handshake> = elsewhere.collect();
        assert_eq!(elsewhere.len(), HANDSHAKES_MAX - CROWDED);
    }
}
