//! The keys of external issuers: cached for each trust, refreshed in the background, and fetched at once for an
//! unknown key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::key_fetch::Fetch;
use super::key_set::KeySet;
use crate::jose::Algorithm;

/// The time after which keys are fetched again, and the shortest time that an issuer can request instead.
const REFRESH: TimeDelta = TimeDelta::hours(6);
const SHORTEST_REFRESH: TimeDelta = TimeDelta::minutes(5);

/// The time for which keys are used without a successful refresh.
const STALE: TimeDelta = TimeDelta::hours(24);

/// The shortest time between two fetches for unknown keys, and between two attempts at an issuer that is down.
const PAUSE: TimeDelta = TimeDelta::minutes(1);

/// Keys of a trust that was not used for this long are forgotten.
const UNUSED: TimeDelta = TimeDelta::hours(48);

/// The most requests that wait for the keys of one trust, and of all trusts. Each of them holds a thread, and a slow
/// issuer must not take the threads of other requests.
const WAITING_FOR_TRUST: usize = 16;
const WAITING_IN_ALL: usize = 32;

/// The reason why there are no keys for an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The issuer has no such key, as a fetch for this request has shown.
    Unknown,
    /// The keys cannot be fetched now, or the key is unknown and the limit forbids a fetch for it.
    Unavailable(String),
}

/// The current time.
pub type Now = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The cache. Calls block while they fetch.
pub struct KeyCache {
    fetch: Fetch,
    now: Now,
    entries: RwLock<HashMap<Uuid, Arc<Entry>>>,
    waiting: AtomicUsize,
}

/// The keys of a trust.
struct Entry {
    url: String,
    state: RwLock<State>,
    /// Held during a fetch, so that requests that arrive during it wait for its result.
    flight: Mutex<()>,
    /// The number of requests that wait for the keys.
    waiting: AtomicUsize,
}

#[derive(Clone, Default)]
struct State {
    keys: Arc<KeySet>,
    /// The time of the last successful fetch.
    fetched: Option<DateTime<Utc>>,
    due: Option<DateTime<Utc>>,
    /// The time and the reason of the last fetch, if it failed.
    failed: Option<(DateTime<Utc>, String)>,
    /// The time of the last fetch for an unknown key.
    searched: Option<DateTime<Utc>>,
    used: Option<DateTime<Utc>>,
}

impl State {
    fn is_stale(&self, now: DateTime<Utc>) -> bool {
        self.fetched.is_none_or(|it| now - it >= STALE)
    }

    /// Returns whether the background refresh is late, as in a process that does not run it.
    fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.due.is_none_or(|it| now - it >= SHORTEST_REFRESH)
    }

    fn failed_lately(&self, now: DateTime<Utc>) -> bool {
        self.failed.as_ref().is_some_and(|(at, _)| now - *at < PAUSE)
    }

    fn searched_lately(&self, now: DateTime<Utc>) -> bool {
        self.searched.is_some_and(|it| now - it < PAUSE)
    }
}

const POISONED: &str = "no code panics while it holds the lock";

