//! The state of a database, for a diagnosis.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::migration_list::{self, Migrations};
use crate::columns::Time;
use crate::connection::Conn;
use crate::connection::postgres::unsafe_settings;
use crate::connection::sqlite::file::with_suffix;
use crate::open::{Target, target, with_existing};
use crate::open_error::OpenError;
use crate::options::Pooler;
use crate::sql::sql;

/// The state of a database.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Its migrations.
    pub migrations: Migrations,
    /// The files of a SQLite database; `None` for PostgreSQL.
    pub files: Option<Files>,
    /// The clock of PostgreSQL; `None` for SQLite, which uses that of the machine.
    pub clock: Option<DateTime<Utc>>,
    /// The settings of PostgreSQL with which it may lose acknowledged changes.
    pub unsafe_settings: Vec<&'static str>,
}

/// The files of a SQLite database.
#[derive(Clone, Debug)]
pub struct Files {
    /// The database.
    pub path: PathBuf,
    /// The size of the database, in bytes.
    pub database: u64,
    /// The size of the write-ahead log, in bytes.
    pub log: u64,
}

/// Reads the state of an existing database, whatever migrations it has. The clock is read last.
///
/// # Errors
/// The database cannot be reached or read.
pub fn inspect(url: &str, pooler: Pooler) -> Result<Inspection, OpenError> {
    let files = match target(url)? {
        Target::Sqlite(path) => files(Path::new(path)),
        Target::Postgres => None,
    };
    with_existing(url, pooler, |conn| {
        let migrations = migration_list::list(conn)?;
        let (unsafe_settings, clock) = match conn {
            Conn::Sqlite(_) => (Vec::new(), None),
            Conn::Postgres(_) => {
                let now = sql!("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)");
                (unsafe_settings(conn)?, conn.row::<Time>(&now)?.map(|it| it.0))
            }
        };
        Ok(Inspection {
            migrations,
            files,
            clock,
            unsafe_settings,
        })
    })
}

/// Read before the database is opened, because the last connection that is closed empties the log.
fn files(path: &Path) -> Option<Files> {
    let size = |path: &Path| path.metadata().map(|it| it.len()).ok();
    let path = path.canonicalize().ok()?;
    Some(Files {
        database: size(&path)?,
        log: size(&with_suffix(&path, "-wal")).unwrap_or(0),
        path,
    })
}
