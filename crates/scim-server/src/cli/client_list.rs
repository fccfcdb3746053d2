//! Lists and shows OAuth clients and federations, without secrets and their hashes.

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Client, ClientMethod, CredentialKind, Credentials, Directory, KeySource};
use serde_json::{Value, json};

use super::client_args::ListArgs;
use super::{CommandError, Terminal, deleted, find_tenant, names, timestamp};
use crate::oauth::{key_set, registration};

/// The days before its expiry for which a secret is shown as expiring.
const EXPIRING_DAYS: i64 = 30;

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
            names::shown(&it.name)
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
