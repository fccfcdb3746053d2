//! Shares of the connections: a tenant with many requests does not keep other tenants from the database.
//!
//! A tenant alone may use all connections but one. When several tenants wait, the next free connection is for the one that
//! uses the fewest.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use scim_model::store::{ConnectionFigures, StoreError, TenantId};

use crate::waits::Waits;

/// The longest wait for a connection.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// The tenant id used for work that belongs to no single tenant, such as looking up tokens.
pub(crate) const NO_TENANT: TenantId = TenantId(0);

/// The interval at which waiting work checks for overdue work.
const CHECK: Duration = Duration::from_millis(100);

/// Distributes a number of connections among tenants.
pub(crate) struct Shares {
    connections: usize,
    overdue: Duration,
    state: Mutex<State>,
    waits: Waits,
}

#[derive(Default)]
struct State {
    /// Each use of a connection, by its number.
    used: Vec<(u64, Use)>,
    arrivals: u64,
    tenants: HashMap<TenantId, Load>,
}

struct Use {
    tenant: TenantId,
    since: Instant,
}

#[derive(Default)]
struct Load {
    used: usize,
    waiting: VecDeque<(u64, Arc<Waiting>)>,
}

/// Work that waits for a connection.
#[derive(Default)]
struct Waiting {
    is_admitted: Mutex<bool>,
    admitted: Condvar,
}

/// The right to use a connection, until it is dropped.
pub(crate) struct Share<'a> {
    shares: &'a Shares,
    number: u64,
}

impl Shares {
    /// Creates the shares of a number of connections. Work that takes longer than `overdue` no longer counts: it may
    /// be waiting for a database that has become silent, and its connection has been replaced.
    pub(crate) fn of(connections: u32, overdue: Duration) -> Shares {
        let connections = connections.max(1) as usize;
        Shares {
            connections,
            overdue,
            state: Mutex::default(),
            waits: Waits::default(),
        }
    }

    /// Returns the use of the connections now, and the waits for them.
    pub(crate) fn figures(&self) -> ConnectionFigures {
        let state = self.state();
        let waiting: usize = state.tenants.values().map(|it| it.waiting.len()).sum();
        ConnectionFigures {
            most: self.connections as u64,
            used: state.used.len() as u64,
            waiting: waiting as u64,
            waits: self.waits.times(),
            ..ConnectionFigures::default()
        }
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// `Busy` after [`MAX_WAIT`].
    pub(crate) fn wait(&self, tenant: TenantId) -> Result<Share<'_>, StoreError> {
        let began = Instant::now();
        let share = self.wait_for(tenant, MAX_WAIT);
        self.waits.record(began.elapsed());
        share
    }

    fn wait_for(&self, tenant: TenantId, longest: Duration) -> Result<Share<'_>, StoreError> {
        let until = Instant::now() + longest;
        let (number, waiting) = {
            let mut state = self.state();
            state.arrivals += 1;
            let number = state.arrivals;
            if state.used.len() < self.connections && self.may_use_more(&state, tenant) {
                state.admit(tenant, number);
                return Ok(Share { shares: self, number });
            }
            let waiting = Arc::new(Waiting::default());
            let load = state.tenants.entry(tenant).or_default();
            load.waiting.push_back((number, waiting.clone()));
            (number, waiting)
        };
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if waiting.wait(left.min(CHECK)) {
                return Ok(Share { shares: self, number });
            }
            let mut state = self.state();
            state.forget_overdue(self.overdue);
            self.admit_next(&mut state);
            if *unpoisoned(waiting.is_admitted.lock()) {
                return Ok(Share { shares: self, number });
            }
            if left.is_zero() {
                if let Some(load) = state.tenants.get_mut(&tenant) {
                    load.waiting.retain(|(it, _)| *it != number);
                }
                state.forget_if_idle(tenant);
                return Err(StoreError::Busy);
            }
        }
    }

    fn may_use_more(&self, state: &State, tenant: TenantId) -> bool {
        let load = state.tenants.get(&tenant);
        load.is_none_or(|it| it.used < self.most_of(tenant) && it.waiting.is_empty())
    }

    /// The most connections of a tenant. Work that is not that of one tenant, such as looking up a token, is short.
    fn most_of(&self, tenant: TenantId) -> usize {
        match tenant {
            NO_TENANT => self.connections,
            _ => (self.connections - 1).max(1),
        }
    }

    fn admit_next(&self, state: &mut State) {
        while state.used.len() < self.connections {
            let Some((tenant, number, next)) = state.next(|tenant| self.most_of(tenant)) else {
                break;
            };
            state.admit(tenant, number);
            *unpoisoned(next.is_admitted.lock()) = true;
            next.admitted.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }
}

impl State {
    fn admit(&mut self, tenant: TenantId, number: u64) {
        let since = Instant::now();
        self.used.push((number, Use { tenant, since }));
        self.tenants.entry(tenant).or_default().used += 1;
    }

    /// Removes the work that is next: the first of the tenant that uses the fewest connections.
    fn next(&mut self, most_of: impl Fn(TenantId) -> usize) -> Option<(TenantId, u64, Arc<Waiting>)> {
        let loads = self
            .tenants
            .iter()
            .filter(|(tenant, it)| it.used < most_of(**tenant));
        let first = loads.filter_map(|(tenant, it)| Some((it.used, it.waiting.front()?.0, *tenant)));
        let (.., tenant) = first.min_by_key(|(used, number, _)| (*used, *number))?;
        let (number, waiting) = self.tenants.get_mut(&tenant)?.waiting.pop_front()?;
        Some((tenant, number, waiting))
    }

    /// Ends the uses that `is_over` selects.
    fn end(&mut self, is_over: impl Fn(u64, &Use) -> bool) {
        let over: Vec<(u64, Use)> = self
            .used
            .extract_if(.., |(number, it)| is_over(*number, it))
            .collect();
        for (_, Use { tenant, .. }) in over {
            if let Some(load) = self.tenants.get_mut(&tenant) {
                load.used -= 1;
            }
            self.forget_if_idle(tenant);
        }
    }

    fn forget_overdue(&mut self, overdue: Duration) {
        self.end(|_, it| it.since.elapsed() > overdue);
    }

    fn forget_if_idle(&mut self, tenant: TenantId) {
        let is_idle = |it: &Load| it.used == 0 && it.waiting.is_empty();
        if self.tenants.get(&tenant).is_some_and(is_idle) {
            self.tenants.remove(&tenant);
        }
    }
}

impl Waiting {
    /// Returns whether the work was admitted in time.
    fn wait(&self, longest: Duration) -> bool {
        let is_admitted = unpoisoned(self.is_admitted.lock());
        *unpoisoned(self.admitted.wait_timeout_while(is_admitted, longest, |it| !*it)).0
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut state = self.shares.state();
        // Overdue work has lost its share before.
        state.end(|number, _| number == self.number);
        self.shares.admit_next(&mut state);
    }
}

/// A panic leaves no half-finished change here.
fn unpoisoned<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "../tests/unit/shares.rs"]
mod tests;
