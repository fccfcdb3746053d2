//! Work that may block, on threads of its own, and how much of it may wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::web;

use super::error::Failure;
use crate::service::Error;

/// More requests than this are turned away instead of waiting in line.
const MAX_BUSY: usize = 1024;

/// Who waited that long for a thread is turned away: the client may have given up by then.
pub const MAX_WAIT: Duration = Duration::from_secs(3);

/// The line of those who wait, and those who are being served.
#[derive(Clone, Default)]
pub struct Blocking {
    busy: Arc<AtomicUsize>,
}

/// A place in the line; it is kept until the work is done, even if nobody waits for it any more.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Blocking {
    /// How many are in the line or being served.
    pub fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Runs a piece of work where it may block.
    ///
    /// # Errors
    /// `Overloaded` when too many are waiting, or this one waited for too long; `Internal` when the
    /// work panicked; else its own.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let before = self.busy.fetch_add(1, Ordering::Relaxed);
        let place = Place(self.busy.clone());
        if before >= MAX_BUSY {
            return Err(Error::Overloaded.into());
        }
        let arrived = Instant::now();
        let done = web::block(move || {
            let _place = place;
            if is_too_late(arrived.elapsed()) {
                return Err(Error::Overloaded);
            }
            work()
        });
        let panicked = |_| Failure::Internal("a request panicked".to_owned());
        Ok(done.await.map_err(panicked)??)
    }
}

fn is_too_late(waited: Duration) -> bool {
    waited > MAX_WAIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_waited_longer_than_the_limit_is_too_late() {
        assert!(!is_too_late(Duration::ZERO));
        assert!(!is_too_late(MAX_WAIT));
        assert!(is_too_late(MAX_WAIT + Duration::from_nanos(1)));
    }

    #[test]
    fn work_is_counted_until_it_is_done() {
        actix_web::rt::System::new().block_on(async {
            let blocking = Blocking::default();
            let counter = blocking.clone();
            assert_eq!(blocking.busy(), 0);
            assert_eq!(blocking.run(move || Ok(counter.busy())).await.ok(), Some(1));
            assert_eq!(blocking.busy(), 0);
        });
    }

    #[test]
    fn a_full_line_turns_away_and_a_place_is_given_back() {
        actix_web::rt::System::new().block_on(async {
            let blocking = Blocking::default();
            blocking.busy.store(MAX_BUSY, Ordering::Relaxed);
            let refused = blocking.run(|| Ok(())).await;
            assert!(matches!(refused, Err(Failure::Service(Error::Overloaded))));
            blocking.busy.store(0, Ordering::Relaxed);
            assert_eq!(blocking.run(|| Ok(7)).await.ok(), Some(7));
            let panicked = blocking
                .run(|| -> Result<(), Error> { panic!("on purpose") })
                .await;
            assert!(matches!(panicked, Err(Failure::Internal(_))));
            assert_eq!(blocking.busy.load(Ordering::Relaxed), 0);
        });
    }
}
