//! URLs of outgoing requests: the shape that they must have, and the addresses that they may lead to.

use std::net::IpAddr;

use url::{Host, Url};

use super::address::special_kind;
use super::allow::AllowList;
use super::error::EgressError;
use super::own::OwnAddresses;

/// The longest URL.
const MAX_LENGTH: usize = 2048;

/// A URL that the rules permit, as far as can be told without resolving its name.
#[derive(Clone, Debug)]
pub struct Target {
    url: Url,
    pub(super) host: Host<String>,
    pub(super) port: u16,
    pub(super) reach: Reach,
}

/// The addresses that a target may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Public addresses, and those of the operator's networks.
    Public,
    /// Only addresses of the operator's networks, because the URL has another port than 443 or no TLS.
    Internal,
    /// Every address, because the operator's list has the name.
    Any,
}

impl Target {
    /// Returns the URL in the form in which it is used.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }
}

/// The rules for targets.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) allow: AllowList,
    /// The addresses of this server, which no URL may lead to.
    pub(super) own: OwnAddresses,
    /// Whether a proxy resolves names and judges their addresses.
    pub(super) has_proxy: bool,
}

/// The reason for which a target is refused that leads to this server.
const OWN: &str = "the URL leads to this server itself";

/// The reason for which a target without TLS, or with an unusual port, is refused.
pub(super) const NEEDS_ENTRY: &str = "plain HTTP and ports other than 443 need an entry in `--egress-allow`";

fn refused(text: &str) -> EgressError {
    EgressError::Refused(text.to_owned())
}

impl Rules {
    /// Checks a URL. The address in a URL is judged here, and the addresses of a name when they are resolved.
    pub(super) fn target(&self, text: &str) -> Result<Target, EgressError> {
        if text.len() > MAX_LENGTH {
            return Err(refused("the URL is longer than 2048 characters"));
        }
        let url = Url::parse(text)
            .map_err(|error| EgressError::Refused(format!("the URL is not valid: {error}")))?;
        if !["https", "http"].contains(&url.scheme()) {
            return Err(refused("the URL must begin with `https://`"));
        }
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') && has_user(text) {
            return Err(refused("the URL must not contain a user"));
        }
        if url.fragment().is_some() {
            return Err(refused("the URL must not have a fragment"));
        }
        let host = url
            .host()
            .ok_or_else(|| refused("the URL does not name a host"))?
            .to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        if self.own.has_name(&host.to_string(), port) {
            return Err(refused(OWN));
        }
        let target = Target {
            reach: self.reach(&url, &host, port)?,
            url,
            host,
            port,
        };
        if let Some(address) = target.address() {
            self.judge(&target, address).map_err(EgressError::Refused)?;
        }
        Ok(target)
    }

    fn reach(&self, url: &Url, host: &Host<String>, port: u16) -> Result<Reach, EgressError> {
        if let Host::Domain(name) = host {
            if self.allow.has_name(name) {
                return Ok(Reach::Any);
            }
            // A name without a dot, or one that a search domain could complete, belongs to the local network.
            if !name.contains('.') || name.ends_with('.') {
                return Err(refused("the host must be a full name with a dot in it"));
            }
        }
        if url.scheme() == "https" && port == 443 {
            return Ok(Reach::Public);
        }
        // Only this server can compare the addresses of a name with the operator's networks, and not a proxy.
        if self.has_proxy && matches!(host, Host::Domain(_)) {
            return Err(refused(NEEDS_ENTRY));
        }
        if self.allow.has_networks() {
            return Ok(Reach::Internal);
        }
        match url.scheme() {
            "https" => Err(refused("the port must be 443")),
            _ => Err(refused("the URL must begin with `https://`")),
        }
    }

    /// Returns the reason why a target must not lead to an address.
    pub(super) fn judge(&self, target: &Target, address: IpAddr) -> Result<(), String> {
        if self.own.has_address(address, target.port) {
            return Err(OWN.to_owned());
        }
        if target.reach == Reach::Any || self.allow.has_address(address) {
            return Ok(());
        }
        if target.reach == Reach::Internal {
            return Err(NEEDS_ENTRY.to_owned());
        }
        match special_kind(address) {
            Some(kind) => Err(format!(
                "the host has {kind}: an operator can allow it with `--egress-allow`"
            )),
            None => Ok(()),
        }
    }
}

impl Target {
    /// Returns the address, if the URL has one instead of a name.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Ipv4(it) => Some(it.into()),
            Host::Ipv6(it) => Some(it.into()),
            Host::Domain(_) => None,
        }
    }
}

