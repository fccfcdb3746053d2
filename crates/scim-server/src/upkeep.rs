//! Background maintenance of the database: it drops journal entries that are past their retention, deletes counters
//! that have reached zero, finishes interrupted deletions of tenants, and warns of tokens that expire soon.

pub mod expiry;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use scim_model::store::{ChangeJournal, Directory, StoreError};

use self::expiry::ExpiryWatch;
use crate::clock;
use crate::config::retention::Retention;

/// The pause between two rounds.
const INTERVAL: Duration = Duration::from_secs(60);

/// The number of rounds between two deletions of the empty counters, which have to read all counters.
const ROUNDS_PER_COUNT: u64 = 60;

/// The number of journal entries that one transaction drops at most.
const ENTRIES_AT_ONCE: u32 = 500;

/// The pause between two transactions, which leaves the database to requests.
const PAUSE: Duration = Duration::from_millis(20);

/// A thread that maintains a store. Dropping this value stops the thread and waits for its end.
pub struct Upkeep {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Upkeep {
    /// Starts the thread. `delete_empty_counters` deletes a batch of counters and returns whether more may remain.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub fn start<S: Directory + ChangeJournal + 'static>(
        store: Arc<S>,
        retention: Retention,
        delete_empty_counters: impl Fn() -> Result<bool, StoreError> + Send + 'static,
        mut expiry: ExpiryWatch,
    ) -> io::Result<Upkeep> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("upkeep".to_owned())
            .spawn(move || {
                let waiter = Waiter { stopped };
                for round in 0_u64.. {
                    let began = Instant::now();
                    let mut done = maintain(&*store, retention, &waiter);
                    done = done.and_then(|()| expiry.check(&*store, clock::now()));
                    if round.is_multiple_of(ROUNDS_PER_COUNT) {
                        done = done.and_then(|()| repeat(&delete_empty_counters, &waiter));
                    }
                    if let Err(error) = done {
                        log::warn!("database maintenance failed and is retried in the next round: {error:?}");
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
            // The thread logs its own errors.
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

fn maintain<S: Directory + ChangeJournal>(
    store: &S,
    retention: Retention,
    waiter: &Waiter,
) -> Result<(), StoreError> {
    let mut is_logged = false;
    while default_if_busy(store.continue_deletion(None))? {
        if !is_logged {
            log::info!("finishing the deletion of a tenant");
            is_logged = true;
        }
        if waiter.is_stopped_within(PAUSE) {
            return Ok(());
        }
    }
    let Some(before) = retention.drops_before(clock::now()) else {
        return Ok(());
    };
    for tenant in store.tenants()? {
        let mut dropped = 0;
        loop {
            let entries = default_if_busy(store.prune_changes(tenant.id, before, ENTRIES_AT_ONCE))?;
            dropped += entries;
            if entries < ENTRIES_AT_ONCE as usize {
                break;
            }
            if waiter.is_stopped_within(PAUSE) {
                return Ok(());
            }
        }
        if dropped > 0 {
            log::info!(
                "dropped {dropped} old entries from the journal of {}",
                tenant.name
            );
        }
    }
    Ok(())
}

/// Repeats a step until nothing is left to do.
fn repeat(step: &impl Fn() -> Result<bool, StoreError>, waiter: &Waiter) -> Result<(), StoreError> {
    while default_if_busy(step())? {
        if waiter.is_stopped_within(PAUSE) {
            break;
        }
    }
    Ok(())
}

/// Turns `Busy` into the default, so that the rest of the work is left to the next round.
fn default_if_busy<T: Default>(result: Result<T, StoreError>) -> Result<T, StoreError> {
    match result {
        Err(StoreError::Busy) => Ok(T::default()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use chrono::{DateTime, TimeDelta, Utc};
    use scim_model::change::{Change, ChangePosition};
    use scim_model::store::{
        Connection, ConnectionChange, ConnectionId, ConnectionSettings, ConnectionState, DeletedConnection,
        DeletedCredential, JournalError, NewToken, Tenant, TenantId, Token,
    };
    use uuid::Uuid;

    use super::*;

    /// A store of two tenants with prepared results for each call. A call without a prepared result panics.
    struct Scripted {
        deletions: Mutex<VecDeque<Result<bool, StoreError>>>,
        prunes: Mutex<VecDeque<(i64, Result<usize, StoreError>)>>,
        expiring: Vec<Token>,
    }

    impl Scripted {
        fn new(
            deletions: impl IntoIterator<Item = Result<bool, StoreError>>,
            prunes: impl IntoIterator<Item = (i64, Result<usize, StoreError>)>,
        ) -> Scripted {
            Scripted {
                deletions: Mutex::new(deletions.into_iter().collect()),
                prunes: Mutex::new(prunes.into_iter().collect()),
                expiring: Vec::new(),
            }
        }

        /// Returns the number of prepared results that no call has consumed.
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
            assert_eq!(limit, ENTRIES_AT_ONCE);
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

        fn rename_tenant(&self, _: &str, _: &str) -> Result<bool, StoreError> {
            unreachable!("upkeep renames nothing")
        }

        fn hide_tenant(&self, _: &str) -> Result<bool, StoreError> {
            unreachable!("upkeep begins no deletion")
        }

        fn delete_tenant(&self, _: &str) -> Result<bool, StoreError> {
            unreachable!("upkeep begins no deletion")
        }

        fn create_connection(&self, _: &Connection) -> Result<bool, StoreError> {
            unreachable!("upkeep reads no connections")
        }

        fn connections(&self, _: TenantId) -> Result<Vec<Connection>, StoreError> {
            unreachable!("upkeep reads no connections")
        }

        fn connection(&self, _: TenantId, _: &str) -> Result<Option<Connection>, StoreError> {
            unreachable!("upkeep reads no connections")
        }

        fn change_connection(
            &self,
            _: TenantId,
            _: ConnectionId,
            _: &ConnectionChange,
        ) -> Result<Option<Connection>, StoreError> {
            unreachable!("upkeep reads no connections")
        }

        fn delete_connection(
            &self,
            _: TenantId,
            _: ConnectionId,
            _: DateTime<Utc>,
        ) -> Result<bool, StoreError> {
            unreachable!("upkeep reads no connections")
        }

        fn deleted_connections(&self, _: TenantId) -> Result<Vec<DeletedConnection>, StoreError> {
            unreachable!("upkeep reads no connections")
        }

        fn deleted_credentials(&self, _: Option<TenantId>) -> Result<Vec<DeletedCredential>, StoreError> {
            unreachable!("upkeep reads no connections")
        }

        fn create_token(&self, _: &NewToken) -> Result<bool, StoreError> {
            unreachable!("upkeep creates nothing")
        }

        fn tokens(&self, _: Option<TenantId>) -> Result<Vec<Token>, StoreError> {
            unreachable!("upkeep reads no tokens")
        }

        fn expire_token(&self, _: Uuid, _: DateTime<Utc>) -> Result<bool, StoreError> {
            unreachable!("upkeep changes no tokens")
        }

        fn record_token_use(&self, _: Uuid, _: DateTime<Utc>) -> Result<(), StoreError> {
            unreachable!("upkeep changes no tokens")
        }

        fn expiring_tokens(&self, _: DateTime<Utc>, _: DateTime<Utc>) -> Result<Vec<Token>, StoreError> {
            Ok(self.expiring.clone())
        }

        fn revoke_token(&self, _: Uuid, _: DateTime<Utc>) -> Result<bool, StoreError> {
            unreachable!("upkeep revokes nothing")
        }

        fn token_by_hash(&self, _: &[u8; 32]) -> Result<Option<Token>, StoreError> {
            unreachable!("upkeep reads no tokens")
        }
    }

    const ALL: usize = ENTRIES_AT_ONCE as usize;

    fn round(store: &Scripted, retention: Retention) -> Result<(), StoreError> {
        let (_stop, stopped) = channel();
        maintain(store, retention, &Waiter { stopped })
    }

    #[test]
    fn one_round_does_everything() {
        let prunes = [(1, Ok(ALL)), (1, Ok(ALL)), (1, Ok(3)), (2, Ok(ALL)), (2, Ok(0))];
        let store = Scripted::new([Ok(true), Ok(true), Ok(false)], prunes);
        round(&store, Retention(Some(30))).unwrap();
        assert_eq!(store.left(), (0, 0));
    }

    #[test]
    fn a_journal_that_is_kept_forever_is_not_pruned() {
        let store = Scripted::new([Ok(false)], []);
        round(&store, Retention(None)).unwrap();
        assert_eq!(store.left(), (0, 0));
    }

    #[test]
    fn a_busy_database_waits_for_the_next_round() {
        let busy = || StoreError::Busy;
        let store = Scripted::new([Err(busy())], [(1, Err(busy())), (2, Ok(1))]);
        round(&store, Retention(Some(30))).unwrap();
        assert_eq!(store.left(), (0, 0));
        let failed = || StoreError::Unavailable("the disk is full".into());
        let store = Scripted::new([Ok(true), Err(failed())], [(1, Ok(0))]);
        assert!(round(&store, Retention(Some(30))).is_err());
        assert_eq!(store.left(), (0, 1));
        let store = Scripted::new([Ok(false)], [(1, Ok(ALL)), (1, Err(failed())), (2, Ok(0))]);
        assert!(round(&store, Retention(Some(30))).is_err());
        assert_eq!(store.left(), (0, 1));
    }

    #[test]
    fn a_stopped_upkeep_does_not_finish_its_round() {
        for (deletions, prunes, left) in [
            (vec![Ok(true), Ok(true)], vec![(1, Ok(0))], (1, 1)),
            (vec![Ok(false)], vec![(1, Ok(ALL)), (1, Ok(0))], (0, 1)),
        ] {
            let store = Scripted::new(deletions, prunes);
            let (stop, stopped) = channel();
            drop(stop);
            maintain(&store, Retention(Some(30)), &Waiter { stopped }).unwrap();
            assert_eq!(store.left(), left);
        }
    }

    #[test]
    fn tokens_that_expire_soon_are_warned_about_once_a_day() {
        let now = DateTime::from_timestamp_millis(1_767_268_800_250).unwrap();
        let token = Token {
            id: Uuid::nil(),
            connection: Connection {
                id: ConnectionId(Uuid::nil()),
                tenant: TenantId(7),
                name: "entra".to_owned(),
                preset: "entra".to_owned(),
                settings: ConnectionSettings::new(),
                state: ConnectionState::Active,
                created: now,
            },
            tenant_name: "acme".to_owned(),
            last_four: Some("abcd".to_owned()),
            created: now,
            expires: Some(now + TimeDelta::days(29)),
            revoked: None,
            last_used: None,
            read_only: false,
            name: String::new(),
        };
        let mut store = Scripted::new([], []);
        store.expiring.push(token);
        let mut watch = ExpiryWatch::default();
        let expiring = watch.expiring();
        assert_eq!(expiring().len(), 0);
        let mut warned_after = |hours: i64| {
            let at = now + TimeDelta::hours(hours);
            watch.warnings(&store, at).unwrap()
        };
        let id = Uuid::nil();
        assert_eq!(
            warned_after(0),
            [format!(
                "the token {id} of the tenant acme and its connection entra expires on 2026-01-30: replace it with \
                 `scim-server token rotate {id}`"
            )]
        );
        assert_eq!(
            [1, 23, 24, 25].map(|hours| warned_after(hours).len()),
            [0, 0, 1, 0]
        );
        let [one] = &expiring()[..] else {
            panic!("one token expires")
        };
        assert_eq!(
            (&*one.tenant, &*one.connection, one.kind),
            ("acme", "entra", "token")
        );
    }

    #[test]
    fn a_dropped_upkeep_has_ended() {
        let store = Arc::new(Scripted::new([Ok(false)], []));
        let upkeep = Upkeep::start(
            store.clone(),
            Retention(None),
            || Ok(false),
            ExpiryWatch::default(),
        )
        .unwrap();
        assert_eq!(Arc::strong_count(&store), 2);
        let began = Instant::now();
        drop(upkeep);
        assert_eq!(Arc::strong_count(&store), 1, "its thread has released the store");
        assert!(began.elapsed() < INTERVAL / 2);
    }
}
