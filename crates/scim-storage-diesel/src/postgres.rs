//! PostgreSQL: a pool of connections; transactions that met others are tried again.

use std::cell::Cell;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::result::Error;
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
        refuse_silent_plaintext(url)?;
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

    /// A read whose connection turns out to be gone is done again on another one.
    pub(crate) fn read<T>(&self, work: impl Fn(&mut Conn) -> Result<T, Failure>) -> Result<T, StoreError> {
        self.with_retries(work, is_broken_connection)
    }

    /// One transaction, at READ COMMITTED. What certainly was not committed is done again when it met
    /// another transaction, or its connection turns out to be gone.
    pub(crate) fn write<T>(&self, work: impl Fn(&mut Conn) -> Result<T, Failure>) -> Result<T, StoreError> {
        let may_be_committed = Cell::new(false);
        let in_transaction = |conn: &mut Conn| match conn {
            Conn::Postgres(conn) => conn.transaction(|conn| {
                may_be_committed.set(false);
                let result = work(&mut Conn::Postgres(conn))?;
                may_be_committed.set(true);
                Ok(result)
            }),
            Conn::Sqlite(_) => unreachable!("the pool has PostgreSQL connections only"),
        };
        self.with_retries(in_transaction, |error| {
            is_worth_a_retry(error) || is_broken_connection(error) && !may_be_committed.get()
        })
    }

    fn with_retries<T>(
        &self,
        work: impl Fn(&mut Conn) -> Result<T, Failure>,
        is_worth_it: impl Fn(&Error) -> bool,
    ) -> Result<T, StoreError> {
        let mut attempt = 0;
        loop {
            let error = match self.attempt(&work) {
                Err(Failure::Database(error)) if is_worth_it(&error) => error,
                result => return Ok(result?),
            };
            attempt += 1;
            // After a restart of the server each connection of the pool is found broken, one by one.
            if is_broken_connection(&error) && attempt <= self.pool.max_size() {
                continue;
            }
            if is_broken_connection(&error) || attempt >= ATTEMPTS {
                return Err(StoreError::Busy);
            }
            std::thread::sleep(pause(attempt));
        }
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

/// This build's libpq has no TLS, and without `sslmode` it would not say so.
fn refuse_silent_plaintext(url: &str) -> Result<(), OpenError> {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let (authority, rest) = rest.split_once(['/', '?']).unwrap_or((rest, ""));
    if rest.contains("sslmode=") {
        return Ok(());
    }
    let (_, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    // `host=` in the query wins over the authority.
    let queried = rest
        .split(['?', '&'])
        .find_map(|it| it.strip_prefix("host=").or(it.strip_prefix("hostaddr=")));
    let is_local = |host: &str| {
        let name = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or(v6),
            None => host.split(':').next().unwrap_or(host),
        };
        // A path is a socket of this machine.
        let is_path =
            name.is_empty() || name.starts_with('/') || name.to_ascii_lowercase().starts_with("%2f");
        let is_loopback = name.parse().is_ok_and(|it: std::net::IpAddr| it.is_loopback());
        is_path || is_loopback || name == "localhost"
    };
    if queried.unwrap_or(hosts).split(',').all(is_local) {
        return Ok(());
    }
    Err(OpenError::Plaintext)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_to_another_machine_is_a_choice() {
        for (url, is_fine) in [
            ("postgres://scim@localhost/scim", true),
            ("postgres://scim:p%40ss@127.0.0.1:5432/scim", true),
            ("postgres://scim@[::1]:5432/scim", true),
            ("postgres:///scim", true),
            ("postgres://%2Fvar%2Frun%2Fpostgresql/scim", true),
            ("postgres:///scim?host=/var/run/postgresql", true),
            ("postgres://db.example.com/scim", false),
            ("postgres://localhost@db.example.com/scim", false),
            ("postgres://localhost,db.example.com/scim", false),
            ("postgres://localhost/scim?host=db.example.com", false),
            ("postgres://db.example.com/scim?sslmode=disable", true),
            ("postgres://10.0.0.1", false),
        ] {
            assert_eq!(refuse_silent_plaintext(url).is_ok(), is_fine, "{url}");
        }
    }
}
