//! The migrations, compiled in, and the lock around them.

use diesel::migration::MigrationSource;
use diesel::pg::{Pg, PgConnection};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::error::{Failure, unavailable};
use crate::postgres;
use crate::sql::{Conn, Sql};

pub(crate) const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
pub(crate) const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Any number that nobody else uses: diesel takes no lock of its own, and of two servers that start
/// at once one would fail.
const LOCK: i64 = 0x5343_494d;

/// Brings the schema up to date and runs `work` on it, in one transaction that no other server's
/// overlaps.
pub(crate) fn run<T>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, Failure>,
) -> Result<T, Failure> {
    match conn {
        Conn::Sqlite(conn) => conn.immediate_transaction(|conn| {
            pending::<Sqlite, SqliteConnection>(conn, SQLITE)?;
            work(&mut Conn::Sqlite(conn))
        }),
        Conn::Postgres(conn) => postgres::transaction(conn, postgres::BEGIN_MIGRATION, |conn| {
            let lock = Sql::new("SELECT pg_advisory_xact_lock(").int(LOCK).text(")");
            Conn::Postgres(conn).execute(&lock)?;
            pending::<Pg, PgConnection>(conn, POSTGRES)?;
            work(&mut Conn::Postgres(conn))
        }),
    }
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
