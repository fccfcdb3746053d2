//! Lists of deleted connections and credentials, which the journal names by their ids.

use scim_model::store::{CredentialKind, DeletedConnection, DeletedCredential, Directory, Tenant};
use serde_json::{Value, json};

use super::{CommandError, Terminal, find_tenant, names, timestamp};

/// Lists the deleted connections of a tenant.
pub(super) fn list_connections(
    directory: &dyn Directory,
    tenant: &Tenant,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let connections = directory.deleted_connections(tenant.id)?;
    if as_json {
        return terminal.print_items(connections.iter().map(|it| connection_to_json(it, tenant)));
    }
    for it in connections {
        let (created, deleted) = (timestamp(it.created), timestamp(it.deleted));
        writeln!(
            terminal.output,
            "{} {:<24} created {created} deleted {deleted}",
            it.id, it.name
        )?;
    }
    Ok(())
}

/// Lists the deleted credentials of one kind, of a tenant or of all tenants.
pub(super) fn list_credentials(
    directory: &dyn Directory,
    kind: CredentialKind,
    tenant: Option<&str>,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let tenant = tenant.map(|name| find_tenant(directory, name)).transpose()?;
    let mut credentials = directory.deleted_credentials(tenant.map(|it| it.id))?;
    credentials.retain(|it| it.kind == kind);
    if as_json {
        return terminal.print_items(credentials.iter().map(credential_to_json));
    }
    for it in credentials {
        writeln!(
            terminal.output,
            "{} {:<24} {:<16} deleted {} {} {}",
            it.id,
            it.tenant_name,
            it.connection_name,
            timestamp(it.deleted),
            it.client_id.unwrap_or_default(),
            names::shown(&it.name)
        )?;
    }
    Ok(())
}

fn connection_to_json(connection: &DeletedConnection, tenant: &Tenant) -> Value {
    json!({
        "id": connection.id.to_string(),
        "name": connection.name,
        "tenant": tenant.name,
        "state": "deleted",
        "created": timestamp(connection.created),
        "deleted": timestamp(connection.deleted),
    })
}

fn credential_to_json(credential: &DeletedCredential) -> Value {
    let mut shown = json!({
        "id": credential.id.to_string(),
        "tenant": credential.tenant_name,
        "connection": credential.connection_name,
        "name": credential.name,
        "state": "deleted",
        "created": timestamp(credential.created),
        "deleted": timestamp(credential.deleted),
    });
    if let Some(client_id) = &credential.client_id {
        shown["clientId"] = client_id.as_str().into();
    }
    shown
}
