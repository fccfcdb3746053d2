//! Connections to SQLite and PostgreSQL, and the migrations.

pub(crate) mod conn;
pub(crate) mod migrations;
mod pool;
pub(crate) mod postgres;
pub(crate) mod postgres_transaction;
pub(crate) mod sqlite;

use scim_model::store::StoreError;

use crate::error::Failure;
use crate::sql::Dialect;

pub(crate) use conn::Conn;

/// The open database of a store.
pub(crate) enum Database {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Database {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Database::Sqlite(_) => Dialect::Sqlite,
            Database::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs reads on a connection. They may run again on another connection when the first one is lost.
    pub(crate) fn read<T>(&self, work: impl Fn(&mut Conn) -> Result<T, Failure>) -> Result<T, StoreError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.read(work),
            Database::Postgres(postgres) => postgres.read(work),
        }
    }

    /// Runs writes in one transaction. They may run again when they met another transaction.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.write(work),
            Database::Postgres(postgres) => postgres.write(work),
        }
    }
}
