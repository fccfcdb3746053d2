//! SQL text with bound values, for both databases.
//!
//! Values never become part of the text. What the databases say differently is decided while the
//! text is built, by [`Dialect`].

use std::borrow::Cow;
use std::marker::PhantomData;
use std::time::Duration;

use diesel::pg::{Pg, PgConnection, PgRowByRowLoadingMode};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel::{Connection, RunQueryDsl};
use scim_model::store::TenantId;
use uuid::Uuid;

use crate::connection::postgres;
use crate::error::Failure;

/// Whose SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// A statement, or a part of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sql {
    pieces: Vec<Piece>,
    /// Its text comes from a client and will hardly come again: no statement is kept for it.
    one_off: bool,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Cow<'static, str>),
    Int(i64),
    OptionalInt(Option<i64>),
    String(String),
    OptionalString(Option<String>),
    Bool(bool),
    OptionalBool(Option<bool>),
    Bytes(Vec<u8>),
    IntArray(Vec<i64>),
    BytesArray(Vec<Vec<u8>>),
    StringArray(Vec<String>),
}

impl Sql {
    /// From fixed text.
    pub(crate) fn new(text: &'static str) -> Sql {
        Sql::default().text(text)
    }

    /// Appends fixed text.
    pub(crate) fn text(self, text: &'static str) -> Sql {
        self.push(Piece::Text(Cow::Borrowed(text)))
    }

    /// Appends text put together from fixed parts; never from what a client sent.
    pub(crate) fn built(self, text: String) -> Sql {
        self.push(Piece::Text(Cow::Owned(text)))
    }

    /// Appends a bound number.
    pub(crate) fn int(self, value: i64) -> Sql {
        self.push(Piece::Int(value))
    }

    pub(crate) fn optional_int(self, value: Option<i64>) -> Sql {
        self.push(Piece::OptionalInt(value))
    }

    /// Appends a bound text.
    pub(crate) fn string(self, value: impl Into<String>) -> Sql {
        self.push(Piece::String(value.into()))
    }

    pub(crate) fn optional_string(self, value: Option<String>) -> Sql {
        self.push(Piece::OptionalString(value))
    }

    pub(crate) fn bool(self, value: bool) -> Sql {
        self.push(Piece::Bool(value))
    }

    pub(crate) fn optional_bool(self, value: Option<bool>) -> Sql {
        self.push(Piece::OptionalBool(value))
    }

    pub(crate) fn bytes(self, value: impl Into<Vec<u8>>) -> Sql {
        self.push(Piece::Bytes(value.into()))
    }

    pub(crate) fn id(self, value: Uuid) -> Sql {
        self.bytes(value.as_bytes().as_slice())
    }

    /// Appends another part.
    pub(crate) fn sql(mut self, part: Sql) -> Sql {
        self.one_off |= part.one_off;
        self.pieces.extend(part.pieces);
        self
    }

    /// Appends bound JSON text as the database's own JSON.
    pub(crate) fn json(self, dialect: Dialect, text: String) -> Sql {
        match dialect {
            Dialect::Sqlite => self.text("jsonb(").string(text).text(")"),
            Dialect::Postgres => self.string(text).text("::jsonb"),
        }
    }

    /// Appends `IN` or its like with the ids, bound as one value.
    pub(crate) fn in_ids(self, dialect: Dialect, ids: &[Uuid]) -> Sql {
        match dialect {
            Dialect::Sqlite => {
                let hex: Vec<String> = ids.iter().map(|it| it.simple().to_string()).collect();
                let json = serde_json::to_string(&hex).expect("strings are JSON");
                self.text(" IN (SELECT unhex(value) FROM json_each(")
                    .string(json)
                    .text("))")
            }
            Dialect::Postgres => {
                let ids = ids.iter().map(|it| it.as_bytes().to_vec()).collect();
                self.text(" = ANY(").push(Piece::BytesArray(ids)).text(")")
            }
        }
    }

