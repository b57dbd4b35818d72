//! Which addresses may be called.
//!
//! Subscribers name the urls that a broadcaster calls, so a url must not lead where only the broadcaster can go: to its own
//! machine, its intranet, its cloud's metadata. Every address that a url has or resolves to passes here before it is
//! connected to, and the connection goes to the very address that passed; a name is not resolved a second time. So neither
//! spellings, nor names that resolve otherwise the next time, nor redirects (which nobody follows) lead around.
//!
//! `table` is the list of what is forbidden. Addresses of IPv6 that stand for one of IPv4 are judged by that one
//! (IPv4-mapped, RFC 4291; the well-known prefix of NAT64, RFC 6052), or are forbidden all together where nobody needs
//! them (IPv4-compatible, 6to4, Teredo, local prefixes of NAT64).

mod table;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use eventhive_listener::Networks;

use table::{FORBIDDEN, Row};

/// Judges addresses. What `allow` has passes, whatever the table says.
#[derive(Debug)]
pub(super) struct Guard {
    allow: Networks,
}

/// An address that may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} may not be called: {what} ({source}); if it should be, put its network into `allow`", what = .row.what, source = .row.source)]
pub(super) struct Forbidden {
    pub(super) address: IpAddr,
    row: &'static Row,
}

impl Guard {
    pub(super) fn new(allow: Networks) -> Self {
        Self { allow }
    }

    /// The address to connect to: this one, but that what IPv6 maps of IPv4 is said in IPv4.
    pub(super) fn check(&self, address: IpAddr) -> Result<IpAddr, Forbidden> {
        let address = address.to_canonical();
        let meant = meant(address);
        if self.allow.contain(address) || self.allow.contain(meant) {
            return Ok(address);
        }
        match FORBIDDEN.iter().find(|row| row.network.contains(&meant)) {
            Some(row) => Err(Forbidden { address, row }),
            None => Ok(address),
        }
    }
}

/// The address that is reached by this one.
pub(super) fn meant(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(translated) => nat64(translated).map_or(address, IpAddr::V4),
        canonical @ IpAddr::V4(_) => canonical,
    }
}

/// What NAT64 makes of an address under its well-known prefix, `64:ff9b::/96`. In networks without IPv4 that is how all of
/// IPv4 is reached.
fn nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
