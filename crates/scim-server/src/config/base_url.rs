//! The base URL: the URL that clients see before `/Users`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::path_prefix::PathPrefix;
use crate::egress;

/// A base URL without a trailing slash: `https://example.com/scim/v2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

/// Why a text is not a base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidBaseUrl(&'static str);

impl BaseUrl {
    /// The base URL of a server without a proxy.
    pub fn of_listener(address: SocketAddr, prefix: &PathPrefix) -> BaseUrl {
        BaseUrl(format!("http://{address}{prefix}"))
    }

    /// The base URL of a server with TLS and without a proxy.
    pub fn of_tls_listener(address: SocketAddr, prefix: &PathPrefix) -> BaseUrl {
        BaseUrl(format!("https://{address}{prefix}"))
    }

    /// Reads an `http` or `https` URL without user, query and fragment (RFC 7644 sections 1.3 and 7.1). A URL without a
    /// path gets the path prefix. A URL with a path keeps it, because a proxy may map it to the prefix.
    ///
    /// # Errors
    /// A text that names the first part that is wrong.
    pub fn parse(url: &str, prefix: &PathPrefix) -> Result<BaseUrl, InvalidBaseUrl> {
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        let rest = rest.ok_or(InvalidBaseUrl("it must begin with `https://` or `http://`"))?;
        if rest.contains(['?', '#']) {
            return Err(InvalidBaseUrl("it must not have a query or a fragment"));
        }
        let is_forbidden = |it: char| it.is_whitespace() || it.is_control() || "\"<>\\^`{|}".contains(it);
        if !url.is_ascii() || url.contains(is_forbidden) {
            return Err(InvalidBaseUrl(
                "it contains a character that is not allowed in a URL",
            ));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        check_authority(authority)?;
        let url = url.trim_end_matches('/');
        Ok(match path.trim_matches('/').is_empty() {
            true => BaseUrl(format!("{url}{prefix}")),
            false => BaseUrl(url.to_owned()),
        })
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether clients reach the server through TLS.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Whether clients on other machines send their credentials without TLS: the scheme is `http`, and the host is not
    /// this machine.
    pub fn is_plain_and_remote(&self) -> bool {
        let is_local = |host: &str| {
            let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
            match address {
                Ok(address) => address.to_canonical().is_loopback(),
                Err(_) => host == "localhost" || host.ends_with(".localhost"),
            }
        };
        !self.is_https() && !egress::host_and_port(&self.0).is_some_and(|(host, _)| is_local(&host))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// RFC 3986 section 3.2: a host name or an IP address, an IPv6 address in brackets, and optionally a port.
fn check_authority(authority: &str) -> Result<(), InvalidBaseUrl> {
    if authority.contains('@') {
        return Err(InvalidBaseUrl("it must not contain a user"));
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(InvalidBaseUrl("its `[` has no `]`"))?;
            let parsed = address.parse::<Ipv6Addr>();
            parsed.map_err(|_| InvalidBaseUrl("the text between `[` and `]` is not an IPv6 address"))?;
            (address, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err(InvalidBaseUrl("it does not name a host"));
    }
    if host.contains(['[', ']']) {
        return Err(InvalidBaseUrl("its host contains a bracket"));
    }
    match port.strip_prefix(':').map(|it| (it, it.parse::<u16>())) {
        None if port.is_empty() => Ok(()),
        Some((digits, Ok(1..))) if digits.bytes().all(|it| it.is_ascii_digit()) => Ok(()),
        _ => Err(InvalidBaseUrl("its port is not a number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_end_where_endpoints_begin() {
        for (url, expected) in [
            ("https://example.com", "https://example.com/scim/v2"),
            ("https://example.com/", "https://example.com/scim/v2"),
            ("https://example.com/scim/v2/", "https://example.com/scim/v2"),
            ("http://[::1]:8080", "http://[::1]:8080/scim/v2"),
            ("https://[2001:db8::1]/idp", "https://[2001:db8::1]/idp"),
            ("http://h:65535", "http://h:65535/scim/v2"),
            ("https://example.com/idp", "https://example.com/idp"),
        ] {
            let parsed = BaseUrl::parse(url, &PathPrefix::default());
            assert_eq!(parsed, Ok(BaseUrl(expected.to_owned())), "{url}");
        }
    }

    #[test]
    fn only_a_base_url_without_a_path_gets_the_path_prefix() {
        let prefix = "/idp".parse().expect("it is a path prefix");
        for (url, expected) in [
            ("https://example.com", "https://example.com/idp"),
            ("https://example.com/", "https://example.com/idp"),
            ("https://example.com/public/v2/", "https://example.com/public/v2"),
        ] {
            assert_eq!(
                BaseUrl::parse(url, &prefix),
                Ok(BaseUrl(expected.to_owned())),
                "{url}"
            );
        }
        let listener = BaseUrl::of_listener(([127, 0, 0, 1], 8080).into(), &prefix);
        assert_eq!(listener.as_str(), "http://127.0.0.1:8080/idp");
    }

    #[test]
    fn rfc7644_1_3_01_a_base_url_has_no_query() {
        for url in [
            "https://a/?x",
            "https://a/#x",
            "https://user@a/",
            "ftp://a",
            "https://",
            "a.com",
            "https://a/x y",
            "https://a/\u{7}",
            "https://a/\u{7f}",
            "https://a/{x}",
            "https://a/\"",
            "https://a/é",
            "",
        ] {
            assert!(BaseUrl::parse(url, &PathPrefix::default()).is_err(), "{url}");
        }
    }

    /// cred-08
    #[test]
    fn cred_08_plain_http_is_for_this_machine() {
        for (url, expected) in [
            ("https://scim.example.com", false),
            ("http://127.0.0.1:8080", false),
            ("http://127.0.0.2", false),
            ("http://[::1]:8080/scim/v2", false),
            ("http://[::ffff:127.0.0.1]", false),
            ("http://localhost:8080", false),
            ("http://LOCALHOST", false),
            ("http://scim.localhost", false),
            ("http://scim.example.com", true),
            ("http://localhost.example.com", true),
            ("http://10.0.0.1:8080", true),
            ("http://0.0.0.0:8080", true),
            ("http://[2001:db8::1]", true),
        ] {
            let parsed = BaseUrl::parse(url, &PathPrefix::default()).expect(url);
            assert_eq!(parsed.is_plain_and_remote(), expected, "{url}");
        }
    }

    #[test]
    fn the_host_and_the_port_of_a_base_url_are_possible() {
        for url in [
            "http://h:abc",
            "http://h:",
            "http://h:0",
            "http://h:65536",
            "http://h:+80",
            "http://h:80:80",
            "http://h:-1/scim",
            "https://:443",
            "https://[::1",
            "https://[::1]443",
            "https://[::1]:x",
            "https://[h]",
            "https://h]",
        ] {
            assert!(BaseUrl::parse(url, &PathPrefix::default()).is_err(), "{url}");
        }
    }
}
