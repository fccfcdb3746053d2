//! Admission of scans: queries that no index serves run, but few at a time and not for long, so that they cannot
//! starve the others.
//!
//! It is not known beforehand how many resources have a given value. A query that an index seems to serve is
//! therefore admitted at once with a short time limit. If it exceeds the limit, it starts again as a scan.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use scim_model::store::{ScanCount, StoreError, TenantId};

use crate::deadline::Deadline;

/// An attribute that a query examines in each resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Examined {
    pub(crate) resource_type: Arc<str>,
    pub(crate) attribute: String,
}

/// The time limit of a query that an index seems to serve.
const INDEX_TIME_LIMIT: Duration = Duration::from_millis(200);

/// The longest wait for a permit: a waiting query holds a thread.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// The number of queries that may wait for each running one; more are refused at once.
const WAITING_PER_PERMIT: u32 = 4;

/// Counts the scans that are running and waiting, and admits new ones.
pub(crate) struct ScanAdmission {
    permits: u32,
    /// One tenant alone cannot take all permits, unless there is only one.
    permits_per_tenant: u32,
    time_limit: Duration,
    load: Mutex<Loads>,
    released: Condvar,
    counts: Mutex<BTreeMap<Examined, Counts>>,
}

#[derive(Default)]
struct Loads {
    all: Load,
    by_tenant: HashMap<TenantId, Load>,
}

#[derive(Clone, Copy, Default)]
struct Load {
    running: u32,
    waiting: u32,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    begun: u64,
    refused: u64,
    too_long: u64,
}

/// The right to scan, until it is dropped.
pub(crate) struct Permit<'a> {
    admission: &'a ScanAdmission,
    tenant: TenantId,
    pub(crate) deadline: Deadline,
}

impl ScanAdmission {
    pub(crate) fn new(permits: u32, time_limit: Duration) -> ScanAdmission {
        let permits = permits.max(1);
        ScanAdmission {
            permits,
            permits_per_tenant: permits.div_ceil(2).min((permits - 1).max(1)),
            time_limit,
            load: Mutex::default(),
            released: Condvar::new(),
            counts: Mutex::default(),
        }
    }

    /// Waits for a permit, at most [`MAX_WAIT`].
    ///
    /// # Errors
    /// `TooManyScans`
    pub(crate) fn admit(&self, tenant: TenantId, examined: &[Examined]) -> Result<Permit<'_>, StoreError> {
        let until = Instant::now() + MAX_WAIT;
        let mut loads = unpoisoned(self.load.lock());
        let mut is_waiting = false;
        while !self.has_permit(&loads, tenant) {
            let now = Instant::now();
            if now >= until || !is_waiting && !self.has_room(&loads, tenant) {
                if is_waiting {
                    loads.change(tenant, |it| it.waiting -= 1);
                }
                drop(loads);
                self.count(examined, |it| it.refused += 1);
                return Err(StoreError::TooManyScans {
                    attribute: first_attribute(examined),
                });
            }
            if !is_waiting {
                loads.change(tenant, |it| it.waiting += 1);
                is_waiting = true;
            }
            loads = unpoisoned(self.released.wait_timeout(loads, until - now)).0;
        }
        loads.change(tenant, |it| {
            it.running += 1;
            it.waiting -= u32::from(is_waiting);
        });
        drop(loads);
        self.count(examined, |it| it.begun += 1);
        Ok(Permit {
            admission: self,
            tenant,
            deadline: Deadline::after(self.time_limit),
        })
    }

    /// The deadline of a query that an index seems to serve, after which it becomes a scan.
    pub(crate) fn index_deadline(&self) -> Deadline {
        Deadline::after(self.time_limit.min(INDEX_TIME_LIMIT))
    }

    /// Counts a scan that exceeded its time limit, and returns the error that it ends with.
    pub(crate) fn too_long(&self, examined: &[Examined]) -> StoreError {
        self.count(examined, |it| it.too_long += 1);
        StoreError::TooExpensive {
            attribute: first_attribute(examined),
        }
    }

    pub(crate) fn counts(&self) -> Vec<ScanCount> {
        let counts = unpoisoned(self.counts.lock());
        let count = |(it, counts): (&Examined, &Counts)| ScanCount {
            resource_type: it.resource_type.clone(),
            attribute: it.attribute.clone(),
            begun: counts.begun,
            refused: counts.refused,
            too_long: counts.too_long,
        };
        counts.iter().map(count).collect()
    }

    fn has_permit(&self, loads: &Loads, tenant: TenantId) -> bool {
        loads.all.running < self.permits && loads.of(tenant).running < self.permits_per_tenant
    }

    fn has_room(&self, loads: &Loads, tenant: TenantId) -> bool {
        loads.all.waiting < self.permits * WAITING_PER_PERMIT
            && loads.of(tenant).waiting < self.permits_per_tenant * WAITING_PER_PERMIT
    }

    fn count(&self, examined: &[Examined], add: impl Fn(&mut Counts)) {
        let mut counts = unpoisoned(self.counts.lock());
        for it in examined {
            match counts.get_mut(it) {
                Some(count) => add(count),
                None => add(counts.entry(it.clone()).or_default()),
            }
        }
    }
}

impl Loads {
    fn of(&self, tenant: TenantId) -> Load {
        self.by_tenant.get(&tenant).copied().unwrap_or_default()
    }

    fn change(&mut self, tenant: TenantId, change: impl Fn(&mut Load)) {
        change(&mut self.all);
        let of_tenant = self.by_tenant.entry(tenant).or_default();
        change(of_tenant);
        if of_tenant.running == 0 && of_tenant.waiting == 0 {
            self.by_tenant.remove(&tenant);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        unpoisoned(self.admission.load.lock()).change(self.tenant, |it| it.running -= 1);
        self.admission.released.notify_all();
    }
}

/// The error names one attribute: with an index on it, the next query would name the next attribute.
fn first_attribute(examined: &[Examined]) -> String {
    examined
        .first()
        .map(|it| it.attribute.clone())
        .unwrap_or_default()
}

/// A panic leaves no half-finished change here.
fn unpoisoned<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "../tests/unit/admission.rs"]
mod tests;
