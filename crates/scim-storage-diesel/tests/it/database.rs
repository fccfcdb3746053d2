//! A database for one test: a SQLite file, and on PostgreSQL a database of its own.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
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

    /// `None`, and a word about it, when no server is named.
    pub(crate) fn postgres() -> Option<Database> {
        static NAMED: OnceLock<Option<String>> = OnceLock::new();
        let named = NAMED.get_or_init(|| {
            let url = std::env::var("SCIM_TEST_POSTGRES_URL").ok();
            if url.is_none() {
                // Past the test harness, which would keep it to itself.
                let _ = writeln!(
                    std::io::stderr(),
                    "left out: everything on PostgreSQL, for SCIM_TEST_POSTGRES_URL is not set"
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
                // A test that failed may have left connections.
                let _ = conn.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"));
            }
        }
    }
}
