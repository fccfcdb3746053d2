//! SQLite: a pool of readers, and one thread that writes.
//!
//! Writes that wait together are committed together: each in its own savepoint and with its own
//! answer, all with one `fsync`. Answers leave after the commit.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection, ConnectionError};
use scim_model::store::StoreError;

use crate::connection::Conn;
use crate::connection::Opening;
use crate::deadline;
use crate::error::{Failure, is_lock_timeout, unavailable};
use crate::open_error::OpenError;
use crate::options::{StoreOptions, Synchronous};

/// Writes that are committed together at most.
const BATCH: usize = 64;
/// Writes that wait at most; the next one is told to come again later.
const QUEUE: usize = 1_024;
/// How long a write waits for another process, such as a backup, before it is told to come again later.
const PATIENCE: Duration = Duration::from_millis(2_500);

pub(crate) struct Sqlite {
    readers: r2d2::Pool<Manager>,
    queue: Option<SyncSender<Waiting>>,
    writer: Option<JoinHandle<()>>,
    /// Held by a server for as long as it runs.
    _server: Option<File>,
}

impl Sqlite {
    /// Opens a database file, creating it if there is none and that is wanted; `prepare` runs on the
    /// writing connection.
    pub(crate) fn open<T>(
        path: &Path,
        options: &StoreOptions,
        opening: Opening,
        prepare: impl FnOnce(&mut Conn) -> Result<T, OpenError>,
    ) -> Result<(Sqlite, T), OpenError> {
        if opening != Opening::Existing {
            create_private(path).map_err(|error| OpenError::file(path, error))?;
        } else if !path.exists() {
            return Err(OpenError::Missing(path.to_owned()));
        }
        // By whatever name: a symbolic link to the file is the same database.
        let path = &path
            .canonicalize()
            .map_err(|error| OpenError::file(path, error))?;
        refuse_second_name(path)?;
        let server = (opening == Opening::Server)
            .then(|| lock_file(path))
            .transpose()?;
        let manager = |is_writer| Manager {
            path: path.to_owned(),
            is_writer,
            synchronous: options.synchronous,
        };
        let mut conn = connect_patiently(&manager(true)).map_err(|it| OpenError::file(path, it))?;
        let prepared = prepare(&mut Conn::Sqlite(&mut conn))?;
        // From here on the thread that writes has an eye on who waits.
        conn.batch_execute("PRAGMA busy_timeout = 100")
            .map_err(|it| OpenError::file(path, it))?;
        let readers = r2d2::Pool::builder()
            .max_size(options.readers)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(3))
            .build(manager(false))
            .map_err(|it| OpenError::file(path, it))?;
        let (queue, jobs) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || write_all(&mut conn, &jobs))
            .map_err(|it| OpenError::file(path, it))?;
        let sqlite = Sqlite {
            readers,
            queue: Some(queue),
            writer: Some(writer),
            _server: server,
        };
        Ok((sqlite, prepared))
    }

    pub(crate) fn read<T>(&self, work: impl Fn(&mut Conn) -> Result<T, Failure>) -> Result<T, StoreError> {
        let mut conn = self.readers.get().map_err(|_| StoreError::Busy)?;
        Ok(work(&mut Conn::Sqlite(&mut conn))?)
    }

    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        let task = Waiting {
            since: Instant::now(),
            job: Box::new(Task {
                work,
                result: None,
                reply,
            }),
        };
        let queue = self.queue.as_ref().ok_or_else(writer_gone)?;
        match queue.try_send(task) {
            Ok(()) => answer.recv().map_err(|_| writer_gone())?,
            Err(TrySendError::Full(_)) => Err(StoreError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(writer_gone()),
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // It has nothing to say that was not said to a caller.
            let _ = writer.join();
        }
    }
}

fn writer_gone() -> StoreError {
    unavailable("the writing thread has ended")
}

/// A write in the queue, and since when.
struct Waiting {
    since: Instant,
    job: Box<dyn Job>,
}

