//! The settings of the authorization server, and the internal targets of outgoing requests.

use ipnet::IpNet;

use crate::egress::EgressSettings;
pub use crate::jose::Issuer;
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
            issuer: self
                .issuer
                .as_ref()
                .map_or(usual.issuer, |it| it.as_str().to_owned()),
            strict_audience: self.strict_audience,
            lifetime: self.lifetime,
            clock_skew: self.clock_skew,
            ..usual
        }
    }
}
