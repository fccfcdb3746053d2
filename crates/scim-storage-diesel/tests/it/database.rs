//! A database for one test: a new SQLite file, or a new database on PostgreSQL.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection};
use scim_model::store::TenantId;
use scim_model::store::conformance::Fixture;
use scim_storage_diesel::{DieselStore, StoreOptions};

/// A database that is deleted when the test ends.
pub(crate) struct Database {
    pub(crate) url: String,
    files: Option<tempfile::TempDir>,
    dropped: Option<(String, String)>,
}

/// Runs a test on a database of each kind.
pub(crate) fn on_each(test: impl Fn(&Database)) {
    test(&Database::sqlite());
    if let Some(database) = Database::postgres() {
        test(&database);
    }
}

/// Runs a test with a store on each kind of database.
pub(crate) fn with_each(test: impl Fn(&Fixture)) {
    on_each(|database| test(&Fixture::new(&database.store(), "acme")));
}

impl Database {
    pub(crate) fn sqlite() -> Database {
        let files = tempfile::tempdir().expect("there is a folder for temporary files");
        Database {
            url: format!("sqlite:{}", files.path().join("scim.db").display()),
            files: Some(files),
            dropped: None,
        }
    }

    /// `None`, with a message, when `SCIM_TEST_POSTGRES_URL` is not set.
    pub(crate) fn postgres() -> Option<Database> {
        static NAMED: OnceLock<Option<String>> = OnceLock::new();
        let named = NAMED.get_or_init(|| {
            let url = std::env::var("SCIM_TEST_POSTGRES_URL").ok();
            if url.is_none() {
                // Written to stderr directly, because the test harness would capture it.
                let _ = writeln!(
                    std::io::stderr(),
                    "skipped: all tests on PostgreSQL, because SCIM_TEST_POSTGRES_URL is not set"
                );
            }
            url
        });
        let server = named.clone()?;
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("scim_test_{}_{number}", std::process::id());
        let mut conn = PgConnection::establish(&server).expect("the PostgreSQL of the tests is there");
        // The database's own collation must not matter: this one sorts `a` before `B`.
        let icu = format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
        );
        if conn.batch_execute(&icu).is_err() {
            conn.batch_execute(&format!(
                "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"
            ))
            .expect("the user may create databases");
        }
        let (before, _) = server.rsplit_once('/').expect("the URL names a database");
        Some(Database {
            url: format!("{before}/{name}"),
            files: None,
            dropped: Some((server.clone(), name)),
        })
    }

    pub(crate) fn store(&self) -> DieselStore {
        self.store_with(&StoreOptions::default())
    }

    pub(crate) fn store_with(&self, options: &StoreOptions) -> DieselStore {
        DieselStore::open(&self.url, options).expect("it opens")
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.files.is_some()
    }

    /// Runs SQL statements directly on the database.
    pub(crate) fn run(&self, sql: &str) {
        if self.is_sqlite() {
            self.sqlite_connection().batch_execute(sql).expect("it runs");
        } else {
            let mut conn = PgConnection::establish(&self.url).expect("it opens");
            conn.batch_execute(sql).expect("it runs");
        }
    }

    /// Returns the number that a query yields.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let query = diesel::sql_query(format!("SELECT ({sql}) AS n"));
        let row: Row = if self.is_sqlite() {
            query.get_result(&mut self.sqlite_connection()).expect("it runs")
        } else {
            let mut conn = PgConnection::establish(&self.url).expect("it opens");
            query.get_result(&mut conn).expect("it runs")
        };
        row.n
    }

    fn sqlite_connection(&self) -> SqliteConnection {
        let file = self.file();
        let mut conn = SqliteConnection::establish(file.to_str().expect("it is UTF-8")).expect("it opens");
        conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON")
            .expect("it runs");
        conn
    }

    /// The SQLite file.
    pub(crate) fn file(&self) -> std::path::PathBuf {
        self.files.as_ref().expect("it is SQLite").path().join("scim.db")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.dropped {
            let conn = PgConnection::establish(server);
            if let Ok(mut conn) = conn {
                // A failed test may have left connections open.
                let _ = conn.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"));
            }
        }
    }
}

