//! Environment variables whose names resemble settings.

use std::collections::BTreeSet;

use clap::Command;

use super::nearest::nearest;

/// The prefix of the variables of this server.
const PREFIX: &str = "SCIM_";

/// Logs a warning for each variable that begins like a setting but is not one. The value is not shown, because it may be
/// a secret.
pub fn warn_of_unknown_variables(command: &Command) {
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for warning in unknown(command, variables) {
        log::warn!("{warning}");
    }
}

fn unknown(command: &Command, variables: impl Iterator<Item = String>) -> Vec<String> {
    let mut known = BTreeSet::new();
    add_known(command, &mut known);
    variables
        .filter(|it| it.starts_with(PREFIX) && !known.contains(it) && !is_foreign(it))
        .map(|name| match nearest(&name, known.iter().map(|it| &**it)) {
            Some(nearest) => {
                format!("the environment variable `{name}` is not a setting: did you mean `{nearest}`?")
            }
            None => format!("the environment variable `{name}` is not a setting, and is ignored"),
        })
        .collect()
}

fn add_known(command: &Command, known: &mut BTreeSet<String>) {
    let names = command.get_arguments().filter_map(|it| it.get_env()?.to_str());
    known.extend(names.map(str::to_owned));
    for subcommand in command.get_subcommands() {
        add_known(subcommand, known);
    }
}

/// Kubernetes describes a service named `scim` or `scim-…` with such variables, and tests use the last one.
fn is_foreign(name: &str) -> bool {
    let ports = ["_TCP", "_UDP", "_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];
    ports.iter().any(|it| name.ends_with(it))
        || ["_SERVICE_PORT_", "_TCP_", "_UDP_"]
            .iter()
            .any(|it| name.contains(it))
        || name.starts_with("SCIM_TEST_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::settings::grammar::grammar;

    #[test]
    fn unknown_variables_are_named_with_the_setting_that_they_resemble() {
        let warnings = |name: &str| unknown(&grammar(), std::iter::once(name.to_owned()));
        let none: [String; 0] = [];
        for name in [
            "SCIM_LISTEN",
            "SCIM_DATABASE_URL",
            "SCIM_DATABASE_URL_FILE",
            "SCIM_CONFIG",
            "SCIM_FIRST_TOKEN_FILE",
            "PATH",
            "SCIM_PORT",
            "SCIM_SERVER_SERVICE_HOST",
            "SCIM_SERVER_SERVICE_PORT_HTTP",
            "SCIM_SERVER_PORT_8080_TCP_ADDR",
            "SCIM_TEST_POSTGRES_URL",
        ] {
            assert_eq!(warnings(name), none, "{name}");
        }
        for (name, meant) in [
            ("SCIM_DATABSE_URL", "SCIM_DATABASE_URL"),
            ("SCIM_LISTENS", "SCIM_LISTEN"),
            ("SCIM_CURSOR_KEYS", "SCIM_CURSOR_KEY"),
            ("SCIM_BASEURL", "SCIM_BASE_URL"),
        ] {
            let warning = warnings(name).join("\n");
            assert!(warning.contains(&format!("did you mean `{meant}`?")), "{warning}");
        }
        let warning = warnings("SCIM_WEATHER").join("\n");
        assert!(
            warning.contains("`SCIM_WEATHER`") && !warning.contains("did you mean"),
            "{warning}"
        );
    }
}
