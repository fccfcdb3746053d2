//! The settings that depend on the client: their names and values, and the order in which they are resolved.

use std::borrow::Cow;
use std::fmt;

use scim_model::Policy;
use scim_model::store::Connection;

use super::presets;

/// The settings that depend on the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// How strictly requests are read.
    pub leniency: Leniency,
    /// Whether a user without `active` is stored and shown as active. Filters treat such a user as active in any
    /// case.
    pub active_by_default: bool,
    /// Whether the response to a PATCH of a group contains the group with all its members.
    pub patch_shows_groups: bool,
    /// Whether URLs may contain a filter. Otherwise clients have to send it in the body of a POST to `/.search`
    /// (RFC 7644 section 7.5.2, A-45).
    pub filters_in_urls: bool,
    /// Whether a POST for an inactive user restores the user; otherwise it is a conflict.
    pub restores_users: bool,
    /// Whether a token is also accepted without the word `Bearer` before it.
    pub bare_tokens: bool,
    /// The number of requests a second that a connection may send, on average; 0 means no limit.
    pub rate_limit: u32,
}

/// How strictly requests are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leniency {
    /// Accepts the deviations of real clients.
    Clients,
    /// Follows the RFCs alone.
    Strict,
    /// Follows the RFCs and the interoperability profile.
    Interop,
}

impl Default for ClientSettings {
    fn default() -> ClientSettings {
        ClientSettings {
            leniency: Leniency::Clients,
            active_by_default: false,
            patch_shows_groups: false,
            filters_in_urls: true,
            restores_users: false,
            bare_tokens: false,
            rate_limit: DEFAULT_RATE_LIMIT,
        }
    }
}

/// Identity providers send up to 25 requests a second, and scripts of administrators more.
const DEFAULT_RATE_LIMIT: u32 = 200;

impl ClientSettings {
    /// Returns the strictness with which values are read.
    pub fn policy(&self) -> Policy {
        Policy {
            lenient: self.leniency == Leniency::Clients,
        }
    }

    /// Returns whether the rules of the interoperability profile are enforced.
    pub fn is_interop(&self) -> bool {
        self.leniency == Leniency::Interop
    }

    /// Returns whether every rule of the interoperability profile is kept: no other setting contradicts it.
    pub fn is_interop_conformant(&self) -> bool {
        self.is_interop() && self.filters_in_urls && !self.restores_users
    }

    /// Returns the settings of a connection: its own values, then those of its preset, and these settings for the rest.
    #[must_use]
    pub fn of(&self, connection: &Connection) -> ClientSettings {
        let mut settings = self.clone();
        for setting in SETTINGS {
            if let Some((value, _)) = setting.given(connection) {
                (setting.set)(&mut settings, value);
            }
        }
        settings
    }

    /// Sets a value by the name of its setting. The flags of the server are applied with it.
    pub fn set(&mut self, name: &str, value: &str) {
        if let Some(setting) = Setting::named(name).filter(|it| it.has_value(value)) {
            (setting.set)(self, value);
        }
    }
}

/// A setting that a connection can have a value for.
pub struct Setting {
    /// The name on the command line and in the store. A flag of the server has the same name.
    pub name: &'static str,
    /// The values that it can have.
    pub values: Values,
    set: fn(&mut ClientSettings, &str),
    get: fn(&ClientSettings) -> Cow<'static, str>,
}

/// The values that a setting can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// One of these words; the first one is the built-in default.
    Words(&'static [&'static str]),
    /// A whole number up to this one.
    UpTo(u32),
}

impl Values {
    /// Returns whether a text is one of the values. Each value has one spelling.
    pub fn has(self, text: &str) -> bool {
        match self {
            Values::Words(words) => words.contains(&text),
            Values::UpTo(most) => text
                .parse::<u32>()
                .is_ok_and(|it| it <= most && it.to_string() == text),
        }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Values::Words(words) => write!(out, "one of {}", words.join(", ")),
            Values::UpTo(most) => write!(out, "a number from 0 to {most}"),
        }
    }
}

