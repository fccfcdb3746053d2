//! `scim-server tenant`: creates, lists, renames and deletes tenants.

use std::thread;
use std::time::Duration;

use scim_model::store::{Directory, StoreError};
use serde_json::json;

use super::arguments::TenantCommand;
use super::{CommandError, Terminal, find_tenant, no_tenant, timestamp, wait_for_caches};
use crate::management::tenants::{self, TenantView};

/// Runs a command.
///
/// # Errors
/// See [`CommandError`].
pub fn run(
    directory: &dyn Directory,
    command: &TenantCommand,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    match command {
        TenantCommand::Create { name, json } => create(directory, name, *json, terminal),
        TenantCommand::List { json } => list(directory, *json, terminal),
        TenantCommand::Rename { name, new_name, json } => rename(directory, name, new_name, *json, terminal),
        TenantCommand::Delete { name, yes, json } => delete(directory, name, *yes, *json, terminal),
    }
}

fn create(
    directory: &dyn Directory,
    name: &str,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let created = tenants::create(directory, name, terminal.now)?;
    if as_json {
        return terminal.print(&json!(created));
    }
    writeln!(
        terminal.output,
        "Created the tenant {name}. Create a token for it:"
    )?;
    let command = terminal.hints.command(&format!("token create --tenant {name}"));
    writeln!(terminal.output, "  {command}")?;
    Ok(())
}

fn list(directory: &dyn Directory, as_json: bool, terminal: &mut Terminal) -> Result<(), CommandError> {
    let tenants = directory.tenants()?;
    if as_json {
        return terminal.print_items(tenants.iter().map(|it| json!(TenantView::of(it))));
    }
    for tenant in tenants {
        let created = timestamp(tenant.created);
        writeln!(terminal.output, "{:<24} {created}", tenant.name)?;
    }
    Ok(())
}

fn rename(
    directory: &dyn Directory,
    name: &str,
    new_name: &str,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let renamed = tenants::rename(directory, name, new_name)?;
    if as_json {
        return terminal.print(&json!(renamed));
    }
    writeln!(terminal.output, "Renamed the tenant {name} to {new_name}.")?;
    Ok(())
}

fn delete(
    directory: &dyn Directory,
    name: &str,
    is_confirmed: bool,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    match find_tenant(directory, name) {
        // An interrupted deletion continues without a question: it was confirmed before.
        Err(CommandError::NoTenant(text)) => {
            if !finish_deletion(directory, name)? {
                return Err(CommandError::NoTenant(text));
            }
        }
        Err(error) => return Err(error),
        Ok(_) => {
            if !is_confirmed && !confirm(name, terminal)? {
                return Err(CommandError::Refused("nothing was deleted".to_owned()));
            }
            if !directory.delete_tenant(name)? {
                return Err(no_tenant(name));
            }
        }
    }
    wait_for_caches();
    if as_json {
        return terminal.print(&json!({ "name": name, "deleted": true }));
    }
    writeln!(
        terminal.output,
        "Deleted the tenant {name} with all its users, groups and tokens."
    )?;
    Ok(())
}

/// Continues an interrupted deletion of a tenant that had this name. Returns whether there was one.
fn finish_deletion(directory: &dyn Directory, name: &str) -> Result<bool, CommandError> {
    let mut found = false;
    loop {
        match directory.continue_deletion(Some(name)) {
            Ok(false) => return Ok(found),
            Ok(true) => found = true,
            Err(StoreError::Busy) => {}
            Err(error) => return Err(error.into()),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn confirm(name: &str, terminal: &mut Terminal) -> Result<bool, CommandError> {
    write!(
        terminal.questions,
        "This permanently deletes all users, groups and tokens of the tenant {name}.\nType its name to continue: "
    )?;
    terminal.questions.flush()?;
    let mut answer = String::new();
    terminal.input.read_line(&mut answer)?;
    Ok(answer.trim() == name)
}
