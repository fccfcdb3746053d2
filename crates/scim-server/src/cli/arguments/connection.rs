//! The commands below `connection`.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::clients::ClientArgs;
use crate::cli::names;
use crate::service::{PRESETS, Setting};

/// The commands below `connection`.
#[derive(Debug, Subcommand)]
pub enum ConnectionCommand {
    /// Create a connection: an identity provider, or a script, that provisions a tenant
    Create {
        /// Letters, digits, `-`, `_` and `.`
        #[arg(value_parser = names::name)]
        name: String,
        /// The tenant
        #[arg(long, value_name = "NAME")]
        tenant: String,
        /// The kind of client, which decides about the settings that have no value of their own
        #[arg(long, default_value = "generic", value_name = "PRESET", value_parser = preset_names())]
        preset: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the connections of a tenant
    List {
        /// The tenant
        #[arg(long, value_name = "NAME")]
        tenant: String,
        /// List the deleted connections instead, which entries of the journal may name
        #[arg(long)]
        deleted: bool,
        /// Print one JSON object, with the list as `items`
        #[arg(long)]
        json: bool,
    },
    /// Show a connection with the effective value of every setting, and the level that the value comes from
    Show {
        /// The connection
        #[command(flatten)]
        connection: ConnectionName,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        /// The flags of the server, which the command cannot ask for.
        #[command(flatten)]
        server: ClientArgs,
    },
    /// Change the preset or settings; servers follow within a second
    Set {
        /// The connection
        #[command(flatten)]
        connection: ConnectionName,
        /// A setting and its value; without a value, that of the preset or of the server applies again. `preset` can be
        /// set too
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = assignment)]
        values: Vec<Assignment>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Refuse the credentials of a connection until it is resumed
    Pause {
        /// The connection
        #[command(flatten)]
        connection: ConnectionName,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Accept the credentials of a paused connection again
    Resume {
        /// The connection
        #[command(flatten)]
        connection: ConnectionName,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Delete a connection with its credentials; its users and groups stay
    Delete {
        /// The connection
        #[command(flatten)]
        connection: ConnectionName,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// A connection, by its name and the tenant.
#[derive(Clone, Debug, Args)]
pub struct ConnectionName {
    /// The name of the connection
    pub name: String,
    /// The tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: String,
}

/// A setting, or `preset`, and its new value; `None` removes the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// `preset`, or the name of a setting.
    pub key: String,
    /// The value.
    pub value: Option<String>,
}

fn preset_names() -> PossibleValuesParser {
    PossibleValuesParser::new(PRESETS.iter().map(|it| it.name))
}

fn assignment(text: &str) -> Result<Assignment, String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("expected a setting, `=` and a value")?;
    if key == "preset" {
        let presets: Vec<&str> = PRESETS.iter().map(|it| it.name).collect();
        if !presets.contains(&value) {
            return Err(format!("`preset` is one of {}", presets.join(", ")));
        }
    } else {
        let values = Setting::named(key)
            .map(|it| it.values)
            .ok_or_else(|| unknown(key))?;
        if !value.is_empty() && !values.has(value) {
            return Err(format!("`{key}` is {values}"));
        }
    }
    Ok(Assignment {
        key: key.to_owned(),
        value: (!value.is_empty()).then(|| value.to_owned()),
    })
}

fn unknown(key: &str) -> String {
    let names: Vec<&str> = crate::service::SETTINGS.iter().map(|it| it.name).collect();
    format!("`{key}` is not a setting: use preset, {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_have_a_known_key_and_value() {
        let parsed = |text: &str| assignment(text).map(|it| (it.key, it.value));
        let some = |key: &str, value: &str| Ok((key.to_owned(), Some(value.to_owned())));
        assert_eq!(parsed("leniency=strict"), some("leniency", "strict"));
        assert_eq!(parsed("preset=okta"), some("preset", "okta"));
        assert_eq!(parsed("leniency="), Ok(("leniency".to_owned(), None)));
        for wrong in [
            "leniency",
            "leniency=Strict",
            "preset=",
            "preset=x",
            "x=1",
            "=",
            "",
        ] {
            assert!(assignment(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            parsed("leniency=x"),
            Err("`leniency` is one of clients, strict, interop".to_owned())
        );
    }
}
