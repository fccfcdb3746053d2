//! The addresses that are publicly routable (the special-purpose registries of RFC 6890, and later additions).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Returns the kind of an address that is not publicly routable, and `None` for one that is.
///
/// An IPv6 address that carries an IPv4 address is judged by the latter, because a gateway may deliver the packet there.
pub(super) fn special_kind(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(it) => special_kind_v4(it),
        IpAddr::V6(it) => special_kind_v6(it),
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const SPECIAL_V4: [(Ipv4Net, &str); 16] = [
    (v4(0, 0, 0, 0, 8), "an unspecified address"),
    (v4(10, 0, 0, 0, 8), "a private address"),
    (v4(100, 64, 0, 0, 10), "an address shared by a carrier"),
    (v4(127, 0, 0, 0, 8), "a loopback address"),
    // Includes 169.254.169.254, the metadata service of most clouds.
    (v4(169, 254, 0, 0, 16), "a link-local address"),
    (v4(172, 16, 0, 0, 12), "a private address"),
    (v4(192, 0, 0, 0, 24), "an address reserved for protocols"),
    (v4(192, 0, 2, 0, 24), "a documentation address"),
    (v4(192, 88, 99, 0, 24), "an address reserved for protocols"),
    (v4(192, 168, 0, 0, 16), "a private address"),
    (v4(198, 18, 0, 0, 15), "a benchmarking address"),
    (v4(198, 51, 100, 0, 24), "a documentation address"),
    (v4(203, 0, 113, 0, 24), "a documentation address"),
    (v4(224, 0, 0, 0, 4), "a multicast address"),
    (v4(240, 0, 0, 0, 4), "a reserved address"),
    // The metadata and DNS service of Azure, in a public range.
    (
        v4(168, 63, 129, 16, 32),
        "the address of a cloud's metadata service",
    ),
];

fn special_kind_v4(address: Ipv4Addr) -> Option<&'static str> {
    let range = SPECIAL_V4.iter().find(|(network, _)| network.contains(&address));
    range.map(|(_, kind)| *kind)
}

const fn v6(segments: [u16; 8], length: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)
}

/// Special ranges inside [`GLOBAL_UNICAST`], and ranges outside of it that deserve their own words.
const SPECIAL_V6: [(Ipv6Net, &str); 9] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "an unspecified address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "a loopback address"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "a private address"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "a link-local address"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast address"),
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
        "an address reserved for protocols",
    ),
    (
        v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        "a documentation address",
    ),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "a documentation address"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "a private address"),
];

/// The only range from which public addresses are assigned.
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);
const TEREDO: Ipv6Net = v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32);

fn special_kind_v6(address: Ipv6Addr) -> Option<&'static str> {
    let octets = address.octets();
    let inner = |at: usize| Ipv4Addr::new(octets[at], octets[at + 1], octets[at + 2], octets[at + 3]);
    if NAT64.contains(&address) {
        return special_kind_v4(inner(12));
    }
    if SIX_TO_FOUR.contains(&address) {
        return special_kind_v4(inner(2));
    }
    if TEREDO.contains(&address) {
        // The address of the client is stored inverted (RFC 4380 section 4).
        let client = Ipv4Addr::from_bits(!inner(12).to_bits());
        return special_kind_v4(inner(4)).or_else(|| special_kind_v4(client));
    }
    let range = SPECIAL_V6.iter().find(|(network, _)| network.contains(&address));
    match range {
        Some((_, kind)) => Some(kind),
        None if GLOBAL_UNICAST.contains(&address) => None,
        None => Some("a reserved address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cred-84
    // Table: addresses that are refused, then addresses that are reached.
    #[test]
    fn evt_132_only_publicly_routable_addresses_are_reached() {
        for refused in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "3fff::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::8.8.8.8",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "2001:0:a00:1::f7f7:f7f7",
            "2001:0:808:808::f5ff:fffe",
            "4000::1",
            "5f00::1",
            "100::1",
        ] {
            let address: IpAddr = refused.parse().expect("it is an address");
            assert!(special_kind(address).is_some(), "{refused}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "20.190.128.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2001:0:808:808::f7f7:f7f7",
            "2001:200::1",
        ] {
            let address: IpAddr = public.parse().expect("it is an address");
            assert_eq!(special_kind(address), None, "{public}");
        }
    }

    #[test]
    fn the_kind_of_a_refused_address_is_named() {
        for (address, kind) in [
            ("169.254.169.254", "a link-local address"),
            ("::ffff:10.1.2.3", "a private address"),
            ("2002:7f00:1::1", "a loopback address"),
            ("fd00::1", "a private address"),
        ] {
            let address: IpAddr = address.parse().expect("it is an address");
            assert_eq!(special_kind(address), Some(kind));
        }
    }
}
