//! `scim-server move`, on the storage adapter.

use scim_server::cli::arguments::MoveArgs;
use scim_server::cli::exit::Exit;
use scim_server::cli::hints::Hints;
use scim_server::cli::move_to::{self, MovedTable};
use scim_server::cli::progress::Progress;
use scim_server::cli::with_terminal;
use scim_server::config::database_url::DatabaseUrl;
use scim_storage_diesel::Pooler;
use scim_storage_diesel::maintenance::{self, CopyError};

use crate::failure::Failure;

/// Moves a SQLite database to PostgreSQL.
pub(crate) fn run(
    url: &DatabaseUrl,
    pooler: Pooler,
    arguments: &MoveArgs,
    hints: &Hints,
) -> Result<(), Failure> {
    let progress = Progress::new("rows");
    let mut show = |it: maintenance::CopyProgress| {
        progress.set_length(it.all);
        progress.set(it.done);
    };
    let to = arguments.to.with_password();
    let tables = maintenance::move_to_postgres(url.with_password(), to, pooler, &mut show)?;
    drop(progress);
    let tables: Vec<MovedTable> = tables
        .into_iter()
        .map(|it| MovedTable {
            table: it.table,
            rows: it.rows,
            digest: it.digest,
        })
        .collect();
    let keys = arguments.key.key_file(url);
    with_terminal(hints, |terminal| {
        Ok(move_to::report(&tables, &keys, arguments, terminal)?)
    })
}

impl From<CopyError> for Failure {
    fn from(error: CopyError) -> Failure {
        match error {
            CopyError::Source(error) => error.into(),
            CopyError::Target(error) => {
                let text = format!("the target: {error}");
                Failure::new(Failure::from(error).exit, text)
            }
            CopyError::Direction | CopyError::NotEmpty(_) => Failure::new(Exit::Refused, error),
            CopyError::Differs(_) => Failure::new(Exit::Failed, error),
            CopyError::Failed(_) => Failure::new(Exit::DatabaseUnavailable, error),
        }
    }
}
