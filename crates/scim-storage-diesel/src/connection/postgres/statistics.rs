//! The first statistics of a new database.
//!
//! Without statistics, PostgreSQL expects a single resource in each tenant and plans to compare all pairs of rows.
//! Autovacuum collects statistics within minutes, unless it is off. Until then, a search over some thousand resources
//! would take seconds.

use std::sync::{Mutex, PoisonError};

use diesel::pg::PgConnection;

use crate::connection::Conn;
use crate::connection::postgres_transaction::transaction;
use crate::error::Failure;
use crate::sql::{Sql, sql};

/// The limits are shorter than the time after which the connection counts as silent.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = '5s'; SET LOCAL lock_timeout = '1s'";

/// The most attempts for each table. All fail when the database user lacks the right to analyze it.
const ATTEMPTS: usize = 5;

/// The number of committed rows from which on the statistics of a table are collected; with fewer, every plan is
/// fast.
///
/// Rows that a running transaction inserts are invisible to `ANALYZE`. It would note a table without rows, and the
/// checks of the foreign keys of that transaction would then examine the whole table for each row.
const ROWS: i64 = 50;

/// Collects statistics on tables that have rows and no statistics. `attempted` contains the table of each earlier
/// attempt.
pub(super) fn complete(conn: &mut PgConnection, attempted: &Mutex<Vec<String>>) -> Result<(), Failure> {
    let missing = sql!(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid IN (to_regclass('resource'), to_regclass('resource_normal'), to_regclass('attribute_value'),
                         to_regclass('unique_value'), to_regclass('membership'))
           AND pg_stat_get_live_tuples(c.oid) >= {rows}
           AND NOT EXISTS (SELECT 1 FROM pg_stats s WHERE s.schemaname = n.nspname AND s.tablename = c.relname)";
        rows = ROWS
    );
    for table in Conn::Postgres(conn).rows::<String>(&missing)? {
        {
            // The lock is not held while PostgreSQL works, because another thread takes over when PostgreSQL is
            // silent.
            let mut attempted = attempted.lock().unwrap_or_else(PoisonError::into_inner);
            if attempted.iter().filter(|it| **it == table).count() >= ATTEMPTS {
                continue;
            }
            attempted.push(table.clone());
        }
        let analyze = sql!("ANALYZE {table}"; table = Sql::trusted(table)).one_off();
        transaction(conn, BEGIN, |conn| Conn::Postgres(conn).execute(analyze))?;
    }
    Ok(())
}
