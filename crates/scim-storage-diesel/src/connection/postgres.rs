//! PostgreSQL: a pool of connections. Transactions that conflict with others are tried again.
//!
//! A transaction relies on nothing that was set on its connection before: its limits are set inside it. Behind a pooler
//! that may give each transaction another connection ([`Pooler::Transaction`]), no statement is kept prepared either.

mod activity;
mod connections;
mod plaintext;
pub(crate) mod presence;
mod statistics;
mod url;
mod watchdog;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::result::Error;
use scim_model::store::StoreError;

use super::conn::Conn;
use super::postgres_transaction::{BEGIN_WRITE, transaction};
use crate::error::{Failure, is_broken_connection, is_serialization_failure, unavailable};
use crate::open_error::OpenError;
use crate::options::{Pooler, StoreOptions};
use crate::sql::sql;
use activity::Activity;
use connections::{Connections, Target};
use presence::{Presence, Shapes};
use watchdog::Watchdog;

/// Attempts before a transaction that keeps conflicting with others fails.
const ATTEMPTS: u32 = 8;

pub(crate) struct Postgres {
    connections: Arc<Connections>,
    /// The presence of a server.
    presence: Option<Arc<Presence>>,
    _watchdog: Watchdog,
    /// Whether PostgreSQL writes a transaction to disk before it acknowledges it.
    is_durable: bool,
    /// The number of failed attempts that were repeated.
    retries: AtomicU64,
}

impl Postgres {
    /// Connects, and runs `prepare` on a separate connection. A server keeps that connection to show its presence;
    /// `shapes` returns the rules of its index entries.
    pub(crate) fn open<T>(
        url: &str,
        options: &StoreOptions,
        prepare: impl FnOnce(&mut Conn) -> Result<T, OpenError>,
        shapes: impl FnOnce(&T) -> Option<Shapes>,
    ) -> Result<(Postgres, T), OpenError> {
        if has_invalid_port(url) {
            return Err(OpenError::Unescaped);
        }
        let without_password = |error| match shows_password(url) {
            true => OpenError::Unescaped,
            false => error,
        };
        let variable = |name: &str| std::env::var(name).ok();
        plaintext::refuse_silent_plaintext(url, plaintext::HAS_TLS, variable).map_err(without_password)?;
        let target = Target {
            url: url::with_defaults(url, variable),
            pooler: options.pooler,
        };
        let activity = Activity::new(0);
        let mut conn = target
            .connect(&activity)
            .map_err(|it| match is_about_url(&it.to_string()) {
                true => OpenError::Unescaped,
                false => without_password(OpenError::connection(it)),
            })?;
        warn_of_other_languages(&mut Conn::Postgres(&mut conn))?;
        refuse_other_encodings(&mut Conn::Postgres(&mut conn))?;
        let unsafe_settings = unsafe_settings(&mut Conn::Postgres(&mut conn))?;
        let prepared = prepare(&mut Conn::Postgres(&mut conn))?;
        let presence = shapes(&prepared).map(|shapes| {
            let holds_lock = options.pooler == Pooler::None;
            Presence::keep(conn, activity, shapes, holds_lock, target.clone())
        });
        let presence = presence.transpose()?.map(Arc::new);
        if presence.is_some() {
            for setting in &unsafe_settings {
                log::error!(
                    "PostgreSQL runs with `{setting} = off`: changes that clients believe to be stored are lost when it \
                     or its machine crashes; set it to `on`"
                );
            }
        }
        let connections = Arc::new(Connections::new(
            target,
            options.connections,
            options.silence_limit,
        ));
        let postgres = Postgres {
            _watchdog: Watchdog::start(connections.clone(), presence.clone())?,
            connections,
            presence,
            is_durable: unsafe_settings.is_empty(),
            retries: AtomicU64::new(0),
        };
        Ok((postgres, prepared))
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// Returns the number of reads and transactions that failed and were repeated.
    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
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
        let began = Instant::now();
        let mut attempt = 0;
        loop {
            let error = match self.attempt(&work) {
                Err(Failure::Database(error)) if is_worth_it(&error) => error,
                result => return Ok(result?),
            };
            attempt += 1;
            self.retries.fetch_add(1, Ordering::Relaxed);
            // The client has been told that the server is busy, and may have sent its request again.
            if began.elapsed() > self.connections.silence_limit() {
                return Err(StoreError::Busy);
            }
            // After a restart of PostgreSQL, each connection of the pool is found broken, one by one.
            if is_broken_connection(&error) && attempt <= self.connections.max_size() {
                continue;
            }
            if is_broken_connection(&error) || attempt >= ATTEMPTS {
                return Err(StoreError::Busy);
            }
            std::thread::sleep(pause(attempt));
        }
    }

    fn attempt<T>(&self, work: impl Fn(&mut Conn) -> Result<T, Failure>) -> Result<T, Failure> {
        if self.presence.as_ref().is_some_and(|it| it.is_outdated()) {
            return Err(unavailable("another server has changed this database's schemas or settings").into());
        }
        let (generation, mut conn) = self.connections.get()?;
        let result = work(&mut Conn::Postgres(&mut conn));
        let is_broken = matches!(&result, Err(Failure::Database(error)) if is_broken_connection(error));
        if is_broken || generation != self.connections.generation() {
            // The pool drops the connection. No test query is needed before each use.
            AnsiTransactionManager::transaction_manager_status_mut(&mut *conn).set_in_error();
        }
        result
    }
}

/// Whether the user or the password contains a character that may end it too early. libpq then reads part of a
/// password as the host name, and shows it in its error.
fn shows_password(url: &str) -> bool {
    let login = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
    let Some((login, _)) = login.filter(|(login, _)| login.contains(':')) else {
        return false;
    };
    let is_no_code = |text: &str| {
        let digits = text.get(..2).unwrap_or_default();
        !u8::from_str_radix(digits, 16).is_ok_and(|it| it != 0)
    };
    login.contains(['@', '/', '?', '#']) || login.split('%').skip(1).any(is_no_code)
}

/// Whether an error of libpq may quote a part of the URL. libpq quotes the part that it cannot read, which may belong
/// to a password.
fn is_about_url(error: &str) -> bool {
    error.contains("URI") || error.contains("percent-encoded")
}

/// Whether the text in the place of a port is not a number, and so may be a password. libpq shows it in its error.
fn has_invalid_port(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    hosts.split(',').any(|host| {
        let after_address = host.rsplit(']').next().unwrap_or_default();
        let port = after_address.split_once(':').map_or("", |(_, port)| port);
        !port.bytes().all(|it| it.is_ascii_digit())
    })
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

/// The settings that let PostgreSQL acknowledge a transaction before it is on disk.
pub(crate) fn unsafe_settings(conn: &mut Conn) -> Result<Vec<&'static str>, Failure> {
    let mut names = Vec::new();
    for name in ["fsync", "synchronous_commit"] {
        let value = conn.row::<String>(&sql!("SELECT current_setting({name})"; name))?;
        if value.as_deref() == Some("off") {
            names.push(name);
        }
    }
    Ok(names)
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

#[cfg(test)]
#[path = "../../tests/unit/postgres.rs"]
mod tests;
