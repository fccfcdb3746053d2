//! Scans: queries that no index serves. They are answered, but few at a time and not for ever, so that
//! they cannot starve the rest. How many resources a value finds is known to nobody beforehand: what an
//! index seems to serve gets a short time, and is a scan when that was not enough.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use diesel::serialize::{IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::{Sqlite, SqliteConnection};
use scim_model::store::{StoreError, TenantId};

use crate::sql::Sql;

/// How often an attribute made a scan necessary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanCount {
    /// Name of the resource type.
    pub resource_type: Arc<str>,
    /// Path of the attribute, as the schema spells it.
    pub attribute: String,
    /// Scans that began.
    pub begun: u64,
    /// Queries that were turned away because too many scans ran.
    pub refused: u64,
    /// Scans that were ended because they took too long.
    pub too_long: u64,
}

/// An attribute of which each value would have to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scanned {
    pub(crate) resource_type: Arc<str>,
    pub(crate) attribute: String,
}

/// So long may a query take that an index seems to serve.
const WITHOUT_TURN: Duration = Duration::from_millis(200);

/// Who waits longer than this for its turn is turned away: it holds a thread meanwhile.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// So many wait for each that runs; more are turned away at once.
const WAITING_FOR_EACH: u32 = 4;

/// The scans that run, and who waits for a turn.
pub(crate) struct Scans {
    at_once: u32,
    /// One tenant alone cannot take all turns, unless there is only one.
    of_a_tenant: u32,
    limit: Duration,
    turns: Mutex<Turns>,
    is_free: Condvar,
    counts: Mutex<BTreeMap<Scanned, (u64, u64, u64)>>,
}

#[derive(Default)]
struct Turns {
    all: Taken,
    by_tenant: HashMap<TenantId, Taken>,
}

#[derive(Clone, Copy, Default)]
struct Taken {
    running: u32,
    waiting: u32,
}

/// The right to scan, until it is dropped.
pub(crate) struct Turn<'a> {
    scans: &'a Scans,
    tenant: TenantId,
    pub(crate) deadline: Deadline,
}

impl Scans {
    pub(crate) fn new(at_once: u32, limit: Duration) -> Scans {
        let at_once = at_once.max(1);
        Scans {
            at_once,
            of_a_tenant: at_once.div_ceil(2).min((at_once - 1).max(1)),
            limit,
            turns: Mutex::default(),
            is_free: Condvar::new(),
            counts: Mutex::default(),
        }
    }

    /// Waits for a turn, but not for long.
    ///
    /// # Errors
    /// `TooManyScans`
    pub(crate) fn begin(&self, tenant: TenantId, scanned: &[Scanned]) -> Result<Turn<'_>, StoreError> {
        let until = Instant::now() + MAX_WAIT;
        let mut turns = unpoisoned(self.turns.lock());
        let mut is_waiting = false;
        while !self.has_turn(&turns, tenant) {
            let now = Instant::now();
            if now >= until || !is_waiting && !self.has_room(&turns, tenant) {
                if is_waiting {
                    turns.change(tenant, |it| it.waiting -= 1);
                }
                drop(turns);
                self.count(scanned, |(_, refused, _)| *refused += 1);
                return Err(StoreError::TooManyScans {
                    attribute: named(scanned),
                });
            }
            if !is_waiting {
                turns.change(tenant, |it| it.waiting += 1);
                is_waiting = true;
            }
            turns = unpoisoned(self.is_free.wait_timeout(turns, until - now)).0;
        }
        turns.change(tenant, |it| {
            it.running += 1;
            it.waiting -= u32::from(is_waiting);
        });
        drop(turns);
        self.count(scanned, |(begun, _, _)| *begun += 1);
        Ok(Turn {
            scans: self,
            tenant,
            deadline: Deadline::after(self.limit),
        })
    }

    /// When a query that an index seems to serve has to end, or become a scan.
    pub(crate) fn without_turn(&self) -> Deadline {
        Deadline::after(self.limit.min(WITHOUT_TURN))
    }

    /// What a scan that took too long ends with.
    pub(crate) fn too_long(&self, scanned: &[Scanned]) -> StoreError {
        self.count(scanned, |(_, _, too_long)| *too_long += 1);
        StoreError::TooExpensive {
            attribute: named(scanned),
        }
    }

    pub(crate) fn counts(&self) -> Vec<ScanCount> {
        let counts = unpoisoned(self.counts.lock());
        let count = |(it, (begun, refused, too_long)): (&Scanned, &(u64, u64, u64))| ScanCount {
            resource_type: it.resource_type.clone(),
            attribute: it.attribute.clone(),
            begun: *begun,
            refused: *refused,
            too_long: *too_long,
        };
        counts.iter().map(count).collect()
    }

    fn has_turn(&self, turns: &Turns, tenant: TenantId) -> bool {
        turns.all.running < self.at_once && turns.of(tenant).running < self.of_a_tenant
    }

    fn has_room(&self, turns: &Turns, tenant: TenantId) -> bool {
        turns.all.waiting < self.at_once * WAITING_FOR_EACH
            && turns.of(tenant).waiting < self.of_a_tenant * WAITING_FOR_EACH
    }

    fn count(&self, scanned: &[Scanned], add: impl Fn(&mut (u64, u64, u64))) {
        let mut counts = unpoisoned(self.counts.lock());
        for it in scanned {
            match counts.get_mut(it) {
                Some(count) => add(count),
                None => add(counts.entry(it.clone()).or_default()),
            }
        }
    }
}

