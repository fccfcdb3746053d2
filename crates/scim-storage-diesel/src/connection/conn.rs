//! A connection to either database: statements and snapshots that are written once for both.

use std::borrow::Cow;
use std::time::Duration;

use diesel::pg::{PgConnection, PgRowByRowLoadingMode};
use diesel::query_dsl::LoadQuery;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::result::QueryResult;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection, RunQueryDsl};

use super::postgres_transaction::{BEGIN_SNAPSHOT, transaction};
use crate::columns::Columns;
use crate::error::Failure;
use crate::sql::{Dialect, Rows, Sql, sql};

/// A query in the DSL that runs on both databases, with rows of type `R`.
pub(crate) trait ForBoth<'q, R>:
    LoadQuery<'q, SqliteConnection, R> + LoadQuery<'q, PgConnection, R>
{
}

impl<'q, R, Q> ForBoth<'q, R> for Q where
    Q: LoadQuery<'q, SqliteConnection, R> + LoadQuery<'q, PgConnection, R>
{
}

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

    /// Returns the rows of a query.
    pub(crate) fn load<'q, R, Q: ForBoth<'q, R>>(&mut self, query: Q) -> QueryResult<Vec<R>> {
        match self {
            Conn::Sqlite(conn) => RunQueryDsl::<SqliteConnection>::load(query, conn),
            Conn::Postgres(conn) => RunQueryDsl::<PgConnection>::load(query, conn),
        }
    }

    /// Returns the only row of a query, if there is one.
    pub(crate) fn only<'q, R, Q: ForBoth<'q, R>>(&mut self, query: Q) -> QueryResult<Option<R>> {
        Ok(self.load(query)?.into_iter().next())
    }

    /// Runs a statement. Returns the number of rows it affected.
    pub(crate) fn execute<Q>(&mut self, statement: Q) -> QueryResult<usize>
    where
        Q: ExecuteDsl<SqliteConnection> + ExecuteDsl<PgConnection>,
    {
        match self {
            Conn::Sqlite(conn) => <Q as ExecuteDsl<SqliteConnection>>::execute(statement, conn),
            Conn::Postgres(conn) => <Q as ExecuteDsl<PgConnection>>::execute(statement, conn),
        }
    }

    /// Returns the rows of a literal.
    pub(crate) fn rows<'q, R: Columns>(&mut self, sql: &'q Sql) -> QueryResult<Vec<R>>
    where
        Rows<'q, R>: ForBoth<'q, R>,
    {
        self.load(Rows::of(sql))
    }

    /// Returns the only row of a literal, if there is one.
    pub(crate) fn row<'q, R: Columns>(&mut self, sql: &'q Sql) -> QueryResult<Option<R>>
    where
        Rows<'q, R>: ForBoth<'q, R>,
    {
        self.only(Rows::of(sql))
    }

    /// Passes the rows of a literal on one by one, without collecting them.
    pub(crate) fn each<'q, R: Columns>(&mut self, sql: &'q Sql, mut take: impl FnMut(R)) -> QueryResult<()>
    where
        Rows<'q, R>:
            LoadQuery<'q, SqliteConnection, R> + LoadQuery<'q, PgConnection, R, PgRowByRowLoadingMode>,
    {
        let rows = Rows::of(sql);
        match self {
            Conn::Sqlite(conn) => {
                let mut rows = RunQueryDsl::<SqliteConnection>::load_iter(rows, conn)?;
                rows.try_for_each(|row| row.map(&mut take))
            }
            Conn::Postgres(conn) => {
                let mut rows = RunQueryDsl::load_iter::<R, PgRowByRowLoadingMode>(rows, *conn)?;
                rows.try_for_each(|row| row.map(&mut take))
            }
        }
    }

    /// Runs several queries on one snapshot of the database; on PostgreSQL, `limit` is the time that each may take.
    pub(crate) fn snapshot<T>(
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
                let pk = self.row(&first)?;
                if let Some(pk) = pk {
                    for statement in others {
                        self.execute(sql!("WITH found (pk) AS (VALUES ({pk})) {statement}"; pk, statement))?;
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
                self.row(&sql!("WITH {parts} SELECT pk FROM found"; parts))
            }
        }
    }
}
