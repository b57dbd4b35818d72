//! Which network interfaces take part in discovery, and by which address this machine is reached.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use if_addrs::Interface;
use mdns_sd::{IfKind, IfPredicate};

use super::DiscoveryError;

/// Beginnings of names of interfaces that lead to no peers: bridges and pairs of containers, virtual machines, VPNs.
const LEFT_OUT: &[&str] = &[
    "docker",
    "br-",
    "veth",
    "cni",
    "flannel",
    "cali",
    "cilium",
    "podman",
    "lxc",
    "lxd",
    "virbr",
    "vboxnet",
    "vmnet",
    "tun",
    "tap",
    "utun",
    "wg",
    "tailscale",
    "nordlynx",
    "nebula",
    "zt",
];

/// Which network interfaces take part in discovery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Interfaces {
    /// All but those of containers, virtual machines and VPNs, told by their usual names.
    #[default]
    Usual,
    /// The loopback interface: hives of this machine.
    Loopback,
    /// The interfaces of these names; `loopback` stands for the loopback interface, whatever its name.
    Named(Vec<String>),
}

/// The name of the loopback interface on every system.
const LOOPBACK: &str = "loopback";

impl Interfaces {
    /// Whether this address of an interface takes part.
    fn takes(&self, interface: &Interface) -> bool {
        match self {
            Self::Usual => is_usual(&interface.name),
            Self::Loopback => interface.is_loopback(),
            Self::Named(names) => {
                names.iter().any(|name| *name == interface.name || (name == LOOPBACK && interface.is_loopback()))
            }
        }
    }

    /// The same choice, as the library wants it.
    pub(super) fn kind(&self) -> IfKind {
        let choice = self.clone();
        IfKind::Predicate(IfPredicate::new(move |interface| choice.takes(interface)))
    }

    /// What of `present` a server on `host` is announced with: the host if it is one of them, else (a wildcard, or an
    /// address before a NAT) all. IPv6 only where there is no IPv4: `mdns-sd` can answer a question for both with the
    /// IPv6 address alone, as no record is sent twice in a second, and eventhive 0.5.0 looks no further than that.
    pub(super) fn kind_for(&self, host: IpAddr, present: &[Interface]) -> IfKind {
        if present.iter().any(|interface| interface.ip() == host) {
            return IfKind::Addr(host);
        }
        let (choice, v4) = (self.clone(), present.iter().any(|interface| interface.ip().is_ipv4()));
        IfKind::Predicate(IfPredicate::new(move |interface| choice.takes(interface) && interface.ip().is_ipv4() == v4))
    }

    /// The chosen interfaces, an entry for each address.
    ///
    /// # Errors
    /// If there is none: nothing could ever be found.
    pub(super) fn present(&self) -> Result<Vec<Interface>, DiscoveryError> {
        let up = all()?;
        let chosen: Vec<Interface> = up.iter().filter(|interface| self.takes(interface)).cloned().collect();
        if chosen.is_empty() {
            let mut there: Vec<&str> = up.iter().map(|interface| interface.name.as_str()).collect();
            there.dedup();
            return Err(DiscoveryError::NoInterface { wanted: self.describe(), there: there.join(", ") });
        }
        Ok(chosen)
    }

    /// The choice for a server on `host`. What listens on loopback is announced there only, as no other machine could
    /// use it; what listens on the address of an interface that is usually left out is meant for that interface.
    pub(super) fn for_host(&self, host: IpAddr) -> Result<Self, DiscoveryError> {
        if host.is_loopback() {
            return Ok(Self::Loopback);
        }
        let its = all()?.into_iter().find(|interface| interface.ip() == host);
        Ok(match its {
            Some(interface) if *self == Self::Usual && !is_usual(&interface.name) => Self::Named(vec![interface.name]),
            _ => self.clone(),
        })
    }

    fn describe(&self) -> String {
        match self {
            Self::Usual => "any but those of containers and VPNs".to_owned(),
            Self::Loopback => "loopback".to_owned(),
            Self::Named(names) => names.join(", "),
        }
    }
}

fn all() -> Result<Vec<Interface>, DiscoveryError> {
    let mut all = if_addrs::get_if_addrs().map_err(DiscoveryError::Interfaces)?;
    all.retain(Interface::is_oper_up);
    Ok(all)
}

fn is_usual(name: &str) -> bool {
    !LEFT_OUT.iter().any(|beginning| name.starts_with(beginning))
}

/// The address that peers on the interfaces `among` should use for a server that listens on all addresses: the one by
/// which this machine reaches the outside, else any of theirs. IPv4 goes first, for `::` too, since eventhive 0.5.0
/// cannot write an IPv6 address into a URL and sockets on `::` take both.
pub(super) fn reachable(among: &[Interface]) -> IpAddr {
    let routed = towards_outside();
    let addresses = || among.iter().map(Interface::ip);
    addresses()
        .find(|address| Some(*address) == routed)
        .or_else(|| addresses().find(|address| address.is_ipv4() && !address.is_loopback()))
        .or_else(|| {
            addresses()
                .find(|address| matches!(address, IpAddr::V6(v6) if !v6.is_loopback() && !v6.is_unicast_link_local()))
        })
        .or_else(|| addresses().next())
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// No packet is sent: connecting a UDP socket only asks the routing table.
fn towards_outside() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(1, 1, 1, 1), 53)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_of_containers_and_vpns_are_left_out() {
        assert!(["eth0", "wlan0", "lo", "enp3s0", "bond0", "br0"].iter().all(|name| is_usual(name)));
        assert!(["docker0", "veth12ab", "wg0", "tun3", "br-1f3c", "cali123"].iter().all(|name| !is_usual(name)));
    }

    #[test]
    fn a_misspelt_interface_is_an_error_that_lists_those_there_are() {
        let error = Interfaces::Named(vec!["eht0".to_owned()]).present().unwrap_err().to_string();
        assert!(
            error.starts_with("no network interface takes part in discovery: wanted eht0, this machine has "),
            "{error}"
        );
        assert!(error.contains("lo"), "{error}");
    }

    #[test]
    fn a_server_on_loopback_is_announced_on_loopback_only() {
        let usual = Interfaces::Usual;
        assert_eq!(usual.for_host(Ipv4Addr::LOCALHOST.into()).unwrap(), Interfaces::Loopback);
        assert_eq!(usual.for_host(Ipv4Addr::UNSPECIFIED.into()).unwrap(), Interfaces::Usual);
        assert!(Interfaces::Loopback.present().unwrap().iter().all(Interface::is_loopback));
        let named = Interfaces::Named(vec![LOOPBACK.to_owned()]);
        assert_eq!(named.present().unwrap(), Interfaces::Loopback.present().unwrap());
    }
}
