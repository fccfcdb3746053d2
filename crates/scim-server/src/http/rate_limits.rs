//! The rate of requests of each connection: a token bucket.
//!
//! Servers that share a database count apart.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use scim_model::store::{ConnectionId, TenantId};

/// The requests at once, as a multiple of those in a second.
const BURST: u32 = 5;

/// The number of buckets above which full ones are forgotten.
const MOST_BUCKETS: usize = 10_000;

/// The time after which an unused bucket is full.
const FULL_AFTER: Duration = Duration::from_secs(BURST as u64 + 1);

/// The owner of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// A connection.
    Connection(ConnectionId),
    /// The clients of a tenant whose credentials belong to no connection.
    Tenant(TenantId),
}

/// The state of a client's bucket after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The requests that may come at once, if none came before.
    pub burst: u32,
    /// The requests that may come at once now.
    pub remaining: u32,
    /// The seconds until there are more: 0 if there are some.
    pub reset: u32,
}

/// The seconds for which [`Allowance::burst`] is counted.
pub(super) const WINDOW: u32 = BURST;

/// The buckets of all clients.
pub(super) struct RateLimits<C: Clock = MonotonicClock> {
    clock: C,
    buckets: Mutex<Buckets<C>>,
}

struct Buckets<C: Clock> {
    by_client: HashMap<Client, Bucket<C>>,
    /// The time at which full ones were forgotten. Looking for them visits every bucket, so not each request does it.
    cleaned: Instant,
}

type Limiter<C> = RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>;

struct Bucket<C: Clock> {
    rate: NonZeroU32,
    limiter: Arc<Limiter<C>>,
    used: Instant,
}

impl<C: Clock + Clone> RateLimits<C> {
    /// Creates buckets that are full.
    pub(super) fn new(clock: C) -> RateLimits<C> {
        RateLimits {
            clock,
            buckets: Mutex::new(Buckets {
                by_client: HashMap::new(),
                cleaned: Instant::now(),
            }),
        }
    }

    /// Takes a request out of a client's bucket, which gets `rate` requests a second. Returns `None` if the rate is 0: then
    /// there is no limit.
    ///
    /// # Errors
    /// The bucket is empty.
    pub(super) fn take(&self, client: Client, rate: u32) -> Option<Result<Allowance, Allowance>> {
        let rate = NonZeroU32::new(rate)?;
        let limiter = self.limiter(client, rate);
        let burst = burst(rate).get();
        Some(match limiter.check() {
            Ok(state) => Ok(Allowance {
                burst,
                remaining: state.remaining_burst_capacity(),
                reset: 0,
            }),
            Err(refused) => {
                let wait = refused.wait_time_from(self.clock.now());
                // Clients read whole seconds, and must not come too early.
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                Err(Allowance {
                    burst,
                    remaining: 0,
                    reset: u32::try_from(seconds).unwrap_or(u32::MAX).max(1),
                })
            }
        })
    }

    /// Returns the bucket of a client. A changed rate begins with a full one.
    fn limiter(&self, client: Client, rate: NonZeroU32) -> Arc<Limiter<C>> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if buckets.by_client.len() >= MOST_BUCKETS && now.duration_since(buckets.cleaned) >= FULL_AFTER {
            buckets
                .by_client
                .retain(|_, it| now.duration_since(it.used) < FULL_AFTER);
            buckets.cleaned = now;
        }
        let new = || {
            let quota = Quota::per_second(rate).allow_burst(burst(rate));
            let limiter = RateLimiter::direct_with_clock(quota, self.clock.clone());
            Bucket {
                rate,
                limiter: Arc::new(limiter.with_middleware()),
                used: now,
            }
        };
        let bucket = buckets.by_client.entry(client).or_insert_with(new);
        if bucket.rate != rate {
            *bucket = new();
        }
        bucket.used = now;
        bucket.limiter.clone()
    }
}

fn burst(rate: NonZeroU32) -> NonZeroU32 {
    rate.saturating_mul(NonZeroU32::new(BURST).unwrap_or(NonZeroU32::MIN))
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use uuid::Uuid;

    use super::*;

    fn connection(number: u128) -> Client {
        Client::Connection(ConnectionId(Uuid::from_u128(number)))
    }

    #[test]
    fn a_client_sends_a_burst_and_then_its_rate() {
        let clock = FakeRelativeClock::default();
        let limits = RateLimits::new(clock.clone());
        let take = || limits.take(connection(1), 10).unwrap();
        for number in 1..=50 {
            let expected = Allowance {
                burst: 50,
                remaining: 50 - number,
                reset: 0,
            };
            assert_eq!(take(), Ok(expected));
        }
        let refused = Err(Allowance {
            burst: 50,
            remaining: 0,
            reset: 1,
        });
        assert_eq!(take(), refused);
        clock.advance(Duration::from_millis(100));
        assert!(take().is_ok());
        assert_eq!(take(), refused);
        // Other clients have other buckets.
        assert!(limits.take(connection(2), 10).unwrap().is_ok());
        assert!(limits.take(Client::Tenant(TenantId(1)), 10).unwrap().is_ok());
        clock.advance(Duration::from_secs(5));
        assert_eq!((0..60).filter(|_| take().is_ok()).count(), 50);
    }

    #[test]
    fn a_limit_of_0_is_none_and_a_new_limit_begins_with_a_full_bucket() {
        let limits = RateLimits::new(FakeRelativeClock::default());
        for _ in 0..1000 {
            assert_eq!(limits.take(connection(1), 0), None);
        }
        let taken = |rate| {
            (0..100)
                .filter(|_| limits.take(connection(1), rate).unwrap().is_ok())
                .count()
        };
        assert_eq!((taken(1), taken(2), taken(2)), (5, 10, 0));
    }
}
