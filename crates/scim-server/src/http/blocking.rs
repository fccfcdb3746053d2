//! The pool of threads for work that may block, with a limited queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::rt::time::timeout;
use actix_web::web;

use super::error::Failure;
use crate::service::Error;
use crate::telemetry::Asked;

/// The number of threads for blocking work in each worker. It exceeds the number of processors, because most threads
/// wait for a commit that they share.
pub const BLOCKING_THREADS: usize = 64;

/// The maximum number of requests that are queued or running. Further requests are rejected.
const MAX_BUSY: usize = 1024;

/// The maximum time in the queue. A request that has waited longer is rejected, because its client may have given up.
pub const MAX_WAIT: Duration = Duration::from_secs(3);

/// The maximum time from the arrival of a request to the end of its work, which exceeds every limit of the store. Only
/// work that waits for a database that has become silent takes longer.
const DEADLINE: Duration = Duration::from_secs(28);

/// The number of requests that are queued or running.
#[derive(Clone, Default)]
pub struct Blocking {
    busy: Arc<AtomicUsize>,
}

/// A slot of the pool. It is released when the work has ended, even if the client has disconnected or got its answer
/// before.
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Blocking {
    /// Returns the number of requests that are queued or running.
    pub fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Runs work on a thread that may block.
    ///
    /// # Errors
    /// `Overloaded` when the queue is full or the work has waited too long, `Overdue` when the work has begun and does not
    /// end, `Internal` when the work panicked, and otherwise the error of the work.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failure> {
        self.run_within(DEADLINE, work).await
    }

    async fn run_within<T: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let before = self.busy.fetch_add(1, Ordering::Relaxed);
        let slot = Slot(self.busy.clone());
        if before >= MAX_BUSY {
            return Err(Error::Overloaded.into());
        }
        let arrived = Instant::now();
        let asked = Asked::now();
        let done = web::block(move || {
            let _slot = slot;
            if is_too_late(arrived.elapsed()) {
                return Err(Error::Overloaded);
            }
            let _span = asked.begin();
            work()
        });
        let done = timeout(deadline, done).await.map_err(|_| Failure::Overdue)?;
        let panicked = |_| Failure::Internal("a request panicked".to_owned());
        Ok(done.map_err(panicked)??)
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
    fn work_that_does_not_end_is_answered_and_keeps_its_slot() {
        actix_web::rt::System::new().block_on(async {
            let blocking = Blocking::default();
            let (end, ended) = std::sync::mpsc::channel::<()>();
            let work = move || Ok(ended.recv().is_ok());
            let overdue = blocking.run_within(Duration::from_millis(20), work).await;
            assert!(matches!(overdue, Err(Failure::Overdue)));
            assert_eq!(blocking.busy(), 1);
            end.send(()).expect("the work waits");
            while blocking.busy() > 0 {
                actix_web::rt::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }

    #[test]
    fn a_full_queue_rejects_work_and_slots_are_released() {
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
