//! The address of a client, which the limit of failed attempts counts by.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use ipnet::IpNet;

use crate::oauth::attempts::Source;

/// Returns the source of a request. While the operator has named no proxy, a loopback address can be that of a proxy on this
/// machine.
pub(super) fn of(request: &HttpRequest, trusted_proxies: &[IpNet]) -> Source {
    let address = address(request, trusted_proxies);
    Source {
        address,
        is_shared: trusted_proxies.is_empty() && address.to_canonical().is_loopback(),
    }
}

/// Returns the address that the request came from. Behind a trusted proxy, it is the last address in `X-Forwarded-For`
/// that is not a trusted proxy itself. Everything before that entry comes from the client, and has no effect.
fn address(request: &HttpRequest, trusted_proxies: &[IpNet]) -> IpAddr {
    let is_trusted = |it: &IpAddr| {
        trusted_proxies
            .iter()
            .any(|network| network.contains(&it.to_canonical()))
    };
    let mut source = match request.peer_addr() {
        Some(peer) => peer.ip(),
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let forwarded: Vec<&str> = request
        .headers()
        .get_all("x-forwarded-for")
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','))
        .collect();
    for entry in forwarded.into_iter().rev() {
        if !is_trusted(&source) {
            break;
        }
        let Some(next) = parsed(entry.trim()) else {
            break;
        };
        source = next;
    }
    source
}

/// Reads an address, which some proxies write with a port.
fn parsed(entry: &str) -> Option<IpAddr> {
    let address = entry.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    address.or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// cred-09
    #[test]
    fn cred_09_only_a_trusted_proxy_names_the_address_of_a_client() {
        let proxies: Vec<IpNet> = ["10.0.0.0/8", "::1/128"]
            .iter()
            .map(|it| it.parse().unwrap())
            .collect();
        for (peer, forwarded, source) in [
            ("203.0.113.9:1", vec![], "203.0.113.9"),
            ("203.0.113.9:1", vec!["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1:1", vec!["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1:1", vec!["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1:1", vec!["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1:1", vec!["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1:1", vec!["198.51.100.1:4711"], "198.51.100.1"),
            ("[::1]:1", vec!["[2001:db8::1]:4711"], "2001:db8::1"),
            ("[::1]:1", vec!["2001:db8::1"], "2001:db8::1"),
            ("[::ffff:10.0.0.1]:1", vec!["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1:1", vec!["unknown"], "10.0.0.1"),
            ("10.0.0.1:1", vec![], "10.0.0.1"),
        ] {
            let mut request = TestRequest::default().peer_addr(peer.parse().unwrap());
            for value in &forwarded {
                request = request.append_header(("x-forwarded-for", *value));
            }
            let request = request.append_header(("x-client-cert", "a")).to_http_request();
            assert_eq!(
                address(&request, &proxies).to_string(),
                source,
                "{peer} {forwarded:?}"
            );
            let untrusted = address(&request, &[]);
            assert_eq!(Some(untrusted), request.peer_addr().map(|it| it.ip()));
        }
    }

    /// cred-19
    #[test]
    fn cred_19_a_loopback_address_can_be_that_of_a_proxy_that_is_not_named() {
        let named: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        for (peer, is_shared) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("10.0.0.1:1", false),
            ("203.0.113.9:1", false),
        ] {
            let request = TestRequest::default().peer_addr(peer.parse().unwrap());
            let request = request.to_http_request();
            assert_eq!(of(&request, &[]).is_shared, is_shared, "{peer}");
            assert!(!of(&request, &named).is_shared, "{peer}");
        }
    }
}
