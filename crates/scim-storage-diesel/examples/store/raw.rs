//! Direct access to the databases through the driver of the store: the lower bound for the cost of an operation.

use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, HasSqlType, Integer, Text};
use diesel::sqlite::SqliteConnection;
use diesel::{Connection, RunQueryDsl};
use uuid::Uuid;

/// A direct connection to a database.
pub(crate) struct Raw {
    url: String,
    conn: Conn,
}

enum Conn {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Raw {
    /// # Errors
    /// The database cannot be opened.
    pub(crate) fn open(url: &str) -> Result<Raw, String> {
        let Some(path) = url.strip_prefix("sqlite:") else {
            let conn = PgConnection::establish(url).map_err(|it| it.to_string())?;
            return Ok(Raw {
                url: url.to_owned(),
                conn: Conn::Postgres(conn),
            });
        };
        let mut conn = SqliteConnection::establish(path).map_err(|it| it.to_string())?;
        // The connections of the store have the same settings.
        conn.batch_execute(
            "PRAGMA busy_timeout = 5000; PRAGMA mmap_size = 1099511627776; PRAGMA cache_size = -65536; \
             PRAGMA synchronous = FULL;",
        )
        .map_err(|it| it.to_string())?;
        Ok(Raw {
            url: url.to_owned(),
            conn: Conn::Sqlite(conn),
        })
    }

    /// Opens another connection to the same database.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub(crate) fn another(&self) -> Result<Raw, String> {
        Raw::open(&self.url)
    }

    /// # Errors
    /// A statement fails.
    pub(crate) fn run(&mut self, statements: &str) -> Result<(), String> {
        match &mut self.conn {
            Conn::Sqlite(conn) => conn.batch_execute(statements),
            Conn::Postgres(conn) => conn.batch_execute(statements),
        }
        .map_err(|it| it.to_string())
    }

    /// Returns the processes that serve the connections to the database.
    pub(crate) fn server_processes(&mut self) -> Vec<u32> {
        let Conn::Postgres(conn) = &mut self.conn else {
            return Vec::new();
        };
        let statement = Statement::<Integer> {
            parts: &[
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'",
            ],
            binds: Vec::new(),
            types: std::marker::PhantomData,
        };
        let pids: Vec<i32> = RunQueryDsl::load(statement, conn).unwrap_or_default();
        pids.into_iter().filter_map(|it| u32::try_from(it).ok()).collect()
    }

    /// Reads the row of a resource with one prepared statement, the lower bound for the cost of a GET.
    pub(crate) fn select(&mut self, tenant: i64, id: Uuid) -> usize {
        type Types = (BigInt, Binary, BigInt, BigInt, BigInt, Text);
        type Row = (i64, Vec<u8>, i64, i64, i64, String);
        let statement = Statement::<Types> {
            parts: &[
                "SELECT pk, id, version, created, modified, document FROM resource WHERE tenant_id = ",
                " AND id = ",
                "",
            ],
            binds: vec![Bind::Int(tenant), Bind::Bytes(id.as_bytes().to_vec())],
            types: std::marker::PhantomData,
        };
        let rows: QueryResult<Vec<Row>> = match &mut self.conn {
            Conn::Sqlite(conn) => RunQueryDsl::load(statement, conn),
            Conn::Postgres(conn) => RunQueryDsl::load(statement, conn),
        };
        rows.expect("the database responds").len()
    }

    /// Reads the keys of a page of users at an offset with one prepared statement, the lower bound for the cost of a
    /// page by index.
    pub(crate) fn skip(&mut self, tenant: i64, by_family_name: bool, offset: u64) -> usize {
        let order = if by_family_name {
            " AND kind = 1 ORDER BY family_key, pk LIMIT 100 OFFSET "
        } else {
            " AND kind = 1 ORDER BY pk LIMIT 100 OFFSET "
        };
        let statement = Statement::<BigInt> {
            parts: &["SELECT pk FROM resource WHERE tenant_id = ", order, ""],
            binds: vec![
                Bind::Int(tenant),
                Bind::Int(i64::try_from(offset).unwrap_or(i64::MAX)),
            ],
            types: std::marker::PhantomData,
        };
        let rows: QueryResult<Vec<i64>> = match &mut self.conn {
            Conn::Sqlite(conn) => RunQueryDsl::load(statement, conn),
            Conn::Postgres(conn) => RunQueryDsl::load(statement, conn),
        };
        rows.expect("the database responds").len()
    }

    /// Returns the size of the database on disk in bytes.
    ///
    /// # Errors
    /// The size cannot be read.
    pub(crate) fn size(&mut self) -> Result<u64, String> {
        let statement = Statement::<BigInt> {
            parts: &["SELECT pg_database_size(current_database())"],
            binds: Vec::new(),
            types: std::marker::PhantomData,
        };
        match &mut self.conn {
            Conn::Sqlite(_) => {
                let path = self.url.strip_prefix("sqlite:").unwrap_or(&self.url);
                Ok(std::fs::metadata(path).map_err(|it| it.to_string())?.len())
            }
            Conn::Postgres(conn) => {
                let sizes: Vec<i64> = RunQueryDsl::load(statement, conn).map_err(|it| it.to_string())?;
                Ok(sizes.first().and_then(|it| u64::try_from(*it).ok()).unwrap_or(0))
            }
        }
    }

    /// Inserts one small row in a separate transaction, the lower bound for the cost of a write.
    pub(crate) fn commit(&mut self, number: i64) {
        let statement = Statement::<()> {
            parts: &["INSERT INTO bare (number) VALUES (", ")"],
            binds: vec![Bind::Int(number)],
            types: std::marker::PhantomData,
        };
        let done = match &mut self.conn {
            Conn::Sqlite(conn) => RunQueryDsl::execute(statement, conn),
            Conn::Postgres(conn) => RunQueryDsl::execute(statement, conn),
        };
        assert_eq!(done.expect("the database responds"), 1);
    }
}

/// A statement that the driver keeps prepared. A bind follows each part except the last.
struct Statement<'a, ST> {
    parts: &'a [&'static str],
    binds: Vec<Bind>,
    types: std::marker::PhantomData<ST>,
}

enum Bind {
    Int(i64),
    Bytes(Vec<u8>),
}

impl<ST> QueryId for Statement<'_, ST> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<ST> Query for Statement<'_, ST> {
    type SqlType = ST;
}

impl<ST, Conn> RunQueryDsl<Conn> for Statement<'_, ST> {}

impl<ST, DB> QueryFragment<DB> for Statement<'_, ST>
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Binary>,
    i64: ToSql<BigInt, DB>,
    Vec<u8>: ToSql<Binary, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        for (index, part) in self.parts.iter().enumerate() {
            out.push_sql(part);
            match self.binds.get(index) {
                Some(Bind::Int(it)) => out.push_bind_param::<BigInt, _>(it)?,
                Some(Bind::Bytes(it)) => out.push_bind_param::<Binary, _>(it)?,
                None => {}
            }
        }
        Ok(())
    }
}
