//! Sets of addresses.

use std::net::IpAddr;

use ipnet::IpNet;

/// Networks in CIDR notation, and single addresses; none by default. IPv4 and IPv6 are strictly apart: the mapped
/// `::ffff:127.0.0.1` is not in `127.0.0.0/8`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Reads entries such as `10.0.0.0/8`, `2001:db8::/32` or `::1`; bits behind the prefix do not matter.
    ///
    /// # Errors
    /// The entries that are none, each with what it should be.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<String>> {
        let (mut networks, mut wrong) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry.parse().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from)) {
                Ok(network) => networks.push(network),
                Err(_) => {
                    wrong.push(format!("`{entry}` is no network: write it as `10.0.0.0/8`, `2001:db8::/32` or `::1`"))
                }
            }
        }
        if wrong.is_empty() { Ok(Self(networks)) } else { Err(wrong) }
    }

    /// The machine itself.
    #[must_use]
    pub fn loopback() -> Self {
        Self::parse(["127.0.0.0/8", "::1"]).unwrap_or_default()
    }

    /// Whether an address is in one of them.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_network_is_named() {
        let wrong = Networks::parse(["10.0.0.0/8", "10.0.0/8", "localhost"]).unwrap_err();
        assert_eq!(wrong.len(), 2);
        assert!(wrong[1].starts_with("`localhost` is no network"));
    }

    #[test]
    fn the_machine_itself_is_in_loopback_and_no_other_is() {
        for (address, contained) in
            [("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("::2", false), ("::ffff:127.0.0.1", false)]
        {
            assert_eq!(Networks::loopback().contain(address.parse().unwrap()), contained, "{address}");
        }
    }
}
