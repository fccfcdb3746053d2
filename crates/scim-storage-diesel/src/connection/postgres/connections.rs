//! The connections of a store. When PostgreSQL is silent on one of them, all are replaced.
//!
//! A firewall, a proxy or a failed machine can swallow the traffic of open connections without closing them. libpq then
//! waits until the operating system gives the socket up, which may never happen, and diesel offers no way to end that
//! wait. Such a connection, and the thread that waits for it, is therefore left behind: the store starts again with a new
//! pool, because the idle connections have probably failed too.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use diesel::Connection;
use diesel::connection::{AnsiTransactionManager, CacheSize, SimpleConnection, TransactionManager};
use diesel::pg::PgConnection;
use diesel::r2d2::{self, ConnectionManager, CustomizeConnection, PooledConnection};
use scim_model::store::StoreError;

use super::activity::Activity;
use crate::connection::pool::{Pool, pool};
use crate::connection::postgres_transaction::limits;
use crate::options::Pooler;

/// The most connections that are left behind, for each connection of the pool. Each occupies a thread of the server and
/// possibly a connection of PostgreSQL.
const LEFT_BEHIND: usize = 3;

/// The database to connect to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) url: String,
    pub(super) pooler: Pooler,
}

impl Target {
    /// Opens a connection whose statements `activity` records.
    pub(super) fn connect(&self, activity: &Arc<Activity>) -> Result<PgConnection, r2d2::Error> {
        let mut conn = PgConnection::establish(&self.url)?;
        self.set_up(&mut conn, activity)?;
        Ok(conn)
    }

    fn set_up(&self, conn: &mut PgConnection, activity: &Arc<Activity>) -> Result<(), r2d2::Error> {
        activity.observe(conn);
        match self.pooler {
            // For single statements outside a transaction.
            Pooler::None => conn.batch_execute(limits!("SET"))?,
            Pooler::Transaction => conn.set_prepared_statement_cache_size(CacheSize::Disabled),
        }
        Ok(())
    }
}

pub(super) struct Connections {
    target: Target,
    max_size: u32,
    silence_limit: Duration,
    /// The pool in use.
    pool: Mutex<Pool<PgConnection>>,
    /// The number of that pool.
    generation: AtomicU64,
    /// Whether too many connections have been left behind.
    is_exhausted: AtomicBool,
    open: Arc<OpenConnections>,
}

/// The connections of all generations.
#[derive(Debug, Default)]
struct OpenConnections(Mutex<Vec<Weak<Activity>>>);

/// Sets up the connections of one generation.
#[derive(Debug)]
struct Settings {
    target: Target,
    generation: u64,
    open: Arc<OpenConnections>,
}

impl CustomizeConnection<PgConnection, r2d2::Error> for Settings {
    fn on_acquire(&self, conn: &mut PgConnection) -> Result<(), r2d2::Error> {
        let activity = Activity::new(self.generation);
        self.open.add(&activity);
        self.target.set_up(conn, &activity)
    }
}

impl Connections {
    /// `silence_limit` is the longest time that PostgreSQL may take to answer.
    pub(super) fn new(target: Target, max_size: u32, silence_limit: Duration) -> Connections {
        let open = Arc::new(OpenConnections::default());
        let settings = Settings {
            target: target.clone(),
            generation: 0,
            open: open.clone(),
        };
        Connections {
            pool: Mutex::new(pool(&target.url, max_size, settings)),
            target,
            max_size,
            silence_limit,
            generation: AtomicU64::new(0),
            is_exhausted: AtomicBool::new(false),
            open,
        }
    }

    /// Waits for a connection. Returns it with the number of its generation. The caller has to break a connection that it
    /// returns when its generation has passed.
    ///
    /// # Errors
    /// `Busy` when no connection becomes free in time.
    pub(super) fn get(&self) -> Result<(u64, PooledConnection<ConnectionManager<PgConnection>>), StoreError> {
        let (generation, pool) = {
            let pool = unpoisoned(self.pool.lock());
            (self.generation(), pool.clone())
        };
        let conn = pool.get().map_err(|_| StoreError::Busy)?;
        Ok((generation, conn))
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    pub(super) fn max_size(&self) -> u32 {
        self.max_size
    }

    pub(super) fn silence_limit(&self) -> Duration {
        self.silence_limit
    }

    /// Replaces all connections if PostgreSQL is silent on one of those in use.
    pub(super) fn replace_if_silent(&self) {
        let current = self.generation();
        let silent = |it: &Arc<Activity>| it.generation == current && it.is_silent(self.silence_limit);
        if self.open.list().iter().any(silent) {
            self.replace();
        }
    }

    /// Closes all idle connections and starts again with new ones. Connections in use are closed when they are returned.
    /// Does nothing while too many connections that were left behind are still open.
    pub(super) fn replace(&self) {
        let generation = self.generation() + 1;
        let most = LEFT_BEHIND * self.max_size as usize;
        let left_behind = self.open.before(self.generation());
        let is_exhausted = left_behind >= most;
        let was_exhausted = self.is_exhausted.swap(is_exhausted, Ordering::Relaxed);
        if is_exhausted && was_exhausted {
            return;
        }
        if is_exhausted {
            log::error!(
                "PostgreSQL does not answer, and {left_behind} connections that were given up are still open: \
                 no more are given up until some of them have ended; a restart of this server ends all"
            );
            return;
        }
        let settings = Settings {
            target: self.target.clone(),
            generation,
            open: self.open.clone(),
        };
        let fresh = pool(&self.target.url, self.max_size, settings);
        let old = {
            let mut pool = unpoisoned(self.pool.lock());
            self.generation.store(generation, Ordering::Relaxed);
            std::mem::replace(&mut *pool, fresh)
        };
        while let Some(mut conn) = old.try_get() {
            // The pool drops the connection.
            AnsiTransactionManager::transaction_manager_status_mut(&mut *conn).set_in_error();
        }
        log::warn!(
            "PostgreSQL does not answer: replaced all connections (replacement {generation} since the start; {} of the \
             old connections are still in use)",
            self.open.before(generation)
        );
    }
}

impl OpenConnections {
    fn add(&self, activity: &Arc<Activity>) {
        unpoisoned(self.0.lock()).push(Arc::downgrade(activity));
    }

    fn list(&self) -> Vec<Arc<Activity>> {
        let mut open = unpoisoned(self.0.lock());
        open.retain(|it| it.strong_count() > 0);
        open.iter().filter_map(Weak::upgrade).collect()
    }

    /// Returns the number of connections of generations before this one.
    fn before(&self, generation: u64) -> usize {
        self.list().iter().filter(|it| it.generation < generation).count()
    }
}

/// A panic leaves no half-finished change here.
fn unpoisoned<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}
