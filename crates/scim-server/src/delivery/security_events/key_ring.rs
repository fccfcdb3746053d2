//! The keys that sign tokens: when each of them signs, and how long it is published.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{SetStreams, StoreError, StoredSigningKey};
use serde_json::{Value, json};
use uuid::Uuid;

use super::token::Token;
use crate::clock;
use crate::jose::{SigningAlgorithm, SigningError, SigningKey};
use crate::sealing::{KeyFile, KeyFileError, Purpose};

/// The type of a token in its header, so that no token passes for one of another kind (RFC 8417 section 2.3).
const TOKEN_TYPE: &str = "secevent+jwt";

/// The time for which a new key is published before it signs, so that receivers that cache the keys know it.
pub const PUBLISHED_BEFORE: TimeDelta = TimeDelta::hours(24);

/// The time for which a key is published after its successor began to sign.
pub const PUBLISHED_AFTER: TimeDelta = TimeDelta::days(30);

/// The time for which the keys of the store are remembered.
const REMEMBERED: Duration = Duration::from_secs(1);

/// The keys of all servers that use the same store.
pub struct KeyRing {
    store: Arc<dyn SetStreams>,
    file: Arc<KeyFile>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    stored: Option<(Instant, Arc<[StoredSigningKey]>)>,
    opened: HashMap<Uuid, Arc<SigningKey>>,
}