trait Job: Send {
    /// Does the work; `Err` takes back what it wrote.
    fn run(&mut self, conn: &mut Conn) -> Result<(), RollBack>;
    /// Tells the caller; `failed` is why nothing was committed.
    fn answer(self: Box<Self>, failed: Option<&diesel::result::Error>);
}

struct Task<T, F> {
    work: F,
    result: Option<Result<T, StoreError>>,
    reply: SyncSender<Result<T, StoreError>>,
}

/// The work has failed and left its reason with the job.
struct RollBack(Option<diesel::result::Error>);

impl From<diesel::result::Error> for RollBack {
    fn from(error: diesel::result::Error) -> RollBack {
        RollBack(Some(error))
    }
}

impl<T: Send, F: Fn(&mut Conn) -> Result<T, Failure> + Send> Job for Task<T, F> {
    fn run(&mut self, conn: &mut Conn) -> Result<(), RollBack> {
        let result = match catch_unwind(AssertUnwindSafe(|| (self.work)(conn))) {
            Ok(result) => result.map_err(StoreError::from),
            Err(_) => Err(unavailable("a write has panicked")),
        };
        let is_ok = result.is_ok();
        self.result = Some(result);
        if is_ok { Ok(()) } else { Err(RollBack(None)) }
    }

    fn answer(self: Box<Self>, failed: Option<&diesel::result::Error>) {
        let result = match (self.result, failed) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(result)), None) => Ok(result),
            (_, Some(error)) => Err(Failure::Database(copy(error)).into()),
            (None, None) => Err(unavailable("a write was not done")),
        };
        // Nobody waits any more: the caller has gone.
        let _ = self.reply.send(result);
    }
}

/// One error becomes the answer of every job of a batch.
fn copy(error: &diesel::result::Error) -> diesel::result::Error {
    let message = Box::new(error.to_string());
    diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::Unknown, message)
}

/// Ends when nobody can send jobs any more.
fn write_all(conn: &mut SqliteConnection, jobs: &Receiver<Waiting>) {
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            match jobs.recv() {
                Ok(first) => waiting.push_back(first),
                Err(_) => return,
            }
        }
        let room = BATCH.saturating_sub(waiting.len());
        waiting.extend(jobs.try_iter().take(room));
        let batch = waiting.len().min(BATCH);
        let mut has_begun = false;
        let committed = conn.immediate_transaction(|conn| {
            has_begun = true;
            for it in waiting.range_mut(..batch) {
                let outcome = conn.transaction(|conn| it.job.run(&mut Conn::Sqlite(conn)));
                if let Err(RollBack(Some(error))) = outcome {
                    return Err(error);
                }
            }
            Ok(())
        });
        match &committed {
            // Another process writes. Whoever comes meanwhile waits from then on, not from when those
            // before it have given up.
            Err(error) if !has_begun && is_lock_timeout(error) => {
                let room = QUEUE.saturating_sub(waiting.len());
                waiting.extend(jobs.try_iter().take(room));
                while waiting.front().is_some_and(|it| it.since.elapsed() >= PATIENCE) {
                    if let Some(it) = waiting.pop_front() {
                        it.job.answer(Some(error));
                    }
                }
            }
            committed => {
                for it in waiting.drain(..batch) {
                    it.job.answer(committed.as_ref().err());
                }
            }
        }
    }
}

/// Opens connections for the pool, and the writer's.
struct Manager {
    path: PathBuf,
    is_writer: bool,
    synchronous: Synchronous,
}