/// Returns whether the authority of a URL has a user, which may be empty as in `https://@host/`.
fn has_user(text: &str) -> bool {
    let rest = text.split_once("//").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#'])
        .next()
        .is_some_and(|it| it.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allowed: &[&str]) -> Rules {
        Rules {
            allow: allowed.iter().filter_map(|it| it.parse().ok()).collect(),
            own: OwnAddresses::new(
                "https://scim.example.com/scim/v2",
                &[([127, 0, 0, 1], 8080).into(), ([0, 0, 0, 0], 9090).into()],
            ),
            has_proxy: false,
        }
    }

    #[test]
    fn evt_131_urls_have_https_a_host_port_443_and_nothing_else() {
        for url in [
            "https://example.com",
            "https://example.com/keys?a=b",
            "https://example.com:443/",
            "https://8.8.8.8/",
            "https://[2606:4700::1111]/",
            "https://EXAMPLE.com/",
            "https://example.com/a@b",
            "https://bücher.example/",
        ] {
            assert!(rules(&[]).target(url).is_ok(), "{url}");
        }
        for url in [
            "http://example.com/",
            "https://a@example.com/",
            "https://@example.com/",
            "https://a:b@example.com/",
            "https://example.com:22/",
            "https://example.com:8443/",
            "https://example.com/#a",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://",
            "https:///keys",
            "example.com",
            "",
            "https://metadata/",
            "https://localhost/",
            "https://example.com./",
            "gopher://example.com/",
            "https://exa mple.com/",
            &format!("https://example.com/{}", "a".repeat(2048)),
        ] {
            let result = rules(&[]).target(url);
            assert!(
                matches!(result, Err(EgressError::Refused(_))),
                "{url}: {result:?}"
            );
        }
    }

    #[test]
    fn evt_134_addresses_in_every_spelling_are_judged_the_same() {
        for url in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0x7f000001/",
            "https://017700000001/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[0:0:0:0:0:0:0:1]/",
            "https://[fe80::1%25eth0]/",
            "https://[fe80::1%eth0]/",
            "https://0/",
            "https://①②⑦.⓪.⓪.①/",
            "https://127.0.0.1./",
            "https://169.254.169.254/latest/meta-data/",
            "https://[fd00:ec2::254]/",
            "https://[64:ff9b::7f00:1]/",
        ] {
            let result = rules(&[]).target(url);
            assert!(
                matches!(result, Err(EgressError::Refused(_))),
                "{url}: {result:?}"
            );
        }
    }

    #[test]
    fn evt_136_the_list_of_the_operator_opens_internal_targets_on_every_port() {
        let listed = rules(&["10.1.0.0/16", "keycloak", "::1"]);
        for url in [
            "https://10.1.2.3/",
            "http://10.1.2.3:8080/",
            "https://10.1.2.3:8443/",
            "http://keycloak/",
            "https://[::1]:1/",
            "https://keycloak:8443/keys",
            // Its addresses are judged when they are resolved.
            "http://issuer.example.com:8080/",
        ] {
            assert!(listed.target(url).is_ok(), "{url}");
            assert!(rules(&[]).target(url).is_err(), "{url}");
        }
        for url in [
            "https://10.2.0.1/",
            "http://8.8.8.8/",
            "https://8.8.8.8:8443/",
            "https://keycloak2/",
        ] {
            assert!(listed.target(url).is_err(), "{url}");
        }
    }

    #[test]
    fn evt_141_no_url_leads_to_the_server_itself() {
        let all = rules(&["127.0.0.0/8", "::1", "0.0.0.0", "scim.example.com"]);
        for url in [
            "https://scim.example.com/scim/v2",
            "https://SCIM.example.com:443/",
            "http://127.0.0.1:8080/",
            "http://[::1]:8080/",
            "http://0:8080/",
            "https://127.0.0.2:9090/",
            "http://[::ffff:127.0.0.1]:9090/metrics",
        ] {
            let error = all.target(url).expect_err("it is this server");
            assert_eq!(error.to_string(), "the URL leads to this server itself");
        }
        assert!(all.target("http://127.0.0.1:8081/").is_ok());
    }

    #[test]
    fn evt_138_the_shape_of_a_url_is_judged_with_a_proxy_too() {
        let mut rules = rules(&["10.1.0.0/16", "keycloak"]);
        rules.has_proxy = true;
        for url in [
            "https://issuer.example.com/",
            "http://keycloak:8080/",
            "http://10.1.2.3/",
        ] {
            assert!(rules.target(url).is_ok(), "{url}");
        }
        for url in [
            "http://issuer.example.com/",
            "https://issuer.example.com:8443/",
            "https://u@issuer.example.com/",
            "https://scim.example.com/",
            "https://169.254.169.254/",
            "https://localhost/",
        ] {
            assert!(rules.target(url).is_err(), "{url}");
        }
    }
}
