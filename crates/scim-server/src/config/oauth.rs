//! The settings of the authorization server, and the internal targets of outgoing requests.

use ipnet::IpNet;

use crate::egress::EgressSettings;
use crate::oauth::OAuthSettings;

/// The settings of the authorization server that the operator chose.
#[derive(Clone, Debug)]
pub struct OAuthConfig {
    /// The identifier of the server as an issuer; by default the origin of the base URL.
    pub issuer: Option<Issuer>,
    /// Whether an assertion of a client must have the issuer as its audience.
    pub strict_audience: bool,
    /// The lifetime of access tokens in seconds.
    pub lifetime: u32,
    /// The permitted deviation of clocks in seconds.
    pub clock_skew: u32,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The internal targets that tenants' URLs may lead to, and the trusted certificate authorities.
    pub egress: EgressSettings,
}

impl OAuthConfig {
    /// Returns a warning if the server seems to run behind a proxy, which does no TLS itself, and no option names it.
    pub fn proxy_warning(&self, base_url: &str) -> Option<&'static str> {
        let has_unnamed_proxy = base_url.starts_with("https://") && self.trusted_proxies.is_empty();
        has_unnamed_proxy.then_some(
            "the base URL begins with `https`, and --trusted-proxy names no proxy: failed attempts at the token endpoint \
             cannot be told apart by their origin, so that a stranger can stop other clients",
        )
    }

    /// Returns the settings of a server with this base URL.
    pub fn settings(&self, base_url: &str) -> OAuthSettings {
        let usual = OAuthSettings::of(base_url);
        OAuthSettings {
            issuer: self.issuer.as_ref().map_or(usual.issuer, |it| it.0.clone()),
            strict_audience: self.strict_audience,
            lifetime: self.lifetime,
            clock_skew: self.clock_skew,
            ..usual
        }
    }
}

/// The identifier of an issuer: an `https` URL without query and fragment (RFC 8414 section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(String);

impl Issuer {
    /// Returns the URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Issuer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Issuer, &'static str> {
        let text = text.trim();
        let rest = text
            .strip_prefix("https://")
            .ok_or("it must begin with `https://`")?;
        if text.contains(['?', '#']) {
            return Err("it must not have a query or a fragment");
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.is_empty() {
            return Err("it does not name a host");
        }
        let is_forbidden = |it: char| it.is_whitespace() || it.is_control() || "\"<>\\^`{|}@".contains(it);
        if !text.is_ascii() || text.contains(is_forbidden) {
            return Err("it contains a character that is not allowed here");
        }
        Ok(Issuer(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cred-95
    #[test]
    fn cred_95_an_issuer_is_an_https_url_without_query_and_fragment() {
        for text in [
            "https://scim.example.com",
            "https://example.com/scim",
            " https://example.com:8443/\n",
        ] {
            let issuer: Issuer = text.parse().expect("it is an issuer");
            assert_eq!(issuer.0, text.trim());
        }
        for text in [
            "",
            "http://example.com",
            "https://",
            "https:///a",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://a b",
            "example.com",
        ] {
            assert!(text.parse::<Issuer>().is_err(), "{text}");
        }
    }
}
