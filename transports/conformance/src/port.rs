//! Ports that are chosen first and bound later.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below are the ports that programs have by default.
const FIRST: u16 = 10_000;

/// Where the ports of outgoing connections begin, if the system does not say.
const OUTGOING: u16 = 32_768;

/// Fewer ports would soon be given twice.
const FEWEST: u16 = 1000;

/// A port on which nobody listens, for a server that is started later, or is to be started again on it.
///
/// One that the system has chosen (port 0) may be given to an outgoing connection, or to the next who asks, as soon as it is
/// free. This one is below those, so that nobody is given it by accident. Each call gives another one; programs that run at
/// once begin at random places. It is 0 if all are taken.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let (range, next) = (range(), NEXT.get_or_init(|| fastrand::u16(..).into()));
    let length = range.end - range.start;
    let mut candidates = (0..length).map(|_| range.start + next.fetch_add(1, Ordering::Relaxed) % length);
    candidates.find(|port| is_free(*port)).unwrap_or_default()
}

fn range() -> Range<u16> {
    let told = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    let outgoing = told.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(OUTGOING);
    // Where next to all ports are for outgoing connections, there is none of which one can be sure.
    if outgoing >= FIRST + FEWEST { FIRST..outgoing } else { FIRST..u16::MAX }
}

/// On all addresses, which are in the way of each single one.
fn is_free(port: u16) -> bool {
    let all: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    // Another error is one of the address: not every machine has both.
    let taken =
        |address| matches!(TcpListener::bind((address, port)), Err(error) if error.kind() == ErrorKind::AddrInUse);
    !all.into_iter().any(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_is_free_another_and_none_of_those_that_the_system_gives() {
        let ports: Vec<u16> = (0..100).map(|_| free_port()).collect();
        let listeners: Vec<_> =
            ports.iter().map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).unwrap()).collect();
        assert_eq!(listeners.len(), 100);
        assert!(ports.iter().all(|port| range().contains(port)), "{ports:?}");
    }

    #[test]
    fn a_port_on_which_somebody_listens_is_not_free() {
        let port = free_port();
        for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv4Addr::UNSPECIFIED.into()] {
            let listener = TcpListener::bind((address, port)).unwrap();
            assert!(!is_free(port), "{address}");
            drop(listener);
        }
        assert!(is_free(port));
    }
}
