//! Counters of the requests that needed a tolerance, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use scim_model::Tolerance;

/// A counter for each tolerance.
#[derive(Debug, Default)]
pub struct ToleranceCounts {
    operations: Counters,
    requests: Counters,
}

type Counters = [AtomicU64; Tolerance::ALL.len()];

impl ToleranceCounts {
    /// Returns the number of PATCH operations for each tolerance that was needed at least once. A tolerance that the
    /// body needs outside of its operations counts once for the request.
    pub fn totals(&self) -> impl Iterator<Item = (Tolerance, u64)> {
        totals(&self.operations)
    }

    /// Returns the number of other requests for each tolerance that was needed at least once: POST, PUT and queries.
    pub fn request_totals(&self) -> impl Iterator<Item = (Tolerance, u64)> {
        totals(&self.requests)
    }

    pub(super) fn record<'a>(&self, needed: impl IntoIterator<Item = &'a Tolerance>) {
        add(&self.operations, needed);
    }

    pub(super) fn record_request<'a>(&self, needed: impl IntoIterator<Item = &'a Tolerance>) {
        add(&self.requests, needed);
    }
}

fn totals(counters: &Counters) -> impl Iterator<Item = (Tolerance, u64)> {
    let totals = counters.iter().map(|it| it.load(Ordering::Relaxed));
    Tolerance::ALL.into_iter().zip(totals).filter(|(_, it)| *it > 0)
}

fn add<'a>(counters: &Counters, needed: impl IntoIterator<Item = &'a Tolerance>) {
    for tolerance in needed {
        let counters = Tolerance::ALL.iter().zip(counters);
        for (_, counter) in counters.filter(|(it, _)| *it == tolerance) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}
