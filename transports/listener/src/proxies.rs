//! Who a client is that comes through a proxy.
//!
//! A proxy that is trusted says whom it speaks for: in `X-Forwarded-For`, to which each proxy appends the address that it
//! was reached from, or in front of the connection, by the PROXY protocol. Of anyone else neither is believed.
//!
//! | the request comes from | `X-Forwarded-For` | the client's address |
//! |---|---|---|
//! | no trusted proxy | whatever | where the request comes from |
//! | a trusted proxy | addresses | the last that is no trusted proxy; the first, if all are |
//! | a trusted proxy | none | unknown |
//! | a trusted proxy | something that is no address, behind all that are no trusted proxies | unknown |
//! | nobody knows | whatever | unknown |
//!
//! A missing header does not make the client the proxy: a client may have had it removed, by naming it in `Connection`.
//! What runs on a proxy's machine and publishes directly says `X-Forwarded-For: 127.0.0.1`.
//!
//! The header `Forwarded` of RFC 7239 is not read. A proxy writes one of the two and passes the other on as the client wrote
//! it; whoever believes both believes the client.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use eventhive_transport::{Key, KeyKind, Problem, Settings};

use crate::Networks;

/// The key of a door's table that [`Proxies::from_settings`] reads.
pub const TRUSTED_PROXIES: Key = Key::optional(
    "trusted_proxies",
    KeyKind::Texts,
    "Networks and addresses of proxies in front: of their requests the client's address is the last in `X-Forwarded-For` \
     that is none of theirs. Without that header it is unknown.",
);

/// The other key.
pub const PROXY_PROTOCOL: Key = Key::with_default(
    "proxy_protocol",
    KeyKind::Bool,
    "false",
    "Whether the trusted proxies begin each connection with a header of the PROXY protocol, version 1 or 2. A connection \
     of theirs without it is refused; others come without.",
);

/// The proxies in front of a door.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Who is believed.
    pub trusted: Networks,
    /// Whether they speak the PROXY protocol.
    pub protocol: bool,
}

impl Proxies {
    /// From settings of a table with [`TRUSTED_PROXIES`] and [`PROXY_PROTOCOL`].
    ///
    /// # Errors
    /// Networks that are none; the PROXY protocol without anyone to speak it.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let key = TRUSTED_PROXIES.name;
        let trusted = Networks::parse(settings.texts(key))
            .map_err(|wrong| wrong.into_iter().map(|what| settings.problem(key, what)).collect::<Vec<_>>())?;
        let protocol = settings.flag(PROXY_PROTOCOL.name);
        if protocol && trusted.is_empty() {
            let message = "nobody may speak it: name the proxies under `trusted_proxies`";
            return Err(vec![settings.problem(PROXY_PROTOCOL.name, message)]);
        }
        Ok(Self { trusted, protocol })
    }

    /// Those whose connections begin with a header of the PROXY protocol.
    #[must_use]
    pub fn of_connections(&self) -> Option<Networks> {
        self.protocol.then(|| self.trusted.clone())
    }

    /// The address of the client that sent a request; `None` if it is not known, which is nobody's. IPv4 addresses are never
    /// mapped ones.
    #[must_use]
    pub fn client(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip().to_canonical();
        if !self.trusted.contain(peer) {
            return Some(peer);
        }
        // A line that is no text is no address either.
        let lines = request.headers().get_all("x-forwarded-for").map(|line| line.to_str().unwrap_or_default());
        self.forwarded(lines)
    }

    fn forwarded<'a>(&self, lines: impl DoubleEndedIterator<Item = &'a str>) -> Option<IpAddr> {
        let mut first = None;
        for entry in lines.rev().flat_map(|line| line.rsplit(',')) {
            let address = address(entry.trim())?;
            if !self.trusted.contain(address) {
                return Some(address);
            }
            first = Some(address);
        }
        first
    }
}

