//! PostgreSQL: a pool of connections; transactions that met others are tried again.
//!
//! Nothing that a transaction relies on outlives it on the connection: what limits it is set inside it.
//! With a pooler between ([`Pooler::Transaction`]), which gives each transaction another connection,
//! no statement is kept prepared either.

mod plaintext;
pub(crate) mod presence;

use std::cell::Cell;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, CacheSize, SimpleConnection, TransactionManager};
use diesel::pg::PgConnection;
use diesel::result::Error;
use diesel::sql_types::Text;
use diesel::{Connection, ConnectionError};
use scim_model::store::StoreError;

use crate::connection::Conn;
use crate::error::{Failure, is_broken_connection, is_worth_a_retry, unavailable};
use crate::open_error::OpenError;
use crate::options::{Pooler, StoreOptions};
use crate::sql::sql;
use presence::{Presence, Shapes};

/// A transaction that always meets another one fails in the end.
const ATTEMPTS: u32 = 8;

/// What a statement may take, and wait for others, before its client is told to come again. It is for
/// one transaction, and costs no way to the server of its own.
macro_rules! limits {
    ($set:literal) => {
        concat!(
            $set,
            " statement_timeout = '30s'; ",
            $set,
            " lock_timeout = '3s'; ",
            $set,
            " idle_in_transaction_session_timeout = '30s'; ",
            $set,
            " jit = off"
        )
    };
}

/// What they say a statement may take.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// READ COMMITTED, also where the database's default is another.
const BEGIN_WRITE: &str = concat!("BEGIN ISOLATION LEVEL READ COMMITTED; ", limits!("SET LOCAL"));

pub(crate) const BEGIN_SNAPSHOT: &str = concat!(
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ",
    limits!("SET LOCAL")
);

/// Bringing the schema up to date takes as long as it takes.
pub(crate) const BEGIN_MIGRATION: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
     SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
     SET LOCAL idle_in_transaction_session_timeout = 0";

/// One transaction, whose first words are `begin`.
pub(crate) fn transaction<T, E: From<Error>>(
    conn: &mut PgConnection,
    begin: &str,
    work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
) -> Result<T, E> {
    AnsiTransactionManager::begin_transaction_sql(conn, begin)?;
    match work(conn) {
        Ok(result) => {
            AnsiTransactionManager::commit_transaction(conn)?;
            Ok(result)
        }
        Err(failure) => match AnsiTransactionManager::rollback_transaction(conn) {
            // The failure tells more than that.
            Ok(()) | Err(Error::BrokenTransactionManager) => Err(failure),
            Err(error) => Err(error.into()),
        },
    }
}

pub(crate) struct Postgres {
    pool: r2d2::Pool<Manager>,
    /// Of a server.
    presence: Option<Presence>,
}

impl Postgres {
    /// Connects; `prepare` runs on a connection of its own, which a server keeps: then `shapes` gives
    /// what its index entries are made by.
    pub(crate) fn open<T>(
        url: &str,
        options: &StoreOptions,
        prepare: impl FnOnce(&mut Conn) -> Result<T, OpenError>,
        shapes: impl FnOnce(&T) -> Option<Shapes>,
    ) -> Result<(Postgres, T), OpenError> {
        plaintext::refuse_silent_plaintext(url, plaintext::HAS_TLS, |name| std::env::var(name).ok())?;
        let manager = Manager {
            url: url.to_owned(),
            pooler: options.pooler,
        };
        let mut conn = manager.connect_now().map_err(|it| unreachable_at(url, it))?;
        warn_of_other_languages(&mut Conn::Postgres(&mut conn))?;
        refuse_other_encodings(&mut Conn::Postgres(&mut conn))?;
        let prepared = prepare(&mut Conn::Postgres(&mut conn))?;
        let presence = shapes(&prepared).map(|shapes| {
            let (manager, holds_lock) = (manager.clone(), options.pooler == Pooler::None);
            Presence::keep(conn, shapes, holds_lock, move || manager.connect_now())
        });
        let presence = presence.transpose()?;
        let pool = r2d2::Pool::builder()
            .max_size(options.connections)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(3))
            .build(manager)
            .map_err(OpenError::connection)?;
        Ok((Postgres { pool, presence }, prepared))
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
        if self.presence.as_ref().is_some_and(Presence::is_outdated) {
            return Err(unavailable("another server has changed this database's schemas or settings").into());
        }
        let mut conn = self.pool.get().map_err(|_| StoreError::Busy)?;
        let result = work(&mut Conn::Postgres(&mut conn.conn));
        if let Err(Failure::Database(error)) = &result {
            conn.is_broken |= is_broken_connection(error);
        }
        result
    }
}