impl Manager {
    fn connect_now(&self) -> Result<SqliteConnection, Box<dyn std::error::Error + Send + Sync>> {
        let path = self.path.to_str().ok_or("the path is not UTF-8")?;
        let mut conn = SqliteConnection::establish(path)?;
        deadline::register(&mut conn)?;
        conn.batch_execute(
            // As much as SQLite was compiled to map: 2 GiB, or what `.cargo/config.toml` says.
            "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; \
             PRAGMA mmap_size = 1099511627776;",
        )?;
        if self.is_writer {
            conn.batch_execute(match self.synchronous {
                Synchronous::Full => "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
                Synchronous::Normal => "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
            })?;
            conn.batch_execute("PRAGMA cache_size = -262144; PRAGMA journal_size_limit = 67108864;")?;
        } else {
            conn.batch_execute("PRAGMA cache_size = -65536; PRAGMA query_only = ON;")?;
        }
        Ok(conn)
    }
}

/// Changing the kind of journal, when a file is new or its last user has just gone, does not wait for
/// others, whatever `busy_timeout` says.
fn connect_patiently(
    manager: &Manager,
) -> Result<SqliteConnection, Box<dyn std::error::Error + Send + Sync>> {
    let mut attempts = 0;
    loop {
        match manager.connect_now() {
            Err(error) if attempts < 250 && error.to_string().contains("database is locked") => {
                attempts += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            result => return result,
        }
    }
}

impl r2d2::ManageConnection for Manager {
    type Connection = SqliteConnection;
    type Error = ConnectionError;

    fn connect(&self) -> Result<SqliteConnection, ConnectionError> {
        self.connect_now()
            .map_err(|it| ConnectionError::BadConnection(it.to_string()))
    }

    fn is_valid(&self, _: &mut SqliteConnection) -> Result<(), ConnectionError> {
        Ok(())
    }

    fn has_broken(&self, conn: &mut SqliteConnection) -> bool {
        use diesel::connection::{AnsiTransactionManager, TransactionManager};
        std::thread::panicking() || AnsiTransactionManager::is_broken_transaction_manager(conn)
    }
}

/// A second server on the same file would not see the first one's queue. The system lets the lock go
/// when the process ends, however it ends.
fn lock_file(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    create_private(&lock_path).map_err(|it| OpenError::file(&lock_path, it))?;
    let file = OpenOptions::new()
        .write(true)
        .open(&lock_path)
        .map_err(|it| OpenError::file(&lock_path, it))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::file(&lock_path, error)),
    }
}

/// The lock, and what SQLite keeps beside the file, go by its name: who opens it by another one sees neither, and
/// destroys it.
#[cfg(unix)]
fn refuse_second_name(path: &Path) -> Result<(), OpenError> {
    let metadata = path.metadata().map_err(|it| OpenError::file(path, it))?;
    match std::os::unix::fs::MetadataExt::nlink(&metadata) {
        0 | 1 => Ok(()),
        _ => Err(OpenError::HardLinked(path.to_owned())),
    }
}

#[cfg(not(unix))]
fn refuse_second_name(_: &Path) -> Result<(), OpenError> {
    Ok(())
}

