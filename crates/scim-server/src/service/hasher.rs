//! Hashing secrets with argon2id.

use std::num::NonZero;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use argon2::password_hash::{self, Output, ParamsString, PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use scim_model::SecretHash;
use scim_model::secret::Prepared;
use scim_model::store::StoreError;

use super::error::Error;

/// Hashes secrets, a limited number of them at once: each takes 19 MiB and tens of milliseconds of processor time.
pub(super) struct Hasher {
    argon2: Argon2<'static>,
    /// The free slots and the number of threads that wait for one.
    slots: Mutex<Slots>,
    freed: Condvar,
}

struct Slots {
    /// The working memory of each free slot. It is kept for the next secret, because an allocator may never return
    /// blocks of this size to the operating system.
    free: Vec<Memory>,
    waiting: usize,
    max_waiting: usize,
}

/// The working memory of argon2id: empty until the slot is used for the first time.
type Memory = Vec<Block>;

/// The maximum number of slots, because each keeps 19 MiB.
const MAX_SLOTS: usize = 8;

/// The maximum wait for a slot, as for a thread in `http::blocking`. Beyond it the request is rejected, because its
/// client may have given up.
const MAX_WAIT: Duration = Duration::from_secs(3);

impl Hasher {
    /// Creates a hasher with one slot for each processor, and at most [`MAX_SLOTS`].
    pub(super) fn new() -> Hasher {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Hasher::with_slots(processors.min(MAX_SLOTS))
    }

    fn with_slots(number: usize) -> Hasher {
        // OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
        let params =
            Params::new(19 * 1024, 2, 1, None).expect("the parameters are within the bounds of argon2");
        Hasher {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            slots: Mutex::new(Slots {
                free: vec![Memory::new(); number],
                waiting: 0,
                // Each waiting request holds a thread. The limit keeps most threads free for requests without a secret.
                max_waiting: (16 * number).min(32),
            }),
            freed: Condvar::new(),
        }
    }

    /// Returns the hash of a secret with a random salt, as a PHC string.
    ///
    /// # Errors
    /// `Overloaded` when too many requests wait for a slot, or this one has waited too long.
    pub(super) fn hash(&self, secret: &Prepared) -> Result<SecretHash, Error> {
        let mut slot = self.acquire()?;
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| StoreError::Unavailable(error.into()))?;
        // The error describes parameters and never contains the secret.
        self.hash_with(secret.expose(), &salt, &mut slot.memory)
            .map(SecretHash)
            .map_err(|error| StoreError::Unavailable(error.to_string().into()).into())
    }

    /// Does the same as `PasswordHasher::hash_password`, but with the memory of the slot instead of new memory for
    /// each secret.
    fn hash_with(
        &self,
        secret: &[u8],
        salt: &[u8],
        memory: &mut Memory,
    ) -> Result<String, password_hash::Error> {
        let params = self.argon2.params();
        memory.resize(params.block_count(), Block::new());
        let hash = Output::init_with(Params::DEFAULT_OUTPUT_LEN, |output| {
            Ok(self
                .argon2
                .hash_password_into_with_memory(secret, salt, output, &mut **memory)?)
        })?;
        let salt = SaltString::encode_b64(salt)?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(params)?,
            salt: Some(salt.as_salt()),
            hash: Some(hash),
        };
        Ok(hash.to_string())
    }

    fn acquire(&self) -> Result<Slot<'_>, Error> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.free.is_empty() {
            if slots.waiting >= slots.max_waiting {
                return Err(Error::Overloaded);
            }
            slots.waiting += 1;
            let waited = self
                .freed
                .wait_timeout_while(slots, MAX_WAIT, |slots| slots.free.is_empty());
            (slots, _) = waited.unwrap_or_else(PoisonError::into_inner);
            slots.waiting -= 1;
        }
        let memory = slots.free.pop().ok_or(Error::Overloaded)?;
        Ok(Slot { hasher: self, memory })
    }
}

/// A slot for hashing one secret. It is released when it is dropped, even after a panic.
struct Slot<'a> {
    hasher: &'a Hasher,
    memory: Memory,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let mut slots = self.hasher.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.free.push(memory);
        self.hasher.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use argon2::PasswordVerifier as _;
    use scim_model::ClearText;

    use super::*;

    /// 7643-4.1.1-16
    #[test]
    fn a_hash_is_argon2id_with_a_random_salt() {
        let hasher = Hasher::with_slots(1);
        let secret = ClearText::new("hunter2").prepare("password").unwrap();
        let (one, other) = (hasher.hash(&secret).unwrap().0, hasher.hash(&secret).unwrap().0);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        let parsed = argon2::PasswordHash::new(&one).unwrap();
        let verify = |secret: &[u8]| hasher.argon2.verify_password(secret, &parsed);
        verify(b"hunter2").unwrap();
        assert!(verify(b"hunter3").is_err());
    }

    /// 400 creations with a password once left 1 GB with the allocator.
    #[test]
    fn the_memory_of_a_slot_is_used_again() {
        let hasher = Hasher::with_slots(2);
        let secret = ClearText::new("hunter2").prepare("password").unwrap();
        let addresses = || {
            let slots = hasher.slots.lock().unwrap();
            let used = slots.free.iter().filter(|it| !it.is_empty());
            used.map(Vec::as_ptr).collect::<Vec<_>>()
        };
        hasher.hash(&secret).unwrap();
        let first = addresses();
        assert_eq!(first.len(), 1);
        for _ in 0..3 {
            hasher.hash(&secret).unwrap();
            assert_eq!(addresses(), first);
        }
    }

    #[test]
    fn the_number_of_waiting_threads_is_limited() {
        let max_waiting = |slots| Hasher::with_slots(slots).slots.into_inner().unwrap().max_waiting;
        assert_eq!([1, 2, 4].map(max_waiting), [16, 32, 32]);
    }

    #[test]
    fn waiting_threads_are_counted_while_they_wait() {
        let hasher = Hasher::with_slots(1);
        let waiting = || hasher.slots.lock().unwrap().waiting;
        let slot = hasher.acquire().unwrap();
        thread::scope(|scope| {
            let threads: Vec<_> = (1..=2)
                .map(|expected| {
                    let thread = scope.spawn(|| hasher.acquire().map(drop).is_ok());
                    let began = Instant::now();
                    while waiting() != expected && began.elapsed() < MAX_WAIT / 2 {
                        thread::sleep(Duration::from_millis(1));
                    }
                    assert_eq!(waiting(), expected);
                    thread
                })
                .collect();
            drop(slot);
            assert!(threads.into_iter().all(|it| it.join().unwrap()));
        });
        assert_eq!(waiting(), 0);
    }

    #[test]
    fn slots_and_queue_are_limited() {
        let hasher = Hasher::with_slots(2);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let _slot = hasher.acquire().expect("the queue has room for 20 threads");
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(2));
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 2);
        let slots = [hasher.acquire().unwrap(), hasher.acquire().unwrap()];
        hasher.slots.lock().unwrap().waiting = 32;
        assert!(matches!(hasher.acquire(), Err(Error::Overloaded)));
        hasher.slots.lock().unwrap().waiting = 0;
        drop(slots);
        assert!(hasher.acquire().is_ok());
    }
}
