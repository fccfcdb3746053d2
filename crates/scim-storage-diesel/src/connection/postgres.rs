//! PostgreSQL: a pool of connections. Transactions that conflict with others are tried again.
//!
//! A transaction relies on nothing that was set on its connection before: its limits are set inside it. Behind a pooler
//! that may give each transaction another connection ([`Pooler::Transaction`]), no statement is kept prepared either.

mod plaintext;
pub(crate) mod presence;

use std::cell::Cell;
use std::time::Duration;

use diesel::Connection;
use diesel::connection::{AnsiTransactionManager, CacheSize, SimpleConnection, TransactionManager};
use diesel::pg::PgConnection;
use diesel::r2d2::{self, CustomizeConnection};
use diesel::result::Error;
use scim_model::store::StoreError;

use super::conn::Conn;
use super::pool::{Pool, pool};
use super::postgres_transaction::{BEGIN_WRITE, limits, transaction};
use crate::error::{Failure, is_broken_connection, is_serialization_failure, unavailable};
use crate::open_error::OpenError;
use crate::options::{Pooler, StoreOptions};
use crate::sql::sql;
use presence::{Presence, Shapes};

/// Attempts before a transaction that keeps conflicting with others fails.
const ATTEMPTS: u32 = 8;

pub(crate) struct Postgres {
    pool: Pool<PgConnection>,
    /// The presence of a server.
    presence: Option<Presence>,
}

impl Postgres {
    /// Connects, and runs `prepare` on a separate connection. A server keeps that connection, and `shapes` gives the
    /// rules of its index entries.
    pub(crate) fn open<T>(
        url: &str,
        options: &StoreOptions,
        prepare: impl FnOnce(&mut Conn) -> Result<T, OpenError>,
        shapes: impl FnOnce(&T) -> Option<Shapes>,
    ) -> Result<(Postgres, T), OpenError> {
        plaintext::refuse_silent_plaintext(url, plaintext::HAS_TLS, |name| std::env::var(name).ok())?;
        let settings = Settings(options.pooler);
        let mut conn = connect(url, settings).map_err(|it| unreachable_at(url, it))?;
        warn_of_other_languages(&mut Conn::Postgres(&mut conn))?;
        refuse_other_encodings(&mut Conn::Postgres(&mut conn))?;
        let prepared = prepare(&mut Conn::Postgres(&mut conn))?;
        let presence = shapes(&prepared).map(|shapes| {
            let (url, holds_lock) = (url.to_owned(), options.pooler == Pooler::None);
            Presence::keep(conn, shapes, holds_lock, move || connect(&url, settings))
        });
        let presence = presence.transpose()?;
        let pool = pool(url, options.connections, settings).map_err(OpenError::connection)?;
        Ok((Postgres { pool, presence }, prepared))
    }

    /// Runs a read, again on another connection when the first one turns out to be lost.
    pub(crate) fn read<T>(&self, work: impl Fn(&mut Conn) -> Result<T, Failure>) -> Result<T, StoreError> {
        self.with_retries(work, is_broken_connection)
    }

