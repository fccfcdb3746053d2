//! A copy of a SQLite database in another file, made while a server may run.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection as _, RunQueryDsl as _, sql_query, sql_types::Text};
use sha2::{Digest as _, Sha256};

use super::tables::{self, RowCount};
use crate::connection::sqlite::file::{create_private, sync_folder};
use crate::connection::{Conn, migrations};
use crate::error::Failure;
use crate::open::{Target, target, with_existing};
use crate::open_error::OpenError;
use crate::options::Pooler;
use crate::sql::sql;

/// A finished and verified backup.
#[derive(Clone, Debug)]
pub struct Backup {
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// The rows in it, by table.
    pub rows: Vec<RowCount>,
}

/// The progress of a backup, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupProgress {
    /// Bytes that were copied, and then read again.
    pub done: u64,
    /// Twice the size of the database. The copy has no free pages, and may be smaller.
    pub all: u64,
}

/// The pause between two looks at the size of the copy.
const LOOK: Duration = Duration::from_millis(250);

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database is PostgreSQL, whose own tools make backups.
    #[error(
        "the database is PostgreSQL: back it up with `pg_dump --format=custom --file=FILE`, or with a physical backup"
    )]
    Postgres,
    /// The file exists, and is not overwritten.
    #[error("`{}` exists already: choose another name, or delete it first", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("cannot write `{}`: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The copy was made, and is not what it should be.
    #[error("the backup is damaged and was deleted: {0}")]
    Damaged(String),
}

impl From<Failure> for BackupError {
    fn from(failure: Failure) -> BackupError {
        BackupError::Open(failure.into())
    }
}

impl From<diesel::result::Error> for BackupError {
    fn from(error: diesel::result::Error) -> BackupError {
        Failure::from(error).into()
    }
}

/// Copies a SQLite database into a new file that only its owner can read, and verifies the copy: SQLite checks its
/// structure, its keys are complete, and its journal contains every change that was committed before the call. The file
/// has its name only when it is verified and on disk. `progress` is called from another thread too.
///
/// # Errors
/// See [`BackupError`].
pub fn backup(
    url: &str,
    file: &Path,
    progress: &(dyn Fn(BackupProgress) + Sync),
) -> Result<Backup, BackupError> {
    if let Target::Postgres = target(url)? {
        return Err(BackupError::Postgres);
    }
    if fs::symlink_metadata(file).is_ok() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let partial = partial_name(file);
    let written = with_existing(url, Pooler::None, |conn| Ok(write(conn, &partial, progress)))?;
    let result = written.and_then(|backup| {
        // Another process may have made the file in the meantime.
        match fs::symlink_metadata(file) {
            Ok(_) => Err(BackupError::Exists(file.to_owned())),
            Err(_) => fs::rename(&partial, file)
                .and_then(|()| sync_folder(file))
                .map(|()| backup)
                .map_err(|it| cannot_write(file, it)),
        }
    });
    if result.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&partial);
    }
    result
}

/// The name of a backup that is not finished. A backup that was killed leaves it, and the next one replaces it.
fn partial_name(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn cannot_write(path: &Path, source: io::Error) -> BackupError {
    BackupError::File {
        path: path.to_owned(),
        source,
    }
}

fn write(
    conn: &mut Conn,
    partial: &Path,
    progress: &(dyn Fn(BackupProgress) + Sync),
) -> Result<Backup, BackupError> {
    let Conn::Sqlite(source) = conn else {
        return Err(BackupError::Postgres);
    };
    migrations::check(&mut Conn::Sqlite(source))?;
    let before = last_change(source)?;
    match fs::remove_file(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot_write(partial, error)),
        _ => {}
    }
    create_private(partial).map_err(|it| cannot_write(partial, it))?;
    let text = partial
        .to_str()
        .ok_or_else(|| OpenError::file(partial, "the path is not UTF-8"))?;
    let size = size(source)?;
    let show = |done: u64| progress(BackupProgress { done, all: 2 * size });
    let is_copied = AtomicBool::new(false);
    thread::scope(|threads| {
        // The size of the file is the only thing that tells how far SQLite is.
        let watch = threads.spawn(|| {
            while !is_copied.load(Ordering::Relaxed) {
                show(partial.metadata().map_or(0, |it| it.len()).min(size));
                thread::park_timeout(LOOK);
            }
        });
        // One read transaction: writers go on, and are not part of the copy.
        let copied = sql_query("VACUUM INTO ?")
            .bind::<Text, _>(text)
            .execute(&mut **source);
        is_copied.store(true, Ordering::Relaxed);
        watch.thread().unpark();
        copied.map_err(|it| cannot_write(partial, io::Error::other(it)))
    })?;
    // SQLite leaves it to the caller to wait for the disk.
    let copy = File::open(partial).and_then(|it| it.sync_all());
    copy.map_err(|it| cannot_write(partial, it))?;
    let rows = verify(text, before)?;
    let read = |bytes: u64| show(size + bytes.min(size));
    let (bytes, sha256) = digest(partial, read).map_err(|it| cannot_write(partial, it))?;
    show(2 * size);
    Ok(Backup { bytes, sha256, rows })
}

/// The size of a database, in bytes.
fn size(conn: &mut SqliteConnection) -> Result<u64, Failure> {
    let size = sql!("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size");
    let size = Conn::Sqlite(conn).row::<i64>(&size)?.unwrap_or(0);
    Ok(u64::try_from(size).unwrap_or(0))
}

/// The number of the last journal entry. Every write adds one.
fn last_change(conn: &mut SqliteConnection) -> Result<i64, Failure> {
    let last = Conn::Sqlite(conn).row::<i64>(&sql!("SELECT coalesce(max(sequence), 0) FROM changes"))?;
    Ok(last.unwrap_or(0))
}

/// Checks a copy, and counts its rows.
fn verify(path: &str, before: i64) -> Result<Vec<RowCount>, BackupError> {
    let damaged = |it: diesel::ConnectionError| BackupError::Damaged(it.to_string());
    let mut copy = SqliteConnection::establish(path).map_err(damaged)?;
    copy.batch_execute("PRAGMA query_only = ON")?;
    let problems = Conn::Sqlite(&mut copy)
        .rows::<String>(&sql!("SELECT integrity_check FROM pragma_integrity_check"))?;
    if problems != ["ok"] {
        return Err(BackupError::Damaged(problems.join("; ")));
    }
    let dangling = sql!("SELECT count(*) FROM pragma_foreign_key_check");
    if Conn::Sqlite(&mut copy).row::<i64>(&dangling)? != Some(0) {
        return Err(BackupError::Damaged(
            "rows refer to rows that are missing".to_owned(),
        ));
    }
    migrations::check(&mut Conn::Sqlite(&mut copy))?;
    if last_change(&mut copy)? < before {
        return Err(BackupError::Damaged(
            "changes are missing in its journal".to_owned(),
        ));
    }
    Ok(tables::count(&mut Conn::Sqlite(&mut copy))?)
}

fn digest(path: &Path, show: impl Fn(u64)) -> io::Result<(u64, [u8; 32])> {
    let (mut file, mut hash, mut bytes) = (File::open(path)?, Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, hash.finalize().into())),
            read => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
                show(bytes);
            }
        }
    }
}
