//! A database of the bench: its location, the store on it, and bare statements through the same driver.

use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};
use diesel::sqlite::SqliteConnection;
use scim_storage_diesel::{DieselStore, StoreOptions};
use uuid::Uuid;

use crate::{Outcome, schema};

/// The location of a database.
pub(crate) struct Database {
    pub(crate) url: String,
    /// The PostgreSQL database from which this one is created and deleted.
    server: Option<String>,
}

/// The beginning of the names of the databases in PostgreSQL.
const PREFIX: &str = "scim_bench_";

impl Database {
    pub(crate) fn at(url: String) -> Database {
        Database { url, server: None }
    }

    pub(crate) fn sqlite(folder: &Path, users: u64) -> Database {
        Database::at(format!("sqlite:{}", folder.join(format!("{users}.db")).display()))
    }

    pub(crate) fn postgres(server: &str, users: u64) -> Database {
        let before = server.rsplit_once('/').map_or(server, |(before, _)| before);
        let url = format!("{before}/{PREFIX}{users}");
        let server = Some(server.to_owned());
        Database { url, server }
    }

    pub(crate) fn engine(&self) -> &'static str {
        if self.file().is_some() {
            "SQLite"
        } else {
            "PostgreSQL"
        }
    }

    fn file(&self) -> Option<&str> {
        self.url.strip_prefix("sqlite:")
    }

    fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// Creates the database. SQLite creates a file when it is opened.
    pub(crate) fn create(&self) -> Outcome<()> {
        let Some(server) = &self.server else { return Ok(()) };
        let name = self.name();
        Bare::open(server)?.run(&format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"
        ))
    }

    /// Deletes the database if it exists.
    pub(crate) fn delete(&self) -> Outcome<()> {
        if let Some(server) = &self.server {
            let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name());
            return Bare::open(server)?.run(&statement);
        }
        for suffix in ["", "-wal", "-shm", ".lock"] {
            // Not every file exists.
            let _ = std::fs::remove_file(format!("{}{suffix}", self.file().unwrap_or_default()));
        }
        Ok(())
    }

    /// Opens a store with default options, except for scans: they are measured and not aborted, and one tenant may run
    /// two of three, as many as all tenants together by default.
    pub(crate) fn open(&self) -> Outcome<DieselStore> {
        let options = StoreOptions {
            scan_timeout: Duration::from_secs(600),
            max_scans: 3,
            ..StoreOptions::default()
        };
        Ok(DieselStore::open(&self.url, &options)?)
    }

    /// Runs the maintenance that the database would otherwise do on its own at some later time.
    pub(crate) fn settle(&self) -> Outcome<()> {
        let mut bare = Bare::open(&self.url)?;
        if self.file().is_some() {
            return bare.run("PRAGMA wal_checkpoint(TRUNCATE)");
        }
        bare.run("VACUUM ANALYZE")?;
        bare.run("CHECKPOINT")
    }

    /// Returns the size on disk in bytes.
    pub(crate) fn size(&self) -> Outcome<u64> {
        if let Some(file) = self.file() {
            return Ok(std::fs::metadata(file)?.len());
        }
        let size = sql::<BigInt>("SELECT pg_database_size(current_database())");
        let size: i64 = size.get_result(&mut PgConnection::establish(&self.url)?)?;
        Ok(size.unsigned_abs())
    }
}

diesel::table! {
    /// The table of [`Bare::commit`].
    bare (number) {
        number -> BigInt,
    }
}

/// A direct connection to a database, for statements that are the lower bound for the cost of an operation. The driver
/// keeps them prepared.
pub(crate) enum Bare {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Evaluates an expression with the connection to either database.
macro_rules! on {
    ($bare:expr, $conn:ident => $run:expr) => {
        match $bare {
            Bare::Sqlite($conn) => $run,
            Bare::Postgres($conn) => $run,
        }
    };
}

impl Bare {
    pub(crate) fn open(url: &str) -> Outcome<Bare> {
        let Some(file) = url.strip_prefix("sqlite:") else {
            return Ok(Bare::Postgres(PgConnection::establish(url)?));
        };
        let mut conn = SqliteConnection::establish(file)?;
        // The connections of the store have the same settings.
        conn.batch_execute(
            "PRAGMA busy_timeout = 5000; PRAGMA mmap_size = 1099511627776; PRAGMA cache_size = -65536; \
             PRAGMA synchronous = FULL;",
        )?;
        Ok(Bare::Sqlite(conn))
    }

    pub(crate) fn run(&mut self, statements: &str) -> Outcome<()> {
        Ok(on!(self, conn => conn.batch_execute(statements))?)
    }

    /// Reads the row of a resource, the lower bound for the cost of a GET.
    pub(crate) fn row(&mut self, tenant: i64, row: Uuid) {
        use schema::resource::{created, document, id, modified, pk, tenant_id, version};
        type Row = (i64, Vec<u8>, i64, i64, i64, String);
        let row = schema::resource::table
            .filter(tenant_id.eq(tenant).and(id.eq(row.as_bytes().as_slice())))
            .select((pk, id, version, created, modified, document));
        on!(self, conn => row.get_result::<Row>(conn)).expect("the user exists");
    }

    /// Reads the keys of a page of users at an offset, the lower bound for the cost of a page by index.
    pub(crate) fn keys(&mut self, tenant: i64, is_sorted: bool, skipped: u64) {
        use schema::resource::{self, family_key, pk, tenant_id};
        let users = resource::table.filter(tenant_id.eq(tenant).and(resource::kind.eq(1)));
        let page = users.select(pk).limit(100).offset(skipped.cast_signed());
        let keys = if is_sorted {
            on!(self, conn => page.order((family_key, pk)).load::<i64>(conn))
        } else {
            on!(self, conn => page.order(pk).load::<i64>(conn))
        };
        assert_eq!(keys.expect("the database responds").len(), 100);
    }

    /// Creates the table for [`Bare::commit`].
    pub(crate) fn create_table(&mut self) -> Outcome<()> {
        self.run("CREATE TABLE IF NOT EXISTS bare (number BIGINT NOT NULL PRIMARY KEY)")
    }

    /// Inserts one small row in a separate transaction, the lower bound for the cost of a write.
    pub(crate) fn commit(&mut self, number: i64) {
        let row = diesel::insert_into(bare::table).values(bare::number.eq(number));
        on!(self, conn => row.execute(conn)).expect("the number is new");
    }

    /// Returns the processes of PostgreSQL that serve connections of the bench.
    pub(crate) fn server_processes(&mut self) -> Vec<u32> {
        let Bare::Postgres(conn) = self else {
            return Vec::new();
        };
        let pids = sql::<Integer>(&format!(
            "SELECT pid FROM pg_stat_activity WHERE datname LIKE '{PREFIX}%' AND backend_type = 'client backend'"
        ));
        let pids: Vec<i32> = pids.load(conn).expect("PostgreSQL lists its processes");
        pids.into_iter().map(i32::unsigned_abs).collect()
    }
}
