//! `scim-server move`: the report about a database that was moved to PostgreSQL.

use std::path::Path;

use serde_json::{Value, json};

use super::arguments::MoveArgs;
use super::hex::hex;
use super::{CommandError, Terminal};
use crate::sealing::KeyFile;

/// A table with the same rows in both databases.
#[derive(Clone, Debug)]
pub struct MovedTable {
    /// Name of the table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// The digest of its rows in both databases.
    pub digest: [u8; 32],
}

/// Prints the tables, and what has to be done before a server starts on the target.
///
/// # Errors
/// See [`CommandError`].
pub fn report(
    tables: &[MovedTable],
    keys: &KeyFile,
    arguments: &MoveArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let target = arguments.to.without_password();
    let key = keys.path().filter(|it| it.exists()).map(Path::display);
    if arguments.json {
        let tables = tables.iter().map(|it| {
            let values = json!({ "rows": it.rows, "digest": hex(&it.digest) });
            (it.table.clone(), values)
        });
        return terminal.print(&json!({
            "to": target,
            "tables": tables.collect::<serde_json::Map<String, Value>>(),
            "secretsKeyFile": key.map(|it| it.to_string()),
        }));
    }
    for it in tables.iter().filter(|it| it.rows > 0) {
        writeln!(
            terminal.output,
            "{:<24} {:>10} rows  {}",
            it.table,
            it.rows,
            hex(&it.digest)
        )?;
    }
    let all: u64 = tables.iter().map(|it| it.rows).sum();
    writeln!(
        terminal.output,
        "Moved {all} rows to {target}; both databases have the same digests."
    )?;
    writeln!(
        terminal.output,
        "Start the server with `--database-url {target}`. The SQLite file is unchanged: keep it until you are sure, and \
         start no server on it."
    )?;
    if let Some(key) = key {
        writeln!(
            terminal.output,
            "The database has secrets that are sealed with the key in {key}: keep this file, and name it with \
             `--secrets-key-file` on all servers."
        )?;
    }
    Ok(())
}