    /// Appends `IN` or its like with the numbers, bound as one value.
    pub(crate) fn in_pks(self, dialect: Dialect, pks: &[i64]) -> Sql {
        match dialect {
            Dialect::Sqlite => self
                .text(" IN (SELECT value FROM json_each(")
                .string(numbers(pks))
                .text("))"),
            Dialect::Postgres => self.text(" = ANY(").push(Piece::IntArray(pks.to_vec())).text(")"),
        }
    }

    /// Appends the test that the rows of a table, which the statement finds by their `pk`, are the
    /// tenant's. SQLite takes a list for long, and would rather walk all rows of the tenant: the sign keeps
    /// its indexes on `tenant_id` out of it.
    pub(crate) fn found_by_pk(self, dialect: Dialect, tenant_id: &'static str, tenant: TenantId) -> Sql {
        let sign = if dialect == Dialect::Sqlite { "+" } else { "" };
        self.text(sign).text(tenant_id).text(" = ").int(tenant.0)
    }

    /// Appends a table `(pk, position)` of the numbers, positions from 0.
    pub(crate) fn table_of_pks(self, dialect: Dialect, pks: &[i64]) -> Sql {
        match dialect {
            Dialect::Sqlite => self
                .text("(SELECT value AS pk, key AS position FROM json_each(")
                .string(numbers(pks))
                .text("))"),
            Dialect::Postgres => self
                .text("(SELECT pk, ordinality - 1 AS position FROM unnest(")
                .push(Piece::IntArray(pks.to_vec()))
                .text(") WITH ORDINALITY AS a (pk, ordinality))"),
        }
    }

    /// Appends a table `(path, key)` of the pairs.
    pub(crate) fn table_of_values<'a>(
        self,
        dialect: Dialect,
        values: impl Iterator<Item = &'a (i64, String)>,
    ) -> Sql {
        match dialect {
            Dialect::Sqlite => {
                let pairs: Vec<&(i64, String)> = values.collect();
                let json = serde_json::to_string(&pairs).expect("numbers and strings are JSON");
                self.text("(SELECT value ->> 0 AS path, value ->> 1 AS key FROM json_each(")
                    .string(json)
                    .text("))")
            }
            Dialect::Postgres => {
                let (paths, keys) = values.cloned().unzip();
                self.text("(SELECT path, key COLLATE \"C\" AS key FROM unnest(")
                    .push(Piece::IntArray(paths))
                    .text(", ")
                    .push(Piece::StringArray(keys))
                    .text(") AS a (path, key))")
            }
        }
    }

    /// Marks a text that a client's filter shaped.
    pub(crate) fn one_off(mut self) -> Sql {
        self.one_off = true;
        self
    }

    /// Limits the statements of a transaction on PostgreSQL.
    pub(crate) fn statement_timeout(limit: Duration) -> Sql {
        // Rounded up: 0 would be no limit.
        let milliseconds = limit.as_micros().div_ceil(1_000).clamp(1, 1_000_000_000);
        Sql::default()
            .built(format!("SET LOCAL statement_timeout = {milliseconds}"))
            .one_off()
    }

    /// The text with every bound value as it would be written, for tests and the log.
    pub(crate) fn readable(&self) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Int(it) => text.push_str(&it.to_string()),
                Piece::OptionalInt(it) => text.push_str(&format!("{it:?}")),
                Piece::String(it) => text.push_str(&format!("'{it}'")),
                Piece::OptionalString(it) => text.push_str(&format!("{it:?}")),
                Piece::Bool(it) => text.push_str(&it.to_string()),
                Piece::OptionalBool(it) => text.push_str(&format!("{it:?}")),
                Piece::Bytes(it) => match Uuid::from_slice(it) {
                    Ok(id) => text.push_str(&format!("x'{id}'")),
                    Err(_) => text.push_str("x'…'"),
                },
                Piece::IntArray(it) => text.push_str(&format!("{it:?}")),
                Piece::BytesArray(it) => text.push_str(&format!("[{} ids]", it.len())),
                Piece::StringArray(it) => text.push_str(&format!("{it:?}")),
            }
        }
        text
    }

    fn push(mut self, piece: Piece) -> Sql {
        self.pieces.push(piece);
        self
    }
}

