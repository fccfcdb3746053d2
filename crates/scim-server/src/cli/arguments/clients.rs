//! The flags about clients, which a connection and its preset can replace.

use clap::{Args, ValueEnum};

use crate::management::ServerSettings;
use crate::service::{ClientSettings, MAX_RATE_LIMIT};

const SCIM: &str = "Requests, responses and schemas";

/// The settings of clients whose connection and preset have none.
#[derive(Clone, Debug, Default, Args)]
pub struct ClientArgs {
    /// How strictly requests are read: as real clients send them, by the RFC alone, or by the
    /// interoperability profile [default: clients]
    #[arg(long, help_heading = SCIM, env = "SCIM_LENIENCY", value_enum)]
    pub leniency: Option<Leniency>,

    /// Store and return `active: true` for new users when the client sends no `active`
    #[arg(long, help_heading = SCIM, env = "SCIM_ACTIVE_BY_DEFAULT")]
    pub active_by_default: bool,

    /// The answer to a successful PATCH of a group: 204, or 200 with all its members [default: no-content]
    #[arg(long, help_heading = SCIM, env = "SCIM_GROUP_PATCH", value_enum)]
    pub group_patch: Option<GroupPatch>,

    /// Whether filters are accepted in URLs, as identity providers send them; proxies and histories may keep
    /// URLs. Otherwise filters have to be sent by POST to `/.search` [default: allow]
    #[arg(long, help_heading = SCIM, env = "SCIM_URL_FILTERS", value_enum)]
    pub url_filters: Option<UrlFilters>,

    /// The answer to the POST of a user who is stored already and inactive: 409, or 201 with this user, active again
    /// [default: conflict]
    #[arg(long, help_heading = SCIM, env = "SCIM_REPROVISION", value_enum)]
    pub reprovision: Option<Reprovision>,

    /// The requests of a connection that this server answers in a second, on average; up to five times as many at once,
    /// and further ones get 429. 0 is no limit [default: 200]
    #[arg(long, help_heading = SCIM, env = "SCIM_RATE_LIMIT", value_name = "N",
          value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_RATE_LIMIT)))]
    pub rate_limit: Option<u32>,
}

impl ClientArgs {
    /// Returns the settings: the values that were given, and the built-in defaults for the rest.
    pub fn settings(&self) -> ClientSettings {
        let mut settings = ClientSettings::default();
        for (name, value) in self.given() {
            settings.set(name, &value);
        }
        settings
    }

    /// Returns the settings, with the names of those that were given.
    pub fn server_settings(&self) -> ServerSettings {
        ServerSettings {
            client: self.settings(),
            given: self.given().into_iter().map(|(name, _)| name).collect(),
        }
    }

    /// Returns the names and values of the settings that were given.
    pub fn given(&self) -> Vec<(&'static str, String)> {
        let mut given = Vec::new();
        let mut add = |name, value: Option<String>| given.extend(value.map(|it| (name, it)));
        add("leniency", self.leniency.as_ref().and_then(word));
        add(
            "active-by-default",
            self.active_by_default.then(|| "true".to_owned()),
        );
        add("group-patch", self.group_patch.as_ref().and_then(word));
        add("url-filters", self.url_filters.as_ref().and_then(word));
        add("reprovision", self.reprovision.as_ref().and_then(word));
        add("rate-limit", self.rate_limit.map(|it| it.to_string()));
        given
    }
}

fn word(value: &impl ValueEnum) -> Option<String> {
    Some(value.to_possible_value()?.get_name().to_owned())
}

/// See [`ClientArgs::leniency`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Leniency {
    /// Accept what Okta, Entra, OneLogin and others send
    Clients,
    /// Follow the RFC
    Strict,
    /// Follow the RFC and the interoperability profile
    Interop,
}

/// See [`ClientArgs::group_patch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GroupPatch {
    /// 204, or 200 when the request names attributes
    NoContent,
    /// 200 with the group
    Resource,
}

/// See [`ClientArgs::url_filters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UrlFilters {
    /// Accept them
    Allow,
    /// Answer 403 with the `scimType` `sensitive`
    Refuse,
}

/// See [`ClientArgs::reprovision`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reprovision {
    /// Answer 409
    Conflict,
    /// Update and reactivate the user
    Restore,
}
