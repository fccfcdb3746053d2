//! SQLite: a pool of readers, and one thread that writes.

pub(crate) mod file;
#[cfg(test)]
#[path = "../../tests/unit/sqlite.rs"]
mod tests;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::r2d2::{CustomizeConnection, Error};
use diesel::sqlite::SqliteConnection;
use scim_model::store::{StoreError, TenantId, WaitTimes};

use super::conn::Conn;
use super::pool::{Pool, pool};
use crate::deadline;
use crate::error::Failure;
use crate::open_error::OpenError;
use crate::options::{Opening, StoreOptions, Synchronous};
use file::OpenFiles;
use writer::Writer;

pub(crate) struct Sqlite {
    readers: Pool<SqliteConnection>,
    writer: Writer,
    files: Arc<OpenFiles>,
    /// The lock of a server, held as long as it runs.
    _lock: Option<File>,
}

impl Sqlite {
    /// Opens a database file and runs `prepare` on the writing connection.
    pub(crate) fn open<T>(
        path: &Path,
        options: &StoreOptions,
        opening: Opening,
        prepare: impl FnOnce(&mut Conn) -> Result<T, OpenError>,
    ) -> Result<(Sqlite, T), OpenError> {
        let (path, lock) = file::claim(path, opening)?;
        let url = path
            .to_str()
            .ok_or_else(|| OpenError::file(&path, "the path is not UTF-8"))?;
        let settings = |is_writer| Settings {
            is_writer,
            synchronous: options.synchronous,
        };
        let mut conn = connect_with_retries(url, &settings(true)).map_err(|it| {
            match it.to_string().contains(LOCKED) {
                true => OpenError::Busy,
                false => OpenError::file(&path, it),
            }
        })?;
        let prepared = prepare(&mut Conn::Sqlite(&mut conn))?;
        // From here on, the writing thread itself watches how long a write waits.
        conn.batch_execute("PRAGMA busy_timeout = 100")
            .map_err(|it| OpenError::file(&path, it))?;
        let files = OpenFiles::of(&path).map_err(|it| OpenError::file(&path, it))?;
        let files = Arc::new(files);
        let sqlite = Sqlite {
            readers: pool(url, options.readers, settings(false)),
            writer: Writer::start(conn, files.clone()).map_err(|it| OpenError::file(&path, it))?,
            files,
            _lock: lock,
        };
        Ok((sqlite, prepared))
    }

    pub(crate) fn read<T>(&self, work: impl Fn(&mut Conn) -> Result<T, Failure>) -> Result<T, StoreError> {
        self.files.check()?;
        let mut conn = self.readers.get().map_err(|_| StoreError::Busy)?;
        Ok(work(&mut Conn::Sqlite(&mut conn))?)
    }

    pub(crate) fn write<T: Send + 'static>(
        &self,
        tenant: TenantId,
        work: impl Fn(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write(tenant, work)
    }

    /// Returns the times that writes have waited for the writer.
    pub(crate) fn writer_waits(&self) -> WaitTimes {
        self.writer.waits()
    }
}

/// The settings of a connection of the pool, or of the writer's.
#[derive(Debug)]
struct Settings {
    is_writer: bool,
    synchronous: Synchronous,
}

impl CustomizeConnection<SqliteConnection, Error> for Settings {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), Error> {
        deadline::register(conn)?;
        conn.batch_execute(
            // SQLite maps at most what it was compiled for: 2 GiB, or the size in `.cargo/config.toml`.
            "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; \
             PRAGMA mmap_size = 1099511627776;",
        )?;
        if !self.is_writer {
            conn.batch_execute("PRAGMA cache_size = -65536; PRAGMA query_only = ON;")?;
            return Ok(());
        }
        conn.batch_execute(match self.synchronous {
            Synchronous::Full => "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
            Synchronous::Normal => "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
        })?;
        conn.batch_execute("PRAGMA cache_size = -262144; PRAGMA journal_size_limit = 67108864;")?;
        Ok(())
    }
}

fn connect(url: &str, settings: &Settings) -> Result<SqliteConnection, Error> {
    let mut conn = SqliteConnection::establish(url).map_err(Error::ConnectionError)?;
    settings.on_acquire(&mut conn)?;
    Ok(conn)
}

/// The message of `SQLITE_BUSY`.
const LOCKED: &str = "database is locked";

/// The time in which a file that others have locked must become free.
const MAX_WAIT_AT_START: Duration = Duration::from_secs(5);

/// SQLite does not wait for others, whatever `busy_timeout` says, while it changes the kind of journal: when a file is
/// new, or its last user has just closed it.
fn connect_with_retries(url: &str, settings: &Settings) -> Result<SqliteConnection, Error> {
    let until = Instant::now() + MAX_WAIT_AT_START;
    loop {
        match connect(url, settings) {
            Err(error) if Instant::now() < until && error.to_string().contains(LOCKED) => {
                std::thread::sleep(Duration::from_millis(20));
            }
            result => return result,
        }
    }
}
