//! `scim-server client`: creates, changes and deletes OAuth clients and their secrets.

use scim_model::store::{Client, ClientMethod, CredentialKind, Credentials, Directory, SecretAdded};
use serde_json::json;
use uuid::Uuid;

use super::client_args::{ClientCommand, ClientScope, KeyArgs, OwnerArgs, SecretCommand, UrlArgs};
use super::client_keys::{read_keys, settings, warn};
use super::client_list::{list, no_client, show};
use super::client_set::set_client;
use super::{CommandError, Terminal, connection, timestamp, wait_for_caches};
use crate::oauth::registration::{self, ENTRA_SECRET_DAYS, new_client, new_secret};

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
    let (tenant, connection) = connection::find(store, &owner.tenant, &owner.connection)?;
    let settings = settings(urls)?;
    warn(urls.warning(), terminal)?;
    let keys = read_keys(keys, urls, terminal)?;
    let has_secret = keys.is_none();
    let method = ClientMethod::Client { keys };
    let read_only = owner.scope == ClientScope::ScimRead;
    let mut client = new_client(&connection, &owner.name, method, read_only, terminal.now)?;
    let mut shown = None;
    if has_secret {
        let (new, secret) = new_secret("", days, terminal.now)?;
        shown = Some((secret, new.expires));
        client.secret = Some(new);
    }
    if !store.create_client(&client)? {
        return Err(connection::deleted_meanwhile(&connection));
    }
    let (secret, expires) = shown.unzip();
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
    let client = store.client(client_id)?.ok_or_else(|| no_client(client_id))?;
    if matches!(client.method, ClientMethod::Federation(_)) {
        return Err(CommandError::Refused(format!(
            "`{client_id}` is a federation, which has no secrets"
        )));
    }
    let (new, secret) = new_secret(name, days, terminal.now)?;
    match store.add_secret(client_id, &new)? {
        SecretAdded::Done => {}
        SecretAdded::NoClient => return Err(no_client(client_id)),
        SecretAdded::TooMany => {
            let most = Client::MAX_SECRETS;
            let text =
                format!("the client has {most} valid secrets: delete one first with `client secret delete`");
            return Err(CommandError::Refused(text));
        }
    }
    if as_json {
        return terminal.print(&json!({
            "id": new.id.to_string(),
            "clientId": client_id,
            "clientSecret": secret,
            "expires": timestamp(new.expires),
        }));
    }
    writeln!(
        terminal.output,
        "Secret {} of the client, shown only now:",
        new.id
    )?;
    writeln!(terminal.output, "  {secret}")?;
    writeln!(
        terminal.output,
        "It expires on {}.",
        new.expires.format("%Y-%m-%d")
    )?;
    note_of_short_life(days, terminal)
}

fn delete_secret(
    store: &dyn Credentials,
    client_id: &str,
    id: Uuid,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    if !store.delete_secret(client_id, id)? {
        return Err(CommandError::Refused(format!(
            "the client `{client_id}` has no secret `{id}`"
        )));
    }
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
    if !store.disable_client(client_id, disabled)? {
        return Err(no_client(client_id));
    }
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
    if !store.delete_client(client_id, terminal.now)? {
        return Err(no_client(client_id));
    }
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
