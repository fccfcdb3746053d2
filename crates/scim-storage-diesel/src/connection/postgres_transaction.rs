//! Transactions on PostgreSQL, with their limits.

use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::pg::PgConnection;
use diesel::result::Error;

/// The statements that limit a transaction: how long a statement may take, and how long it may wait for others. They
/// are sent with the `BEGIN`, without another round trip.
macro_rules! limits {
    ($set:literal) => {
        concat!(
            $set,
            " statement_timeout = '20s'; ",
            $set,
            " lock_timeout = '3s'; ",
            $set,
            " idle_in_transaction_session_timeout = '20s'; ",
            $set,
            " jit = off"
        )
    };
}

/// The `statement_timeout` of these limits.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(20);

/// READ COMMITTED, whatever the default of the database is.
pub(crate) const BEGIN_WRITE: &str = concat!("BEGIN ISOLATION LEVEL READ COMMITTED; ", limits!("SET LOCAL"));

pub(crate) const BEGIN_SNAPSHOT: &str = concat!(
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ",
    limits!("SET LOCAL")
);

/// A migration has no time limit.
pub(crate) const BEGIN_MIGRATION: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
     SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
     SET LOCAL idle_in_transaction_session_timeout = 0";

/// Runs one transaction that starts with the statements in `begin`.
pub(crate) fn transaction<T, E: From<Error>>(
    conn: &mut PgConnection,
    begin: &str,
    work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
) -> Result<T, E> {
    AnsiTransactionManager::begin_transaction_sql(conn, begin)?;
    match work(conn) {
        Ok(result) => {
            AnsiTransactionManager::commit_transaction(conn)?;
            Ok(result)
        }
        Err(failure) => match AnsiTransactionManager::rollback_transaction(conn) {
            // The first failure is the cause.
            Ok(()) | Err(Error::BrokenTransactionManager) => Err(failure),
            Err(error) => Err(error.into()),
        },
    }
}
pub(crate) use limits;
