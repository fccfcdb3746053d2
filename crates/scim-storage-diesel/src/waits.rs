//! A histogram of waiting times.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use scim_model::store::WaitTimes;

/// The waits since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    numbers: [AtomicU64; WaitTimes::BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Waits {
    pub(crate) fn record(&self, wait: Duration) {
        let seconds = wait.as_secs_f64();
        let bucket = WaitTimes::BOUNDS.iter().position(|bound| seconds <= *bound);
        let bucket = bucket.unwrap_or(WaitTimes::BOUNDS.len());
        self.numbers[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn times(&self) -> WaitTimes {
        let mut times = WaitTimes {
            seconds: Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64(),
            ..WaitTimes::default()
        };
        for (number, counted) in times.numbers.iter_mut().zip(&self.numbers) {
            *number = counted.load(Ordering::Relaxed);
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_in_the_bucket_of_its_bound() {
        let waits = Waits::default();
        for millis in [0, 1, 2, 400, 9_000] {
            waits.record(Duration::from_millis(millis));
        }
        let times = waits.times();
        assert_eq!(times.numbers, [1, 1, 1, 0, 1, 0, 0, 1]);
        assert!((times.seconds - 9.403).abs() < 1e-9, "{}", times.seconds);
    }
}