/// A store with a tenant that has this number of users.
pub(crate) fn filled(database: &Database, users: i64, options: &StoreOptions) -> (DieselStore, TenantId) {
    let store = database.store();
    let tenant = Fixture::new(&store, "acme").tenant;
    database.fill(tenant.0, users);
    drop(store);
    (database.store_with(options), tenant)
}

/// A fixture for an existing tenant.
pub(crate) fn of(store: &DieselStore, tenant: TenantId) -> Fixture<'_> {
    Fixture {
        tenant,
        ..Fixture::new(store, "neighbour")
    }
}

impl Database {
    /// Users with emails and phone numbers, and a tenth as many groups of ten.
    pub(crate) fn fill(&self, tenant: i64, users: i64) {
        let groups = users / 10;
        let (id, group_id) = if self.is_sqlite() {
            (
                "unhex(printf('%032x', i))",
                format!("unhex(printf('%032x', i + {users}))"),
            )
        } else {
            (
                "decode(lpad(to_hex(i), 32, '0'), 'hex')",
                format!("decode(lpad(to_hex(i + {users}), 32, '0'), 'hex')"),
            )
        };
        let json = if self.is_sqlite() {
            "jsonb('{}')"
        } else {
            "'{}'::jsonb"
        };
        let numbers = |to: i64| {
            format!("WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {to})")
        };
        let resources = "INSERT INTO resource (pk, tenant_id, kind, id, version, created, modified, active, unique_key, external_key, \
                         display_key, family_key, label, document)";
        let statements = [
            format!(
                "{} {resources} SELECT i, {tenant}, 1, {id}, 1, i, i, i % 500 <> 0, 'user' || i, CAST(i AS TEXT), 'name' || i, \
                 'family' || (i % 1000), 'name' || i, '{{}}' FROM s",
                numbers(users)
            ),
            format!(
                "{} {resources} SELECT i + {users}, {tenant}, 2, {}, 1, i, i, NULL, 'group' || i, NULL, 'group' || i, NULL, 'group' || i, \
                 '{{}}' FROM s",
                numbers(groups),
                group_id
            ),
            format!("INSERT INTO resource_normal (tenant_id, pk, normal) SELECT tenant_id, pk, {json} FROM resource"),
            "INSERT INTO attribute_value (tenant_id, path, key, pk) SELECT r.tenant_id, p.id, r.pk || '@example.com', r.pk FROM resource r \
             JOIN attribute_path p ON p.path = 'emails.value' WHERE r.kind = 1"
                .to_owned(),
            "INSERT INTO attribute_value (tenant_id, path, key, pk) SELECT r.tenant_id, p.id, '555-' || r.pk, r.pk FROM resource r \
             JOIN attribute_path p ON p.path = 'phoneNumbers.value' WHERE r.kind = 1"
                .to_owned(),
            format!(
                "INSERT INTO membership (tenant_id, group_pk, joined, member_pk) SELECT {tenant}, {users} + 1 + pk % {groups}, pk, pk FROM resource \
                 WHERE kind = 1"
            ),
            "INSERT INTO resource_count (tenant_id, kind, shard, number) SELECT tenant_id, kind, (pk / 32768 + 1) * 16, count(*) \
             FROM resource GROUP BY tenant_id, kind, pk / 32768"
                .to_owned(),
        ];
        let run = |conn: &mut dyn FnMut(&str)| {
            for statement in &statements {
                conn(statement);
            }
        };
        if self.is_sqlite() {
            let file = self.file();
            let mut conn =
                SqliteConnection::establish(file.to_str().expect("it is UTF-8")).expect("it opens");
            run(&mut |it| conn.batch_execute(it).expect("it runs"));
        } else {
            let mut conn = PgConnection::establish(&self.url).expect("it opens");
            run(&mut |it| conn.batch_execute(it).expect("it runs"));
            conn.batch_execute(
                "SELECT setval(pg_get_serial_sequence('resource', 'pk'), max(pk)) FROM resource",
            )
            .expect("it runs");
            conn.batch_execute("VACUUM ANALYZE").expect("it runs");
            // PostgreSQL would scan small tables in spite of their indexes.
            let (_, name) = self.url.rsplit_once('/').expect("the URL names a database");
            conn.batch_execute(&format!("ALTER DATABASE {name} SET enable_seqscan = off"))
                .expect("it runs");
        }
    }
}
