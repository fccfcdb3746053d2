//! Connections to SQLite and PostgreSQL, and the migrations.

pub(crate) mod conn;
pub(crate) mod incomplete;
pub(crate) mod migrations;
mod pool;
pub(crate) mod postgres;
pub(crate) mod postgres_transaction;
pub(crate) mod sqlite;

use std::time::Duration;

use scim_model::store::{ConnectionFigures, StoreError, TenantId};

use crate::error::Failure;
use crate::shares::{NO_TENANT, Shares};
use crate::sql::Dialect;

pub(crate) use conn::Conn;

/// The open database of a store.
pub(crate) struct Database {
    kind: Kind,
    shares: Shares,
}

enum Kind {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Database {
    /// Wraps a SQLite database that has this number of reading connections.
    pub(crate) fn sqlite(sqlite: sqlite::Sqlite, connections: u32) -> Database {
        Database {
            kind: Kind::Sqlite(sqlite),
            shares: Shares::of(connections, Duration::MAX),
        }
    }

    /// Wraps a PostgreSQL database that has this number of connections. A connection on which PostgreSQL does not
    /// answer within `silence_limit` is replaced.
    pub(crate) fn postgres(
        postgres: postgres::Postgres,
        connections: u32,
        silence_limit: Duration,
    ) -> Database {
        Database {
            kind: Kind::Postgres(postgres),
            shares: Shares::of(connections, silence_limit),
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match &self.kind {
            Kind::Sqlite(_) => Dialect::Sqlite,
            Kind::Postgres(_) => Dialect::Postgres,
        }
    }

    pub(crate) fn is_durable(&self) -> bool {
        match &self.kind {
            Kind::Sqlite(_) => true,
            Kind::Postgres(postgres) => postgres.is_durable(),
        }
    }

    /// Returns the use of the connections.
    pub(crate) fn figures(&self) -> ConnectionFigures {
        let figures = self.shares.figures();
        match &self.kind {
            Kind::Sqlite(sqlite) => ConnectionFigures {
                writer_waits: Some(sqlite.writer_waits()),
                ..figures
            },
            Kind::Postgres(postgres) => ConnectionFigures {
                retries: postgres.retries(),
                ..figures
            },
        }
    }

    /// Runs reads that are not the work of one tenant; see [`Database::read_for`].
    pub(crate) fn read<T>(&self, work: impl Fn(&mut Conn) -> Result<T, Failure>) -> Result<T, StoreError> {
        self.read_for(NO_TENANT, work)
    }

    /// Runs reads for a tenant on a connection. They may run again on another connection when the first one is lost.
    pub(crate) fn read_for<T>(
        &self,
        tenant: TenantId,
        work: impl Fn(&mut Conn) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let _share = self.shares.wait(tenant)?;
        match &self.kind {
            Kind::Sqlite(sqlite) => sqlite.read(work),
            Kind::Postgres(postgres) => postgres.read(work),
        }
    }

    /// Runs writes that are not the work of one tenant; see [`Database::write_for`].
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_for(NO_TENANT, work)
    }

    /// Runs writes for a tenant in one transaction. They may run again when they conflict with another transaction.
    pub(crate) fn write_for<T: Send + 'static>(
        &self,
        tenant: TenantId,
        work: impl Fn(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.kind {
            Kind::Sqlite(sqlite) => sqlite.write(tenant, work),
            Kind::Postgres(postgres) => {
                let _share = self.shares.wait(tenant)?;
                postgres.write(work)
            }
        }
    }
}
