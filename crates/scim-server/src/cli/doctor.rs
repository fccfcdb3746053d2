//! `scim-server doctor`: examines the configuration, the database and the surroundings of a server.

mod base_url;
mod certificates;
mod credentials;
mod database;
mod deliveries;
mod examined;
mod finding;

use std::io::IsTerminal as _;

use serde_json::json;

pub use self::certificates::ListenerCertificate;
pub use self::database::{DatabaseFiles, DatabaseState};
pub use self::examined::Examined;
use self::finding::Findings;
use super::arguments::DoctorArgs;
use super::migrate::MigrationList;
use super::{CommandError, Terminal, with_sources};
use crate::config::Config;
use crate::config::database_url::DatabaseUrl;

/// A database that was reached, with a store if its schema is up to date.
pub struct Reached {
    /// The state of the database.
    pub state: DatabaseState,
    /// The data in it.
    pub store: Option<Box<dyn Examined>>,
}

/// Examines a server, and prints the findings. `reach` opens the database, and `certificates` reads the files of TLS.
///
/// # Errors
/// `NotHealthy` if a finding is an error; and see [`CommandError`].
pub fn run(
    url: &DatabaseUrl,
    arguments: &DoctorArgs,
    reach: impl FnOnce() -> Result<Reached, String>,
    certificates: impl FnOnce(&Config) -> Vec<ListenerCertificate>,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let mut findings = Findings::default();
    let config = arguments.serve.config();
    match &config {
        Ok(config) => {
            findings.good("configuration", "the settings are valid");
            certificates::examine(&certificates(config), terminal.now, &mut findings);
        }
        Err(error) => findings.error(
            "configuration",
            with_sources(&**error),
            "correct the setting that the message names",
        ),
    }
    match reach() {
        Ok(reached) => {
            findings.good("database", format!("{} is reachable", url.without_password()));
            database::examine(&reached.state, terminal, &mut findings);
            if let Some(store) = &reached.store {
                credentials::examine(&**store, terminal, &mut findings)?;
                let keys = arguments.serve.secrets_key.key_file(url);
                deliveries::examine(&**store, &keys, terminal, &mut findings)?;
            }
        }
        Err(error) => findings.error(
            "database",
            error,
            "check `--database-url`, and that the database runs and can be read by this user",
        ),
    }
    if let Ok(config) = &config {
        base_url::examine(config, &mut findings);
    }
    print(&findings, arguments.json, terminal)?;
    match findings.errors() {
        0 => Ok(()),
        number => Err(CommandError::NotHealthy(format!("errors found: {number}"))),
    }
}

fn print(findings: &Findings, as_json: bool, terminal: &mut Terminal) -> Result<(), CommandError> {
    if as_json {
        return terminal.print(&json!({
            "items": findings.items(),
            "errors": findings.errors(),
            "warnings": findings.warnings(),
        }));
    }
    let is_colored = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for line in findings.lines(is_colored) {
        writeln!(terminal.output, "{line}")?;
    }
    let (errors, warnings) = (findings.errors(), findings.warnings());
    writeln!(terminal.output, "Errors: {errors}. Warnings: {warnings}.")?;
    Ok(())
}

/// The state of a database that does not exist yet.
pub fn missing_database(migrations: MigrationList) -> DatabaseState {
    DatabaseState {
        migrations,
        ..DatabaseState::default()
    }
}
