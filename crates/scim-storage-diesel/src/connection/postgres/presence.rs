//! The presence of servers on a database, so that no server changes the rules of index entries while another one
//! runs.
//!
//! A server holds a shared lock for as long as it runs, on a separate connection. A server with other schemas needs
//! the lock exclusively before it computes index entries again. Behind a pooler that gives each transaction another
//! connection, no lock can be held, and a server only checks the stored rules every few seconds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::pg::PgConnection;

use super::activity::Activity;
use super::connections::Target;
use super::statistics;
use crate::connection::conn::Conn;
use crate::error::{Failure, unavailable};
use crate::open_error::OpenError;
use crate::sql::{Dialect, sql};

/// The advisory lock. Servers hold it shared; it is held exclusively while index entries are computed again.
const LOCK: i64 = 0x5343_494f;

/// The interval at which a server checks its lock and the stored shapes.
const INTERVAL: Duration = Duration::from_secs(3);

/// The longest time that PostgreSQL may take for the short statements of a check.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// The most threads that are left waiting for PostgreSQL on connections that were given up.
const LEFT_BEHIND: usize = 3;

/// The longest wait for the thread at the end. A thread that waits for PostgreSQL is left behind.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// The rules of the index entries of each type (see `Layout::shape`), by the number of the type.
pub(crate) type Shapes = BTreeMap<i64, String>;

/// Takes the shared lock of a server, until the connection ends.
pub(crate) fn announce(conn: &mut Conn) -> Result<(), Failure> {
    let lock = sql!("SELECT pg_advisory_lock_shared({lock})"; lock = LOCK);
    conn.execute(&lock)?;
    Ok(())
}

/// Releases the shared lock. Closing the connection is not enough: PostgreSQL notices that, and releases the locks,
/// only some time later.
fn release(conn: &mut Conn) -> Result<(), Failure> {
    let unlock = sql!("SELECT pg_advisory_unlock_shared({lock})"; lock = LOCK);
    conn.execute(&unlock)?;
    Ok(())
}

/// Keeps other servers out until the transaction ends. A SQLite file has only one server anyway.
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
    task: Arc<Task>,
    /// The last worker keeps the presence. The others still wait for PostgreSQL on connections that were given up.
    workers: Mutex<Vec<Worker>>,
}

/// The task of the thread that keeps the presence.
struct Task {
    target: Target,
    shapes: Shapes,
    holds_lock: bool,
    is_outdated: AtomicBool,
    has_recovered: AtomicBool,
    /// The tables on which this server has tried to collect statistics.
    analyzed: Mutex<Vec<String>>,
}

