//! Group commit, locks and settings of SQLite.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use diesel::RunQueryDsl;
use diesel::sql_types::BigInt;

use super::writer::{MAX_WAIT, MAX_WAITING};
use super::*;
use crate::error::Failure;
use crate::options::Opening;
use crate::sql::sql;

fn open(options: &StoreOptions) -> (Sqlite, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let (sqlite, ()) = Sqlite::open(&folder.path().join("scim.db"), options, Opening::Server, |conn| {
        conn.execute(sql!("CREATE TABLE t (number BIGINT NOT NULL UNIQUE)"))?;
        Ok(())
    })
    .expect("it opens");
    (sqlite, folder)
}

fn insert(conn: &mut Conn, number: i64) -> Result<(), Failure> {
    conn.execute(sql!("INSERT INTO t (number) VALUES ({number})"; number))?;
    Ok(())
}

fn numbers(sqlite: &Sqlite) -> Vec<i64> {
    let select = sql!("SELECT number FROM t ORDER BY number");
    sqlite
        .read(|conn| Ok(conn.rows::<i64>(&select)?))
        .expect("it reads")
}

const TENANT: TenantId = TenantId(1);

/// Keeps the writer busy while `work` runs, so that its writes wait together.
fn hold(sqlite: &Sqlite, work: impl FnOnce()) {
    std::thread::scope(|threads| {
        let (holding, held) = channel();
        let (release, released) = channel::<()>();
        let released = std::sync::Mutex::new(released);
        threads.spawn(move || {
            sqlite
                .write(TENANT, move |_| {
                    holding.send(()).expect("the test waits");
                    let _ = released.lock().expect("nobody has panicked").recv();
                    Ok(())
                })
                .expect("nothing is in the way");
        });
        held.recv().expect("the writer works");
        work();
        drop(release);
    });
}

/// Acknowledged writes are on the disk, which `kill -9` cannot show because the system's cache survives it; references
/// are checked, and all of a large file is mapped.
#[test]
fn connections_have_the_settings_that_the_invariants_need() {
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
        Ok(conn.row::<(i64, i64, i64, i64)>(&select)?)
    };
    const FULL: i64 = 2;
    assert_eq!(sqlite.write(TENANT, settings).unwrap(), Some((FULL, 1, 1, 0)));
    assert_eq!(sqlite.read(settings).unwrap(), Some((FULL, 1, 1, 1)));
    let reader = Settings {
        is_writer: false,
        synchronous: Synchronous::Full,
    };
    let path = folder.path().join("scim.db");
    let mut conn = connect(path.to_str().expect("it is UTF-8"), &reader).expect("it opens");
    let mapped: Mapped = diesel::sql_query("PRAGMA mmap_size")
        .get_result(&mut conn)
        .unwrap();
    assert_eq!(mapped.mmap_size, 1 << 40, "as in .cargo/config.toml");
}