/// The reason why a key could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The newest key of the algorithm does not sign yet.
    #[error(
        "the newest key of the algorithm, `{0}`, is published and signs from {1} on: try again after that"
    )]
    Waiting(Uuid, DateTime<Utc>),
    /// Another process is making the key at this moment.
    #[error("there is no key of the algorithm {0} yet: try again")]
    Missing(SigningAlgorithm),
    /// The stored key is damaged.
    #[error("the stored key `{0}` is not a key of its algorithm")]
    Damaged(Uuid),
    /// The secrets key cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The cryptographic library failed.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeyRing {
    /// Uses the keys of a store, which the key file seals.
    pub fn new(store: Arc<dyn SetStreams>, file: Arc<KeyFile>) -> KeyRing {
        KeyRing {
            store,
            file,
            known: Mutex::default(),
        }
    }

    /// Makes the first key of an algorithm, unless there is one. Several servers can do this at the same time.
    ///
    /// The very first keys are made for all algorithms together and sign at once, because no receiver can have read the
    /// keys before. A later first key of an algorithm is published for [`PUBLISHED_BEFORE`], as any other new key.
    ///
    /// # Errors
    /// `Waiting` if no key of the algorithm signs yet; see [`KeyRingError`].
    pub fn ensure(&self, algorithm: SigningAlgorithm, now: DateTime<Utc>) -> Result<(), KeyRingError> {
        if self.stored()?.is_empty() {
            self.add_first(now)?;
        }
        let stored = self.stored()?;
        let is_missing = |it: &SigningAlgorithm| of_algorithm(&stored, *it).is_empty();
        for missing in SigningAlgorithm::ALL.into_iter().filter(is_missing) {
            self.add(missing, None, now, now + PUBLISHED_BEFORE)?;
        }
        signing_key(&self.stored()?, algorithm, now).map(|_| ())
    }

    /// Makes a key that replaces the one that signs now, after it has been published for [`PUBLISHED_BEFORE`].
    ///
    /// # Errors
    /// See [`KeyRingError`].
    pub fn rotate(
        &self,
        algorithm: SigningAlgorithm,
        now: DateTime<Utc>,
    ) -> Result<StoredSigningKey, KeyRingError> {
        self.forget();
        let stored = self.stored()?;
        let last = of_algorithm(&stored, algorithm).last().copied();
        match last {
            Some(last) if last.signs_from > now => Err(KeyRingError::Waiting(last.id, last.signs_from)),
            Some(last) => self.add(algorithm, Some(last.id), now, now + PUBLISHED_BEFORE),
            None => {
                match self.ensure(algorithm, now) {
                    Ok(()) | Err(KeyRingError::Waiting(..)) => {}
                    Err(error) => return Err(error),
                }
                let stored = self.stored()?;
                let first = of_algorithm(&stored, algorithm).last().copied().cloned();
                first.ok_or(KeyRingError::Missing(algorithm))
            }
        }
    }

    /// Adds a key of each algorithm, unless another server was faster.
    fn add_first(&self, now: DateTime<Utc>) -> Result<(), KeyRingError> {
        let keys = SigningAlgorithm::ALL.map(|it| self.new_key(it, now, now));
        let keys = keys.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.store.add_first_signing_keys(&keys)?;
        self.forget();
        Ok(())
    }

    fn new_key(
        &self,
        algorithm: SigningAlgorithm,
        now: DateTime<Utc>,
        signs_from: DateTime<Utc>,
    ) -> Result<StoredSigningKey, KeyRingError> {
        let (id, key) = (clock::new_id(), SigningKey::random(algorithm)?);
        Ok(StoredSigningKey {
            id,
            algorithm: algorithm.to_string(),
            sealed: self.file.seal(Purpose::SigningKey, id, &key.to_pkcs8()?)?,
            public: key.public_jwk(&kid(id)).to_string(),
            created: now,
            signs_from,
        })
    }

    /// Adds a key. Returns that of another server if it was faster.
    fn add(
        &self,
        algorithm: SigningAlgorithm,
        after: Option<Uuid>,
        now: DateTime<Utc>,
        signs_from: DateTime<Utc>,
    ) -> Result<StoredSigningKey, KeyRingError> {
        let new = self.new_key(algorithm, now, signs_from)?;
        let is_stored = self.store.add_signing_key(&new, after)?;
        self.forget();
        if is_stored {
            return Ok(new);
        }
        let stored = self.stored()?;
        let last = of_algorithm(&stored, algorithm).last().copied().cloned();
        Ok(last.unwrap_or(new))
    }

    /// Signs a security event token. The keys sign nothing else, so that no other kind of token can be made with them.
    ///
    /// # Errors
    /// `Waiting` if no key of the algorithm signs yet; see [`KeyRingError`].
    pub fn sign(
        &self,
        algorithm: SigningAlgorithm,
        token: &Token,
        now: DateTime<Utc>,
    ) -> Result<String, KeyRingError> {
        self.ensure(algorithm, now)?;
        let stored = self.stored()?;
        let stored = signing_key(&stored, algorithm, now)?;
        let key = self.opened(stored, algorithm)?;
        Ok(key.sign(&kid(stored.id), TOKEN_TYPE, &token.claims(now))?)
    }

    fn opened(
        &self,
        stored: &StoredSigningKey,
        algorithm: SigningAlgorithm,
    ) -> Result<Arc<SigningKey>, KeyRingError> {
        if let Some(key) = self.known().opened.get(&stored.id) {
            return Ok(key.clone());
        }
        let der = self.file.open(Purpose::SigningKey, stored.id, &stored.sealed)?;
        let key = SigningKey::from_pkcs8(algorithm, &der).ok_or(KeyRingError::Damaged(stored.id))?;
        let key = Arc::new(key);
        self.known().opened.insert(stored.id, key.clone());
        Ok(key)
    }

    /// Returns the public keys as a JWK set (RFC 7517 section 5), also those that sign later or no longer.
    ///
    /// # Errors
    /// The store failed.
    pub fn published(&self) -> Result<Value, StoreError> {
        let stored = self.stored()?;
        let keys = stored
            .iter()
            .filter_map(|it| serde_json::from_str(&it.public).ok());
        Ok(json!({ "keys": keys.collect::<Vec<Value>>() }))
    }

    /// Deletes the keys whose successors have signed for [`PUBLISHED_AFTER`], and returns their number.
    ///
    /// # Errors
    /// The store failed.
    pub fn delete_old(&self, now: DateTime<Utc>) -> Result<usize, StoreError> {
        let mut deleted = 0;
        for algorithm in SigningAlgorithm::ALL {
            let stored = self.stored()?;
            let keys = of_algorithm(&stored, algorithm);
            for pair in keys
                .windows(2)
                .filter(|it| it[1].signs_from + PUBLISHED_AFTER < now)
            {
                deleted += usize::from(self.store.delete_signing_key(pair[0].id)?);
                self.forget();
            }
        }
        Ok(deleted)
    }

    fn stored(&self) -> Result<Arc<[StoredSigningKey]>, StoreError> {
        // The first keys sign at once, and a receiver that asks for the keys then may remember them for a day.
        if let Some((read, stored)) = &self.known().stored
            && read.elapsed() < REMEMBERED
            && !stored.is_empty()
        {
            return Ok(stored.clone());
        }
        let stored: Arc<[StoredSigningKey]> = self.store.signing_keys()?.into();
        let mut known = self.known();
        known.opened.retain(|id, _| stored.iter().any(|it| it.id == *id));
        known.stored = Some((Instant::now(), stored.clone()));
        Ok(stored)
    }

    fn forget(&self) {
        self.known().stored = None;
    }

    /// No code panics while it holds the lock.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of a key in the headers of tokens.
fn kid(id: Uuid) -> String {
    id.simple().to_string()
}

/// Returns the key of an algorithm that signs now.
///
/// # Errors
/// `Waiting`
fn signing_key(
    stored: &[StoredSigningKey],
    algorithm: SigningAlgorithm,
    now: DateTime<Utc>,
) -> Result<&StoredSigningKey, KeyRingError> {
    let keys = of_algorithm(stored, algorithm);
    let first = keys.first().copied().ok_or(KeyRingError::Missing(algorithm))?;
    // A key that was made to sign at once does so, although the clock of the server that made it may be ahead.
    let first_signs = first.signs_from <= first.created;
    let signs = keys.into_iter().rev().find(|it| it.signs_from <= now);
    let signs = signs.or_else(|| first_signs.then_some(first));
    signs.ok_or(KeyRingError::Waiting(first.id, first.signs_from))
}

/// The keys of an algorithm, oldest first.
fn of_algorithm(stored: &[StoredSigningKey], algorithm: SigningAlgorithm) -> Vec<&StoredSigningKey> {
    stored
        .iter()
        .filter(|it| it.algorithm == algorithm.name())
        .collect()
}
