//! `scim-server client set` and `scim-server federation set`: change clients that keep their id.

use scim_model::store::{CredentialKind, Credentials};

use super::client_args::{SetClientArgs, SetFederationArgs};
use super::client_keys::{guarded_client, key_source, refused, warn};
use super::client_list::{no_client, show};
use super::{CommandError, Terminal, wait_for_caches};
use crate::management::client_change::{
    Changed, FederationChange, NewValues, change_client, change_federation,
};

/// Changes a client.
pub(super) fn set_client(
    store: &dyn Credentials,
    arguments: &SetClientArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let client_id = &*arguments.client_id;
    let client = store.client(client_id)?.ok_or_else(|| no_client(client_id))?;
    if client.method.kind() == CredentialKind::Federation {
        let text = format!("`{client_id}` is a federation: use `federation set`");
        return Err(CommandError::Refused(text));
    }
    let named = key_source(&arguments.keys)?;
    if named.is_none() && !arguments.no_keys && arguments.name.is_none() {
        return Err(nothing_to_change());
    }
    let keys = match arguments.no_keys {
        true => Some(None),
        false => named.map(Some),
    };
    let egress = guarded_client(&arguments.keys.egress, &arguments.urls)?;
    let changed = change_client(
        store,
        &client,
        values(&arguments.name),
        keys,
        &egress,
        terminal.now,
    );
    report(store, changed.map_err(refused)?, arguments.json, terminal)
}

/// Changes a federation.
pub(super) fn set_federation(
    store: &dyn Credentials,
    arguments: &SetFederationArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let client_id = &*arguments.client_id;
    let client = store.client(client_id)?.ok_or_else(|| no_client(client_id))?;
    if client.method.kind() != CredentialKind::Federation {
        return Err(CommandError::Refused(format!("`{client_id}` is no federation")));
    }
    let Some(change) = change_of(arguments)? else {
        return Err(nothing_to_change());
    };
    let egress = guarded_client(&arguments.keys.egress, &arguments.urls)?;
    let changed = change_federation(store, &client, values(&arguments.name), change, &egress);
    report(store, changed.map_err(refused)?, arguments.json, terminal)
}

fn values(name: &Option<String>) -> NewValues {
    NewValues {
        name: name.clone(),
        ..NewValues::default()
    }
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

fn report(
    store: &dyn Credentials,
    changed: Changed,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let client_id = &*changed.client.client_id;
    for warning in changed.warnings {
        warn(Some(warning), terminal)?;
    }
    if changed.ended_tokens {
        wait_for_caches();
    }
    if as_json {
        return show(store, client_id, true, terminal);
    }
    let ended = match changed.ended_tokens {
        true => " The access tokens that it got for assertions have ended.",
        false => "",
    };
    writeln!(terminal.output, "Changed the client {client_id}.{ended}")?;
    Ok(())
}
