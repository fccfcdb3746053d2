//! The configuration that the arguments of `serve` describe.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use scim_model::SchemaRegistry;

use super::arguments::{OperationArgs, Passwords, ServeArgs, StoredFormArgs};
use crate::config::base_url::BaseUrl;
use crate::config::{Config, listen, schemas};
use crate::egress;
use crate::service::Settings;
use crate::telemetry;

impl StoredFormArgs {
    /// Reads the resource types that the servers have.
    ///
    /// # Errors
    /// A text that names the file.
    pub fn registry(&self) -> Result<Arc<SchemaRegistry>, Box<dyn Error>> {
        registry(self.schemas.as_deref())
    }
}

fn registry(folder: Option<&Path>) -> Result<Arc<SchemaRegistry>, Box<dyn Error>> {
    let documents = match folder {
        Some(folder) => schemas::read_folder(folder)?,
        None => Vec::new(),
    };
    Ok(crate::registry(&documents)?)
}

impl ServeArgs {
    /// Checks the arguments, and reads the files that they name.
    ///
    /// # Errors
    /// A text that names the argument.
    pub fn config(&self) -> Result<Config, Box<dyn Error>> {
        let registry = registry(self.schemas.as_deref())?;
        let (tls, management_tls) = (self.tls.scim()?, self.tls.management()?);
        let base_url = self.checked_base_url(tls.is_some())?;
        // With its own certificate, an https base URL does not show that a proxy is in front of the other listener.
        let proxy_url = base_url.as_ref().filter(|_| tls.is_none());
        let config = Config {
            listen: listen::address(&self.listen, proxy_url, self.allow_plain_http || tls.is_some())?,
            management: listen::management(
                self.management_listen.as_deref(),
                proxy_url,
                self.allow_plain_http || management_tls.is_some(),
            )?,
            tls,
            management_tls,
            metrics: match &self.metrics_listen {
                Some(text) => Some(listen::metrics_address(text)?),
                None => None,
            },
            path_prefix: self.path_prefix.clone(),
            base_url,
            registry,
            retention: self.journal_days,
            max_body_bytes: usize::try_from(self.max_body_bytes)?,
            max_response_bytes: usize::try_from(self.max_response_bytes)?,
            write_timeout: Duration::from_secs(self.write_timeout.into()),
            shutdown_delay: Duration::from_secs(self.operation.shutdown_delay.into()),
            metrics_tenants: self.operation.metrics_tenants as usize,
            otlp_endpoint: self.operation.checked_otlp_endpoint()?,
            oauth: self.oauth.config()?,
            settings: self.settings()?,
        };
        // Last, because an error is reported alone.
        schemas::warn_of_unused(&config.registry);
        Ok(config)
    }

    /// Returns the base URL, if there is one. Credentials must not cross a network without TLS (RFC 6749 section 3.2, RFC
    /// 7644 section 7.2), so that a plain URL of another machine needs the same permission as a plain listener.
    fn checked_base_url(&self, has_tls: bool) -> Result<Option<BaseUrl>, String> {
        let Some(text) = &self.base_url else {
            return Ok(None);
        };
        let url = BaseUrl::parse(text, &self.path_prefix)
            .map_err(|reason| format!("--base-url `{text}`: {reason}"))?;
        if has_tls && !url.is_https() {
            return Err(format!(
                "--base-url `{text}`: it must begin with `https://`, because --tls-certificate makes this server speak TLS"
            ));
        }
        if url.is_plain_and_remote() && !self.allow_plain_http {
            return Err(format!(
                "--base-url `{text}`: clients would send tokens and secrets over plain HTTP: name the https URL of a \
                 TLS proxy, or add --allow-plain-http"
            ));
        }
        Ok(Some(url))
    }

    fn checked_documentation_uri(&self) -> Result<Option<Arc<str>>, String> {
        let Some(text) = &self.documentation_uri else {
            return Ok(None);
        };
        let is_web = text.starts_with("https://") || text.starts_with("http://");
        if !is_web || text.contains(char::is_whitespace) || egress::host_and_port(text).is_none() {
            return Err(format!(
                "--documentation-uri `{text}`: expected a URL such as `https://example.com/scim`"
            ));
        }
        Ok(Some(text.as_str().into()))
    }