fn numbers(pks: &[i64]) -> String {
    serde_json::to_string(pks).expect("numbers are JSON")
}

/// A statement with the SQL types of its result; `()` where it has none.
pub(crate) struct Statement<'a, ST> {
    sql: &'a Sql,
    types: PhantomData<ST>,
}

impl<'a, ST> Statement<'a, ST> {
    fn new(sql: &'a Sql) -> Statement<'a, ST> {
        Statement {
            sql,
            types: PhantomData,
        }
    }
}

impl<ST> QueryId for Statement<'_, ST> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<ST> Query for Statement<'_, ST> {
    type SqlType = ST;
}

impl<ST, Conn> RunQueryDsl<Conn> for Statement<'_, ST> {}

impl<ST> QueryFragment<Sqlite> for Statement<'_, ST> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        if self.sql.one_off {
            out.unsafe_to_cache_prepared();
        }
        for piece in &self.sql.pieces {
            match piece {
                Piece::Text(text) => out.push_sql(text),
                Piece::Int(it) => out.push_bind_param::<BigInt, _>(it)?,
                Piece::OptionalInt(it) => out.push_bind_param::<Nullable<BigInt>, _>(it)?,
                Piece::String(it) => out.push_bind_param::<Text, _>(it)?,
                Piece::OptionalString(it) => out.push_bind_param::<Nullable<Text>, _>(it)?,
                Piece::Bool(it) => out.push_bind_param::<Bool, _>(it)?,
                Piece::OptionalBool(it) => out.push_bind_param::<Nullable<Bool>, _>(it)?,
                Piece::Bytes(it) => out.push_bind_param::<Binary, _>(it)?,
                Piece::IntArray(_) | Piece::BytesArray(_) | Piece::StringArray(_) => {
                    return Err(diesel::result::Error::QueryBuilderError(
                        "arrays exist on PostgreSQL only".into(),
                    ));
                }
            }
        }
        Ok(())
    }
}