/// An address as proxies write it: alone, with a port, an IPv6 address in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(bare) => bare.parse::<std::net::Ipv6Addr>().map(IpAddr::from).ok(),
        None => text.parse().ok().or_else(|| text.parse::<SocketAddr>().map(|address| address.ip()).ok()),
    };
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    fn proxies() -> Proxies {
        let trusted = Networks::parse(["10.0.0.0/8", "::1", "192.0.2.7"]).unwrap();
        Proxies { trusted, protocol: false }
    }

    fn client(peer: Option<&str>, headers: &[&str]) -> Option<String> {
        let mut request = TestRequest::default();
        if let Some(peer) = peer {
            request = request.peer_addr(SocketAddr::new(peer.parse().unwrap(), 1));
        }
        for header in headers {
            request = request.append_header(("x-forwarded-for", *header));
        }
        proxies().client(&request.to_http_request()).map(|address| address.to_string())
    }

    #[test]
    fn every_row_of_the_table_holds() {
        let proxy = Some("10.0.0.1");
        for (peer, headers, expected) in [
            (Some("203.0.113.9"), &[][..], Some("203.0.113.9")),
            (Some("203.0.113.9"), &["198.51.100.1"], Some("203.0.113.9")),
            (Some("::ffff:203.0.113.9"), &[], Some("203.0.113.9")),
            (proxy, &["198.51.100.1"], Some("198.51.100.1")),
            (Some("::ffff:10.0.0.1"), &["198.51.100.1"], Some("198.51.100.1")),
            (Some("::1"), &["2001:db8::5"], Some("2001:db8::5")),
            (proxy, &["127.0.0.1, 198.51.100.1"], Some("198.51.100.1")),
            (proxy, &["127.0.0.1", "198.51.100.1, 10.9.9.9"], Some("198.51.100.1")),
            (proxy, &["127.0.0.1, 198.51.100.1", "10.9.9.9,192.0.2.7"], Some("198.51.100.1")),
            (proxy, &["nonsense, 198.51.100.1"], Some("198.51.100.1")),
            (proxy, &["198.51.100.1:4711"], Some("198.51.100.1")),
            (proxy, &["[2001:db8::5]:4711"], Some("2001:db8::5")),
            (proxy, &["[2001:db8::5]"], Some("2001:db8::5")),
            (proxy, &["::ffff:198.51.100.1"], Some("198.51.100.1")),
            (proxy, &["127.0.0.1, ::ffff:10.0.0.3"], Some("127.0.0.1")),
            (proxy, &["10.0.0.2, 10.0.0.3"], Some("10.0.0.2")),
            (proxy, &[], None),
            (proxy, &[""], None),
            (proxy, &["198.51.100.1, unknown"], None),
            (proxy, &["198.51.100.1,"], None),
            (proxy, &["198.51.100.1", "nonsense, 10.0.0.2"], None),
            (proxy, &["127.0.0.1/8"], None),
            (proxy, &["[198.51.100.1]"], None),
            (None, &["198.51.100.1"], None),
        ] {
            assert_eq!(client(peer, headers).as_deref(), expected, "{peer:?} {headers:?}");
        }
    }

    #[test]
    fn the_standard_header_is_not_read() {
        let request = TestRequest::default()
            .peer_addr("10.0.0.1:1".parse().unwrap())
            .append_header(("forwarded", "for=127.0.0.1"))
            .to_http_request();
        assert_eq!(proxies().client(&request), None);
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_the_address_that_the_proxy_appends_counts(sent in "[ -~]{0,40}", last: [u8; 4]) {
            let appended = IpAddr::from(last);
            prop_assume!(!proxies().trusted.contain(appended));
            let (line, appended_text) = (format!("{sent}, {appended}"), appended.to_string());
            prop_assert_eq!(proxies().forwarded([line.as_str()].into_iter()), Some(appended));
            prop_assert_eq!(proxies().forwarded([sent.as_str(), &appended_text].into_iter()), Some(appended));
        }
    }
}
