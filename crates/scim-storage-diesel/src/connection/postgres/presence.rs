//! Which servers run on a database, so that none changes under another what index entries are made by.
//!
//! A server holds a lock with others like it for as long as it runs, on a connection of its own. Who
//! has other schemas needs that lock alone before it computes the entries anew. A pooler that gives each
//! transaction another connection leaves no lock to hold: there a server only looks, every few seconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::ConnectionError;
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Text};

use crate::connection::Conn;
use crate::error::Failure;
use crate::open_error::OpenError;
use crate::sql::{Dialect, sql};

/// Held shared by servers, alone by whoever computes index entries anew.
const LOCK: i64 = 0x5343_494f;

/// How often a server looks whether it is still there, and the shapes are still its own.
const INTERVAL: Duration = Duration::from_secs(3);

/// Shapes by the number of the type.
pub(crate) type Shapes = BTreeMap<i64, String>;

/// Takes the lock of a server, until the connection ends.
pub(crate) fn announce(conn: &mut Conn) -> Result<(), Failure> {
    let lock = sql!("SELECT pg_advisory_lock_shared({lock})"; lock = LOCK);
    conn.execute(&lock)?;
    Ok(())
}

/// Keeps other servers out until the transaction ends; on SQLite they are out already.
///
/// # Errors
/// `OthersRun`
pub(crate) fn lock_exclusively(conn: &mut Conn) -> Result<(), OpenError> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    let lock = sql!("SELECT 1::bigint WHERE pg_try_advisory_xact_lock({lock})"; lock = LOCK);
    match conn.row::<BigInt, i64>(&lock)? {
        Some(_) => Ok(()),
        None => Err(OpenError::OthersRun),
    }
}

/// A server's presence; it ends with this.
pub(crate) struct Presence {
    is_outdated: Arc<AtomicBool>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Presence {
    /// Holds `conn`, which has announced itself unless a pooler stands between, and looks now and then
    /// whether the stored shapes are still `shapes`. Of a connection that was lost another one takes
    /// the place, by `connect`.
    pub(crate) fn keep(
        conn: PgConnection,
        shapes: Shapes,
        holds_lock: bool,
        connect: impl Fn() -> Result<PgConnection, ConnectionError> + Send + 'static,
    ) -> Result<Presence, OpenError> {
        let (stop, stopped) = channel();
        let is_outdated = Arc::new(AtomicBool::new(false));
        let outdated = is_outdated.clone();
        let mut conn = Some(conn);
        let mut look = move || {
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
            // What cannot be read now is read from another connection the next time.
            let Ok(stored) = stored_shapes(&mut Conn::Postgres(&mut current)) else {
                return;
            };
            conn = Some(current);
            let differs = shapes.iter().any(|(kind, shape)| stored.get(kind) != Some(shape));
            if differs && !outdated.swap(true, Ordering::Relaxed) {
                log::error!(
                    "another server has changed the schemas or settings of this database; this one does nothing \
                     more until it is started with the same"
                );
            }
        };
        let thread = std::thread::Builder::new()
            .name("presence".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    look();
                }
            })
            .map_err(OpenError::connection)?;
        Ok(Presence {
            is_outdated,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Whether index entries are made by other rules now than this server's.
    pub(crate) fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Relaxed)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

fn stored_shapes(conn: &mut Conn) -> Result<Shapes, Failure> {
    let select = sql!("SELECT id, shape FROM resource_type");
    Ok(conn
        .rows::<(BigInt, Text), (i64, String)>(&select)?
        .into_iter()
        .collect())
}
