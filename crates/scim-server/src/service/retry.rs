//! Writes that lost a race, done again.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use scim_model::store::StoreError;
use uuid::Uuid;

use super::Error;
use super::precondition::Preconditions;

/// A write is computed again from the newer version so often at most. Racing for one resource is
/// rare, and the fifth attempt rarer; so many are needed only when many instances race.
const ATTEMPTS: u32 = 20;

/// Whoever lost a race in this process does it again alone: otherwise the slowest of many would lose
/// each time. Resources share turns by chance, and never know.
pub(super) struct Turns([Mutex<()>; 64]);

impl Turns {
    pub(super) fn new() -> Turns {
        Turns(std::array::from_fn(|_| Mutex::default()))
    }

    /// Does it again while others are faster, unless the client named the version to change.
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
            Err(Error::Store(StoreError::Stale)) => Ok(None),
            result => result.map(Some),
        };
        if let Some(done) = attempt()? {
            return Ok(done);
        }
        let turn = &self.0[usize::from(id.as_bytes()[15]) % self.0.len()];
        // Nothing is kept behind the lock that a panic could have left half done.
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        for failed in 1..ATTEMPTS {
            if let Some(done) = attempt()? {
                return Ok(done);
            }
            thread::sleep(pause(failed));
        }
        Err(Error::Contended)
    }
}

/// Longer each time, and different for each of those who race.
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

    #[test]
    fn a_lost_race_is_run_again_but_not_for_ever() {
        let (turns, mut runs) = (Turns::new(), 0);
        let mut run = |wins_at: u32| {
            runs = 0;
            turns.retry(Uuid::nil(), &Preconditions::default(), || {
                runs += 1;
                if runs == wins_at { Ok(runs) } else { stale() }
            })
        };
        assert_eq!(run(1).ok(), Some(1));
        assert_eq!(run(5).ok(), Some(5));
        assert!(matches!(run(u32::MAX), Err(Error::Contended)));
        assert_eq!(runs, ATTEMPTS);
    }

    #[test]
    fn a_version_that_the_client_named_is_not_exchanged_for_another() {
        let preconditions = Preconditions {
            if_match: Some(Match::Tags(vec!["3".to_owned()])),
            if_none_match: None,
        };
        let mut runs = 0;
        let result = Turns::new().retry(Uuid::nil(), &preconditions, || {
            runs += 1;
            stale()
        });
        assert!(matches!(result, Err(Error::PreconditionFailed)));
        assert_eq!(runs, 1);
    }

    #[test]
    fn other_errors_are_final() {
        let mut runs = 0;
        let result: Result<(), Error> = Turns::new().retry(Uuid::nil(), &Preconditions::default(), || {
            runs += 1;
            Err(Error::NotFound)
        });
        assert!(matches!(result, Err(Error::NotFound)));
        assert_eq!(runs, 1);
    }
}
