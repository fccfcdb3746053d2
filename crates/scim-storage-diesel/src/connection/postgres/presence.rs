//! The servers that run on a database, so that none changes the rules of index entries while another one runs.
//!
//! A server holds a shared lock for as long as it runs, on a separate connection. A server with other schemas needs the
//! lock exclusively before it computes index entries again. Behind a pooler that gives each transaction another
//! connection no lock can be held: there a server only checks the stored rules, every few seconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::r2d2;

use crate::connection::conn::Conn;
use crate::error::Failure;
use crate::open_error::OpenError;
use crate::sql::{Dialect, sql};

/// Held shared by servers, and exclusively while index entries are computed again.
const LOCK: i64 = 0x5343_494f;

/// The interval at which a server checks its lock and the stored shapes.
const INTERVAL: Duration = Duration::from_secs(3);

/// The rules of the index entries of each type (see `Layout::shape`), by the number of the type.
pub(crate) type Shapes = BTreeMap<i64, String>;

/// Takes the shared lock of a server, until the connection ends.
pub(crate) fn announce(conn: &mut Conn) -> Result<(), Failure> {
    let lock = sql!("SELECT pg_advisory_lock_shared({lock})"; lock = LOCK);
    conn.execute(&lock)?;
    Ok(())
}

/// Keeps other servers out until the transaction ends. On SQLite the file has one server anyway.
///
/// # Errors
/// `OthersRun`
pub(crate) fn lock_exclusively(conn: &mut Conn) -> Result<(), OpenError> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    let lock = sql!("SELECT 1::bigint WHERE pg_try_advisory_xact_lock({lock})"; lock = LOCK);
    match conn.row::<i64>(&lock)? {
        Some(_) => Ok(()),
        None => Err(OpenError::OthersRun),
    }
}

/// The presence of a server, which ends when this is dropped.
pub(crate) struct Presence {
    is_outdated: Arc<AtomicBool>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Presence {
    /// Keeps `conn`, which holds the lock if `holds_lock` says so, and checks at intervals that the stored shapes are
    /// still `shapes`. `connect` replaces a connection that was lost.
    pub(crate) fn keep(
        conn: PgConnection,
        shapes: Shapes,
        holds_lock: bool,
        connect: impl Fn() -> Result<PgConnection, r2d2::Error> + Send + 'static,
    ) -> Result<Presence, OpenError> {
        let (stop, stopped) = channel();
        let is_outdated = Arc::new(AtomicBool::new(false));
        let outdated = is_outdated.clone();
        let mut conn = Some(conn);
        let mut check = move || {
            let mut current = match conn.take() {
                Some(conn) => conn,
                None => {
                    let Ok(mut conn) = connect() else { return };
                    if holds_lock && announce(&mut Conn::Postgres(&mut conn)).is_err() {
                        return;
                    }
                    conn
                }
            };
            // After an error, the next check uses another connection.
            let Ok(stored) = stored_shapes(&mut Conn::Postgres(&mut current)) else {
                return;
            };
            conn = Some(current);
            let differs = shapes.iter().any(|(kind, shape)| stored.get(kind) != Some(shape));
            if differs && !outdated.swap(true, Ordering::Relaxed) {
                log::error!(
                    "another server has changed the schemas or settings of this database: restart this server with \
                     the same; until then it refuses all requests"
                );
            }
        };
        let thread = std::thread::Builder::new()
            .name("presence".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    check();
                }
            })
            .map_err(OpenError::connection)?;
        Ok(Presence {
            is_outdated,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Whether the index entries now follow other rules than those of this server.
    pub(crate) fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Relaxed)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread has no result.
            let _ = thread.join();
        }
    }
}

fn stored_shapes(conn: &mut Conn) -> Result<Shapes, Failure> {
    let select = sql!("SELECT id, shape FROM resource_type");
    Ok(conn.rows::<(i64, String)>(&select)?.into_iter().collect())
}
