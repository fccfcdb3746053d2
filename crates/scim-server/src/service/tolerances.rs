//! Counters of the PATCH operations that needed a tolerance, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use scim_patch::Tolerance;

/// A counter for each tolerance.
#[derive(Debug, Default)]
pub struct ToleranceCounts([AtomicU64; Tolerance::ALL.len()]);

impl ToleranceCounts {
    /// Returns the number of operations for each tolerance that was needed at least once.
    pub fn totals(&self) -> impl Iterator<Item = (Tolerance, u64)> {
        let totals = self.0.iter().map(|it| it.load(Ordering::Relaxed));
        Tolerance::ALL.into_iter().zip(totals).filter(|(_, it)| *it > 0)
    }

    pub(super) fn record<'a>(&self, needed: impl IntoIterator<Item = &'a Tolerance>) {
        for tolerance in needed {
            let counters = Tolerance::ALL.iter().zip(&self.0);
            for (_, counter) in counters.filter(|(it, _)| *it == tolerance) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
