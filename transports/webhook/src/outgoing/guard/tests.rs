//! A test for every row of the table, and one that says when a row has none.

use ipnet::IpNet;

use super::*;

fn verdict(address: &str) -> Result<IpAddr, Forbidden> {
    Guard::new(Networks::default()).check(address.parse().unwrap())
}

/// The row at this place has these words and forbids the first and the last of its addresses, and what is given.
fn forbids(row: usize, network: &str, words: &str, addresses: &[&str]) {
    let Row { network: found, what, source } = &FORBIDDEN[row];
    assert_eq!((*found, format!("{what}, {source}").as_str()), (network.parse::<IpNet>().unwrap(), words));
    for address in addresses {
        let Forbidden { row: by, .. } = verdict(address).unwrap_err();
        assert_eq!(by, &FORBIDDEN[row], "{address}");
    }
    for end in [found.network(), found.broadcast()] {
        assert!(Guard::new(Networks::default()).check(end).is_err(), "{end}");
        assert_eq!(Guard::new(Networks::parse([network]).unwrap()).check(end), Ok(end), "{end}");
    }
}

macro_rules! rows {
    ($($name:ident: $row:literal, $network:literal, $words:literal, $addresses:expr;)*) => {
        $(#[test]
        fn $name() {
            forbids($row, $network, $words, &$addresses);
        })*

        #[test]
        fn every_row_has_a_test() {
            let mut tested = [$($row),*];
            tested.sort_unstable();
            assert_eq!(tested.to_vec(), (0..FORBIDDEN.len()).collect::<Vec<_>>());
        }
    };
}

