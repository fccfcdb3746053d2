//! The number of receivers in each state, for the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts objects by their state. Clones share the numbers.
#[derive(Clone)]
pub struct StateCounts<const N: usize> {
    states: [&'static str; N],
    numbers: Arc<[AtomicU64; N]>,
}

impl<const N: usize> StateCounts<N> {
    /// Creates counters that are zero.
    pub fn new(states: [&'static str; N]) -> StateCounts<N> {
        StateCounts {
            states,
            numbers: Arc::new(std::array::from_fn(|_| AtomicU64::new(0))),
        }
    }

    /// Replaces the numbers by those of objects in these states.
    pub(super) fn saw<'a>(&self, states: impl Iterator<Item = &'a str>) {
        let mut numbers = [0; N];
        for state in states {
            if let Some(index) = self.states.iter().position(|it| *it == state) {
                numbers[index] += 1;
            }
        }
        for (stored, number) in self.numbers.iter().zip(numbers) {
            stored.store(number, Ordering::Relaxed);
        }
    }

    /// Returns each state with its number.
    pub fn numbers(&self) -> [(&'static str, u64); N] {
        std::array::from_fn(|index| (self.states[index], self.numbers[index].load(Ordering::Relaxed)))
    }
}
