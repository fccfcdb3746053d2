//! The migrations that a database has and lacks.

use std::path::Path;

use crate::connection::{Conn, migrations};
use crate::open::{Target, target, with_existing};
use crate::open_error::OpenError;
use crate::options::Pooler;
use crate::sql::Dialect;

/// The migrations of a database, by their names, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrations {
    /// Whether there is a database: a SQLite file may be missing.
    pub exists: bool,
    /// Migrations that have run.
    pub applied: Vec<String>,
    /// Migrations that are missing.
    pub pending: Vec<String>,
    /// Migrations that have run and are unknown to this version.
    pub unknown: Vec<String>,
}

/// Returns the migrations of a database. It creates and migrates nothing.
///
/// # Errors
/// The database cannot be reached or read. A missing SQLite file is no error.
pub fn migrations(url: &str, pooler: Pooler) -> Result<Migrations, OpenError> {
    if let Target::Sqlite(path) = target(url)?
        && !Path::new(path).exists()
    {
        return Ok(Migrations {
            exists: false,
            applied: Vec::new(),
            pending: migrations::known(Dialect::Sqlite)?.into_values().collect(),
            unknown: Vec::new(),
        });
    }
    with_existing(url, pooler, list)
}

/// Compares the migrations of a database with those that this version knows.
pub(super) fn list(conn: &mut Conn) -> Result<Migrations, OpenError> {
    let mut known = migrations::known(conn.dialect())?;
    let (mut applied, mut unknown) = (Vec::new(), Vec::new());
    for version in migrations::applied(conn)?.into_iter().rev() {
        match known.remove(&version) {
            Some(name) => applied.push(name),
            None => unknown.push(version),
        }
    }
    Ok(Migrations {
        exists: true,
        applied,
        pending: known.into_values().collect(),
        unknown,
    })
}