    fn page_size(&self) -> u32 {
        if self.default_page_size > self.max_page_size {
            log::warn!(
                "--default-page-size {} is larger than --max-page-size {most}: pages have {most} resources",
                self.default_page_size,
                most = self.max_page_size
            );
        }
        self.default_page_size.min(self.max_page_size)
    }

    fn settings(&self) -> Result<Settings, Box<dyn Error>> {
        Ok(Settings {
            documentation_uri: self.checked_documentation_uri()?,
            client: self.clients.settings(),
            default_page_size: self.page_size(),
            max_page_size: self.max_page_size,
            hash_secrets: self.passwords == Passwords::Argon2id,
            cursor_keys: self.cursor_key.clone(),
            cursor_lifetime: (self.cursor_lifetime > 0)
                .then(|| Duration::from_secs(self.cursor_lifetime.into())),
            ..Settings::default()
        })
    }
}

impl OperationArgs {
    fn checked_otlp_endpoint(&self) -> Result<Option<String>, String> {
        let Some(text) = &self.otlp_endpoint else {
            return Ok(None);
        };
        if !telemetry::IS_BUILT {
            return Err(
                "--otlp-endpoint: this build sends no traces: build it with `--features otlp`".to_owned(),
            );
        }
        let is_web = text.starts_with("https://") || text.starts_with("http://");
        let has_more = text.contains(['@', '?', '#']) || text.contains(char::is_whitespace);
        if !is_web || has_more || egress::host_and_port(text).is_none() {
            // The text may have a password.
            return Err(
                "--otlp-endpoint: expected a URL such as `http://localhost:4318`; a key of the collector belongs into \
                 the variable OTEL_EXPORTER_OTLP_HEADERS"
                    .to_owned(),
            );
        }
        Ok(Some(text.trim_end_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::arguments::Cli;
    use crate::service::{ClientSettings, CursorKey, Leniency};

    fn config(arguments: &[&str]) -> Config {
        let cli = Cli::parse_from([&["scim-server"], arguments].concat());
        cli.serve.config().expect("the arguments are valid")
    }

    #[test]
    fn the_service_gets_its_settings() {
        let usual = config(&["--base-url", "https://example.com/scim/v2"]);
        let address = ([127, 0, 0, 1], 8080).into();
        assert_eq!(
            &*usual.settings_at(address).base_url,
            "https://example.com/scim/v2"
        );
        assert_eq!(
            &*config(&[]).settings_at(address).base_url,
            "http://127.0.0.1:8080/scim/v2"
        );
        assert_eq!(usual.metrics, None);
        let management = usual.management.expect("it is on by default");
        assert_eq!((management.address.port(), management.is_default), (8081, true));
        let usual = usual.settings;
        assert_eq!(usual.client, ClientSettings::default());
        assert!(!usual.hash_secrets);
        assert_eq!((usual.default_page_size, usual.max_page_size), (100, 200));
        assert_eq!(usual.cursor_lifetime, Some(Duration::from_secs(24 * 60 * 60)));
        let key = "0f".repeat(32);
        let changed = config(&[
            "--leniency",
            "strict",
            "--url-filters",
            "refuse",
            "--active-by-default",
            "--group-patch",
            "resource",
            "--passwords",
            "argon2id",
            "--cursor-key",
            &key,
            "--default-page-size",
            "300",
            "--max-page-size",
            "250",
            "--cursor-lifetime",
            "0",
        ]);
        let changed = changed.settings;
        let client = ClientSettings {
            leniency: Leniency::Strict,
            active_by_default: true,
            patch_shows_groups: true,
            filters_in_urls: false,
            ..ClientSettings::default()
        };
        assert_eq!(changed.client, client);
        assert!(changed.hash_secrets);
        assert_eq!((changed.default_page_size, changed.max_page_size), (250, 250));
        assert_eq!(
            (changed.cursor_keys, changed.cursor_lifetime),
            (vec![CursorKey::new([0x0f; 32])], None)
        );
    }

    /// cred-08
    #[test]
    fn cred_08_a_base_url_without_tls_needs_permission() {
        let start = |arguments: &[&str]| {
            let cli = Cli::parse_from([&["scim-server"], arguments].concat());
            cli.serve.config().map_err(|error| error.to_string())
        };
        let public = ["--base-url", "http://scim.example.com"];
        let refused = start(&public).expect_err("tokens could be read on the way");
        assert!(
            refused.contains("--base-url `http://scim.example.com`")
                && refused.contains("--allow-plain-http"),
            "{refused}"
        );
        assert!(start(&[&public[..], &["--allow-plain-http"]].concat()).is_ok());
        assert!(start(&["--base-url", "http://localhost:8080"]).is_ok());
    }

    #[test]
    fn a_certificate_opens_its_own_listener_only() {
        let start = |arguments: &[&str]| {
            let cli = Cli::parse_from([&["scim-server"], arguments].concat());
            cli.serve.config().map_err(|error| error.to_string())
        };
        let scim = [
            "--listen",
            "0.0.0.0:8443",
            "--tls-certificate",
            "c",
            "--tls-key",
            "k",
        ];
        let management = ["--management-listen", "0.0.0.0:8444"];
        let both = [
            &management[..],
            &["--management-tls-certificate", "c", "--management-tls-key", "k"],
        ]
        .concat();
        let config = start(&scim).expect("clients connect with TLS");
        let base_url = config.settings_at(([0, 0, 0, 0], 8443).into()).base_url;
        assert_eq!(&*base_url, "https://0.0.0.0:8443/scim/v2");
        assert!(config.management_tls.is_none());
        assert!(start(&both).is_ok_and(|it| it.management_tls.is_some()));
        // The URL of this server is not that of a proxy in front of the management listener.
        let url = ["--base-url", "https://scim.example.com"];
        let refused = start(&[&scim[..], &url, &management].concat()).expect_err("keys could be read");
        assert!(refused.contains("--management-tls-certificate"), "{refused}");
        assert!(start(&[&scim[..], &url, &both].concat()).is_ok());
        assert!(start(&[&url[..], &management].concat()).is_ok());
        let refused = start(&["--listen", "0.0.0.0:8080"]).expect_err("tokens could be read");
        assert!(refused.contains("--tls-certificate"), "{refused}");
    }

    #[test]
    fn the_uri_of_the_documentation_is_one_of_the_web() {
        let uri = |text: &str| {
            let cli = Cli::parse_from(["scim-server", "--documentation-uri", text]);
            let config = cli.serve.config().map_err(|error| error.to_string())?;
            Ok(config.settings.documentation_uri.map(|it| it.to_string()))
        };
        let valid = "https://example.com/scim?a=b#entra";
        assert_eq!(uri(valid), Ok(Some(valid.to_owned())));
        for wrong in ["", "example.com", "ftp://example.com", "https://", "https://a b"] {
            let error: String = uri(wrong).expect_err(wrong);
            assert!(error.contains("--documentation-uri"), "{error}");
        }
    }

    #[test]
    fn a_collector_has_a_url_without_a_key_and_needs_a_build_with_traces() {
        let endpoint = |text: &str| {
            let cli = Cli::parse_from(["scim-server", "--otlp-endpoint", text]);
            let config = cli.serve.config().map_err(|error| error.to_string())?;
            Ok(config.otlp_endpoint)
        };
        let found: Result<_, String> = endpoint("http://collector.example.com:4318/");
        if !telemetry::IS_BUILT {
            let refused = found.expect_err("nothing would be sent");
            assert!(refused.contains("--features otlp"), "{refused}");
            return;
        }
        assert_eq!(found, Ok(Some("http://collector.example.com:4318".to_owned())));
        for wrong in [
            "",
            "collector:4318",
            "grpc://collector:4317",
            "https://",
            "https://5ec2e7@collector",
            "https://collector/?key=5ec2e7",
        ] {
            let refused = endpoint(wrong).expect_err(wrong);
            assert!(refused.contains("--otlp-endpoint"), "{refused}");
            assert!(!refused.contains("5ec2e7"), "{refused}");
        }
    }

    #[test]
    fn the_base_url_of_a_listener_ends_with_the_path_prefix() {
        let address = ([127, 0, 0, 1], 8080).into();
        let base_url = |arguments: &[&str]| config(arguments).settings_at(address).base_url;
        assert_eq!(
            &*base_url(&["--path-prefix", "/idp"]),
            "http://127.0.0.1:8080/idp"
        );
        let behind_proxy = ["--path-prefix", "/idp", "--base-url", "https://example.com"];
        assert_eq!(&*base_url(&behind_proxy), "https://example.com/idp");
        let mapped_by_proxy = ["--path-prefix", "/idp", "--base-url", "https://example.com/scim"];
        assert_eq!(&*base_url(&mapped_by_proxy), "https://example.com/scim");
    }
}
