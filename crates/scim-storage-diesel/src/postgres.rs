//! PostgreSQL: a pool of connections; transactions that met others are tried again.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::{Connection, ConnectionError};
use scim_model::store::StoreError;

use crate::error::{Failure, is_broken_connection, is_worth_a_retry};
use crate::sql::Conn;
use crate::{OpenError, StoreOptions};

/// A transaction that always meets another one fails in the end.
const ATTEMPTS: u32 = 8;

pub(crate) struct Postgres {
    pool: r2d2::Pool<Manager>,
}

impl Postgres {
    /// Connects; `prepare` runs on a connection of its own.
    pub(crate) fn open<T>(
        url: &str,
        options: &StoreOptions,
        prepare: impl FnOnce(&mut Conn) -> Result<T, Failure>,
    ) -> Result<(Postgres, T), OpenError> {
        let manager = Manager { url: url.to_owned() };
        let mut conn = manager.connect_now(false).map_err(OpenError::connection)?;
        let prepared = prepare(&mut Conn::Postgres(&mut conn)).map_err(OpenError::from)?;
        drop(conn);
        let pool = r2d2::Pool::builder()
            .max_size(options.connections)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(3))
            .build(manager)
            .map_err(OpenError::connection)?;
        Ok((Postgres { pool }, prepared))
    }

    /// A read whose connection turns out to be gone is done once more on another one.
    pub(crate) fn read<T>(&self, work: impl Fn(&mut Conn) -> Result<T, Failure>) -> Result<T, StoreError> {
        let mut is_first = true;
        loop {
            match self.attempt(&work) {
                Err(Failure::Database(error)) if is_first && is_broken_connection(&error) => is_first = false,
                result => return Ok(result?),
            }
        }
    }

    /// One transaction, at READ COMMITTED.
    pub(crate) fn write<T>(&self, work: impl Fn(&mut Conn) -> Result<T, Failure>) -> Result<T, StoreError> {
        let in_transaction = |conn: &mut Conn| match conn {
            Conn::Postgres(conn) => conn.transaction(|conn| work(&mut Conn::Postgres(conn))),
            Conn::Sqlite(_) => unreachable!("the pool has PostgreSQL connections only"),
        };
        for attempt in 1.. {
            match self.attempt(in_transaction) {
                Err(Failure::Database(error)) if is_worth_a_retry(&error) => {
                    if attempt == ATTEMPTS {
                        return Err(StoreError::Busy);
                    }
                    std::thread::sleep(pause(attempt));
                }
                result => return Ok(result?),
            }
        }
        Err(StoreError::Busy)
    }

    fn attempt<T>(&self, work: impl Fn(&mut Conn) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut conn = self.pool.get().map_err(|_| StoreError::Busy)?;
        let result = work(&mut Conn::Postgres(&mut conn.conn));
        if let Err(Failure::Database(error)) = &result {
            conn.is_broken |= is_broken_connection(error);
        }
        result
    }
}

/// Grows with each attempt, and differs between those that met.
fn pause(attempt: u32) -> Duration {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let jitter = clock.map_or(0, |it| it.subsec_micros() % 1_000);
    Duration::from_micros(u64::from((1 << attempt) * 500 + jitter * attempt))
}

struct Manager {
    url: String,
}

/// A connection that knows whether it is of any more use: there is no test query before each use.
struct Pooled {
    conn: PgConnection,
    is_broken: bool,
}

impl Manager {
    fn connect_now(&self, with_limits: bool) -> Result<PgConnection, ConnectionError> {
        let mut conn = PgConnection::establish(&self.url)?;
        let limits = "SET statement_timeout = '30s'; SET lock_timeout = '5s'; \
             SET idle_in_transaction_session_timeout = '30s'; SET jit = off;";
        if with_limits {
            conn.batch_execute(limits)
                .map_err(ConnectionError::CouldntSetupConfiguration)?;
        }
        Ok(conn)
    }
}

impl r2d2::ManageConnection for Manager {
    type Connection = Pooled;
    type Error = ConnectionError;

    fn connect(&self) -> Result<Pooled, ConnectionError> {
        Ok(Pooled {
            conn: self.connect_now(true)?,
            is_broken: false,
        })
    }

    fn is_valid(&self, _: &mut Pooled) -> Result<(), ConnectionError> {
        Ok(())
    }

    fn has_broken(&self, conn: &mut Pooled) -> bool {
        use diesel::connection::{AnsiTransactionManager, TransactionManager};
        std::thread::panicking()
            || conn.is_broken
            || AnsiTransactionManager::is_broken_transaction_manager(&mut conn.conn)
    }
}
