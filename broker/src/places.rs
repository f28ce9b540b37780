//! Places for those who are in the middle of a TLS handshake. Who opens connections and says nothing would shut the door to
//! everybody else, so once many places are taken one address has no more than its share of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// A listener's places.
#[derive(Debug)]
pub struct Places {
    max: usize,
    of_an_address_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// One place; dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    of: IpAddr,
}

impl Places {
    /// So many places. Below half of them there is room for everybody; from then on an address, or an IPv6 network of 64
    /// bits, gets none beyond `of_an_address_max`.
    #[must_use]
    pub fn new(max: usize, of_an_address_max: usize) -> Arc<Places> {
        Arc::new(Places { max, of_an_address_max, taken: Mutex::default() })
    }

    /// A place for somebody at an address; `None`: they are to be turned away.
    #[must_use]
    pub fn take(self: &Arc<Places>, address: IpAddr) -> Option<Place> {
        let address = one_of(address);
        let mut taken = self.taken.lock();
        let of_it = taken.of.get(&address).copied().unwrap_or(0);
        let is_crowded = taken.all >= self.max / 2;
        if taken.all >= self.max || (is_crowded && of_it >= self.of_an_address_max) {
            return None;
        }
        taken.all += 1;
        taken.of.insert(address, of_it + 1);
        drop(taken);
        Some(Place { places: Arc::clone(self), of: address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all -= 1;
        if let Some(of_it) = taken.of.get_mut(&self.of) {
            *of_it -= 1;
            if *of_it == 0 {
                taken.of.remove(&self.of);
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

    const MAX: usize = 64;
    const OF_AN_ADDRESS: usize = 8;

    /// As many as come from there until one is turned away.
    fn all_from(places: &Arc<Places>, mut addresses: impl FnMut(usize) -> String) -> Vec<Place> {
        (0..2 * MAX).map_while(|at| places.take(addresses(at).parse().unwrap())).collect()
    }

    #[test]
    fn one_address_cannot_shut_the_door_to_others() {
        let places = Places::new(MAX, OF_AN_ADDRESS);
        let silent = all_from(&places, |_| "192.0.2.7".to_owned());
        assert_eq!(silent.len(), MAX / 2, "alone it has what nobody else wants");
        let office = all_from(&places, |_| "198.51.100.1".to_owned());
        assert_eq!(office.len(), OF_AN_ADDRESS);
        let same = "::ffff:198.51.100.1".parse().unwrap();
        assert!(places.take(same).is_none(), "the same address, spelled otherwise");

        drop(silent);
        assert!(places.take(same).is_some(), "there is room again");
        drop(office);
        let taken = places.taken.lock();
        assert_eq!((taken.all, taken.of.len()), (0, 0), "nothing is remembered of who left");
    }

    #[test]
    fn there_is_an_end_to_all_of_them_and_a_network_of_ipv6_is_one_address() {
        let places = Places::new(MAX, OF_AN_ADDRESS);
        let in_one_network = all_from(&places, |host| format!("2001:db8::{host:x}"));
        assert_eq!(in_one_network.len(), MAX / 2);
        let elsewhere = all_from(&places, |network| format!("2001:db8:0:{:x}::1", network + 1));
        assert_eq!(elsewhere.len(), MAX - MAX / 2);
    }
}
