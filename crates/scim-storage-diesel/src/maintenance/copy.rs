//! Moving a SQLite database to PostgreSQL: every row of every table, in one transaction, and compared afterwards.

use std::path::Path;

use diesel::Connection as _;
use diesel::RunQueryDsl;
use diesel::connection::{DefaultLoadingMode, SimpleConnection as _};
use diesel::pg::{PgConnection, PgRowByRowLoadingMode};
use diesel::sqlite::SqliteConnection;

use super::rows::{self, Digest, Row};
use super::tables::{self, Kind, Table, quoted};
use crate::connection::postgres::Postgres;
use crate::connection::postgres::presence::lock_exclusively;
use crate::connection::postgres_transaction::{BEGIN_MIGRATION, transaction};
use crate::connection::sqlite::Sqlite;
use crate::connection::{Conn, incomplete, migrations};
use crate::error::Failure;
use crate::open::{Target, target};
use crate::open_error::OpenError;
use crate::options::{Opening, Pooler, StoreOptions};
use crate::sql::{Dialect, Rows, Sql, sql};

/// The rows that one statement inserts: at most this many, and no more after this many bytes.
const ROWS_AT_ONCE: usize = 2_000;
const BYTES_AT_ONCE: usize = 4 << 20;

/// Tables that the migrations, or the start of a server without tenants, fill.
const FILLED_WITHOUT_DATA: [&str; 2] = ["resource_type", "attribute_path"];

/// A table after a move: the same rows are in both databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedTable {
    /// Name of the table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// The digest of its rows, which both databases have: the sum of the SHA-256 of each row.
    pub digest: [u8; 32],
}

/// The progress of a move, in rows of all tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyProgress {
    /// Rows that were copied, and then compared.
    pub done: u64,
    /// Twice the rows of the source.
    pub all: u64,
}