    /// Runs one transaction, at READ COMMITTED. When it conflicted with another transaction or its connection was lost, it
    /// runs again, unless it may have been committed.
    pub(crate) fn write<T>(&self, work: impl Fn(&mut Conn) -> Result<T, Failure>) -> Result<T, StoreError> {
        let may_be_committed = Cell::new(false);
        let in_transaction = |conn: &mut Conn| match conn {
            Conn::Postgres(conn) => {
                may_be_committed.set(false);
                transaction(conn, BEGIN_WRITE, |conn| {
                    let result = work(&mut Conn::Postgres(conn))?;
                    may_be_committed.set(true);
                    Ok(result)
                })
            }
            Conn::Sqlite(_) => unreachable!("the pool has PostgreSQL connections only"),
        };
        self.with_retries(in_transaction, |error| {
            is_serialization_failure(error) || is_broken_connection(error) && !may_be_committed.get()
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
            // After a restart of PostgreSQL, each connection of the pool is found broken, one by one.
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
        if self.presence.as_ref().is_some_and(Presence::is_outdated) {
            return Err(unavailable("another server has changed this database's schemas or settings").into());
        }
        let mut conn = self.pool.get().map_err(|_| StoreError::Busy)?;
        let result = work(&mut Conn::Postgres(&mut conn));
        if matches!(&result, Err(Failure::Database(error)) if is_broken_connection(error)) {
            // The pool drops the connection. No test query is needed before each use.
            AnsiTransactionManager::transaction_manager_status_mut(&mut *conn).set_in_error();
        }
        result
    }
}

/// libpq reads part of a password with an unescaped `@` as the host name, and shows it in its error.
fn unreachable_at(url: &str, error: r2d2::Error) -> OpenError {
    if !shows_password(url) {
        return OpenError::connection(error);
    }
    OpenError::connection(
        "write characters such as `@`, `/` and `%` in the user and the password of the URL as `%40`, `%2F` and `%25`",
    )
}

/// Whether user or password contain characters that may end them too early.
fn shows_password(url: &str) -> bool {
    let login = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
    let Some((login, _)) = login.filter(|(login, _)| login.contains(':')) else {
        return false;
    };
    let is_no_code = |text: &str| text.bytes().take(2).filter(u8::is_ascii_hexdigit).count() < 2;
    login.contains(['@', '/', '?', '#']) || login.split('%').skip(1).any(is_no_code)
}

/// diesel exposes only some of PostgreSQL's error codes; the others are recognised by their English text.
fn warn_of_other_languages(conn: &mut Conn) -> Result<(), Failure> {
    let language = conn.row::<String>(&sql!("SELECT current_setting('lc_messages')"))?;
    let language = language.unwrap_or_default();
    if !is_english(&language) {
        log::warn!(
            "`lc_messages` of the database is `{language}`, so deadlocks are not recognised and clients get an error \
             instead of a retry: run `ALTER ROLE ... SET lc_messages = 'C'`"
        );
    }
    Ok(())
}

fn is_english(locale: &str) -> bool {
    ["", "C", "POSIX"].contains(&locale) || ["C.", "en_", "English"].iter().any(|it| locale.starts_with(it))
}

/// A database that cannot hold every character would fail at the first name with such a character.
fn refuse_other_encodings(conn: &mut Conn) -> Result<(), OpenError> {
    let encoding = conn.row::<String>(&sql!("SELECT current_setting('server_encoding')"))?;
    match encoding {
        Some(encoding) if encoding != "UTF8" => Err(OpenError::Encoding(encoding)),
        _ => Ok(()),
    }
}

/// The pause before another attempt: it grows with each, and differs between the transactions that conflicted.
fn pause(attempt: u32) -> Duration {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let jitter = clock.map_or(0, |it| it.subsec_micros() % 1_000);
    Duration::from_micros(u64::from((1 << attempt) * 500 + jitter * attempt))
}

/// The settings of a connection.
#[derive(Clone, Copy, Debug)]
struct Settings(Pooler);

impl CustomizeConnection<PgConnection, r2d2::Error> for Settings {
    fn on_acquire(&self, conn: &mut PgConnection) -> Result<(), r2d2::Error> {
        match self.0 {
            // For single statements outside a transaction.
            Pooler::None => conn.batch_execute(limits!("SET"))?,
            Pooler::Transaction => conn.set_prepared_statement_cache_size(CacheSize::Disabled),
        }
        Ok(())
    }
}

fn connect(url: &str, settings: Settings) -> Result<PgConnection, r2d2::Error> {
    let mut conn = PgConnection::establish(url)?;
    settings.on_acquire(&mut conn)?;
    Ok(conn)
}

#[cfg(test)]
#[path = "../../tests/unit/postgres.rs"]
mod tests;
