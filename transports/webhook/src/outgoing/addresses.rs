//! What is known of each address that is called, whatever names lead to it: how many requests are under way.
//!
//! Names cost nothing. Without this bound one machine that answers to many, and stalls, could have all requests that may be
//! under way. It is a bound for one machine: whoever has a /48 of IPv6, or several addresses, has as many times as much, and
//! all who share an address, as behind a CDN, are held up together. An address is known while it has a request or a kept
//! connection, so that there are never more of them than of those.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use eventhive_listener::counted;
use tokio::sync::Semaphore;

use super::guard::meant;

type Known = Mutex<HashMap<IpAddr, Weak<Address>>>;

/// All addresses.
pub(super) struct Addresses {
    turns: usize,
    known: Arc<Known>,
}

/// An IPv4 address, or a /64 of IPv6: whoever has one address of that has them all. What NAT64 makes of IPv4 counts as IPv4.
pub(super) struct Address {
    network: IpAddr,
    pub(super) turns: Semaphore,
    known: Arc<Known>,
}

impl Addresses {
    /// So many requests to each.
    pub(super) fn new(turns: usize) -> Self {
        Self { turns: turns.clamp(1, Semaphore::MAX_PERMITS), known: Arc::default() }
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        lock(&self.known).len()
    }

    pub(super) fn of(&self, address: IpAddr) -> Arc<Address> {
        let network = network(address);
        let mut known = lock(&self.known);
        if let Some(address) = known.get(&network).and_then(Weak::upgrade) {
            return address;
        }
        let address = Arc::new(Address { network, turns: Semaphore::new(self.turns), known: Arc::clone(&self.known) });
        known.insert(network, Arc::downgrade(&address));
        address
    }
}

impl Address {
    /// Whether this is what is known of it.
    pub(super) fn is_of(&self, address: IpAddr) -> bool {
        self.network == network(address)
    }
}

fn network(address: IpAddr) -> IpAddr {
    counted(meant(address))
}

impl Drop for Address {
    fn drop(&mut self) {
        let mut known = lock(&self.known);
        // Another may stand in its place already.
        if known.get(&self.network).is_some_and(|known| known.strong_count() == 0) {
            known.remove(&self.network);
        }
    }
}

/// No code panics while it has this.
fn lock(known: &Known) -> MutexGuard<'_, HashMap<IpAddr, Weak<Address>>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_and_what_stands_for_ipv4_is_that() {
        let all = Addresses::new(1);
        let of = |text: &str| all.of(text.parse().unwrap());
        let kept = [of("192.0.2.1"), of("2001:db8::1")];
        for (same, at) in
            [("192.0.2.1", 0), ("::ffff:192.0.2.1", 0), ("64:ff9b::192.0.2.1", 0), ("2001:db8::ffff:ffff:ffff:ffff", 1)]
        {
            assert!(Arc::ptr_eq(&of(same), &kept[at]), "{same}");
        }
        for other in ["192.0.2.2", "64:ff9b::192.0.2.2", "2001:db8:0:1::1"] {
            assert!(kept.iter().all(|kept| !Arc::ptr_eq(&of(other), kept)), "{other}");
        }
        assert_eq!(all.len(), 2, "what has nothing is forgotten");
    }
}
