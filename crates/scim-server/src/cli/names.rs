//! Names in arguments. The rules are those of scim-model.

use clap::builder::TypedValueParser;
use scim_model::store::{check_label, check_name};

use super::unshown::Unshown;

/// Reads the name of a new tenant or connection.
pub(super) fn name(text: &str) -> Result<String, String> {
    check_name(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// Reads the name of a credential. An error does not repeat an invalid name, which could change the terminal.
pub(super) fn label() -> impl TypedValueParser<Value = String> {
    Unshown(|text: &str| {
        check_label(text).map_err(|error| error.to_string())?;
        Ok(text.to_owned())
    })
}