impl Turns {
    fn of(&self, tenant: TenantId) -> Taken {
        self.by_tenant.get(&tenant).copied().unwrap_or_default()
    }

    fn change(&mut self, tenant: TenantId, change: impl Fn(&mut Taken)) {
        change(&mut self.all);
        let of_tenant = self.by_tenant.entry(tenant).or_default();
        change(of_tenant);
        if of_tenant.running == 0 && of_tenant.waiting == 0 {
            self.by_tenant.remove(&tenant);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        unpoisoned(self.scans.turns.lock()).change(self.tenant, |it| it.running -= 1);
        self.scans.is_free.notify_all();
    }
}

/// The first one stands for all: with an index on it, the next one would be named.
fn named(scanned: &[Scanned]) -> String {
    scanned.first().map(|it| it.attribute.clone()).unwrap_or_default()
}

/// Nothing here is left half done by a panic.
fn unpoisoned<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

/// When a scan has to end.
///
/// PostgreSQL ends a statement by itself. SQLite is asked to by a function that stands in the condition of
/// a scan: it is called for each resource that is looked at, and fails when the time is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// Microseconds of [`clock`].
    until: i64,
}

impl Deadline {
    fn after(limit: Duration) -> Deadline {
        let limit_in_micros = i64::try_from(limit.as_micros()).unwrap_or(i64::MAX);
        Deadline {
            until: clock().saturating_add(limit_in_micros),
        }
    }

    /// For plans and texts.
    pub(crate) fn never() -> Deadline {
        Deadline { until: i64::MAX }
    }

    /// For SQLite; true as long as there is time.
    pub(crate) fn check(self) -> Sql {
        Sql::new("scim_in_time(").int(self.until).text(")")
    }

    /// What is left of the time; at least a little.
    pub(crate) fn left(self) -> Duration {
        let micros = self.until.saturating_sub(clock()).max(1);
        Duration::from_micros(micros.unsigned_abs())
    }

    pub(crate) fn is_over(self) -> bool {
        clock() >= self.until
    }
}

/// Microseconds since some moment of this process.
fn clock() -> i64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
}

diesel::define_sql_function! {
    fn scim_in_time(until: BigInt) -> Bool;
}

/// The clock is read once in so many calls: most of them cost a comparison.
const CALLS_A_LOOK: u32 = 64;

/// Makes `scim_in_time` known to a connection.
pub(crate) fn register(conn: &mut SqliteConnection) -> diesel::QueryResult<()> {
    let mut calls = 0;
    let mut last = None;
    scim_in_time_utils::register_nondeterministic_impl(conn, move |until: i64| {
        if last != Some(until) || calls == CALLS_A_LOOK {
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
            // An error ends the statement at once, `false` would only when all is looked at.
            return Err("the time is over".into());
        }
        out.set_value(1);
        Ok(IsNull::No)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned() -> Vec<Scanned> {
        vec![Scanned {
            resource_type: "User".into(),
            attribute: "title".to_owned(),
        }]
    }

    fn is_refused(turn: Result<Turn, StoreError>) -> bool {
        matches!(turn, Err(StoreError::TooManyScans { attribute }) if attribute == "title")
    }

    #[test]
    fn one_tenant_cannot_take_all_turns() {
        for (at_once, of_one) in [(2, 1), (3, 2), (4, 2), (8, 4)] {
            let scans = Scans::new(at_once, Duration::from_secs(10));
            let begin = |tenant| scans.begin(TenantId(tenant), &scanned());
            let mut turns: Vec<Turn> = (0..of_one).map(|_| begin(1).expect("a turn is free")).collect();
            assert!(is_refused(begin(1)), "of {at_once}");
            turns.extend((of_one..at_once).map(|_| begin(2).expect("turns are left to others")));
            assert!(is_refused(begin(3)), "of {at_once}");
            // Who is done makes room, for others too.
            turns.remove(0);
            drop(begin(3).expect("a turn is free"));
            let counts = &scans.counts()[0];
            assert_eq!((counts.begun, counts.refused), (u64::from(at_once) + 1, 2));
        }
    }

    #[test]
    fn the_only_turn_is_for_anybody() {
        let scans = Scans::new(1, Duration::from_secs(10));
        for tenant in [1, 1, 2] {
            assert!(scans.begin(TenantId(tenant), &scanned()).is_ok());
        }
    }
}
