//! What one remote address may have at a time, so that no single one takes it all.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts things by remote address, up to a limit for each: sessions, or refusals that are held back.
///
/// An IPv4 address counts by itself, however it is written. An IPv6 address counts with all of its /64, since whoever has
/// one of these usually has them all. Behind a proxy that is not [trusted](crate::Proxies) every client has the proxy's
/// address. An unknown address is an address like any other.
///
/// Costs about 50 bytes for each address that has something now.
pub struct PerAddress {
    most: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// One thing that an address has, until this is dropped.
#[must_use = "dropping it gives the place back"]
pub struct Place {
    address: IpAddr,
    all: Arc<PerAddress>,
}

impl PerAddress {
    /// Up to `most` for each address.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, counts: Mutex::default() })
    }

    /// One more for the address; `None` if it has all that it may have.
    #[must_use]
    pub fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Place> {
        let address = client(address);
        let mut counts = self.lock();
        let has = counts.entry(address).or_default();
        if *has >= self.most {
            // With a limit of 0 nobody has anything, and nobody is to be remembered.
            if *has == 0 {
                counts.remove(&address);
            }
            return None;
        }
        *has += 1;
        drop(counts);
        Some(Place { address, all: Arc::clone(self) })
    }

    /// Whether the address has all that it may have.
    #[must_use]
    pub fn is_full(&self, address: Option<IpAddr>) -> bool {
        self.lock().get(&client(address)).copied().unwrap_or_default() >= self.most
    }

    /// Addresses that have something now.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.lock().len()
    }

    // Nothing in here can panic halfway.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an address is counted as, in bounds of one remote address: itself, or the first address of its /64.
#[must_use]
pub fn counted(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)),
        address => address,
    }
}

fn client(address: Option<IpAddr>) -> IpAddr {
    address.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), counted)
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.all.lock();
        if let Some(has) = counts.get_mut(&self.address) {
            *has -= 1;
            if *has == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

impl fmt::Debug for PerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerAddress").field("most", &self.most).field("addresses", &self.addresses()).finish()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.address).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_address_at_its_limit_hinders_no_other_and_gets_its_places_back() {
        let all = PerAddress::new(2);
        let (one, other) = (peer("192.0.2.1"), peer("192.0.2.2"));
        let first = all.take(one).unwrap();
        let _second = all.take(one).unwrap();
        assert!(all.take(one).is_none() && all.is_full(one));
        let others = all.take(other).unwrap();
        assert!(!all.is_full(other));
        assert_eq!(all.addresses(), 2);
        drop((first, others));
        assert_eq!(all.addresses(), 1, "who has nothing is forgotten");
        assert!(all.take(one).is_some());
    }

    #[test]
    fn a_mapped_address_is_the_same_and_a_network_of_ipv6_is_one() {
        let all = PerAddress::new(1);
        let _places = [all.take(peer("192.0.2.1")), all.take(peer("2001:db8::1")), all.take(None)];
        for same in [peer("::ffff:192.0.2.1"), peer("2001:db8::ffff:ffff:ffff:ffff"), None] {
            assert!(all.is_full(same), "{same:?}");
        }
        for other in [peer("192.0.2.3"), peer("2001:db8:0:1::1")] {
            assert!(!all.is_full(other), "{other:?}");
        }
        let none = PerAddress::new(0);
        assert!(none.take(peer("192.0.2.1")).is_none() && none.addresses() == 0);
    }
}
