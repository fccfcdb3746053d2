//! `scim-server backup`: the report about a finished backup.

use std::path::Path;

use serde_json::{Map, json};

use super::arguments::BackupArgs;
use super::hex::hex;
use super::{CommandError, Terminal};
use crate::sealing::KeyFile;

/// A finished and verified backup.
#[derive(Clone, Debug)]
pub struct BackupReport {
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// The tables with their number of rows.
    pub rows: Vec<(String, u64)>,
}

/// Prints what the backup contains, and what else belongs to it.
///
/// # Errors
/// See [`CommandError`].
pub fn report(
    report: &BackupReport,
    keys: &KeyFile,
    arguments: &BackupArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let file = arguments.file.display().to_string();
    let sha256 = hex(&report.sha256);
    let key = keys.path().filter(|it| it.exists()).map(Path::display);
    if arguments.json {
        let rows: Map<_, _> = report
            .rows
            .iter()
            .map(|(table, rows)| (table.clone(), (*rows).into()))
            .collect();
        return terminal.print(&json!({
            "file": file,
            "bytes": report.bytes,
            "sha256": sha256,
            "rows": rows,
            "secretsKeyFile": key.map(|it| it.to_string()),
        }));
    }
    let total: u64 = report.rows.iter().map(|(_, rows)| rows).sum();
    writeln!(
        terminal.output,
        "Wrote and verified {file}: {} bytes, {total} rows.",
        report.bytes
    )?;
    writeln!(terminal.output, "  sha256  {sha256}")?;
    if let Some(key) = key {
        writeln!(
            terminal.output,
            "The secrets key is not in it: keep a copy of {key} in another place."
        )?;
    }
    Ok(())
}