/// libpq takes a part of a password for the server when the password has an `@`, and shows it.
fn unreachable_at(url: &str, error: ConnectionError) -> OpenError {
    if !shows_password(url) {
        return OpenError::connection(error);
    }
    OpenError::connection(
        "in the user and the password of its URL, characters such as `@`, `/` and `%` have to be written as `%40`, \
         `%2F` and `%25`",
    )
}

/// Whether user and password have characters at which one of them may end too early.
fn shows_password(url: &str) -> bool {
    let login = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
    let Some((login, _)) = login.filter(|(login, _)| login.contains(':')) else {
        return false;
    };
    let is_no_code = |text: &str| text.bytes().take(2).filter(u8::is_ascii_hexdigit).count() < 2;
    login.contains(['@', '/', '?', '#']) || login.split('%').skip(1).any(is_no_code)
}

/// diesel keeps PostgreSQL's error codes to itself, but for a few: the others are told by their text.
fn warn_of_other_languages(conn: &mut Conn) -> Result<(), Failure> {
    let language = conn.row::<Text, String>(&sql!("SELECT current_setting('lc_messages')"))?;
    let language = language.unwrap_or_default();
    if !is_english(&language) {
        log::warn!(
            "the database's `lc_messages` is `{language}`: deadlocks are not recognised, and clients are told \
             to come again; `ALTER ROLE ... SET lc_messages = 'C'` mends it"
        );
    }
    Ok(())
}

fn is_english(locale: &str) -> bool {
    ["", "C", "POSIX"].contains(&locale) || ["C.", "en_", "English"].iter().any(|it| locale.starts_with(it))
}

/// What cannot hold every character would fail with the first name that has one.
fn refuse_other_encodings(conn: &mut Conn) -> Result<(), OpenError> {
    let encoding = conn.row::<Text, String>(&sql!("SELECT current_setting('server_encoding')"))?;
    match encoding {
        Some(encoding) if encoding != "UTF8" => Err(OpenError::Encoding(encoding)),
        _ => Ok(()),
    }
}

/// Grows with each attempt, and differs between those that met.
fn pause(attempt: u32) -> Duration {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let jitter = clock.map_or(0, |it| it.subsec_micros() % 1_000);
    Duration::from_micros(u64::from((1 << attempt) * 500 + jitter * attempt))
}

#[derive(Clone)]
struct Manager {
    url: String,
    pooler: Pooler,
}

/// A connection that knows whether it is of any more use: there is no test query before each use.
struct Pooled {
    conn: PgConnection,
    is_broken: bool,
}

impl Manager {
    fn connect_now(&self) -> Result<PgConnection, ConnectionError> {
        let mut conn = PgConnection::establish(&self.url)?;
        match self.pooler {
            // For single statements, which no transaction is around.
            Pooler::None => conn
                .batch_execute(limits!("SET"))
                .map_err(ConnectionError::CouldntSetupConfiguration)?,
            Pooler::Transaction => conn.set_prepared_statement_cache_size(CacheSize::Disabled),
        }
        Ok(conn)
    }
}

impl r2d2::ManageConnection for Manager {
    type Connection = Pooled;
    type Error = ConnectionError;

    fn connect(&self) -> Result<Pooled, ConnectionError> {
        Ok(Pooled {
            conn: self.connect_now()?,
            is_broken: false,
        })
    }

    fn is_valid(&self, _: &mut Pooled) -> Result<(), ConnectionError> {
        Ok(())
    }

    fn has_broken(&self, conn: &mut Pooled) -> bool {
        std::thread::panicking()
            || conn.is_broken
            || AnsiTransactionManager::is_broken_transaction_manager(&mut conn.conn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_by_their_locale() {
        for locale in [
            "",
            "C",
            "POSIX",
            "C.UTF-8",
            "en_US.UTF-8",
            "English_United States.1252",
        ] {
            assert!(is_english(locale), "{locale}");
        }
        for locale in ["de_DE.UTF-8", "Cs", "ca_ES", "German_Germany.1252"] {
            assert!(!is_english(locale), "{locale}");
        }
    }
}