#[test]
fn writes_of_one_batch_succeed_and_fail_separately() {
    let (sqlite, _folder) = open(&StoreOptions::default());
    let results = std::sync::Mutex::new(std::collections::BTreeMap::new());
    let sqlite = &sqlite;
    std::thread::scope(|threads| {
        hold(sqlite, || {
            for number in 0..20 {
                let results = &results;
                threads.spawn(move || {
                    let result = sqlite.write(TENANT, move |conn| {
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

/// SQLite may end a transaction on its own when the disk is full.
#[test]
fn a_writer_recovers_from_a_full_disk() {
    let (sqlite, _folder) = open(&StoreOptions::default());
    sqlite
        .write(TENANT, |conn| insert(conn, 1))
        .expect("there is room");
    // The file must not grow any more.
    let limit = |conn: &mut Conn| Ok(conn.row::<i64>(&sql!("PRAGMA max_page_count = 1"))?);
    sqlite.write(TENANT, limit).expect("it sets the limit");
    let large = sql!("CREATE TABLE large AS SELECT zeroblob(1000000)");
    let refused = sqlite.write(TENANT, move |conn| Ok(conn.execute(large.clone())?));
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(it)) if it.to_string().contains("full")),
        "{refused:?}"
    );
    for number in 2..5 {
        let inserted = sqlite.write(TENANT, move |conn| insert(conn, number));
        inserted.expect("this needs no further page");
    }
    assert_eq!(numbers(&sqlite), [1, 2, 3, 4]);
}

#[test]
fn a_full_queue_is_busy() {
    let (sqlite, _folder) = open(&StoreOptions::default());
    let sqlite = &sqlite;
    let refused = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        hold(sqlite, || {
            for number in 0..MAX_WAITING + 10 {
                let refused = &refused;
                threads.spawn(move || {
                    let number = i64::try_from(number).expect("it is small");
                    match sqlite.write(TENANT, move |conn| insert(conn, number)) {
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
    assert_eq!(numbers(sqlite).len(), MAX_WAITING);
    sqlite
        .write(TENANT, |conn| insert(conn, -1))
        .expect("there is room again");
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
fn a_write_that_waits_too_long_for_a_lock_is_busy() {
    let (sqlite, folder) = open(&StoreOptions::default());
    let path = folder.path().join("scim.db");
    let mut other = SqliteConnection::establish(path.to_str().expect("it is UTF-8")).expect("it opens");
    other.batch_execute("BEGIN IMMEDIATE").expect("it is free");
    let refused = sqlite.write(TENANT, |conn| insert(conn, 1));
    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    assert_eq!(numbers(&sqlite), [0; 0], "readers do not wait");
    other.batch_execute("COMMIT").expect("it was begun");
    sqlite
        .write(TENANT, |conn| insert(conn, 1))
        .expect("it is free again");
    assert_eq!(numbers(&sqlite), [1]);
}

/// A later write has waited less, and still has time left.
#[test]
fn a_write_outlasts_an_earlier_one_that_gives_up() {
    let (sqlite, folder) = open(&StoreOptions::default());
    let path = folder.path().join("scim.db");
    let mut other = SqliteConnection::establish(path.to_str().expect("it is UTF-8")).expect("it opens");
    other.batch_execute("BEGIN IMMEDIATE").expect("it is free");
    std::thread::scope(|threads| {
        let first = threads.spawn(|| sqlite.write(TENANT, |conn| insert(conn, 1)));
        std::thread::sleep(MAX_WAIT * 4 / 5);
        let second = threads.spawn(|| sqlite.write(TENANT, |conn| insert(conn, 2)));
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

/// The writes of a tenant do not wait until all earlier writes of another tenant are done.
#[test]
fn tenants_take_turns_in_the_queue() {
    let (sqlite, _folder) = open(&StoreOptions::default());
    let sqlite = &sqlite;
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        hold(sqlite, || {
            for (number, tenant) in [1, 1, 1, 1, 2, 2, 3].into_iter().enumerate() {
                let order = order.clone();
                threads.spawn(move || {
                    let write = sqlite.write(TenantId(tenant), move |_| {
                        order.lock().expect("nobody has panicked").push(tenant);
                        Ok(())
                    });
                    write.expect("there is room");
                });
                // The next one comes later.
                std::thread::sleep(Duration::from_millis(20 + number as u64));
            }
        });
    });
    assert_eq!(*order.lock().expect("nobody has panicked"), [1, 2, 3, 1, 2, 1, 1]);
}

/// A write to a deleted file would be acknowledged, and lost with the process.
#[test]
fn a_file_that_is_not_in_its_place_is_noticed() {
    let (sqlite, folder) = open(&StoreOptions::default());
    let (path, elsewhere) = (folder.path().join("scim.db"), folder.path().join("elsewhere.db"));
    let write = |number| sqlite.write(TenantId(1), move |conn| insert(conn, number));
    let read = || sqlite.read(|_| Ok(()));
    let is_lost = |result: Result<(), StoreError>| matches!(result, Err(StoreError::Unavailable(it)) if it.to_string().contains("deleted, moved or replaced"));
    write(1).expect("the file is there");
    std::fs::rename(&path, &elsewhere).expect("the file is there");
    assert!(is_lost(write(2)));
    assert!(is_lost(read()));
    // Another file of the same name is not the database.
    std::fs::write(&path, "").expect("the folder is writable");
    assert!(is_lost(write(3)));
    std::fs::rename(&elsewhere, &path).expect("the file is there");
    let is_back = |_: i32| {
        std::thread::sleep(Duration::from_millis(100));
        read().is_ok()
    };
    assert!((0..100).any(is_back), "the file is back");
    write(4).expect("the file is back");
    std::fs::remove_file(&path).expect("the file is there");
    // Without a write too.
    let is_noticed = |_: i32| {
        std::thread::sleep(Duration::from_millis(100));
        is_lost(read())
    };
    assert!((0..100).any(is_noticed), "the file has gone");
}

/// The last writes are in the log alone.
#[test]
fn a_write_ahead_log_that_is_not_in_its_place_is_noticed() {
    let (sqlite, folder) = open(&StoreOptions::default());
    let write = |number| sqlite.write(TenantId(1), move |conn| insert(conn, number));
    write(1).expect("the log is there");
    std::fs::remove_file(folder.path().join("scim.db-wal")).expect("the log is there");
    let lost = write(2);
    assert!(
        matches!(lost, Err(StoreError::Unavailable(it)) if it.to_string().contains("`-wal` file has been deleted"))
    );
}

#[test]
fn a_file_that_another_process_has_locked_is_busy_after_some_seconds() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let path = folder.path().join("scim.db");
    let url = path.to_str().expect("the path is UTF-8");
    let mut other = SqliteConnection::establish(url).expect("it opens");
    other
        .batch_execute("CREATE TABLE t (a); BEGIN EXCLUSIVE")
        .expect("nobody else uses it");
    let began = Instant::now();
    let opened = Sqlite::open(&path, &StoreOptions::default(), Opening::Server, |_| Ok(()));
    assert!(matches!(opened.err(), Some(OpenError::Busy)));
    assert!(began.elapsed() < 4 * MAX_WAIT_AT_START);
}
