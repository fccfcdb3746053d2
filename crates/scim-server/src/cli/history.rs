//! `scim-server history`: the changes of a user or group, its state at a time, or the difference between two times.

use chrono::{DateTime, Utc};
use scim_model::SchemaRegistry;
use scim_model::change::Change;
use scim_model::store::{Directory, ResourceHistory};
use serde_json::{Value, json};

use super::arguments::HistoryArgs;
use super::{CommandError, Terminal, find_tenant, timestamp};
use crate::management::history;

/// Prints the part of a history that the arguments ask for.
///
/// # Errors
/// `NoTenant`; `Refused` when the resource is unknown or did not exist at the time; `PositionLost` when the journal no
/// longer has the changes since the time.
pub fn run(
    store: &(impl Directory + ResourceHistory),
    registry: &SchemaRegistry,
    arguments: &HistoryArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let tenant = find_tenant(store, &arguments.tenant)?;
    let id = arguments.id;
    if let Some(at) = arguments.at {
        let state = history::state_at(store, &tenant, id, at)?;
        return print_object(&json!(state), arguments.json, terminal);
    }
    if let Some(from) = arguments.from {
        let to = arguments.to.unwrap_or(terminal.now);
        let difference = history::difference(store, registry, &tenant, id, (from, to))?;
        return print_object(&json!(difference), arguments.json, terminal);
    }
    let changes = history::changes(store, &tenant, id, arguments.before, arguments.limit)?;
    if arguments.json {
        return terminal.print_items(changes.iter().map(|it| it.to_json(&tenant.name)));
    }
    for change in &changes {
        writeln!(terminal.output, "{}", line(change))?;
    }
    Ok(())
}

/// Prints an object in one line for scripts, and in several lines for people.
fn print_object(object: &Value, in_one_line: bool, terminal: &mut Terminal) -> Result<(), CommandError> {
    let text = match in_one_line {
        true => object.to_string(),
        false => format!("{object:#}"),
    };
    writeln!(terminal.output, "{text}")?;
    Ok(())
}

/// A change in one line: when, what, by whom, and which attributes.
fn line(change: &Change) -> String {
    let at: DateTime<Utc> = change.at;
    let actor = match &change.connection_name {
        Some(name) => format!("connection {name}"),
        None => change.actor.kind().to_owned(),
    };
    let detail = json!(change.detail);
    let attributes: Vec<&str> = detail
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| &**name)
        .collect();
    format!(
        "{} version {:<4} {:<13} {:<24} {} position {}",
        timestamp(at),
        change.version,
        change.operation.as_str(),
        actor,
        attributes.join(","),
        change.position
    )
}
