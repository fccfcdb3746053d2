//! `scim-server connection`: creates, lists, shows, changes, pauses and deletes connections.

use std::collections::BTreeMap;

use scim_model::store::{Connection, ConnectionChange, ConnectionState, Directory, Tenant};
use serde_json::{Map, Value, json};

use super::arguments::{Assignment, ClientArgs, ConnectionCommand, ConnectionName};
use super::{CommandError, Terminal, deleted, find_tenant, timestamp, wait_for_caches};
use crate::clock;
use crate::management::connections::{self, ConnectionRequest, ConnectionView};
use crate::service::{Origin, effective_values};

/// Runs a command.
///
/// # Errors
/// See [`CommandError`].
pub fn run(
    directory: &dyn Directory,
    command: &ConnectionCommand,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    match command {
        ConnectionCommand::Create {
            name,
            tenant,
            preset,
            json,
        } => create(directory, tenant, name, preset, *json, terminal),
        ConnectionCommand::List {
            tenant,
            deleted,
            json,
        } => {
            let tenant = find_tenant(directory, tenant)?;
            match deleted {
                true => deleted::list_connections(directory, &tenant, *json, terminal),
                false => list(directory, &tenant, *json, terminal),
            }
        }
        ConnectionCommand::Show {
            connection,
            json,
            server,
        } => show(directory, connection, server, *json, terminal),
        ConnectionCommand::Set {
            connection,
            values,
            json,
        } => apply(
            directory,
            connection,
            &change_of(values),
            "Changed",
            *json,
            terminal,
        ),
        ConnectionCommand::Pause { connection, json } => {
            let change = to_state(ConnectionState::Paused);
            apply(directory, connection, &change, "Paused", *json, terminal)
        }
        ConnectionCommand::Resume { connection, json } => {
            let change = to_state(ConnectionState::Active);
            apply(directory, connection, &change, "Resumed", *json, terminal)
        }
        ConnectionCommand::Delete {
            connection,
            yes,
            json,
        } => delete(directory, connection, *yes, *json, terminal),
    }
}

fn create(
    directory: &dyn Directory,
    tenant: &str,
    name: &str,
    preset: &str,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let request = ConnectionRequest {
        id: clock::new_id(),
        name,
        preset,
        settings: &BTreeMap::new(),
    };
    let (tenant, connection) = connections::create(directory, tenant, &request, terminal.now)?;
    if as_json {
        return terminal.print(&json!(ConnectionView::of(&connection, &tenant)));
    }
    writeln!(
        terminal.output,
        "Created the connection {name} of the tenant {}. Create a credential for it, the first of these that the \
         client supports:",
        tenant.name
    )?;
    for credential in ["federation", "client", "token"] {
        let command = format!("{credential} create --tenant {} --connection {name}", tenant.name);
        writeln!(terminal.output, "  {}", terminal.hints.command(&command))?;
    }
    Ok(())
}

fn list(
    directory: &dyn Directory,
    tenant: &Tenant,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let connections = directory.connections(tenant.id)?;
    if as_json {
        return terminal.print_items(connections.iter().map(|it| json!(ConnectionView::of(it, tenant))));
    }
    for it in connections {
        let created = timestamp(it.created);
        writeln!(
            terminal.output,
            "{:<24} {:<10} {:<6} {created}",
            it.name,
            it.preset,
            it.state.as_str()
        )?;
    }
    Ok(())
}

fn show(
    directory: &dyn Directory,
    name: &ConnectionName,
    server: &ClientArgs,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let (tenant, connection) = connections::find(directory, &name.tenant, &name.name)?;
    let given = server.given();
    let flags: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
    let values = effective_values(&connection, &server.settings(), &flags);
    if as_json {
        let settings: Map<String, Value> = values
            .iter()
            .map(|it| {
                let value = json!({ "value": it.value, "origin": it.origin.as_str() });
                (it.name.to_owned(), value)
            })
            .collect();
        let mut shown = json!(ConnectionView::of(&connection, &tenant));
        shown["settings"] = settings.into();
        return terminal.print(&shown);
    }
    writeln!(
        terminal.output,
        "{} of the tenant {}: preset {}, {}, created {}",
        connection.name,
        tenant.name,
        connection.preset,
        connection.state.as_str(),
        timestamp(connection.created)
    )?;
    for it in values {
        let reason = match it.origin {
            Origin::Preset(reason) => format!("preset: {reason}"),
            origin => origin.as_str().to_owned(),
        };
        writeln!(terminal.output, "{:<20} {:<12} {reason}", it.name, it.value)?;
    }
    Ok(())
}

fn apply(
    directory: &dyn Directory,
    name: &ConnectionName,
    change: &ConnectionChange,
    verb: &str,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let (tenant, changed) = connections::change(directory, &name.tenant, &name.name, change)?;
    wait_for_caches();
    if as_json {
        return terminal.print(&json!(ConnectionView::of(&changed, &tenant)));
    }
    writeln!(
        terminal.output,
        "{verb} the connection {} of the tenant {}.",
        changed.name, tenant.name
    )?;
    Ok(())
}

fn change_of(values: &[Assignment]) -> ConnectionChange {
    let (presets, settings): (Vec<_>, Vec<_>) = values.iter().cloned().partition(|it| it.key == "preset");
    ConnectionChange {
        preset: presets.into_iter().filter_map(|it| it.value).next_back(),
        settings: settings
            .into_iter()
            .map(|it| (it.key, it.value))
            .collect::<BTreeMap<_, _>>(),
        ..ConnectionChange::default()
    }
}

fn to_state(state: ConnectionState) -> ConnectionChange {
    ConnectionChange {
        state: Some(state),
        ..ConnectionChange::default()
    }
}

fn delete(
    directory: &dyn Directory,
    name: &ConnectionName,
    is_confirmed: bool,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let (tenant, connection) = connections::find(directory, &name.tenant, &name.name)?;
    connections::check_deletable(&connection)?;
    if !is_confirmed && !confirm(&connection, &tenant, terminal)? {
        return Err(CommandError::Refused("nothing was deleted".to_owned()));
    }
    connections::delete(directory, &tenant, &connection, terminal.now)?;
    wait_for_caches();
    if as_json {
        return terminal.print(&json!({
            "id": connection.id.to_string(), "name": connection.name, "tenant": tenant.name, "deleted": true,
        }));
    }
    writeln!(
        terminal.output,
        "Deleted the connection {} of the tenant {} with its credentials.",
        connection.name, tenant.name
    )?;
    Ok(())
}

fn confirm(connection: &Connection, tenant: &Tenant, terminal: &mut Terminal) -> Result<bool, CommandError> {
    write!(
        terminal.questions,
        "This ends all credentials of the connection {} of the tenant {}.\nType its name to continue: ",
        connection.name, tenant.name
    )?;
    terminal.questions.flush()?;
    let mut answer = String::new();
    terminal.input.read_line(&mut answer)?;
    Ok(answer.trim() == connection.name)
}
