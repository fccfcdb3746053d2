//! Retries of writes that lost a race.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use scim_model::store::StoreError;
use uuid::Uuid;

use super::error::Error;
use super::precondition::Preconditions;

/// The maximum number of attempts for a write. Races for one resource are rare; a write needs more than five attempts
/// only when many server instances race.
const ATTEMPTS: u32 = 20;

/// Locks that serialize the retries within this process; otherwise the slowest of many writers would lose every race.
/// Each resource maps to one of the locks, and resources that share a lock only wait a little longer.
pub(super) struct RetryLocks {
    locks: [Mutex<()>; 64],
    /// The number of attempts that lost a race.
    lost: Arc<AtomicU64>,
}

impl RetryLocks {
    pub(super) fn new() -> RetryLocks {
        RetryLocks {
            locks: std::array::from_fn(|_| Mutex::default()),
            lost: Arc::default(),
        }
    }

    /// Returns the number of attempts that lost a race.
    pub(super) fn lost(&self) -> &Arc<AtomicU64> {
        &self.lost
    }

    /// Runs an attempt, and repeats it while other writers win the race, unless the client named the version to change.
    pub(super) fn retry<T>(
        &self,
        id: Uuid,
        preconditions: &Preconditions,
        mut attempt: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut attempt = || match attempt() {
            Err(Error::Store(StoreError::Stale)) if preconditions.names_version() => {
                Err(Error::PreconditionFailed)
            }
            Err(Error::Store(StoreError::Stale)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
            result => result.map(Some),
        };
        if let Some(done) = attempt()? {
            return Ok(done);
        }
        let lock = &self.locks[usize::from(id.as_bytes()[15]) % self.locks.len()];
        // The lock protects no data, so a panic of another thread cannot have left any in a bad state.
        let _guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        for failed in 1..ATTEMPTS {
            if let Some(done) = attempt()? {
                return Ok(done);
            }
            thread::sleep(pause(failed));
        }
        Err(Error::Contended)
    }
}

/// Returns the pause after a failed attempt. It grows with the attempts and has a random part, so that writers diverge.
fn pause(failed: u32) -> Duration {
    let mut random = [0; 1];
    let _ = getrandom::fill(&mut random);
    Duration::from_micros(u64::from(failed) * 200 + u64::from(random[0]) * 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::precondition::Match;

    fn stale() -> Result<u32, Error> {
        Err(StoreError::Stale.into())
    }

    /// The number of attempts. An endless retry panics here, so that its test fails instead of hanging.
    #[derive(Default)]
    struct Runs(u32);

    impl Runs {
        fn next(&mut self) -> u32 {
            self.0 += 1;
            assert!(self.0 <= 2 * ATTEMPTS, "the retry has no end");
            self.0
        }
    }

    #[test]
    fn a_lost_race_is_run_again_a_limited_number_of_times() {
        let locks = RetryLocks::new();
        let run = |wins_at: u32| {
            let mut runs = Runs::default();
            let result = locks.retry(Uuid::nil(), &Preconditions::default(), || match runs.next() {
                run if run == wins_at => Ok(run),
                _ => stale(),
            });
            (result, runs.0)
        };
        for wins_at in [1, 2, 5, ATTEMPTS] {
            let (result, runs) = run(wins_at);
            assert_eq!((result.ok(), runs), (Some(wins_at), wins_at));
        }
        assert_eq!(
            locks.lost().load(Ordering::Relaxed),
            u64::from(1 + 4 + ATTEMPTS - 1)
        );
        let (result, runs) = run(u32::MAX);
        assert!(matches!(result, Err(Error::Contended)));
        assert_eq!(runs, ATTEMPTS);
    }

    #[test]
    fn a_write_to_a_version_that_the_client_named_is_not_retried() {
        let preconditions = Preconditions {
            if_match: Some(Match::Tags(vec!["3".to_owned()])),
            if_none_match: None,
        };
        let mut runs = Runs::default();
        let result = RetryLocks::new().retry(Uuid::nil(), &preconditions, || {
            runs.next();
            stale()
        });
        assert!(matches!(result, Err(Error::PreconditionFailed)));
        assert_eq!(runs.0, 1);
    }

    #[test]
    fn other_errors_are_final() {
        let mut runs = Runs::default();
        let result: Result<(), Error> =
            RetryLocks::new().retry(Uuid::nil(), &Preconditions::default(), || {
                runs.next();
                Err(Error::NotFound)
            });
        assert!(matches!(result, Err(Error::NotFound)));
        assert_eq!(runs.0, 1);
    }

    #[test]
    fn only_a_lost_race_takes_the_lock_of_its_resource() {
        let (locks, mut runs) = (RetryLocks::new(), Runs::default());
        let taken = || -> Vec<usize> {
            let locks = locks.locks.iter().enumerate();
            locks
                .filter_map(|(at, it)| it.try_lock().is_err().then_some(at))
                .collect()
        };
        let mut seen = Vec::new();
        let id = Uuid::from_u128(0x47);
        let result = locks.retry(id, &Preconditions::default(), || {
            seen.push(taken());
            if runs.next() == 3 { Ok(3) } else { stale() }
        });
        assert_eq!(result.ok(), Some(3));
        assert_eq!(seen, [vec![], vec![7], vec![7]]);
        assert_eq!(taken(), [0; 0]);
    }

    #[test]
    fn pauses_grow_and_differ() {
        let mut longest_random = Duration::ZERO;
        for failed in (1..ATTEMPTS).cycle().take(1_000) {
            let shortest = Duration::from_micros(u64::from(failed) * 200);
            let random = pause(failed).checked_sub(shortest).expect("it is no shorter");
            assert!(random <= Duration::from_micros(2_040), "{failed}: {random:?}");
            longest_random = longest_random.max(random);
        }
        assert!(longest_random > Duration::from_millis(1), "{longest_random:?}");
    }
}
