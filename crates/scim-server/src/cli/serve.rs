//! The configuration that the arguments of `serve` describe.

use std::error::Error;
use std::time::Duration;

use super::arguments::{Passwords, ServeArgs};
use crate::config::base_url::BaseUrl;
use crate::config::{Config, listen, schemas};
use crate::service::Settings;

impl ServeArgs {
    /// Checks the arguments, and reads the files that they name.
    ///
    /// # Errors
    /// A text that names the argument.
    pub fn config(&self) -> Result<Config, Box<dyn Error>> {
        let documents = match &self.schemas {
            Some(folder) => schemas::read_folder(folder)?,
            None => Vec::new(),
        };
        let registry = crate::registry(&documents)?;
        let base_url = match &self.base_url {
            Some(url) => Some(
                BaseUrl::parse(url, &self.path_prefix)
                    .map_err(|reason| format!("--base-url `{url}`: {reason}"))?,
            ),
            None => None,
        };
        let config = Config {
            listen: listen::address(&self.listen, base_url.as_ref(), self.allow_plain_http)?,
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
            oauth: self.oauth.config()?,
            settings: self.settings()?,
        };
        // Last, because an error is reported alone.
        schemas::warn_of_unused(&config.registry);
        Ok(config)
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
