//! Names in arguments, by the rules of scim-model, and what lists show of credentials.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use clap::builder::TypedValueParser;
use scim_model::store::{check_label, check_name};

use super::unshown::Unshown;

/// Reads the name of a new tenant or connection.
pub(super) fn name(text: &str) -> Result<String, String> {
    check_name(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// Returns the day on which a credential was created.
pub(super) fn creation(time: DateTime<Utc>) -> String {
    format!("created {}", time.format("%Y-%m-%d"))
}

/// Returns the last use of a credential, which is recorded to the minute.
pub(super) fn last_use(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(
        || "never used".to_owned(),
        |it| format!("used {}", it.format("%Y-%m-%d %H:%M")),
    )
}

/// Returns the name of a credential for a terminal. Earlier versions stored names that could change it.
pub(super) fn shown(name: &str) -> Cow<'_, str> {
    match check_label(name) {
        Ok(()) => name.into(),
        Err(_) => name.escape_debug().to_string().into(),
    }
}

/// Reads the name of a credential. An error does not repeat an invalid name, which could change the terminal.
pub(super) fn label() -> impl TypedValueParser<Value = String> {
    Unshown(|text: &str| {
        check_label(text).map_err(|error| error.to_string())?;
        Ok(text.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_change_a_terminal_is_escaped() {
        assert_eq!(shown("für Okta"), "für Okta");
        assert_eq!(shown("a\u{1b}[2J\u{202e}b\n"), r"a\u{1b}[2J\u{202e}b\n");
    }
}
