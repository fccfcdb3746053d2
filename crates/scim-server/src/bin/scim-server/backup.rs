//! `scim-server backup`, on the storage adapter.

use scim_server::cli::arguments::BackupArgs;
use scim_server::cli::backup::{self, BackupReport};
use scim_server::cli::exit::Exit;
use scim_server::cli::hints::Hints;
use scim_server::cli::progress::Progress;
use scim_server::cli::with_terminal;
use scim_server::config::database_url::DatabaseUrl;
use scim_storage_diesel::maintenance::{self, BackupError};

use crate::failure::Failure;

/// Writes a backup of a SQLite database.
pub(crate) fn run(url: &DatabaseUrl, arguments: &BackupArgs, hints: &Hints) -> Result<(), Failure> {
    let progress = Progress::in_bytes();
    let show = |it: maintenance::BackupProgress| {
        progress.set_length(it.all);
        progress.set(it.done);
    };
    let finished = maintenance::backup(url.with_password(), &arguments.file, &show)?;
    drop(progress);
    let report = BackupReport {
        bytes: finished.bytes,
        sha256: finished.sha256,
        rows: finished.rows.into_iter().map(|it| (it.table, it.rows)).collect(),
    };
    let keys = arguments.key.key_file(url);
    with_terminal(hints, |terminal| {
        Ok(backup::report(&report, &keys, arguments, terminal)?)
    })
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Failure {
        match error {
            BackupError::Open(error) => error.into(),
            BackupError::Postgres | BackupError::Exists(_) => Failure::new(Exit::Refused, error),
            BackupError::File { .. } | BackupError::Damaged(_) => Failure::new(Exit::Failed, error),
        }
    }
}
