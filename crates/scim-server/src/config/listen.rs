//! The addresses that a server listens on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};

use super::base_url::BaseUrl;

/// Resolves the address for SCIM. `allow_plain_http` permits an address that other machines can reach without TLS.
///
/// # Errors
/// The address cannot be resolved, or other machines could reach it and read tokens on the way (RFC 7644 section 7.2).
pub fn address(text: &str, base_url: Option<&BaseUrl>, allow_plain_http: bool) -> io::Result<SocketAddr> {
    let address = resolve("--listen", text)?;
    let is_behind_tls = base_url.is_some_and(BaseUrl::is_https);
    if address.ip().is_loopback() || is_behind_tls || allow_plain_http {
        return Ok(address);
    }
    Err(invalid(format!(
        "other machines can reach {address}, and plain HTTP would show them the tokens: put a TLS proxy in front of it \
         and name its URL with --base-url https://…, or add --allow-plain-http"
    )))
}

/// Resolves the address for metrics; a port alone is one of this machine.
///
/// # Errors
/// The address cannot be resolved.
pub fn metrics_address(text: &str) -> io::Result<SocketAddr> {
    match text.parse::<u16>() {
        Ok(port) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        Err(_) => resolve("--metrics-listen", text),
    }
}

fn resolve(flag: &str, text: &str) -> io::Result<SocketAddr> {
    let port = text.rsplit_once(':').map_or(text, |(_, port)| port);
    if !text.contains(':') || text.starts_with(':') || port.parse::<u16>().is_err() {
        let example = match port.parse::<u16>() {
            Ok(port) => format!("127.0.0.1:{port}"),
            Err(_) => "127.0.0.1:8080".to_owned(),
        };
        return Err(invalid(format!(
            "{flag} `{text}`: expected an address and a port, such as `{example}`"
        )));
    }
    let mut addresses = text.to_socket_addrs().map_err(|error| {
        invalid(format!(
            "{flag} `{text}`: the address cannot be resolved: {error}"
        ))
    })?;
    addresses
        .next()
        .ok_or_else(|| invalid(format!("{flag} `{text}`: the name has no address")))
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::path_prefix::PathPrefix;

    #[test]
    fn rfc7644_7_2_01_plain_http_stays_on_this_machine_unless_allowed() {
        let is_allowed = |listen: &str, base_url: Option<&str>, allow_plain_http| {
            let base_url = base_url.map(|it| BaseUrl::parse(it, &PathPrefix::default()).unwrap());
            address(listen, base_url.as_ref(), allow_plain_http).is_ok()
        };
        assert!(is_allowed("127.0.0.1:8080", None, false));
        assert!(!is_allowed("0.0.0.0:8080", None, false));
        assert!(!is_allowed("0.0.0.0:8080", Some("http://a"), false));
        assert!(is_allowed("0.0.0.0:8080", Some("https://a"), false));
        assert!(is_allowed("0.0.0.0:8080", None, true));
    }

    #[test]
    fn metrics_stay_on_this_machine_unless_an_address_is_named() {
        let address = |text: &str| metrics_address(text).map(|it| it.to_string());
        assert_eq!(address("9090").unwrap(), "127.0.0.1:9090");
        assert_eq!(address("0.0.0.0:9090").unwrap(), "0.0.0.0:9090");
        assert!(address("9090x").is_err());
    }

    #[test]
    fn an_address_without_a_port_or_a_port_without_an_address_gets_an_example() {
        let told = |text: &str| address(text, None, false).expect_err(text).to_string();
        for text in ["8080", ":8080"] {
            assert!(told(text).ends_with("expected an address and a port, such as `127.0.0.1:8080`"));
        }
        for text in [
            "localhost",
            "127.0.0.1",
            "127.0.0.1:",
            "[::1]",
            "127.0.0.1:http",
            "127.0.0.1:65536",
        ] {
            assert!(told(text).contains("expected an address and a port"), "{text}");
        }
        assert!(told("no-such-name.invalid:80").contains("cannot be resolved"));
    }
}