/// Creates an empty file that only its owner may read, if there is none. SQLite gives its other files
/// the same permissions.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use diesel::RunQueryDsl;
    use diesel::sql_types::BigInt;

    use super::*;
    use crate::sql::sql;

    fn open(options: &StoreOptions) -> (Sqlite, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let (sqlite, ()) = Sqlite::open(&folder.path().join("scim.db"), options, Opening::Server, |conn| {
            conn.execute(&sql!("CREATE TABLE t (number BIGINT NOT NULL UNIQUE)"))?;
            Ok(())
        })
        .expect("it opens");
        (sqlite, folder)
    }

    fn insert(conn: &mut Conn, number: i64) -> Result<(), Failure> {
        conn.execute(&sql!("INSERT INTO t (number) VALUES ({number})"; number))?;
        Ok(())
    }

    fn numbers(sqlite: &Sqlite) -> Vec<i64> {
        let select = sql!("SELECT number FROM t ORDER BY number");
        sqlite
            .read(|conn| Ok(conn.rows::<BigInt, i64>(&select)?))
            .expect("it reads")
    }

    /// Holds the writer meanwhile, so that what is written waits together.
    fn hold(sqlite: &Sqlite, meanwhile: impl FnOnce()) {
        std::thread::scope(|threads| {
            let (holding, held) = channel();
            let (release, released) = channel::<()>();
            let released = std::sync::Mutex::new(released);
            threads.spawn(move || {
                sqlite
                    .write(move |_| {
                        holding.send(()).expect("the test waits");
                        let _ = released.lock().expect("nobody has panicked").recv();
                        Ok(())
                    })
                    .expect("nothing is in the way");
            });
            held.recv().expect("the writer works");
            meanwhile();
            drop(release);
        });
    }

    /// What is acknowledged is on the disk, references are checked, and all of a large file is mapped.
    #[test]
    fn connections_are_as_the_promises_need_them() {
        #[derive(diesel::QueryableByName)]
        struct Mapped {
            #[diesel(sql_type = BigInt)]
            mmap_size: i64,
        }
        let (sqlite, folder) = open(&StoreOptions::default());
        let settings = |conn: &mut Conn| {
            let select = sql!(
                "SELECT synchronous, foreign_keys, journal_mode = 'wal', query_only FROM pragma_synchronous, \
                 pragma_foreign_keys, pragma_journal_mode, pragma_query_only",
            );
            type Types = (BigInt, BigInt, BigInt, BigInt);
            Ok(conn.row::<Types, (i64, i64, i64, i64)>(&select)?)
        };
        const FULL: i64 = 2;
        assert_eq!(sqlite.write(settings).unwrap(), Some((FULL, 1, 1, 0)));
        assert_eq!(sqlite.read(settings).unwrap(), Some((FULL, 1, 1, 1)));
        let manager = Manager {
            path: folder.path().join("scim.db"),
            is_writer: false,
            synchronous: Synchronous::Full,
        };
        let mut conn = manager.connect_now().expect("it opens");
        let mapped: Mapped = diesel::sql_query("PRAGMA mmap_size")
            .get_result(&mut conn)
            .unwrap();
        assert_eq!(mapped.mmap_size, 1 << 40, "as in .cargo/config.toml");
    }

    #[test]
    fn what_waits_together_succeeds_and_fails_alone() {
        let (sqlite, _folder) = open(&StoreOptions::default());
        let results = std::sync::Mutex::new(std::collections::BTreeMap::new());
        let sqlite = &sqlite;
        std::thread::scope(|threads| {
            hold(sqlite, || {
                for number in 0..20 {
                    let results = &results;
                    threads.spawn(move || {
                        let result = sqlite.write(move |conn| {
                            insert(conn, number)?;
                            match number % 4 {
                                0 => Ok(number),
                                1 => Err(StoreError::Stale.into()),
                                // A statement that fails.
                                2 => insert(conn, number).map(|()| number),
                                _ => panic!("as a test"),
                            }
                        });
                        results
                            .lock()
                            .expect("nobody has panicked")
                            .insert(number, result);
                    });
                }
                std::thread::sleep(Duration::from_millis(100));
            });
        });
        let results = results.into_inner().expect("nobody has panicked");
        assert_eq!(results.len(), 20);
        for (number, result) in &results {
            match number % 4 {
                0 => assert!(matches!(result, Ok(it) if it == number), "{number}: {result:?}"),
                1 => assert!(matches!(result, Err(StoreError::Stale)), "{number}: {result:?}"),
                _ => assert!(
                    matches!(result, Err(StoreError::Unavailable(_))),
                    "{number}: {result:?}"
                ),
            }
        }
        assert_eq!(numbers(sqlite), [0, 4, 8, 12, 16]);
    }

    #[test]
    fn a_full_queue_says_so() {
        let (sqlite, _folder) = open(&StoreOptions::default());
        let sqlite = &sqlite;
        let refused = AtomicUsize::new(0);
        std::thread::scope(|threads| {
            hold(sqlite, || {
                for number in 0..QUEUE + 10 {
                    let refused = &refused;
                    threads.spawn(move || {
                        let number = i64::try_from(number).expect("it is small");
                        match sqlite.write(move |conn| insert(conn, number)) {
                            Ok(()) => {}
                            Err(StoreError::Busy) => drop(refused.fetch_add(1, Ordering::Relaxed)),
                            other => panic!("{other:?}"),
                        }
                    });
                }
                let all_wait = (0..1_000).any(|_| {
                    std::thread::sleep(Duration::from_millis(10));
                    refused.load(Ordering::Relaxed) == 10
                });
                assert!(all_wait);
            });
        });
        assert_eq!(numbers(sqlite).len(), QUEUE);
        sqlite
            .write(|conn| insert(conn, -1))
            .expect("there is room again");
    }

    /// `kill -9` cannot show it: the system's cache survives that.
    #[test]
    fn what_was_acknowledged_is_on_disk() {
        #[derive(diesel::QueryableByName)]
        struct Setting {
            #[diesel(sql_type = BigInt)]
            synchronous: i64,
        }
        let (sqlite, _folder) = open(&StoreOptions::default());
        let setting = sqlite.write(|conn| {
            let Conn::Sqlite(conn) = conn else {
                panic!("it is SQLite")
            };
            Ok(
                diesel::RunQueryDsl::get_result::<Setting>(diesel::sql_query("PRAGMA synchronous"), *conn)?
                    .synchronous,
            )
        });
        const FULL: i64 = 2;
        assert_eq!(setting.expect("it can be read"), FULL);
    }

    #[test]
    fn a_link_to_the_file_is_the_same_database() {
        let (_sqlite, folder) = open(&StoreOptions::default());
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(folder.path().join("scim.db"), &link).expect("links can be made");
        let second = Sqlite::open(&link, &StoreOptions::default(), Opening::Server, |_| Ok(()));
        assert!(matches!(second, Err(OpenError::InUse(_))));
    }

    #[test]
    fn a_lock_that_is_not_let_go_is_busy() {
        let (sqlite, folder) = open(&StoreOptions::default());
        let path = folder.path().join("scim.db");
        let mut other = SqliteConnection::establish(path.to_str().expect("it is UTF-8")).expect("it opens");
        other.batch_execute("BEGIN IMMEDIATE").expect("it is free");
        let refused = sqlite.write(|conn| insert(conn, 1));
        assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
        assert_eq!(numbers(&sqlite), [0; 0], "readers do not wait");
        other.batch_execute("COMMIT").expect("it was begun");
        sqlite.write(|conn| insert(conn, 1)).expect("it is free again");
        assert_eq!(numbers(&sqlite), [1]);
    }

    /// Those that came later have waited less, and get their turn.
    #[test]
    fn who_waits_behind_one_that_gives_up_waits_on() {
        let (sqlite, folder) = open(&StoreOptions::default());
        let path = folder.path().join("scim.db");
        let mut other = SqliteConnection::establish(path.to_str().expect("it is UTF-8")).expect("it opens");
        other.batch_execute("BEGIN IMMEDIATE").expect("it is free");
        std::thread::scope(|threads| {
            let first = threads.spawn(|| sqlite.write(|conn| insert(conn, 1)));
            std::thread::sleep(PATIENCE * 4 / 5);
            let second = threads.spawn(|| sqlite.write(|conn| insert(conn, 2)));
            let first = first.join().expect("it has not panicked");
            assert!(matches!(first, Err(StoreError::Busy)), "{first:?}");
            other.batch_execute("COMMIT").expect("it was begun");
            second
                .join()
                .expect("it has not panicked")
                .expect("it is free again");
        });
        assert_eq!(numbers(&sqlite), [2]);
    }

    #[test]
    fn readers_cannot_write() {
        let (sqlite, _folder) = open(&StoreOptions::default());
        let refused = sqlite.read(|conn| insert(conn, 1));
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
}