rows! {
    this_network_is_forbidden: 0, "0.0.0.0/8", "this network, RFC 791", ["0.0.0.0", "0.1.2.3", "::ffff:0.0.0.0"];
    private_10_is_forbidden: 1, "10.0.0.0/8", "private, RFC 1918", ["10.0.0.1", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3"];
    a_providers_nat_is_forbidden: 2, "100.64.0.0/10", "shared with a provider's NAT, RFC 6598", ["100.100.100.200"];
    loopback_is_forbidden: 3, "127.0.0.0/8", "loopback, RFC 1122", ["127.0.0.1", "127.9.9.9", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"];
    metadata_is_forbidden: 4, "169.254.169.254/32", "metadata of clouds, RFC 3927", ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"];
    link_local_is_forbidden: 5, "169.254.0.0/16", "link-local, RFC 3927", ["169.254.1.1", "169.254.170.2"];
    azures_host_is_forbidden: 6, "168.63.129.16/32", "the host of Azure's machines, Microsoft's documentation", ["168.63.129.16"];
    private_172_is_forbidden: 7, "172.16.0.0/12", "private, RFC 1918", ["172.16.0.1", "172.31.255.254"];
    protocols_are_forbidden: 8, "192.0.0.0/24", "for protocols, RFC 6890", ["192.0.0.192"];
    documentation_1_is_forbidden: 9, "192.0.2.0/24", "for documentation, RFC 5737", ["192.0.2.1"];
    as112_is_forbidden: 10, "192.31.196.0/24", "AS112, RFC 7535", ["192.31.196.1"];
    amt_is_forbidden: 11, "192.52.193.0/24", "AMT, RFC 7450", ["192.52.193.1"];
    relays_of_6to4_are_forbidden: 12, "192.88.99.0/24", "relays of 6to4, RFC 7526", ["192.88.99.1"];
    private_192_is_forbidden: 13, "192.168.0.0/16", "private, RFC 1918", ["192.168.1.1"];
    as112_direct_is_forbidden: 14, "192.175.48.0/24", "AS112, RFC 7534", ["192.175.48.1"];
    benchmarks_are_forbidden: 15, "198.18.0.0/15", "for benchmarks, RFC 2544", ["198.19.0.1"];
    documentation_2_is_forbidden: 16, "198.51.100.0/24", "for documentation, RFC 5737", ["198.51.100.1"];
    documentation_3_is_forbidden: 17, "203.0.113.0/24", "for documentation, RFC 5737", ["203.0.113.1"];
    multicast_is_forbidden: 18, "224.0.0.0/4", "multicast, RFC 5771", ["224.0.0.251", "239.255.255.250"];
    broadcast_is_forbidden: 19, "255.255.255.255/32", "broadcast, RFC 919", ["255.255.255.255"];
    reserved_is_forbidden: 20, "240.0.0.0/4", "reserved, RFC 1112", ["240.0.0.1"];
    loopback_6_is_forbidden: 21, "::1/128", "loopback, RFC 4291", ["::1"];
    unspecified_6_is_forbidden: 22, "::/128", "unspecified, RFC 4291", ["::"];
    compatible_addresses_are_forbidden: 23, "::/96", "IPv4-compatible, RFC 4291", ["::127.0.0.1", "::8.8.8.8"];
    a_local_nat64_is_forbidden: 24, "64:ff9b:1::/48", "a local NAT64, RFC 8215", ["64:ff9b:1::808:808"];
    discarded_is_forbidden: 25, "100::/64", "discarded, RFC 6666", ["100::1"];
    dummies_are_forbidden: 26, "100:0:0:1::/64", "a dummy, RFC 9780", ["100:0:0:1::1"];
    reserved_6_low_is_forbidden: 27, "::/3", "reserved, RFC 4291", ["64:ff9b:2::1", "::ffff:0:7f00:1", "1fff::1"];
    teredo_is_forbidden: 28, "2001::/32", "Teredo, RFC 4380", ["2001:0:4136:e378:8000:63bf:3fff:fdd2"];
    benchmarks_6_are_forbidden: 29, "2001:2::/48", "for benchmarks, RFC 5180", ["2001:2::1"];
    protocols_6_are_forbidden: 30, "2001::/23", "for protocols, RFC 2928", ["2001:20::1", "2001:1ff::1"];
    documentation_6_is_forbidden: 31, "2001:db8::/32", "for documentation, RFC 3849", ["2001:db8::1"];
    six_to_four_is_forbidden: 32, "2002::/16", "6to4, RFC 3056", ["2002:7f00:1::1", "2002:808:808::1"];
    as112_6_is_forbidden: 33, "2620:4f:8000::/48", "AS112, RFC 7534", ["2620:4f:8000::1"];
    documentation_6_new_is_forbidden: 34, "3fff::/20", "for documentation, RFC 9637", ["3fff::1"];
    segments_are_forbidden: 35, "5f00::/16", "segments of SRv6, RFC 9602", ["5f00::1"];
    reserved_6_middle_is_forbidden: 36, "4000::/2", "reserved, RFC 4291", ["4000::1", "7fff::1"];
    unique_local_is_forbidden: 37, "fc00::/7", "unique local, RFC 4193", ["fd00:ec2::254", "fc00::1"];
    link_local_6_is_forbidden: 38, "fe80::/10", "link-local, RFC 4291", ["fe80::1"];
    site_local_is_forbidden: 39, "fec0::/10", "site-local, RFC 3879", ["fec0::1"];
    multicast_6_is_forbidden: 40, "ff00::/8", "multicast, RFC 4291", ["ff02::1"];
    reserved_6_high_is_forbidden: 41, "8000::/1", "reserved, RFC 4291", ["8000::1", "fe00::1"];
}

#[test]
fn what_is_public_passes_and_mapped_addresses_are_said_in_ipv4() {
    for address in ["1.1.1.1", "9.255.255.255", "11.0.0.0", "172.32.0.1", "192.0.1.0", "223.255.255.255"] {
        assert_eq!(verdict(address), Ok(address.parse().unwrap()));
        assert_eq!(verdict(&format!("::ffff:{address}")), Ok(address.parse().unwrap()));
    }
    for address in ["2606:4700::1111", "2001:200::1", "2a00::1", "3ffe::1", "64:ff9b::1.1.1.1"] {
        assert_eq!(verdict(address), Ok(address.parse().unwrap()));
    }
}

#[test]
fn what_is_allowed_passes_in_each_of_its_forms_and_nothing_beside_it() {
    let guard = Guard::new(Networks::parse(["10.1.0.0/16", "fd00:1::/32"]).unwrap());
    for address in ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00:1::2"] {
        assert!(guard.check(address.parse().unwrap()).is_ok(), "{address}");
    }
    for address in ["10.2.0.1", "::10.1.2.3", "2002:a01:203::", "fd00:2::2", "127.0.0.1"] {
        assert!(guard.check(address.parse().unwrap()).is_err(), "{address}");
    }
}

#[test]
fn a_refusal_says_what_to_do() {
    let text = verdict("::ffff:10.1.2.3").unwrap_err().to_string();
    assert_eq!(text, "10.1.2.3 may not be called: private (RFC 1918); if it should be, put its network into `allow`");
}