/// Why a database was not moved.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The databases are not a SQLite file and PostgreSQL, in this order.
    #[error(
        "a move leads from `sqlite:PATH` to `postgres://…`; use the tools of the database for anything else"
    )]
    Direction,
    /// The source cannot be opened, or is in use by a server.
    #[error(transparent)]
    Source(OpenError),
    /// The target cannot be opened, or is in use by a server.
    #[error("the target: {0}")]
    Target(#[source] OpenError),
    /// The target has data.
    #[error("the table `{0}` of the target has rows: create an empty database, and name it with `--to`")]
    NotEmpty(String),
    /// The tables of the target are not those of the source, or their rows differ after the copy.
    #[error("the table `{0}` differs between the databases: nothing was moved")]
    Differs(String),
    /// A database failed.
    #[error("the move failed, and the target has no data: {0}")]
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl From<Failure> for CopyError {
    fn from(failure: Failure) -> CopyError {
        CopyError::Failed(scim_model::store::StoreError::from(failure).into())
    }
}

impl From<diesel::result::Error> for CopyError {
    fn from(error: diesel::result::Error) -> CopyError {
        CopyError::Failed(error.into())
    }
}

/// Copies a SQLite database, which no server uses, into an empty PostgreSQL database. The source is read in one snapshot,
/// and stays as it is. Until the copy is complete and compared, the target is marked as incomplete: no server starts on
/// it, and a move into it can be started again.
///
/// # Errors
/// See [`CopyError`].
pub fn move_to_postgres(
    from: &str,
    to: &str,
    pooler: Pooler,
    progress: &mut dyn FnMut(CopyProgress),
) -> Result<Vec<CopiedTable>, CopyError> {
    let (Target::Sqlite(path), Target::Postgres) = (
        target(from).map_err(CopyError::Source)?,
        target(to).map_err(CopyError::Target)?,
    ) else {
        return Err(CopyError::Direction);
    };
    let options = StoreOptions::directory(pooler);
    let work = |source: &mut Conn| {
        migrations::check(source)?;
        let Conn::Sqlite(source) = source else {
            return Ok(Err(CopyError::Direction));
        };
        let copied = Postgres::open(
            to,
            &options,
            |target| match target {
                Conn::Postgres(target) => Ok(copy(source, target, progress)),
                Conn::Sqlite(_) => Ok(Err(CopyError::Direction)),
            },
            |_| None,
        );
        Ok(copied.map_err(CopyError::Target).and_then(|(_, it)| it))
    };
    let (_, result) =
        Sqlite::open(Path::new(path), &options, Opening::Offline, work).map_err(CopyError::Source)?;
    result
}

fn copy(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    progress: &mut dyn FnMut(CopyProgress),
) -> Result<Vec<CopiedTable>, CopyError> {
    transaction(target, BEGIN_MIGRATION, |target| {
        let target = &mut Conn::Postgres(target);
        migrations::lock(target)?;
        lock_exclusively(target).map_err(CopyError::Target)?;
        refuse_data(target)?;
        Ok::<_, CopyError>(incomplete::mark(target)?)
    })?;
    migrations::run(&mut Conn::Postgres(target), |_| Ok(())).map_err(CopyError::Target)?;
    let copied = source.transaction(|source| {
        transaction(target, BEGIN_MIGRATION, |target| {
            // Waits for the end of a move that was killed.
            migrations::lock(&mut Conn::Postgres(target))?;
            refuse_data(&mut Conn::Postgres(target))?;
            let copied = copy_tables(source, target, progress)?;
            set_sequences(source, target)?;
            incomplete::unmark(&mut Conn::Postgres(target))?;
            Ok::<_, CopyError>(copied)
        })
    })?;
    // Without statistics, the first queries would be planned for empty tables.
    if let Err(error) = target.batch_execute("ANALYZE") {
        log::warn!("cannot collect statistics, which autovacuum will do later: {error}");
    }
    Ok(copied)
}

/// Refuses a target with rows of a tenant or an operator.
fn refuse_data(target: &mut Conn) -> Result<(), CopyError> {
    let mut counts = tables::count(target)?.into_iter();
    match counts.find(|it| it.rows > 0 && !FILLED_WITHOUT_DATA.contains(&it.table.as_str())) {
        Some(it) => Err(CopyError::NotEmpty(it.table)),
        None => Ok(()),
    }
}

fn copy_tables(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    progress: &mut dyn FnMut(CopyProgress),
) -> Result<Vec<CopiedTable>, CopyError> {
    let tables = tables::all(&mut Conn::Sqlite(source))?;
    check_tables(&tables, &tables::all(&mut Conn::Postgres(target))?)?;
    let counts = tables::count(&mut Conn::Sqlite(source))?;
    let all = 2 * counts.iter().map(|it| it.rows).sum::<u64>();
    let mut done = 0;
    let mut advance = |rows: usize| {
        done += rows as u64;
        progress(CopyProgress { done, all });
    };
    // Triggers add rows of their own, such as the connection of a new tenant. The children are emptied first.
    for table in tables.iter().rev() {
        let name = &table.name;
        target.batch_execute(&format!("ALTER TABLE \"{name}\" DISABLE TRIGGER USER"))?;
        target.batch_execute(&format!("DELETE FROM \"{name}\""))?;
    }
    let mut digests = Vec::with_capacity(tables.len());
    for table in &tables {
        digests.push(copy_table(source, target, table, &mut advance)?);
    }
    for (table, digest) in tables.iter().zip(&digests) {
        if digest_of(target, table, &mut advance)? != *digest {
            return Err(CopyError::Differs(table.name.clone()));
        }
    }
    for table in &tables {
        target.batch_execute(&format!("ALTER TABLE \"{}\" ENABLE TRIGGER USER", table.name))?;
    }
    let copied = tables.into_iter().zip(digests).map(|(table, it)| CopiedTable {
        table: table.name,
        rows: it.rows,
        digest: it.sum,
    });
    Ok(copied.collect())
}

/// Checks that both databases have the same tables with the same columns. Their order may differ.
fn check_tables(source: &[Table], target: &[Table]) -> Result<(), CopyError> {
    for table in source {
        let other = target.iter().find(|it| it.name == table.name);
        let mut columns = table.columns.clone();
        let mut others = other.map(|it| it.columns.clone()).unwrap_or_default();
        columns.sort();
        others.sort();
        if columns != others {
            return Err(CopyError::Differs(table.name.clone()));
        }
    }
    let is_missing = |it: &&Table| source.iter().all(|table| table.name != it.name);
    match target.iter().find(is_missing) {
        Some(table) => Err(CopyError::Differs(table.name.clone())),
        None => Ok(()),
    }
}

/// Copies the rows of a table. Returns the digest of the rows that were read.
fn copy_table(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    table: &Table,
    advance: &mut dyn FnMut(usize),
) -> Result<Digest, CopyError> {
    let (mut digest, mut waiting, mut bytes) = (Digest::default(), Vec::new(), 0);
    let select = rows::select(Dialect::Sqlite, table);
    let texts = RunQueryDsl::<SqliteConnection>::load_iter::<String, DefaultLoadingMode>(
        Rows::<String>::of(&select),
        source,
    )?;
    for text in texts {
        let text = text?;
        bytes += text.len();
        let row = rows::parse(table, &text)?;
        digest.add(&row);
        waiting.push(row);
        if waiting.len() == ROWS_AT_ONCE || bytes > BYTES_AT_ONCE {
            insert(target, table, &mut waiting, advance)?;
            bytes = 0;
        }
    }
    insert(target, table, &mut waiting, advance)?;
    Ok(digest)
}

/// Inserts rows, and empties the list.
fn insert(
    target: &mut PgConnection,
    table: &Table,
    rows: &mut Vec<Row>,
    advance: &mut dyn FnMut(usize),
) -> Result<(), CopyError> {
    if rows.is_empty() {
        return Ok(());
    }
    let number = rows.len();
    let mut columns: Vec<Row> = table.columns.iter().map(|_| Vec::with_capacity(number)).collect();
    for row in rows.drain(..) {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    let names = Sql::join(table.columns.iter().map(|it| quoted(&it.name)), ", ");
    let values = table.columns.iter().enumerate().map(|(index, it)| {
        Sql::trusted(match it.kind {
            Kind::Text => format!("c{index}"),
            Kind::Number => format!("c{index}::bigint"),
            Kind::Bool => format!("c{index}::boolean"),
            Kind::Bytes => format!("decode(c{index}, 'hex')"),
            Kind::Json => format!("c{index}::jsonb"),
        })
    });
    let aliases = (0..columns.len()).map(|index| Sql::trusted(format!("c{index}")));
    // The arrays are bound, one for each column.
    let insert = sql!(
        "INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE
         SELECT {values} FROM unnest({arrays}) AS rows ({aliases})";
        table = quoted(&table.name), names, values = Sql::join(values, ", "),
        arrays = Sql::join(columns.into_iter().map(Sql::from), ", "), aliases = Sql::join(aliases, ", ")
    );
    Conn::Postgres(target).execute(insert)?;
    advance(number);
    Ok(())
}

/// Computes the digest of a table as the target has it.
fn digest_of(
    target: &mut PgConnection,
    table: &Table,
    advance: &mut dyn FnMut(usize),
) -> Result<Digest, CopyError> {
    let select = rows::select(Dialect::Postgres, table);
    let mut digest = Digest::default();
    let texts = RunQueryDsl::load_iter::<String, PgRowByRowLoadingMode>(Rows::<String>::of(&select), target)?;
    let mut new = 0;
    for text in texts {
        digest.add(&rows::parse(table, &text?)?);
        new += 1;
        if new == ROWS_AT_ONCE {
            advance(std::mem::take(&mut new));
        }
    }
    advance(new);
    Ok(digest)
}

/// Lets the numbers of new rows continue after the greatest that SQLite has given, also to rows that were deleted.
fn set_sequences(source: &mut SqliteConnection, target: &mut PgConnection) -> Result<(), CopyError> {
    let last = sql!("SELECT name, seq FROM sqlite_sequence WHERE seq > 0");
    for (table, last) in Conn::Sqlite(source).rows::<(String, i64)>(&last)? {
        let set = sql!(
            "SELECT setval(pg_get_serial_sequence({table}, column_name::text), {last})
             FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = {table} AND is_identity = 'YES'";
            table = &table, last
        );
        if Conn::Postgres(target).row::<i64>(&set)? != Some(last) {
            return Err(CopyError::Differs(table));
        }
    }
    Ok(())
}