impl KeyCache {
    /// Creates an empty cache.
    pub fn new(fetch: Fetch, now: Now) -> KeyCache {
        KeyCache {
            fetch,
            now,
            entries: RwLock::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Returns the keys of a trust, if one of them has the `kid` and the algorithm. Fetches the keys when they are not
    /// known yet, and once a minute when the `kid` is not among them.
    ///
    /// # Errors
    /// `Unknown`, or `Unavailable` when the known keys are too old or have no such `kid`, and the issuer does not
    /// answer or may not be asked yet. `Unknown` is never returned because of the limit of one fetch a minute: the
    /// issuer may have published the `kid` since the last fetch.
    pub fn find(
        &self,
        trust: Uuid,
        url: &str,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<KeySet>, KeyError> {
        let entry = self.entry(trust, url);
        let now = (self.now)();
        let known = |state: &State| !state.is_stale(now) && state.keys.has(kid, algorithm);
        let state = entry.mark_used(now);
        if known(&state) && (!state.is_overdue(now) || state.failed_lately(now)) {
            return Ok(state.keys);
        }
        let places = (
            Place::take(&self.waiting, WAITING_IN_ALL),
            Place::take(&entry.waiting, WAITING_FOR_TRUST),
        );
        let (Some(_in_all), Some(_for_trust)) = &places else {
            return match known(&state) {
                true => Ok(state.keys),
                false => Err(KeyError::Unavailable(
                    "too many requests wait for the keys".to_owned(),
                )),
            };
        };
        let _flight = entry.flight.lock().expect(POISONED);
        // Another request may have fetched the keys by now.
        let state = entry.snapshot();
        let fetches = match known(&state) {
            true => state.is_overdue(now) && !state.failed_lately(now),
            false if state.is_stale(now) => !state.failed_lately(now),
            false => !state.searched_lately(now),
        };
        if fetches {
            let is_search = !state.is_stale(now) && !known(&state);
            self.refresh(&entry, is_search);
        }
        let state = entry.snapshot();
        match (&state.failed, known(&state)) {
            (_, true) => Ok(state.keys),
            (Some((_, reason)), false) => Err(KeyError::Unavailable(reason.clone())),
            (None, false) if fetches => Err(KeyError::Unknown),
            (None, false) => Err(KeyError::Unavailable(
                "the key is unknown, and the keys were already fetched for an unknown key within the last minute".to_owned(),
            )),
        }
    }

    /// Refreshes the keys that are due. Called every minute.
    pub fn refresh_due(&self) {
        let now = (self.now)();
        let is_in_use = |it: &Entry| it.snapshot().used.is_some_and(|used| now - used < UNUSED);
        self.entries
            .write()
            .expect(POISONED)
            .retain(|_, it| is_in_use(it));
        let all: Vec<Arc<Entry>> = self.entries.read().expect(POISONED).values().cloned().collect();
        for entry in all {
            let is_due = || {
                let state = entry.snapshot();
                state.due.is_some_and(|it| it <= now) && !state.failed_lately(now)
            };
            if is_due() {
                let _flight = entry.flight.lock().expect(POISONED);
                // A request may have fetched the keys by now.
                if is_due() {
                    self.refresh(&entry, false);
                }
            }
        }
    }

    fn entry(&self, trust: Uuid, url: &str) -> Arc<Entry> {
        let known = self.entries.read().expect(POISONED).get(&trust).cloned();
        if let Some(entry) = known.filter(|it| it.url == url) {
            return entry;
        }
        let new = Arc::new(Entry {
            url: url.to_owned(),
            state: RwLock::default(),
            flight: Mutex::default(),
            waiting: AtomicUsize::new(0),
        });
        let mut entries = self.entries.write().expect(POISONED);
        let entry = entries.entry(trust).or_insert_with(|| new.clone());
        if entry.url != url {
            *entry = new;
        }
        entry.clone()
    }

    /// Fetches the keys of a trust. The new set replaces the old one, so that a withdrawn key ends.
    fn refresh(&self, entry: &Entry, is_search: bool) {
        let fetched = (self.fetch)(&entry.url).and_then(|it| Ok((KeySet::parse(&it.text)?, it.max_age)));
        let now = (self.now)();
        let mut state = entry.state.write().expect(POISONED);
        if is_search {
            state.searched = Some(now);
        }
        match fetched {
            Ok((keys, max_age)) => {
                let wanted = max_age.and_then(|it| TimeDelta::from_std(it).ok());
                state.keys = Arc::new(keys);
                state.fetched = Some(now);
                state.due = Some(now + wanted.unwrap_or(REFRESH).clamp(SHORTEST_REFRESH, REFRESH));
                state.failed = None;
            }
            Err(reason) => {
                log::warn!("the keys at `{}` cannot be fetched: {reason}", entry.url);
                state.failed = Some((now, reason));
            }
        }
    }
}

/// A place among the waiting requests, which is released when this value is dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(taken: &'a AtomicUsize, most: usize) -> Option<Place<'a>> {
        let before = taken.fetch_add(1, Ordering::Relaxed);
        let place = Place(taken);
        (before < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Entry {
    fn snapshot(&self) -> State {
        self.state.read().expect(POISONED).clone()
    }

    fn mark_used(&self, now: DateTime<Utc>) -> State {
        let mut state = self.state.write().expect(POISONED);
        state.used = Some(now);
        state.clone()
    }
}
