//! The addresses that a server listens on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use super::base_url::BaseUrl;
use super::tls::TlsFlags;

/// The address of the management listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagementAddress {
    /// The address.
    pub address: SocketAddr,
    /// Whether the operator has not asked for this address.
    pub is_default: bool,
}

/// Resolves the address for SCIM. `base_url` is set if a proxy is in front of the server. `allow_plain_http` permits
/// an address that other machines can reach without a TLS proxy, because the listener has a certificate, or because
/// the operator permits it.
///
/// # Errors
/// The address cannot be resolved, or other machines could reach it and read tokens on the way (RFC 7644 section 7.2).
pub fn address(text: &str, base_url: Option<&BaseUrl>, allow_plain_http: bool) -> io::Result<SocketAddr> {
    let address = resolve("--listen", text)?;
    check_plain_http(
        ("--listen: ", &TlsFlags::SCIM),
        address,
        base_url,
        allow_plain_http,
    )?;
    Ok(address)
}

/// Resolves the address of the management listener, by default `127.0.0.1:8081`. A port alone means this port of the
/// loopback address, and `off` means no listener.
///
/// # Errors
/// The errors of [`address`].
pub fn management(
    text: Option<&str>,
    base_url: Option<&BaseUrl>,
    allow_plain_http: bool,
) -> io::Result<Option<ManagementAddress>> {
    const FLAG: &str = "--management-listen";
    let (address, is_default) = match text {
        None => (DEFAULT_MANAGEMENT, true),
        Some("off") => return Ok(None),
        Some(text) => (resolve_local(FLAG, text)?, false),
    };
    let flags = ("--management-listen: ", &TlsFlags::MANAGEMENT);
    check_plain_http(flags, address, base_url, allow_plain_http)?;
    Ok(Some(ManagementAddress { address, is_default }))
}

/// The usual address of the management listener.
const DEFAULT_MANAGEMENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

fn check_plain_http(
    (prefix, flags): (&str, &TlsFlags),
    address: SocketAddr,
    base_url: Option<&BaseUrl>,
    allow_plain_http: bool,
) -> io::Result<()> {
    let is_behind_tls = base_url.is_some_and(BaseUrl::is_https);
    if address.ip().is_loopback() || is_behind_tls || allow_plain_http {
        return Ok(());
    }
    Err(invalid(format!(
        "{prefix}other machines can reach {address}, and plain HTTP would show them the tokens: name a certificate with \
         {certificate} and {key}, or put a TLS proxy in front of it and name its URL with --base-url https://…, or add \
         --allow-plain-http",
        certificate = flags.certificate,
        key = flags.key,
    )))
}

/// Resolves the address for metrics; a port alone is one of this machine.
///
/// # Errors
/// The address cannot be resolved.
pub fn metrics_address(text: &str) -> io::Result<SocketAddr> {
    resolve_local("--metrics-listen", text)
}

fn resolve_local(flag: &str, text: &str) -> io::Result<SocketAddr> {
    match text.parse::<u16>() {
        Ok(port) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        Err(_) => resolve(flag, text),
    }
}

/// Resolves an address with a port. `flag` is named in errors.
///
/// # Errors
/// The text is malformed, or the name has no address.
pub fn resolve(flag: &str, text: &str) -> io::Result<SocketAddr> {
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
    fn the_management_listener_is_local_unless_an_address_is_named_and_can_be_off() {
        let address = |text: Option<&str>, allow| {
            let address = management(text, None, allow)?;
            io::Result::Ok(address.map(|it| (it.address.to_string(), it.is_default)))
        };
        let some = |text: &str, is_default| Some((text.to_owned(), is_default));
        assert_eq!(address(None, false).unwrap(), some("127.0.0.1:8081", true));
        assert_eq!(
            address(Some("9090"), false).unwrap(),
            some("127.0.0.1:9090", false)
        );
        assert_eq!(address(Some("off"), false).unwrap(), None);
        let refused = address(Some("0.0.0.0:9090"), false).expect_err("others can reach it");
        assert!(
            refused.to_string().starts_with("--management-listen: "),
            "{refused}"
        );
        assert_eq!(
            address(Some("0.0.0.0:9090"), true).unwrap(),
            some("0.0.0.0:9090", false)
        );
        for wrong in ["", "on", "127.0.0.1"] {
            let error = address(Some(wrong), false).expect_err(wrong).to_string();
            assert!(error.contains("--management-listen"), "{error}");
        }
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