/// All settings.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "leniency",
        values: Values::Words(&["clients", "strict", "interop"]),
        set: |it, value| {
            it.leniency = match value {
                "strict" => Leniency::Strict,
                "interop" => Leniency::Interop,
                _ => Leniency::Clients,
            }
        },
        get: |it| match it.leniency {
            Leniency::Clients => "clients".into(),
            Leniency::Strict => "strict".into(),
            Leniency::Interop => "interop".into(),
        },
    },
    Setting {
        name: "active-by-default",
        values: Values::Words(&["false", "true"]),
        set: |it, value| it.active_by_default = value == "true",
        get: |it| one_of(it.active_by_default, "true", "false"),
    },
    Setting {
        name: "group-patch",
        values: Values::Words(&["no-content", "resource"]),
        set: |it, value| it.patch_shows_groups = value == "resource",
        get: |it| one_of(it.patch_shows_groups, "resource", "no-content"),
    },
    Setting {
        name: "url-filters",
        values: Values::Words(&["allow", "refuse"]),
        set: |it, value| it.filters_in_urls = value == "allow",
        get: |it| one_of(it.filters_in_urls, "allow", "refuse"),
    },
    Setting {
        name: "reprovision",
        values: Values::Words(&["conflict", "restore"]),
        set: |it, value| it.restores_users = value == "restore",
        get: |it| one_of(it.restores_users, "restore", "conflict"),
    },
    Setting {
        name: "bearer-scheme",
        values: Values::Words(&["required", "optional"]),
        set: |it, value| it.bare_tokens = value == "optional",
        get: |it| one_of(it.bare_tokens, "optional", "required"),
    },
    Setting {
        name: "rate-limit",
        values: Values::UpTo(MAX_RATE_LIMIT),
        set: |it, value| it.rate_limit = value.parse().unwrap_or(it.rate_limit),
        get: |it| it.rate_limit.to_string().into(),
    },
];

/// The largest limit of the rate of requests.
pub const MAX_RATE_LIMIT: u32 = 1_000_000;

fn one_of(is_first: bool, first: &'static str, second: &'static str) -> Cow<'static, str> {
    if is_first { first.into() } else { second.into() }
}

impl Setting {
    /// Returns the setting with this name.
    pub fn named(name: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|it| it.name == name)
    }

    /// Returns whether the setting can have this value.
    pub fn has_value(&self, value: &str) -> bool {
        self.values.has(value)
    }

    /// Returns the value that a connection has, or that its preset has. A value that only a later version knows is
    /// ignored.
    fn given<'a>(&self, connection: &'a Connection) -> Option<(&'a str, Origin)> {
        let own = connection.settings.get(self.name).map(String::as_str);
        if let Some(value) = own.filter(|it| self.has_value(it)) {
            return Some((value, Origin::Connection));
        }
        let preset = presets::named(&connection.preset)?;
        let value = preset.values.iter().find(|it| it.setting == self.name)?;
        Some((value.value, Origin::Preset(value.reason)))
    }
}

/// The value of a setting that applies to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveValue {
    /// Name of the setting.
    pub name: &'static str,
    /// The value.
    pub value: String,
    /// The level that the value comes from.
    pub origin: Origin,
}

/// The level that a value comes from; the first one that has a value wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The connection itself.
    Connection,
    /// The preset of the connection, with the reason for the value.
    Preset(&'static str),
    /// A flag or an environment variable of the server.
    Server,
    /// The built-in default, because no level has a value.
    Default,
}

impl Origin {
    /// Returns the word for the level.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Connection => "connection",
            Origin::Preset(_) => "preset",
            Origin::Server => "server",
            Origin::Default => "default",
        }
    }
}

