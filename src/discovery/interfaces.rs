//! Which network interfaces take part in discovery.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use mdns_sd::{IfKind, IfPredicate, ServiceDaemon};

use super::DiscoveryError;

/// Beginnings of names of interfaces that lead to no peers: bridges and pairs of containers, virtual machines, VPNs.
const LEFT_OUT: &[&str] = &["docker", "br-", "veth", "virbr", "vmnet", "tun", "tap", "wg", "tailscale", "zt"];

/// Which network interfaces take part in discovery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Interfaces {
    /// All but those of containers, virtual machines and VPNs, told by their usual names.
    #[default]
    Usual,
    /// The loopback interface: hives of this machine.
    Loopback,
    /// The interfaces of these names.
    Named(Vec<String>),
}

impl Interfaces {
    /// A daemon that speaks on these interfaces only.
    pub(super) fn daemon(&self) -> Result<ServiceDaemon, DiscoveryError> {
        let daemon = ServiceDaemon::new().map_err(DiscoveryError::Daemon)?;
        let choice = match self {
            Self::Usual => IfKind::Predicate(IfPredicate::new(|interface| is_usual(&interface.name))),
            Self::Loopback => IfKind::LoopbackV4,
            Self::Named(names) => {
                let names = names.clone();
                IfKind::Predicate(IfPredicate::new(move |interface| names.contains(&interface.name)))
            }
        };
        daemon.disable_interface(IfKind::All).map_err(DiscoveryError::Daemon)?;
        daemon.enable_interface(choice).map_err(DiscoveryError::Daemon)?;
        Ok(daemon)
    }
}

fn is_usual(name: &str) -> bool {
    !LEFT_OUT.iter().any(|beginning| name.starts_with(beginning))
}

/// The address by which this machine reaches the outside, of the same family as `wildcard`; loopback if there is none.
/// No packet is sent: connecting a UDP socket only asks the routing table.
pub(super) fn routable_address(wildcard: IpAddr) -> IpAddr {
    let (any, outside, loopback): (IpAddr, IpAddr, IpAddr) = match wildcard {
        IpAddr::V4(any) => (any.into(), Ipv4Addr::new(1, 1, 1, 1).into(), Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(any) => {
            (any.into(), Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111).into(), Ipv6Addr::LOCALHOST.into())
        }
    };
    let routed = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((outside, 53))?;
        socket.local_addr()
    };
    routed().map_or(loopback, |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_of_containers_and_vpns_are_left_out() {
        assert!(["eth0", "wlan0", "lo", "enp3s0"].iter().all(|name| is_usual(name)));
        assert!(["docker0", "veth12ab", "wg0", "tun3"].iter().all(|name| !is_usual(name)));
    }
}
