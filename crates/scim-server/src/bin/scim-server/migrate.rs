//! `scim-server migrate`, on the storage adapter.

use scim_server::cli::arguments::{MigrateArgs, MigrateCommand};
use scim_server::cli::hints::Hints;
use scim_server::cli::migrate::{self, MigrationList};
use scim_server::cli::with_terminal;
use scim_storage_diesel::maintenance::{self, Migrations};
use scim_storage_diesel::{DieselStore, OpenError, Pooler};

use crate::failure::Failure;

/// Migrates the database, or shows which migrations it has and lacks.
pub(crate) fn run(url: &str, pooler: Pooler, arguments: &MigrateArgs, hints: &Hints) -> Result<(), Failure> {
    let json = arguments.is_json();
    match arguments.command {
        Some(MigrateCommand::Status { .. }) => {
            let list = list(url, pooler)?;
            with_terminal(hints, |terminal| Ok(migrate::status(&list, json, terminal)?))
        }
        _ if arguments.is_dry_run() => {
            let list = list(url, pooler)?;
            // The migration itself would be refused too.
            if let Some(newest) = list.unknown.last() {
                return Err(OpenError::Newer(newest.clone()).into());
            }
            with_terminal(hints, |terminal| Ok(migrate::dry_run(&list, json, terminal)?))
        }
        _ => {
            DieselStore::open_directory(url, pooler)?;
            with_terminal(hints, |terminal| Ok(migrate::done(json, terminal)?))
        }
    }
}

fn list(url: &str, pooler: Pooler) -> Result<MigrationList, Failure> {
    Ok(shown(maintenance::migrations(url, pooler)?))
}

/// The list as the command line shows it.
pub(crate) fn shown(known: Migrations) -> MigrationList {
    MigrationList {
        exists: known.exists,
        applied: known.applied,
        pending: known.pending,
        unknown: known.unknown,
    }
}
