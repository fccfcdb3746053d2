//! `scim-server key`: creates, lists and revokes operator keys.

use chrono::TimeDelta;
use scim_model::store::{Directory, OperatorKeys, OperatorScope};
use serde_json::json;
use uuid::Uuid;

use super::arguments::KeyCommand;
use super::token::validity;
use super::{CommandError, Terminal, names, timestamp};
use crate::clock;
use crate::management::keys::{self, KeyRequest, KeyView};

/// Runs a command.
///
/// # Errors
/// See [`CommandError`].
pub fn run<S: Directory + OperatorKeys>(
    store: &S,
    command: &KeyCommand,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    match command {
        KeyCommand::Create {
            name,
            scope,
            tenant,
            days,
            json,
        } => {
            let request = KeyRequest {
                id: clock::new_id(),
                name,
                scope: scope.scope(),
                tenants: tenant,
                expires: days.map(|it| terminal.now + TimeDelta::days(it.into())),
            };
            create(store, &request, *json, terminal)
        }
        KeyCommand::List { json } => list(store, *json, terminal),
        KeyCommand::Revoke { id, json } => revoke(store, *id, *json, terminal),
    }
}

fn create<S: Directory + OperatorKeys>(
    store: &S,
    request: &KeyRequest,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let issued = keys::create(store, request, terminal.now)?;
    if as_json {
        let mut shown = json!(issued.view);
        shown["key"] = issued.secret.into();
        return terminal.print(&shown);
    }
    writeln!(
        terminal.output,
        "Operator key {} with the scope {} for {}, shown only now:",
        request.id,
        scope(&issued.view),
        limits(&issued.view)
    )?;
    writeln!(terminal.output, "  {}", issued.secret)?;
    writeln!(terminal.output, "It is valid {}.", validity(request.expires))?;
    Ok(())
}

fn list(store: &dyn OperatorKeys, as_json: bool, terminal: &mut Terminal) -> Result<(), CommandError> {
    let keys = store.operator_keys()?;
    let keys = keys.iter().map(|it| KeyView::of(it, terminal.now));
    if as_json {
        let items: Vec<KeyView> = keys.collect();
        return terminal.print(&json!({ "items": items }));
    }
    for it in keys {
        writeln!(
            terminal.output,
            "{} {:<8} {:<6} {:<24} {} {}",
            it.id,
            it.state.as_str(),
            scope(&it),
            limits(&it),
            validity(it.expires.map(|it| it.0)),
            names::shown(&it.name)
        )?;
    }
    Ok(())
}

fn revoke(
    store: &dyn OperatorKeys,
    id: Uuid,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    keys::revoke(store, id, terminal.now)?;
    if as_json {
        return terminal.print(&json!({ "id": id.to_string(), "revoked": timestamp(terminal.now) }));
    }
    writeln!(terminal.output, "Revoked the operator key {id}.")?;
    Ok(())
}

fn scope(key: &KeyView) -> &'static str {
    OperatorScope::from(key.scope).as_str()
}

fn limits(key: &KeyView) -> String {
    match &key.tenants {
        None => "all tenants".to_owned(),
        Some(names) => names.join(","),
    }
}
