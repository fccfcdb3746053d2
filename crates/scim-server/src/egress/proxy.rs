//! The proxy of outgoing requests.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The URL of a proxy, perhaps with a user and a password. Every request asks it for a tunnel (`CONNECT`), and the proxy
/// decides which addresses may be reached.
#[derive(Clone)]
pub struct ProxyUrl(pub(super) ureq::Proxy);

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("ProxyUrl")
    }
}

impl FromStr for ProxyUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ProxyUrl, &'static str> {
        let url = Url::parse(text).map_err(|_| "expected a URL such as `http://proxy.example.com:3128`")?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err("it must begin with `http://` or `https://`");
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("it must end after the host and the port");
        }
        match ureq::Proxy::new(url.as_str()) {
            Ok(proxy) => Ok(ProxyUrl(proxy)),
            Err(_) => Err("its user or password is not valid"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_a_scheme_a_host_and_a_port() {
        for (text, host, port) in [
            ("http://proxy.example.com:3128", "proxy.example.com", 3128),
            ("http://10.0.0.1/", "10.0.0.1", 80),
            ("https://user:p%40ss@proxy", "proxy", 443),
            (" http://[::1]:3128\n", "[::1]", 3128),
        ] {
            let proxy: ProxyUrl = text.parse().expect(text);
            assert_eq!((proxy.0.host(), proxy.0.port()), (host, port));
            assert_eq!(format!("{proxy:?}"), "ProxyUrl");
        }
        let proxy: ProxyUrl = "http://user:p%40ss@proxy".parse().expect("it is valid");
        assert_eq!(proxy.0.password(), Some("p@ss"));
        for text in [
            "",
            "proxy:3128",
            "socks5://proxy",
            "http://",
            "http://proxy/path",
            "http://proxy?a",
            "http://proxy#a",
            "http://proxy:99999",
        ] {
            assert!(text.parse::<ProxyUrl>().is_err(), "{text}");
        }
    }
}
