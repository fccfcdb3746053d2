//! `scim-server undo`: says what undoing changes would do, and does it.

use std::collections::BTreeMap;

use scim_model::SchemaRegistry;
use scim_model::change::Actor;
use scim_model::store::ChangeSelection;
use serde_json::json;

use super::arguments::UndoArgs;
use super::progress::Progress;
use super::{CommandError, Terminal, find_tenant};
use crate::clock;
use crate::management::undo::{Undo, UndoAction, UndoStore, UndoneResource};

/// Prints what is done, or would be done, with each resource.
///
/// # Errors
/// `NoTenant`; `Usage` when no changes are named; `Refused` when a resource is being changed by others.
pub fn run(
    store: &impl UndoStore,
    registry: &SchemaRegistry,
    arguments: &UndoArgs,
    actor: Actor,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let tenant = find_tenant(store, &arguments.tenant)?;
    let selection = ChangeSelection {
        connection: None,
        credential: arguments.credential,
        request: arguments.request.clone(),
        from: arguments.from,
        to: arguments.to,
    };
    let connection = arguments.connection.as_deref();
    let undo = Undo::new(store, registry, tenant, connection, selection, actor)?;
    let resources = undo.resources()?;
    let progress = Progress::new("resources");
    progress.set_length(resources.len() as u64);
    let mut items = Vec::with_capacity(resources.len());
    for resource in &resources {
        let done = undo.resource(resource, !arguments.execute, clock::now())?;
        if !arguments.json {
            writeln!(terminal.output, "{}", line(&done))?;
        }
        items.push(done);
        progress.set(items.len() as u64);
    }
    if arguments.json {
        let object = json!({
            "dryRun": !arguments.execute,
            "resources": resources.len(),
            "items": items,
        });
        return terminal.print(&object);
    }
    writeln!(terminal.output, "{}", summary(&items, arguments.execute))?;
    Ok(())
}

/// A resource in one line.
fn line(done: &UndoneResource) -> String {
    let mut parts = Vec::new();
    if !done.attributes.is_empty() && done.action == UndoAction::Update {
        parts.push(done.attributes.join(","));
    }
    for (what, members) in [("add", &done.added), ("remove", &done.removed)] {
        if !members.is_empty() {
            parts.push(format!("{what} {} members", members.len()));
        }
    }
    for left in &done.left {
        let path = match left.path.as_str() {
            "" => "the resource",
            path => path,
        };
        parts.push(format!("leave {path}: {}", left.reason));
    }
    let word = word(done.action);
    format!(
        "{word:<7} {} {} {}",
        done.resource_type,
        done.id,
        parts.join("; ")
    )
}

fn word(action: UndoAction) -> &'static str {
    match action {
        UndoAction::None => "none",
        UndoAction::Update => "update",
        UndoAction::Create => "create",
        UndoAction::Delete => "delete",
    }
}

fn summary(items: &[UndoneResource], is_done: bool) -> String {
    let mut counts: BTreeMap<UndoAction, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(item.action).or_default() += 1;
    }
    let count = |action| counts.get(&action).copied().unwrap_or_default();
    let (updated, created, deleted) = (
        count(UndoAction::Update),
        count(UndoAction::Create),
        count(UndoAction::Delete),
    );
    let left = items.iter().filter(|it| !it.left.is_empty()).count();
    match is_done {
        true => format!(
            "{} resources: {updated} updated, {created} created again, {deleted} deleted; {left} with parts left alone",
            items.len()
        ),
        false => format!(
            "{} resources: {updated} to update, {created} to create again, {deleted} to delete; {left} with parts to leave \
             alone. Nothing is changed yet: repeat the command with --execute",
            items.len()
        ),
    }
}
