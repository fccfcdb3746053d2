//! Secrets such as `password`: hashed with argon2id, or dropped.

use std::num::NonZero;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use argon2::password_hash::{PasswordHasher as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use scim_model::secret::Prepared;
use scim_model::store::{StoreError, TenantId};
use scim_model::{ResourceType, SecretHash, SecretHashes, SentSecrets};
use uuid::Uuid;

use super::{Error, Service};

/// The hashes of one request, which is computed again when it loses a race: a hash is not.
#[derive(Default)]
pub(super) struct Hashed(Option<SecretHashes>);

impl Hashed {
    /// The hashes of what a client sent, the same each time; nothing when secrets are dropped.
    ///
    /// The same text has another hash in each request, and so is a change each time: who may write a
    /// password must not be able to ask, by an `ETag` that stays, whether a guess is right.
    ///
    /// # Errors
    /// `invalidValue` for a text that cannot be a password, `Overloaded`.
    pub(super) fn of(&mut self, service: &Service, sent: &SentSecrets) -> Result<SecretHashes, Error> {
        let Some(hasher) = &service.hasher else {
            return Ok(SecretHashes::new());
        };
        if let Some(hashes) = &self.0 {
            return Ok(hashes.clone());
        }
        let hashes = sent.iter().map(|(path, text)| {
            let hash = match text {
                Some(text) => Some(hasher.hash(&text.prepare(path)?)?),
                None => None,
            };
            Ok((path.clone(), hash))
        });
        let hashes = hashes.collect::<Result<SecretHashes, Error>>()?;
        self.0 = Some(hashes.clone());
        Ok(hashes)
    }
}

impl Service {
    /// Without those that are to be forgotten and are not there, for they change nothing.
    pub(super) fn without_idle(
        &self,
        tenant: TenantId,
        resource_type: &ResourceType,
        id: Uuid,
        secrets: SecretHashes,
    ) -> Result<SecretHashes, Error> {
        let mut changing = SecretHashes::new();
        for (path, hash) in secrets {
            if hash.is_some() || self.store.secret(tenant, resource_type, id, &path)?.is_some() {
                changing.insert(path, hash);
            }
        }
        Ok(changing)
    }
}

/// Hashes a few secrets at once: each takes 19 MiB and tens of milliseconds of a processor.
pub(super) struct Hasher {
    argon2: Argon2<'static>,
    /// Free places, and how many wait for one.
    places: Mutex<Places>,
    freed: Condvar,
}

struct Places {
    free: usize,
    waiting: usize,
    max_waiting: usize,
}

/// Who waited that long is turned away, as in the line for a thread: the client may have given up.
const MAX_WAIT: Duration = Duration::from_secs(3);

impl Hasher {
    /// As many at once as there are processors.
    pub(super) fn new() -> Hasher {
        Hasher::with_places(thread::available_parallelism().map_or(1, NonZero::get))
    }

    fn with_places(free: usize) -> Hasher {
        // OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
        let params = Params::new(19 * 1024, 2, 1, None).expect("they are within the bounds of argon2");
        Hasher {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            places: Mutex::new(Places {
                free,
                waiting: 0,
                // Those who wait hold a thread each: most threads stay for requests without a password.
                max_waiting: (16 * free).min(32),
            }),
            freed: Condvar::new(),
        }
    }

    /// The hash with a salt of its own, as a PHC string.
    ///
    /// # Errors
    /// `Overloaded` when too many wait for it, or this one did for too long.
    fn hash(&self, secret: &Prepared) -> Result<SecretHash, Error> {
        let _place = self.place()?;
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| StoreError::Unavailable(error.into()))?;
        let hash = SaltString::encode_b64(&salt)
            .and_then(|salt| Ok(self.argon2.hash_password(secret.expose(), &salt)?.to_string()));
        // The error speaks of parameters, not of the secret.
        hash.map(SecretHash)
            .map_err(|error| StoreError::Unavailable(error.to_string().into()).into())
    }

    fn place(&self) -> Result<Place<'_>, Error> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.free == 0 {
            if places.waiting >= places.max_waiting {
                return Err(Error::Overloaded);
            }
            places.waiting += 1;
            let waited = self
                .freed
                .wait_timeout_while(places, MAX_WAIT, |places| places.free == 0);
            (places, _) = waited.unwrap_or_else(PoisonError::into_inner);
            places.waiting -= 1;
            if places.free == 0 {
                return Err(Error::Overloaded);
            }
        }
        places.free -= 1;
        Ok(Place(self))
    }
}

/// A place among those who are served; given back at the end, also at that of a panic.
struct Place<'a>(&'a Hasher);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.free += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use scim_model::ClearText;

    use super::*;

    /// 7643-4.1.1-16
    #[test]
    fn a_hash_is_argon2id_with_a_salt_of_its_own() {
        let hasher = Hasher::with_places(1);
        let secret = ClearText::new("hunter2").prepare("password").unwrap();
        let (one, other) = (hasher.hash(&secret).unwrap().0, hasher.hash(&secret).unwrap().0);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
    }

    #[test]
    fn few_threads_wait_for_a_place() {
        let max_waiting = |places| {
            Hasher::with_places(places)
                .places
                .into_inner()
                .unwrap()
                .max_waiting
        };
        assert_eq!([1, 2, 4].map(max_waiting), [16, 32, 32]);
    }

    #[test]
    fn those_who_wait_are_counted_while_they_wait() {
        let hasher = Hasher::with_places(1);
        let waiting = || hasher.places.lock().unwrap().waiting;
        let place = hasher.place().unwrap();
        thread::scope(|scope| {
            let threads: Vec<_> = (1..=2)
                .map(|expected| {
                    let thread = scope.spawn(|| hasher.place().map(drop).is_ok());
                    let began = Instant::now();
                    while waiting() != expected && began.elapsed() < MAX_WAIT / 2 {
                        thread::sleep(Duration::from_millis(1));
                    }
                    assert_eq!(waiting(), expected);
                    thread
                })
                .collect();
            drop(place);
            assert!(threads.into_iter().all(|it| it.join().unwrap()));
        });
        assert_eq!(waiting(), 0);
    }

    #[test]
    fn no_more_than_the_places_are_taken_and_the_line_is_short() {
        let hasher = Hasher::with_places(2);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let _place = hasher.place().expect("20 are not too many");
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(2));
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 2);
        let places = [hasher.place().unwrap(), hasher.place().unwrap()];
        hasher.places.lock().unwrap().waiting = 32;
        assert!(matches!(hasher.place(), Err(Error::Overloaded)));
        hasher.places.lock().unwrap().waiting = 0;
        drop(places);
        assert!(hasher.place().is_ok());
    }
}
