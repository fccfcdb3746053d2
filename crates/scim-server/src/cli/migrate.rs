//! `scim-server migrate`: the messages about migrations.

use serde_json::json;

use super::{CommandError, Terminal};

/// The migrations of a database, by their names, oldest first.
#[derive(Clone, Debug, Default)]
pub struct MigrationList {
    /// Whether there is a database.
    pub exists: bool,
    /// Migrations that have run.
    pub applied: Vec<String>,
    /// Migrations that are missing.
    pub pending: Vec<String>,
    /// Migrations that have run and are unknown to this version.
    pub unknown: Vec<String>,
}

/// Prints the state of a database.
///
/// # Errors
/// See [`CommandError`].
pub fn status(list: &MigrationList, as_json: bool, terminal: &mut Terminal) -> Result<(), CommandError> {
    if as_json {
        return terminal.print(&json!({
            "exists": list.exists,
            "upToDate": list.exists && list.pending.is_empty() && list.unknown.is_empty(),
            "applied": list.applied,
            "pending": list.pending,
            "unknown": list.unknown,
        }));
    }
    let names = [
        ("applied", &list.applied),
        ("pending", &list.pending),
        ("unknown", &list.unknown),
    ];
    for (state, names) in names {
        for name in names {
            writeln!(terminal.output, "{state}  {name}")?;
        }
    }
    let summary = match (list.exists, list.pending.len(), list.unknown.is_empty()) {
        (_, _, false) => {
            "A newer version has migrated the database: this version refuses to use it.".to_owned()
        }
        (false, ..) => "The database does not exist yet.".to_owned(),
        (true, 0, true) => "The database schema is up to date.".to_owned(),
        (true, pending, true) => {
            let command = terminal.hints.command("migrate");
            format!("Missing migrations: {pending}. Run them with `{command}`, or start the server.")
        }
    };
    writeln!(terminal.output, "{summary}")?;
    Ok(())
}

/// Prints the migrations that would run.
///
/// # Errors
/// See [`CommandError`].
pub fn dry_run(list: &MigrationList, as_json: bool, terminal: &mut Terminal) -> Result<(), CommandError> {
    if as_json {
        return terminal.print(&json!({ "migrated": false, "pending": list.pending }));
    }
    for name in &list.pending {
        writeln!(terminal.output, "would run  {name}")?;
    }
    let summary = match list.pending.len() {
        0 => "The database schema is up to date.".to_owned(),
        number => format!("Migrations that would run: {number}. Nothing was changed."),
    };
    writeln!(terminal.output, "{summary}")?;
    Ok(())
}

/// Prints that the database is up to date.
///
/// # Errors
/// See [`CommandError`].
pub fn done(as_json: bool, terminal: &mut Terminal) -> Result<(), CommandError> {
    if as_json {
        return terminal.print(&json!({ "migrated": true }));
    }
    writeln!(terminal.output, "The database schema is up to date.")?;
    Ok(())
}
