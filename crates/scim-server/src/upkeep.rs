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
                    let mut done = look_after(&*store, journal_days, &waiter);
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

fn look_after<S: Directory + ChangeJournal>(
    store: &S,
    journal_days: Option<u32>,
    waiter: &Waiter,
) -> Result<(), StoreError> {
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use chrono::DateTime;
    use scim_model::change::{Change, ChangePosition};
    use scim_model::store::{JournalError, NewToken, Tenant, TenantId, Token};
    use scim_storage_diesel::StoreOptions;
    use uuid::Uuid;

    use super::*;

    /// Two tenants, and the answers to each call in turn; a call without an answer panics.
    struct Scripted {
        deletions: Mutex<VecDeque<Result<bool, StoreError>>>,
        prunes: Mutex<VecDeque<(i64, Result<usize, StoreError>)>>,
    }

    impl Scripted {
        fn new(
            deletions: impl IntoIterator<Item = Result<bool, StoreError>>,
            prunes: impl IntoIterator<Item = (i64, Result<usize, StoreError>)>,
        ) -> Scripted {
            Scripted {
                deletions: Mutex::new(deletions.into_iter().collect()),
                prunes: Mutex::new(prunes.into_iter().collect()),
            }
        }

        /// How many answers nobody has asked for.
        fn left(&self) -> (usize, usize) {
            (
                self.deletions.lock().unwrap().len(),
                self.prunes.lock().unwrap().len(),
            )
        }
    }

    impl ChangeJournal for Scripted {
        fn changes(&self, _: TenantId, _: ChangePosition, _: u32) -> Result<Vec<Change>, JournalError> {
            unreachable!("upkeep reads no changes")
        }

        fn prune_changes(
            &self,
            tenant: TenantId,
            before: DateTime<Utc>,
            limit: u32,
        ) -> Result<usize, StoreError> {
            let age = Utc::now() - before;
            assert!(age >= TimeDelta::days(30) && age < TimeDelta::days(31), "{age}");
            assert_eq!(limit, LINES_AT_ONCE);
            let (expected, answer) = self
                .prunes
                .lock()
                .unwrap()
                .pop_front()
                .expect("nothing is left to prune");
            assert_eq!(tenant, TenantId(expected));
            answer
        }
    }

    impl Directory for Scripted {
        fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
            let tenant = |id| Tenant {
                id: TenantId(id),
                name: format!("tenant{id}"),
                created: Utc::now(),
            };
            Ok(vec![tenant(1), tenant(2)])
        }

        fn continue_deletion(&self, name: Option<&str>) -> Result<bool, StoreError> {
            assert_eq!(name, None);
            self.deletions
                .lock()
                .unwrap()
                .pop_front()
                .expect("nothing is left to delete")
        }

        fn create_tenant(&self, _: &str, _: DateTime<Utc>) -> Result<TenantId, StoreError> {
            unreachable!("upkeep creates nothing")
        }

        fn delete_tenant(&self, _: &str) -> Result<bool, StoreError> {
            unreachable!("upkeep begins no deletion")
        }

        fn create_token(&self, _: &NewToken) -> Result<(), StoreError> {
            unreachable!("upkeep creates nothing")
        }

        fn tokens(&self, _: Option<TenantId>) -> Result<Vec<Token>, StoreError> {
            unreachable!("upkeep reads no tokens")
        }

        fn revoke_token(&self, _: Uuid, _: DateTime<Utc>) -> Result<bool, StoreError> {
            unreachable!("upkeep revokes nothing")
        }

        fn token_by_hash(&self, _: &[u8; 32]) -> Result<Option<Token>, StoreError> {
            unreachable!("upkeep reads no tokens")
        }
    }

    const ALL: usize = LINES_AT_ONCE as usize;

    fn look(store: &Scripted, journal_days: Option<u32>) -> Result<(), StoreError> {
        let (_stop, stopped) = channel();
        look_after(store, journal_days, &Waiter { stopped })
    }

    #[test]
    fn one_look_does_all_that_there_is_to_do() {
        let prunes = [(1, Ok(ALL)), (1, Ok(ALL)), (1, Ok(3)), (2, Ok(ALL)), (2, Ok(0))];
        let store = Scripted::new([Ok(true), Ok(true), Ok(false)], prunes);
        look(&store, Some(30)).unwrap();
        assert_eq!(store.left(), (0, 0));
    }

    #[test]
    fn a_journal_that_is_kept_for_ever_is_not_pruned() {
        let store = Scripted::new([Ok(false)], []);
        look(&store, None).unwrap();
        assert_eq!(store.left(), (0, 0));
    }

    #[test]
    fn a_busy_database_is_left_until_the_next_look() {
        let busy = || StoreError::Busy;
        let store = Scripted::new([Err(busy())], [(1, Err(busy())), (2, Ok(1))]);
        look(&store, Some(30)).unwrap();
        assert_eq!(store.left(), (0, 0));
        let failed = || StoreError::Unavailable("the disk is full".into());
        let store = Scripted::new([Ok(true), Err(failed())], [(1, Ok(0))]);
        assert!(look(&store, Some(30)).is_err());
        assert_eq!(store.left(), (0, 1));
        let store = Scripted::new([Ok(false)], [(1, Ok(ALL)), (1, Err(failed())), (2, Ok(0))]);
        assert!(look(&store, Some(30)).is_err());
        assert_eq!(store.left(), (0, 1));
    }

    #[test]
    fn a_server_that_ends_does_not_wait_for_the_rest() {
        for (deletions, prunes, left) in [
            (vec![Ok(true), Ok(true)], vec![(1, Ok(0))], (1, 1)),
            (vec![Ok(false)], vec![(1, Ok(ALL)), (1, Ok(0))], (0, 1)),
        ] {
            let store = Scripted::new(deletions, prunes);
            let (stop, stopped) = channel();
            drop(stop);
            look_after(&store, Some(30), &Waiter { stopped }).unwrap();
            assert_eq!(store.left(), left);
        }
    }

    #[test]
    fn a_dropped_upkeep_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("scim.db").display());
        let store = Arc::new(DieselStore::open(&url, &StoreOptions::default()).unwrap());
        let upkeep = Upkeep::start(store.clone(), None).unwrap();
        assert_eq!(Arc::strong_count(&store), 2);
        let began = Instant::now();
        drop(upkeep);
        assert_eq!(Arc::strong_count(&store), 1, "its thread has let the store go");
        assert!(began.elapsed() < INTERVAL / 2);
    }
}
