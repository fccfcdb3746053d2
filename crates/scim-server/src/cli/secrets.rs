//! Errors that repeat an argument must not repeat a secret in it.

use std::sync::{Mutex, PoisonError};

use crate::token;

/// The settings of files.
static READ: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Adds a setting that was read from a file to those that `hide` looks at.
pub(super) fn remember(setting: &str) {
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    read.push(setting.to_owned());
}

/// Hides the settings of this process that look like a secret: tokens, client secrets, operator keys, secrets of webhooks,
/// and URLs with a password.
///
/// A setting may be in the wrong place, such as a database URL without its flag, so that nothing else knows that it has
/// a secret.
pub fn hide(text: &str) -> String {
    let arguments = std::env::args().skip(1);
    let variables = std::env::vars().filter(|(name, _)| name.starts_with("SCIM_"));
    let read = READ.lock().unwrap_or_else(PoisonError::into_inner).clone();
    hide_settings(
        text,
        arguments.chain(variables.map(|(_, value)| value)).chain(read),
    )
}

fn hide_settings(text: &str, settings: impl Iterator<Item = String>) -> String {
    settings.fold(text.to_owned(), |text, setting| {
        let value = match setting.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => value,
            _ => &setting,
        };
        let value = value.trim();
        let login = value
            .split_once("://")
            .and_then(|(_, rest)| rest.rsplit_once('@'));
        match login {
            // An error may show a part of the URL.
            Some((login, _)) if login.contains(':') => text.replace(value, "…").replace(login, "…"),
            None if token::contains_secret(value) => text.replace(value, "…"),
            _ => text,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_urls_with_a_password_are_hidden() {
        let hidden = |text: &str, setting: &str| hide_settings(text, [setting.to_owned()].into_iter());
        assert_eq!(
            hidden("no `postgres://u:p@h/db`", "postgres://u:p@h/db"),
            "no `…`"
        );
        assert_eq!(hidden("no `https://u:p@h`", "--base-url=https://u:p@h"), "no `…`");
        assert_eq!(hidden("no `a://u:p@h`", "sqlite:a://u:p@h/db"), "no `a://…@h`");
        assert_eq!(hidden("no `scim_abc`", "scim_abc"), "no `…`");
        assert_eq!(hidden("no `scim_secret_abc`", "scim_secret_abc"), "no `…`");
        assert_eq!(hidden("no `opk_abc`", "--name=opk_abc"), "no `…`");
        assert_eq!(hidden("no `whsec_AbC+/=`", "whsec_AbC+/="), "no `…`");
        assert_eq!(hidden("no `whsec_AbC+/=`", "--name=whsec_AbC+/="), "no `…`");
        assert_eq!(hidden("no `https://h`", "https://h"), "no `https://h`");
        assert_eq!(hidden("scim: no user", "postgres://scim@h/scim"), "scim: no user");
        assert_eq!(hidden("no `tenants`", "tenants"), "no `tenants`");
    }
}
