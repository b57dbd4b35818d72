//! The networks whose addresses are not called: the special-purpose registries of IANA for IPv4 and IPv6, multicast, what is
//! reserved, and the one public address behind which a cloud has what is private. As of 2026-11.
//!
//! The first row that has an address names it, so narrow rows stand before wide ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// A network, and why it is not called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) network: IpNet,
    pub(super) what: &'static str,
    pub(super) source: &'static str,
}

const fn v4(address: [u8; 4], prefix: u8, what: &'static str, source: &'static str) -> Row {
    let [a, b, c, d] = address;
    Row { network: IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix), what, source }
}

/// By the first four groups; the rest is zero.
const fn v6(address: [u16; 4], prefix: u8, what: &'static str, source: &'static str) -> Row {
    let [a, b, c, d] = address;
    Row { network: IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)), prefix), what, source }
}

pub(super) const FORBIDDEN: &[Row] = &[
    v4([0, 0, 0, 0], 8, "this network", "RFC 791"),
    v4([10, 0, 0, 0], 8, "private", "RFC 1918"),
    v4([100, 64, 0, 0], 10, "shared with a provider's NAT", "RFC 6598"),
    v4([127, 0, 0, 0], 8, "loopback", "RFC 1122"),
    v4([169, 254, 169, 254], 32, "metadata of clouds", "RFC 3927"),
    v4([169, 254, 0, 0], 16, "link-local", "RFC 3927"),
    v4([168, 63, 129, 16], 32, "the host of Azure's machines", "Microsoft's documentation"),
    v4([172, 16, 0, 0], 12, "private", "RFC 1918"),
    v4([192, 0, 0, 0], 24, "for protocols", "RFC 6890"),
    v4([192, 0, 2, 0], 24, "for documentation", "RFC 5737"),
    v4([192, 31, 196, 0], 24, "AS112", "RFC 7535"),
    v4([192, 52, 193, 0], 24, "AMT", "RFC 7450"),
    v4([192, 88, 99, 0], 24, "relays of 6to4", "RFC 7526"),
    v4([192, 168, 0, 0], 16, "private", "RFC 1918"),
    v4([192, 175, 48, 0], 24, "AS112", "RFC 7534"),
    v4([198, 18, 0, 0], 15, "for benchmarks", "RFC 2544"),
    v4([198, 51, 100, 0], 24, "for documentation", "RFC 5737"),
    v4([203, 0, 113, 0], 24, "for documentation", "RFC 5737"),
    v4([224, 0, 0, 0], 4, "multicast", "RFC 5771"),
    v4([255, 255, 255, 255], 32, "broadcast", "RFC 919"),
    v4([240, 0, 0, 0], 4, "reserved", "RFC 1112"),
    Row { network: LOOPBACK, what: "loopback", source: "RFC 4291" },
    Row { network: UNSPECIFIED, what: "unspecified", source: "RFC 4291" },
    v6([0, 0, 0, 0], 96, "IPv4-compatible", "RFC 4291"),
    v6([0x64, 0xff9b, 1, 0], 48, "a local NAT64", "RFC 8215"),
    v6([0x100, 0, 0, 0], 64, "discarded", "RFC 6666"),
    v6([0x100, 0, 0, 1], 64, "a dummy", "RFC 9780"),
    v6([0, 0, 0, 0], 3, "reserved", "RFC 4291"),
    v6([0x2001, 0, 0, 0], 32, "Teredo", "RFC 4380"),
    v6([0x2001, 2, 0, 0], 48, "for benchmarks", "RFC 5180"),
    v6([0x2001, 0, 0, 0], 23, "for protocols", "RFC 2928"),
    v6([0x2001, 0xdb8, 0, 0], 32, "for documentation", "RFC 3849"),
    v6([0x2002, 0, 0, 0], 16, "6to4", "RFC 3056"),
    v6([0x2620, 0x4f, 0x8000, 0], 48, "AS112", "RFC 7534"),
    v6([0x3fff, 0, 0, 0], 20, "for documentation", "RFC 9637"),
    v6([0x5f00, 0, 0, 0], 16, "segments of SRv6", "RFC 9602"),
    v6([0x4000, 0, 0, 0], 2, "reserved", "RFC 4291"),
    v6([0xfc00, 0, 0, 0], 7, "unique local", "RFC 4193"),
    v6([0xfe80, 0, 0, 0], 10, "link-local", "RFC 4291"),
    v6([0xfec0, 0, 0, 0], 10, "site-local", "RFC 3879"),
    v6([0xff00, 0, 0, 0], 8, "multicast", "RFC 4291"),
    v6([0x8000, 0, 0, 0], 1, "reserved", "RFC 4291"),
];

const LOOPBACK: IpNet = IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128);
const UNSPECIFIED: IpNet = IpNet::new_assert(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128);
