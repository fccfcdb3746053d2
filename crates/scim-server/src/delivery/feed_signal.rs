//! Waiting for events. One thread of the process polls the store while any reader waits, and wakes all of them.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use scim_model::store::ChangeFeed;
use tokio::sync::watch;

/// The pause between two polls.
const INTERVAL: Duration = Duration::from_millis(100);

/// The pause after a poll that failed.
const INTERVAL_AFTER_ERROR: Duration = Duration::from_secs(1);

/// Tells readers when later events may be visible.
pub(super) struct FeedSignal {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn ChangeFeed>,
    /// The last number such that all entries up to it were visible at the last poll, for asynchronous readers.
    visible_up_to: watch::Sender<i64>,
    state: Mutex<State>,
    /// Notified when `State::visible_up_to` changes.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiters: usize,
    is_polled: bool,
    /// The same number, for readers in threads.
    visible_up_to: i64,
}

impl FeedSignal {
    pub(super) fn new(store: Arc<dyn ChangeFeed>) -> FeedSignal {
        let shared = Shared {
            store,
            visible_up_to: watch::Sender::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        FeedSignal {
            shared: Arc::new(shared),
        }
    }

    /// Registers a reader, and starts the thread unless it runs.
    pub(super) fn waiter(&self) -> io::Result<Waiter> {
        let mut state = self.shared.state();
        if !state.is_polled {
            let shared = self.shared.clone();
            thread::Builder::new()
                .name("feed".to_owned())
                .spawn(move || shared.poll())?;
            state.is_polled = true;
        }
        state.waiters += 1;
        Ok(Waiter {
            shared: self.shared.clone(),
            receiver: self.shared.visible_up_to.subscribe(),
        })
    }
}

impl Shared {
    /// No code panics while it holds the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls until no reader waits.
    fn poll(&self) {
        loop {
            let pause = match self.store.visible_up_to() {
                Ok(number) => {
                    self.publish(number);
                    INTERVAL
                }
                // The readers get the error from their next page, at the latest when their time is over.
                Err(_) => INTERVAL_AFTER_ERROR,
            };
            thread::sleep(pause);
            let mut state = self.state();
            if state.waiters == 0 {
                state.is_polled = false;
                return;
            }
        }
    }

    fn publish(&self, number: i64) {
        self.visible_up_to
            .send_if_modified(|it| std::mem::replace(it, number) != number);
        let mut state = self.state();
        if state.visible_up_to != number {
            state.visible_up_to = number;
            self.changed.notify_all();
        }
    }
}

/// A reader that waits for events. The polling ends when no such reader is left.
pub struct Waiter {
    shared: Arc<Shared>,
    receiver: watch::Receiver<i64>,
}

impl Waiter {
    /// Waits until entries after a page may be visible. `visible_up_to` is that of the page.
    ///
    /// The page that follows can be empty: the new entries may belong to other tenants, or may become visible only when
    /// an earlier transaction ends. There is at least a short pause, so that a reader that repeats both does not load
    /// the database. Dropping the future is safe.
    pub async fn changed(&mut self, visible_up_to: i64) {
        if *self.receiver.borrow_and_update() > visible_up_to {
            tokio::time::sleep(INTERVAL).await;
            return;
        }
        if self.receiver.wait_for(|it| *it > visible_up_to).await.is_err() {
            // The sender lives as long as this reader.
            std::future::pending::<()>().await;
        }
    }

    /// Does the same in a thread, for at most `timeout`. Returns whether entries may be visible.
    pub fn wait(&self, visible_up_to: i64, timeout: Duration) -> bool {
        let end = Instant::now() + timeout;
        let mut state = self.shared.state();
        if state.visible_up_to > visible_up_to {
            drop(state);
            thread::sleep(INTERVAL.min(timeout));
            return true;
        }
        while state.visible_up_to <= visible_up_to {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        true
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.shared.state().waiters -= 1;
    }
}
