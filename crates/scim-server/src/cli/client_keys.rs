//! The public keys that the arguments of `client` and `federation` name, and the client for outgoing requests.

use scim_model::store::KeySource;

use super::client_args::{KeyArgs, UrlArgs};
use super::oauth_args::EgressArgs;
use super::{CommandError, Terminal};
use crate::delivery::webhooks::registration::check_url;
use crate::egress::{self, Egress, EgressSettings, OwnAddresses};
use crate::management::ManagementError;
use crate::oauth::{OAuthSettings, key_set};

/// The largest file with a JWK set.
const MAX_KEY_FILE: u64 = 512 * 1024;

/// Returns the settings of the server that the arguments describe.
pub(super) fn settings(urls: &UrlArgs) -> Result<OAuthSettings, CommandError> {
    Ok(OAuthSettings::of(&urls.base_url().map_err(CommandError::Usage)?))
}

/// Returns the client for outgoing requests with the operator's list. It refuses the URLs of the server.
pub(super) fn guarded_client(arguments: &EgressArgs, urls: &UrlArgs) -> Result<Egress, CommandError> {
    let settings = egress_settings(arguments, urls)?;
    Ok(Egress::new(settings, egress::system_lookup()))
}

/// Returns the settings of the client for outgoing requests.
pub(super) fn egress_settings(
    arguments: &EgressArgs,
    urls: &UrlArgs,
) -> Result<EgressSettings, CommandError> {
    let base_url = urls.base_url().map_err(CommandError::Usage)?;
    Ok(EgressSettings {
        own: OwnAddresses::new(&base_url, urls.listener().as_slice()),
        ..arguments.settings().map_err(CommandError::Usage)?
    })
}

/// Checks the URL that a flag names. Whether the target is permitted is only a warning here, because the server decides about
/// it at each attempt.
pub(super) fn checked_url(
    flag: &str,
    url: &str,
    (egress, urls): (&EgressArgs, &UrlArgs),
    terminal: &mut Terminal,
) -> Result<String, CommandError> {
    let settings = egress_settings(egress, urls)?;
    let url = url.trim();
    let refused =
        check_url(url, &settings).map_err(|error| CommandError::Usage(format!("{flag} `{url}`: {error}")))?;
    let warning = refused.map(|it| format!("{flag} `{url}`: {it}; the server decides at each attempt"));
    warn(warning, terminal)?;
    Ok(url.to_owned())
}

/// Returns the error for a value that an operation refuses.
pub(super) fn refused(error: ManagementError) -> CommandError {
    match error {
        ManagementError::Invalid { detail, .. } => CommandError::Refused(detail),
        error => error.into(),
    }
}

pub(super) fn warn(warning: Option<String>, terminal: &mut Terminal) -> Result<(), CommandError> {
    if let Some(text) = warning {
        writeln!(terminal.questions, "warning: {text}")?;
    }
    Ok(())
}

/// Returns the keys that the arguments name, without checking them.
pub(super) fn key_source(keys: &KeyArgs) -> Result<Option<KeySource>, CommandError> {
    if let Some(url) = &keys.jwks_url {
        return Ok(Some(KeySource::Url(url.trim().to_owned())));
    }
    let Some(file) = &keys.jwks_file else {
        return Ok(None);
    };
    let problem = |text: String| CommandError::Usage(format!("--jwks-file {}: {text}", file.display()));
    let size = std::fs::metadata(file)
        .map_err(|error| problem(error.to_string()))?
        .len();
    if size > MAX_KEY_FILE {
        return Err(problem("the file is larger than 512 KiB".to_owned()));
    }
    let text = std::fs::read_to_string(file).map_err(|error| problem(error.to_string()))?;
    key_set::refuse_secret_keys(&text).map_err(problem)?;
    Ok(Some(KeySource::Inline(text)))
}
