//! The settings of the authorization server.

use chrono::TimeDelta;

/// The settings of the authorization server.
#[derive(Clone, Debug)]
pub struct OAuthSettings {
    /// The identifier of this server as an issuer of access tokens.
    pub issuer: String,
    /// The URL of the token endpoint.
    pub token_endpoint: String,
    /// The URL before `/Users`, which operators copy into their identity provider.
    pub scim_url: String,
    /// Whether an assertion of a client must have the issuer as its audience, and not the URL of the token endpoint.
    pub strict_audience: bool,
    /// The lifetime of access tokens in seconds.
    pub lifetime: u32,
    /// The permitted deviation of clocks in seconds.
    pub clock_skew: u32,
}

/// The default lifetime of access tokens in seconds. It is the only value that both Entra, which asks for one to six
/// hours, and the CAEP interoperability profile, which asks for at most one hour, accept.
pub const LIFETIME: u32 = 3600;

/// The longest lifetime of access tokens in seconds.
pub const LONGEST_LIFETIME: u32 = 6 * 3600;

/// The default deviation of clocks in seconds, and the largest.
pub const CLOCK_SKEW: u32 = 60;
/// See [`CLOCK_SKEW`].
pub const LARGEST_CLOCK_SKEW: u32 = 300;

impl OAuthSettings {
    /// Returns the settings of a server with this base URL, which clients see before `/Users`.
    pub fn of(base_url: &str) -> OAuthSettings {
        let origin = origin(base_url);
        OAuthSettings {
            issuer: origin.to_owned(),
            token_endpoint: format!("{origin}{TOKEN_PATH}"),
            scim_url: base_url.to_owned(),
            strict_audience: false,
            lifetime: LIFETIME,
            clock_skew: CLOCK_SKEW,
        }
    }

    pub(super) fn skew(&self) -> TimeDelta {
        TimeDelta::seconds(self.clock_skew.into())
    }

    /// Returns the path of the issuer, which follows the path of the metadata (RFC 8414 section 3.1).
    pub fn issuer_path(&self) -> &str {
        self.issuer[origin(&self.issuer).len()..].trim_end_matches('/')
    }
}

/// The path of the token endpoint.
pub const TOKEN_PATH: &str = "/oauth2/token";

/// Returns the scheme, the host and the port of a URL.
fn origin(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |it| it + 3);
    let end = url[authority..].find('/').map_or(url.len(), |it| authority + it);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_derived_from_the_base_url() {
        for (base_url, issuer) in [
            ("https://scim.example.com/scim/v2", "https://scim.example.com"),
            ("https://scim.example.com", "https://scim.example.com"),
            ("http://[::1]:8080/scim/v2", "http://[::1]:8080"),
        ] {
            let settings = OAuthSettings::of(base_url);
            assert_eq!(settings.issuer, issuer);
            assert_eq!(settings.token_endpoint, format!("{issuer}/oauth2/token"));
            assert_eq!(settings.issuer_path(), "");
        }
        for (issuer, path) in [
            ("https://a.example/b", "/b"),
            ("https://a.example/b/c/", "/b/c"),
            ("https://a.example/", ""),
        ] {
            let settings = OAuthSettings {
                issuer: issuer.to_owned(),
                ..OAuthSettings::of("https://a.example")
            };
            assert_eq!(settings.issuer_path(), path);
        }
    }
}
