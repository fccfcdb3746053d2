//! `scim-server client set` and `scim-server federation set`: change clients that keep their id.

use scim_model::store::{Client, ClientChange, ClientMethod, Credentials, MethodChange, StoreError};

use super::client_args::{SetClientArgs, SetFederationArgs};
use super::client_keys::{guarded_client, key_source, read_keys, refused, warn};
use super::client_list::{no_client, show};
use super::{CommandError, Terminal, wait_for_caches};
use crate::oauth::client_change::{self, FederationChange};
use crate::oauth::registration;

/// Changes a client.
pub(super) fn set_client(
    store: &dyn Credentials,
    arguments: &SetClientArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let client_id = &*arguments.client_id;
    let client = store.client(client_id)?.ok_or_else(|| no_client(client_id))?;
    let ClientMethod::Client { keys: old } = client.method.clone() else {
        let text = format!("`{client_id}` is a federation: use `federation set`");
        return Err(CommandError::Refused(text));
    };
    let named = read_keys(&arguments.keys, &arguments.urls, terminal)?;
    if named.is_none() && !arguments.no_keys && arguments.name.is_none() {
        return Err(nothing_to_change());
    }
    let new = match (named, arguments.no_keys) {
        (None, true) => None,
        (None, false) => old.clone().map(client_change::public),
        (named, _) => named,
    };
    let method = client_change::key_change(old, new);
    apply(
        store,
        &client,
        arguments.name.clone(),
        method,
        arguments.json,
        terminal,
    )
}

/// Changes a federation.
pub(super) fn set_federation(
    store: &dyn Credentials,
    arguments: &SetFederationArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let client_id = &*arguments.client_id;
    let client = store.client(client_id)?.ok_or_else(|| no_client(client_id))?;
    let ClientMethod::Federation(old) = client.method.clone() else {
        return Err(CommandError::Refused(format!("`{client_id}` is no federation")));
    };
    let Some(change) = change_of(arguments)? else {
        return Err(nothing_to_change());
    };
    let new = change.applied_to(&old);
    let egress = guarded_client(&arguments.keys.egress, &arguments.urls)?;
    let checked = registration::check_federation(&new, &egress).map_err(|it| refused(it.into()))?;
    warn(checked, terminal)?;
    let method = client_change::federation_change(old, new);
    apply(
        store,
        &client,
        arguments.name.clone(),
        method,
        arguments.json,
        terminal,
    )
}

/// Returns the change that the arguments describe, or `None` if they name no value.
fn change_of(arguments: &SetFederationArgs) -> Result<Option<FederationChange>, CommandError> {
    let listed = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let change = FederationChange {
        issuer: arguments.issuer.clone(),
        subject: arguments.subject.clone(),
        audiences: listed(&arguments.audience),
        claims: (arguments.no_claims || !arguments.claim.is_empty())
            .then(|| arguments.claim.iter().cloned().collect()),
        single_use: arguments.single_use,
        algorithms: listed(&arguments.algorithm),
        keys: key_source(&arguments.keys)?,
    };
    let is_empty = change == FederationChange::default() && arguments.name.is_none();
    Ok((!is_empty).then_some(change))
}

fn nothing_to_change() -> CommandError {
    CommandError::Usage("there is nothing to change: name at least one value".to_owned())
}

fn apply(
    store: &dyn Credentials,
    client: &Client,
    name: Option<String>,
    method: MethodChange,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let client_id = &*client.client_id;
    let ends_tokens = method.ends_tokens;
    let change = ClientChange {
        name,
        method: Some(method),
    };
    match store.change_client(client_id, &change) {
        Ok(true) => {}
        Ok(false) => return Err(no_client(client_id)),
        Err(StoreError::Stale) => {
            let text = format!("`{client_id}` was changed by another command at the same time: try again");
            return Err(CommandError::Refused(text));
        }
        Err(error) => return Err(error.into()),
    }
    if ends_tokens {
        wait_for_caches();
    }
    if as_json {
        return show(store, client_id, true, terminal);
    }
    let ended = match ends_tokens {
        true => " The access tokens that it got for assertions have ended.",
        false => "",
    };
    writeln!(terminal.output, "Changed the client {client_id}.{ended}")?;
    Ok(())
}
