//! `scim-server client`: creates, lists and deletes OAuth clients and their secrets.

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{
    Client, ClientMethod, Connection, CredentialKind, Credentials, Directory, KeySource, SecretAdded, Tenant,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client_args::{ClientCommand, ClientScope, KeyArgs, ListArgs, OwnerArgs, SecretCommand, UrlArgs};
use super::oauth_args::EgressArgs;
use super::{CommandError, Terminal, deleted, find_tenant, timestamp, wait_for_caches};
use crate::egress::{self, Egress, EgressSettings};
use crate::oauth::registration::{self, ENTRA_SECRET_DAYS, new_client, new_secret};
use crate::oauth::{OAuthSettings, key_set};

/// The days before its expiry for which a secret is shown as expiring.
const EXPIRING_DAYS: i64 = 30;

/// The largest file with a JWK set.
const MAX_KEY_FILE: u64 = 512 * 1024;

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
    let (tenant, connection) = find_owner(store, owner)?;
    let settings = settings(urls)?;
    let keys = read_keys(keys, &settings, terminal)?;
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
    store.create_client(&client)?;
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

/// Finds the connection of a new client.
pub(super) fn find_owner(
    store: &dyn Directory,
    owner: &OwnerArgs,
) -> Result<(Tenant, Connection), CommandError> {
    let tenant = find_tenant(store, &owner.tenant)?;
    let connection = store.connection(tenant.id, &owner.connection)?.ok_or_else(|| {
        CommandError::Refused(format!(
            "the tenant `{}` has no connection `{}`",
            tenant.name, owner.connection
        ))
    })?;
    Ok((tenant, connection))
}

pub(super) fn settings(urls: &UrlArgs) -> Result<OAuthSettings, CommandError> {
    Ok(OAuthSettings::of(&urls.base_url().map_err(CommandError::Usage)?))
}

/// Returns the client for outgoing requests with the operator's list.
pub(super) fn guarded_client(arguments: &EgressArgs, base_url: Option<&str>) -> Result<Egress, CommandError> {
    let settings = EgressSettings {
        own: base_url.and_then(egress::host_and_port).into_iter().collect(),
        ..arguments.settings().map_err(CommandError::Usage)?
    };
    Ok(Egress::new(settings, egress::system_lookup()))
}

/// Reads and checks the keys that the arguments name.
fn read_keys(
    keys: &KeyArgs,
    settings: &OAuthSettings,
    terminal: &mut Terminal,
) -> Result<Option<KeySource>, CommandError> {
    let Some(source) = key_source(keys)? else {
        return Ok(None);
    };
    let egress = guarded_client(&keys.egress, Some(&settings.scim_url))?;
    let checked = registration::check_keys(&source, &egress).map_err(CommandError::Refused)?;
    warn(checked, terminal)?;
    Ok(Some(source))
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

/// Lists the clients of one kind.
pub(super) fn list<S: Directory + Credentials>(
    store: &S,
    arguments: &ListArgs,
    kind: CredentialKind,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let (tenant, as_json) = (arguments.tenant.as_deref(), arguments.json);
    if arguments.deleted {
        return deleted::list_credentials(store, kind, tenant, as_json, terminal);
    }
    let tenant = tenant.map(|name| find_tenant(store, name)).transpose()?;
    let mut clients = store.clients(tenant.map(|it| it.id))?;
    clients.retain(|it| it.method.kind() == kind);
    if as_json {
        let now = terminal.now;
        return terminal.print_items(clients.iter().map(|it| to_json(it, now)));
    }
    for it in clients {
        writeln!(
            terminal.output,
            "{} {:<24} {:<16} {:<8} {}",
            it.client_id,
            it.tenant_name,
            it.connection.name,
            registration::state(&it),
            it.name
        )?;
    }
    Ok(())
}

/// Shows a client as JSON, which is readable enough for a person too.
pub(super) fn show(
    store: &dyn Credentials,
    client_id: &str,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let client = store.client(client_id)?.ok_or_else(|| no_client(client_id))?;
    let shown = to_json(&client, terminal.now);
    if as_json {
        return terminal.print(&shown);
    }
    writeln!(terminal.output, "{shown:#}")?;
    Ok(())
}

pub(super) fn no_client(client_id: &str) -> CommandError {
    CommandError::Refused(format!("there is no client `{client_id}`"))
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

/// Returns a client without secrets and their hashes.
fn to_json(client: &Client, now: DateTime<Utc>) -> Value {
    let mut shown = json!({
        // The journal names the credential by this id.
        "id": client.id.to_string(),
        "clientId": client.client_id,
        "tenant": client.tenant_name,
        "connection": client.connection.name,
        "name": client.name,
        "state": registration::state(client),
        "scope": if client.read_only { "scim.read" } else { "scim" },
        "created": timestamp(client.created),
        "lastUsed": client.last_used.map(timestamp),
    });
    let keys = |keys: &KeySource| match keys {
        KeySource::Url(url) => json!({ "url": url }),
        KeySource::Inline(text) => json!({ "inline": key_set::public_part(text) }),
    };
    match &client.method {
        ClientMethod::Client { keys: source } => {
            shown["keys"] = source.as_ref().map_or(Value::Null, keys);
            shown["secrets"] = client
                .secrets
                .iter()
                .map(|it| {
                    let state = match it.expires - now {
                        left if left <= TimeDelta::zero() => "expired",
                        left if left <= TimeDelta::days(EXPIRING_DAYS) => "expiring",
                        _ => "valid",
                    };
                    json!({
                        "id": it.id.to_string(),
                        "name": it.name,
                        "lastFour": it.last_four,
                        "state": state,
                        "created": timestamp(it.created),
                        "expires": timestamp(it.expires),
                        "lastUsed": it.last_used.map(timestamp),
                    })
                })
                .collect();
        }
        ClientMethod::Federation(trust) => {
            shown["issuer"] = trust.issuer.as_str().into();
            shown["subject"] = trust.subject.as_str().into();
            shown["audiences"] = trust.audiences.clone().into();
            shown["claims"] = json!(trust.claims);
            shown["singleUse"] = trust.single_use.into();
            shown["algorithms"] = trust.algorithms.clone().into();
            shown["keys"] = keys(&trust.keys);
        }
    }
    shown
}
