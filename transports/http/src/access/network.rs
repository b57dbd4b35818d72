//! Addresses that may publish.

use std::net::IpAddr;

use ipnet::IpNet;

/// Networks in CIDR notation, and single addresses. IPv4 and IPv6 are strictly apart: the mapped `::ffff:127.0.0.1` is
/// not in `127.0.0.0/8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payloaders(Vec<IpNet>);

/// The machine itself. The original lets nobody publish until its operator says who may.
impl Default for Payloaders {
    fn default() -> Self {
        Self::parse(["127.0.0.0/8", "::1"]).unwrap_or_else(|_| Self(Vec::new()))
    }
}

impl Payloaders {
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

    /// Whether an address is in one of them.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_vectors_holds() {
        let all: serde_json::Value = serde_json::from_str(include_str!("../../tests/vectors/pypubsub.json")).unwrap();
        let rows = all["payloader_cidr"]["rows"].as_array().unwrap();
        assert!(rows.len() > 50);
        for row in rows {
            let (entry, address) = (row[0].as_str().unwrap(), row[1].as_str().unwrap().parse().unwrap());
            match Payloaders::parse([entry]) {
                Ok(payloaders) => assert_eq!(row[2], payloaders.contain(address), "{row}"),
                Err(_) => assert_eq!(row[2], "AddrFormatError", "{row}"),
            }
        }
    }

    #[test]
    fn what_is_no_network_is_named() {
        let wrong = Payloaders::parse(["10.0.0.0/8", "10.0.0/8", "localhost"]).unwrap_err();
        assert_eq!(wrong.len(), 2);
        assert!(wrong[1].starts_with("`localhost` is no network"));
    }
}
