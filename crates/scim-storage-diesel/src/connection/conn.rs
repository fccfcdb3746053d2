//! A connection to either database: statements and snapshots that are written once for both.

use std::borrow::Cow;
use std::time::Duration;

use diesel::pg::{PgConnection, PgRowByRowLoadingMode};
use diesel::query_dsl::LoadQuery;
use diesel::result::QueryResult;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection, RunQueryDsl};

use super::postgres_transaction::{BEGIN_SNAPSHOT, transaction};
use crate::error::Failure;
use crate::sql::{Dialect, Sql, Statement, sql};

/// Compiles a piece of code for the connection of either database: `on_backend!(conn, |c| query.load(c))`.
macro_rules! on_backend {
    ($conn:expr, |$c:ident| $body:expr) => {
        match &mut *$conn {
            $crate::connection::conn::Conn::Sqlite($c) => {
                let $c: &mut diesel::SqliteConnection = $c;
                $body
            }
            $crate::connection::conn::Conn::Postgres($c) => {
                let $c: &mut diesel::PgConnection = $c;
                $body
            }
        }
    };
}
pub(crate) use on_backend;

/// A connection to one of the databases.
pub(crate) enum Conn<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

impl Conn<'_> {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Conn::Sqlite(_) => Dialect::Sqlite,
            Conn::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Returns the rows of a query whose columns have the SQL types `ST`.
    pub(crate) fn rows<'q, ST, R>(&mut self, sql: &'q Sql) -> QueryResult<Vec<R>>
    where
        Statement<'q, ST>: LoadQuery<'q, SqliteConnection, R> + LoadQuery<'q, PgConnection, R>,
    {
        match self {
            Conn::Sqlite(conn) => RunQueryDsl::load(Statement::<ST>::new(sql), *conn),
            Conn::Postgres(conn) => RunQueryDsl::load(Statement::<ST>::new(sql), *conn),
        }
    }

    /// Passes the rows of a query on one by one, without collecting them.
    pub(crate) fn each<'q, ST, R>(
        &mut self,
        sql: &'q Sql,
        mut take: impl FnMut(R) -> Result<(), Failure>,
    ) -> Result<(), Failure>
    where
        Statement<'q, ST>:
            LoadQuery<'q, SqliteConnection, R> + LoadQuery<'q, PgConnection, R, PgRowByRowLoadingMode>,
    {
        match self {
            Conn::Sqlite(conn) => {
                RunQueryDsl::load_iter(Statement::<ST>::new(sql), *conn)?.try_for_each(|row| take(row?))
            }
            Conn::Postgres(conn) => {
                let rows =
                    RunQueryDsl::load_iter::<R, PgRowByRowLoadingMode>(Statement::<ST>::new(sql), *conn);
                rows?.try_for_each(|row| take(row?))
            }
        }
    }

    /// Returns the only row, if there is one.
    pub(crate) fn row<'q, ST, R>(&mut self, sql: &'q Sql) -> QueryResult<Option<R>>
    where
        Statement<'q, ST>: LoadQuery<'q, SqliteConnection, R> + LoadQuery<'q, PgConnection, R>,
    {
        Ok(self.rows::<ST, R>(sql)?.into_iter().next())
    }

    /// Runs several queries on one snapshot of the database.
    pub(crate) fn snapshot<T>(
        &mut self,
        work: impl FnOnce(&mut Conn) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.snapshot_within(None, work)
    }

    /// The same, with a limit on the duration of each statement on PostgreSQL.
    pub(crate) fn snapshot_within<T>(
        &mut self,
        limit: Option<Duration>,
        work: impl FnOnce(&mut Conn) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match self {
            Conn::Sqlite(conn) => conn.transaction(|conn| work(&mut Conn::Sqlite(conn))),
            Conn::Postgres(conn) => {
                let mut begin = Cow::Borrowed(BEGIN_SNAPSHOT);
                if let Some(limit) = limit {
                    begin = Cow::Owned(format!("{begin}; {}", Sql::statement_timeout(limit).readable()));
                }
                transaction(conn, &begin, |conn| work(&mut Conn::Postgres(conn)))
            }
        }
    }

    /// Runs `first`, whose result is one row with the column `pk` or no row, and for such a row the other
    /// statements, which read it as the table `found`. Returns `pk`.
    ///
    /// On PostgreSQL they are one statement, which is one round trip: none of them sees what another one wrote,
    /// and foreign keys are checked at the end.
    pub(crate) fn together(&mut self, first: Sql, others: Vec<Sql>) -> QueryResult<Option<i64>> {
        match self.dialect() {
            Dialect::Sqlite => {
                let pk = self.row::<BigInt, i64>(&first)?;
                if let Some(pk) = pk {
                    for statement in others {
                        self.execute(&sql!("WITH found (pk) AS (VALUES ({pk})) {statement}"; pk, statement))?;
                    }
                }
                Ok(pk)
            }
            Dialect::Postgres => {
                let others = others.into_iter().enumerate().map(|(number, statement)| {
                    let name = Sql::trusted(format!("other{number}"));
                    sql!("{name} AS ({statement})"; name, statement)
                });
                let found = sql!("found AS ({first})"; first);
                let parts = Sql::join(std::iter::once(found).chain(others), ", ");
                self.row::<BigInt, i64>(&sql!("WITH {parts} SELECT pk FROM found"; parts))
            }
        }
    }

    /// Runs a statement. Returns the number of rows it affected.
    pub(crate) fn execute(&mut self, sql: &Sql) -> QueryResult<usize> {
        match self {
            Conn::Sqlite(conn) => RunQueryDsl::execute(Statement::<()>::new(sql), *conn),
            Conn::Postgres(conn) => RunQueryDsl::execute(Statement::<()>::new(sql), *conn),
        }
    }
}
