//! The presets: the values of settings for each kind of client, with their reasons.
//!
//! For a setting that a preset does not name, the value of the server applies. `generic` names no setting.

/// The defaults for a kind of client.
pub struct Preset {
    /// The name on the command line and in the store.
    pub name: &'static str,
    /// The kind of client.
    pub about: &'static str,
    /// The values of the preset.
    pub values: &'static [PresetValue],
}

/// A value of a preset.
pub struct PresetValue {
    /// Name of the setting.
    pub setting: &'static str,
    /// The value.
    pub value: &'static str,
    /// The reason for the value.
    pub reason: &'static str,
}

/// All presets.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "generic",
        about: "Any client; every value is that of the server",
        values: &[],
    },
    Preset {
        name: "entra",
        about: "Microsoft Entra ID",
        values: &[
            value(
                "leniency",
                "clients",
                "sends `Add` and `Replace`, booleans in strings and unknown URNs",
            ),
            value(
                "group-patch",
                "no-content",
                "Microsoft advises against a response with all members",
            ),
            value(
                "url-filters",
                "allow",
                "looks up users and groups by a filter in the URL",
            ),
        ],
    },
    Preset {
        name: "okta",
        about: "Okta",
        values: &[
            value(
                "leniency",
                "clients",
                "sends PATCH operations without a path, and `id` in the value of a rename",
            ),
            value(
                "group-patch",
                "no-content",
                "accepts 204, and does not read the members in a response",
            ),
            value(
                "url-filters",
                "allow",
                "looks up users and groups by a filter in the URL",
            ),
            value(
                "bearer-scheme",
                "optional",
                "its header mode sends the token without the word `Bearer`",
            ),
        ],
    },
    Preset {
        name: "onelogin",
        about: "OneLogin",
        values: &[
            value(
                "leniency",
                "clients",
                "sends URNs of SCIM 1, booleans in strings and e-mail addresses as an object",
            ),
            value("url-filters", "allow", "looks up users by a filter in the URL"),
        ],
    },
    Preset {
        name: "jumpcloud",
        about: "JumpCloud",
        values: &[
            value(
                "leniency",
                "clients",
                "renames groups without a path, and removes members by a list of values",
            ),
            value(
                "url-filters",
                "allow",
                "looks up users and groups by a filter in the URL",
            ),
        ],
    },
    Preset {
        name: "google",
        about: "Google Workspace",
        values: &[
            value(
                "leniency",
                "clients",
                "names `urn:scim:schemas:core:1.0` among the schemas",
            ),
            value("url-filters", "allow", "looks up users by a filter in the URL"),
        ],
    },
    Preset {
        name: "ping",
        about: "PingOne and PingFederate",
        values: &[
            value(
                "leniency",
                "clients",
                "sends member types that name no resource type",
            ),
            value("url-filters", "allow", "looks up users by a filter in the URL"),
        ],
    },
    Preset {
        name: "authentik",
        about: "authentik",
        values: &[
            value(
                "leniency",
                "clients",
                "names extensions that this server does not have",
            ),
            value(
                "url-filters",
                "allow",
                "looks up users and groups by a filter in the URL",
            ),
        ],
    },
    Preset {
        name: "keycloak",
        about: "Keycloak with a SCIM extension",
        values: &[
            value(
                "leniency",
                "clients",
                "its extensions send booleans in strings, and remove all members without naming them",
            ),
            value(
                "url-filters",
                "allow",
                "looks up users and groups by a filter in the URL",
            ),
        ],
    },
    Preset {
        name: "strict",
        about: "A client that follows the RFCs",
        values: &[value(
            "leniency",
            "strict",
            "deviations from the RFCs are errors that should be seen",
        )],
    },
    Preset {
        name: "interop",
        about: "A client of the SCIM interoperability profile",
        values: &[
            value(
                "leniency",
                "interop",
                "the profile refuses unknown attributes and operations without a path",
            ),
            value("url-filters", "allow", "the profile demands filters in URLs"),
            value(
                "reprovision",
                "conflict",
                "the profile demands 409 for a user who exists already",
            ),
        ],
    },
];

const fn value(setting: &'static str, value: &'static str, reason: &'static str) -> PresetValue {
    PresetValue {
        setting,
        value,
        reason,
    }
}

/// Returns the preset with this name.
pub(super) fn named(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|it| it.name == name)
}
