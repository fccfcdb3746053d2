//! The addresses of this server itself. No outgoing request may lead to them, so that requests cannot go in circles.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use url::Url;

/// The URL of this server, and the addresses that it listens on.
#[derive(Clone, Debug, Default)]
pub struct OwnAddresses {
    url: Option<(String, u16)>,
    listeners: Arc<[SocketAddr]>,
}

impl OwnAddresses {
    /// Returns the addresses of a server with a base URL that listens on these addresses.
    pub fn new(base_url: &str, listeners: &[SocketAddr]) -> OwnAddresses {
        OwnAddresses {
            url: host_and_port(base_url),
            listeners: listeners.into(),
        }
    }

    /// Returns whether a host, as it is written in a URL, and a port are those of the base URL.
    pub(super) fn has_name(&self, host: &str, port: u16) -> bool {
        self.url
            .as_ref()
            .is_some_and(|(own_host, own_port)| own_host == host && *own_port == port)
    }

    /// Returns whether a connection to an address and port may reach a listener of this server.
    pub(super) fn has_address(&self, address: IpAddr, port: u16) -> bool {
        let mut listeners = self.listeners.iter().filter(|it| it.port() == port);
        listeners.any(|it| is_reached(it.ip().to_canonical(), address.to_canonical()))
    }
}

/// Returns the host and the port of a URL, if it has both.
pub fn host_and_port(url: &str) -> Option<(String, u16)> {
    let url = Url::parse(url).ok()?;
    Some((url.host()?.to_string(), url.port_or_known_default()?))
}

fn is_reached(listener: IpAddr, address: IpAddr) -> bool {
    // A connection to the unspecified address goes to this machine.
    let is_same = listener == address || address.is_unspecified();
    let is_loopback = listener.is_loopback() && address.is_loopback();
    is_same || is_loopback || (listener.is_unspecified() && is_of_this_machine(address))
}

/// Returns whether this machine has an address. Only then can a socket be bound to it; nothing is sent.
fn is_of_this_machine(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evt_141_listeners_are_known_by_every_address_that_reaches_them() {
        let own = |listener: &str| OwnAddresses::new("", &[listener.parse().expect("it is an address")]);
        for (listener, address, expected) in [
            ("127.0.0.1:8080", "127.0.0.1:8080", true),
            ("127.0.0.1:8080", "127.0.0.1:8081", false),
            ("127.0.0.1:8080", "[::ffff:127.0.0.1]:8080", true),
            ("127.0.0.1:8080", "[::1]:8080", true),
            ("127.0.0.1:8080", "0.0.0.0:8080", true),
            ("127.0.0.1:8080", "[::]:8080", true),
            ("127.0.0.1:8080", "10.0.0.1:8080", false),
            ("10.0.0.1:8080", "10.0.0.1:8080", true),
            ("10.0.0.1:8080", "127.0.0.1:8080", false),
            ("0.0.0.0:8080", "127.0.0.1:8080", true),
            ("0.0.0.0:8080", "127.0.0.2:8080", true),
            ("[::]:8080", "127.0.0.1:8080", true),
            ("[::]:8080", "[::1]:8080", true),
            // An address of the documentation, which no machine has.
            ("0.0.0.0:8080", "192.0.2.1:8080", false),
        ] {
            let target: SocketAddr = address.parse().expect("it is an address");
            let is_own = own(listener).has_address(target.ip(), target.port());
            assert_eq!(is_own, expected, "{listener} {address}");
        }
    }
}