struct Worker {
    activity: Arc<Activity>,
    stop: Option<Sender<()>>,
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Presence {
    /// Keeps `conn`, which holds the lock if `holds_lock` says so, and checks at intervals that the stored shapes are
    /// still `shapes`. A connection to `target` replaces one that was lost.
    pub(super) fn keep(
        conn: PgConnection,
        activity: Arc<Activity>,
        shapes: Shapes,
        holds_lock: bool,
        target: Target,
    ) -> Result<Presence, OpenError> {
        let task = Arc::new(Task {
            target,
            shapes,
            holds_lock,
            is_outdated: AtomicBool::new(false),
            has_recovered: AtomicBool::new(false),
            analyzed: Mutex::default(),
        });
        let worker = Worker::start(&task, Some(conn), activity).map_err(OpenError::connection)?;
        Ok(Presence {
            task,
            workers: Mutex::new(vec![worker]),
        })
    }

    /// Whether the index entries now follow other rules than this server's.
    pub(crate) fn is_outdated(&self) -> bool {
        self.task.is_outdated.load(Ordering::Relaxed)
    }

    /// Starts again with a new connection if PostgreSQL has been silent on the current one for `limit`, or for longer than
    /// a check may take.
    pub(super) fn restart_if_silent(&self, limit: Duration) {
        let mut workers = self.workers();
        let is_silent = |it: &Worker| it.activity.is_silent(limit.min(SILENCE_LIMIT));
        if !workers.last().is_some_and(is_silent) {
            return;
        }
        workers.retain(|it| !it.thread.is_finished());
        if workers.len() > LEFT_BEHIND {
            return;
        }
        log::warn!("PostgreSQL does not answer on the connection that shows the presence of this server");
        match Worker::start(&self.task, None, Activity::new(0)) {
            Ok(worker) => {
                // The silent thread ends as soon as it can.
                if let Some(silent) = workers.last_mut() {
                    silent.stop = None;
                }
                workers.push(worker);
            }
            Err(error) => log::error!("cannot start a thread: {error}"),
        }
    }

    /// Whether PostgreSQL has answered on a new connection since the last call, after it was silent on another one.
    pub(super) fn has_recovered(&self) -> bool {
        self.task.has_recovered.swap(false, Ordering::Relaxed)
    }

    /// A panic leaves no half-finished change here.
    fn workers(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    /// Starts a thread. Without a connection it replaces another thread, and opens a connection at once.
    fn start(
        task: &Arc<Task>,
        mut conn: Option<PgConnection>,
        activity: Arc<Activity>,
    ) -> std::io::Result<Worker> {
        let (stop, stopped) = channel();
        let (running, ended) = channel::<()>();
        let task = task.clone();
        let observed = activity.clone();
        let thread = std::thread::Builder::new()
            .name("presence".to_owned())
            .spawn(move || {
                let mut is_recovering = conn.is_none();
                let mut pause = if is_recovering { Duration::ZERO } else { INTERVAL };
                while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                    conn = task.check(conn.take(), &observed);
                    if is_recovering && conn.is_some() {
                        is_recovering = false;
                        task.has_recovered.store(true, Ordering::Relaxed);
                    }
                    pause = INTERVAL;
                }
                if let (Some(conn), true) = (&mut conn, task.holds_lock) {
                    // A connection that was lost holds no lock.
                    let _ = release(&mut Conn::Postgres(conn));
                }
                drop(running);
            })?;
        Ok(Worker {
            activity,
            stop: Some(stop),
            ended,
            thread,
        })
    }

    /// Ends the thread and its connection.
    fn end(self) {
        drop(self.stop);
        if self.ended.recv_timeout(LAST_WAIT) == Err(RecvTimeoutError::Disconnected) {
            // The thread has no result.
            let _ = self.thread.join();
        }
    }
}

impl Task {
    /// Checks the stored shapes. Returns the connection for the next check; `None` after an error, because another one
    /// may succeed.
    fn check(&self, conn: Option<PgConnection>, activity: &Arc<Activity>) -> Option<PgConnection> {
        let stored = conn
            .map_or_else(|| self.connect(activity), Ok)
            .and_then(|mut conn| {
                let stored = stored_shapes(&mut Conn::Postgres(&mut conn))?;
                statistics::complete(&mut conn, &self.analyzed)?;
                Ok((conn, stored))
            });
        activity.end();
        let (conn, stored) = stored.ok()?;
        let differs = self
            .shapes
            .iter()
            .any(|(kind, shape)| stored.get(kind) != Some(shape));
        if differs && !self.is_outdated.swap(true, Ordering::Relaxed) {
            log::error!(
                "another server has changed the schemas or settings of this database: restart this server with the \
                 same; until then it refuses all requests"
            );
        }
        Some(conn)
    }

    fn connect(&self, activity: &Arc<Activity>) -> Result<PgConnection, Failure> {
        let mut conn = self.target.connect(activity).map_err(unavailable)?;
        if self.holds_lock {
            announce(&mut Conn::Postgres(&mut conn))?;
        }
        Ok(conn)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let current = self.workers().pop();
        if let Some(worker) = current {
            worker.end();
        }
    }
}

fn stored_shapes(conn: &mut Conn) -> Result<Shapes, Failure> {
    let select = sql!("SELECT id, shape FROM resource_type");
    Ok(conn.rows::<(i64, String)>(&select)?.into_iter().collect())
}
