//! The deadline of a query.
//!
//! PostgreSQL ends a statement by itself (`statement_timeout`). On SQLite, a function in the condition of a scan ends
//! it: the function is called for every resource that the scan examines, and fails after the deadline.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use diesel::serialize::{IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::sql::{Sql, sql};

/// When a query has to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// In microseconds of [`clock`].
    until: i64,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Deadline {
        let limit_in_micros = i64::try_from(limit.as_micros()).unwrap_or(i64::MAX);
        Deadline {
            until: clock().saturating_add(limit_in_micros),
        }
    }

    /// A deadline that is never reached, for statements that are only shown or explained.
    pub(crate) fn never() -> Deadline {
        Deadline { until: i64::MAX }
    }

    /// The test for SQLite, which is true until the deadline.
    pub(crate) fn check(self) -> Sql {
        sql!("scim_in_time({until})"; until = self.until)
    }

    /// The time that is left; at least a microsecond.
    pub(crate) fn left(self) -> Duration {
        let micros = self.until.saturating_sub(clock()).max(1);
        Duration::from_micros(micros.unsigned_abs())
    }

    pub(crate) fn is_over(self) -> bool {
        clock() >= self.until
    }
}

/// Microseconds since the first call in this process.
fn clock() -> i64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
}

diesel::define_sql_function! {
    fn scim_in_time(until: BigInt) -> Bool;
}

/// Calls between two readings of the clock: all others cost a comparison.
const CALLS_PER_READING: u32 = 64;

/// Registers `scim_in_time` with a connection.
pub(crate) fn register(conn: &mut SqliteConnection) -> diesel::QueryResult<()> {
    let mut calls = 0;
    let mut last = None;
    scim_in_time_utils::register_nondeterministic_impl(conn, move |until: i64| {
        if last != Some(until) || calls == CALLS_PER_READING {
            (last, calls) = (Some(until), 0);
            return InTime(clock() < until);
        }
        calls += 1;
        InTime(true)
    })
}

#[derive(Debug)]
struct InTime(bool);

impl ToSql<Bool, Sqlite> for InTime {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> diesel::serialize::Result {
        if !self.0 {
            // An error ends the statement at once; `false` would let it examine all other resources.
            return Err("the deadline has passed".into());
        }
        out.set_value(1);
        Ok(IsNull::No)
    }
}