/// Returns the value of every setting for a connection. `server` are the settings of the server, and `flags` are the
/// names of the settings that the operator has set on the server.
pub fn effective_values(
    connection: &Connection,
    server: &ClientSettings,
    flags: &[&str],
) -> Vec<EffectiveValue> {
    let values = SETTINGS.iter().map(|setting| {
        let (value, origin) = match setting.given(connection) {
            Some((value, origin)) => (value.to_owned().into(), origin),
            None if flags.contains(&setting.name) => ((setting.get)(server), Origin::Server),
            None => ((setting.get)(server), Origin::Default),
        };
        EffectiveValue {
            name: setting.name,
            value: value.into_owned(),
            origin,
        }
    });
    values.collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use scim_model::store::{ConnectionId, ConnectionState, TenantId};
    use uuid::Uuid;

    use super::*;

    fn connection(preset: &str, settings: &[(&str, &str)]) -> Connection {
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Connection {
            id: ConnectionId(Uuid::nil()),
            tenant: TenantId(1),
            name: "entra".to_owned(),
            preset: preset.to_owned(),
            settings: settings.collect(),
            state: ConnectionState::Active,
            created: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_first_value_of_each_setting_is_the_default() {
        for setting in SETTINGS {
            let mut settings = ClientSettings::default();
            let Values::Words(values) = setting.values else {
                continue;
            };
            assert_eq!((setting.get)(&settings), values[0], "{}", setting.name);
            for value in values {
                settings.set(setting.name, value);
                assert_eq!((setting.get)(&settings), *value, "{}", setting.name);
            }
            settings.set(setting.name, "unknown");
            assert_eq!((setting.get)(&settings), values[values.len() - 1]);
        }
    }

    #[test]
    fn the_rate_limit_is_a_number_with_one_spelling() {
        let mut settings = ClientSettings::default();
        for (text, rate) in [("0", 0), ("25", 25), ("1000000", 1_000_000)] {
            settings.set("rate-limit", text);
            assert_eq!(settings.rate_limit, rate);
        }
        for text in ["", "-1", "+1", "01", "1.5", "1000001", "many"] {
            settings.set("rate-limit", text);
            assert_eq!(settings.rate_limit, 1_000_000, "{text}");
        }
        let own = connection("entra", &[("rate-limit", "50")]);
        assert_eq!(settings.of(&own).rate_limit, 50);
        assert_eq!(settings.of(&connection("entra", &[])).rate_limit, 1_000_000);
    }

    #[test]
    fn a_connection_wins_over_its_preset_and_the_preset_over_the_server() {
        let mut server = ClientSettings::default();
        server.set("group-patch", "resource");
        server.set("leniency", "strict");
        let flags = ["group-patch", "leniency"];
        let origins = |connection: &Connection| {
            let values = effective_values(connection, &server, &flags).into_iter();
            let values = values.filter(|it| ["group-patch", "leniency", "url-filters"].contains(&it.name));
            values
                .map(|it| format!("{}={} {}", it.name, it.value, it.origin.as_str()))
                .collect::<Vec<_>>()
        };
        let generic = connection("generic", &[]);
        assert_eq!(
            origins(&generic),
            [
                "leniency=strict server",
                "group-patch=resource server",
                "url-filters=allow default"
            ]
        );
        assert_eq!(server.of(&generic), server);
        let entra = connection(
            "entra",
            &[("url-filters", "refuse"), ("leniency", "of a later version")],
        );
        assert_eq!(
            origins(&entra),
            [
                "leniency=clients preset",
                "group-patch=no-content preset",
                "url-filters=refuse connection"
            ]
        );
        let settings = server.of(&entra);
        assert_eq!(settings.leniency, Leniency::Clients);
        assert!(!settings.patch_shows_groups && !settings.filters_in_urls);
        assert_eq!(server.of(&connection("of a later version", &[])), server);
    }

    /// The recorded exchanges of these clients pass with the built-in defaults, and a flag must not change that. All 25
    /// tests of Microsoft's validator need the values of `entra`.
    #[test]
    fn presets_of_products_keep_the_values_that_their_clients_need() {
        let mut server = ClientSettings::default();
        for setting in SETTINGS {
            if let Values::Words(values) = setting.values {
                server.set(setting.name, values[values.len() - 1]);
            }
        }
        let of = |preset: &str| server.of(&connection(preset, &[]));
        for preset in presets::PRESETS {
            for value in preset.values {
                let setting = Setting::named(value.setting).expect("presets name settings");
                assert!(
                    setting.has_value(value.value),
                    "{}: {}",
                    preset.name,
                    value.setting
                );
                assert!(value.reason.len() > 20, "{}: {}", preset.name, value.setting);
            }
            if !["generic", "strict", "interop"].contains(&preset.name) {
                let settings = of(preset.name);
                assert_eq!(settings.leniency, Leniency::Clients, "{}", preset.name);
                assert!(settings.filters_in_urls, "{}", preset.name);
            }
        }
        assert_eq!(
            (of("strict").leniency, of("interop").leniency),
            (Leniency::Strict, Leniency::Interop)
        );
        assert!(!of("entra").patch_shows_groups && !of("okta").patch_shows_groups);
        assert!(of("okta").bare_tokens);
        assert!(of("interop").is_interop_conformant() && !of("strict").is_interop_conformant());
        let refusing = connection("interop", &[("url-filters", "refuse")]);
        assert!(!server.of(&refusing).is_interop_conformant());
    }
}
