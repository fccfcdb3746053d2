//! What a server does beside serving: it drops journal lines that are old enough, and counters of which nothing is
//! left, and finishes deletions of tenants that were interrupted.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use scim_model::store::{ChangeJournal, Directory, StoreError};
use scim_storage_diesel::DieselStore;

/// Between two looks at what there is to do.
const INTERVAL: Duration = Duration::from_secs(60);

/// So many looks are between two at counters, of which all have to be read.
const LOOKS_PER_COUNT: u64 = 60;

/// Lines of the journal that are dropped in one transaction.
const LINES_AT_ONCE: u32 = 500;

/// Between two transactions: requests go first.
const PAUSE: Duration = Duration::from_millis(20);

/// A thread that looks after a store until it is dropped.
pub struct Upkeep {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Upkeep {
    /// Starts; lines of the journal are kept for so many days, or for ever.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(store: Arc<DieselStore>, journal_days: Option<u32>) -> io::Result<Upkeep> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("upkeep".to_owned())
            .spawn(move || {
                let waiter = Waiter { stopped };
                for look in 0_u64.. {
                    let began = Instant::now();
                    let mut done = look_after(&store, journal_days, &waiter);
                    if look.is_multiple_of(LOOKS_PER_COUNT) {
                        done = done.and_then(|()| delete_empty_counts(&store, &waiter));
                    }
                    if let Err(error) = done {
                        log::warn!("upkeep of the database: {error:?}");
                    }
                    if waiter.is_stopped_within(INTERVAL.saturating_sub(began.elapsed())) {
                        return;
                    }
                }
            })?;
        Ok(Upkeep {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has logged what there was to say.
            let _ = thread.join();
        }
    }
}

struct Waiter {
    stopped: Receiver<()>,
}

impl Waiter {
    fn is_stopped_within(&self, time: Duration) -> bool {
        self.stopped.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
    }
}

fn look_after(store: &DieselStore, journal_days: Option<u32>, waiter: &Waiter) -> Result<(), StoreError> {
    let mut is_found = false;
    while or_busy(store.continue_deletion(None))? {
        if !is_found {
            log::info!("finishing the deletion of a tenant");
            is_found = true;
        }
        if waiter.is_stopped_within(PAUSE) {
            return Ok(());
        }
    }
    let Some(days) = journal_days else {
        return Ok(());
    };
    let Some(before) = Utc::now().checked_sub_signed(TimeDelta::days(i64::from(days))) else {
        return Ok(());
    };
    for tenant in store.tenants()? {
        let mut dropped = 0;
        loop {
            let lines = or_busy(store.prune_changes(tenant.id, before, LINES_AT_ONCE))?;
            dropped += lines;
            if lines < LINES_AT_ONCE as usize {
                break;
            }
            if waiter.is_stopped_within(PAUSE) {
                return Ok(());
            }
        }
        if dropped > 0 {
            log::info!("dropped {dropped} old lines from the journal of {}", tenant.name);
        }
    }
    Ok(())
}

fn delete_empty_counts(store: &DieselStore, waiter: &Waiter) -> Result<(), StoreError> {
    while or_busy(store.delete_empty_counts())? {
        if waiter.is_stopped_within(PAUSE) {
            break;
        }
    }
    Ok(())
}

/// A database that is busy has better things to do; there is always another minute.
fn or_busy<T: Default>(result: Result<T, StoreError>) -> Result<T, StoreError> {
    match result {
        Err(StoreError::Busy) => Ok(T::default()),
        result => result,
    }
}
