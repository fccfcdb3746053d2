//! Lists and shows OAuth clients and federations, without secrets and their hashes.

use chrono::{DateTime, Utc};
use scim_model::store::{Client, CredentialKind, Credentials, Directory};
use serde_json::{Value, json};

use super::client_args::ListArgs;
use super::{CommandError, Terminal, deleted, find_tenant, names};
use crate::management::clients::{self, ClientView};
use crate::management::federations::FederationView;
use crate::oauth::registration;

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
            "{} {:<24} {:<16} {:<8} {} {:<21} {:<32} {}",
            it.client_id,
            it.tenant_name,
            it.connection.name,
            registration::state(&it),
            names::creation(it.created),
            names::last_use(it.last_used),
            secrets(&it, terminal.now),
            names::shown(&it.name)
        )?;
    }
    Ok(())
}

/// Returns the last four characters and the end of each valid secret.
fn secrets(client: &Client, now: DateTime<Utc>) -> String {
    let valid = client.secrets.iter().filter(|it| it.expires > now);
    let shown = valid.map(|it| format!("{} until {}", it.last_four, it.expires.format("%Y-%m-%d")));
    match shown.collect::<Vec<_>>() {
        none if none.is_empty() => "no secret".to_owned(),
        all => all.join(", "),
    }
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
    clients::no_client(client_id).into()
}

/// Returns a client without secrets and their hashes.
fn to_json(client: &Client, now: DateTime<Utc>) -> Value {
    match ClientView::of(client, now) {
        Some(view) => json!(view),
        None => json!(FederationView::of(client)),
    }
}