impl<ST> QueryFragment<Pg> for Statement<'_, ST> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if self.sql.one_off {
            out.unsafe_to_cache_prepared();
        }
        for piece in &self.sql.pieces {
            match piece {
                Piece::Text(text) => out.push_sql(text),
                Piece::Int(it) => out.push_bind_param::<BigInt, _>(it)?,
                Piece::OptionalInt(it) => out.push_bind_param::<Nullable<BigInt>, _>(it)?,
                Piece::String(it) => out.push_bind_param::<Text, _>(it)?,
                Piece::OptionalString(it) => out.push_bind_param::<Nullable<Text>, _>(it)?,
                Piece::Bool(it) => out.push_bind_param::<Bool, _>(it)?,
                Piece::OptionalBool(it) => out.push_bind_param::<Nullable<Bool>, _>(it)?,
                Piece::Bytes(it) => out.push_bind_param::<Binary, _>(it)?,
                Piece::IntArray(it) => out.push_bind_param::<Array<BigInt>, _>(it)?,
                Piece::BytesArray(it) => out.push_bind_param::<Array<Binary>, _>(it)?,
                Piece::StringArray(it) => out.push_bind_param::<Array<Text>, _>(it)?,
            }
        }
        Ok(())
    }
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

    /// The rows of a query, whose columns have the SQL types `ST`.
    pub(crate) fn rows<'q, ST, R>(&mut self, sql: &'q Sql) -> QueryResult<Vec<R>>
    where
        Statement<'q, ST>: diesel::query_dsl::LoadQuery<'q, SqliteConnection, R>
            + diesel::query_dsl::LoadQuery<'q, PgConnection, R>,
    {
        match self {
            Conn::Sqlite(conn) => RunQueryDsl::load(Statement::<ST>::new(sql), *conn),
            Conn::Postgres(conn) => RunQueryDsl::load(Statement::<ST>::new(sql), *conn),
        }
    }

    /// Takes the rows of a query one by one: no list is made of them.
    pub(crate) fn each<'q, ST, R>(
        &mut self,
        sql: &'q Sql,
        mut take: impl FnMut(R) -> Result<(), Failure>,
    ) -> Result<(), Failure>
    where
        Statement<'q, ST>: diesel::query_dsl::LoadQuery<'q, SqliteConnection, R>
            + diesel::query_dsl::LoadQuery<'q, PgConnection, R, PgRowByRowLoadingMode>,
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

    /// The only row, if there is one.
    pub(crate) fn row<'q, ST, R>(&mut self, sql: &'q Sql) -> QueryResult<Option<R>>
    where
        Statement<'q, ST>: diesel::query_dsl::LoadQuery<'q, SqliteConnection, R>
            + diesel::query_dsl::LoadQuery<'q, PgConnection, R>,
    {
        Ok(self.rows::<ST, R>(sql)?.into_iter().next())
    }

    /// Runs several queries on one state of the database.
    pub(crate) fn snapshot<T>(
        &mut self,
        work: impl FnOnce(&mut Conn) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.snapshot_within(None, work)
    }

    /// The same, with what a statement may take at most on PostgreSQL; see [`Sql::statement_timeout`].
    pub(crate) fn snapshot_within<T>(
        &mut self,
        limit: Option<Duration>,
        work: impl FnOnce(&mut Conn) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match self {
            Conn::Sqlite(conn) => conn.transaction(|conn| work(&mut Conn::Sqlite(conn))),
            Conn::Postgres(conn) => {
                let mut begin = Cow::Borrowed(postgres::BEGIN_SNAPSHOT);
                if let Some(limit) = limit {
                    begin = Cow::Owned(format!("{begin}; {}", Sql::statement_timeout(limit).readable()));
                }
                postgres::transaction(conn, &begin, |conn| work(&mut Conn::Postgres(conn)))
            }
        }
    }

    /// Runs `first`, whose result is one row with the column `pk` or none, and for such a row the other
    /// statements; they read it as the table `found`. Gives `pk`.
    ///
    /// On PostgreSQL all are one statement, one way to the server and back: none of them sees what
    /// another one wrote, and foreign keys are checked at the end.
    pub(crate) fn together(&mut self, first: Sql, others: Vec<Sql>) -> QueryResult<Option<i64>> {
        match self.dialect() {
            Dialect::Sqlite => {
                let pk = self.row::<BigInt, i64>(&first)?;
                if let Some(pk) = pk {
                    for other in others {
                        self.execute(
                            &Sql::new("WITH found (pk) AS (VALUES (")
                                .int(pk)
                                .text(")) ")
                                .sql(other),
                        )?;
                    }
                }
                Ok(pk)
            }
            Dialect::Postgres => {
                let mut all = Sql::new("WITH found AS (").sql(first);
                for (number, other) in others.into_iter().enumerate() {
                    all = all.built(format!("), other{number} AS (")).sql(other);
                }
                self.row::<BigInt, i64>(&all.text(") SELECT pk FROM found"))
            }
        }
    }

    /// Runs a statement; the number of rows it touched.
    pub(crate) fn execute(&mut self, sql: &Sql) -> QueryResult<usize> {
        match self {
            Conn::Sqlite(conn) => RunQueryDsl::execute(Statement::<()>::new(sql), *conn),
            Conn::Postgres(conn) => RunQueryDsl::execute(Statement::<()>::new(sql), *conn),
        }
    }
}
