//! The options of the authorization server and of outgoing requests.

use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;

use super::unshown::Unshown;
use crate::config::oauth::{Issuer, OAuthConfig};
use crate::egress::{AllowEntry, Authorities, EgressSettings, OwnAddresses, ProxyUrl};
use crate::oauth::settings::{CLOCK_SKEW, LARGEST_CLOCK_SKEW, LIFETIME, LONGEST_LIFETIME};

const OAUTH: &str = "OAuth";
const NETWORK: &str = "Network";

/// The internal targets of outgoing requests.
#[derive(Clone, Debug, Args)]
pub struct EgressArgs {
    /// A network or a host name that URLs in the settings of tenants may lead to although it is internal, on every
    /// port and also without TLS; several are separated by commas
    #[arg(long, help_heading = NETWORK, env = "SCIM_EGRESS_ALLOW", value_name = "NETWORK|NAME", value_delimiter = ',')]
    pub egress_allow: Vec<AllowEntry>,

    /// The proxy of outgoing requests, which then decides about the addresses that they reach; variables such as
    /// `HTTPS_PROXY` have no effect
    #[arg(long, help_heading = NETWORK, env = "SCIM_EGRESS_PROXY", hide_env_values = true, value_name = "URL",
          value_parser = Unshown(proxy))]
    pub egress_proxy: Option<ProxyUrl>,

    /// A PEM file with the certificate authorities that outgoing connections trust, instead of the built-in public ones
    #[arg(long, help_heading = NETWORK, env = "SCIM_EGRESS_CA_FILE", value_name = "FILE")]
    pub egress_ca_file: Option<PathBuf>,
}

impl EgressArgs {
    /// Reads the file, and returns the settings that the options describe.
    ///
    /// # Errors
    /// A text that names the option.
    pub fn settings(&self) -> Result<EgressSettings, String> {
        let authorities = match &self.egress_ca_file {
            Some(file) => {
                let problem = |text: String| format!("--egress-ca-file {}: {text}", file.display());
                let text = std::fs::read(file).map_err(|error| problem(error.to_string()))?;
                Authorities::from_pem(&text).map_err(problem)?
            }
            None => Authorities::default(),
        };
        Ok(EgressSettings {
            allow: self.egress_allow.iter().cloned().collect(),
            own: OwnAddresses::default(),
            authorities,
            proxy: self.egress_proxy.clone(),
        })
    }
}

/// The tolerance for other clocks.
#[derive(Clone, Debug, Args)]
pub struct ClockArgs {
    /// The permitted difference between the clocks of issuers and the clock of this server, in seconds
    #[arg(long, help_heading = OAUTH, env = "SCIM_OAUTH_CLOCK_SKEW", default_value_t = CLOCK_SKEW, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(0..=i64::from(LARGEST_CLOCK_SKEW)))]
    pub(super) oauth_clock_skew: u32,
}

/// The options of the authorization server.
#[derive(Clone, Debug, Args)]
pub struct OAuthArgs {
    #[command(flatten)]
    egress: EgressArgs,

    /// The identifier of this server as an OAuth issuer, an `https` URL [default: the origin of the base URL]
    #[arg(long, help_heading = OAUTH, env = "SCIM_OAUTH_ISSUER", value_name = "URL")]
    oauth_issuer: Option<Issuer>,

    /// Refuse assertions of clients whose audience is the URL of the token endpoint, and not the issuer
    #[arg(long, help_heading = OAUTH, env = "SCIM_OAUTH_STRICT_AUDIENCE")]
    oauth_strict_audience: bool,

    /// Seconds for which an access token is valid
    #[arg(long, help_heading = OAUTH, env = "SCIM_ACCESS_TOKEN_LIFETIME", default_value_t = LIFETIME, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(i64::from(LIFETIME)..=i64::from(LONGEST_LIFETIME)))]
    access_token_lifetime: u32,

    #[command(flatten)]
    clock: ClockArgs,

