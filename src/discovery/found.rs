//! A server that was found.

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use eventhive_transport::settings::Node;
use mdns_sd::ResolvedService;

use super::claim::Claim;
use super::name::server_name;
use super::sign::{self, SIGNATURE, Signature, Signer};
use super::txt::{self, Pairs};

/// A server that was found, as it describes itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its name, in its own spelling. Names that differ in case only are one name.
    pub name: String,
    /// Everything it says, in its order.
    pub txt: Vec<(String, String)>,
    /// Its port.
    pub port: u16,
    /// The addresses of its machine. eventhive 0.5.0 always says 0.0.0.0: use the setting `host`.
    pub addresses: Vec<IpAddr>,
    /// What it says of its age and identity.
    pub claim: Claim,
    /// Whether it was written down, in the configuration or its file, and not announced.
    pub listed: bool,
    /// Whether it is signed.
    pub signature: Signature,
    /// When this process first saw it.
    pub since: SystemTime,
}

impl Found {
    /// `None` for services of other kinds, and while nothing but the address is known.
    pub(super) fn read(service: &ResolvedService, signer: Option<&Signer>) -> Option<Self> {
        let name = server_name(&service.fullname)?.to_owned();
        let txt = txt::read(service.txt_properties.iter());
        if txt.is_empty() {
            return None;
        }
        let mut addresses: Vec<IpAddr> = service.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr).collect();
        addresses.sort();
        Some(Self { addresses, ..Self::described(name, txt, service.port, signer) })
    }

    /// A server that is described by these settings.
    pub(crate) fn described(name: String, txt: Pairs, port: u16, signer: Option<&Signer>) -> Self {
        let signature = signer.map_or_else(|| sign::unchecked(&txt), |signer| signer.check(&name, &txt));
        let port = get(&txt, "port").and_then(|text| text.parse().ok()).unwrap_or(port);
        let (claim, since) = (Claim::read(&txt), SystemTime::now());
        Self { name, port, addresses: Vec::new(), claim, listed: false, signature, since, txt }
    }

    /// The host to connect to, if it says so.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        get(&self.txt, "host")
    }

    /// One of its settings, as it says.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        get(&self.txt, key)
    }

    /// Its settings, as they would stand under a connector's `init`. They came from the network: take only those that
    /// the transport knows, by [`keep_known`](super::keep_known).
    #[must_use]
    pub fn init(&self) -> Node {
        txt::init(self.txt.iter().filter(|(key, _)| key != SIGNATURE && !Claim::has_key(key)))
    }

    /// Whether it says the same as `other`; when it was seen is no part of that.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        (&self.txt, self.port, &self.addresses, self.signature)
            == (&other.txt, other.port, &other.addresses, other.signature)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host().unwrap_or("an unnamed host"), self.port)
    }
}

fn get<'a>(txt: &'a Pairs, wanted: &str) -> Option<&'a str> {
    txt.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use eventhive_transport::settings::Value;

    #[test]
    fn the_settings_are_what_it_says_without_claim_and_signature() {
        let txt = ["host", "port", "created", "id", SIGNATURE, "endpoint"];
        let txt = txt.map(|key| (key.to_owned(), if key == "port" { "81" } else { "x" }.to_owned())).to_vec();
        let found = Found::described("n".to_owned(), txt, 80, None);
        let Value::Map(entries) = found.init().value else { panic!() };
        assert_eq!(entries.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["host", "port", "endpoint"]);
        assert_eq!((found.to_string().as_str(), found.signature), ("x:81", Signature::Unchecked));
    }
}
