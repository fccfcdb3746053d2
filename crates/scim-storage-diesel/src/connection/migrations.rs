//! The migrations, compiled in, and the lock around them.

use std::collections::BTreeMap;

use diesel::migration::MigrationSource;
use diesel::pg::{Pg, PgConnection};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::connection::conn::Conn;
use crate::connection::postgres_transaction::{BEGIN_MIGRATION, transaction};
use crate::error::{Failure, unavailable};
use crate::open_error::OpenError;
use crate::sql::{Dialect, Sql, sql};

pub(crate) const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
pub(crate) const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// An advisory lock of PostgreSQL; the number is this project's own. diesel takes no lock, so that one of two servers
/// that start at the same time would fail.
const LOCK: i64 = 0x5343_494d;

/// Runs the pending migrations and then `work`, in one transaction that does not overlap with that of another server.
///
/// # Errors
/// `Newer` when the database has a migration that this version does not know, because its writes could be wrong.
pub(crate) fn run<T>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    match conn {
        Conn::Sqlite(conn) => conn.immediate_transaction(|conn| {
            missing(&mut Conn::Sqlite(conn))?;
            pending::<Sqlite, SqliteConnection>(conn, SQLITE)?;
            work(&mut Conn::Sqlite(conn))
        }),
        Conn::Postgres(conn) => transaction(conn, BEGIN_MIGRATION, |conn| {
            lock(&mut Conn::Postgres(conn))?;
            missing(&mut Conn::Postgres(conn))?;
            pending::<Pg, PgConnection>(conn, POSTGRES)?;
            work(&mut Conn::Postgres(conn))
        }),
    }
}

/// Waits on PostgreSQL until no other transaction migrates or fills the database, and keeps others out until this one ends.
pub(crate) fn lock(conn: &mut Conn) -> Result<(), Failure> {
    if conn.dialect() == Dialect::Postgres {
        conn.execute(sql!("SELECT pg_advisory_xact_lock({lock})"; lock = LOCK))?;
    }
    Ok(())
}

/// Checks that the schema is that of this version, and changes nothing.
///
/// # Errors
/// `Newer`; `Outdated` when migrations are missing.
pub(crate) fn check(conn: &mut Conn) -> Result<(), OpenError> {
    if missing(conn)? > 0 {
        return Err(OpenError::Outdated);
    }
    Ok(())
}

/// Returns the number of migrations that the database lacks.
fn missing(conn: &mut Conn) -> Result<usize, OpenError> {
    let known = known(conn.dialect())?;
    let applied = applied(conn)?;
    match applied.iter().find(|it| !known.contains_key(*it)) {
        Some(newer) => Err(OpenError::Newer(newer.clone())),
        None => Ok(known.len() - applied.len()),
    }
}

/// Returns the names of the migrations that this version knows, such as `20261124000000_resources`, by their versions.
pub(crate) fn known(dialect: Dialect) -> Result<BTreeMap<String, String>, OpenError> {
    let known = match dialect {
        Dialect::Sqlite => names::<Sqlite>(&SQLITE),
        Dialect::Postgres => names::<Pg>(&POSTGRES),
    };
    Ok(known.map_err(unavailable).map_err(Failure::from)?)
}

/// Returns the versions of the migrations that the database has, such as `20261124000000`, newest first.
pub(crate) fn applied(conn: &mut Conn) -> Result<Vec<String>, OpenError> {
    let has_table = match conn.dialect() {
        Dialect::Sqlite => "SELECT count(*) FROM sqlite_master WHERE name = '__diesel_schema_migrations'",
        Dialect::Postgres => "SELECT count(to_regclass('__diesel_schema_migrations'))",
    };
    if conn.row::<i64>(&Sql::text(has_table))? != Some(1) {
        return Ok(Vec::new());
    }
    let applied = sql!("SELECT version FROM __diesel_schema_migrations ORDER BY version DESC");
    Ok(conn.rows::<String>(&applied)?)
}

fn names<DB: diesel::backend::Backend>(
    source: &impl MigrationSource<DB>,
) -> diesel::migration::Result<BTreeMap<String, String>> {
    let migrations = source.migrations()?;
    Ok(migrations
        .iter()
        .map(|it| (it.name().version().to_string(), it.name().to_string()))
        .collect())
}

fn pending<DB, C>(conn: &mut C, source: impl MigrationSource<DB>) -> Result<(), Failure>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB>,
{
    let applied = conn.run_pending_migrations(source).map_err(unavailable)?;
    for migration in applied {
        log::info!("migrated the database: {migration}");
    }
    Ok(())
}
