//! `scim-server client`: creates, changes and deletes OAuth clients and their secrets.

use scim_model::store::{CredentialKind, Credentials, Directory};
use serde_json::json;
use uuid::Uuid;

use super::client_args::{ClientCommand, ClientScope, KeyArgs, OwnerArgs, SecretCommand, UrlArgs};
use super::client_keys::{guarded_client, key_source, refused, settings, warn};
use super::client_list::{list, show};
use super::client_set::set_client;
use super::{CommandError, Terminal, timestamp, wait_for_caches};
use crate::clock;
use crate::management::clients::{self, ClientRequest};
use crate::management::{Access, connections};
use crate::oauth::registration::{self, ENTRA_SECRET_DAYS};

/// Runs a command.
///
/// # Errors
/// See [`CommandError`].
pub fn run<S: Directory + Credentials>(
    store: &S,
    command: &ClientCommand,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    match command {
        ClientCommand::Create {
            owner,
            days,
            keys,
            urls,
            json,
        } => create(store, owner, *days, keys, urls, *json, terminal),
        ClientCommand::List(arguments) => list(store, arguments, CredentialKind::Client, terminal),
        ClientCommand::Show(it) => show(store, &it.client_id, it.json, terminal),
        ClientCommand::Set(arguments) => set_client(store, arguments, terminal),
        ClientCommand::Secret(SecretCommand::Add {
            client_id,
            name,
            days,
            json,
        }) => add_secret(store, client_id, name, *days, *json, terminal),
        ClientCommand::Secret(SecretCommand::Delete { client_id, id, json }) => {
            delete_secret(store, client_id, *id, *json, terminal)
        }
        ClientCommand::Disable(it) => disable(store, &it.client_id, true, it.json, terminal),
        ClientCommand::Enable(it) => disable(store, &it.client_id, false, it.json, terminal),
        ClientCommand::Delete(it) => delete(store, &it.client_id, it.json, terminal),
    }
}

fn create<S: Directory + Credentials>(
    store: &S,
    owner: &OwnerArgs,
    days: u32,
    keys: &KeyArgs,
    urls: &UrlArgs,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let (tenant, connection) = connections::find(store, &owner.tenant, &owner.connection)?;
    let settings = settings(urls)?;
    warn(urls.warning(), terminal)?;
    let request = ClientRequest {
        id: clock::new_id(),
        name: &owner.name,
        access: Access::of(owner.scope == ClientScope::ScimRead),
        days,
        keys: key_source(keys)?,
    };
    let egress = guarded_client(&keys.egress, urls)?;
    let issued = clients::create(store, &connection, &request, &egress, terminal.now).map_err(refused)?;
    warn(issued.warning, terminal)?;
    let (client, secret) = (issued.client, issued.secret);
    let expires = client.secrets.first().map(|it| it.expires);
    if as_json {
        return terminal.print(&json!({
            "clientId": client.client_id,
            "clientSecret": secret,
            "tokenEndpoint": settings.token_endpoint,
            "scimUrl": settings.scim_url,
            "expires": expires.map(timestamp),
            "tenant": tenant.name,
            "connection": connection.name,
        }));
    }
    writeln!(
        terminal.output,
        "Client of the connection {} of {}:",
        connection.name, tenant.name
    )?;
    writeln!(terminal.output, "  client id       {}", client.client_id)?;
    if let Some(secret) = secret {
        writeln!(terminal.output, "  client secret   {secret} (shown only now)")?;
    }
    writeln!(terminal.output, "  token endpoint  {}", settings.token_endpoint)?;
    writeln!(terminal.output, "  SCIM URL        {}", settings.scim_url)?;
    if let Some(expires) = expires {
        writeln!(
            terminal.output,
            "The secret expires on {}.",
            expires.format("%Y-%m-%d")
        )?;
        note_of_short_life(days, terminal)?;
    }
    Ok(())
}

fn note_of_short_life(days: u32, terminal: &mut Terminal) -> Result<(), CommandError> {
    if days < ENTRA_SECRET_DAYS {
        writeln!(
            terminal.output,
            "Entra's gallery asks for secrets that are valid for {ENTRA_SECRET_DAYS} to {} days.",
            registration::LONGEST_SECRET_DAYS
        )?;
    }
    Ok(())
}

fn add_secret(
    store: &dyn Credentials,
    client_id: &str,
    name: &str,
    days: u32,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let id = clock::new_id();
    let added = clients::add_secret(store, client_id, id, name, days, terminal.now)?;
    let (secret, expires) = (added.text, added.view.expires.0);
    if as_json {
        return terminal.print(&json!({
            "id": id.to_string(),
            "clientId": client_id,
            "clientSecret": secret,
            "expires": timestamp(expires),
        }));
    }
    writeln!(terminal.output, "Secret {id} of the client, shown only now:")?;
    writeln!(terminal.output, "  {secret}")?;
    writeln!(terminal.output, "It expires on {}.", expires.format("%Y-%m-%d"))?;
    note_of_short_life(days, terminal)
}

fn delete_secret(
    store: &dyn Credentials,
    client_id: &str,
    id: Uuid,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    clients::delete_secret(store, client_id, id)?;
    wait_for_caches();
    if as_json {
        return terminal.print(&json!({ "id": id.to_string(), "clientId": client_id, "deleted": true }));
    }
    writeln!(terminal.output, "Deleted the secret {id} and its access tokens.")?;
    Ok(())
}

fn disable(
    store: &dyn Credentials,
    client_id: &str,
    disabled: bool,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    clients::disable(store, client_id, disabled)?;
    wait_for_caches();
    if as_json {
        return terminal.print(&json!({ "clientId": client_id, "disabled": disabled }));
    }
    let done = if disabled { "Disabled" } else { "Enabled" };
    writeln!(terminal.output, "{done} the client {client_id}.")?;
    Ok(())
}

/// Deletes a client, and waits until no server accepts its access tokens from a cache.
pub(super) fn delete(
    store: &dyn Credentials,
    client_id: &str,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    clients::delete(store, client_id, terminal.now)?;
    wait_for_caches();
    if as_json {
        return terminal.print(&json!({ "clientId": client_id, "deleted": true }));
    }
    writeln!(
        terminal.output,
        "Deleted the client {client_id} and its access tokens."
    )?;
    Ok(())
}