    /// A network of proxies whose `X-Forwarded-For` names the address of a client; failed attempts at the token
    /// endpoint are limited for each address. Several networks are separated by commas
    #[arg(long, help_heading = NETWORK, env = "SCIM_TRUSTED_PROXY", value_name = "NETWORK", value_delimiter = ',',
          value_parser = network)]
    trusted_proxy: Vec<IpNet>,
}

fn proxy(text: &str) -> Result<ProxyUrl, String> {
    text.parse().map_err(str::to_owned)
}

fn network(text: &str) -> Result<IpNet, String> {
    match text.parse() {
        Ok(AllowEntry::Network(network)) => Ok(network),
        _ => Err("expected a network such as `10.1.0.0/16`, or an address".to_owned()),
    }
}

impl OAuthArgs {
    /// Returns the settings that the options describe.
    ///
    /// # Errors
    /// A text that names the option.
    pub(super) fn config(&self) -> Result<OAuthConfig, String> {
        Ok(OAuthConfig {
            issuer: self.oauth_issuer.clone(),
            strict_audience: self.oauth_strict_audience,
            lifetime: self.access_token_lifetime,
            clock_skew: self.clock.oauth_clock_skew,
            trusted_proxies: self.trusted_proxy.clone(),
            egress: self.egress.settings()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::arguments::Cli;
    use crate::config::oauth::OAuthConfig;

    fn config(arguments: &[&str]) -> Option<OAuthConfig> {
        let cli = Cli::try_parse_from([&["scim-server"], arguments].concat());
        cli.ok()?.serve.oauth.config().ok()
    }

    /// cred-32
    #[test]
    fn cred_32_the_lifetime_of_access_tokens_is_one_to_six_hours() {
        let lifetime = |text: &str| config(&["--access-token-lifetime", text]).map(|it| it.lifetime);
        assert_eq!(config(&[]).map(|it| it.lifetime), Some(3600));
        assert_eq!(lifetime("21600"), Some(21600));
        assert_eq!((lifetime("3599"), lifetime("21601")), (None, None));
    }

    #[test]
    fn the_options_become_settings() {
        let usual = config(&[]).expect("the defaults are valid");
        let settings = usual.settings("https://scim.example.com/scim/v2");
        assert_eq!(
            (&*settings.issuer, settings.strict_audience),
            ("https://scim.example.com", false)
        );
        let changed = config(&[
            "--oauth-issuer",
            "https://id.example.com/scim",
            "--oauth-strict-audience",
            "--oauth-clock-skew",
            "300",
            "--trusted-proxy",
            "10.0.0.0/8,192.0.2.1",
            "--egress-allow",
            "10.1.0.0/16,keycloak",
            "--egress-proxy",
            "http://user:pass@proxy.example.com:3128",
        ]);
        let changed = changed.expect("they are valid");
        let settings = changed.settings("https://scim.example.com/scim/v2");
        assert_eq!(settings.issuer, "https://id.example.com/scim");
        assert_eq!(settings.issuer_path(), "/scim");
        assert_eq!(settings.token_endpoint, "https://scim.example.com/oauth2/token");
        assert!(settings.strict_audience && settings.clock_skew == 300);
        let proxies: Vec<String> = changed.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.1/32"]);
        assert!(changed.egress.proxy.is_some());
        for (config, base_url, is_warned) in [
            (&usual, "https://scim.example.com/scim/v2", true),
            (&usual, "http://127.0.0.1:8080/scim/v2", false),
            (&changed, "https://scim.example.com/scim/v2", false),
        ] {
            let warning = config.proxy_warning(base_url);
            assert_eq!(
                warning.is_some_and(|it| it.contains("--trusted-proxy")),
                is_warned,
                "{base_url}"
            );
        }
        for wrong in [
            ["--oauth-issuer", "http://id.example.com"],
            ["--oauth-clock-skew", "301"],
            ["--trusted-proxy", "proxy.example.com"],
            ["--egress-allow", "https://example.com"],
            ["--egress-proxy", "socks5://proxy.example.com"],
            ["--egress-ca-file", "Cargo.toml"],
            ["--egress-ca-file", "/does/not/exist"],
        ] {
            assert!(config(&wrong).is_none(), "{wrong:?}");
        }
    }
}
